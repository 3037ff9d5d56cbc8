//! Plays: what happens between service providers, a server and clients, as data, for any network that can carry it.
//!
//! A [`Play`] says who is there, what they do one after the other, and what goes wrong on the way. It is performed in a
//! world by [`Play::perform`], and by others over real networks; each gives a [`Performance`], and what SPs were told, what
//! clients hold and what the server believes must be the same in all of them ([`Performance::differences`]).
//!
//! Whoever performs a play keeps to this:
//!
//! - an act begins when the one before has been done; [`Act::Until`] waits, and nothing else does;
//! - the play ends when nothing is out to any client that is on;
//! - the properties of a device are [`worth`] what its level and its count say;
//! - each machine has its own clock and entropy: what follows from them is [named](Raw) before it is compared.

use dpe_core::{
    client,
    config::{ClientConfig, Config},
    ids::{ClientId, SpId},
    property::Reading,
    server::device,
    sp::{self, What},
    wire::{Identity, PropertyName},
};

use super::device as own;
use crate::Mishap;

mod collection;
mod outcome;
mod stage;

pub use outcome::{Performance, Played, Raw, believed};

/// The level of a device's battery at first.
pub const LEVEL: i64 = 50;

/// Service providers, a server, devices, and what goes wrong between them.
#[derive(Clone, Debug)]
pub struct Play {
    /// What it is called.
    pub name: &'static str,
    /// What it shows.
    pub says: &'static str,
    /// How the server behaves.
    pub config: Config,
    /// How the clients behave. Whoever performs the play adds the server's address.
    pub clients: ClientConfig,
    /// The service providers.
    pub sps: Vec<Provider>,
    /// The devices.
    pub devices: Vec<Player>,
    /// What they do, one after the other.
    pub acts: Vec<Act>,
    /// What goes wrong with messages of clients: one mishap for each device at most. [`ReplyLost`](crate::What::ReplyLost)
    /// is only for the first message, which is the one that has a reply.
    pub mishaps: Vec<Mishap>,
    /// Where there is a choice: whether clients and SPs ask for what is for them, or listen. In a world they listen.
    pub is_polled: bool,
}

/// A service provider of a play.
#[derive(Clone, Debug)]
pub struct Provider {
    /// Who it is, and how it behaves.
    pub profile: sp::Profile,
    /// Whether it may look up the Client-IDs of users.
    pub may_look_up: bool,
}

/// A device of a play, which is off at first.
#[derive(Clone, Debug)]
pub struct Player {
    /// What `operatorName` says.
    pub name: String,
    /// Its identity.
    pub identity: Identity,
    /// Its user.
    pub user: Option<Identity>,
}

/// Of which client an SP wants something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whose {
    /// Of a device, by the last Client-ID that it was given.
    Of(usize),
    /// Of a device, by the first Client-ID that it was given.
    First(usize),
    /// Of nobody: there is no such Client-ID.
    Nobody,
}

/// What somebody does. Devices and SPs are numbered from 0.
#[derive(Clone, Debug, PartialEq)]
pub enum Act {
    /// A device starts up, or registers again.
    Start(usize),
    /// A device is cut off, for good.
    Off(usize),
    /// `batteryLevel` of a device has this value, and `volumeLevel`, which counts the changes, the next one; whether the
    /// client is told.
    Level(usize, i64, bool),
    /// Another SIM is in a device, or none.
    User(usize, Option<Identity>),
    /// The user of a device wants a session, or wants none; a device with a session starts up to say so.
    Want(usize, bool),
    /// An SP wants something.
    Ask(usize, Whose, What),
    /// Nobody does anything before this is so, and nothing is out to a client that is on.
    Until(Sign),
}

/// What can be seen to have happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sign {
    /// A client has reported so many things in all.
    Client(usize, usize),
    /// An SP was told so many things in all.
    Sp(usize, usize),
}

/// What a property of the device of this name is worth.
#[must_use]
pub fn worth(name: &PropertyName, device: &str, level: i64, count: i64) -> Reading {
    own::worth(name, device, level, count)
}

/// The properties that [`Act::Level`] changes.
pub fn sampled() -> impl Iterator<Item = PropertyName> {
    own::sampled()
}

/// Whether the server waits for something of this client, as far as it knows.
#[must_use]
pub fn is_calm(device: &device::Device) -> bool {
    use device::table::PhaseKind;
    !device.is_waiting() && !matches!(device.phase(), PhaseKind::PendingAck | PhaseKind::CommandSent)
}

impl Whose {
    /// The Client-ID, where a device's were these so far; nothing if it never had any.
    #[must_use]
    pub fn client(self, given: impl Fn(usize) -> Vec<ClientId>) -> Option<ClientId> {
        match self {
            Self::Of(device) => given(device).pop(),
            Self::First(device) => given(device).into_iter().next(),
            Self::Nobody => ClientId::try_from("nobody-has-this-client-id-0123").ok(),
        }
    }
}

impl Play {
    /// How a device's client is provisioned, where the server has this address, and where it listens, if it does.
    #[must_use]
    pub fn client(&self, player: &Player, server: &str, contact: Option<String>) -> client::Profile {
        client::Profile {
            config: ClientConfig { server_addresses: vec![server.into()], ..self.clients.clone() },
            version: "1.0".into(),
            device: Some(player.identity.clone()),
            user: player.user.clone(),
            contact,
            token: None,
        }
    }

    /// Whether a message may be sent again in it: how often then depends on the network, and only what it comes to must be
    /// the same.
    #[must_use]
    pub const fn has_mishaps(&self) -> bool {
        !self.mishaps.is_empty()
    }
}

impl Provider {
    /// By what it may look up Client-IDs.
    #[must_use]
    pub fn query_key_schemes(&self) -> Vec<String> {
        if self.may_look_up { vec!["msisdn".into()] } else { Vec::new() }
    }

    /// Who it is.
    #[must_use]
    pub const fn id(&self) -> &SpId {
        &self.profile.id
    }
}
