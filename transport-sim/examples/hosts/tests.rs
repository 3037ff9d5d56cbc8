use transport_sim::{
    Gaps, RuleId,
    dm::{ONCE, OpKind, PERMITTED, SessionOrder, SessionRules},
};

use crate::world;

/// The rules that are broken, where these are the orders that are right.
fn broken(orders: Vec<SessionOrder>) -> Vec<RuleId> {
    let world = world::run((3, 2), 20, Some(SessionRules::new(orders))).unwrap();
    let mut broken: Vec<_> = world.ledger().violations().iter().map(|violation| violation.rule).collect();
    broken.sort_unstable();
    broken.dedup();
    broken
}

#[test]
fn every_rule_is_judged_and_holds() {
    let rules = SessionRules::new(world::orders().unwrap());
    let world = world::run((5, 3), 20, Some(rules)).unwrap();
    assert_eq!(world.ledger().violations(), []);
    assert_eq!(Gaps::of(world.ledger(), world.faults(), &[]), Gaps::default());
    assert_eq!(world.shared().server().counts(), (15, 60));
    // Seven orders, each of them once.
    assert_eq!((world.ledger().met(PERMITTED), world.ledger().met(ONCE)), (15 * 7, 15 * 4));
}

#[test]
fn what_was_not_ordered_is_seen() {
    let orders = world::orders().unwrap().into_iter().filter(|order| order.kind != OpKind::Exec);
    assert_eq!(broken(orders.collect()), [PERMITTED.id, ONCE.id]);
}

#[test]
fn what_is_not_allowed_is_seen() {
    let forbidden = |order| SessionOrder { permitted: false, ..order };
    assert_eq!(broken(world::orders().unwrap().into_iter().map(forbidden).collect()), [PERMITTED.id]);
}

#[test]
fn a_world_that_nobody_judges_comes_to_the_same() {
    let rules = SessionRules::new(world::orders().unwrap());
    let counts = [Some(rules), None].map(|rules| {
        let world = world::run((5, 3), 20, rules).unwrap();
        (world.now(), world.counts(), world.shared().server().counts())
    });
    assert_eq!(counts[0], counts[1]);
}
