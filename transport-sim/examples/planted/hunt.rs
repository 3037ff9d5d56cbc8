//! One bug: seeds until a rule is broken, and then the fewest decisions with which it is.

use std::{
    fs,
    time::{Duration, Instant},
};

use core_kit::planted::{Bug, plant};
use transport_sim::{Decision, RuleId, Shrunk, Violation, shrink};

use crate::stage::play;

/// How long a search for fewer decisions may take, in time of the processor: what else the machine does is no part of it.
const SHRINK_MAX: Duration = Duration::from_secs(60);

/// What came of the hunt for a bug.
pub(super) enum Outcome {
    /// Its own rule saw it.
    Found(Box<Found>),
    /// Only other rules were broken, this one first.
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
    /// Seeds before it on which the bug broke other rules, and not its own.
    pub(super) others: u64,
}

/// Plants the bug and hunts it. `tick` hears of every seed.
pub(super) fn hunt(bug: &Bug, seeds: u64, mut tick: impl FnMut(u64)) -> Outcome {
    let (mut unclean, mut others, mut other) = (0, 0, None);
    for seed in 0..seeds {
        tick(seed);
        let Some(played) = with(bug, || play(bug.scenario, seed, None)) else { return Outcome::Misplaced };
        let Some(rule) = played.rules.iter().copied().find(|rule| rule.0 == bug.rule) else {
            return Outcome::Misplaced;
        };
        // The run ends with the event that breaks a rule. One event may break several, and then the first is the one
        // that is judged first, which says nothing about the bug.
        let Some(first) = played.violations.first() else { continue };
        // What is broken without the bug as well says nothing about it.
        if play(bug.scenario, seed, None).is_some_and(|clean| !clean.violations.is_empty()) {
            unclean += 1;
            continue;
        }
        let Some(violation) = played.violations.iter().find(|violation| violation.rule == rule) else {
            others += 1;
            other.get_or_insert_with(|| Outcome::Other { seed, violation: first.clone() });
            continue;
        };
        let clock = Clock::start();
        let breaks = |list: &[Decision]| -> Option<RuleId> {
            let played = with(bug, || play(bug.scenario, seed, Some(list)))?;
            played.violations.iter().any(|violation| violation.rule == rule).then_some(rule)
        };
        let stop = || clock.elapsed() > SHRINK_MAX;
        let Ok(shrunk) = shrink(&played.decisions, rule, u64::MAX, stop, breaks) else {
            return Outcome::Lost { seed };
        };
        return Outcome::Found(Box::new(Found {
            seed,
            how: violation.how.clone(),
            shrunk,
            took: clock.elapsed(),
            unclean,
            others,
        }));
    }
    other.unwrap_or(Outcome::Hidden { unclean })
}

/// How long the hunter has worked: on Linux as the scheduler says, elsewhere by the clock on the wall.
struct Clock {
    begun: Instant,
    worked: Option<Duration>,
}

impl Clock {
    #[expect(clippy::disallowed_methods, reason = "the time is for the hunter, and no part of any run")]
    fn start() -> Self {
        Self { begun: Instant::now(), worked: Self::worked() }
    }

    fn elapsed(&self) -> Duration {
        match (self.worked, Self::worked()) {
            (Some(before), Some(now)) => now.saturating_sub(before),
            _ => self.begun.elapsed(),
        }
    }

    /// What this thread has had of the processor so far.
    fn worked() -> Option<Duration> {
        let told = fs::read_to_string("/proc/thread-self/schedstat").ok()?;
        Some(Duration::from_nanos(told.split(' ').next()?.parse().ok()?))
    }
}

/// Does something while the bug is on.
pub(super) fn with<T>(bug: &Bug, act: impl FnOnce() -> T) -> T {
    plant(Some(bug));
    let done = act();
    plant(None);
    done
}
