//! What a client session is told, and what it asks.

use alloc::{sync::Arc, vec::Vec};

use core_kit::UnixMillis;
use serde::{Deserialize, Serialize};

use crate::{
    Packet,
    alert::DeviceAlert,
    auth::{Claim, SignRequest, Signature, Verdict},
    ids::{JobTag, QuestionId, ServerId, SessionId},
    prompt::{Prompt, Reply},
    session::Reason,
    tree::{Manner, Memory, MountedTree, Op, OpResult},
};

/// What happens to a client session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Input {
    /// Open the session. Once, and first.
    Start(Trigger),
    /// Tell the server: before the start with package 1, later with the message after the next reply. Refused while a
    /// question is open.
    Alert(NewAlert),
    /// A reply came in. Refused while a question is open or before anything was sent.
    Received(Packet),
    /// The last message could not be delivered, or its reply could not be fetched.
    SendFailed(Failure),
    /// The open question was answered; made by the question's own `answer`.
    Answered(Answer),
    /// [`deadline`](core_kit::Machine::deadline) has come. Never refused; early, it does nothing.
    Wake,
    /// Give the session up: Alert 1223 goes out and its reply is not waited for [DM 1.2, 8.1].
    Abort(Reason),
}

/// Why a session is opened, and under which identifier.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Trigger {
    /// The device or its user wants it: Alert 1201. The identifier should be new for this device.
    Client(SessionId),
    /// A notification asked for it: Alert 1200, under the notification's identifier.
    Server(SessionId),
    /// The same, where the notification wants the user told or asked first [NOTI 1.2, 6.3]: [`Question::User`] comes
    /// before anything else. Unless the user agrees, a session that wants consent ends before a word was sent, with
    /// [`Outcome::Declined`](crate::session::Outcome::Declined).
    Announced {
        /// The notification's identifier.
        session: SessionId,
        /// What to show: [`Wanted::Attention`](crate::prompt::Wanted::Attention), or
        /// [`Wanted::Consent`](crate::prompt::Wanted::Consent) to ask.
        prompt: Prompt,
    },
}

/// An alert of the device for the server [DM 1.2, 8.7]. The end of an `Exec` that was answered with 202 is one, with the
/// `Correlator` of the `Exec`.
///
/// A value in parts is read from the tree when it is sent: it is the value of the item's source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewAlert {
    /// Comes back with the server's status; need not be unique.
    pub tag: JobTag,
    /// What to tell.
    pub alert: DeviceAlert,
}

/// How badly sending failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Failure {
    /// It may work later: no connection, a time-out, a server error. The same bytes are sent again.
    Temporary,
    /// It will not work: the server refuses the request as such.
    Permanent,
}

/// What the session needs from outside before it can go on. One is open at a time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Question {
    /// What does the tree say?
    Tree(Ops),
    /// What does the user say?
    User(User),
    /// What proves this client to the server?
    Sign(Sign),
    /// Is the server what it claims to be?
    Authenticate(Authenticate),
}

impl Question {
    /// The number that the answer must carry.
    #[must_use]
    pub const fn id(&self) -> QuestionId {
        match self {
            Self::Tree(question) => question.id,
            Self::User(question) => question.id,
            Self::Sign(question) => question.id,
            Self::Authenticate(question) => question.id,
        }
    }
}

/// Operations on the tree, to be done in order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ops {
    /// This question.
    pub id: QuestionId,
    /// Whose rights count. Nothing: the client itself reads its device information.
    pub server: Option<ServerId>,
    /// When: what changes gets this time. It is the calendar time of the step that asked.
    #[serde(default)]
    pub at: UnixMillis,
    /// What to do. After a crash in the middle the question comes again: an embedder whose tree is durable keeps the
    /// results under [`id`](Self::id) with it. Copies of the question share them.
    pub ops: Arc<[Op]>,
    /// Whether the first operation that fails keeps those after it from being done; they get 215.
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    pub stops_at_failure: bool,
    /// Octets of a value from which on a `Get` may leave it to be [read in parts](crate::tree::Content::in_parts).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub whole_bytes_max: Option<u64>,
}

impl Ops {
    pub(super) fn new(id: QuestionId, at: UnixMillis, server: Option<ServerId>, ops: impl Into<Arc<[Op]>>) -> Self {
        Self { id, server, at, ops: ops.into(), stops_at_failure: false, whole_bytes_max: None }
    }

    /// How the operations are to be done.
    #[must_use]
    pub const fn manner(&self) -> Manner {
        Manner { stops_at_failure: self.stops_at_failure, whole_bytes_max: self.whole_bytes_max }
    }

    /// The answer: one result for each operation, in the same order.
    #[must_use]
    pub fn answer(self, results: Vec<OpResult>) -> Input {
        Input::Answered(Answer::Tree { id: self.id, results })
    }
}

/// Asks the user. Comes only for alerts that the profile lists.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct User {
    /// This question.
    pub id: QuestionId,
    /// What to show, what is wanted, and for how long to wait for it.
    pub prompt: Prompt,
}

impl User {
    /// The answer: one that the prompt [admits](Prompt::admits).
    #[must_use]
    pub fn answer(self, reply: Reply) -> Input {
        Input::Answered(Answer::User { id: self.id, reply })
    }
}

impl Memory {
    /// Answers a whole question: one result for each of its operations, done in its manner, at its time and with the
    /// rights of its server.
    pub fn answer(&mut self, question: &Ops) -> Vec<OpResult> {
        self.tell_time(question.at);
        self.apply_in(question.manner(), question.server.as_ref(), &question.ops)
    }
}

impl MountedTree {
    /// Answers a whole question; see [`Memory::answer`].
    pub fn answer(&mut self, question: &Ops) -> Vec<OpResult> {
        self.memory_mut().tell_time(question.at);
        self.apply_in(question.manner(), question.server.as_ref(), &question.ops)
    }
}

/// Asks for the client's own credentials.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sign {
    /// This question.
    pub id: QuestionId,
    /// For whom, and how.
    pub request: SignRequest,
}

impl Sign {
    /// The answer.
    #[must_use]
    pub fn answer(self, signature: Signature) -> Input {
        Input::Answered(Answer::Sign { id: self.id, signature: Some(signature) })
    }

    /// There is nothing to sign with: the message goes out without credentials.
    #[must_use]
    pub fn decline(self) -> Input {
        Input::Answered(Answer::Sign { id: self.id, signature: None })
    }
}

/// Asks for a verdict on the server's claim. Comes only if the profile wants the server to prove itself in messages.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Authenticate {
    /// This question.
    pub id: QuestionId,
    /// Who says to be whom.
    pub claim: Claim,
}

impl Authenticate {
    /// The answer.
    #[must_use]
    pub fn answer(self, verdict: Verdict) -> Input {
        Input::Answered(Answer::Authenticate { id: self.id, verdict })
    }
}

/// The answer to a [`Question`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Answer {
    /// To [`Ops`].
    Tree {
        /// The question.
        id: QuestionId,
        /// One for each operation.
        results: Vec<OpResult>,
    },
    /// To [`User`].
    User {
        /// The question.
        id: QuestionId,
        /// What the user did.
        reply: Reply,
    },
    /// To [`Sign`].
    Sign {
        /// The question.
        id: QuestionId,
        /// The credentials.
        signature: Option<Signature>,
    },
    /// To [`Authenticate`].
    Authenticate {
        /// The question.
        id: QuestionId,
        /// What the embedder thinks of the claim.
        verdict: Verdict,
    },
}

impl Answer {
    /// The question that it is for.
    #[must_use]
    pub const fn id(&self) -> QuestionId {
        match self {
            Self::Tree { id, .. } | Self::User { id, .. } | Self::Sign { id, .. } | Self::Authenticate { id, .. } => {
                *id
            }
        }
    }
}
