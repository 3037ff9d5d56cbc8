//! How far it is.

use std::{
    fmt,
    io::{IsTerminal as _, Write as _},
    time::{Duration, Instant},
};

/// How often the line is written anew.
const EACH: Duration = Duration::from_millis(200);
/// Columns of the bar.
const COLUMNS: u64 = 24;

/// Where it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Goal {
    /// So many seeds.
    Seeds(u64),
    /// So much time.
    Time(Duration),
}

/// A line that is written over, for people only.
pub(super) struct Progress {
    goal: Goal,
    begun: Instant,
    shown: Option<Instant>,
    is_terminal: bool,
    done: u64,
    failed: u64,
}

impl Progress {
    pub(super) fn new(goal: Goal) -> Self {
        let is_terminal = std::io::stderr().is_terminal();
        Self { goal, begun: Instant::now(), shown: None, is_terminal, done: 0, failed: 0 }
    }

    /// A seed is done.
    pub(super) fn step(&mut self, failed: bool) {
        self.done += 1;
        self.failed += u64::from(failed);
        if self.is_terminal && self.shown.is_none_or(|shown| shown.elapsed() >= EACH) {
            self.shown = Some(Instant::now());
            let Self { goal, done, failed, .. } = *self;
            eprint!("\r{:78}", Line { goal, done, failed, took: self.begun.elapsed() }.to_string());
            flush();
        }
    }

    pub(super) fn clear(&self) {
        if self.shown.is_some() {
            eprint!("\r{:78}\r", "");
            flush();
        }
    }
}

/// What is shown.
struct Line {
    goal: Goal,
    done: u64,
    failed: u64,
    took: Duration,
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { goal, done, failed, took } = self;
        let millis = |time: &Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let (part, whole) = match goal {
            Goal::Seeds(seeds) => (*done, *seeds),
            Goal::Time(time) => (millis(took), millis(time)),
        };
        let filled = (part.min(whole).saturating_mul(COLUMNS) / whole.max(1)).min(COLUMNS);
        let filled = usize::try_from(filled).unwrap_or_default();
        let tenths = done.saturating_mul(10_000) / millis(took).max(1);
        write!(f, "sim: [{:<24}] {done}", "=".repeat(filled))?;
        match goal {
            Goal::Seeds(seeds) => write!(f, " of {seeds} seeds")?,
            Goal::Time(time) => write!(f, " seeds, {} of {}", Clock(*took), Clock(*time))?,
        }
        write!(f, ", {}.{}/s, {failed} failed", tenths / 10, tenths % 10)
    }
}

/// Minutes and seconds.
struct Clock(Duration);

impl fmt::Display for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.as_secs();
        write!(f, "{}:{:02}", seconds / 60, seconds % 60)
    }
}

fn flush() {
    // A terminal that is gone is no reason to stop.
    let _ = std::io::stderr().flush();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_says_how_far_it_is_by_seeds_or_by_time() {
        let took = Duration::from_secs(125);
        let line = |goal| Line { goal, done: 500, failed: 1, took }.to_string();
        assert_eq!(line(Goal::Seeds(2_000)), "sim: [======                  ] 500 of 2000 seeds, 4.0/s, 1 failed");
        let time = Goal::Time(Duration::from_secs(250));
        assert_eq!(line(time), "sim: [============            ] 500 seeds, 2:05 of 4:10, 4.0/s, 1 failed");
        let over = Goal::Time(Duration::from_secs(60));
        assert!(line(over).contains("[========================]"), "what takes longer does not overflow");
    }
}
