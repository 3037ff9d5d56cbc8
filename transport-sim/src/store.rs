//! A store whose rows change by compare-and-swap.
//!
//! It belongs to the world and not to a node, so it survives every crash. Nothing in it ever fails without a reason: a
//! commit is lost if and only if the row has another revision by then, because another commit came in between. A
//! scenario that wants lost races lets such a rival come, and does not pretend.

use std::collections::BTreeMap;

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

/// Rows under keys, and how often they changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Store<K, V> {
    rows: BTreeMap<K, Row<V>>,
    done: u64,
    lost: u64,
}

impl<K: Ord, V> Default for Store<K, V> {
    fn default() -> Self {
        Self { rows: BTreeMap::new(), done: 0, lost: 0 }
    }
}

impl<K: Ord, V> Store<K, V> {
    /// The row under `key`.
    #[must_use]
    pub fn load(&self, key: &K) -> Option<&Row<V>> {
        self.rows.get(key)
    }

    /// The revision under `key`; 0 where nothing is.
    #[must_use]
    pub fn revision(&self, key: &K) -> u64 {
        self.load(key).map_or(0, |row| row.revision)
    }

    /// Stores `value` under `key` if the row still has the revision `expected`; `next` is its revision then. A `next`
    /// that is not greater than `expected` is lost, since nobody could tell the rows apart.
    pub fn compare_and_swap(&mut self, key: K, expected: u64, next: u64, value: V) -> Commit {
        if self.revision(&key) != expected || next <= expected {
            self.lost += 1;
            return Commit::Lost;
        }
        self.rows.insert(key, Row { revision: next, value });
        self.done += 1;
        Commit::Done
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
}
