//! SPs: all alike, and each one [DPE digest 4.2].

use alloc::{string::String, vec::Vec};

use serde::{Deserialize, Serialize};

use super::choices::{BadInput, IdScope, MissingSpId, ResponseMode, WindowAlgorithm};
use crate::{identity::Network, ids::SpId};

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
