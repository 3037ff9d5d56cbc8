//! What all seeds came to.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    time::Duration,
};

use transport_sim::{FaultCounts, FaultId, Figure, Gaps, Ledger};

use super::{
    drive::Ran,
    stage::{Mode, WORLDS, expected},
};

/// So many seeds are enough for everything to happen that can: from here on a gap fails the run. In a tenth of them each
/// fault and each rule still has its turn with odds that nobody would bet against.
pub(super) const GAPS_FAIL_FROM: u64 = 300;

/// A world that failed, in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Failure {
    pub(super) scenario: &'static str,
    pub(super) seed: u64,
    pub(super) says: Vec<String>,
    /// Whether its second run was another one.
    pub(super) differs: bool,
}

/// What all seeds came to.
#[derive(Default)]
pub(super) struct Sum {
    pub(super) scenario: &'static str,
    pub(super) mode: Option<Mode>,
    /// Whether each world was run twice.
    pub(super) twice: bool,
    /// Those of the builds that gave another trace, where two were compared.
    pub(super) builds_differing: Option<u64>,
    pub(super) took: Duration,
    pub(super) seeds: u64,
    pub(super) worlds: u64,
    pub(super) ledger: Ledger,
    pub(super) faults: FaultCounts,
    /// By outcome of the last session of a DM device.
    pub(super) outcomes: BTreeMap<&'static str, u64>,
    /// Lines of the protocol's own tables, by heading.
    pub(super) lines: BTreeMap<(&'static str, String), u64>,
    pub(super) numbers: BTreeMap<&'static str, u64>,
    pub(super) failures: Vec<Failure>,
    pub(super) differing: u64,
}

impl Sum {
    pub(super) fn of(scenario: &'static str, mode: Option<Mode>, twice: bool) -> Self {
        Self { scenario, mode, twice, ..Self::default() }
    }

    /// Takes in the worlds of one seed.
    pub(super) fn add(&mut self, worlds: &[Ran]) {
        self.seeds += 1;
        for Ran { scenario, seed, report, is_same, .. } in worlds {
            self.worlds += 1;
            self.ledger.add(&report.ledger);
            self.faults.add(&report.faults);
            if let Some(outcome) = report.outcome {
                *self.outcomes.entry(outcome).or_default() += 1;
            }
            for (heading, line) in &report.lines {
                *self.lines.entry((heading, line.clone())).or_default() += 1;
            }
            for (name, number) in &report.numbers {
                *self.numbers.entry(name).or_default() += number;
            }
            let mut says = report.failures.clone();
            if !is_same {
                self.differing += 1;
                says.push("a second run gives another trace".into());
            }
            if !says.is_empty() {
                self.failures.push(Failure { scenario, seed: *seed, says, differs: !is_same });
            }
        }
    }

    /// Seeds of which a world failed.
    pub(super) fn failed(&self) -> usize {
        self.failures.iter().map(|failure| failure.seed).collect::<BTreeSet<_>>().len()
    }

    /// What never happened, and rules that no checker so much as knows.
    pub(super) fn gaps(&self) -> (Gaps, Vec<String>) {
        let gaps = Gaps::of(&self.ledger, &self.faults, &self.expected().unwrap_or_default());
        let known: BTreeSet<&str> = self.ledger.rules().map(|(rule, _)| rule.id.0).collect();
        let wanted = if self.scenario == WORLDS { catalogue() } else { Vec::new() };
        (gaps, wanted.into_iter().filter(|id| !known.contains(id.as_str())).collect())
    }

    fn expected(&self) -> Option<Vec<FaultId>> {
        expected(self.scenario)
    }

    pub(super) fn gaps_count(&self) -> usize {
        let (gaps, unknown) = self.gaps();
        gaps.faults.len() + gaps.rules.len() + unknown.len()
    }

    /// Whether a gap is a failure: of a scenario in which everything should happen, after many seeds.
    pub(super) fn gaps_fail(&self) -> bool {
        self.seeds >= GAPS_FAIL_FROM && self.mode != Some(Mode::Safety) && self.expected().is_some()
    }

    pub(super) fn is_good(&self) -> bool {
        let has_gaps = self.gaps_fail() && self.gaps_count() > 0;
        self.failures.is_empty() && !has_gaps && self.builds_differing.is_none_or(|differing| differing == 0)
    }

    /// The fault that came least of those that are expected, and how often.
    pub(super) fn rarest_fault(&self) -> Option<(FaultId, u64)> {
        let counts = self.expected()?.into_iter().map(|fault| (fault, self.faults.of(fault)));
        counts.min_by_key(|(_, count)| *count)
    }

    /// The rule that had least to judge, and how often.
    pub(super) fn rarest_rule(&self) -> Option<(&'static str, u64)> {
        self.ledger.rules().map(|(rule, met)| (rule.id.0, met)).min_by_key(|(_, met)| *met)
    }

    pub(super) fn figure(&self, name: &str) -> u64 {
        self.ledger.figures().find(|(known, _)| *known == name).map_or(0, |(_, figure)| figure.value())
    }

    /// `sim: ok` or `sim: FAILED`, and everything that somebody may want to compare, as `name=value`.
    pub(super) fn last_line(&self) -> String {
        let word = if self.is_good() { "ok" } else { "FAILED" };
        let mut line = format!("sim: {word} seeds={} failed={} gaps={}", self.seeds, self.failed(), self.gaps_count());
        let mut put = |name: &str, value: u64| _ = write!(line, " {name}={value}");
        if self.twice {
            put("traces-differing", self.differing);
        }
        if let Some(differing) = self.builds_differing {
            put("builds-differing", differing);
        }
        if self.expected().is_some() {
            put("rule-least", self.rarest_rule().map_or(0, |(_, met)| met));
            put("faults", self.faults.total());
        }
        if let Some((_, count)) = self.rarest_fault() {
            put("fault-least", count);
        }
        if self.scenario == WORLDS {
            put("worlds", self.worlds);
            put("requests", self.figure("requests"));
        }
        if !self.outcomes.is_empty() && self.scenario != WORLDS {
            // Completed and timed out come first, whatever the alphabet says.
            let usual = ["completed", "timed-out"];
            let others = self.outcomes.keys().filter(|name| !usual.contains(name)).copied();
            for name in usual.into_iter().chain(others) {
                put(name, self.outcomes.get(name).copied().unwrap_or(0));
            }
        }
        self.numbers.iter().for_each(|(name, number)| put(name, *number));
        if self.scenario != WORLDS {
            self.ledger.figures().for_each(|(name, figure)| put(name, figure.value()));
        }
        let _ = write!(line, " scenario={}", self.scenario);
        if let Some(mode) = self.mode {
            let _ = write!(line, " mode={}", mode.name());
        }
        line
    }

    /// So many in a second, in tenths.
    pub(super) fn tenths_per_second(&self, count: u64) -> u64 {
        let tenths = u128::from(count) * 10_000 / self.took.as_millis().max(1);
        u64::try_from(tenths).unwrap_or(u64::MAX)
    }

    /// What checkers counted.
    pub(super) fn figures(&self) -> impl Iterator<Item = (&'static str, Figure)> {
        self.ledger.figures()
    }
}

/// The rules of DM and DPE by name: each of them is judged in [`WORLDS`].
fn catalogue() -> Vec<String> {
    let of = |letter: char, last: u32| (1..=last).map(move |n| format!("{letter}{n:02}"));
    of('D', 48).chain(of('P', 36)).collect()
}
