//! Serialised sub-trees [DM TNDS 1.2], and the vocabulary that they share with device descriptions.
//!
//! A [`Document`] is a flat list of nodes, each with its place below the target of the command that carries it. It is
//! read from nested and from flat documents, in XML and in WBXML, and written nested.

use alloc::{string::String, vec::Vec};

use core_kit::Body;

use crate::{
    tree::{Property, from_base64},
    uri::LocUri,
    wire::Format,
};

#[cfg_attr(
    not(any(feature = "xml", feature = "wbxml")),
    expect(dead_code, reason = "without a codec nothing is read or written")
)]
pub(crate) mod element;
mod tag;
#[cfg(feature = "wbxml")]
mod wbxml;
#[cfg_attr(
    not(any(feature = "xml", feature = "wbxml")),
    expect(dead_code, reason = "without a codec nothing is read or written")
)]
mod write;
#[cfg(feature = "xml")]
mod xml;

pub(crate) use element::{Element, Limits};
pub(crate) use tag::Tag;

/// How a document is written; its media type says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TndsEncoding {
    /// `application/vnd.syncml.dmtnds+xml`.
    Xml,
    /// `application/vnd.syncml.dmtnds+wbxml`.
    Wbxml,
}

impl TndsEncoding {
    const ALL: [Self; 2] = [Self::Xml, Self::Wbxml];

    /// The media type.
    #[must_use]
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Xml => "application/vnd.syncml.dmtnds+xml",
            Self::Wbxml => "application/vnd.syncml.dmtnds+wbxml",
        }
    }

    /// The encoding that a media type names, its parameters aside; nothing where that is another type.
    #[must_use]
    pub fn of(media_type: &str) -> Option<Self> {
        let media_type = media_type.split(';').next().unwrap_or_default().trim();
        Self::ALL.into_iter().find(|encoding| encoding.media_type().eq_ignore_ascii_case(media_type))
    }
}

/// Why octets are not a serialised sub-tree or a description.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TndsError {
    /// The encoding is not among the features of this build.
    #[error("encoding not supported")]
    Unsupported,
    /// More octets, elements or levels than allowed.
    #[error("document too large")]
    TooLarge,
    /// It is not well formed.
    #[error("document not well formed")]
    NotWellFormed,
    /// The root is not `MgmtTree`, or a node says things that do not go together.
    #[error("not a management tree")]
    NotATree,
}

/// A serialised sub-tree.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Document {
    /// `Man`: who made the device.
    pub manufacturer: Option<String>,
    /// `Mod`: which device.
    pub model: Option<String>,
    /// The nodes, in the order of the document; a node that holds others comes before them.
    pub parts: Vec<Part>,
}

/// One node of a serialised sub-tree.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Part {
    /// The names on the way from the target of the command to the node; none for the target itself.
    pub path: Vec<String>,
    /// `ACL`, as text.
    pub acl: Option<String>,
    /// `Format`.
    pub format: Option<Format>,
    /// `Name`, which says no more than the path.
    pub name: Option<String>,
    /// `Size` of the value in octets, as text.
    pub size: Option<String>,
    /// `Title`.
    pub title: Option<String>,
    /// `TStamp`, as text.
    pub stamp: Option<String>,
    /// `Type`: of a leaf its media type, of an interior node the identifier of its management object.
    pub media_type: Option<String>,
    /// `VerNo`, as text.
    pub version: Option<String>,
    /// The value of a leaf. Of format `bin` it is raw, of `b64` base64 text.
    pub value: Option<Body>,
    /// Whether the node is interior, as far as the document tells.
    pub is_interior: bool,
}

/// Values may be secrets.
impl core::fmt::Debug for Part {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Part")
            .field("path", &self.path)
            .field("format", &self.format)
            .field("media_type", &self.media_type)
            .field("value", &self.value)
            .finish_non_exhaustive()
    }
}

/// What a serialised sub-tree can tell of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Facet {
    Property(Property),
    Value,
}

impl Facet {
    /// All of them, in the order of their names.
    pub(crate) const ALL: [Self; 9] = [
        Self::Property(Property::Acl),
        Self::Property(Property::Format),
        Self::Property(Property::Name),
        Self::Property(Property::Size),
        Self::Property(Property::Title),
        Self::Property(Property::TStamp),
        Self::Property(Property::Type),
        Self::Property(Property::VerNo),
        Self::Value,
    ];

    /// The facet of this name.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        match name {
            "Value" => Some(Self::Value),
            _ => Property::parse(name).map(Self::Property),
        }
    }
}

/// Octets that are no text, in elements of code page 2.
pub(crate) fn read(bytes: &[u8], encoding: TndsEncoding, limits: Limits) -> Result<Element, TndsError> {
    match encoding {
        #[cfg(feature = "xml")]
        TndsEncoding::Xml => xml::read(bytes, limits),
        #[cfg(feature = "wbxml")]
        TndsEncoding::Wbxml => wbxml::read(bytes, limits),
        #[cfg(not(all(feature = "xml", feature = "wbxml")))]
        _ => {
            let _ = (bytes, limits);
            Err(TndsError::Unsupported)
        }
    }
}

impl Document {
    /// How many names the ways to so many nodes may have together. A document says a long way once for many nodes, which
    /// here each have it.
    pub(crate) const fn names_max(nodes: usize) -> usize {
        nodes.saturating_mul(64)
    }

    /// Reads a document of at most `bytes_max` octets and `nodes_max` nodes.
    ///
    /// # Errors
    /// It is none, or is larger.
    pub fn parse(bytes: &[u8], encoding: TndsEncoding, bytes_max: usize, nodes_max: usize) -> Result<Self, TndsError> {
        // A node takes fourteen elements at most, if it says each thing once.
        let limits = Limits { bytes_max, elements_max: nodes_max.saturating_add(1).saturating_mul(16) };
        let root = read(bytes, encoding, limits)?;
        let text = |tag| root.child(tag).map(|element| element.token().into());
        let mut document = Self { manufacturer: text(Tag::Man), model: text(Tag::Mod), parts: Vec::new() };
        let mut open: Vec<(Vec<String>, &Element)> = root.all(Tag::Node).map(|node| (Vec::new(), node)).collect();
        open.reverse();
        let mut names_left = Self::names_max(nodes_max);
        while let Some((above, node)) = open.pop() {
            if document.parts.len() >= nodes_max {
                return Err(TndsError::TooLarge);
            }
            let part = part(above, node)?;
            // Each node below has its own copy of the way to this one.
            let copies = node.all(Tag::Node).count().saturating_add(1);
            let names = part.path.len().saturating_mul(copies);
            names_left = names_left.checked_sub(names).ok_or(TndsError::TooLarge)?;
            let from = open.len();
            open.extend(node.all(Tag::Node).map(|child| (part.path.clone(), child)));
            if let Some(children) = open.get_mut(from..) {
                children.reverse();
            }
            document.parts.push(part);
        }
        Ok(document)
    }
}

/// What an element `Node` says of itself, below the nodes that it stands in.
fn part(above: Vec<String>, node: &Element) -> Result<Part, TndsError> {
    let mut path = above;
    let way = node.child(Tag::Path).map_or("", Element::token);
    // The root is `.`, and `./` may stand before any other.
    let way = if way == "." { "" } else { way.strip_prefix("./").unwrap_or(way) };
    let name = node.child(Tag::NodeName).map_or("", Element::token);
    path.extend(way.split('/').chain([name]).filter(|name| !name.is_empty()).map(String::from));
    if path.iter().map(|name| name.len() + 1).sum::<usize>() > crate::limits::UriLimits::TOTAL_BYTES_MAX {
        return Err(TndsError::TooLarge);
    }
    let properties = node.child(Tag::RtProperties);
    let find = |tag| properties.and_then(|properties| properties.child(tag));
    let token = |tag| find(tag).map(|element| String::from(element.token()));
    let format = match find(Tag::Format) {
        None => None,
        Some(element) => Some(format(element)?),
    };
    let named = find(Tag::Type);
    let type_name = |tag| named.and_then(|named| named.child(tag)).map(|element| String::from(element.token()));
    let (mime, ddf) = (type_name(Tag::Mime), type_name(Tag::DdfName));
    let value = node.child(Tag::Value);
    let has_children = node.child(Tag::Node).is_some();
    let is_interior = match &format {
        Some(format) => *format == Format::Node,
        None => has_children || (value.is_none() && mime.is_none() && ddf.is_some()),
    };
    // A node with a value ends the recursion [DM TNDS 1.2, 5].
    if (is_interior && value.is_some()) || (!is_interior && has_children) {
        return Err(TndsError::NotATree);
    }
    let value = match value {
        Some(value) => Some(octets(value, format.as_ref())?),
        None => None,
    };
    Ok(Part {
        path,
        acl: token(Tag::Acl),
        format,
        name: token(Tag::Name),
        size: token(Tag::Size),
        title: find(Tag::Title).map(|element| element.text.clone()),
        stamp: token(Tag::TStamp),
        media_type: if is_interior { ddf.or(mime) } else { mime.or(ddf) },
        version: token(Tag::VerNo),
        value,
        is_interior,
    })
}

/// The format that an element names by the one element in it.
pub(crate) fn format(element: &Element) -> Result<Format, TndsError> {
    match &*element.children {
        [one] => match Format::parse(one.tag.name()) {
            Format::Other(_) => Err(TndsError::NotATree),
            format => Ok(format),
        },
        _ => Err(TndsError::NotATree),
    }
}

/// The octets of a value: of format `bin` they are base64 text, unless the encoding has them as they are.
fn octets(value: &Element, format: Option<&Format>) -> Result<Body, TndsError> {
    if !value.children.is_empty() {
        return Err(TndsError::NotATree);
    }
    match &value.opaque {
        Some(octets) if value.text.is_empty() => Ok(octets.clone().into()),
        Some(_) => Err(TndsError::NotATree),
        None if format == Some(&Format::Bin) => {
            from_base64(value.text.as_bytes()).map(Into::into).ok_or(TndsError::NotATree)
        }
        None => Ok(value.text.clone().into()),
    }
}

impl Part {
    /// The node's address, where the target of the command has this one.
    pub(crate) fn uri(
        &self,
        target: &LocUri,
        limits: crate::limits::UriLimits,
    ) -> Result<LocUri, crate::uri::UriError> {
        self.path.iter().try_fold(target.ancestor(0), |uri, name| uri.child(name, limits))
    }
}
