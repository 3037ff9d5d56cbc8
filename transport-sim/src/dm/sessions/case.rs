//! All that the rules know of one session while something of it may still happen.

use core::ops::Range;

use core_kit::Tick;
use dm_core::{
    auth::{CredentialHash, Nonce, digest},
    session::Outcome,
};

use super::{
    SessionOrder, SessionWorld, order_of,
    skim::{HEADER, Name, Seen, Skim},
    value_hash,
};
use crate::{Channel, Message, dm::Side};

/// A message that was sent, as often as it is sent.
pub(super) struct Told {
    pub(super) hash: u64,
    /// Which message it was the last time.
    pub(super) number: u64,
    pub(super) side: Side,
    pub(super) msg_id: u32,
    pub(super) has_arrived: bool,
    /// The final statuses in it, where it is the device's: which of all that are [kept](Rooms::finals).
    pub(super) finals: Range<usize>,
    /// What its sender says of the message that it answers.
    pub(super) answer: Option<(u32, u16)>,
    pub(super) proof: Proof,
    /// For a request, its first reply.
    pub(super) reply: Option<u64>,
}

/// What credentials show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Proof {
    Nothing,
    Wrong,
    /// They are good, with this nonce of all that were given to the side.
    Good(usize),
}

/// A command that was sent.
#[derive(Clone, Copy)]
pub(super) struct Sent {
    pub(super) side: Side,
    pub(super) msg_id: u32,
    pub(super) id: u32,
    /// Nothing for the header.
    pub(super) name: Option<Name>,
    /// Which order it carries out.
    order: Option<usize>,
    items: u16,
    finals: u16,
    /// Whether one that says that it is done has reached the server.
    pub(super) has_come_back: bool,
}

impl Sent {
    pub(super) const fn as_str(&self) -> &'static str {
        match self.name {
            Some(name) => name.as_str(),
            None => HEADER,
        }
    }

    /// Takes a final status; false if it is one too many.
    pub(super) const fn take(&mut self) -> bool {
        self.finals += 1;
        self.finals <= self.items
    }

    /// Whether its receiver has said all that it owes: nothing for a `Status`, nor for `Results` that were well received.
    pub(super) const fn is_answered(&self) -> bool {
        match self.name {
            Some(Name::Status | Name::Results) => true,
            _ => self.finals == 1 || self.finals == self.items,
        }
    }
}

/// The lists of a session. The next one takes them over when they are empty again, as they are large.
pub(super) struct Rooms {
    pub(super) told: Vec<Told>,
    pub(super) sent: Vec<Sent>,
    /// For which command of which message the device has given a final status.
    pub(super) finals: Vec<(u32, u32)>,
    /// What was sent on each exchange.
    pub(super) asked: Vec<(Channel, u64)>,
}

impl Default for Rooms {
    fn default() -> Self {
        Self {
            told: Vec::with_capacity(8),
            sent: Vec::with_capacity(48),
            finals: Vec::with_capacity(16),
            asked: Vec::with_capacity(4),
        }
    }
}

impl Rooms {
    /// The same, with nothing in them.
    pub(super) fn cleared(mut self) -> Self {
        self.told.clear();
        self.sent.clear();
        self.finals.clear();
        self.asked.clear();
        self
    }
}

/// One session.
pub(super) struct Case {
    pub(super) session: u16,
    pub(super) began: Tick,
    pub(super) client: Option<Outcome>,
    pub(super) server: Option<Outcome>,
    /// Whether a server node has stored anything of it.
    pub(super) is_stored: bool,
    /// When the last side was over.
    pub(super) over: Tick,
    pub(super) rooms: Rooms,
    /// The number of the last message, by side.
    pub(super) last: [u32; 2],
    /// The message that waits for an answer, by side.
    pub(super) unanswered: [Option<u32>; 2],
    /// The nonces that were given to each side.
    pub(super) nonces: [Vec<Nonce>; 2],
    hashes: [CredentialHash; 2],
    /// Credentials that were taken: of which message.
    pub(super) taken: [Option<u32>; 2],
    /// Which sides have shown good ones.
    pub(super) shown: [bool; 2],
    /// Whether the client was told that its are good.
    pub(super) told_good: bool,
    /// What each side has said that it takes.
    pub(super) takes: [Option<u32>; 2],
    /// The exchange that the device waits for.
    pub(super) open: Option<Channel>,
    /// Hashes of what the orders' nodes held when the session was over.
    pub(super) values: Vec<Option<u64>>,
    /// Messages that were sent for the first time.
    pub(super) messages: u32,
}

impl Case {
    pub(super) fn new(
        world: &impl SessionWorld,
        (device, session): (u32, u16),
        began: Tick,
        nonces: Option<[Vec<Nonce>; 2]>,
        rooms: Rooms,
    ) -> Self {
        let sides = [Side::Client, Side::Server];
        let hashes = sides.map(|side| world.credential(device, side));
        let nonces = nonces.unwrap_or_else(|| sides.map(|side| vec![world.first_nonce(device, side)]));
        Self {
            session,
            began,
            client: None,
            server: None,
            is_stored: false,
            over: began,
            rooms,
            last: [0; 2],
            unanswered: [None; 2],
            nonces,
            hashes,
            taken: [None; 2],
            shown: [false; 2],
            told_good: false,
            takes: [None; 2],
            open: None,
            values: Vec::new(),
            messages: 0,
        }
    }

    pub(super) fn is_completed(&self) -> bool {
        self.client == Some(Outcome::Completed) && self.server == Some(Outcome::Completed)
    }

    /// Whether nothing of it goes on.
    pub(super) const fn is_over(&self) -> bool {
        self.client.is_some() && (self.server.is_some() || !self.is_stored)
    }

    /// What the credentials of a message show, found with every nonce that its sender was given, the newest first.
    pub(super) fn proof(&self, side: Side, skim: &Skim<'_>) -> Proof {
        let Some(shown) = skim.cred else { return Proof::Nothing };
        let (Some(hash), Some(nonces)) = (self.hashes.get(side.index()), self.nonces.get(side.index())) else {
            return Proof::Wrong;
        };
        let made_with = |nonce: &Nonce| digest::md5(hash, nonce).to_base64() == shown;
        nonces.iter().rposition(made_with).map_or(Proof::Wrong, Proof::Good)
    }

    /// Keeps the commands of a message, and false if one has a number that cannot be.
    pub(super) fn keep(&mut self, side: Side, skim: &Skim<'_>, orders: &[SessionOrder]) -> bool {
        let first = self.rooms.sent.len();
        let blank = Sent {
            side,
            msg_id: skim.msg_id,
            id: 0,
            name: None,
            order: None,
            items: 1,
            finals: 0,
            has_come_back: false,
        };
        self.rooms.sent.push(blank);
        let mut is_numbered = true;
        for Seen { name, id, uri, items, .. } in &skim.commands {
            let others = self.rooms.sent.get(first..).unwrap_or_default();
            is_numbered &= *id > 0 && others.iter().all(|other| other.id != *id);
            let order = match name {
                Name::Op(kind) if side == Side::Server => order_of(orders, *kind, uri),
                _ => None,
            };
            self.rooms.sent.push(Sent { id: *id, name: Some(*name), order, items: (*items).max(1), ..blank });
        }
        is_numbered
    }

    /// Which of those that were told a message is that arrives. One that was sent again, or that is not as it was sent, is known
    /// by its octets.
    pub(super) fn told_at(&self, side: Side, message: &Message) -> Option<usize> {
        let is_last = |told: &Told| told.number == message.number && !message.altered;
        self.rooms.told.iter().position(is_last).or_else(|| {
            let hash = value_hash(&message.bytes);
            self.rooms.told.iter().position(|told| told.hash == hash && told.side == side)
        })
    }

    /// Whether the server has been told by the device that the command of an order is done.
    pub(super) fn has_come_back(&self, order: usize) -> bool {
        self.rooms.sent.iter().any(|sent| sent.order == Some(order) && sent.has_come_back)
    }
}

/// A command that a side has sent.
pub(super) fn sent_mut(sent: &mut [Sent], side: Side, (msg_id, id): (u32, u32)) -> Option<&mut Sent> {
    sent.iter_mut().find(|sent| sent.side == side && sent.msg_id == msg_id && sent.id == id)
}
