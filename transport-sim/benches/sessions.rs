//! What a simulated DM session costs: sessions per second of one processor.
//!
//! ```text
//! cargo bench -p transport-sim --bench sessions
//! ```
//!
//! A session is four exchanges in XML, with MD5 in both directions and a real tree, before stateless server nodes that
//! load, run and commit a snapshot for each message; every message is judged by the fleet's rules. The last line gives the
//! figures as `name=value`. Time is that of the processor, so that others on the machine do not count; Linux tells it.
//! Elsewhere time is that of the clock.
#![expect(clippy::disallowed_types, clippy::disallowed_methods, reason = "a bench is about real time")]

use std::time::Instant;

use transport_sim::dm::{Conditions, Fleet};

/// Sessions are short and allocate all the time: with the allocator that `cargo xtask sim` has.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Sessions of each measurement: one of each device, in as many fleets as that takes.
const SESSIONS: u32 = 10_000;

/// Microseconds that the process has computed.
fn computed(begun: Instant) -> u128 {
    // The run's own threads are over by then, and count for the process: user and system time, in hundredths of a second.
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after_name = stat.rsplit(") ").next().unwrap_or_default();
    let ticks = |at: usize| after_name.split(' ').nth(at).and_then(|ticks| ticks.parse::<u128>().ok());
    ticks(11).zip(ticks(12)).map_or_else(|| begun.elapsed().as_micros(), |(user, system)| (user + system) * 10_000)
}

/// Sessions per second, in fleets of so many devices.
fn measure(what: &str, devices: u32, conditions: Conditions) -> u128 {
    let begun = Instant::now();
    let before = computed(begun);
    let (mut sessions, mut exchanges) = (0, 0);
    for seed in 0..u64::from(SESSIONS / devices) {
        let run = Fleet { devices, conditions, ..Fleet::new(seed) }.run(1, |_| {});
        assert_eq!(run.failures(), Vec::<String>::new());
        sessions += u128::from(run.sessions());
        exchanges += u128::from(run.figure("exchanges"));
    }
    let took = (computed(begun) - before).max(1);
    let per_second = sessions * 1_000_000 / took;
    let (whole, part) = (exchanges / sessions, exchanges * 100 / sessions % 100);
    println!("{devices:>6} devices, {what:<20}{sessions:>8} sessions of {whole}.{part:02} exchanges{per_second:>8} /s");
    per_second
}

fn main() {
    let small = measure("nothing goes wrong", 100, Conditions::CALM);
    let calm = measure("nothing goes wrong", SESSIONS, Conditions::CALM);
    let ordinary = measure("an ordinary day", SESSIONS, Conditions::ORDINARY);
    println!("sessions: ok small-per-second={small} calm-per-second={calm} ordinary-per-second={ordinary}");
}
