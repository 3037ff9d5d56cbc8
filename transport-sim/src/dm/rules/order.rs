//! D27: what is in a sequence is done in its order.

use std::collections::BTreeMap;

use dm_core::wire::Command;

use super::{Side, Sight, Stage, Watcher, each_command, items_of};
use crate::{
    Ledger, NodeId, Rule, RuleId,
    dm::{Fact, OpKind, Services},
};

/// D27.
pub const IN_ORDER: Rule = Rule {
    id: RuleId("D27"),
    says: "the members of a Sequence are carried out in their order, each after the one before",
};

/// Of each device's last message what it says to do, where there is a sequence in it, and how far that is done.
#[derive(Default)]
pub(super) struct Order {
    members: BTreeMap<NodeId, (Vec<(OpKind, String)>, usize)>,
}

impl Watcher for Order {
    fn rules(&self) -> &'static [Rule] {
        &[IN_ORDER]
    }

    fn delivered(&mut self, _: &Stage, sight: &Sight<'_>, _: &mut Ledger) {
        if sight.side == Side::Client || !sight.taken {
            return;
        }
        let commands = &sight.message.commands;
        if !commands.iter().any(|command| matches!(command, Command::Sequence(_))) {
            self.members.remove(&sight.key.device);
            return;
        }
        // What is around a sequence is done in the order of the message as well.
        let mut members = Vec::new();
        each_command(commands, &mut |command| {
            let Some((kind, items)) = items_of(command) else { return };
            members.extend(items.iter().filter_map(|item| Some((kind, item.target_uri()?.to_owned()))));
        });
        self.members.insert(sight.key.device, (members, 0));
    }

    fn noted(&mut self, _: &Stage, node: NodeId, fact: &Fact, _: &Services, ledger: &mut Ledger) {
        if let Fact::Forgot { .. } = fact {
            // It may do again what an earlier message says.
            self.members.remove(&node);
        }
        let Fact::Executed { kind, uri, .. } = fact else { return };
        let Some((members, next)) = self.members.get_mut(&node) else { return };
        let place = members.iter().skip(*next).position(|(of, at)| of == kind && at == uri);
        ledger.judge(IN_ORDER, place.is_some(), || format!("{} {uri} is done after what comes later", kind.name()));
        *next += place.map_or(0, |place| place + 1);
    }
}
