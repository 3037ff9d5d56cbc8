//! The repository's own commands. `cargo xtask --help` lists them.

use std::{env, process::ExitCode};

mod arm;
mod ci;
mod conformance;
mod demo;
mod replay;
mod rivals;
mod scripts;
mod sim;
mod tidy;

/// Simulation allocates all the time, on several threads.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const HELP: &str = "\
The repository's own commands.

usage: cargo xtask COMMAND [ARGUMENTS]

  demo            the main job: captured clients, versions, the user, two networks, journals replayed
  replay FILE     replay a journal of any machine and compare every output with what was recorded
  sim             run simulated worlds, seed after seed, and judge them by every rule; `sim --help` tells the options
  arm             the same plays in a simulated world and over real HTTP, with the same outcome
  conformance     every requirement of the specifications, and the tests that show it, which are run
  scripts         the sessions written as text, and what each of them covers
  test            all tests of the workspace
  ci              all of CI: format, lints, docs, tests, conformance, scripts, no_std, simulation, demo; `ci --help` lists the steps
  tidy            what no compiler checks: file sizes, dependencies of the cores, leftovers
  bench           what a DM session costs, and a query of a DPE server from a thousand devices to a million; takes some
                  minutes and 4 GiB
  bench sim [N]   simulated DM sessions per second of one core, here and under turmoil and madsim, with 100 devices of N
                  sessions each; builds the others, which nothing else needs. With --trained each is built by how it runs
                  (profile-guided), which takes half an hour and `rustup component add llvm-tools`
  bless           write the stored snapshots and journals of the tests anew, where a change of them is meant

Every command ends with exit code 0 if all is well, and with another one if not.
";

fn main() -> ExitCode {
    let mut args = env::args().skip(1);
    let command = args.next().unwrap_or_default();
    let done = match command.as_str() {
        "demo" => demo::run(args),
        "replay" => replay::run(args),
        "sim" => return sim::run(args),
        "arm" => return arm::run(args),
        "conformance" => return conformance::run(args),
        "scripts" => return scripts::run(args),
        "test" => ci::test(),
        "ci" => ci::run(args),
        "tidy" => tidy::run(),
        "bench" => ci::bench(args),
        "bless" => ci::bless(),
        "help" | "--help" | "-h" => {
            print!("{HELP}");
            return ExitCode::SUCCESS;
        }
        "" => {
            eprint!("{HELP}");
            return ExitCode::FAILURE;
        }
        other => {
            eprintln!("error: there is no command {other:?}\n\n{HELP}");
            return ExitCode::FAILURE;
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
