//! Many devices and gates in one process: plumbing for embedders, the simulator and HTTP.
//!
//! It is no machine: it keeps machines in maps, and carries what they tell each other. One call loads the machines that
//! it names and no others, so no cost grows with the number of devices or SPs; only a Client ID report to all SPs does,
//! where that is configured. A server that keeps its machines in a store does the same in one transaction.

use alloc::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    vec::Vec,
};

use core_kit::{Body, Env, Machine, Tick};

use super::{
    Misuse, Profile,
    desk::{self, Desk},
    device::{self, Device, Downlink, Question},
    directory::Directory,
    gate::{self, Gate, Route, ToSp},
    link::{ToDevice, ToGate},
    write,
};
use crate::{
    codes::Code,
    config::SpProfile,
    identity::Source,
    ids::{ClientId, SpId, Token},
    wire::{self, Ie, Kind, Message},
};

/// Bound of what one call carries between machines. Far more than any call does; a guard against a loop of two.
const STEPS_MAX: usize = 100_000;

/// What came of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// The reply to the message that came in.
    Reply(Body),
    /// The message that came in is ignored: whatever carries it says nothing.
    Ignore,
    /// Send this to the client.
    ToClient(ClientId, Downlink),
    /// Send this to the SP.
    ToSp(SpId, ToSp),
    /// A device tells what is worth counting.
    Device(ClientId, device::Report),
    /// A gate tells what is worth counting.
    Gate(SpId, gate::Report),
    /// Answer this with [`Router::filtered`].
    Ask(ClientId, Question),
}

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

enum Work {
    Device(ClientId, device::Input),
    Gate(SpId, gate::Input),
    Register(ClientId, device::Register),
}

/// Devices, gates, and a directory.
#[derive(Clone, Debug, Default)]
pub struct Router {
    profile: Profile,
    /// Who has which Client-ID.
    pub directory: Directory,
    devices: BTreeMap<ClientId, Device>,
    gates: BTreeMap<SpId, Gate>,
    providers: BTreeMap<SpId, SpProfile>,
    wakes: BTreeSet<(Tick, ClientId)>,
    wake_of: BTreeMap<ClientId, Tick>,
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

    /// The machine of a Client-ID.
    #[must_use]
    pub fn device(&self, client: &ClientId) -> Option<&Device> {
        self.devices.get(client)
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
            effects.extend(self.run(env, Work::Device(client.clone(), device::Input::Wake))?);
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
        let mut desk = Desk::new(&self.profile);
        let mut out = Vec::new();
        desk.handle(env, desk::Input::Received(source.clone(), body.clone()), &mut out)?;
        if let Some(desk::Output::Ask(question)) = out.first() {
            let assignation = self.directory.assign(question);
            let answer = desk::Input::Assigned(question.id, assignation);
            out.clear();
            desk.handle(env, answer, &mut out)?;
        }
        match out.pop() {
            Some(desk::Output::Reply(_, body)) => Ok([Effect::Reply(body)].into()),
            Some(desk::Output::Register(client, register)) => self.run(env, Work::Register(client, register)),
            Some(desk::Output::Forward(client)) => self.from_client(env, Some(&client), source, body),
            Some(desk::Output::Ignore | desk::Output::Ask(_)) | None => Ok([Effect::Ignore].into()),
        }
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
        let named = || {
            let read = wire::decode(body, &self.profile.config().wire).ok()?;
            read.client_id().cloned().and_then(|token| ClientId::try_from(token).ok())
        };
        let client = via.cloned().or_else(named).filter(|client| self.devices.contains_key(client));
        match client {
            Some(client) => self.run(env, Work::Device(client, device::Input::Received(source.clone(), body.clone()))),
            None => Ok([device::stranger(self.profile.config(), body).map_or(Effect::Ignore, Effect::Reply)].into()),
        }
    }

    /// A message on DPE-3.
    ///
    /// # Errors
    /// A device waits for the answer to its question.
    pub fn from_sp(&mut self, env: &Env, source: &Source, body: &Body) -> Result<Vec<Effect>, Misuse> {
        let config = self.profile.config();
        // Only a message without SP-ID needs to know that, so only such a one pays for it.
        let mut route = gate::route(config, body, false);
        if let Route::Ignore(gate::Ignored::Fault(Code::SP_ID_MISSING)) = route
            && self.is_from_sp(None, source)
        {
            route = gate::route(config, body, true);
        }
        if let Route::To(sp) = &route
            && !self.gates.contains_key(sp)
        {
            route = gate::stranger(config, body);
        }
        match route {
            Route::To(sp) => self.run(env, Work::Gate(sp, gate::Input::Received(source.clone(), body.clone()))),
            Route::Ignore(_) => Ok([Effect::Ignore].into()),
            Route::Reply(_, body) => Ok([Effect::Reply(body)].into()),
        }
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
        self.run(env, Work::Device(client.clone(), device::Input::Unreachable))
    }

    /// Makes a client register again.
    ///
    /// # Errors
    /// The device waits for the answer to its question.
    pub fn command(&mut self, env: &Env, client: &ClientId, reason: &str) -> Result<Vec<Effect>, Misuse> {
        self.run(env, Work::Device(client.clone(), device::Input::Command(reason.into())))
    }

    /// The answer to a device's question.
    ///
    /// # Errors
    /// The device did not ask.
    pub fn filtered(&mut self, env: &Env, client: &ClientId, answer: device::Input) -> Result<Vec<Effect>, Misuse> {
        self.run(env, Work::Device(client.clone(), answer))
    }

    /// Carries the first piece of work and all that follows from it.
    fn run(&mut self, env: &Env, first: Work) -> Result<Vec<Effect>, Misuse> {
        let mut effects = Vec::new();
        let mut todo = VecDeque::from([first]);
        for _ in 0..STEPS_MAX {
            let Some(work) = todo.pop_front() else { break };
            match work {
                Work::Register(client, register) => {
                    let profile = &self.profile;
                    self.devices.entry(client.clone()).or_insert_with(|| Device::new(profile, client.clone()));
                    todo.push_front(Work::Device(client, device::Input::Register(register)));
                }
                Work::Device(client, input) => self.step_device(env, client, input, &mut todo, &mut effects)?,
                Work::Gate(sp, input) => self.step_gate(env, &sp, input, &mut todo, &mut effects)?,
            }
        }
        Ok(effects)
    }

    fn step_device(
        &mut self,
        env: &Env,
        client: ClientId,
        input: device::Input,
        todo: &mut VecDeque<Work>,
        effects: &mut Vec<Effect>,
    ) -> Result<(), Misuse> {
        let Some(device) = self.devices.get_mut(&client) else {
            // The one who told it learns that there is nobody.
            match input {
                device::Input::Told(ToDevice::Ask(ask)) => {
                    todo.push_back(Work::Gate(ask.sp, gate::Input::NoSuchClient(client, ask.message)));
                }
                device::Input::Told(ToDevice::Leave(leave)) if leave.same_user => {
                    let told = device::Input::Told(ToDevice::NoSuchDevice(client));
                    todo.push_back(Work::Device(leave.successor, told));
                }
                _ => {}
            }
            return Ok(());
        };
        let mut out = Vec::new();
        device.handle(env, input, &mut out)?;
        let deadline = device.deadline().map(|deadline| deadline.at);
        self.plan_wake(&client, deadline);
        for output in out {
            match output {
                device::Output::Report(report) => effects.push(Effect::Device(client.clone(), report)),
                device::Output::Ask(question) => effects.push(Effect::Ask(client.clone(), question)),
                device::Output::Reply(body) => effects.push(Effect::Reply(body)),
                device::Output::Send(downlink) => effects.push(Effect::ToClient(client.clone(), downlink)),
                device::Output::Gate(sp, told) => todo.push_back(Work::Gate(sp, gate::Input::Told(told))),
                device::Output::Everyone(told) => todo.extend(self.everyone(&told)),
                device::Output::Device(other, told) => {
                    todo.push_back(Work::Device(other, device::Input::Told(told)));
                }
                device::Output::Directory(change) => self.directory.apply(change),
                device::Output::Forget => {
                    self.devices.remove(&client);
                    self.plan_wake(&client, None);
                }
            }
        }
        Ok(())
    }

    fn everyone(&self, told: &ToGate) -> Vec<Work> {
        self.gates.keys().map(|sp| Work::Gate(sp.clone(), gate::Input::Told(told.clone()))).collect()
    }

    fn step_gate(
        &mut self,
        env: &Env,
        sp: &SpId,
        input: gate::Input,
        todo: &mut VecDeque<Work>,
        effects: &mut Vec<Effect>,
    ) -> Result<(), Misuse> {
        let Some(gate) = self.gates.get_mut(sp) else { return Ok(()) };
        let mut out = Vec::new();
        gate.handle(env, input, &mut out)?;
        for output in out {
            match output {
                gate::Output::Report(report) => effects.push(Effect::Gate(sp.clone(), report)),
                gate::Output::Ask(question) => {
                    let clients = self.directory.find(&question.key);
                    todo.push_front(Work::Gate(sp.clone(), gate::Input::Found(question.id, clients)));
                }
                gate::Output::Ignore(_) => effects.push(Effect::Ignore),
                gate::Output::Send(message) => effects.push(Effect::ToSp(sp.clone(), message)),
                gate::Output::Device(client, told) => {
                    todo.push_back(Work::Device(client, device::Input::Told(told)));
                }
            }
        }
        Ok(())
    }

    fn plan_wake(&mut self, client: &ClientId, at: Option<Tick>) {
        if let Some(before) = self.wake_of.remove(client) {
            self.wakes.remove(&(before, client.clone()));
        }
        if let Some(at) = at {
            self.wake_of.insert(client.clone(), at);
            self.wakes.insert((at, client.clone()));
        }
    }
}
