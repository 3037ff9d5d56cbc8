//! D29 and D30: what is done once stays done once, and what is said again is said in the same words.

use std::collections::{BTreeMap, BTreeSet};

use super::{Key, Side, Sight, Stage, Watched, Watcher, each_command, items_of, operations};
use crate::{
    Channel, Ledger, NodeId, Rule, RuleId,
    dm::{Fact, OpKind, Services},
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
            let orders = watched.towards.iter().flat_map(|towards| &towards.orders);
            for (kind, uri) in orders.flat_map(operations) {
                *left.entry((*node, kind, uri.to_owned())).or_default() += 1;
            }
        }
        Self { left }
    }

    fn may(&mut self, node: NodeId, kind: OpKind, uri: &str) {
        *self.left.entry((node, kind, uri.to_owned())).or_default() += 1;
    }
}

impl Watcher for Once {
    fn rules(&self) -> &'static [Rule] {
        &[ONCE]
    }

    /// What a script wants may be done once for each message that it sends.
    fn sent(&mut self, stage: &Stage, sight: &Sight<'_>, _: &mut Ledger) {
        if sight.side == Side::Client
            || !sight.first
            || stage.towards(sight.key).is_none_or(|one| one.service.is_some())
        {
            return;
        }
        let node = sight.key.device;
        each_command(&sight.message.commands, &mut |command| {
            let Some((kind, items)) = items_of(command) else { return };
            for uri in items.iter().filter_map(|item| item.target_uri()) {
                self.may(node, kind, uri);
            }
        });
    }

    fn noted(&mut self, _: &Stage, node: NodeId, fact: &Fact, _: &Services, ledger: &mut Ledger) {
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
    asked: BTreeMap<Channel, (NodeId, u64)>,
    /// By device, service and request.
    replied: BTreeMap<(NodeId, usize, u64), u64>,
    /// Of a session that nobody stored nothing is known when its message comes again.
    stored: BTreeSet<Key>,
}

impl Watcher for Repeats {
    fn rules(&self) -> &'static [Rule] {
        &[REPEATS]
    }

    fn sent(&mut self, stage: &Stage, sight: &Sight<'_>, ledger: &mut Ledger) {
        let device = sight.key.device;
        match sight.side {
            Side::Client => _ = self.asked.insert(sight.channel, (device, sight.hash)),
            Side::Server => {
                let Some((device, request)) = self.asked.get(&sight.channel).copied() else { return };
                let request = (device, stage.servers.get(&sight.server).copied().unwrap_or_default(), request);
                // A reply that was changed on its way is another one; so is that of a session that was begun anew.
                if !sight.is_real
                    || sight.is_altered
                    || stage.session(sight.key).is_none_or(|session| session.is_reopened)
                {
                    return;
                }
                match self.replied.get(&request) {
                    Some(before) => {
                        ledger
                            .judge(REPEATS, *before == sight.hash, || format!("message {} is another", sight.msg_id()));
                    }
                    None if self.stored.contains(&sight.key) => _ = self.replied.insert(request, sight.hash),
                    None => {}
                }
            }
        }
    }

    fn noted(&mut self, stage: &Stage, node: NodeId, fact: &Fact, _: &Services, _: &mut Ledger) {
        if let Fact::Committed { device, session, .. } = fact {
            self.stored.extend(stage.told_by(node, *device, session));
        }
    }
}
