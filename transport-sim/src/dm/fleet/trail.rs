//! All that happened in a region as one number: two runs that have the same went the same way.

use core_kit::Tick;

use crate::{
    Event, Message,
    dm::{SessionFact as Fact, value_hash as hash},
    table::absorb,
};

/// Takes in one event after the other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Trail(pub(super) u64);

impl Trail {
    fn take(&mut self, number: u64) {
        self.0 = absorb(self.0, number);
    }

    fn message(&mut self, kind: u64, message: &Message) {
        self.take(kind << 40 | message.number);
        self.take(u64::from(message.from.0) << 32 | u64::from(message.to.0));
    }

    /// `octets` are the hash of a message that is sent.
    pub(super) fn event(&mut self, at: Tick, event: &Event<'_, Fact>, octets: u64) {
        self.take(at.0);
        match event {
            Event::Sent(message) => {
                self.message(1, message);
                self.take(octets);
            }
            Event::Copied(message) => self.message(2, message),
            Event::Lost(message) => self.message(3, message),
            Event::Undeliverable(message) => self.message(4, message),
            Event::Delivered(message) => self.message(5, message),
            Event::Crashed(node) => self.take(6 << 40 | u64::from(node.0)),
            Event::Restarted(node) => self.take(7 << 40 | u64::from(node.0)),
            Event::Noted(node, fact) => {
                self.take(8 << 40 | u64::from(node.0));
                self.fact(fact);
            }
        }
    }

    fn fact(&mut self, fact: &Fact) {
        let key = |device: u32, session: u16| u64::from(device) << 16 | u64::from(session);
        match fact {
            Fact::Began(session) => self.take(1 << 56 | u64::from(*session)),
            Fact::Executed { kind, uri, status } => {
                self.take(2 << 56 | (*kind as u64) << 16 | u64::from(status.0));
                self.take(hash(uri.as_bytes()));
            }
            Fact::Ended(session, outcome) => {
                self.take(3 << 56 | u64::from(*session));
                self.take(hash(outcome.name().as_bytes()));
            }
            Fact::Rested { values, octets, .. } => {
                self.take(4 << 56 | *octets as u64);
                values.iter().flatten().for_each(|value| self.take(*value));
            }
            Fact::Committed { device, session } => self.take(5 << 56 | key(*device, *session)),
            Fact::ServerEnded { device, session, outcome } => {
                self.take(6 << 56 | key(*device, *session));
                self.take(hash(outcome.name().as_bytes()));
            }
            Fact::LostRace { device } => self.take(7 << 56 | u64::from(*device)),
            Fact::Repeated { device } => self.take(8 << 56 | u64::from(*device)),
            Fact::Late { device } => self.take(9 << 56 | u64::from(*device)),
            Fact::Refused => self.take(10 << 56),
            Fact::Misused(what) => {
                self.take(11 << 56);
                self.take(hash(what.as_bytes()));
            }
        }
    }
}
