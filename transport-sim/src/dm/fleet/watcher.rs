//! What watches a region: the rules of its sessions, and the trail of all that happens.

use core_kit::Tick;
use dm_core::ids::ServerId;

use super::{
    Member, Region,
    plan::{ORDERS, Plan, SERVER_ID},
    trail::Trail,
};
use crate::{
    Checker, End, Event, Ledger, Rule,
    dm::{SessionFact, SessionOrder, SessionRules, value_hash},
};

/// Watches a region.
pub(super) struct Watcher {
    rules: SessionRules,
    trail: Trail,
}

impl Watcher {
    pub(super) fn new(plan: &Plan) -> Self {
        let server = ServerId::from(SERVER_ID);
        let rules = SessionRules::new(ORDERS.map(|(kind, uri)| SessionOrder::on(&plan.tree, &server, kind, uri)));
        let rules = if plan.sessions > 1 { rules.for_several_sessions() } else { rules };
        Self { rules, trail: Trail::default() }
    }
}

impl Checker<Member> for Watcher {
    fn rules(&self) -> Vec<Rule> {
        Checker::<Member>::rules(&self.rules)
    }

    fn observe(&mut self, at: Tick, event: &Event<'_, SessionFact>, region: &Region, ledger: &mut Ledger) {
        let hash = if let Event::Sent(message) = event { value_hash(&message.bytes) } else { 0 };
        self.trail.event(at, event, hash);
        self.rules.observe_hashed(at, (event, hash), region, ledger);
    }

    fn finish(&mut self, end: &End<'_, Region>, ledger: &mut Ledger) {
        Checker::<Member>::finish(&mut self.rules, end, ledger);
        end.shared.trail.set(self.trail.0);
    }
}
