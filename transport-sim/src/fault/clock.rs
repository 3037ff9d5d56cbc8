//! Clocks of nodes that are not the world's.

use core_kit::{Millis, Tick, UnixMillis};

use super::FaultId;
use crate::context::EPOCH;

/// What happens to a node's clock. Its monotonic time may run faster or slower and never goes back; its calendar may be
/// anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClockChange {
    /// Both run faster by so many millionths, or slower. At most half as fast and half as fast again.
    Drift(i32),
    /// The calendar steps forward.
    Forward(Millis),
    /// The calendar steps backward, at most to 1970.
    Backward(Millis),
    /// The calendar is set to 1970-01-01.
    Epoch,
    /// The calendar was never right: it is ahead by so many milliseconds, or behind.
    Apart(i64),
}

impl ClockChange {
    /// The fault that this is.
    #[must_use]
    pub const fn fault(self) -> FaultId {
        match self {
            Self::Drift(_) => FaultId::F35,
            Self::Forward(_) => FaultId::F36,
            Self::Backward(_) => FaultId::F37,
            Self::Epoch => FaultId::F38,
            Self::Apart(_) => FaultId::F39,
        }
    }
}

const MILLION: i64 = 1_000_000;
const DRIFT_MAX: i32 = 500_000;

/// A clock, and what it showed when it was last changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Clock {
    since: Tick,
    shown: Tick,
    drift: i32,
    /// How far the calendar is ahead of the monotonic time since the epoch.
    ahead: i64,
}

impl Clock {
    /// What the node's monotonic clock shows when the world's does this.
    pub(crate) fn now(&self, world: Tick) -> Tick {
        let passed = world.0.saturating_sub(self.since.0);
        self.shown + Millis(scaled(passed, u64::from(self.rate()), MILLION.unsigned_abs()))
    }

    /// When the node's clock will show at least this; nothing where it does already.
    pub(crate) fn world(&self, shown: Tick) -> Tick {
        let missing = shown.0.saturating_sub(self.shown.0);
        let (rate, million) = (u128::from(self.rate()), u128::from(MILLION.unsigned_abs()));
        let passed = (u128::from(missing) * million).div_ceil(rate);
        self.since + Millis(u64::try_from(passed).unwrap_or(u64::MAX))
    }

    /// What the node's calendar shows.
    pub(crate) fn wall(&self, world: Tick) -> UnixMillis {
        UnixMillis(EPOCH.0.saturating_add(self.now(world).0).saturating_add_signed(self.ahead))
    }

    pub(crate) fn change(&mut self, world: Tick, change: ClockChange) {
        let wall = self.wall(world).0;
        let to = |wanted: u64| i64::try_from(i128::from(wanted) - i128::from(wall)).unwrap_or(0);
        match change {
            ClockChange::Drift(drift) => {
                *self =
                    Self { since: world, shown: self.now(world), drift: drift.clamp(-DRIFT_MAX, DRIFT_MAX), ..*self };
            }
            ClockChange::Forward(by) => self.ahead = self.ahead.saturating_add(to(wall.saturating_add(by.0))),
            ClockChange::Backward(by) => self.ahead = self.ahead.saturating_add(to(wall.saturating_sub(by.0))),
            ClockChange::Epoch => self.ahead = self.ahead.saturating_add(to(0)),
            ClockChange::Apart(by) => self.ahead = self.ahead.saturating_add(to(wall.saturating_add_signed(by))),
        }
    }

    /// The clock runs true from now on and its calendar is that of the world; what has passed has passed.
    pub(crate) fn heal(&mut self, world: Tick) {
        self.change(world, ClockChange::Drift(0));
        let ahead = i128::from(world.0) - i128::from(self.now(world).0);
        self.ahead = i64::try_from(ahead).unwrap_or(0);
    }

    /// Millionths of the world's speed, never 0.
    fn rate(&self) -> u32 {
        u32::try_from(MILLION + i64::from(self.drift)).unwrap_or(1)
    }
}

fn scaled(value: u64, by: u64, of: u64) -> u64 {
    u64::try_from(u128::from(value) * u128::from(by) / u128::from(of.max(1))).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_drifts_and_its_deadlines_are_met_when_it_shows_them() {
        let mut clock = Clock::default();
        clock.change(Tick(1_000), ClockChange::Drift(100_000));
        assert_eq!(clock.now(Tick(1_000)), Tick(1_000));
        assert_eq!(clock.now(Tick(11_000)), Tick(12_000));
        clock.change(Tick(11_000), ClockChange::Drift(-300_001));
        for deadline in 12_000..13_000 {
            let at = clock.world(Tick(deadline));
            assert!(clock.now(at) >= Tick(deadline) && clock.now(Tick(at.0 - 1)) <= Tick(deadline), "{deadline}");
        }
    }

    #[test]
    fn monotonic_time_never_goes_back_whatever_the_calendar_does() {
        let mut clock = Clock::default();
        let changes = [
            ClockChange::Forward(Millis(u64::MAX)),
            ClockChange::Epoch,
            ClockChange::Apart(-5),
            ClockChange::Drift(i32::MIN),
            ClockChange::Backward(Millis(u64::MAX)),
            ClockChange::Drift(i32::MAX),
        ];
        let mut before = Tick(0);
        for (n, change) in (1..).zip(changes) {
            clock.change(Tick(n * 1_000), change);
            assert!(clock.now(Tick(n * 1_000)) >= before);
            before = clock.now(Tick(n * 1_000 + 999));
        }
        clock.heal(Tick(9_000));
        assert_eq!(clock.wall(Tick(10_000)), UnixMillis(EPOCH.0 + 10_000));
    }

    #[test]
    fn the_calendar_jumps() {
        let mut clock = Clock::default();
        assert_eq!(clock.wall(Tick(5)), UnixMillis(EPOCH.0 + 5));
        clock.change(Tick(5), ClockChange::Epoch);
        assert_eq!((clock.wall(Tick(5)), clock.wall(Tick(7))), (UnixMillis(0), UnixMillis(2)));
        clock.change(Tick(7), ClockChange::Backward(Millis(99)));
        assert_eq!(clock.wall(Tick(7)), UnixMillis(0));
        clock.change(Tick(7), ClockChange::Forward(Millis(50)));
        clock.change(Tick(7), ClockChange::Apart(-20));
        assert_eq!(clock.wall(Tick(8)), UnixMillis(31));
    }
}
