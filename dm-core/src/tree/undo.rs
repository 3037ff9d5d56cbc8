//! All or nothing: how what was done since [`Op::Begin`](super::Op::Begin) is undone.
//!
//! Each change notes what it takes to go back, so that an `Atomic` costs what it changes and not what the tree holds.
//! The notes are part of the stored tree: a device that crashed in the middle finds them, and
//! [`abandon`](Memory::abandon) goes back.

use alloc::{boxed::Box, string::String, vec::Vec};

use super::{
    acl::Acl,
    change::Change,
    error::TreeFault,
    memory::{Memory, Run},
    node::Node,
    stage::Staged,
};
use crate::{ids::ServerId, uri::LocUri};

/// What was done since it was begun.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Transaction {
    /// The last change last.
    pub(super) log: Vec<Undo>,
    /// Runs that nobody has been told of.
    pub(super) runs: Vec<Run>,
    /// The changes, for those who watch the tree.
    pub(super) changes: Vec<Change>,
    /// Nodes that the log holds.
    pub(super) nodes: usize,
    /// Octets of the values that the log holds.
    pub(super) bytes: usize,
}

/// How one change is undone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Undo {
    /// There was nothing here: remove what is.
    Absent(LocUri),
    /// This was here, with all below it, and now nothing is.
    There(LocUri, Node),
    /// The node was this, its children aside.
    Was(LocUri, Box<Node>),
    /// The node had another name.
    Name { now: LocUri, before: String },
    /// This was staged.
    Staged(Option<Staged>),
    /// Only so many octets of what is staged had come.
    Shorter(usize),
}

impl Undo {
    fn node_mut(&mut self) -> Option<&mut Node> {
        match self {
            Self::There(_, node) => Some(node),
            Self::Was(_, node) => Some(node),
            Self::Absent(_) | Self::Name { .. } | Self::Staged(_) | Self::Shorter(_) => None,
        }
    }
}

impl Transaction {
    pub(super) fn push(&mut self, undo: Undo) {
        let (nodes, bytes) = match &undo {
            Undo::There(_, node) => {
                let extent = node.extent();
                (extent.nodes, extent.bytes)
            }
            Undo::Was(_, node) => (0, node.value().map_or(0, |value| value.len())),
            Undo::Absent(_) | Undo::Name { .. } | Undo::Staged(_) | Undo::Shorter(_) => (0, 0),
        };
        self.nodes = self.nodes.saturating_add(nodes);
        self.bytes = self.bytes.saturating_add(bytes);
        self.log.push(undo);
    }

    /// Takes a server off the lists that may come back. The root's is none that may be empty.
    pub(super) fn forget_server(&mut self, server: &ServerId) {
        for undo in &mut self.log {
            let forget =
                if matches!(undo, Undo::Was(uri, _) if uri.is_root()) { Acl::forget_at_root } else { Acl::forget };
            if let Some(node) = undo.node_mut() {
                forget(&mut node.acl, server);
                node.forget_below(server);
            }
        }
    }
}

impl Memory {
    /// Whether the tree is in the middle of an `Atomic`, which a crash or the end of a session may have left there.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        self.open.is_some()
    }

    /// Whether the tree keeps a part of a value whose rest has not come, which the end of a session may have left there.
    #[must_use]
    pub const fn keeps_part(&self) -> bool {
        self.staged.is_some()
    }

    /// Undoes what an `Atomic` did that was not brought to its end, and drops a value that has come in part: what a
    /// session that is over has left behind. To be called when a session ends, and after a crash.
    pub fn abandon(&mut self) {
        if !core_kit::planted!("D44-atomic-left-open") {
            self.roll_back();
        }
        if !core_kit::planted!("D40-part-kept") {
            self.staged = None;
        }
    }

    pub(super) fn check_closed(&self) -> Result<(), TreeFault> {
        if self.is_open() { Err(TreeFault::Open) } else { Ok(()) }
    }

    /// Whether one more operation can be undone. Each takes a few notes at most.
    pub(super) fn check_undo(&self) -> Result<(), TreeFault> {
        match &self.open {
            Some(open) if open.log.len() >= self.limits.undo_max => Err(TreeFault::TooManyChanges),
            _ => Ok(()),
        }
    }

    pub(super) fn run_count(&self) -> usize {
        self.runs.len().saturating_add(self.open.as_ref().map_or(0, |open| open.runs.len()))
    }

    /// Notes how a change is undone, where it may have to be.
    pub(super) fn note(&mut self, undo: impl FnOnce() -> Undo) {
        if let Some(open) = &mut self.open {
            open.push(undo());
        }
    }

    /// Notes what a node is, its children aside.
    pub(super) fn note_node(&mut self, uri: &LocUri) {
        if self.is_open() {
            let place = self.nearest(uri);
            let alone = (place.missing == 0).then(|| Box::new(place.node.alone()));
            if let (Some(node), Some(open)) = (alone, &mut self.open) {
                open.push(Undo::Was(uri.clone(), node));
            }
        }
    }

    pub(super) fn commit(&mut self) {
        if let Some(open) = self.open.take() {
            self.runs.extend(open.runs);
            for change in open.changes {
                self.changes.push(change, self.limits.changes_max);
            }
        }
    }

    pub(super) fn roll_back(&mut self) {
        let Some(mut open) = self.open.take() else { return };
        if core_kit::planted!("D25-first-not-undone") && !open.log.is_empty() {
            open.log.remove(0);
        }
        if core_kit::planted!("D25-undone-forwards") {
            open.log.reverse();
        }
        for undo in open.log.into_iter().rev() {
            match undo {
                Undo::Absent(uri) => drop(self.detach(&uri)),
                Undo::There(uri, node) => self.create(&uri, node, Acl::default()),
                Undo::Was(uri, node) => self.put_back(&uri, *node),
                Undo::Name { now, before } => self.call(&now, before),
                Undo::Staged(staged) => self.staged = staged,
                Undo::Shorter(octets) => {
                    if let Some(staged) = &mut self.staged {
                        staged.data.truncate(octets);
                    }
                }
            }
        }
    }

    /// Makes a node what it was, with the children that it has.
    fn put_back(&mut self, uri: &LocUri, mut was: Node) {
        let Some(node) = self.node_mut(uri) else { return };
        let bytes = |node: &Node| node.value().map_or(0, |value| value.len());
        let (now, then) = (bytes(node), bytes(&was));
        if let (Some(children), Some(to)) = (node.children_mut(), was.children_mut()) {
            *to = core::mem::take(children);
        }
        *node = was;
        self.bytes = self.bytes.saturating_sub(now).saturating_add(then);
    }
}
