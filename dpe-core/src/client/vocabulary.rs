//! What a client is told, what it asks, and what it wants done.

use alloc::{string::String, vec::Vec};
use core::net::IpAddr;

use core_kit::Body;
use serde::{Deserialize, Serialize};

use crate::{
    codes::Code,
    ids::ClientId,
    property::Reading,
    wire::{EncodeError, Identity, Kind, PropertyName},
};

/// Whom a message came from, as far as the transport knows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Sender {
    /// The host that the transport was connected to by name, or that a certificate proved.
    Name(String),
    /// The address that the message came from.
    Address(IpAddr),
}

/// What happens to a client.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Input {
    /// The server's names or addresses are these from now on.
    Provisioned(Vec<String>),
    /// The device starts up: the client registers.
    Start,
    /// A message came in. Refused while a question is open.
    Received(Sender, Body),
    /// The open question was answered; made by [`Properties::answer`].
    Answered(u64, Vec<Reading>),
    /// Properties have these values now. The client watches those that policies are about, and forgets the others.
    Sampled(Vec<Reading>),
    /// The device or the user is another one, as after a change of the SIM.
    Identity {
        /// The device, where the client knows it.
        device: Option<Identity>,
        /// The user, where the client knows it.
        user: Option<Identity>,
    },
    /// Whether a session is wanted. A client that wants none answers so when it is given a Client-ID.
    Want(bool),
    /// [`deadline`](core_kit::Machine::deadline) has come. Never refused; early, it does nothing.
    Wake,
}

/// What a client wants done. In one step reports come first, then a question, then messages.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Output {
    /// Something worth knowing.
    Report(Report),
    /// Answer this; until then the client takes nothing else.
    Ask(Properties),
    /// Send this to the server.
    Send(Channel, Body),
}

/// On which interface a message leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Channel {
    /// DPE-1.
    Register,
    /// DPE-2.
    Messages,
}

/// What are these properties worth?
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Properties {
    /// This question.
    pub id: u64,
    /// The names.
    pub names: Vec<PropertyName>,
}

impl Properties {
    /// The answer: each name with its value, or with 16 if it means nothing here, or with 40 if this device has no such
    /// property. A name without an answer is told to have no result (20).
    #[must_use]
    pub fn answer(self, readings: Vec<Reading>) -> Input {
        Input::Answered(self.id, readings)
    }
}

/// What is worth knowing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Report {
    /// The client is registered, as this.
    Registered(ClientId),
    /// The server refused the registration with this.
    Refused(Code),
    /// The client declined the session.
    Declined,
    /// A message did not come from the server, and was ignored.
    ForeignSender,
    /// A message was for another client, and was ignored.
    ForeignClientId,
    /// A message was none, and was ignored.
    Unreadable,
    /// A message of this kind came at the wrong time, and was ignored.
    Unexpected(Kind),
    /// A message had this fault.
    Faulty(Code),
    /// The server says that a message of the client had this fault.
    ServerError(Code),
    /// A policy is due more often than the client keeps up with: a report was left out.
    ReportDropped,
    /// A message cannot be written.
    NotEncodable(EncodeError),
}

/// The input does not fit the state. Nothing has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Misuse {
    /// Something other than the answer came while a question is open.
    #[error("a question is open: answer it before anything else")]
    Asking,
    /// An answer came and no question is open, or another one.
    #[error("this answers no open question")]
    NotAsked,
    /// The client was started before it knows a server.
    #[error("no server address is known yet")]
    Unprovisioned,
}

/// Why a snapshot was not taken. There is no reason yet: what can be read fits together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RestoreError {}
