//! Trees written by hand, in one expression.

use alloc::string::ToString;

use super::{
    access::{AccessType, Verb},
    acl::Acl,
    error::{TreeError, TreeFault},
    memory::{Memory, check_title},
    node::{Kind, Node, PLAIN},
    object::{DevDetail, DevInfo, ObjectVersion},
};
use crate::{codes::StatusCode, limits::TreeLimits, uri::LocUri, wire::Format};

/// Builds a tree, or goes on building one.
///
/// [`interior`](Self::interior) and [`leaf`](Self::leaf) create nodes, with whatever ancestors are missing; the calls
/// after them say more of the node that was named last. The first mistake is kept, and [`finish`](Self::finish) tells
/// it.
///
/// ```
/// use dm_core::{codes::StatusCode, tree::{Memory, Verb}, wire::Format};
///
/// let tree = Memory::builder()
///     .at(".").acl("Add=srv&Get=*&Replace=srv")
///     .leaf("./Clock/Zone", "120").format(&Format::Int).permanent()
///     .interior("./Fw/Update").exec(StatusCode::ACCEPTED).acl("Exec=srv&Get=*")
///     .leaf("./Mail/Password", "secret").access(&[Verb::Replace])
///     .finish()?;
/// assert_eq!(tree.text("./Clock/Zone"), Some("120"));
/// # Ok::<(), dm_core::tree::TreeError>(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing before it is finished"]
pub struct Builder {
    tree: Memory,
    at: LocUri,
    version: ObjectVersion,
    error: Option<TreeError>,
}

impl Memory {
    /// Builds a tree with the default limits.
    pub fn builder() -> Builder {
        Self::default().edit()
    }

    /// Builds a tree with these limits.
    pub fn builder_within(limits: TreeLimits) -> Builder {
        Self::new(limits).edit()
    }

    /// Goes on building, as the device may: no server's rights count. To keep the tree in case of a mistake, edit a
    /// clone. A tree in the middle of an `Atomic` is not built on: that would not be undone with it.
    pub fn edit(self) -> Builder {
        let error = self.check_closed().err().map(|fault| fault.at("."));
        Builder { tree: self, at: LocUri::root(), version: ObjectVersion::V1_2, error }
    }
}

impl Builder {
    /// Creates an interior node, or names one that is there.
    pub fn interior(self, uri: &str) -> Self {
        self.place(uri, |tree, address| {
            let place = tree.nearest(address);
            match place.missing {
                0 if place.node.is_interior() => Ok(()),
                0 => Err(TreeFault::AlreadyThere),
                _ => create(tree, address, Node::interior("")),
            }
        })
    }

    /// Creates a leaf of type `text/plain`: of format `chr`, or of `bin` where the value is no text.
    pub fn leaf(self, uri: &str, value: impl AsRef<[u8]>) -> Self {
        self.place(uri, |tree, address| {
            let value = value.as_ref();
            let format = if core::str::from_utf8(value).is_ok() { Format::Chr } else { Format::Bin };
            tree.check_value(&format, value)?;
            create(tree, address, Node::leaf(format, PLAIN, value.into()))
        })
    }

    /// Names a node that is there.
    pub fn at(self, uri: &str) -> Self {
        self.place(uri, |tree, address| match tree.nearest(address).missing {
            0 => Ok(()),
            _ => Err(TreeFault::NotThere),
        })
    }

    /// The format of a leaf; its value must be one of it.
    pub fn format(self, format: &Format) -> Self {
        self.node(|tree, address| {
            let format = format.meant();
            let value = tree.nearest(address).node.value().ok_or(TreeFault::NotALeaf)?.clone();
            tree.check_value(&format, &value)?;
            if let Some(node) = tree.node_mut(address) {
                node.kind = Kind::Leaf { format, value };
            }
            Ok(())
        })
    }

    /// The `Type`: of a leaf its media type, of an interior node the management object's identifier.
    pub fn media_type(self, media_type: &str) -> Self {
        self.node(|tree, address| {
            tree.check_type(media_type)?;
            set(tree, address, |node| node.media_type = media_type.into());
            Ok(())
        })
    }

    /// The `Title`: words for people.
    pub fn title(self, title: &str) -> Self {
        self.node(|tree, address| {
            check_title(title)?;
            set(tree, address, |node| node.title = title.into());
            Ok(())
        })
    }

    /// Makes the node permanent, and its ancestors with it, since what is permanent cannot go with them.
    pub fn permanent(self) -> Self {
        self.node(|tree, address| {
            let mut node = Some(address.clone());
            while let Some(address) = node {
                set(tree, &address, |node| node.permanent = true);
                node = address.parent();
            }
            Ok(())
        })
    }

    /// The commands that the node admits, instead of all but `Exec`.
    pub fn access(self, verbs: &[Verb]) -> Self {
        self.node(|tree, address| {
            set(tree, address, |node| node.access = AccessType::of(verbs));
            Ok(())
        })
    }

    /// Lets the node be run, with this answer. Where it is an error no run is noted.
    pub fn exec(self, status: StatusCode) -> Self {
        self.node(|tree, address| {
            set(tree, address, |node| {
                node.access = node.access.with(Verb::Exec);
                node.exec_status = status;
            });
            Ok(())
        })
    }

    /// The node's own access control list, as text; empty for none.
    pub fn acl(self, acl: &str) -> Self {
        self.node(|tree, address| {
            let acl: Acl = acl.parse()?;
            tree.check_acl(&acl)?;
            if address.is_root() && acl.is_empty() {
                return Err(TreeFault::RootWithoutAcl);
            }
            set(tree, address, |node| node.acl = acl);
            Ok(())
        })
    }

    /// Which issue the standard objects are of that are built from here on; DM 1.2 if nothing is said.
    pub const fn object_version(mut self, version: ObjectVersion) -> Self {
        self.version = version;
        self
    }

    /// `./DevInfo` with its five leaves, permanent and to be read only.
    pub fn dev_info(self, values: &DevInfo) -> Self {
        let version = self.version;
        values.build(self, version)
    }

    /// `./DevDetail` with all that it must have, permanent and to be read only.
    pub fn dev_detail(self, values: &DevDetail) -> Self {
        let (version, limits) = (self.version, self.tree.limits);
        values.build(self, version, limits.uri)
    }

    /// What has been built so far.
    pub(crate) const fn tree(&self) -> &Memory {
        &self.tree
    }

    /// The tree.
    ///
    /// # Errors
    /// The first mistake that was made in building it.
    pub fn finish(self) -> Result<Memory, TreeError> {
        self.error.map_or(Ok(self.tree), Err)
    }

    /// Does something at an address, which is the node that was named last from then on.
    fn place(mut self, uri: &str, act: impl FnOnce(&mut Memory, &LocUri) -> Result<(), TreeFault>) -> Self {
        if self.error.is_none() {
            let address = self.tree.address(uri);
            match address.and_then(|address| act(&mut self.tree, &address).map(|()| address)) {
                Ok(address) => self.at = address,
                Err(fault) => self.error = Some(fault.at(uri)),
            }
        }
        self
    }

    /// Does something to the node that was named last.
    fn node(mut self, act: impl FnOnce(&mut Memory, &LocUri) -> Result<(), TreeFault>) -> Self {
        if self.error.is_none() {
            let done = act(&mut self.tree, &self.at);
            self.error = done.err().map(|fault| fault.at(self.at.to_string()));
        }
        self
    }
}

fn create(tree: &mut Memory, address: &LocUri, node: Node) -> Result<(), TreeFault> {
    let place = tree.nearest(address);
    if place.missing == 0 {
        return Err(TreeFault::AlreadyThere);
    }
    if !place.node.is_interior() {
        return Err(TreeFault::ParentIsLeaf);
    }
    tree.check_room(place.missing, node.value().map_or(0, |value| value.len()), 0)?;
    tree.create(address, Node { changed: tree.now, ..node }, Acl::default());
    Ok(())
}

fn set(tree: &mut Memory, address: &LocUri, change: impl FnOnce(&mut Node)) {
    if let Some(node) = tree.node_mut(address) {
        change(node);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        limits::UriLimits,
        tree::{AclError, AclFault},
        uri::UriError,
    };

    #[test]
    fn nodes_are_what_was_said_after_they_were_named() {
        let tree = Memory::builder()
            .leaf("./A/N", "-5")
            .format(&Format::parse("Int"))
            .media_type("text/x")
            .access(&[Verb::Get])
            .at("A")
            .media_type("urn:x")
            .acl("Get=s")
            .interior("./A/B/C")
            .permanent()
            .exec(StatusCode::ACCEPTED)
            .leaf("./A/Octets", [0xff])
            .finish()
            .unwrap();
        let leaf = tree.node("./A/N").unwrap();
        assert_eq!((leaf.format(), leaf.media_type(), leaf.access()), (&Format::Int, "text/x", AccessType::GET));
        assert_eq!((leaf.exec_status(), leaf.is_permanent()), (None, false));
        let a = tree.node("A").unwrap();
        assert_eq!((a.media_type(), a.acl().to_string(), a.is_permanent()), ("urn:x", "Get=s".into(), true));
        assert!(tree.node("A/B").unwrap().is_permanent(), "what is permanent cannot go with its ancestors");
        assert_eq!(tree.node("A/B/C").unwrap().exec_status(), Some(StatusCode::ACCEPTED));
        assert_eq!(tree.node("A/Octets").unwrap().format(), &Format::Bin);
        assert_eq!(tree.node_count(), 6);
    }

    #[test]
    fn the_first_mistake_is_told_with_its_node() {
        let limits = TreeLimits {
            uri: UriLimits { depth_max: 3, ..UriLimits::DEFAULT },
            nodes_max: 4,
            value_bytes_max: 4,
            tree_bytes_max: 6,
            acl_bytes_max: 8,
            type_bytes_max: 8,
            ..TreeLimits::DEFAULT
        };
        let a = || Memory::builder_within(limits).leaf("A/B", "x");
        let mistakes = [
            (a().leaf("/x", "").leaf("//", ""), "/x", TreeFault::Uri(UriError::Absolute)),
            (a().leaf("x?prop=ACL", ""), "x?prop=ACL", TreeFault::Suffix),
            (a().leaf("A", ""), "A", TreeFault::AlreadyThere),
            (a().interior("./A/B"), "./A/B", TreeFault::AlreadyThere),
            (a().leaf("A/B/C", ""), "A/B/C", TreeFault::ParentIsLeaf),
            (a().at("C"), "C", TreeFault::NotThere),
            (a().at("A").format(&Format::Chr), "./A", TreeFault::NotALeaf),
            (a().format(&Format::Int), "./A/B", TreeFault::NotOfFormat(Format::Int)),
            (a().format(&Format::Node), "./A/B", TreeFault::NotOfFormat(Format::Node)),
            (a().media_type("text/long"), "./A/B", TreeFault::Type),
            (a().media_type("a\nb"), "./A/B", TreeFault::Type),
            (a().leaf("C", "12345"), "C", TreeFault::ValueTooLarge),
            (a().leaf("C/D", "").leaf("E", ""), "C/D", TreeFault::TooManyNodes),
            (a().leaf("C", "123").leaf("A/D", "123"), "A/D", TreeFault::TooManyNodes),
            (a().acl("Get="), "./A/B", TreeFault::Acl(AclError { entry: 0, fault: AclFault::BadIdentifier })),
            (a().acl("Get=12345"), "./A/B", TreeFault::AclTooLong),
            (a().at(".").acl(""), ".", TreeFault::RootWithoutAcl),
        ];
        for (builder, uri, fault) in mistakes {
            assert_eq!(builder.finish(), Err(fault.at(uri)), "{uri}");
        }
        let full = Memory::builder_within(TreeLimits { nodes_max: 9, ..limits }).leaf("A", "1234").leaf("B", "123");
        assert_eq!(full.finish(), Err(TreeFault::Full.at("B")));
    }

    #[test]
    fn a_finished_tree_can_be_built_on() {
        let tree = Memory::builder().leaf("A", "1").finish().unwrap();
        let more = tree.clone().edit().leaf("B", "2").finish().unwrap();
        assert_eq!((more.text("A"), more.text("B"), tree.text("B")), (Some("1"), Some("2"), None));
    }
}
