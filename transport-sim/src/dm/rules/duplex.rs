//! D05: one message at a time.

use std::collections::{BTreeMap, BTreeSet};

use dm_core::{ids::MsgId, wire::Command};

use super::{Key, Side, Sight, Stage, Watcher, gives_up};
use crate::{Ledger, Rule, RuleId};

/// D05.
pub const HALF_DUPLEX: Rule =
    Rule { id: RuleId("D05"), says: "a party sends nothing new while its last message is unanswered" };

/// The last message of each side that was not answered yet.
#[derive(Default)]
pub(super) struct Duplex {
    unanswered: BTreeMap<(Key, Side), MsgId>,
    /// Those whose peer has given the session up: it may not have waited for what it is answered now.
    given_up: BTreeSet<(Key, Side)>,
}

impl Watcher for Duplex {
    fn rules(&self) -> &'static [Rule] {
        &[HALF_DUPLEX]
    }

    fn sent(&mut self, stage: &Stage, sight: &Sight<'_>, ledger: &mut Ledger) {
        let new = sight.msg_id();
        // Who gives up does not wait.
        if !sight.first
            || !sight.is_real
            || stage.watched(sight.key).is_none()
            || gives_up(sight.message)
            || stage.is_in_doubt(sight.key)
            || self.given_up.contains(&(sight.key, sight.side))
        {
            return;
        }
        let before = self.unanswered.insert((sight.key, sight.side), new);
        if sight.is_altered {
            // It takes the place of the same message as it was.
            return;
        }
        let is_altered = stage.session(sight.key).is_some_and(|session| session.is_altered);
        ledger.judge(HALF_DUPLEX, before.is_none() || is_altered, || {
            format!("{:?} sends message {new} with {} unanswered", sight.side, before.unwrap_or_default())
        });
    }

    /// What answers a message says so in its status for the header.
    fn delivered(&mut self, _: &Stage, sight: &Sight<'_>, _: &mut Ledger) {
        let answered = sight.message.commands.iter().find_map(|command| match command {
            Command::Status(status) if status.is_for_header() => Some(status.msg_ref),
            _ => None,
        });
        let waiting = (sight.key, sight.side.peer());
        if gives_up(sight.message) {
            self.given_up.insert(waiting);
        }
        // Who is given up has no answer to wait for.
        if gives_up(sight.message) || answered.is_some() && self.unanswered.get(&waiting).copied() == answered {
            self.unanswered.remove(&waiting);
        }
    }
}
