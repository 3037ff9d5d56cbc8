//! What the parties of a DPE world note about themselves.

use core::fmt;

use bytes::Bytes;
use core_kit::Tick;
use dpe_core::{
    client::PhaseKind,
    codes::Code,
    ids::{ClientId, SpId, dpe3},
};

use crate::{Channel, FaultId, NodeId};

/// Something that a party of a DPE world did. No identity of a person or device is in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fact {
    /// Where a client stands now, and how many groups and policies the server has set on it.
    Standing {
        /// The phase of its registration.
        phase: PhaseKind,
        /// Its Client-ID.
        client: Option<ClientId>,
        /// Groups and policies.
        settings: (usize, usize),
    },
    /// A device has lost its memory.
    Wiped,
    /// A device is back with less than it had stored.
    Forgot,
    /// The values of a device's properties have changed.
    Sampled {
        /// `batteryLevel`.
        level: i64,
        /// `volumeLevel`, which counts the changes.
        count: i64,
    },
    /// A device uses the identity of another one from now on, or its own again.
    Posing(Option<NodeId>),
    /// The next message of this party is not one that its machine sent: it misbehaves in this way.
    Hostile(FaultId),
    /// A server node stored a step. What the step took and what it has for SPs was noted before.
    Committed {
        /// What the time was for the step, by the node's own clock.
        at: Tick,
        /// Messages to clients that leave after this, unless the node crashes.
        downlinks: usize,
        /// The Client-IDs whose machines have taken the step.
        stepped: Vec<ClientId>,
        /// The SPs whose machines have taken it. One that only notes a request on its line has not.
        gates: Vec<SpId>,
        /// The exchange whose message the step took.
        exchange: Option<Channel>,
    },
    /// A server node stored that it took the request of this number from the SP's line.
    Took {
        /// Whose.
        sp: SpId,
        /// Which.
        number: u64,
        /// What the time was for the step.
        at: Tick,
    },
    /// A server node stored a message for an SP.
    Posted {
        /// For whom.
        sp: SpId,
        /// Its number on the line.
        number: u64,
        /// The message.
        body: Bytes,
        /// What the time was for the step.
        at: Tick,
    },
    /// Another node's commit came first: the step is taken again.
    LostRace,
    /// A request that was taken before came again.
    Repeated {
        /// Whose.
        sp: SpId,
        /// Which.
        number: u64,
    },
    /// An SP wants something.
    Asked {
        /// The SP's own name for it.
        tag: String,
    },
    /// A request of an SP came to its end.
    Done {
        /// Which.
        tag: String,
        /// With what; nothing if no answer came.
        status: Option<Code>,
    },
    /// An SP got a report.
    Reported(dpe3::PolicyId),
    /// An SP was told that a policy has ended.
    PolicyEnded(dpe3::PolicyId, Code),
    /// What an SP believes to have on clients now, and how many of its requests have no end yet.
    Holds {
        /// Groups.
        groups: usize,
        /// Policies.
        policies: usize,
        /// Requests.
        unfinished: usize,
    },
    /// The party used its machine wrongly: a mistake of this crate or of the machine, and of no peer.
    Misused(String),
}

impl fmt::Display for Fact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Standing { phase, client, settings: (groups, policies) } => {
                write!(f, "standing {phase:?} client=")?;
                match client {
                    Some(client) => client.fmt(f)?,
                    None => f.write_str("none")?,
                }
                write!(f, " groups={groups} policies={policies}")
            }
            Self::Wiped => f.write_str("wiped"),
            Self::Forgot => f.write_str("forgot"),
            Self::Sampled { level, count } => write!(f, "sampled level={level} count={count}"),
            Self::Posing(Some(node)) => write!(f, "posing as {node}"),
            Self::Posing(None) => f.write_str("posing as itself"),
            Self::Hostile(fault) => write!(f, "hostile {fault}"),
            Self::Committed { at, downlinks, .. } => write!(f, "committed at={} downlinks={downlinks}", at.0),
            Self::Took { sp, number, at } => write!(f, "took {sp} {number} at={}", at.0),
            Self::Posted { sp, number, body, .. } => write!(f, "posted {sp} {number} octets={}", body.len()),
            Self::LostRace => f.write_str("lost-race"),
            Self::Repeated { sp, number } => write!(f, "repeated {sp} {number}"),
            Self::Asked { tag } => write!(f, "asked {tag}"),
            Self::Done { tag, status: Some(status) } => write!(f, "done {tag} status={status}"),
            Self::Done { tag, status: None } => write!(f, "done {tag} without an answer"),
            Self::Reported(policy) => write!(f, "reported {policy}"),
            Self::PolicyEnded(policy, code) => write!(f, "policy-ended {policy} status={code}"),
            Self::Holds { groups, policies, unfinished } => {
                write!(f, "holds groups={groups} policies={policies} unfinished={unfinished}")
            }
            Self::Misused(what) => write!(f, "misused {what}"),
        }
    }
}
