//! OMA DPE: a world of devices and service providers, seed after seed.

use std::{
    collections::BTreeMap,
    fmt::{self, Write as _},
    time::{Duration, Instant},
};

use transport_sim::{
    FaultCounts, Figure,
    dpe::{Run, Scenario, Tallies},
};

use super::{options::Options, progress::Progress};

/// Figures that come first in the last line, in this order.
const FIRST: [&str; 8] = [
    "requests",
    "answered",
    "answered-twice",
    "unanswered",
    "outstanding-max",
    "foreign-ids",
    "expired-twice",
    "converged",
];

pub(super) fn simulate(options: &Options) -> Sum {
    let mut sum = Sum { scenario: options.scenario, ..Sum::default() };
    let mut progress = Progress::new(options.seeds);
    let begun = Instant::now();
    for seed in (0..options.seeds).map(|n| options.first.wrapping_add(n)) {
        let Some(scenario) = Scenario::named(options.scenario, seed) else { continue };
        let run = scenario.run();
        let again = scenario.run().trace;
        sum.add(&run, run.trace == again);
        if options.trace.is_some() {
            sum.trace = Some(run.trace);
        }
        progress.step();
    }
    progress.clear();
    sum.took = begun.elapsed();
    sum
}

/// What all seeds came to.
#[derive(Default)]
pub(super) struct Sum {
    scenario: &'static str,
    seeds: u64,
    faults: FaultCounts,
    /// What the checkers counted and measured.
    figures: BTreeMap<&'static str, Figure>,
    rules: BTreeMap<&'static str, (&'static str, u64)>,
    failures: BTreeMap<u64, Vec<String>>,
    tallies: Tallies,
    differing: u64,
    took: Duration,
    pub(super) trace: Option<String>,
}

impl Sum {
    fn add(&mut self, run: &Run, same: bool) {
        self.seeds += 1;
        self.faults.add(&run.faults);
        for (rule, met) in run.ledger.rules() {
            self.rules.entry(rule.id.0).or_insert((rule.says, 0)).1 += met;
        }
        for (name, figure) in run.ledger.figures() {
            let sum = self.figures.get(name).map_or(figure, |sum| sum.and(figure));
            self.figures.insert(name, sum);
        }
        let mut failures = run.failures();
        if !same {
            self.differing += 1;
            failures.push("a second run gives another trace".into());
        }
        if !failures.is_empty() {
            self.failures.insert(run.seed, failures);
        }
        let (sum, run) = (&mut self.tallies, &run.tallies);
        for (sum, run) in [
            (&mut sum.devices, run.devices),
            (&mut sum.network.sent, run.network.sent),
            (&mut sum.network.duplicated, run.network.duplicated),
            (&mut sum.network.delivered, run.network.delivered),
            (&mut sum.network.dropped, run.network.dropped),
            (&mut sum.network.crashes, run.network.crashes),
            (&mut sum.network.restarts, run.network.restarts),
            (&mut sum.commits, run.commits),
            (&mut sum.lost_races, run.lost_races),
            (&mut sum.repeated, run.repeated),
        ] {
            *sum += run;
        }
    }

    pub(super) fn is_good(&self) -> bool {
        self.failures.is_empty()
    }

    pub(super) fn last_line(&self) -> String {
        let Tallies { devices, network, .. } = self.tallies;
        let word = if self.is_good() { "ok" } else { "FAILED" };
        let mut line = format!("sim: {word} seeds={} devices={devices}", self.seeds);
        let others = self.figures.keys().filter(|name| !FIRST.contains(name)).copied();
        for name in FIRST.into_iter().chain(others) {
            let _ = write!(line, " {name}={}", self.figures.get(name).map_or(0, |figure| figure.value()));
        }
        let _ = write!(
            line,
            " traces-differing={} scenario={} dropped={} crashes={}",
            self.differing, self.scenario, network.dropped, network.crashes
        );
        line
    }
}

impl fmt::Display for Sum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Tallies { devices, network, commits, lost_races, repeated } = self.tallies;
        let runs_per_minute = u128::from(self.seeds) * 120_000 / self.took.as_millis().max(1);
        for (what, count) in [
            ("devices", devices.into()),
            ("messages sent", network.sent.into()),
            ("messages dropped", network.dropped.into()),
            ("messages duplicated", network.duplicated.into()),
            ("crashes", network.crashes.into()),
            ("restarts", network.restarts.into()),
            ("commits", commits.into()),
            ("lost races", lost_races.into()),
            ("repeated requests that were not worked on again", repeated.into()),
            ("worlds per minute, each seed run twice", runs_per_minute),
        ] {
            writeln!(f, "{what:<56}{count:>10}")?;
        }
        for (name, figure) in &self.figures {
            writeln!(f, "{name:<56}{:>10}", figure.value())?;
        }
        for (fault, count) in self.faults.iter().filter(|(_, count)| *count > 0) {
            writeln!(f, "{fault} {:<52}{count:>10}", fault.says())?;
        }
        writeln!(f, "\n{:<56}{:>10}", "rules", "judged")?;
        for (id, (says, met)) in &self.rules {
            writeln!(f, "{id:<5}{met:>61}  {says}")?;
        }
        writeln!(f)?;
        for (seed, failures) in &self.failures {
            for failure in failures {
                writeln!(f, "seed {seed}: {failure}")?;
            }
            writeln!(f, "cargo xtask sim --scenario {} --seed {seed} --trace target/sim-{seed}.trace", self.scenario)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use transport_sim::dpe::ONE_OUT;

    use super::*;

    fn small(seed: u64) -> Run {
        let mut scenario = Scenario::rough(seed);
        (scenario.devices, scenario.wishes, scenario.burst) = (3, 2, 2);
        scenario.run()
    }

    #[test]
    fn a_good_run_ends_in_a_line_with_every_figure() {
        let mut sum = Sum { scenario: Scenario::NAME, ..Sum::default() };
        (0..2).for_each(|seed| sum.add(&small(seed), true));
        let line = sum.last_line();
        assert!(line.starts_with("sim: ok seeds=2 devices=6 requests="), "{line}\n{sum}");
        for figure in [
            " answered-twice=0 ",
            " unanswered=0 ",
            " outstanding-max=1 ",
            " foreign-ids=0 ",
            " expired-twice=0 ",
            " converged=2 ",
        ] {
            assert!(line.contains(figure), "{figure}: {line}");
        }
        assert!(line.contains(" traces-differing=0 "), "{line}");
    }

    #[test]
    fn a_broken_rule_or_another_trace_fails_the_seed_and_says_how_to_run_it_again() {
        let mut run = small(7);
        run.ledger.judge(ONE_OUT, false, || "two things");
        let mut sum = Sum { scenario: Scenario::NAME, ..Sum::default() };
        sum.add(&run, false);
        assert!(sum.last_line().starts_with("sim: FAILED seeds=1 "), "{}", sum.last_line());
        assert!(sum.last_line().contains(" traces-differing=1 "), "{}", sum.last_line());
        let shown = sum.to_string();
        assert!(shown.contains("seed 7: P01 at "), "{shown}");
        assert!(shown.contains("\ncargo xtask sim --scenario dpe --seed 7 --trace target/sim-7.trace\n"), "{shown}");
    }
}
