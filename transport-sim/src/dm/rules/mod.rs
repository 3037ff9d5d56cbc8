//! The invariants of a DM world, judged on the real bytes.
//!
//! A rule knows what went over the wire, what devices had their trees do, the accounts, and the stores. It knows nothing
//! of the machines: what they believe about themselves is not asked. Where a rule needs to know what is right it finds
//! that out by itself.
//!
//! Each message is decoded once for all rules, and a session is a small number to them.

use std::{
    collections::BTreeMap,
    hash::{DefaultHasher, Hasher},
    sync::Arc,
};

use bytes::Bytes;
use core_kit::Tick;
use dm_core::{
    auth::{MacField, Nonce},
    codes::AlertCode,
    limits::WireLimits,
    server::{Order, Request},
    wire::{self, Command, Header, Item, decode},
};

use super::{Fact, OpKind, Party, Services, Side, envelope::Envelope};
use crate::{Checker, End, Event, FaultId, Ledger, Message, NodeId, Rule};

mod abort;
mod access;
mod atomic;
mod bounds;
mod chunks;
mod credentials;
mod duplex;
mod endless;
mod ends;
mod form;
mod late;
mod lockout;
mod nonces;
mod numbers;
mod objects;
mod once;
mod order;
mod proof;
mod pushed;
mod results;
mod sealed;
mod secrets;
mod settled;
mod shape;
mod stage;
mod statuses;
#[cfg(test)]
mod tests;
mod vault;
mod view;
mod whole;

pub use abort::STOPS;
pub use access::{FIXED, PERMITTED, ROOT};
pub use atomic::{NOT_INSIDE, STUCK};
pub use bounds::{CLOCKS, OUTPUT, WORK};
pub use chunks::{BUFFERED, DROPPED, UNMIXED};
pub use credentials::{LATEST, NO_WEAKER, OWN_ACCOUNT, ZERO};
pub use duplex::HALF_DUPLEX;
pub use endless::ENDLESS;
pub use ends::{ENDS, USED_WELL};
pub use form::{BYTES, FITS, FROM_SERVER};
pub use late::LATE;
pub use lockout::LOCKED;
pub use nonces::{CONVERGES, FRESH, Nonces, STAYS};
pub use numbers::NUMBERS;
pub use objects::{BYTE_EQUAL, Objects};
pub use once::{ONCE, REPEATS};
pub use order::IN_ORDER;
pub use proof::AUTHENTICATED;
pub use pushed::{BOOTSTRAPPED, NOTIFIED, ONE_SESSION};
pub use results::RESULTS;
pub use sealed::SEALED;
pub use secrets::SECRETS;
pub use settled::{COMPLETES, LEAKS, SETTLED};
pub use shape::{NOTHING_DONE, SHAPE, VERSIONS};
pub use stage::{Towards, Watched};
pub use statuses::{ANSWERED, SENT};
pub use view::SAME_VIEW;
pub use whole::{WHOLE, Whole};

use stage::{Key, Sight, Stage};
use vault::Proof;

/// Some rules that look at the same things. What does not concern them they leave out.
trait Watcher {
    /// What it judges.
    fn rules(&self) -> &'static [Rule];

    /// A message was sent.
    fn sent(&mut self, stage: &Stage, sight: &Sight<'_>, ledger: &mut Ledger) {
        let _ = (stage, sight, ledger);
    }

    /// A message arrived; what its receiver does follows.
    fn delivered(&mut self, stage: &Stage, sight: &Sight<'_>, ledger: &mut Ledger) {
        let _ = (stage, sight, ledger);
    }

    /// Something came by push, from nobody in a session.
    fn pushed(&mut self, stage: &Stage, to: NodeId, envelope: &Envelope, ledger: &mut Ledger) {
        let _ = (stage, to, envelope, ledger);
    }

    /// A party noted something.
    fn noted(&mut self, stage: &Stage, node: NodeId, fact: &Fact, services: &Services, ledger: &mut Ledger) {
        let _ = (stage, node, fact, services, ledger);
    }

    /// Something has gone wrong with a node, or with what it sent.
    fn struck(&mut self, stage: &Stage, fault: FaultId, node: NodeId) {
        let _ = (stage, fault, node);
    }

    /// The run is over.
    fn finish(&mut self, stage: &Stage, end: &End<'_, Services>, ledger: &mut Ledger) {
        let _ = (stage, end, ledger);
    }
}

/// A message that was decoded.
struct Read {
    message: wire::Message,
    mac: Option<MacField>,
    body: Bytes,
    has_arrived: bool,
}

/// Watches devices and servers.
pub struct Rules {
    stage: Stage,
    read: BTreeMap<u64, Option<Read>>,
    watchers: Vec<Box<dyn Watcher>>,
    tampered: Option<NodeId>,
    /// The session that each message was sent in, by its number.
    of: BTreeMap<u64, Key>,
}

impl Rules {
    /// Those that are judged in every world of devices and servers.
    pub const ALL: [Rule; 12] =
        [ANSWERED, SENT, NUMBERS, HALF_DUPLEX, ENDS, BYTES, AUTHENTICATED, SECRETS, ONCE, REPEATS, USED_WELL, SETTLED];

    /// Those that are left [across restores](Self::across_restores).
    pub const ACROSS_RESTORES: [Rule; 7] = [ENDS, BYTES, AUTHENTICATED, SECRETS, ONCE, USED_WELL, SETTLED];

    /// Rules for these devices; every other node is a server's, or nobody's.
    #[must_use]
    pub fn new(devices: BTreeMap<NodeId, Watched>) -> Self {
        let mut rules = Self::across_restores(devices);
        rules.watchers.extend::<Vec<Box<dyn Watcher>>>(vec![
            Box::new(numbers::Numbers::default()),
            Box::new(statuses::Statuses::default()),
            Box::new(duplex::Duplex::default()),
            Box::new(once::Repeats::default()),
        ]);
        rules
    }

    /// The same without those that speak of one thread of messages: where a store goes back, a session that was open
    /// then goes back with it, says the same number twice and answers twice. What must hold all the same is left.
    #[must_use]
    pub fn across_restores(devices: BTreeMap<NodeId, Watched>) -> Self {
        let watchers: Vec<Box<dyn Watcher>> = vec![
            Box::new(form::Bytes),
            Box::new(proof::Shown::default()),
            Box::new(once::Once::new(&devices)),
            Box::new(ends::Ends),
            Box::new(secrets::Secrets::new(&devices)),
            Box::new(settled::Settled::default()),
        ];
        Self { stage: Stage::new(devices), read: BTreeMap::new(), watchers, tampered: None, of: BTreeMap::new() }
    }

    /// And all others, D01 to D48, which a [mixed](super::Scenario::mixed) world gives something to judge.
    #[must_use]
    pub fn with_all(mut self) -> Self {
        self.watchers.extend::<Vec<Box<dyn Watcher>>>(vec![
            Box::new(results::Answers::default()),
            Box::new(endless::Endless::default()),
            Box::new(form::Form::default()),
            Box::new(late::Late::default()),
            Box::new(abort::Aborts::default()),
            Box::new(credentials::Credentials::default()),
            Box::new(lockout::Closed::default()),
            Box::new(sealed::Sealed::default()),
            Box::new(access::Access),
            Box::new(atomic::Atomics::default()),
            Box::new(order::Order::default()),
            Box::new(shape::Shape),
            Box::new(view::View::default()),
            Box::new(chunks::Chunks::default()),
            Box::new(pushed::Pushed::default()),
            Box::new(bounds::Bounds::default()),
            Box::new(settled::Healed),
        ]);
        self
    }

    fn sent(&mut self, sent: &Message, ledger: &mut Ledger) {
        let tampered = self.tampered.take() == Some(sent.from);
        // An empty message is the transport's refusal, and no reply.
        if sent.bytes.is_empty() {
            return;
        }
        let hash = hash(&sent.bytes);
        let first = !self.read.contains_key(&hash);
        if first {
            let read = Read::of(&sent.bytes);
            self.read.insert(hash, read);
        }
        let Self { stage, read, watchers, of, .. } = self;
        let (device, side) = ends_of(stage, sent);
        let is_real = stage.devices.contains_key(&sent.from) || stage.servers.contains_key(&sent.from);
        let Some(Some(read)) = read.get(&hash) else {
            // What a party sends is a message.
            let is_push = !matches!(Envelope::open(&sent.bytes), Envelope::Session(..));
            ledger.judge(BYTES, !is_real || is_push, || format!("message {}", sent.number));
            return;
        };
        let end = device;
        let device = in_whose_name(stage, sent, device, side, &read.message.header);
        let key = stage.key(device, &read.message.header.session_id);
        of.insert(sent.number, key);
        if side == Side::Client && end == device {
            // Who gives up waits for nothing. Where somebody has changed the message on its way, its bytes may not say
            // that any more: then the device has no session left.
            let is_over = tampered && stage.session(key).is_some_and(|session| session.client.is_some());
            if gives_up(&read.message) || is_over {
                stage.open.remove(&device);
            } else {
                stage.open.insert(device, sent.channel);
            }
            let towards = stage
                .devices
                .get(&device)
                .and_then(|watched| watched.towards.iter().position(|towards| towards.nodes.contains(&sent.to)));
            stage.session_mut(key).into_iter().for_each(|session| session.towards = towards.or(session.towards));
        } else if side == Side::Server
            && first
            && let Some(session) = stage.session_mut(key)
        {
            let said = read.message.header.msg_id.0;
            session.is_reopened |= said == 1 && session.said > 0;
            session.said = said;
        }
        if let Some(session) = stage.session_mut(key) {
            session.is_altered |= tampered;
        }
        let sight = Sight {
            key,
            side,
            message: &read.message,
            body: &read.body,
            bytes: &sent.bytes,
            hash,
            channel: sent.channel,
            server: if side == Side::Client { sent.to } else { sent.from },
            end,
            first,
            is_real: is_real && (side == Side::Client || stage.session(key).is_none_or(|session| !session.is_reopened)),
            is_altered: tampered,
            taken: true,
            proof: Proof::Nothing,
            owner: None,
        };
        for watcher in watchers.iter_mut() {
            watcher.sent(stage, &sight, ledger);
        }
        if first && is_real {
            learn(stage, &sight);
        }
    }

    fn delivered(&mut self, came: &Message, ledger: &mut Ledger) {
        let Self { stage, read, watchers, of, .. } = self;
        if came.mislabelled {
            // Nobody reads it, and whoever waited for it knows that.
            stage.open.retain(|device, channel| *device != came.to || *channel != came.channel);
            return;
        }
        let envelope = Envelope::open(&came.bytes);
        if !matches!(envelope, Envelope::Session(..)) {
            for watcher in watchers.iter_mut() {
                watcher.pushed(stage, came.to, &envelope, ledger);
            }
            return;
        }
        let hash = hash(&came.bytes);
        let (device, side) = ends_of(stage, came);
        let taken = side == Side::Client || (came.to == device && stage.open.get(&device) == Some(&came.channel));
        if side == Side::Server && taken {
            stage.open.remove(&device);
        }
        if came.altered {
            read.entry(hash).or_insert_with(|| Read::of(&came.bytes));
        }
        let Some(Some(read)) = read.get_mut(&hash) else { return };
        let first = !core::mem::replace(&mut read.has_arrived, true);
        let end = device;
        let device = in_whose_name(stage, came, device, side, &read.message.header);
        let key = stage.key(device, &read.message.header.session_id);
        // A reply to another device, which the network takes to this connection, is not this one's.
        let taken = taken && (side == Side::Client || is_meant(stage, device, &read.message.header));
        if came.altered {
            let was = of.get(&came.number).copied();
            let towards = was.and_then(|was| stage.session(was)?.towards);
            stage.session_mut(key).into_iter().for_each(|session| session.towards = session.towards.or(towards));
            was.into_iter().chain([key]).for_each(|key| stage.mislead(key));
        }
        if side == Side::Client
            && let Some(session) = stage.session_mut(key)
        {
            session.name = Some(read.message.header.source.uri.to_string());
        }
        if side == Side::Client && !first && opens(&read.message) {
            // Whoever shows no digest may open a session more than once, and so may a copy of its message.
            let session = stage.session_mut(key).filter(|session| session.server.is_some() || session.said > 1);
            if let Some(session) = session {
                session.is_reopened = true;
            }
        }
        let mut owner = owner(stage, came, key, side, &read.message);
        let header = &read.message.header;
        let proof_of = |owner| stage.vault.proof(owner, key, header, read.mac.as_ref(), &read.body);
        let mut proof = owner.map(proof_of);
        // A copy of a device has the same account, and keeps nonces of its own for it.
        if let Some((device, towards, Side::Client)) = owner
            && proof == Some(Proof::Foreign)
        {
            let twins = stage.twins(device).map(|twin| (twin, towards, Side::Client));
            if let Some(twin) = twins.into_iter().find(|twin| proof_of(*twin).is_good()) {
                (owner, proof) = (Some(twin), Some(proof_of(twin)));
            }
        }
        let sight = Sight {
            key,
            side,
            message: &read.message,
            body: &read.body,
            bytes: &came.bytes,
            hash,
            channel: came.channel,
            server: if side == Side::Client { came.to } else { came.from },
            end,
            first,
            is_real: stage.devices.contains_key(&came.from) || stage.servers.contains_key(&came.from),
            is_altered: came.altered,
            taken,
            proof: proof.unwrap_or_default(),
            owner,
        };
        for watcher in watchers.iter_mut() {
            watcher.delivered(stage, &sight, ledger);
        }
    }
}

impl Checker<Party> for Rules {
    fn rules(&self) -> Vec<Rule> {
        self.watchers.iter().flat_map(|watcher| watcher.rules()).copied().collect()
    }

    fn observe(&mut self, at: Tick, event: &Event<'_, Fact>, services: &Services, ledger: &mut Ledger) {
        self.stage.now = at;
        match event {
            Event::Sent(message) => self.sent(message, ledger),
            Event::Delivered(message) => self.delivered(message, ledger),
            Event::Noted(node, fact) => {
                if **fact == Fact::Tampered {
                    self.tampered = Some(*node);
                }
                let Self { stage, watchers, .. } = self;
                stage.noted(*node, fact);
                for watcher in watchers.iter_mut() {
                    watcher.noted(stage, *node, fact, services, ledger);
                }
            }
            Event::Crashed(node) => _ = self.stage.open.remove(node),
            Event::Copied(_) | Event::Lost(_) | Event::Undeliverable(_) | Event::Restarted(_) => {}
        }
    }

    fn struck(&mut self, _: Tick, fault: FaultId, node: NodeId, _: &mut Ledger) {
        let Self { stage, watchers, .. } = self;
        for watcher in watchers.iter_mut() {
            watcher.struck(stage, fault, node);
        }
    }

    fn finish(&mut self, end: &End<'_, Services>, ledger: &mut Ledger) {
        let Self { stage, watchers, .. } = self;
        for watcher in watchers.iter_mut() {
            watcher.finish(stage, end, ledger);
        }
    }
}

impl Read {
    fn of(bytes: &Bytes) -> Option<Self> {
        let Envelope::Session(mac, body) = Envelope::open(bytes) else { return None };
        let message = decode(Envelope::encoding(&body), &body, &WireLimits::SERVER).ok()?.message;
        Some(Self { message, mac, body, has_arrived: false })
    }
}

/// What stands for octets: the same for the same, and hardly ever for others.
fn hash(bytes: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write(bytes);
    hasher.finish()
}

/// The client's end of a message, and which end sent it.
fn ends_of(stage: &Stage, message: &Message) -> (NodeId, Side) {
    let to_server = !stage.devices.contains_key(&message.to)
        && (stage.devices.contains_key(&message.from) || stage.servers.contains_key(&message.to));
    if to_server { (message.from, Side::Client) } else { (message.to, Side::Server) }
}

/// The device whose session a message is of: a stranger who has heard one of its messages may send it once more.
fn in_whose_name(stage: &Stage, message: &Message, device: NodeId, side: Side, header: &Header) -> NodeId {
    if stage.devices.contains_key(&device) {
        return device;
    }
    let (name, server) = match side {
        Side::Client => (&header.source.uri, message.to),
        Side::Server => (&header.target.uri, message.from),
    };
    // A copy of a device has its name, and sessions of its own.
    let mut named = stage.named(name).into_iter().flat_map(|named| std::iter::once(named).chain(stage.twins(named)));
    named.find(|named| stage.told_by(server, *named, &header.session_id).is_some()).unwrap_or(device)
}

/// Whether a server's message is for this device. Other hardware, F50, has the device's name and more.
fn is_meant(stage: &Stage, device: NodeId, header: &Header) -> bool {
    stage.devices.get(&device).is_none_or(|watched| header.target.uri.starts_with(watched.device.as_str()))
}

/// Whose credentials a message must have: a client's by the name that it says to have.
fn owner(stage: &Stage, came: &Message, key: Key, side: Side, message: &wire::Message) -> Option<vault::Owner> {
    if let Some(towards) = stage.session(key)?.towards {
        return Some((key.device, towards, side));
    }
    let (service, device) = (stage.servers.get(&came.to)?, stage.named(&message.header.source.uri)?);
    let towards = &stage.devices.get(&device)?.towards;
    Some((device, towards.iter().position(|towards| towards.service == Some(*service))?, side))
}

/// Keeps the nonces that a side gives to the other.
fn learn(stage: &mut Stage, sight: &Sight<'_>) {
    let Some(towards) = stage.session(sight.key).and_then(|session| session.towards) else { return };
    for command in &sight.message.commands {
        let Command::Status(status) = command else { continue };
        let given = status.chal.as_ref().and_then(|chal| chal.meta.next_nonce.as_ref());
        if let Some(nonce) = given.and_then(|given| Nonce::from_base64(given.reveal())) {
            stage.vault.given((sight.key.device, towards, sight.side.peer()), nonce, sight.key);
        }
    }
}

/// Whether it is a message that opens a session.
fn opens(message: &wire::Message) -> bool {
    let start = |command: &Command| matches!(command, Command::Alert(alert) if alert.code.is_some_and(dm_core::codes::AlertCode::is_session_start));
    message.commands.iter().any(start)
}

/// Whether its sender gives the session up with it.
fn gives_up(message: &wire::Message) -> bool {
    let abort =
        |command: &Command| matches!(command, Command::Alert(alert) if alert.code == Some(AlertCode::SESSION_ABORT));
    message.commands.iter().any(abort)
}

/// The operations that an order asks for, one for each address.
fn operations(order: &Order) -> Vec<(OpKind, &str)> {
    let all = |kind, uris: Vec<_>| uris.into_iter().map(|uri| (kind, uri)).collect();
    match &order.request {
        Request::Sequence(orders) | Request::Atomic(orders) => orders.iter().flat_map(operations).collect(),
        Request::Get(uris) => all(OpKind::Get, uris.iter().map(AsRef::as_ref).collect()),
        Request::Add(entries) => all(OpKind::Add, entries.iter().map(|entry| entry.uri.as_str()).collect()),
        Request::Replace(entries) => all(OpKind::Replace, entries.iter().map(|entry| entry.uri.as_str()).collect()),
        Request::Delete(uris) => all(OpKind::Delete, uris.iter().map(AsRef::as_ref).collect()),
        Request::Copy(pairs) => all(OpKind::Copy, pairs.iter().map(|pair| pair.to.as_str()).collect()),
        Request::Exec { entry, .. } => all(OpKind::Exec, vec![entry.uri.as_str()]),
        _ => Vec::new(),
    }
}

/// The kind and the items of a command that is about nodes.
fn items_of(command: &Command) -> Option<(OpKind, &[Item])> {
    Some(match command {
        Command::Get(get) => (OpKind::Get, &get.items),
        Command::Add(edit) => (OpKind::Add, &edit.items),
        Command::Replace(edit) => (OpKind::Replace, &edit.items),
        Command::Copy(edit) => (OpKind::Copy, &edit.items),
        Command::Delete(delete) => (OpKind::Delete, &delete.items),
        Command::Exec(exec) => (OpKind::Exec, &exec.items),
        _ => return None,
    })
}

/// Visits every command, those inside others after them.
fn each_command<'a>(commands: &'a [Command], visit: &mut impl FnMut(&'a Command)) {
    for command in commands {
        visit(command);
        each_command(command.inner(), visit);
    }
}

/// The step that a fact tells of.
const fn step_of(fact: &Fact) -> Option<&Arc<super::Step>> {
    if let Fact::Stepped(step) = fact { Some(step) } else { None }
}
