//! Invariants, watched from outside.
//!
//! A [`Checker`] sees what the network and the nodes do, and the stores, but not into the nodes. What it finds goes into
//! the world's [`Ledger`], together with how often each rule had anything to judge: a rule that was never tried has not
//! held, it has slept.

use core::fmt;
use std::collections::BTreeMap;

use core_kit::Tick;

use crate::{
    FaultCounts, FaultId, NodeId,
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

    /// A fault was injected: by the world, or by the node itself where it says so. `node` is the one whose message, link,
    /// process, clock or store it is. Until it is overridden a checker does not care.
    fn struck(&mut self, at: Tick, fault: FaultId, node: NodeId, ledger: &mut Ledger) {
        let _ = (at, fault, node, ledger);
    }

    /// All faults are over from now on: what must come true in the end now has its time. Until it is overridden a checker
    /// does not care.
    fn healed(&mut self, at: Tick, shared: &N::Shared, ledger: &mut Ledger) {
        let _ = (at, shared, ledger);
    }

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
    /// In the order of their names.
    rules: Vec<Line>,
    guesses: Guesses,
    /// Rules of the world itself that held, since they were last entered into `rules`: they are judged at every event.
    held: [u64; OWN.len()],
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

/// The world's own rules.
const OWN: [Rule; 2] = [CONSERVATION, FORWARD];

/// Message conservation, judged after every event.
pub const CONSERVATION: Rule =
    Rule { id: RuleId("S05"), says: "messages sent and copied are delivered, dropped or in flight" };
/// The order of time, judged at every event.
pub const FORWARD: Rule = Rule { id: RuleId("S06"), says: "time does not go back" };

/// What has never happened, in a run or in many: rules that slept, and faults that were expected.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Gaps {
    /// Rules that never had anything to judge.
    pub rules: Vec<Rule>,
    /// Faults that never took place.
    pub faults: Vec<FaultId>,
}

impl Gaps {
    /// The gaps of a ledger, and of counts where these faults are `expected`.
    #[must_use]
    pub fn of(ledger: &Ledger, counts: &FaultCounts, expected: &[FaultId]) -> Self {
        let rules = ledger.rules().filter(|(_, met)| *met == 0).map(|(rule, _)| rule).collect();
        let faults = expected.iter().filter(|fault| counts.of(**fault) == 0).copied().collect();
        Self { rules, faults }
    }

    /// Whether everything happened.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.rules.is_empty() && self.faults.is_empty()
    }
}

/// A line for each.
impl fmt::Display for Gaps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.rules.iter().try_for_each(|rule| writeln!(f, "{:<5} never judged  {}", rule.id, rule.says))?;
        self.faults.iter().try_for_each(|fault| writeln!(f, "{fault:<5} never happened  {}", fault.says()))
    }
}

/// A rule, and how often it was met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Line {
    rule: Rule,
    met: u64,
}

/// Where in a ledger a rule is, by where its name lies in memory: mostly right, and looked after. A session is judged a
/// hundred times and more, so that a search for each rule, or reading its name, would show. What a ledger says does not
/// depend on a guess, and so not on addresses either.
#[derive(Clone, Debug)]
struct Guesses([u8; 256]);

impl Default for Guesses {
    fn default() -> Self {
        Self([0; 256])
    }
}

/// What was guessed last is no part of what a ledger says.
impl PartialEq for Guesses {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Guesses {}

impl Guesses {
    fn slot(id: RuleId) -> usize {
        // Names follow right on one another.
        let address = id.0.as_ptr().addr();
        (address ^ address >> 8) & 0xff
    }

    fn get(&self, slot: usize) -> usize {
        self.0.get(slot).map_or(0, |at| usize::from(*at))
    }

    fn set(&mut self, slot: usize, at: usize) {
        if let (Some(place), Ok(at)) = (self.0.get_mut(slot), u8::try_from(at)) {
            *place = at;
        }
    }
}

impl Ledger {
    /// Enters a rule, with nothing judged so far.
    pub fn enter(&mut self, rule: Rule) {
        self.meet(rule, 0);
    }

    fn place(&self, id: RuleId) -> Result<usize, usize> {
        self.rules.binary_search_by_key(&id, |line| line.rule.id)
    }

    /// The rule had something to judge so many times.
    fn meet(&mut self, rule: Rule, times: u64) {
        let slot = Guesses::slot(rule.id);
        let guessed = self.rules.get_mut(self.guesses.get(slot));
        match guessed {
            Some(line) if core::ptr::eq(line.rule.id.0, rule.id.0) || line.rule.id == rule.id => line.met += times,
            _ => self.meet_anywhere(slot, rule, times),
        }
    }

    #[cold]
    #[inline(never)]
    fn meet_anywhere(&mut self, slot: usize, rule: Rule, times: u64) {
        let at = self.place(rule.id).unwrap_or_else(|at| {
            self.rules.insert(at, Line { rule, met: 0 });
            at
        });
        self.guesses.set(slot, at);
        if let Some(line) = self.rules.get_mut(at) {
            line.met += times;
        }
    }

    /// Notes that the rule had something to judge, and whether it held. `how` is asked for only if it did not.
    pub fn judge<D: fmt::Display>(&mut self, rule: Rule, held: bool, how: impl FnOnce() -> D) {
        self.meet(rule, 1);
        if !held {
            self.break_rule(rule.id, how().to_string());
        }
    }

    #[cold]
    #[inline(never)]
    fn break_rule(&mut self, rule: RuleId, how: String) {
        self.violations.push(Violation { rule, at: self.now, how });
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
        self.rules.iter().map(|line| (line.rule, line.met + self.held_by_world(line.rule.id)))
    }

    fn held_by_world(&self, id: RuleId) -> u64 {
        OWN.iter().zip(self.held).find(|(rule, _)| rule.id == id).map_or(0, |(_, held)| held)
    }

    /// Judges one of the world's own rules; as [`judge`](Self::judge), without a search.
    pub(crate) fn judge_own<D: fmt::Display>(&mut self, own: usize, is_held: bool, how: impl FnOnce() -> D) {
        match (is_held, OWN.get(own), self.held.get_mut(own)) {
            (true, _, Some(held)) => *held += 1,
            (_, Some(rule), _) => self.judge(*rule, is_held, how),
            _ => {}
        }
    }

    /// Takes in what another run found: how often each rule had anything to judge, what was broken, the figures.
    pub fn add(&mut self, other: &Self) {
        for (rule, met) in other.rules() {
            self.meet(rule, met);
        }
        self.violations.extend(other.violations.iter().cloned());
        other.figures().for_each(|(name, figure)| self.count(name, figure));
    }

    /// The first rule that was broken.
    #[must_use]
    pub fn first_broken(&self) -> Option<RuleId> {
        self.violations.first().map(|violation| violation.rule)
    }

    /// How often the rule was tried.
    #[must_use]
    pub fn met(&self, rule: Rule) -> u64 {
        let line = self.place(rule.id).ok().and_then(|at| self.rules.get(at));
        line.map_or(0, |line| line.met) + self.held_by_world(rule.id)
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

#[cfg(test)]
mod tests {
    use super::*;

    const SLEEPS: Rule = Rule { id: RuleId("T1"), says: "it sleeps" };
    const WAKES: Rule = Rule { id: RuleId("T2"), says: "it wakes" };

    #[test]
    fn what_slept_in_all_runs_is_a_gap_and_what_woke_in_one_is_none() {
        let (mut sum, mut other) = (Ledger::default(), Ledger::default());
        sum.enter(SLEEPS);
        sum.enter(WAKES);
        other.judge(WAKES, false, || "once");
        other.enter(CONSERVATION);
        other.judge_own(0, true, || "");
        sum.add(&other);
        let mut counts = FaultCounts::default();
        counts.count(FaultId::F02);
        let gaps = Gaps::of(&sum, &counts, &[FaultId::F01, FaultId::F02]);
        assert_eq!(gaps, Gaps { rules: vec![SLEEPS], faults: vec![FaultId::F01] });
        assert_eq!(gaps.to_string(), "T1    never judged  it sleeps\nF01   never happened  A request is lost.\n");
        assert_eq!((sum.met(WAKES), sum.met(CONSERVATION), sum.first_broken()), (1, 1, Some(WAKES.id)));
        assert!(Gaps::default().is_empty());
    }

    #[test]
    fn rules_are_in_the_order_of_their_names_however_long() {
        let mut ledger = Ledger::default();
        let names = ["a rule of stock", "a rule of order", "b", "a rule", "", "a", "a rule of order"];
        for (times, name) in (1..).zip(names) {
            (0..times).for_each(|_| ledger.judge(Rule { id: RuleId(name), says: "it holds" }, true, || ""));
        }
        let rules: Vec<(&str, u64)> = ledger.rules().map(|(rule, met)| (rule.id.0, met)).collect();
        let expected = [("", 5), ("a", 6), ("a rule", 4), ("a rule of order", 9), ("a rule of stock", 1), ("b", 3)];
        assert_eq!(rules, expected);
    }

    #[test]
    fn rules_whose_names_begin_at_one_place_are_not_taken_for_each_other() {
        let (mut ledger, long) = (Ledger::default(), "a rule of stock");
        for name in [long, &long[..6], long, &long[..1], &long[..6], long] {
            ledger.judge(Rule { id: RuleId(name), says: "it holds" }, true, || "");
        }
        let rules: Vec<(&str, u64)> = ledger.rules().map(|(rule, met)| (rule.id.0, met)).collect();
        assert_eq!(rules, [("a", 1), ("a rule", 2), (long, 3)]);
    }
}
