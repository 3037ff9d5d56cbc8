//! The workspace's only clock, and its only source of entropy.

use std::{
    sync::LazyLock,
    time::{Instant, SystemTime},
};

use core_kit::{Env, Tick, UnixMillis};

/// Where this process began: on the monotonic clock, and in calendar time.
static BEGAN: LazyLock<(Instant, u64)> = LazyLock::new(|| (Instant::now(), unix_ms()));

/// What the world looks like now.
///
/// [`Env::now`] is the calendar time at which this process began plus the monotonic time since then. So it never jumps
/// within a process whatever happens to the clock on the wall, and the deadlines of stored sessions mean the same to
/// every node of a server and after a restart, as far as the nodes' clocks agree when they start.
///
/// # Panics
/// The operating system has no random numbers to give. There is nothing to go on with: nonces that can be guessed are
/// worse than no service.
#[must_use]
pub fn now() -> Env {
    let (instant, unix) = *BEGAN;
    let mut entropy = [0; 32];
    #[expect(clippy::expect_used, reason = "no peer can bring it about, and no weaker entropy may stand in")]
    getrandom::fill(&mut entropy).expect("the operating system gives random numbers");
    let since = u64::try_from(instant.elapsed().as_millis()).unwrap_or(u64::MAX);
    Env { now: Tick(unix.saturating_add(since)), wall: UnixMillis(unix_ms()), entropy }
}

/// A clock before 1970 counts as 1970: a device without a battery for its clock starts there.
fn unix_ms() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_does_not_run_back_and_is_that_of_the_calendar() {
        let (first, second) = (now(), now());
        assert!(first.now <= second.now);
        assert!(second.now.0.abs_diff(second.wall.0) < 10_000, "{first:?} {second:?}");
    }

    #[test]
    fn entropy_is_new_every_time() {
        assert_ne!(now().entropy, now().entropy);
    }
}
