//! Who clients are: their registrations, identities and Client-IDs, and what becomes of these [DPE digest 4.1].

use alloc::{collections::BTreeMap, string::String, vec, vec::Vec};
use core::net::IpAddr;

use core_kit::Millis;
use serde::{Deserialize, Serialize};

use super::choices::{Assignment, Audience, BadInput, ObsoleteAction, Restore, SettingsSync, Strategy};
use crate::identity::{HeaderMeaning, IdentitySource, Network};

/// Registration, on the server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Registration {
    /// `reg.ack_timeout`: Wait for `DPE_Register_Success` after a Client-ID was sent (`T_reg_ack`).
    pub ack_timeout: Millis,
    /// `reg.command_timeout`: Wait for `DPE_Register_Request` after a register command (`T_reg_cmd`).
    pub command_timeout: Millis,
    /// `reg.command_retry_max`: Register commands before the registration has failed.
    pub command_retry_max: u32,
    /// `reg.require_user_identity`: Refuse with 3 a client whose user is not known.
    pub require_user_identity: bool,
    /// `reg.require_version`: Refuse with 5 a client without `DPE-Version`.
    pub require_version: bool,
    /// `reg.supported_versions`: Versions that are spoken; others are refused with 6.
    pub supported_versions: Vec<String>,
    /// `reg.require_token`: Refuse with 7 a client without `Security-Token`.
    pub require_token: bool,
    /// `reg.reregister_interval`: Time after which the server makes an active client register again; 0 for never.
    pub reregister_interval: Millis,
    /// `reg.settings_sync`: When settings are established again.
    pub settings_sync: SettingsSync,
}

impl Default for Registration {
    fn default() -> Self {
        Self {
            ack_timeout: Millis::from_secs(30),
            command_timeout: Millis::from_secs(30),
            command_retry_max: 3,
            require_user_identity: false,
            require_version: true,
            supported_versions: vec!["1.0".into()],
            require_token: false,
            reregister_interval: Millis(0),
            settings_sync: SettingsSync::Always,
        }
    }
}

/// How Client-IDs are made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ClientIds {
    /// `client_id.assignment`: How long one lives.
    pub assignment: Assignment,
    /// `client_id.version_ranges`: Prefix of the Client-ID by `DPE-Version`; at most 16 characters.
    pub version_ranges: BTreeMap<String, String>,
    /// `client_id.bits`: Random bits in one, 96 to 192 in steps of 8.
    pub bits: u16,
}

impl Default for ClientIds {
    fn default() -> Self {
        Self { assignment: Assignment::PerUserDevice, version_ranges: BTreeMap::new(), bits: 128 }
    }
}

/// The interface to clients, as far as everybody may knock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Dpe1 {
    /// `dpe1.bad_message_type_action`: What is done with a registration message of no known type.
    pub bad_message_type_action: BadInput,
    /// `dpe1.allowed_networks`: Where clients may come from; empty for anywhere.
    pub allowed_networks: Vec<Network>,
    /// `dpe1.rate_per_ip`: Registrations a minute and address. The transport counts.
    pub rate_per_ip: u32,
}

impl Default for Dpe1 {
    fn default() -> Self {
        Self { bad_message_type_action: BadInput::Error, allowed_networks: Vec::new(), rate_per_ip: 30 }
    }
}

/// Where identities come from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Identification {
    /// `identity.sources`: Sources in the order of trust.
    pub sources: Vec<IdentitySource>,
    /// `identity.trusted_proxies`: Peers whose forwarded headers count.
    pub trusted_proxies: Vec<Network>,
    /// `identity.header_names`: What headers of a trusted proxy mean; names in lower case.
    pub header_names: BTreeMap<String, HeaderMeaning>,
    /// `identity.ipv6_as_device_id`: Whether a static IPv6 address may be the identity of a device.
    pub ipv6_as_device_id: bool,
    /// `identity.static_ipv6_prefixes`: Where addresses are static.
    pub static_ipv6_prefixes: Vec<Network>,
    /// `identity.allow_imsi`: Whether an IMSI is taken as the identity of a user.
    pub allow_imsi: bool,
}

impl Identification {
    /// Whether forwarded headers of this peer count.
    #[must_use]
    pub fn trusts(&self, peer: IpAddr) -> bool {
        self.trusted_proxies.iter().any(|network| network.contains(peer))
    }

    /// What a header of this name means, whatever its case.
    #[must_use]
    pub fn meaning(&self, header: &str) -> Option<&HeaderMeaning> {
        self.header_names.iter().find(|(name, _)| name.eq_ignore_ascii_case(header)).map(|(_, meaning)| meaning)
    }

    /// Whether this address may be the identity of a device.
    #[must_use]
    pub fn is_static(&self, address: IpAddr) -> bool {
        self.ipv6_as_device_id && self.static_ipv6_prefixes.iter().any(|network| network.contains(address))
    }
}

impl Default for Identification {
    fn default() -> Self {
        Self {
            sources: vec![IdentitySource::Radius, IdentitySource::ProxyHeaders, IdentitySource::Message],
            trusted_proxies: Vec::new(),
            header_names: [("x-forwarded-for".into(), HeaderMeaning::ClientIp)].into(),
            ipv6_as_device_id: false,
            static_ipv6_prefixes: Vec::new(),
            allow_imsi: false,
        }
    }
}

/// What is done when a client cannot be identified.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Verification {
    /// `verify.client_failure_strategy`: The strategies, in order.
    pub client_failure_strategy: Vec<Strategy>,
    /// `verify.client_failure_retries`: How often `retry` sends the request again.
    pub client_failure_retries: u32,
    /// `verify.reregister_deadline`: How long `reregister` waits before the SP gets 39.
    pub reregister_deadline: Millis,
}

impl Default for Verification {
    fn default() -> Self {
        Self {
            client_failure_strategy: vec![Strategy::Error],
            client_failure_retries: 2,
            reregister_deadline: Millis::from_secs(60),
        }
    }
}

/// Device change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DeviceChange {
    /// `device_change.multi_device_users`: Whether a user may have several devices.
    pub multi_device_users: bool,
    /// `device_change.restore`: Which settings follow the user.
    pub restore: Restore,
    /// `device_change.sync_retries`: Repetitions of each step of the synchronisation.
    pub sync_retries: u32,
}

impl Default for DeviceChange {
    fn default() -> Self {
        Self { multi_device_users: false, restore: Restore::User, sync_retries: 3 }
    }
}

/// Client-IDs that were given up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Obsolete {
    /// `obsolete_client_id.action`: What an SP gets that uses one.
    pub action: ObsoleteAction,
    /// `obsolete_client_id.retention`: How long one is remembered.
    pub retention: Millis,
}

impl Default for Obsolete {
    fn default() -> Self {
        Self { action: ObsoleteAction::ErrorAndReport, retention: Millis::from_secs(2_592_000) }
    }
}

/// Client ID reports.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CidReport {
    /// `cid_report.audience`: Who gets them.
    pub audience: Audience,
}

impl Default for CidReport {
    fn default() -> Self {
        Self { audience: Audience::Related }
    }
}
