//! Why the tree refuses something.

use alloc::string::String;

use super::acl::AclError;
use crate::{codes::StatusCode, uri::UriError, wire::Format};

/// Why a tree cannot be built, changed by its device, or read back from its stored form.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{uri}: {fault}")]
pub struct TreeError {
    /// The node, as its address was given.
    pub uri: String,
    /// What is wrong.
    pub fault: TreeFault,
}

/// What is wrong with a node that shall be, or with its address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TreeFault {
    /// It is no address.
    #[error(transparent)]
    Uri(#[from] UriError),
    /// The address has a suffix where a node is meant.
    #[error("an address of a property or a list is no address of a node")]
    Suffix,
    /// There is no such node.
    #[error("no such node")]
    NotThere,
    /// There is such a node already.
    #[error("the node is there already")]
    AlreadyThere,
    /// A leaf where there must be an interior node.
    #[error("a leaf has no children")]
    ParentIsLeaf,
    /// An interior node where there must be a leaf.
    #[error("an interior node has no value")]
    NotALeaf,
    /// The octets are no value of the format.
    #[error("not a value of format {}", .0.as_str())]
    NotOfFormat(Format),
    /// A `Type` that is longer than the limit or holds a control character.
    #[error("unusable type")]
    Type,
    /// The value is larger than the limit.
    #[error("value too large")]
    ValueTooLarge,
    /// There are as many nodes as there may be.
    #[error("too many nodes")]
    TooManyNodes,
    /// All values together are as large as they may be.
    #[error("no room for the value")]
    Full,
    /// It is no access control list.
    #[error(transparent)]
    Acl(#[from] AclError),
    /// The access control list is longer than the limit.
    #[error("access control list too long")]
    AclTooLong,
    /// The root must have an access control list.
    #[error("the root must have an access control list")]
    RootWithoutAcl,
    /// A permanent node below one that is not: it would be deleted along with it.
    #[error("a permanent node below a dynamic one")]
    PermanentBelowDynamic,
    /// Nothing can be mounted here: a mount point is interior, permanent, without children, and free.
    #[error("not a mount point")]
    NotAMountPoint,
    /// The tree is in the middle of an `Atomic`.
    #[error("the tree is in the middle of an Atomic")]
    Open,
    /// More was changed in an `Atomic` than can be undone.
    #[error("too many changes to undo")]
    TooManyChanges,
    /// What was done in an `Atomic` does not lead back to a tree.
    #[error("an Atomic that cannot be undone")]
    CannotUndo,
    /// The root is a leaf, or is missing.
    #[error("the root is not an interior node")]
    Root,
}

impl TreeFault {
    /// What a command that would lead to it is answered with [digest 2.8 and 6.6].
    ///
    /// A value that is none of its format is 415: the tables of `Add` and `Replace` have no 400 and no 409, and 500
    /// would blame the device.
    #[must_use]
    pub const fn status(&self) -> StatusCode {
        match self {
            Self::Uri(error) => error.status(),
            Self::NotThere | Self::Suffix => StatusCode::NOT_FOUND,
            Self::AlreadyThere => StatusCode::ALREADY_EXISTS,
            Self::ParentIsLeaf | Self::NotALeaf | Self::RootWithoutAcl | Self::PermanentBelowDynamic | Self::Root => {
                StatusCode::NOT_ALLOWED
            }
            Self::NotOfFormat(_) | Self::Type | Self::Acl(_) => StatusCode::UNSUPPORTED_TYPE,
            Self::ValueTooLarge => StatusCode::TOO_LARGE,
            Self::Open | Self::CannotUndo | Self::NotAMountPoint => StatusCode::COMMAND_FAILED,
            Self::TooManyNodes | Self::Full | Self::AclTooLong | Self::TooManyChanges => StatusCode::DEVICE_FULL,
        }
    }

    pub(super) fn at(self, uri: impl Into<String>) -> TreeError {
        TreeError { uri: uri.into(), fault: self }
    }
}

impl From<TreeFault> for StatusCode {
    fn from(fault: TreeFault) -> Self {
        fault.status()
    }
}
