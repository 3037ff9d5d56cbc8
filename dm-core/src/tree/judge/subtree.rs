//! `Add` and `Replace` of a serialised sub-tree: all of it or nothing [DM TNDS 1.2, 5].

use alloc::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
    string::String,
    sync::Arc,
    vec::Vec,
};

use super::{Judge, Judged, admits, blocked, media_type};
use crate::{
    codes::StatusCode,
    tnds::{Document, Part, TndsEncoding, TndsError},
    tree::{
        access::Verb,
        acl::{Acl, Right},
        apply::Step,
        error::TreeFault,
        memory::{Place, check_title},
        node::{Kind, Node, PLAIN},
        op::Content,
        value,
    },
    uri::LocUri,
    wire::Format,
};

/// New nodes by their ways from the target of the command, so that what is above comes before what is below.
type Parts = BTreeMap<Vec<String>, Part>;

impl From<TndsError> for TreeFault {
    fn from(error: TndsError) -> Self {
        match error {
            TndsError::TooLarge => Self::ValueTooLarge,
            TndsError::Unsupported | TndsError::NotWellFormed | TndsError::NotATree => Self::Type,
        }
    }
}

/// How a serialised sub-tree is written; nothing where the content is none. Many nodes must not end up as the text of one.
pub(super) fn encoding(content: &Content) -> Option<TndsEncoding> {
    TndsEncoding::of(media_type(content)?)
}

impl<'a> Judge<'a> {
    /// Creates every node of the document. None of them may be there.
    pub(super) fn add_subtree(self, target: &LocUri, content: &Content, encoding: TndsEncoding) -> Judged<Step> {
        let mut parts = self.parts(content, encoding)?;
        let (mut steps, mut nodes, mut bytes) = (Vec::new(), 0usize, 0usize);
        // Sub-trees may share ancestors that are not there yet.
        let mut ancestors = BTreeSet::new();
        while let Some((path, part)) = parts.pop_first() {
            let uri = part.uri(target, self.tree.limits.uri).map_err(TreeFault::Uri)?;
            let place = self.vacant(&uri)?;
            self.may_add(&uri, place)?;
            let is_owner = place.missing > 1 || part.is_interior || self.actor.has(Right::Replace, place.acl);
            if part.acl.is_some() && !is_owner {
                // The list of a leaf is its parent's business [DM TND 1.2, 7.7.1].
                return Err(StatusCode::PERMISSION_DENIED.into());
            }
            let node = self.node(&part)?;
            let node = self.with_below(node, &path, &mut parts, target)?;
            let extent = node.extent();
            nodes = nodes.saturating_add(extent.nodes);
            ancestors.extend((1..place.missing).map(|levels| uri.ancestor(levels)));
            bytes = bytes.saturating_add(extent.bytes);
            if self.tree.free_nodes() < place.missing {
                return Err(blocked(&uri, place.missing, self.tree.free_nodes(), TreeFault::TooManyNodes.status()));
            }
            let creator = self.creator(place, &node);
            self.tree.check_acl(&creator)?;
            steps.push(Step::Create { uri, node, creator });
        }
        self.tree.check_room(nodes.saturating_add(ancestors.len()), bytes, 0)?;
        Ok(Step::Several(steps))
    }

    /// Puts the document in the place of the node and all below it. The node itself keeps its list and its title where
    /// the document says nothing of them.
    pub(super) fn replace_subtree(
        self,
        uri: LocUri,
        place: Place<'a>,
        content: &Content,
        encoding: TndsEncoding,
    ) -> Judged<Step> {
        let old = place.node;
        admits(old, Verb::Replace)?;
        // What is permanent cannot go, and the root cannot come again.
        if uri.is_root() || old.has_permanent_below() {
            return Err(StatusCode::NOT_ALLOWED.into());
        }
        self.may(Right::Replace, place.acl)?;
        let mut parts = self.parts(content, encoding)?;
        let own = parts.remove(&Vec::new());
        let mut node = match &own {
            Some(part) => self.node(part)?,
            None if old.is_interior() => old.alone(),
            None => return Err(TreeFault::ParentIsLeaf.into()),
        };
        if let Some(part) = &own {
            let by_parent = place.parent_acl.is_some_and(|acl| self.actor.has(Right::Replace, acl));
            if part.acl.is_none() {
                node.acl = old.acl.clone();
            } else if !node.is_interior() && !by_parent {
                return Err(StatusCode::PERMISSION_DENIED.into());
            }
            if part.title.is_none() {
                node.title.clone_from(&old.title);
            }
            if part.media_type.is_none() {
                node.media_type.clone_from(&old.media_type);
            }
        }
        if old.permanent && (node.format() != old.format() || node.media_type != old.media_type) {
            return Err(StatusCode::NOT_ALLOWED.into());
        }
        let node = self.with_below(node, &[], &mut parts, &uri)?;
        self.tree.check_swap(old.extent(), node.extent())?;
        let node = Node {
            permanent: old.permanent,
            access: old.access,
            exec_status: old.exec_status,
            changed: self.tree.now,
            version: old.version.wrapping_add(1),
            ..node
        };
        Ok(Step::Swap { uri, node })
    }

    /// The nodes of the document, each once.
    fn parts(self, content: &Content, encoding: TndsEncoding) -> Judged<Parts> {
        let limits = self.tree.limits;
        let octets = content.data.as_deref().unwrap_or_default();
        let octets = match content.format.as_ref().map(Format::meant) {
            // Octets in XML [DM TNDS 1.2, 6].
            Some(Format::B64) => Cow::Owned(value::from_base64(octets).ok_or(StatusCode::UNSUPPORTED_TYPE)?),
            _ => Cow::Borrowed(octets),
        };
        let document = Document::parse(&octets, encoding, limits.value_bytes_max, limits.list_nodes_max);
        let mut parts = Parts::new();
        for part in document.map_err(TreeFault::from)?.parts {
            if parts.insert(part.path.clone(), part).is_some() {
                return Err(TreeFault::AlreadyThere.into());
            }
        }
        if parts.is_empty() { Err(TreeFault::Type.into()) } else { Ok(parts) }
    }

    /// The node, with the parts that stand below its way.
    fn with_below(self, mut top: Node, path: &[String], parts: &mut Parts, target: &LocUri) -> Judged<Node> {
        while let Some(entry) = parts.first_entry() {
            if !entry.key().starts_with(path) {
                break;
            }
            let part = entry.remove();
            part.uri(target, self.tree.limits.uri).map_err(TreeFault::Uri)?;
            let new = self.node(&part)?;
            let mut names = part.path.into_iter().skip(path.len());
            let Some(name) = names.next_back() else { continue };
            let mut parent = &mut top;
            for name in names {
                let children = parent.children_mut().ok_or(StatusCode::NOT_ALLOWED)?;
                let new = || Node { changed: self.tree.now, ..Node::interior("") }.into();
                parent = Arc::make_mut(children.entry(name.into()).or_insert_with(new));
            }
            parent.children_mut().ok_or(StatusCode::NOT_ALLOWED)?.insert(name.into(), new.into());
        }
        Ok(top)
    }

    /// One node without those below it. What a document says of size, time and version is the tree's own business.
    fn node(self, part: &Part) -> Judged<Node> {
        let tree = self.tree;
        let media_type = part.media_type.as_deref().unwrap_or_default();
        tree.check_type(media_type)?;
        let acl: Acl = match &part.acl {
            Some(acl) if acl.len() > tree.limits.acl_bytes_max => return Err(TreeFault::AclTooLong.into()),
            Some(acl) => acl.parse().map_err(TreeFault::Acl)?,
            None => Acl::default(),
        };
        let title = part.title.clone().unwrap_or_default();
        check_title(&title)?;
        let kind = if part.is_interior {
            Node::interior(media_type).kind
        } else {
            let format = part.format.as_ref().map_or(Format::Chr, Format::meant);
            let value = part.value.as_deref().unwrap_or_default();
            tree.check_value(&format, value)?;
            Kind::Leaf { format, value: value.into() }
        };
        let media_type = if media_type.is_empty() && !part.is_interior { PLAIN } else { media_type };
        Ok(Node { kind, acl, title, changed: tree.now, ..Node::interior(media_type) })
    }
}
