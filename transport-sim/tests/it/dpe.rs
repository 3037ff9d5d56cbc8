//! DPE clients, servers and SPs in one world, in weather of every kind.

use core_kit::{
    Durable,
    journal::{JournalOf, Replay, replay},
};
use dpe_core::{client::Client, sp::Sp};
use transport_sim::{
    FaultCounts, FaultId, Gaps, Halt, Ledger, Permille,
    dpe::{DURABLE, INDEPENDENT, Rules, Run, Scenario, Tallies, menu},
};

fn figure(run: &Run, name: &str) -> u64 {
    run.ledger.figures().find(|(known, _)| *known == name).map_or(0, |(_, figure)| figure.value())
}

fn assert_good(run: &Run) {
    assert_eq!(run.failures(), Vec::<String>::new(), "seed {}", run.seed);
    for (name, value) in [("answered-twice", 0), ("unanswered", 0), ("outstanding-max", 1), ("foreign-ids", 0)] {
        assert_eq!(figure(run, name), value, "{name} of seed {}", run.seed);
    }
    assert_eq!((figure(run, "expired-twice"), figure(run, "converged"), run.halt), (0, 1, Halt::Quiet));
}

/// Everything at once, and more of it than `cargo xtask sim` has, among fewer.
fn worst(seed: u64) -> Scenario {
    let mut scenario = Scenario::rough(seed);
    (scenario.devices, scenario.sps, scenario.wishes) = (6, 3, 16);
    let faults = &mut scenario.faults;
    faults.link.loss = Permille::new(200);
    faults.link.duplication = Permille::new(200);
    faults.lost_races = Permille::new(200);
    (faults.server_crashes, faults.device_crashes, faults.sp_crashes) = (4, 2, 2);
    (faults.wipes, faults.swaps, faults.declines) = (1, 2, (seed % 2) as u32);
    scenario
}

#[test]
fn in_calm_weather_everybody_is_registered_and_answered_at_once() {
    let run = Scenario::standard(1).run();
    assert_good(&run);
    assert!(figure(&run, "requests") > 50 && figure(&run, "expired") > 5 && figure(&run, "reports") > 5);
    assert_eq!((run.tallies.network.dropped, run.tallies.network.crashes, run.tallies.repeated), (0, 0, 0));
}

#[test]
fn whatever_happens_no_rule_is_broken_and_every_rule_is_tried() {
    let (mut total, mut tried) = (Tallies::default(), vec![0; Rules::ALL.len()]);
    for seed in 0..40 {
        let run = worst(seed).run();
        assert_good(&run);
        tried.iter_mut().zip(Rules::ALL).for_each(|(sum, rule)| *sum += run.ledger.met(rule));
        total.network.crashes += run.tallies.network.crashes;
        total.network.dropped += run.tallies.network.dropped;
        total.lost_races += run.tallies.lost_races;
        total.repeated += run.tallies.repeated;
    }
    // The release of one of two policies on a client, and what is known after a crash, need more runs than these.
    let slept = Rules::ALL.into_iter().zip(&tried).filter(|(_, met)| **met == 0).map(|(rule, _)| rule);
    assert!(slept.clone().all(|rule| [INDEPENDENT, DURABLE].contains(&rule)), "{:?}", slept.collect::<Vec<_>>());
    let Tallies { network, lost_races, repeated, .. } = total;
    assert!(network.crashes > 100 && network.dropped > 1_000, "{network:?}");
    assert!(lost_races > 100 && repeated > 100, "{lost_races} {repeated}");
}

#[test]
fn the_same_seed_gives_the_same_trace_and_a_list_of_decisions_gives_it_again() {
    for seed in 0..3 {
        let (first, second) = (worst(seed).run(), worst(seed).run());
        assert!(first.trace == second.trace && first.trace != worst(seed + 1).run().trace);
        let replayed = worst(seed).replay(&first.decisions);
        assert!(first.trace == replayed.trace && first.decisions == replayed.decisions);
    }
}

#[test]
fn a_list_without_any_decision_is_a_run_without_any_fault() {
    let run = worst(0).replay(&[]);
    assert_good(&run);
    assert_eq!((run.tallies.network.dropped, run.tallies.network.duplicated, run.tallies.repeated), (0, 0, 0));
}

#[test]
fn the_journals_of_a_run_replay_identically() {
    for seed in 0..3 {
        let run = worst(seed).run();
        assert!(run.clients.len() > 6, "a device that lost its memory has two");
        run.clients.iter().for_each(|(_, journal)| assert_replays::<Client>(journal));
        run.sps.iter().for_each(|(_, journal)| assert_replays::<Sp>(journal));
    }
}

fn assert_replays<M>(journal: &JournalOf<M>)
where
    M: Durable,
    M::Snapshot: Clone,
    M::Input: Clone,
    M::Output: Clone + PartialEq + std::fmt::Debug,
    M::Misuse: PartialEq + std::fmt::Debug,
    M::RestoreError: std::fmt::Debug,
{
    let mut machine = M::restore(journal.header.first.clone(), &journal.header.profile).expect("restores");
    assert_eq!(replay(&mut machine, journal.records.clone()), Replay::Same { steps: journal.records.len() });
}

/// Seeds of the swarm that are run here.
const SEEDS: u64 = 12;
/// Faults that come in few runs, or to few messages: a handful of seeds may have none of them.
const RARE: [FaultId; 6] = [FaultId::F16, FaultId::F17, FaultId::F18, FaultId::F19, FaultId::F20, FaultId::F31];

#[test]
fn a_swarm_of_all_faults_breaks_no_rule_and_most_faults_and_rules_have_their_turn() {
    let (mut ledger, mut counts) = (Ledger::default(), FaultCounts::default());
    for seed in 0..SEEDS {
        let run = Scenario::swarm(seed).run();
        assert_eq!(run.failures(), Vec::<String>::new(), "seed {seed}");
        ledger.add(&run.ledger);
        counts.add(&run.faults);
    }
    let expected: Vec<FaultId> = menu().faults().filter(|fault| !RARE.contains(fault)).collect();
    let gaps = Gaps::of(&ledger, &counts, &expected);
    assert!(gaps.faults.len() <= 5 && gaps.rules.is_empty(), "{gaps}");
}

#[test]
fn a_swarm_gives_the_same_trace_again_and_its_decisions_are_all_of_it() {
    let scenario = Scenario::swarm(3);
    let (first, second) = (scenario.run(), scenario.run());
    assert!(first.trace == second.trace);
    let replayed = scenario.replay(&first.decisions);
    assert!(first.trace == replayed.trace && first.decisions == replayed.decisions);
    assert_eq!(scenario.replay(&[]).faults.total(), 0, "without decisions nothing goes wrong");
}
