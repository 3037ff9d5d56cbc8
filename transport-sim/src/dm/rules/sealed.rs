//! D19: what was changed on its way is not done, not even in part.

use std::collections::BTreeMap;

use dm_core::{auth::Scheme, ids::MsgId, wire::Command};

use super::{Key, Proof, Side, Sight, Stage, Watcher};
use crate::{
    Ledger, NodeId, Rule, RuleId,
    dm::{Fact, Services},
};

/// D19.
pub const SEALED: Rule = Rule {
    id: RuleId("D19"),
    says: "of a message whose seal is broken nothing is done, and each of its commands is refused",
};

/// Messages with a broken seal, by receiver, until they are answered.
#[derive(Default)]
pub(super) struct Sealed {
    broken: BTreeMap<(Key, Side), MsgId>,
    believed: BTreeMap<(Key, Side), MsgId>,
}

impl Watcher for Sealed {
    fn rules(&self) -> &'static [Rule] {
        &[SEALED]
    }

    fn delivered(&mut self, stage: &Stage, sight: &Sight<'_>, _: &mut Ledger) {
        let Some(towards) = stage.towards(sight.key).filter(|towards| towards.service.is_some()) else { return };
        let account = if sight.side == Side::Client { &towards.client } else { &towards.server };
        if account.scheme != Scheme::Mac || !sight.taken {
            return;
        }
        let (receiver, msg_id) = ((sight.key, sight.side.peer()), sight.msg_id());
        if sight.proof.is_good() {
            self.broken.remove(&receiver);
            self.believed.insert(receiver, msg_id);
        } else if sight.proof == Proof::Wrong && self.believed.get(&receiver).is_none_or(|last| *last < msg_id) {
            self.broken.insert(receiver, msg_id);
        }
    }

    fn noted(&mut self, stage: &Stage, node: NodeId, fact: &Fact, _: &Services, ledger: &mut Ledger) {
        if let Fact::Forgot { .. } = fact {
            // It may do again what an earlier message says.
            self.broken.retain(|(key, receiver), _| key.device != node || *receiver == Side::Server);
        }
        if let Fact::Executed { kind, uri, .. } = fact
            && let Some(key) = stage.current(node)
            && self.broken.contains_key(&(key, Side::Client))
        {
            ledger.judge(SEALED, false, || format!("{} {uri} is done of a message with a broken seal", kind.name()));
        }
    }

    fn sent(&mut self, _: &Stage, sight: &Sight<'_>, ledger: &mut Ledger) {
        if !sight.is_judged() {
            return;
        }
        let Some(msg_id) = self.broken.remove(&(sight.key, sight.side)) else { return };
        let done = sight.message.commands.iter().find_map(|command| match command {
            Command::Status(status) if status.msg_ref == msg_id && status.code.is_success() => {
                Some(status.cmd.as_str())
            }
            _ => None,
        });
        ledger.judge(SEALED, done.is_none(), || {
            format!("{:?} says that {} of message {msg_id} is done", sight.side, done.unwrap_or_default())
        });
    }
}
