//! Who changed what, and when.

use alloc::{collections::VecDeque, string::String, vec::Vec};

use core_kit::UnixMillis;
use serde::{Deserialize, Serialize};

use super::memory::{Actor, Memory};
use crate::{ids::ServerId, uri::LocUri};

/// One change of a tree.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Change {
    /// When; 0 where no time was told.
    pub at: UnixMillis,
    /// Which server; nothing for the device itself.
    pub by: Option<ServerId>,
    /// The node, by the name that it had before.
    pub uri: LocUri,
    /// What happened to it.
    pub what: What,
}

/// What happened to a node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum What {
    /// It is new, and ancestors that were missing with it; of a serialised sub-tree this is the topmost node.
    Added,
    /// It has another value, or the same once more; or it is another sub-tree.
    Replaced,
    /// It is gone with all below it.
    Deleted,
    /// It has this name now.
    Renamed(String),
    /// It has another access control list.
    Acl,
    /// It has another title.
    Title,
}

/// What a tree has noted since it was last asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// The changes, oldest first.
    pub list: Vec<Change>,
    /// How many older ones were dropped, for want of [room](crate::limits::TreeLimits::changes_max).
    pub lost: u64,
}

/// What is noted, within its bound.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct ChangeLog {
    list: VecDeque<Change>,
    lost: u64,
}

impl ChangeLog {
    pub(super) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    pub(super) fn push(&mut self, change: Change, max: usize) {
        self.list.push_back(change);
        while self.list.len() > max {
            self.list.pop_front();
            self.lost = self.lost.saturating_add(1);
        }
    }
}

impl Memory {
    /// The changes since they were last taken. What an `Atomic` did is among them once that is at its end.
    pub fn take_changes(&mut self) -> Changes {
        let ChangeLog { list, lost } = core::mem::take(&mut self.changes);
        Changes { list: list.into(), lost }
    }

    pub(super) fn record(&mut self, actor: Actor<'_>, uri: LocUri, what: What) {
        let change = Change { at: self.now, by: actor.server(), uri, what };
        match &mut self.open {
            Some(open) => open.changes.push(change),
            None => self.changes.push(change, self.limits.changes_max),
        }
    }
}
