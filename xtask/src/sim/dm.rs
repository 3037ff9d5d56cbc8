//! OMA DM: sessions of one device, seed after seed.

use std::{
    collections::BTreeMap,
    fmt::{self, Write as _},
    time::{Duration, Instant},
};

use transport_sim::{
    FaultCounts, Figure,
    dm::{Run, Scenario, Tallies},
};

use super::{
    options::{Options, SESSION},
    progress::Progress,
};

pub(super) fn simulate(options: &Options) -> Sum {
    let (mut sum, mut progress) = (Sum::of(options.scenario), Progress::new(options.seeds));
    let begun = Instant::now();
    for seed in (0..options.seeds).map(|n| options.first.wrapping_add(n)) {
        // The name was looked up when the options were read.
        let Some(scenario) = Scenario::named(options.scenario, seed) else { continue };
        let (run, again) = (scenario.run(), scenario.run());
        sum.add(&run, run.trace == again.trace);
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
    /// What the checkers counted and measured.
    figures: BTreeMap<&'static str, Figure>,
    /// By outcome of the device's session, and of the server's.
    ends: BTreeMap<(&'static str, &'static str), u64>,
    orders: BTreeMap<&'static str, u64>,
    rules: BTreeMap<&'static str, (&'static str, u64)>,
    failures: BTreeMap<u64, Vec<String>>,
    tallies: Tallies,
    faults: FaultCounts,
    differing: u64,
    took: Duration,
    pub(super) trace: Option<String>,
}

impl Sum {
    fn of(scenario: &'static str) -> Self {
        Self { scenario, ..Self::default() }
    }

    fn add(&mut self, run: &Run, same: bool) {
        self.seeds += 1;
        let client = run.client().map_or("none", |outcome| outcome.name());
        let server = run.server().map_or("none", |outcome| outcome.name());
        *self.ends.entry((client, server)).or_default() += 1;
        for state in run.orders.values() {
            *self.orders.entry(state.name()).or_default() += 1;
        }
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
        self.count(&run.tallies);
        self.faults.add(&run.faults);
    }

    fn count(&mut self, run: &Tallies) {
        let sum = &mut self.tallies;
        for (sum, run) in [
            (&mut sum.network.sent, run.network.sent),
            (&mut sum.network.duplicated, run.network.duplicated),
            (&mut sum.network.delivered, run.network.delivered),
            (&mut sum.network.dropped, run.network.dropped),
            (&mut sum.network.crashes, run.network.crashes),
            (&mut sum.network.restarts, run.network.restarts),
            (&mut sum.exchanges, run.exchanges),
            (&mut sum.commands, run.commands),
            (&mut sum.executed_twice, run.executed_twice),
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
        let mut outcomes = BTreeMap::from([("completed", 0), ("timed-out", 0)]);
        for ((client, _), count) in &self.ends {
            *outcomes.entry(*client).or_default() += count;
        }
        let mut line = format!("sim: {} seeds={}", if self.is_good() { "ok" } else { "FAILED" }, self.seeds);
        // Completed and timed out come first, whatever the alphabet says.
        let usual = ["completed", "timed-out"];
        let others = outcomes.keys().filter(|name| !usual.contains(name)).copied();
        for name in usual.into_iter().chain(others) {
            let _ = write!(line, " {name}={}", outcomes.get(name).copied().unwrap_or(0));
        }
        let Tallies { executed_twice, commands, network, .. } = self.tallies;
        let _ = write!(
            line,
            " executed-twice={executed_twice} traces-differing={} commands={commands} restarts={}",
            self.differing, network.restarts
        );
        if self.scenario != SESSION {
            let _ = write!(line, " scenario={} dropped={} crashes={}", self.scenario, network.dropped, network.crashes);
        }
        for (name, figure) in &self.figures {
            let _ = write!(line, " {name}={}", figure.value());
        }
        line
    }
}

impl fmt::Display for Sum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:<28}{:<28}{:>10}", "session at the device", "at the server", "seeds")?;
        for ((client, server), count) in &self.ends {
            writeln!(f, "{client:<28}{server:<28}{count:>10}")?;
        }
        writeln!(f, "\norders")?;
        for (state, count) in &self.orders {
            writeln!(f, "{state:<56}{count:>10}")?;
        }
        writeln!(f)?;
        let Tallies { network, exchanges, commands, commits, lost_races, repeated, .. } = self.tallies;
        let runs_per_second = u128::from(self.seeds) * 2_000 / self.took.as_millis().max(1);
        for (what, count) in [
            ("exchanges", exchanges.into()),
            ("commands executed on the device", commands.into()),
            ("messages sent", network.sent.into()),
            ("messages dropped", network.dropped.into()),
            ("messages duplicated", network.duplicated.into()),
            ("crashes", network.crashes.into()),
            ("restarts", network.restarts.into()),
            ("commits", commits.into()),
            ("lost races", lost_races.into()),
            ("repeated messages answered from the store", repeated.into()),
            ("sessions per second, each seed run twice", runs_per_second),
        ] {
            writeln!(f, "{what:<56}{count:>10}")?;
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
            let which = if self.scenario == SESSION { String::new() } else { format!(" --scenario {}", self.scenario) };
            writeln!(f, "cargo xtask sim{which} --seed {seed} --trace target/sim-{seed}.trace")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use transport_sim::{Rule, RuleId, dm::ONCE};

    use super::*;

    #[test]
    fn a_good_run_ends_in_a_line_with_every_outcome() {
        let sum = simulate(&Options { scenario: SESSION, first: 0, seeds: 3, trace: None });
        assert!(sum.is_good());
        let line = sum.last_line();
        assert!(line.starts_with("sim: ok seeds=3 completed="), "{line}");
        assert!(line.contains(" executed-twice=0 traces-differing=0 commands="), "{line}");
        let counted: u64 = sum.ends.values().sum();
        assert_eq!(counted, 3);
    }

    #[test]
    fn a_broken_rule_fails_the_seed_and_says_how_to_run_it_again() {
        let mut run = Scenario::standard(4711).run();
        run.ledger.judge(ONCE, false, || "Exec ./Sim/Run is done more often than it was ordered");
        let mut sum = Sum::of(SESSION);
        sum.add(&run, true);
        assert!(sum.last_line().starts_with("sim: FAILED seeds=1 "), "{}", sum.last_line());
        let shown = sum.to_string();
        assert!(shown.contains("seed 4711: D29 at "), "{shown}");
        assert!(shown.contains("\ncargo xtask sim --seed 4711 --trace target/sim-4711.trace\n"), "{shown}");
    }

    #[test]
    fn another_scenario_says_its_name_and_its_figures() {
        let sum = simulate(&Options { scenario: "nonces", first: 0, seeds: 2, trace: None });
        let line = sum.last_line();
        assert!(line.starts_with("sim: ok seeds=2 ") && line.contains(" scenario=nonces "), "{line}");
        assert!(line.contains(" converged=2 ") && line.contains(" repeated-nonces=0"), "{line}");
        let mut broken = Scenario::nonces(7).run();
        broken.ledger.judge(ONCE, false, || "something");
        let mut sum = Sum::of("nonces");
        sum.add(&broken, true);
        assert!(sum.to_string().contains("\ncargo xtask sim --scenario nonces --seed 7 "), "{sum}");
    }

    #[test]
    fn differing_traces_fail_the_seed() {
        let mut sum = Sum::default();
        sum.add(&Scenario::standard(1).run(), false);
        assert!(!sum.is_good() && sum.last_line().contains(" traces-differing=1 "), "{}", sum.last_line());
    }

    #[test]
    fn a_rule_that_slept_shows_with_a_zero() {
        let mut run = Scenario::standard(1).run();
        run.ledger.enter(Rule { id: RuleId("X99"), says: "it sleeps" });
        let mut sum = Sum::default();
        sum.add(&run, true);
        assert!(sum.to_string().lines().any(|line| line.starts_with("X99 ") && line.ends_with(" 0  it sleeps")));
    }
}
