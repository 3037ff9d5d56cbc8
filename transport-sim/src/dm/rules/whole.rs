//! D25: all or nothing.

use std::collections::BTreeMap;

use core_kit::Tick;

use crate::{
    Checker, End, Event, Figure, Ledger, NodeId, Rule, RuleId,
    dm::{Fact, Fingerprint, Party, Services},
};

/// D25.
pub const WHOLE: Rule = Rule {
    id: RuleId("D25"),
    says: "a tree is as it was before the Atomics that failed, and none of them says that it worked",
};

/// Watches devices whose servers order nothing but what fails or only reads: their trees stay as they were at first.
#[derive(Default)]
pub struct Whole {
    first: BTreeMap<NodeId, Fingerprint>,
}

impl Checker<Party> for Whole {
    fn rules(&self) -> Vec<Rule> {
        vec![WHOLE]
    }

    fn observe(&mut self, _: Tick, event: &Event<'_, Fact>, _: &Services, ledger: &mut Ledger) {
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

    fn finish(&mut self, _: &End<'_, Services>, _: &mut Ledger) {}
}
