//! The phases of a client session, and what is common to all of them.

use alloc::{boxed::Box, string::String, sync::Arc, vec::Vec};

use core_kit::{Tick, asking};
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

use super::{Authenticate, Input, Ops, Question, Request, Sign, User, object::Incoming, plan::Work, say::Say};
use crate::{
    auth::{Nonce, Presented, Scheme},
    codes::AlertCode,
    fault::PeerFault,
    ids::{JobTag, MsgId, QuestionId, SessionId},
    session::{Answering, Outcome, Verdicts, table::PhaseKind},
    tree::Found,
    version::VersionHint,
    wire::{Command, Message},
};

/// The phase that a session is in.
pub(super) type Phase = asking::Phase<Rest, Asking, Note>;

/// What a session is stored as while it works on a message; nothing where it keeps no record.
pub(super) type Note = Option<Since>;

/// A session at rest, as it is stored.
pub(super) type Stable = asking::Stable<Box<Common>, Rest>;

/// What a session is stored as while it works on a message.
pub(super) type Since = asking::Since<Box<Common>, Rest, Input>;

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
    Signing(Sign, Box<Draft>),
    /// A message is written and waits for what signs it as a whole.
    Sealing(Sign, Written),
    /// A reply is held until it is known who sent it.
    Authenticating(Authenticate, Box<Held>),
    /// The tree does what the server wants, or gives a part of a value.
    Applying(Ops, Doing),
    /// The user is asked what the server wants to know.
    Prompting(User, Box<Work>),
    /// The user is told of the session, or asked for it, before it begins.
    Consenting(User),
}

/// What an answer of the tree is for.
#[derive(Clone, Debug)]
pub(super) enum Doing {
    /// A message of the server is worked on.
    Plan(Box<Work>),
    /// A part of a value is to go out with the message.
    Part(Box<Draft>),
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
            Self::Signing(..) | Self::Sealing(..) => PhaseKind::Signing,
            Self::Authenticating(..) => PhaseKind::Authenticating,
            Self::Applying(..) => PhaseKind::Applying,
            Self::Prompting(..) | Self::Consenting(_) => PhaseKind::Prompting,
        }
    }

    pub(super) fn question(&self) -> Question {
        match self {
            Self::Gathering(ops) | Self::Applying(ops, _) => Question::Tree(ops.clone()),
            Self::Signing(question, _) | Self::Sealing(question, _) => Question::Sign(question.clone()),
            Self::Authenticating(question, _) => Question::Authenticate(question.clone()),
            Self::Prompting(question, _) | Self::Consenting(question) => Question::User(question.clone()),
        }
    }

    pub(super) const fn id(&self) -> QuestionId {
        match self {
            Self::Gathering(ops) | Self::Applying(ops, _) => ops.id,
            Self::Signing(question, _) | Self::Sealing(question, _) => question.id,
            Self::Authenticating(question, _) => question.id,
            Self::Prompting(question, _) | Self::Consenting(question) => question.id,
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

/// Who a reply seems to come from.
#[derive(Clone, Debug)]
pub(super) struct Sender {
    /// What it shows of its sender.
    pub(super) presented: Presented,
    /// Whom the transport has authenticated as its sender.
    pub(super) identity: Option<String>,
}

/// A reply of the server, and what it says of this client.
#[derive(Clone, Debug)]
pub(super) struct Held {
    pub(super) message: Box<Message>,
    pub(super) challenged: bool,
}

/// A message that is written: what is left is to let it go.
#[derive(Clone, Debug)]
pub(super) struct Written {
    pub(super) request: Request,
    /// The nonce that the server is given in it.
    pub(super) issued: Option<Nonce>,
    /// How the session ends with it.
    pub(super) end: Option<Outcome>,
}

/// The message under construction.
#[derive(Clone, Debug, Default)]
pub(super) struct Draft {
    /// The server's message that it answers, and what its header gets; nothing in the first message.
    pub(super) answering: Option<(Answering, Verdicts)>,
    /// Statuses for what the server's message has and what is not carried out.
    pub(super) commands: Vec<Command>,
    /// Whether package 1 goes along: the alert that opens the session, and the device information.
    pub(super) opening: bool,
    /// Session Abort.
    pub(super) alert: Option<AlertCode>,
    /// The part of a value that goes along.
    pub(super) part: Option<Part>,
    /// The nonce that the server is given for its next session.
    pub(super) issued: Option<Nonce>,
    /// How the session ends with this message.
    pub(super) end: Option<Outcome>,
}

/// A part of a value, as the tree gave it.
#[derive(Clone, Debug)]
pub(super) struct Part {
    /// Octets of the value before it.
    pub(super) offset: u64,
    pub(super) octets: core_kit::Body,
}

/// The package that this client is sending, or has sent last.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Package {
    /// Its first message.
    pub(super) first: MsgId,
    /// Whether it is package 1, and not taken yet.
    pub(super) opening: bool,
    /// Whether the last message out ended it.
    pub(super) closed: bool,
}

/// What of the package is in the message that is out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Flight {
    /// How many of the first things to say.
    pub(super) said: u32,
    /// How many octets of the next one's value the server has then.
    pub(super) part: Option<u64>,
    /// Whether it brings the session any further.
    pub(super) moves: bool,
}

/// An alert that waits for its status.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Unanswered {
    pub(super) msg_id: MsgId,
    pub(super) cmd: u32,
    pub(super) items: u32,
    pub(super) tag: JobTag,
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
    pub(super) url: SmolStr,
    /// What the tree told about the device.
    pub(super) device_info: Arc<Vec<Found>>,
    /// The number of the last message out, and of the commands in it.
    pub(super) sent: MsgId,
    pub(super) sent_commands: u32,
    /// The number of the last message taken.
    pub(super) heard: MsgId,
    /// Messages taken.
    pub(super) messages: u32,
    /// Messages of the server in a row that brought nothing.
    pub(super) open_messages: u32,
    /// `MaxMsgSize`, as the server said last.
    pub(super) max_msg_size: Option<u64>,
    /// `MaxObjSize`, as the server said last.
    pub(super) max_obj_size: Option<u64>,
    /// Whether the server's package goes on.
    pub(super) server_open: bool,
    /// This client's package.
    pub(super) package: Package,
    /// What is to be said, in order, until the server has it. It is shared with the state before the message that is
    /// worked on: most often all of it was said, and then it is not copied but replaced.
    pub(super) queue: Arc<Vec<Say>>,
    /// What of it is out.
    pub(super) flight: Flight,
    /// The number of the command out with a part of a value.
    pub(super) part_out: Option<u32>,
    /// Whether the last message that the server took brought the session any further.
    pub(super) moved: bool,
    /// Alerts that wait for their status.
    pub(super) unanswered: Vec<Unanswered>,
    /// The object that the server is in the middle of.
    pub(super) incoming: Option<Box<Incoming>>,
    /// What the server knows of this client.
    pub(super) own: Own,
    /// What is known of the server.
    pub(super) server: Standing,
}

impl Common {
    /// What is to be said, to be changed.
    pub(super) fn queue_mut(&mut self) -> &mut Vec<Say> {
        Arc::make_mut(&mut self.queue)
    }

    /// Nothing is said any more: a session that is over is small.
    pub(super) fn forget(&mut self) {
        (self.queue, self.device_info) = (Arc::default(), Arc::default());
        self.unanswered = Vec::new();
        (self.flight, self.incoming) = (Flight::default(), None);
    }
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
    /// The nonce to store, given by a server that is not believed yet [DM SEC 1.2, 5.3.4].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) unstored: Option<Nonce>,
    /// The version that the server recommends for other sessions, as long as it is not believed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) recommended: Option<VersionHint>,
    /// The client's name, once a signature has told it; from then on messages are sealed where that is the scheme.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) user: Option<SmolStr>,
}

impl Own {
    /// What the server knows before the first message of a client that proves itself by `scheme`.
    pub(super) const fn new(scheme: Option<Scheme>) -> Self {
        Self {
            scheme,
            nonce: None,
            believed: false,
            reported: false,
            wrong: 0,
            challenges: 0,
            unstored: None,
            recommended: None,
            user: None,
        }
    }

    /// Whether every message is signed as a whole.
    pub(super) fn seals(&self) -> bool {
        self.scheme == Some(Scheme::Mac) && self.user.is_some()
    }
}

/// What is known of the server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) enum Standing {
    /// Nothing.
    Unproven {
        /// The nonce that the last challenge gave.
        nonce: Option<Nonce>,
        /// What the last challenge asked for.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        scheme: Option<Scheme>,
        /// Refusals so far.
        refused: u32,
    },
    /// It has proved itself for one message and must do so for the next.
    PerMessage {
        /// The nonce for the next message; nothing if the stored one still counts.
        nonce: Option<Nonce>,
        /// How it did, and must do again.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        scheme: Option<Scheme>,
    },
    /// It has proved itself for the session, or the transport has for it.
    Proven,
}

impl Standing {
    /// The only scheme that may be shown now [DM 1.2, 9.1; DM SEC 1.2, 5.4.1].
    pub(super) const fn wanted(&self) -> Option<Scheme> {
        match self {
            Self::Unproven { scheme, .. } | Self::PerMessage { scheme, .. } => *scheme,
            Self::Proven => None,
        }
    }
}
