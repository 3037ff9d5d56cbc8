//! What devices and server nodes note about themselves.

use core::fmt;
use std::borrow::Cow;

use dm_core::{codes::StatusCode, session::Outcome};

use crate::dm::OpKind;

/// Something that a device or a node of the server did, as [`SessionRules`](super::SessionRules) want to know it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SessionFact {
    /// A device began the session with this number.
    Began(u16),
    /// A device's tree did what the server asked for.
    Executed {
        /// What.
        kind: OpKind,
        /// The node.
        uri: Cow<'static, str>,
        /// What became of it.
        status: StatusCode,
    },
    /// A device's session is over.
    Ended(u16, Outcome),
    /// A device has no session now. Noted right after [`Ended`](Self::Ended).
    Rested {
        /// Whether a transaction of the last session is still open in the tree.
        open: bool,
        /// Whether the tree keeps a part of a large value.
        kept: bool,
        /// What the nodes of the orders hold, by order: [`value_hash`](super::value_hash) of each value.
        values: Vec<Option<u64>>,
        /// How much memory the device takes until its next session, in octets.
        octets: usize,
    },
    /// A server node stored a step.
    Committed {
        /// Of which device.
        device: u32,
        /// Of which session.
        session: u16,
    },
    /// By what a server node stored, a session is over.
    ServerEnded {
        /// Of which device.
        device: u32,
        /// Which.
        session: u16,
        /// How it ended.
        outcome: Outcome,
    },
    /// Another server node was first: this one loads and runs again.
    LostRace {
        /// Whose session it is.
        device: u32,
    },
    /// A server node answered a repeated message with the stored reply.
    Repeated {
        /// Whose message it is.
        device: u32,
    },
    /// A message came late, of a session that is over and dropped.
    Late {
        /// Whose message it is.
        device: u32,
    },
    /// A server node refused a message without a SyncML answer.
    Refused,
    /// The node used its machine wrongly: a mistake of the node or of the machine, and of no peer.
    Misused(String),
}

impl fmt::Display for SessionFact {
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
