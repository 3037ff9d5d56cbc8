//! D11: what is given up is over.

use std::collections::BTreeMap;

use dm_core::session::Outcome;

use super::{Key, Side, Sight, Stage, Watcher, gives_up};
use crate::{
    Ledger, NodeId, Rule, RuleId,
    dm::{Fact, Services},
};

/// D11.
pub const STOPS: Rule =
    Rule { id: RuleId("D11"), says: "when one side has given a session up no command of it is carried out any more" };

/// Sessions that somebody gave up, with what the tree did after that.
#[derive(Default)]
pub(super) struct Aborts {
    since: BTreeMap<Key, u32>,
}

impl Watcher for Aborts {
    fn rules(&self) -> &'static [Rule] {
        &[STOPS]
    }

    fn delivered(&mut self, _: &Stage, sight: &Sight<'_>, _: &mut Ledger) {
        if sight.side == Side::Server && sight.taken && gives_up(sight.message) {
            self.since.insert(sight.key, 0);
        }
    }

    fn noted(&mut self, stage: &Stage, node: NodeId, fact: &Fact, _: &Services, ledger: &mut Ledger) {
        let current = stage.current(node);
        match (fact, current) {
            // Who has forgotten that he gave up goes on.
            (Fact::Forgot { .. }, Some(key)) => _ = self.since.remove(&key),
            (Fact::Aborted(_), Some(key)) => _ = self.since.insert(key, 0),
            (Fact::Executed { .. }, Some(key)) => {
                self.since.get_mut(&key).into_iter().for_each(|since| *since += 1);
            }
            (Fact::ClientEnded(_, outcome), Some(key)) => {
                let Some(since) = self.since.remove(&key) else { return };
                let is_over = matches!(outcome, Outcome::PeerAborted | Outcome::Aborted(_));
                ledger.judge(STOPS, since == 0 && is_over, || {
                    format!("{since} operations after session {} was given up, which is {}", key.number, outcome.name())
                });
            }
            _ => {}
        }
    }
}
