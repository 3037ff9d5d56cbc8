//! What simulating a DM session costs under different simulators: the same machines, the same orders, the same latency.
//!
//! ```text
//! cargo xtask bench sim
//! ```
//!
//! [`machines`] are a device and a server without any network; they and the world that `transport-sim` puts them into are
//! its example `hosts`. Each program of this package puts a hundred devices and one
//! server into another simulated network, lets every device have its sessions one after the other, and prints what
//! [`report`] makes of it. The package is outside the workspace, so that only those who compare build the others.
#![expect(clippy::disallowed_types, clippy::disallowed_methods, reason = "a comparison is about real time")]

use std::time::Instant;

use machines::Wrong;

#[path = "../../examples/hosts/machines.rs"]
pub mod machines;
#[cfg(any(feature = "turmoil", feature = "madsim"))]
pub mod stream;
#[cfg(feature = "ours")]
#[path = "../../examples/hosts/world.rs"]
pub mod world;

/// Simulation allocates all the time; each simulator does it with the same allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Devices, each a host of its own. The server is one more.
pub const HOSTS: u32 = 100;
/// Sessions of each device where no number is given.
const ROUNDS: u32 = 50;
/// From one host to another.
pub const LATENCY_MS: u64 = 20;

/// Sessions of each device: the first argument.
#[must_use]
pub fn rounds() -> u32 {
    std::env::args().nth(1).and_then(|rounds| rounds.parse().ok()).unwrap_or(ROUNDS).max(1)
}

/// Microseconds that the process has computed: others on the machine do not count. Linux tells it, in hundredths of a
/// second; elsewhere it is the time since `begun`.
fn computed(begun: Instant) -> u128 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after_name = stat.rsplit(") ").next().unwrap_or_default();
    let ticks = |at: usize| after_name.split(' ').nth(at).and_then(|ticks| ticks.parse::<u128>().ok());
    ticks(11).zip(ticks(12)).map_or_else(|| begun.elapsed().as_micros(), |(user, system)| (user + system) * 10_000)
}

/// Runs sessions, and prints how many of them one core simulates in a second. `run` tells how many there were, and how many
/// exchanges.
///
/// # Errors
/// The sessions were not those that all simulators are to run: they cannot be compared.
pub fn report(name: &str, run: impl FnOnce() -> Result<(u64, u64), Wrong>) -> Result<(), Wrong> {
    let begun = Instant::now();
    let before = computed(begun);
    let (sessions, exchanges) = run()?;
    let took = (computed(begun) - before).max(1);
    if sessions == 0 || exchanges != 4 * sessions {
        return Err(format!("{name}: {sessions} sessions were completed, in {exchanges} exchanges").into());
    }
    println!("simulator={name} sessions={sessions} per-second={}", u128::from(sessions) * 1_000_000 / took);
    Ok(())
}
