//! The invariants of a DM world, judged on the real bytes.
//!
//! A rule knows what went over the wire, what devices had their trees do, and the accounts. It knows nothing of the
//! machines: what they believe about themselves is not asked.

use std::collections::BTreeMap;

use bytes::Bytes;
use core_kit::Tick;
use dm_core::{
    auth::Account,
    ids::SessionId,
    limits::WireLimits,
    server::{Order, Request},
    wire::{self, Encoding, decode, encode},
};

use super::{Backend, Fact, OpKind, Party};
use crate::{Checker, End, Event, Ledger, Message, NodeId, Rule, RuleId};

mod duplex;
mod ends;
mod nonces;
mod numbers;
mod objects;
mod once;
mod proof;
mod secrets;
mod statuses;
#[cfg(test)]
mod tests;
mod whole;

pub use duplex::HALF_DUPLEX;
pub use ends::{ENDS, SETTLED, USED_WELL};
pub use nonces::{CONVERGES, FRESH, Nonces, STAYS};
pub use numbers::NUMBERS;
pub use objects::{BYTE_EQUAL, Objects};
pub use once::{ONCE, REPEATS};
pub use proof::AUTHENTICATED;
pub use secrets::SECRETS;
pub use statuses::{ANSWERED, SENT};
pub use whole::{WHOLE, Whole};

/// D12.
pub const BYTES: Rule =
    Rule { id: RuleId("D12"), says: "what a party sends reads as a message, which has these bytes" };

/// One session of one device.
type Key = (NodeId, SessionId);

/// Who sent a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Side {
    Client,
    Server,
}

impl Side {
    const fn peer(self) -> Self {
        match self {
            Self::Client => Self::Server,
            Self::Server => Self::Client,
        }
    }
}

/// A message as the rules see it.
struct Sight<'a> {
    key: Key,
    side: Side,
    message: &'a wire::Message,
    /// Whether these bytes were never sent before.
    first: bool,
}

/// What a rule must know beforehand of one device.
#[derive(Clone, Debug)]
pub struct Watched {
    /// What the device proves itself with, with the nonce that the server has stored.
    pub client: Account,
    /// What the server proves itself with, with the nonce that the device has stored.
    pub server: Account,
    /// All that servers will ever order.
    pub orders: Vec<Order>,
}

/// Watches devices and servers.
pub struct Rules {
    across_restores: bool,
    devices: BTreeMap<NodeId, Watched>,
    read: BTreeMap<Bytes, Option<wire::Message>>,
    numbers: numbers::Numbers,
    statuses: statuses::Statuses,
    duplex: duplex::Duplex,
    proof: proof::Proof,
    once: once::Once,
    repeats: once::Repeats,
    ends: ends::Ends,
    secrets: secrets::Secrets,
}

impl Rules {
    /// The same without those that speak of one thread of messages: where a store goes back, a session that was open
    /// then goes back with it, says the same number twice and answers twice. What must hold all the same is left.
    #[must_use]
    pub const fn across_restores(mut self) -> Self {
        self.across_restores = true;
        self
    }

    /// Rules for these devices; every other node is a server's.
    #[must_use]
    pub fn new(devices: BTreeMap<NodeId, Watched>) -> Self {
        Self {
            read: BTreeMap::new(),
            numbers: numbers::Numbers::default(),
            statuses: statuses::Statuses::default(),
            duplex: duplex::Duplex::default(),
            proof: proof::Proof::new(&devices),
            once: once::Once::new(&devices),
            repeats: once::Repeats::default(),
            ends: ends::Ends::default(),
            secrets: secrets::Secrets::new(&devices),
            devices,
            across_restores: false,
        }
    }

    /// All that are judged.
    pub const ALL: [Rule; 12] =
        [ANSWERED, SENT, NUMBERS, HALF_DUPLEX, ENDS, BYTES, AUTHENTICATED, SECRETS, ONCE, REPEATS, USED_WELL, SETTLED];

    /// Those that are left [across restores](Self::across_restores).
    pub const ACROSS_RESTORES: [Rule; 7] = [ENDS, BYTES, AUTHENTICATED, SECRETS, ONCE, USED_WELL, SETTLED];

    fn sent(&mut self, sent: &Message, ledger: &mut Ledger) {
        let (device, side) = self.ends_of(sent);
        // An empty message is the transport's refusal, and no reply.
        if sent.bytes.is_empty() {
            return;
        }
        if !self.across_restores {
            self.repeats.sent(device, side, sent, ledger);
        }
        let first = !self.read.contains_key(&sent.bytes);
        if first {
            self.secrets.sent(&sent.bytes, ledger);
            let message = decode(Encoding::Xml, &sent.bytes, &WireLimits::SERVER).ok().map(|decoded| decoded.message);
            let again = message.as_ref().and_then(|message| encode(Encoding::Xml, message).ok());
            ledger.judge(BYTES, again.as_deref() == Some(&sent.bytes[..]), || format!("message {}", sent.number));
            self.read.insert(sent.bytes.clone(), message);
        }
        let Some(Some(message)) = self.read.get(&sent.bytes) else { return };
        let sight = Sight { key: (device, message.header.session_id.clone()), side, message, first };
        if first {
            self.proof.sent(&sight);
        }
        if self.across_restores {
            return;
        }
        self.duplex.sent(&sight, ledger);
        if first {
            self.numbers.sent(&sight, ledger);
            self.statuses.sent(&sight, ledger);
        }
    }

    fn delivered(&mut self, sent: &Message) {
        let (device, side) = self.ends_of(sent);
        let Some(Some(message)) = self.read.get(&sent.bytes) else { return };
        let sight = Sight { key: (device, message.header.session_id.clone()), side, message, first: false };
        self.duplex.delivered(&sight);
        self.proof.delivered(&sight);
    }

    fn ends_of(&self, message: &Message) -> (NodeId, Side) {
        if self.devices.contains_key(&message.from) { (message.from, Side::Client) } else { (message.to, Side::Server) }
    }
}

impl Checker<Party> for Rules {
    fn rules(&self) -> Vec<Rule> {
        if self.across_restores { Self::ACROSS_RESTORES.to_vec() } else { Self::ALL.to_vec() }
    }

    fn observe(&mut self, _: Tick, event: &Event<'_, Fact>, _: &Backend, ledger: &mut Ledger) {
        match event {
            Event::Sent(message) => self.sent(message, ledger),
            Event::Delivered(message) => self.delivered(message),
            Event::Noted(node, fact) => {
                self.proof.noted(*node, fact, ledger);
                self.once.noted(*node, fact, ledger);
                self.ends.noted(*node, fact, ledger);
            }
            Event::Copied(_) | Event::Lost(_) | Event::Undeliverable(_) | Event::Crashed(_) | Event::Restarted(_) => {}
        }
    }

    fn finish(&mut self, end: &End<'_, Backend>, ledger: &mut Ledger) {
        self.ends.finish(end.shared, ledger);
        if !self.across_restores {
            self.statuses.finish(&self.ends.completed(), ledger);
        }
        self.secrets.finish(end.trace, ledger);
    }
}

/// The operations that an order asks for, one for each address.
fn operations(order: &Order) -> Vec<(OpKind, &str)> {
    let all = |kind, uris: Vec<_>| uris.into_iter().map(|uri| (kind, uri)).collect();
    match &order.request {
        Request::Sequence(orders) | Request::Atomic(orders) => orders.iter().flat_map(operations).collect(),
        Request::Get(uris) => all(OpKind::Get, uris.iter().map(String::as_str).collect()),
        Request::Add(entries) => all(OpKind::Add, entries.iter().map(|entry| entry.uri.as_str()).collect()),
        Request::Replace(entries) => all(OpKind::Replace, entries.iter().map(|entry| entry.uri.as_str()).collect()),
        Request::Delete(uris) => all(OpKind::Delete, uris.iter().map(String::as_str).collect()),
        Request::Copy(pairs) => all(OpKind::Copy, pairs.iter().map(|pair| pair.to.as_str()).collect()),
        Request::Exec { entry, .. } => all(OpKind::Exec, vec![entry.uri.as_str()]),
        _ => Vec::new(),
    }
}
