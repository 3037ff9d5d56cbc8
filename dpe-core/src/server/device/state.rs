//! What a device's machine remembers. All of it is bounded by configuration and limits.

use alloc::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    string::String,
    vec::Vec,
};
use core::net::IpAddr;

use core_kit::Tick;
use serde::{Deserialize, Serialize};

use super::{table::PhaseKind, vocabulary::Register};
use crate::{
    identity::{DeviceIdentity, UserIdentity},
    ids::{ClientId, SpId, dpe2, dpe3},
    policy::{Terms, Watched},
    property::Reading,
    server::{
        QuestionId,
        link::{Ask, UserTag},
    },
    wire::{Kind, PropertyName, Secret},
};

/// Everything.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct State {
    pub(super) revision: u64,
    pub(super) now: Tick,
    pub(super) client: ClientId,
    pub(super) known: Option<Known>,
    pub(super) standing: Standing,
    pub(super) registering: Option<Registering>,
    pub(super) registered_at: Option<Tick>,
    /// The last number that went into an identifier. It begins at random, so that what a former Client-ID left on the
    /// client is not met again.
    pub(super) last_number: u64,
    pub(super) outstanding: Option<Outstanding>,
    /// What the server itself wants of the client; goes before the requests of SPs.
    pub(super) urgent: VecDeque<Op>,
    pub(super) queue: VecDeque<Waiting>,
    /// While the client must register again before the outstanding request is repeated: until when.
    pub(super) paused: Option<Tick>,
    pub(super) sync: Option<Sync>,
    /// The last synchronisation did not come to its end.
    pub(super) sync_owed: bool,
    pub(super) groups: BTreeMap<u64, Group>,
    pub(super) policies: BTreeMap<u64, Policy>,
    pub(super) late_messages: BTreeMap<dpe2::MessageId, Tick>,
    pub(super) late_groups: BTreeMap<dpe2::GroupId, Tick>,
    pub(super) late_policies: BTreeMap<dpe2::PolicyId, Tick>,
    /// What may still be on the client and should not.
    pub(super) stray_groups: BTreeSet<dpe2::GroupId>,
    pub(super) stray_policies: BTreeSet<dpe2::PolicyId>,
    pub(super) cache: BTreeMap<PropertyName, Cached>,
    /// SPs to which the Client-ID was disclosed.
    pub(super) audience: BTreeSet<SpId>,
    /// SPs that were told of the successor.
    pub(super) told: BTreeSet<SpId>,
    pub(super) asking: Option<QuestionId>,
    pub(super) asked: u64,
}

/// Who the client is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Known {
    pub(super) device: DeviceIdentity,
    pub(super) user: Option<UserIdentity>,
    pub(super) tag: Option<UserTag>,
    pub(super) version: Option<String>,
    pub(super) token: Option<Secret>,
    pub(super) address: IpAddr,
    pub(super) contact: Option<String>,
}

impl From<&Register> for Known {
    fn from(register: &Register) -> Self {
        Self {
            device: register.device.clone(),
            user: register.assigned.user.clone(),
            tag: register.assigned.tag.clone(),
            version: register.version.clone(),
            token: register.token.clone(),
            address: register.address,
            contact: register.contact.clone(),
        }
    }
}

/// Where the client stands, whatever registration is under way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) enum Standing {
    Unknown,
    Active,
    Declined,
    Failed,
    Retired { successor: ClientId, same_user: bool, until: Tick },
}

/// A registration that is under way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Registering {
    /// Whether the client's acknowledgement is waited for, or its request.
    pub(super) acknowledging: bool,
    pub(super) until: Tick,
    pub(super) attempts: u32,
    /// What the client asked for last.
    pub(super) request: Option<Register>,
}

/// A dialogue with an SP.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Dialogue {
    pub(super) sp: SpId,
    pub(super) message: dpe3::MessageId,
    pub(super) kind: Kind,
}

impl From<&Ask> for Dialogue {
    fn from(ask: &Ask) -> Self {
        Self { sp: ask.sp.clone(), message: ask.message.clone(), kind: ask.kind }
    }
}

/// What a release is for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) enum Target<Id> {
    /// Everything on the client.
    All,
    /// What is registered under this number.
    Number(u64),
    /// What is not registered any more.
    Stray(Id),
}

/// What the client is to do. Without a dialogue, the server itself wants it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) enum Op {
    Query { from: Option<Dialogue>, names: Vec<PropertyName> },
    GroupQuery { from: Dialogue, group: u64 },
    GroupSet { from: Option<Dialogue>, group: u64 },
    GroupRelease { from: Option<Dialogue>, target: Target<dpe2::GroupId> },
    PolicySet { from: Option<Dialogue>, policy: u64 },
    PolicyRelease { from: Option<Dialogue>, target: Target<dpe2::PolicyId> },
}

impl Op {
    pub(super) const fn from(&self) -> Option<&Dialogue> {
        match self {
            Self::GroupQuery { from, .. } => Some(from),
            Self::Query { from, .. }
            | Self::GroupSet { from, .. }
            | Self::GroupRelease { from, .. }
            | Self::PolicySet { from, .. }
            | Self::PolicyRelease { from, .. } => from.as_ref(),
        }
    }

    pub(super) const fn is_query(&self) -> bool {
        matches!(self, Self::Query { .. } | Self::GroupQuery { .. })
    }
}

/// The one request that is out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Outstanding {
    pub(super) op: Op,
    pub(super) kind: Kind,
    /// All Message-IDs it went out with, the last one last.
    pub(super) messages: Vec<dpe2::MessageId>,
    /// How many of the first of them an answer is not taken under: what was asked with them may be another thing.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(super) former: usize,
    /// What was asked for, of a query.
    pub(super) names: Vec<PropertyName>,
    pub(super) until: Tick,
    pub(super) silences: u32,
    pub(super) faults: u32,
    pub(super) mistaken: u32,
    /// What could be used of faulty answers.
    pub(super) usable: Vec<Reading>,
    /// It is part of a synchronisation.
    pub(super) syncing: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
const fn is_zero(count: &usize) -> bool {
    *count == 0
}

impl Outstanding {
    /// Whether an answer under this Message-ID is one to what was asked.
    pub(super) fn is_answered_under(&self, id: &dpe2::MessageId) -> bool {
        self.messages.iter().skip(self.former).any(|message| message == id)
    }
}

/// A request that waits for its turn.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Waiting {
    pub(super) op: Op,
    pub(super) until: Tick,
    /// The Message-IDs that it went out with before it was put back.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) messages: Vec<dpe2::MessageId>,
}

/// Whether a group or policy is on the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Life {
    Pending,
    Active,
    Releasing,
}

/// A group of an SP.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Group {
    pub(super) sp: SpId,
    pub(super) name: dpe3::GroupId,
    pub(super) id: dpe2::GroupId,
    pub(super) members: Vec<PropertyName>,
    pub(super) life: Life,
}

/// A policy of an SP.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Policy {
    pub(super) sp: SpId,
    pub(super) name: dpe3::PolicyId,
    pub(super) id: dpe2::PolicyId,
    pub(super) watched: Watched<dpe3::GroupId>,
    pub(super) terms: Terms,
    pub(super) duration: u32,
    pub(super) expires: Option<Tick>,
    /// The Message-IDs that its reports may have.
    pub(super) messages: Vec<dpe2::MessageId>,
    pub(super) life: Life,
}

impl Policy {
    pub(super) const fn report(&self) -> Kind {
        match self.watched {
            Watched::Property(_) => Kind::PropertyReport,
            Watched::Group(_) => Kind::GroupReport,
        }
    }
}

/// A property as it was answered, and when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Cached {
    pub(super) reading: Reading,
    pub(super) at: Tick,
}

/// The settings of a client are being established again [DPE 8.2.2].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Sync {
    /// Devices whose settings have not come yet.
    pub(super) waiting: BTreeSet<ClientId>,
    /// Groups and policies that came, until it is decided whether they stay.
    pub(super) inherited_groups: Vec<u64>,
    pub(super) inherited_policies: Vec<u64>,
    pub(super) is_filtered: bool,
    /// What is left to do; nothing before it is known.
    pub(super) steps: Option<VecDeque<Op>>,
    /// Who is told in the end: the SP, and the Client-ID that it knew.
    pub(super) reports: Vec<(SpId, Option<ClientId>)>,
    pub(super) is_complete: bool,
}

impl State {
    pub(super) const fn phase(&self) -> PhaseKind {
        match (&self.standing, &self.registering) {
            (Standing::Retired { .. }, _) => PhaseKind::Retired,
            (_, Some(Registering { acknowledging: true, .. })) => PhaseKind::PendingAck,
            (_, Some(_)) => PhaseKind::CommandSent,
            (Standing::Unknown, None) => PhaseKind::Unknown,
            (Standing::Active, None) => PhaseKind::Active,
            (Standing::Declined, None) => PhaseKind::Declined,
            (Standing::Failed, None) => PhaseKind::Failed,
        }
    }

    pub(super) fn is_active(&self) -> bool {
        self.standing == Standing::Active
    }

    pub(super) fn group_of(&self, sp: &SpId, name: &dpe3::GroupId) -> Option<u64> {
        self.groups.iter().find(|(_, group)| group.sp == *sp && group.name == *name).map(|(number, _)| *number)
    }

    pub(super) fn policy_of(&self, sp: &SpId, name: &dpe3::PolicyId) -> Option<u64> {
        self.policies.iter().find(|(_, policy)| policy.sp == *sp && policy.name == *name).map(|(number, _)| *number)
    }
}
