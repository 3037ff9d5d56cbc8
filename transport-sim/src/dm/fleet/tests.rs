use dm_core::{
    limits::WireLimits,
    wire::{Command, Encoding, decode},
};

use super::{
    skim::{Name, Skim},
    *,
};
use crate::{
    FaultId, RuleId,
    dm::{AUTHENTICATED, FRESH, ONCE, SETTLED, Scenario},
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

/// What the codec says of a message, as the rules want it.
fn by_codec(body: &[u8]) -> (u32, Vec<(&'static str, u32, u32)>) {
    let message = decode(Encoding::Xml, body, &WireLimits::SERVER).unwrap().message;
    let command = |command: &Command| {
        let (of, code) = match command {
            Command::Status(status) => (status.msg_ref.0, u32::from(status.code.0)),
            Command::Results(results) => (results.msg_ref.map_or(0, |msg_ref| msg_ref.0), 0),
            _ => (0, 0),
        };
        (command.name(), of, code)
    };
    (message.header.msg_id.0, message.commands.iter().map(command).collect())
}

#[test]
fn what_is_read_at_a_glance_is_what_the_codec_reads() {
    let mut seen = 0;
    for seed in 0..4 {
        for sent in Scenario::rough(seed).run().traffic.iter().filter(|sent| !sent.body.is_empty()) {
            let skim = Skim::read(&sent.body).unwrap();
            let commands = skim.commands.iter().map(|command| {
                let code = if command.name == Name::Status { u32::from(command.code) } else { 0 };
                (command.name.as_str(), command.msg_ref, code)
            });
            assert_eq!((skim.msg_id, commands.collect()), by_codec(&sent.body));
            let message = decode(Encoding::Xml, &sent.body, &WireLimits::SERVER).unwrap().message;
            assert_eq!((skim.session, skim.source), (message.header.session_id.as_str(), &*message.header.source.uri));
            assert_eq!(skim.cred.is_some(), message.header.cred.is_some());
            seen += 1;
        }
    }
    assert!(seen > 30, "{seen}");
}

#[test]
fn what_is_no_message_cannot_be_read() {
    for body in
        ["", "<", "<SyncML>", "</SyncML>", "<SyncML></SyncHdr>", "<SyncML><SyncHdr></SyncHdr></SyncML>", "\u{e9}<"]
    {
        assert_eq!(Skim::read(body.as_bytes()), None, "{body}");
    }
    assert_eq!(Skim::read(&[0xff]), None);
    let deep = "<a>".repeat(1_000);
    assert_eq!(Skim::read(deep.as_bytes()), None);
}
