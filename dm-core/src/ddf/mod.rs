//! Device descriptions [DM TND 1.2, 9]: what the nodes of a sub-tree may be, and whether they are.
//!
//! A [`Schema`] is read from a description (DDF). It tells where a tree [differs](SchemaNode::check) from it, and gives
//! the nodes of a tree the [access](crate::tree::Builder::described) that it says. The standard objects are described
//! in this crate: [`DEV_INFO_1_2`] and those beside it.

use alloc::{string::String, vec::Vec};

use crate::{tree::AccessType, wire::Format};

mod check;
#[cfg(any(feature = "xml", feature = "wbxml"))]
mod read;

pub use check::{Difference, Violation};

/// `./DevInfo` of DM 1.2 [digest 6.10].
pub const DEV_INFO_1_2: &str = include_str!("../../ddf/devinfo-1_2.xml");
/// `./DevInfo` of DM 1.3.
pub const DEV_INFO_1_3: &str = include_str!("../../ddf/devinfo-1_3.xml");
/// `./DevDetail` of DM 1.2.
pub const DEV_DETAIL_1_2: &str = include_str!("../../ddf/devdetail-1_2.xml");
/// `./DevDetail` of DM 1.3.
pub const DEV_DETAIL_1_3: &str = include_str!("../../ddf/devdetail-1_3.xml");
/// A DM account of DM 1.2, wherever it is.
pub const DM_ACC_1_2: &str = include_str!("../../ddf/dmacc-1_2.xml");
/// A DM account of DM 1.3, wherever it is.
pub const DM_ACC_1_3: &str = include_str!("../../ddf/dmacc-1_3.xml");

/// What a description says of a sub-tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schema {
    /// `Man`: whose devices it is about.
    pub manufacturer: Option<String>,
    /// `Mod`: about which device.
    pub model: Option<String>,
    /// The topmost node.
    pub root: SchemaNode,
}

/// What a description says of a node, or of all nodes in a place where names are free.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SchemaNode {
    /// `NodeName`; nothing where any name will do.
    pub name: Option<String>,
    /// `Path` from the root of the tree to the parent, as written; nothing where it is not said.
    pub path: Option<String>,
    /// `AccessType`: the commands that the node admits.
    pub access: AccessType,
    /// `DefaultValue`.
    pub default: Option<String>,
    /// `Description`.
    pub description: Option<String>,
    /// `DFFormat`.
    pub format: Format,
    /// `Occurrence`.
    pub occurrence: Occurrence,
    /// `Scope`: whether the node is built in.
    pub is_permanent: bool,
    /// `DFTitle`.
    pub title: Option<String>,
    /// `DFType`: for a leaf its media types, none for any; for an interior node the identifier of its management
    /// object, or none.
    pub types: Vec<String>,
    /// `CaseSense`: whether letters of names count in their case; nothing where it is not said.
    pub is_case_sensitive: Option<bool>,
    /// The nodes below. An interior node with none may have any.
    pub children: Vec<SchemaNode>,
}

/// How many nodes there may be in a place.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Occurrence {
    /// One.
    #[default]
    One,
    /// None or one.
    ZeroOrOne,
    /// Any number.
    ZeroOrMore,
    /// At least one.
    OneOrMore,
    /// At most so many.
    ZeroOrN(u32),
    /// At least one, and at most so many.
    OneOrN(u32),
}

impl Occurrence {
    /// Whether there may be so many.
    #[must_use]
    pub fn admits(self, count: usize) -> bool {
        let at_most = |n: u32| usize::try_from(n).is_ok_and(|n| count <= n);
        match self {
            Self::One => count == 1,
            Self::ZeroOrOne => count <= 1,
            Self::ZeroOrMore => true,
            Self::OneOrMore => count >= 1,
            Self::ZeroOrN(n) => at_most(n),
            Self::OneOrN(n) => count >= 1 && at_most(n),
        }
    }
}

impl SchemaNode {
    /// The description of a child of that name: the one that names it, or else one that leaves the name open.
    #[must_use]
    pub fn child(&self, name: &str) -> Option<&Self> {
        let named = self.children.iter().find(|child| child.is_named(name));
        named.or_else(|| self.children.iter().find(|child| child.name.is_none()))
    }

    fn is_named(&self, name: &str) -> bool {
        self.name.as_deref().is_some_and(|own| match self.is_case_sensitive {
            Some(false) => own.eq_ignore_ascii_case(name),
            _ => own == name,
        })
    }

    /// Whether anything may be below the node.
    #[must_use]
    pub fn is_free_below(&self) -> bool {
        self.format == Format::Node && self.children.is_empty()
    }
}
