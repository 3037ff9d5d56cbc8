//! What a client session wants done, and what it tells.

use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

use super::input::Question;
use crate::{
    Packet,
    auth::{Nonce, Scheme},
    codes::{AlertCode, StatusCode},
    fault::PeerFault,
    ids::{JobTag, MsgId},
    session::Outcome,
    version::VersionHint,
    wire::Deviations,
};

/// What to do now. In one step reports come first, then a question or a message, then [`Finished`](Output::Finished).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Output {
    /// Something worth keeping.
    Report(Report),
    /// Answer this; until then the session takes no reply.
    Ask(Question),
    /// Send this and bring back the reply, or say that it failed.
    Send(Request),
    /// The session is over; nothing is waited for any more. Parts of a value that the tree still keeps can be dropped.
    Finished(Outcome),
}

/// A message and where it goes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// The address: the server's, or the `RespURI` that it gave.
    pub url: SmolStr,
    /// The message. When sent again it is the same to the byte.
    pub packet: Packet,
    /// Whether a reply is waited for; it is not for the message that aborts a session.
    pub wants_reply: bool,
}

/// What a session tells its embedder. Nothing is owed, but nonces that are not stored make the next session challenge.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Report {
    /// The server believed this client.
    Authenticated {
        /// How; nothing where no credentials were needed.
        scheme: Option<Scheme>,
    },
    /// The server did not believe this client; it is tried again with the server's challenge, or given up.
    NotBelieved(StatusCode),
    /// The server proved itself.
    ServerAuthenticated,
    /// The server did not prove itself; nothing that it asked for was done.
    ServerNotAuthenticated,
    /// The nonce to use in the next session: store it with the client's own account.
    ClientNonce(Nonce),
    /// The nonce that the server will use in the next session: store it with the server's account.
    ServerNonce(Nonce),
    /// The server recommends a version for sessions to come: put it into the account's
    /// [`Memory`](crate::version::Memory).
    VersionRecommended(VersionHint),
    /// The server alerted something that this client does not do.
    Alerted(Option<AlertCode>),
    /// The server answered an alert of this device. An alert that took several commands, or whose items were answered one
    /// by one, is answered so often. Until then it may not have reached the server: alert it again in the next session.
    AlertAnswered {
        /// The embedder's name for the alert.
        tag: JobTag,
        /// The server's status.
        status: StatusCode,
    },
    /// An alert cannot reach this server, or not whole: it is larger than the server takes, the tree did not give all of
    /// its value, or the server refused a part.
    AlertAbandoned {
        /// The embedder's name for the alert.
        tag: JobTag,
    },
    /// A value that the server asked for did not reach it whole: the tree did not give all of it, or the server refused
    /// a part.
    ValueAbandoned {
        /// The node.
        uri: SmolStr,
    },
    /// A package of the server was carried out, with so many commands.
    Executed {
        /// The server's message.
        msg_id: MsgId,
        /// How many of its commands.
        commands: u32,
    },
    /// The server strayed from the protocol and the session went on.
    Fault {
        /// In which message, where it could be read.
        msg_id: Option<MsgId>,
        /// How.
        fault: PeerFault,
    },
    /// The server strayed harmlessly.
    Deviated(Deviations),
}
