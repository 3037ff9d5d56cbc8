//! The store of a region's server: all that no crash destroys.
//!
//! A device that never came has no row, a session that is over has one only as long as something of it may still come.
//! What is left of it then is its number, by which a later copy of its messages is known for what it is.

use std::collections::{BTreeSet, VecDeque};

use core_kit::{Millis, Tick};
use dm_core::{
    auth::Nonce,
    server::{Facts, ItemDone, Report, Snapshot},
};

use super::{
    Mistake,
    folded::Kept,
    plan::{ORDERS, Package, Plan},
    server::{Attempt, Read},
};
use crate::dm::{Side, Standing, value_hash};

/// How long a session is kept when it is over: a client that has missed the last reply asks for it again in that time.
const RETENTION: Millis = Millis::from_secs(420);

/// What the server knows of a device.
#[derive(Debug)]
pub(super) struct DeviceRow {
    /// Grows with every commit; 0 before the first.
    revision: u64,
    /// Those of its sessions of which something may still come: mostly one.
    sessions: Vec<StoredSession>,
    /// The last nonces: of the device, and of the server towards it.
    nonces: [Kept; 2],
    pub(super) orders: [Standing; ORDERS.len()],
    /// Packages that wait, first to last; 0 is none.
    queue: [Package; ORDERS.len()],
    /// What was read, by order: a hash of each value.
    pub(super) read: Vec<(u8, u64)>,
    /// Sessions up to this one are over and dropped.
    over: u16,
}

impl DeviceRow {
    fn new(plan: &Plan, device: u32) -> Self {
        let nonce = |side| Kept::of(&plan.nonce_of(device, side));
        let mut queue = [0; ORDERS.len()];
        queue.iter_mut().zip(plan.packages()).for_each(|(place, package)| *place = package);
        let nonces = [nonce(Side::Client), nonce(Side::Server)];
        let (orders, read) = ([Standing::Queued; ORDERS.len()], Vec::new());
        Self { revision: 0, sessions: Vec::new(), nonces, orders, queue, read, over: 0 }
    }

    fn read(&self) -> Read {
        Read { revision: self.revision, nonces: self.nonces.clone(), next: self.next_package(), claimed: 0 }
    }

    fn session(&self, session: u16) -> Option<&StoredSession> {
        self.sessions.iter().find(|stored| stored.session == session)
    }

    fn keep(&mut self, side: Side, nonce: &Nonce) {
        if let Some(place) = self.nonces.get_mut(side.index()) {
            *place = Kept::of(nonce);
        }
    }

    /// The package that is next; 0 for none.
    const fn next_package(&self) -> Package {
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
            self.settle(order, Standing::HandedOut);
        }
    }

    fn settle(&mut self, order: usize, state: Standing) {
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
                        self.settle(order, Standing::Done);
                        self.take_values(order, &done.items);
                    }
                }
                Report::Unknown(tag) => {
                    if let Some(order) = Plan::order_tagged(tag) {
                        self.settle(order, Standing::Unknown);
                    }
                }
                Report::NotSent { tag, fault } => {
                    let Some(order) = Plan::order_tagged(tag) else { continue };
                    if fault.is_none() {
                        again |= 1 << order;
                        self.settle(order, Standing::Queued);
                    } else {
                        self.settle(order, Standing::Refused);
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
                self.read.push((order, value_hash(data)));
            }
        }
    }
}

/// A stored session.
#[derive(Debug)]
pub(super) struct StoredSession {
    session: u16,
    revision: u64,
    pub(super) snapshot: Snapshot,
    deadline: Option<Tick>,
}

/// A device, and the number of a session.
pub(super) type Key = (u32, u16);

/// The store. As in [`Store`](crate::Store), a commit is lost if and only if another one came in between.
pub(super) struct Depot {
    devices: Vec<Option<Box<DeviceRow>>>,
    deadlines: BTreeSet<(Tick, Key)>,
    /// Sessions that are over, and when they are dropped; oldest first.
    over: VecDeque<(Tick, Key)>,
    /// Sessions that are stored.
    stored: usize,
}

impl Depot {
    /// A store that knows of no device yet, for so many.
    pub(super) fn new(devices: u32) -> Self {
        let devices = (0..devices).map(|_| None).collect();
        Self { devices, deadlines: BTreeSet::new(), over: VecDeque::new(), stored: 0 }
    }

    pub(super) fn session(&self, (device, session): Key) -> Option<&StoredSession> {
        self.device(device)?.session(session)
    }

    pub(super) fn device(&self, device: u32) -> Option<&DeviceRow> {
        self.devices.get(device as usize)?.as_deref()
    }

    fn device_mut(&mut self, device: u32) -> Option<&mut DeviceRow> {
        self.devices.get_mut(device as usize)?.as_deref_mut()
    }

    /// What a turn needs to know of the device: what was agreed on with it, where nothing is stored yet.
    pub(super) fn read(&self, plan: &Plan, device: u32) -> Read {
        self.device(device).map_or_else(|| DeviceRow::new(plan, device).read(), DeviceRow::read)
    }

    /// Whether the session is over and dropped.
    pub(super) fn is_over(&self, (device, session): Key) -> bool {
        self.device(device).is_some_and(|row| row.over >= session && row.session(session).is_none())
    }

    /// The session that must be woken first, of those that are `free`, and when.
    pub(super) fn first_deadline(&self, free: impl Fn(Key) -> bool) -> Option<(Tick, Key)> {
        self.deadlines.iter().find(|(_, key)| free(*key)).copied()
    }

    /// Sessions with a deadline, and sessions that are stored.
    pub(super) fn open(&self) -> (usize, usize) {
        (self.deadlines.len(), self.stored)
    }

    /// Whether nobody else has stored anything that the attempt should have known.
    fn is_current(&self, attempt: &Attempt) -> bool {
        let Attempt { key: (device, session), loaded, after, read, .. } = attempt;
        let row = self.device(*device);
        let revision = row.map_or(0, |row| row.revision);
        let stored = row.and_then(|row| row.session(*session)).map_or(0, |stored| stored.revision);
        read.as_ref().is_none_or(|read| read.revision == revision) && stored == *loaded && after.revision > *loaded
    }

    /// Stores an attempt: the session with its deadline, and what became of orders and nonces. Gives the attempt's facts
    /// back; nothing if the commit is lost, and then nothing of it is stored.
    pub(super) fn commit(&mut self, plan: &Plan, attempt: Attempt, now: Tick) -> Option<Facts> {
        if !self.is_current(&attempt) {
            return None;
        }
        let Attempt { key, after, read, facts, .. } = attempt;
        let (device, session) = key;
        let row = self.devices.get_mut(device as usize)?;
        let row = row.get_or_insert_with(|| Box::new(DeviceRow::new(plan, device)));
        row.revision += 1;
        row.hear(plan, read.as_ref().map_or(0, |read| read.claimed), &facts.reports);
        let next =
            StoredSession { session, revision: after.revision, snapshot: after.snapshot, deadline: after.deadline };
        let before = if let Some(stored) = row.sessions.iter_mut().find(|stored| stored.session == session) {
            core::mem::replace(stored, next).deadline
        } else {
            self.stored += 1;
            row.sessions.push(next);
            None
        };
        if before != after.deadline {
            if let Some(before) = before {
                self.deadlines.remove(&(before, key));
            }
            if let Some(deadline) = after.deadline {
                self.deadlines.insert((deadline, key));
            }
        }
        if facts.finished.is_some() {
            self.over.push_back((now + RETENTION, key));
        }
        Some(facts)
    }

    /// Drops the sessions of which nothing comes any more.
    pub(super) fn drop_until(&mut self, now: Tick) {
        while let Some((at, (device, session))) = self.over.front().copied()
            && at <= now
        {
            self.over.pop_front();
            let Some(row) = self.device_mut(device) else { continue };
            let before = row.sessions.len();
            row.sessions.retain(|stored| stored.session != session);
            row.sessions.shrink_to_fit();
            row.read.shrink_to_fit();
            row.over = row.over.max(session);
            row.revision += 1;
            let dropped = before - row.sessions.len();
            self.stored = self.stored.saturating_sub(dropped);
        }
    }
}
