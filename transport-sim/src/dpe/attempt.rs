//! One input taken through all machines that it touches, and not yet stored.

use core::net::IpAddr;
use std::collections::BTreeMap;

use core_kit::{Body, Durable, Env, Tick};
use dpe_core::{
    identity::{Key, Source},
    ids::{ClientId, SpId},
    server::{
        Misuse, Profile, RestoreError,
        carry::{self, Effect, Rows},
        device::{self, Device},
        directory::{Assign, Assignation, Change, Directory},
        gate::Gate,
    },
};

use super::backend::{Backend, Taken};

/// What a server node has to do.
#[derive(Clone, Debug)]
pub(super) enum Job {
    /// A message on DPE-1.
    Register(Source, Body),
    /// A client's message on DPE-2.
    Messages(Source, Body),
    /// The message of this number on the line of an SP.
    Request(SpId, u64, Source, Body),
    /// The time of a device has come.
    Wake(ClientId),
}

/// A device as it was read, or as it is to be stored.
pub(super) struct HeldDevice {
    pub(super) revision: u64,
    pub(super) machine: Option<Device>,
    pub(super) changed: bool,
}

/// A gate as it was read, or as it is to be stored.
pub(super) struct HeldGate {
    pub(super) revision: u64,
    pub(super) machine: Gate,
    pub(super) taken: Taken,
    pub(super) changed: bool,
    /// The revision of the machine when it was read.
    was: u64,
}

impl HeldGate {
    /// Whether the machine has taken a step that it remembers.
    pub(super) fn has_stepped(&self) -> bool {
        self.machine.revision() != self.was
    }
}

/// The directory as it was read, or as it is to be stored.
pub(super) struct HeldDirectory {
    pub(super) revision: u64,
    pub(super) value: Directory,
    pub(super) changed: bool,
}

/// What an input came to, and what must still be true in the store for it to count.
#[derive(Default)]
pub(super) struct Attempt {
    pub(super) devices: BTreeMap<ClientId, HeldDevice>,
    pub(super) gates: BTreeMap<SpId, HeldGate>,
    pub(super) directory: Option<HeldDirectory>,
    pub(super) effects: Vec<Effect>,
    /// Whether the request has been taken before: there is nothing to do but to say so.
    pub(super) is_repeated: bool,
    /// What the time was.
    pub(super) at: Tick,
}

/// Why an input could not be run: a mistake of the simulator or of a machine.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum AttemptError {
    #[error(transparent)]
    Restore(#[from] RestoreError),
    #[error(transparent)]
    Misuse(#[from] Misuse),
}

impl Attempt {
    /// Runs one input on what the store holds now, and changes nothing in it.
    pub(super) fn run(backend: &Backend, env: &Env, job: &Job) -> Result<Self, AttemptError> {
        let mut transaction = Transaction { backend, held: Self { at: env.now, ..Self::default() } };
        let effects = match job {
            Job::Register(source, body) => carry::register(&mut transaction, env, source, body)?,
            Job::Messages(source, body) => carry::from_client(&mut transaction, env, None, source, body)?,
            Job::Wake(client) => carry::to_device(&mut transaction, env, client, device::Input::Wake)?,
            Job::Request(sp, number, source, body) => {
                if transaction.take(sp, *number)? {
                    carry::from_sp(&mut transaction, env, source, body)?
                } else {
                    transaction.held.is_repeated = true;
                    Vec::new()
                }
            }
        };
        let mut attempt = transaction.held;
        for held in attempt.gates.values_mut() {
            held.changed |= held.has_stepped();
        }
        attempt.effects = effects;
        Ok(attempt)
    }

    /// Whether there is anything to store.
    pub(super) fn counts(&self) -> bool {
        self.devices.values().any(|held| held.changed)
            || self.gates.values().any(|held| held.changed)
            || self.directory.as_ref().is_some_and(|held| held.changed)
    }

    /// The messages to SPs, in order.
    pub(super) fn for_sps(&self) -> impl Iterator<Item = (&SpId, &Body)> {
        self.effects.iter().filter_map(|effect| match effect {
            Effect::ToSp(sp, message) => Some((sp, &message.body)),
            _ => None,
        })
    }

    /// The messages to clients.
    pub(super) fn downlinks(&self) -> usize {
        self.effects.iter().filter(|effect| matches!(effect, Effect::ToClient(..))).count()
    }
}

/// The rows of the store as one attempt sees them.
struct Transaction<'b> {
    backend: &'b Backend,
    held: Attempt,
}

impl Transaction<'_> {
    /// Takes a request from the line of an SP; false if it was taken before.
    fn take(&mut self, sp: &SpId, number: u64) -> Result<bool, AttemptError> {
        self.gate(sp)?;
        let Some(held) = self.held.gates.get_mut(sp) else { return Ok(true) };
        if held.taken.has(number) {
            return Ok(false);
        }
        held.taken.take(number);
        held.changed = true;
        Ok(true)
    }

    fn directory(&mut self) -> &mut HeldDirectory {
        let backend = self.backend;
        self.held.directory.get_or_insert_with(|| {
            let row = backend.directory();
            HeldDirectory {
                revision: row.map_or(0, |row| row.revision),
                value: row.map(|row| row.value.clone()).unwrap_or_default(),
                changed: false,
            }
        })
    }
}

impl Rows for Transaction<'_> {
    type Error = AttemptError;

    fn profile(&self) -> Profile {
        self.backend.profile.clone()
    }

    fn device(&mut self, client: &ClientId) -> Result<Option<&mut Device>, AttemptError> {
        if !self.held.devices.contains_key(client) {
            let revision = self.backend.devices().revision(client);
            let machine = self.backend.device(client)?;
            self.held.devices.insert(client.clone(), HeldDevice { revision, machine, changed: false });
        }
        Ok(self.held.devices.get_mut(client).and_then(|held| held.machine.as_mut()))
    }

    fn add(&mut self, device: Device) -> Result<(), AttemptError> {
        let client = device.client().clone();
        let revision = self.backend.devices().revision(&client);
        self.held.devices.insert(client, HeldDevice { revision, machine: Some(device), changed: true });
        Ok(())
    }

    /// The deadline is read from the machine when it is stored.
    fn stepped(&mut self, client: &ClientId, _: Option<Tick>) {
        if let Some(held) = self.held.devices.get_mut(client) {
            held.changed = true;
        }
    }

    fn forget(&mut self, client: &ClientId) {
        if let Some(held) = self.held.devices.get_mut(client) {
            (held.machine, held.changed) = (None, true);
        }
    }

    fn gate(&mut self, sp: &SpId) -> Result<Option<&mut Gate>, AttemptError> {
        if !self.held.gates.contains_key(sp)
            && let (Some(machine), Some(row)) = (self.backend.gate(sp)?, self.backend.gates().load(sp))
        {
            let (was, taken) = (machine.revision(), row.value.taken.clone());
            let held = HeldGate { revision: row.revision, machine, taken, changed: false, was };
            self.held.gates.insert(sp.clone(), held);
        }
        Ok(self.held.gates.get_mut(sp).map(|held| &mut held.machine))
    }

    fn providers(&self) -> Vec<SpId> {
        self.backend.gates().rows().map(|(sp, _)| sp.clone()).collect()
    }

    fn is_provider(&self, address: IpAddr) -> bool {
        self.backend.providers().flat_map(|sp| &sp.networks).any(|network| network.contains(address))
    }

    fn assign(&mut self, question: &Assign) -> Result<Assignation, AttemptError> {
        let held = self.directory();
        let before = held.value.len();
        let assignation = held.value.assign(question);
        held.changed |= held.value.len() != before;
        Ok(assignation)
    }

    fn find(&mut self, key: &Key) -> Result<Vec<ClientId>, AttemptError> {
        Ok(self.directory().value.find(key))
    }

    fn change(&mut self, change: Change) -> Result<(), AttemptError> {
        let held = self.directory();
        held.value.apply(change);
        held.changed = true;
        Ok(())
    }
}
