//! A node of the server: it loads, runs, commits, and only then replies.

use std::collections::BTreeMap;

use core_kit::{Millis, Tick};
use dm_core::{
    Packet,
    server::{Input, SessionKey, route},
    wire::Encoding,
};

use super::{Fact, Party, attempt::Attempt, backend::PAST_MAX};
use crate::{Channel, Commit, Context, Message, NodeId, Site, Span};

const WORK: Site = Site("server.work");
const RIVAL: Site = Site("server.rival");
const RESTORED: Site = Site("server.restored");

/// How long a turn takes from load to commit. Another node's commit fits in between.
const WORK_MS: Span = Span::new(1, 40);
/// How often the sweeper looks for sessions to wake.
const SWEEP: Millis = Millis::from_secs(5);

/// One server process. It has nothing that it would miss after a crash.
#[derive(Default)]
pub struct Server {
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
    pub(super) fn receive(&mut self, ctx: &mut Context<'_, Party>, message: &Message) {
        let packet = Packet::new(Encoding::Xml, message.bytes.to_vec());
        match route(&packet, &ctx.shared().profile) {
            Ok(key) => self.begin(ctx, key, Input::Received(packet), message.from, Some(message.channel)),
            Err(_) => refuse(ctx, message.from, message.channel),
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
        while let Some((key, about)) = self.sleeper(ctx, now) {
            self.begin(ctx, key, Input::Wake, about, None);
        }
        self.arm(ctx);
    }

    pub(super) fn crash(&mut self) {
        self.open.clear();
    }

    /// Sets the timer to the next commit, or to the sweep that finds the next session to wake.
    pub(super) fn arm(&self, ctx: &mut Context<'_, Party>) {
        let commit = self.open.keys().next().map(|(at, _)| *at);
        let deadline = ctx.shared().first_deadline(|key| self.is_free(key)).map(|(at, _)| at);
        let sweep = deadline.map(|at| Tick(at.0.max(ctx.now().0).div_ceil(SWEEP.0).saturating_mul(SWEEP.0)));
        ctx.wake_at(commit.into_iter().chain(sweep).min());
    }

    /// A session that must be woken by now.
    fn sleeper(&self, ctx: &mut Context<'_, Party>, now: Tick) -> Option<(SessionKey, NodeId)> {
        let backend = ctx.shared();
        let (at, key) = backend.first_deadline(|key| self.is_free(key))?;
        let about = backend.devices().load(&key.device)?.value.node;
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
        let env = ctx.env(Some(about));
        match Attempt::run(ctx.shared(), &env, key, input.clone()) {
            Ok(attempt) => {
                let at = ctx.now() + ctx.draw(WORK, Some(about), WORK_MS);
                self.begun += 1;
                let restored = ctx.shared().restored;
                self.open.insert((at, self.begun), Task { about, reply_to, input, attempt, restored });
            }
            Err(error) => ctx.note(&Fact::Misused(error.to_string())),
        }
    }

    /// Commits and replies; false if the node crashed instead.
    fn end(&mut self, ctx: &mut Context<'_, Party>, task: Task) -> bool {
        // No process outlives the restoring of its store.
        if task.restored != ctx.shared().restored {
            return true;
        }
        if passes_away(ctx) {
            return false;
        }
        let Task { about, reply_to, input, attempt, .. } = task;
        let session = attempt.key.session.clone();
        if attempt.counts {
            let_a_rival_in(ctx, &attempt.key, &input, about);
            match ctx.shared().commit(&attempt) {
                Commit::Done => note_commit(ctx, about, &attempt),
                Commit::Lost => {
                    ctx.note(&Fact::LostRace { device: about, session });
                    self.begin(ctx, attempt.key, input, about, reply_to);
                    return true;
                }
            }
            if passes_away(ctx) || goes_back(ctx) {
                return false;
            }
        } else if attempt.facts.reply.is_some() && attempt.loaded == attempt.session.revision {
            ctx.shared().repeated += 1;
            ctx.note(&Fact::Repeated { device: about, session });
        }
        match (attempt.facts.reply, reply_to) {
            (Some(packet), Some(channel)) => ctx.send(about, channel, packet.body.to_bytes()),
            (None, Some(channel)) => refuse(ctx, about, channel),
            // What a woken session may have to say has nowhere to go.
            (_, None) => {}
        }
        true
    }
}

/// With the scenario's probability another node has been given the same input, and its commit comes first. What it
/// replies is lost with its connection.
fn let_a_rival_in(ctx: &mut Context<'_, Party>, key: &SessionKey, input: &Input, about: NodeId) {
    let probability = ctx.shared().rivals;
    if !ctx.chance(RIVAL, Some(about), probability) {
        return;
    }
    let env = ctx.env(Some(about));
    let rival = Attempt::run(ctx.shared(), &env, key.clone(), input.clone());
    if let Ok(rival) = rival
        && rival.counts
        && ctx.shared().commit(&rival) == Commit::Done
    {
        note_commit(ctx, about, &rival);
    }
}

fn note_commit(ctx: &mut Context<'_, Party>, device: NodeId, attempt: &Attempt) {
    let session = attempt.key.session.clone();
    ctx.note(&Fact::Committed { device, session: session.clone(), revision: attempt.session.revision });
    if let Some(outcome) = attempt.facts.finished.clone() {
        ctx.note(&Fact::ServerEnded { device, session, outcome });
    }
}

fn refuse(ctx: &mut Context<'_, Party>, device: NodeId, channel: Channel) {
    ctx.note(&Fact::Refused { device });
    ctx.send(device, channel, bytes::Bytes::new());
}

/// With the scenario's plan the service is stopped here, its store goes back by some commits, this one among them, and
/// the service is started again; true if that happens. The reply is lost with it.
fn goes_back(ctx: &mut Context<'_, Party>) -> bool {
    let Some(down) = ctx.shared().restores.passes() else { return false };
    let options = u32::try_from(ctx.shared().undoable().min(PAST_MAX)).unwrap_or(1);
    let commits = ctx.choose(RESTORED, None, options).saturating_add(1);
    ctx.shared().restore(commits as usize);
    ctx.note(&Fact::Restored { commits: commits.into() });
    ctx.crash(down);
    true
}

/// Passes a point where a crash hurts; true if it happens.
fn passes_away(ctx: &mut Context<'_, Party>) -> bool {
    let down = ctx.shared().crashes.passes();
    if let Some(down) = down {
        ctx.crash(down);
    }
    down.is_some()
}
