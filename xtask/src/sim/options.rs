//! The command line.

use std::{collections::BTreeSet, fmt, num::NonZero, path::PathBuf, thread};

use super::stage::{Mode, NoMode, WORLDS, named, names, worlds};

/// Seeds where nobody says how many.
const SEEDS: u64 = 1_000;

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Task {
    Help,
    /// Seed after seed.
    Seeds(Box<Options>),
    /// Every seed that ever failed, and every recording that is kept.
    Failed {
        jobs: NonZero<usize>,
        twice: bool,
    },
    /// A recording, once more.
    Replay {
        file: PathBuf,
        trace: Option<PathBuf>,
    },
}

/// How seeds are run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Options {
    pub(super) scenario: &'static str,
    pub(super) mode: Option<Mode>,
    pub(super) first: u64,
    /// How many at most; with a time and without a number, as many as there is time for.
    pub(super) seeds: Option<u64>,
    pub(super) minutes: Option<u64>,
    pub(super) jobs: NonZero<usize>,
    pub(super) twice: bool,
    pub(super) shrink: bool,
    pub(super) trace: Option<PathBuf>,
    pub(super) digest: Option<PathBuf>,
    pub(super) against_debug: bool,
}

/// What is wrong with the command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum UsageError {
    Unknown(String),
    NoValue(String),
    NoScenario(String),
    NotAMode(String),
    NotANumber { option: String, value: String },
    Zero(String),
    Twice(String),
    TraceOfMany,
    Together(&'static str, &'static str),
    Mode { scenario: &'static str, mode: NoMode },
}

impl fmt::Display for UsageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown(option) => write!(f, "there is no option {option}"),
            Self::NoValue(option) => write!(f, "{option} needs a value"),
            Self::NotANumber { option, value } => write!(f, "{option} needs a number, and {value:?} is none"),
            Self::Zero(option) => write!(f, "{option} needs a number above 0"),
            Self::NotAMode(name) => write!(f, "there is no mode {name:?}; there are safety and converge"),
            Self::NoScenario(name) => {
                write!(f, "there is no scenario {name:?}; there are {}", names().collect::<Vec<_>>().join(", "))
            }
            Self::Twice(option) => write!(f, "{option} is given twice"),
            Self::TraceOfMany => f.write_str("--trace needs --seed: a trace is of one seed"),
            Self::Together(one, other) => write!(f, "{one} does not go with {other}"),
            Self::Mode { scenario, mode } => write!(f, "the scenario {scenario} {mode}"),
        }
    }
}

/// Options without a value.
const FLAGS: [&str; 4] = ["--twice", "--shrink", "--against-debug", "--failed"];

/// What was said, option by option.
#[derive(Default)]
struct Said {
    scenario: Option<&'static str>,
    mode: Option<Mode>,
    seed: Option<u64>,
    first: Option<u64>,
    seeds: Option<u64>,
    minutes: Option<u64>,
    jobs: Option<NonZero<usize>>,
    trace: Option<PathBuf>,
    digest: Option<PathBuf>,
    replay: Option<PathBuf>,
    flags: BTreeSet<&'static str>,
}

impl Task {
    /// Reads the arguments after `sim`.
    ///
    /// # Errors
    /// The first that makes no sense, or two that make none together.
    pub(super) fn parse<'a>(args: impl Iterator<Item = &'a str>) -> Result<Self, UsageError> {
        match Said::read(args)? {
            Some(said) => said.task(),
            None => Ok(Self::Help),
        }
    }
}

impl Said {
    /// Nothing where help is asked for.
    fn read<'a>(mut args: impl Iterator<Item = &'a str>) -> Result<Option<Self>, UsageError> {
        let mut said = Self::default();
        while let Some(option) = args.next() {
            let mut value = || args.next().ok_or_else(|| UsageError::NoValue(option.into()));
            match option {
                "--help" | "-h" => return Ok(None),
                "--seed" => once(option, &mut said.seed, number(option, value()?)?)?,
                "--first" => once(option, &mut said.first, number(option, value()?)?)?,
                "--seeds" => once(option, &mut said.seeds, above_zero(option, value()?)?)?,
                "--minutes" => once(option, &mut said.minutes, above_zero(option, value()?)?)?,
                "--jobs" => {
                    let jobs = usize::try_from(above_zero(option, value()?)?).unwrap_or(usize::MAX);
                    once(option, &mut said.jobs, NonZero::new(jobs).unwrap_or(NonZero::<usize>::MIN))?;
                }
                "--scenario" => {
                    let name = value()?;
                    let known = named(name).ok_or_else(|| UsageError::NoScenario(name.into()))?;
                    once(option, &mut said.scenario, known)?;
                }
                "--mode" => {
                    let mode = match value()? {
                        "safety" => Mode::Safety,
                        "converge" => Mode::Converge,
                        other => return Err(UsageError::NotAMode(other.into())),
                    };
                    once(option, &mut said.mode, mode)?;
                }
                "--trace" => once(option, &mut said.trace, value()?.into())?,
                "--digest" => once(option, &mut said.digest, value()?.into())?,
                "--replay" => once(option, &mut said.replay, value()?.into())?,
                _ => {
                    let flag = FLAGS.into_iter().find(|flag| *flag == option);
                    said.flags.insert(flag.ok_or_else(|| UsageError::Unknown(option.into()))?);
                }
            }
        }
        Ok(Some(said))
    }

    fn task(self) -> Result<Task, UsageError> {
        let one_seed = self.one_seed();
        let all = [
            ("--seed", self.seed.is_some()),
            ("--seeds", self.seeds.is_some()),
            ("--first", self.first.is_some()),
            ("--minutes", self.minutes.is_some()),
            ("--scenario", self.scenario.is_some()),
            ("--mode", self.mode.is_some()),
            ("--shrink", self.has("--shrink")),
            ("--digest", self.digest.is_some()),
            ("--against-debug", self.has("--against-debug")),
            ("--failed", self.has("--failed")),
            ("--jobs", self.jobs.is_some()),
            ("--twice", self.has("--twice")),
            ("--trace", self.trace.is_some()),
        ];
        let clash = |option: &'static str, allowed: &[&str]| {
            let other = all.iter().find(|(other, given)| *given && *other != option && !allowed.contains(other));
            other.map_or(Ok(()), |(other, _)| Err(UsageError::Together(option, other)))
        };
        if let Some(file) = self.replay {
            clash("--replay", &["--trace"])?;
            return Ok(Task::Replay { file, trace: self.trace });
        }
        let jobs = self.jobs.unwrap_or_else(|| thread::available_parallelism().unwrap_or(NonZero::<usize>::MIN));
        if self.has("--failed") {
            clash("--failed", &["--jobs", "--twice"])?;
            return Ok(Task::Failed { jobs, twice: self.has("--twice") });
        }
        if let Some(other) = one_seed {
            return Err(UsageError::Together("--seed", other));
        }
        if self.trace.is_some() && self.seed.is_none() {
            return Err(UsageError::TraceOfMany);
        }
        let scenario = self.scenario.unwrap_or(WORLDS);
        // Whether a scenario has a mode is the same for all its seeds.
        worlds(scenario, 0, self.mode).map_err(|mode| UsageError::Mode { scenario, mode })?;
        let seeds = match (self.seed, self.seeds, self.minutes) {
            (Some(_), ..) => Some(1),
            (None, None, None) => Some(SEEDS),
            (None, seeds, _) => seeds,
        };
        Ok(Task::Seeds(Box::new(Options {
            scenario,
            mode: self.mode,
            first: self.seed.or(self.first).unwrap_or(0),
            seeds,
            minutes: self.minutes,
            jobs,
            twice: self.has("--twice"),
            shrink: self.has("--shrink"),
            against_debug: self.has("--against-debug"),
            trace: self.trace,
            digest: self.digest,
        })))
    }

    fn has(&self, flag: &str) -> bool {
        self.flags.contains(flag)
    }

    /// What is there besides `--seed` that is about many seeds.
    const fn one_seed(&self) -> Option<&'static str> {
        match (self.seed, self.seeds, self.first, self.minutes) {
            (None, ..) | (_, None, None, None) => None,
            (_, Some(_), ..) => Some("--seeds"),
            (_, _, Some(_), _) => Some("--first"),
            (.., Some(_)) => Some("--minutes"),
        }
    }
}

fn once<T>(option: &str, place: &mut Option<T>, value: T) -> Result<(), UsageError> {
    match place.replace(value) {
        None => Ok(()),
        Some(_) => Err(UsageError::Twice(option.into())),
    }
}

fn number(option: &str, value: &str) -> Result<u64, UsageError> {
    let not_a_number = |_| UsageError::NotANumber { option: option.into(), value: value.into() };
    value.replace('_', "").parse().map_err(not_a_number)
}

fn above_zero(option: &str, value: &str) -> Result<u64, UsageError> {
    match number(option, value)? {
        0 => Err(UsageError::Zero(option.into())),
        number => Ok(number),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(args: &str) -> Result<Task, UsageError> {
        Task::parse(args.split_whitespace())
    }

    fn options(args: &str) -> Options {
        match parse(args) {
            Ok(Task::Seeds(options)) => *options,
            other => panic!("{args}: {other:?}"),
        }
    }

    #[test]
    fn without_a_word_a_thousand_seeds_of_both_protocols_are_run_on_all_cores() {
        let options = options("");
        assert_eq!((options.scenario, options.first, options.seeds, options.minutes), (WORLDS, 0, Some(1_000), None));
        assert_eq!((options.mode, options.twice, options.shrink, options.against_debug), (None, false, false, false));
        assert_eq!(Ok(options.jobs), thread::available_parallelism().map_err(|_| ()));
    }

    #[test]
    fn every_option_is_read() {
        let read = options("--seeds 10_000 --first 7 --jobs 3 --twice --shrink --mode safety --minutes 4 --digest d");
        assert_eq!((read.first, read.seeds, read.minutes, read.jobs.get()), (7, Some(10_000), Some(4), 3));
        assert_eq!((read.twice, read.shrink, read.mode), (true, true, Some(Mode::Safety)));
        assert_eq!((read.digest, options("--against-debug").against_debug), (Some("d".into()), true));
        let one = options("--trace t --seed 4711 --scenario atomic");
        assert_eq!((one.scenario, one.first, one.seeds, one.trace), ("atomic", 4711, Some(1), Some("t".into())));
        assert_eq!(options("--minutes 2").seeds, None, "as many as there is time for");
        assert_eq!(parse("--seeds 5 --help"), Ok(Task::Help));
        let replay = Task::Replay { file: "f".into(), trace: Some("t".into()) };
        assert_eq!(parse("--replay f --trace t"), Ok(replay));
        let failed = Task::Failed { jobs: NonZero::<usize>::MIN, twice: true };
        assert_eq!(parse("--failed --twice --jobs 1"), Ok(failed));
    }

    #[test]
    fn what_makes_no_sense_is_refused_by_its_name() {
        let not_a_number =
            |option: &str, value: &str| UsageError::NotANumber { option: option.into(), value: value.into() };
        for (wrong, error) in [
            ("--seed", UsageError::NoValue("--seed".into())),
            ("--seed x", not_a_number("--seed", "x")),
            ("--seeds 0", UsageError::Zero("--seeds".into())),
            ("--jobs 0", UsageError::Zero("--jobs".into())),
            ("--minutes -1", not_a_number("--minutes", "-1")),
            ("--trace t", UsageError::TraceOfMany),
            ("--scenario other", UsageError::NoScenario("other".into())),
            ("--mode other", UsageError::NotAMode("other".into())),
            ("--first 1 --first 2", UsageError::Twice("--first".into())),
            ("--seed 1 --seeds 2", UsageError::Together("--seed", "--seeds")),
            ("--seed 1 --first 2", UsageError::Together("--seed", "--first")),
            ("--seed 1 --minutes 2", UsageError::Together("--seed", "--minutes")),
            ("--replay f --seeds 2", UsageError::Together("--replay", "--seeds")),
            ("--failed --scenario mixed", UsageError::Together("--failed", "--scenario")),
            ("12", UsageError::Unknown("12".into())),
        ] {
            assert_eq!(parse(wrong), Err(error));
        }
    }

    #[test]
    fn a_mode_that_a_scenario_has_not_is_refused() {
        let error = parse("--scenario nonces --mode safety").expect_err("it is about what comes after");
        assert_eq!(error, UsageError::Mode { scenario: "nonces", mode: NoMode(Mode::Safety) });
        assert_eq!(
            error.to_string(),
            "the scenario nonces is about what comes after the faults, so it has no --mode safety"
        );
        assert!(parse("--scenario session --mode converge").is_err());
        assert_eq!(options("--scenario dpe --mode converge").mode, Some(Mode::Converge));
    }
}
