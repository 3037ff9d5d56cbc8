//! Whether an operation is in order, and what doing it means.
//!
//! An operation is judged as a whole before anything is touched, so one that fails changes nothing. The checks come in
//! one order for all commands [digest 6.6]: address, suffix, existence, what the node admits, rights, format and type,
//! size, room.

use alloc::vec::Vec;

use core_kit::Body;
use smol_str::ToSmolStr;

use super::{
    access::Verb,
    acl::{Acl, Right},
    apply::Step,
    error::TreeFault,
    memory::{Actor, Memory, Place, Run, check_title},
    node::{Kind, Node, PLAIN},
    op::{Content, Op, OpResult},
    property::Property,
    stage::Staged,
    value,
};
use crate::{
    codes::StatusCode,
    uri::{self, LocUri, Suffix},
    wire::Format,
};

mod list;
mod read;
mod subtree;

use list::Listing;

/// What an address asks for instead of the node.
enum Asked {
    Property(Property),
    List(Listing),
}

type Judged<T> = Result<T, Refusal>;

/// Why an operation is not done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    status: StatusCode,
    /// The ancestor of the node to be added that cannot be made.
    failed_at: Option<LocUri>,
}

impl From<StatusCode> for Refusal {
    fn from(status: StatusCode) -> Self {
        Self { status, failed_at: None }
    }
}

impl From<TreeFault> for Refusal {
    fn from(fault: TreeFault) -> Self {
        fault.status().into()
    }
}

impl From<Refusal> for OpResult {
    fn from(refusal: Refusal) -> Self {
        Self { failed_at: refusal.failed_at.map(|uri| uri.to_smolstr()), ..Self::status(refusal.status) }
    }
}

/// The tree as it is, and who wants something of it.
#[derive(Clone, Copy)]
pub(super) struct Judge<'a> {
    tree: &'a Memory,
    actor: Actor<'a>,
}

impl<'a> Judge<'a> {
    pub(super) const fn new(tree: &'a Memory, actor: Actor<'a>) -> Self {
        Self { tree, actor }
    }

    pub(super) fn judge(self, op: &Op) -> Judged<Step> {
        if op.changes() {
            self.tree.check_undo()?;
        }
        match op {
            Op::Get { uri } => self.get(uri),
            Op::Add { uri, content } => self.add(uri, content),
            Op::Replace { uri, content } => self.replace(uri, content),
            Op::Delete { uri } => self.delete(uri),
            Op::Copy { from, to } => self.copy(from, to),
            Op::Exec { uri, argument, correlator } => self.exec(uri, argument, correlator.as_deref()),
            Op::Read { uri, offset, bytes } => self.read_part(uri, *offset, *bytes),
            Op::Stage { uri, size, offset, data } => self.stage(uri, *size, *offset, data),
            Op::Discard => Ok(Step::Discard),
            Op::Begin => Ok(Step::Begin),
            Op::Commit if self.tree.is_open() => Ok(Step::Commit),
            Op::RollBack if self.tree.is_open() => Ok(Step::RollBack),
            Op::Commit | Op::RollBack => Err(StatusCode::COMMAND_FAILED.into()),
        }
    }

    fn add(self, text: &str, content: &Content) -> Judged<Step> {
        let (uri, property) = self.parse(text)?;
        if property.is_some() {
            self.existing(&uri)?;
            return Err(StatusCode::NOT_ALLOWED.into());
        }
        if let Some(encoding) = subtree::encoding(content) {
            return self.add_subtree(&uri, content, encoding);
        }
        let place = self.vacant(&uri)?;
        self.may_add(&uri, place)?;
        self.creation(uri, place, self.new_node(content)?)
    }

    fn replace(self, text: &str, content: &Content) -> Judged<Step> {
        let (uri, property) = self.parse(text)?;
        let place = self.existing(&uri)?;
        match property {
            None => match subtree::encoding(content) {
                Some(encoding) => self.replace_subtree(uri, place, content, encoding),
                None => self.write(uri, place, content),
            },
            Some(Property::Acl) => self.set_acl(uri, place, content),
            Some(Property::Name) => self.rename(uri, place, content),
            Some(Property::Title) => self.set_title(uri, place, content),
            Some(Property::Format | Property::Size | Property::TStamp | Property::Type | Property::VerNo) => {
                Err(StatusCode::NOT_ALLOWED.into())
            }
        }
    }

    fn write(self, uri: LocUri, place: Place<'_>, content: &Content) -> Judged<Step> {
        let node = place.node;
        admits(node, Verb::Replace)?;
        let Kind::Leaf { format: kept, value } = &node.kind else { return Err(StatusCode::NOT_ALLOWED.into()) };
        let asked = content.format.as_ref().map(Format::meant);
        // XML carries the octets of a `bin` node as base64, and says so [DM TND 1.2, 7.7.2].
        let is_encoded = *kept == Format::Bin && asked == Some(Format::B64);
        let format = if is_encoded { Format::Bin } else { asked.unwrap_or_else(|| kept.clone()) };
        let media_type = media_type(content).unwrap_or(&node.media_type);
        let is_other = format != *kept || !media_type.eq_ignore_ascii_case(&node.media_type);
        if node.permanent && is_other {
            return Err(StatusCode::NOT_ALLOWED.into());
        }
        self.may(Right::Replace, place.acl)?;
        self.tree.check_type(media_type)?;
        let octets = content.data.as_deref().unwrap_or_default();
        // The octets are copied, so that a short value does not keep the whole message that it came in.
        let new: Body = if is_encoded {
            value::from_base64(octets).ok_or(StatusCode::UNSUPPORTED_TYPE)?.into()
        } else {
            octets.into()
        };
        self.tree.check_value(&format, &new)?;
        self.tree.check_room(0, new.len(), value.len())?;
        Ok(Step::Write { uri, format, media_type: media_type.into(), value: new })
    }

    /// Who may replace the list of a node: for an interior node who may replace the node or its parent, for a leaf only
    /// who may replace the parent [DM TND 1.2, 7.7.1].
    fn set_acl(self, uri: LocUri, place: Place<'_>, content: &Content) -> Judged<Step> {
        let text = content.data.as_deref().unwrap_or_default();
        if uri.is_root() && text.is_empty() {
            return Err(TreeFault::RootWithoutAcl.into());
        }
        let by_parent = place.parent_acl.is_some_and(|acl| self.actor.has(Right::Replace, acl));
        let by_node = place.node.is_interior() && self.actor.has(Right::Replace, place.acl);
        if !by_parent && !by_node && self.actor != Actor::Device {
            return Err(StatusCode::PERMISSION_DENIED.into());
        }
        if text.len() > self.tree.limits.acl_bytes_max {
            return Err(TreeFault::AclTooLong.into());
        }
        let text = core::str::from_utf8(text).map_err(|_| StatusCode::UNSUPPORTED_TYPE)?;
        let acl = text.parse().map_err(TreeFault::Acl)?;
        Ok(Step::SetAcl { uri, acl })
    }

    fn set_title(self, uri: LocUri, place: Place<'_>, content: &Content) -> Judged<Step> {
        admits(place.node, Verb::Replace)?;
        self.may(Right::Replace, place.acl)?;
        let octets = content.data.as_deref().unwrap_or_default();
        let title = core::str::from_utf8(octets).map_err(|_| StatusCode::UNSUPPORTED_TYPE)?;
        check_title(title)?;
        Ok(Step::SetTitle { uri, title: title.into() })
    }

    fn rename(self, uri: LocUri, place: Place<'_>, content: &Content) -> Judged<Step> {
        let limits = self.tree.limits.uri;
        let old = uri.name().unwrap_or_default();
        let parent = uri.parent().ok_or(StatusCode::NOT_ALLOWED)?;
        if place.node.permanent {
            return Err(StatusCode::NOT_ALLOWED.into());
        }
        admits(place.node, Verb::Replace)?;
        self.may(Right::Replace, place.acl)?;
        let octets = content.data.as_deref().unwrap_or_default();
        let new = core::str::from_utf8(octets).map_err(|_| StatusCode::UNSUPPORTED_TYPE)?;
        uri::check_name(new, limits).map_err(|error| match error.status() {
            StatusCode::URI_TOO_LONG => StatusCode::URI_TOO_LONG,
            _ => StatusCode::UNSUPPORTED_TYPE,
        })?;
        if new != old && self.tree.nearest(&parent).node.child(new).is_some() {
            return Err(StatusCode::ALREADY_EXISTS.into());
        }
        // All below the node must still have an address.
        let (path, below) = (parent.child(new, limits).map_err(TreeFault::Uri)?, place.node.extent());
        let (octets, chars) = path.length();
        if !limits.admits_total(octets.saturating_add(below.path_octets), chars.saturating_add(below.path_chars)) {
            return Err(StatusCode::URI_TOO_LONG.into());
        }
        Ok(Step::Rename { uri, name: new.into() })
    }

    fn delete(self, text: &str) -> Judged<Step> {
        let (uri, property) = self.parse(text)?;
        let place = self.existing(&uri)?;
        if property.is_some() || place.node.permanent {
            return Err(StatusCode::NOT_ALLOWED.into());
        }
        admits(place.node, Verb::Delete)?;
        self.may(Right::Delete, place.acl)?;
        Ok(Step::Remove { uri })
    }

    /// The value goes over; format and type of a leaf that is there stay. What does not fit into it is 403: it cannot be
    /// overwritten, and not for want of a right [digest 2.6].
    fn copy(self, from: &str, to: &str) -> Judged<Step> {
        let ((from, from_property), (to, to_property)) = (self.parse(from)?, self.parse(to)?);
        let source = self.existing(&from)?;
        if from_property.is_some() {
            return Err(StatusCode::NOT_ALLOWED.into());
        }
        if to_property.is_some() {
            self.existing(&to)?;
            return Err(StatusCode::NOT_ALLOWED.into());
        }
        let Kind::Leaf { value, .. } = &source.node.kind else { return Err(StatusCode::NOT_ALLOWED.into()) };
        // A copy shows the value, so what must not be read must not be copied.
        admits(source.node, Verb::Copy)?;
        admits(source.node, Verb::Get)?;
        let target = self.tree.nearest(&to);
        if target.missing != 0 {
            let target = self.vacant(&to)?;
            self.may(Right::Get, source.acl)?;
            self.may_add(&to, target)?;
            let copy = Node::leaf(source.node.format().clone(), source.node.media_type.clone(), value.clone());
            return self.creation(to, target, copy);
        }
        let Kind::Leaf { format, value: old } = &target.node.kind else { return Err(StatusCode::FORBIDDEN.into()) };
        admits(target.node, Verb::Replace).map_err(|_| StatusCode::FORBIDDEN)?;
        self.may(Right::Get, source.acl)?;
        self.may(Right::Replace, target.acl)?;
        self.tree.check_value(format, value).map_err(|_| StatusCode::FORBIDDEN)?;
        self.tree.check_room(0, value.len(), old.len())?;
        let media_type = target.node.media_type.clone();
        Ok(Step::Write { uri: to, format: format.clone(), media_type, value: value.clone() })
    }

    /// An argument that is too large is 420: the table of `Exec` has no 413, and what has no room is the log.
    fn exec(self, text: &str, argument: &Content, correlator: Option<&str>) -> Judged<Step> {
        let (uri, property) = self.parse(text)?;
        let place = self.existing(&uri)?;
        if property.is_some() {
            return Err(StatusCode::NOT_ALLOWED.into());
        }
        let status = place.node.exec_status().ok_or(StatusCode::NOT_ALLOWED)?;
        self.may(Right::Exec, place.acl)?;
        let parts = [argument.data.as_deref(), argument.media_type.as_deref().map(str::as_bytes)];
        let parts = parts.into_iter().chain([correlator.map(str::as_bytes)]).flatten();
        let octets = parts.fold(0usize, |octets, part| octets.saturating_add(part.len()));
        if octets > self.tree.limits.value_bytes_max || self.tree.run_count() >= self.tree.limits.runs_max {
            return Err(StatusCode::DEVICE_FULL.into());
        }
        if !status.is_success() {
            return Err(status.into());
        }
        let server = match self.actor {
            Actor::Server(server) => Some(server.clone()),
            Actor::Device => None,
        };
        let run = Run { uri, server, argument: argument.clone(), correlator: correlator.map(Into::into) };
        Ok(Step::Run { run, status })
    }

    /// A part of a value that comes in several messages. What the rights and the node say of it is found out when the
    /// value is whole; here it matters only whether there will be room.
    fn stage(self, text: &str, size: u64, offset: u64, data: &Body) -> Judged<Step> {
        self.parse(text)?;
        // A property may come in parts as well.
        let uri = LocUri::parse(text, self.tree.limits.uri).map_err(TreeFault::Uri)?;
        let (size, offset) = (octets(size), octets(offset));
        let end = offset.saturating_add(data.len());
        if end > size && !core_kit::planted!("D39-more-than-said") {
            return Err(StatusCode::SIZE_MISMATCH.into());
        }
        if offset == 0 {
            if size > self.tree.limits.value_bytes_max {
                return Err(TreeFault::ValueTooLarge.into());
            }
            let place = self.tree.nearest(&uri);
            let old = place.node.value().filter(|_| place.missing == 0).map_or(0, |value| value.len());
            self.tree.check_room(0, size, old)?;
            let data = Vec::from(&**data);
            return Ok(Step::Stage(Staged { uri, server: self.actor.server(), size, data }));
        }
        match &self.tree.staged {
            Some(staged) if staged.is_for(self.actor, &uri) && staged.size == size && staged.data.len() == offset => {
                Ok(Step::StageMore(data.clone()))
            }
            _ => Err(StatusCode::COMMAND_FAILED.into()),
        }
    }

    /// The address of the node, and the property that is asked for. Lists are to be read only.
    fn parse(self, text: &str) -> Judged<(LocUri, Option<Property>)> {
        match self.parse_any(text)? {
            (uri, None) => Ok((uri, None)),
            (uri, Some(Asked::Property(property))) => Ok((uri, Some(property))),
            (_, Some(Asked::List(_))) => Err(StatusCode::NOT_SUPPORTED.into()),
        }
    }

    /// The address of the node, and what is asked for instead of it.
    fn parse_any(self, text: &str) -> Judged<(LocUri, Option<Asked>)> {
        let uri = LocUri::parse(text, self.tree.limits.uri).map_err(TreeFault::Uri)?;
        let (uri, suffix) = uri.split();
        let asked = match suffix {
            None => None,
            Some(Suffix::Prop(name)) => {
                Property::parse(&name).map(Asked::Property).ok_or(StatusCode::NOT_SUPPORTED)?.into()
            }
            Some(Suffix::List(word)) => Listing::parse(&word).map(Asked::List).ok_or(StatusCode::NOT_SUPPORTED)?.into(),
        };
        Ok((uri, asked))
    }

    fn existing(self, uri: &LocUri) -> Judged<Place<'a>> {
        let place = self.tree.nearest(uri);
        if place.missing == 0 { Ok(place) } else { Err(TreeFault::NotThere.into()) }
    }

    /// The nearest ancestor of where there is nothing yet, if it can have children.
    fn vacant(self, uri: &LocUri) -> Judged<Place<'a>> {
        let place = self.tree.nearest(uri);
        if place.missing == 0 {
            return Err(TreeFault::AlreadyThere.into());
        }
        let blocked = |fault| blocked(uri, place.missing, 0, fault);
        if !place.node.is_interior() {
            return Err(blocked(TreeFault::ParentIsLeaf.status()));
        }
        if !place.node.access.admits(Verb::Add) {
            return Err(blocked(StatusCode::NOT_ALLOWED));
        }
        Ok(place)
    }

    /// Whether something may be added to where there is nothing yet.
    fn may_add(self, uri: &LocUri, place: Place<'_>) -> Judged<()> {
        let denied = || blocked(uri, place.missing, 0, StatusCode::PERMISSION_DENIED);
        if self.actor.has(Right::Add, place.acl) { Ok(()) } else { Err(denied()) }
    }

    fn may(self, right: Right, acl: &Acl) -> Judged<()> {
        if self.actor.has(right, acl) || core_kit::planted!("D23-rights-ignored") {
            Ok(())
        } else {
            Err(StatusCode::PERMISSION_DENIED.into())
        }
    }

    /// The node that an `Add` describes. Format `b64` makes a node of base64 text, since nothing tells it from octets
    /// that are meant to be `bin`.
    fn new_node(self, content: &Content) -> Result<Node, TreeFault> {
        let format = content.format.as_ref().map_or(Format::Chr, Format::meant);
        let octets = content.data.as_deref().unwrap_or_default();
        let media_type = media_type(content);
        self.tree.check_type(media_type.unwrap_or_default())?;
        if format == Format::Node {
            // `text/plain` is what nothing said of, also where a command says it for all of its items.
            let identifier = media_type.filter(|media_type| !media_type.eq_ignore_ascii_case(PLAIN));
            let node = Node::interior(identifier.unwrap_or_default());
            return if octets.is_empty() { Ok(node) } else { Err(TreeFault::NotOfFormat(format)) };
        }
        self.tree.check_value(&format, octets)?;
        Ok(Node::leaf(format, media_type.unwrap_or(PLAIN), octets.into()))
    }

    /// An interior node belongs to its creator where that could not have changed the list of a node in this place
    /// [DM TND 1.2, 7.7.1]. Of several new ones it is the first; the others inherit from it.
    fn creator(self, place: Place<'_>, node: &Node) -> Acl {
        let is_first_interior = place.missing > 1 || node.is_interior();
        match self.actor {
            Actor::Server(server) if is_first_interior && !place.acl.allows(Right::Replace, server) => {
                Acl::creator(server)
            }
            _ => Acl::default(),
        }
    }

    fn creation(self, uri: LocUri, place: Place<'_>, node: Node) -> Judged<Step> {
        let creator = self.creator(place, &node);
        self.tree.check_acl(&creator)?;
        let (bytes, free) = (node.value().map_or(0, |value| value.len()), self.tree.free_nodes());
        if free < place.missing {
            return Err(blocked(&uri, place.missing, free, TreeFault::TooManyNodes.status()));
        }
        self.tree.check_room(place.missing, bytes, 0)?;
        Ok(Step::Create { uri, node, creator })
    }
}

/// The refusal of a new node for which `missing` nodes must be made, of which `made` could be.
fn blocked(uri: &LocUri, missing: usize, made: usize, status: StatusCode) -> Refusal {
    let rest = missing.saturating_sub(made).saturating_sub(1);
    let failed_at = (rest > 0).then(|| uri.ancestor(rest));
    Refusal { status, failed_at }
}

fn admits(node: &Node, verb: Verb) -> Judged<()> {
    if node.access.admits(verb) || core_kit::planted!("D33-access-ignored") {
        Ok(())
    } else {
        Err(StatusCode::NOT_ALLOWED.into())
    }
}

/// No size that is too large for this machine is small enough for a tree on it.
fn octets(count: u64) -> usize {
    usize::try_from(count).unwrap_or(usize::MAX)
}

/// The `Type` that was said, if any was.
fn media_type(content: &Content) -> Option<&str> {
    content.media_type.as_deref().map(str::trim).filter(|media_type| !media_type.is_empty())
}
