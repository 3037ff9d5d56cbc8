//! D29 and D30: what is done once stays done once, and what is said again is said in the same words.

use std::collections::{BTreeMap, BTreeSet};

use dm_core::auth::Scheme;

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
            // What is ordered of a device that has a copy is done by one of the two.
            if devices.iter().any(|(other, one)| other < node && one.device == watched.device) {
                continue;
            }
            let orders = watched.towards.iter().flat_map(|towards| &towards.orders);
            for (kind, uri) in orders.flat_map(operations) {
                *left.entry((*node, kind, uri.to_owned())).or_default() += 1;
            }
        }
        Self { left }
    }

    fn may_all(&mut self, node: NodeId, sight: &Sight<'_>) {
        each_command(&sight.message.commands, &mut |command| {
            let Some((kind, items)) = items_of(command) else { return };
            for uri in items.iter().filter_map(|item| item.target_uri()) {
                self.may(node, kind, uri);
            }
        });
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
        self.may_all(stage.original(sight.key.device), sight);
    }

    /// What was changed on its way is done as it comes, where no seal says that somebody has changed it.
    fn delivered(&mut self, stage: &Stage, sight: &Sight<'_>, _: &mut Ledger) {
        let is_sealed = stage.towards(sight.key).is_some_and(|one| one.server.scheme == Scheme::Mac);
        if sight.side == Side::Server && sight.is_altered && sight.taken && !is_sealed {
            self.may_all(stage.original(sight.key.device), sight);
        }
    }

    fn noted(&mut self, stage: &Stage, node: NodeId, fact: &Fact, _: &Services, ledger: &mut Ledger) {
        let service = stage.servers.get(&node).copied();
        let node = stage.original(node);
        match fact {
            // What a device has not done any more it may do again: only its disk could have kept it from that.
            Fact::Forgot { undone, .. } => undone.iter().for_each(|done| self.may(node, done.kind, &done.uri)),
            // What a server does not know to have handed out it hands out again.
            Fact::Restored { again, .. } => {
                for (device, tag) in again {
                    let towards = stage.devices.get(device).into_iter().flat_map(|watched| &watched.towards);
                    let orders = towards.filter(|towards| towards.service == service).flat_map(|one| &one.orders);
                    for (kind, uri) in orders.filter(|order| order.tag == *tag).flat_map(operations) {
                        self.may(*device, kind, uri);
                    }
                }
            }
            _ => {}
        }
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
                    || stage.session(sight.key).is_none_or(|session| session.is_reopened || session.is_in_doubt)
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
