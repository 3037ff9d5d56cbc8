//! The command line, and the table.

use std::{
    fs,
    io::{self, IsTerminal as _, Write as _},
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use core_kit::planted::{BUGS, Bug, EXEMPT};
use transport_sim::Recording;

use crate::{
    hunt::{Found, Outcome, hunt, with},
    stage::draw,
};

/// What is asked for.
struct Options {
    bugs: Vec<&'static Bug>,
    seeds: u64,
    is_drawn: bool,
    directory: PathBuf,
}

impl Options {
    fn parse(mut args: impl Iterator<Item = String>) -> Result<Self, String> {
        let (mut bugs, mut seeds, mut is_drawn, mut directory) = (Vec::new(), 10_000, false, "target/planted".into());
        while let Some(arg) = args.next() {
            match arg.as_str() {
                "--draw" => is_drawn = true,
                "--seeds" => {
                    let value = args.next().unwrap_or_default().replace('_', "");
                    seeds = value.parse().map_err(|_| format!("--seeds needs a number, and {value:?} is none"))?;
                }
                "--into" => directory = PathBuf::from(args.next().ok_or("--into needs a directory")?),
                name => {
                    let before = bugs.len();
                    bugs.extend(BUGS.iter().filter(|bug| bug.id == name || bug.rule == name));
                    if let Some(exempt) = EXEMPT.iter().find(|exempt| exempt.rule == name) {
                        return Err(format!("no bug is planted for {name}: {}", exempt.why));
                    }
                    if bugs.len() == before {
                        let all: Vec<&str> = BUGS.iter().map(|bug| bug.id).collect();
                        return Err(format!("there is no bug {name:?}; there are {}", all.join(", ")));
                    }
                }
            }
        }
        if bugs.is_empty() {
            bugs.extend(BUGS);
        }
        Ok(Self { bugs, seeds, is_drawn, directory })
    }
}

/// Hunts, prints, and says how it went.
pub(super) fn run(args: impl Iterator<Item = String>) -> ExitCode {
    let options = match Options::parse(args) {
        Ok(options) => options,
        Err(error) => {
            eprintln!("sim: {error}");
            return ExitCode::from(2);
        }
    };
    let shown = io::stderr().is_terminal();
    let mut sum = Sum::default();
    println!("{:<28}{:<6}{:>7}{:>11}{:>9}  says", "bug", "rule", "seeds", "decisions", "seconds");
    for (at, bug) in options.bugs.iter().enumerate() {
        let outcome = hunt(bug, options.seeds, |seed| {
            if shown {
                eprint!("\rsim: bug {} of {}, {}, seed {seed} ", at + 1, options.bugs.len(), bug.id);
            }
        });
        if shown {
            eprint!("\r{:78}\r", "");
        }
        println!("{}", line(bug, &outcome));
        if let Outcome::Found(found) = &outcome {
            match keep(bug, found, &options.directory) {
                Ok(path) if options.is_drawn => {
                    let picture = with(bug, || draw(bug.scenario, found.seed, &found.shrunk.decisions));
                    println!("\n{}: {}\n{picture}", path.display(), found.how);
                }
                Ok(_) => {}
                Err(error) => {
                    eprintln!("sim: {} cannot be written to: {error}", options.directory.display());
                    return ExitCode::FAILURE;
                }
            }
        }
        sum.add(&outcome);
        // Nothing to do about a closed pipe.
        _ = io::stdout().flush();
    }
    println!("{}", sum.last_line());
    if sum.is_good() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn line(bug: &Bug, outcome: &Outcome) -> String {
    let (seeds, decisions, seconds, says) = match outcome {
        Outcome::Found(found) => {
            let decisions = found.shrunk.decisions.len();
            let rest = if found.shrunk.is_minimal { "" } else { "+" };
            let others = match found.others {
                0 => String::new(),
                others => format!(" (other rules saw it first on {others} seeds)"),
            };
            (found.seed + 1, format!("{decisions}{rest}"), seconds(found.took), format!("{}{others}", bug.says))
        }
        Outcome::Other { seed, violation } => {
            (seed + 1, "-".into(), "-".into(), format!("{}: NOT BY ITS OWN RULE but {violation}", bug.says))
        }
        Outcome::Hidden { .. } => (0, "-".into(), "-".into(), format!("{}: NOT FOUND", bug.says)),
        Outcome::Misplaced => (0, "-".into(), "-".into(), format!("{} does not judge {}", bug.scenario, bug.rule)),
        Outcome::Lost { seed } => (seed + 1, "-".into(), "-".into(), "its decisions do not break it again".into()),
    };
    format!("{:<28}{:<6}{seeds:>7}{decisions:>11}{seconds:>9}  {says}", bug.id, bug.rule)
}

fn seconds(time: Duration) -> String {
    format!("{}.{}", time.as_secs(), time.subsec_millis() / 100)
}

/// Writes the run down, as a test can replay it.
fn keep(bug: &Bug, found: &Found, directory: &Path) -> io::Result<PathBuf> {
    let recording = Recording {
        scenario: bug.scenario.into(),
        seed: found.seed,
        rule: Some(bug.rule.into()),
        story: Some(format!("planted: {}; {}", bug.says, found.how)),
        decisions: found.shrunk.decisions.clone(),
    };
    fs::create_dir_all(directory)?;
    let path = directory.join(format!("{}.jsonl", bug.id));
    fs::write(&path, recording.write())?;
    Ok(path)
}

/// What all bugs came to.
#[derive(Default)]
struct Sum {
    planted: u64,
    found: u64,
    own: u64,
    seeds_max: u64,
    /// Seeds of one bug that broke a rule without it.
    unclean: u64,
    decisions: Vec<usize>,
    took_max: Duration,
}

impl Sum {
    fn add(&mut self, outcome: &Outcome) {
        self.planted += 1;
        match outcome {
            Outcome::Found(found) => {
                self.found += 1;
                self.own += 1;
                self.unclean = self.unclean.max(found.unclean);
                self.seeds_max = self.seeds_max.max(found.seed + 1);
                self.decisions.push(found.shrunk.decisions.len());
                self.took_max = self.took_max.max(found.took);
            }
            Outcome::Other { .. } => self.found += 1,
            Outcome::Hidden { unclean } => self.unclean = self.unclean.max(*unclean),
            Outcome::Misplaced | Outcome::Lost { .. } => {}
        }
    }

    fn is_good(&self) -> bool {
        self.own == self.planted
    }

    fn last_line(&self) -> String {
        let mut decisions = self.decisions.clone();
        decisions.sort_unstable();
        let median = decisions.get(decisions.len() / 2).copied().unwrap_or_default();
        format!(
            "sim: {} planted={} found={} by-its-own-rule={} seeds-max={} decisions-median={median} decisions-max={} \
             shrink-seconds-max={} broken-without={}",
            if self.is_good() { "ok" } else { "FAILED" },
            self.planted,
            self.found,
            self.own,
            self.seeds_max,
            decisions.last().copied().unwrap_or_default(),
            seconds(self.took_max),
            self.unclean
        )
    }
}
