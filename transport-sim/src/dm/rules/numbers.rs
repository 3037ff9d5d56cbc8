//! D04: numbers of messages and commands.

use std::collections::{BTreeMap, BTreeSet};

use dm_core::{
    ids::{CmdId, MsgId},
    wire::Command,
};

use super::{Key, Side, Sight, Stage, Watcher};
use crate::{Ledger, Rule, RuleId};

/// D04.
pub const NUMBERS: Rule = Rule {
    id: RuleId("D04"),
    says: "a sender's messages are numbered 1, 2, 3 in a session, its commands uniquely and not with 0 in a message",
};

#[derive(Default)]
pub(super) struct Numbers {
    /// With whether it was changed on its way, so that it may come once more as it was.
    last: BTreeMap<(Key, Side), (MsgId, bool)>,
}

impl Watcher for Numbers {
    fn rules(&self) -> &'static [Rule] {
        &[NUMBERS]
    }

    fn sent(&mut self, stage: &Stage, sight: &Sight<'_>, ledger: &mut Ledger) {
        if !sight.first || !sight.is_real || stage.watched(sight.key).is_none() || stage.is_in_doubt(sight.key) {
            return;
        }
        let (side, found) = (sight.side, sight.message.header.msg_id);
        let (last, was_altered) = self.last.entry((sight.key, side)).or_default();
        let (expected, again) = (last.next(), *was_altered && found == *last);
        (*last, *was_altered) = (found.max(*last), sight.is_altered);
        if sight.is_altered {
            return;
        }
        // The answer to what was changed may never have left its node; that to the message as it was is the next one.
        let is_altered = stage.session(sight.key).is_some_and(|session| session.is_altered);
        // Nor will a reply that was stored and never left, when its client has given up: it comes with no repetition.
        let has_given_up = stage.session(sight.key).is_some_and(|session| session.client.is_some());
        let goes_on = found > expected && side == Side::Server && has_given_up;
        ledger.judge(NUMBERS, found == expected || again || goes_on || is_altered, || {
            format!("{side:?} sends message {found}, expected {expected}")
        });
        let mut seen = BTreeSet::new();
        let unusable = first_unusable(&sight.message.commands, &mut seen);
        ledger.judge(NUMBERS, unusable.is_none(), || {
            format!("{side:?} numbers a command of message {found} {:?}", unusable.as_ref().map(CmdId::as_str))
        });
    }
}

/// The first identifier that is missing, `0`, or there already; a missing one as the empty one.
fn first_unusable<'a>(commands: &'a [Command], seen: &mut BTreeSet<&'a CmdId>) -> Option<CmdId> {
    commands.iter().find_map(|command| match command.cmd_id() {
        None => Some(CmdId::default()),
        Some(id) if id.is_header() || id.as_str().is_empty() || !seen.insert(id) => Some(id.clone()),
        Some(_) => first_unusable(command.inner(), seen),
    })
}
