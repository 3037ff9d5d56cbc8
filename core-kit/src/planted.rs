//! Bugs that are in the code on purpose, to prove that the rules of the simulator would see them.
//!
//! This module exists in builds with `--cfg planted` only (and in the tests of this crate, which look at the catalogue).
//! `cargo xtask sim --planted` makes such a build for itself, in a directory of its own.
//!
//! The switch is the one global of the cores: a bug may sit in any function, however deep, and none of them could be
//! handed a switch without changing for its sake. It is right here because it cannot be in any other build, and because
//! whoever hunts runs one world at a time.

use core::sync::atomic::{AtomicU16, Ordering};

mod catalogue;

pub use catalogue::{BUGS, EXEMPT};

/// A bug that can be planted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bug {
    /// Its name: that of the rule, and a few words.
    pub id: &'static str,
    /// The rule that must see it.
    pub rule: &'static str,
    /// The scenario in which it shows.
    pub scenario: &'static str,
    /// What is done wrong.
    pub says: &'static str,
}

/// A rule that no bug is planted for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exempt {
    /// The rule.
    pub rule: &'static str,
    /// Why no bug of ours can break it, or why that would prove nothing.
    pub why: &'static str,
}

/// No bug is on.
const NONE: u16 = u16::MAX;

static ON: AtomicU16 = AtomicU16::new(NONE);

/// Switches this bug on, and any other off; with nothing, all are off.
pub fn plant(bug: Option<&Bug>) {
    ON.store(bug.map_or(NONE, |bug| number(bug.id)), Ordering::Relaxed);
}

/// Whether the bug of this number is on.
#[must_use]
pub fn is_on(number: u16) -> bool {
    ON.load(Ordering::Relaxed) == number
}

/// The place of a bug in the catalogue.
///
/// # Panics
/// There is no such bug. Places ask while they are compiled, so this is a compiler's error there.
#[must_use]
pub const fn number(id: &str) -> u16 {
    let (mut at, mut rest) = (0, BUGS);
    while let [bug, others @ ..] = rest {
        if is_same(bug.id.as_bytes(), id.as_bytes()) {
            return at;
        }
        (at, rest) = (at + 1, others);
    }
    assert!(at as usize != BUGS.len(), "this bug is not in the catalogue");
    NONE
}

const fn is_same(mut one: &[u8], mut other: &[u8]) -> bool {
    while let ([first, rest @ ..], [second, others @ ..]) = (one, other) {
        if *first != *second {
            return false;
        }
        (one, other) = (rest, others);
    }
    one.is_empty() && other.is_empty()
}

#[cfg(test)]
mod tests {
    use alloc::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_are_unique_and_begin_with_their_rule() {
        let names: BTreeSet<_> = BUGS.iter().map(|bug| bug.id).collect();
        assert_eq!(names.len(), BUGS.len());
        assert!(BUGS.len() < usize::from(NONE));
        for bug in BUGS {
            let rest = bug.id.strip_prefix(bug.rule).and_then(|rest| rest.strip_prefix('-'));
            assert!(rest.is_some_and(|rest| !rest.is_empty()), "{bug:?}");
        }
    }

    #[test]
    fn a_rule_without_a_bug_has_a_reason_once() {
        let rules: BTreeSet<_> = EXEMPT.iter().map(|exempt| exempt.rule).collect();
        assert_eq!(rules.len(), EXEMPT.len());
        for exempt in EXEMPT {
            assert!(BUGS.iter().all(|bug| bug.rule != exempt.rule) && !exempt.why.is_empty(), "{exempt:?}");
        }
    }

    #[test]
    fn a_bug_has_its_place_for_a_number() {
        for (at, bug) in BUGS.iter().enumerate() {
            assert_eq!(usize::from(number(bug.id)), at);
        }
    }

    /// Without the cfg the macro is a constant, which no switch reaches.
    #[cfg(not(planted))]
    #[test]
    fn no_bug_is_in_a_build_without_the_cfg() {
        const PLANTED: bool = crate::planted!("D29-stale-reply");
        plant(BUGS.first());
        assert!(!PLANTED && BUGS.iter().all(|_| !crate::planted!("D29-stale-reply")));
        plant(None);
    }
}
