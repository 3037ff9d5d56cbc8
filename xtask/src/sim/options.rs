//! The command line.

use std::{fmt, path::PathBuf};

use transport_sim::{dm, dpe};

/// The scenario where none is named.
pub(super) const SESSION: &str = "session";

/// All scenarios, those of DM first.
fn names() -> impl Iterator<Item = &'static str> {
    dm::Scenario::NAMES.into_iter().chain(dpe::Scenario::NAMES)
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Options {
    pub(super) scenario: &'static str,
    pub(super) first: u64,
    pub(super) seeds: u64,
    pub(super) trace: Option<PathBuf>,
}

/// What is wrong with the command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum UsageError {
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
                write!(f, "there is no scenario {name:?}; there are {}", names().collect::<Vec<_>>().join(", "))
            }
            Self::TraceOfMany => f.write_str("--trace needs --seed: a trace is of one seed"),
            Self::SeedAndSeeds => f.write_str("--seed runs one seed and goes with neither --seeds nor --first"),
        }
    }
}

impl Options {
    /// Nothing where help is asked for.
    pub(super) fn parse<'a>(mut args: impl Iterator<Item = &'a str>) -> Result<Option<Self>, UsageError> {
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
                    let known = names().find(|known| *known == name);
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

#[cfg(test)]
mod tests {
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
}
