//! What a `Get` finds.

use alloc::{string::String, vec, vec::Vec};

use super::{Asked, Judge, Judged, admits};
use crate::{
    codes::StatusCode,
    tree::{
        access::Verb,
        acl::Right,
        apply::Step,
        node::{Kind, Node, PLAIN},
        op::{Content, Found, OpResult},
        property::Property,
    },
};

impl Judge<'_> {
    pub(super) fn get(self, text: &str) -> Judged<Step> {
        self.found(text).map(|found| Step::Answer(OpResult::found(found)))
    }

    /// A part of what a `Get` of the same address would find: less than was asked for where the value ends before.
    pub(super) fn read_part(self, text: &str, offset: u64, bytes: u64) -> Judged<Step> {
        let part = OpResult::found(self.found(text)?).part(offset, bytes);
        if part.status.is_success() { Ok(Step::Answer(part)) } else { Err(part.status.into()) }
    }

    fn found(self, text: &str) -> Judged<Vec<Found>> {
        let (uri, asked) = self.parse_any(text)?;
        let place = self.existing(&uri)?;
        let property = match asked {
            Some(Asked::Property(property)) => Some(property),
            Some(Asked::List(listing)) => {
                admits(place.node, Verb::Get)?;
                self.may(Right::Get, place.acl)?;
                return self.list(&uri, place, &listing);
            }
            None => None,
        };
        let Some(property) = property else {
            admits(place.node, Verb::Get)?;
            self.may(Right::Get, place.acl)?;
            if place.node.names_len() > self.tree.limits.value_bytes_max {
                return Err(StatusCode::TOO_LARGE.into());
            }
            return Ok(vec![Found { uri: text.into(), content: read(place.node) }]);
        };
        let value = property.read(uri.name().unwrap_or("."), place.node).ok_or(StatusCode::NOT_SUPPORTED)?;
        if property != Property::Acl {
            admits(place.node, Verb::Get)?;
        }
        self.may(Right::Get, place.acl)?;
        // A property goes without Meta [DM TND 1.2, 7].
        let content = Content { data: Some(value.into()), ..Content::default() };
        Ok(vec![Found { uri: text.into(), content }])
    }
}

/// What a `Get` says of a node: the value, or the names of the children.
fn read(node: &Node) -> Content {
    let (media_type, data) = match &node.kind {
        Kind::Leaf { value, .. } => (node.media_type.clone(), value.clone()),
        Kind::Interior(children) => {
            let mut names = String::with_capacity(node.names_len());
            for name in children.keys() {
                if !names.is_empty() {
                    names.push('/');
                }
                names.push_str(name);
            }
            (PLAIN.into(), names.into())
        }
    };
    Content { format: Some(node.format().clone()), media_type: Some(media_type), data: Some(data), in_parts: None }
}
