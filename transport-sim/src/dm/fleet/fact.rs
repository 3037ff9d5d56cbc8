//! What devices and server nodes of a fleet note about themselves.

use core::fmt;
use std::borrow::Cow;

use dm_core::{codes::StatusCode, session::Outcome};

use super::plan::ORDERS;
use crate::dm::OpKind;

/// Something that a member of a fleet did. Sessions are told by their number, devices by theirs in the region.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fact {
    /// A device began a session.
    Began(u16),
    /// A device's tree did what the server asked for.
    Executed { kind: OpKind, uri: Cow<'static, str>, status: StatusCode },
    /// A device's session is over.
    Ended(u16, Outcome),
    /// A device has no session now. What is left of the last one is nothing, or `open` or `kept`; the orders' nodes hold
    /// values with these hashes; and so many octets is what the device takes until its next session.
    Rested { open: bool, kept: bool, values: [Option<u64>; ORDERS.len()], octets: usize },
    /// A server node stored a step.
    Committed { device: u32, session: u16 },
    /// By what a server node stored, a session is over.
    ServerEnded { device: u32, session: u16, outcome: Outcome },
    /// Another server node was first: this one loads and runs again.
    LostRace { device: u32 },
    /// A server node answered a repeated message with the stored reply.
    Repeated { device: u32 },
    /// A message came late, of a session that is over and dropped.
    Late { device: u32 },
    /// A server node refused a message without a SyncML answer.
    Refused,
    /// The member used its machine wrongly: a mistake of this crate or of the machine, and of no peer.
    Misused(String),
}

impl fmt::Display for Fact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Began(session) => write!(f, "began session={session:X}"),
            Self::Executed { kind, uri, status } => write!(f, "executed {} {uri} status={status}", kind.name()),
            Self::Ended(session, outcome) => write!(f, "ended session={session:X} outcome={}", outcome.name()),
            Self::Rested { open, kept, octets, .. } => write!(f, "rested open={open} kept={kept} octets={octets}"),
            Self::Committed { device, session } => write!(f, "committed device={device} session={session:X}"),
            Self::ServerEnded { device, session, outcome } => {
                write!(f, "server-ended device={device} session={session:X} outcome={}", outcome.name())
            }
            Self::LostRace { device } => write!(f, "lost-race device={device}"),
            Self::Repeated { device } => write!(f, "repeated device={device}"),
            Self::Late { device } => write!(f, "late device={device}"),
            Self::Refused => f.write_str("refused"),
            Self::Misused(what) => write!(f, "misused {what}"),
        }
    }
}
