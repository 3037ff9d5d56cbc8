//! A device between two sessions: what sets it apart from all others, and nothing else.

use core_kit::{Body, UnixMillis};
use dm_core::{
    auth::Nonce,
    ids::ServerId,
    tree::{Content, Memory, Op},
    wire::Format,
};

use super::plan::{Plan, SERVER_ID};
use crate::dm::Side;

/// A nonce in few octets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kept {
    /// As they are drawn.
    Drawn([u8; Nonce::DRAWN_BYTES]),
    /// Of another length.
    Other(Box<[u8]>),
}

impl Kept {
    pub(super) fn of(nonce: &Nonce) -> Self {
        let octets = nonce.as_bytes();
        octets.try_into().map_or_else(|_| Self::Other(octets.into()), Self::Drawn)
    }

    pub(super) fn nonce(&self) -> Nonce {
        match self {
            Self::Drawn(octets) => Nonce::new(octets),
            Self::Other(octets) => Nonce::new(octets),
        }
    }

    const fn heap(&self) -> usize {
        match self {
            Self::Drawn(_) => 0,
            Self::Other(octets) => octets.len(),
        }
    }
}

/// Something that the server has done to the tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Change {
    at: UnixMillis,
    what: What,
    uri: Box<str>,
    value: Box<[u8]>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    Add,
    Replace,
    Delete,
}

impl Change {
    /// What an operation that was done has changed for good; nothing where it has not, or where it is none that a fleet's
    /// server orders.
    pub(super) fn of(op: &Op, at: UnixMillis) -> Option<Self> {
        let (what, uri, content) = match op {
            Op::Add { uri, content } => (What::Add, uri, Some(content)),
            Op::Replace { uri, content } => (What::Replace, uri, Some(content)),
            Op::Delete { uri } => (What::Delete, uri, None),
            _ => return None,
        };
        let value = content.and_then(|content| content.data.as_deref()).unwrap_or_default();
        Some(Self { at, what, uri: uri.as_str().into(), value: value.into() })
    }

    fn op(&self) -> Op {
        let uri = String::from(&*self.uri);
        let content = Content {
            format: Some(Format::Chr),
            media_type: Some("text/plain".into()),
            data: Some(Body::from(&*self.value)),
            in_parts: None,
        };
        match self.what {
            What::Add => Op::Add { uri: uri.into(), content },
            What::Replace => Op::Replace { uri: uri.into(), content },
            What::Delete => Op::Delete { uri: uri.into() },
        }
    }
}

/// A device that has had a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Folded {
    /// The last nonces: its own, and the server's.
    pub(super) nonces: [Kept; 2],
    /// What sets its tree apart from that of all devices, as it came about.
    pub(super) changes: Box<[Change]>,
}

impl Folded {
    /// Octets of it all.
    pub(super) fn octets(&self) -> usize {
        let nonces: usize = self.nonces.iter().map(Kept::heap).sum();
        let changes = self.changes.iter().map(|change| size_of::<Change>() + change.uri.len() + change.value.len());
        size_of::<Self>() + nonces + changes.sum::<usize>()
    }

    /// The nonce of one side.
    pub(super) fn nonce(&self, side: Side) -> Nonce {
        self.nonces.get(side.index()).map(Kept::nonce).unwrap_or_default()
    }
}

/// The tree of a device: that of all of them, with its own name and whatever the server has done to it.
pub(super) fn unfold(plan: &Plan, device: u32, changes: &[Change]) -> Memory {
    let mut tree = plan.tree.clone();
    // The node is there, and any text is a name.
    let _ = tree.set_value("./DevInfo/DevId", plan.name_of(device));
    let server = ServerId::from(SERVER_ID);
    for change in changes {
        tree.tell_time(change.at);
        let _ = tree.apply_one(&server, &change.op());
    }
    tree
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dm::Fleet;

    #[test]
    fn a_tree_that_was_folded_is_the_same_tree() {
        let plan = Plan::new(&Fleet::new(1), 40, 10);
        let server = ServerId::from(SERVER_ID);
        let mut tree = unfold(&plan, 3, &[]);
        assert_eq!(tree.text("./DevInfo/DevId"), Some("IMEI:490000000000043"));
        let content = |text: &str| Content {
            format: Some(Format::Chr),
            media_type: Some("text/plain".into()),
            data: Some(text.as_bytes().into()),
            in_parts: None,
        };
        let ops = [
            Op::Add { uri: "./Sim/Added".into(), content: content("first") },
            Op::Replace { uri: "./Sim/Value".into(), content: content("second") },
            Op::Get { uri: "./Sim/Value".into() },
            Op::Replace { uri: "./Sim/Value".into(), content: content("third") },
            Op::Delete { uri: "./Sim/Added".into() },
        ];
        let mut changes = Vec::new();
        for (at, op) in ops.iter().enumerate() {
            let at = UnixMillis(1_000 + at as u64);
            tree.tell_time(at);
            assert!(tree.apply_one(&server, op).status.is_success(), "{op:?}");
            changes.extend(Change::of(op, at));
        }
        let mut again = unfold(&plan, 3, &changes);
        again.tell_time(UnixMillis(1_004));
        assert_eq!((changes.len(), again), (4, tree));
    }

    #[test]
    fn a_nonce_of_any_length_is_kept() {
        for octets in [&b"0123456789abcdef"[..], b"", b"a longer one than those that are drawn"] {
            let nonce = Nonce::new(octets);
            assert_eq!(Kept::of(&nonce).nonce(), nonce);
        }
    }
}
