//! Every parameter of the digest's chapter 4: typed, with its unit, its default, and a check of its range.
//!
//! The serialised form has the digest's names: `reg.ack_timeout` is the field `ack_timeout` of the object `reg`. Spans
//! are in milliseconds unless the name says otherwise.

use alloc::{collections::BTreeMap, string::String, vec, vec::Vec};
use core::net::IpAddr;

use core_kit::Millis;
use serde::{Deserialize, Serialize};

use crate::{
    identity::{HeaderMeaning, IdentitySource, Network},
    ids::SpId,
    limits::{DURATION_SECS_MAX, StateLimits, WireLimits},
    property::{IDENTITIES, STARTER, names},
    wire::PropertyName,
};

mod choices;

pub use choices::*;

/// The configuration of a DPE Server.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Registration, on the server.
    pub reg: Registration,
    /// How Client-IDs are made.
    pub client_id: ClientIds,
    /// The interface to clients, as far as everybody may knock.
    pub dpe1: Dpe1,
    /// Where identities come from.
    pub identity: Identification,
    /// What is done when a client cannot be identified.
    pub verify: Verification,
    /// All SPs alike. What belongs to one is in [`SpProfile`].
    pub sp: Providers,
    /// Identifiers of DPE-3.
    pub ids: Ids,
    /// The interface to SPs.
    pub dpe3: Dpe3,
    /// The exchange with a client.
    pub dpe2: Dpe2,
    /// Messages.
    pub dpe: Dpe,
    /// Policies.
    pub policy: Policies,
    /// Groups.
    pub group: Groups,
    /// What is answered without asking the client.
    pub cache: Cache,
    /// Names of properties.
    pub vocabulary: Vocabulary,
    /// Device change.
    pub device_change: DeviceChange,
    /// Client-IDs that were given up.
    pub obsolete_client_id: Obsolete,
    /// Client ID reports.
    pub cid_report: CidReport,
    /// The HTTP binding.
    pub http: Http,
    /// Bounds of messages.
    pub wire: WireLimits,
    /// Bounds of what is remembered.
    pub state: StateLimits,
}

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

/// All SPs alike. What belongs to one is in [`SpProfile`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Providers {
    /// `sp.auth_failure_action`: What is done with an unknown SP (34) or address (37).
    pub auth_failure_action: BadInput,
    /// `sp.missing_spid_action`: What is done with a request without `SP-ID`.
    pub missing_spid_action: MissingSpId,
    /// `sp.max_connections`: Connections of one SP at a time. The transport counts.
    pub max_connections: u32,
    /// `sp.window_seconds`: Length of the window in which requests are counted, in seconds.
    pub window_seconds: u32,
    /// `sp.window_threshold`: Requests that one window allows, 1 to 100,000.
    pub window_threshold: u32,
    /// `sp.window_algorithm`: How they are counted.
    pub window_algorithm: WindowAlgorithm,
    /// `sp.max_open_dialogues`: Requests of one SP that wait for their answer.
    pub max_open_dialogues: u32,
    /// `sp.max_groups`: Groups of one SP.
    pub max_groups: u32,
    /// `sp.max_policies`: Policies of one SP.
    pub max_policies: u32,
    /// `sp.report_retries`: Deliveries of a report that are tried. The transport counts.
    pub report_retries: u32,
}

impl Default for Providers {
    fn default() -> Self {
        Self {
            auth_failure_action: BadInput::Ignore,
            missing_spid_action: MissingSpId::ErrorIfKnownIp,
            max_connections: 8,
            window_seconds: 60,
            window_threshold: 120,
            window_algorithm: WindowAlgorithm::Sliding,
            max_open_dialogues: 256,
            max_groups: 256,
            max_policies: 256,
            report_retries: 3,
        }
    }
}

/// Identifiers of DPE-3.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Ids {
    /// `ids.scope`: Within what they are unique.
    pub scope: IdScope,
}

impl Default for Ids {
    fn default() -> Self {
        Self { scope: IdScope::Sp }
    }
}

/// The interface to SPs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Dpe3 {
    /// `dpe3.allow_star_release`: Whether an SP may release all its groups or policies of a client by `*`.
    pub allow_star_release: bool,
    /// `dpe3.strict_integer_message_id`: Whether the `Message-ID` of a Client ID query must be a number, else 17.
    pub strict_integer_message_id: bool,
}

/// The exchange with a client.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Dpe2 {
    /// `dpe2.noreply_timeout`: Wait for the result of a query (`T_noreply`).
    pub noreply_timeout: Millis,
    /// `dpe2.ack_timeout`: Wait for an acknowledgement (`T_ack`).
    pub ack_timeout: Millis,
    /// `dpe2.ack_retries`: Repetitions after either.
    pub ack_retries: u32,
    /// `dpe2.bad_format_retries`: Repetitions after a faulty answer.
    pub bad_format_retries: u32,
    /// `dpe2.queue_max`: Requests that wait for one client.
    pub queue_max: u32,
    /// `dpe2.queue_max_wait`: How long one waits.
    pub queue_max_wait: Millis,
    /// `dpe2.tombstone_ttl`: How long late answers are still known as such.
    pub tombstone_ttl: Millis,
    /// `dpe2.ack_client_messages`: Acknowledge answers of clients. Reserved: must be off.
    pub ack_client_messages: bool,
}

impl Default for Dpe2 {
    fn default() -> Self {
        Self {
            noreply_timeout: Millis::from_secs(30),
            ack_timeout: Millis::from_secs(30),
            ack_retries: 1,
            bad_format_retries: 2,
            queue_max: 64,
            queue_max_wait: Millis::from_secs(60),
            tombstone_ttl: Millis::from_secs(300),
            ack_client_messages: false,
        }
    }
}

/// Messages.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Dpe {
    /// `dpe.multi_property_query`: Whether one query may name more than one property.
    pub multi_property_query: bool,
}

impl Default for Dpe {
    fn default() -> Self {
        Self { multi_property_query: true }
    }
}

/// Policies.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Policies {
    /// `policy.max_duration`: Longest duration in seconds; above is 36.
    pub max_duration: u32,
    /// `policy.default_duration`: Duration where none is given, in seconds; without it 35.
    pub default_duration: Option<u32>,
    /// `policy.duration_start`: When the duration begins.
    pub duration_start: DurationStart,
    /// `policy.min_interval`: Shortest interval of reports; below is 32.
    pub min_interval: Millis,
    /// `policy.expiry_release_retries`: Repetitions of the release of an expired policy.
    pub expiry_release_retries: u32,
    /// `policy.expired_memory`: How long the release of an expired policy is answered with 28 and not with 26.
    pub expired_memory: Millis,
    /// `policy.release_unknown`: Release policies that report and are not known.
    pub release_unknown: bool,
    /// `policy.validate_at_server`: Check types and parameters before the client does.
    pub validate_at_server: bool,
}

impl Default for Policies {
    fn default() -> Self {
        Self {
            max_duration: 604_800,
            default_duration: None,
            duration_start: DurationStart::Ack,
            min_interval: Millis::from_secs(5),
            expiry_release_retries: 3,
            expired_memory: Millis::from_secs(86400),
            release_unknown: true,
            validate_at_server: true,
        }
    }
}

/// Groups.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Groups {
    /// `group.release_cascade`: Whether the policies on a group end with it.
    pub release_cascade: bool,
}

impl Default for Groups {
    fn default() -> Self {
        Self { release_cascade: true }
    }
}

/// What is answered without asking the client.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Cache {
    /// `cache.mode`: How.
    pub mode: CacheMode,
    /// `cache.semi_dynamic`: Names that may be cached.
    pub semi_dynamic: Vec<PropertyName>,
    /// `cache.ttl`: How long a value is fresh.
    pub ttl: Millis,
    /// `cache.ttl_of`: How long it is for single names (`cache.ttl.<name>`).
    pub ttl_of: BTreeMap<PropertyName, Millis>,
    /// `cache.clear_on_registration`: Whether a registration makes everything stale.
    pub clear_on_registration: bool,
    /// `cache.serve_when_unreachable`: Whether the cache answers for a client that is silent.
    pub serve_when_unreachable: bool,
}

impl Default for Cache {
    fn default() -> Self {
        Self {
            mode: CacheMode::SemiDynamic,
            semi_dynamic: names(&["InstalledSoftwareList", "OSName"]),
            ttl: Millis::from_secs(86400),
            ttl_of: BTreeMap::new(),
            clear_on_registration: true,
            serve_when_unreachable: false,
        }
    }
}

/// Names of properties.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Vocabulary {
    /// `vocabulary.names`: Names that exist, beside the denied ones.
    pub names: Vec<PropertyName>,
    /// `vocabulary.denied_to_sp`: Names that exist and that no SP may ask for.
    pub denied_to_sp: Vec<PropertyName>,
    /// `vocabulary.check_at_server`: Whether unknown names are refused before the client does.
    pub check_at_server: bool,
}

impl Default for Vocabulary {
    fn default() -> Self {
        Self { names: names(STARTER), denied_to_sp: names(IDENTITIES), check_at_server: true }
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

/// The HTTP binding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Http {
    /// `http.poll_wait`: How long a poll is kept open.
    pub poll_wait: Millis,
    /// `http.ignore_style`: How ignoring looks.
    pub ignore_style: IgnoreStyle,
}

impl Default for Http {
    fn default() -> Self {
        Self { poll_wait: Millis::from_secs(30), ignore_style: IgnoreStyle::Close }
    }
}

/// What belongs to one SP (`sp.<id>.*`): settled when it is onboarded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SpProfile {
    /// Which SP.
    pub id: SpId,
    /// `sp.<id>.networks`: where it may come from.
    pub networks: Vec<Network>,
    /// `sp.<id>.callback`: where reports, and answers in callback mode, go.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub callback: Option<String>,
    /// `sp.<id>.query_key_schemes`: what it may ask a Client-ID by.
    #[serde(default)]
    pub query_key_schemes: Vec<String>,
    /// `sp.<id>.response_mode`.
    pub response_mode: ResponseMode,
}

impl SpProfile {
    /// An SP that comes from these networks, may not ask for Client-IDs, and gets its answers as replies.
    #[must_use]
    pub const fn new(id: SpId, networks: Vec<Network>) -> Self {
        Self { id, networks, callback: None, query_key_schemes: Vec::new(), response_mode: ResponseMode::Sync }
    }
}

/// The configuration of a DPE Client.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ClientConfig {
    /// `client.server_addresses`: names or addresses of the server; must be set before the client does anything.
    pub server_addresses: Vec<String>,
    /// `client.server_addr_mismatch_action`: what is done with a message of another address.
    pub server_addr_mismatch_action: BadInput,
    /// `client.response_timeout`: wait for `DPE_Register_Response` (`T_cli_resp`).
    pub response_timeout: Millis,
    /// `client.register_backoff_max`: longest pause between two tries to register.
    pub register_backoff_max: Millis,
    /// `client.reregister_interval`: time after which the client registers again; 0 for never.
    pub reregister_interval: Millis,
    /// `client.partial_group`: create a group although a member is not supported.
    pub partial_group: bool,
    /// `policy.min_interval`, as the client checks it.
    pub min_interval: Millis,
    /// Bounds of messages.
    pub wire: WireLimits,
    /// Bounds of what is remembered.
    pub state: StateLimits,
}

impl Default for ClientConfig {
    fn default() -> Self {
        Self {
            server_addresses: Vec::new(),
            server_addr_mismatch_action: BadInput::Ignore,
            response_timeout: Millis::from_secs(30),
            register_backoff_max: Millis::from_secs(600),
            reregister_interval: Millis(0),
            partial_group: false,
            min_interval: Millis::from_secs(5),
            wire: WireLimits::DEFAULT,
            state: StateLimits::DEFAULT,
        }
    }
}

/// A parameter is out of its range; by its name in the digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0} is out of range")]
pub struct OutOfRange(pub &'static str);

fn check(ranges: &[(&'static str, bool)]) -> Result<(), OutOfRange> {
    ranges.iter().find(|(_, holds)| !holds).map_or(Ok(()), |(name, _)| Err(OutOfRange(name)))
}

impl Config {
    /// Refuses what cannot work: spans and bounds of 0, except where 0 means off, and what is beyond the wire.
    ///
    /// # Errors
    /// The first parameter that is out of its range.
    pub fn check(&self) -> Result<(), OutOfRange> {
        let some = |span: Millis| span.0 > 0;
        let seconds = |seconds: u32| (1..=DURATION_SECS_MAX).contains(&seconds);
        let is_static = |network: &Network| network.contains(IpAddr::V6(core::net::Ipv6Addr::LOCALHOST));
        check(&[
            ("reg.ack_timeout", some(self.reg.ack_timeout)),
            ("reg.command_timeout", some(self.reg.command_timeout)),
            ("reg.supported_versions", !self.reg.supported_versions.is_empty()),
            ("client_id.bits", (96..=192).contains(&self.client_id.bits) && self.client_id.bits.is_multiple_of(8)),
            (
                "client_id.version_ranges",
                self.client_id.version_ranges.values().all(|prefix| {
                    prefix.len() <= 16 && prefix.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
                }),
            ),
            ("dpe1.rate_per_ip", self.dpe1.rate_per_ip > 0),
            ("identity.sources", !self.identity.sources.is_empty()),
            ("identity.static_ipv6_prefixes", !self.identity.static_ipv6_prefixes.iter().any(is_static)),
            ("verify.reregister_deadline", some(self.verify.reregister_deadline)),
            ("sp.max_connections", self.sp.max_connections > 0),
            ("sp.window_seconds", seconds(self.sp.window_seconds)),
            ("sp.window_threshold", (1..=100_000).contains(&self.sp.window_threshold)),
            ("sp.max_open_dialogues", self.sp.max_open_dialogues > 0),
            ("sp.max_groups", self.sp.max_groups > 0),
            ("sp.max_policies", self.sp.max_policies > 0),
            ("dpe2.noreply_timeout", some(self.dpe2.noreply_timeout)),
            ("dpe2.ack_timeout", some(self.dpe2.ack_timeout)),
            ("dpe2.queue_max", self.dpe2.queue_max > 0),
            ("dpe2.queue_max_wait", some(self.dpe2.queue_max_wait)),
            ("dpe2.tombstone_ttl", some(self.dpe2.tombstone_ttl)),
            ("dpe2.ack_client_messages", !self.dpe2.ack_client_messages),
            ("policy.max_duration", seconds(self.policy.max_duration)),
            (
                "policy.default_duration",
                self.policy.default_duration.is_none_or(|span| seconds(span) && span <= self.policy.max_duration),
            ),
            ("policy.min_interval", some(self.policy.min_interval)),
            ("policy.expired_memory", some(self.policy.expired_memory)),
            ("cache.ttl", some(self.cache.ttl) && self.cache.ttl_of.values().all(|ttl| some(*ttl))),
            ("vocabulary.names", self.vocabulary.names.len() <= self.wire.properties_max),
            ("obsolete_client_id.retention", some(self.obsolete_client_id.retention)),
            ("wire.max_message_bytes", self.wire.message_bytes_max >= 1024),
            ("wire.max_depth", (4..=64).contains(&self.wire.depth_max)),
            ("http.poll_wait", some(self.http.poll_wait)),
        ])
    }
}

impl ClientConfig {
    /// Refuses spans of 0, except where 0 means off.
    ///
    /// # Errors
    /// The first parameter that is out of its range.
    pub fn check(&self) -> Result<(), OutOfRange> {
        check(&[
            ("client.response_timeout", self.response_timeout.0 > 0),
            ("client.register_backoff_max", self.register_backoff_max >= self.response_timeout),
            ("policy.min_interval", self.min_interval.0 > 0),
        ])
    }
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

impl Vocabulary {
    /// Whether SPs may ask for the name.
    #[must_use]
    pub fn allows(&self, name: &PropertyName) -> bool {
        !self.denied_to_sp.contains(name) && (!self.check_at_server || self.names.contains(name))
    }
}

impl Cache {
    /// How long a value of this name is fresh.
    #[must_use]
    pub fn ttl_of(&self, name: &PropertyName) -> Millis {
        self.ttl_of.get(name).copied().unwrap_or(self.ttl)
    }
}
