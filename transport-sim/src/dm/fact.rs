//! What devices and server nodes note about themselves.

use core::fmt;
use std::sync::Arc;

use core_kit::UnixMillis;
use dm_core::{
    codes::StatusCode,
    ids::{DeviceId, JobTag, ServerId, SessionId},
    session::Outcome,
    tree::{Memory, Op, OpResult},
};
use sha2::{Digest, Sha256};

use super::Execution;
use crate::NodeId;

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

impl OpKind {
    /// What the operation is; nothing for one that carries no command out by itself.
    #[must_use]
    pub const fn of(op: &Op) -> Option<Self> {
        match op {
            Op::Get { .. } => Some(Self::Get),
            Op::Add { .. } => Some(Self::Add),
            Op::Replace { .. } => Some(Self::Replace),
            Op::Delete { .. } => Some(Self::Delete),
            Op::Copy { .. } => Some(Self::Copy),
            Op::Exec { .. } => Some(Self::Exec),
            Op::Stage { .. } | Op::Discard | Op::Read { .. } | Op::Begin | Op::Commit | Op::RollBack => None,
        }
    }
}

/// Which octets something has: how many, and the first of their SHA-256.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fingerprint {
    /// How many.
    pub octets: usize,
    /// The first octets of the hash.
    pub hash: [u8; 16],
}

impl Fingerprint {
    /// That of these octets.
    #[must_use]
    pub fn of(octets: &[u8]) -> Self {
        let mut hash = [0; 16];
        hash.iter_mut().zip(Sha256::digest(octets)).for_each(|(to, from)| *to = from);
        Self { octets: octets.len(), hash }
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "octets={} hash=", self.octets)?;
        self.hash.iter().try_for_each(|octet| write!(f, "{octet:02x}"))
    }
}

/// One operation that a device's tree did for a server, with the tree before and after it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// In which session.
    pub session: SessionId,
    /// With whose rights.
    pub server: ServerId,
    /// What was asked for.
    pub op: Op,
    /// The time that it was told.
    pub at: UnixMillis,
    /// What became of it.
    pub result: OpResult,
    /// The tree as it was; the same value as `after` where nothing changed.
    pub before: Arc<Memory>,
    /// The tree as it is now.
    pub after: Arc<Memory>,
}

impl Step {
    /// The operation in one word.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match &self.op {
            Op::Get { .. } => "get",
            Op::Add { .. } => "add",
            Op::Replace { .. } => "replace",
            Op::Delete { .. } => "delete",
            Op::Copy { .. } => "copy",
            Op::Exec { .. } => "exec",
            Op::Stage { .. } => "stage",
            Op::Discard => "discard",
            Op::Read { .. } => "read",
            Op::Begin => "begin",
            Op::Commit => "commit",
            Op::RollBack => "roll-back",
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
    /// A server node stored a step.
    Committed {
        /// Whose session.
        device: NodeId,
        /// Which.
        session: SessionId,
        /// What the session's revision is now.
        revision: u64,
    },
    /// Another server node was first: this one loads and runs again.
    LostRace {
        /// Whose session.
        device: NodeId,
        /// Which.
        session: SessionId,
    },
    /// A server node answered a repeated message with the stored reply.
    Repeated {
        /// Whose session.
        device: NodeId,
        /// Which.
        session: SessionId,
    },
    /// A server node refused a message without a SyncML answer.
    Refused {
        /// Whose message.
        device: NodeId,
    },
    /// The service was stopped and its store went back to an earlier commit.
    Restored {
        /// How many commits were undone.
        commits: u64,
        /// The sessions that they were of, by the names of their devices.
        sessions: Vec<(DeviceId, SessionId)>,
        /// Orders that wait again though a session has had them, or may yet wait again.
        again: Vec<(NodeId, JobTag)>,
    },
    /// A device has not what it had: its last writes were lost, or all of them, or a write failed and it goes on from the
    /// record before.
    Forgot {
        /// What its tree had done for servers and has not done now.
        undone: Vec<Execution>,
        /// Sessions of notifications that it had followed and does not remember.
        notices: Vec<SessionId>,
        /// The servers that it has accounts for now.
        accounts: Vec<ServerId>,
        /// The session that it is in now.
        resumes: Option<SessionId>,
    },
    /// A device has given a connection up: a reply on it reaches nobody.
    HungUp,
    /// What a device's tree holds, between two sessions.
    Tree(Fingerprint),
    /// What a leaf holds, between two sessions; nothing where there is none.
    Leaf {
        /// The leaf.
        uri: String,
        /// Its value.
        value: Option<Fingerprint>,
    },
    /// A device's tree did one operation; only where the scenario wants its trees watched.
    Stepped(Arc<Step>),
    /// A device gave its session up.
    Aborted(SessionId),
    /// Somebody on the way has changed the message that this party sends next.
    Tampered,
    /// A device's calendar was set, by so many milliseconds.
    ClockSet(i64),
    /// A device has no session now. What is left of the last one is nothing, or `open` or `kept`.
    Rested {
        /// Whether the tree is in the middle of an `Atomic`.
        open: bool,
        /// Whether it keeps a part of a value.
        kept: bool,
    },
    /// A notification came, and this is what a device makes of it.
    Notified {
        /// The session that it asks for.
        session: SessionId,
        /// Whether one will be opened.
        followed: bool,
    },
    /// A bootstrap came; those servers have accounts now that had none.
    Bootstrapped(Vec<ServerId>),
    /// A server node stored what it thinks of a client's credentials.
    Judged {
        /// Whose.
        device: NodeId,
        /// In which session.
        session: SessionId,
        /// Whether they were good.
        believed: bool,
    },
    /// A device undid an `Atomic`.
    RolledBack,
    /// A device is back after a crash in the middle of an `Atomic`.
    Resumed,
    /// By what a server node stored, a session is over.
    ServerEnded {
        /// Whose session.
        device: NodeId,
        /// Which.
        session: SessionId,
        /// How.
        outcome: Outcome,
    },
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
            Self::Committed { device, session, revision } => {
                write!(f, "committed device={device} session={session} revision={revision}")
            }
            Self::LostRace { device, session } => write!(f, "lost-race device={device} session={session}"),
            Self::Repeated { device, session } => write!(f, "repeated device={device} session={session}"),
            Self::Refused { device } => write!(f, "refused device={device}"),
            Self::Restored { commits, .. } => write!(f, "restored commits={commits}"),
            Self::Forgot { undone, notices, accounts, resumes } => {
                let (undone, notices, accounts) = (undone.len(), notices.len(), accounts.len());
                write!(f, "forgot operations={undone} notices={notices} accounts={accounts}")?;
                resumes.as_ref().map_or(Ok(()), |session| write!(f, " resumes={session}"))
            }
            Self::HungUp => f.write_str("hung-up"),
            Self::Tree(tree) => write!(f, "tree {tree}"),
            Self::Leaf { uri, value: Some(value) } => write!(f, "leaf {uri} {value}"),
            Self::Leaf { uri, value: None } => write!(f, "leaf {uri} absent"),
            Self::Stepped(step) => {
                write!(f, "stepped {} {} status={}", step.name(), step.op.uri().unwrap_or("-"), step.result.status)
            }
            Self::Aborted(id) => write!(f, "aborted session={id}"),
            Self::Tampered => f.write_str("tampered"),
            Self::ClockSet(by) => write!(f, "clock-set by={by}"),
            Self::Rested { open, kept } => write!(f, "rested open={open} kept={kept}"),
            Self::Notified { session, followed } => write!(f, "notified session={session} followed={followed}"),
            Self::Bootstrapped(servers) => write!(f, "bootstrapped accounts={}", servers.len()),
            Self::Judged { device, session, believed } => {
                write!(f, "judged device={device} session={session} believed={believed}")
            }
            Self::RolledBack => f.write_str("rolled-back"),
            Self::Resumed => f.write_str("resumed in an open atomic"),
            Self::ServerEnded { device, session, outcome } => {
                write!(f, "server-ended device={device} session={session} outcome={}", outcome.name())
            }
            Self::Misused(what) => write!(f, "misused {what}"),
        }
    }
}
