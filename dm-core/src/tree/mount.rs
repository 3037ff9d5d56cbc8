//! Sub-trees of the embedder's own, beside the nodes in memory.
//!
//! A [`MountedTree`] answers like a [`Memory`]. Some of its interior nodes are mount points: what is below them is a
//! [`Mount`], which answers for itself, as it likes: at once, with 202 for what will take long, or with a refusal.

use alloc::{borrow::Cow, boxed::Box, format, string::String, string::ToString, vec::Vec};
use core::fmt;

use core_kit::UnixMillis;

use super::{
    acl::Right,
    apply::Manner,
    error::{TreeError, TreeFault},
    memory::{Actor, Memory},
    op::{Content, Found, Op, OpResult},
};
use crate::{
    codes::StatusCode,
    uri::{LocUri, Suffix},
    wire::Format,
};

/// A sub-tree that answers for itself.
///
/// It gets [`Op::Get`] of the mount point and all operations on what is below it, but for those that the tree does for
/// every mount: values in parts come as one, a part to be read is cut out of a `Get`, and a copy from or to elsewhere is
/// a `Get` and a `Replace` or an `Add`. The caller's rights have been looked at when an operation comes: those that it
/// has on the mount point count for all that is below, and a mount may refuse more.
///
/// [`Op::Begin`] comes before the first change of an `Atomic`, and then one [`Op::Commit`] or [`Op::RollBack`]. A mount
/// that cannot go back answers `Begin` with 406: the change is answered so and the `Atomic` fails. One that can must be
/// able to keep the changes when `Commit` comes. After a crash in between a mount goes back by itself.
pub trait Mount {
    /// Does one operation.
    fn answer(&mut self, call: &Call<'_>) -> OpResult;
}

/// One operation on a mount.
#[derive(Clone, Copy, Debug)]
pub struct Call<'a> {
    /// What to do. Its addresses are those of the whole tree.
    pub op: &'a Op,
    /// The names on the way from the mount point to the node, joined by `/`; nothing for the mount point itself, and
    /// for an operation that is about no node. For a copy it is the way to the node that is written.
    pub path: &'a str,
    /// What is asked for instead of the node.
    pub suffix: Option<&'a Suffix>,
    /// In whose name.
    pub actor: Actor<'a>,
    /// When.
    pub at: UnixMillis,
}

/// A tree in memory with mounts in it.
#[derive(Default)]
pub struct MountedTree {
    memory: Memory,
    mounts: Vec<Mounted>,
    open: Option<Open>,
}

struct Mounted {
    point: LocUri,
    mount: Box<dyn Mount + Send>,
}

/// What an `Atomic` has done so far.
#[derive(Default)]
struct Open {
    /// How many operations there were.
    count: u32,
    /// The mounts that were changed, by their place in the list, in the order of their first change.
    joined: Vec<Joined>,
}

struct Joined {
    mount: usize,
    /// Which operations were done there.
    ops: Vec<u32>,
}

/// Whose node an operation is about.
enum Place {
    Memory,
    Mount { at: usize, path: String, suffix: Option<Suffix> },
}

impl From<Memory> for MountedTree {
    fn from(memory: Memory) -> Self {
        Self { memory, ..Self::default() }
    }
}

impl fmt::Debug for MountedTree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let points = self.mounts.iter().map(|mounted| mounted.point.to_string()).collect::<Vec<_>>();
        f.debug_struct("MountedTree").field("memory", &self.memory).field("mounts", &points).finish_non_exhaustive()
    }
}

impl MountedTree {
    /// Mounts a sub-tree at a node in memory: interior, permanent and without children.
    ///
    /// # Errors
    /// There is no such node, or something is mounted there.
    pub fn mount(&mut self, uri: &str, mount: impl Mount + Send + 'static) -> Result<(), TreeError> {
        let point = self.memory.address(uri).map_err(|fault| fault.at(uri))?;
        let node = self.memory.node(uri).ok_or_else(|| TreeFault::NotThere.at(uri))?;
        let is_free = self.mounts.iter().all(|mounted| mounted.point != point);
        let is_point = node.is_interior() && node.is_permanent() && node.children().len() == 0 && !point.is_root();
        if !is_free || !is_point {
            return Err(TreeFault::NotAMountPoint.at(uri));
        }
        self.mounts.push(Mounted { point, mount: Box::new(mount) });
        Ok(())
    }

    /// The part in memory.
    #[must_use]
    pub const fn memory(&self) -> &Memory {
        &self.memory
    }

    /// The part in memory, for the device to change.
    pub const fn memory_mut(&mut self) -> &mut Memory {
        &mut self.memory
    }

    /// Does the operations in order, in the manner that is asked for, and gives one result for each.
    pub fn apply_in<'a>(&mut self, manner: Manner, actor: impl Into<Actor<'a>>, ops: &[Op]) -> Vec<OpResult> {
        let actor = actor.into();
        manner.answer(ops, |op| self.apply_one(actor, op))
    }

    /// Does one operation.
    pub fn apply_one<'a>(&mut self, actor: impl Into<Actor<'a>>, op: &Op) -> OpResult {
        let actor = actor.into();
        let number = self.open.as_mut().map(|open| {
            open.count = open.count.saturating_add(1);
            open.count.saturating_sub(1)
        });
        match op {
            Op::Begin => {
                self.roll_back_mounts(actor);
                let result = self.memory.apply_one(actor, op);
                self.open = result.status.is_success().then(Open::default);
                result
            }
            Op::Commit => self.commit(actor),
            Op::RollBack => {
                let not_undone = self.roll_back_mounts(actor);
                let result = self.memory.apply_one(actor, op);
                if not_undone.is_empty() {
                    return result;
                }
                OpResult { not_undone, ..OpResult::status(StatusCode::ROLL_BACK_FAILED) }
            }
            Op::Copy { from, to } => self.copy(actor, op, number, from, to),
            Op::Stage { .. } | Op::Discard => self.memory.apply_one(actor, op),
            Op::Get { uri } | Op::Read { uri, .. } => match self.place(op, uri) {
                Place::Memory => self.listed(actor, op, uri),
                Place::Mount { at, path, suffix } => self.read(actor, op, at, &path, suffix.as_ref()),
            },
            Op::Add { uri, .. } | Op::Replace { uri, .. } | Op::Delete { uri } | Op::Exec { uri, .. } => {
                match self.place(op, uri) {
                    Place::Memory => self.memory.apply_one(actor, op),
                    Place::Mount { at, path, suffix } => self.change(actor, op, number, at, &path, suffix.as_ref()),
                }
            }
        }
    }

    /// Undoes what an `Atomic` did that was not brought to its end, and drops a value that has come in part; see
    /// [`Memory::abandon`].
    pub fn abandon(&mut self) {
        self.roll_back_mounts(Actor::Device);
        self.memory.abandon();
    }

    /// Whose the node is. Of the mount point itself only the names and the lists are the mount's.
    fn place(&self, op: &Op, text: &str) -> Place {
        let Ok(uri) = LocUri::parse(text, self.memory.limits().uri) else { return Place::Memory };
        let names = || uri.segments();
        let found = self.mounts.iter().position(|mounted| {
            let point = mounted.point.segments();
            point.clone().eq(names().take(point.count()))
        });
        let Some(at) = found else { return Place::Memory };
        let depth = self.mounts.get(at).map_or(0, |mounted| mounted.point.segments().count());
        let path = names().skip(depth).collect::<Vec<_>>().join("/");
        let suffix = uri.suffix().cloned();
        let reads = matches!(op, Op::Get { .. } | Op::Read { .. }) && !matches!(suffix, Some(Suffix::Prop(_)));
        if path.is_empty() && !reads { Place::Memory } else { Place::Mount { at, path, suffix } }
    }

    /// Whether the caller has the right on the mount point.
    fn may(&self, actor: Actor<'_>, right: Right, at: usize) -> bool {
        self.mounts.get(at).is_some_and(|mounted| actor.has(right, self.memory.nearest(&mounted.point).acl))
    }

    fn call(&mut self, actor: Actor<'_>, op: &Op, at: usize, path: &str, suffix: Option<&Suffix>) -> OpResult {
        let call = Call { op, path, suffix, actor, at: self.memory.now };
        match self.mounts.get_mut(at) {
            Some(mounted) => mounted.mount.answer(&call),
            None => OpResult::status(StatusCode::NOT_FOUND),
        }
    }

    /// A `Get`, or the part of it that is asked for.
    fn read(&mut self, actor: Actor<'_>, op: &Op, at: usize, path: &str, suffix: Option<&Suffix>) -> OpResult {
        if !self.may(actor, Right::Get, at) {
            return OpResult::status(StatusCode::PERMISSION_DENIED);
        }
        match op {
            Op::Read { uri, offset, bytes } => {
                let result = self.call(actor, &Op::Get { uri: uri.clone() }, at, path, suffix);
                result.part(*offset, *bytes)
            }
            _ => self.call(actor, op, at, path, suffix),
        }
    }

    /// A `Get` of a node in memory. A list of nodes goes on below the mount points.
    fn listed(&mut self, actor: Actor<'_>, op: &Op, text: &str) -> OpResult {
        let mut result = self.memory.apply_one(actor, op);
        let Some((address, list)) = text.split_once("?list=") else { return result };
        let is_list = matches!(list, "Struct" | "StructData") && result.status.is_success();
        let Ok(above) = LocUri::parse(address, self.memory.limits().uri) else { return result };
        for at in 0..if is_list { self.mounts.len() } else { 0 } {
            let Some(point) = self.mounts.get(at).map(|mounted| mounted.point.clone()) else { continue };
            let is_below = above.segments().eq(point.segments().take(above.segments().count()));
            if !is_below || !self.may(actor, Right::Get, at) {
                continue;
            }
            let uri = format!("{point}?list={list}");
            let suffix = Suffix::List(list.into());
            let below = self.call(actor, &Op::Get { uri: uri.into() }, at, "", Some(&suffix));
            // The point itself is in memory.
            let point = point.to_string();
            let below = below.found.into_iter().filter(|found| below.status.is_success() && found.uri != point);
            result.found.extend(below);
        }
        if result.found.len() > self.memory.limits().list_nodes_max {
            return OpResult::status(StatusCode::TOO_LARGE);
        }
        result
    }

    fn change(
        &mut self,
        actor: Actor<'_>,
        op: &Op,
        number: Option<u32>,
        at: usize,
        path: &str,
        suffix: Option<&Suffix>,
    ) -> OpResult {
        let whole: Cow<'_, Op> = match self.memory.whole(actor, op) {
            Ok(whole) => whole,
            Err(status) => return OpResult::status(status),
        };
        let right = match op {
            Op::Add { .. } => Right::Add,
            Op::Delete { .. } => Right::Delete,
            Op::Exec { .. } => Right::Exec,
            _ => Right::Replace,
        };
        if !self.may(actor, right, at) {
            return OpResult::status(StatusCode::PERMISSION_DENIED);
        }
        if let Err(refused) = self.join(actor, number, at) {
            return refused;
        }
        self.call(actor, &whole, at, path, suffix)
    }

    /// Has a mount take part in the `Atomic` that is open, and notes the operation.
    fn join(&mut self, actor: Actor<'_>, number: Option<u32>, at: usize) -> Result<(), OpResult> {
        let (Some(number), Some(open)) = (number, &self.open) else { return Ok(()) };
        if open.joined.iter().all(|joined| joined.mount != at) {
            let begun = self.call(actor, &Op::Begin, at, "", None);
            if !begun.status.is_success() {
                return Err(OpResult::status(begun.status));
            }
            if let Some(open) = &mut self.open {
                open.joined.push(Joined { mount: at, ops: Vec::new() });
            }
        }
        let joined = self.open.iter_mut().flat_map(|open| &mut open.joined).find(|joined| joined.mount == at);
        if let Some(joined) = joined {
            joined.ops.push(number);
        }
        Ok(())
    }

    /// From one part of the tree to another a copy is a `Get`, and then a `Replace`, or an `Add` where there is nothing.
    fn copy(&mut self, actor: Actor<'_>, op: &Op, number: Option<u32>, from: &str, to: &str) -> OpResult {
        match (self.place(op, from), self.place(op, to)) {
            (Place::Memory, Place::Memory) => return self.memory.apply_one(actor, op),
            (Place::Mount { at, .. }, Place::Mount { at: same, path, suffix }) if at == same => {
                if !self.may(actor, Right::Get, at) {
                    return OpResult::status(StatusCode::PERMISSION_DENIED);
                }
                return self.change(actor, op, number, at, &path, suffix.as_ref());
            }
            _ => {}
        }
        let read = self.apply_uncounted(actor, &Op::Get { uri: from.into() }, number);
        let content = match read.found.into_iter().next() {
            Some(Found { content, .. }) if read.status.is_success() => content,
            _ if read.status.is_success() => return OpResult::status(StatusCode::COMMAND_FAILED),
            _ => return OpResult::status(read.status),
        };
        if content.format == Some(Format::Node) {
            return OpResult::status(StatusCode::NOT_ALLOWED);
        }
        // Format and type of a leaf that is there stay.
        let value = Content { data: content.data.clone(), ..Content::default() };
        let replaced = self.apply_uncounted(actor, &Op::Replace { uri: to.into(), content: value }, number);
        if replaced.status != StatusCode::NOT_FOUND {
            return replaced;
        }
        self.apply_uncounted(actor, &Op::Add { uri: to.into(), content }, number)
    }

    /// A part of an operation, under the number of that.
    fn apply_uncounted(&mut self, actor: Actor<'_>, op: &Op, number: Option<u32>) -> OpResult {
        let result = self.apply_one(actor, op);
        let Some(open) = self.open.as_mut() else { return result };
        open.count = open.count.saturating_sub(1);
        let counted = open.count;
        for joined in &mut open.joined {
            if joined.ops.last() == Some(&counted) {
                joined.ops.pop();
                joined.ops.extend(number);
            }
        }
        result
    }

    /// All mounts keep their changes, then the memory its own. If one cannot, everything goes back that still can.
    fn commit(&mut self, actor: Actor<'_>) -> OpResult {
        let joined = self.open.as_mut().map(|open| core::mem::take(&mut open.joined)).unwrap_or_default();
        let mut kept = Vec::new();
        let mut joined = joined.into_iter();
        while let Some(one) = joined.next() {
            let result = self.call(actor, &Op::Commit, one.mount, "", None);
            if result.status.is_success() {
                kept.extend(one.ops);
                continue;
            }
            if let Some(open) = &mut self.open {
                open.joined = [one].into_iter().chain(joined).collect();
            }
            kept.extend(self.roll_back_mounts(actor));
            self.memory.apply_one(actor, &Op::RollBack);
            kept.sort_unstable();
            let status = if kept.is_empty() { result.status } else { StatusCode::ROLL_BACK_FAILED };
            return OpResult { not_undone: kept, ..OpResult::status(status) };
        }
        self.open = None;
        self.memory.apply_one(actor, &Op::Commit)
    }

    /// All mounts go back, the one that was changed last first. Gives the operations that could not be undone.
    fn roll_back_mounts(&mut self, actor: Actor<'_>) -> Vec<u32> {
        let Some(open) = self.open.take() else { return Vec::new() };
        let mut not_undone = Vec::new();
        for joined in open.joined.into_iter().rev() {
            let result = self.call(actor, &Op::RollBack, joined.mount, "", None);
            let is_undone = result.status.is_success();
            // What a mount counts are its own operations.
            let named = |at: &u32| usize::try_from(*at).ok().and_then(|at| joined.ops.get(at)).copied();
            let named: Vec<u32> = result.not_undone.iter().filter_map(named).collect();
            match (is_undone, named.is_empty()) {
                (true, _) => {}
                (false, false) => not_undone.extend(named),
                (false, true) => not_undone.extend(joined.ops),
            }
        }
        not_undone.sort_unstable();
        not_undone.dedup();
        not_undone
    }
}
