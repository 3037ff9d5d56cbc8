//! A device: a client, what its properties are worth, and what its user does with it.

use std::collections::{BTreeSet, VecDeque};

use core_kit::{Body, Machine, Tick, journal::JournalOf};
use dpe_core::{
    client::{self, Client, Input, Output, Properties, Sender},
    codes::Code,
    property::Reading,
    wire::{Identity, PropertyName, Value},
};

use super::{Fact, Party, binding::Envelope};
use crate::{Channel, Context, Host, Message, NodeId, Site};

const SERVER: Site = Site("device.server");
const LEVEL: Site = Site("device.level");

/// What clients know the server by.
pub(super) const SERVER_NAME: &str = "dpe.example";
/// Exchanges whose end a device remembers, and those that it waits for.
const CHANNELS_MAX: usize = 32;

/// What happens to a device at a time of its plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Doing {
    /// It registers: it starts up, or it is time to do so again.
    Register,
    /// It loses its memory, and starts up.
    Wipe,
    /// Its properties have other values.
    Sample,
    /// Another SIM is in it, or none.
    User(Option<Identity>),
    /// Its user wants a session, or wants none.
    Want(bool),
}

/// A device with a client that listens. The snapshot after each step is durable; which exchanges it waits for is not.
pub struct Device {
    profile: client::Profile,
    servers: Vec<NodeId>,
    host: Host<Client>,
    past: Vec<Host<Client>>,
    plan: VecDeque<(Tick, Doing)>,
    level: i64,
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
        let (waiting, seen) = (BTreeSet::new(), BTreeSet::new());
        Self { profile, servers, host, past: Vec::new(), plan, level: 50, waiting, seen, shown: None }
    }

    /// The journals of its clients, one for each time that it lost its memory and the last, oldest first.
    pub fn journals(&self) -> impl Iterator<Item = &JournalOf<Client>> {
        self.past.iter().chain([&self.host]).map(Host::journal)
    }

    pub(super) fn start(&mut self, ctx: &mut Context<'_, Party>) {
        self.arm(ctx);
    }

    pub(super) fn receive(&mut self, ctx: &mut Context<'_, Party>, message: &Message) {
        let body = match Envelope::decode(&message.bytes) {
            Some(Envelope::Reply(body)) if self.waiting.remove(&message.channel) => body,
            Some(Envelope::Contact(body)) if remember(&mut self.seen, message.channel) => body,
            _ => return,
        };
        self.drive(ctx, Input::Received(Sender::Name(SERVER_NAME.into()), Body::from(body)));
    }

    pub(super) fn wake(&mut self, ctx: &mut Context<'_, Party>) {
        let now = ctx.now();
        while self.plan.front().is_some_and(|(at, _)| *at <= now) {
            if let Some((_, doing)) = self.plan.pop_front() {
                self.act(ctx, doing);
            }
        }
        match self.host.machine().map(|client| client.deadline()) {
            Ok(Some(deadline)) if deadline.at <= now => self.drive(ctx, Input::Wake),
            _ => self.arm(ctx),
        }
    }

    pub(super) fn crash(&mut self) {
        self.waiting.clear();
        self.seen.clear();
        self.host.crash();
    }

    pub(super) fn restart(&mut self, ctx: &mut Context<'_, Party>) {
        match self.host.machine().map(|client| client.pending()) {
            Ok(Some(question)) => {
                let answer = self.answer(question);
                self.drive(ctx, answer);
            }
            Ok(None) => self.arm(ctx),
            Err(error) => ctx.note(&Fact::Misused(error.to_string())),
        }
    }

    fn act(&mut self, ctx: &mut Context<'_, Party>, doing: Doing) {
        match doing {
            Doing::Register => self.drive(ctx, Input::Start),
            Doing::Wipe => {
                let anew = Host::new(self.profile.clone(), Client::new(&self.profile));
                self.past.push(core::mem::replace(&mut self.host, anew));
                self.crash();
                ctx.note(&Fact::Wiped);
                self.drive(ctx, Input::Start);
            }
            Doing::Sample => {
                self.level = i64::from(ctx.choose(LEVEL, None, 101));
                let names = ["batteryLevel", "volumeLevel"].into_iter().filter_map(|name| name.try_into().ok());
                let readings = names.map(|name| self.reading(&name)).collect();
                self.drive(ctx, Input::Sampled(readings));
            }
            Doing::User(user) => {
                self.profile.user.clone_from(&user);
                let device = self.profile.device.clone();
                self.drive(ctx, Input::Identity { device, user });
            }
            Doing::Want(wants) => {
                self.drive(ctx, Input::Want(wants));
                if !wants {
                    self.drive(ctx, Input::Start);
                }
            }
        }
    }

    /// Feeds the client until it waits.
    fn drive(&mut self, ctx: &mut Context<'_, Party>, first: Input) {
        let mut todo = VecDeque::from([first]);
        while let Some(input) = todo.pop_front() {
            let env = ctx.env(None);
            let outputs = match self.host.step(&env, input) {
                Ok(outputs) => outputs,
                Err(error) => return ctx.note(&Fact::Misused(format!("{error:?}"))),
            };
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

    fn send(&mut self, ctx: &mut Context<'_, Party>, on: client::Channel, body: &Body) {
        let choice = ctx.choose(SERVER, None, u32::try_from(self.servers.len()).unwrap_or(1));
        let Some(server) = self.servers.get(choice as usize).copied() else { return };
        let channel = ctx.open_channel();
        remember(&mut self.waiting, channel);
        let envelope = match on {
            client::Channel::Register => Envelope::Register(body.to_bytes()),
            client::Channel::Messages => Envelope::Messages(body.to_bytes()),
        };
        ctx.send(server, channel, envelope.encode());
    }

    fn answer(&self, question: Properties) -> Input {
        let readings = question.names.iter().map(|name| self.reading(name)).collect();
        question.answer(readings)
    }

    /// What a property is worth. `operatorName` tells this device from all others.
    fn reading(&self, name: &PropertyName) -> Reading {
        match name.as_str() {
            "muted" => Reading::without(name.clone(), Code::NOT_SUPPORTED),
            "operatorName" | "OSName" => {
                let contact = self.profile.contact.as_deref().unwrap_or_default();
                Reading::of(name.clone(), Value::text(contact))
            }
            _ => Reading::of(name.clone(), Value::integer(self.level)),
        }
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
                ctx.wake_at(deadline.into_iter().chain(planned).min());
            }
            Err(error) => ctx.note(&Fact::Misused(error.to_string())),
        }
    }
}

/// Remembers an exchange, and forgets the oldest where there are many; false if it is known.
fn remember(channels: &mut BTreeSet<Channel>, channel: Channel) -> bool {
    let is_new = channels.insert(channel);
    if channels.len() > CHANNELS_MAX {
        channels.pop_first();
    }
    is_new
}
