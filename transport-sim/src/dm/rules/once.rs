//! D29 and D30: what is done once stays done once, and what is said again is said in the same words.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::{Side, Watched, operations};
use crate::{
    Channel, Ledger, Message, NodeId, Rule, RuleId,
    dm::{Fact, OpKind},
};

/// D29.
pub const ONCE: Rule =
    Rule { id: RuleId("D29"), says: "what changes a tree, or runs in it, is done at most as often as it was ordered" };
/// D30.
pub const REPEATS: Rule = Rule { id: RuleId("D30"), says: "the same request gets the same reply, byte for byte" };

/// What may still be done, by device, kind and node.
pub(super) struct Once {
    left: BTreeMap<(NodeId, OpKind, String), u32>,
}

impl Once {
    pub(super) fn new(devices: &BTreeMap<NodeId, Watched>) -> Self {
        let mut left = BTreeMap::new();
        for (node, watched) in devices {
            for (kind, uri) in watched.orders.iter().flat_map(operations) {
                *left.entry((*node, kind, uri.to_owned())).or_default() += 1;
            }
        }
        Self { left }
    }

    pub(super) fn noted(&mut self, node: NodeId, fact: &Fact, ledger: &mut Ledger) {
        let Fact::Executed { kind, uri, .. } = fact else { return };
        if *kind == OpKind::Get {
            return;
        }
        let left = self.left.get_mut(&(node, *kind, uri.clone()));
        let may = left.as_ref().is_some_and(|left| **left > 0);
        if let Some(left) = left {
            *left = left.saturating_sub(1);
        }
        ledger.judge(ONCE, may, || format!("{} {uri} is done more often than it was ordered", kind.name()));
    }
}

/// The request on each channel, and the reply to each request.
#[derive(Default)]
pub(super) struct Repeats {
    asked: BTreeMap<Channel, (NodeId, Bytes)>,
    replied: BTreeMap<(NodeId, Bytes), Bytes>,
}

impl Repeats {
    pub(super) fn sent(&mut self, device: NodeId, side: Side, sent: &Message, ledger: &mut Ledger) {
        match side {
            Side::Client => _ = self.asked.insert(sent.channel, (device, sent.bytes.clone())),
            Side::Server => {
                let Some(request) = self.asked.get(&sent.channel) else { return };
                match self.replied.get(request) {
                    Some(before) => {
                        ledger.judge(REPEATS, *before == sent.bytes, || format!("message {} is another", sent.number));
                    }
                    None => _ = self.replied.insert(request.clone(), sent.bytes.clone()),
                }
            }
        }
    }
}
