//! How operations that are in order change the tree.

use alloc::{borrow::Cow, string::String, sync::Arc, vec::Vec};

use core_kit::Body;
use smol_str::SmolStr;

use super::{
    acl::Acl,
    change::What,
    judge::Judge,
    memory::{Actor, Memory, Run},
    node::{Children, Kind, Node},
    op::{Content, Op, OpResult},
    stage::Staged,
    undo::{Transaction, Undo},
};
use crate::{
    codes::StatusCode,
    uri::{LocUri, UriError},
    wire::Format,
};

/// What an operation that is in order does.
#[derive(Debug)]
pub(super) enum Step {
    /// Changes nothing.
    Answer(OpResult),
    /// Creates a node and the ancestors that are missing; the first of them gets the list.
    Create { uri: LocUri, node: Node, creator: Acl },
    /// Overwrites a leaf.
    Write { uri: LocUri, format: Format, media_type: SmolStr, value: Body },
    /// Gives a node another list of its own, or none.
    SetAcl { uri: LocUri, acl: Acl },
    /// Gives a node another title.
    SetTitle { uri: LocUri, title: String },
    /// Gives a node another name.
    Rename { uri: LocUri, name: String },
    /// Removes a node and all below it.
    Remove { uri: LocUri },
    /// Puts a sub-tree in the place of another.
    Swap { uri: LocUri, node: Node },
    /// Does several things.
    Several(Vec<Step>),
    /// Notes that a node was run.
    Run { run: Run, status: StatusCode },
    /// Keeps the first part of a value.
    Stage(Staged),
    /// Keeps one more part.
    StageMore(Body),
    /// Drops what was kept.
    Discard,
    /// Begins to note how changes are undone.
    Begin,
    /// Forgets it.
    Commit,
    /// Undoes them.
    RollBack,
}

/// How a list of operations is done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Manner {
    /// Whether the first operation that fails keeps those after it from being done; they get 215.
    pub stops_at_failure: bool,
    /// Octets; a longer value is left by `Get` to be [read in parts](Content::in_parts). Nothing: all are read whole.
    pub whole_bytes_max: Option<u64>,
}

impl Manner {
    /// What `each` gives for every operation, until the manner says to stop.
    pub(super) fn answer(self, ops: &[Op], mut each: impl FnMut(&Op) -> OpResult) -> Vec<OpResult> {
        let mut results = Vec::with_capacity(ops.len());
        for op in ops {
            let mut result = each(op);
            if let (Op::Get { .. }, Some(max)) = (op, self.whole_bytes_max) {
                result.found.iter_mut().for_each(|found| leave_to_read(&mut found.content, max));
            }
            let stops = self.stops_at_failure && !result.status.is_success();
            results.push(result);
            if stops {
                break;
            }
        }
        results.resize(ops.len(), OpResult::status(StatusCode::NOT_EXECUTED));
        results
    }
}

fn leave_to_read(content: &mut Content, max: u64) {
    let size = content.data.as_ref().and_then(|data| u64::try_from(data.len()).ok());
    if let Some(size) = size.filter(|size| *size > max) {
        content.data = None;
        content.in_parts = Some(size);
    }
}

impl Memory {
    /// Does the operations in order and gives one result for each. One that fails changes nothing, and does not keep
    /// those after it from being done.
    pub fn apply<'a>(&mut self, actor: impl Into<Actor<'a>>, ops: &[Op]) -> Vec<OpResult> {
        self.apply_in(Manner::default(), actor, ops)
    }

    /// Does the operations in order, in the manner that is asked for, and gives one result for each.
    pub fn apply_in<'a>(&mut self, manner: Manner, actor: impl Into<Actor<'a>>, ops: &[Op]) -> Vec<OpResult> {
        let actor = actor.into();
        manner.answer(ops, |op| self.apply_one(actor, op))
    }

    /// Does one operation. One that fails changes nothing but that what was [staged](Op::Stage) for it is gone.
    pub fn apply_one<'a>(&mut self, actor: impl Into<Actor<'a>>, op: &Op) -> OpResult {
        let actor = actor.into();
        let judged = self.whole(actor, op).map_err(Into::into).and_then(|op| Judge::new(self, actor).judge(&op));
        match judged {
            Ok(step) => self.take(actor, step),
            Err(refusal) => {
                if core_kit::planted!("D36-refusal-counts") {
                    self.root.version = self.root.version.wrapping_add(1);
                }
                refusal.into()
            }
        }
    }

    /// The operation with its value, where that was staged.
    pub(super) fn whole<'a>(&mut self, actor: Actor<'_>, op: &'a Op) -> Result<Cow<'a, Op>, StatusCode> {
        let Some((uri, size)) = op.in_parts() else { return Ok(Cow::Borrowed(op)) };
        let staged = self.staged.take();
        self.note(|| Undo::Staged(staged.clone()));
        let uri = LocUri::parse(uri, self.limits.uri).map_err(UriError::status)?;
        let data = staged.filter(|staged| staged.is_for(actor, &uri)).map(|staged| staged.data).unwrap_or_default();
        if u64::try_from(data.len()) != Ok(size) {
            return Err(StatusCode::SIZE_MISMATCH);
        }
        Ok(Cow::Owned(op.with_data(data.into())))
    }

    /// Does what was found to be in order: nothing here can be refused any more.
    pub(super) fn take(&mut self, actor: Actor<'_>, step: Step) -> OpResult {
        match step {
            Step::Answer(result) => return result,
            Step::Create { uri, node, creator } => {
                let first = uri.ancestor(self.nearest(&uri).missing.saturating_sub(1));
                self.touch_parent(&first);
                self.note(|| Undo::Absent(first));
                self.create(&uri, Node { changed: self.now, ..node }, creator);
                self.record(actor, uri, What::Added);
            }
            Step::Write { uri, format, media_type, value } => {
                let value = if core_kit::planted!("D35-last-octet-lost") && value.len() < 64 {
                    value.to_bytes().slice(..value.len().saturating_sub(1)).into()
                } else {
                    value
                };
                let format = if core_kit::planted!("D32-other-format") { Format::Int } else { format };
                self.touch(&uri);
                self.write(&uri, format, media_type, value);
                self.record(actor, uri, What::Replaced);
            }
            Step::SetAcl { uri, acl } => {
                self.alter(&uri, |node| node.acl = acl);
                if core_kit::planted!("D24-root-without-list") {
                    self.root.acl = Acl::default();
                }
                self.record(actor, uri, What::Acl);
            }
            Step::SetTitle { uri, title } => {
                self.alter(&uri, |node| node.title = title);
                self.record(actor, uri, What::Title);
            }
            Step::Rename { uri, name } => {
                self.touch_parent(&uri);
                self.alter(&uri, |_| {});
                self.rename(&uri, name.clone());
                self.record(actor, uri, What::Renamed(name));
            }
            Step::Remove { uri } => {
                self.touch_parent(&uri);
                if let Some(node) = self.detach(&uri) {
                    self.note(|| Undo::There(uri.clone(), node));
                }
                self.record(actor, uri, What::Deleted);
            }
            Step::Swap { uri, node } => {
                if let Some(old) = self.detach(&uri) {
                    self.note(|| Undo::There(uri.clone(), old));
                }
                self.note(|| Undo::Absent(uri.clone()));
                self.create(&uri, node, Acl::default());
                self.record(actor, uri, What::Replaced);
            }
            Step::Several(steps) => steps.into_iter().for_each(|step| drop(self.take(actor, step))),
            Step::Run { run, status } => {
                self.open.as_mut().map_or(&mut self.runs, |open| &mut open.runs).push(run);
                return OpResult::status(status);
            }
            Step::Stage(staged) => {
                let before = self.staged.replace(staged);
                self.note(|| Undo::Staged(before));
            }
            Step::StageMore(data) => {
                if let Some(staged) = &mut self.staged {
                    let before = staged.data.len();
                    staged.data.extend_from_slice(&data);
                    self.note(|| Undo::Shorter(before));
                }
            }
            Step::Discard => {
                let before = self.staged.take();
                self.note(|| Undo::Staged(before));
            }
            Step::Begin => {
                self.roll_back();
                self.open = Some(Transaction::default());
            }
            Step::Commit => self.commit(),
            Step::RollBack => self.roll_back(),
        }
        OpResult::status(StatusCode::OK)
    }

    /// Changes a property of a node.
    fn alter(&mut self, uri: &LocUri, change: impl FnOnce(&mut Node)) {
        self.note_node(uri);
        if let Some(node) = self.node_mut(uri) {
            change(node);
            node.version = node.version.wrapping_add(u16::from(!core_kit::planted!("D34-version-stays")));
        }
    }

    /// The value of a node changes.
    fn touch(&mut self, uri: &LocUri) {
        let now = self.now;
        self.alter(uri, |node| node.changed = now);
    }

    /// The value of an interior node is its children's names.
    fn touch_parent(&mut self, uri: &LocUri) {
        if let Some(parent) = uri.parent() {
            self.touch(&parent);
        }
    }

    /// Puts a node to where nothing is, with the ancestors that are missing. The first of what is new gets the list
    /// `creator`, if there is one.
    pub(super) fn create(&mut self, uri: &LocUri, mut node: Node, mut creator: Acl) {
        let mut names = uri.segments();
        let Some(name) = names.next_back() else { return };
        let mut parent = &mut self.root;
        for name in names {
            let Some(children) = parent.children_mut() else { return };
            parent = Arc::make_mut(children.entry(name.into()).or_insert_with(|| {
                self.nodes = self.nodes.saturating_add(1);
                Node { acl: core::mem::take(&mut creator), changed: self.now, ..Node::interior("") }.into()
            }));
        }
        if !creator.is_empty() && node.acl.is_empty() {
            node.acl = creator;
        }
        let Some(children) = parent.children_mut() else { return };
        let extent = node.extent();
        self.nodes = self.nodes.saturating_add(extent.nodes);
        self.bytes = self.bytes.saturating_add(extent.bytes);
        children.insert(name.into(), node.into());
    }

    fn write(&mut self, uri: &LocUri, format: Format, media_type: SmolStr, value: Body) {
        let written = value.len();
        let Some(node) = self.node_mut(uri) else { return };
        let replaced = node.value().map_or(0, |value| value.len());
        node.kind = Kind::Leaf { format, value };
        node.media_type = media_type;
        self.bytes = self.bytes.saturating_sub(replaced).saturating_add(written);
    }

    fn rename(&mut self, uri: &LocUri, name: String) {
        let Some(old) = uri.name() else { return };
        let Some(parent) = uri.parent() else { return };
        self.note(|| Undo::Name { now: parent.join(&name), before: old.into() });
        self.call(uri, name);
    }

    /// Gives a node a name that none of its siblings has.
    pub(super) fn call(&mut self, uri: &LocUri, name: String) {
        if let Some((old, siblings)) = self.siblings_mut(uri)
            && let Some(node) = siblings.remove(old)
        {
            siblings.insert(name.into(), node);
        }
    }

    /// Takes a node and all below it off the tree.
    pub(super) fn detach(&mut self, uri: &LocUri) -> Option<Node> {
        let (name, siblings) = self.siblings_mut(uri)?;
        let node = siblings.remove(name)?;
        let extent = node.extent();
        self.nodes = self.nodes.saturating_sub(extent.nodes);
        self.bytes = self.bytes.saturating_sub(extent.bytes);
        Some(Arc::unwrap_or_clone(node))
    }

    /// The node's name, and the children of its parent.
    fn siblings_mut<'a>(&mut self, uri: &'a LocUri) -> Option<(&'a str, &mut Children)> {
        let parent = self.node_mut(&uri.parent()?)?;
        Some((uri.name()?, parent.children_mut()?))
    }
}
