//! The store of a region's server: all that no crash destroys.
//!
//! A device that never came has no row, a session that is over has one only as long as something of it may still come.
//! What is left of it then is its number, by which a later copy of its messages is known for what it is.

use std::collections::{BTreeSet, VecDeque};

use core_kit::{Millis, Tick};
use dm_core::{
    auth::{Account, Nonce},
    server::{ItemDone, Report, Snapshot},
};

use super::{
    Mistake,
    folded::Kept,
    plan::{ORDERS, Package, Plan},
    server::Attempt,
    trail,
};
use crate::{Commit, Row, Store, dm::side::Side};

/// How long a session is kept when it is over: a client that has missed the last reply asks for it again in that time.
const RETENTION: Millis = Millis::from_secs(420);

/// Where an order is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum OrderState {
    /// It waits for a session.
    #[default]
    Queued,
    /// A session has it.
    HandedOut,
    /// The device answered it.
    Done,
    /// It was sent, and whether it was carried out will not be known.
    Unknown,
    /// It cannot be sent.
    Refused,
}

/// What the server knows of a device apart from sessions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct DeviceRow {
    /// The last nonces: of the device, and of the server towards it.
    nonces: [Kept; 2],
    pub(super) orders: [OrderState; ORDERS.len()],
    /// Packages that wait, first to last; 0 is none.
    queue: [Package; ORDERS.len()],
    /// What was read, by order: a hash of each value.
    pub(super) read: Vec<(u8, u64)>,
    /// Sessions up to this one are over and dropped.
    over: u16,
}

impl DeviceRow {
    fn new(plan: &Plan, device: u32) -> Self {
        let nonce = |side| Kept::of(&plan.account_of(device, side).nonce);
        let mut queue = [0; ORDERS.len()];
        queue.iter_mut().zip(plan.packages()).for_each(|(place, package)| *place = package);
        let nonces = [nonce(Side::Client), nonce(Side::Server)];
        Self { nonces, orders: [OrderState::Queued; ORDERS.len()], queue, read: Vec::new(), over: 0 }
    }

    pub(super) fn account(&self, plan: &Plan, device: u32, side: Side) -> Account {
        let nonce = self.nonces.get(side.index()).map(Kept::nonce).unwrap_or_default();
        plan.account_with(device, side, nonce)
    }

    fn keep(&mut self, side: Side, nonce: &Nonce) {
        if let Some(place) = self.nonces.get_mut(side.index()) {
            *place = Kept::of(nonce);
        }
    }

    /// The package that is next; 0 for none.
    pub(super) const fn next_package(&self) -> Package {
        self.queue[0]
    }

    /// Whether the order waits.
    pub(super) fn waits(&self, order: usize) -> bool {
        self.queue.iter().any(|package| package & 1 << order != 0)
    }

    fn claim(&mut self, package: Package) {
        self.queue.rotate_left(1);
        if let Some(last) = self.queue.last_mut() {
            *last = 0;
        }
        for order in super::plan::orders_of(package) {
            self.settle(order, OrderState::HandedOut);
        }
    }

    fn settle(&mut self, order: usize, state: OrderState) {
        if let Some(place) = self.orders.get_mut(order) {
            *place = state;
        }
    }

    /// Brings the row up to date.
    fn hear(&mut self, plan: &Plan, claimed: Package, reports: &[Report]) {
        if claimed != 0 {
            self.claim(claimed);
        }
        let mut again = 0;
        for report in reports {
            match report {
                Report::ClientNonce(nonce) => self.keep(Side::Client, nonce),
                Report::ServerNonce(nonce) => self.keep(Side::Server, nonce),
                Report::Done(_) if plan.mistake == Some(Mistake::OutcomeNotStored) => {}
                Report::Done(done) => {
                    if let Some(order) = Plan::order_tagged(&done.tag) {
                        self.settle(order, OrderState::Done);
                        self.take_values(order, &done.items);
                    }
                }
                Report::Unknown(tag) => {
                    if let Some(order) = Plan::order_tagged(tag) {
                        self.settle(order, OrderState::Unknown);
                    }
                }
                Report::NotSent { tag, fault } => {
                    let Some(order) = Plan::order_tagged(tag) else { continue };
                    if fault.is_none() {
                        again |= 1 << order;
                        self.settle(order, OrderState::Queued);
                    } else {
                        self.settle(order, OrderState::Refused);
                    }
                }
                _ => {}
            }
        }
        if again != 0 {
            // Each order is in one package at most, so the last place is free.
            self.queue.rotate_right(1);
            if let Some(first) = self.queue.first_mut() {
                *first = again;
            }
        }
    }

    fn take_values(&mut self, order: usize, items: &[ItemDone]) {
        for found in items.iter().flat_map(|item| &item.found) {
            if let (Some(data), Ok(order)) = (&found.content.data, u8::try_from(order)) {
                self.read.push((order, trail::hash(data)));
            }
        }
    }
}

/// A stored session.
#[derive(Clone, Debug)]
pub(super) struct StoredSession {
    pub(super) snapshot: Snapshot,
    deadline: Option<Tick>,
}

/// A device, and the number of a session.
pub(super) type Key = (u32, u16);

/// The store.
#[derive(Default)]
pub(super) struct Depot {
    sessions: Store<Key, StoredSession>,
    devices: Store<u32, DeviceRow>,
    deadlines: BTreeSet<(Tick, Key)>,
    /// Sessions that are over, and when they are dropped; oldest first.
    over: VecDeque<(Tick, Key)>,
}

impl Depot {
    pub(super) fn session(&self, key: Key) -> Option<&Row<StoredSession>> {
        self.sessions.load(&key)
    }

    /// What is stored of the device; what was agreed on with it, where nothing is yet.
    pub(super) fn device(&self, plan: &Plan, device: u32) -> (u64, DeviceRow) {
        match self.devices.load(&device) {
            Some(row) => (row.revision, row.value.clone()),
            None => (0, DeviceRow::new(plan, device)),
        }
    }

    pub(super) fn device_row(&self, device: u32) -> Option<&DeviceRow> {
        self.devices.load(&device).map(|row| &row.value)
    }

    /// Whether the session is over and dropped.
    pub(super) fn is_over(&self, key: Key) -> bool {
        self.sessions.load(&key).is_none() && self.devices.load(&key.0).is_some_and(|row| row.value.over >= key.1)
    }

    /// The session that must be woken first, of those that are `free`, and when.
    pub(super) fn first_deadline(&self, free: impl Fn(Key) -> bool) -> Option<(Tick, Key)> {
        self.deadlines.iter().find(|(_, key)| free(*key)).copied()
    }

    /// Sessions with a deadline, and sessions that are stored.
    pub(super) fn open(&self) -> (usize, usize) {
        (self.deadlines.len(), self.sessions.rows().count())
    }

    /// Stores an attempt: the session with its deadline, and what became of orders and nonces, or nothing of it.
    pub(super) fn commit(&mut self, plan: &Plan, attempt: &Attempt, now: Tick) -> Commit {
        let Attempt { key, loaded, read, after, facts, .. } = attempt;
        let row = match read {
            Some(read) if self.devices.revision(&key.0) != read.revision => return Commit::Lost,
            _ => self.device(plan, key.0),
        };
        let before = self.sessions.load(key).and_then(|row| row.value.deadline);
        let stored = StoredSession { snapshot: after.snapshot.clone(), deadline: after.deadline };
        if self.sessions.compare_and_swap(*key, *loaded, after.revision, stored) == Commit::Lost {
            return Commit::Lost;
        }
        if let Some(before) = before {
            self.deadlines.remove(&(before, *key));
        }
        if let Some(deadline) = after.deadline {
            self.deadlines.insert((deadline, *key));
        }
        if facts.finished.is_some() {
            self.over.push_back((now + RETENTION, *key));
        }
        let (revision, mut device) = row;
        device.hear(plan, read.as_ref().map_or(0, |read| read.claimed), &facts.reports);
        // The revision was compared above where the attempt had read the row; where it had not, it only adds.
        let _ = self.devices.compare_and_swap(key.0, revision, revision + 1, device);
        Commit::Done
    }

    /// Drops the sessions of which nothing comes any more.
    pub(super) fn drop_until(&mut self, now: Tick) {
        while let Some((at, key)) = self.over.front().copied()
            && at <= now
        {
            self.over.pop_front();
            self.sessions.remove(&key);
            let Some(row) = self.devices.load(&key.0) else { continue };
            let (revision, mut device) = (row.revision, row.value.clone());
            device.over = device.over.max(key.1);
            device.read.shrink_to_fit();
            let _ = self.devices.compare_and_swap(key.0, revision, revision + 1, device);
        }
    }
}
