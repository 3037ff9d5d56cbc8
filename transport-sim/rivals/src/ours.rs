//! The sessions under `transport-sim`: the same machines as under the others, judged by every rule of single sessions and
//! unjudged, and then its own fleet.

use rivals::{HOSTS, LATENCY_MS, machines::Wrong, report, rounds, world};
use transport_sim::{
    Gaps,
    dm::{Conditions, Fleet, SessionRules},
};

/// The world of the others, where every rule has something to judge and holds.
fn judged(rounds: u32) -> Result<(u64, u64), Wrong> {
    let rules = SessionRules::new(world::orders()?);
    let world = world::run((HOSTS, rounds), LATENCY_MS, Some(rules))?;
    if let Some(violation) = world.ledger().violations().first() {
        return Err(violation.to_string().into());
    }
    let gaps = Gaps::of(world.ledger(), world.faults(), &[]);
    if gaps.is_empty() { Ok(world.shared().server().counts()) } else { Err(gaps.to_string().into()) }
}

/// As the others have it: nobody judges.
fn unjudged(rounds: u32) -> Result<(u64, u64), Wrong> {
    Ok(world::run((HOSTS, rounds), LATENCY_MS, None)?.shared().server().counts())
}

/// A fleet of as many devices as all hosts have sessions, each with one of its own in the course of a day.
fn fleet(rounds: u32) -> Result<(u64, u64), Wrong> {
    let fleet = Fleet { devices: HOSTS * rounds, conditions: Conditions::CALM, ..Fleet::new(1) };
    let run = fleet.run(1, |_| {});
    match run.failures().into_iter().next() {
        Some(failure) => Err(failure.into()),
        None => Ok((run.completed(), run.figure("exchanges"))),
    }
}

fn main() -> Result<(), Wrong> {
    let rounds = rounds();
    report("transport-sim", || judged(rounds))?;
    report("transport-sim-unjudged", || unjudged(rounds))?;
    report("transport-sim-fleet", || fleet(rounds))
}
