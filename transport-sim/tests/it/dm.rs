//! DM client against DM server, in weather of every kind.

use core_kit::{
    Durable,
    journal::{JournalOf, Replay, replay},
};
use dm_core::{client, server, session::Outcome};
use transport_sim::{
    Decision, Fate, Halt, NodeId, Permille, Site, Span, Who,
    dm::{Direction, Faults, OpKind, OrderState, Rules, Run, Scenario, Tallies, Transfer},
};

const DEVICE: NodeId = NodeId(1);
const SERVER: NodeId = NodeId(100);

/// What the standard session does to the tree, for the server.
const DONE: [(OpKind, &str); 5] = [
    (OpKind::Get, "./DevInfo/Man"),
    (OpKind::Add, "./Sim/Added"),
    (OpKind::Replace, "./Sim/Value"),
    (OpKind::Exec, "./Sim/Run"),
    (OpKind::Get, "./Sim/Added"),
];

/// Everything at once, and more of it than `cargo xtask sim` has.
fn worst(seed: u64) -> Scenario {
    let mut scenario = Scenario::rough(seed);
    scenario.faults.link.loss = Permille::new(200);
    scenario.faults.link.duplication = Permille::new(200);
    scenario.faults.lost_races = Permille::new(200);
    scenario.faults.server_crashes = (seed % 4) as u32;
    scenario.faults.device_crashes = (seed / 4 % 3) as u32;
    scenario.servers = 3;
    scenario.sessions = 2;
    scenario
}

fn one(who: NodeId, site: &'static str, chosen: u32) -> Decision {
    Decision { who: Who::alone(who), site: Site(site), nth: 0, options: u32::MAX, chosen }
}

fn assert_good(run: &Run) {
    assert_eq!(run.failures(), Vec::<String>::new(), "seed {}\n{}", run.seed, run.trace);
}

fn assert_completed_once(run: &Run) {
    assert_good(run);
    assert_eq!((run.client(), run.server()), (Some(&Outcome::Completed), Some(&Outcome::Completed)), "{}", run.trace);
    for (kind, uri) in DONE {
        assert_eq!(run.executed(kind, uri), 1, "{kind:?} {uri}\n{}", run.trace);
    }
    for (tag, state) in &run.orders {
        assert!(matches!(state, OrderState::Done(done) if done.is_success()), "{tag} {state:?}");
    }
    let tree = run.tree.as_ref().expect("the device is there");
    assert_eq!((tree.text("./Sim/Added"), tree.text("./Sim/Value")), (Some("first"), Some("second")));
}

fn arrived(run: &Run, direction: Direction) -> Vec<&Transfer> {
    let arrived = |sent: &&Transfer| sent.direction == direction && matches!(sent.fate, Fate::Delivered(_));
    run.traffic.iter().filter(arrived).collect()
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

#[test]
fn in_calm_weather_the_session_takes_three_exchanges_and_everything_is_done() {
    let run = Scenario::standard(1).run();
    assert_completed_once(&run);
    assert_eq!((run.tallies.exchanges, run.tallies.commits, run.tallies.commands), (3, 3, 5));
    assert_eq!((run.tallies.lost_races, run.tallies.repeated, run.tallies.network.dropped), (0, 0, 0));
}

#[test]
fn stale_nonces_cost_challenges_and_nothing_else() {
    let mut scenario = Scenario::standard(1);
    scenario.faults.stale_nonces = true;
    let run = scenario.run();
    assert_completed_once(&run);
    assert!(run.tallies.exchanges > 3);
}

#[test]
fn the_same_seed_gives_the_same_trace_and_other_seeds_give_others() {
    for seed in 0..20 {
        let (first, second) = (worst(seed).run(), worst(seed).run());
        assert_eq!(first.trace, second.trace);
        assert_eq!(first.traffic, second.traffic);
        assert_ne!(first.trace, worst(seed + 1).run().trace);
    }
}

#[test]
fn a_replayed_list_of_decisions_gives_the_same_trace() {
    for seed in 0..20 {
        let drawn = worst(seed).run();
        let replayed = worst(seed).replay(&drawn.decisions);
        assert_eq!(drawn.trace, replayed.trace);
        assert_eq!(drawn.decisions, replayed.decisions);
    }
}

#[test]
fn a_list_without_any_decision_is_a_run_without_any_fault() {
    let run =
        Scenario { faults: Faults { stale_nonces: false, ..Faults::rough(1) }, ..Scenario::standard(1) }.replay(&[]);
    assert_completed_once(&run);
    assert_eq!((run.tallies.network.dropped, run.tallies.network.crashes, run.tallies.lost_races), (0, 0, 0));
}

#[test]
fn a_lost_race_runs_again_and_gives_the_device_what_the_winner_stored() {
    let mut scenario = Scenario::standard(1);
    scenario.faults.lost_races = Permille::ALWAYS;
    let run = scenario.run();
    assert_completed_once(&run);
    assert_eq!((run.tallies.commits, run.tallies.lost_races, run.tallies.repeated), (3, 3, 3));
}

#[test]
fn after_a_crash_between_commit_and_reply_the_retransmission_gets_the_stored_reply() {
    let mut scenario = Scenario::standard(1);
    scenario.faults.server_crashes = 1;
    for exchange in 0..3 {
        let after_commit = 2 * exchange + 2;
        let run = scenario.replay(&[one(SERVER, "crash.point", after_commit)]);
        assert_completed_once(&run);
        assert_eq!((run.tallies.network.crashes, run.tallies.commits, run.tallies.repeated), (1, 3, 1));
        let requests = arrived(&run, Direction::ToServer);
        let repeated = requests.windows(2).filter(|pair| pair[0].body == pair[1].body).count();
        assert_eq!((requests.len(), repeated), (4, 1), "the request goes out again");
        let journal = run.sessions[0].server_journal.as_ref().expect("it was committed");
        let stored: Vec<&[u8]> = journal.records.iter().flat_map(|record| &record.outputs).filter_map(reply).collect();
        let got: Vec<&[u8]> = arrived(&run, Direction::ToDevice).iter().map(|sent| &sent.body[..]).collect();
        assert_eq!(got, stored, "three replies, each as it was stored");
    }
}

fn reply(output: &server::Output) -> Option<&[u8]> {
    if let server::Output::Reply(packet) = output { Some(&packet.body) } else { None }
}

#[test]
fn after_a_crash_before_the_commit_the_request_is_run_again() {
    let mut scenario = Scenario::standard(1);
    scenario.faults.server_crashes = 1;
    for exchange in 0..3 {
        let before_commit = 2 * exchange + 1;
        let run = scenario.replay(&[one(SERVER, "crash.point", before_commit)]);
        assert_completed_once(&run);
        assert_eq!((run.tallies.network.crashes, run.tallies.commits, run.tallies.repeated), (1, 3, 0));
        assert_eq!(arrived(&run, Direction::ToServer).len(), 4);
    }
}

#[test]
fn a_device_that_crashes_anywhere_does_nothing_twice() {
    let mut scenario = Scenario::standard(1);
    scenario.faults.device_crashes = 1;
    let crashes: u64 = (1..30)
        .map(|point| {
            let run = scenario.replay(&[one(DEVICE, "crash.point", point)]);
            assert_completed_once(&run);
            run.tallies.network.crashes
        })
        .sum();
    assert!(crashes >= 12, "{crashes} crash points were reached");
}

#[test]
fn a_copy_that_comes_after_the_end_gets_the_stored_reply() {
    let mut scenario = Scenario::standard(1);
    scenario.faults.link.duplication = Permille::new(1);
    scenario.faults.link.late = Span::new(0, 3_600_000);
    scenario.servers = 1;
    let link = |site, chosen| Decision { who: Who::about(DEVICE, SERVER), ..one(DEVICE, site, chosen) };
    let third = Decision { nth: 2, ..link("link.duplication", 1) };
    let run = scenario.replay(&[third, link("link.late", 3_000_000)]);
    assert_completed_once(&run);
    assert_eq!((run.tallies.network.duplicated, run.tallies.commits, run.tallies.repeated), (1, 3, 1));
    let replies: Vec<&Transfer> = arrived(&run, Direction::ToDevice);
    let last_two: Vec<_> = replies.iter().rev().take(2).map(|sent| &sent.body).collect();
    assert!(replies.len() == 4 && last_two[0] == last_two[1]);
}

#[test]
fn a_server_that_cannot_be_reached_ends_the_session_in_a_typed_outcome() {
    let mut scenario = Scenario::standard(1);
    scenario.faults.link.loss = Permille::ALWAYS;
    let run = scenario.run();
    assert_good(&run);
    assert_eq!((run.client(), run.server()), (Some(&Outcome::TimedOut), None));
    assert!(run.orders.values().all(|state| *state == OrderState::Queued));
}

#[test]
fn a_device_that_falls_silent_leaves_its_orders_unknown() {
    let mut scenario = Scenario::standard(1);
    scenario.faults.link.loss = Permille::new(1);
    let lost = |nth| Decision { who: Who::about(DEVICE, SERVER), nth, ..one(DEVICE, "link.loss", 1) };
    // The first message passes, its reply passes, and then nothing does.
    let run = scenario.replay(&(1..=9).map(lost).collect::<Vec<_>>());
    assert_good(&run);
    assert_eq!((run.client(), run.server()), (Some(&Outcome::TimedOut), Some(&Outcome::TimedOut)));
    assert_eq!(run.executed(OpKind::Exec, "./Sim/Run"), 1, "it was carried out, and the server cannot know");
    let states: Vec<&str> = run.orders.values().map(OrderState::name).collect();
    assert_eq!(states, ["unknown", "unknown", "queued", "unknown", "unknown"]);
}

#[test]
fn a_world_that_is_cut_off_says_so() {
    let mut scenario = Scenario::standard(1);
    scenario.bounds.events = 5;
    let run = scenario.run();
    assert_eq!(run.halt, Halt::OutOfEvents);
    assert!(run.failures().iter().any(|failure| failure.contains("does not come to rest")), "{:?}", run.failures());
}

#[test]
fn whatever_happens_no_rule_is_broken_and_every_rule_is_tried() {
    let mut total = Tallies::default();
    let mut tried: Vec<u64> = vec![0; Rules::ALL.len()];
    for seed in 0..300 {
        let run = worst(seed).run();
        assert_good(&run);
        assert_eq!((run.halt, run.tallies.executed_twice), (Halt::Quiet, 0));
        for session in &run.sessions {
            assert!(session.client.is_some(), "session {} of seed {seed} goes on", session.id);
        }
        let met = Rules::ALL.map(|rule| run.ledger.met(rule));
        tried.iter_mut().zip(met).for_each(|(sum, met)| *sum += met);
        total.network.crashes += run.tallies.network.crashes;
        total.network.dropped += run.tallies.network.dropped;
        total.network.duplicated += run.tallies.network.duplicated;
        total.lost_races += run.tallies.lost_races;
        total.repeated += run.tallies.repeated;
        total.commands += run.tallies.commands;
    }
    assert!(tried.iter().all(|met| *met > 0), "{tried:?}");
    let Tallies { network, lost_races, repeated, commands, .. } = total;
    for (what, count) in [
        ("crashes", network.crashes),
        ("dropped", network.dropped),
        ("duplicated", network.duplicated),
        ("lost races", lost_races),
        ("repeated", repeated),
        ("commands", commands),
    ] {
        assert!(count > 200, "{count} {what}");
    }
}

#[test]
fn the_journals_of_a_run_replay_identically() {
    for seed in 0..50 {
        let run = worst(seed).run();
        for session in &run.sessions {
            assert_replays::<client::Session>(&session.client_journal);
            session.server_journal.iter().for_each(assert_replays::<server::Session>);
        }
    }
}

#[test]
fn the_traffic_has_every_message_with_its_fate() {
    let run = worst(7).run();
    let network = run.tallies.network;
    let count = |fate: fn(&Fate) -> bool| run.traffic.iter().filter(|sent| fate(&sent.fate)).count() as u64;
    assert_eq!(run.traffic.len() as u64, network.sent + network.duplicated);
    assert_eq!(count(|fate| matches!(fate, Fate::Delivered(_))), network.delivered);
    assert_eq!(count(|fate| matches!(fate, Fate::Lost | Fate::Undeliverable(_))), network.dropped);
    assert!(run.traffic.is_sorted_by_key(|sent| sent.at));
}
