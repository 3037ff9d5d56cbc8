//! The properties of a node [DM TND 1.2, 7].

use alloc::string::{String, ToString};

use super::node::Node;

/// A property that this tree keeps. `Title`, `TStamp` and `VerNo` are optional for a device, and it has none of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Property {
    Acl,
    Format,
    Name,
    Size,
    Type,
}

impl Property {
    const ALL: [(&'static str, Self); 5] = [
        ("ACL", Self::Acl),
        ("Format", Self::Format),
        ("Name", Self::Name),
        ("Size", Self::Size),
        ("Type", Self::Type),
    ];

    pub(super) fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|(known, _)| *known == name).map(|(_, property)| property)
    }

    /// What the property of a node says, as text; nothing where such a node does not have it: `Size` is for leaves.
    pub(super) fn read(self, name: &str, node: &Node) -> Option<String> {
        Some(match self {
            Self::Acl => node.acl().to_string(),
            Self::Format => node.format().as_str().into(),
            Self::Name => name.into(),
            Self::Size => node.value()?.len().to_string(),
            Self::Type => node.media_type().into(),
        })
    }
}
