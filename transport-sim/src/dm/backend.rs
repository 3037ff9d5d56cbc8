//! What the server's nodes have in common and no crash destroys.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use bytes::Bytes;
use core_kit::{Body, Tick, journal::JournalOf};
use dm_core::{
    auth::{Account, Lockout, LockoutLimits, Resync},
    ids::{DeviceId, JobTag, SessionId},
    server::{Done, Order, OrderFault, Part, PartOf, Profile, Report, Session, SessionKey, Snapshot},
    session::{Outcome, Reason},
    wire::Format,
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
    /// Whether the row could not be read any more, and the session was given up for that.
    pub is_closed: bool,
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
    /// The wrong credentials that the device was claimed with.
    pub lockout: Lockout,
    /// Leave to take the nonce of resynchronisation.
    pub resync: Option<Resync>,
    /// The session that each order was handed out to last.
    pub held: BTreeMap<JobTag, SessionId>,
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

/// What one commit changed, so that it can be undone.
struct Undo {
    /// The session, and the steps in its journal before.
    session: Option<(SessionKey, usize)>,
    /// How many rows of sessions and of devices were written.
    writes: (usize, usize),
    /// Values of which the first part came with it.
    parts: Vec<(DeviceId, JobTag)>,
}

/// What a store has not any more when it has gone back.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Undone {
    pub(super) sessions: Vec<(DeviceId, SessionId)>,
    /// Orders that wait again though a session has had them, or may yet wait again.
    pub(super) again: Vec<(NodeId, JobTag)>,
}

/// Commits that a store can go back.
pub(super) const PAST_MAX: usize = 8;

/// The stores of all services of a world: one service is one management server, with several nodes before one store.
pub struct Services {
    list: Vec<Backend>,
    /// What whoever listens has heard, where anybody does: the last messages.
    heard: Option<VecDeque<Bytes>>,
}

/// Messages that a listener remembers.
const HEARD_MAX: usize = 64;

impl Services {
    /// These.
    #[must_use]
    pub const fn new(list: Vec<Backend>) -> Self {
        Self { list, heard: None }
    }

    /// The stores, in the order of the services.
    pub fn iter(&self) -> impl Iterator<Item = &Backend> {
        self.list.iter()
    }

    /// The store of one service.
    #[must_use]
    pub fn of(&self, service: usize) -> Option<&Backend> {
        self.list.get(service)
    }

    pub(super) fn of_mut(&mut self, service: usize) -> Option<&mut Backend> {
        self.list.get_mut(service)
    }

    pub(super) fn heal(&mut self) {
        self.list.iter_mut().for_each(Backend::heal);
    }

    /// Somebody listens from now on.
    pub(super) fn tap(&mut self) {
        self.heard = Some(VecDeque::new());
    }

    pub(super) fn hear(&mut self, bytes: &Bytes) {
        if let Some(heard) = &mut self.heard {
            heard.push_back(bytes.clone());
            if heard.len() > HEARD_MAX {
                heard.pop_front();
            }
        }
    }

    /// What was heard, the newest first.
    pub(super) fn heard(&self) -> impl Iterator<Item = &Bytes> {
        self.heard.iter().flatten().rev()
    }
}

/// The store of a service, and what its nodes are told from outside.
pub struct Backend {
    pub(super) profile: Profile,
    pub(super) crashes: CrashPlan,
    pub(super) rivals: Permille,
    pub(super) repeated: u64,
    /// How long accounts are closed after wrong credentials; nothing where they never are.
    pub(super) lockout: Option<LockoutLimits>,
    /// How often a signed message is changed on its way to the device.
    pub(super) tampering: Permille,
    /// Whether a session gets one package of orders, and the next session the next.
    pub(super) one_package_each: bool,
    /// Whether entropy and calendar are those of a [play](super::play::given).
    pub(super) is_given: bool,
    /// Sessions of a play that the service gives up, with how many messages of theirs it takes before.
    pub(super) aborts: BTreeMap<SessionKey, u32>,
    /// Values that their orders leave to be fetched part by part.
    pub(super) values: BTreeMap<JobTag, Body>,
    /// At which commits the service is stopped and its store goes back.
    pub(super) restores: CrashPlan,
    /// Counts the times that it went back. What was begun before is not committed after.
    pub(super) restored: u64,
    /// What may be undone, oldest first; nothing is kept where the store never goes back.
    past: VecDeque<Undo>,
    keeps_past: bool,
    /// How many of the newest commits are not synced.
    unsynced: usize,
    parts: BTreeMap<(DeviceId, JobTag), Vec<u8>>,
    sessions: Store<SessionKey, StoredSession>,
    devices: Store<DeviceId, StoredDevice>,
    journals: BTreeMap<SessionKey, JournalOf<Session>>,
}

impl Backend {
    /// A store without devices.
    #[must_use]
    pub fn new(profile: Profile, crashes: CrashPlan, rivals: Permille) -> Self {
        let (sessions, devices) = (Store::default(), Store::default());
        Self {
            profile,
            crashes,
            rivals,
            repeated: 0,
            lockout: None,
            tampering: Permille::NEVER,
            one_package_each: false,
            is_given: false,
            aborts: BTreeMap::new(),
            values: BTreeMap::new(),
            restores: CrashPlan::NONE,
            restored: 0,
            past: VecDeque::new(),
            keeps_past: false,
            unsynced: 0,
            parts: BTreeMap::new(),
            sessions,
            devices,
            journals: BTreeMap::new(),
        }
    }

    /// The value that the order has read, where it came in parts: of octets that came as base64, the octets. Nothing
    /// while the order is not done.
    #[must_use]
    pub fn value_read(&self, id: &DeviceId, tag: &JobTag) -> Option<Vec<u8>> {
        let OrderState::Done(done) = &self.devices.load(id)?.value.orders.get(tag)?.state else { return None };
        let content = &done.items.first()?.found.first()?.content;
        let parts = self.parts.get(&(id.clone(), tag.clone()))?;
        let is_whole = content.in_parts == u64::try_from(parts.len()).ok();
        match content.format {
            _ if !is_whole => None,
            Some(Format::B64) => BASE64.decode(parts).ok(),
            _ => Some(parts.clone()),
        }
    }

    /// Values that came in part, of orders that are not done.
    #[must_use]
    pub fn loose_parts(&self) -> usize {
        let is_done = |(id, tag): &(DeviceId, JobTag)| {
            let job = self.devices.load(id).and_then(|row| row.value.orders.get(tag));
            job.is_some_and(|job| matches!(job.state, OrderState::Done(_)))
        };
        self.parts.keys().filter(|of| !is_done(of)).count()
    }

    /// From here on nothing goes wrong that the server's own nodes do.
    pub(super) fn heal(&mut self) {
        self.crashes = CrashPlan::NONE;
        self.restores = CrashPlan::NONE;
        self.rivals = Permille::NEVER;
        self.tampering = Permille::NEVER;
    }

    /// Counts a message of a session that was taken; whether the service gives the session up now.
    pub(super) fn is_to_abort(&mut self, key: &SessionKey) -> bool {
        let Some(left) = self.aborts.get_mut(key) else { return false };
        *left = left.saturating_sub(1);
        if *left == 0 { self.aborts.remove(key).is_some() } else { false }
    }

    /// The octets of a value, as many as there are.
    pub(super) fn part_of_value(&self, tag: &JobTag, offset: u64, bytes: u64) -> Option<Body> {
        let value = self.values.get(tag)?;
        let from = usize::try_from(offset).ok()?;
        let from = if core_kit::planted!("D37-part-from-elsewhere") { from / 2 } else { from };
        let to = from.saturating_add(usize::try_from(bytes).ok()?).min(value.len());
        value.get(from..to).map(Body::from)
    }

    /// Remembers its last commits from now on, so that it can go back. It has no rows yet.
    pub(super) fn keep_past(&mut self) {
        // A commit writes one row of a session, and at most one of a device.
        (self.sessions, self.devices) = (Store::with_past(PAST_MAX), Store::with_past(PAST_MAX));
        self.keeps_past = true;
    }

    /// How many commits can be undone.
    pub(super) fn undoable(&self) -> usize {
        self.past.len()
    }

    /// Undoes so many commits, and at most those that are remembered: sessions, accounts and orders are as they were.
    pub(super) fn restore(&mut self, commits: usize) -> Undone {
        let had = self.waiting();
        let mut undone = Undone::default();
        for _ in 0..commits {
            let Some(Undo { session, writes, parts }) = self.past.pop_back() else { break };
            self.sessions.go_back(writes.0);
            self.devices.go_back(writes.1);
            self.parts.retain(|of, _| !parts.contains(of));
            let Some((key, steps)) = session else { continue };
            undone.sessions.push((key.device.clone(), key.session.clone()));
            if steps == 0 {
                self.journals.remove(&key);
            } else if let Some(journal) = self.journals.get_mut(&key) {
                journal.records.truncate(steps);
            }
        }
        self.unsynced = 0;
        self.restored += 1;
        undone.again = self.waiting().difference(&had).cloned().collect();
        // A session that goes on from an earlier step may find that it has not sent them, and hand them back.
        for (device, session) in &undone.sessions {
            let Some(row) = self.devices.load(device) else { continue };
            let held = row.value.held.iter().filter(|(_, by)| *by == session);
            undone.again.extend(held.map(|(tag, _)| (row.value.node, tag.clone())));
        }
        undone
    }

    /// The orders that wait for a session.
    fn waiting(&self) -> BTreeSet<(NodeId, JobTag)> {
        let waits = |job: &Job| matches!(job.state, OrderState::Queued | OrderState::NotSent(None));
        let of = |row: &StoredDevice| {
            let node = row.node;
            let waiting = row.orders.iter().filter(|(_, job)| waits(job));
            waiting.map(|(tag, _)| (node, tag.clone())).collect::<Vec<_>>()
        };
        self.devices.rows().flat_map(|(_, row)| of(&row.value)).collect()
    }

    /// Keeps what a commit has changed, if there may be a way back.
    fn remember(&mut self, undo: Undo) {
        if !self.keeps_past {
            return;
        }
        self.past.push_back(undo);
        if self.past.len() > PAST_MAX {
            self.past.pop_front();
        }
        if self.unsynced > 0 {
            // In the long run every disk writes what it has.
            self.unsynced = (self.unsynced + 1) % (PAST_MAX + 1);
        }
    }

    /// The last commit was acknowledged, and is lost in a crash that comes before long.
    pub(super) fn leave_unsynced(&mut self) {
        self.unsynced = self.unsynced.max(1);
    }

    /// How many of the last commits a crash of the store's host loses.
    pub(super) const fn unsynced(&self) -> usize {
        self.unsynced
    }

    /// The row of a session cannot be read any more.
    pub(super) fn rot(&mut self, key: &SessionKey) {
        self.sessions.damage(key);
    }

    /// Whether the session's row was once found damaged.
    pub(super) fn is_closed(&self, key: &SessionKey) -> bool {
        self.sessions.load(key).is_some_and(|row| row.value.is_closed)
    }

    /// Gives up a session whose row cannot be read: nobody knows how far it was, so what it had of the orders is unknown.
    /// The outcome, if that is so.
    pub(super) fn close_damaged(&mut self, key: &SessionKey) -> Option<Outcome> {
        self.sessions.read(key).err()?;
        let outcome = Outcome::Aborted(Reason::Unavailable);
        let (revision, row) = self.sessions.rows().find(|(of, _)| *of == key).map(|(_, row)| (row.revision, row))?;
        let closed =
            StoredSession { deadline: None, outcome: Some(outcome.clone()), is_closed: true, ..row.value.clone() };
        let swapped = self.sessions.compare_and_swap(key.clone(), revision, revision + 1, closed);
        let mut writes = (usize::from(swapped == Commit::Done), 0);
        let lost = |device: &StoredDevice| {
            let held = device.held.iter().filter(|(tag, session)| {
                **session == key.session
                    && device.orders.get(*tag).is_some_and(|job| job.state == OrderState::HandedOut)
            });
            held.map(|(tag, _)| tag.clone()).collect::<Vec<_>>()
        };
        let row = self.devices.load(&key.device).map(|row| (row.revision, row.value.clone()));
        if let Some((revision, mut device)) = row {
            for tag in lost(&device) {
                self.parts.remove(&(key.device.clone(), tag.clone()));
                _ = settle(&mut device, &tag, OrderState::Unknown);
            }
            let swapped = self.devices.compare_and_swap(key.device.clone(), revision, revision + 1, device);
            writes.1 = usize::from(swapped == Commit::Done);
        }
        let steps = self.journals.get(key).map_or(0, |journal| journal.records.len());
        self.remember(Undo { session: Some((key.clone(), steps)), writes, parts: Vec::new() });
        Some(outcome)
    }

    /// Takes a part of a value where it belongs; the first one begins the value anew. Which value is new by that.
    fn take_part(&mut self, device: &DeviceId, part: &Part) -> Option<(DeviceId, JobTag)> {
        let PartOf::Order(tag) = &part.of else { return None };
        let of = (device.clone(), tag.clone());
        let new = (!self.parts.contains_key(&of)).then_some(of);
        let value = self.parts.entry((device.clone(), tag.clone())).or_default();
        value.truncate(usize::try_from(part.offset).unwrap_or(usize::MAX));
        value.extend_from_slice(&part.data);
        new
    }

    /// Enters a device with the orders that wait for it, each with a tag of its own, one list for each package.
    pub fn enter(&mut self, id: DeviceId, node: NodeId, account: Account, own: Account, packages: &[Vec<Order>]) {
        let queued = |order: &Order| (order.tag.clone(), Job { order: order.clone(), state: OrderState::Queued });
        let orders = packages.iter().flatten().map(queued).collect();
        let device = StoredDevice {
            node,
            account,
            own,
            queue: packages.iter().cloned().collect(),
            orders,
            lockout: Lockout::default(),
            resync: None,
            held: BTreeMap::new(),
        };
        let revision = self.devices.revision(&id);
        // Nobody comes in between: this is no step of a node.
        let _ = self.devices.compare_and_swap(id, revision, revision + 1, device);
    }

    /// Gives a device something to do that has nothing, and again where that has come to nothing: where neither side has
    /// anything to say, a session is over with its first exchange, and whose nonces are stale has no message to be
    /// challenged with.
    pub(super) fn give(&mut self, id: &DeviceId, order: Order) {
        self.change(id, |device| {
            let before = device.orders.get(&order.tag).map(|job| &job.state);
            let is_wanted = matches!(before, None | Some(OrderState::Unknown | OrderState::NotSent(_)));
            if device.queue.is_empty() && is_wanted {
                device.orders.insert(order.tag.clone(), Job { order: order.clone(), state: OrderState::Queued });
                device.queue.push_back(vec![order]);
            }
        });
    }

    /// Changes what is stored of a device, as somebody who is no node of the server.
    pub(super) fn change(&mut self, id: &DeviceId, change: impl FnOnce(&mut StoredDevice)) {
        let Some(row) = self.devices.load(id) else { return };
        let (revision, mut device) = (row.revision, row.value.clone());
        change(&mut device);
        // Nobody comes in between: this is no step of a node.
        let _ = self.devices.compare_and_swap(id.clone(), revision, revision + 1, device);
        self.remember(Undo { session: None, writes: (0, 1), parts: Vec::new() });
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
            is_closed: false,
        };
        if self.sessions.compare_and_swap(key.clone(), *loaded, session.revision, stored) == Commit::Lost {
            return Commit::Lost;
        }
        let (mut writes, mut parts) = ((1, 0), Vec::new());
        let row = self.devices.load(&key.device).map(|row| (row.revision, row.value.clone()));
        let claimed = device.as_ref().map(|read| &read.claimed);
        if let Some((revision, mut device)) = row
            && apply(
                &mut device,
                &key.session,
                claimed,
                &facts.reports,
                self.lockout.map(|limits| (limits, attempt.now)),
            )
        {
            // The revision was compared above where the attempt had read the row; where it had not, it only adds.
            let swapped = self.devices.compare_and_swap(key.device.clone(), revision, revision + 1, device);
            writes.1 = usize::from(swapped == Commit::Done);
        }
        for report in &facts.reports {
            match report {
                Report::Part(part) => parts.extend(self.take_part(&key.device, part)),
                // A session that fell back behind its first part does not know that there is any to let go of.
                Report::PartsVoid { of: PartOf::Order(tag), .. }
                | Report::Unknown(tag)
                | Report::NotSent { tag, .. } => {
                    self.parts.remove(&(key.device.clone(), tag.clone()));
                }
                _ => {}
            }
        }
        let profile = &self.profile;
        let journal = self.journals.entry(key.clone()).or_insert_with(|| new_journal(profile));
        let steps = journal.records.len();
        journal.records.extend(facts.records.iter().cloned());
        self.remember(Undo { session: Some((key.clone(), steps)), writes, parts });
        Commit::Done
    }

    /// The stored session, and the stored device.
    pub(super) fn load(&self, key: &SessionKey) -> (Option<&Row<StoredSession>>, Option<&Row<StoredDevice>>) {
        (self.sessions.load(key), self.devices.load(&key.device))
    }
}

/// Brings a device up to date; false if there was nothing to bring.
fn apply(
    device: &mut StoredDevice,
    session: &SessionId,
    claimed: Option<&Claimed>,
    reports: &[Report],
    lockout: Option<(LockoutLimits, Tick)>,
) -> bool {
    let (mut changed, mut again) = (false, Vec::new());
    if let Some(Claimed::Orders(orders)) = claimed {
        changed = true;
        if !core_kit::planted!("D29-order-twice") {
            device.queue.pop_front();
        }
        for order in orders {
            _ = settle(device, &order.tag, OrderState::HandedOut);
            device.held.insert(order.tag.clone(), session.clone());
        }
    }
    for report in reports {
        if let Some((limits, now)) = &lockout {
            device.lockout.hear_in(session, report, limits, *now);
        }
        match report {
            Report::AuthenticationFailed { .. } if lockout.is_some() => {}
            Report::Authenticated { .. } if lockout.is_some() => device.resync = None,
            Report::ClientNonce(nonce) => device.account.nonce = nonce.clone(),
            Report::ServerNonce(nonce) => device.own.nonce = nonce.clone(),
            Report::Done(_) if core_kit::planted!("D31-done-not-stored") => continue,
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

#[cfg(test)]
mod tests;
