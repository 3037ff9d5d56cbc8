//! What both roles of a session share: how it ends, and which steps it may take.

use serde::{Deserialize, Serialize};

use crate::{codes::StatusCode, fault::PeerFault, version::VersionHint};

mod item;
mod misuse;
mod part;
mod statuses;
pub mod table;

pub(crate) use item::{content_of, fill, is_xml_text};
pub use misuse::{Misuse, RestoreError};
pub(crate) use part::Form;
pub(crate) use statuses::{Answering, Verdicts, header_status, number, refuse_all, status_for};

/// How a session ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Outcome {
    /// Both sides had nothing left to say [DM 1.2, 8].
    Completed,
    /// The client's credentials were not believed.
    ClientNotAuthenticated,
    /// The server's credentials were not believed.
    ServerNotAuthenticated,
    /// The user of the device was asked for the session and did not agree: nothing was sent.
    Declined,
    /// The peer gave the session up with Alert 1223 [DM 1.2, 8.1].
    PeerAborted,
    /// The peer refused the session with this status.
    PeerRefused(StatusCode),
    /// The server does not speak the version of the session. [`fall_back`](crate::version::fall_back) tells which one to
    /// try in another session.
    VersionRefused {
        /// 505 or 513.
        code: StatusCode,
        /// The version that it recommends.
        recommended: Option<VersionHint>,
        /// Whether the server had proved itself, in this session or by its transport.
        trusted: bool,
    },
    /// This side refused the session with this status: its embedder does not serve the peer.
    Refused(StatusCode),
    /// The client's account is closed for a while, after too many wrong credentials.
    LockedOut,
    /// This side's embedder gave the session up.
    Aborted(Reason),
    /// The peer was silent for too long.
    TimedOut,
    /// The transport cannot reach the peer, or the peer's transport refuses the message as such.
    Unreachable,
    /// The peer broke the protocol beyond repair.
    Failed(PeerFault),
}

impl Outcome {
    /// One word for each, for counters.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::ClientNotAuthenticated => "client-not-authenticated",
            Self::ServerNotAuthenticated => "server-not-authenticated",
            Self::Declined => "declined",
            Self::PeerAborted => "peer-aborted",
            Self::PeerRefused(_) => "peer-refused",
            Self::VersionRefused { .. } => "version-refused",
            Self::Refused(_) => "refused",
            Self::LockedOut => "locked-out",
            Self::Aborted(_) => "aborted",
            Self::TimedOut => "timed-out",
            Self::Unreachable => "unreachable",
            Self::Failed(_) => "failed",
        }
    }
}

/// Why an embedder gives a session up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// Somebody asked for it.
    Requested,
    /// The process ends.
    ShuttingDown,
    /// A question could not be answered.
    Unavailable,
}
