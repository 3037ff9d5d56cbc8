//! What a session asks of a tree, and what it takes back.

use alloc::{string::String, vec::Vec};

use core_kit::Body;
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

use crate::{codes::StatusCode, wire::Format};

/// One thing to do to the tree, for one item of one command. Addresses are as the server wrote them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Op {
    /// Read a node, or with `?prop=` one of its properties [DM RepPro 1.2, 6.6.7].
    Get {
        /// The node.
        uri: SmolStr,
    },
    /// Create a node; 418 if it is there [DM RepPro 1.2, 6.6.1].
    Add {
        /// The node.
        uri: SmolStr,
        /// What it shall be and hold.
        content: Content,
    },
    /// Overwrite a value or a property; 404 if the node is not there [DM RepPro 1.2, 6.6.11].
    Replace {
        /// The node, or with `?prop=` the property.
        uri: SmolStr,
        /// What it shall hold.
        content: Content,
    },
    /// Remove a node and all below it [DM RepPro 1.2, 6.6.5].
    Delete {
        /// The node.
        uri: SmolStr,
    },
    /// Copy the value of a leaf [DM RepPro 1.2, 6.6.4].
    Copy {
        /// The leaf to read.
        from: SmolStr,
        /// The leaf to write.
        to: SmolStr,
    },
    /// Run a node [DM RepPro 1.2, 6.6.6].
    Exec {
        /// The node.
        uri: SmolStr,
        /// The argument.
        argument: Content,
        /// Comes back in the alert that reports the end of a run which was answered with 202.
        correlator: Option<String>,
    },
    /// Keep a part of a value that comes in several messages [DM 1.2, 7]. The part at offset 0 begins a new value and
    /// takes the place of what was kept before; 413 or 420 if the value will be too large. A part that does not follow
    /// on what was kept is 500, one that makes the value longer than its size 424. The operation that ends it has
    /// [`Content::in_parts`]: 424 if what was kept has another size. Done or not, nothing is kept then any more.
    Stage {
        /// The node that the value is for.
        uri: SmolStr,
        /// Octets of the whole value.
        size: u64,
        /// Octets before this part.
        offset: u64,
        /// The part.
        data: Body,
    },
    /// Drop what was kept of a value: the rest of it will not come.
    Discard,
    /// Read a part of a value that a `Get` left to be [read in parts](Content::in_parts). The part has exactly the
    /// octets asked for, also where that cuts a character in two, but for a value that ends before.
    Read {
        /// The node.
        uri: SmolStr,
        /// Octets before the part.
        offset: u64,
        /// Octets of the part.
        bytes: u64,
    },
    /// From here on operations are done all or not at all [DM RepPro 1.2, 6.6.3]; 406 if the tree cannot do that. What
    /// an earlier one left open is undone first.
    Begin,
    /// The operations since [`Begin`](Self::Begin) stay; 500 where there was none. Where that fails, they are undone as
    /// if by [`RollBack`](Self::RollBack).
    Commit,
    /// The operations since [`Begin`](Self::Begin) are undone; 500 where there was none, 516 if that did not work for [some](OpResult::not_undone).
    RollBack,
}

impl Op {
    /// The node that is acted on; for a copy the one that is written. Nothing where it is not about one.
    #[must_use]
    pub fn uri(&self) -> Option<&str> {
        match self {
            Self::Get { uri }
            | Self::Add { uri, .. }
            | Self::Replace { uri, .. }
            | Self::Delete { uri }
            | Self::Copy { to: uri, .. }
            | Self::Exec { uri, .. }
            | Self::Stage { uri, .. }
            | Self::Read { uri, .. } => Some(uri),
            Self::Discard | Self::Begin | Self::Commit | Self::RollBack => None,
        }
    }

    /// Whether it changes something that must be undone if the operations around it fail.
    pub(super) const fn changes(&self) -> bool {
        match self {
            Self::Add { .. }
            | Self::Replace { .. }
            | Self::Delete { .. }
            | Self::Copy { .. }
            | Self::Exec { .. }
            | Self::Stage { .. }
            | Self::Discard => true,
            Self::Get { .. } | Self::Read { .. } | Self::Begin | Self::Commit | Self::RollBack => false,
        }
    }

    /// The node and the size of the value that has come in parts, where one has.
    pub(super) fn in_parts(&self) -> Option<(&str, u64)> {
        match self {
            Self::Add { uri, content } | Self::Replace { uri, content } | Self::Exec { uri, argument: content, .. } => {
                Some((uri, content.in_parts?))
            }
            _ => None,
        }
    }

    /// The same with its value in one piece.
    pub(super) fn with_data(&self, data: Body) -> Self {
        let mut whole = self.clone();
        if let Self::Add { content, .. } | Self::Replace { content, .. } | Self::Exec { argument: content, .. } =
            &mut whole
        {
            content.data = Some(data);
            content.in_parts = None;
        }
        whole
    }
}

/// A value as it comes over the wire, with what its `Meta` says of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Content {
    /// `Format`, where the command or the item has one; `chr` is meant where neither has.
    pub format: Option<Format>,
    /// `Type`, likewise; `text/plain` is meant where there is none.
    pub media_type: Option<SmolStr>,
    /// `Data`: text as UTF-8, or octets. With format `b64` this is still the base64 text.
    pub data: Option<Body>,
    /// Octets of a value that is not in `data`: one that came by [`Op::Stage`], or one that a `Get` leaves to
    /// [`Op::Read`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub in_parts: Option<u64>,
}

impl Content {
    /// Octets of the value, wherever it is.
    #[must_use]
    pub fn octets(&self) -> u64 {
        self.in_parts
            .unwrap_or_else(|| self.data.as_ref().map_or(0, |data| u64::try_from(data.len()).unwrap_or(u64::MAX)))
    }
}

/// What became of an [`Op`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OpResult {
    /// The status that the server gets for the item.
    pub status: StatusCode,
    /// What a successful `Get` found: one node, or several where a sub-tree was asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub found: Vec<Found>,
    /// The node that could not be made, where it is an ancestor of the one to be added [DM RepPro 1.2, 6.6.1].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed_at: Option<SmolStr>,
    /// For [`Op::RollBack`]: the operations since [`Op::Begin`] that could not be undone, counted from 0.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub not_undone: Vec<u32>,
}

impl OpResult {
    /// A status and nothing more.
    #[must_use]
    pub const fn status(status: StatusCode) -> Self {
        Self { status, found: Vec::new(), failed_at: None, not_undone: Vec::new() }
    }

    /// Success, with what a `Get` found.
    #[must_use]
    pub const fn found(found: Vec<Found>) -> Self {
        Self { status: StatusCode::OK, found, failed_at: None, not_undone: Vec::new() }
    }
}

impl OpResult {
    /// The part of the one value that was found: less than is asked for where the value ends before. What has several
    /// values has none that could be read in parts.
    pub(super) fn part(mut self, offset: u64, bytes: u64) -> Self {
        // No number that is too large for this machine is within a value on it.
        let index = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
        match &mut *self.found {
            [Found { content: Content { data, .. }, .. }] => {
                if let Some(data) = data {
                    let start = index(offset).min(data.len());
                    let end = start.saturating_add(index(bytes)).min(data.len());
                    *data = Body::from(data.to_bytes().slice(start..end));
                }
                self
            }
            _ if self.status.is_success() => Self::status(StatusCode::COMMAND_FAILED),
            _ => self,
        }
    }
}

/// One node as a `Get` found it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Found {
    /// The node's address.
    pub uri: SmolStr,
    /// What the node is and holds. An interior node has format `node`, and as data its children's names joined by `/`.
    /// Octets of format `bin` are raw; the session writes them as the encoding of the message demands.
    pub content: Content,
}
