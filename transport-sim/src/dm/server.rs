//! A node of the server: it loads, runs, commits, and only then replies.
//!
//! Deadlines are stored by one node and read by another, so all of them take the time from their store.

use std::collections::BTreeMap;

use core_kit::{Env, Millis, Tick};
use dm_core::{
    Packet,
    server::{Input, Report, SessionKey, route},
    session::Reason,
};

use super::{
    Backend, Fact, Party,
    attempt::Attempt,
    backend::{PAST_MAX, Undone},
    envelope::{Envelope, tampered},
    play,
};
use crate::{Channel, Commit, Context, DiskFault, FaultId, Message, NodeId, Permille, Site, Span};

const WORK: Site = Site("server.work");
const RIVAL: Site = Site("server.rival");
const RESTORED: Site = Site("server.restored");
const TAMPERED: Site = Site("server.tampered");
const DOWN: Site = Site("server.down");

/// Places in the code that take rare ways: a snapshot that comes as octets, a commit that is tried again, a session that
/// is woken before its time.
const CACHE: Site = Site("server.rare.cache");
const RETRY: Site = Site("server.rare.retry");
const EARLY: Site = Site("server.rare.early");

/// How long a node is down that crashed between its commit and its reply, or whose store goes back.
const DOWN_MS: Span = Span::new(200, 20_000);

/// How long a turn takes from load to commit. Another node's commit fits in between.
const WORK_MS: Span = Span::new(1, 40);
/// Whom a session is about that no device of the store has.
const NOBODY: NodeId = NodeId(0);
/// How often the sweeper looks for sessions to wake.
const SWEEP: Millis = Millis::from_secs(5);

/// One server process of a service. It has nothing that it would miss after a crash.
#[derive(Default)]
pub struct Server {
    service: usize,
    open: BTreeMap<(Tick, u64), Task>,
    begun: u64,
}

/// A turn between load and commit.
struct Task {
    about: NodeId,
    reply_to: Option<Channel>,
    input: Input,
    attempt: Attempt,
    /// How often the store had gone back when it was begun.
    restored: u64,
}

impl Server {
    pub(super) fn of(service: usize) -> Self {
        Self { service, ..Self::default() }
    }

    /// The service's store. It is there: whoever made the world made both.
    fn backend<'a>(&self, ctx: &'a mut Context<'_, Party>) -> Option<&'a mut Backend> {
        ctx.shared().of_mut(self.service)
    }

    pub(super) fn receive(&mut self, ctx: &mut Context<'_, Party>, message: &Message) {
        let packet = match Envelope::open(&message.bytes) {
            // What it says to be is nothing that the server reads.
            _ if message.mislabelled => None,
            Envelope::Session(mac, body) => Some(Envelope::packet(mac, &body)),
            Envelope::Notification(_) | Envelope::Bootstrap(..) => None,
        };
        let routed = packet.and_then(|packet| {
            let key = route(&packet, &self.backend(ctx)?.profile).ok()?;
            Some((key, packet))
        });
        match routed {
            Some((key, packet)) => self.begin(ctx, key, Input::Received(packet), message.from, Some(message.channel)),
            None => refuse(ctx, message.from, message.channel),
        }
        self.arm(ctx);
    }

    pub(super) fn wake(&mut self, ctx: &mut Context<'_, Party>) {
        let now = ctx.common_now();
        while let Some(entry) = self.open.first_entry()
            && entry.key().0 <= now
        {
            let task = entry.remove();
            if !self.end(ctx, task) {
                // It has crashed.
                return;
            }
        }
        while let Some((key, about)) = self.sleeper(ctx, now) {
            self.begin(ctx, key, Input::Wake, about, None);
        }
        if ctx.buggify(EARLY, None)
            && let Some((key, about)) = self.sleeper(ctx, Tick(u64::MAX))
        {
            self.begin(ctx, key, Input::Wake, about, None);
        }
        self.arm(ctx);
    }

    /// The process is back, and with it the host of its store: what that had not synced is lost.
    pub(super) fn restart(&mut self, ctx: &mut Context<'_, Party>) {
        let lost = self.backend(ctx).map_or(0, |backend| backend.unsynced());
        if lost > 0 {
            self.go_back(ctx, lost);
        }
        self.arm(ctx);
    }

    pub(super) fn crash(&mut self) {
        self.open.clear();
    }

    /// Sets the timer to the next commit, or to the sweep that finds the next session to wake.
    pub(super) fn arm(&self, ctx: &mut Context<'_, Party>) {
        let commit = self.open.keys().next().map(|(at, _)| *at);
        let deadline = self.backend(ctx).and_then(|backend| Some(backend.first_deadline(|key| self.is_free(key))?.0));
        let sweep = deadline.map(|at| Tick(at.0.max(ctx.common_now().0).div_ceil(SWEEP.0).saturating_mul(SWEEP.0)));
        let first = commit.into_iter().chain(sweep).min();
        // The timer is the node's own: it may come too early, and is set anew then.
        let (common, own) = (ctx.common_now(), ctx.now());
        ctx.wake_at(first.map(|at| own + Millis(at.0.saturating_sub(common.0))));
    }

    /// A session that must be woken by now.
    fn sleeper(&self, ctx: &mut Context<'_, Party>, now: Tick) -> Option<(SessionKey, NodeId)> {
        let backend = self.backend(ctx)?;
        let (at, key) = backend.first_deadline(|key| self.is_free(key))?;
        // Nobody's session is one, too.
        let about = backend.devices().load(&key.device).map_or(NOBODY, |row| row.value.node);
        (at <= now).then(|| (key.clone(), about))
    }

    fn is_free(&self, key: &SessionKey) -> bool {
        self.open.values().all(|task| task.attempt.key != *key)
    }

    /// Loads and runs; the commit comes when the work is done.
    fn begin(
        &mut self,
        ctx: &mut Context<'_, Party>,
        key: SessionKey,
        input: Input,
        about: NodeId,
        reply_to: Option<Channel>,
    ) {
        let mut env = Env { now: ctx.common_now(), ..ctx.env(Some(about)) };
        let misses_cache = ctx.buggify(CACHE, Some(about));
        let Some(backend) = self.backend(ctx) else { return };
        if let Some(outcome) = backend.close_damaged(&key) {
            ctx.note(&Fact::ServerEnded { device: about, session: key.session.clone(), outcome });
        }
        let Some(backend) = self.backend(ctx) else { return };
        if backend.is_closed(&key) {
            if let Some(channel) = reply_to {
                refuse(ctx, about, channel);
            }
            return;
        }
        if backend.is_given {
            env = play::given(env, &key.device, &key.session);
        }
        let restored = backend.restored;
        match Attempt::run(backend, &env, key, input.clone(), misses_cache) {
            Ok(attempt) => {
                let at = ctx.common_now() + ctx.draw(WORK, Some(about), WORK_MS);
                self.begun += 1;
                self.open.insert((at, self.begun), Task { about, reply_to, input, attempt, restored });
            }
            Err(error) => ctx.note(&Fact::Misused(error.to_string())),
        }
    }

    /// Commits and replies; false if the node crashed instead.
    fn end(&mut self, ctx: &mut Context<'_, Party>, task: Task) -> bool {
        // No process outlives the restoring of its store.
        if self.backend(ctx).is_none_or(|backend| backend.restored != task.restored) {
            return true;
        }
        if self.passes_away(ctx) {
            return false;
        }
        let Task { about, reply_to, input, attempt, .. } = task;
        let session = attempt.key.session.clone();
        if attempt.counts {
            if ctx.buggify(RETRY, Some(about)) {
                self.begin(ctx, attempt.key, input, about, reply_to);
                return true;
            }
            let fault = ctx.disk_fault(Some(about));
            // A transaction that the disk refuses, or that is torn and rolled back, has not happened; nobody is told.
            if matches!(fault, Some(DiskFault::Error | DiskFault::Full | DiskFault::Torn)) {
                return true;
            }
            self.let_a_rival_in(ctx, &attempt.key, &input, about);
            match self.backend(ctx).map_or(Commit::Lost, |backend| backend.commit(&attempt)) {
                Commit::Done => {
                    note_commit(ctx, about, &attempt);
                    if matches!(input, Input::Received(_)) {
                        self.abort(ctx, &attempt.key, about);
                    }
                }
                Commit::Lost => {
                    ctx.note(&Fact::LostRace { device: about, session });
                    self.begin(ctx, attempt.key, input, about, reply_to);
                    return true;
                }
            }
            match fault {
                Some(DiskFault::Unsynced) => self.backend(ctx).into_iter().for_each(Backend::leave_unsynced),
                Some(DiskFault::Rot) => self.backend(ctx).into_iter().for_each(|backend| backend.rot(&attempt.key)),
                Some(DiskFault::Back(commits)) => {
                    let down = ctx.draw(DOWN, Some(about), DOWN_MS);
                    self.go_back(ctx, commits as usize);
                    ctx.crash(down);
                    return false;
                }
                _ => {}
            }
            if self.passes_away(ctx) || self.goes_back(ctx) {
                return false;
            }
            if ctx.strikes(FaultId::F26, Some(about)) {
                let down = ctx.draw(DOWN, Some(about), DOWN_MS);
                ctx.crash(down);
                return false;
            }
        } else if attempt.facts.reply.is_some() && attempt.loaded == attempt.session.revision {
            self.backend(ctx).into_iter().for_each(|backend| backend.repeated += 1);
            ctx.note(&Fact::Repeated { device: about, session });
        }
        match (attempt.facts.reply, reply_to) {
            (Some(packet), Some(channel)) => self.reply(ctx, about, channel, &packet),
            (None, Some(channel)) => refuse(ctx, about, channel),
            // What a woken session may have to say has nowhere to go.
            (_, None) => {}
        }
        true
    }

    /// Gives the reply to the network, where somebody may change it.
    fn reply(&self, ctx: &mut Context<'_, Party>, device: NodeId, channel: Channel, packet: &Packet) {
        let mut envelope = Envelope::of(packet);
        let probability = self.backend(ctx).map_or(Permille::NEVER, |backend| backend.tampering);
        if let Envelope::Session(Some(_), body) = &mut envelope
            && ctx.chance(TAMPERED, Some(device), probability)
            && let Some(changed) = tampered(body)
        {
            *body = changed;
            ctx.note(&Fact::Tampered);
        }
        let bytes = envelope.close();
        ctx.shared().hear(&bytes);
        ctx.send(device, channel, bytes);
    }

    /// With the scenario's probability another node has been given the same input, and its commit comes first. What it
    /// replies is lost with its connection.
    fn let_a_rival_in(&self, ctx: &mut Context<'_, Party>, key: &SessionKey, input: &Input, about: NodeId) {
        let probability = self.backend(ctx).map_or(Permille::NEVER, |backend| backend.rivals);
        if !ctx.chance(RIVAL, Some(about), probability) {
            return;
        }
        let env = Env { now: ctx.common_now(), ..ctx.env(Some(about)) };
        let Some(backend) = self.backend(ctx) else { return };
        if let Ok(rival) = Attempt::run(backend, &env, key.clone(), input.clone(), false)
            && rival.counts
            && backend.commit(&rival) == Commit::Done
        {
            note_commit(ctx, about, &rival);
        }
    }

    /// Gives the session up, if the play has the service do so after this message. The next one is told.
    fn abort(&self, ctx: &mut Context<'_, Party>, key: &SessionKey, about: NodeId) {
        if !self.backend(ctx).is_some_and(|backend| backend.is_to_abort(key)) {
            return;
        }
        // Only now: what is drawn here is nothing that a world without this would have drawn.
        let env = Env { now: ctx.common_now(), ..ctx.env(Some(about)) };
        let env = play::given(env, &key.device, &key.session);
        let Some(backend) = self.backend(ctx) else { return };
        match Attempt::run(backend, &env, key.clone(), Input::Abort(Reason::Requested), false) {
            Ok(attempt) => {
                if backend.commit(&attempt) == Commit::Done {
                    note_commit(ctx, about, &attempt);
                }
            }
            Err(error) => ctx.note(&Fact::Misused(error.to_string())),
        }
    }

    /// With the scenario's plan the service is stopped here, its store goes back by some commits, this one among them,
    /// and the service is started again; true if that happens. The reply is lost with it.
    fn goes_back(&self, ctx: &mut Context<'_, Party>) -> bool {
        let Some((down, undoable)) = self.backend(ctx).and_then(|backend| {
            let down = backend.restores.passes()?;
            Some((down, backend.undoable()))
        }) else {
            return false;
        };
        let options = u32::try_from(undoable.min(PAST_MAX)).unwrap_or(1);
        let commits = ctx.choose(RESTORED, None, options).saturating_add(1);
        self.go_back(ctx, commits as usize);
        ctx.crash(down);
        true
    }

    /// The store is that of so many commits ago.
    fn go_back(&self, ctx: &mut Context<'_, Party>, commits: usize) {
        let Some(Undone { sessions, again }) = self.backend(ctx).map(|backend| backend.restore(commits)) else {
            return;
        };
        ctx.note(&Fact::Restored { commits: commits as u64, sessions, again });
    }

    /// Passes a point where a crash hurts; true if it happens.
    fn passes_away(&self, ctx: &mut Context<'_, Party>) -> bool {
        let down = self.backend(ctx).and_then(|backend| backend.crashes.passes());
        if let Some(down) = down {
            ctx.crash(down);
        }
        down.is_some()
    }
}

fn note_commit(ctx: &mut Context<'_, Party>, device: NodeId, attempt: &Attempt) {
    let session = attempt.key.session.clone();
    ctx.note(&Fact::Committed { device, session: session.clone(), revision: attempt.session.revision });
    for report in &attempt.facts.reports {
        let believed = match report {
            Report::Authenticated { .. } => true,
            Report::AuthenticationFailed { .. } => false,
            _ => continue,
        };
        ctx.note(&Fact::Judged { device, session: session.clone(), believed });
    }
    if let Some(outcome) = attempt.facts.finished.clone() {
        ctx.note(&Fact::ServerEnded { device, session, outcome });
    }
}

fn refuse(ctx: &mut Context<'_, Party>, device: NodeId, channel: Channel) {
    ctx.note(&Fact::Refused { device });
    ctx.send(device, channel, bytes::Bytes::new());
}
