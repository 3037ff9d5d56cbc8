//! What a server session wants done, and what it tells.

use alloc::vec::Vec;

use core_kit::Body;
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

use super::{OrderFault, Question};
use crate::{
    Packet,
    alert::{AlertKind, DeviceAlert},
    auth::{Nonce, Scheme},
    codes::{AlertCode, StatusCode},
    fault::PeerFault,
    ids::{DeviceId, JobTag, MsgId},
    prompt::Reply,
    session::Outcome,
    tree::Found,
    wire::Deviations,
};

/// What to do now. In one step reports come first, then a question or a reply, then [`Finished`](Output::Finished).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Output {
    /// Something worth keeping; store it in the transaction that stores the snapshot.
    Report(Report),
    /// Answer this; until then the session takes no message.
    Ask(Question),
    /// Send this back, once the step is stored.
    Reply(Packet),
    /// The message that came in is refused without a SyncML answer (HTTP 400): the session is as it was.
    Refuse(PeerFault),
    /// The session is over. Keep its snapshot for a while: a repeated last message still gets its reply. With a reply or a
    /// question in the same step it was the one before, whose time had run out.
    Finished(Outcome),
}

/// What a session tells its embedder. Nothing is owed, but nonces that are not stored make the next session challenge.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Report {
    /// The device opened the session, with Alert 1200 or 1201.
    Started {
        /// Who.
        device: DeviceId,
        /// At whose wish.
        alert: AlertCode,
    },
    /// The device proved itself.
    Authenticated {
        /// The name that it used.
        user: Option<SmolStr>,
        /// How; nothing where the transport had done it.
        scheme: Option<Scheme>,
    },
    /// What the device showed was not enough. Count these for each account.
    AuthenticationFailed {
        /// What it showed; nothing for no credentials, or unreadable ones.
        scheme: Option<Scheme>,
    },
    /// The nonce that the device will use in its next session: store it with the device's account.
    ClientNonce(Nonce),
    /// The nonce that the device wants from this server in the next session: store it with the server's own account.
    ServerNonce(Nonce),
    /// The device told about itself [DM 1.2, 8.3]: `./DevInfo` and what else it sent along.
    DevInfo(Vec<Found>),
    /// The device alerted: a client event or a generic alert [DM 1.2, 8.7].
    Alerted(DeviceAlert),
    /// A part of a value that the device sends in several messages [DM 1.2, 7]. When it is whole, [`Done`](Self::Done) or
    /// [`Alerted`](Self::Alerted) tells of it with [`Content::in_parts`](crate::tree::Content::in_parts) in place of
    /// its octets.
    Part(Part),
    /// The parts that came of a value are void: the rest of it did not come, or did not fit.
    PartsVoid {
        /// What they belong to.
        of: PartOf,
        /// The node.
        uri: Option<SmolStr>,
    },
    /// An order has been carried out, as far as it has.
    Done(Done),
    /// An order was sent and the device said nothing of it before its package or the session ended. It may have been
    /// carried out.
    Unknown(JobTag),
    /// An order was not sent: the session ended first, or it cannot be sent at all, for this reason.
    NotSent {
        /// Which.
        tag: JobTag,
        /// Why it cannot be sent; nothing if it only was not its turn.
        fault: Option<OrderFault>,
    },
    /// The device did not believe this server's credentials.
    NotBelieved(StatusCode),
    /// The device strayed from the protocol and the session went on.
    Fault {
        /// In which message.
        msg_id: MsgId,
        /// How.
        fault: PeerFault,
    },
    /// The device strayed harmlessly.
    Deviated(Deviations),
}

/// A part of a value from the device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Part {
    /// What it belongs to.
    pub of: PartOf,
    /// The node.
    pub uri: Option<SmolStr>,
    /// Octets of the whole value, as they are transferred: with format `b64` those of the base64 text.
    pub size: u64,
    /// Octets before this part.
    pub offset: u64,
    /// The part.
    pub data: Body,
}

/// What a value that comes in parts belongs to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum PartOf {
    /// The `Get` of this order.
    Order(JobTag),
    /// An alert.
    Alert(AlertKind),
}

/// What became of an order, item by item.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Done {
    /// Which.
    pub tag: JobTag,
    /// One for each address, in the order's order.
    pub items: Vec<ItemDone>,
}

impl Done {
    /// Whether every item was done.
    #[must_use]
    pub fn is_success(&self) -> bool {
        self.items.iter().all(|item| item.status.is_some_and(StatusCode::is_success))
    }
}

/// What became of one item of an order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ItemDone {
    /// The node; empty for a prompt or a block, which are about none.
    pub uri: SmolStr,
    /// What the device said; nothing if it spoke of other items of the order only.
    pub status: Option<StatusCode>,
    /// What a `Get` found.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub found: Vec<Found>,
    /// What the user said to a prompt; nothing if the device did not tell, or told something else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply: Option<Reply>,
}
