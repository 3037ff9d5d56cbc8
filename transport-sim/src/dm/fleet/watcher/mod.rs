//! The rules of a fleet, judged from outside, on every session and every message of it.
//!
//! What is known of a session is forgotten when it is over and nothing of it can come any more, so that memory goes with
//! the sessions under way and not with the devices. What must be known for ever is little: what each device has done
//! once, as bits, and where devices have several sessions their last nonces.
//!
//! These are the rules of [`Rules`](crate::dm::Rules) that one session of orders without blocks and large values can
//! break: D01, D02, D04 to D06, D08, D12 (a message reads), D13, D14, D23, D29 to D31, D35, D40, D44. The others have
//! their worlds elsewhere.

use std::collections::{BTreeMap, VecDeque};

use core_kit::{Millis, Tick};
use dm_core::{auth::Nonce, ids::ServerId, tree::Right};

use super::{
    Member, Region,
    depot::OrderState,
    fact::Fact,
    plan::{ORDERS, Plan, SERVER_ID, order_of},
    skim::{HEADER, Skim},
    trail::{self, Trail},
};
use crate::{
    Checker, End, Event, Figure, Ledger, Message, NodeId, Rule, RuleId,
    dm::{
        ANSWERED, AUTHENTICATED, BYTES, DROPPED, ENDS, FITS, FRESH, HALF_DUPLEX, LEAKS, NUMBERS, ONCE, OpKind,
        PERMITTED, REPEATS, SAME_VIEW, SENT, SETTLED, USED_WELL, side::Side,
    },
};

mod case;

use case::{Case, Proof, Rooms, Sent, Told, sent_mut};

/// What an idle device may take.
pub const COMPACT: Rule = Rule { id: RuleId("idle"), says: "a device takes at most 300 octets between two sessions" };
const IDLE_MAX: usize = 300;

/// The longest that a session may take: all tries of all messages, with their waits, and the longest crash.
const SESSION_MAX: Millis = Millis::from_secs(3_600);
/// Messages of both sides that a session may have: for each package two, and two more for a challenge each way.
const MESSAGES_MAX: u32 = 32;
/// Nonces of a side that are remembered from one session to the next.
const NONCES_MAX: usize = 4;

/// Watches a region.
pub(super) struct Watcher {
    /// Of each device the session that is judged.
    cases: Vec<Option<Box<Case>>>,
    /// Devices whose session may be over, and when to look.
    closing: VecDeque<(Tick, u32)>,
    /// Which orders each device has carried out, by bits.
    done: Vec<u8>,
    /// Which orders their lists permit.
    permitted: [bool; ORDERS.len()],
    /// Where devices have several sessions: the last nonces of both sides.
    carried: BTreeMap<u32, [Vec<Nonce>; 2]>,
    /// Of sessions that are forgotten.
    spare: Vec<Rooms>,
    trail: Trail,
    tally: Tally,
}

/// What is counted for the ledger.
#[derive(Default)]
struct Tally {
    sessions: u64,
    completed: u64,
    exchanges: u64,
    executed: u64,
    repeated: u64,
    late: u64,
    refused: u64,
    lost_races: u64,
    challenges: u64,
    idle_octets: u64,
    crashed_awake: u64,
    outcomes: BTreeMap<&'static str, u64>,
}

impl Watcher {
    pub(super) fn new(plan: &Plan) -> Self {
        Self {
            cases: (0..plan.devices).map(|_| None).collect(),
            closing: VecDeque::new(),
            done: vec![0; plan.devices as usize],
            permitted: ORDERS.map(|(kind, uri)| is_permitted(plan, kind, uri)),
            carried: BTreeMap::new(),
            spare: Vec::new(),
            trail: Trail::default(),
            tally: Tally::default(),
        }
    }

    fn case(&self, device: u32) -> Option<&Case> {
        self.cases.get(device as usize)?.as_deref()
    }

    fn sent(&mut self, plan: &Plan, message: &Message, hash: u64, ledger: &mut Ledger) {
        let Some((device, side)) = ends_of(plan, message) else { return };
        let Some(case) = case_of(&mut self.cases, device) else {
            // What a server says when a session is over and forgotten is that it does not know it.
            let is_refusal = side == Side::Server && message.bytes.is_empty();
            return ledger.judge(ENDS, is_refusal, || format!("device {device} has no session, and a message is sent"));
        };
        if message.bytes.is_empty() {
            return;
        }
        match side {
            Side::Client => {
                case.open = Some(message.channel);
                case.rooms.asked.push((message.channel, hash));
            }
            Side::Server => judge_reply(case, message, hash, ledger),
        }
        if let Some(told) = case.rooms.told.iter_mut().find(|told| told.hash == hash && told.side == side) {
            told.number = message.number;
            return;
        }
        let read = Skim::read(&message.bytes).filter(|skim| session_of(skim) == Some(case.session));
        ledger.judge(BYTES, read.is_some(), || format!("message {} of device {device}", message.number));
        let Some(skim) = read else { return };
        case.messages += 1;
        self.tally.exchanges += u64::from(side == Side::Client);
        judge_form(case, side, &skim, message, ledger);
        let first_final = case.rooms.finals.len();
        for status in skim.statuses() {
            let of = (status.msg_ref, status.cmd_ref);
            let sent = sent_mut(&mut case.rooms.sent, side.peer(), of);
            let named = sent.as_ref().is_some_and(|sent| sent.as_str() == status.cmd);
            ledger.judge(SENT, named, || format!("a status for {} {of:?}, which was not sent", status.cmd));
            // 213 is for a part of a value, and not the last word.
            if status.code == 213 {
                continue;
            }
            if side == Side::Client {
                case.rooms.finals.push(of);
            }
            let fits = sent.is_some_and(Sent::take);
            ledger.judge(ANSWERED, fits, || format!("{} {of:?} gets another final status", status.cmd));
            if status.cmd == HEADER && (status.code == 401 || status.code == 407) {
                self.tally.challenges += 1;
            }
            if let Some(nonce) = status.nonce.and_then(Nonce::from_base64) {
                let of_peer = case.nonces.get_mut(side.peer().index());
                let is_fresh = of_peer.as_ref().is_some_and(|known| !known.contains(&nonce));
                ledger.judge(FRESH, is_fresh, || format!("message {} gives a nonce that was there", skim.msg_id));
                if let Some(known) = of_peer {
                    known.push(nonce);
                }
            }
        }
        let (proof, answer) = (case.proof(side, &skim), skim.answer());
        judge_taken(case, side, answer, ledger);
        let (msg_id, has_arrived, reply) = (skim.msg_id, false, None);
        let (number, finals) = (message.number, first_final..case.rooms.finals.len());
        case.rooms.told.push(Told { hash, number, side, msg_id, has_arrived, finals, answer, proof, reply });
    }

    fn delivered(&mut self, plan: &Plan, message: &Message) {
        let Some((device, side)) = ends_of(plan, message) else { return };
        let Some(case) = case_of(&mut self.cases, device) else { return };
        let taken = side == Side::Client || case.open == Some(message.channel);
        if side == Side::Server && taken {
            case.open = None;
        }
        let Some(at) = case.told_at(side, message) else { return };
        let Some(told) = case.rooms.told.get_mut(at) else { return };
        let first = !core::mem::replace(&mut told.has_arrived, true);
        let (answer, proof) = (told.answer, told.proof);
        if let Proof::Good(_) = proof
            && let Some(shown) = case.shown.get_mut(side.index())
        {
            *shown = true;
        }
        let [client_shown, _] = case.shown;
        if side == Side::Server && client_shown && answer.is_some_and(|(_, code)| matches!(code, 200 | 212)) {
            case.told_good = true;
        }
        if let (Some((msg_ref, _)), Some(waits)) = (answer, case.unanswered.get_mut(side.peer().index()))
            && *waits == Some(msg_ref)
        {
            *waits = None;
        }
        if side == Side::Client && first {
            let Rooms { told, sent, finals, .. } = &mut case.rooms;
            let answered = told.get(at).and_then(|told| finals.get(told.finals.clone()));
            for of in answered.unwrap_or_default() {
                if let Some(sent) = sent_mut(sent, Side::Server, *of) {
                    sent.has_come_back = true;
                }
            }
        }
    }

    fn noted(&mut self, at: Tick, node: NodeId, fact: &Fact, region: &Region, ledger: &mut Ledger) {
        let plan = &region.plan;
        match (fact, plan.device_at(node)) {
            (Fact::Began(session), Some(device)) => {
                self.tally.sessions += 1;
                let nonces = self.carried.remove(&device);
                let rooms = self.spare.pop().unwrap_or_default();
                let case = Box::new(Case::new(plan, (device, *session), at, nonces, rooms));
                let before = self.cases.get_mut(device as usize).and_then(|place| place.replace(case));
                ledger.judge(ENDS, before.is_none(), || format!("device {device} begins a session in another one"));
            }
            (Fact::Executed { kind, uri, status }, Some(device)) => {
                self.tally.executed += 1;
                self.executed(device, *kind, uri, status.is_success(), ledger);
            }
            (Fact::Ended(_, outcome), Some(device)) => {
                // Whatever its machine was told it took, or it would not have come so far.
                ledger.judge(USED_WELL, true, || "");
                *self.tally.outcomes.entry(outcome.name()).or_default() += 1;
                if let Some(case) = case_of(&mut self.cases, device) {
                    case.client = Some(outcome.clone());
                    case.unanswered = [None; 2];
                    case.over = at;
                    let took = at.0 - case.began.0;
                    ledger.judge(ENDS, took <= SESSION_MAX.0 && case.messages <= MESSAGES_MAX, || {
                        format!("a session of device {device} took {took} ms and {} messages", case.messages)
                    });
                    self.closing.push_back((at + plan.linger, device));
                }
            }
            (Fact::Rested { open, kept, values, octets }, Some(device)) => {
                ledger.judge(DROPPED, !kept, || format!("device {device} keeps a part of a value"));
                ledger.judge(LEAKS, !open && !kept, || format!("device {device} rests with something left"));
                ledger.judge(COMPACT, *octets <= IDLE_MAX, || format!("device {device} takes {octets} octets"));
                self.tally.idle_octets = self.tally.idle_octets.max(*octets as u64);
                if let Some(case) = case_of(&mut self.cases, device) {
                    case.values = *values;
                }
            }
            (Fact::Committed { device, session }, _) => {
                let case = case_of(&mut self.cases, *device).filter(|case| case.session == *session);
                ledger.judge(ENDS, case.is_some(), || {
                    format!("session {session:X} of device {device} is over, and is stored anew")
                });
                if let Some(case) = case {
                    case.is_stored = true;
                }
            }
            (Fact::ServerEnded { device, outcome, .. }, _) => {
                if let Some(case) = case_of(&mut self.cases, *device) {
                    case.server = Some(outcome.clone());
                    case.over = at;
                    self.closing.push_back((at + plan.linger, *device));
                }
            }
            (Fact::LostRace { .. }, _) => self.tally.lost_races += 1,
            (Fact::Repeated { .. }, _) => self.tally.repeated += 1,
            (Fact::Late { .. }, _) => self.tally.late += 1,
            (Fact::Refused, _) => self.tally.refused += 1,
            (Fact::Misused(what), _) => ledger.judge(USED_WELL, false, || what.clone()),
            (Fact::Began(_) | Fact::Executed { .. } | Fact::Ended(..) | Fact::Rested { .. }, None) => {
                ledger.judge(USED_WELL, false, || format!("node {node} is no device"));
            }
        }
    }

    fn executed(&mut self, device: u32, kind: OpKind, uri: &str, is_success: bool, ledger: &mut Ledger) {
        let case = case_of(&mut self.cases, device);
        let is_proven = case.as_ref().is_some_and(|case| case.shown == [true; 2] && case.told_good);
        let say = |what: &str| format!("{} {uri} at device {device} {what}", kind.name());
        ledger.judge(AUTHENTICATED, is_proven, || say("before both sides have shown credentials"));
        let order = order_of(kind, uri);
        let is_permitted = order.and_then(|order| self.permitted.get(order)).copied().unwrap_or(false);
        ledger.judge(PERMITTED, is_permitted || !is_success, || say("is not allowed"));
        if kind == OpKind::Get {
            return;
        }
        let mut is_first = false;
        if let (Some(done), Some(order)) = (self.done.get_mut(device as usize), order) {
            is_first = *done & 1 << order == 0;
            *done |= 1 << order;
        }
        ledger.judge(ONCE, is_first, || say("is done more often than it was ordered"));
    }

    /// Closes the cases of which nothing comes any more.
    fn close(&mut self, now: Tick, region: &Region, ledger: &mut Ledger) {
        while let Some((at, device)) = self.closing.front().copied()
            && at <= now
        {
            self.closing.pop_front();
            let is_closed = |case: &Case| case.is_over() && case.over + region.plan.linger <= now;
            if self.case(device).is_some_and(is_closed)
                && let Some(case) = self.cases.get_mut(device as usize).and_then(Option::take)
            {
                self.judge_closed(region, device, case, ledger);
            }
        }
    }

    fn judge_closed(&mut self, region: &Region, device: u32, case: Box<Case>, ledger: &mut Ledger) {
        let is_completed = case.is_completed();
        self.tally.completed += u64::from(is_completed);
        if is_completed {
            let [_, last] = case.last;
            for sent in &case.rooms.sent {
                // The server's last message ends the session: nobody answers its header.
                if sent.side == Side::Server && sent.msg_id == last && sent.name.is_none() {
                    continue;
                }
                ledger.judge(ANSWERED, sent.is_answered(), || {
                    format!("{} {} of message {} of the {:?}", sent.as_str(), sent.id, sent.msg_id, sent.side)
                });
            }
        }
        if let Some(row) = region.depot.device(device) {
            for (at, state) in row.orders.iter().enumerate().filter(|(at, _)| region.plan.has_order(*at)) {
                let waits = row.waits(at);
                let is_settled = match state {
                    OrderState::HandedOut => false,
                    OrderState::Queued => waits,
                    OrderState::Unknown | OrderState::Refused => !waits,
                    // What an earlier session has brought is not looked at again.
                    OrderState::Done => !waits && (case.session > 1 || case.has_come_back(at)),
                };
                ledger.judge(SETTLED, is_settled, || format!("order {at} of device {device} is {state:?}"));
            }
            if is_completed {
                for (order, read) in &row.read {
                    let value = case.values.get(usize::from(*order)).copied().flatten();
                    let is_same = value.is_some_and(|value| value == *read);
                    ledger.judge(SAME_VIEW, is_same, || format!("order {order} has read what device {device} has not"));
                }
            }
        }
        if region.plan.sessions > 1 {
            let mut nonces = case.nonces;
            for all in &mut nonces {
                all.drain(..all.len().saturating_sub(NONCES_MAX));
            }
            self.carried.insert(device, nonces);
        }
        self.spare.push(case.rooms.cleared());
    }
}

/// The session of a device, where it is judged.
fn case_of(cases: &mut [Option<Box<Case>>], device: u32) -> Option<&mut Case> {
    cases.get_mut(device as usize)?.as_deref_mut()
}

/// The reply to a request is the one that it had before. What nobody has stored yet may be said anew.
fn judge_reply(case: &mut Case, message: &Message, hash: u64, ledger: &mut Ledger) {
    let request = case.rooms.asked.iter().find(|(channel, _)| *channel == message.channel).map(|(_, request)| *request);
    let is_request = |told: &&mut Told| told.side == Side::Client && Some(told.hash) == request;
    let Some(told) = case.rooms.told.iter_mut().find(is_request) else { return };
    if case.is_stored {
        let before = *told.reply.get_or_insert(hash);
        ledger.judge(REPEATS, before == hash, || format!("message {} has another reply", told.msg_id));
    }
}

fn judge_form(case: &mut Case, side: Side, skim: &Skim<'_>, message: &Message, ledger: &mut Ledger) {
    let at = side.index();
    let is_numbered = case.keep(side, skim);
    if let Some(last) = case.last.get_mut(at) {
        ledger.judge(NUMBERS, is_numbered && skim.msg_id == *last + 1, || {
            format!("message {} of the {side:?} follows on {last}", skim.msg_id)
        });
        *last = skim.msg_id;
    }
    if let Some(waits) = case.unanswered.get_mut(at) {
        let before = waits.replace(skim.msg_id);
        ledger.judge(HALF_DUPLEX, before.is_none(), || {
            format!("the {side:?} sends message {} with {before:?} unanswered", skim.msg_id)
        });
    }
    if let Some(takes) = skim.max_msg_size
        && let Some(place) = case.takes.get_mut(at)
    {
        *place = Some(takes);
    }
    if let Some(Some(takes)) = case.takes.get(side.peer().index()) {
        let octets = message.bytes.len();
        ledger.judge(FITS, octets <= *takes as usize, || format!("{octets} octets to one who takes {takes}"));
    }
}

/// Whoever says that credentials are good says so of good ones, and of each nonce once.
fn judge_taken(case: &mut Case, side: Side, answer: Option<(u32, u16)>, ledger: &mut Ledger) {
    let Some((msg_id, 212)) = answer else { return };
    let shown = case.rooms.told.iter().find(|told| told.side == side.peer() && told.msg_id == msg_id);
    let is_good = shown.is_some_and(|told| matches!(told.proof, Proof::Good(_)));
    let Some(taken) = case.taken.get_mut(side.peer().index()) else { return };
    let is_only = *taken.get_or_insert(msg_id) == msg_id;
    ledger.judge(FRESH, is_good && is_only, || {
        format!("credentials of message {msg_id} of the {:?} are taken", side.peer())
    });
}

/// The device's end of a message, and which end sent it.
fn ends_of(plan: &Plan, message: &Message) -> Option<(u32, Side)> {
    match plan.device_at(message.from) {
        Some(device) => Some((device, Side::Client)),
        None => plan.device_at(message.to).map(|device| (device, Side::Server)),
    }
}

fn session_of(skim: &Skim<'_>) -> Option<u16> {
    u16::from_str_radix(skim.session, 16).ok()
}

/// Whether the lists that are in force allow it, by a plain walk.
fn is_permitted(plan: &Plan, kind: OpKind, uri: &str) -> bool {
    let mut node = plan.tree.root();
    let mut acl = node.acl();
    for name in uri.split('/').skip(1) {
        let Some(child) = node.child(name) else { break };
        node = child;
        if !child.acl().is_empty() {
            acl = child.acl();
        }
    }
    let right = match kind {
        OpKind::Get => Right::Get,
        OpKind::Add => Right::Add,
        OpKind::Replace | OpKind::Copy => Right::Replace,
        OpKind::Delete => Right::Delete,
        OpKind::Exec => Right::Exec,
    };
    acl.allows(right, &ServerId::from(SERVER_ID))
}

impl Checker<Member> for Watcher {
    fn rules(&self) -> Vec<Rule> {
        vec![
            ANSWERED,
            SENT,
            NUMBERS,
            HALF_DUPLEX,
            ENDS,
            FITS,
            BYTES,
            AUTHENTICATED,
            FRESH,
            PERMITTED,
            ONCE,
            REPEATS,
            SETTLED,
            SAME_VIEW,
            DROPPED,
            LEAKS,
            USED_WELL,
            COMPACT,
        ]
    }

    fn observe(&mut self, at: Tick, event: &Event<'_, Fact>, region: &Region, ledger: &mut Ledger) {
        let hash = if let Event::Sent(message) = event { trail::hash(&message.bytes) } else { 0 };
        self.trail.event(at, event, hash);
        match event {
            Event::Sent(message) => self.sent(&region.plan, message, hash, ledger),
            Event::Delivered(message) => self.delivered(&region.plan, message),
            Event::Noted(node, fact) => {
                self.close(at, region, ledger);
                self.noted(at, *node, fact, region, ledger);
            }
            Event::Crashed(node) => {
                if let Some(case) = region.plan.device_at(*node).and_then(|device| case_of(&mut self.cases, device)) {
                    self.tally.crashed_awake += u64::from(case.client.is_none());
                    case.open = None;
                }
            }
            Event::Copied(_) | Event::Lost(_) | Event::Undeliverable(_) | Event::Restarted(_) => {}
        }
    }

    fn finish(&mut self, end: &End<'_, Region>, ledger: &mut Ledger) {
        let region = end.shared;
        self.close(Tick(u64::MAX), region, ledger);
        for (device, case) in self.cases.iter().enumerate().filter_map(|(device, case)| Some((device, case.as_ref()?)))
        {
            ledger.judge(ENDS, false, || format!("session {:X} of device {device} goes on", case.session));
        }
        let (timers, _) = region.depot.open();
        ledger.judge(LEAKS, timers == 0, || format!("the store has {timers} timers"));
        region.trail.set(self.trail.0);
        let Tally { sessions, completed, exchanges, executed, repeated, late, refused, .. } = self.tally;
        for (name, count) in [
            ("sessions", sessions),
            ("completed-on-both-sides", completed),
            ("exchanges", exchanges),
            ("executed", executed),
            ("repeated", repeated),
            ("late", late),
            ("refused", refused),
            ("lost-races", self.tally.lost_races),
            ("challenges", self.tally.challenges),
            ("device-crashes-in-session", self.tally.crashed_awake),
        ] {
            ledger.count(name, Figure::Sum(count));
        }
        ledger.count("idle-octets", Figure::Most(self.tally.idle_octets));
        for (name, count) in &self.tally.outcomes {
            ledger.count(name, Figure::Sum(*count));
        }
    }
}
