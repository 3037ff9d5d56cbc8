//! A device: a client session, a tree, accounts, and a radio.

use std::collections::VecDeque;

use core_kit::{Machine, Millis, UnixMillis, journal::JournalOf};
use dm_core::{
    Packet,
    auth::Account,
    client::{Failure, Input, Ops, Output, Profile, Question, Report, Request, Session, Trigger},
    codes::StatusCode,
    ids::{QuestionId, SessionId},
    prompt::Reply,
    session::Outcome,
    tree::{Memory, Op, OpResult},
    wire::Encoding,
};

use super::{Fact, Fingerprint, OpKind, Party};
use crate::{Channel, Context, CrashPlan, Host, Message, NodeId, Site};

const SERVER: Site = Site("device.server");

/// Something that a server had the tree do, each time that it did it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Execution {
    /// What.
    pub kind: OpKind,
    /// The node.
    pub uri: String,
    /// What became of it.
    pub status: StatusCode,
}

/// A device with one account. It opens sessions one after the other, as many as it was told to.
///
/// All but the open channel is durable: the snapshot after each step, and with the tree the results of the question that
/// it answered last, so that the question can come again after a crash.
pub struct Device {
    pub(super) profile: Profile,
    pub(super) servers: Vec<NodeId>,
    /// What the device proves itself with.
    pub(super) own: Account,
    /// What the server proves itself with.
    pub(super) server: Account,
    pub(super) tree: Memory,
    /// The tree as it was stored, while the device is down.
    pub(super) stored: Option<String>,
    /// The leaves that are told of between two sessions.
    pub(super) shown: Vec<String>,
    pub(super) sessions: u16,
    pub(super) pause: Millis,
    pub(super) crashes: CrashPlan,
    pub(super) executions: Vec<Execution>,
    pub(super) past: Vec<(SessionId, Host<Session>)>,
    current: Option<(SessionId, Host<Session>)>,
    answered: Option<(QuestionId, Vec<OpResult>)>,
    channel: Option<Channel>,
}

/// What a new device knows.
pub(super) struct Provision {
    pub(super) profile: Profile,
    pub(super) servers: Vec<NodeId>,
    pub(super) own: Account,
    pub(super) server: Account,
    pub(super) tree: Memory,
    pub(super) shown: Vec<String>,
    pub(super) sessions: u16,
    pub(super) pause: Millis,
    pub(super) crashes: CrashPlan,
}

impl Device {
    pub(super) fn new(known: Provision) -> Self {
        let Provision { profile, servers, own, server, tree, shown, sessions, pause, crashes } = known;
        let (executions, past) = (Vec::new(), Vec::new());
        let (current, answered, channel) = (None, None, None);
        Self {
            profile,
            servers,
            own,
            server,
            tree,
            stored: None,
            shown,
            sessions,
            pause,
            crashes,
            executions,
            past,
            current,
            answered,
            channel,
        }
    }

    /// The tree.
    #[must_use]
    pub const fn tree(&self) -> &Memory {
        &self.tree
    }

    /// Everything that servers had the tree do.
    #[must_use]
    pub fn executions(&self) -> &[Execution] {
        &self.executions
    }

    /// The journals of its sessions, oldest first.
    pub(super) fn journals(&self) -> impl Iterator<Item = (&SessionId, &JournalOf<Session>)> {
        self.past.iter().chain(&self.current).map(|(id, host)| (id, host.journal()))
    }

    pub(super) fn start(&mut self, ctx: &mut Context<'_, Party>) {
        let number = u16::try_from(self.past.len()).unwrap_or(u16::MAX);
        if number >= self.sessions {
            return;
        }
        let id = SessionId::from_number(number.saturating_add(1));
        let session = Session::new(&self.profile);
        let host = Host::new(self.profile.clone(), session);
        self.show(ctx);
        ctx.note(&Fact::Began(id.clone()));
        self.current = Some((id.clone(), host));
        self.answered = None;
        self.tree.abandon();
        self.drive(ctx, Input::Start(Trigger::Client(id)));
    }

    pub(super) fn receive(&mut self, ctx: &mut Context<'_, Party>, message: &Message) {
        // As over HTTP: a reply on a connection that was given up reaches nobody.
        if self.channel != Some(message.channel) && !core_kit::planted!("D29-stale-reply") {
            return;
        }
        self.channel = None;
        let input = if message.bytes.is_empty() {
            Input::SendFailed(Failure::Permanent)
        } else {
            Input::Received(Packet::new(Encoding::Xml, message.bytes.to_vec()))
        };
        self.drive(ctx, input);
    }

    pub(super) fn wake(&mut self, ctx: &mut Context<'_, Party>) {
        if self.current.is_some() {
            self.drive(ctx, Input::Wake);
        } else {
            self.start(ctx);
        }
    }

    /// What is left of the tree is its stored form, with the transaction that may be open in it.
    pub(super) fn crash(&mut self) {
        self.channel = None;
        self.stored = serde_json::to_string(&self.tree).ok();
        self.tree = Memory::default();
        if let Some((_, host)) = &mut self.current {
            host.crash();
        }
    }

    pub(super) fn restart(&mut self, ctx: &mut Context<'_, Party>) {
        match self.stored.take().map(|stored| serde_json::from_str(&stored)) {
            Some(Ok(tree)) => self.tree = tree,
            _ => return ctx.note(&Fact::Misused("the stored tree cannot be read".into())),
        }
        if self.tree.is_open() {
            ctx.note(&Fact::Resumed);
        }
        let Some((_, host)) = &mut self.current else {
            return self.rest(ctx);
        };
        match host.machine().map(|session| session.pending()) {
            Ok(Some(question)) => {
                if let Some(input) = self.answer(ctx, question) {
                    self.drive(ctx, input);
                }
            }
            // Whether the last message went out is not known: the deadline has it sent again.
            Ok(None) => self.arm(ctx),
            Err(error) => ctx.note(&Fact::Misused(error.to_string())),
        }
    }

    /// Feeds the session until it waits, is over, or the device has crashed.
    fn drive(&mut self, ctx: &mut Context<'_, Party>, first: Input) {
        let mut todo = VecDeque::from([first]);
        while let Some(input) = todo.pop_front() {
            let env = ctx.env(None);
            let Some((_, host)) = &mut self.current else { return };
            let outputs = match host.step(&env, input) {
                Ok(outputs) => outputs,
                Err(error) => return ctx.note(&Fact::Misused(format!("{error:?}"))),
            };
            // Reports are stored with the snapshot: a crash takes both or none.
            let (reports, duties): (Vec<Output>, Vec<Output>) =
                outputs.into_iter().partition(|output| matches!(output, Output::Report(_)));
            self.store(&reports);
            let over = duties.iter().find_map(|duty| if let Output::Finished(end) = duty { Some(end) } else { None });
            if let Some(outcome) = over {
                self.end(ctx, outcome);
            }
            if self.passes_away(ctx) {
                return;
            }
            for duty in duties {
                match duty {
                    Output::Send(request) => self.send(ctx, &request),
                    Output::Ask(question) => match self.answer(ctx, question) {
                        Some(answer) => todo.push_back(answer),
                        None => return,
                    },
                    Output::Report(_) | Output::Finished(_) => {}
                }
            }
        }
        self.arm(ctx);
    }

    fn store(&mut self, reports: &[Output]) {
        for report in reports {
            match report {
                Output::Report(Report::ClientNonce(_)) if core_kit::planted!("D16b-nonce-not-stored") => {}
                Output::Report(Report::ClientNonce(nonce)) => self.own.nonce = nonce.clone(),
                Output::Report(Report::ServerNonce(nonce)) => self.server.nonce = nonce.clone(),
                _ => {}
            }
        }
    }

    fn end(&mut self, ctx: &mut Context<'_, Party>, outcome: &Outcome) {
        if let Some((id, host)) = self.current.take() {
            ctx.note(&Fact::ClientEnded(id.clone(), outcome.clone()));
            self.past.push((id, host));
            // What a session left half-way is nobody's any more.
            self.tree.abandon();
            self.show(ctx);
        }
    }

    fn send(&mut self, ctx: &mut Context<'_, Party>, request: &Request) {
        let choice = ctx.choose(SERVER, None, u32::try_from(self.servers.len()).unwrap_or(1));
        let Some(server) = self.servers.get(choice as usize).copied() else { return };
        let channel = ctx.open_channel();
        ctx.send(server, channel, request.packet.body.to_bytes());
        self.channel = request.wants_reply.then_some(channel);
    }

    /// The answer to a question; nothing if the device crashed on the way.
    fn answer(&mut self, ctx: &mut Context<'_, Party>, question: Question) -> Option<Input> {
        match question {
            Question::Tree(ops) => {
                let results = self.ask_tree(ctx, &ops);
                if self.passes_away(ctx) {
                    return None;
                }
                Some(ops.answer(results))
            }
            Question::User(ask) => Some(ask.answer(Reply::NotSupported)),
            Question::Sign(ask) => {
                let signature = self.own.sign(&ask.request);
                Some(ask.answer(signature))
            }
            Question::Authenticate(ask) => {
                let verdict = self.server.judge(&ask.claim);
                Some(ask.answer(verdict))
            }
        }
    }

    fn ask_tree(&mut self, ctx: &mut Context<'_, Party>, ops: &Ops) -> Vec<OpResult> {
        if let Some((id, results)) = &self.answered
            && *id == ops.id
            && !core_kit::planted!("D29-done-again-after-crash")
        {
            return results.clone();
        }
        let results = self.tree.answer(ops);
        if ops.server.is_some() {
            for (op, result) in ops.ops.iter().zip(&results) {
                let Some((kind, uri)) = OpKind::of(op).zip(op.uri()) else { continue };
                let done = Execution { kind, uri: uri.into(), status: result.status };
                let Execution { kind, uri, status } = done.clone();
                ctx.note(&Fact::Executed { kind, uri, status });
                self.executions.push(done);
            }
        }
        if ops.ops.contains(&Op::RollBack) {
            ctx.note(&Fact::RolledBack);
        }
        self.answered = Some((ops.id, results.clone()));
        results
    }

    /// Tells what the tree holds, between two sessions.
    fn show(&self, ctx: &mut Context<'_, Party>) {
        // When the tree was last told the time is no part of what it holds.
        let mut tree = self.tree.clone();
        tree.tell_time(UnixMillis(0));
        match serde_json::to_vec(&tree) {
            Ok(tree) => ctx.note(&Fact::Tree(Fingerprint::of(&tree))),
            Err(error) => ctx.note(&Fact::Misused(error.to_string())),
        }
        for uri in &self.shown {
            let value = self.tree.node(uri).and_then(|node| node.value()).map(|value| Fingerprint::of(value));
            ctx.note(&Fact::Leaf { uri: uri.clone(), value });
        }
    }

    fn arm(&mut self, ctx: &mut Context<'_, Party>) {
        let Some((_, host)) = &mut self.current else {
            return self.rest(ctx);
        };
        match host.machine() {
            Ok(session) => ctx.wake_at(session.deadline().map(|deadline| deadline.at)),
            Err(error) => ctx.note(&Fact::Misused(error.to_string())),
        }
    }

    /// Waits for the next session, if there is to be one.
    fn rest(&self, ctx: &mut Context<'_, Party>) {
        let more = self.past.len() < usize::from(self.sessions);
        ctx.wake_at(more.then(|| ctx.now() + self.pause));
    }

    /// Passes a point where a crash hurts; true if it happens.
    fn passes_away(&mut self, ctx: &mut Context<'_, Party>) -> bool {
        let down = self.crashes.passes();
        if let Some(down) = down {
            ctx.crash(down);
        }
        down.is_some()
    }
}
