//! What a server session wants done, and what it tells.

use alloc::{string::String, vec::Vec};

use serde::{Deserialize, Serialize};

use super::{OrderFault, Question};
use crate::{
    Packet,
    auth::{Nonce, Scheme},
    codes::{AlertCode, StatusCode},
    fault::PeerFault,
    ids::{DeviceId, JobTag, MsgId},
    session::Outcome,
    tree::{Content, Found},
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
        user: Option<String>,
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
    Alerted {
        /// Which kind.
        code: AlertCode,
        /// That of the `Exec` which this alert ends.
        correlator: Option<String>,
        /// What it says, item by item.
        items: Vec<AlertItem>,
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

/// One item of an alert.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AlertItem {
    /// The node that it is about.
    pub source: Option<String>,
    /// What it says, with its type.
    pub content: Content,
    /// Its importance.
    pub mark: Option<String>,
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
    /// The node; empty for a block, which is about none.
    pub uri: String,
    /// What the device said; nothing if it spoke of other items of the order only.
    pub status: Option<StatusCode>,
    /// What a `Get` found.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub found: Vec<Found>,
}
