//! What a `Get` of a sub-tree finds [DM TND 1.2, 8].

use alloc::{vec, vec::Vec};

use smol_str::ToSmolStr;

use super::{Judge, Judged};
use crate::{
    codes::StatusCode,
    tnds::{Document, Facet, Part},
    tree::{
        access::Verb,
        acl::{Acl, Right},
        memory::Place,
        node::Node,
        op::{Content, Found},
        property::Property,
    },
    uri::LocUri,
    wire::Format,
};

/// The form in which a sub-tree is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Listing {
    /// What each node is.
    Struct,
    /// The same, and what leaves hold.
    StructData,
    /// One serialised sub-tree, with these facets of each node.
    Tnds(Vec<Facet>),
}

impl Listing {
    /// The form that the word behind `?list=` asks for; nothing where that is none.
    pub(super) fn parse(word: &str) -> Option<Self> {
        match word {
            "Struct" => return Some(Self::Struct),
            "StructData" => return Some(Self::StructData),
            _ => {}
        }
        let rest = word.strip_prefix("TNDS")?;
        let facets = |rest: &str, sign: char| rest.split(sign).map(Facet::parse).collect::<Option<Vec<_>>>();
        Some(Self::Tnds(match rest.split_at_checked(1) {
            None => Facet::ALL.into(),
            Some(("+", rest)) => facets(rest, '+')?,
            Some(("-", rest)) => {
                let without = facets(rest, '-')?;
                Facet::ALL.into_iter().filter(|facet| !without.contains(facet)).collect()
            }
            Some(_) => return None,
        }))
    }
}

/// A node on the way through a sub-tree.
#[derive(Clone)]
struct Visit<'a> {
    uri: LocUri,
    node: &'a Node,
    /// The list in force on it.
    acl: &'a Acl,
}

impl<'a> Judge<'a> {
    /// The nodes of the sub-tree that may be read. What may not be read is left out, and what is below it is not.
    pub(super) fn list(self, uri: &LocUri, place: Place<'a>, listing: &Listing) -> Judged<Vec<Found>> {
        let start = Visit { uri: uri.ancestor(0), node: place.node, acl: place.acl };
        let readable = self.readable(start)?;
        match listing {
            Listing::Struct => Ok(readable.iter().map(|visit| told(visit, false)).collect()),
            Listing::StructData => Ok(readable.iter().map(|visit| told(visit, true)).collect()),
            Listing::Tnds(_) if !cfg!(any(feature = "xml", feature = "wbxml")) => Err(StatusCode::NOT_SUPPORTED.into()),
            Listing::Tnds(facets) => self.serialised(uri, &readable, facets),
        }
    }

    fn readable(self, start: Visit<'a>) -> Judged<Vec<Visit<'a>>> {
        let (mut readable, mut open) = (Vec::new(), vec![start]);
        while let Some(visit) = open.pop() {
            // The last that is pushed is the first that is visited.
            open.extend(visit.node.children().rev().map(|(name, node)| {
                let acl = if node.acl.is_empty() { visit.acl } else { &node.acl };
                Visit { uri: visit.uri.join(name), node, acl }
            }));
            if visit.node.access.admits(Verb::Get) && self.actor.has(Right::Get, visit.acl) {
                if readable.len() >= self.tree.limits.list_nodes_max {
                    return Err(StatusCode::TOO_LARGE.into());
                }
                readable.push(visit);
            }
        }
        Ok(readable)
    }

    fn serialised(self, uri: &LocUri, readable: &[Visit<'_>], facets: &[Facet]) -> Judged<Vec<Found>> {
        let values = readable.iter().filter_map(|visit| visit.node.value()).map(|value| value.len());
        if values.sum::<usize>() > self.tree.limits.value_bytes_max {
            return Err(StatusCode::TOO_LARGE.into());
        }
        let depth = uri.segments().count();
        let names = readable.iter().map(|visit| visit.uri.segments().count().saturating_sub(depth));
        if names.sum::<usize>() > Document::names_max(self.tree.limits.list_nodes_max) {
            return Err(StatusCode::TOO_LARGE.into());
        }
        let parts = readable.iter().map(|visit| part(visit, depth, facets)).collect();
        let (format, media_type, data) =
            Document { parts, ..Document::default() }.serialise().ok_or(StatusCode::COMMAND_FAILED)?;
        if data.len() > self.tree.limits.value_bytes_max {
            return Err(StatusCode::TOO_LARGE.into());
        }
        let content = Content {
            format: Some(format),
            media_type: Some(media_type.into()),
            data: Some(data.into()),
            in_parts: None,
        };
        Ok(vec![Found { uri: uri.ancestor(0).to_smolstr(), content }])
    }
}

/// An item of `Struct` or `StructData`.
fn told(visit: &Visit<'_>, with_data: bool) -> Found {
    let Visit { uri, node, .. } = visit;
    let media_type = Some(node.media_type()).filter(|media_type| !media_type.is_empty()).map(Into::into);
    let data = node.value().filter(|_| with_data).cloned();
    let content = Content { format: Some(node.format().clone()), media_type, data, in_parts: None };
    Found { uri: uri.to_smolstr(), content }
}

/// A node of a serialised sub-tree whose topmost node is `depth` levels below the root.
fn part(visit: &Visit<'_>, depth: usize, facets: &[Facet]) -> Part {
    let Visit { uri, node, .. } = visit;
    let has = |property| facets.contains(&Facet::Property(property));
    let text = |property: Property| property.read(uri.name().unwrap_or_default(), node).filter(|_| has(property));
    let some = |property| text(property).filter(|text| !text.is_empty());
    let value = node.value().filter(|_| facets.contains(&Facet::Value)).cloned();
    // Without it nobody could tell octets from text.
    let is_octets = value.is_some() && *node.format() == Format::Bin;
    Part {
        path: uri.segments().skip(depth).map(Into::into).collect(),
        acl: some(Property::Acl),
        format: (has(Property::Format) || is_octets).then(|| node.format().clone()),
        name: text(Property::Name),
        size: text(Property::Size),
        title: some(Property::Title),
        stamp: some(Property::TStamp),
        media_type: text(Property::Type),
        version: text(Property::VerNo),
        value,
        is_interior: node.is_interior(),
    }
}
