//! What a device remembers, and forgets when its disk goes back.

/// Things in the order in which they came. Each has a number, and none has that of one that was forgotten: a disk may go
/// back to before it went back.
pub(super) struct Remembered<T> {
    entries: Vec<(u32, T)>,
    last: u32,
}

impl<T> Default for Remembered<T> {
    fn default() -> Self {
        Self { entries: Vec::new(), last: 0 }
    }
}

impl<T> Remembered<T> {
    pub(super) fn push(&mut self, entry: T) {
        self.last = self.last.saturating_add(1);
        self.entries.push((self.last, entry));
    }

    /// The number of the last one that there ever was.
    pub(super) const fn mark(&self) -> u32 {
        self.last
    }

    fn place(&self, mark: u32) -> usize {
        self.entries.partition_point(|(number, _)| *number <= mark)
    }

    /// All that came after the mark.
    pub(super) fn since(&self, mark: u32) -> impl Iterator<Item = &T> {
        self.entries.iter().skip(self.place(mark)).map(|(_, entry)| entry)
    }

    /// Forgets all that came after the mark, and tells what it was.
    pub(super) fn forget_since(&mut self, mark: u32) -> Vec<T> {
        self.entries.split_off(self.place(mark)).into_iter().map(|(_, entry)| entry).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_after_a_mark_is_forgotten_even_when_the_mark_is_older_than_the_last_return() {
        let mut remembered = Remembered::default();
        remembered.push("first");
        let early = remembered.mark();
        remembered.push("second");
        let late = remembered.mark();
        assert_eq!(remembered.forget_since(0), ["first", "second"]);
        remembered.push("third");
        // The disk goes back to where the second was there: what came since is the third, however few there are now.
        assert_eq!(remembered.since(late).collect::<Vec<_>>(), [&"third"]);
        assert_eq!(remembered.forget_since(early), ["third"]);
        assert_eq!(remembered.since(0).count(), 0);
    }
}
