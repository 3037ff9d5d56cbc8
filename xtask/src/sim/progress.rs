//! How far it is.

use std::io::{IsTerminal, Write as _};

/// A line that is written over, for people only.
pub(super) struct Progress {
    of: u64,
    done: u64,
    shown: bool,
}

impl Progress {
    pub(super) fn new(of: u64) -> Self {
        Self { of, done: 0, shown: std::io::stderr().is_terminal() }
    }

    pub(super) fn step(&mut self) {
        self.done += 1;
        if self.shown && self.done.is_multiple_of(100) {
            eprint!("\rsim: {} of {} seeds", self.done, self.of);
            flush();
        }
    }

    pub(super) fn clear(&self) {
        if self.shown {
            eprint!("\r{:60}\r", "");
            flush();
        }
    }
}

fn flush() {
    // A terminal that is gone is no reason to stop.
    let _ = std::io::stderr().flush();
}
