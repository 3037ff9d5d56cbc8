//! What the machines of a server tell each other. No identifier of DPE-2 leaves a device's machine.

use alloc::{string::String, vec::Vec};

use core_kit::UnixMillis;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{
    codes::Code,
    ids::{ClientId, SpId, dpe3},
    policy::{Terms, Watched},
    property::Reading,
    wire::{Kind, PropertyName, Secret},
};

/// What a device is told by a gate, by another device, or in place of one that is not there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum ToDevice {
    /// An SP wants something.
    Ask(Ask),
    /// An SP was told this Client-ID.
    Disclosed(SpId),
    /// The client registered anew under another Client-ID, or its user left.
    Leave(Leave),
    /// What a device that was told to leave had.
    Inherit(Inherit),
    /// The user has one more device, of this Client-ID.
    Sibling(ClientId),
    /// There is no device of this Client-ID to inherit from.
    NoSuchDevice(ClientId),
}

/// A request of an SP that its gate let through.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ask {
    /// Who asks.
    pub sp: SpId,
    /// In which dialogue.
    pub message: dpe3::MessageId,
    /// In which message.
    pub kind: Kind,
    /// What for.
    pub what: Operation,
}

/// What an SP wants of a client.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Operation {
    /// Nothing: the request has this fault, which counts if the client is there at all.
    Refused(Code),
    /// Properties.
    Query(Vec<PropertyName>),
    /// The properties of a group.
    GroupQuery(dpe3::GroupId),
    /// A new group.
    GroupSet(dpe3::GroupId, Vec<PropertyName>),
    /// The end of a group.
    GroupRelease(dpe3::GroupId),
    /// A new policy.
    PolicySet(PolicyTerms),
    /// The end of a policy.
    PolicyRelease(dpe3::PolicyId),
}

/// A policy as an SP sets it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PolicyTerms {
    /// Its name.
    pub policy: dpe3::PolicyId,
    /// What it watches.
    pub watched: Watched<dpe3::GroupId>,
    /// When it reports.
    pub terms: Terms,
    /// How long it lives, in seconds.
    pub duration: u32,
}

/// Tells a device that its client is somebody else now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Leave {
    /// The Client-ID that takes over.
    pub successor: ClientId,
    /// Whether the successor is the same user: only then it inherits.
    pub same_user: bool,
    /// Whether the device is the same too, so that open requests go along.
    pub same_device: bool,
    /// Whether this Client-ID stays with its device, without a user.
    pub stays: bool,
    /// A Client-ID that the user has yet: the successor, or that of another device.
    pub other: Option<ClientId>,
}

/// What a device had and its successor takes over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Inherit {
    /// Whose it was.
    pub from: ClientId,
    /// The groups: name and members.
    pub groups: Vec<InheritedGroup>,
    /// The policies.
    pub policies: Vec<InheritedPolicy>,
    /// Requests that were open.
    pub asks: Vec<Ask>,
    /// SPs that knew the Client-ID and must hear of the new one.
    pub audience: Vec<SpId>,
    /// Whether the old Client-ID is not valid any more.
    pub replaced: bool,
}

/// A group that follows its user.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InheritedGroup {
    /// Whose.
    pub sp: SpId,
    /// Its name.
    pub group: dpe3::GroupId,
    /// Its members.
    pub members: Vec<PropertyName>,
}

/// A policy that follows its user.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InheritedPolicy {
    /// Whose.
    pub sp: SpId,
    /// The policy.
    pub set: PolicyTerms,
    /// When it ends.
    pub expires: core_kit::Tick,
}

/// What a gate is told by a device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum ToGate {
    /// A request came to its end.
    Answered(Answered),
    /// A policy of the SP reports.
    Report(PolicyReport),
    /// A policy has come to the end of its duration.
    Expired(ClientId, dpe3::PolicyId),
    /// A policy could not be kept in a device change.
    PolicyLost(ClientId, dpe3::PolicyId),
    /// A group could not be kept in a device change.
    GroupLost(ClientId, dpe3::GroupId),
    /// A policy ended with its group.
    PolicyEnded(ClientId, dpe3::PolicyId),
    /// Groups and policies belong to another Client-ID now.
    Moved {
        /// The Client-ID before.
        from: ClientId,
        /// The Client-ID now.
        to: ClientId,
        /// The groups.
        groups: Vec<dpe3::GroupId>,
        /// The policies.
        policies: Vec<dpe3::PolicyId>,
        /// The dialogues.
        dialogues: Vec<dpe3::MessageId>,
    },
    /// The Client-ID of a user changed [DPE 8.2.3].
    ClientChanged(ClientChanged),
}

/// The end of a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Answered {
    /// Of which client.
    pub client: ClientId,
    /// In which dialogue.
    pub message: dpe3::MessageId,
    /// What became of it.
    pub status: Code,
    /// What a query found.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub readings: Vec<Reading>,
    /// The group that it was about, where the gate has one release for many.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<dpe3::GroupId>,
    /// The policy that it was about, where the gate has one release for many.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<dpe3::PolicyId>,
}

/// A report of a policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PolicyReport {
    /// Of which client.
    pub client: ClientId,
    /// Which policy.
    pub policy: dpe3::PolicyId,
    /// The group that it watches, where the client named it.
    pub group: Option<dpe3::GroupId>,
    /// What the client says of the report.
    pub status: Code,
    /// What was read.
    pub readings: Vec<Reading>,
    /// When the client read it.
    pub timestamp: Option<UnixMillis>,
    /// Which report of the policy it is.
    pub sequence: Option<u64>,
}

/// What an SP is to learn of a changed Client-ID.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClientChanged {
    /// The user; nothing if no user belongs to the Client-ID any more.
    pub user: Option<UserTag>,
    /// The Client-ID; nothing if the user has none any more.
    pub client: Option<ClientId>,
    /// The Client-ID that is not valid any more.
    pub replaces: Option<ClientId>,
}

/// A random number for a user, for as long as its associations live. SPs see what is made of it, never itself.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct UserTag(pub Secret);

impl core::fmt::Debug for UserTag {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("a user")
    }
}

impl UserTag {
    /// What this SP calls the user by: the same each time, and another one for another SP.
    #[must_use]
    pub fn pseudonym(&self, sp: &SpId) -> String {
        if core_kit::planted!("P14-user-shown") {
            return self.0.0.clone();
        }
        let mut hash = Sha256::new();
        hash.update((self.0.0.len() as u64).to_be_bytes());
        hash.update(self.0.0.as_bytes());
        hash.update(sp.as_str().as_bytes());
        hex(hash.finalize().get(..16).unwrap_or_default())
    }
}

/// Lower-case hexadecimal digits.
pub(crate) fn hex(octets: &[u8]) -> String {
    let nibbles = octets.iter().flat_map(|octet| [octet >> 4, octet & 15]);
    nibbles.filter_map(|nibble| char::from_digit(u32::from(nibble), 16)).collect()
}
