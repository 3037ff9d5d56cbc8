//! `cargo xtask arm`: the same plays in a simulated world and over real HTTP, with the same outcome.

use std::{
    process::ExitCode,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use anyhow::{Context, Result};
use tokio::task::JoinSet;
use transport_sim::{
    dm::{
        self, OrderState,
        play::{Closeness, Performance},
    },
    dpe,
};

mod dm_http;
mod dpe_http;
mod proxy;
mod shop;

const HELP: &str = "\
Performs every play of transport_sim::dm::play and transport_sim::dpe::play in a simulated world and over real HTTP on
loopback, with a proxy that loses, doubles and resets, server nodes that die and devices that restart, and compares.

Of DM: how each session ended at both ends and what it told them, every order with its status and results, what the tree
did and what it holds now, and the messages. In a play without mishaps messages must be the same octet for octet; in the
others all but the nonces.
Of DPE: what each SP was told, what it and each client hold in the end, what the server believes, and in a play without
mishaps what clients were told and every message. What is random has a name there: identifiers are numbered in the order in
which they appear.

usage: cargo xtask arm [NAME ..]

A NAME is that of a play; `dm` and `dpe` stand for all of one protocol. The last line starts with `arm: ok` or
`arm: FAILED`, and counts both. The exit code is 0 only if every play came to the same.
";

/// A play of either protocol.
enum Play {
    Dm(Box<dm::play::Play>),
    Dpe(Box<dpe::play::Play>),
}

/// What became of one play.
struct Row {
    play: Play,
    /// What it came to in a world and over HTTP, in one cell of a table each.
    cells: [String; 2],
    differences: Vec<String>,
    messages: usize,
}

impl Play {
    fn all() -> Vec<Self> {
        let of_dm = dm::play::Play::all().into_iter().map(|play| Self::Dm(Box::new(play)));
        let of_dpe = dpe::play::Play::all().into_iter().map(|play| Self::Dpe(Box::new(play)));
        of_dm.chain(of_dpe).collect()
    }

    const fn protocol(&self) -> &'static str {
        match self {
            Self::Dm(_) => "dm",
            Self::Dpe(_) => "dpe",
        }
    }

    const fn name(&self) -> &'static str {
        match self {
            Self::Dm(play) => play.name,
            Self::Dpe(play) => play.name,
        }
    }

    const fn says(&self) -> &'static str {
        match self {
            Self::Dm(play) => play.says,
            Self::Dpe(play) => play.says,
        }
    }

    fn mishaps(&self) -> usize {
        match self {
            Self::Dm(play) => play.mishaps.len(),
            Self::Dpe(play) => play.mishaps.len(),
        }
    }

    /// What was the same, if nothing differs.
    fn same(&self) -> &'static str {
        match self {
            Self::Dm(play) => match play.closeness() {
                Closeness::Octets => "to the octet",
                Closeness::ButNonces => "but the nonces",
            },
            Self::Dpe(play) if play.has_mishaps() => "the outcome",
            Self::Dpe(_) => "but the names",
        }
    }

    fn is(&self, name: &str) -> bool {
        name == self.name() || name == self.protocol()
    }

    async fn over_http(self) -> OverHttp {
        match self {
            Self::Dm(play) => {
                let performed = dm_http::perform(&play).await;
                OverHttp::Dm(play, performed)
            }
            Self::Dpe(play) => {
                let performed = dpe_http::perform(&play).await;
                OverHttp::Dpe(play, performed)
            }
        }
    }
}

/// A play that was performed over HTTP.
enum OverHttp {
    Dm(Box<dm::play::Play>, Result<Performance>),
    Dpe(Box<dpe::play::Play>, Result<dpe::play::Performance>),
}

impl OverHttp {
    /// Performs it in a world, too, and compares.
    fn compared(self) -> Row {
        match self {
            Self::Dm(play, over_http) => {
                let over_sim = play.perform();
                let compare = |other| (cell(&other), over_sim.differences(&other, play.closeness()));
                Row::of(cell(&over_sim), over_sim.messages(), over_http.map(compare), Play::Dm(play))
            }
            Self::Dpe(play, over_http) => {
                let over_sim = play.perform();
                let compare = |other| (dpe_cell(&other), over_sim.differences(&other, play.has_mishaps()));
                Row::of(dpe_cell(&over_sim), over_sim.messages(), over_http.map(compare), Play::Dpe(play))
            }
        }
    }
}

impl Row {
    /// A row of what the play came to in a world, and over HTTP with what is not the same there.
    fn of(cell: String, messages: usize, over_http: Result<(String, Vec<String>)>, play: Play) -> Self {
        let (other, differences) = over_http
            .unwrap_or_else(|error| ("-".into(), vec![format!("it could not be performed over HTTP: {error:#}")]));
        Self { play, cells: [cell, other], differences, messages }
    }
}

pub(crate) fn run(args: impl Iterator<Item = String>) -> ExitCode {
    let names: Vec<String> = args.collect();
    if names.iter().any(|name| name == "--help" || name == "-h") {
        print!("{HELP}");
        return ExitCode::SUCCESS;
    }
    let plays = Play::all();
    if let Some(unknown) = names.iter().find(|name| !plays.iter().any(|play| play.is(name))) {
        eprintln!("error: there is no play {unknown:?}\n\n{HELP}");
        return ExitCode::FAILURE;
    }
    let chosen = plays.into_iter().filter(|play| names.is_empty() || names.iter().any(|name| play.is(name)));
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
            performing.spawn(async move { (n, play.over_http().await) });
        }
        let mut performed = performing.join_all().await;
        performed.sort_by_key(|(n, _)| *n);
        Ok(performed.into_iter().map(|(_, play)| play.compared()).collect())
    })
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

/// The same of DPE: what SPs and clients were told, and messages.
fn dpe_cell(performance: &dpe::play::Performance) -> String {
    let told = |all: &[dpe::play::Played]| all.iter().map(|played| played.told.len()).sum::<usize>();
    format!("{:>2} {:>4} {:>3}", told(&performance.sps), told(&performance.devices), performance.messages())
}

fn print(rows: &[Row], began: Instant) -> ExitCode {
    for (protocol, says) in [
        ("dm", "Of each play of DM: sessions completed, orders done, different messages."),
        ("dpe", "Of each play of DPE: what SPs were told, what clients were told, different messages."),
    ] {
        let rows: Vec<&Row> = rows.iter().filter(|row| row.play.protocol() == protocol).collect();
        if rows.is_empty() {
            continue;
        }
        println!("{says}\n\n  {:<24} {:<14} {:<14} {:<16}", "play", "simulated", "over HTTP", "same");
        for Row { play, cells: [over_sim, over_http], differences, .. } in rows {
            let same = if differences.is_empty() { play.same() } else { "NO" };
            println!("  {:<24} {over_sim:<14} {over_http:<14} {same:<16} {}", play.name(), play.says());
            for difference in differences {
                println!("      {difference}");
            }
        }
        println!();
    }
    let failed = rows.iter().filter(|row| !row.differences.is_empty()).count();
    let mishaps: usize = rows.iter().map(|row| row.play.mishaps()).sum();
    let messages: usize = rows.iter().map(|row| row.messages).sum();
    let seconds = began.elapsed().as_secs_f32();
    let word = if failed == 0 { "ok" } else { "FAILED" };
    println!(
        "arm: {word} plays={} same={} mishaps={mishaps} messages={messages} seconds={seconds:.1}",
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
        for protocol in ["dm", "dpe"] {
            assert!(rows.iter().filter(|row| row.play.protocol() == protocol).count() >= 12);
        }
        for row in &rows {
            assert_eq!(row.differences, Vec::<String>::new(), "{}", row.play.name());
        }
        Ok(())
    }

    #[test]
    fn another_play_does_not_come_to_the_same() -> Result<()> {
        let runtime = tokio::runtime::Runtime::new()?;
        let [one, other] =
            ["md5-xml", "atomic"].map(|name| dm::play::Play::all().into_iter().find(|play| play.name == name));
        let (one, other) = (one.context("no play")?, other.context("no play")?);
        let over_http = runtime.block_on(dm_http::perform(&other))?;
        assert!(!one.perform().differences(&over_http, one.closeness()).is_empty());
        let [one, other] =
            ["query", "group"].map(|name| dpe::play::Play::all().into_iter().find(|play| play.name == name));
        let (one, other) = (one.context("no play")?, other.context("no play")?);
        let over_http = runtime.block_on(dpe_http::perform(&other))?;
        for is_outcome_only in [false, true] {
            assert!(!one.perform().differences(&over_http, is_outcome_only).is_empty());
        }
        Ok(())
    }
}
