//! What devices and server nodes note about themselves.

use core::fmt;

use dm_core::{codes::StatusCode, ids::SessionId, session::Outcome, tree::Op};

/// A kind of operation on the tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum OpKind {
    /// Reading.
    Get,
    /// Creating.
    Add,
    /// Overwriting.
    Replace,
    /// Removing.
    Delete,
    /// Copying.
    Copy,
    /// Running.
    Exec,
}

impl OpKind {
    /// The command's name on the wire.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Get => "Get",
            Self::Add => "Add",
            Self::Replace => "Replace",
            Self::Delete => "Delete",
            Self::Copy => "Copy",
            Self::Exec => "Exec",
        }
    }
}

impl From<&Op> for OpKind {
    fn from(op: &Op) -> Self {
        match op {
            Op::Get { .. } => Self::Get,
            Op::Add { .. } => Self::Add,
            Op::Replace { .. } => Self::Replace,
            Op::Delete { .. } => Self::Delete,
            Op::Copy { .. } => Self::Copy,
            Op::Exec { .. } => Self::Exec,
        }
    }
}

/// Something that a party of a DM world did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fact {
    /// A device began a session.
    Began(SessionId),
    /// A device's tree did what a server asked for.
    Executed {
        /// What.
        kind: OpKind,
        /// The node.
        uri: String,
        /// What became of it.
        status: StatusCode,
    },
    /// A device's session is over.
    ClientEnded(SessionId, Outcome),
    /// A server node stored a step of a session, at this revision.
    Committed(SessionId, u64),
    /// Another server node was first: this one loads and runs again.
    LostRace(SessionId),
    /// A server node answered a repeated message with the stored reply.
    Repeated(SessionId),
    /// A server node refused a message without a SyncML answer.
    Refused,
    /// A session is over at the server, by what a server node stored.
    ServerEnded(SessionId, Outcome),
    /// The party used its machine wrongly: a mistake of this crate or of the machine, and of no peer.
    Misused(String),
}

impl fmt::Display for Fact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Began(id) => write!(f, "began session={id}"),
            Self::Executed { kind, uri, status } => {
                write!(f, "executed {} {uri} status={status}", kind.name())
            }
            Self::ClientEnded(id, outcome) => write!(f, "client-ended session={id} outcome={}", outcome.name()),
            Self::Committed(id, revision) => write!(f, "committed session={id} revision={revision}"),
            Self::LostRace(id) => write!(f, "lost-race session={id}"),
            Self::Repeated(id) => write!(f, "repeated session={id}"),
            Self::Refused => f.write_str("refused"),
            Self::ServerEnded(id, outcome) => write!(f, "server-ended session={id} outcome={}", outcome.name()),
            Self::Misused(what) => write!(f, "misused {what}"),
        }
    }
}
