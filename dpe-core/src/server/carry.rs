//! What the machines of a server tell each other, carried from one to the next until all is said.
//!
//! One input of the network is one transaction: it changes the device that it is for, the gates which that device tells
//! something, the devices which those tell, and the directory. [`Rows`] is what such a transaction reads and changes; the
//! functions here run one input on it and give back what is to be sent once it is stored. The
//! [router](super::router) is rows in memory. A server with a database loads rows as they are named, and stores those that
//! changed by compare-and-swap, all or none; where its loading has to wait, it gives an error that names the missing row,
//! loads it, and runs the input again from the start.

use alloc::{collections::VecDeque, vec::Vec};
use core::net::IpAddr;

use core_kit::{Body, Durable, Env, Machine, Tick, journal::RecordOf};

use super::{
    Misuse, Profile,
    desk::{self, Desk},
    device::{self, Device, Downlink, Question},
    directory::{Assign, Assignation, Change},
    gate::{self, Gate, Route, ToSp},
    link::{ToDevice, ToGate},
};
use crate::{
    codes::Code,
    identity::{Key, Source},
    ids::{ClientId, SpId},
    wire,
};

/// Bound of what one input carries between machines. Far more than any does; a guard against a loop of two.
const STEPS_MAX: usize = 100_000;

/// What came of an input.
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
    /// Answer this with [`to_device`].
    Ask(ClientId, Question),
}

/// The machines and the directory, as one transaction sees them: what it changed before is what it reads after.
pub trait Rows {
    /// Why a row is not to be had, or a machine took no input. Whatever was changed up to there must not be stored.
    type Error: From<Misuse>;

    /// The configuration of the server.
    fn profile(&self) -> Profile;

    /// The machine of a Client-ID; nothing where there is none.
    ///
    /// # Errors
    /// The store's own.
    fn device(&mut self, client: &ClientId) -> Result<Option<&mut Device>, Self::Error>;

    /// A new machine, for a Client-ID that has none.
    ///
    /// # Errors
    /// The store's own.
    fn add(&mut self, device: Device) -> Result<(), Self::Error>;

    /// The machine of this Client-ID has taken a step, and is to be woken then.
    fn stepped(&mut self, client: &ClientId, wake: Option<Tick>);

    /// The machine of this Client-ID need not be kept any longer.
    fn forget(&mut self, client: &ClientId);

    /// The machine of an SP; nothing where there is none.
    ///
    /// # Errors
    /// The store's own.
    fn gate(&mut self, sp: &SpId) -> Result<Option<&mut Gate>, Self::Error>;

    /// All SPs.
    fn providers(&self) -> Vec<SpId>;

    /// Whether any SP may come from this address.
    fn is_provider(&self, address: IpAddr) -> bool;

    /// Answers a question of the desk, and allocates.
    ///
    /// # Errors
    /// The store's own.
    fn assign(&mut self, question: &Assign) -> Result<Assignation, Self::Error>;

    /// The valid Client-IDs of an identity.
    ///
    /// # Errors
    /// The store's own.
    fn find(&mut self, key: &Key) -> Result<Vec<ClientId>, Self::Error>;

    /// Changes the directory.
    ///
    /// # Errors
    /// The store's own.
    fn change(&mut self, change: Change) -> Result<(), Self::Error>;

    /// Whether steps are to be kept; without it nothing is copied for them.
    fn keeps_steps(&self) -> bool {
        false
    }

    /// Keeps a step that a machine has just taken; called only where [`keeps_steps`](Self::keeps_steps) says so.
    fn keep(&mut self, _: Taken) {}
}

/// A step of a machine, and the state before it: what a journal is made of.
#[derive(Clone, Debug)]
pub enum Taken {
    /// Of the device of this Client-ID.
    Device(ClientId, device::Snapshot, RecordOf<Device>),
    /// Of the gate of this SP.
    Gate(SpId, gate::Snapshot, RecordOf<Gate>),
}

/// What came of a step, and what a journal wants of it.
type Stepped<M> = (Vec<<M as Machine>::Output>, Option<(<M as Durable>::Snapshot, RecordOf<M>)>);

fn step<M>(machine: &mut M, env: &Env, input: M::Input, is_kept: bool) -> Result<Stepped<M>, M::Misuse>
where
    M: Durable<Input: Clone, Output: Clone>,
{
    if is_kept {
        let before = machine.snapshot();
        let record = core_kit::journal::step(machine, env, input)?;
        return Ok((record.outputs.clone(), Some((before, record))));
    }
    let mut out = Vec::new();
    machine.handle(env, input, &mut out)?;
    Ok((out, None))
}

/// A message on DPE-1.
///
/// # Errors
/// Those of the rows; a device waits for the answer to its question.
pub fn register<R: Rows>(rows: &mut R, env: &Env, source: &Source, body: &Body) -> Result<Vec<Effect>, R::Error> {
    let mut desk = Desk::new(&rows.profile());
    let mut out = Vec::new();
    desk.handle(env, desk::Input::Received(source.clone(), body.clone()), &mut out)?;
    if let Some(desk::Output::Ask(question)) = out.first() {
        let assignation = rows.assign(question)?;
        let answer = desk::Input::Assigned(question.id, assignation);
        out.clear();
        desk.handle(env, answer, &mut out)?;
    }
    match out.pop() {
        Some(desk::Output::Reply(_, body)) => Ok([Effect::Reply(body)].into()),
        Some(desk::Output::Register(client, register)) => {
            if rows.device(&client)?.is_none() {
                let device = Device::new(&rows.profile(), client.clone());
                rows.add(device)?;
            }
            to_device(rows, env, &client, device::Input::Register(register))
        }
        Some(desk::Output::Forward(client)) => from_client(rows, env, Some(&client), source, body),
        Some(desk::Output::Ignore | desk::Output::Ask(_)) | None => Ok([Effect::Ignore].into()),
    }
}

/// A message of a client on DPE-2. `via` is the Client-ID that the transport ties the sender to, where it does.
///
/// # Errors
/// Those of the rows; a device waits for the answer to its question.
pub fn from_client<R: Rows>(
    rows: &mut R,
    env: &Env,
    via: Option<&ClientId>,
    source: &Source,
    body: &Body,
) -> Result<Vec<Effect>, R::Error> {
    let profile = rows.profile();
    let named = || {
        let read = wire::decode(body, &profile.config().wire).ok()?;
        read.client_id().cloned().and_then(|token| ClientId::try_from(token).ok())
    };
    if let Some(client) = via.cloned().or_else(named)
        && rows.device(&client)?.is_some()
    {
        return to_device(rows, env, &client, device::Input::Received(source.clone(), body.clone()));
    }
    Ok([device::stranger(profile.config(), body).map_or(Effect::Ignore, Effect::Reply)].into())
}

/// A message on DPE-3.
///
/// # Errors
/// Those of the rows; a device waits for the answer to its question.
pub fn from_sp<R: Rows>(rows: &mut R, env: &Env, source: &Source, body: &Body) -> Result<Vec<Effect>, R::Error> {
    let profile = rows.profile();
    let config = profile.config();
    // Only a message without SP-ID needs to know whether its address is one of an SP, so only such a one pays for it.
    let mut route = gate::route(config, body, false);
    if let Route::Ignore(gate::Ignored::Fault(Code::SP_ID_MISSING)) = route
        && rows.is_provider(source.address(&config.identity))
    {
        route = gate::route(config, body, true);
    }
    if let Route::To(sp) = &route
        && rows.gate(sp)?.is_none()
    {
        route = gate::stranger(config, body);
    }
    match route {
        Route::To(sp) => run(rows, env, Work::Gate(sp, gate::Input::Received(source.clone(), body.clone()))),
        Route::Ignore(_) => Ok([Effect::Ignore].into()),
        Route::Reply(_, body) => Ok([Effect::Reply(body)].into()),
    }
}

/// An input of one device that comes from no network: [`Wake`](device::Input::Wake), an answer, an order of the operator.
///
/// # Errors
/// Those of the rows; a device waits for the answer to its question, or did not ask.
pub fn to_device<R: Rows>(
    rows: &mut R,
    env: &Env,
    client: &ClientId,
    input: device::Input,
) -> Result<Vec<Effect>, R::Error> {
    run(rows, env, Work::Device(client.clone(), input))
}

enum Work {
    Device(ClientId, device::Input),
    Gate(SpId, gate::Input),
}

/// Carries the first piece of work and all that follows from it.
fn run<R: Rows>(rows: &mut R, env: &Env, first: Work) -> Result<Vec<Effect>, R::Error> {
    let mut carrier = Carrier { rows, env, todo: VecDeque::from([first]), effects: Vec::new() };
    for _ in 0..STEPS_MAX {
        let Some(work) = carrier.todo.pop_front() else { break };
        match work {
            Work::Device(client, input) => carrier.step_device(client, input)?,
            Work::Gate(sp, input) => carrier.step_gate(&sp, input)?,
        }
    }
    Ok(carrier.effects)
}

struct Carrier<'a, R> {
    rows: &'a mut R,
    env: &'a Env,
    todo: VecDeque<Work>,
    effects: Vec<Effect>,
}

impl<R: Rows> Carrier<'_, R> {
    fn step_device(&mut self, client: ClientId, input: device::Input) -> Result<(), R::Error> {
        let is_kept = self.rows.keeps_steps();
        let Some(device) = self.rows.device(&client)? else {
            self.nobody(client, input);
            return Ok(());
        };
        let (out, kept) = step(device, self.env, input, is_kept)?;
        let wake = device.deadline().map(|deadline| deadline.at);
        if let Some((before, record)) = kept {
            self.rows.keep(Taken::Device(client.clone(), before, record));
        }
        self.rows.stepped(&client, wake);
        for output in out {
            match output {
                device::Output::Report(report) => self.effects.push(Effect::Device(client.clone(), report)),
                device::Output::Ask(question) => self.effects.push(Effect::Ask(client.clone(), question)),
                device::Output::Reply(body) => self.effects.push(Effect::Reply(body)),
                device::Output::Send(downlink) => self.effects.push(Effect::ToClient(client.clone(), downlink)),
                device::Output::Gate(sp, told) => self.todo.push_back(Work::Gate(sp, gate::Input::Told(told))),
                device::Output::Everyone(told) => self.everyone(&told),
                device::Output::Device(other, told) => {
                    self.todo.push_back(Work::Device(other, device::Input::Told(told)));
                }
                device::Output::Directory(change) => self.rows.change(change)?,
                device::Output::Forget => self.rows.forget(&client),
            }
        }
        Ok(())
    }

    /// There is no such device: the one who told it something learns that.
    fn nobody(&mut self, client: ClientId, input: device::Input) {
        match input {
            device::Input::Told(ToDevice::Ask(ask)) => {
                self.todo.push_back(Work::Gate(ask.sp, gate::Input::NoSuchClient(client, ask.message)));
            }
            device::Input::Told(ToDevice::Leave(leave)) if leave.same_user => {
                let told = device::Input::Told(ToDevice::NoSuchDevice(client));
                self.todo.push_back(Work::Device(leave.successor, told));
            }
            _ => {}
        }
    }

    fn everyone(&mut self, told: &ToGate) {
        let all = self.rows.providers().into_iter().map(|sp| Work::Gate(sp, gate::Input::Told(told.clone())));
        self.todo.extend(all);
    }

    fn step_gate(&mut self, sp: &SpId, input: gate::Input) -> Result<(), R::Error> {
        let is_kept = self.rows.keeps_steps();
        let Some(gate) = self.rows.gate(sp)? else { return Ok(()) };
        let (out, kept) = step(gate, self.env, input, is_kept)?;
        if let Some((before, record)) = kept {
            self.rows.keep(Taken::Gate(sp.clone(), before, record));
        }
        for output in out {
            match output {
                gate::Output::Report(report) => self.effects.push(Effect::Gate(sp.clone(), report)),
                gate::Output::Ask(question) => {
                    let clients = self.rows.find(&question.key)?;
                    self.todo.push_front(Work::Gate(sp.clone(), gate::Input::Found(question.id, clients)));
                }
                gate::Output::Ignore(_) => self.effects.push(Effect::Ignore),
                gate::Output::Send(message) => self.effects.push(Effect::ToSp(sp.clone(), message)),
                gate::Output::Device(client, told) => {
                    self.todo.push_back(Work::Device(client, device::Input::Told(told)));
                }
            }
        }
        Ok(())
    }
}
