//! D25: all or nothing.

use std::collections::BTreeMap;

use core_kit::Tick;

use crate::{
    Checker, End, Event, Figure, Ledger, NodeId, Rule, RuleId,
    dm::{Backend, Fact, Fingerprint, Party},
};

/// D25.
pub const WHOLE: Rule =
    Rule { id: RuleId("D25"), says: "between sessions a tree is as it was before the Atomics that failed" };

/// Watches devices whose servers order nothing but what fails or only reads: their trees stay as they were at first.
#[derive(Default)]
pub struct Whole {
    first: BTreeMap<NodeId, Fingerprint>,
}

impl Checker<Party> for Whole {
    fn rules(&self) -> Vec<Rule> {
        vec![WHOLE]
    }

    fn observe(&mut self, _: Tick, event: &Event<'_, Fact>, _: &Backend, ledger: &mut Ledger) {
        match event {
            Event::Noted(_, Fact::RolledBack) => ledger.count("rolled-back", Figure::Sum(1)),
            Event::Noted(_, Fact::Resumed) => ledger.count("crashed-in-atomic", Figure::Sum(1)),
            Event::Noted(node, Fact::Tree(tree)) => match self.first.get(node) {
                None => _ = self.first.insert(*node, *tree),
                Some(first) => {
                    ledger.count("trees-changed", Figure::Sum(u64::from(tree != first)));
                    ledger.judge(WHOLE, tree == first, || format!("the tree of device {node} is another than before"));
                }
            },
            _ => {}
        }
    }

    fn finish(&mut self, _: &End<'_, Backend>, _: &mut Ledger) {}
}
