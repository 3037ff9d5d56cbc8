//! `seeds.txt`: every seed that ever failed, to be run for ever.
//!
//! A line has the scenario, the seed, and what happened, in words; lines that begin with `#` and empty ones say nothing.
//!
//! ```text
//! # scenario  seed  story
//! nonces      4711  a restored store believed the nonce of the day before
//! ```

/// A seed that once failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailedSeed {
    /// What was simulated.
    pub scenario: String,
    /// The seed.
    pub seed: u64,
    /// What happened, in one line.
    pub story: String,
}

/// A line that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SeedsError {
    /// There is no number where the seed belongs.
    #[error("line {line}: a scenario and its seed are expected")]
    NoSeed {
        /// Where, from 1.
        line: usize,
    },
    /// Nobody will know why the seed is here.
    #[error("line {line}: the seed has no story")]
    NoStory {
        /// Where, from 1.
        line: usize,
    },
    /// The same scenario with the same seed is there already.
    #[error("line {line}: the seed is there already")]
    Twice {
        /// Where, from 1.
        line: usize,
    },
}

/// Reads the file.
///
/// # Errors
/// The first line that is wrong.
pub fn read_seeds(text: &str) -> Result<Vec<FailedSeed>, SeedsError> {
    let mut seeds: Vec<FailedSeed> = Vec::new();
    for (line, text) in (1..).zip(text.lines()) {
        let text = text.trim();
        if text.is_empty() || text.starts_with('#') {
            continue;
        }
        let (scenario, rest) = text.split_once(char::is_whitespace).ok_or(SeedsError::NoSeed { line })?;
        let rest = rest.trim_start();
        let (seed, story) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
        let seed = seed.replace('_', "").parse().map_err(|_| SeedsError::NoSeed { line })?;
        let story = story.trim();
        if story.is_empty() {
            return Err(SeedsError::NoStory { line });
        }
        if seeds.iter().any(|known| known.scenario == scenario && known.seed == seed) {
            return Err(SeedsError::Twice { line });
        }
        seeds.push(FailedSeed { scenario: scenario.into(), seed, story: story.into() });
    }
    Ok(seeds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_and_comments_passed_over() {
        let seeds = read_seeds("# all of them\n\nnonces   4_711  went back  twice\nsession 7\tlost\n").expect("reads");
        let seen: Vec<(&str, u64, &str)> =
            seeds.iter().map(|seed| (seed.scenario.as_str(), seed.seed, seed.story.as_str())).collect();
        assert_eq!(seen, [("nonces", 4_711, "went back  twice"), ("session", 7, "lost")]);
    }

    #[test]
    fn what_is_wrong_is_named_with_its_line() {
        assert_eq!(read_seeds("nonces"), Err(SeedsError::NoSeed { line: 1 }));
        assert_eq!(read_seeds("\nnonces seven x"), Err(SeedsError::NoSeed { line: 2 }));
        assert_eq!(read_seeds("nonces 7"), Err(SeedsError::NoStory { line: 1 }));
        assert_eq!(read_seeds("a 7 x\nb 7 x\na 7 y"), Err(SeedsError::Twice { line: 3 }));
    }
}
