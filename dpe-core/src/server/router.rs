//! Many devices and gates in one process: plumbing for embedders, the simulator and HTTP.
//!
//! It is no machine: it keeps machines in maps, as the [rows](Rows) that [`carry`] works on. One call loads
//! the machines that it names and no others, so no cost grows with the number of devices or SPs; only a Client ID report
//! to all SPs does, where that is configured. A server that keeps its machines in a store has rows of its own.

use alloc::{
    boxed::Box,
    collections::{BTreeMap, BTreeSet},
    vec::Vec,
};
use core::net::IpAddr;

use core_kit::{
    Body, Env, Tick,
    journal::{self, JournalOf},
};

pub use super::carry::Effect;
use super::{
    Misuse, Profile,
    carry::{self, Rows, Taken},
    device::{self, Device},
    directory::{Assign, Assignation, Change, Directory},
    gate::{self, Gate},
    write,
};
use crate::{
    codes::Code,
    config::SpProfile,
    identity::{Key, Source},
    ids::{ClientId, SpId, Token},
    wire::{Ie, Kind, Message},
};

/// What is done with a poll of a client [DPE digest H5].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Poll {
    /// It is this client's.
    Of(ClientId),
    /// It is answered with this `DPE_Error`.
    Refused(Body),
    /// It does not come from where clients are.
    Ignored,
}

/// Devices, gates, and a directory.
#[derive(Clone, Debug, Default)]
pub struct Router {
    profile: Profile,
    /// Who has which Client-ID.
    pub directory: Directory,
    /// In boxes, since a map keeps room for entries that it does not have.
    devices: BTreeMap<ClientId, Box<Device>>,
    gates: BTreeMap<SpId, Gate>,
    providers: BTreeMap<SpId, SpProfile>,
    wakes: BTreeSet<(Tick, ClientId)>,
    wake_of: BTreeMap<ClientId, Tick>,
    journals: Option<Journals>,
}

impl Router {
    /// A server that knows nobody.
    #[must_use]
    pub fn new(profile: &Profile) -> Self {
        Self { profile: profile.clone(), ..Self::default() }
    }

    /// Takes an SP on.
    pub fn add_sp(&mut self, sp: SpProfile) {
        let profile = gate::Profile { config: self.profile.clone(), sp: sp.clone() };
        self.gates.insert(sp.id.clone(), Gate::new(&profile));
        self.providers.insert(sp.id.clone(), sp);
    }

    /// Keeps a journal of every machine from its next step on.
    pub fn record(&mut self) {
        self.journals.get_or_insert_default();
    }

    /// The journals so far; nothing where none are kept.
    #[must_use]
    pub const fn journals(&self) -> Option<&Journals> {
        self.journals.as_ref()
    }

    /// The machine of a Client-ID.
    #[must_use]
    pub fn device(&self, client: &ClientId) -> Option<&Device> {
        self.devices.get(client).map(Box::as_ref)
    }

    /// The machine of an SP.
    #[must_use]
    pub fn gate(&self, sp: &SpId) -> Option<&Gate> {
        self.gates.get(sp)
    }

    /// All Client-IDs that have a machine.
    pub fn clients(&self) -> impl Iterator<Item = &ClientId> {
        self.devices.keys()
    }

    /// When to call [`wake`](Self::wake) at the latest.
    #[must_use]
    pub fn deadline(&self) -> Option<Tick> {
        self.wakes.first().map(|(at, _)| *at)
    }

    /// Fires the timers that are due.
    ///
    /// # Errors
    /// A device waits for the answer to its question.
    pub fn wake(&mut self, env: &Env) -> Result<Vec<Effect>, Misuse> {
        let mut effects = Vec::new();
        while let Some((at, client)) = self.wakes.first().cloned() {
            if at > env.now {
                break;
            }
            effects.extend(carry::to_device(self, env, &client, device::Input::Wake)?);
            // A machine that names the same time again would be woken for ever.
            if self.wakes.first() == Some(&(at, client.clone())) {
                self.wakes.remove(&(at, client.clone()));
                self.wake_of.remove(&client);
            }
        }
        Ok(effects)
    }

    /// A message on DPE-1.
    ///
    /// # Errors
    /// A device waits for the answer to its question.
    pub fn register(&mut self, env: &Env, source: &Source, body: &Body) -> Result<Vec<Effect>, Misuse> {
        carry::register(self, env, source, body)
    }

    /// A message of a client on DPE-2. `via` is the Client-ID that the transport ties the sender to, where it does.
    ///
    /// # Errors
    /// The device waits for the answer to its question.
    pub fn from_client(
        &mut self,
        env: &Env,
        via: Option<&ClientId>,
        source: &Source,
        body: &Body,
    ) -> Result<Vec<Effect>, Misuse> {
        carry::from_client(self, env, via, source, body)
    }

    /// A message on DPE-3.
    ///
    /// # Errors
    /// A device waits for the answer to its question.
    pub fn from_sp(&mut self, env: &Env, source: &Source, body: &Body) -> Result<Vec<Effect>, Misuse> {
        carry::from_sp(self, env, source, body)
    }

    /// Whose poll this is. `named` is the Client-ID that it names.
    #[must_use]
    pub fn poll(&self, source: &Source, named: Option<&str>) -> Poll {
        let config = self.profile.config();
        let (address, networks) = (source.address(&config.identity), &config.dpe1.allowed_networks);
        if !networks.is_empty() && !networks.iter().any(|network| network.contains(address)) {
            return Poll::Ignored;
        }
        let token = named.and_then(|named| Token::try_from(named).ok());
        let recognised = || {
            let token = token.as_ref().ok_or(Code::CLIENT_ID_MISSING)?;
            let client = ClientId::try_from(token.clone()).map_err(|_| Code::CLIENT_ID_NOT_REGISTERED)?;
            let device = self.devices.get(&client).ok_or(Code::CLIENT_ID_NOT_REGISTERED)?;
            device.recognises(source).map(|()| client)
        };
        recognised().map_or_else(
            |code| {
                let mut error = Message::new(Kind::Error);
                error.client_id = token.clone().into();
                error.status = Ie::Is(code);
                write::body(&error).map_or(Poll::Ignored, Poll::Refused)
            },
            Poll::Of,
        )
    }

    /// What was settled with an SP.
    #[must_use]
    pub fn provider(&self, sp: &SpId) -> Option<&SpProfile> {
        self.providers.get(sp)
    }

    /// Whether the sender comes from where this SP may come from (P6), or any SP if none is named.
    #[must_use]
    pub fn is_from_sp(&self, sp: Option<&SpId>, source: &Source) -> bool {
        let address = source.address(&self.profile.config().identity);
        let has = |sp: &SpProfile| sp.networks.iter().any(|network| network.contains(address));
        match sp {
            Some(sp) => self.providers.get(sp).is_some_and(has),
            None => self.providers.values().any(has),
        }
    }

    /// The request that is out to this client could not be delivered.
    ///
    /// # Errors
    /// The device waits for the answer to its question.
    pub fn unreachable(&mut self, env: &Env, client: &ClientId) -> Result<Vec<Effect>, Misuse> {
        carry::to_device(self, env, client, device::Input::Unreachable)
    }

    /// Makes a client register again.
    ///
    /// # Errors
    /// The device waits for the answer to its question.
    pub fn command(&mut self, env: &Env, client: &ClientId, reason: &str) -> Result<Vec<Effect>, Misuse> {
        carry::to_device(self, env, client, device::Input::Command(reason.into()))
    }

    /// The answer to a device's question.
    ///
    /// # Errors
    /// The device did not ask.
    pub fn filtered(&mut self, env: &Env, client: &ClientId, answer: device::Input) -> Result<Vec<Effect>, Misuse> {
        carry::to_device(self, env, client, answer)
    }
}

/// What the machines of a router did. Treat it as personal data.
#[derive(Clone, Debug, Default)]
pub struct Journals {
    /// One for each device that took a step.
    pub devices: BTreeMap<ClientId, JournalOf<Device>>,
    /// One for each SP whose gate took a step.
    pub gates: BTreeMap<SpId, JournalOf<Gate>>,
}

impl Rows for Router {
    type Error = Misuse;

    fn profile(&self) -> Profile {
        self.profile.clone()
    }

    fn device(&mut self, client: &ClientId) -> Result<Option<&mut Device>, Misuse> {
        Ok(self.devices.get_mut(client).map(Box::as_mut))
    }

    fn add(&mut self, device: Device) -> Result<(), Misuse> {
        self.devices.insert(device.client().clone(), Box::new(device));
        Ok(())
    }

    fn stepped(&mut self, client: &ClientId, wake: Option<Tick>) {
        let before = self.wake_of.get(client).copied();
        if before == wake {
            return;
        }
        if let Some(before) = before {
            self.wake_of.remove(client);
            self.wakes.remove(&(before, client.clone()));
        }
        if let Some(at) = wake {
            self.wake_of.insert(client.clone(), at);
            self.wakes.insert((at, client.clone()));
        }
    }

    fn forget(&mut self, client: &ClientId) {
        self.devices.remove(client);
        self.stepped(client, None);
    }

    fn gate(&mut self, sp: &SpId) -> Result<Option<&mut Gate>, Misuse> {
        Ok(self.gates.get_mut(sp))
    }

    fn providers(&self) -> Vec<SpId> {
        self.gates.keys().cloned().collect()
    }

    fn is_provider(&self, address: IpAddr) -> bool {
        self.providers.values().flat_map(|sp| &sp.networks).any(|network| network.contains(address))
    }

    fn assign(&mut self, question: &Assign) -> Result<Assignation, Misuse> {
        Ok(self.directory.assign(question))
    }

    fn find(&mut self, key: &Key) -> Result<Vec<ClientId>, Misuse> {
        Ok(self.directory.find(key))
    }

    fn change(&mut self, change: Change) -> Result<(), Misuse> {
        self.directory.apply(change);
        Ok(())
    }

    fn keeps_steps(&self) -> bool {
        self.journals.is_some()
    }

    fn keep(&mut self, taken: Taken) {
        let Some(journals) = &mut self.journals else { return };
        match taken {
            Taken::Device(client, before, record) => {
                let profile = || self.profile.clone();
                let journal =
                    journals.devices.entry(client).or_insert_with(|| journal::begin_at::<Device>(before, profile()));
                journal.records.push(record);
            }
            Taken::Gate(sp, before, record) => {
                let Some(provider) = self.providers.get(&sp) else { return };
                let profile = || gate::Profile { config: self.profile.clone(), sp: provider.clone() };
                let journal = journals.gates.entry(sp).or_insert_with(|| journal::begin_at::<Gate>(before, profile()));
                journal.records.push(record);
            }
        }
    }
}
