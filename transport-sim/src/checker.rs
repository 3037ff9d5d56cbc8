//! Invariants, watched from outside.
//!
//! A [`Checker`] sees what the network and the nodes do, and the stores, but not into the nodes. What it finds goes into
//! the world's [`Ledger`], together with how often each rule had anything to judge: a rule that was never tried has not
//! held, it has slept.

use core::fmt;
use std::collections::BTreeMap;

use core_kit::Tick;

use crate::{
    NodeId,
    node::{Message, Node},
};

/// The stable name of an invariant, such as `D29`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RuleId(pub &'static str);

impl fmt::Display for RuleId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.0)
    }
}

/// An invariant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Its name.
    pub id: RuleId,
    /// What must hold, in one sentence.
    pub says: &'static str,
}

/// Something that a checker gets to see.
#[derive(Debug)]
pub enum Event<'a, Fact> {
    /// A message left its sender.
    Sent(&'a Message),
    /// The network doubled it.
    Copied(&'a Message),
    /// It was lost on the way.
    Lost(&'a Message),
    /// It arrived at a node that was down, or that does not exist.
    Undeliverable(&'a Message),
    /// It arrived; what the receiver does follows.
    Delivered(&'a Message),
    /// A node crashed.
    Crashed(NodeId),
    /// A node is back.
    Restarted(NodeId),
    /// A node noted something.
    Noted(NodeId, &'a Fact),
}

/// What is there when a run is over.
#[derive(Debug)]
pub struct End<'a, Shared> {
    /// When.
    pub at: Tick,
    /// The stores.
    pub shared: &'a Shared,
    /// The whole trace.
    pub trace: &'a str,
}

/// Watches a world and judges it.
pub trait Checker<N: Node> {
    /// What it watches for, so that a rule which nothing ever met shows up with a zero.
    fn rules(&self) -> Vec<Rule>;

    /// Something has happened.
    fn observe(&mut self, at: Tick, event: &Event<'_, N::Fact>, shared: &N::Shared, ledger: &mut Ledger);

    /// The run is over. Called once, and last.
    fn finish(&mut self, end: &End<'_, N::Shared>, ledger: &mut Ledger);
}

/// A rule that was broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Which.
    pub rule: RuleId,
    /// When.
    pub at: Tick,
    /// How.
    pub how: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {} ms: {}", self.rule, self.at.0, self.how)
    }
}

/// Which rules had something to judge, and how they fared.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ledger {
    rules: BTreeMap<RuleId, Line>,
    violations: Vec<Violation>,
    figures: BTreeMap<&'static str, Figure>,
    now: Tick,
}

/// Something that a checker counted or measured; it judges nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Figure {
    /// How often, or how much together.
    Sum(u64),
    /// The most.
    Most(u64),
}

impl Figure {
    /// The number.
    #[must_use]
    pub const fn value(self) -> u64 {
        match self {
            Self::Sum(value) | Self::Most(value) => value,
        }
    }

    /// Both together: of another run, for instance.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        match self {
            Self::Sum(value) => Self::Sum(value.saturating_add(other.value())),
            Self::Most(value) => Self::Most(value.max(other.value())),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Line {
    says: &'static str,
    met: u64,
}

impl Ledger {
    /// Enters a rule, with nothing judged so far.
    pub fn enter(&mut self, rule: Rule) {
        self.rules.entry(rule.id).or_insert(Line { says: rule.says, met: 0 });
    }

    /// Notes that the rule had something to judge, and whether it held. `how` is asked for only if it did not.
    pub fn judge<D: fmt::Display>(&mut self, rule: Rule, held: bool, how: impl FnOnce() -> D) {
        self.rules.entry(rule.id).or_insert(Line { says: rule.says, met: 0 }).met += 1;
        if !held {
            self.violations.push(Violation { rule: rule.id, at: self.now, how: how().to_string() });
        }
    }

    /// Takes a figure together with what there is under its name.
    pub fn count(&mut self, name: &'static str, figure: Figure) {
        let sum = self.figures.get(name).map_or(figure, |before| before.and(figure));
        self.figures.insert(name, sum);
    }

    /// The figures by name.
    pub fn figures(&self) -> impl Iterator<Item = (&'static str, Figure)> {
        self.figures.iter().map(|(name, figure)| (*name, *figure))
    }

    /// The rules by name, each with what it says and how often it was tried.
    pub fn rules(&self) -> impl Iterator<Item = (Rule, u64)> {
        self.rules.iter().map(|(id, line)| (Rule { id: *id, says: line.says }, line.met))
    }

    /// How often the rule was tried.
    #[must_use]
    pub fn met(&self, rule: Rule) -> u64 {
        self.rules.get(&rule.id).map_or(0, |line| line.met)
    }

    /// What was broken, in the order it happened.
    #[must_use]
    pub fn violations(&self) -> &[Violation] {
        &self.violations
    }

    pub(crate) const fn advance(&mut self, now: Tick) {
        self.now = now;
    }
}
