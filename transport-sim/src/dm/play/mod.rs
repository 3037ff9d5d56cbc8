//! Plays: what happens between a service and its devices, as data, for any network that can carry it.
//!
//! A [`Play`] says who is there, what is ordered in which session, and what goes wrong on the way. It is performed in a
//! world by [`Play::perform`], and by others over real networks; each gives a [`Performance`], and what a device, its
//! server and their users saw must be the same in all of them ([`Performance::differences`]).
//!
//! Whoever performs a play keeps to this:
//!
//! - each machine gets entropy and calendar from [`given`], and its own clock for the rest;
//! - the device's user is [`obliging`];
//! - the server hands out the packages of a session one after the other, each when it is asked for orders;
//! - between two sessions of a device an hour passes for the server, so that what is left open times out.

use std::collections::BTreeMap;

use core_kit::{Body, Env, Tick};
use dm_core::{
    Packet,
    auth::{Account, CredentialHash},
    client::{self, NewAlert, Trigger},
    ids::{DeviceId, JobTag, ServerId, SessionId},
    notify::{self, Decision, Layout, Seen, SessionNumber, UiMode, v1_2::Notification},
    prompt::{Prompt, Reply, Response, Wanted},
    server::{self, Order},
    session::Outcome,
    tree::Memory,
};
use sha2::{Digest, Sha256};

use super::{Execution, OrderState};
use crate::{EPOCH, FaultId};
pub use crate::{Mishap, What};

mod collection;
mod compare;
mod stage;

pub use compare::Closeness;

/// One service, its devices, and what goes wrong between them.
#[derive(Clone, Debug)]
pub struct Play {
    /// What it is called.
    pub name: &'static str,
    /// What it shows.
    pub says: &'static str,
    /// How the server behaves.
    pub server: server::Profile,
    /// Values that their orders leave to be fetched in parts.
    pub values: BTreeMap<JobTag, Body>,
    /// The devices.
    pub devices: Vec<Player>,
    /// What goes wrong.
    pub mishaps: Vec<Mishap>,
}

/// A device, and what the service has of it.
#[derive(Clone, Debug)]
pub struct Player {
    /// How it behaves.
    pub client: client::Profile,
    /// The device's account and the server's, as the device has them.
    pub on_device: (Account, Account),
    /// The same two as the server has them.
    pub on_server: (Account, Account),
    /// Its tree at first.
    pub tree: Memory,
    /// Its sessions, one after the other.
    pub acts: Vec<Act>,
}

/// A session that a device opens.
#[derive(Clone, Debug, Default)]
pub struct Act {
    /// What waits for it, one list for each package. Tags are of one order of the device only.
    pub packages: Vec<Vec<Order>>,
    /// What the device has to tell.
    pub alerts: Vec<NewAlert>,
    /// The notification that asks for the session, if one does. Only for the first of a device.
    pub notified: Option<Notified>,
    /// After how many replies the device gives the session up, in place of reading the last of them.
    pub aborts_after: Option<u32>,
    /// With how many of the device's messages the server gives the session up, once it has answered the last of them.
    pub server_aborts_after: Option<u32>,
}

/// A notification (package 0), signed with the nonce that the server has at first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Notified {
    /// The session that it asks for.
    pub session: u16,
    /// What the user is told.
    pub ui_mode: UiMode,
}

impl Player {
    /// The session of an act, by the act's number from 0: how it begins, and under which identifier; nothing where the
    /// device stays away.
    #[must_use]
    pub fn session_of(&self, n: usize) -> Option<(Trigger, SessionId)> {
        let act = self.acts.get(n)?;
        if let Some(notified) = act.notified {
            return notified.reach(self);
        }
        let id = SessionId::from_number(u16::try_from(n + 1).ok()?);
        Some((Trigger::Client(id.clone()), id))
    }

    /// The sessions that the server gives up, and with how many of their messages.
    pub fn server_aborts(&self) -> impl Iterator<Item = (SessionId, u32)> {
        let of = |(n, act): (usize, &Act)| Some((self.session_of(n)?.1, act.server_aborts_after?));
        self.acts.iter().enumerate().filter_map(of)
    }
}

impl Notified {
    /// What the device makes of it: how its session begins, and under which identifier; nothing where it stays away.
    #[must_use]
    pub fn reach(&self, player: &Player) -> Option<(Trigger, SessionId)> {
        let hash = |account: &Account| CredentialHash::new(&account.user, account.password.reveal());
        let (on_server, on_device) = (&player.on_server.1, &player.on_device.1);
        let session = SessionNumber::new(self.session)?;
        let notification = Notification::new(player.client.server_id.clone(), session);
        let notification = Notification { ui_mode: self.ui_mode, ..notification };
        let bytes = notification.sign(&hash(on_server), &on_server.nonce).ok()?;
        let (credentials, mut seen) = (hash(on_device), Seen::default());
        let known = notify::Known { credentials: &credentials, nonce: &on_device.nonce, seen: &mut seen };
        let find = |server: &ServerId| (*server == player.client.server_id).then_some(known);
        match notify::receive(Layout::V1_2, &bytes, find, Tick(0), &notify::Policy::default()) {
            Decision::Start(start) => Some((start.trigger_showing("Management"), start.session.id())),
            Decision::AlreadyRun(_) | Decision::Ignore(_) => None,
        }
    }
}

/// What a play came to.
#[derive(Clone, Debug, Default)]
pub struct Performance {
    /// Of each device, in the order of the play.
    pub devices: Vec<Played>,
    /// How often each of the mishaps' faults took place; those that did not are left out.
    pub faults: BTreeMap<FaultId, u64>,
    /// What must not have been: broken rules, machines used wrongly.
    pub failures: Vec<String>,
}

/// What a play came to for one device.
#[derive(Clone, Debug, Default)]
pub struct Played {
    /// Its sessions, oldest first.
    pub sessions: Vec<Ending>,
    /// Where every order is. One that was given back is [`OrderState::Queued`].
    pub orders: BTreeMap<JobTag, OrderState>,
    /// What the server had the tree do, in order.
    pub executions: Vec<Execution>,
    /// The tree at the end, as at [`EPOCH`].
    pub tree: Memory,
    /// Every different message, in the order of their first sending.
    pub messages: Vec<(Speaker, Packet)>,
}

/// How a session ended, and what its two ends told those behind them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ending {
    /// Which.
    pub id: SessionId,
    /// How it ended at the device.
    pub client: Option<Outcome>,
    /// How it ended at the server.
    pub server: Option<Outcome>,
    /// What the device's embedder was told.
    pub on_device: Vec<client::Report>,
    /// What the server's embedder was told.
    pub on_server: Vec<server::Report>,
}

/// Who sent a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Speaker {
    /// The device.
    Device,
    /// The server.
    Server,
}

/// What both ends of a session are given in a play, in place of what a world or a machine would give: entropy that
/// follows from the session, and a calendar that stands still. The clock stays the caller's own.
#[must_use]
pub fn given(env: Env, device: &DeviceId, session: &SessionId) -> Env {
    let mut hash = Sha256::new();
    hash.update(device.as_str());
    hash.update([0]);
    hash.update(session.as_str());
    Env { wall: EPOCH, entropy: hash.finalize().into(), ..env }
}

/// What the user of a device in a play says: yes to whatever is shown, and nothing where something is to be entered.
#[must_use]
pub fn obliging(prompt: &Prompt) -> Reply {
    match &prompt.wanted {
        Wanted::Attention | Wanted::Consent { .. } => Reply::Given(Response::Yes),
        Wanted::Text { .. } | Wanted::One { .. } | Wanted::Any { .. } => Reply::TimedOut { default: None },
    }
}

impl Play {
    /// Whether its mishaps have a device send something again. How often an end wakes up before that depends on the
    /// network.
    #[must_use]
    pub fn has_repetitions(&self) -> bool {
        self.mishaps.iter().any(|mishap| !matches!(mishap.what, What::Doubled | What::Late))
    }

    /// How close the messages of any two of its performances are.
    #[must_use]
    pub fn closeness(&self) -> Closeness {
        if self.has_repetitions() { Closeness::ButNonces } else { Closeness::Octets }
    }
}

impl Performance {
    /// What is not the same in two performances of a play, in words; nothing if they are the same. Messages must be as
    /// close as said.
    #[must_use]
    pub fn differences(&self, other: &Self, closeness: Closeness) -> Vec<String> {
        compare::differences(self, other, closeness)
    }

    /// How many different messages of all devices there were.
    #[must_use]
    pub fn messages(&self) -> usize {
        self.devices.iter().map(|device| device.messages.len()).sum()
    }
}
