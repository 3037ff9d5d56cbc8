//! A node of the server: it loads, runs, commits, and only then sends.

use std::collections::BTreeMap;

use bytes::Bytes;
use core_kit::{Body, Millis, Tick};
use dpe_core::{
    ids::{ClientId, SpId},
    server::carry::Effect,
};

use super::{
    Fact, Party,
    attempt::{Attempt, Job},
    binding::Envelope,
};
use crate::{Channel, Commit, Context, FaultId, Message, NodeId, Site, Span};

const WORK: Site = Site("server.work");
const RIVAL: Site = Site("server.rival");
const DOWN: Site = Site("server.down");
/// Rare ways: a device is woken before its time, a step that nothing came before is taken again all the same, and a message
/// for an SP is left to the sweep.
const EARLY: Site = Site("server.early-wake");
const AGAIN: Site = Site("server.step-again");
const LEFT: Site = Site("server.left-to-sweep");

/// How long a step takes from load to commit. Another node's commit fits in between.
pub(super) const WORK_MS: Span = Span::new(1, 40);
/// How long a node is down that crashed between its commit and its reply.
const DOWN_MS: Span = Span::new(200, 20_000);
/// How often the sweeper looks for devices to wake and for messages to send again.
const SWEEP: Millis = Millis::from_secs(5);

/// One server process. It has nothing that it would miss after a crash.
#[derive(Default)]
pub struct Server {
    open: BTreeMap<(Tick, u64), Task>,
    begun: u64,
}

/// A step between load and commit.
struct Task {
    job: Job,
    /// Who sent the input, and on which channel.
    from: Option<(NodeId, Channel)>,
    attempt: Attempt,
}

impl Server {
    pub(super) fn receive(&mut self, ctx: &mut Context<'_, Party>, message: &Message) {
        let Some(source) = ctx.shared().source(message.from) else { return };
        let from = Some((message.from, message.channel));
        match Envelope::decode(&message.bytes) {
            Some(Envelope::Register(body)) => self.begin(ctx, Job::Register(source, Body::from(body)), from),
            Some(Envelope::Messages(body)) => self.begin(ctx, Job::Messages(source, Body::from(body)), from),
            Some(Envelope::Request(number, body)) => {
                if let Some(sp) = ctx.shared().sp_at(message.from) {
                    self.begin(ctx, Job::Request(sp, number, source, Body::from(body)), from);
                }
            }
            Some(Envelope::Taken(number)) => {
                if let Some(sp) = ctx.shared().sp_at(message.from) {
                    ctx.shared().delivered(&sp, number);
                }
            }
            Some(Envelope::Reply(_) | Envelope::Contact(_) | Envelope::Callback(..)) | None => {}
        }
        self.arm(ctx);
    }

    pub(super) fn wake(&mut self, ctx: &mut Context<'_, Party>) {
        let now = ctx.now();
        while let Some(entry) = self.open.first_entry()
            && entry.key().0 <= now
        {
            let task = entry.remove();
            if !self.end(ctx, task) {
                // It has crashed.
                return;
            }
        }
        while let Some(client) = self.sleeper(ctx, now) {
            self.begin(ctx, Job::Wake(client), None);
        }
        if let Some(client) = self.next_sleeper(ctx)
            && ctx.buggify(EARLY, None)
        {
            self.begin(ctx, Job::Wake(client), None);
        }
        for (sp, number, body) in ctx.shared().take_deliveries(now) {
            deliver(ctx, &sp, number, body);
        }
        self.arm(ctx);
    }

    pub(super) fn crash(&mut self) {
        self.open.clear();
    }

    /// Sets the timer to the next commit, or to the sweep that finds the next thing to do.
    pub(super) fn arm(&self, ctx: &mut Context<'_, Party>) {
        let commit = self.open.keys().next().map(|(at, _)| *at);
        let deadline = ctx.shared().first_deadline(|client| self.is_free(client)).map(|(at, _)| at);
        let found = deadline.into_iter().chain(ctx.shared().first_delivery()).min();
        let sweep = found.map(|at| Tick(at.0.max(ctx.now().0).div_ceil(SWEEP.0).saturating_mul(SWEEP.0)));
        ctx.wake_at(commit.into_iter().chain(sweep).min());
    }

    /// A device that must be woken by now.
    fn sleeper(&self, ctx: &mut Context<'_, Party>, now: Tick) -> Option<ClientId> {
        let (at, client) = ctx.shared().first_deadline(|client| self.is_free(client))?;
        (at <= now).then(|| client.clone())
    }

    /// The device that must be woken next, at whatever time.
    fn next_sleeper(&self, ctx: &mut Context<'_, Party>) -> Option<ClientId> {
        ctx.shared().first_deadline(|client| self.is_free(client)).map(|(_, client)| client.clone())
    }

    fn is_free(&self, client: &ClientId) -> bool {
        self.open.values().all(|task| !matches!(&task.job, Job::Wake(woken) if woken == client))
    }

    /// Loads and runs; the commit comes when the work is done.
    fn begin(&mut self, ctx: &mut Context<'_, Party>, job: Job, from: Option<(NodeId, Channel)>) {
        let about = from.map(|(node, _)| node);
        let env = ctx.env(about);
        match Attempt::run(ctx.shared(), &env, &job) {
            Ok(attempt) => {
                let at = ctx.now() + ctx.draw(WORK, about, WORK_MS);
                self.begun += 1;
                self.open.insert((at, self.begun), Task { job, from, attempt });
            }
            Err(error) => ctx.note(&Fact::Misused(error.to_string())),
        }
    }

    /// Commits and sends; false if the node crashed instead.
    fn end(&mut self, ctx: &mut Context<'_, Party>, task: Task) -> bool {
        if passes_away(ctx) {
            if core_kit::planted!("P19-directory-first") {
                ctx.shared().commit_directory(&task.attempt);
            }
            return false;
        }
        let Task { job, from, attempt } = task;
        let about = from.map(|(node, _)| node);
        let mut posted = Vec::new();
        if attempt.counts() {
            // A transaction that the disk refuses, or that is torn and rolled back, has not happened; nobody is told.
            if [FaultId::F29, FaultId::F30, FaultId::F32].into_iter().any(|fault| ctx.strikes(fault, about)) {
                return true;
            }
            let_a_rival_in(ctx, &job, from);
            let stored = if ctx.buggify(AGAIN, about) { None } else { commit(ctx, &job, from, &attempt) };
            let Some(stored) = stored else {
                ctx.note(&Fact::LostRace);
                // Of a wake-up that somebody else has done nothing is left.
                if !matches!(job, Job::Wake(_)) {
                    self.begin(ctx, job, from);
                }
                return true;
            };
            posted = stored;
            if passes_away(ctx) {
                return false;
            }
            if ctx.strikes(FaultId::F26, about) {
                let down = ctx.draw(DOWN, about, DOWN_MS);
                ctx.crash(down);
                return false;
            }
        } else if let (true, Job::Request(sp, number, ..)) = (attempt.is_repeated, &job) {
            ctx.note(&Fact::Repeated { sp: sp.clone(), number: *number });
        }
        for effect in attempt.effects {
            match (effect, from) {
                (Effect::Reply(body), Some((node, channel))) => {
                    ctx.send(node, channel, Envelope::Reply(body.to_bytes()).encode());
                }
                (Effect::ToClient(_, downlink), _) => {
                    let contact = downlink.contact.as_deref();
                    let mut node = contact.and_then(|contact| ctx.shared().contact(contact));
                    if core_kit::planted!("P15-repeated-elsewhere") && matches!(job, Job::Wake(_)) {
                        node = node.map(|node| NodeId(node.0.saturating_sub(1).max(1)));
                    }
                    if let Some(node) = node {
                        let channel = ctx.open_channel();
                        ctx.send(node, channel, Envelope::Contact(downlink.body.to_bytes()).encode());
                    }
                }
                // What is for SPs is in the outbox; nobody counts reports here, and nothing is filtered.
                (
                    Effect::ToSp(..)
                    | Effect::Reply(_)
                    | Effect::Ignore
                    | Effect::Device(..)
                    | Effect::Gate(..)
                    | Effect::Ask(..),
                    _,
                ) => {}
            }
        }
        if let (Job::Request(_, number, ..), Some((node, channel))) = (job, from) {
            ctx.send(node, channel, Envelope::Taken(number).encode());
        }
        for (sp, number, body) in posted {
            if !ctx.buggify(LEFT, about) {
                deliver(ctx, &sp, number, body);
            }
        }
        true
    }
}

/// Stores an attempt and notes it: what it has for SPs, or nothing if another commit came first.
fn commit(
    ctx: &mut Context<'_, Party>,
    job: &Job,
    from: Option<(NodeId, Channel)>,
    attempt: &Attempt,
) -> Option<Vec<(SpId, u64, Bytes)>> {
    let now = ctx.now();
    let (commit, posted) = ctx.shared().commit(attempt, now);
    if commit == Commit::Lost {
        return None;
    }
    if let Job::Request(sp, number, ..) = job {
        ctx.note(&Fact::Took { sp: sp.clone(), number: *number, at: attempt.at });
    }
    for (sp, number, body) in &posted {
        ctx.note(&Fact::Posted { sp: sp.clone(), number: *number, body: body.clone(), at: attempt.at });
    }
    let stepped = attempt.devices.iter().filter(|(_, held)| held.changed).map(|(client, _)| client.clone()).collect();
    let gates = attempt.gates.iter().filter(|(_, held)| held.has_stepped()).map(|(sp, _)| sp.clone()).collect();
    let exchange = from.map(|(_, channel)| channel);
    ctx.note(&Fact::Committed { at: attempt.at, downlinks: attempt.downlinks(), stepped, gates, exchange });
    Some(posted)
}

/// With the scenario's probability another node has been given the same input, its commit comes first, and it crashes
/// before it has sent anything.
fn let_a_rival_in(ctx: &mut Context<'_, Party>, job: &Job, from: Option<(NodeId, Channel)>) {
    let (about, probability) = (from.map(|(node, _)| node), ctx.shared().rivals);
    if ctx.is_healed() || !ctx.chance(RIVAL, about, probability) {
        return;
    }
    let env = ctx.env(about);
    if let Ok(rival) = Attempt::run(ctx.shared(), &env, job)
        && rival.counts()
    {
        commit(ctx, job, from, &rival);
    }
}

fn deliver(ctx: &mut Context<'_, Party>, sp: &SpId, number: u64, body: Bytes) {
    if let Some(node) = ctx.shared().node_of(sp) {
        let channel = ctx.open_channel();
        ctx.send(node, channel, Envelope::Callback(number, body).encode());
    }
}

/// Passes a point where a crash hurts; true if it happens.
fn passes_away(ctx: &mut Context<'_, Party>) -> bool {
    let down = if ctx.is_healed() { None } else { ctx.shared().crashes.passes() };
    if let Some(down) = down {
        ctx.crash(down);
    }
    down.is_some()
}
