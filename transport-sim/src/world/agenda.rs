//! What is to happen, and when.

use core::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use core_kit::{Millis, Tick};

use super::Slot;
use crate::{
    fault::Strike,
    node::{Channel, Message},
    table::Slab,
};

/// Timers that were set anew are taken out of the heap when there are so many, and more of them than of all else.
const STALE_MIN: usize = 1_024;

/// Something that comes at its time. What is rare or large lies elsewhere, so that the heap moves little.
#[derive(Clone, Copy, Debug)]
pub(super) enum Due {
    Start(Slot),
    /// A message.
    Arrival(u32),
    /// A timer, and which setting of it.
    Timer(Slot, u32),
    /// A rarity.
    Plan(u32),
}

/// What is rare.
#[derive(Debug)]
pub(super) enum Plan {
    Strike {
        strike: Strike,
        /// Whether it was drawn: then it does not happen once the world is healed.
        drawn: bool,
    },
    Crash(Slot, Millis),
    Restart(Slot),
    Reset(Slot, Channel),
    Reconnect(Slot),
}

/// Ordered by time, and at the same time by who was scheduled first.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scheduled {
    pub(super) at: Tick,
    pub(super) seq: u64,
    pub(super) what: Due,
}

impl PartialEq for Scheduled {
    fn eq(&self, other: &Self) -> bool {
        (self.at, self.seq) == (other.at, other.seq)
    }
}

impl Eq for Scheduled {}

impl PartialOrd for Scheduled {
    fn partial_cmp(&self, other: &Self) -> Option<core::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Scheduled {
    fn cmp(&self, other: &Self) -> core::cmp::Ordering {
        (self.at, self.seq).cmp(&(other.at, other.seq))
    }
}

/// Milliseconds of a window, as a power of two: a second or so.
const WINDOW_BITS: u32 = 10;

/// One heap of everything, as far as anybody can tell. What is near is in a heap that is small, and so in the cache; what
/// comes in a later window of a second lies there in no order until its window is the next.
#[derive(Debug)]
pub(crate) struct Agenda {
    near: BinaryHeap<Reverse<Scheduled>>,
    /// The window of what is near, and whatever was before it.
    window: u64,
    far: BTreeMap<u64, Vec<Scheduled>>,
    /// All that is in `far`.
    far_len: usize,
    scheduled: u64,
    pub(super) messages: Slab<Message>,
    pub(super) plans: Slab<Plan>,
    /// Timers in the heap that mean nothing any more, about.
    stale: usize,
}

impl Agenda {
    pub(super) const fn new() -> Self {
        Self {
            near: BinaryHeap::new(),
            window: 0,
            far: BTreeMap::new(),
            far_len: 0,
            scheduled: 0,
            messages: Slab::new(),
            plans: Slab::new(),
            stale: 0,
        }
    }

    pub(super) fn put(&mut self, at: Tick, what: Due) {
        self.scheduled += 1;
        let (scheduled, window) = (Scheduled { at, seq: self.scheduled, what }, at.0 >> WINDOW_BITS);
        if window <= self.window {
            self.near.push(Reverse(scheduled));
        } else {
            self.far.entry(window).or_default().push(scheduled);
            self.far_len += 1;
        }
    }

    pub(super) fn arrival(&mut self, at: Tick, message: Message) {
        let message = self.messages.put(message);
        self.put(at, Due::Arrival(message));
    }

    pub(super) fn plan(&mut self, at: Tick, plan: Plan) {
        let plan = self.plans.put(plan);
        self.put(at, Due::Plan(plan));
    }

    pub(super) fn next(&mut self) -> Option<&Scheduled> {
        self.come_near();
        self.near.peek().map(|Reverse(next)| next)
    }

    pub(super) fn pop(&mut self) -> Option<Scheduled> {
        self.come_near();
        self.near.pop().map(|Reverse(next)| next)
    }

    /// Moves on to the next window that has anything, if nothing is left in this one.
    fn come_near(&mut self) {
        while self.near.is_empty()
            && let Some((window, scheduled)) = self.far.pop_first()
        {
            self.window = window;
            self.far_len = self.far_len.saturating_sub(scheduled.len());
            self.near.extend(scheduled.into_iter().map(Reverse));
        }
    }

    /// Arrivals to come.
    pub(super) fn arrivals(&self) -> usize {
        let near = self.near.iter().map(|Reverse(due)| due);
        let all = near.chain(self.far.values().flatten());
        all.filter(|due| matches!(due.what, Due::Arrival(_))).count()
    }

    /// A timer was set anew; one that `counts` still does. The order of what is left does not depend on what is taken out.
    pub(super) fn timer_went_stale(&mut self, counts: impl Fn(Slot, u32) -> bool) {
        self.stale += 1;
        if self.stale < STALE_MIN || self.stale * 2 <= self.near.len() + self.far_len {
            return;
        }
        let stays = |due: &Scheduled| match due.what {
            Due::Timer(slot, setting) => counts(slot, setting),
            _ => true,
        };
        self.near.retain(|Reverse(due)| stays(due));
        self.far.retain(|_, window| {
            window.retain(stays);
            !window.is_empty()
        });
        self.far_len = self.far.values().map(Vec::len).sum();
        self.stale = 0;
    }

    pub(super) const fn stale_timer_came(&mut self) {
        self.stale = self.stale.saturating_sub(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_comes_in_order_of_time_and_then_of_scheduling() {
        let mut agenda = Agenda::new();
        let times = [5_000, 0, 1_023, 1_024, 5_000, 9_000_000_000, u64::MAX, 3];
        for at in times {
            agenda.put(Tick(at), Due::Start(Slot(0)));
        }
        let mut seen = Vec::new();
        while let Some(next) = agenda.pop() {
            seen.push((next.at.0, next.seq));
            if seen.len() == 3 {
                // Into the window that is open, and before it.
                agenda.put(Tick(1_500), Due::Start(Slot(0)));
                agenda.put(Tick(1_023), Due::Start(Slot(0)));
            }
        }
        let expected = [
            (0, 2),
            (3, 8),
            (1_023, 3),
            (1_023, 10),
            (1_024, 4),
            (1_500, 9),
            (5_000, 1),
            (5_000, 5),
            (9_000_000_000, 6),
            (u64::MAX, 7),
        ];
        assert_eq!(seen, expected);
    }

    #[test]
    fn timers_that_mean_nothing_any_more_do_not_pile_up() {
        let mut agenda = Agenda::new();
        for setting in 0..100_000 {
            agenda.put(Tick(u64::from(setting % 50) * 1_000_000), Due::Timer(Slot(0), setting));
            agenda.timer_went_stale(|_, counts| counts == setting);
        }
        assert!(agenda.near.len() + agenda.far_len < 2 * STALE_MIN, "{}", agenda.far_len);
    }
}
