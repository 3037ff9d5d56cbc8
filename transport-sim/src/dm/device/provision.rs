//! What a device knows from the start: its servers, its tree, and when it calls whom.

use std::{collections::VecDeque, sync::Arc};

use core_kit::{Millis, Tick};
use dm_core::{
    auth::Account,
    client::{NewAlert, Profile, Trigger},
    ids::SessionId,
    notify::{self, Seen},
    tree::Memory,
};

use crate::{CrashPlan, NodeId, Permille};

/// What a device has of one service.
#[derive(Clone)]
pub(in crate::dm) struct Contract {
    pub(in crate::dm) profile: Profile,
    /// The nodes of the service.
    pub(in crate::dm) nodes: Vec<NodeId>,
    /// What the device proves itself with.
    pub(in crate::dm) own: Account,
    /// What the server proves itself with.
    pub(in crate::dm) server: Account,
    /// Its notifications that were followed.
    pub(in crate::dm) seen: Seen,
}

impl Contract {
    pub(in crate::dm) fn new(profile: Profile, nodes: Vec<NodeId>, own: Account, server: Account) -> Self {
        Self { profile, nodes, own, server, seen: Seen::default() }
    }
}

/// A session that the device means to open.
#[derive(Clone, Default)]
pub(in crate::dm) struct Visit {
    /// With which of its servers.
    pub(in crate::dm) contract: usize,
    /// When, where it waits for a time rather than for the last session's end.
    pub(in crate::dm) at: Option<Tick>,
    /// What it has to tell.
    pub(in crate::dm) alerts: Vec<NewAlert>,
    /// After how many replies it gives the session up, if it does.
    pub(in crate::dm) aborts_after: Option<u32>,
    /// What asked for it, where the device did not mean to come by itself.
    pub(in crate::dm) asked: Option<(Trigger, SessionId)>,
    /// Whether both sides start from the nonce of resynchronisation.
    pub(in crate::dm) resync: bool,
    /// Whether the accounts are in other hardware for it, F50: no server knows that.
    pub(in crate::dm) elsewhere: bool,
}

impl Visit {
    pub(in crate::dm) fn to(contract: usize) -> Self {
        Self { contract, ..Self::default() }
    }
}

/// What a new device knows.
#[expect(clippy::struct_excessive_bools, reason = "each is said by itself")]
pub(in crate::dm) struct Provision {
    pub(in crate::dm) contracts: Vec<Arc<Contract>>,
    /// Contracts that come into force with a bootstrap.
    pub(in crate::dm) promised: Vec<Arc<Contract>>,
    pub(in crate::dm) tree: Memory,
    /// The leaves that are told of between two sessions.
    pub(in crate::dm) shown: Vec<String>,
    pub(in crate::dm) visits: VecDeque<Visit>,
    pub(in crate::dm) pause: Millis,
    pub(in crate::dm) crashes: CrashPlan,
    /// Whether it tells between two sessions what the whole tree is.
    pub(in crate::dm) tells_tree: bool,
    /// Whether every step of the tree is told of.
    pub(in crate::dm) tells_steps: bool,
    /// Whether an `Atomic` that fails cannot be undone here.
    pub(in crate::dm) cannot_undo: bool,
    /// How often a signed message is changed on its way to the server.
    pub(in crate::dm) tampering: Permille,
    /// How often the calendar is set while a session goes on.
    pub(in crate::dm) clock_steps: Permille,
    /// What is done with notifications.
    pub(in crate::dm) notices: notify::Policy,
    /// Whether all that is durable is written to a disk that may fail.
    pub(in crate::dm) has_disk: bool,
    /// Whether it is another device's copy, F48.
    pub(in crate::dm) is_clone: bool,
    /// What the device shares with its network.
    pub(in crate::dm) network_secret: Vec<u8>,
    /// In a play, where entropy and calendar are [given](crate::dm::play::given): which of the messages that it is about to send it
    /// does not live to send, counted from 1.
    pub(in crate::dm) dies_in_play: Option<Vec<u32>>,
}

impl Provision {
    /// Nothing but contracts and a tree: no sessions are meant, and nothing goes wrong.
    pub(in crate::dm) fn of(contracts: Vec<Contract>, tree: Memory) -> Self {
        Self {
            contracts: contracts.into_iter().map(Arc::new).collect(),
            promised: Vec::new(),
            tree,
            shown: Vec::new(),
            visits: VecDeque::new(),
            pause: Millis::from_secs(3_600),
            crashes: CrashPlan::NONE,
            tells_tree: true,
            tells_steps: true,
            cannot_undo: false,
            tampering: Permille::NEVER,
            clock_steps: Permille::NEVER,
            notices: notify::Policy::default(),
            has_disk: false,
            is_clone: false,
            network_secret: Vec::new(),
            dies_in_play: None,
        }
    }
}
