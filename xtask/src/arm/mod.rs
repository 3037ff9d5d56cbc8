//! `cargo xtask arm`: the same plays in a simulated world and over real HTTP, with the same outcome.

use std::{
    process::ExitCode,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use anyhow::{Context, Result};
use tokio::task::JoinSet;
use transport_sim::dm::{
    OrderState,
    play::{Closeness, Performance, Play},
};

mod http;
mod proxy;
mod shop;

const HELP: &str = "\
Performs every play of transport_sim::dm::play in a simulated world and over real HTTP on loopback, with a proxy that
loses, doubles and resets, server nodes that die and devices that restart, and compares: how each session ended at both
ends and what it told them, every order with its status and results, what the tree did and what it holds now, and the
messages. In a play without mishaps messages must be the same octet for octet; in the others all but the nonces.

usage: cargo xtask arm [NAME ..]

The last line starts with `arm: ok` or `arm: FAILED`. The exit code is 0 only if every play came to the same.
";

/// What became of one play.
struct Row {
    play: Play,
    over_sim: Performance,
    over_http: Result<Performance>,
}

pub(crate) fn run(args: impl Iterator<Item = String>) -> ExitCode {
    let names: Vec<String> = args.collect();
    if names.iter().any(|name| name == "--help" || name == "-h") {
        print!("{HELP}");
        return ExitCode::SUCCESS;
    }
    let plays = Play::all();
    if let Some(unknown) = names.iter().find(|name| !plays.iter().any(|play| play.name == **name)) {
        eprintln!("error: there is no play {unknown:?}\n\n{HELP}");
        return ExitCode::FAILURE;
    }
    let chosen = plays.into_iter().filter(|play| names.is_empty() || names.iter().any(|name| name == play.name));
    let began = Instant::now();
    match perform(chosen.collect()) {
        Ok(rows) => print(&rows, began),
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Performs the plays on both stages; over HTTP all at once, since most of their time is waiting.
fn perform(plays: Vec<Play>) -> Result<Vec<Row>> {
    let runtime = tokio::runtime::Runtime::new().context("no runtime")?;
    runtime.block_on(async {
        let mut performing = JoinSet::new();
        for (n, play) in plays.into_iter().enumerate() {
            performing.spawn(async move {
                let over_http = http::perform(&play).await;
                (n, play, over_http)
            });
        }
        let mut performed = performing.join_all().await;
        performed.sort_by_key(|(n, ..)| *n);
        let row = |(_, play, over_http): (_, Play, _)| Row { over_sim: play.perform(), play, over_http };
        Ok(performed.into_iter().map(row).collect())
    })
}

impl Row {
    /// What is not the same.
    fn differences(&self) -> Vec<String> {
        match &self.over_http {
            Ok(over_http) => self.over_sim.differences(over_http, self.play.closeness()),
            Err(error) => vec![format!("it could not be performed over HTTP: {error:#}")],
        }
    }
}

/// What a mutex holds: whoever panicked with it has failed the test anyway.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A performance in one cell of a table: sessions and how they ended, orders, messages.
fn cell(performance: &Performance) -> String {
    let sessions = performance.devices.iter().flat_map(|device| &device.sessions);
    let is_good = |outcome: &Option<_>| matches!(outcome, Some(dm_core::session::Outcome::Completed));
    let completed = sessions.clone().filter(|ending| is_good(&ending.client) && is_good(&ending.server)).count();
    let orders = performance.devices.iter().flat_map(|device| device.orders.values());
    let done = orders.clone().filter(|order| matches!(order, OrderState::Done(_))).count();
    format!("{completed}/{} {done:>2}/{:<2} {:>3}", sessions.count(), orders.count(), performance.messages())
}

fn print(rows: &[Row], began: Instant) -> ExitCode {
    println!("Of each play: sessions completed, orders done, different messages.\n");
    println!("  {:<24} {:<14} {:<14} {:<16}", "play", "simulated", "over HTTP", "same");
    let mut failed = 0;
    for row in rows {
        let differences = row.differences();
        let same = match (differences.is_empty(), row.play.closeness()) {
            (false, _) => "NO",
            (true, Closeness::Octets) => "to the octet",
            (true, Closeness::ButNonces) => "but the nonces",
        };
        let over_http = row.over_http.as_ref().map_or_else(|_| "-".into(), cell);
        println!("  {:<24} {:<14} {over_http:<14} {same:<16} {}", row.play.name, cell(&row.over_sim), row.play.says);
        for difference in &differences {
            println!("      {difference}");
        }
        failed += usize::from(!differences.is_empty());
    }
    let mishaps: usize = rows.iter().map(|row| row.play.mishaps.len()).sum();
    let messages: usize = rows.iter().map(|row| row.over_sim.messages()).sum();
    let seconds = began.elapsed().as_secs_f32();
    let word = if failed == 0 { "ok" } else { "FAILED" };
    println!(
        "\narm: {word} plays={} same={} mishaps={mishaps} messages={messages} seconds={seconds:.1}",
        rows.len(),
        rows.len() - failed
    );
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_play_comes_to_the_same_in_a_world_and_over_http() -> Result<()> {
        let rows = perform(Play::all())?;
        assert!(rows.len() >= 12);
        for row in &rows {
            assert_eq!(row.differences(), Vec::<String>::new(), "{}", row.play.name);
        }
        Ok(())
    }

    #[test]
    fn another_play_does_not_come_to_the_same() -> Result<()> {
        let mut rows = perform(Play::all().into_iter().take(2).collect())?;
        let (one, other) = (rows.remove(0), rows.remove(0));
        let mixed = Row { over_http: other.over_http, ..one };
        assert!(!mixed.differences().is_empty());
        Ok(())
    }
}
