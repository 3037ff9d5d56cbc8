//! What all devices of a region and all nodes of its server have in common: whatever is not here, a device has for
//! itself.

use std::sync::Arc;

use core_kit::Millis;
use dm_core::{
    auth::{Account, CredentialHash, Nonce, Scheme},
    client,
    codes::StatusCode,
    ids::{DeviceId, JobTag},
    server::{self, Entry, Order, Request},
    tree::{Memory, TreeError},
};

use super::{Conditions, Mistake};
use crate::{
    NodeId,
    dm::{OpKind, Side, alike::dev_info},
    table::{absorb, mix},
};

/// Nodes with smaller numbers are the server's.
pub(super) const FIRST_DEVICE: u32 = 64;
const SERVER_URL: &str = "https://dm.example/dm";
pub(super) const SERVER_ID: &str = "srv";
/// What the number of a device follows on in its name.
const NAME: &str = "IMEI:49";
const NAME_DIGITS: usize = 13;
const SECRET_DIGITS: usize = 16;

/// Orders that wait for each device.
pub(super) const ORDERS: [(OpKind, &str); 7] = [
    (OpKind::Get, "./DevInfo/Man"),
    (OpKind::Add, "./Sim/Added"),
    (OpKind::Replace, "./Sim/Value"),
    (OpKind::Exec, "./Sim/Run"),
    // What nobody may.
    (OpKind::Replace, "./Sim/Locked"),
    (OpKind::Get, "./Sim/Added"),
    (OpKind::Get, "./Sim/Value"),
];

/// The order that does this.
pub(super) fn order_of(kind: OpKind, uri: &str) -> Option<usize> {
    ORDERS.iter().position(|(known, at)| *known == kind && *at == uri)
}

/// What each of them is told apart by.
const TAGS: [&str; ORDERS.len()] = ["0", "1", "2", "3", "4", "5", "6"];

/// A package: its orders, as bits.
pub(super) type Package = u8;
/// The packages, first to last.
const PACKAGES: [Package; 3] = [0b000_0111, 0b001_1000, 0b110_0000];

/// The orders of a package.
pub(super) fn orders_of(package: Package) -> impl Iterator<Item = usize> {
    (0..ORDERS.len()).filter(move |order| package & 1 << order != 0)
}

/// What a device is called. A name is needed many times in a session, and not worth an allocation.
pub(super) struct Name([u8; NAME.len() + NAME_DIGITS]);

impl Name {
    fn of(number: u64) -> Self {
        let digits = digits::<10, NAME_DIGITS>(number);
        let mut name = [0; NAME.len() + NAME_DIGITS];
        name.iter_mut().zip(NAME.bytes().chain(digits)).for_each(|(to, octet)| *to = octet);
        Self(name)
    }

    pub(super) fn as_str(&self) -> &str {
        as_text(&self.0)
    }
}

impl AsRef<[u8]> for Name {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

const DIGITS: [u8; 16] = *b"0123456789abcdef";

/// The last digits of a number, so many of them.
#[expect(clippy::cast_possible_truncation, reason = "a digit is a small number")]
fn digits<const BASE: u64, const COUNT: usize>(number: u64) -> [u8; COUNT] {
    let (mut digits, mut rest) = ([b'0'; COUNT], number);
    for digit in digits.iter_mut().rev() {
        *digit = DIGITS.get((rest % BASE) as usize).copied().unwrap_or_default();
        rest /= BASE;
    }
    digits
}

/// What is of ASCII digits and letters is text.
fn as_text(octets: &[u8]) -> &str {
    core::str::from_utf8(octets).unwrap_or_default()
}

/// One region.
pub(super) struct Plan {
    pub(super) seed: u64,
    /// The number of the region's first device in the whole fleet.
    pub(super) first: u32,
    pub(super) devices: u32,
    pub(super) servers: u32,
    pub(super) sessions: u16,
    /// How many of the packages wait for each device.
    pub(super) packages: usize,
    /// Within what time sessions begin.
    pub(super) span: Millis,
    pub(super) conditions: Conditions,
    /// How long after the end of a session something of it may still come.
    pub(super) linger: Millis,
    pub(super) tree: Memory,
    pub(super) client: client::Profile,
    pub(super) server: Arc<server::Profile>,
    pub(super) mistake: Option<Mistake>,
}

impl Plan {
    pub(super) fn new(fleet: &super::Fleet, first: u32, devices: u32) -> Self {
        let conditions = fleet.conditions;
        let link = conditions.link;
        let latest = link.late.most.0.max(link.delay.most.0.saturating_add(link.held.most.0));
        Self {
            seed: fleet.seed,
            first,
            devices,
            servers: fleet.servers.clamp(1, FIRST_DEVICE - 1),
            sessions: fleet.sessions.max(1),
            packages: usize::from(fleet.packages).clamp(1, PACKAGES.len()),
            span: fleet.span(),
            conditions,
            linger: Millis(latest.saturating_add(60_000)),
            // The tree is written down below and correct, which a test shows.
            tree: tree().unwrap_or_default(),
            client: client::Profile::new("", SERVER_URL, SERVER_ID),
            server: Arc::new(server::Profile::new(SERVER_URL)),
            mistake: None,
        }
    }

    /// The device's number in the region; nothing for another node.
    pub(super) fn device_at(&self, node: NodeId) -> Option<u32> {
        node.0.checked_sub(FIRST_DEVICE).filter(|device| *device < self.devices)
    }

    pub(super) const fn node_of(device: u32) -> NodeId {
        NodeId(FIRST_DEVICE + device)
    }

    /// What the device is called on the wire.
    pub(super) fn name_of(&self, device: u32) -> Name {
        Name::of(u64::from(self.first) + u64::from(device))
    }

    /// The device that is called so.
    pub(super) fn named(&self, name: &str) -> Option<u32> {
        let number: u32 = name.strip_prefix(NAME).filter(|digits| digits.len() == NAME_DIGITS)?.parse().ok()?;
        number.checked_sub(self.first).filter(|device| *device < self.devices)
    }

    pub(super) fn profile_of(&self, device: u32) -> client::Profile {
        client::Profile { device: DeviceId::from(self.name_of(device).as_str()), ..self.client.clone() }
    }

    /// What one side proves itself to the other with, before their first session.
    pub(super) fn account_of(&self, device: u32, side: Side) -> Account {
        self.account_with(device, side, self.nonce_of(device, side))
    }

    /// The nonce that a side has before the first session.
    pub(super) fn nonce_of(&self, device: u32, side: Side) -> Nonce {
        let word = self.word(device, side, 0);
        let mut nonce = [0; Nonce::DRAWN_BYTES];
        let octets = word.to_be_bytes().into_iter().chain(mix(word).to_be_bytes());
        nonce.iter_mut().zip(octets).for_each(|(to, octet)| *to = octet);
        Nonce::new(&nonce)
    }

    /// The same account with another nonce.
    pub(super) fn account_with(&self, device: u32, side: Side, nonce: Nonce) -> Account {
        let user = match side {
            Side::Client => self.name_of(device).as_str().into(),
            Side::Server => SERVER_ID.into(),
        };
        let password = as_text(&self.secret_of(device, side)).into();
        Account { user, password, scheme: Scheme::Md5, nonce }
    }

    /// What credentials of one side are made of but for the nonce.
    pub(super) fn hash_of(&self, device: u32, side: Side) -> CredentialHash {
        let secret = self.secret_of(device, side);
        match side {
            Side::Client => CredentialHash::new(self.name_of(device).as_str(), as_text(&secret)),
            Side::Server => CredentialHash::new(SERVER_ID, as_text(&secret)),
        }
    }

    fn secret_of(&self, device: u32, side: Side) -> [u8; SECRET_DIGITS] {
        digits::<16, SECRET_DIGITS>(self.word(device, side, 1))
    }

    fn word(&self, device: u32, side: Side, which: u64) -> u64 {
        let number = u64::from(self.first) + u64::from(device);
        absorb(absorb(self.seed, number), (side.index() as u64) << 8 | which)
    }

    /// The packages that wait for each device, first to last.
    pub(super) fn packages(&self) -> impl Iterator<Item = Package> {
        PACKAGES.into_iter().take(self.packages)
    }

    /// Whether the order is in one of them.
    pub(super) fn has_order(&self, order: usize) -> bool {
        self.packages().any(|package| package & 1 << order != 0)
    }

    /// The order for this device.
    pub(super) fn order(&self, order: usize, device: u32) -> Option<Order> {
        let (kind, uri) = *ORDERS.get(order)?;
        let request = match kind {
            OpKind::Get => Request::Get(vec![uri.into()]),
            OpKind::Add => Request::Add(vec![Entry::text(uri, &self.value(order, device))]),
            OpKind::Exec => Request::Exec { entry: Entry::bare(uri), correlator: None },
            _ => Request::Replace(vec![Entry::text(uri, &self.value(order, device))]),
        };
        Some(Order::new(*TAGS.get(order)?, request))
    }

    /// The order that has the tag.
    pub(super) fn order_tagged(tag: &JobTag) -> Option<usize> {
        TAGS.iter().position(|known| *known == tag.as_str())
    }

    /// What an order writes: something that no other device has.
    fn value(&self, order: usize, device: u32) -> String {
        format!("{order} for {}", u64::from(self.first) + u64::from(device))
    }
}

fn tree() -> Result<Memory, TreeError> {
    let info = dev_info(Name::of(0).as_str(), "Simulated");
    Memory::builder()
        .dev_info(&info)
        .interior("./Sim")
        .acl("Add=srv&Delete=srv&Get=*&Replace=srv&Exec=srv")
        .leaf("./Sim/Value", "0")
        .leaf("./Sim/Locked", "0")
        .acl("Get=*")
        .leaf("./Sim/Run", "")
        .exec(StatusCode::OK)
        .finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tree_is_as_the_orders_want_it() {
        let tree = tree().unwrap();
        let values = ["./DevInfo/Man", "./Sim/Value", "./Sim/Locked", "./Sim/Added"].map(|uri| tree.text(uri));
        assert_eq!(values, [Some("Example"), Some("0"), Some("0"), None]);
    }

    #[test]
    fn names_and_secrets_are_numbers_with_their_zeros() {
        let plan = Plan::new(&super::super::Fleet::new(1), 40, 10);
        assert_eq!(plan.name_of(3).as_str(), format!("IMEI:49{:013}", 43));
        assert_eq!((plan.named("IMEI:490000000000043"), plan.named("IMEI:490000000000050")), (Some(3), None));
        for side in [Side::Client, Side::Server] {
            let (account, word) = (plan.account_of(3, side), plan.word(3, side, 1));
            assert_eq!(account.password.reveal(), format!("{word:016x}"));
            let hash = CredentialHash::new(&account.user, account.password.reveal());
            assert_eq!(plan.hash_of(3, side).to_base64(), hash.to_base64());
        }
    }

    #[test]
    fn every_order_is_in_one_package() {
        assert_eq!(PACKAGES.iter().fold(0, |all, package| all | package), 0b111_1111);
        assert_eq!(PACKAGES.iter().map(|package| package.count_ones()).sum::<u32>(), 7);
        assert_eq!(orders_of(0b110_0000).collect::<Vec<_>>(), [5, 6]);
    }
}
