//! The phases of a client session, and what is common to all of them.

use alloc::{boxed::Box, string::String, vec::Vec};

use core_kit::{Tick, asking};
use serde::{Deserialize, Serialize};

use super::{Authenticate, Input, Ops, Question, Request, Sign, apply::Plan};
use crate::{
    auth::{Nonce, Scheme},
    codes::AlertCode,
    fault::PeerFault,
    ids::{MsgId, QuestionId, SessionId},
    session::{Answering, Outcome, Verdicts, table::PhaseKind},
    tree::Found,
    wire::{Command, Message},
};

/// The phase that a session is in.
pub(super) type Phase = asking::Phase<Common, Rest, Asking, Input>;

/// The phases between messages.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) enum Rest {
    /// The session was not started.
    #[default]
    Fresh,
    /// A message is out.
    Waiting(Waiting),
    /// The session has ended.
    Over(Outcome),
}

/// A message is out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Waiting {
    /// The message; sent again it is the same to the byte.
    pub(super) request: Request,
    /// Tries that came to nothing.
    pub(super) failed: u32,
    /// What it waits for.
    pub(super) wait: Wait,
    /// What the last try failed with, where a reply came and was no good.
    pub(super) fault: Option<PeerFault>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Wait {
    /// For the reply, until then.
    Reply(Tick),
    /// To send again, then.
    Pause(Tick),
}

/// The phases with an open question.
#[derive(Clone, Debug)]
pub(super) enum Asking {
    /// The tree tells about the device.
    Gathering(Ops),
    /// A message waits for the client's credentials.
    Signing(Sign, Draft),
    /// A reply is held until it is known who sent it.
    Authenticating(Authenticate, Box<Held>),
    /// The tree does what the server wants.
    Applying(Ops, Plan),
}

impl Rest {
    pub(super) const fn kind(&self) -> PhaseKind {
        match self {
            Self::Fresh => PhaseKind::Fresh,
            Self::Waiting(_) => PhaseKind::Waiting,
            Self::Over(_) => PhaseKind::Over,
        }
    }
}

impl Asking {
    pub(super) const fn kind(&self) -> PhaseKind {
        match self {
            Self::Gathering(_) => PhaseKind::Gathering,
            Self::Signing(..) => PhaseKind::Signing,
            Self::Authenticating(..) => PhaseKind::Authenticating,
            Self::Applying(..) => PhaseKind::Applying,
        }
    }

    pub(super) fn question(&self) -> Question {
        match self {
            Self::Gathering(ops) | Self::Applying(ops, _) => Question::Tree(ops.clone()),
            Self::Signing(question, _) => Question::Sign(question.clone()),
            Self::Authenticating(question, _) => Question::Authenticate(question.clone()),
        }
    }

    pub(super) const fn id(&self) -> QuestionId {
        match self {
            Self::Gathering(ops) | Self::Applying(ops, _) => ops.id,
            Self::Signing(question, _) => question.id,
            Self::Authenticating(question, _) => question.id,
        }
    }
}

/// Where a step leads.
#[derive(Clone, Debug)]
pub(super) enum Next {
    Rest(Rest),
    Ask(Box<Asking>),
}

impl Next {
    pub(super) const fn over(outcome: Outcome) -> Self {
        Self::Rest(Rest::Over(outcome))
    }

    pub(super) const fn kind(&self) -> PhaseKind {
        match self {
            Self::Rest(rest) => rest.kind(),
            Self::Ask(asking) => asking.kind(),
        }
    }
}

/// A reply of the server, and what it says of this client.
#[derive(Clone, Debug)]
pub(super) struct Held {
    pub(super) message: Message,
    pub(super) challenged: bool,
}

/// The message under construction.
#[derive(Clone, Debug, Default)]
pub(super) struct Draft {
    /// The server's message that it answers, and what its header gets; nothing in the first message.
    pub(super) answering: Option<(Answering, Verdicts)>,
    /// The statuses and results, in order.
    pub(super) commands: Vec<Command>,
    /// Whether package 1 goes along: the alert that opens the session, and the device information.
    pub(super) opening: bool,
    /// Next Message or Session Abort.
    pub(super) alert: Option<AlertCode>,
    /// The nonce that the server is given for its next session.
    pub(super) issued: Option<Nonce>,
    /// How the session ends with this message.
    pub(super) end: Option<Outcome>,
}

/// What a session knows in every phase.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Common {
    /// Inputs taken that changed anything.
    pub(super) revision: u64,
    /// The latest time seen: time never runs back.
    pub(super) now: Tick,
    /// Questions asked.
    pub(super) asked: u64,
    /// From the start on.
    pub(super) session: SessionId,
    /// Alert 1200 or 1201.
    pub(super) start: AlertCode,
    /// Where the next message goes.
    pub(super) url: String,
    /// What the tree told about the device.
    pub(super) device_info: Vec<Found>,
    /// The number of the last message out, and of the commands in it.
    pub(super) sent: MsgId,
    pub(super) sent_commands: u32,
    /// The number of the last message taken.
    pub(super) heard: MsgId,
    /// Messages taken.
    pub(super) messages: u32,
    /// Messages of the server's open package.
    pub(super) open_messages: u32,
    /// `MaxMsgSize`, as the server said last.
    pub(super) max_msg_size: Option<u64>,
    /// What the server knows of this client.
    pub(super) own: Own,
    /// What is known of the server.
    pub(super) server: Standing,
}

/// What the server knows of this client.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Own {
    /// How the client proves itself; nothing until that is asked for.
    pub(super) scheme: Option<Scheme>,
    /// The nonce that the server gave in this session.
    pub(super) nonce: Option<Nonce>,
    /// Whether the server believes it for the session.
    pub(super) believed: bool,
    /// Whether the embedder was told that the server believes.
    pub(super) reported: bool,
    /// Credentials that the server refused.
    pub(super) wrong: u32,
    /// Challenges met.
    pub(super) challenges: u32,
}

/// What is known of the server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) enum Standing {
    /// Nothing.
    Unproven {
        /// The nonce that the last challenge gave.
        nonce: Option<Nonce>,
        /// Refusals so far.
        refused: u32,
    },
    /// It has proved itself for one message and must do so for the next.
    PerMessage {
        /// The nonce for the next message; nothing if the stored one still counts.
        nonce: Option<Nonce>,
    },
    /// It has proved itself for the session, or the transport has for it.
    Proven,
}
