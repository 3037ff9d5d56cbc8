//! What is to happen, and when.

use core::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use core_kit::{Millis, Tick};

use super::places::{Alarm, Slot};
use crate::{
    fault::Strike,
    node::{Channel, Message},
    table::Slab,
};

/// Something that comes at its time. What is rare or large lies elsewhere, so that the heap moves little.
#[derive(Clone, Copy, Debug)]
pub(super) enum Due {
    Start(Slot),
    /// A message.
    Arrival(u32),
    /// The time to look at a node's timer.
    Timer(Slot),
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
    scheduled: u64,
    pub(super) messages: Slab<Message>,
    pub(super) plans: Slab<Plan>,
}

impl Agenda {
    pub(super) const fn new() -> Self {
        Self {
            near: BinaryHeap::new(),
            window: 0,
            far: BTreeMap::new(),
            scheduled: 0,
            messages: Slab::new(),
            plans: Slab::new(),
        }
    }

    pub(super) fn put(&mut self, at: Tick, what: Due) {
        let seq = self.next_seq();
        self.enter(Scheduled { at, seq, what });
    }

    /// The place of what is scheduled next, from 1.
    pub(super) const fn next_seq(&mut self) -> u64 {
        self.scheduled += 1;
        self.scheduled
    }

    /// Takes something up that has its place already.
    pub(super) fn enter(&mut self, scheduled: Scheduled) {
        let window = scheduled.at.0 >> WINDOW_BITS;
        if window <= self.window {
            self.near.push(Reverse(scheduled));
        } else {
            self.far.entry(window).or_default().push(scheduled);
        }
    }

    pub(super) fn look_at(&mut self, slot: Slot, Alarm { at, seq }: Alarm) {
        self.enter(Scheduled { at, seq, what: Due::Timer(slot) });
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
            self.near.extend(scheduled.into_iter().map(Reverse));
        }
    }

    /// Arrivals to come.
    pub(super) fn arrivals(&self) -> usize {
        let near = self.near.iter().map(|Reverse(due)| due);
        let all = near.chain(self.far.values().flatten());
        all.filter(|due| matches!(due.what, Due::Arrival(_))).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_put_before_what_was_looked_at_comes_before_it() {
        let mut agenda = Agenda::new();
        agenda.put(Tick(5_000), Due::Start(Slot(0)));
        assert_eq!(agenda.next().map(|next| next.at), Some(Tick(5_000)));
        for at in [5_001, 10, 2_000] {
            agenda.put(Tick(at), Due::Start(Slot(0)));
        }
        let times: Vec<u64> = core::iter::from_fn(|| agenda.pop()).map(|next| next.at.0).collect();
        assert_eq!(times, [10, 2_000, 5_000, 5_001]);
    }

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
}
