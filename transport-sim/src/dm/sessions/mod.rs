//! The rules of single sessions, judged from outside, on every session and every message of it, in any world whose nodes
//! say what they do: those of a [`Fleet`](super::Fleet), or of your own.
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
use dm_core::auth::Nonce;

use super::{
    ANSWERED, AUTHENTICATED, BYTES, DROPPED, ENDS, FITS, FRESH, HALF_DUPLEX, LEAKS, NUMBERS, ONCE, OpKind, PERMITTED,
    REPEATS, SAME_VIEW, SENT, SETTLED, Side, USED_WELL,
};
use crate::{Checker, End, Event, Figure, Ledger, Message, Node, NodeId, Rule, RuleId};

mod case;
mod fact;
mod hash;
mod skim;
#[cfg(test)]
mod tests;
mod world;

pub use fact::SessionFact;
pub use hash::value_hash;
pub use world::{SessionOrder, SessionWorld, Standing};

use case::{Case, Proof, Rooms, Sent, Told, sent_mut};
use skim::{HEADER, Skim};
use world::order_of;

/// What of [`BYTES`] is judged here: nothing is written anew.
const READS: Rule = Rule { id: BYTES.id, says: "what a party sends reads as a message of its session" };

/// What an idle device may take.
pub const COMPACT: Rule = Rule { id: RuleId("idle"), says: "a device takes at most 300 octets between two sessions" };
const IDLE_MAX: usize = 300;

/// The longest that a session may take: all tries of all messages, with their waits, and the longest crash.
const SESSION_MAX: Millis = Millis::from_secs(3_600);
/// Messages of both sides that a session may have: for each package two, and two more for a challenge each way.
const MESSAGES_MAX: u32 = 32;
/// Nonces of a side that are remembered from one session to the next.
const NONCES_MAX: usize = 4;

/// The rules of DM sessions, for worlds whose nodes note [`SessionFact`]s and whose shared part is a [`SessionWorld`].
///
/// The nodes may be anything. Each session is one that the device begins, in XML without blocks of commands, with MD5 in
/// both directions, and an exchange on each [channel](crate::Channel); a request that was sent again has another one. An
/// empty message is a refusal by the transport.
///
/// A device notes [`Began`](SessionFact::Began), [`Executed`](SessionFact::Executed) for everything that its tree does for a
/// server, [`Ended`](SessionFact::Ended) and [`Rested`](SessionFact::Rested). A node of the server notes
/// [`Committed`](SessionFact::Committed) when a step is stored, before it sends what comes of it, and
/// [`ServerEnded`](SessionFact::ServerEnded) when that was the last. The other facts are counted only, but for
/// [`Misused`](SessionFact::Misused), which is a broken rule. The example `hosts` of this crate has such nodes.
pub struct SessionRules {
    /// What devices are ordered to do.
    orders: Vec<SessionOrder>,
    /// Whether devices have several sessions.
    are_several: bool,
    /// Of each device the session that is judged.
    cases: Vec<Option<Box<Case>>>,
    /// Devices whose session may be over, and when to look.
    closing: VecDeque<(Tick, u32)>,
    /// Which orders each device has carried out, by bits.
    done: Vec<u64>,
    /// Where devices have several sessions: the last nonces of both sides.
    carried: BTreeMap<u32, [Vec<Nonce>; 2]>,
    /// Of sessions that are forgotten.
    spare: Vec<Rooms>,
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

impl SessionRules {
    /// The rules of devices that are ordered these things, each of them once in the life of a device, and that have one
    /// session each.
    #[must_use]
    pub fn new(orders: impl IntoIterator<Item = SessionOrder>) -> Self {
        Self {
            orders: orders.into_iter().collect(),
            are_several: false,
            cases: Vec::new(),
            closing: VecDeque::new(),
            done: Vec::new(),
            carried: BTreeMap::new(),
            spare: Vec::new(),
            tally: Tally::default(),
        }
    }

    /// The same where devices have several sessions, one after the other: the last nonces of each are remembered.
    #[must_use]
    pub fn for_several_sessions(self) -> Self {
        Self { are_several: true, ..self }
    }

    fn case(&self, device: u32) -> Option<&Case> {
        self.cases.get(device as usize)?.as_deref()
    }

    /// The place for the session of a device.
    fn place(&mut self, device: u32) -> Option<&mut Option<Box<Case>>> {
        let at = device as usize;
        if at >= self.cases.len() {
            self.cases.resize_with(at + 1, || None);
        }
        self.cases.get_mut(at)
    }

    /// Marks an order as done; false if the device has done it before.
    fn do_once(&mut self, device: u32, order: usize) -> bool {
        let bit = device as usize * self.orders.len() + order;
        let (at, bit) = (bit / 64, 1 << (bit % 64));
        if at >= self.done.len() {
            self.done.resize(at + 1, 0);
        }
        let Some(done) = self.done.get_mut(at) else { return false };
        let is_first = *done & bit == 0;
        *done |= bit;
        is_first
    }

    /// As [`observe`](Checker::observe), with the hash of a message that is sent.
    pub(super) fn observe_hashed(
        &mut self,
        at: Tick,
        (event, hash): (&Event<'_, SessionFact>, u64),
        world: &impl SessionWorld,
        ledger: &mut Ledger,
    ) {
        match event {
            Event::Sent(message) => self.sent(world, message, hash, ledger),
            Event::Delivered(message) => self.delivered(world, message),
            Event::Noted(node, fact) => {
                self.close(at, world, ledger);
                self.noted(at, *node, fact, world, ledger);
            }
            Event::Crashed(node) => {
                if let Some(case) = world.device_at(*node).and_then(|device| case_of(&mut self.cases, device)) {
                    self.tally.crashed_awake += u64::from(case.client.is_none());
                    case.open = None;
                }
            }
            Event::Copied(_) | Event::Lost(_) | Event::Undeliverable(_) | Event::Restarted(_) => {}
        }
    }

    fn sent(&mut self, world: &impl SessionWorld, message: &Message, hash: u64, ledger: &mut Ledger) {
        let Some((device, side)) = ends_of(world, message) else { return };
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
        ledger.judge(READS, read.is_some(), || format!("message {} of device {device}", message.number));
        let Some(skim) = read else { return };
        case.messages += 1;
        self.tally.exchanges += u64::from(side == Side::Client);
        judge_form(case, side, (&skim, &self.orders), message, ledger);
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

    fn delivered(&mut self, world: &impl SessionWorld, message: &Message) {
        let Some((device, side)) = ends_of(world, message) else { return };
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

    fn noted(&mut self, at: Tick, node: NodeId, fact: &SessionFact, world: &impl SessionWorld, ledger: &mut Ledger) {
        match (fact, world.device_at(node)) {
            (SessionFact::Began(session), Some(device)) => {
                self.tally.sessions += 1;
                let nonces = self.carried.remove(&device);
                let rooms = self.spare.pop().unwrap_or_default();
                let case = Box::new(Case::new(world, (device, *session), at, nonces, rooms));
                let before = self.place(device).and_then(|place| place.replace(case));
                ledger.judge(ENDS, before.is_none(), || format!("device {device} begins a session in another one"));
            }
            (SessionFact::Executed { kind, uri, status }, Some(device)) => {
                self.tally.executed += 1;
                self.executed(device, *kind, uri, status.is_success(), ledger);
            }
            (SessionFact::Ended(_, outcome), Some(device)) => {
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
                    self.closing.push_back((at + world.linger(), device));
                }
            }
            (SessionFact::Rested { open, kept, values, octets }, Some(device)) => {
                ledger.judge(DROPPED, !kept, || format!("device {device} keeps a part of a value"));
                ledger.judge(LEAKS, !open && !kept, || format!("device {device} rests with something left"));
                ledger.judge(COMPACT, *octets <= IDLE_MAX, || format!("device {device} takes {octets} octets"));
                self.tally.idle_octets = self.tally.idle_octets.max(*octets as u64);
                if let Some(case) = case_of(&mut self.cases, device) {
                    case.values.clone_from(values);
                }
            }
            (SessionFact::Committed { device, session }, _) => {
                let case = case_of(&mut self.cases, *device).filter(|case| case.session == *session);
                ledger.judge(ENDS, case.is_some(), || {
                    format!("session {session:X} of device {device} is over, and is stored anew")
                });
                if let Some(case) = case {
                    case.is_stored = true;
                }
            }
            (SessionFact::ServerEnded { device, outcome, .. }, _) => {
                if let Some(case) = case_of(&mut self.cases, *device) {
                    case.server = Some(outcome.clone());
                    case.over = at;
                    self.closing.push_back((at + world.linger(), *device));
                }
            }
            (SessionFact::LostRace { .. }, _) => self.tally.lost_races += 1,
            (SessionFact::Repeated { .. }, _) => self.tally.repeated += 1,
            (SessionFact::Late { .. }, _) => self.tally.late += 1,
            (SessionFact::Refused, _) => self.tally.refused += 1,
            (SessionFact::Misused(what), _) => ledger.judge(USED_WELL, false, || what.clone()),
            (
                SessionFact::Began(_)
                | SessionFact::Executed { .. }
                | SessionFact::Ended(..)
                | SessionFact::Rested { .. },
                None,
            ) => {
                ledger.judge(USED_WELL, false, || format!("node {node} is no device"));
            }
        }
    }

    fn executed(&mut self, device: u32, kind: OpKind, uri: &str, is_success: bool, ledger: &mut Ledger) {
        let case = case_of(&mut self.cases, device);
        let is_proven = case.as_ref().is_some_and(|case| case.shown == [true; 2] && case.told_good);
        let say = |what: &str| format!("{} {uri} at device {device} {what}", kind.name());
        ledger.judge(AUTHENTICATED, is_proven, || say("before both sides have shown credentials"));
        let order = order_of(&self.orders, kind, uri);
        let is_permitted = order.and_then(|order| self.orders.get(order)).is_some_and(|order| order.permitted);
        ledger.judge(PERMITTED, is_permitted || !is_success, || say("is not allowed"));
        if kind == OpKind::Get {
            return;
        }
        let is_first = order.is_some_and(|order| self.do_once(device, order));
        ledger.judge(ONCE, is_first, || say("is done more often than it was ordered"));
    }

    /// Closes the cases of which nothing comes any more.
    fn close(&mut self, now: Tick, world: &impl SessionWorld, ledger: &mut Ledger) {
        while let Some((at, device)) = self.closing.front().copied()
            && at <= now
        {
            self.closing.pop_front();
            let is_closed = |case: &Case| case.is_over() && case.over + world.linger() <= now;
            if self.case(device).is_some_and(is_closed)
                && let Some(case) = self.cases.get_mut(device as usize).and_then(Option::take)
            {
                self.judge_closed(world, device, case, ledger);
            }
        }
    }

    fn judge_closed(&mut self, world: &impl SessionWorld, device: u32, case: Box<Case>, ledger: &mut Ledger) {
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
        for order in 0..self.orders.len() {
            let Some((standing, waits)) = world.standing(device, order) else { continue };
            let is_settled = match standing {
                Standing::HandedOut => false,
                Standing::Queued => waits,
                Standing::Unknown | Standing::Refused => !waits,
                // What an earlier session has brought is not looked at again.
                Standing::Done => !waits && (case.session > 1 || case.has_come_back(order)),
            };
            ledger.judge(SETTLED, is_settled, || format!("order {order} of device {device} is {standing:?}"));
        }
        if is_completed {
            for (order, read) in world.values_read(device) {
                let value = case.values.get(order).copied().flatten();
                let is_same = value.is_some_and(|value| value == read);
                ledger.judge(SAME_VIEW, is_same, || format!("order {order} has read what device {device} has not"));
            }
        }
        if self.are_several {
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

fn judge_form(
    case: &mut Case,
    side: Side,
    (skim, orders): (&Skim<'_>, &[SessionOrder]),
    message: &Message,
    ledger: &mut Ledger,
) {
    let at = side.index();
    let is_numbered = case.keep(side, skim, orders);
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
fn ends_of(world: &impl SessionWorld, message: &Message) -> Option<(u32, Side)> {
    match world.device_at(message.from) {
        Some(device) => Some((device, Side::Client)),
        None => world.device_at(message.to).map(|device| (device, Side::Server)),
    }
}

fn session_of(skim: &Skim<'_>) -> Option<u16> {
    u16::from_str_radix(skim.session, 16).ok()
}

impl<N> Checker<N> for SessionRules
where
    N: Node<Fact = SessionFact>,
    N::Shared: SessionWorld,
{
    fn rules(&self) -> Vec<Rule> {
        vec![
            ANSWERED,
            SENT,
            NUMBERS,
            HALF_DUPLEX,
            ENDS,
            FITS,
            READS,
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

    fn observe(&mut self, at: Tick, event: &Event<'_, SessionFact>, world: &N::Shared, ledger: &mut Ledger) {
        let hash = if let Event::Sent(message) = event { value_hash(&message.bytes) } else { 0 };
        self.observe_hashed(at, (event, hash), world, ledger);
    }

    fn finish(&mut self, end: &End<'_, N::Shared>, ledger: &mut Ledger) {
        self.close(Tick(u64::MAX), end.shared, ledger);
        for (device, case) in self.cases.iter().enumerate().filter_map(|(device, case)| Some((device, case.as_ref()?)))
        {
            ledger.judge(ENDS, false, || format!("session {:X} of device {device} goes on", case.session));
        }
        let to_wake = end.shared.sessions_to_wake();
        ledger.judge(LEAKS, to_wake == 0, || format!("{to_wake} sessions are to be woken"));
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
