//! The phases of a server session, one struct each, and what is common to all of them.

use alloc::{boxed::Box, collections::VecDeque, string::String, vec::Vec};

use core_kit::{Body, Tick, asking};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use smol_str::SmolStr;

use super::{
    Authenticate, Fetch, Input, NextCommands, Order, Question, Sign,
    object::{Receiving, Sending},
    sent::Outstanding,
};
use crate::{
    Packet,
    auth::{Nonce, Presented, Scheme, Signature},
    codes::AlertCode,
    ids::{CmdId, DeviceId, MsgId, QuestionId, SessionId},
    session::{Answering, Outcome, Reason, Verdicts, table::PhaseKind},
    version::Version,
    wire::{Encoding, Message, Status},
};

/// The phase that a session is in.
pub(super) type Phase = asking::Phase<Rest, Asking, Since>;

/// A session at rest, as it is stored.
pub(super) type Stable = asking::Stable<Box<Common>, Rest>;

/// What a session is stored as while it works on a message.
pub(super) type Since = asking::Since<Box<Common>, Rest, Input>;

/// The phases between messages.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) enum Rest {
    /// No message has come.
    #[default]
    Fresh,
    /// It is the device's turn.
    Waiting {
        /// Until when.
        until: Tick,
    },
    /// The session has ended.
    Over(Outcome),
}

/// The phases with an open question.
#[derive(Clone, Debug)]
pub(super) enum Asking {
    /// A message is held until it is known who sent it.
    Authenticating(Authenticate, Box<Taken>),
    /// The device's package is dealt with; the reply waits for commands.
    Choosing(NextCommands, Draft),
    /// The reply waits for the server's credentials.
    Signing(Sign, Draft),
    /// The reply is written and waits for what signs it as a whole.
    Sealing(Sign, Written),
    /// The reply, with the server's credentials, waits for a part of a value.
    Fetching(Fetch, Draft, Option<(Scheme, Signature)>),
}

impl Rest {
    pub(super) const fn kind(&self) -> PhaseKind {
        match self {
            Self::Fresh => PhaseKind::Fresh,
            Self::Waiting { .. } => PhaseKind::Waiting,
            Self::Over(_) => PhaseKind::Over,
        }
    }
}

impl Asking {
    pub(super) const fn kind(&self) -> PhaseKind {
        match self {
            Self::Authenticating(..) => PhaseKind::Authenticating,
            Self::Choosing(..) => PhaseKind::Choosing,
            Self::Signing(..) | Self::Sealing(..) => PhaseKind::Signing,
            Self::Fetching(..) => PhaseKind::Fetching,
        }
    }

    pub(super) fn question(&self) -> Question {
        match self {
            Self::Authenticating(question, _) => Question::Authenticate(question.clone()),
            Self::Choosing(question, _) => Question::Commands(question.clone()),
            Self::Signing(question, _) | Self::Sealing(question, _) => Question::Sign(question.clone()),
            Self::Fetching(question, ..) => Question::Fetch(question.clone()),
        }
    }

    pub(super) const fn id(&self) -> QuestionId {
        match self {
            Self::Authenticating(question, _) => question.id,
            Self::Choosing(question, _) => question.id,
            Self::Signing(question, _) | Self::Sealing(question, _) => question.id,
            Self::Fetching(question, ..) => question.id,
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
    pub(super) const fn kind(&self) -> PhaseKind {
        match self {
            Self::Rest(rest) => rest.kind(),
            Self::Ask(asking) => asking.kind(),
        }
    }
}

/// A message that this session takes, with the hash by which a repetition is known.
#[derive(Clone, Debug)]
pub(super) struct Taken {
    pub(super) message: Box<Message>,
    pub(super) hash: Hash,
    /// Whom the transport has authenticated as its sender.
    pub(super) identity: Option<String>,
    /// What it shows of its sender.
    pub(super) presented: Presented,
}

/// By what a repetition is known: SHA-256 of a message as it came in. One that is sealed is known by its seal too, since
/// its nonce is only there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Hash(#[serde(with = "core_kit::hex")] [u8; 32]);

impl Hash {
    pub(super) fn of(packet: &Packet) -> Self {
        let body = Sha256::digest(&*packet.body);
        Self(match &packet.mac {
            Some(mac) => Sha256::new_with_prefix(body).chain_update(mac.as_str()).finalize().into(),
            None => body.into(),
        })
    }
}

/// The reply under construction.
#[derive(Clone, Debug)]
pub(super) struct Draft {
    /// What it answers.
    pub(super) answering: Answering,
    pub(super) hash: Hash,
    /// What the header gets.
    pub(super) verdict: Verdicts,
    /// What the commands get.
    pub(super) statuses: Vec<Status>,
    /// Next Message or Session Abort.
    pub(super) alert: Option<AlertCode>,
    /// The node of an object of the device that something came in between of: Alert 1225.
    pub(super) interrupted: Option<SmolStr>,
    /// The part of a value that goes along.
    pub(super) part: Option<Body>,
    /// Whether orders go along, and the session ends if there are none.
    pub(super) orders: bool,
    /// How the session ends with this reply.
    pub(super) end: Option<Outcome>,
}

/// A reply that is written: what is left is to let it go.
#[derive(Clone, Debug)]
pub(super) struct Written {
    /// The message that it answers, and the hash of that.
    pub(super) answered: (MsgId, Hash),
    pub(super) reply: Packet,
    /// How the session ends with it.
    pub(super) end: Option<Outcome>,
}

/// What a session knows in every phase.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Common {
    /// Inputs taken that changed anything.
    pub(super) revision: u64,
    /// The latest time seen: time never runs back.
    pub(super) now: Tick,
    /// Questions asked.
    pub(super) asked: u64,
    /// Whose session it is; from the first message on.
    pub(super) peer: Option<Peer>,
    /// The last message taken, and its reply.
    pub(super) last: Option<Answered>,
    /// The last message of the session before, and its reply, until the device has shown that it is in this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) previous: Option<Box<Answered>>,
    /// The hash of the message that opened the session.
    pub(super) opened: Option<Hash>,
    /// The number of the last reply.
    pub(super) sent: MsgId,
    /// Messages taken.
    pub(super) messages: u32,
    /// Messages of the device's open package.
    pub(super) open_messages: u32,
    /// Whether the first believed message has been dealt with: package 1.
    pub(super) introduced: bool,
    /// What is known of the device.
    pub(super) client: Standing,
    /// What the device knows of the server.
    pub(super) own: Own,
    /// Orders taken from the embedder.
    pub(super) taken: u32,
    /// Orders not sent yet.
    pub(super) queue: VecDeque<Order>,
    /// Orders sent and not answered.
    pub(super) outstanding: Outstanding,
    /// Octets of what the device's open package has told.
    #[serde(default)]
    pub(super) found_bytes: u64,
    /// The alerts of the last reply that are nobody's order: each may have one status (F7).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) alerts: Vec<CmdId>,
    /// The value that goes out in parts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) sending: Option<Box<Sending>>,
    /// The value that comes in parts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) receiving: Option<Box<Receiving>>,
    /// Why the next reply gives the session up.
    pub(super) abort: Option<Reason>,
}

/// Whose session it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Peer {
    pub(super) device: DeviceId,
    pub(super) session: SessionId,
    pub(super) encoding: Encoding,
    /// The version of the whole session; that of the refusal, where it is not spoken.
    pub(super) version: Version,
    /// `MaxMsgSize`, as the device said last.
    pub(super) max_msg_size: Option<u64>,
    /// `MaxObjSize`, likewise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) max_obj_size: Option<u64>,
}

/// A message that was answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Answered {
    pub(super) msg_id: MsgId,
    pub(super) hash: Hash,
    pub(super) reply: Packet,
}

/// What is known of the device.
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
        /// Wrong credentials so far.
        wrong: u32,
        /// Challenges so far.
        challenges: u32,
    },
    /// It has proved itself for one message and must do so for the next.
    PerMessage {
        /// The nonce for the next message; nothing if the stored one still counts.
        nonce: Option<Nonce>,
        /// How it did, and must do again.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        scheme: Option<Scheme>,
    },
    /// It has proved itself for the session.
    Proven,
}

impl Default for Standing {
    fn default() -> Self {
        Self::Unproven { nonce: None, scheme: None, wrong: 0, challenges: 0 }
    }
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

/// What the device knows of the server.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Own {
    /// How the server proves itself; nothing where the transport does.
    pub(super) prove: Option<Scheme>,
    /// The nonce that the device gave in this session.
    pub(super) nonce: Option<Nonce>,
    /// Whether the device believes it for the session.
    pub(super) believed: bool,
    /// How often the device did not.
    pub(super) refusals: u32,
    /// The server's name, once a signature has told it; from then on messages are sealed where that is the scheme.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) user: Option<SmolStr>,
}

impl Own {
    /// Whether every message is signed as a whole.
    pub(super) fn seals(&self) -> bool {
        self.prove == Some(Scheme::Mac) && self.user.is_some()
    }
}
