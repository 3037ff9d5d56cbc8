//! D25, D26 and D28: all or nothing.

use std::{collections::BTreeMap, sync::Arc};

use dm_core::{
    codes::StatusCode,
    session::Outcome,
    tree::{Memory, Op},
    wire::Command,
};

use super::{Key, Side, Sight, Stage, WHOLE, Watcher, each_command, step_of};
use crate::{
    Ledger, NodeId, Rule, RuleId,
    dm::{Fact, Services},
};

/// D26.
pub const STUCK: Rule = Rule {
    id: RuleId("D26"),
    says: "an Atomic that cannot be undone is reported as failed, with 516 for what stays done",
};
/// D28.
pub const NOT_INSIDE: Rule =
    Rule { id: RuleId("D28"), says: "no Get, no Exec and no Atomic in an Atomic is carried out" };

/// How the `Atomic`s of a session ended in the tree, and what the device says of them. It may take several messages to
/// say it.
#[derive(Default)]
struct Counts {
    done: u32,
    said: u32,
    stuck: bool,
}

/// What the trees of devices did in the session that goes on.
#[derive(Default)]
pub(super) struct Atomics {
    /// The trees as they were when the open `Atomic` began.
    begun: BTreeMap<NodeId, Arc<Memory>>,
    sessions: BTreeMap<NodeId, Counts>,
    /// Devices whose server's message has something in an `Atomic` that may not be there.
    tempted: BTreeMap<NodeId, Key>,
}

impl Watcher for Atomics {
    fn rules(&self) -> &'static [Rule] {
        &[WHOLE, STUCK, NOT_INSIDE]
    }

    fn delivered(&mut self, _: &Stage, sight: &Sight<'_>, _: &mut Ledger) {
        if sight.side == Side::Client || !sight.taken {
            return;
        }
        let may_not = |command: &Command| matches!(command, Command::Get(_) | Command::Exec(_) | Command::Atomic(_));
        each_command(&sight.message.commands, &mut |command| {
            if let Command::Atomic(block) = command
                && block.commands.iter().any(may_not)
            {
                self.tempted.insert(sight.key.device, sight.key);
            }
        });
    }

    fn noted(&mut self, _: &Stage, node: NodeId, fact: &Fact, _: &Services, ledger: &mut Ledger) {
        match fact {
            Fact::Began(_) | Fact::Forgot { .. } => {
                self.begun.remove(&node);
                self.sessions.remove(&node);
            }
            Fact::ClientEnded(_, Outcome::Completed) => {
                let stuck = self.sessions.get(&node).is_some_and(|counts| counts.stuck);
                if stuck {
                    ledger.judge(STUCK, false, || format!("device {node} does not say that something stays done"));
                }
            }
            _ => {}
        }
        let Some(step) = step_of(fact) else { return };
        let is_done = step.result.status.is_success();
        match &step.op {
            Op::Begin if is_done => _ = self.begun.insert(node, Arc::clone(&step.before)),
            Op::Commit if is_done => {
                self.begun.remove(&node);
                self.sessions.entry(node).or_default().done += 1;
            }
            Op::RollBack => {
                let Some(begun) = self.begun.remove(&node) else { return };
                if step.result.status == StatusCode::ROLL_BACK_FAILED {
                    // Where its first command failed there is nothing that stays done.
                    self.sessions.entry(node).or_default().stuck = begun.root() != step.after.root();
                } else {
                    let same = begun.root() == step.after.root();
                    ledger.judge(WHOLE, same, || format!("device {node} has another tree than before the Atomic"));
                }
            }
            Op::Get { .. } | Op::Exec { .. } => {
                let inside = step.before.is_open();
                if inside {
                    ledger.judge(NOT_INSIDE, false, || format!("{} in an Atomic", step.name()));
                }
            }
            _ => {}
        }
    }

    fn sent(&mut self, stage: &Stage, sight: &Sight<'_>, ledger: &mut Ledger) {
        if sight.side == Side::Server {
            return;
        }
        let node = sight.key.device;
        if !sight.is_judged() {
            // Whoever goes on from an earlier record undoes the same `Atomic` and says the same octets once more.
            let stays = |command: &Command| match command {
                Command::Status(status) => status.code == StatusCode::ROLL_BACK_FAILED && status.cmd != "Atomic",
                _ => false,
            };
            if sight.is_real
                && !sight.is_altered
                && sight.message.commands.iter().any(stays)
                && let Some(counts) = self.sessions.get_mut(&node)
            {
                counts.stuck = false;
            }
            return;
        }
        if self.tempted.remove(&node) == Some(sight.key) {
            ledger.judge(NOT_INSIDE, true, || "");
        }
        let counts = self.sessions.entry(node).or_default();
        for command in &sight.message.commands {
            let Command::Status(status) = command else { continue };
            if status.cmd == "Atomic" && status.code.is_success() && !stage.is_in_doubt(sight.key) {
                counts.said += 1;
                let Counts { said, done, .. } = *counts;
                ledger.judge(WHOLE, said <= done, || format!("device {node}: {said} Atomics worked, and not {done}"));
            }
            if status.code == StatusCode::ROLL_BACK_FAILED && core::mem::take(&mut counts.stuck) {
                ledger.judge(STUCK, status.cmd != "Atomic", || "it is not the Atomic that stays done");
            }
        }
    }
}
