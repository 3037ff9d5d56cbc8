//! D32, D34 and D36: what a tree is at any time, and what changes in it.

use std::sync::Arc;

use core_kit::UnixMillis;
use dm_core::{
    tree::{Memory, Node, Op},
    wire::Format,
};

use super::{Stage, Watcher, step_of};
use crate::{
    Ledger, NodeId, Rule, RuleId,
    dm::{Fact, Services, Step},
};

/// D32.
pub const SHAPE: Rule = Rule {
    id: RuleId("D32"),
    says: "a tree has usable names, within its limits, and its leaves have values of their formats and no children",
};
/// D34.
pub const VERSIONS: Rule = Rule {
    id: RuleId("D34"),
    says: "a node's version and time go on when it changes, the time only with its value, and no other node's do",
};
/// D36.
pub const NOTHING_DONE: Rule =
    Rule { id: RuleId("D36"), says: "an operation that fails, or only reads, leaves the tree as it was" };

pub(super) struct Shape;

impl Watcher for Shape {
    fn rules(&self) -> &'static [Rule] {
        &[SHAPE, VERSIONS, NOTHING_DONE]
    }

    fn noted(&mut self, _: &Stage, _: NodeId, fact: &Fact, _: &Services, ledger: &mut Ledger) {
        let Some(step) = step_of(fact) else { return };
        let is_changed = !Arc::ptr_eq(&step.before, &step.after) && step.before.root() != step.after.root();
        let about = || format!("{} {}", step.name(), step.op.uri().unwrap_or_default());
        // What cannot be undone is left as it is, and that is another rule's.
        let only_reads = matches!(step.op, Op::Get { .. } | Op::Read { .. });
        if (only_reads || !step.result.status.is_success()) && step.op != Op::RollBack {
            ledger.judge(NOTHING_DONE, !is_changed, || format!("{} changes the tree", about()));
        }
        if !is_changed {
            return;
        }
        let depth_max = step.after.limits().uri.depth_max;
        let wrong = first_wrong(step.after.root(), depth_max.into());
        ledger.judge(SHAPE, wrong.is_none(), || format!("{}: {}", about(), wrong.clone().unwrap_or_default()));
        if !matches!(step.op, Op::Begin | Op::Commit | Op::RollBack) {
            let wrong = first_unversioned(step);
            ledger.judge(VERSIONS, wrong.is_none(), || format!("{}: {}", about(), wrong.clone().unwrap_or_default()));
        }
    }
}

/// What is wrong with a node or with one below it.
pub(super) fn first_wrong(node: &Node, depth_left: usize) -> Option<String> {
    let is_leaf_with_children = !node.is_interior() && node.children().len() > 0;
    let has_value = node.value().is_some() != node.is_interior();
    let value = node.value().map_or(&[][..], |value| value);
    if is_leaf_with_children || !has_value || (*node.format() == Format::Node) != node.is_interior() {
        return Some("a leaf has children, or an interior node a value".into());
    }
    if !is_of(node.format(), value) {
        return Some(format!("a value is not of the format {}", node.format().as_str()));
    }
    for (name, child) in node.children() {
        let is_usable =
            !name.is_empty() && name.len() <= 255 && !name.contains(['/', '?']) && !matches!(name, "." | "..");
        if !is_usable || depth_left == 0 {
            return Some(format!("a node is called {name:?}, or is too deep"));
        }
        if let Some(wrong) = first_wrong(child, depth_left - 1) {
            return Some(wrong);
        }
    }
    None
}

/// Whether the octets are a value of the format, for those whose values are easily told.
pub(super) fn is_of(format: &Format, octets: &[u8]) -> bool {
    let text = core::str::from_utf8(octets);
    match format {
        Format::Int => text.is_ok_and(|text| text.parse::<i32>().is_ok()),
        Format::Bool => text.is_ok_and(|text| matches!(text, "true" | "false")),
        Format::Chr => text.is_ok(),
        Format::Null | Format::Node => octets.is_empty(),
        _ => true,
    }
}

/// The first node whose version or time is not what the change of it says.
fn first_unversioned(step: &Step) -> Option<String> {
    let target = step.op.uri().map(|uri| uri.split('?').next().unwrap_or(uri));
    let target = target.and_then(|uri| step.before.node(uri));
    pair(&step.before, &step.after, target, step.at)
}

fn pair(before: &Memory, after: &Memory, target: Option<&Node>, at: UnixMillis) -> Option<String> {
    let mut open = vec![(String::from("."), before.root(), after.root())];
    while let Some((uri, old, new)) = open.pop() {
        let names = |node: &Node| node.children().map(|(name, _)| name.to_owned()).collect::<Vec<_>>();
        let has_other_value = old.value() != new.value() || names(old) != names(new);
        let has_other_property = old.acl() != new.acl() || old.title() != new.title() || old.format() != new.format();
        let is_target = target.is_some_and(|target| core::ptr::eq(target, old));
        let steps = new.version().wrapping_sub(old.version());
        let is_right = if has_other_value {
            steps > 0 && new.changed() == at
        } else if has_other_property {
            steps > 0
        } else {
            // The same value once more is a change, too.
            is_target || (steps == 0 && new.changed() == old.changed())
        };
        if !is_right {
            return Some(format!("{uri} is {steps} versions on"));
        }
        for (name, child) in old.children() {
            if let Some(other) = new.child(name) {
                open.push((format!("{uri}/{name}"), child, other));
            }
        }
    }
    None
}
