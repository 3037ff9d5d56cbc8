//! The properties of a node [DM TND 1.2, 7].

use alloc::string::{String, ToString};

use super::{node::Node, stamp::stamp};

/// A property of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Property {
    Acl,
    Format,
    Name,
    Size,
    Title,
    TStamp,
    Type,
    VerNo,
}

impl Property {
    pub(crate) const ALL: [(&'static str, Self); 8] = [
        ("ACL", Self::Acl),
        ("Format", Self::Format),
        ("Name", Self::Name),
        ("Size", Self::Size),
        ("Title", Self::Title),
        ("TStamp", Self::TStamp),
        ("Type", Self::Type),
        ("VerNo", Self::VerNo),
    ];

    pub(crate) fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|(known, _)| *known == name).map(|(_, property)| property)
    }

    /// What the property of a node says, as text; nothing where such a node does not have it: `Size` is for leaves.
    pub(crate) fn read(self, name: &str, node: &Node) -> Option<String> {
        Some(match self {
            Self::Acl => node.acl().to_string(),
            Self::Format => node.format().as_str().into(),
            Self::Name => name.into(),
            Self::Size => node.value()?.len().to_string(),
            Self::Title => node.title().into(),
            Self::TStamp => stamp(node.changed()),
            Self::Type => node.media_type().into(),
            Self::VerNo => node.version().to_string(),
        })
    }
}
