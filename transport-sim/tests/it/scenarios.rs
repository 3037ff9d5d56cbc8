//! The scenarios of large objects, of an `Atomic` that fails and of nonces.

use dm_core::server::{Entry, Order, Request};
use transport_sim::dm::{BYTE_EQUAL, CONVERGES, FRESH, OrderState, Run, STAYS, Scenario, WHOLE};

fn figure(run: &Run, name: &str) -> u64 {
    run.ledger.figures().find(|(known, _)| *known == name).map_or(0, |(_, figure)| figure.value())
}

fn assert_good(run: &Run) {
    let failures = run.failures();
    assert!(failures.is_empty(), "seed {}: {failures:#?}\n{}", run.seed, end_of(&run.trace));
}

fn end_of(trace: &str) -> String {
    let lines: Vec<&str> = trace.lines().collect();
    lines[lines.len().saturating_sub(60)..].join("\n")
}

#[test]
fn a_mebibyte_each_way_arrives_in_messages_of_two_kibibytes() {
    for seed in 0..2 {
        let run = Scenario::objects(seed).run();
        assert_good(&run);
        assert_eq!((figure(&run, "equal-at-device"), figure(&run, "equal-at-server")), (1, 1));
        assert_eq!(run.ledger.met(BYTE_EQUAL), 2);
        assert!(run.orders.values().all(|state| matches!(state, OrderState::Done(done) if done.is_success())));
        assert!(run.traffic.iter().all(|sent| sent.body.len() <= 2_048), "no message is larger than announced");
        assert!(run.tallies.exchanges > 1_000 && run.tallies.network.dropped > 100, "{:?}", run.tallies);
    }
}

#[test]
fn an_atomic_that_fails_leaves_the_tree_as_it_was_whoever_crashes() {
    let (mut rolled_back, mut crashed_in_atomic, mut crashes) = (0, 0, 0);
    for seed in 0..200 {
        let run = Scenario::atomic(seed).run();
        assert_good(&run);
        assert!(run.ledger.met(WHOLE) > 0);
        assert!(!matches!(run.orders.get(&"atomic".into()), Some(OrderState::Done(done)) if done.is_success()));
        rolled_back += figure(&run, "rolled-back");
        crashed_in_atomic += figure(&run, "crashed-in-atomic");
        crashes += run.tallies.network.crashes;
    }
    assert!(rolled_back > 150 && crashed_in_atomic > 5 && crashes > 300, "{rolled_back} {crashed_in_atomic} {crashes}");
}

#[test]
fn an_atomic_that_works_is_seen_in_the_tree() {
    let works = |seed| {
        let mut scenario = Scenario::atomic(seed);
        for order in scenario.packages.iter_mut().flatten() {
            if let Request::Atomic(members) = &mut order.request {
                members.pop();
            }
        }
        scenario.run()
    };
    let seen = (0..20).filter(|seed| works(*seed).failures().iter().any(|failure| failure.starts_with("D25"))).count();
    assert!(seen >= 15, "{seen} of 20: only a device that is not reached keeps its tree");
}

#[test]
fn a_value_that_is_not_the_one_that_was_sent_is_seen() {
    let mut scenario = Scenario::objects(0);
    // The device has another value than the order brings: it never gets that one.
    scenario.packages.remove(0);
    let value = scenario.values.clone();
    scenario.packages.insert(0, vec![Order::new("put", Request::Replace(vec![Entry::text("./Sim/New", "short")]))]);
    scenario.values = value;
    let run = scenario.run();
    assert!(run.failures().iter().any(|failure| failure.starts_with("D37")), "{:?}", run.failures());
}

#[test]
fn nonces_are_new_and_both_sides_find_each_other_again() {
    let (mut restores, mut challenges, mut stays) = (0, 0, 0);
    for seed in 0..100 {
        let run = Scenario::nonces(seed).run();
        assert_good(&run);
        assert_eq!((figure(&run, "converged"), figure(&run, "repeated-nonces"), run.ledger.met(CONVERGES)), (1, 0, 1));
        assert!(run.ledger.met(FRESH) >= 6);
        restores += figure(&run, "restores");
        challenges += figure(&run, "challenges");
        stays += run.ledger.met(STAYS);
    }
    assert!(restores > 90 && challenges > 200 && stays > 100, "{restores} {challenges} {stays}");
}

#[test]
fn the_same_seed_gives_the_same_trace_in_every_scenario() {
    for name in ["atomic", "nonces"] {
        for seed in 0..10 {
            let run = |seed| Scenario::named(name, seed).expect("it is there").run();
            let (first, second, other) = (run(seed), run(seed), run(seed + 1));
            assert!(first.trace == second.trace && first.trace != other.trace, "{name} {seed}");
        }
    }
}
