//! Whom the rules must not blame: what a device says that was damaged on its way, or that its machine never said.

use std::collections::{BTreeMap, BTreeSet};

use core_kit::Tick;
use dpe_core::{
    ids::ClientId,
    wire::{Kind, Message},
};

use super::client_of;
use crate::{NodeId, dpe::Fact};

/// How late a request is that nobody waits for any more.
const LATE_MS: u64 = 20_000;

/// Devices and Client-IDs of which not everything that is said is true.
#[derive(Default)]
pub(super) struct Doubt {
    nodes: BTreeSet<NodeId>,
    clients: BTreeSet<ClientId>,
    /// The devices that each one has presented itself as, other than itself.
    posed: BTreeMap<NodeId, BTreeSet<NodeId>>,
    /// Devices that went back to what they had stored before.
    forgot: BTreeSet<NodeId>,
    /// When requests left for clients, and clients that one reached after its time was over.
    asked: BTreeMap<u64, Tick>,
    late: BTreeSet<NodeId>,
    given: BTreeMap<NodeId, BTreeSet<ClientId>>,
    /// Who said that his next message is not his machine's.
    hostile: BTreeSet<NodeId>,
}

impl Doubt {
    /// Whether what is said of this device, or under this Client-ID, may be untrue.
    pub(super) fn is_about(&self, node: NodeId, client: &ClientId) -> bool {
        self.nodes.contains(&node) || self.clients.contains(client)
    }

    /// Whether what this party says may be untrue.
    pub(super) fn is_of(&self, node: NodeId) -> bool {
        self.nodes.contains(&node)
    }

    /// Whether what is said under this Client-ID may be untrue.
    pub(super) fn is_under(&self, client: &ClientId) -> bool {
        let is_of = |node: &&NodeId| self.given.get(node).is_some_and(|given| given.contains(client));
        self.clients.contains(client) || self.nodes.iter().chain(self.posed.keys()).any(|node| is_of(&node))
    }

    /// Whether two devices have presented the same identity.
    pub(super) fn are_alike(&self, one: NodeId, other: NodeId) -> bool {
        let as_whom = |node| self.posed.get(&node).into_iter().flatten().copied().chain([node]);
        as_whom(one).any(|identity| as_whom(other).any(|same| same == identity))
    }

    /// Whether the client may have what the server has removed from it.
    pub(super) fn has_more(&self, node: NodeId) -> bool {
        self.forgot.contains(&node)
            || self.late.contains(&node)
            || self.posed.contains_key(&node)
            || self.nodes.contains(&node)
    }

    /// Whether the device has lost something that it had stored.
    pub(super) fn has_less(&self, node: NodeId) -> bool {
        self.forgot.contains(&node)
    }

    pub(super) fn noted(&mut self, node: NodeId, fact: &Fact) {
        match fact {
            Fact::Forgot | Fact::Wiped => _ = self.forgot.insert(node),
            Fact::Posing(Some(other)) => _ = self.posed.entry(node).or_default().insert(*other),
            Fact::Hostile(_) => _ = self.hostile.insert(node),
            _ => {}
        }
    }

    /// The server gives a device a Client-ID.
    pub(super) fn given(&mut self, node: NodeId, message: &Message) {
        if message.kind == Kind::RegisterResponse {
            self.given.entry(node).or_default().extend(client_of(message));
        }
    }

    /// A message leaves: if it is not its machine's, nothing that follows from it can be held against anybody.
    pub(super) fn sent(&mut self, at: Tick, sent: &crate::Message, message: Option<&Message>) {
        self.asked.insert(sent.number, at);
        if self.hostile.remove(&sent.from) {
            self.nodes.insert(sent.from);
            self.clients.extend(message.and_then(client_of));
        }
    }

    /// A message arrives: the same for one that was changed on its way, and for one that was another device's.
    pub(super) fn delivered(&mut self, at: Tick, sent: &crate::Message, is_reply: bool, message: Option<&Message>) {
        if self.asked.remove(&sent.number).is_some_and(|asked| at.0 >= asked.0 + LATE_MS) {
            self.late.insert(sent.to);
        }
        let is_altered = sent.altered;
        let Some(message) = message.filter(|_| is_altered || is_reply) else { return };
        let client = client_of(message);
        let is_given = |client: &ClientId| self.given.get(&sent.to).is_some_and(|given| given.contains(client));
        let is_astray =
            message.kind == Kind::RegisterResponse && client.as_ref().is_some_and(|client| !is_given(client));
        if is_altered || is_astray {
            self.nodes.extend([sent.from, sent.to]);
            self.clients.extend(client);
        }
    }
}
