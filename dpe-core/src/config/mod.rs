//! Every parameter of the digest's chapter 4: typed, with its unit, its default, and a check of its range.
//!
//! The serialised form has the digest's names: `reg.ack_timeout` is the field `ack_timeout` of the object `reg`. Spans
//! are in milliseconds unless the name says otherwise.

use alloc::{string::String, vec::Vec};

use core_kit::Millis;
use serde::{Deserialize, Serialize};

use crate::limits::{StateLimits, WireLimits};

mod check;
mod choices;
mod clients;
mod exchange;
mod providers;

pub use check::*;
pub use choices::*;
pub use clients::*;
pub use exchange::*;
pub use providers::*;

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
