//! One node of the tree in memory, with all below it.

use alloc::{collections::BTreeMap, string::String, sync::Arc, vec::Vec};

use core_kit::{Body, UnixMillis};
use smol_str::SmolStr;

use super::{
    access::{AccessType, Verb},
    acl::Acl,
};
use crate::{codes::StatusCode, ids::ServerId, wire::Format};

/// The `Type` of a leaf that nothing else was said of.
pub(super) const PLAIN: &str = "text/plain";

/// A node: interior with children, or a leaf with a value. Nothing is both [DM TND 1.2, 6].
///
/// A clone shares all that is below the node, until one of both changes it: then the nodes on the way to the change are
/// copied. Whatever visits a whole tree by way of the nodes (to compare or drop it) goes as deep in calls as the tree is
/// deep, which [`UriLimits`](crate::limits::UriLimits) bounds: choose `depth_max` to suit
/// the stack. `Debug` shows the length of values only, since they may be secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    pub(super) kind: Kind,
    /// For an interior node the management object's identifier, or nothing.
    pub(super) media_type: SmolStr,
    pub(super) permanent: bool,
    pub(super) access: AccessType,
    /// How `Exec` is answered where it is admitted.
    pub(super) exec_status: StatusCode,
    pub(super) acl: Acl,
    pub(super) title: String,
    /// When the value changed; 0 where that is not known.
    pub(super) changed: UnixMillis,
    pub(super) version: u16,
}

/// What tells interior nodes from leaves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Interior(Children),
    /// The format is as meant, and the value is one of it.
    Leaf {
        format: Format,
        value: Body,
    },
}

/// The children of a node by name; copies share each of them.
pub(super) type Children = BTreeMap<SmolStr, Arc<Node>>;

impl Node {
    pub(super) fn interior(media_type: impl Into<SmolStr>) -> Self {
        Self::new(Kind::Interior(Children::new()), media_type.into())
    }

    pub(super) fn leaf(format: Format, media_type: impl Into<SmolStr>, value: Body) -> Self {
        Self::new(Kind::Leaf { format, value }, media_type.into())
    }

    fn new(kind: Kind, media_type: SmolStr) -> Self {
        Self {
            kind,
            media_type,
            permanent: false,
            access: AccessType::USUAL,
            exec_status: StatusCode::OK,
            acl: Acl::default(),
            title: String::new(),
            changed: UnixMillis(0),
            version: 0,
        }
    }

    /// Whether the node is interior: no value, and room for children.
    #[must_use]
    pub const fn is_interior(&self) -> bool {
        matches!(self.kind, Kind::Interior(_))
    }

    /// The `Format` property; `node` for an interior node.
    #[must_use]
    pub const fn format(&self) -> &Format {
        match &self.kind {
            Kind::Interior(_) => &Format::Node,
            Kind::Leaf { format, .. } => format,
        }
    }

    /// The `Type` property: the media type of a leaf, the management object's identifier of an interior node.
    #[must_use]
    pub fn media_type(&self) -> &str {
        &self.media_type
    }

    /// The value of a leaf. Of format `bin` it is raw, of `b64` base64 text.
    #[must_use]
    pub const fn value(&self) -> Option<&Body> {
        match &self.kind {
            Kind::Interior(_) => None,
            Kind::Leaf { value, .. } => Some(value),
        }
    }

    /// Whether no server can delete or rename the node.
    #[must_use]
    pub const fn is_permanent(&self) -> bool {
        self.permanent
    }

    /// The commands that the node admits.
    #[must_use]
    pub const fn access(&self) -> AccessType {
        self.access
    }

    /// What `Exec` is answered with; nothing where the node cannot be run.
    #[must_use]
    pub const fn exec_status(&self) -> Option<StatusCode> {
        if self.access.admits(Verb::Exec) { Some(self.exec_status) } else { None }
    }

    /// The node's own list, empty where that of an ancestor is in force.
    #[must_use]
    pub const fn acl(&self) -> &Acl {
        &self.acl
    }

    /// The `Title` property: words for people, or nothing.
    #[must_use]
    pub fn title(&self) -> &str {
        &self.title
    }

    /// The `TStamp` property: when the value last changed, or for an interior node which children it has. 0 where no
    /// time was told.
    #[must_use]
    pub const fn changed(&self) -> UnixMillis {
        self.changed
    }

    /// The `VerNo` property: how often the node has changed, its properties included, since it was made; it wraps.
    #[must_use]
    pub const fn version(&self) -> u16 {
        self.version
    }

    /// The children by name, in the order of the octets of their names. A leaf has none.
    pub fn children(&self) -> impl DoubleEndedIterator<Item = (&str, &Self)> + ExactSizeIterator {
        static NONE: Children = Children::new();
        let children = match &self.kind {
            Kind::Interior(children) => children,
            Kind::Leaf { .. } => &NONE,
        };
        children.iter().map(|(name, node)| (name.as_str(), &**node))
    }

    /// The child of that name.
    #[must_use]
    pub fn child(&self, name: &str) -> Option<&Self> {
        match &self.kind {
            Kind::Interior(children) => children.get(name).map(|child| &**child),
            Kind::Leaf { .. } => None,
        }
    }

    /// The node without what is below it.
    pub(super) fn alone(&self) -> Self {
        let kind = match &self.kind {
            Kind::Interior(_) => Kind::Interior(Children::new()),
            leaf @ Kind::Leaf { .. } => leaf.clone(),
        };
        Self {
            kind,
            media_type: self.media_type.clone(),
            permanent: self.permanent,
            access: self.access,
            exec_status: self.exec_status,
            acl: self.acl.clone(),
            title: self.title.clone(),
            changed: self.changed,
            version: self.version,
        }
    }

    /// Whether a node below this one is permanent.
    pub(super) fn has_permanent_below(&self) -> bool {
        // What is permanent has permanent ancestors only.
        self.children().any(|(_, child)| child.permanent)
    }

    /// Takes a server off the lists of all nodes below this one.
    pub(super) fn forget_below(&mut self, server: &ServerId) {
        let mut open: Vec<&mut Self> = Vec::new();
        let mut next = Some(self);
        while let Some(node) = next {
            if let Some(children) = node.children_mut() {
                open.extend(children.values_mut().map(Arc::make_mut));
            }
            next = open.pop();
            if let Some(node) = &mut next {
                node.acl.forget(server);
            }
        }
    }

    pub(super) const fn children_mut(&mut self) -> Option<&mut Children> {
        match &mut self.kind {
            Kind::Interior(children) => Some(children),
            Kind::Leaf { .. } => None,
        }
    }

    /// Octets of the children's names, joined by `/`.
    pub(super) fn names_len(&self) -> usize {
        self.children().map(|(name, _)| name.len() + 1).sum::<usize>().saturating_sub(1)
    }

    /// What the node and all below it take.
    pub(super) fn extent(&self) -> Extent {
        let mut extent = Extent::default();
        let mut open = Vec::from([(self, 0, 0)]);
        while let Some((node, octets, chars)) = open.pop() {
            extent.nodes += 1;
            extent.bytes += node.value().map_or(0, |value| value.len());
            extent.path_octets = extent.path_octets.max(octets);
            extent.path_chars = extent.path_chars.max(chars);
            let below = |(name, child): (&str, _)| (child, octets + 1 + name.len(), chars + 1 + name.chars().count());
            open.extend(node.children().map(below));
        }
        extent
    }
}

/// The size of a sub-tree.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Extent {
    pub(super) nodes: usize,
    /// Octets of all values.
    pub(super) bytes: usize,
    /// Octets of the longest way down from the node, each name with the slash before it.
    pub(super) path_octets: usize,
    /// The same in characters; the longest way may be another.
    pub(super) path_chars: usize,
}
