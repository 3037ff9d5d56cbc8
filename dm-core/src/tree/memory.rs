//! The tree in memory: what it is, how it is read by its owner, and how accepted operations change it.

use alloc::{
    string::{String, ToString},
    sync::Arc,
    vec::Vec,
};

use core_kit::UnixMillis;
use serde::{Deserialize, Serialize};

use super::{
    access::{AccessType, Verb},
    acl::{Acl, Right},
    apply::Step,
    change::ChangeLog,
    error::{TreeError, TreeFault},
    node::{Extent, Kind, Node},
    op::Content,
    stage::Staged,
    undo::Transaction,
    value,
};
use crate::{ids::ServerId, limits::TreeLimits, uri::LocUri, wire::Format};

/// A management tree that answers operations.
///
/// It is a value: to keep a way back, or to have many of one kind, clone it; the clones share their nodes until they
/// change them. Its serialised form is flat, sorted and checked when it is read back, so equal trees have equal bytes.
///
/// ```
/// use dm_core::{ids::ServerId, tree::{Memory, Op}};
///
/// let mut tree = Memory::builder().leaf("./DevInfo/Man", "Example").finish()?;
/// let results = tree.apply(&ServerId::from("srv"), &[Op::Get { uri: "./DevInfo/Man".into() }]);
/// assert!(results[0].status.is_success());
/// assert_eq!(results[0].found[0].content.data.as_deref(), Some(&b"Example"[..]));
/// # Ok::<(), dm_core::tree::TreeError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Memory {
    pub(super) limits: TreeLimits,
    pub(super) root: Node,
    /// Nodes, the root included.
    pub(super) nodes: usize,
    /// Octets of all values.
    pub(super) bytes: usize,
    pub(super) runs: Vec<Run>,
    pub(super) changes: ChangeLog,
    /// When changes are made, until another time is told; 0 where none was.
    pub(super) now: UnixMillis,
    /// A value that has not come as a whole yet.
    pub(super) staged: Option<Staged>,
    /// What was done since [`Op::Begin`](super::Op::Begin).
    pub(super) open: Option<Transaction>,
}

/// A node that a server had run: what the device owes now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Run {
    /// The node.
    pub uri: LocUri,
    /// Who asked; nothing for the device itself.
    pub server: Option<ServerId>,
    /// What it gave along.
    pub argument: Content,
    /// To be repeated in the alert that reports the end, where the run was answered with 202.
    pub correlator: Option<String>,
}

/// In whose name operations are done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Actor<'a> {
    /// A server, whose rights count.
    Server(&'a ServerId),
    /// The device itself: access control lists do not bind it. What nodes are and admit does.
    Device,
}

impl Actor<'_> {
    pub(super) fn server(self) -> Option<ServerId> {
        match self {
            Self::Server(server) => Some(server.clone()),
            Self::Device => None,
        }
    }

    pub(super) fn has(self, right: Right, acl: &Acl) -> bool {
        match self {
            Self::Server(server) => acl.allows(right, server),
            Self::Device => true,
        }
    }
}

impl<'a> From<&'a ServerId> for Actor<'a> {
    fn from(server: &'a ServerId) -> Self {
        Self::Server(server)
    }
}

/// As a session asks: nobody is the device itself.
impl<'a> From<Option<&'a ServerId>> for Actor<'a> {
    fn from(server: Option<&'a ServerId>) -> Self {
        server.map_or(Self::Device, Self::Server)
    }
}

/// The deepest node there is on the way to an address.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) node: &'a Node,
    /// The list in force on it.
    pub(super) acl: &'a Acl,
    /// The list in force on its parent; the root has none.
    pub(super) parent_acl: Option<&'a Acl>,
    /// How many segments of the address lead on from it to where there is nothing.
    pub(super) missing: usize,
}

/// Whether text can be a `Title` [DM TND 1.2, 7.7.6].
pub(super) const fn check_title(title: &str) -> Result<(), TreeFault> {
    if title.len() > TreeLimits::TITLE_BYTES_MAX { Err(TreeFault::ValueTooLarge) } else { Ok(()) }
}

impl Default for Memory {
    fn default() -> Self {
        Self::new(TreeLimits::DEFAULT)
    }
}

impl Memory {
    /// A tree of nothing but a root, whose access control list is `Add=*&Get=*`.
    #[must_use]
    pub fn new(limits: TreeLimits) -> Self {
        let access = AccessType::of(&[Verb::Add, Verb::Get]);
        let root = Node { permanent: true, access, acl: Acl::root_default(), ..Node::interior("") };
        Self {
            limits,
            root,
            nodes: 1,
            bytes: 0,
            runs: Vec::new(),
            changes: ChangeLog::default(),
            now: UnixMillis(0),
            staged: None,
            open: None,
        }
    }

    /// What the tree may hold.
    #[must_use]
    pub const fn limits(&self) -> &TreeLimits {
        &self.limits
    }

    /// How many nodes there are, the root included.
    #[must_use]
    pub const fn node_count(&self) -> usize {
        self.nodes
    }

    /// The root.
    #[must_use]
    pub const fn root(&self) -> &Node {
        &self.root
    }

    /// The node at the address, as the device sees it. Nothing where there is none, or where the text is no address of
    /// a node.
    #[must_use]
    pub fn node(&self, uri: &str) -> Option<&Node> {
        let place = self.nearest(&self.address(uri).ok()?);
        (place.missing == 0).then_some(place.node)
    }

    /// The value of the leaf at the address, as the device sees it, where it is text.
    #[must_use]
    pub fn text(&self, uri: &str) -> Option<&str> {
        core::str::from_utf8(self.node(uri)?.value()?).ok()
    }

    /// Says what time it is: what is changed from now on gets this time. A question
    /// [brings its own](crate::client::Ops::at).
    pub const fn tell_time(&mut self, now: UnixMillis) {
        self.now = now;
    }

    /// Sets the value of a leaf as its device does, whatever the leaf admits to servers. Format and type stay.
    ///
    /// # Errors
    /// There is no such leaf, the value is none of its format, there is no room for it, or the tree is in the middle of
    /// an `Atomic`.
    pub fn set_value(&mut self, uri: &str, value: impl AsRef<[u8]>) -> Result<(), TreeError> {
        self.set_local(uri, value.as_ref()).map_err(|fault| fault.at(uri))
    }

    fn set_local(&mut self, uri: &str, octets: &[u8]) -> Result<(), TreeFault> {
        self.check_closed()?;
        let address = self.address(uri)?;
        let place = self.nearest(&address);
        if place.missing != 0 {
            return Err(TreeFault::NotThere);
        }
        let Kind::Leaf { format, value } = &place.node.kind else { return Err(TreeFault::NotALeaf) };
        self.check_value(format, octets)?;
        self.check_room(0, octets.len(), value.len())?;
        let (format, media_type) = (format.clone(), place.node.media_type.clone());
        self.take(Actor::Device, Step::Write { uri: address, format, media_type, value: octets.into() });
        Ok(())
    }

    /// Takes a server that the device no longer knows off all access control lists. Where that leaves nobody on the
    /// root's for `Add` or `Get`, everybody is [DM TND 1.2, 7.7.1].
    pub fn forget_server(&mut self, server: &ServerId) {
        self.root.acl.forget_at_root(server);
        self.root.forget_below(server);
        if let Some(open) = &mut self.open {
            open.forget_server(server);
        }
    }

    /// The runs that servers asked for since they were last taken, oldest first.
    ///
    /// A run whose node answers with an error is not among them: as far as the server knows nothing happened. Nor is one
    /// that may still be undone.
    #[must_use = "what is dropped here is never run"]
    pub fn take_runs(&mut self) -> Vec<Run> {
        core::mem::take(&mut self.runs)
    }

    pub(super) fn address(&self, uri: &str) -> Result<LocUri, TreeFault> {
        let address = LocUri::parse(uri, self.limits.uri)?;
        if address.suffix().is_some() { Err(TreeFault::Suffix) } else { Ok(address) }
    }

    pub(super) fn nearest(&self, uri: &LocUri) -> Place<'_> {
        let mut place = Place { node: &self.root, acl: &self.root.acl, parent_acl: None, missing: 0 };
        let mut names = uri.segments();
        while let Some(name) = names.next() {
            let Some(child) = place.node.child(name) else {
                place.missing = 1 + names.count();
                break;
            };
            let acl = if child.acl.is_empty() { place.acl } else { &child.acl };
            place = Place { node: child, acl, parent_acl: Some(place.acl), missing: 0 };
        }
        place
    }

    pub(super) fn node_mut(&mut self, uri: &LocUri) -> Option<&mut Node> {
        uri.segments().try_fold(&mut self.root, |node, name| node.children_mut()?.get_mut(name).map(Arc::make_mut))
    }

    /// Whether a leaf of the format may hold the octets, room aside.
    pub(super) fn check_value(&self, format: &Format, octets: &[u8]) -> Result<(), TreeFault> {
        if !value::fits(format, octets) {
            return Err(TreeFault::NotOfFormat(format.clone()));
        }
        if octets.len() > self.limits.value_bytes_max {
            return Err(TreeFault::ValueTooLarge);
        }
        Ok(())
    }

    pub(super) fn check_type(&self, media_type: &str) -> Result<(), TreeFault> {
        let is_usable = media_type.len() <= self.limits.type_bytes_max && !media_type.contains(char::is_control);
        if is_usable { Ok(()) } else { Err(TreeFault::Type) }
    }

    pub(super) fn check_acl(&self, acl: &Acl) -> Result<(), TreeFault> {
        if acl.to_string().len() > self.limits.acl_bytes_max { Err(TreeFault::AclTooLong) } else { Ok(()) }
    }

    /// Whether there is room for so many more nodes, and for a value in the place of another.
    pub(super) fn check_room(&self, nodes: usize, value: usize, instead_of: usize) -> Result<(), TreeFault> {
        if nodes > self.free_nodes() {
            return Err(TreeFault::TooManyNodes);
        }
        // What may have to be put back takes room as well, and then the old value is not free yet.
        let (held, freed) = self.open.as_ref().map_or((0, instead_of), |open| (open.bytes, 0));
        let bytes = self.bytes.saturating_add(held).saturating_sub(freed).saturating_add(value);
        // A value that does not grow is always taken: the limits may have been lowered since.
        if value > freed && bytes > self.limits.tree_bytes_max {
            return Err(TreeFault::Full);
        }
        Ok(())
    }

    /// Whether there is room for a sub-tree in the place of another.
    pub(super) fn check_swap(&self, old: Extent, new: Extent) -> Result<(), TreeFault> {
        let freed = if self.is_open() { 0 } else { old.nodes };
        if new.nodes > self.free_nodes().saturating_add(freed) {
            return Err(TreeFault::TooManyNodes);
        }
        self.check_room(0, new.bytes, old.bytes)
    }

    /// How many more nodes there may be.
    pub(super) fn free_nodes(&self) -> usize {
        let held = self.open.as_ref().map_or(0, |open| open.nodes);
        self.limits.nodes_max.saturating_sub(self.nodes.saturating_add(held))
    }
}
