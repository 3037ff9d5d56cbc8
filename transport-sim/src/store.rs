//! A store whose rows change by compare-and-swap.
//!
//! It belongs to the world and not to a node, so it survives every crash. Nothing in it ever fails without a reason: a
//! commit is lost if and only if the row has another revision by then, because another commit came in between. A
//! scenario that wants lost races lets such a rival come, and does not pretend.
//!
//! Disks fail, too, where they are told to: [`Store::write`] takes the [`DiskFault`] that
//! [`Context::disk_fault`](crate::Context::disk_fault) drew, [`Store::read`] tells a damaged row from one that is not
//! there, [`Store::lose_unsynced`] is what a crash of the disk's host does, and [`Store::go_back`] restores a backup.
//!
//! ```
//! use transport_sim::{Commit, Damaged, DiskFault, Store, WriteError};
//!
//! let mut store = Store::default();
//! assert_eq!(store.write("k", 0, 1, 'a', None), Ok(Commit::Done));
//! assert_eq!(store.write("k", 1, 2, 'b', Some(DiskFault::Full)), Err(WriteError::Full));
//! assert_eq!(store.write("k", 1, 2, 'b', Some(DiskFault::Unsynced)), Ok(Commit::Done));
//! assert_eq!(store.lose_unsynced(), 1);
//! assert_eq!(store.read(&"k").unwrap().map(|row| row.value), Some('a'));
//! assert_eq!(store.write("k", 1, 2, 'b', Some(DiskFault::Rot)), Ok(Commit::Done));
//! assert_eq!(store.read(&"k"), Err(Damaged));
//! ```

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::DiskFault;

/// A stored value and its revision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row<V> {
    /// Grows with every commit; a row that is not there counts as 0.
    pub revision: u64,
    /// The value.
    pub value: V,
}

/// How a commit ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Commit {
    /// It is stored.
    Done,
    /// Somebody else was first: load and run again.
    Lost,
}

/// Why a write was not done. The row is as it was, or is damaged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WriteError {
    /// F29.
    #[error("the write failed")]
    Failed,
    /// F30: the row is damaged.
    #[error("the write was torn")]
    Torn,
    /// F32.
    #[error("the disk is full")]
    Full,
}

/// There is a row, and it cannot be read: it was torn, or it has rotted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the stored row is damaged")]
pub struct Damaged;

/// A row as it was before a commit.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Undo<K, V> {
    /// Counts the commits.
    commit: u64,
    key: K,
    before: Option<Row<V>>,
    was_damaged: bool,
}

/// Rows under keys, and how often they changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Store<K, V> {
    rows: BTreeMap<K, Row<V>>,
    damaged: BTreeSet<K>,
    done: u64,
    lost: u64,
    /// What can be undone, newest last; at most `past_max`, and what was not synced.
    past: VecDeque<Undo<K, V>>,
    past_max: usize,
    /// The first commit that was not synced.
    unsynced: Option<u64>,
}

impl<K: Ord, V> Default for Store<K, V> {
    fn default() -> Self {
        Self {
            rows: BTreeMap::new(),
            damaged: BTreeSet::new(),
            done: 0,
            lost: 0,
            past: VecDeque::new(),
            past_max: 0,
            unsynced: None,
        }
    }
}

impl<K: Ord + Clone, V> Store<K, V> {
    /// A store that remembers so many commits, to [go back](Self::go_back).
    #[must_use]
    pub fn with_past(commits: usize) -> Self {
        Self { past_max: commits, ..Self::default() }
    }

    /// Stores `value` as [`compare_and_swap`](Self::compare_and_swap) does, on a disk to which `fault` happens. A commit that
    /// is lost to another one does not reach the disk.
    ///
    /// # Errors
    /// The disk says that it did not write.
    pub fn write(
        &mut self,
        key: K,
        expected: u64,
        next: u64,
        value: V,
        fault: Option<DiskFault>,
    ) -> Result<Commit, WriteError> {
        if !self.is_next(&key, expected, next) {
            self.lost += 1;
            return Ok(Commit::Lost);
        }
        match fault {
            Some(DiskFault::Error) => return Err(WriteError::Failed),
            Some(DiskFault::Full) => return Err(WriteError::Full),
            Some(DiskFault::Torn) => {
                self.damage(&key);
                return Err(WriteError::Torn);
            }
            None | Some(DiskFault::Unsynced | DiskFault::Back(_) | DiskFault::Rot) => {}
        }
        // What comes after a write that was not synced is not synced either.
        if fault == Some(DiskFault::Unsynced) && self.unsynced.is_none() {
            self.unsynced = Some(self.done);
        }
        let keeps = self.past_max > 0 || self.unsynced.is_some() || matches!(fault, Some(DiskFault::Back(_)));
        let kept = (keeps || fault == Some(DiskFault::Rot)).then(|| key.clone());
        let was_damaged = !self.damaged.is_empty() && self.damaged.remove(&key);
        let before = self.rows.insert(key, Row { revision: next, value });
        if let Some(key) = kept {
            if fault == Some(DiskFault::Rot) {
                self.damaged.insert(key.clone());
            }
            if keeps {
                self.past.push_back(Undo { commit: self.done, key, before, was_damaged });
            }
        }
        self.done += 1;
        if let Some(DiskFault::Back(commits)) = fault {
            self.go_back(commits as usize);
        }
        self.forget();
        Ok(Commit::Done)
    }

    /// Makes everything durable that was acknowledged so far: it outlives every crash.
    pub fn sync(&mut self) {
        self.unsynced = None;
        self.forget();
    }

    /// Loses what was not synced, as a crash of the disk's host does; how many commits that were.
    pub fn lose_unsynced(&mut self) -> usize {
        let Some(first) = self.unsynced.take() else { return 0 };
        let count = self.past.iter().rev().take_while(|undo| undo.commit >= first).count();
        self.go_back(count)
    }

    /// Is again as it was so many commits ago, as far as they are remembered; how many were undone.
    pub fn go_back(&mut self, commits: usize) -> usize {
        let mut undone = 0;
        while undone < commits
            && let Some(Undo { key, before, was_damaged, .. }) = self.past.pop_back()
        {
            match before {
                Some(row) => _ = self.rows.insert(key.clone(), row),
                None => _ = self.rows.remove(&key),
            }
            if was_damaged {
                self.damaged.insert(key);
            } else {
                self.damaged.remove(&key);
            }
            undone += 1;
        }
        undone
    }

    /// Damages the row under `key`, if there is one.
    pub fn damage(&mut self, key: &K) {
        if self.rows.contains_key(key) {
            self.damaged.insert(key.clone());
        }
    }

    /// Forgets what will not be undone.
    fn forget(&mut self) {
        let first = self.unsynced.unwrap_or(u64::MAX);
        while self.past.len() > self.past_max && self.past.front().is_some_and(|undo| undo.commit < first) {
            self.past.pop_front();
        }
    }
}

impl<K: Ord, V> Store<K, V> {
    /// The row under `key`; nothing where none can be read.
    #[must_use]
    pub fn load(&self, key: &K) -> Option<&Row<V>> {
        self.read(key).ok().flatten()
    }

    /// The row under `key`.
    ///
    /// # Errors
    /// There is one, and it cannot be read.
    pub fn read(&self, key: &K) -> Result<Option<&Row<V>>, Damaged> {
        if !self.damaged.is_empty() && self.damaged.contains(key) {
            return Err(Damaged);
        }
        Ok(self.rows.get(key))
    }

    /// The revision under `key`; 0 where nothing is. A damaged row still has its revision.
    #[must_use]
    pub fn revision(&self, key: &K) -> u64 {
        self.rows.get(key).map_or(0, |row| row.revision)
    }

    /// Stores `value` under `key` if the row still has the revision `expected`; `next` is its revision then. A `next`
    /// that is not greater than `expected` is lost, since nobody could tell the rows apart.
    pub fn compare_and_swap(&mut self, key: K, expected: u64, next: u64, value: V) -> Commit
    where
        K: Clone,
    {
        // Without a fault no disk complains.
        self.write(key, expected, next, value, None).unwrap_or(Commit::Lost)
    }

    /// Takes the row under `key` away, for good: it comes back by no fault, and whoever writes it again begins at 0.
    pub fn remove(&mut self, key: &K) {
        self.rows.remove(key);
        self.damaged.remove(key);
        self.past.retain(|undo| undo.key != *key);
    }

    fn is_next(&self, key: &K, expected: u64, next: u64) -> bool {
        self.revision(key) == expected && next > expected
    }

    /// The rows, in the order of their keys.
    pub fn rows(&self) -> impl Iterator<Item = (&K, &Row<V>)> {
        self.rows.iter()
    }

    /// How many commits were stored.
    #[must_use]
    pub const fn done(&self) -> u64 {
        self.done
    }

    /// How many commits were lost.
    #[must_use]
    pub const fn lost(&self) -> u64 {
        self.lost
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_two_commits_from_the_same_revision_one_is_stored() {
        let mut store = Store::default();
        assert_eq!(store.compare_and_swap("k", 0, 1, 'a'), Commit::Done);
        assert_eq!(store.compare_and_swap("k", 1, 2, 'b'), Commit::Done);
        assert_eq!(store.compare_and_swap("k", 1, 3, 'c'), Commit::Lost);
        assert_eq!(store.load(&"k"), Some(&Row { revision: 2, value: 'b' }));
        assert_eq!((store.done(), store.lost()), (2, 1));
    }

    #[test]
    fn a_commit_must_raise_the_revision() {
        let mut store = Store::default();
        assert_eq!(store.compare_and_swap("k", 0, 0, 'a'), Commit::Lost);
        assert_eq!(store.load(&"k"), None);
    }

    fn values(store: &Store<&'static str, char>) -> Vec<(&'static str, char)> {
        store.rows().map(|(key, row)| (*key, row.value)).collect()
    }

    #[test]
    fn f29_f32_a_write_that_fails_changes_nothing() {
        let mut store = Store::default();
        assert_eq!(store.write("k", 0, 1, 'a', None), Ok(Commit::Done));
        assert_eq!(store.write("k", 1, 2, 'b', Some(DiskFault::Error)), Err(WriteError::Failed));
        assert_eq!(store.write("k", 1, 2, 'b', Some(DiskFault::Full)), Err(WriteError::Full));
        assert_eq!((values(&store), store.revision(&"k"), store.done()), (vec![("k", 'a')], 1, 1));
    }

    #[test]
    fn f30_f34_a_damaged_row_is_told_from_a_missing_one_and_can_be_written_anew() {
        for fault in [DiskFault::Torn, DiskFault::Rot] {
            let mut store = Store::default();
            assert_eq!(store.write("k", 0, 1, 'a', None), Ok(Commit::Done));
            let _ = store.write("k", 1, 2, 'b', Some(fault));
            assert_eq!((store.read(&"k"), store.load(&"k"), store.read(&"other")), (Err(Damaged), None, Ok(None)));
            let revision = store.revision(&"k");
            assert_eq!(store.compare_and_swap("k", revision, 9, 'c'), Commit::Done);
            assert_eq!(store.load(&"k").map(|row| row.value), Some('c'));
        }
    }

    #[test]
    fn f31_what_was_not_synced_is_lost_with_all_that_came_after_it() {
        let mut store = Store::default();
        for (revision, value, fault) in [(0, 'a', None), (1, 'b', Some(DiskFault::Unsynced)), (2, 'c', None)] {
            assert_eq!(store.write("k", revision, revision + 1, value, fault), Ok(Commit::Done));
        }
        assert_eq!(store.write("new", 0, 1, 'x', None), Ok(Commit::Done));
        assert_eq!(store.lose_unsynced(), 3);
        assert_eq!(values(&store), [("k", 'a')]);
        assert_eq!(store.write("k", 1, 2, 'b', Some(DiskFault::Unsynced)), Ok(Commit::Done));
        store.sync();
        assert_eq!((store.lose_unsynced(), values(&store)), (0, vec![("k", 'b')]));
    }

    #[test]
    fn f33_a_store_with_a_past_goes_back() {
        let mut store = Store::with_past(2);
        for revision in 0..4 {
            let value = char::from(b'a' + u8::try_from(revision).unwrap());
            assert_eq!(store.compare_and_swap("k", revision, revision + 1, value), Commit::Done);
        }
        assert_eq!(store.go_back(9), 2, "no more is remembered");
        assert_eq!((values(&store), store.revision(&"k")), (vec![("k", 'b')], 2));
        assert_eq!(store.write("k", 2, 3, 'z', Some(DiskFault::Back(1))), Ok(Commit::Done));
        assert_eq!(values(&store), [("k", 'b')], "the backup is older than the write");
    }
}
