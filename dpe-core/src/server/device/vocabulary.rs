//! What a device's machine is told, what it asks, and what it wants done.

use alloc::{string::String, vec::Vec};
use core::net::IpAddr;

use core_kit::Body;
use serde::{Deserialize, Serialize};

use crate::{
    codes::Code,
    identity::{DeviceIdentity, Source},
    ids::{ClientId, SpId, Token, dpe3},
    policy::Watched,
    server::{
        QuestionId,
        directory::{Assigned, Change},
        link::{ToDevice, ToGate},
    },
    wire::{Kind, PropertyName, Secret},
};

/// A registration request that the desk let through, with the Client-ID that the store gave it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Register {
    /// The echo value of the request.
    pub message_id: Option<Token>,
    /// The device.
    pub device: DeviceIdentity,
    /// Where the client is; an attribute, not an identity.
    pub address: IpAddr,
    /// Which version it speaks.
    pub version: Option<String>,
    /// Where it listens.
    pub contact: Option<String>,
    /// The session token to give it, if it works with tokens.
    pub token: Option<Secret>,
    /// Which Client-ID it gets, and what that changes.
    pub assigned: Assigned,
}

/// What happens to a device's machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Input {
    /// The client wants to register.
    Register(Register),
    /// A message of the client came in, on DPE-1 (a `DPE_Register_Success`) or on DPE-2. It is given to the device that
    /// the transport ties its sender to, else to the one of its `Client-ID`.
    Received(Source, Body),
    /// Another machine of the server has something to say.
    Told(ToDevice),
    /// The open question was answered: which of its items are kept.
    Filtered(QuestionId, Vec<bool>),
    /// The request that is out could not be delivered: as if its time had come.
    Unreachable,
    /// Make the client register again, for this reason.
    Command(String),
    /// [`deadline`](core_kit::Machine::deadline) has come. Never refused; early, it does nothing.
    Wake,
}

/// What a device's machine wants done. In one step reports come first, then a question, then the rest in order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Output {
    /// Something worth counting.
    Report(Report),
    /// Answer this; until then the machine takes nothing else.
    Ask(Question),
    /// The reply to the message that came in.
    Reply(Body),
    /// Send this to the client.
    Send(Downlink),
    /// Tell the gate of this SP.
    Gate(SpId, ToGate),
    /// Tell the gates of all SPs.
    Everyone(ToGate),
    /// Tell the device of this Client-ID; where there is none, say so to this one.
    Device(ClientId, ToDevice),
    /// Change the directory, in the transaction that stores this step.
    Directory(Change),
    /// The machine need not be kept any longer.
    Forget,
}

/// A message towards a client.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Downlink {
    /// Where the client listens, if it does; else it is waited for.
    pub contact: Option<String>,
    /// The message.
    pub body: Body,
}

/// What a device's machine asks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Question {
    /// Which settings of a user make sense on the new device? Comes with `device_change.restore = filter` only.
    Filter(Filter),
}

/// Settings that could follow a user to this device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Filter {
    /// This question.
    pub id: QuestionId,
    /// The device.
    pub device: DeviceIdentity,
    /// The settings.
    pub items: Vec<Item>,
}

impl Filter {
    /// The answer: for each item whether it is kept. What has no answer is not kept.
    #[must_use]
    pub fn answer(self, keep: Vec<bool>) -> Input {
        Input::Filtered(self.id, keep)
    }
}

/// A setting of an SP.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Item {
    /// A group and its members.
    Group(SpId, dpe3::GroupId, Vec<PropertyName>),
    /// A policy and what it watches.
    Policy(SpId, dpe3::PolicyId, Watched<dpe3::GroupId>),
}

/// What is worth counting.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Report {
    /// The client is registered.
    Registered,
    /// The client declined its session.
    Declined,
    /// The client did not complete its registration.
    RegistrationFailed,
    /// A message was no message of a client, and was dropped.
    Unreadable,
    /// A message of this kind had this fault.
    Faulty(Option<Kind>, Code),
    /// A late message was dropped.
    Late(Kind),
    /// A query was answered without asking the client.
    CacheHit,
    /// A policy has come to the end of its duration.
    PolicyExpired(SpId, dpe3::PolicyId),
    /// The client did not answer.
    Silent(Kind),
    /// The settings of the client were established again; whether all of them were.
    Synchronised(bool),
}
