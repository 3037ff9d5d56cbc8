//! `cargo xtask sim`: DM sessions in a simulated network, seed after seed.

use std::{
    collections::BTreeMap,
    fmt::{self, Write as _},
    fs,
    io::{IsTerminal, Write as _},
    path::{Path, PathBuf},
    process::{Command, ExitCode},
    time::{Duration, Instant},
};

use transport_sim::{
    Figure,
    dm::{Run, Scenario, Tallies},
};

const HELP: &str = "\
Runs OMA DM sessions between a device and a server in a simulated network.

Usage: cargo xtask sim [--scenario NAME] [--seeds N] [--first S]
       cargo xtask sim [--scenario NAME] --seed S [--trace FILE]

  --scenario NAME  what is simulated: session (the default), objects, atomic or nonces
  --seeds N        how many seeds to run (1000)
  --first S        the first of them (0)
  --seed S         run this seed only
  --trace FILE     write the trace of that seed to FILE
  --help           show this

  session  a few commands of every kind, in one session
  objects  a value of 1 MiB each way in messages of 2 KiB, with crashes of server nodes and of some devices; both must
           arrive equal to the byte
  atomic   an Atomic whose last member fails, with crashes of server nodes and of the device, which may fall into the
           open Atomic; the tree must be as it was
  nonces   ten sessions; until the fifth or so three replies in ten are lost, and the server's store twice goes back by
           up to eight commits; no nonce may be given out twice, and of the first three sessions after that one must
           be completed on both sides

A seed decides everything that is left to chance: which messages are lost (one in ten), doubled (one in ten), delayed
and reordered, which commits of the server's two nodes lose their race, and, with every odd seed, where in the session a
server node crashes. With two seeds of four both sides start with nonces that the other side does not have.

Each seed is run twice, and the two traces must be the same to the byte. A seed fails if they differ, if a session does
not end, if a command is executed twice on the device, or if any other rule is broken; the line that runs it again is
printed with it. The table shows how often each rule had anything to judge.

The last line says it all, as `sim: ok name=value ..` with exit code 0, or as `sim: FAILED name=value ..` with 1. The
outcomes in it are those of the device's last session; names that end in -max stand for the worst seed, others for all
seeds together. A debug build hands the work to a release build of itself.
";

/// The scenario where none is named.
const SESSION: &str = "session";

/// Runs the command; `args` are those after `sim`.
pub(crate) fn run(args: impl Iterator<Item = String>) -> ExitCode {
    let args: Vec<String> = args.collect();
    let options = match Options::parse(args.iter().map(String::as_str)) {
        Ok(Some(options)) => options,
        Ok(None) => {
            print!("{HELP}");
            return ExitCode::SUCCESS;
        }
        Err(error) => {
            eprintln!("sim: {error}\n\n{HELP}");
            return ExitCode::from(2);
        }
    };
    if cfg!(debug_assertions) {
        return run_optimised(&args);
    }
    let sum = simulate(&options);
    print!("{sum}");
    if let Some((path, trace)) = options.trace.as_deref().zip(sum.trace.as_deref())
        && let Err(error) = write(path, trace)
    {
        eprintln!("sim: {} cannot be written: {error}", path.display());
        return ExitCode::FAILURE;
    }
    println!("{}", sum.last_line());
    if sum.is_good() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Does the same in a release build, which is many times as fast.
fn run_optimised(args: &[String]) -> ExitCode {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args(["run", "--release", "--quiet", "--package", "xtask", "--", "sim"]).args(args);
    match command.status() {
        Ok(status) if status.success() => ExitCode::SUCCESS,
        Ok(status) => ExitCode::from(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1)),
        Err(error) => {
            eprintln!("sim: the release build cannot be run: {error}");
            ExitCode::FAILURE
        }
    }
}

fn write(path: &Path, trace: &str) -> std::io::Result<()> {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => fs::create_dir_all(parent)?,
        _ => {}
    }
    fs::write(path, trace)
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Options {
    scenario: &'static str,
    first: u64,
    seeds: u64,
    trace: Option<PathBuf>,
}

/// What is wrong with the command line.
#[derive(Clone, Debug, PartialEq, Eq)]
enum UsageError {
    Unknown(String),
    NoValue(String),
    NoScenario(String),
    NotANumber { option: String, value: String },
    TraceOfMany,
    SeedAndSeeds,
}

impl fmt::Display for UsageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown(option) => write!(f, "there is no option {option}"),
            Self::NoValue(option) => write!(f, "{option} needs a value"),
            Self::NotANumber { option, value } => write!(f, "{option} needs a number, and {value:?} is none"),
            Self::NoScenario(name) => {
                write!(f, "there is no scenario {name:?}; there are {}", Scenario::NAMES.join(", "))
            }
            Self::TraceOfMany => f.write_str("--trace needs --seed: a trace is of one seed"),
            Self::SeedAndSeeds => f.write_str("--seed runs one seed and goes with neither --seeds nor --first"),
        }
    }
}

impl Options {
    /// Nothing where help is asked for.
    fn parse<'a>(mut args: impl Iterator<Item = &'a str>) -> Result<Option<Self>, UsageError> {
        let (mut first, mut seeds, mut seed, mut trace) = (None, None, None, None);
        let mut scenario = SESSION;
        while let Some(option) = args.next() {
            let number = |value: Option<&str>| {
                let value = value.ok_or_else(|| UsageError::NoValue(option.into()))?;
                let not_a_number = |_| UsageError::NotANumber { option: option.into(), value: value.into() };
                value.replace('_', "").parse::<u64>().map(Some).map_err(not_a_number)
            };
            match option {
                "--help" | "-h" => return Ok(None),
                "--seeds" => seeds = number(args.next())?,
                "--first" => first = number(args.next())?,
                "--seed" => seed = number(args.next())?,
                "--scenario" => {
                    let name = args.next().ok_or_else(|| UsageError::NoValue(option.into()))?;
                    let known = Scenario::NAMES.into_iter().find(|known| *known == name);
                    scenario = known.ok_or_else(|| UsageError::NoScenario(name.into()))?;
                }
                "--trace" => {
                    let path = args.next().ok_or_else(|| UsageError::NoValue(option.into()))?;
                    trace = Some(PathBuf::from(path));
                }
                _ => return Err(UsageError::Unknown(option.into())),
            }
        }
        match seed {
            Some(_) if seeds.or(first).is_some() => Err(UsageError::SeedAndSeeds),
            Some(seed) => Ok(Some(Self { scenario, first: seed, seeds: 1, trace })),
            None if trace.is_some() => Err(UsageError::TraceOfMany),
            None => Ok(Some(Self { scenario, first: first.unwrap_or(0), seeds: seeds.unwrap_or(1_000), trace })),
        }
    }
}

fn simulate(options: &Options) -> Sum {
    let (mut sum, mut progress) = (Sum::of(options.scenario), Progress::new(options.seeds));
    let begun = Instant::now();
    for seed in (0..options.seeds).map(|n| options.first.wrapping_add(n)) {
        // The name was looked up when the options were read.
        let Some(scenario) = Scenario::named(options.scenario, seed) else { continue };
        let (run, again) = (scenario.run(), scenario.run());
        sum.add(&run, run.trace == again.trace);
        if options.trace.is_some() {
            sum.trace = Some(run.trace);
        }
        progress.step();
    }
    progress.clear();
    sum.took = begun.elapsed();
    sum
}

/// A line that is written over, for people only.
struct Progress {
    of: u64,
    done: u64,
    shown: bool,
}

impl Progress {
    fn new(of: u64) -> Self {
        Self { of, done: 0, shown: std::io::stderr().is_terminal() }
    }

    fn step(&mut self) {
        self.done += 1;
        if self.shown && self.done.is_multiple_of(100) {
            eprint!("\rsim: {} of {} seeds", self.done, self.of);
            flush();
        }
    }

    fn clear(&self) {
        if self.shown {
            eprint!("\r{:60}\r", "");
            flush();
        }
    }
}

fn flush() {
    // A terminal that is gone is no reason to stop.
    let _ = std::io::stderr().flush();
}

/// What all seeds came to.
#[derive(Default)]
struct Sum {
    scenario: &'static str,
    seeds: u64,
    /// What the checkers counted and measured.
    figures: BTreeMap<&'static str, Figure>,
    /// By outcome of the device's session, and of the server's.
    ends: BTreeMap<(&'static str, &'static str), u64>,
    orders: BTreeMap<&'static str, u64>,
    rules: BTreeMap<&'static str, (&'static str, u64)>,
    failures: BTreeMap<u64, Vec<String>>,
    tallies: Tallies,
    differing: u64,
    took: Duration,
    trace: Option<String>,
}

impl Sum {
    fn of(scenario: &'static str) -> Self {
        Self { scenario, ..Self::default() }
    }

    fn add(&mut self, run: &Run, same: bool) {
        self.seeds += 1;
        let client = run.client().map_or("none", |outcome| outcome.name());
        let server = run.server().map_or("none", |outcome| outcome.name());
        *self.ends.entry((client, server)).or_default() += 1;
        for state in run.orders.values() {
            *self.orders.entry(state.name()).or_default() += 1;
        }
        for (rule, met) in run.ledger.rules() {
            self.rules.entry(rule.id.0).or_insert((rule.says, 0)).1 += met;
        }
        for (name, figure) in run.ledger.figures() {
            let sum = self.figures.get(name).map_or(figure, |sum| sum.and(figure));
            self.figures.insert(name, sum);
        }
        let mut failures = run.failures();
        if !same {
            self.differing += 1;
            failures.push("a second run gives another trace".into());
        }
        if !failures.is_empty() {
            self.failures.insert(run.seed, failures);
        }
        self.count(&run.tallies);
    }

    fn count(&mut self, run: &Tallies) {
        let sum = &mut self.tallies;
        for (sum, run) in [
            (&mut sum.network.sent, run.network.sent),
            (&mut sum.network.duplicated, run.network.duplicated),
            (&mut sum.network.delivered, run.network.delivered),
            (&mut sum.network.dropped, run.network.dropped),
            (&mut sum.network.crashes, run.network.crashes),
            (&mut sum.network.restarts, run.network.restarts),
            (&mut sum.exchanges, run.exchanges),
            (&mut sum.commands, run.commands),
            (&mut sum.executed_twice, run.executed_twice),
            (&mut sum.commits, run.commits),
            (&mut sum.lost_races, run.lost_races),
            (&mut sum.repeated, run.repeated),
        ] {
            *sum += run;
        }
    }

    fn is_good(&self) -> bool {
        self.failures.is_empty()
    }

    fn last_line(&self) -> String {
        let mut outcomes = BTreeMap::from([("completed", 0), ("timed-out", 0)]);
        for ((client, _), count) in &self.ends {
            *outcomes.entry(*client).or_default() += count;
        }
        let mut line = format!("sim: {} seeds={}", if self.is_good() { "ok" } else { "FAILED" }, self.seeds);
        // Completed and timed out come first, whatever the alphabet says.
        let usual = ["completed", "timed-out"];
        let others = outcomes.keys().filter(|name| !usual.contains(name)).copied();
        for name in usual.into_iter().chain(others) {
            let _ = write!(line, " {name}={}", outcomes.get(name).copied().unwrap_or(0));
        }
        let Tallies { executed_twice, commands, network, .. } = self.tallies;
        let _ = write!(
            line,
            " executed-twice={executed_twice} traces-differing={} commands={commands} restarts={}",
            self.differing, network.restarts
        );
        if self.scenario != SESSION {
            let _ = write!(line, " scenario={} dropped={} crashes={}", self.scenario, network.dropped, network.crashes);
        }
        for (name, figure) in &self.figures {
            let _ = write!(line, " {name}={}", figure.value());
        }
        line
    }
}

impl fmt::Display for Sum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:<28}{:<28}{:>10}", "session at the device", "at the server", "seeds")?;
        for ((client, server), count) in &self.ends {
            writeln!(f, "{client:<28}{server:<28}{count:>10}")?;
        }
        writeln!(f, "\norders")?;
        for (state, count) in &self.orders {
            writeln!(f, "{state:<56}{count:>10}")?;
        }
        writeln!(f)?;
        let Tallies { network, exchanges, commands, commits, lost_races, repeated, .. } = self.tallies;
        let runs_per_second = u128::from(self.seeds) * 2_000 / self.took.as_millis().max(1);
        for (what, count) in [
            ("exchanges", exchanges.into()),
            ("commands executed on the device", commands.into()),
            ("messages sent", network.sent.into()),
            ("messages dropped", network.dropped.into()),
            ("messages duplicated", network.duplicated.into()),
            ("crashes", network.crashes.into()),
            ("restarts", network.restarts.into()),
            ("commits", commits.into()),
            ("lost races", lost_races.into()),
            ("repeated messages answered from the store", repeated.into()),
            ("sessions per second, each seed run twice", runs_per_second),
        ] {
            writeln!(f, "{what:<56}{count:>10}")?;
        }
        writeln!(f, "\n{:<56}{:>10}", "rules", "judged")?;
        for (id, (says, met)) in &self.rules {
            writeln!(f, "{id:<5}{met:>61}  {says}")?;
        }
        writeln!(f)?;
        for (seed, failures) in &self.failures {
            for failure in failures {
                writeln!(f, "seed {seed}: {failure}")?;
            }
            let which = if self.scenario == SESSION { String::new() } else { format!(" --scenario {}", self.scenario) };
            writeln!(f, "cargo xtask sim{which} --seed {seed} --trace target/sim-{seed}.trace")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use transport_sim::{Rule, RuleId, dm::ONCE};

    use super::*;

    fn parse(args: &str) -> Result<Option<Options>, UsageError> {
        Options::parse(args.split_whitespace())
    }

    #[test]
    fn the_command_line_is_read() {
        let many = |first, seeds| Ok(Some(Options { scenario: SESSION, first, seeds, trace: None }));
        assert_eq!(parse(""), many(0, 1_000));
        assert_eq!(parse("--seeds 10_000 --first 7"), many(7, 10_000));
        let one = Options { scenario: "atomic", first: 4711, seeds: 1, trace: Some("t".into()) };
        assert_eq!(parse("--trace t --seed 4711 --scenario atomic"), Ok(Some(one)));
        assert_eq!(parse("--seeds 5 --help"), Ok(None));
        for (wrong, error) in [
            ("--seed", UsageError::NoValue("--seed".into())),
            ("--seed x", UsageError::NotANumber { option: "--seed".into(), value: "x".into() }),
            ("--trace t", UsageError::TraceOfMany),
            ("--scenario other", UsageError::NoScenario("other".into())),
            ("--seed 1 --seeds 2", UsageError::SeedAndSeeds),
            ("12", UsageError::Unknown("12".into())),
        ] {
            assert_eq!(parse(wrong), Err(error));
        }
    }

    #[test]
    fn a_good_run_ends_in_a_line_with_every_outcome() {
        let sum = simulate(&Options { scenario: SESSION, first: 0, seeds: 3, trace: None });
        assert!(sum.is_good());
        let line = sum.last_line();
        assert!(line.starts_with("sim: ok seeds=3 completed="), "{line}");
        assert!(line.contains(" executed-twice=0 traces-differing=0 commands="), "{line}");
        let counted: u64 = sum.ends.values().sum();
        assert_eq!(counted, 3);
    }

    #[test]
    fn a_broken_rule_fails_the_seed_and_says_how_to_run_it_again() {
        let mut run = Scenario::standard(4711).run();
        run.ledger.judge(ONCE, false, || "Exec ./Sim/Run is done more often than it was ordered");
        let mut sum = Sum::of(SESSION);
        sum.add(&run, true);
        assert!(sum.last_line().starts_with("sim: FAILED seeds=1 "), "{}", sum.last_line());
        let shown = sum.to_string();
        assert!(shown.contains("seed 4711: D29 at "), "{shown}");
        assert!(shown.contains("\ncargo xtask sim --seed 4711 --trace target/sim-4711.trace\n"), "{shown}");
    }

    #[test]
    fn another_scenario_says_its_name_and_its_figures() {
        let sum = simulate(&Options { scenario: "nonces", first: 0, seeds: 2, trace: None });
        let line = sum.last_line();
        assert!(line.starts_with("sim: ok seeds=2 ") && line.contains(" scenario=nonces "), "{line}");
        assert!(line.contains(" converged=2 ") && line.contains(" repeated-nonces=0"), "{line}");
        let mut broken = Scenario::nonces(7).run();
        broken.ledger.judge(ONCE, false, || "something");
        let mut sum = Sum::of("nonces");
        sum.add(&broken, true);
        assert!(sum.to_string().contains("\ncargo xtask sim --scenario nonces --seed 7 "), "{sum}");
    }

    #[test]
    fn differing_traces_fail_the_seed() {
        let mut sum = Sum::default();
        sum.add(&Scenario::standard(1).run(), false);
        assert!(!sum.is_good() && sum.last_line().contains(" traces-differing=1 "), "{}", sum.last_line());
    }

    #[test]
    fn a_rule_that_slept_shows_with_a_zero() {
        let mut run = Scenario::standard(1).run();
        run.ledger.enter(Rule { id: RuleId("X99"), says: "it sleeps" });
        let mut sum = Sum::default();
        sum.add(&run, true);
        assert!(sum.to_string().lines().any(|line| line.starts_with("X99 ") && line.ends_with(" 0  it sleeps")));
    }
}
