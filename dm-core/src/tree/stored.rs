//! The tree as it is stored: flat, sorted, and checked when it is read back.

use alloc::{
    string::{String, ToString},
    vec::Vec,
};

use core_kit::Body;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

use super::{
    access::AccessType,
    acl::Acl,
    error::{TreeError, TreeFault},
    memory::{Memory, Run},
    node::{Kind, Node},
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
    /// Parents before children, siblings in the order of their names; the root first.
    nodes: Vec<StoredNode>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    runs: Vec<Run>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredNode {
    uri: LocUri,
    format: Format,
    #[serde(rename = "type")]
    media_type: String,
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
}

const fn ok() -> StatusCode {
    StatusCode::OK
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_ok(status: &StatusCode) -> bool {
    *status == StatusCode::OK
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
        }
    }

    /// The node without children, checked against everything but its place.
    fn node(self, tree: &Memory) -> Result<Node, TreeFault> {
        tree.check_type(&self.media_type)?;
        tree.check_acl(&self.acl)?;
        let node = match self.value {
            None if self.format == Format::Node => Node::interior(self.media_type),
            None => return Err(TreeFault::NotALeaf),
            Some(value) => {
                tree.check_value(&self.format, &value)?;
                Node::leaf(self.format, self.media_type, value)
            }
        };
        let (access, exec_status) = (self.access, self.exec_status);
        Ok(Node { permanent: self.permanent, access, exec_status, acl: self.acl, ..node })
    }
}

impl From<&Memory> for StoredTree {
    fn from(tree: &Memory) -> Self {
        let mut nodes = Vec::with_capacity(tree.nodes);
        let mut open = Vec::from([(LocUri::root(), &tree.root)]);
        while let Some((uri, node)) = open.pop() {
            // The last that is pushed is the first that is written.
            open.extend(node.children().rev().map(|(name, child)| (uri.join(name), child)));
            nodes.push(StoredNode::of(uri, node));
        }
        Self { limits: tree.limits, nodes, runs: tree.runs.clone() }
    }
}

impl TryFrom<StoredTree> for Memory {
    type Error = TreeError;

    fn try_from(stored: StoredTree) -> Result<Self, TreeError> {
        let mut tree = Self::new(stored.limits);
        let mut nodes = stored.nodes.into_iter();
        let root = nodes.next().filter(|node| node.uri.is_root()).ok_or_else(|| TreeFault::Root.at("."))?;
        tree.root = root.node(&tree).and_then(as_root).map_err(|fault| fault.at("."))?;
        for node in nodes {
            let uri = node.uri.clone();
            tree.restore(node).map_err(|fault| fault.at(uri.to_string()))?;
        }
        tree.runs = stored.runs;
        Ok(tree)
    }
}

impl Memory {
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
