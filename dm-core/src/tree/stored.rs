//! The tree as it is stored: flat, sorted, and checked when it is read back.

use alloc::{
    string::{String, ToString},
    vec::Vec,
};

use core_kit::{Body, UnixMillis};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};
use smol_str::SmolStr;

use super::{
    access::AccessType,
    acl::Acl,
    change::{Change, ChangeLog},
    error::{TreeError, TreeFault},
    memory::{Memory, Run, check_title},
    node::{Kind, Node},
    stage::StoredStage,
    undo::{Transaction, Undo},
};
use crate::{codes::StatusCode, limits::TreeLimits, uri::LocUri, wire::Format};

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
enum Stored {
    V1(StoredTree),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredTree {
    limits: TreeLimits,
    #[serde(default, skip_serializing_if = "is_unknown")]
    now: UnixMillis,
    /// Parents before children, siblings in the order of their names; the root first.
    nodes: Vec<StoredNode>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    runs: Vec<Run>,
    #[serde(default, skip_serializing_if = "ChangeLog::is_empty")]
    changes: ChangeLog,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    staged: Option<StoredStage>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    open: Option<StoredTransaction>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredTransaction {
    log: Vec<StoredUndo>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    runs: Vec<Run>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    changes: Vec<Change>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
enum StoredUndo {
    Absent(LocUri),
    /// As in [`StoredTree::nodes`].
    There(Vec<StoredNode>),
    Was(StoredNode),
    Name {
        now: LocUri,
        before: String,
    },
    Staged(Option<StoredStage>),
    Shorter(usize),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredNode {
    uri: LocUri,
    format: Format,
    #[serde(rename = "type")]
    media_type: SmolStr,
    /// For leaves only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    value: Option<Body>,
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    permanent: bool,
    access: AccessType,
    #[serde(default = "ok", skip_serializing_if = "is_ok")]
    exec_status: StatusCode,
    #[serde(default, skip_serializing_if = "Acl::is_empty")]
    acl: Acl,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    title: String,
    #[serde(default, skip_serializing_if = "is_unknown")]
    changed: UnixMillis,
    #[serde(default, skip_serializing_if = "is_zero")]
    version: u16,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
const fn is_zero(number: &u16) -> bool {
    *number == 0
}

const fn ok() -> StatusCode {
    StatusCode::OK
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_ok(status: &StatusCode) -> bool {
    *status == StatusCode::OK
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
const fn is_unknown(time: &UnixMillis) -> bool {
    time.0 == 0
}

impl StoredNode {
    fn of(uri: LocUri, node: &Node) -> Self {
        Self {
            uri,
            format: node.format().clone(),
            media_type: node.media_type.clone(),
            value: node.value().cloned(),
            permanent: node.permanent,
            access: node.access,
            exec_status: node.exec_status,
            acl: node.acl.clone(),
            title: node.title.clone(),
            changed: node.changed,
            version: node.version,
        }
    }

    /// The node without children, checked against everything but its place.
    fn node(self, tree: &Memory) -> Result<Node, TreeFault> {
        tree.check_type(&self.media_type)?;
        tree.check_acl(&self.acl)?;
        let node = match &self.value {
            None if self.format == Format::Node => Node::interior(&*self.media_type),
            None => return Err(TreeFault::NotALeaf),
            Some(value) => {
                tree.check_value(&self.format, value)?;
                Node::leaf(self.format.clone(), &*self.media_type, value.clone())
            }
        };
        check_title(&self.title)?;
        let Self { permanent, access, exec_status, acl, title, changed, version, .. } = self;
        Ok(Node { permanent, access, exec_status, acl, title, changed, version, ..node })
    }
}

/// A node and all below it, parents before children, siblings in the order of their names.
fn flat(uri: LocUri, node: &Node) -> Vec<StoredNode> {
    let mut nodes = Vec::new();
    let mut open = Vec::from([(uri, node)]);
    while let Some((uri, node)) = open.pop() {
        // The last that is pushed is the first that is written.
        open.extend(node.children().rev().map(|(name, child)| (uri.join(name), child)));
        nodes.push(StoredNode::of(uri, node));
    }
    nodes
}

impl From<&Memory> for StoredTree {
    fn from(tree: &Memory) -> Self {
        Self {
            limits: tree.limits,
            now: tree.now,
            nodes: flat(LocUri::root(), &tree.root),
            runs: tree.runs.clone(),
            changes: tree.changes.clone(),
            staged: tree.staged.as_ref().map(Into::into),
            open: tree.open.as_ref().map(Into::into),
        }
    }
}

impl From<&Transaction> for StoredTransaction {
    fn from(open: &Transaction) -> Self {
        Self { log: open.log.iter().map(Into::into).collect(), runs: open.runs.clone(), changes: open.changes.clone() }
    }
}

impl From<&Undo> for StoredUndo {
    fn from(undo: &Undo) -> Self {
        match undo {
            Undo::Absent(uri) => Self::Absent(uri.clone()),
            Undo::There(uri, node) => Self::There(flat(uri.clone(), node)),
            Undo::Was(uri, node) => Self::Was(StoredNode::of(uri.clone(), node)),
            Undo::Name { now, before } => Self::Name { now: now.clone(), before: before.clone() },
            Undo::Staged(staged) => Self::Staged(staged.as_ref().map(Into::into)),
            Undo::Shorter(octets) => Self::Shorter(*octets),
        }
    }
}

impl TryFrom<StoredTree> for Memory {
    type Error = TreeError;

    fn try_from(stored: StoredTree) -> Result<Self, TreeError> {
        let StoredTree { limits, now, nodes, runs, changes, staged, open } = stored;
        let mut tree = Self::new(limits);
        let mut nodes = nodes.into_iter();
        let root = nodes.next().filter(|node| node.uri.is_root()).ok_or_else(|| TreeFault::Root.at("."))?;
        tree.root = root.node(&tree).and_then(as_root).map_err(|fault| fault.at("."))?;
        for node in nodes {
            let uri = node.uri.clone();
            tree.restore(node).map_err(|fault| fault.at(uri.to_string()))?;
        }
        (tree.runs, tree.changes, tree.now) = (runs, changes, now);
        tree.staged = staged.and_then(|staged| staged.restore(&tree));
        if let Some(open) = open {
            tree.reopen(open)?;
        }
        Ok(tree)
    }
}

impl Memory {
    /// Takes back an `Atomic` that was not at its end. What it would lead back to must be a tree as well.
    fn reopen(&mut self, stored: StoredTransaction) -> Result<(), TreeError> {
        let mut open = Transaction { runs: stored.runs, changes: stored.changes, ..Transaction::default() };
        for undo in stored.log {
            open.push(self.undo(undo)?);
        }
        let mut undone = Self { open: Some(open.clone()), ..self.clone() };
        undone.roll_back();
        let again = Self::try_from(StoredTree::from(&undone))?;
        if again != undone {
            return Err(TreeFault::CannotUndo.at("."));
        }
        self.open = Some(open);
        Ok(())
    }

    fn undo(&self, stored: StoredUndo) -> Result<Undo, TreeError> {
        Ok(match stored {
            StoredUndo::Absent(uri) => Undo::Absent(uri),
            StoredUndo::There(nodes) => {
                let (uri, node) = self.removed(nodes)?;
                Undo::There(uri, node)
            }
            StoredUndo::Was(node) => {
                let uri = node.uri.clone();
                let node = node.node(self).map_err(|fault| fault.at(uri.to_string()))?;
                Undo::Was(uri, node.into())
            }
            StoredUndo::Name { now, before } => Undo::Name { now, before },
            StoredUndo::Staged(staged) => Undo::Staged(staged.and_then(|staged| staged.restore(self))),
            StoredUndo::Shorter(octets) => Undo::Shorter(octets),
        })
    }

    /// A sub-tree that was removed.
    fn removed(&self, nodes: Vec<StoredNode>) -> Result<(LocUri, Node), TreeError> {
        let uri = nodes.first().map(|node| node.uri.clone()).unwrap_or_default();
        // A tree of its own, so that every node is checked as it is in any tree. The way to it is none of its own.
        let mut tree = Self::new(self.limits);
        if let Some(parent) = uri.parent().filter(|parent| !parent.is_root()) {
            tree.create(&parent, Node::interior(""), Acl::default());
        }
        for node in nodes {
            let uri = node.uri.clone();
            tree.restore(node).map_err(|fault| fault.at(uri.to_string()))?;
        }
        let node = tree.detach(&uri).ok_or_else(|| TreeFault::CannotUndo.at(uri.to_string()))?;
        Ok((uri, node))
    }

    fn restore(&mut self, stored: StoredNode) -> Result<(), TreeFault> {
        let uri = self.address(&stored.uri.to_string())?;
        let node = stored.node(self)?;
        let place = self.nearest(&uri);
        match place.missing {
            0 => return Err(TreeFault::AlreadyThere),
            1 if place.node.is_interior() => {}
            1 => return Err(TreeFault::ParentIsLeaf),
            _ => return Err(TreeFault::NotThere),
        }
        if node.permanent && !place.node.permanent {
            return Err(TreeFault::PermanentBelowDynamic);
        }
        self.check_room(1, node.value().map_or(0, |value| value.len()), 0)?;
        self.create(&uri, node, Acl::default());
        Ok(())
    }
}

fn as_root(node: Node) -> Result<Node, TreeFault> {
    if !matches!(node.kind, Kind::Interior(_)) || !node.permanent {
        return Err(TreeFault::Root);
    }
    if node.acl.is_empty() { Err(TreeFault::RootWithoutAcl) } else { Ok(node) }
}

impl Serialize for Memory {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        Stored::V1(self.into()).serialize(to)
    }
}

impl<'de> Deserialize<'de> for Memory {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let Stored::V1(stored) = Stored::deserialize(from)?;
        Self::try_from(stored).map_err(D::Error::custom)
    }
}
