//! Making a failing run small: the fewest decisions with which the same rule is still broken.
//!
//! A run is a list of decisions, and taking one out makes it 0: no fault, the shortest delay, the first of several. So
//! every list that is smaller is a run that is milder, and what is left in the end is what the failure needs.
//!
//! Each round cuts the tail off, takes out all that nodes chose or that was chosen about them, then all of some sites (a
//! kind of fault, or of operation), then all of some sites at one node each, then whatever it is of. Each of these is tried
//! with half of what there is, then with quarters and so on down to single ones (the ddmin of Zeller and Hildebrandt). Then
//! it lowers what is left towards 1. Rounds follow each other until one changes nothing. A list with which another rule is broken is not taken, however short: that is another failure.

use std::collections::BTreeSet;

use crate::{checker::RuleId, decide::Decision, node::NodeId};

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shrunk {
    /// The decisions that are left. All are different from 0.
    pub decisions: Vec<Decision>,
    /// Decisions that were not 0 in the list that was given.
    pub before: usize,
    /// Runs that it took.
    pub runs: u64,
    /// Whether nothing more can be taken out, by all that is tried here. If not, the budget was spent.
    pub is_minimal: bool,
}

/// The list that was given does not break the rule: it is not from this scenario, or the run is not deterministic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the list does not break {wanted}{}", .got.map(|got| format!(", but {got}")).unwrap_or_default())]
pub struct NotReproduced {
    /// The rule that should be broken.
    pub wanted: RuleId,
    /// The one that is.
    pub got: Option<RuleId>,
}

/// Takes out of `decisions` whatever is not needed to break `rule`. `run` runs a list and says which rule it breaks
/// first. No more than `runs_max` runs are made, and none after `stop` has said so: it is asked before each.
///
/// # Errors
/// The whole list does not break the rule.
pub fn shrink(
    decisions: &[Decision],
    rule: RuleId,
    runs_max: u64,
    stop: impl FnMut() -> bool,
    run: impl FnMut(&[Decision]) -> Option<RuleId>,
) -> Result<Shrunk, NotReproduced> {
    let best: Vec<Decision> = decisions.iter().filter(|decision| decision.chosen > 0).copied().collect();
    let before = best.len();
    let mut search = Search { best, rule, run, stop, runs: 0, runs_max: runs_max.max(1) };
    let got = (search.run)(&search.best);
    search.runs = 1;
    if got != Some(rule) {
        return Err(NotReproduced { wanted: rule, got });
    }
    let is_minimal = search.exhaust().is_ok();
    Ok(Shrunk { decisions: search.best, before, runs: search.runs, is_minimal })
}

/// The budget is spent.
struct Spent;

struct Search<R, S> {
    best: Vec<Decision>,
    rule: RuleId,
    run: R,
    stop: S,
    runs: u64,
    runs_max: u64,
}

impl<R: FnMut(&[Decision]) -> Option<RuleId>, S: FnMut() -> bool> Search<R, S> {
    fn exhaust(&mut self) -> Result<(), Spent> {
        loop {
            let before = self.best.clone();
            self.cut_tail()?;
            self.drop_nodes()?;
            self.drop_sites()?;
            self.drop_pieces()?;
            self.lower()?;
            if self.best == before {
                return Ok(());
            }
        }
    }

    /// Whether the list still breaks the rule; it is the best one then.
    fn takes(&mut self, list: Vec<Decision>) -> Result<bool, Spent> {
        if self.runs >= self.runs_max || (self.stop)() {
            return Err(Spent);
        }
        self.runs += 1;
        let breaks = (self.run)(&list) == Some(self.rule);
        if breaks {
            self.best = list;
        }
        Ok(breaks)
    }

    /// Takes out what `is_out` says; true if something went.
    fn without(&mut self, is_out: impl Fn(&Decision) -> bool) -> Result<bool, Spent> {
        let list: Vec<Decision> = self.best.iter().filter(|decision| !is_out(decision)).copied().collect();
        if list.len() == self.best.len() {
            return Ok(false);
        }
        self.takes(list)
    }

    /// Decisions stand in the order they were made: those after the violation do nothing.
    fn cut_tail(&mut self) -> Result<(), Spent> {
        let mut too_few = 0;
        while too_few < self.best.len() {
            let middle = too_few + (self.best.len() - too_few) / 2;
            let list = self.best.iter().take(middle).copied().collect();
            if !self.takes(list)? {
                too_few = middle + 1;
            }
        }
        Ok(())
    }

    fn drop_nodes(&mut self) -> Result<(), Spent> {
        self.drop_groups(involved)
    }

    fn drop_sites(&mut self) -> Result<(), Spent> {
        self.drop_groups(|decision| [Some(decision.site), None])?;
        self.drop_groups(|decision| [Some((decision.who, decision.site)), None])
    }

    /// Takes whole groups out: half of them together, then quarters, and so on down to one. There may be hundreds, of
    /// which a few matter.
    fn drop_groups<G: Ord + Copy>(&mut self, groups_of: impl Fn(&Decision) -> [Option<G>; 2]) -> Result<(), Spent> {
        let all = self.best.iter().flat_map(|decision| groups_of(decision).into_iter().flatten());
        let mut groups: Vec<G> = all.collect::<BTreeSet<G>>().into_iter().collect();
        let mut size = groups.len().div_ceil(2);
        while size > 0 {
            let mut from = 0;
            while from < groups.len() {
                let to = (from + size).min(groups.len());
                let out: BTreeSet<G> = groups.iter().take(to).skip(from).copied().collect();
                let is_out =
                    |decision: &Decision| groups_of(decision).iter().flatten().any(|group| out.contains(group));
                if self.without(is_out)? {
                    groups.drain(from..to);
                } else {
                    from = to;
                }
            }
            size /= 2;
        }
        Ok(())
    }

    fn drop_pieces(&mut self) -> Result<(), Spent> {
        let mut size = self.best.len().div_ceil(2);
        while size > 0 {
            let mut from = 0;
            let mut went = false;
            while from < self.best.len() {
                let (mut list, to) = (self.best.clone(), (from + size).min(self.best.len()));
                list.drain(from..to);
                if self.takes(list)? {
                    went = true;
                } else {
                    from += size;
                }
            }
            // What went may have been all that kept others in.
            size = if went { size.min(self.best.len().div_ceil(2)) } else { size / 2 };
        }
        Ok(())
    }

    /// Lowers each choice: to 1, or else by halves as far as it goes.
    fn lower(&mut self) -> Result<(), Spent> {
        for at in 0..self.best.len() {
            let mut wanted = 1;
            while let Some(decision) = self.best.get(at)
                && wanted < decision.chosen
            {
                let chosen = decision.chosen;
                let mut list = self.best.clone();
                list.iter_mut().skip(at).take(1).for_each(|decision| decision.chosen = wanted);
                if self.takes(list)? {
                    break;
                }
                wanted = (wanted + (chosen - wanted) / 2).max(wanted + 1);
            }
        }
        Ok(())
    }
}

/// Who chooses, and about whom.
const fn involved(decision: &Decision) -> [Option<NodeId>; 2] {
    [Some(decision.who.node), decision.who.about]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decide::{Site, Who};

    const RULE: RuleId = RuleId("T1");
    const OTHER: RuleId = RuleId("T2");

    fn decision(node: u32, site: &'static str, nth: u32, chosen: u32) -> Decision {
        Decision { who: Who::alone(NodeId(node)), site: Site(site), nth, options: 1_000_000, chosen }
    }

    fn noise() -> Vec<Decision> {
        let of = |n: u32| decision(n % 7, if n.is_multiple_of(3) { "noise.a" } else { "noise.b" }, n, n % 5);
        (0..400).map(of).collect()
    }

    fn has(list: &[Decision], node: u32, site: &str, chosen: u32) -> bool {
        list.iter().any(|d| d.who.node.0 == node && d.site.0 == site && d.chosen >= chosen)
    }

    fn never() -> bool {
        false
    }

    #[test]
    fn what_matters_is_left_and_lowered() {
        let mut list = noise();
        list.insert(250, decision(3, "needed", 0, 900_000));
        list.insert(20, decision(9, "needed", 1, 77));
        let run = |list: &[Decision]| (has(list, 3, "needed", 1) && has(list, 9, "needed", 40)).then_some(RULE);
        let shrunk = shrink(&list, RULE, 10_000, never, run).expect("it fails");
        assert_eq!(shrunk.decisions, [decision(9, "needed", 1, 40), decision(3, "needed", 0, 1)]);
        assert!(shrunk.is_minimal && shrunk.before == 322 && shrunk.runs < 150, "{shrunk:?}");
    }

    #[test]
    fn of_hundreds_of_streams_few_runs_find_those_that_matter() {
        let stream = |n: u32| (0..4).map(move |nth| decision(n, "busy", nth, 1 + nth));
        let list: Vec<Decision> = (0..512).flat_map(stream).collect();
        // What matters is a whole stream, which no piece of the list is.
        let run = |list: &[Decision]| {
            let needed = list.iter().filter(|d| d.who.node.0 == 77 || d.who.node.0 == 300).count();
            (needed == 8).then_some(RULE)
        };
        let shrunk = shrink(&list, RULE, 10_000, never, run).expect("it fails");
        assert!(shrunk.decisions.len() == 8 && shrunk.runs < 140, "{}", shrunk.runs);
    }

    #[test]
    fn another_failure_is_not_taken_for_this_one() {
        let mut list = noise();
        list.extend([decision(1, "a", 0, 1), decision(2, "b", 0, 1)]);
        // With a alone another rule breaks, and with neither yet another.
        let run = |list: &[Decision]| match (has(list, 1, "a", 1), has(list, 2, "b", 1)) {
            (true, true) => Some(RULE),
            (false, _) => Some(OTHER),
            (true, false) => None,
        };
        let shrunk = shrink(&list, RULE, 10_000, never, run).expect("it fails");
        assert_eq!(shrunk.decisions, [decision(1, "a", 0, 1), decision(2, "b", 0, 1)]);
    }

    #[test]
    fn what_fails_without_any_decision_shrinks_to_none() {
        let shrunk = shrink(&noise(), RULE, 10_000, never, |_| Some(RULE)).expect("it fails");
        assert_eq!((shrunk.decisions.len(), shrunk.is_minimal), (0, true));
    }

    #[test]
    fn many_that_are_needed_together_all_stay() {
        let run = |list: &[Decision]| (list.iter().filter(|d| d.site.0 == "noise.a").count() >= 10).then_some(RULE);
        let shrunk = shrink(&noise(), RULE, 10_000, never, run).expect("it fails");
        assert_eq!(shrunk.decisions.len(), 10);
        assert!(shrunk.decisions.iter().all(|d| d.site.0 == "noise.a" && d.chosen == 1));
    }

    #[test]
    fn a_budget_of_runs_or_a_word_from_outside_ends_the_search_with_the_best_so_far() {
        let run = |list: &[Decision]| (list.len() > 50).then_some(RULE);
        let shrunk = shrink(&noise(), RULE, 5, never, run).expect("it fails");
        assert!(shrunk.runs == 5 && !shrunk.is_minimal && shrunk.decisions.len() < 320, "{}", shrunk.decisions.len());
        let mut asked = 0;
        let stop = || {
            asked += 1;
            asked > 3
        };
        assert_eq!(shrink(&noise(), RULE, 1_000, stop, run).expect("it fails").runs, 4);
    }

    #[test]
    fn a_list_that_does_not_fail_is_refused() {
        let got = shrink(&noise(), RULE, 9, never, |_| Some(OTHER)).expect_err("another rule");
        assert_eq!(got, NotReproduced { wanted: RULE, got: Some(OTHER) });
        assert_eq!(got.to_string(), "the list does not break T1, but T2");
    }
}
