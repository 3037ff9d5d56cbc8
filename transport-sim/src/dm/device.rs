//! A device: client sessions, a tree, accounts, and a radio.

use std::{collections::VecDeque, sync::Arc};

use bytes::Bytes;
use core_kit::{Machine, Millis, Tick, UnixMillis, journal::JournalOf};
use dm_core::{
    auth::{Account, CredentialHash},
    bootstrap::{self, ContentType, NetworkSecret, Secrets},
    client::{Failure, Input, Output, Profile, Question, Report, Request, Session, Trigger, User},
    codes::StatusCode,
    ids::{QuestionId, ServerId, SessionId},
    notify::{self, Decision, Layout},
    prompt::Reply,
    session::{Outcome, Reason},
    tree::{Memory, OpResult},
};

use super::{
    Fact, OpKind, Party,
    envelope::{Envelope, tampered},
    play,
};
use crate::{Channel, Context, FaultId, Host, Message, Site};

mod disk;
mod provision;
mod remembered;
mod tree;

use disk::Disk;
pub(super) use provision::{Contract, Provision, Visit};
use remembered::Remembered;

const SERVER: Site = Site("device.server");
const TAMPERED: Site = Site("device.tampered");
const CLOCK: Site = Site("device.clock");
const USER: Site = Site("device.user");

/// Places in the code that take rare ways: small limits, a timer that comes early, a session taken up from its octets.
const SMALL: Site = Site("device.rare.small");
const EARLY: Site = Site("device.rare.early");
const CACHE: Site = Site("device.rare.cache");

/// The smallest messages and the smallest queue of values that a device may have.
const SMALLEST: (u64, u64) = (1_024, 512);

/// The numbers of a copy's sessions begin here: those of its original end before.
const CLONED: u16 = 0xC000;
/// Milliseconds of a day.
const DAY: i64 = 86_400_000;

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

/// A session under way.
struct Current {
    id: SessionId,
    profile: Arc<Profile>,
    host: Host<Session>,
    contract: usize,
    replies: u32,
    aborts_after: Option<u32>,
    /// Whose nonce is still that of resynchronisation: the device's own, and the server's.
    resync: (bool, bool),
}

/// A device. It opens its sessions one after the other, as it was told to or as notifications ask it to.
///
/// All but the open channel is durable: the snapshot after each step, and with the tree the results of the question that
/// it answered last, so that the question can come again after a crash.
pub struct Device {
    pub(super) known: Provision,
    /// The tree as it was stored, while the device is down.
    stored: Option<String>,
    executions: Vec<Execution>,
    past: Vec<(SessionId, Host<Session>)>,
    current: Option<Current>,
    answered: Option<(QuestionId, Arc<Vec<OpResult>>)>,
    channel: Option<Channel>,
    /// Sessions that it has begun by itself.
    begun: u16,
    /// The tree as it was told of last, where it is told of.
    told: Option<Arc<Memory>>,
    /// Operations since the open `Atomic` began.
    in_atomic: u32,
    /// By how much the calendar is wrong.
    calendar: i64,
    /// Where all that is durable is written, in a world whose disks may fail.
    disk: Option<Disk>,
    /// What it does when it is back: it was taken down for this.
    rebirth: Option<FaultId>,
    /// How often it has forgotten something.
    lives: u16,
    /// What its tree did for servers, and the sessions of notifications that were followed, as far as it remembers.
    done: Remembered<Execution>,
    followed: Remembered<SessionId>,
    /// What the tree has done and nobody was told yet, because it is not written.
    untold: Vec<Fact>,
    /// Messages that it has sent, or was about to.
    sends: u32,
}

impl Device {
    pub(super) fn new(known: Provision) -> Self {
        let disk = known.has_disk.then(|| Disk::new(&known.contracts, &known.promised, &known.tree));
        Self {
            // No session of a copy has the number of one of the original.
            begun: if known.is_clone { CLONED } else { 0 },
            known,
            stored: None,
            executions: Vec::new(),
            past: Vec::new(),
            current: None,
            answered: None,
            channel: None,
            told: None,
            in_atomic: 0,
            calendar: 0,
            disk,
            rebirth: None,
            lives: 0,
            done: Remembered::default(),
            followed: Remembered::default(),
            untold: Vec::new(),
            sends: 0,
        }
    }

    /// The tree.
    #[must_use]
    pub const fn tree(&self) -> &Memory {
        &self.known.tree
    }

    /// Everything that servers had the tree do.
    #[must_use]
    pub fn executions(&self) -> &[Execution] {
        &self.executions
    }

    /// The journals of its sessions, oldest first.
    pub(super) fn journals(&self) -> impl Iterator<Item = (&SessionId, &JournalOf<Session>)> {
        let current = self.current.as_ref().map(|current| (&current.id, current.host.journal()));
        self.past.iter().map(|(id, host)| (id, host.journal())).chain(current)
    }

    pub(super) fn start(&mut self, ctx: &mut Context<'_, Party>) {
        // A notification may have been for a server whose account is still to come.
        let contracts = self.known.contracts.len();
        let ready = |visit: &Visit| visit.contract < contracts && visit.at.is_none_or(|at| at <= ctx.now());
        let Some(place) = self.known.visits.iter().position(ready) else { return self.rest(ctx) };
        let (Some(visit), true) = (self.known.visits.remove(place), self.current.is_none()) else { return };
        let Some(contract) = self.known.contracts.get(visit.contract) else { return };
        let mut profile = contract.profile.clone();
        if visit.elsewhere && !ctx.is_healed() {
            profile.device = format!("{}-swapped", profile.device).as_str().into();
            ctx.count_fault(FaultId::F50);
        }
        if self.known.is_clone {
            ctx.count_fault(FaultId::F48);
        }
        if ctx.buggify(SMALL, None) {
            (profile.max_msg_size, profile.queue_bytes_max) = (Some(SMALLEST.0), SMALLEST.1);
        }
        let (trigger, id) = visit.asked.unwrap_or_else(|| {
            self.begun = self.begun.saturating_add(1);
            let id = SessionId::from_number(self.begun);
            (Trigger::Client(id.clone()), id)
        });
        let host = Host::new(profile.clone(), Session::new(&profile));
        self.show(ctx);
        ctx.note(&Fact::Began(id.clone()));
        let (contract, aborts_after) = (visit.contract, visit.aborts_after);
        let resync = (visit.resync, visit.resync);
        let profile = Arc::new(profile);
        self.current = Some(Current { id: id.clone(), profile, host, contract, replies: 0, aborts_after, resync });
        self.answered = None;
        self.known.tree.abandon();
        for alert in visit.alerts {
            self.drive(ctx, Input::Alert(alert));
        }
        // What was not written may have taken the device back into a session that it had before.
        if self.current.as_ref().is_some_and(|current| current.id == id) {
            self.drive(ctx, Input::Start(trigger));
        }
    }

    /// A connection broke: if the device waits for a reply on it, it waits no longer.
    pub(super) fn reset(&mut self, ctx: &mut Context<'_, Party>, channel: Channel) {
        if self.channel.take_if(|open| *open == channel).is_some() {
            ctx.note(&Fact::HungUp);
            self.drive(ctx, Input::SendFailed(Failure::Temporary));
        }
    }

    /// The network is back: who has something to do does it now.
    pub(super) fn reconnect(&mut self, ctx: &mut Context<'_, Party>) {
        if self.current.is_none() {
            self.start(ctx);
        }
    }

    pub(super) fn receive(&mut self, ctx: &mut Context<'_, Party>, message: &Message) {
        match Envelope::open(&message.bytes) {
            Envelope::Notification(_) | Envelope::Bootstrap(..) if message.mislabelled => {}
            Envelope::Notification(bytes) => self.notified(ctx, &bytes),
            Envelope::Bootstrap(media_type, bytes) => self.bootstrap(ctx, &media_type, &bytes),
            // As over HTTP: a reply on a connection that was given up reaches nobody.
            Envelope::Session(..)
                if self.channel != Some(message.channel) && !core_kit::planted!("D29-stale-reply") => {}
            Envelope::Session(mac, body) => {
                self.channel = None;
                let input = if message.mislabelled {
                    // What it says to be is nothing that the device reads.
                    Input::SendFailed(Failure::Temporary)
                } else if message.bytes.is_empty() {
                    Input::SendFailed(Failure::Permanent)
                } else {
                    Input::Received(Envelope::packet(mac, &body))
                };
                self.step_clock(ctx);
                let input = self.give_up(ctx).unwrap_or(input);
                self.drive(ctx, input);
            }
        }
    }

    /// Somebody sets the calendar: up to ten years on, or an hour back.
    fn step_clock(&mut self, ctx: &mut Context<'_, Party>) {
        if ctx.is_healed() || !ctx.chance(CLOCK, None, self.known.clock_steps) {
            return;
        }
        let by = [DAY, -3_600_000, 3_650 * DAY, -DAY];
        let by = by.get(ctx.choose(CLOCK, None, 4) as usize).copied().unwrap_or_default();
        ctx.count_fault(if by > 0 { FaultId::F36 } else { FaultId::F37 });
        self.calendar = self.calendar.saturating_add(by);
        ctx.note(&Fact::ClockSet(by));
    }

    /// The device gives the session up in place of reading the reply, if now is the time.
    fn give_up(&mut self, ctx: &mut Context<'_, Party>) -> Option<Input> {
        let current = self.current.as_mut()?;
        current.replies += 1;
        if current.aborts_after != Some(current.replies) {
            return None;
        }
        ctx.note(&Fact::Aborted(current.id.clone()));
        Some(Input::Abort(Reason::Requested))
    }

    fn notified(&mut self, ctx: &mut Context<'_, Party>, bytes: &Bytes) {
        let read = notify::v1_2::Notification::decode(bytes).ok().map(|(read, _)| read);
        let of = |contract: &Arc<Contract>| read.as_ref().is_some_and(|read| contract.profile.server_id == read.server);
        let from = self.known.contracts.iter().position(of);
        let (now, policy) = (ctx.now(), self.known.notices);
        let hash = |account: &Account| CredentialHash::new(&account.user, account.password.reveal());
        let contract = from.and_then(|from| self.known.contracts.get_mut(from)).map(Arc::make_mut);
        let credentials = contract.as_ref().map(|contract| hash(&contract.server));
        let known = contract.zip(credentials.as_ref()).map(|(contract, credentials)| {
            let Contract { server, seen, .. } = contract;
            notify::Known { credentials, nonce: &server.nonce, seen }
        });
        let decision = notify::receive(Layout::V1_2, bytes, |_| known, now, &policy);
        let session = read.map(|read| read.session.id());
        let mut followed = matches!(&decision, Decision::Start(_));
        if let (true, Some(session)) = (followed, &session) {
            let before = self.followed.mark();
            self.followed.push(session.clone());
            // What is not written would be followed again.
            followed = self.save(ctx);
            if !followed {
                self.followed.forget_since(before);
            }
        }
        let is_unwritten = !followed && matches!(&decision, Decision::Start(_));
        if let Some(session) = session {
            ctx.note(&Fact::Notified { session, followed });
        }
        if is_unwritten {
            return self.go_on_without(ctx);
        }
        let (Decision::Start(start), Some(contract)) = (decision, from) else { return };
        let asked = Some((start.trigger_showing("Management"), start.session.id()));
        self.known.visits.push_front(Visit { contract, asked, resync: start.resync, ..Visit::default() });
        if self.current.is_none() {
            self.start(ctx);
        }
    }

    fn bootstrap(&mut self, ctx: &mut Context<'_, Party>, media_type: &str, body: &Bytes) {
        let servers: Vec<ServerId> =
            self.known.contracts.iter().map(|contract| contract.profile.server_id.clone()).collect();
        let secrets = Secrets { pin: None, network: Some(NetworkSecret::Octets(&self.known.network_secret)) };
        let device = bootstrap::Device { accounts: &servers, wrong_pins: 0 };
        let accepted = ContentType::parse(media_type).ok().and_then(|content_type| {
            bootstrap::receive(&content_type, body, &secrets, &device, &bootstrap::Policy::default()).ok()
        });
        let new: Vec<ServerId> =
            accepted.into_iter().flat_map(|accepted| accepted.accounts).map(|account| account.server_id).collect();
        let promised = core::mem::take(&mut self.known.promised);
        let (now, later) = promised.into_iter().partition(|contract| new.contains(&contract.profile.server_id));
        self.known.promised = later;
        self.known.contracts.extend::<Vec<Arc<Contract>>>(now);
        if !new.is_empty() && !self.save(ctx) {
            ctx.note(&Fact::Bootstrapped(Vec::new()));
            return self.go_on_without(ctx);
        }
        ctx.note(&Fact::Bootstrapped(new));
        if self.current.is_none() {
            self.rest(ctx);
        }
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
        self.stored = serde_json::to_string(&self.known.tree).ok();
        self.known.tree = Memory::default();
        self.told = None;
        if let Some(current) = &mut self.current {
            current.host.crash();
        }
    }

    pub(super) fn restart(&mut self, ctx: &mut Context<'_, Party>) {
        let rebirth = self.rebirth.take();
        if self.has_forgotten(ctx, rebirth) {
            self.reload(ctx);
            return self.resume(ctx);
        }
        match self.stored.take().map(|stored| serde_json::from_str(&stored)) {
            Some(Ok(tree)) => self.known.tree = tree,
            _ => return ctx.note(&Fact::Misused("the stored tree cannot be read".into())),
        }
        if self.known.tree.is_open() {
            ctx.note(&Fact::Resumed);
        }
        if rebirth == Some(FaultId::F28) {
            self.update(ctx);
        }
        self.resume(ctx);
    }

    /// Goes on where it was.
    fn resume(&mut self, ctx: &mut Context<'_, Party>) {
        let Some(current) = &mut self.current else {
            return self.rest(ctx);
        };
        match current.host.machine().map(|session| session.pending()) {
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
            let mut env = ctx.env(None);
            env.wall = UnixMillis(env.wall.0.saturating_add_signed(self.calendar));
            if core_kit::planted!("D47-waits-by-calendar") {
                env.now = Tick(env.now.0.saturating_add_signed(self.calendar.clamp(0, 1_800_000)));
            }
            if ctx.buggify(CACHE, None) {
                self.miss_cache(ctx);
            }
            let Some(current) = &mut self.current else { return };
            if self.known.dies_in_play.is_some()
                && let Some(contract) = self.known.contracts.get(current.contract)
            {
                env = play::given(env, &contract.profile.device, &current.id);
            }
            let outputs = match current.host.step(&env, input) {
                Ok(outputs) => outputs,
                Err(error) => return ctx.note(&Fact::Misused(format!("{error:?}"))),
            };
            // Reports are stored with the snapshot: a crash takes both or none.
            let (reports, duties): (Vec<Output>, Vec<Output>) =
                outputs.into_iter().partition(|output| matches!(output, Output::Report(_)));
            self.store(&reports);
            if !self.save(ctx) {
                return self.go_on_without(ctx);
            }
            let over = duties.iter().find_map(|duty| if let Output::Finished(end) = duty { Some(end) } else { None });
            if let Some(outcome) = over {
                self.end(ctx, outcome);
            }
            if self.passes_away(ctx) || self.dies_before(ctx, &duties) {
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
        let Some(current) = &mut self.current else { return };
        let is_nonce =
            |report: &Output| matches!(report, Output::Report(Report::ClientNonce(_) | Report::ServerNonce(_)));
        if !reports.iter().any(is_nonce) {
            return;
        }
        let Some(contract) = self.known.contracts.get_mut(current.contract).map(Arc::make_mut) else { return };
        for report in reports {
            match report {
                Output::Report(Report::ClientNonce(_)) if core_kit::planted!("D16b-nonce-not-stored") => {}
                Output::Report(Report::ClientNonce(nonce)) => {
                    contract.own.nonce = nonce.clone();
                    current.resync.0 = false;
                }
                Output::Report(Report::ServerNonce(nonce)) => {
                    contract.server.nonce = nonce.clone();
                    current.resync.1 = false;
                }
                _ => {}
            }
        }
    }

    fn end(&mut self, ctx: &mut Context<'_, Party>, outcome: &Outcome) {
        if let Some(Current { id, host, .. }) = self.current.take() {
            ctx.note(&Fact::ClientEnded(id.clone(), outcome.clone()));
            self.channel = None;
            self.past.push((id, host));
            // What a session left half-way is nobody's any more.
            self.known.tree.abandon();
            if self.known.tells_steps {
                let tree = &mut self.known.tree;
                ctx.note(&Fact::Rested { open: tree.is_open(), kept: tree.keeps_part() });
            }
            self.show(ctx);
        }
    }

    fn send(&mut self, ctx: &mut Context<'_, Party>, request: &Request) {
        let at = self.current.as_ref().map(|current| current.contract);
        // A session that is over may still have something to send.
        let at = at.or_else(|| {
            let of = |contract: &Arc<Contract>| contract.profile.server == request.url;
            self.known.contracts.iter().position(of)
        });
        let Some(contract) = at.and_then(|at| self.known.contracts.get(at)) else { return };
        let choice = ctx.choose(SERVER, None, u32::try_from(contract.nodes.len()).unwrap_or(1));
        let Some(server) = contract.nodes.get(choice as usize).copied() else { return };
        let mut envelope = Envelope::of(&request.packet);
        if let Envelope::Session(Some(_), body) = &mut envelope
            && !ctx.is_healed()
            && ctx.chance(TAMPERED, None, self.known.tampering)
            && let Some(changed) = tampered(body)
        {
            *body = changed;
            ctx.note(&Fact::Tampered);
        }
        let (channel, bytes) = (ctx.open_channel(), envelope.close());
        ctx.shared().hear(&bytes);
        ctx.send(server, channel, bytes);
        self.channel = request.wants_reply.then_some(channel);
    }

    /// The answer to a question; nothing if the device crashed on the way.
    fn answer(&mut self, ctx: &mut Context<'_, Party>, question: Question) -> Option<Input> {
        match question {
            Question::Tree(ops) => {
                let Some(results) = self.ask_tree(ctx, &ops) else {
                    self.go_on_without(ctx);
                    return None;
                };
                if self.passes_away(ctx) {
                    return None;
                }
                Some(ops.answer(results))
            }
            Question::User(ask) => Some(Self::ask_user(ctx, ask)),
            Question::Sign(ask) => {
                let (contract, (own, _)) = self.contract()?;
                let zero = own.then(|| contract.own.resynchronising());
                let signature = zero.as_ref().unwrap_or(&contract.own).sign(&ask.request);
                Some(ask.answer(signature))
            }
            Question::Authenticate(ask) => {
                let (contract, (_, server)) = self.contract()?;
                let zero = server.then(|| contract.server.resynchronising());
                let verdict = zero.as_ref().unwrap_or(&contract.server).judge(&ask.claim);
                Some(ask.answer(verdict))
            }
        }
    }

    /// The contract of the session, and whose nonce in it is that of resynchronisation.
    fn contract(&self) -> Option<(&Contract, (bool, bool))> {
        let current = self.current.as_ref()?;
        Some((self.known.contracts.get(current.contract)?, current.resync))
    }

    /// The user agrees, cancels, or does not look.
    fn ask_user(ctx: &mut Context<'_, Party>, ask: User) -> Input {
        let reply = match (play::obliging(&ask.prompt), ctx.choose(USER, None, 4)) {
            (Reply::Given(_), 3) => Reply::Cancelled,
            (reply, _) => reply,
        };
        ask.answer(reply)
    }

    fn arm(&mut self, ctx: &mut Context<'_, Party>) {
        let Some(current) = &mut self.current else {
            return self.rest(ctx);
        };
        match current.host.machine() {
            Ok(session) => {
                let deadline = session.deadline().map(|deadline| deadline.at);
                let early = |at: Tick| Tick(ctx.now().0 + at.0.saturating_sub(ctx.now().0) / 2);
                let early = deadline.map(early);
                let is_early = deadline.is_some() && ctx.buggify(EARLY, None);
                ctx.wake_at(if is_early { early } else { deadline });
            }
            Err(error) => ctx.note(&Fact::Misused(error.to_string())),
        }
    }

    /// Waits for the next session, if there is to be one.
    fn rest(&self, ctx: &mut Context<'_, Party>) {
        let contracts = self.known.contracts.len();
        let open = self.known.visits.iter().filter(|visit| visit.contract < contracts);
        let soonest = ctx.now() + self.known.pause;
        ctx.wake_at(open.map(|visit| visit.at.map_or(soonest, |at| at.max(Tick(ctx.now().0 + 1)))).min());
    }

    /// Whether it dies now, because it is about to send what it shall not live to send.
    fn dies_before(&mut self, ctx: &mut Context<'_, Party>, duties: &[Output]) -> bool {
        let Some(fatal) = &mut self.known.dies_in_play else { return false };
        self.sends += u32::from(duties.iter().any(|duty| matches!(duty, Output::Send(_))));
        let before = fatal.len();
        fatal.retain(|nth| *nth != self.sends);
        let dies = fatal.len() < before;
        if dies {
            ctx.crash(Millis(200));
        }
        dies
    }

    /// Passes a point where a crash hurts; true if it happens.
    fn passes_away(&mut self, ctx: &mut Context<'_, Party>) -> bool {
        let down = self.known.crashes.passes().filter(|_| !ctx.is_healed());
        if let Some(down) = down {
            ctx.crash(down);
        }
        down.is_some() || self.is_reborn(ctx)
    }
}
