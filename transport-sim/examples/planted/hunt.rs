//! One bug: seeds until a rule is broken, and then the fewest decisions with which it is.

use std::time::{Duration, Instant};

use core_kit::planted::{Bug, plant};
use transport_sim::{Decision, RuleId, Shrunk, Violation, shrink};

use crate::stage::play;

/// How long a search for fewer decisions may take.
const SHRINK_MAX: Duration = Duration::from_secs(60);

/// What came of the hunt for a bug.
pub(super) enum Outcome {
    /// Its own rule saw it.
    Found(Box<Found>),
    /// Another rule was broken first.
    Other { seed: u64, violation: Violation },
    /// No rule was broken, but on so many seeds that are not good without the bug either.
    Hidden { unclean: u64 },
    /// Its scenario does not exist, or does not judge its rule.
    Misplaced,
    /// The run cannot be had again from its decisions.
    Lost { seed: u64 },
}

/// A run that the bug breaks.
pub(super) struct Found {
    pub(super) seed: u64,
    pub(super) how: String,
    pub(super) shrunk: Shrunk,
    pub(super) took: Duration,
    /// Seeds before it that are not good without the bug either.
    pub(super) unclean: u64,
}

/// Plants the bug and hunts it. `tick` hears of every seed.
#[expect(clippy::disallowed_methods, reason = "the time is for the hunter, and no part of any run")]
pub(super) fn hunt(bug: &Bug, seeds: u64, mut tick: impl FnMut(u64)) -> Outcome {
    let mut unclean = 0;
    for seed in 0..seeds {
        tick(seed);
        let Some(played) = with(bug, || play(bug.scenario, seed, None)) else { return Outcome::Misplaced };
        let Some(rule) = played.rules.iter().copied().find(|rule| rule.0 == bug.rule) else {
            return Outcome::Misplaced;
        };
        let Some(violation) = played.violations.first() else { continue };
        // What is broken without the bug as well says nothing about it.
        if play(bug.scenario, seed, None).is_some_and(|clean| !clean.violations.is_empty()) {
            unclean += 1;
            continue;
        }
        if violation.rule != rule {
            return Outcome::Other { seed, violation: violation.clone() };
        }
        let begun = Instant::now();
        let breaks = |list: &[Decision]| -> Option<RuleId> {
            with(bug, || play(bug.scenario, seed, Some(list)))?.first_broken()
        };
        let stop = || begun.elapsed() > SHRINK_MAX;
        let Ok(shrunk) = shrink(&played.decisions, rule, u64::MAX, stop, breaks) else {
            return Outcome::Lost { seed };
        };
        return Outcome::Found(Box::new(Found {
            seed,
            how: violation.how.clone(),
            shrunk,
            took: begun.elapsed(),
            unclean,
        }));
    }
    Outcome::Hidden { unclean }
}

/// Does something while the bug is on.
pub(super) fn with<T>(bug: &Bug, act: impl FnOnce() -> T) -> T {
    plant(Some(bug));
    let done = act();
    plant(None);
    done
}
