//! Rounds of a measurement, and how they are written.

use std::fmt::Write as _;

/// What one piece of work took, in nanoseconds.
pub(crate) struct Figures {
    pub(crate) low: u64,
    pub(crate) median: u64,
    pub(crate) high: u64,
}

impl Figures {
    /// Of the rounds: the median, and the bounds of their middle half.
    pub(crate) fn of(mut rounds: Vec<u64>) -> Self {
        rounds.sort_unstable();
        let at = |quarter: usize| rounds.get(rounds.len().saturating_sub(1) * quarter / 4).copied().unwrap_or_default();
        Self { low: at(1), median: at(2), high: at(3) }
    }

    /// Hundredths of the other one's median.
    pub(crate) fn over(&self, other: &Self) -> u64 {
        self.median.saturating_mul(100) / other.median.max(1)
    }
}

/// A number with its thousands apart.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Hundredths as a number with two places.
pub(crate) fn hundredths(number: u64) -> String {
    let mut text = (number / 100).to_string();
    // A `String` takes whatever is written to it.
    let _ = write!(text, ".{:02}", number % 100);
    text
}

/// The memory of this process that is in use, in octets; nothing where the system does not tell.
pub(crate) fn resident() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.split_whitespace().next()?.parse::<u64>().ok().map(|kib| kib * 1024)
}
