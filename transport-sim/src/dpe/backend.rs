//! What the server's nodes have in common and no crash destroys.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use core_kit::{Durable, Millis, Tick};
use dpe_core::{
    config::SpProfile,
    identity::Source,
    ids::{ClientId, SpId},
    server::{
        Profile, RestoreError,
        device::{self, Device},
        directory::Directory,
        gate::{self, Gate},
    },
    wire::Secret,
};

use super::attempt::Attempt;
use crate::{Commit, CrashPlan, NodeId, Permille, Row, Store};

/// How long a message to an SP is waited for to be taken, before it is sent again.
pub(super) const AGAIN: Millis = Millis::from_secs(5);
/// The longest such time.
const AGAIN_MOST: Millis = Millis::from_secs(300);

/// How much longer it is waited for after every time.
pub(super) fn longer(patience: Millis) -> Millis {
    Millis(patience.0.saturating_mul(2).min(AGAIN_MOST.0))
}

/// A stored device.
#[derive(Clone, Debug)]
pub struct StoredDevice {
    /// The machine.
    pub snapshot: device::Snapshot,
    /// When somebody must wake it.
    pub deadline: Option<Tick>,
}

/// A stored gate.
#[derive(Clone, Debug)]
pub struct StoredGate {
    /// The machine.
    pub snapshot: gate::Snapshot,
    /// The requests that were taken from the SP's line. Part of the gate's row: a request is taken and worked on in one
    /// transaction, or neither.
    pub taken: Taken,
}

/// Numbers that came, each once, in any order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Taken {
    /// All below this have come.
    below: u64,
    above: BTreeSet<u64>,
}

impl Taken {
    /// Whether this one has come.
    #[must_use]
    pub fn has(&self, number: u64) -> bool {
        number < self.below || self.above.contains(&number)
    }

    /// This one has come now.
    pub fn take(&mut self, number: u64) {
        self.above.insert(number);
        while self.above.remove(&self.below) {
            self.below += 1;
        }
    }
}

/// Messages for one SP that were not taken yet, by number.
#[derive(Clone, Debug, Default)]
pub struct Line {
    next: u64,
    waiting: BTreeMap<u64, Delivery>,
}

/// A message for an SP.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// The message.
    pub body: Bytes,
    /// When it is to be sent again, if it was not taken.
    pub again: Tick,
    /// How long it is waited for then.
    pub patience: Millis,
}

impl Line {
    /// What is left to deliver.
    #[must_use]
    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Whether everything was delivered.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }
}

/// The store, and what the server's nodes are told from outside.
///
/// What is for an SP is an outbox: it is stored in the transaction that it comes of, and sent until the SP has taken it,
/// because nobody would ever ask for it again. What is for a client leaves after the commit and may be lost in a crash:
/// the timers of the device's machine repeat it, or end it with an answer.
pub struct Backend {
    pub(super) profile: Profile,
    pub(super) crashes: CrashPlan,
    pub(super) rivals: Permille,
    /// Where clients and SPs listen.
    contacts: BTreeMap<String, NodeId>,
    addresses: BTreeMap<NodeId, Source>,
    providers: BTreeMap<SpId, (SpProfile, NodeId)>,
    /// The Client-IDs that users told SPs, by device.
    board: BTreeMap<NodeId, ClientId>,
    /// The session tokens that devices have shown: whoever has got hold of one may use it.
    shown: BTreeMap<NodeId, Secret>,
    devices: Store<ClientId, Option<StoredDevice>>,
    gates: Store<SpId, StoredGate>,
    directory: Store<(), Directory>,
    lines: BTreeMap<SpId, Line>,
    commits: u64,
    lost: u64,
}

impl Backend {
    /// A store that knows nobody.
    #[must_use]
    pub fn new(profile: Profile, crashes: CrashPlan, rivals: Permille) -> Self {
        Self {
            profile,
            crashes,
            rivals,
            contacts: BTreeMap::new(),
            addresses: BTreeMap::new(),
            providers: BTreeMap::new(),
            board: BTreeMap::new(),
            shown: BTreeMap::new(),
            devices: Store::default(),
            gates: Store::default(),
            directory: Store::default(),
            lines: BTreeMap::new(),
            commits: 0,
            lost: 0,
        }
    }

    /// Says where a node is: what the server sees of it, and the name that it listens by.
    pub fn locate(&mut self, node: NodeId, contact: &str, source: Source) {
        self.contacts.insert(contact.to_owned(), node);
        self.addresses.insert(node, source);
    }

    /// Takes an SP on.
    pub fn onboard(&mut self, sp: SpProfile, node: NodeId) {
        let id = sp.id.clone();
        let machine = Gate::new(&gate::Profile { config: self.profile.clone(), sp: sp.clone() });
        self.providers.insert(id.clone(), (sp, node));
        self.lines.insert(id.clone(), Line::default());
        let stored = StoredGate { snapshot: machine.snapshot(), taken: Taken::default() };
        // Nobody comes in between: this is no step of a node.
        let _ = self.gates.compare_and_swap(id, 0, 1, stored);
    }

    /// The devices. A row without a value is one that was forgotten.
    #[must_use]
    pub const fn devices(&self) -> &Store<ClientId, Option<StoredDevice>> {
        &self.devices
    }

    /// The gates.
    #[must_use]
    pub const fn gates(&self) -> &Store<SpId, StoredGate> {
        &self.gates
    }

    /// Who has which Client-ID; nothing while nobody has registered.
    #[must_use]
    pub fn directory(&self) -> Option<&Row<Directory>> {
        self.directory.load(&())
    }

    /// What is left to deliver, by SP.
    #[must_use]
    pub const fn lines(&self) -> &BTreeMap<SpId, Line> {
        &self.lines
    }

    /// Steps that were stored.
    #[must_use]
    pub const fn commits(&self) -> u64 {
        self.commits
    }

    /// Steps that came too late.
    #[must_use]
    pub const fn lost(&self) -> u64 {
        self.lost
    }

    /// The machine of a Client-ID.
    ///
    /// # Errors
    /// Its snapshot was not taken back.
    pub fn device(&self, client: &ClientId) -> Result<Option<Device>, RestoreError> {
        let stored = self.devices.load(client).and_then(|row| row.value.as_ref());
        stored.map(|stored| Device::restore(stored.snapshot.clone(), &self.profile)).transpose()
    }

    /// The machine of an SP.
    ///
    /// # Errors
    /// Its snapshot was not taken back.
    pub fn gate(&self, sp: &SpId) -> Result<Option<Gate>, RestoreError> {
        let (Some(row), Some((profile, _))) = (self.gates.load(sp), self.providers.get(sp)) else { return Ok(None) };
        let profile = gate::Profile { config: self.profile.clone(), sp: profile.clone() };
        Gate::restore(row.value.snapshot.clone(), &profile).map(Some)
    }

    pub(super) fn providers(&self) -> impl Iterator<Item = &SpProfile> {
        self.providers.values().map(|(profile, _)| profile)
    }

    pub(super) fn node_of(&self, sp: &SpId) -> Option<NodeId> {
        self.providers.get(sp).map(|(_, node)| *node)
    }

    /// The SP at a node.
    pub(super) fn sp_at(&self, node: NodeId) -> Option<SpId> {
        self.providers.iter().find(|(_, (_, at))| *at == node).map(|(id, _)| id.clone())
    }

    pub(super) fn contact(&self, name: &str) -> Option<NodeId> {
        self.contacts.get(name).copied()
    }

    pub(super) fn source(&self, node: NodeId) -> Option<Source> {
        self.addresses.get(&node).cloned()
    }

    /// The user of a device tells SPs its Client-ID.
    pub(super) fn publish(&mut self, node: NodeId, client: ClientId) {
        self.board.insert(node, client);
    }

    /// The Client-ID that the device at another node told, if any: whoever misbehaves may use it.
    pub(super) fn foreign(&self, node: NodeId, nth: u32) -> Option<&ClientId> {
        let others: Vec<&ClientId> = self.board.iter().filter(|(of, _)| **of != node).map(|(_, id)| id).collect();
        others.get(nth as usize % others.len().max(1)).copied()
    }

    /// A device shows its session token.
    pub(super) fn show_token(&mut self, node: NodeId, token: &Secret) {
        if self.shown.get(&node) != Some(token) {
            self.shown.insert(node, token.clone());
        }
    }

    /// The session token of another node's device, if any was shown.
    pub(super) fn foreign_token(&self, node: NodeId, nth: u32) -> Option<Secret> {
        let others: Vec<&Secret> = self.shown.iter().filter(|(of, _)| **of != node).map(|(_, token)| token).collect();
        others.get(nth as usize % others.len().max(1)).copied().cloned()
    }

    /// The Client-IDs that SPs were told.
    pub(super) fn published(&self) -> impl Iterator<Item = &ClientId> {
        self.board.values()
    }

    /// The first device that must be woken, among those that are `free`, and when.
    pub(super) fn first_deadline(&self, free: impl Fn(&ClientId) -> bool) -> Option<(Tick, &ClientId)> {
        let waiting = self.devices.rows().filter_map(|(client, row)| Some((row.value.as_ref()?.deadline?, client)));
        waiting.filter(|(_, client)| free(client)).min()
    }

    /// When the first message to an SP is to be sent again.
    pub(super) fn first_delivery(&self) -> Option<Tick> {
        self.lines.values().flat_map(|line| line.waiting.values()).map(|delivery| delivery.again).min()
    }

    /// The messages to SPs that are to be sent again by now. Whoever asks sends them: they are due anew later.
    pub(super) fn take_deliveries(&mut self, now: Tick) -> Vec<(SpId, u64, Bytes)> {
        let mut due = Vec::new();
        for (sp, line) in &mut self.lines {
            for (number, delivery) in line.waiting.iter_mut().filter(|(_, delivery)| delivery.again <= now) {
                delivery.patience = longer(delivery.patience);
                delivery.again = now + delivery.patience;
                due.push((sp.clone(), *number, delivery.body.clone()));
            }
        }
        due
    }

    /// The SP has taken a message.
    pub(super) fn delivered(&mut self, sp: &SpId, number: u64) {
        if let Some(line) = self.lines.get_mut(sp) {
            line.waiting.remove(&number);
        }
    }

    /// Has this directory, for tests of what watches it.
    #[cfg(test)]
    pub(super) fn hold(&mut self, directory: Directory) {
        let revision = self.directory.revision(&());
        let _ = self.directory.compare_and_swap((), revision, revision + 1, directory);
    }

    /// Has a device without anything on it.
    #[cfg(test)]
    pub(super) fn hold_device(&mut self, client: ClientId) {
        let snapshot = Device::new(&self.profile, client.clone()).snapshot();
        let _ = self.devices.compare_and_swap(client, 0, 1, Some(StoredDevice { snapshot, deadline: None }));
    }

    /// Stores an attempt, all of it or nothing: nothing if any row that it read is another one by now. Gives the
    /// numbers of what it has for SPs.
    pub(super) fn commit(&mut self, attempt: &Attempt, now: Tick) -> (Commit, Vec<(SpId, u64, Bytes)>) {
        let same = attempt.devices.iter().all(|(client, held)| self.devices.revision(client) == held.revision)
            && attempt.gates.iter().all(|(sp, held)| self.gates.revision(sp) == held.revision)
            && attempt.directory.as_ref().is_none_or(|held| self.directory.revision(&()) == held.revision);
        if !same {
            self.lost += 1;
            return (Commit::Lost, Vec::new());
        }
        self.commits += 1;
        // All revisions were compared: none of these is lost.
        for (client, held) in attempt.devices.iter().filter(|(_, held)| held.changed) {
            if core_kit::planted!("P17-device-not-stored") && held.revision == 0 {
                continue;
            }
            let stored = held.machine.as_ref().map(|machine| StoredDevice {
                snapshot: machine.snapshot(),
                deadline: core_kit::Machine::deadline(machine).map(|deadline| deadline.at),
            });
            let _ = self.devices.compare_and_swap(client.clone(), held.revision, held.revision + 1, stored);
        }
        for (sp, held) in attempt.gates.iter().filter(|(_, held)| held.changed) {
            let stored = StoredGate { snapshot: held.machine.snapshot(), taken: held.taken.clone() };
            let _ = self.gates.compare_and_swap(sp.clone(), held.revision, held.revision + 1, stored);
        }
        self.commit_directory(attempt);
        let mut posted = Vec::new();
        for (sp, body) in attempt.for_sps() {
            let Some(line) = self.lines.get_mut(sp) else { continue };
            let (number, body) = (line.next, body.to_bytes());
            line.next += 1;
            line.waiting.insert(number, Delivery { body: body.clone(), again: now + AGAIN, patience: AGAIN });
            posted.push((sp.clone(), number, body));
        }
        (Commit::Done, posted)
    }

    /// The part of a commit that is the directory's: nothing if that is another one by now.
    pub(super) fn commit_directory(&mut self, attempt: &Attempt) {
        if let Some(held) = attempt.directory.as_ref().filter(|held| held.changed) {
            let next = held.revision + 1;
            let _ = self.directory.compare_and_swap((), held.revision, next, held.value.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_taken_once_in_whatever_order() {
        let mut taken = Taken::default();
        for number in [0, 2, 1, 4] {
            assert!(!taken.has(number));
            taken.take(number);
            assert!(taken.has(number));
        }
        assert!(!taken.has(3));
        assert_eq!(taken, Taken { below: 3, above: [4].into() });
    }
}
