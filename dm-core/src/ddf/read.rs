//! Descriptions, read.

use alloc::{string::String, vec::Vec};

use super::{Occurrence, Schema, SchemaNode};
use crate::{
    tnds::{self, Element, Limits, Tag, TndsEncoding, TndsError},
    tree::{AccessType, Verb},
    wire::Format,
};

impl Schema {
    /// Octets of a description.
    pub const BYTES_MAX: usize = 1024 * 1024;
    /// Elements of a description.
    pub const ELEMENTS_MAX: usize = 100_000;

    /// Reads a description. It has one topmost node.
    ///
    /// # Errors
    /// It is none, or is larger than [`BYTES_MAX`](Self::BYTES_MAX) or [`ELEMENTS_MAX`](Self::ELEMENTS_MAX) say.
    pub fn parse(bytes: &[u8], encoding: TndsEncoding) -> Result<Self, TndsError> {
        let limits = Limits { bytes_max: Self::BYTES_MAX, elements_max: Self::ELEMENTS_MAX };
        let root = tnds::read(bytes, encoding, limits)?;
        let mut nodes = root.all(Tag::Node);
        let (Some(top), None) = (nodes.next(), nodes.next()) else { return Err(TndsError::NotATree) };
        Ok(Self { manufacturer: text(&root, Tag::Man), model: text(&root, Tag::Mod), root: node(top)? })
    }
}

fn text(element: &Element, tag: Tag) -> Option<String> {
    element.child(tag).map(|child| child.token().into())
}

/// The one element in an element.
fn only(element: &Element) -> Result<&Element, TndsError> {
    match &*element.children {
        [one] => Ok(one),
        _ => Err(TndsError::NotATree),
    }
}

/// Goes as deep in calls as elements are nested, which is bounded.
fn node(element: &Element) -> Result<SchemaNode, TndsError> {
    let properties = element.child(Tag::DfProperties).ok_or(TndsError::NotATree)?;
    let find = |tag| properties.child(tag).ok_or(TndsError::NotATree);
    let format = tnds::format(find(Tag::DfFormat)?)?;
    let children = element.all(Tag::Node).map(node).collect::<Result<Vec<_>, _>>()?;
    if format != Format::Node && !children.is_empty() {
        return Err(TndsError::NotATree);
    }
    Ok(SchemaNode {
        name: text(element, Tag::NodeName).filter(|name| !name.is_empty()),
        path: text(element, Tag::Path),
        access: access(find(Tag::AccessType)?)?,
        default: text(properties, Tag::DefaultValue),
        description: text(properties, Tag::Description),
        format,
        occurrence: properties.child(Tag::Occurrence).map_or(Ok(Occurrence::One), occurrence)?,
        is_permanent: match properties.child(Tag::Scope).map(only) {
            Some(scope) => match scope?.tag {
                Tag::Permanent => true,
                Tag::Dynamic => false,
                _ => return Err(TndsError::NotATree),
            },
            None => false,
        },
        title: text(properties, Tag::DfTitle),
        types: types(find(Tag::DfType)?)?,
        is_case_sensitive: match properties.child(Tag::CaseSense).map(only) {
            Some(sense) => match sense?.tag {
                Tag::Cs => Some(true),
                Tag::Cis => Some(false),
                _ => return Err(TndsError::NotATree),
            },
            None => None,
        },
        children,
    })
}

fn access(element: &Element) -> Result<AccessType, TndsError> {
    element.children.iter().try_fold(AccessType::of(&[]), |access, child| {
        Ok(access.with(match child.tag {
            Tag::Add => Verb::Add,
            Tag::Copy => Verb::Copy,
            Tag::Delete => Verb::Delete,
            Tag::Exec => Verb::Exec,
            Tag::Get => Verb::Get,
            Tag::Replace => Verb::Replace,
            _ => return Err(TndsError::NotATree),
        }))
    })
}

fn occurrence(element: &Element) -> Result<Occurrence, TndsError> {
    let one = only(element)?;
    let number = || match one.token().parse() {
        Ok(n @ 2..=65_536) => Ok(n),
        _ => Err(TndsError::NotATree),
    };
    Ok(match one.tag {
        Tag::One => Occurrence::One,
        Tag::ZeroOrOne => Occurrence::ZeroOrOne,
        Tag::ZeroOrMore => Occurrence::ZeroOrMore,
        Tag::OneOrMore => Occurrence::OneOrMore,
        Tag::ZeroOrN => Occurrence::ZeroOrN(number()?),
        Tag::OneOrN => Occurrence::OneOrN(number()?),
        _ => return Err(TndsError::NotATree),
    })
}

fn types(element: &Element) -> Result<Vec<String>, TndsError> {
    let is_type = |child: &Element| matches!(child.tag, Tag::Mime | Tag::DdfName);
    if !element.children.iter().all(is_type) {
        return Err(TndsError::NotATree);
    }
    let types = element.children.iter().map(|child| String::from(child.token()));
    Ok(types.filter(|name| !name.is_empty()).collect())
}
