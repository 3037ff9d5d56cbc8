//! D14 and D16: nonces are new, and two sides that lost each other's find each other again.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use core_kit::Tick;
use dm_core::{
    ids::SessionId,
    limits::WireLimits,
    session::Outcome,
    wire::{Command, Encoding, Message, decode},
};

use super::Side;
use crate::{
    Checker, End, Event, Figure, Ledger, NodeId, Rule, RuleId,
    dm::{Fact, Party, Services},
};

/// D14.
pub const FRESH: Rule =
    Rule { id: RuleId("D14"), says: "a nonce is given out once, and credentials with it are taken for one message" };
/// D16.
pub const CONVERGES: Rule = Rule {
    id: RuleId("D16"),
    says: "of the first three sessions that begin after the faults have healed, one is completed on both sides",
};
/// What converging is good for.
pub const STAYS: Rule = Rule {
    id: RuleId("D16b"),
    says: "when no message of the faulty time is left, the session after a completed one needs no challenge",
};

/// Sessions that it may take to converge.
const ATTEMPTS_MAX: usize = 3;

/// Watches the nonces of all messages, and the sessions of one device after its world has healed.
pub struct Nonces {
    device: NodeId,
    healed: Tick,
    /// When the last copy of a message sent before that has come.
    quiet: Tick,
    read: BTreeSet<Bytes>,
    given: BTreeSet<String>,
    /// In the order of their beginnings.
    sessions: Vec<Attempt>,
    servers: BTreeMap<SessionId, Outcome>,
}

/// A session that began after all had healed.
struct Attempt {
    id: SessionId,
    began: Tick,
    client: Option<Outcome>,
    challenges: u64,
}

impl Nonces {
    /// Watches this device, whose world heals at a time; the last copy of what was sent before comes by `quiet`.
    #[must_use]
    pub const fn new(device: NodeId, healed: Tick, quiet: Tick) -> Self {
        Self {
            device,
            healed,
            quiet,
            read: BTreeSet::new(),
            given: BTreeSet::new(),
            sessions: Vec::new(),
            servers: BTreeMap::new(),
        }
    }

    fn sent(&mut self, side: Side, message: &Message, ledger: &mut Ledger) {
        for command in &message.commands {
            let Command::Status(status) = command else { continue };
            if status.is_for_header() && status.code.is_challenge() {
                ledger.count("challenges", Figure::Sum(1));
                let of = self.sessions.iter_mut().filter(|session| session.id == message.header.session_id);
                of.for_each(|session| session.challenges += 1);
            }
            let Some(nonce) = status.chal.as_ref().and_then(|chal| chal.meta.next_nonce.as_ref()) else { continue };
            // That one side gives what the other one gave is no better than that it gives the same twice.
            let fresh = self.given.insert(nonce.reveal().to_owned());
            ledger.count("nonces", Figure::Sum(1));
            ledger.count("repeated-nonces", Figure::Sum(u64::from(!fresh)));
            ledger.judge(FRESH, fresh, || {
                format!("message {} of the {side:?} gives a nonce that was there", message.header.msg_id)
            });
        }
    }

    fn is_completed(&self, session: &Attempt) -> bool {
        let at_server = self.servers.get(&session.id);
        session.client == Some(Outcome::Completed) && at_server == Some(&Outcome::Completed)
    }

    fn noted(&mut self, at: Tick, fact: &Fact, ledger: &mut Ledger) {
        match fact {
            Fact::Began(id) if at >= self.healed => {
                self.sessions.push(Attempt { id: id.clone(), began: at, client: None, challenges: 0 });
            }
            Fact::ClientEnded(id, outcome) => {
                let of = self.sessions.iter_mut().filter(|session| session.id == *id);
                of.for_each(|session| session.client = Some(outcome.clone()));
            }
            Fact::ServerEnded { session, outcome, .. } => _ = self.servers.insert(session.clone(), outcome.clone()),
            Fact::Restored { .. } => ledger.count("restores", Figure::Sum(1)),
            _ => {}
        }
    }
}

impl Checker<Party> for Nonces {
    fn rules(&self) -> Vec<Rule> {
        vec![FRESH, CONVERGES, STAYS]
    }

    fn observe(&mut self, at: Tick, event: &Event<'_, Fact>, _: &Services, ledger: &mut Ledger) {
        match event {
            // The same bytes again are a message that is repeated, and no new nonce.
            Event::Sent(message) if self.read.insert(message.bytes.clone()) => {
                let side = if message.from == self.device { Side::Client } else { Side::Server };
                if let Ok(decoded) = decode(Encoding::Xml, &message.bytes, &WireLimits::SERVER) {
                    self.sent(side, &decoded.message, ledger);
                }
            }
            Event::Noted(_, fact) => self.noted(at, fact, ledger),
            _ => {}
        }
    }

    fn finish(&mut self, _: &End<'_, Services>, ledger: &mut Ledger) {
        let attempts = self.sessions.iter().position(|session| self.is_completed(session)).map(|at| at + 1);
        if let Some(session) = attempts.and_then(|attempts| self.sessions.get(attempts - 1)) {
            ledger.count("challenges-then-max", Figure::Most(session.challenges));
        }
        ledger.count("attempts-max", Figure::Most(attempts.unwrap_or(self.sessions.len() + 1) as u64));
        let converged = attempts.is_some_and(|attempts| attempts <= ATTEMPTS_MAX);
        ledger.count("converged", Figure::Sum(u64::from(converged)));
        ledger.judge(CONVERGES, converged, || {
            let count = self.sessions.len();
            attempts.map_or_else(
                || format!("none of {count} sessions was completed"),
                |attempts| format!("{attempts} sessions were needed"),
            )
        });
        for pair in self.sessions.windows(2) {
            let [before, after] = pair else { continue };
            if before.began < self.quiet || !self.is_completed(before) {
                continue;
            }
            let stays = self.is_completed(after) && after.challenges == 0;
            ledger.judge(STAYS, stays, || {
                format!("session {} has {} challenges and ends in {:?}", after.id, after.challenges, after.client)
            });
        }
    }
}
