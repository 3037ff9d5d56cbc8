//! A device: a client, what its properties are worth, and what its user does with it.

use std::collections::{BTreeSet, VecDeque};

use core_kit::{Body, Durable, Machine, Millis, Tick, journal::JournalOf};
use dpe_core::{
    client::{self, Client, Input, Output, Properties, Sender},
    codes::Code,
    property::Reading,
    wire::{Identity, PropertyName, Value},
};

use super::{Fact, Party, binding::Envelope, spite::Spite};
use crate::{Channel, Commit, Context, FaultId, Host, Message, NodeId, Site, Span, Store};

/// Places in the code that take rare ways: a timer that comes early, a client taken up from the octets of its snapshot.
const EARLY: Site = Site("device.rare.early");
const CACHE: Site = Site("device.rare.cache");
const SERVER: Site = Site("device.server");
const LEVEL: Site = Site("device.level");
const DOWN: Site = Site("device.down");
const BACK: Site = Site("device.back");
const POSE: Site = Site("device.pose");

/// What clients know the server by.
pub(super) const SERVER_NAME: &str = "dpe.example";
/// Exchanges that a device waits for.
const CHANNELS_MAX: usize = 32;
/// Steps that a device's disk can go back.
const PAST: usize = 8;
/// How long a device takes to start anew.
const BOOT: Millis = Millis(1_000);
const DOWN_MS: Span = Span::new(200, 20_000);
/// How long it poses as another one.
const POSE_MS: Span = Span::new(20_000, 120_000);

/// What happens to a device at a time of its plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Doing {
    /// It registers: it starts up, or it is time to do so again.
    Register,
    /// The same, and its transport sends the request a second time on the same connection.
    Twice,
    /// It loses its memory, and starts up.
    Wipe,
    /// Its properties have other values.
    Sample,
    /// `batteryLevel` has this value, and `volumeLevel`, which counts the changes, the next one; whether the client is told.
    Level(i64, bool),
    /// Another SIM is in it, or none.
    User(Option<Identity>),
    /// Its user wants a session, or wants none.
    Want(bool),
    /// Whatever the world's swarm has for a device may happen.
    Chance,
    /// It does not pose as another device any more.
    BeItself,
}

/// A device with a client that listens. The snapshot after each step goes to its disk, and what the step gave leaves only
/// if the disk took it; which exchanges it waits for is not durable.
pub struct Device {
    profile: client::Profile,
    servers: Vec<NodeId>,
    host: Host<Client>,
    past: Vec<Host<Client>>,
    disk: Store<(), client::Snapshot>,
    /// What it does when it is back: it was taken down for this.
    rebirth: Option<FaultId>,
    /// When it registers, since it has started without a memory.
    boot: Option<Tick>,
    /// Its own identities, while it poses as another device.
    own: Option<(Option<Identity>, Option<Identity>)>,
    spite: Spite,
    plan: VecDeque<(Tick, Doing)>,
    level: i64,
    count: i64,
    /// Whether its user wants a session. What the client took up again may say otherwise, and name another user.
    wants: bool,
    unsure: bool,
    /// Whether its next request to register is sent twice.
    twice: bool,
    /// Exchanges that it opened and whose reply has not come.
    waiting: BTreeSet<Channel>,
    /// Exchanges that the server opened: a copy on one of them is no second request, as over HTTP.
    seen: BTreeSet<Channel>,
    shown: Option<Fact>,
}

impl Device {
    /// A device that has not started. The plan is in the order of its times.
    #[must_use]
    pub fn new(profile: client::Profile, servers: Vec<NodeId>, plan: VecDeque<(Tick, Doing)>) -> Self {
        let host = Host::new(profile.clone(), Client::new(&profile));
        Self {
            profile,
            servers,
            host,
            past: Vec::new(),
            disk: Store::with_past(PAST),
            rebirth: None,
            boot: None,
            own: None,
            spite: Spite::default(),
            plan,
            level: 50,
            count: 0,
            wants: true,
            unsure: false,
            twice: false,
            waiting: BTreeSet::new(),
            seen: BTreeSet::new(),
            shown: None,
        }
    }

    /// The journals of its clients, one for each time that it lost its memory and the last, oldest first.
    pub fn journals(&self) -> impl Iterator<Item = &JournalOf<Client>> {
        self.past.iter().chain([&self.host]).map(Host::journal)
    }

    /// What its client holds now.
    pub(super) fn client(&mut self) -> Option<&Client> {
        self.host.machine().ok().map(|client| &*client)
    }

    pub(super) fn start(&mut self, ctx: &mut Context<'_, Party>) {
        self.arm(ctx);
    }

    pub(super) fn receive(&mut self, ctx: &mut Context<'_, Party>, message: &Message) {
        if self.spite.is_silent(ctx) {
            return;
        }
        let body = match Envelope::decode(&message.bytes) {
            // However late: no connection carries the same request twice.
            Some(Envelope::Contact(body)) if message.from != ctx.node() && self.seen.insert(message.channel) => {
                self.spite.overhear(&body);
                body
            }
            Some(Envelope::Reply(body)) if self.waiting.remove(&message.channel) => body,
            // Somebody replays it: the device cannot tell.
            Some(Envelope::Contact(body)) if self.seen.insert(message.channel) => body,
            _ => return,
        };
        self.drive(ctx, Input::Received(Sender::Name(SERVER_NAME.into()), Body::from(body)));
    }

    pub(super) fn wake(&mut self, ctx: &mut Context<'_, Party>) {
        let now = ctx.now();
        if self.boot.take_if(|at| *at <= now).is_some() {
            self.drive(ctx, Input::Start);
        }
        // What its client has sent, too late or once more.
        for envelope in self.spite.due(now) {
            ctx.note(&Fact::Hostile(FaultId::F44));
            self.emit(ctx, &envelope);
        }
        while self.rebirth.is_none() && self.plan.front().is_some_and(|(at, _)| *at <= now) {
            if let Some((_, doing)) = self.plan.pop_front() {
                self.act(ctx, doing);
            }
        }
        if self.rebirth.is_some() {
            return;
        }
        match self.host.machine().map(|client| client.deadline()) {
            Ok(Some(deadline)) if deadline.at <= now || ctx.buggify(EARLY, None) => self.drive(ctx, Input::Wake),
            _ => self.arm(ctx),
        }
    }

    pub(super) fn crash(&mut self) {
        self.waiting.clear();
        self.boot = None;
        self.host.crash();
    }

    /// A connection broke: no reply comes on it.
    pub(super) fn reset(&mut self, channel: Channel) {
        self.waiting.remove(&channel);
    }

    /// The network is back, and the client says so.
    pub(super) fn reconnect(&mut self, ctx: &mut Context<'_, Party>) {
        self.drive(ctx, Input::Start);
    }

    pub(super) fn restart(&mut self, ctx: &mut Context<'_, Party>) {
        let rebirth = self.rebirth.take();
        let mut forgets = self.disk.lose_unsynced() > 0;
        match rebirth {
            Some(FaultId::F23) => {
                let steps = 1 + ctx.choose(BACK, None, u32::try_from(PAST).unwrap_or(1)) as usize;
                forgets |= self.disk.go_back(steps) > 0;
            }
            Some(FaultId::F24) => {
                self.disk = Store::with_past(PAST);
                forgets = true;
            }
            Some(FaultId::F28) => {
                let next = if self.profile.version == "1.0" { "1.1" } else { "1.0" };
                self.profile.version = next.into();
                forgets = true;
            }
            _ => {}
        }
        if forgets || self.disk.read(&()).is_err() {
            self.reload(ctx);
        }
        self.resume(ctx);
    }

    /// Takes up what the disk has, as another life of the client; all is new where it has nothing.
    fn reload(&mut self, ctx: &mut Context<'_, Party>) {
        let stored = self.disk.load(&()).map(|row| row.value.clone());
        let restored = stored.and_then(|snapshot| Client::restore(snapshot, &self.profile).ok());
        if restored.is_none() {
            self.boot = Some(ctx.now() + BOOT);
        }
        self.unsure = true;
        ctx.note(&Fact::Forgot);
        let client = restored.unwrap_or_else(|| Client::new(&self.profile));
        let anew = Host::new(self.profile.clone(), client);
        self.past.push(core::mem::replace(&mut self.host, anew));
    }

    /// Goes on where it was.
    fn resume(&mut self, ctx: &mut Context<'_, Party>) {
        match self.host.machine().map(|client| client.pending()) {
            Ok(Some(question)) => {
                let answer = self.answer(question);
                self.drive(ctx, answer);
            }
            Ok(None) => self.arm(ctx),
            Err(error) => ctx.note(&Fact::Misused(error.to_string())),
        }
    }

    pub(super) fn act(&mut self, ctx: &mut Context<'_, Party>, doing: Doing) {
        match doing {
            Doing::Register | Doing::Twice => {
                self.twice = doing == Doing::Twice;
                if core::mem::take(&mut self.unsure) {
                    // First who it is: whatever it does from now on, it does as that.
                    self.become_of(ctx, self.profile.device.clone(), self.profile.user.clone());
                    self.drive(ctx, Input::Want(self.wants));
                }
                self.drive(ctx, Input::Start);
            }
            Doing::Wipe => {
                let anew = Host::new(self.profile.clone(), Client::new(&self.profile));
                self.past.push(core::mem::replace(&mut self.host, anew));
                self.crash();
                self.disk = Store::with_past(PAST);
                ctx.note(&Fact::Wiped);
                self.drive(ctx, Input::Start);
            }
            Doing::Sample => {
                let level = i64::from(ctx.choose(LEVEL, None, 101));
                self.act(ctx, Doing::Level(level, true));
            }
            Doing::Level(level, is_told) => {
                (self.level, self.count) = (level, self.count + 1);
                ctx.note(&Fact::Sampled { level, count: self.count });
                if is_told {
                    let readings = sampled().map(|name| self.reading(&name)).collect();
                    self.drive(ctx, Input::Sampled(readings));
                }
            }
            Doing::User(user) => match &mut self.own {
                Some((_, own)) => *own = user,
                None => self.become_of(ctx, self.profile.device.clone(), user),
            },
            Doing::Chance => self.tempt(ctx),
            Doing::BeItself => {
                if let Some((device, user)) = self.own.take() {
                    ctx.note(&Fact::Posing(None));
                    self.become_of(ctx, device, user);
                }
            }
            Doing::Want(wants) => {
                self.wants = wants;
                self.drive(ctx, Input::Want(wants));
                if !wants {
                    self.drive(ctx, Input::Start);
                }
            }
        }
    }

    /// The device, or the user, is another one.
    fn become_of(&mut self, ctx: &mut Context<'_, Party>, device: Option<Identity>, user: Option<Identity>) {
        self.profile.device.clone_from(&device);
        self.profile.user.clone_from(&user);
        self.drive(ctx, Input::Identity { device, user });
    }

    /// One chance for each fault that a device does by itself, or that is done to it.
    fn tempt(&mut self, ctx: &mut Context<'_, Party>) {
        for fault in [FaultId::F23, FaultId::F24, FaultId::F28] {
            if self.rebirth.is_none() && ctx.strikes(fault, None) {
                self.rebirth = Some(fault);
            }
        }
        if self.rebirth.is_some() {
            let down = ctx.draw(DOWN, None, DOWN_MS);
            return ctx.crash(down);
        }
        if ctx.strikes(FaultId::F50, None) && self.own.is_none() {
            let hardware = self
                .profile
                .device
                .as_ref()
                .map(|device| Identity { text: device.text.replacen("5a", "5b", 1), scheme: device.scheme.clone() });
            self.become_of(ctx, hardware, self.profile.user.clone());
        }
        let me = ctx.node();
        if self.own.is_none() && ctx.strikes(FaultId::F48, None) {
            // Devices are numbered from 1: another one, and not this.
            let others = ctx.choose(POSE, None, 8) + 1;
            let other = NodeId(if me.0 > others { me.0 - others } else { me.0 + others });
            let until = ctx.now() + ctx.draw(POSE, Some(other), POSE_MS);
            self.own = Some((self.profile.device.clone(), self.profile.user.clone()));
            self.plan.push_back((until, Doing::BeItself));
            self.plan.make_contiguous().sort_by_key(|(at, _)| *at);
            ctx.note(&Fact::Posing(Some(other)));
            self.become_of(ctx, Some(super::scenario::device_identity(other)), Some(super::scenario::user(other)));
        }
        for (fault, envelope) in self.spite.tempt(ctx) {
            ctx.note(&Fact::Hostile(fault));
            self.emit(ctx, &envelope);
        }
        if let Some(command) = self.spite.replayed(ctx) {
            let channel = ctx.open_channel();
            ctx.send(me, channel, Envelope::Contact(command).encode());
        }
        if self.spite.begins_for_ever(ctx) {
            self.drive(ctx, Input::Start);
        } else if ctx.buggify(EARLY, None) {
            self.drive(ctx, Input::Wake);
        }
    }

    /// Feeds the client until it waits.
    fn drive(&mut self, ctx: &mut Context<'_, Party>, first: Input) {
        let mut todo = VecDeque::from([first]);
        while let Some(input) = todo.pop_front() {
            let env = ctx.env(None);
            if ctx.buggify(CACHE, None)
                && let Ok(snapshot) =
                    serde_json::to_vec(self.host.stored()).and_then(|text| serde_json::from_slice(&text))
            {
                self.host.store(snapshot);
            }
            let outputs = match self.host.step(&env, input) {
                Ok(outputs) => outputs,
                Err(error) => return ctx.note(&Fact::Misused(format!("{error:?}"))),
            };
            if !self.store(ctx) {
                // What was not stored has not happened: it starts again from what was.
                self.waiting.clear();
                self.reload(ctx);
                return self.resume(ctx);
            }
            self.show(ctx);
            for output in outputs {
                match output {
                    Output::Ask(question) => todo.push_back(self.answer(question)),
                    Output::Send(channel, body) => self.send(ctx, channel, &body),
                    Output::Report(_) => {}
                }
            }
        }
        self.arm(ctx);
    }

    /// Stores the last step; whether the disk took it.
    fn store(&mut self, ctx: &mut Context<'_, Party>) -> bool {
        let Ok(client) = self.host.machine() else { return true };
        let (snapshot, revision) = (client.snapshot(), self.disk.revision(&()));
        let fault = ctx.disk_fault(None);
        self.disk.write((), revision, revision + 1, snapshot, fault) == Ok(Commit::Done)
    }

    fn send(&mut self, ctx: &mut Context<'_, Party>, on: client::Channel, body: &Body) {
        let envelope = match on {
            client::Channel::Register => Envelope::Register(body.to_bytes()),
            client::Channel::Messages => Envelope::Messages(body.to_bytes()),
        };
        if let Some(envelope) = self.spite.twist(ctx, envelope) {
            self.emit(ctx, &envelope);
        }
    }

    /// Sends something to one of the servers.
    fn emit(&mut self, ctx: &mut Context<'_, Party>, envelope: &Envelope) {
        let choice = ctx.choose(SERVER, None, u32::try_from(self.servers.len()).unwrap_or(1));
        let Some(server) = self.servers.get(choice as usize).copied() else { return };
        let channel = ctx.open_channel();
        remember(&mut self.waiting, channel);
        ctx.send(server, channel, envelope.encode());
        if self.twice && matches!(envelope, Envelope::Register(_)) {
            self.twice = false;
            ctx.send(server, channel, envelope.encode());
        }
    }

    fn answer(&self, question: Properties) -> Input {
        let readings = question.names.iter().map(|name| self.reading(name)).collect();
        question.answer(readings)
    }

    fn reading(&self, name: &PropertyName) -> Reading {
        worth(name, self.profile.contact.as_deref().unwrap_or_default(), self.level, self.count)
    }

    /// Tells where the client stands, if that is another place than before.
    fn show(&mut self, ctx: &mut Context<'_, Party>) {
        let Ok(client) = self.host.machine() else { return };
        let (phase, id) = (client.phase(), client.client_id().cloned());
        let fact = Fact::Standing { phase, client: id.clone(), settings: client.settings() };
        if self.shown.as_ref() != Some(&fact) {
            ctx.note(&fact);
            self.shown = Some(fact);
        }
        if let (client::PhaseKind::Registered, Some(id)) = (phase, id) {
            let node = ctx.node();
            ctx.shared().publish(node, id);
        }
    }

    fn arm(&mut self, ctx: &mut Context<'_, Party>) {
        let planned = self.plan.front().map(|(at, _)| *at);
        match self.host.machine() {
            Ok(client) => {
                let deadline = client.deadline().map(|deadline| deadline.at);
                let own = [planned, self.boot, self.spite.deadline()].into_iter().flatten();
                ctx.wake_at(deadline.into_iter().chain(own).min());
            }
            Err(error) => ctx.note(&Fact::Misused(error.to_string())),
        }
    }
}

/// The properties of a device that change.
pub(super) fn sampled() -> impl Iterator<Item = PropertyName> {
    ["batteryLevel", "volumeLevel"].into_iter().filter_map(|name| name.try_into().ok())
}

/// What a property of a device is worth. `operatorName` tells this device from all others.
pub(super) fn worth(name: &PropertyName, contact: &str, level: i64, count: i64) -> Reading {
    match name.as_str() {
        "muted" => Reading::without(name.clone(), Code::NOT_SUPPORTED),
        "operatorName" | "OSName" => Reading::of(name.clone(), Value::text(contact)),
        "volumeLevel" => Reading::of(name.clone(), Value::integer(count)),
        _ => Reading::of(name.clone(), Value::integer(level)),
    }
}

/// Remembers an exchange, and forgets the oldest where there are many.
fn remember(channels: &mut BTreeSet<Channel>, channel: Channel) {
    channels.insert(channel);
    if channels.len() > CHANNELS_MAX {
        channels.pop_first();
    }
}
