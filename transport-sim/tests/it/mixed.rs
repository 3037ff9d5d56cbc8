//! The mixed world, with every rule on.

use std::collections::BTreeMap;

use transport_sim::{
    FaultCounts, FaultId,
    dm::{Run, Scenario},
};

fn assert_good(run: &Run) {
    let failures = run.failures();
    assert!(failures.is_empty(), "seed {}: {failures:#?}", run.seed);
}

#[test]
fn in_a_handful_of_worlds_every_fault_comes_and_every_rule_has_something_to_judge_and_none_is_broken() {
    let mut met: BTreeMap<&str, u64> = BTreeMap::new();
    let mut faults = FaultCounts::default();
    for seed in 0..16 {
        let run = Scenario::mixed(seed).run();
        assert_good(&run);
        faults.add(&run.faults);
        run.ledger.rules().for_each(|(rule, count)| *met.entry(rule.id.0).or_default() += count);
    }
    let asleep: Vec<_> = met.iter().filter(|(_, count)| **count == 0).collect();
    assert!(asleep.is_empty(), "{asleep:?} of {met:?}");
    let missing: Vec<_> = (1..=48).map(|n| format!("D{n:02}")).filter(|id| !met.contains_key(id.as_str())).collect();
    assert!(missing.is_empty(), "{missing:?}");
    // A trouble of many links comes in a seed at most once: not each of them among so few.
    let rare = FaultId::F16..=FaultId::F20;
    let never = faults.iter().filter(|(fault, count)| *count == 0 && !rare.contains(fault));
    let never: Vec<_> = never.map(|(fault, _)| fault.name()).collect();
    assert!(never.is_empty(), "{never:?}");
}

#[test]
fn the_same_seed_gives_the_same_world_and_its_decisions_give_it_again() {
    for seed in 0..2 {
        let run = Scenario::mixed(seed).run();
        assert_eq!(run.trace, Scenario::mixed(seed).run().trace);
        assert_eq!(run.trace, Scenario::mixed(seed).replay(&run.decisions).trace);
    }
}
