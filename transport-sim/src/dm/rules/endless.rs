//! D07: who never comes to an end is cut off.

use std::collections::BTreeMap;

use dm_core::{
    codes::AlertCode,
    limits::SessionLimits,
    wire::{Command, Message},
};

use super::{Key, Side, Sight, Stage, Watcher, opens};
use crate::{Ledger, Rule, RuleId};

/// D07.
pub const ENDLESS: Rule =
    Rule { id: RuleId("D07"), says: "messages that bring nothing and end no package are not answered for ever" };

/// So many in a row are answered at most: the configured count, the first that is beyond it, and one to say so.
const ANSWERED_MAX: u32 = SessionLimits::DEFAULT.open_messages_max + 2;

/// How often a side has answered empty messages in a row with nothing, by who sent those. What it has refused or never got
/// it has not answered, however much there is of it.
#[derive(Default)]
pub(super) struct Endless {
    answered: BTreeMap<(Key, Side), u32>,
}

impl Watcher for Endless {
    fn rules(&self) -> &'static [Rule] {
        &[ENDLESS]
    }

    /// A session may be opened more than once by whoever shows no digest.
    fn delivered(&mut self, _: &Stage, sight: &Sight<'_>, _: &mut Ledger) {
        if sight.side == Side::Client && opens(sight.message) {
            self.answered.retain(|(key, _), _| *key != sight.key);
        }
    }

    fn sent(&mut self, stage: &Stage, sight: &Sight<'_>, ledger: &mut Ledger) {
        if !sight.first || stage.is_in_doubt(sight.key) {
            return;
        }
        let empty = brings_nothing(sight.message);
        let other = (sight.key, sight.side.peer());
        match self.answered.get_mut(&other) {
            Some(count) if empty && sight.is_real => {
                *count += 1;
                ledger.judge(ENDLESS, *count <= ANSWERED_MAX, || {
                    format!("{:?} answers the {count}th message that brings nothing", sight.side)
                });
            }
            Some(count) if !empty => *count = 0,
            _ => {}
        }
        let own = (sight.key, sight.side);
        if empty && !sight.message.is_final {
            self.answered.entry(own).or_default();
        } else {
            self.answered.remove(&own);
        }
    }
}

/// Whether there are only statuses in it, and alerts that ask for the next message.
fn brings_nothing(message: &Message) -> bool {
    message.commands.iter().all(|command| match command {
        Command::Status(_) => true,
        Command::Alert(alert) => alert.code == Some(AlertCode::NEXT_MESSAGE),
        _ => false,
    })
}
