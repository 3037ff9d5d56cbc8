//! What a gate remembers. All of it is bounded by configuration and limits.

use alloc::{
    collections::{BTreeMap, VecDeque},
    vec::Vec,
};

use core_kit::Tick;
use serde::{Deserialize, Serialize};

use crate::{
    codes::Code,
    ids::{ClientId, dpe3},
    server::directory::Find,
    wire::{Identity, Kind, PropertyName},
};

/// Everything.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct State {
    pub(super) revision: u64,
    pub(super) now: Tick,
    /// When the requests of the window came.
    pub(super) window: VecDeque<Tick>,
    pub(super) dialogues: BTreeMap<dpe3::MessageId, Dialogue>,
    /// Groups by name; one for each client that has it.
    pub(super) groups: BTreeMap<dpe3::GroupId, Vec<Group>>,
    /// Policies by name; one for each client that has it.
    pub(super) policies: BTreeMap<dpe3::PolicyId, Vec<Policy>>,
    /// Policies that have expired, and until when that is known.
    pub(super) expired: BTreeMap<dpe3::PolicyId, Tick>,
    /// What the SP asked a Client-ID by, where that names a user.
    pub(super) disclosed: BTreeMap<ClientId, Identity>,
    /// Client ID reports that were sent.
    pub(super) reports: u64,
    pub(super) asking: Option<Lookup>,
    pub(super) asked: u64,
}

/// A question that is open, and the dialogue that it is for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Lookup {
    pub(super) question: Find,
    pub(super) key: Identity,
    pub(super) message: dpe3::MessageId,
}

/// A dialogue with the SP.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Dialogue {
    pub(super) client: ClientId,
    pub(super) kind: Kind,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) group: Option<dpe3::GroupId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) policy: Option<dpe3::PolicyId>,
    pub(super) course: Course,
    /// Whether the answer changes what is registered: not that of a request with a fault.
    pub(super) settles: bool,
}

/// How far a dialogue is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) enum Course {
    /// It waits for its answer.
    Open,
    /// It waits for so many answers, and this is the worst yet.
    Many { left: usize, worst: Code },
    /// It was answered, and goes on with the reports of its policy.
    Retained,
}

/// Whether a group or policy is on its client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Life {
    Pending,
    Active,
    Releasing,
}

/// A group on a client.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Group {
    pub(super) client: ClientId,
    pub(super) members: Vec<PropertyName>,
    pub(super) life: Life,
}

/// A policy on a client.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Policy {
    pub(super) client: ClientId,
    /// Which report it makes.
    pub(super) report: Kind,
    /// The dialogue that it was set in.
    pub(super) message: dpe3::MessageId,
    pub(super) life: Life,
}

impl State {
    pub(super) fn group(&self, name: &dpe3::GroupId, client: &ClientId) -> Option<&Group> {
        self.groups.get(name)?.iter().find(|group| group.client == *client)
    }

    pub(super) fn group_mut(&mut self, name: &dpe3::GroupId, client: &ClientId) -> Option<&mut Group> {
        self.groups.get_mut(name)?.iter_mut().find(|group| group.client == *client)
    }

    pub(super) fn policy(&self, name: &dpe3::PolicyId, client: &ClientId) -> Option<&Policy> {
        self.policies.get(name)?.iter().find(|policy| policy.client == *client)
    }

    pub(super) fn policy_mut(&mut self, name: &dpe3::PolicyId, client: &ClientId) -> Option<&mut Policy> {
        self.policies.get_mut(name)?.iter_mut().find(|policy| policy.client == *client)
    }

    pub(super) fn remove_group(&mut self, name: &dpe3::GroupId, client: &ClientId) {
        if let Some(groups) = self.groups.get_mut(name) {
            groups.retain(|group| group.client != *client);
            if groups.is_empty() {
                self.groups.remove(name);
            }
        }
    }

    /// Takes a policy out, with the dialogue that its reports belonged to.
    pub(super) fn remove_policy(&mut self, name: &dpe3::PolicyId, client: &ClientId) -> Option<Policy> {
        let policies = self.policies.get_mut(name)?;
        let at = policies.iter().position(|policy| policy.client == *client)?;
        let policy = policies.remove(at);
        if policies.is_empty() {
            self.policies.remove(name);
        }
        if self.dialogues.get(&policy.message).is_some_and(|dialogue| dialogue.course == Course::Retained) {
            self.dialogues.remove(&policy.message);
        }
        Some(policy)
    }
}
