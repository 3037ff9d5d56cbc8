use super::*;
use crate::{
    FaultId, RuleId,
    dm::{AUTHENTICATED, FRESH, ONCE, SETTLED},
};

const OUTCOMES: [&str; 4] = ["completed", "timed-out", "unreachable", "client-not-authenticated"];

fn run(fleet: &Fleet) -> FleetRun {
    fleet.run(2, |_| {})
}

fn good(fleet: &Fleet) -> FleetRun {
    let run = run(fleet);
    assert_eq!(run.failures(), Vec::<String>::new());
    run
}

/// The rules that a fleet breaks whose members make a mistake.
fn broken(fleet: &Fleet, mistake: Mistake) -> Vec<RuleId> {
    good(fleet);
    let run = fleet.run_with(2, |_| {}, Some(mistake));
    let mut broken: Vec<RuleId> = run.ledger.violations().iter().map(|violation| violation.rule).collect();
    broken.sort_unstable();
    broken.dedup();
    broken
}

#[test]
fn every_session_of_a_fleet_has_an_end_and_the_same_on_any_number_of_threads() {
    let fleet = Fleet { devices: 2_000, hours: 2, ..Fleet::new(1) };
    let run = good(&fleet);
    assert_eq!(run.sessions(), 2_000);
    let ends: u64 = OUTCOMES.iter().map(|name| run.figure(name)).sum();
    assert_eq!(ends, 2_000, "{:?}", run.ledger.figures().collect::<Vec<_>>());
    assert!(run.completed() > 1_980, "{}", run.completed());
    for fault in [FaultId::F01, FaultId::F02, FaultId::F03, FaultId::F04, FaultId::F05, FaultId::F22, FaultId::F25] {
        assert!(run.faults.of(fault) > 10, "{fault}");
    }
    for name in ["repeated", "late", "lost-races", "challenges", "device-crashes-in-session"] {
        assert!(run.figure(name) > 0, "{name}");
    }
    let asleep: Vec<_> = run.ledger.rules().filter(|(_, met)| *met == 0).collect();
    assert_eq!(asleep, []);
    let again = fleet.run(1, |_| {});
    assert_eq!((again.digest, again.network, again.ledger), (run.digest, run.network, run.ledger));
}

#[test]
fn another_seed_is_another_day() {
    let fleet = Fleet { devices: 40, hours: 1, ..Fleet::new(1) };
    assert_ne!(good(&fleet).digest, good(&Fleet { seed: 2, ..fleet }).digest);
}

#[test]
fn on_a_calm_day_every_session_is_four_exchanges_and_needs_no_challenge() {
    let fleet = Fleet { devices: 100, hours: 1, conditions: Conditions::CALM, ..Fleet::new(3) };
    let run = good(&fleet);
    let figures = ["completed", "exchanges", "challenges", "repeated", "executed"].map(|name| run.figure(name));
    assert_eq!(figures, [100, 400, 0, 0, 700]);
}

#[test]
fn a_device_that_was_folded_is_still_known() {
    // With nonces that were not kept the second session would be challenged.
    let fleet = Fleet { devices: 50, hours: 4, sessions: 3, conditions: Conditions::CALM, ..Fleet::new(4) };
    let run = good(&fleet);
    assert_eq!((run.completed(), run.figure("challenges"), run.figure("executed")), (150, 0, 350));
    good(&Fleet { conditions: Conditions::ORDINARY, ..fleet });
}

#[test]
fn what_is_done_again_after_a_crash_is_seen() {
    let conditions = Conditions { device_crashes: Permille::ALWAYS, ..Conditions::CALM };
    let fleet = Fleet { devices: 100, hours: 1, conditions, ..Fleet::new(5) };
    assert_eq!(broken(&fleet, Mistake::DoneAgainAfterCrash), [ONCE.id]);
}

#[test]
fn what_is_ordered_twice_is_seen() {
    let fleet = Fleet { devices: 20, hours: 1, conditions: Conditions::CALM, ..Fleet::new(6) };
    let broken = broken(&fleet, Mistake::OrderedTwice);
    assert!(broken.contains(&ONCE.id), "{broken:?}");
}

#[test]
fn credentials_that_nobody_has_checked_are_seen() {
    let conditions = Conditions { stale_nonces: Permille::ALWAYS, ..Conditions::CALM };
    let fleet = Fleet { devices: 20, hours: 1, conditions, ..Fleet::new(7) };
    let broken = broken(&fleet, Mistake::AnyoneIsBelieved);
    assert!(broken.contains(&AUTHENTICATED.id) || broken.contains(&FRESH.id), "{broken:?}");
}

#[test]
fn an_outcome_that_is_not_stored_is_seen() {
    let fleet = Fleet { devices: 20, hours: 1, conditions: Conditions::CALM, ..Fleet::new(8) };
    assert_eq!(broken(&fleet, Mistake::OutcomeNotStored), [SETTLED.id]);
}
