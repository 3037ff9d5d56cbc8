//! D23, D24 and D33: who may do what to which node, found by a plain walk over the tree.

use dm_core::{
    ids::ServerId,
    tree::{Acl, Memory, Node, Op, Right, Verb},
};

use super::{Stage, Watcher, step_of};
use crate::{
    Ledger, NodeId, Rule, RuleId,
    dm::{Fact, Services, Step},
};

/// D23.
pub const PERMITTED: Rule =
    Rule { id: RuleId("D23"), says: "what a server has done to a tree the list in force on the node allowed it then" };
/// D24.
pub const ROOT: Rule =
    Rule { id: RuleId("D24"), says: "the root always has a list, so that one is in force on every node" };
/// D33.
pub const FIXED: Rule = Rule {
    id: RuleId("D33"),
    says: "a permanent node is never removed or renamed, and a node has done to it only what it admits",
};

pub(super) struct Access;

impl Watcher for Access {
    fn rules(&self) -> &'static [Rule] {
        &[PERMITTED, ROOT, FIXED]
    }

    fn noted(&mut self, _: &Stage, _: NodeId, fact: &Fact, _: &Services, ledger: &mut Ledger) {
        let Some(step) = step_of(fact) else { return };
        let Some((text, uri, property)) = step.op.uri().map(split) else { return };
        let say = |what: &str| format!("{} {} {text} of {} {what}", step.name(), step.result.status, step.server);
        let is_done = step.result.status.is_success();
        if is_done && let Some(allowed) = is_allowed(step, uri, property) {
            ledger.judge(PERMITTED, allowed, || say("is not allowed"));
        }
        if property == Some("ACL")
            && let Op::Replace { content, .. } = &step.op
        {
            let empties_root = uri.trim_matches(['.', '/']).is_empty() && content.octets() == 0;
            let is_governed = !(step.after.root().acl().is_empty() || empties_root && is_done);
            ledger.judge(ROOT, is_governed, || say("leaves the root without a list"));
        }
        let Some(node) = find(&step.before, uri).0 else { return };
        if let Some(verb) = verb(&step.op, property)
            && (node.is_permanent() || !node.access().admits(verb))
        {
            let removes = matches!(step.op, Op::Delete { .. }) || property == Some("Name");
            let is_fixed = removes && node.is_permanent() && !matches!(step.op, Op::Get { .. });
            ledger.judge(FIXED, !is_done || (node.access().admits(verb) && !is_fixed), || say("is done all the same"));
        }
    }
}

/// The address as it was written, without the property, and the property.
fn split(text: &str) -> (&str, &str, Option<&str>) {
    match text.split_once('?') {
        Some((uri, suffix)) => (text, uri, Some(suffix.strip_prefix("prop=").unwrap_or(suffix))),
        None => (text, text, None),
    }
}

/// The node at an address, if there is one, and the lists in force on the deepest node on the way to it and on that
/// one's parent.
fn find<'a>(tree: &'a Memory, uri: &str) -> (Option<&'a Node>, &'a Acl, Option<&'a Acl>) {
    let (mut node, mut acl, mut above) = (tree.root(), tree.root().acl(), None);
    for name in uri.split('/').filter(|name| !matches!(*name, "." | "")) {
        let Some(child) = node.child(name) else { return (None, acl, above) };
        above = Some(acl);
        node = child;
        if !child.acl().is_empty() {
            acl = child.acl();
        }
    }
    (Some(node), acl, above)
}

/// Whether the operation was allowed; nothing where no right is asked for.
fn is_allowed(step: &Step, uri: &str, property: Option<&str>) -> Option<bool> {
    let (tree, server): (&Memory, &ServerId) = (&step.before, &step.server);
    let (node, acl, above) = find(tree, uri);
    let has = |right: Right, acl: &Acl| acl.allows(right, server);
    Some(match &step.op {
        Op::Get { .. } | Op::Read { .. } => has(Right::Get, acl),
        Op::Add { .. } => has(Right::Add, acl),
        Op::Delete { .. } => has(Right::Delete, acl),
        Op::Exec { .. } => has(Right::Exec, acl),
        Op::Replace { .. } if property == Some("ACL") => {
            let by_parent = above.is_some_and(|above| has(Right::Replace, above));
            by_parent || (node.is_some_and(Node::is_interior) && has(Right::Replace, acl))
        }
        Op::Replace { .. } => has(Right::Replace, acl),
        Op::Copy { from, .. } => {
            let (_, source, _) = find(tree, from);
            let right = if node.is_some() { Right::Replace } else { Right::Add };
            has(Right::Get, source) && has(right, acl)
        }
        Op::Stage { .. } | Op::Discard | Op::Begin | Op::Commit | Op::RollBack => return None,
    })
}

/// What the node must admit for the operation.
const fn verb(op: &Op, property: Option<&str>) -> Option<Verb> {
    Some(match (op, property) {
        // A list may be read and written whatever the node admits.
        (_, Some(name)) if matches!(name.as_bytes(), b"ACL") => return None,
        (Op::Get { .. }, _) => Verb::Get,
        (Op::Replace { .. } | Op::Copy { .. }, _) => Verb::Replace,
        (Op::Delete { .. }, _) => Verb::Delete,
        (Op::Exec { .. }, _) => Verb::Exec,
        _ => return None,
    })
}
