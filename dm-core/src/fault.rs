//! What a peer can do wrong, as data.

use alloc::string::String;

use serde::{Deserialize, Serialize};

use crate::{
    auth::Scheme,
    codes::{AlertCode, StatusCode},
    ids::{CmdId, MsgId},
    prompt::PromptFault,
    wire::{DecodeError, DecodeErrorKind, ElementPath},
};

/// Something that the peer, or the network in its name, did wrong. It is reported, and answered with
/// [`status`](Self::status) where there is something to answer; it is never an error of the caller.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[non_exhaustive]
pub enum PeerFault {
    /// The bytes are no message.
    #[error("malformed message: {kind} at byte {offset} in {path}")]
    Malformed {
        /// What is wrong.
        kind: DecodeErrorKind,
        /// Where, in octets.
        offset: usize,
        /// In which element.
        path: ElementPath,
    },
    /// A session opens with something that is not package 1: no Alert 1200 or 1201.
    #[error("the first message of a session has no alert 1200 or 1201")]
    NotPackageOne,
    /// Package 1 without device information.
    #[error("package 1 has no ./DevInfo")]
    NoDevInfo,
    /// A `VerDTD` that is not spoken here.
    #[error("DTD version {0:?} is not supported")]
    DtdVersion(String),
    /// A `VerProto` that is not spoken here.
    #[error("protocol version {0:?} is not supported")]
    ProtocolVersion(String),
    /// The message is of another session, or for somebody else.
    #[error("message of another session")]
    ForeignSession,
    /// The message is older than the last one taken.
    #[error("message {0} is older than the last one taken")]
    StaleMessage(MsgId),
    /// A `MsgID` that was answered already, with other bytes.
    #[error("message {0} was sent before with other content")]
    MessageReused(MsgId),
    /// A reply that answers another message than the last one sent.
    #[error("the reply is not for the last message sent")]
    WrongReference,
    /// A message after the end of its session.
    #[error("the session is over")]
    SessionOver,
    /// Two commands of one message have the same `CmdID`.
    #[error("command id {0:?} is used twice in one message")]
    CmdIdReused(CmdId),
    /// A `CmdID` that is empty or `0`.
    #[error("command id {0:?} cannot be referred to")]
    CmdIdUnusable(CmdId),
    /// `Cred` inside a command.
    #[error("command {0:?} carries credentials")]
    CredInCommand(CmdId),
    /// A `Status` for a command that was not sent, or that has its status already.
    #[error("status for command {cmd_ref:?} of message {msg_ref}, which does not wait for one")]
    UnexpectedStatus {
        /// The message that it names.
        msg_ref: MsgId,
        /// The command that it names.
        cmd_ref: Option<CmdId>,
    },
    /// `Results` for anything but a `Get` that waits for them.
    #[error("results for command {cmd_ref:?}, which does not wait for any")]
    UnexpectedResults {
        /// The command that they name.
        cmd_ref: CmdId,
    },
    /// A message without a `Status` for the `SyncHdr` it answers.
    #[error("no status for the header")]
    NoHeaderStatus,
    /// 401 or 407 without a challenge that can be met.
    #[error("refused without a usable challenge")]
    NoChallenge,
    /// A challenge to credentials weaker than configured.
    #[error("challenge to the weaker scheme {0:?}")]
    WeakChallenge(Scheme),
    /// Credentials of another type than was asked for, or than the session began with.
    #[error("credentials are not of the scheme {0:?}, which was asked for")]
    WrongScheme(Scheme),
    /// A sealed message was accepted without status 200 and a nonce for the next one.
    #[error("no nonce for the next sealed message")]
    NoNextNonce,
    /// An alert for the user that is broken.
    #[error("alert {code} for the user: {fault}")]
    BadPrompt {
        /// Which one.
        code: AlertCode,
        /// What is wrong with it.
        fault: PromptFault,
    },
    /// A chunk where none can be: in a block, in the middle of a message, of a command that takes none.
    #[error("a chunk of an object where none can be")]
    BadChunk,
    /// Something else came before the last chunk of an object [DM 1.2, 7].
    #[error("an object was broken off")]
    ObjectBrokenOff,
    /// `Final` before the end: with a chunk that is not the last, or while the other side's package is open (F2, F3).
    #[error("Final came too early")]
    FinalTooEarly,
    /// Alert 1222 though there is nothing more to be had.
    #[error("the next message of a closed package was asked for")]
    NothingOpen,
    /// New commands before the statuses of the last ones (F4, F5).
    #[error("commands came while this side's package is open")]
    OutOfTurn,
    /// More messages in one package than allowed, or more in one session.
    #[error("the session does not come to an end")]
    Endless,
    /// The first part of a value without the size of the whole [DM 1.2, 7].
    #[error("a value in parts without its size")]
    SizeMissing,
    /// A value in parts that is larger than this side takes.
    #[error("a value of {0} octets is more than is taken")]
    ObjectTooLarge(u64),
    /// A value in parts that is not as large as was said.
    #[error("a value of {came} octets was announced with {said}")]
    SizeMismatch {
        /// What its first part said.
        said: u64,
        /// What came.
        came: u64,
    },
    /// Something else came before the last part of a value.
    #[error("a value in parts came to no end")]
    ObjectInterrupted,
    /// The parts of a value are not answered one by one.
    #[error("no status for the part of a value")]
    NoStatusForPart,
    /// `Final` while the package that is answered is open (F2).
    #[error("the package was ended before the one that it answers")]
    EarlyFinal,
    /// Alert 1222 when there is nothing to go on with.
    #[error("alert 1222 when there is nothing to go on with")]
    NothingToContinue,
    /// No answer to the message can be written in its encoding.
    #[error("no answer can be written")]
    Unanswerable,
    /// The reply is larger than the peer takes.
    #[error("the peer takes no message large enough for an answer")]
    PeerTooSmall,
}

impl PeerFault {
    /// One word for each, for counters and for texts that must hold nothing of what the peer wrote.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Malformed { .. } => "malformed",
            Self::NotPackageOne => "not-package-one",
            Self::NoDevInfo => "no-dev-info",
            Self::DtdVersion(_) => "dtd-version",
            Self::ProtocolVersion(_) => "protocol-version",
            Self::ForeignSession => "foreign-session",
            Self::StaleMessage(_) => "stale-message",
            Self::MessageReused(_) => "message-reused",
            Self::WrongReference => "wrong-reference",
            Self::SessionOver => "session-over",
            Self::CmdIdReused(_) => "cmd-id-reused",
            Self::CmdIdUnusable(_) => "cmd-id-unusable",
            Self::CredInCommand(_) => "cred-in-command",
            Self::UnexpectedStatus { .. } => "unexpected-status",
            Self::UnexpectedResults { .. } => "unexpected-results",
            Self::NoHeaderStatus => "no-header-status",
            Self::NoChallenge => "no-challenge",
            Self::WeakChallenge(_) => "weak-challenge",
            Self::WrongScheme(_) => "wrong-scheme",
            Self::NoNextNonce => "no-next-nonce",
            Self::BadPrompt { .. } => "bad-prompt",
            Self::BadChunk => "bad-chunk",
            Self::ObjectBrokenOff => "object-broken-off",
            Self::FinalTooEarly => "final-too-early",
            Self::NothingOpen => "nothing-open",
            Self::OutOfTurn => "out-of-turn",
            Self::Endless => "endless",
            Self::SizeMissing => "size-missing",
            Self::ObjectTooLarge(_) => "object-too-large",
            Self::SizeMismatch { .. } => "size-mismatch",
            Self::ObjectInterrupted => "object-interrupted",
            Self::NoStatusForPart => "no-status-for-part",
            Self::EarlyFinal => "early-final",
            Self::NothingToContinue => "nothing-to-continue",
            Self::Unanswerable => "unanswerable",
            Self::PeerTooSmall => "peer-too-small",
        }
    }

    /// The status that tells the peer.
    #[must_use]
    pub const fn status(&self) -> StatusCode {
        match self {
            Self::DtdVersion(_) => StatusCode::DTD_NOT_SUPPORTED,
            Self::ProtocolVersion(_) => StatusCode::PROTOCOL_NOT_SUPPORTED,
            Self::Malformed { kind: DecodeErrorKind::TooLarge | DecodeErrorKind::TooManyCommands, .. }
            | Self::PeerTooSmall => StatusCode::TOO_LARGE,
            Self::WrongScheme(_) => StatusCode::UNAUTHORIZED,
            Self::BadPrompt { fault, .. } => fault.status(),
            Self::NothingOpen => StatusCode::NOT_ALLOWED,
            _ => StatusCode::BAD_REQUEST,
        }
    }
}

impl From<&DecodeError> for PeerFault {
    fn from(error: &DecodeError) -> Self {
        Self::Malformed { kind: error.kind, offset: error.offset, path: error.path.clone() }
    }
}
