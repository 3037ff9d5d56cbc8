//! What the server's nodes have in common and no crash destroys.

use std::collections::{BTreeMap, VecDeque};

use core_kit::{Tick, journal::JournalOf};
use dm_core::{
    auth::Account,
    ids::{DeviceId, JobTag},
    server::{Done, Order, OrderFault, Profile, Report, Session, SessionKey, Snapshot},
    session::Outcome,
};

use super::attempt::{Attempt, Claimed, new_journal};
use crate::{Commit, CrashPlan, NodeId, Permille, Row, Store};

/// A stored session. When it is over it stays, so that a late copy of a message still gets the reply that it had.
#[derive(Clone, Debug)]
pub struct StoredSession {
    /// The machine.
    pub snapshot: Snapshot,
    /// When somebody must wake it.
    pub deadline: Option<Tick>,
    /// How it ended.
    pub outcome: Option<Outcome>,
}

/// What the server knows of a device apart from sessions.
#[derive(Clone, Debug)]
pub struct StoredDevice {
    /// The device's number in the world.
    pub node: NodeId,
    /// What the device proves itself with.
    pub account: Account,
    /// What the server proves itself to the device with.
    pub own: Account,
    /// Orders that wait, one list for each package.
    pub queue: VecDeque<Vec<Order>>,
    /// Every order that was ever queued.
    pub orders: BTreeMap<JobTag, Job>,
}

/// An order and where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
    /// What the device shall do.
    pub order: Order,
    /// How far that is.
    pub state: OrderState,
}

/// Where an order is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OrderState {
    /// It waits for a session.
    Queued,
    /// A session has it.
    HandedOut,
    /// The device answered it.
    Done(Done),
    /// It was sent, and whether it was carried out will not be known.
    Unknown,
    /// It was not sent. Without a fault it waits for the next session.
    NotSent(Option<OrderFault>),
}

impl OrderState {
    /// One word for each, for counters.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::HandedOut => "handed-out",
            Self::Done(_) => "done",
            Self::Unknown => "unknown",
            Self::NotSent(_) => "not-sent",
        }
    }
}

/// The store, and what the server's nodes are told from outside.
pub struct Backend {
    pub(super) profile: Profile,
    pub(super) crashes: CrashPlan,
    pub(super) rivals: Permille,
    pub(super) repeated: u64,
    sessions: Store<SessionKey, StoredSession>,
    devices: Store<DeviceId, StoredDevice>,
    journals: BTreeMap<SessionKey, JournalOf<Session>>,
}

impl Backend {
    /// A store without devices.
    #[must_use]
    pub fn new(profile: Profile, crashes: CrashPlan, rivals: Permille) -> Self {
        let (sessions, devices) = (Store::default(), Store::default());
        Self { profile, crashes, rivals, repeated: 0, sessions, devices, journals: BTreeMap::new() }
    }

    /// Enters a device with the orders that wait for it, each with a tag of its own, one list for each package.
    pub fn enter(&mut self, id: DeviceId, node: NodeId, account: Account, own: Account, packages: &[Vec<Order>]) {
        let queued = |order: &Order| (order.tag.clone(), Job { order: order.clone(), state: OrderState::Queued });
        let orders = packages.iter().flatten().map(queued).collect();
        let device = StoredDevice { node, account, own, queue: packages.iter().cloned().collect(), orders };
        let revision = self.devices.revision(&id);
        // Nobody comes in between: this is no step of a node.
        let _ = self.devices.compare_and_swap(id, revision, revision + 1, device);
    }

    /// The sessions, those that are over included.
    #[must_use]
    pub const fn sessions(&self) -> &Store<SessionKey, StoredSession> {
        &self.sessions
    }

    /// The devices.
    #[must_use]
    pub const fn devices(&self) -> &Store<DeviceId, StoredDevice> {
        &self.devices
    }

    /// The journals of the sessions: committed steps only, in the order of their commits.
    #[must_use]
    pub const fn journals(&self) -> &BTreeMap<SessionKey, JournalOf<Session>> {
        &self.journals
    }

    /// How often a message that came again got the stored reply.
    #[must_use]
    pub const fn repeated(&self) -> u64 {
        self.repeated
    }

    /// The first session that must be woken, among those that are `free`, and when.
    pub(super) fn first_deadline(&self, free: impl Fn(&SessionKey) -> bool) -> Option<(Tick, &SessionKey)> {
        let open = self.sessions.rows().filter(|(key, _)| free(key));
        open.filter_map(|(key, row)| Some((row.value.deadline?, key))).min()
    }

    /// Stores an attempt: the session with its deadline, the reports, and the orders that it took, or nothing of it.
    pub(super) fn commit(&mut self, attempt: &Attempt) -> Commit {
        let Attempt { key, loaded, session, device, facts, .. } = attempt;
        if let Some(read) = device
            && self.devices.revision(&key.device) != read.revision
        {
            return Commit::Lost;
        }
        let stored = StoredSession {
            snapshot: session.snapshot.clone(),
            deadline: session.deadline,
            outcome: session.outcome.clone(),
        };
        if self.sessions.compare_and_swap(key.clone(), *loaded, session.revision, stored) == Commit::Lost {
            return Commit::Lost;
        }
        let row = self.devices.load(&key.device).map(|row| (row.revision, row.value.clone()));
        let claimed = device.as_ref().map(|read| &read.claimed);
        if let Some((revision, mut device)) = row
            && apply(&mut device, claimed, &facts.reports)
        {
            // The revision was compared above where the attempt had read the row; where it had not, it only adds.
            let _ = self.devices.compare_and_swap(key.device.clone(), revision, revision + 1, device);
        }
        let profile = &self.profile;
        let journal = self.journals.entry(key.clone()).or_insert_with(|| new_journal(profile));
        journal.records.extend(facts.records.iter().cloned());
        Commit::Done
    }

    /// The stored session, and the stored device.
    pub(super) fn load(&self, key: &SessionKey) -> (Option<&Row<StoredSession>>, Option<&Row<StoredDevice>>) {
        (self.sessions.load(key), self.devices.load(&key.device))
    }
}

/// Brings a device up to date; false if there was nothing to bring.
fn apply(device: &mut StoredDevice, claimed: Option<&Claimed>, reports: &[Report]) -> bool {
    let (mut changed, mut again) = (false, Vec::new());
    if let Some(Claimed::Orders(orders)) = claimed {
        changed = true;
        device.queue.pop_front();
        for order in orders {
            _ = settle(device, &order.tag, OrderState::HandedOut);
        }
    }
    for report in reports {
        match report {
            Report::ClientNonce(nonce) => device.account.nonce = nonce.clone(),
            Report::ServerNonce(nonce) => device.own.nonce = nonce.clone(),
            Report::Done(done) => _ = settle(device, &done.tag, OrderState::Done(done.clone())),
            Report::Unknown(tag) => _ = settle(device, tag, OrderState::Unknown),
            Report::NotSent { tag, fault } => {
                let order = settle(device, tag, OrderState::NotSent(*fault));
                again.extend(order.filter(|_| fault.is_none()));
            }
            _ => continue,
        }
        changed = true;
    }
    if !again.is_empty() {
        device.queue.push_front(again);
    }
    changed
}

fn settle(device: &mut StoredDevice, tag: &JobTag, state: OrderState) -> Option<Order> {
    let job = device.orders.get_mut(tag)?;
    job.state = state;
    Some(job.order.clone())
}
