//! D05: one message at a time.

use std::collections::BTreeMap;

use dm_core::{
    codes::AlertCode,
    ids::MsgId,
    wire::{Command, Message},
};

use super::{Key, Side, Sight};
use crate::{Ledger, Rule, RuleId};

/// D05.
pub const HALF_DUPLEX: Rule =
    Rule { id: RuleId("D05"), says: "a party sends nothing new while its last message is unanswered" };

/// The last message of each side that was not answered yet.
#[derive(Default)]
pub(super) struct Duplex {
    unanswered: BTreeMap<(Key, Side), MsgId>,
}

impl Duplex {
    pub(super) fn sent(&mut self, sight: &Sight<'_>, ledger: &mut Ledger) {
        let new = sight.message.header.msg_id;
        // Who gives up does not wait.
        if !sight.first || gives_up(sight.message) {
            return;
        }
        let before = self.unanswered.insert((sight.key.clone(), sight.side), new);
        ledger.judge(HALF_DUPLEX, before.is_none(), || {
            format!("{:?} sends message {new} with {} unanswered", sight.side, before.unwrap_or_default())
        });
    }

    /// What answers a message says so in its status for the header.
    pub(super) fn delivered(&mut self, sight: &Sight<'_>) {
        let answered = sight.message.commands.iter().find_map(|command| match command {
            Command::Status(status) if status.is_for_header() => Some(status.msg_ref),
            _ => None,
        });
        let waiting = (sight.key.clone(), sight.side.peer());
        if answered.is_some() && self.unanswered.get(&waiting).copied() == answered {
            self.unanswered.remove(&waiting);
        }
    }
}

fn gives_up(message: &Message) -> bool {
    let abort =
        |command: &Command| matches!(command, Command::Alert(alert) if alert.code == Some(AlertCode::SESSION_ABORT));
    message.commands.iter().any(abort)
}
