//! `cargo xtask sim --planted`: bugs on purpose, to prove that the rules would see them.
//!
//! A build with the bugs in it is made apart, in a directory of its own: this build has none.

use std::process::{Command, ExitCode};

use crate::ci::root;

/// What turns this command on.
pub(super) const OPTION: &str = "--planted";

pub(super) const HELP: &str = "\
Plants one bug after the other in the cores and their drivers, and lets the rules of the simulator find it.

Usage: cargo xtask sim --planted [NAME]... [--seeds N] [--draw]

  NAME       a bug, or a rule for all bugs that it must see (all bugs)
  --seeds N  how many seeds to run for each at most (10000)
  --draw     draw each run that was found as a sequence
  --help     show this

Each bug is in its place as `planted!(\"its name\")`, which is `false` in every build but the one that this command makes
for itself under target/planted. For each one seeds of its scenario are run, each until a rule is broken, until that is the
bug's own rule; the same seed must be good without the bug. Where one event breaks several rules each of them counts, and
the table says on how many seeds only others were broken. Then the decisions of the run are made as few as they can be,
for a minute of the processor's time at most, whatever else the machine does; a `+` behind their number says that the
minute was not enough. The run is written to
target/planted/NAME.jsonl.

The last line says it all, as `sim: ok planted=.. found=.. by-its-own-rule=.. ..`, or as `sim: FAILED ..` with exit code 1.
";

/// Builds with the bugs in it, and hands the arguments on.
pub(super) fn run(args: &[String]) -> ExitCode {
    if args.iter().any(|arg| arg == "--help" || arg == "-h") {
        print!("{HELP}");
        return ExitCode::SUCCESS;
    }
    let target = root().join("target/planted");
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(cargo)
        .current_dir(root())
        .args(["run", "--release", "--quiet", "--package", "transport-sim", "--example", "planted", "--target-dir"])
        .arg(&target)
        .args(["--", "--into"])
        .arg(&target)
        .args(args.iter().filter(|arg| *arg != OPTION))
        .env("RUSTFLAGS", "--cfg planted -D warnings")
        // Nobody waits for the fastest build of something that runs for some seconds.
        .env("CARGO_PROFILE_RELEASE_LTO", "off")
        .status();
    match status {
        Ok(status) if status.success() => ExitCode::SUCCESS,
        Ok(status) => ExitCode::from(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1)),
        Err(error) => {
            eprintln!("sim: the build with bugs cannot be run: {error}");
            ExitCode::FAILURE
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, fs};

    use core_kit::Tick;
    use transport_sim::{Bounds, Ledger, dm, dpe};

    use super::*;

    /// This build has no catalogue, so that it is read as text.
    #[test]
    fn every_rule_of_the_scenarios_has_a_bug_or_a_reason_why_there_is_none() {
        let text = fs::read_to_string(root().join("core-kit/src/planted/catalogue.rs")).expect("there is a catalogue");
        let named = |mark: &str| -> BTreeSet<String> {
            let pieces = text.split(mark).skip(1);
            pieces.filter_map(|piece| Some(piece.split_once('"')?.0.split('-').next()?.to_owned())).collect()
        };
        let (planted, exempt) = (named("bug(\""), named("rule: \""));
        assert!(planted.len() > 80 && !exempt.is_empty(), "{planted:?} {exempt:?}");
        let known: BTreeSet<String> = planted.union(&exempt).cloned().collect();
        let bounds = Bounds { until: Tick(0), events: 0 };
        let rules_of = |ledger: &Ledger| ledger.rules().map(|(rule, _)| rule.id.0.to_owned()).collect::<BTreeSet<_>>();
        let of_dm = dm::Scenario::NAMES.into_iter().filter_map(|name| dm::Scenario::named(name, 0));
        let of_dm = of_dm.map(|scenario| rules_of(&dm::Scenario { bounds, ..scenario }.run().ledger));
        let of_dpe = dpe::Scenario::NAMES.into_iter().filter_map(|name| dpe::Scenario::named(name, 0));
        let of_dpe = of_dpe.map(|scenario| rules_of(&dpe::Scenario { bounds, ..scenario }.run().ledger));
        let judged: BTreeSet<String> = of_dm.chain(of_dpe).flatten().collect();
        assert_eq!(judged.difference(&known).collect::<Vec<_>>(), Vec::<&String>::new(), "neither bug nor reason");
        assert_eq!(known.difference(&judged).collect::<Vec<_>>(), Vec::<&String>::new(), "no scenario judges these");
    }
}
