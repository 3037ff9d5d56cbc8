//! A device of a fleet: a few octets while it has nothing to do, and everything while it has a session.

use core_kit::{Durable, Machine, Millis};
use dm_core::{
    Packet,
    auth::Account,
    client::{Failure, Input, Ops, Output, Profile, Question, Report, Request, Session, Snapshot, Trigger},
    ids::{QuestionId, SessionId},
    prompt::Reply,
    session::Outcome,
    tree::{Memory, OpResult},
    wire::Encoding,
};

use super::{
    Member, Mistake,
    folded::{Change, Folded, Kept, unfold},
    plan::{ORDERS, Plan, order_of},
};
use crate::{
    Channel, Context, Message, NodeId, Site, Span,
    dm::{OpKind, SessionFact as Fact, Side, value_hash},
};

const BEGIN: Site = Site("fleet.begin");
const SERVER: Site = Site("fleet.server");
const STALE: Site = Site("fleet.stale-nonce");
const CRASH: Site = Site("fleet.device-crash");
const POINT: Site = Site("fleet.crash-point");
const DOWN: Site = Site("fleet.device-down");

/// Crash points that a session passes, about.
const POINTS: u32 = 24;
/// The shortest time between two sessions of a device, on top of that in which something of the first may still come. A
/// server that has heard nothing more gives a session up in half of it.
const PAUSE: Millis = Millis::from_secs(600);

/// A device.
#[derive(Default)]
pub(super) struct Device {
    /// Sessions that it has begun.
    begun: u16,
    folded: Option<Box<Folded>>,
    awake: Option<Box<Awake>>,
}

/// What a device has while it has a session.
struct Awake {
    /// Nothing while the device is down.
    session: Option<Session>,
    tree: Memory,
    /// The machine and the tree as they are stored, while the device is down.
    stored: Option<(Snapshot, String)>,
    changes: Vec<Change>,
    /// What the device proves itself with, and the server.
    accounts: [Account; 2],
    /// The last question for the tree that was answered: durable with the tree.
    answered: Option<(QuestionId, Vec<OpResult>)>,
    channel: Option<Channel>,
    outcome: Option<Outcome>,
    /// Crash points that are left before the device crashes.
    survives: Option<u32>,
}

impl Device {
    pub(super) fn start(&self, ctx: &mut Context<'_, Member>) {
        self.rest(ctx);
    }

    /// Waits for the next session, if there is to be one.
    fn rest(&self, ctx: &mut Context<'_, Member>) {
        let plan = ctx.shared().plan();
        if self.begun >= plan.sessions {
            ctx.retire((0..plan.servers).map(NodeId));
            return ctx.wake_at(None);
        }
        let most = plan.span.0 / u64::from(plan.sessions);
        let least = if self.begun == 0 { 0 } else { plan.linger.0 + PAUSE.0 };
        let at = ctx.now() + ctx.draw(BEGIN, None, Span::new(least, most.max(least)));
        ctx.wake_at(Some(at));
    }

    pub(super) fn wake(&mut self, ctx: &mut Context<'_, Member>) {
        if self.awake.is_some() {
            return self.drive(ctx, Input::Wake);
        }
        let plan = ctx.shared().plan();
        let Some(device) = plan.device_at(ctx.node()) else { return };
        self.begun += 1;
        let stale = self.begun == 1 && ctx.chance(STALE, None, plan.conditions.stale_nonces);
        let survives = ctx.chance(CRASH, None, plan.conditions.device_crashes).then(|| ctx.choose(POINT, None, POINTS));
        let id = SessionId::from_number(self.begun);
        self.awake = Some(Box::new(Awake::new(&plan, device, self.folded.take(), stale, survives)));
        ctx.note(&Fact::Began(self.begun));
        self.drive(ctx, Input::Start(Trigger::Client(id)));
    }

    pub(super) fn receive(&mut self, ctx: &mut Context<'_, Member>, message: &Message) {
        let Some(awake) = &mut self.awake else { return };
        // As over HTTP: a reply on a connection that was given up reaches nobody.
        if awake.channel != Some(message.channel) {
            return;
        }
        awake.channel = None;
        let input = if message.bytes.is_empty() {
            Input::SendFailed(Failure::Permanent)
        } else {
            Input::Received(Packet::new(Encoding::Xml, message.bytes.clone()))
        };
        self.drive(ctx, input);
    }

    /// What is left of a session is its stored form, and that of the tree.
    pub(super) fn crash(&mut self) {
        if let Some(awake) = &mut self.awake {
            awake.channel = None;
            let tree = serde_json::to_string(&awake.tree).unwrap_or_default();
            awake.stored = awake.session.take().map(|session| (session.snapshot(), tree));
            awake.tree = Memory::default();
        }
    }

    pub(super) fn restart(&mut self, ctx: &mut Context<'_, Member>) {
        let Some(awake) = &mut self.awake else { return self.rest(ctx) };
        let plan = ctx.shared().plan();
        let Some(device) = plan.device_at(ctx.node()) else { return };
        if let Err(error) = awake.restore(&plan.profile_of(device)) {
            return ctx.note(&Fact::Misused(error));
        }
        if awake.outcome.is_some() {
            return self.fold(ctx);
        }
        match awake.session.as_ref().and_then(Session::pending) {
            Some(question) => {
                if let Some(input) = self.answer(ctx, question) {
                    self.drive(ctx, input);
                }
            }
            // Whether the last message went out is not known: the deadline has it sent again.
            None => self.arm(ctx),
        }
    }

    /// Feeds the session until it waits, is over, or the device has crashed.
    fn drive(&mut self, ctx: &mut Context<'_, Member>, first: Input) {
        let (mut next, mut out) = (Some(first), Vec::new());
        while let Some(input) = next.take() {
            let env = ctx.env(None);
            let Some(awake) = &mut self.awake else { return };
            let Some(session) = &mut awake.session else { return };
            if let Err(error) = session.handle(&env, input, &mut out) {
                return ctx.note(&Fact::Misused(error.to_string()));
            }
            // What a step comes to is stored with it: a crash takes both or none.
            for output in &out {
                awake.store(output);
            }
            if let Some(outcome) = awake.outcome.clone().filter(|_| ends(&out)) {
                ctx.note(&Fact::Ended(self.begun, outcome));
            }
            if self.passes_away(ctx) {
                return;
            }
            for duty in out.drain(..) {
                match duty {
                    Output::Send(request) => self.send(ctx, &request),
                    Output::Ask(question) => match self.answer(ctx, question) {
                        Some(answer) => next = Some(answer),
                        None => return,
                    },
                    Output::Report(_) | Output::Finished(_) => {}
                }
            }
        }
        if self.awake.as_ref().is_some_and(|awake| awake.outcome.is_some()) {
            self.fold(ctx);
        } else {
            self.arm(ctx);
        }
    }

    fn send(&mut self, ctx: &mut Context<'_, Member>, request: &Request) {
        let servers = ctx.shared().plan().servers;
        let server = NodeId(ctx.choose(SERVER, None, servers));
        let channel = ctx.open_channel();
        ctx.send(server, channel, request.packet.body.to_bytes());
        if let Some(awake) = &mut self.awake {
            awake.channel = request.wants_reply.then_some(channel);
        }
    }

    /// The answer to a question; nothing if the device crashed on the way.
    fn answer(&mut self, ctx: &mut Context<'_, Member>, question: Question) -> Option<Input> {
        let awake = self.awake.as_mut()?;
        let [own, server] = &awake.accounts;
        Some(match question {
            Question::Sign(ask) => {
                let signature = own.sign(&ask.request);
                ask.answer(signature)
            }
            Question::Authenticate(ask) => {
                let verdict = server.judge(&ask.claim);
                ask.answer(verdict)
            }
            Question::User(ask) => ask.answer(Reply::Cancelled),
            Question::Tree(ops) => {
                let results = awake.ask_tree(ctx, &ops);
                if self.passes_away(ctx) {
                    return None;
                }
                ops.answer(results)
            }
        })
    }

    fn arm(&self, ctx: &mut Context<'_, Member>) {
        let deadline = self.awake.as_ref().and_then(|awake| awake.session.as_ref()?.deadline());
        ctx.wake_at(deadline.map(|deadline| deadline.at));
    }

    /// The session is over: keeps what sets this device apart from others, and nothing else.
    fn fold(&mut self, ctx: &mut Context<'_, Member>) {
        let Some(mut awake) = self.awake.take() else { return };
        // What a session left half-way is nobody's any more.
        awake.tree.abandon();
        let values = ORDERS.iter().map(|(_, uri)| awake.value(uri)).collect();
        let [own, server] = &awake.accounts;
        let nonces = [Kept::of(&own.nonce), Kept::of(&server.nonce)];
        let folded = Folded { nonces, changes: awake.changes.into() };
        let octets = size_of::<Member>() + folded.octets();
        self.folded = Some(Box::new(folded));
        let (open, kept) = (awake.tree.is_open(), awake.tree.keeps_part());
        ctx.note(&Fact::Rested { open, kept, values, octets });
        self.rest(ctx);
    }

    /// Passes a point where a crash hurts; true if it happens.
    fn passes_away(&mut self, ctx: &mut Context<'_, Member>) -> bool {
        let Some(left) = self.awake.as_mut().and_then(|awake| awake.survives.as_mut()) else { return false };
        if *left > 0 {
            *left -= 1;
            return false;
        }
        let down = ctx.shared().plan().conditions.down;
        let down = ctx.draw(DOWN, None, down);
        self.awake.iter_mut().for_each(|awake| awake.survives = None);
        ctx.crash(down);
        true
    }
}

impl Awake {
    fn new(plan: &Plan, device: u32, folded: Option<Box<Folded>>, stale: bool, survives: Option<u32>) -> Self {
        let mut accounts = [Side::Client, Side::Server].map(|side| match &folded {
            Some(folded) => plan.account_with(device, side, folded.nonce(side)),
            None => plan.account_of(device, side),
        });
        if stale {
            // Each of them is told the other one's.
            let [own, server] = &mut accounts;
            core::mem::swap(&mut own.nonce, &mut server.nonce);
        }
        let changes = folded.map(|folded| folded.changes.into_vec()).unwrap_or_default();
        let mut session = Session::new(plan.profile_of(device));
        if survives.is_none() {
            // It is never stored in the middle of a message.
            session = session.unrecorded();
        }
        Self {
            session: Some(session),
            tree: unfold(plan, device, &changes),
            stored: None,
            changes,
            accounts,
            answered: None,
            channel: None,
            outcome: None,
            survives,
        }
    }

    fn restore(&mut self, profile: &Profile) -> Result<(), String> {
        let (snapshot, tree) = self.stored.take().ok_or("nothing is stored")?;
        self.tree = serde_json::from_str(&tree).map_err(|error| error.to_string())?;
        self.session = Some(Session::restore(snapshot, profile).map_err(|error| error.to_string())?);
        Ok(())
    }

    fn store(&mut self, output: &Output) {
        let [own, server] = &mut self.accounts;
        match output {
            Output::Report(Report::ClientNonce(nonce)) => own.nonce = nonce.clone(),
            Output::Report(Report::ServerNonce(nonce)) => server.nonce = nonce.clone(),
            Output::Finished(outcome) => self.outcome = Some(outcome.clone()),
            _ => {}
        }
    }

    /// The hash of the value that a leaf has.
    fn value(&self, uri: &str) -> Option<u64> {
        let leaf = uri.split('/').skip(1).try_fold(self.tree.root(), |node, name| node.child(name))?;
        leaf.value().map(|value| value_hash(value))
    }

    fn ask_tree(&mut self, ctx: &mut Context<'_, Member>, ops: &Ops) -> Vec<OpResult> {
        let again = ctx.shared().plan().mistake == Some(Mistake::DoneAgainAfterCrash);
        if let Some((id, results)) = &self.answered
            && *id == ops.id
            && !again
        {
            return results.clone();
        }
        let results = self.tree.answer(ops);
        if ops.server.is_some() {
            for (op, result) in ops.ops.iter().zip(&results) {
                let Some((kind, uri)) = OpKind::of(op).zip(op.uri()) else { continue };
                if result.status.is_success() {
                    self.changes.extend(Change::of(op, ops.at));
                }
                let known = order_of(kind, uri).and_then(|order| ORDERS.get(order));
                let uri = known.map_or_else(|| uri.to_owned().into(), |(_, uri)| (*uri).into());
                ctx.note(&Fact::Executed { kind, uri, status: result.status });
            }
        }
        // Nobody asks again but after a crash.
        if self.survives.is_some() {
            self.answered = Some((ops.id, results.clone()));
        }
        results
    }
}

fn ends(out: &[Output]) -> bool {
    out.iter().any(|output| matches!(output, Output::Finished(_)))
}
