//! `cargo xtask sim`: worlds of DM and DPE in a simulated network, seed after seed.

use std::{
    fs,
    path::Path,
    process::{Command, ExitCode},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use transport_sim::Recording;

mod builds;
mod dm;
mod dpe;
mod drive;
mod failed;
mod fleet;
mod help;
mod minimise;
mod options;
mod planted;
mod progress;
mod stage;
mod sum;
mod table;
#[cfg(test)]
mod tests;

use builds::Digests;
use drive::{Ran, Wanted, in_order};
use minimise::Broken;
use options::{Options, Task};
use progress::{Goal, Progress};
use sum::Sum;

/// Runs the command; `args` are those after `sim`.
pub(crate) fn run(args: impl Iterator<Item = String>) -> ExitCode {
    let args: Vec<String> = args.collect();
    if args.iter().any(|arg| arg == planted::OPTION) {
        return planted::run(&args);
    }
    if args.iter().any(|arg| arg == fleet::OPTION) {
        return fleet::run(&args);
    }
    let task = match Task::parse(args.iter().map(String::as_str)) {
        Ok(task) => task,
        Err(error) => {
            eprintln!("sim: {error}; see `cargo xtask sim --help`");
            return ExitCode::from(2);
        }
    };
    let done = match &task {
        Task::Help => {
            print!("{}", help::HELP);
            return ExitCode::SUCCESS;
        }
        // A debug build that is asked for digests is asked for its own.
        Task::Seeds(options) if options.digest.is_some() => seeds(options),
        _ if cfg!(debug_assertions) => return run_optimised(&args),
        Task::Seeds(options) => seeds(options),
        Task::Failed { jobs, twice } => failed::run(&crate::ci::root().join("transport-sim"), *jobs, *twice),
        Task::Replay { file, trace } => replay(file, trace.as_deref()),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("sim: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// What came of seeds.
struct Simulated {
    sum: Sum,
    digests: Digests,
    /// The first failure of each rule.
    broken: Vec<Broken>,
    /// Of the one seed, where there was but one.
    trace: String,
}

impl Simulated {
    fn new(sum: Sum) -> Self {
        Self { sum, digests: Digests::default(), broken: Vec::new(), trace: String::new() }
    }

    /// Takes in the worlds of one seed.
    fn take(&mut self, ran: Vec<Ran>) {
        self.sum.add(&ran);
        for Ran { scenario, seed, trace, digest, broken, .. } in ran {
            self.trace.push_str(trace.as_deref().unwrap_or_default());
            if let Some(digest) = digest {
                self.digests.insert(scenario, seed, digest);
            }
            if let Some((rule, decisions)) = broken
                && self.broken.iter().all(|known| known.rule != rule)
            {
                self.broken.push(Broken { scenario, seed, rule, decisions });
            }
        }
    }
}

/// Runs seeds, prints what came of them, and says whether all is well.
fn seeds(options: &Options) -> Result<bool> {
    let root = crate::ci::root();
    let Simulated { mut sum, digests, broken, trace } = simulate(options);
    if let Some(path) = &options.trace {
        write(path, &trace)?;
    }
    if let Some(path) = &options.digest {
        write(path, &digests.write())?;
    }
    let mut differing = Vec::new();
    if options.against_debug {
        differing = builds::against_debug(&digests, options, sum.seeds, &root)?;
        sum.builds_differing = Some(differing.len() as u64);
    }
    print!("{sum}");
    for (scenario, seed) in differing.iter().take(20) {
        println!("{scenario} seed {seed}: the trace of a debug build is another one");
    }
    if options.shrink {
        for broken in &broken {
            shrink(broken, options, &root)?;
        }
    }
    println!("{}", sum.last_line());
    Ok(sum.is_good())
}

fn simulate(options: &Options) -> Simulated {
    let Options { scenario, mode, first, jobs, twice, .. } = *options;
    let limit = options.minutes.map(|minutes| Duration::from_secs(60).saturating_mul(to_u32(minutes)));
    let goal = match (options.seeds, limit) {
        (Some(seeds), None) => Goal::Seeds(seeds),
        (_, limit) => Goal::Time(limit.unwrap_or_default()),
    };
    let wanted =
        Wanted { twice, trace: options.trace.is_some(), digest: options.digest.is_some() || options.against_debug };
    let mut all = Simulated::new(Sum::of(scenario, mode, twice));
    let (mut progress, begun) = (Progress::new(goal), Instant::now());
    in_order(
        jobs,
        |number| options.seeds.is_none_or(|seeds| number < seeds) && limit.is_none_or(|limit| begun.elapsed() < limit),
        |number| -> Vec<Ran> {
            // Whether the scenario has the mode was asked when the options were read.
            let worlds = stage::worlds(scenario, first.wrapping_add(number), mode).unwrap_or_default();
            worlds.iter().map(|world| drive::ran(world, wanted)).collect()
        },
        |ran| {
            progress.step(ran.iter().any(|ran| !ran.report.failures.is_empty() || !ran.is_same));
            all.take(ran);
        },
    );
    progress.clear();
    all.sum.took = begun.elapsed();
    all
}

fn to_u32(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// Makes a failure small, and says where it lies and how to run it.
fn shrink(broken: &Broken, options: &Options, root: &Path) -> Result<()> {
    let Broken { scenario, seed, rule, decisions } = broken;
    eprintln!("sim: {scenario} seed {seed} is made small");
    let Some(small) = minimise::minimise(broken, options.mode) else {
        println!("{scenario} seed {seed}: its decisions do not break {rule} again");
        return Ok(());
    };
    let path = small.keep(&root.join("target/sim")).context("target/sim cannot be written to")?;
    let shown = path.strip_prefix(root).unwrap_or(&path);
    println!(
        "{scenario} seed {seed}: {} of {} decisions break {rule}{}; drawn in {}",
        small.shrunk.decisions.len(),
        decisions.len(),
        if small.shrunk.is_minimal { "" } else { ", and a minute was not enough" },
        shown.with_extension("txt").display(),
    );
    println!("cargo xtask sim --replay {}", shown.display());
    Ok(())
}

/// Runs a recording, and says whether it is a good run.
fn replay(file: &Path, trace: Option<&Path>) -> Result<bool> {
    let name = || file.display().to_string();
    let recording = Recording::read(&fs::read_to_string(file).with_context(name)?).with_context(name)?;
    let report = minimise::replay(&recording)
        .with_context(|| format!("{}: there is no scenario {:?} of one world", file.display(), recording.scenario))?;
    if let Some(path) = trace {
        write(path, &report.trace)?;
    }
    let Recording { scenario, seed, rule, story, decisions } = &recording;
    if let Some(story) = story {
        println!("recorded: {story}");
    }
    report.failures.iter().for_each(|failure| println!("now: {failure}"));
    let word = if report.failures.is_empty() { "ok" } else { "FAILED" };
    let broken = report.broken.map_or("none", |rule| rule.0);
    println!(
        "sim: {word} scenario={scenario} seed={seed} decisions={} recorded={} broken={broken} failures={}",
        decisions.len(),
        rule.as_deref().unwrap_or("none"),
        report.failures.len(),
    );
    Ok(report.failures.is_empty())
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

fn write(path: &Path, text: &str) -> Result<()> {
    let written = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => fs::create_dir_all(parent),
        _ => Ok(()),
    };
    written.and_then(|()| fs::write(path, text)).with_context(|| format!("{} cannot be written", path.display()))
}
