//! A node of a region's server: it loads, runs, commits, and only then replies. It has nothing that it would miss after a
//! crash.

use std::{collections::BTreeMap, sync::Arc};

use bytes::Bytes;
use core_kit::{Durable, Env, Millis, Tick};
use dm_core::{
    Packet,
    auth::{Account, Scheme, Scope, Verdict},
    server::{Arrival, Facts, Input, Misuse, Order, Question, RestoreError, SessionKey, Snapshot, Turn},
    wire::Encoding,
};

use super::{
    Member, Mistake, Region,
    depot::Key,
    folded::Kept,
    plan::{Package, Plan, orders_of},
};
use crate::{
    Channel, Context, Message, NodeId, Site, Span,
    dm::{SessionFact as Fact, Side},
};

const WORK: Site = Site("fleet.work");
const RIVAL: Site = Site("fleet.rival");
const CRASH: Site = Site("fleet.server-crash");
const DOWN: Site = Site("fleet.server-down");

/// How long a turn takes from load to commit. Another node's commit fits in between.
const WORK_MS: Span = Span::new(1, 40);
/// How often the sweeper looks for sessions to wake.
const SWEEP: Millis = Millis::from_secs(5);

/// One server process.
#[derive(Default)]
pub(super) struct Server {
    open: BTreeMap<(Tick, u64), Box<Task>>,
    begun: u64,
    armed: Option<Tick>,
}

/// A turn between load and commit.
struct Task {
    reply_to: Option<Channel>,
    input: Input,
    attempt: Attempt,
}

/// What a turn came to, and what must still be true in the store for it to count.
pub(super) struct Attempt {
    pub(super) key: Key,
    /// The revision of the session that it ran on.
    pub(super) loaded: u64,
    pub(super) after: After,
    /// What it read of the device, where it read anything.
    pub(super) read: Option<Read>,
    pub(super) facts: Facts,
    /// Whether there is anything to store.
    counts: bool,
}

/// The session as it is to be stored.
pub(super) struct After {
    pub(super) snapshot: Snapshot,
    pub(super) revision: u64,
    pub(super) deadline: Option<Tick>,
}

/// What a turn learnt of a device.
pub(super) struct Read {
    pub(super) revision: u64,
    /// The last nonces: of the device, and of the server towards it.
    pub(super) nonces: [Kept; 2],
    /// The package that waits; 0 for none.
    pub(super) next: Package,
    /// The package that it takes; 0 for none.
    pub(super) claimed: Package,
}

/// Why a turn could not be run: a mistake of the simulator or of the machine.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
enum AttemptError {
    #[error(transparent)]
    Restore(#[from] RestoreError),
    #[error(transparent)]
    Misuse(#[from] Misuse),
}

impl Server {
    pub(super) fn receive(&mut self, ctx: &mut Context<'_, Member>, message: &Message) {
        let packet = Packet::new(Encoding::Xml, message.bytes.clone());
        let region = ctx.shared();
        let arrival = Arrival::read(packet, &region.plan.server).ok();
        let routed = arrival.and_then(|arrival| Some((key_of(&region.plan, arrival.key())?, arrival)));
        let is_over = routed.as_ref().is_some_and(|(key, _)| region.depot.is_over(*key));
        match routed {
            Some(((device, _), _)) if is_over => {
                ctx.note(&Fact::Late { device });
                ctx.send(message.from, message.channel, Bytes::new());
            }
            Some((key, arrival)) => {
                let input = Input::Received(arrival.packet().clone());
                self.begin(ctx, key, input, Some(arrival), Some(message.channel));
            }
            None => refuse(ctx, message.from, message.channel),
        }
        self.arm(ctx);
    }

    pub(super) fn wake(&mut self, ctx: &mut Context<'_, Member>) {
        self.armed = None;
        let now = ctx.now();
        ctx.shared().depot.drop_until(now);
        while let Some(entry) = self.open.first_entry()
            && entry.key().0 <= now
        {
            let task = entry.remove();
            if !self.end(ctx, *task) {
                // It has crashed.
                return;
            }
        }
        while let Some((_, key)) = self.first_deadline(ctx).filter(|(at, _)| *at <= now) {
            self.begin(ctx, key, Input::Wake, None, None);
        }
        self.arm(ctx);
    }

    pub(super) fn crash(&mut self) {
        self.open.clear();
        self.armed = None;
    }

    fn first_deadline(&self, ctx: &mut Context<'_, Member>) -> Option<(Tick, Key)> {
        ctx.shared().depot.first_deadline(|key| self.open.values().all(|task| task.attempt.key != key))
    }

    /// Sets the timer to the next commit, or to the sweep that finds the next session to wake.
    pub(super) fn arm(&mut self, ctx: &mut Context<'_, Member>) {
        let commit = self.open.keys().next().map(|(at, _)| *at);
        let sweep = self
            .first_deadline(ctx)
            .map(|(at, _)| Tick(at.0.max(ctx.now().0).div_ceil(SWEEP.0).saturating_mul(SWEEP.0)));
        let next = commit.into_iter().chain(sweep).min();
        if next != self.armed {
            self.armed = next;
            ctx.wake_at(next);
        }
    }

    /// Loads and runs; the commit comes when the work is done. A message may come along as it was read to find its key.
    fn begin(
        &mut self,
        ctx: &mut Context<'_, Member>,
        key: Key,
        input: Input,
        arrival: Option<Arrival>,
        reply_to: Option<Channel>,
    ) {
        let about = Plan::node_of(key.0);
        let env = ctx.env(Some(about));
        match Attempt::run(ctx.shared(), &env, key, &input, arrival) {
            Ok(attempt) => {
                let at = ctx.now() + ctx.draw(WORK, Some(about), WORK_MS);
                self.begun += 1;
                self.open.insert((at, self.begun), Box::new(Task { reply_to, input, attempt }));
            }
            Err(error) => ctx.note(&Fact::Misused(error.to_string())),
        }
    }

    /// Commits and replies; false if the node crashed instead.
    fn end(&mut self, ctx: &mut Context<'_, Member>, task: Task) -> bool {
        let Task { reply_to, input, attempt } = task;
        let (key, about) = (attempt.key, Plan::node_of(attempt.key.0));
        if passes_away(ctx, about) {
            return false;
        }
        let facts = if attempt.counts {
            let_a_rival_in(ctx, key, &input);
            let Some(facts) = commit(ctx, attempt) else {
                ctx.note(&Fact::LostRace { device: key.0 });
                self.begin(ctx, key, input, None, reply_to);
                return true;
            };
            if passes_away(ctx, about) {
                return false;
            }
            facts
        } else {
            if attempt.facts.reply.is_some() && attempt.loaded == attempt.after.revision {
                ctx.note(&Fact::Repeated { device: key.0 });
            }
            attempt.facts
        };
        match (facts.reply, reply_to) {
            (Some(packet), Some(channel)) => ctx.send(about, channel, packet.body.to_bytes()),
            (None, Some(channel)) => refuse(ctx, about, channel),
            // What a woken session may have to say has nowhere to go.
            (_, None) => {}
        }
        true
    }
}

/// Commits, and tells of it; nothing if another node was first.
fn commit(ctx: &mut Context<'_, Member>, attempt: Attempt) -> Option<Facts> {
    let (now, (device, session)) = (ctx.now(), attempt.key);
    let Region { plan, depot, .. } = ctx.shared();
    let facts = depot.commit(plan, attempt, now)?;
    ctx.note(&Fact::Committed { device, session });
    if let Some(outcome) = facts.finished.clone() {
        ctx.note(&Fact::ServerEnded { device, session, outcome });
    }
    Some(facts)
}

/// Now and then another node has been given the same input, and its commit comes first. What it replies is lost with its
/// connection.
fn let_a_rival_in(ctx: &mut Context<'_, Member>, key: Key, input: &Input) {
    let (about, probability) = (Plan::node_of(key.0), ctx.shared().plan.conditions.lost_races);
    if !ctx.chance(RIVAL, Some(about), probability) {
        return;
    }
    let env = ctx.env(Some(about));
    if let Ok(rival) = Attempt::run(ctx.shared(), &env, key, input, None)
        && rival.counts
    {
        let _ = commit(ctx, rival);
    }
}

/// Passes a point where a crash hurts; true if it happens.
fn passes_away(ctx: &mut Context<'_, Member>, about: NodeId) -> bool {
    let conditions = ctx.shared().plan.conditions;
    let crashes = ctx.chance(CRASH, Some(about), conditions.server_crashes);
    if crashes {
        let down = ctx.draw(DOWN, Some(about), conditions.down);
        ctx.crash(down);
    }
    crashes
}

fn refuse(ctx: &mut Context<'_, Member>, device: NodeId, channel: Channel) {
    ctx.note(&Fact::Refused);
    ctx.send(device, channel, Bytes::new());
}

fn key_of(plan: &Plan, key: &SessionKey) -> Option<Key> {
    Some((plan.named(key.device.as_str())?, u16::from_str_radix(key.session.as_str(), 16).ok()?))
}

impl Attempt {
    /// Runs one input on what the store holds now. Answers to the session's questions are read from the store and
    /// change nothing in it.
    fn run(
        region: &Region,
        env: &Env,
        key: Key,
        input: &Input,
        arrival: Option<Arrival>,
    ) -> Result<Self, AttemptError> {
        let Region { plan, depot, .. } = region;
        let stored = depot.session(key).map(|stored| stored.snapshot.clone());
        let mut turn = Turn::begin(stored, Arc::clone(&plan.server))?.unrecorded();
        let mut read: Option<Read> = None;
        let mut open = match arrival {
            Some(arrival) => turn.receive(env, arrival)?,
            None => turn.step(env, input.clone())?,
        };
        while let Some(question) = open {
            let read = read.get_or_insert_with(|| depot.read(plan, key.0));
            let answer = read.answer(plan, key.0, question);
            open = turn.step(env, answer)?;
        }
        let (loaded, counts) = (turn.loaded(), turn.is_worth_keeping());
        let (revision, deadline) = (turn.session().revision(), turn.deadline().map(|deadline| deadline.at));
        let (snapshot, facts) = turn.finish();
        Ok(Self { key, loaded, after: After { snapshot, revision, deadline }, read, facts, counts })
    }
}

impl Read {
    fn account(&self, plan: &Plan, device: u32, side: Side) -> Account {
        let nonce = self.nonces.get(side.index()).map(Kept::nonce).unwrap_or_default();
        plan.account_with(device, side, nonce)
    }

    fn answer(&mut self, plan: &Plan, device: u32, question: Question) -> Input {
        match question {
            Question::Authenticate(ask) => {
                let verdict = match plan.mistake {
                    Some(Mistake::AnyoneIsBelieved) => Verdict::Accepted(Scope::Session),
                    _ => self.account(plan, device, Side::Client).judge(&ask.claim),
                };
                ask.answer(verdict, Some(Scheme::Md5))
            }
            Question::Commands(ask) => {
                let package = self.next;
                if plan.mistake != Some(Mistake::OrderedTwice) || ask.taken > 0 {
                    self.claimed = package;
                }
                let orders: Vec<Order> = orders_of(package).filter_map(|order| plan.order(order, device)).collect();
                ask.answer(orders)
            }
            Question::Fetch(ask) => ask.decline(),
            Question::Sign(ask) => {
                let signature = self.account(plan, device, Side::Server).sign(&ask.request);
                ask.answer(signature)
            }
        }
    }
}
