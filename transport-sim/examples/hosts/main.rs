//! Hosts of your own with DM sessions, judged by the rules of sessions.
//!
//! ```text
//! cargo run --release -p transport-sim --example hosts
//! ```
//!
//! [`machines`] are a device and a server that know of no network and of no simulator. [`world`] makes nodes of them, and
//! tells the rules what these do. What is printed is how often each rule had something to judge, and what was broken.
#![expect(unreachable_pub, reason = "the package that compares simulators has these modules, too")]

mod machines;
#[cfg(test)]
mod tests;
mod world;

use transport_sim::dm::SessionRules;

const HOSTS: u32 = 100;
const ROUNDS: u32 = 10;
const LATENCY_MS: u64 = 20;

fn main() -> Result<(), machines::Wrong> {
    let rules = SessionRules::new(world::orders()?);
    let world = world::run((HOSTS, ROUNDS), LATENCY_MS, Some(rules))?;
    for (rule, judged) in world.ledger().rules() {
        println!("{:<5}{judged:>8}  {}", rule.id, rule.says);
    }
    for violation in world.ledger().violations() {
        println!("broken: {violation}");
    }
    let (sessions, exchanges) = world.shared().server().counts();
    println!("hosts: ok sessions={sessions} exchanges={exchanges} broken={}", world.ledger().violations().len());
    Ok(())
}
