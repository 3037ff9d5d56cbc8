//! Where a tree differs from its description, and nodes that are given what it says.

use alloc::{
    string::{String, ToString},
    vec::Vec,
};

use super::{Occurrence, SchemaNode};
use crate::{
    tree::{AccessType, Builder, Memory, Node, Verb},
    wire::Format,
};

/// A place where a tree is not what its description says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The node; where it is missing, the address that it would have, with `*` for a name that is free.
    pub uri: String,
    /// What is different.
    pub what: Difference,
}

/// What is different about a node.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Difference {
    /// It must be there.
    Missing,
    /// There are more or fewer of its kind than there may be.
    Count(usize, Occurrence),
    /// It is not in the description.
    Unknown,
    /// It has this format, and another is described.
    Format(Format),
    /// It has this type, and others are described.
    Type(String),
    /// It admits this, which is less than is described, or to be read where that is not described.
    Access(AccessType),
    /// It is permanent and described as dynamic, or the other way round.
    Scope,
}

impl SchemaNode {
    /// Every place at and below `uri` where the tree is not as described, in the order of the tree. Nothing: it is.
    #[must_use]
    pub fn check(&self, tree: &Memory, uri: &str) -> Vec<Violation> {
        let mut found = Vec::new();
        match tree.node(uri) {
            Some(node) => self.check_node(node, uri, &mut found),
            None => found.push(Violation { uri: uri.into(), what: Difference::Missing }),
        }
        found
    }

    /// Goes as deep in calls as the description is, which is bounded.
    fn check_node(&self, node: &Node, uri: &str, found: &mut Vec<Violation>) {
        let mut differs = |what| found.push(Violation { uri: uri.into(), what });
        if node.format() != &self.format {
            differs(Difference::Format(node.format().clone()));
        }
        let is_of = |known: &String| known.eq_ignore_ascii_case(node.media_type());
        if !self.types.is_empty() && !self.types.iter().any(is_of) {
            differs(Difference::Type(node.media_type().into()));
        }
        // To admit more does no harm, unless it shows what was not meant to be read.
        let is_less = self.access.verbs().any(|verb| !node.access().admits(verb));
        if is_less || (node.access().admits(Verb::Get) && !self.access.admits(Verb::Get)) {
            differs(Difference::Access(node.access()));
        }
        if node.is_permanent() != self.is_permanent {
            differs(Difference::Scope);
        }
        if self.is_free_below() {
            return;
        }
        let mut counts: Vec<usize> = self.children.iter().map(|_| 0).collect();
        for (name, child) in node.children() {
            let uri = join(uri, name);
            let Some(described) = self.child(name) else {
                found.push(Violation { uri, what: Difference::Unknown });
                continue;
            };
            let at = self.children.iter().position(|child| core::ptr::eq(child, described));
            if let Some(count) = at.and_then(|at| counts.get_mut(at)) {
                *count += 1;
            }
            described.check_node(child, &uri, found);
        }
        for (described, count) in self.children.iter().zip(counts) {
            if !described.occurrence.admits(count) {
                let what =
                    if count == 0 { Difference::Missing } else { Difference::Count(count, described.occurrence) };
                found.push(Violation { uri: join(uri, described.name.as_deref().unwrap_or("*")), what });
            }
        }
    }
}

impl Builder {
    /// Gives the node at the address and those below it the `AccessType` and the `Scope` that are described. What is
    /// not described stays as it is.
    pub fn described(self, uri: &str, schema: &SchemaNode) -> Self {
        let mut marks = Vec::new();
        if let Some(node) = self.tree().node(uri) {
            let mut open = Vec::from([(uri.to_string(), node, schema)]);
            while let Some((uri, node, schema)) = open.pop() {
                for (name, child) in node.children() {
                    if let Some(described) = schema.child(name) {
                        open.push((join(&uri, name), child, described));
                    }
                }
                marks.push((uri, schema));
            }
        }
        marks.into_iter().fold(self.at(uri), |builder, (uri, schema)| {
            let verbs: Vec<_> = schema.access.verbs().collect();
            let builder = builder.at(&uri).access(&verbs);
            if schema.is_permanent { builder.permanent() } else { builder }
        })
    }
}

fn join(uri: &str, name: &str) -> String {
    alloc::format!("{uri}/{name}")
}
