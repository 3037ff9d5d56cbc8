//! What the rules of sessions ask a world.

use core_kit::Millis;
use dm_core::{
    auth::{CredentialHash, Nonce},
    ids::ServerId,
    tree::{Memory, Right},
};

use crate::{
    NodeId,
    dm::{OpKind, Side},
};

/// A world with DM sessions, as [`SessionRules`](super::SessionRules) look at it: what its nodes have in common knows who is
/// who, what was agreed on, and what is stored.
///
/// A device is a number, from 0 on and without large gaps. A node may be another device from one session to the next, once
/// no message of the last session can come any more; what is stored of the device that it was stays.
pub trait SessionWorld {
    /// The device that a node is now; nothing for a node of the server.
    fn device_at(&self, node: NodeId) -> Option<u32>;

    /// How long after the end of a session something of it may still come, or be noted. Its rules are judged for good after
    /// that.
    fn linger(&self) -> Millis;

    /// What the credentials of a side are made of but for the nonce: of the device towards the server, or of the server
    /// towards the device.
    fn credential(&self, device: u32, side: Side) -> CredentialHash;

    /// The nonce that a side has before the first session of the device.
    fn first_nonce(&self, device: u32, side: Side) -> Nonce;

    /// Where an order stands, by its place in the list that the rules were given, and whether it waits to be handed out.
    /// Nothing where the device has never come, or is not to get that order.
    fn standing(&self, device: u32, order: usize) -> Option<(Standing, bool)>;

    /// Everything that the store has been told of values, by order: [`value_hash`](super::value_hash) of each.
    fn values_read(&self, device: u32) -> impl Iterator<Item = (usize, u64)>;

    /// Sessions that somebody is to wake: none when a run is over.
    fn sessions_to_wake(&self) -> usize;
}

/// Where an order is, as a store has it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Standing {
    /// It waits for a session.
    #[default]
    Queued,
    /// A session has it.
    HandedOut,
    /// The device answered it.
    Done,
    /// It was sent, and whether it was carried out will not be known.
    Unknown,
    /// It cannot be sent.
    Refused,
}

/// Something that devices are ordered to do, each once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionOrder {
    /// What.
    pub kind: OpKind,
    /// To which node.
    pub uri: &'static str,
    /// Whether the server may.
    pub permitted: bool,
}

impl SessionOrder {
    /// An order by this server to devices with this tree. Whether the lists allow it is found by a plain walk, which is not
    /// how a tree finds it.
    #[must_use]
    pub fn on(tree: &Memory, server: &ServerId, kind: OpKind, uri: &'static str) -> Self {
        let mut node = tree.root();
        let mut acl = node.acl();
        for name in uri.split('/').skip(1) {
            let Some(child) = node.child(name) else { break };
            node = child;
            if !child.acl().is_empty() {
                acl = child.acl();
            }
        }
        let right = match kind {
            OpKind::Get => Right::Get,
            OpKind::Add => Right::Add,
            OpKind::Replace | OpKind::Copy => Right::Replace,
            OpKind::Delete => Right::Delete,
            OpKind::Exec => Right::Exec,
        };
        Self { kind, uri, permitted: acl.allows(right, server) }
    }
}

/// The place of the order that does this.
pub(super) fn order_of(orders: &[SessionOrder], kind: OpKind, uri: &str) -> Option<usize> {
    orders.iter().position(|known| known.kind == kind && known.uri == uri)
}
