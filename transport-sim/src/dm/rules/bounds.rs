//! D45, D46 and D47: input of any kind costs what it is worth, and the calendar decides nothing.
//!
//! From outside a panic is the end of the world, and a loop is one that does not end, so neither needs a rule. What can
//! be watched is that little input does not become much output or much work.

use std::collections::{BTreeMap, BTreeSet};

use core_kit::{Millis, Tick};
use dm_core::session::Outcome;

use super::{Key, Side, Sight, Stage, Watcher, step_of};
use crate::{
    FaultId, Ledger, NodeId, Rule, RuleId,
    dm::{Fact, Services},
};

/// D45, as far as it shows.
pub const OUTPUT: Rule = Rule {
    id: RuleId("D45"),
    says: "a party sends no more than a constant, and a constant for each octet that it got",
};
/// D46, as far as it shows.
pub const WORK: Rule =
    Rule { id: RuleId("D46"), says: "a tree does no more for a message than a constant for each octet of it" };
/// D47.
pub const CLOCKS: Rule = Rule {
    id: RuleId("D47"),
    says: "a session whose device's calendar is set ends neither before its timer nor never",
};

/// Octets that a party may send in a session on its own account: orders, values, device information.
const OUTPUT_BASE: u64 = 256 * 1024;
/// Octets for each one that came.
const OUTPUT_RATE: u64 = 16;
/// The shortest command that makes a tree do something takes about so many octets.
const COMMAND_BYTES: u64 = 60;
/// What a tree does for a message of no length.
const WORK_BASE: u64 = 8;
/// How long a client waits for a reply before it does anything else, by a clock that may drift by a twentieth.
const PATIENCE: Millis = Millis(57_000);
/// The longest that a session may be silent: all tries, with their waits, and the longest crash.
const SILENCE_MAX: Millis = Millis(15 * 60_000);

#[derive(Default)]
pub(super) struct Bounds {
    got: BTreeMap<(Key, Side), u64>,
    sent: BTreeMap<(Key, Side), u64>,
    /// Octets of each device's last message, and what the tree did for it.
    work: BTreeMap<NodeId, (u64, u64)>,
    /// When each device sent something last.
    spoke: BTreeMap<NodeId, Tick>,
    stepped: BTreeSet<NodeId>,
    /// Devices that stood still or were down in their session, each for a time that no timer of theirs knows.
    stood: BTreeSet<NodeId>,
}

impl Watcher for Bounds {
    fn rules(&self) -> &'static [Rule] {
        &[OUTPUT, WORK, CLOCKS]
    }

    fn sent(&mut self, stage: &Stage, sight: &Sight<'_>, ledger: &mut Ledger) {
        let (octets, own) = (sight.body.len() as u64, (sight.key, sight.side));
        if sight.side == Side::Client {
            self.spoke.insert(sight.key.device, stage.now);
        }
        if !sight.is_judged() {
            return;
        }
        let sent = self.sent.entry(own).or_default();
        *sent += octets;
        let got = self.got.get(&own).copied().unwrap_or_default();
        ledger.judge(OUTPUT, *sent <= OUTPUT_BASE + OUTPUT_RATE * got, || {
            format!("{:?} has sent {sent} octets for {got}", sight.side)
        });
    }

    fn struck(&mut self, _: &Stage, fault: FaultId, node: NodeId) {
        match fault {
            FaultId::F36 | FaultId::F37 | FaultId::F38 => _ = self.stepped.insert(node),
            FaultId::F22 | FaultId::F27 => _ = self.stood.insert(node),
            _ => {}
        }
    }

    fn delivered(&mut self, _: &Stage, sight: &Sight<'_>, _: &mut Ledger) {
        let octets = sight.body.len() as u64;
        *self.got.entry((sight.key, sight.side.peer())).or_default() += octets;
        if sight.side == Side::Server && sight.taken {
            self.work.insert(sight.key.device, (octets, 0));
        }
    }

    fn noted(&mut self, stage: &Stage, node: NodeId, fact: &Fact, _: &Services, ledger: &mut Ledger) {
        match fact {
            Fact::Stepped(_) if step_of(fact).is_some() => {
                let Some((octets, steps)) = self.work.get_mut(&node) else { return };
                *steps += 1;
                let most = WORK_BASE + *octets / COMMAND_BYTES;
                ledger.judge(WORK, *steps <= most, || format!("{steps} operations for {octets} octets"));
            }
            // It does again what an earlier message says.
            Fact::Forgot { .. } => {
                self.work.remove(&node);
                // Nor has a session that it takes up again heard of what was said since.
                self.stepped.remove(&node);
            }
            Fact::Began(_) => {
                self.stepped.remove(&node);
                self.stood.remove(&node);
            }
            Fact::ClockSet(_) => _ = self.stepped.insert(node),
            Fact::ClientEnded(_, outcome) if self.stepped.remove(&node) => {
                let silent = self.spoke.get(&node).map_or(0, |spoke| stage.now.0.saturating_sub(spoke.0));
                let is_early = *outcome == Outcome::TimedOut && silent < PATIENCE.0;
                let is_late = silent > SILENCE_MAX.0 && !self.stood.contains(&node);
                ledger.judge(CLOCKS, !is_early && !is_late, || {
                    format!("a session is {} after a silence of {silent} ms", outcome.name())
                });
            }
            _ => {}
        }
    }
}
