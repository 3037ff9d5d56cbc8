//! The scenarios that `cargo xtask sim --scenario` knows, each with what goes wrong in it.

use std::collections::BTreeMap;

use core_kit::{Body, Millis, Tick};
use dm_core::{
    client::Retry,
    limits::TreeLimits,
    server::{Entry, Order, Pair, Request},
    tree::{Content, Memory},
    wire::Format,
};
use sha2::{Digest, Sha256};

use super::{
    Faults, Scenario,
    scenario::{Watch, tree, tree_within},
};
use crate::{Link, Permille, Span};

/// Octets of each of the two large values.
const OBJECT_BYTES: usize = 1024 * 1024;
/// The same where many runs are wanted and not many messages.
const SMALL_OBJECT_BYTES: usize = 8 * 1024;
/// `MaxMsgSize` of both sides there.
const SMALL_MESSAGE_BYTES: u64 = 2 * 1024;

const MINUTE: u64 = 60_000;

impl Scenario {
    /// The scenarios by name: `session` is [`rough`](Self::rough), the others are called as their functions.
    pub const NAMES: [&'static str; 6] = ["session", "objects", "objects-small", "atomic", "nonces", "mixed"];

    /// The scenario of that name; nothing where there is none.
    #[must_use]
    pub fn named(name: &str, seed: u64) -> Option<Self> {
        match name {
            "session" => Some(Self::rough(seed)),
            "objects" => Some(Self::objects(seed)),
            "objects-small" => Some(Self::objects_of(seed, SMALL_OBJECT_BYTES)),
            "atomic" => Some(Self::atomic(seed)),
            "nonces" => Some(Self::nonces(seed)),
            "mixed" => Some(Self::mixed(seed)),
            _ => None,
        }
    }

    /// A value of 1 MiB each way in messages of 2 KiB: text with an even seed, octets with an odd one. One message in ten
    /// is lost, one in ten comes twice, some are overtaken; server nodes crash twice, and with one seed of four the
    /// device does once.
    ///
    /// A session of thousands of messages ends with the first one that is given up, so the device is patient and tries
    /// more often than usual.
    #[must_use]
    pub fn objects(seed: u64) -> Self {
        Self::objects_of(seed, OBJECT_BYTES)
    }

    /// The same with values of so many octets.
    fn objects_of(seed: u64, bytes: usize) -> Self {
        let link = Link {
            delay: Span::new(20, 200),
            loss: Permille::new(100),
            duplication: Permille::new(100),
            late: Span::new(0, MINUTE),
            reordering: Permille::new(50),
            held: Span::new(1_000, 10_000),
        };
        let faults = Faults {
            link,
            server_crashes: 2,
            device_crashes: u32::from(seed % 4 == 3),
            lost_races: Permille::new(10),
            server_points: 4_000,
            device_points: 4_000,
            ..Faults::NONE
        };
        let format = if seed.is_multiple_of(2) { Format::Chr } else { Format::Bin };
        let [down, up] = ["to the device", "to the server"].map(|label| value(seed, label, &format, bytes));
        let size = u64::try_from(down.len()).ok();
        let content = Content { format: Some(format.clone()), media_type: None, data: None, in_parts: size };
        // As base64 text, which is what a tree keeps of it until it is whole, an object of octets is a third longer.
        let limits = TreeLimits { value_bytes_max: 2 * bytes, ..TreeLimits::DEFAULT };
        let put = Request::Replace(vec![Entry { uri: "./Sim/New".into(), content }]);
        let get = Request::Get(vec!["./Sim/Large".into()]);
        let mut scenario = Self {
            faults,
            packages: vec![vec![Order::new("put", put)], vec![Order::new("get", get)]],
            tree: tree_within(limits)
                .and_then(|tree| {
                    let tree = tree.edit().leaf("./Sim/Large", &*up).format(&format);
                    // A new leaf would be one of base64 text, which is what comes over the wire.
                    tree.leaf("./Sim/New", "").format(&format).finish()
                })
                .unwrap_or_default(),
            values: BTreeMap::from([("put".into(), down)]),
            watch: Watch::Objects(vec!["get".into()]),
            watches_trees: false,
            ..Self::standard(seed)
        };
        scenario.client.max_msg_size = Some(SMALL_MESSAGE_BYTES);
        scenario.client.max_obj_size = Some(2 * bytes as u64);
        scenario.client.retry =
            Retry { response_ms: Millis(5_000), times: 15, first_ms: Millis(1_000), longest_ms: Millis(20_000) };
        scenario.server.max_msg_size = Some(SMALL_MESSAGE_BYTES);
        scenario.server.idle_ms = Millis::from_secs(3_600);
        scenario
    }

    /// An `Atomic` whose last member fails, between two packages that read. Everything of [`Faults::rough`], and one or
    /// two crashes of server nodes and of the device.
    #[must_use]
    pub fn atomic(seed: u64) -> Self {
        let rough = Faults::rough(seed);
        let faults =
            Faults { server_crashes: 1 + (seed % 2) as u32, device_crashes: 1 + (seed / 2 % 2) as u32, ..rough };
        let last = match seed % 3 {
            // There is no such node, there is one already, and this one is permanent.
            0 => Request::Replace(vec![Entry::text("./Sim/Missing", "x")]),
            1 => Request::Add(vec![Entry::text("./Sim/Run", "x")]),
            _ => Request::Delete(vec!["./DevInfo/Man".into()]),
        };
        let mut members = vec![
            Request::Replace(vec![Entry::text("./Sim/Value", "changed")]),
            Request::Add(vec![Entry::node("./Sim/Sub"), Entry::text("./Sim/Sub/Leaf", "added")]),
            Request::Delete(vec!["./Sim/Old".into()]),
            Request::Copy(vec![Pair { from: "./Sim/Run".into(), to: "./Sim/Copied".into() }]),
        ];
        let first = (seed / 3 % members.len() as u64) as usize;
        members.rotate_left(first);
        members.push(last);
        let members = members.into_iter().enumerate().map(|(n, member)| Order::new(format!("member-{n}"), member));
        let read = |tag: &str| Order::new(tag, Request::Get(vec!["./Sim/Value".into()]));
        let atomic = Order::new("atomic", Request::Atomic(members.collect()));
        Self {
            faults,
            packages: vec![vec![read("before"), atomic], vec![read("after")]],
            tree: tree().and_then(with_something_to_lose).unwrap_or_default(),
            sessions: 2,
            watch: Watch::Whole,
            ..Self::standard(seed)
        }
    }

    /// Ten sessions, some before and some after all faults have healed at 70 minutes. Until then three replies in ten are
    /// lost and one request in ten, copies come up to half an hour late, a server node crashes, and the server's store
    /// goes back twice, by up to eight commits, with its sessions, accounts and orders.
    #[must_use]
    pub fn nonces(seed: u64) -> Self {
        let rough = Faults::rough(seed);
        let link = Link { late: Span::new(0, 30 * MINUTE), ..rough.link };
        let faults = Faults {
            link,
            replies: Some(Link { loss: Permille::new(300), ..link }),
            server_crashes: 1,
            restores: 2,
            server_points: 16,
            ..rough
        };
        let package = |n: u32| vec![Order::new(format!("get-{n}"), Request::Get(vec!["./DevInfo/Man".into()]))];
        Self {
            faults,
            packages: (1..=10).map(package).collect(),
            one_package_each: true,
            sessions: 10,
            pause: Millis(15 * MINUTE),
            heal: Some(Tick(70 * MINUTE)),
            watch: Watch::Nonces,
            ..Self::standard(seed)
        }
    }
}

/// A value that follows from the seed: as text with characters of all lengths and with markup, which a message must
/// write in other ways, or as octets.
fn value(seed: u64, label: &str, format: &Format, bytes: usize) -> Body {
    let pieces = ["a", "Z", "7", " ", "<", "&", "ß", "€", "𝄞", "word ", "\n", "]]>", "\"", "longer text ", "é", "."];
    let mut octets: Vec<u8> = Vec::with_capacity(bytes + 32);
    let mut count = 0u64;
    while octets.len() < bytes {
        let mut hash = Sha256::new();
        hash.update(seed.to_be_bytes());
        hash.update(count.to_be_bytes());
        hash.update(label);
        let drawn = hash.finalize();
        if *format == Format::Chr {
            let piece = |octet: &u8| pieces.get(usize::from(octet % 16)).copied().unwrap_or_default();
            drawn.iter().for_each(|octet| octets.extend_from_slice(piece(octet).as_bytes()));
        } else {
            octets.extend_from_slice(&drawn);
        }
        count += 1;
    }
    // Text ends with a whole character.
    let mut end = bytes;
    while octets.get(end).is_some_and(|octet| *format == Format::Chr && octet & 0xC0 == 0x80) {
        end -= 1;
    }
    octets.truncate(end);
    octets.resize(bytes, b'.');
    octets.into()
}

/// More for an `Atomic` to change than the standard tree has.
fn with_something_to_lose(tree: Memory) -> Result<Memory, dm_core::tree::TreeError> {
    tree.edit()
        .leaf("./Sim/Copied", "as it was")
        .leaf("./Sim/Old/One", "1")
        .leaf("./Sim/Old/Two/Three", "3")
        .acl("Get=*")
        .title("a title")
        .finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_trees_are_as_the_orders_want_them() {
        let tree = Scenario::atomic(0).tree;
        assert_eq!(tree.text("./Sim/Old/Two/Three"), Some("3"));
        let large = Scenario::objects(0).tree.node("./Sim/Large").and_then(|node| node.value().cloned());
        assert_eq!(large.map(|value| value.len()), Some(OBJECT_BYTES));
    }

    #[test]
    fn a_value_follows_from_its_seed_and_is_of_its_format() {
        let text = value(1, "a", &Format::Chr, OBJECT_BYTES);
        assert!(core::str::from_utf8(&text).is_ok() && text.len() == OBJECT_BYTES);
        assert_eq!(text, value(1, "a", &Format::Chr, OBJECT_BYTES));
        assert_ne!(text, value(2, "a", &Format::Chr, OBJECT_BYTES));
        let octets = value(1, "a", &Format::Bin, OBJECT_BYTES);
        assert!(core::str::from_utf8(&octets).is_err() && octets.len() == OBJECT_BYTES);
    }

    #[test]
    fn every_name_has_its_scenario() {
        assert!(Scenario::NAMES.iter().all(|name| Scenario::named(name, 1).is_some()));
        assert!(Scenario::named("other", 1).is_none());
    }
}
