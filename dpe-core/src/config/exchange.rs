//! What clients are asked for: the exchange, policies and groups, the cache, and the names of properties [DPE digest 4.3].

use alloc::{collections::BTreeMap, vec::Vec};

use core_kit::Millis;
use serde::{Deserialize, Serialize};

use super::choices::{CacheMode, DurationStart};
use crate::{
    property::{IDENTITIES, STARTER, names},
    wire::PropertyName,
};

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

impl Cache {
    /// How long a value of this name is fresh.
    #[must_use]
    pub fn ttl_of(&self, name: &PropertyName) -> Millis {
        self.ttl_of.get(name).copied().unwrap_or(self.ttl)
    }
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

impl Vocabulary {
    /// Whether SPs may ask for the name.
    #[must_use]
    pub fn allows(&self, name: &PropertyName) -> bool {
        !self.denied_to_sp.contains(name) && (!self.check_at_server || self.names.contains(name))
    }
}

impl Default for Vocabulary {
    fn default() -> Self {
        Self { names: names(STARTER), denied_to_sp: names(IDENTITIES), check_at_server: true }
    }
}
