//! What all rules know of a world: who is who, which sessions there are, and whether credentials are good.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use core_kit::Tick;
use dm_core::{
    auth::Account,
    ids::{DeviceId, MsgId, ServerId, SessionId},
    server::Order,
    session::Outcome,
    wire,
};

use super::vault::{Owner, Proof, Vault};
use crate::{
    Channel, NodeId,
    dm::{Fact, Side},
};

/// One session of one device, by a number that the rules give it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    pub(super) device: NodeId,
    pub(super) number: u32,
}

/// A message as the rules see it.
#[expect(clippy::struct_excessive_bools, reason = "each is seen by itself")]
pub(super) struct Sight<'a> {
    pub(super) key: Key,
    pub(super) side: Side,
    pub(super) message: &'a wire::Message,
    /// The message's octets, without what stands beside them.
    pub(super) body: &'a Bytes,
    /// All that was sent.
    pub(super) bytes: &'a Bytes,
    /// What stands for all that was sent.
    pub(super) hash: u64,
    pub(super) channel: Channel,
    /// The server's end.
    pub(super) server: NodeId,
    /// The client's end: a stranger, where one repeats a message of the session.
    pub(super) end: NodeId,
    /// Whether these bytes were never sent before; of a message that arrives, whether they have never arrived.
    pub(super) first: bool,
    /// Whether a device or a server made it.
    pub(super) is_real: bool,
    /// Whether somebody has changed it on its way.
    pub(super) is_altered: bool,
    /// Of a message that arrives: whether its receiver waits for it.
    pub(super) taken: bool,
    /// Of a message that arrives: what its credentials show.
    pub(super) proof: Proof,
    /// Whose credentials those must be.
    pub(super) owner: Option<Owner>,
}

impl Sight<'_> {
    pub(super) fn msg_id(&self) -> MsgId {
        self.message.header.msg_id
    }

    /// Whether it is one of a thread of messages that is to be judged: of two real ends, seen for the first time.
    pub(super) const fn is_judged(&self) -> bool {
        self.first && self.is_real && !self.is_altered
    }
}

/// What a device and one of its servers know of each other.
#[derive(Clone, Debug)]
pub struct Towards {
    /// The service; nothing for a server that is a script, which devices believe by its transport.
    pub service: Option<usize>,
    /// The server's name in access control lists.
    pub server_id: ServerId,
    /// Its nodes.
    pub nodes: Vec<NodeId>,
    /// What the device proves itself with, with the nonce that the server has stored.
    pub client: Account,
    /// What the server proves itself with, with the nonce that the device has stored.
    pub server: Account,
    /// All that the server will ever order.
    pub orders: Vec<Order>,
}

/// What a rule must know beforehand of one device.
#[derive(Clone, Debug, Default)]
pub struct Watched {
    /// Its name.
    pub device: DeviceId,
    /// Its servers.
    pub towards: Vec<Towards>,
    /// What it shares with its network, for bootstraps.
    pub network_secret: Vec<u8>,
    /// The servers that it has accounts for at first.
    pub provisioned: Vec<ServerId>,
    /// When everything that goes wrong is over, where it ever is.
    pub heals: Option<Tick>,
}

/// A session as both ends tell of it.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) key: Key,
    pub(super) id: SessionId,
    /// Which of the device's servers it is with, as far as that is known.
    pub(super) towards: Option<usize>,
    /// Whom its client last said to be, where that is known: not every client is who it says to be.
    pub(super) name: Option<String>,
    pub(super) began: Option<Tick>,
    pub(super) client: Option<(Tick, Outcome)>,
    pub(super) server: Option<(Tick, Outcome)>,
    /// Whether somebody has changed a message of it on its way.
    pub(super) is_altered: bool,
    /// The number of the server's last message.
    pub(super) said: u32,
    /// Whether the server may have begun anew under the same name, for a copy of its first message.
    pub(super) is_reopened: bool,
    /// Whether one end is no more where the other one believes it to be: its last writes were lost, or it has read what was
    /// changed on its way and sealed by nothing. What its messages are numbered and what they answer cannot be held
    /// against either end from then on.
    pub(super) is_in_doubt: bool,
}

impl Session {
    pub(super) fn is_completed(&self) -> bool {
        let done = |end: &Option<(Tick, Outcome)>| end.as_ref().is_some_and(|(_, end)| *end == Outcome::Completed);
        done(&self.client) && done(&self.server)
    }
}

/// What all rules know.
pub(super) struct Stage {
    pub(super) devices: BTreeMap<NodeId, Watched>,
    /// The service of each server node.
    pub(super) servers: BTreeMap<NodeId, usize>,
    pub(super) vault: Vault,
    pub(super) now: Tick,
    sessions: Vec<Session>,
    numbers: BTreeMap<NodeId, BTreeMap<SessionId, u32>>,
    current: BTreeMap<NodeId, Key>,
    /// The channel that each device waits on.
    pub(super) open: BTreeMap<NodeId, Channel>,
    /// Devices, each with one of its servers, of whom one may have been told what the other never said.
    misled: BTreeSet<(NodeId, usize)>,
}

impl Stage {
    pub(super) fn new(devices: BTreeMap<NodeId, Watched>) -> Self {
        let all = devices.values().flat_map(|watched| &watched.towards);
        let servers = all.filter_map(|towards| Some((towards.service?, &towards.nodes)));
        let servers = servers.flat_map(|(service, nodes)| nodes.iter().map(move |node| (*node, service))).collect();
        Self {
            vault: Vault::new(&devices),
            devices,
            servers,
            now: Tick(0),
            sessions: Vec::new(),
            numbers: BTreeMap::new(),
            current: BTreeMap::new(),
            open: BTreeMap::new(),
            misled: BTreeSet::new(),
        }
    }

    /// The session of that name; a new one where there is none.
    pub(super) fn key(&mut self, device: NodeId, id: &SessionId) -> Key {
        let id = &one_name(id);
        let known = self.numbers.entry(device).or_default();
        if let Some(number) = known.get(id) {
            return Key { device, number: *number };
        }
        let number = u32::try_from(self.sessions.len()).unwrap_or(u32::MAX);
        known.insert(id.clone(), number);
        let key = Key { device, number };
        let (towards, began, client, server) = (None, None, None, None);
        self.sessions.push(Session {
            key,
            id: id.clone(),
            towards,
            name: None,
            began,
            client,
            server,
            is_altered: false,
            said: 0,
            is_reopened: false,
            is_in_doubt: false,
        });
        key
    }

    /// The session of that name, if anybody has named it.
    pub(super) fn find(&self, device: NodeId, id: &SessionId) -> Option<Key> {
        let number = *self.numbers.get(&device)?.get(&one_name(id))?;
        Some(Key { device, number })
    }

    /// The session that a server node tells of: one of that name with its own service. Strangers use names of others.
    pub(super) fn told_by(&self, node: NodeId, device: NodeId, id: &SessionId) -> Option<Key> {
        let key = self.find(device, id)?;
        let towards = self.session(key)?.towards.and_then(|at| self.devices.get(&device)?.towards.get(at));
        towards.is_none_or(|towards| towards.service == self.servers.get(&node).copied()).then_some(key)
    }

    pub(super) fn session(&self, key: Key) -> Option<&Session> {
        self.sessions.get(key.number as usize)
    }

    pub(super) fn session_mut(&mut self, key: Key) -> Option<&mut Session> {
        self.sessions.get_mut(key.number as usize)
    }

    pub(super) fn sessions(&self) -> impl Iterator<Item = &Session> {
        self.sessions.iter()
    }

    /// The session that a device is in, or was in last.
    pub(super) fn current(&self, device: NodeId) -> Option<Key> {
        self.current.get(&device).copied()
    }

    pub(super) fn watched(&self, key: Key) -> Option<&Watched> {
        self.devices.get(&key.device)
    }

    /// What both ends of a session know of each other.
    pub(super) fn towards(&self, key: Key) -> Option<&Towards> {
        self.watched(key)?.towards.get(self.session(key)?.towards?)
    }

    /// The device with that name.
    pub(super) fn named(&self, device: &str) -> Option<NodeId> {
        self.devices.iter().find(|(_, watched)| watched.device.as_str() == device).map(|(node, _)| *node)
    }

    /// The device that this one is, or that it is a copy of.
    pub(super) fn original(&self, node: NodeId) -> NodeId {
        self.devices.get(&node).and_then(|watched| self.named(watched.device.as_str())).unwrap_or(node)
    }

    /// The other devices with the same name, and with the same accounts.
    pub(super) fn twins(&self, device: NodeId) -> impl Iterator<Item = NodeId> {
        let name = self.devices.get(&device).map(|watched| &watched.device);
        let has_it = move |watched: &Watched| Some(&watched.device) == name;
        let twins = self.devices.iter().filter(move |(node, watched)| **node != device && has_it(watched));
        twins.map(|(node, _)| *node)
    }

    /// Whether one side of a session is no more where the other one believes it to be.
    pub(super) fn is_in_doubt(&self, key: Key) -> bool {
        self.session(key).is_none_or(|session| session.is_in_doubt)
    }

    /// A message of this session was read otherwise than it was written.
    pub(super) fn mislead(&mut self, key: Key) {
        let Some(session) = self.session_mut(key) else { return };
        session.is_in_doubt = true;
        let towards = session.towards;
        self.misled.extend(towards.map(|towards| (key.device, towards)));
    }

    /// Whether the device, or a copy of it, or this server of theirs may have been told what the other never said.
    pub(super) fn is_misled(&self, device: &DeviceId, service: usize) -> bool {
        self.misled.iter().any(|(node, towards)| {
            let watched = self.devices.get(node);
            let of = watched.and_then(|watched| watched.towards.get(*towards)).and_then(|towards| towards.service);
            watched.is_some_and(|watched| watched.device == *device) && of == Some(service)
        })
    }

    fn doubt(&mut self, key: Option<Key>) {
        key.and_then(|key| self.session_mut(key)).into_iter().for_each(|session| session.is_in_doubt = true);
    }

    pub(super) fn noted(&mut self, node: NodeId, fact: &Fact) {
        let now = self.now;
        match fact {
            Fact::HungUp => _ = self.open.remove(&node),
            Fact::Forgot { resumes, .. } => {
                self.vault.went_back(|device, _| device == node);
                self.open.remove(&node);
                self.doubt(self.current(node));
                if let Some(id) = resumes {
                    let key = self.key(node, id);
                    self.current.insert(node, key);
                    self.doubt(Some(key));
                    self.session_mut(key).into_iter().for_each(|session| session.client = None);
                }
            }
            Fact::Restored { sessions, .. } => {
                let Self { vault, devices, servers, .. } = self;
                let service_of = |device, at: usize| devices.get(&device)?.towards.get(at)?.service;
                vault.went_back(|device, at| service_of(device, at) == servers.get(&node).copied());
                for (device, id) in sessions {
                    // A store knows a session by the name that its client said: a stranger may say any, and so may a
                    // device with another's accounts.
                    let says = |key: Key| self.session(key).and_then(|session| session.name.as_deref());
                    let is_its = |key: &Key| {
                        self.watched(*key).is_some_and(|watched| watched.device == *device)
                            || says(*key) == Some(device.as_str())
                    };
                    let all = self.numbers.keys().filter_map(|end| self.told_by(node, *end, id)).filter(is_its);
                    for key in all.collect::<Vec<_>>() {
                        self.doubt(Some(key));
                        self.session_mut(key).into_iter().for_each(|session| session.server = None);
                    }
                }
            }
            Fact::Began(id) => {
                let key = self.key(node, id);
                self.current.insert(node, key);
                self.open.remove(&node);
                if let Some(session) = self.session_mut(key) {
                    // Only who has forgotten that he had followed a notification opens its session once more.
                    session.is_in_doubt |= session.began.is_some();
                    (session.began, session.client) = (Some(now), None);
                }
            }
            Fact::ClientEnded(id, outcome) => {
                let key = self.key(node, id);
                self.open.remove(&node);
                if let Some(session) = self.session_mut(key) {
                    session.client = Some((now, outcome.clone()));
                }
            }
            Fact::ServerEnded { device, session, outcome } => {
                let key = self.told_by(node, *device, session);
                if let Some(session) = key.and_then(|key| self.session_mut(key)) {
                    session.server = Some((now, outcome.clone()));
                }
            }
            _ => {}
        }
    }
}

/// The name of a session, whose letters may be of either case: a server takes both for the same.
pub(super) fn one_name(id: &SessionId) -> SessionId {
    id.as_str().to_ascii_uppercase().into()
}
