//! D06 and a part of D31: every session ends, no order is left behind, and nobody uses a machine wrongly on the way.

use std::collections::{BTreeMap, BTreeSet};

use dm_core::session::Outcome;

use super::Key;
use crate::{
    Ledger, NodeId, Rule, RuleId,
    dm::{Backend, Fact, OrderState},
};

/// D06.
pub const ENDS: Rule = Rule { id: RuleId("D06"), says: "every session ends on both sides, in a typed outcome" };
/// D31, as far as the end of a run can tell.
pub const SETTLED: Rule =
    Rule { id: RuleId("D31"), says: "no order stays with a session that is over: it is done, unknown or not sent" };
/// The machines' own contract.
pub const USED_WELL: Rule = Rule { id: RuleId("use"), says: "no machine refuses what its driver tells it" };

#[derive(Default)]
pub(super) struct Ends {
    clients: BTreeMap<Key, Option<Outcome>>,
    servers: BTreeMap<Key, Outcome>,
}

impl Ends {
    pub(super) fn noted(&mut self, node: NodeId, fact: &Fact, ledger: &mut Ledger) {
        match fact {
            Fact::Began(id) => _ = self.clients.insert((node, id.clone()), None),
            Fact::ClientEnded(id, outcome) => {
                _ = self.clients.insert((node, id.clone()), Some(outcome.clone()));
            }
            Fact::ServerEnded { device, session, outcome } => {
                _ = self.servers.insert((*device, session.clone()), outcome.clone());
            }
            _ => {}
        }
        let misused = if let Fact::Misused(what) = fact { Some(what) } else { None };
        ledger.judge(USED_WELL, misused.is_none(), || misused.cloned().unwrap_or_default());
    }

    pub(super) fn finish(&self, backend: &Backend, ledger: &mut Ledger) {
        for ((device, id), outcome) in &self.clients {
            ledger.judge(ENDS, outcome.is_some(), || format!("session {id} of device {device} goes on"));
        }
        for (key, row) in backend.sessions().rows() {
            let over = row.value.outcome.is_some() && row.value.deadline.is_none();
            ledger.judge(ENDS, over, || format!("session {} of {} goes on at the server", key.session, key.device));
        }
        for (id, row) in backend.devices().rows() {
            for (tag, job) in &row.value.orders {
                let settled = job.state != OrderState::HandedOut;
                ledger.judge(SETTLED, settled, || format!("order {tag} of {id} is neither done nor given up"));
            }
        }
    }

    /// The sessions that both sides completed.
    pub(super) fn completed(&self) -> BTreeSet<Key> {
        let done = |key: &Key, outcome: &Option<Outcome>| {
            *outcome == Some(Outcome::Completed) && self.servers.get(key) == Some(&Outcome::Completed)
        };
        self.clients.iter().filter(|(key, outcome)| done(key, outcome)).map(|(key, _)| key.clone()).collect()
    }
}
