//! `cargo xtask sim`: DM sessions and DPE worlds in a simulated network, seed after seed.

use std::{
    fs,
    path::Path,
    process::{Command, ExitCode},
};

mod dm;
mod dpe;
mod options;
mod planted;
mod progress;

use options::Options;

const HELP: &str = "\
Runs OMA DM sessions, or a world of OMA DPE, in a simulated network.

Usage: cargo xtask sim [--scenario NAME] [--seeds N] [--first S]
       cargo xtask sim [--scenario NAME] --seed S [--trace FILE]
       cargo xtask sim --planted [NAME]... [--seeds N] [--draw]

  --scenario NAME  what is simulated: session (the default), objects, atomic, nonces, mixed, dpe
                   or dpe-swarm
  --seeds N        how many seeds to run (1000)
  --first S        the first of them (0)
  --seed S         run this seed only
  --trace FILE     write the trace of that seed to FILE
  --planted        plant bugs and let the rules find them; `sim --planted --help` says more
  --help           show this

  session  a few commands of every kind, in one session
  objects  a value of 1 MiB each way in messages of 2 KiB, with crashes of server nodes and of some devices; both must
           arrive equal to the byte; objects-small has values of 8 KiB
  atomic   an Atomic whose last member fails, with crashes of server nodes and of the device, which may fall into the
           open Atomic; the tree must be as it was
  nonces   ten sessions; until the fifth or so three replies in ten are lost, and the server's store twice goes back by
           up to eight commits; no nonce may be given out twice, and of the first three sessions after that one must
           be completed on both sides
  mixed    two or three devices and up to three services with orders of every kind, a server and a client that break the
           protocol, a copy of a device, and notifications and bootstraps, good and forged; four hours with the faults of
           a catalogue, half of them in each seed: of messages, links, nodes, disks and clocks; and then three rounds of
           sessions in which nothing goes wrong. Every rule D01 to D48 is judged
  dpe      20 devices and 4 service providers that ask them for everything DPE has, before the nodes of a stateless
           server; with crashes of all of them in half of the seeds, and users that change their devices. Every request
           must get exactly one answer, a client be asked one thing at a time, no identifier reach another provider,
           every policy expire once, and in the end every client be registered as the server believes
  dpe-swarm  8 devices and 3 service providers, with the faults of a catalogue, half of them in each seed: of messages,
           links, nodes, disks and clocks, and of parties that misbehave

A seed decides everything that is left to chance: which messages are lost (one in ten), doubled (one in ten), delayed
and reordered, which commits of the server's nodes lose their race, and, with every odd seed, where a server node crashes.
In a DM session with two seeds of four both sides start with nonces that the other side does not have.

Each seed is run twice, and the two traces must be the same to the byte. A seed fails if they differ, if a session does
not end, if a command is executed twice on the device, or if any other rule is broken; the line that runs it again is
printed with it. The table shows how often each rule had anything to judge.

The last line says it all, as `sim: ok name=value ..` with exit code 0, or as `sim: FAILED name=value ..` with 1. Outcomes
of DM sessions in it are those of the device's last one; names that end in -max stand for the worst seed, others for all
seeds together. A debug build hands the work to a release build of itself.
";

/// Runs the command; `args` are those after `sim`.
pub(crate) fn run(args: impl Iterator<Item = String>) -> ExitCode {
    let args: Vec<String> = args.collect();
    if args.iter().any(|arg| arg == planted::OPTION) {
        return planted::run(&args);
    }
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
    let Outcome { table, last_line, is_good, trace } = simulate(&options);
    print!("{table}");
    if let Some((path, trace)) = options.trace.as_deref().zip(trace.as_deref())
        && let Err(error) = write(path, trace)
    {
        eprintln!("sim: {} cannot be written: {error}", path.display());
        return ExitCode::FAILURE;
    }
    println!("{last_line}");
    if is_good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// What all seeds came to.
struct Outcome {
    table: String,
    last_line: String,
    is_good: bool,
    /// That of the one seed, where there was but one.
    trace: Option<String>,
}

fn simulate(options: &Options) -> Outcome {
    if transport_sim::dpe::Scenario::NAMES.contains(&options.scenario) {
        let sum = dpe::simulate(options);
        let (table, last_line, is_good) = (sum.to_string(), sum.last_line(), sum.is_good());
        return Outcome { table, last_line, is_good, trace: sum.trace };
    }
    let sum = dm::simulate(options);
    let (table, last_line, is_good) = (sum.to_string(), sum.last_line(), sum.is_good());
    Outcome { table, last_line, is_good, trace: sum.trace }
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
