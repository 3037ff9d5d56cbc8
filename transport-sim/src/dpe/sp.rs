//! An SP: its machine, its two lines to the server, and what it has in mind.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use core_kit::{Body, Machine, Millis, Tick, journal::JournalOf};
use dpe_core::{
    ids::{ClientId, Token},
    sp::{self, Input, Misuse, Output, Request, What},
    wire::{self, Identity, Ie, Kind},
};

use super::{
    Fact, Party,
    backend::{AGAIN, longer},
    binding::Envelope,
    story::{Story, Wish, names},
};
use crate::{Context, FaultId, Host, Message, NodeId, Site, StepError};

const SERVER: Site = Site("sp.server");
const CLIENT: Site = Site("sp.client");
const EVIL: Site = Site("sp.evil");

/// Requests that a greedy SP makes at once.
const HOGGED: u64 = 10;

/// A request that is sent until the server has taken it, each time after a longer wait: a line that stalls would else be
/// full of copies when it is free again.
struct Pending {
    body: Bytes,
    again: Tick,
    patience: Millis,
}

/// A service provider. All of it is durable but the timer.
pub struct Sp {
    host: Host<sp::Sp>,
    servers: Vec<NodeId>,
    story: Story,
    /// When it asks for something, and for what, where that is settled.
    plan: VecDeque<(Tick, Option<Wish>)>,
    asked: u64,
    known: Vec<ClientId>,
    /// Requests that the server has not taken yet, by number.
    waiting: BTreeMap<u64, Pending>,
    next_number: u64,
    /// The number of the message of the server that comes next; those after it wait for it.
    expected: u64,
    early: BTreeMap<u64, Bytes>,
    shown: Option<Fact>,
}

impl Sp {
    /// An SP that has asked nothing. The plan is in order; the users are those that it may look up.
    #[must_use]
    pub fn new(profile: &sp::Profile, servers: Vec<NodeId>, users: Vec<Identity>, plan: VecDeque<Tick>) -> Self {
        Self {
            host: Host::new(profile.clone(), sp::Sp::new(profile)),
            servers,
            story: Story::new(profile.id.clone(), users),
            plan: plan.into_iter().map(|at| (at, None)).collect(),
            asked: 0,
            known: Vec::new(),
            waiting: BTreeMap::new(),
            next_number: 0,
            expected: 0,
            early: BTreeMap::new(),
            shown: None,
        }
    }

    /// Every step of its machine.
    #[must_use]
    pub const fn journal(&self) -> &JournalOf<sp::Sp> {
        self.host.journal()
    }

    /// What it holds now.
    pub(super) fn machine(&mut self) -> Option<&sp::Sp> {
        self.host.machine().ok().map(|machine| &*machine)
    }

    pub(super) fn receive(&mut self, ctx: &mut Context<'_, Party>, message: &Message) {
        match Envelope::decode(&message.bytes) {
            Some(Envelope::Taken(number)) => {
                self.waiting.remove(&number);
            }
            Some(Envelope::Callback(number, body)) => {
                if number >= self.expected {
                    self.early.insert(number, body);
                }
                ctx.send(message.from, message.channel, Envelope::Taken(number).encode());
                while let Some(body) = self.early.remove(&self.expected) {
                    self.expected += 1;
                    self.step(ctx, Input::Received(Body::from(body)));
                }
            }
            _ => {}
        }
        self.arm(ctx);
    }

    pub(super) fn wake(&mut self, ctx: &mut Context<'_, Party>) {
        let now = ctx.now();
        while self.plan.front().is_some_and(|(at, _)| *at <= now)
            && let Some((_, settled)) = self.plan.pop_front()
        {
            if let Some(wish) = settled {
                if !ctx.is_healed() {
                    self.ask_for(ctx, wish);
                }
                continue;
            }
            self.ask(ctx);
            if ctx.strikes(FaultId::F46, None) {
                (0..HOGGED).for_each(|_| self.ask(ctx));
            }
            if ctx.strikes(FaultId::F47, None) {
                self.pry(ctx);
            }
        }
        if self.deadline().is_some_and(|at| at <= now) {
            self.step(ctx, Input::Wake);
        }
        let is_late = |(_, pending): &(&u64, &Pending)| pending.again <= now;
        let late: Vec<u64> = self.waiting.iter().filter(is_late).map(|(number, _)| *number).collect();
        for number in late {
            self.send(ctx, number);
        }
        self.arm(ctx);
    }

    pub(super) fn crash(&mut self) {
        self.host.crash();
    }

    pub(super) fn arm(&mut self, ctx: &mut Context<'_, Party>) {
        let again = self.waiting.values().map(|pending| pending.again).min();
        let planned = self.plan.front().map(|(at, _)| *at);
        let at = self.deadline().into_iter().chain(again).chain(planned).min();
        ctx.wake_at(at);
    }

    fn deadline(&mut self) -> Option<Tick> {
        self.host.machine().ok().and_then(|machine| machine.deadline()).map(|deadline| deadline.at)
    }

    /// Sends everything on its line that was not taken yet, at once.
    pub(super) fn again(&mut self, ctx: &mut Context<'_, Party>) {
        let waiting: Vec<u64> = self.waiting.keys().copied().collect();
        for number in waiting {
            self.send(ctx, number);
        }
        self.arm(ctx);
    }

    /// Asks for what is not its own: a group or policy of another SP, a Client-ID that it guesses, in another SP's name.
    fn pry(&mut self, ctx: &mut Context<'_, Party>) {
        let me = self.host.journal().header.profile.id.clone();
        let told: Vec<Token> = ctx.shared().published().map(Token::from).collect();
        let other = ctx.shared().providers().map(|sp| sp.id.clone()).find(|sp| *sp != me);
        let Some(other) = other else { return };
        let drawn = ctx.choose(EVIL, None, 1 << 16);
        let nth = (drawn / 16) as usize;
        let kind = match nth % 4 {
            0 => Kind::GroupQuery,
            1 => Kind::GroupRelease,
            2 => Kind::PolicyRelease,
            _ => Kind::PropertyQuery,
        };
        let name = |letter: char| Token::try_from(format!("{other}-{letter}{}", 2 + drawn % 2)).ok();
        let guessed = || Token::try_from(format!("guess{drawn:024}")).ok();
        let mut message = wire::Message::new(kind);
        message.message_id = Token::try_from(format!("evil-{}", self.next_number)).ok().into();
        message.sp_id = Token::from(if drawn % 16 == 15 { &other } else { &me }).into();
        let known = told.get(nth % told.len().max(1)).cloned();
        message.client_id = if kind == Kind::PropertyQuery { guessed() } else { known.or_else(guessed) }.into();
        message.property_names = names(&["OSName"]).into_iter().map(Ie::Is).collect();
        (message.group_id, message.policy_id) = (name('g').into(), name('p').into());
        if let Ok(body) = wire::encode(&message) {
            ctx.note(&Fact::Hostile(FaultId::F47));
            self.post(ctx, body.into());
        }
    }

    /// Puts a message on the line.
    fn post(&mut self, ctx: &mut Context<'_, Party>, body: Bytes) {
        let number = self.next_number;
        self.next_number += 1;
        self.waiting.insert(number, Pending { body, again: Tick(0), patience: AGAIN });
        self.send(ctx, number);
    }

    /// Wants something of a client that it knows, or of a user.
    fn ask(&mut self, ctx: &mut Context<'_, Party>) {
        let told: Vec<ClientId> = ctx.shared().published().cloned().collect();
        // What it knew before may be obsolete.
        let all: Vec<&ClientId> = told.iter().chain(&self.known).collect();
        let choice = ctx.choose(CLIENT, None, u32::try_from(all.len()).unwrap_or(1));
        let Some(client) = all.get(choice as usize).map(|client| (*client).clone()) else { return };
        if !self.known.contains(&client) {
            self.known.push(client.clone());
        }
        if let Some(what) = self.story.any(ctx) {
            self.ask_for(ctx, Wish { client, what });
        }
    }

    fn ask_for(&mut self, ctx: &mut Context<'_, Party>, wish: Wish) {
        let client = (!matches!(wish.what, What::ClientIds(_))).then(|| wish.client.clone());
        self.request(ctx, client, wish.what.clone(), Some(wish));
    }

    /// Asks for something; what it has in mind beyond that follows when it is done.
    pub(super) fn request(
        &mut self,
        ctx: &mut Context<'_, Party>,
        client: Option<ClientId>,
        what: What,
        wish: Option<Wish>,
    ) {
        let tag = format!("{}-{}", self.host.journal().header.profile.id, self.asked + 1);
        let request = Request { tag: tag.clone(), client, what };
        let env = ctx.env(None);
        match self.host.step(&env, Input::Request(request)) {
            Ok(outputs) => {
                self.asked += 1;
                if let Some(wish) = wish {
                    self.story.asked(tag.clone(), wish);
                }
                ctx.note(&Fact::Asked { tag });
                self.act(ctx, outputs);
            }
            // A group or policy of that name is there already: that is no request.
            Err(StepError::Misuse(Misuse::NameInUse)) => {}
            Err(error) => ctx.note(&Fact::Misused(format!("{error:?}"))),
        }
    }

    fn step(&mut self, ctx: &mut Context<'_, Party>, input: Input) {
        let env = ctx.env(None);
        match self.host.step(&env, input) {
            Ok(outputs) => self.act(ctx, outputs),
            Err(error) => ctx.note(&Fact::Misused(format!("{error:?}"))),
        }
    }

    fn act(&mut self, ctx: &mut Context<'_, Party>, outputs: Vec<Output>) {
        for output in outputs {
            match output {
                Output::Send(_, body) => self.post(ctx, body.to_bytes()),
                Output::Done(done) => {
                    for client in done.clients {
                        if !self.known.contains(&client) {
                            self.known.push(client);
                        }
                    }
                    if let Some((after, wish)) = self.story.done(ctx, &done.tag, done.status) {
                        let at = ctx.now() + after;
                        let place = self.plan.partition_point(|(planned, _)| *planned <= at);
                        self.plan.insert(place, (at, Some(wish)));
                    }
                    ctx.note(&Fact::Done { tag: done.tag, status: done.status });
                }
                Output::Reported(report) => ctx.note(&Fact::Reported(report.policy)),
                Output::PolicyEnded(policy, code) => {
                    self.story.ended(&policy);
                    ctx.note(&Fact::PolicyEnded(policy, code));
                }
                Output::ClientChanged(_) | Output::Ignored => {}
            }
        }
        self.show(ctx);
    }

    /// Sends a request, for the first time or again.
    fn send(&mut self, ctx: &mut Context<'_, Party>, number: u64) {
        let choice = ctx.choose(SERVER, None, u32::try_from(self.servers.len()).unwrap_or(1));
        let now = ctx.now();
        let (Some(server), Some(pending)) = (self.servers.get(choice as usize), self.waiting.get_mut(&number)) else {
            return;
        };
        pending.again = now + pending.patience;
        pending.patience = longer(pending.patience);
        let channel = ctx.open_channel();
        ctx.send(*server, channel, Envelope::Request(number, pending.body.clone()).encode());
    }

    /// Tells what it believes to have, if that is something else than before.
    fn show(&mut self, ctx: &mut Context<'_, Party>) {
        let Ok(machine) = self.host.machine() else { return };
        let (groups, policies) = (machine.groups().count(), machine.policies().count());
        let fact = Fact::Holds { groups, policies, unfinished: machine.unfinished() };
        if self.shown.as_ref() != Some(&fact) {
            ctx.note(&fact);
            self.shown = Some(fact);
        }
    }
}
