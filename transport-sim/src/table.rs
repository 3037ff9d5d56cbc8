//! Numbers under numbers, for the hot path, and the mixing that everything drawn comes from.

/// What sets one step of a sequence apart from the next: 2^64 divided by the golden ratio.
pub(crate) const STEP: u64 = 0x9E37_79B9_7F4A_7C15;

/// A one-to-one map of 64 bits in which every bit of the input sways every bit of the output: the last steps of
/// `SplitMix64`, with the constants of its variant 13.
pub(crate) const fn mix(x: u64) -> u64 {
    let x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    x ^ (x >> 31)
}

/// Takes another number into a hash of several.
pub(crate) const fn absorb(hash: u64, number: u64) -> u64 {
    mix(hash.wrapping_add(STEP) ^ number)
}

/// Half of a hash, which is a hash: where an entry is at home.
pub(crate) const fn home(hash: u64) -> u32 {
    let [a, b, c, d, ..] = hash.to_le_bytes();
    u32::from_le_bytes([a, b, c, d])
}

/// No key: one that comes as this is kept under the key before.
const EMPTY: u64 = u64::MAX;

/// A hash table with open addresses. It cannot be walked, so no order of it can leak into a run. At most two entries in
/// three are taken.
///
/// Whoever uses it says where a key is at home. Keys that are used together have one home, so that they lie side by side
/// and all but the first are in the cache.
#[derive(Clone, Debug, Default)]
pub(crate) struct Table<V> {
    entries: Vec<Entry<V>>,
    len: usize,
}

#[derive(Clone, Copy, Debug)]
struct Entry<V> {
    key: u64,
    home: u32,
    value: V,
}

impl<V: Copy + Default> Table<V> {
    pub(crate) const fn new() -> Self {
        Self { entries: Vec::new(), len: 0 }
    }

    /// Puts what `next` makes of the value under `key` in its place, the default where there is none; the new value.
    pub(crate) fn update(&mut self, key: u64, home: u32, next: impl FnOnce(V) -> V) -> V {
        if self.len * 3 >= self.entries.len() * 2 {
            self.grow();
        }
        let key = key.min(EMPTY - 1);
        let at = self.place(key, home);
        let Some(entry) = self.entries.get_mut(at) else { return V::default() };
        if entry.key == EMPTY {
            *entry = Entry { key, home, value: V::default() };
            self.len += 1;
        }
        entry.value = next(entry.value);
        entry.value
    }

    /// Where `key` is or belongs. There is always an empty entry, so the search ends.
    fn place(&self, key: u64, home: u32) -> usize {
        let mask = self.entries.len().wrapping_sub(1);
        let mut at = (home as usize) & mask;
        while self.entries.get(at).is_some_and(|entry| entry.key != key && entry.key != EMPTY) {
            at = (at + 1) & mask;
        }
        at
    }

    /// Takes out all that is at home there. Whatever else there is, is found as before.
    pub(crate) fn forget(&mut self, home: u32) {
        let mask = self.entries.len().wrapping_sub(1);
        let mut at = (home as usize) & mask;
        while let Some(entry) = self.entries.get(at).filter(|entry| entry.key != EMPTY) {
            if entry.home == home {
                // What moves into its place is looked at next.
                self.take_out(at);
            } else {
                at = (at + 1) & mask;
            }
        }
    }

    /// Empties a place, and closes the gap as far as searches would stop at it.
    fn take_out(&mut self, mut hole: usize) {
        let mask = self.entries.len().wrapping_sub(1);
        let mut at = (hole + 1) & mask;
        while let Some(entry) = self.entries.get(at).copied().filter(|entry| entry.key != EMPTY) {
            let is_past = at.wrapping_sub(entry.home as usize) & mask >= at.wrapping_sub(hole) & mask;
            if is_past && let Some(place) = self.entries.get_mut(hole) {
                *place = entry;
                hole = at;
            }
            at = (at + 1) & mask;
        }
        if let Some(place) = self.entries.get_mut(hole) {
            place.key = EMPTY;
            self.len -= 1;
        }
    }

    fn grow(&mut self) {
        let larger = (self.entries.len() * 2).max(16);
        let empty = Entry { key: EMPTY, home: 0, value: V::default() };
        for entry in core::mem::replace(&mut self.entries, vec![empty; larger]) {
            if entry.key != EMPTY {
                let at = self.place(entry.key, entry.home);
                if let Some(place) = self.entries.get_mut(at) {
                    *place = entry;
                }
            }
        }
    }
}

/// Values under small numbers that are given out again when they are free.
#[derive(Debug)]
pub(crate) struct Slab<T> {
    values: Vec<Option<T>>,
    free: Vec<u32>,
}

impl<T> Slab<T> {
    pub(crate) const fn new() -> Self {
        Self { values: Vec::new(), free: Vec::new() }
    }

    pub(crate) fn put(&mut self, value: T) -> u32 {
        let Some(at) = self.free.pop() else {
            self.values.push(Some(value));
            return u32::try_from(self.values.len() - 1).unwrap_or(u32::MAX);
        };
        if let Some(place) = self.values.get_mut(at as usize) {
            *place = Some(value);
        }
        at
    }

    pub(crate) fn take(&mut self, at: u32) -> Option<T> {
        let value = self.values.get_mut(at as usize)?.take();
        if value.is_some() {
            self.free.push(at);
        }
        value
    }

    pub(crate) fn get(&self, at: u32) -> Option<&T> {
        self.values.get(at as usize)?.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn a_table_holds_what_a_map_holds() {
        let (mut table, mut map) = (Table::new(), BTreeMap::new());
        for n in 0..20_000u64 {
            let key = mix(n % 5_000) % 7_000;
            let home = u32::try_from(key % 900).unwrap();
            let expected = map.entry(key).and_modify(|count| *count += n).or_insert(n);
            assert_eq!(table.update(key, home, |count| count + n), *expected);
        }
        assert_eq!(table.len, map.len());
        assert_eq!(table.update(u64::MAX, 3, |_| 7), 7);
        assert_eq!(table.update(u64::MAX, 3, |n| n + 1), 8);
    }

    #[test]
    fn what_is_forgotten_is_gone_and_all_else_is_where_it_was() {
        let (mut table, mut map) = (Table::<u64>::new(), BTreeMap::<u64, u64>::new());
        for n in 0..30_000u64 {
            let key = mix(n) % 900;
            let home = u32::try_from(key % 40).unwrap() * 3;
            if n % 50 == 0 {
                table.forget(home);
                map.retain(|key, _| u32::try_from(key % 40).unwrap() * 3 != home);
                assert_eq!(table.len, map.len());
            } else {
                let expected = map.entry(key).and_modify(|count| *count += n).or_insert(n);
                assert_eq!(table.update(key, home, |count| count + n), *expected);
            }
        }
        Table::<u32>::new().forget(3);
    }

    #[test]
    fn a_place_that_is_free_is_given_out_again() {
        let mut slab = Slab::new();
        let (a, b) = (slab.put('a'), slab.put('b'));
        assert_eq!((slab.take(a), slab.take(a), slab.get(b)), (Some('a'), None, Some(&'b')));
        assert_eq!((slab.put('c'), slab.put('d')), (a, 2));
    }
}
