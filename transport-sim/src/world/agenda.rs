//! What is to happen, and when.

use core::cmp::Reverse;
use std::collections::BinaryHeap;

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

/// One heap of everything.
#[derive(Debug)]
pub(crate) struct Agenda {
    heap: BinaryHeap<Reverse<Scheduled>>,
    scheduled: u64,
    pub(super) messages: Slab<Message>,
    pub(super) plans: Slab<Plan>,
    /// Timers in the heap that mean nothing any more, about.
    stale: usize,
}

impl Agenda {
    pub(super) const fn new() -> Self {
        Self { heap: BinaryHeap::new(), scheduled: 0, messages: Slab::new(), plans: Slab::new(), stale: 0 }
    }

    pub(super) fn put(&mut self, at: Tick, what: Due) {
        self.scheduled += 1;
        self.heap.push(Reverse(Scheduled { at, seq: self.scheduled, what }));
    }

    pub(super) fn arrival(&mut self, at: Tick, message: Message) {
        let message = self.messages.put(message);
        self.put(at, Due::Arrival(message));
    }

    pub(super) fn plan(&mut self, at: Tick, plan: Plan) {
        let plan = self.plans.put(plan);
        self.put(at, Due::Plan(plan));
    }

    pub(super) fn next_at(&self) -> Option<Tick> {
        self.heap.peek().map(|Reverse(next)| next.at)
    }

    pub(super) fn pop(&mut self) -> Option<Scheduled> {
        self.heap.pop().map(|Reverse(next)| next)
    }

    /// Arrivals to come.
    pub(super) fn arrivals(&self) -> usize {
        self.heap.iter().filter(|Reverse(due)| matches!(due.what, Due::Arrival(_))).count()
    }

    /// A timer was set anew; one that `counts` still does. The order of what is left does not depend on what is taken out.
    pub(super) fn timer_went_stale(&mut self, counts: impl Fn(Slot, u32) -> bool) {
        self.stale += 1;
        if self.stale >= STALE_MIN && self.stale * 2 > self.heap.len() {
            self.heap.retain(|Reverse(due)| match due.what {
                Due::Timer(slot, setting) => counts(slot, setting),
                _ => true,
            });
            self.stale = 0;
        }
    }

    pub(super) const fn stale_timer_came(&mut self) {
        self.stale = self.stale.saturating_sub(1);
    }
}
