//! What a server session is told, and what it asks.

use alloc::vec::Vec;

use core_kit::Body;
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

use super::Order;
use crate::{
    Packet,
    auth::{Claim, Scheme, SignRequest, Signature, Verdict},
    ids::{DeviceId, JobTag, QuestionId},
    session::Reason,
};

/// What happens to a server session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Input {
    /// A message came in. Refused while a question is open.
    Received(Packet),
    /// The open question was answered; made by the question's own `answer`.
    Answered(Answer),
    /// [`deadline`](core_kit::Machine::deadline) has come. Never refused; early, it does nothing.
    Wake,
    /// Give the session up: the reply that is owed, or the next one, is Alert 1223 [DM 1.2, 8.1].
    Abort(Reason),
}

/// What the session needs from outside before it can go on. One is open at a time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Question {
    /// Is this device what it claims to be?
    Authenticate(Authenticate),
    /// What shall the device do?
    Commands(NextCommands),
    /// What proves this server to the device?
    Sign(Sign),
    /// What are these octets of a value?
    Fetch(Fetch),
}

impl Question {
    /// The number that the answer must carry.
    #[must_use]
    pub const fn id(&self) -> QuestionId {
        match self {
            Self::Authenticate(question) => question.id,
            Self::Commands(question) => question.id,
            Self::Sign(question) => question.id,
            Self::Fetch(question) => question.id,
        }
    }
}

/// Asks for a verdict on a device's claim. Comes once for each message until one is accepted for the session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Authenticate {
    /// This question.
    pub id: QuestionId,
    /// Who says to be whom.
    pub claim: Claim,
}

impl Authenticate {
    /// The answer. `prove` is how the server proves itself to this device in turn; nothing where the transport does.
    #[must_use]
    pub fn answer(self, verdict: Verdict, prove: Option<Scheme>) -> Input {
        Input::Answered(Answer::Authenticate { id: self.id, verdict, prove })
    }
}

/// Asks for the next commands. Comes at each package of an authenticated device; no commands end the session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NextCommands {
    /// This question.
    pub id: QuestionId,
    /// Whom they are for.
    pub device: DeviceId,
    /// How many commands have been taken in this session already.
    pub taken: u32,
}

impl NextCommands {
    /// The answer, in the order in which the device gets them.
    #[must_use]
    pub fn answer(self, orders: Vec<Order>) -> Input {
        Input::Answered(Answer::Commands { id: self.id, orders })
    }
}

/// Asks for the server's own credentials.
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

/// Asks for a part of a value that was left out of its order: [`Content::in_parts`](crate::tree::Content::in_parts).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fetch {
    /// This question.
    pub id: QuestionId,
    /// Whose value.
    pub tag: JobTag,
    /// The node that it is for.
    pub uri: SmolStr,
    /// Octets before the part.
    pub offset: u64,
    /// Octets of the part. The session may send fewer of them, and asks for the rest again.
    pub bytes: u64,
}

impl Fetch {
    /// The answer: as many octets as were asked for.
    #[must_use]
    pub fn answer(self, data: impl Into<Body>) -> Input {
        Input::Answered(Answer::Fetch { id: self.id, data: Some(data.into()) })
    }

    /// The octets are not to be had: the order is given up.
    #[must_use]
    pub fn decline(self) -> Input {
        Input::Answered(Answer::Fetch { id: self.id, data: None })
    }
}

/// The answer to a [`Question`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Answer {
    /// To [`Authenticate`].
    Authenticate {
        /// The question.
        id: QuestionId,
        /// What the embedder thinks of the claim.
        verdict: Verdict,
        /// How the server proves itself in turn.
        prove: Option<Scheme>,
    },
    /// To [`NextCommands`].
    Commands {
        /// The question.
        id: QuestionId,
        /// What the device shall do.
        orders: Vec<Order>,
    },
    /// To [`Sign`].
    Sign {
        /// The question.
        id: QuestionId,
        /// The credentials.
        signature: Option<Signature>,
    },
    /// To [`Fetch`].
    Fetch {
        /// The question.
        id: QuestionId,
        /// The octets; nothing if they are not to be had.
        data: Option<Body>,
    },
}

impl Answer {
    /// The question that it is for.
    #[must_use]
    pub const fn id(&self) -> QuestionId {
        match self {
            Self::Authenticate { id, .. }
            | Self::Commands { id, .. }
            | Self::Sign { id, .. }
            | Self::Fetch { id, .. } => *id,
        }
    }
}
