//! The sum as a table for people.

use std::fmt;

use super::{
    stage::{Mode, expected},
    sum::{Failure, GAPS_FAIL_FROM, Sum},
};

/// What the names of numbers stand for, in the order in which they are shown.
const NUMBERS: [(&str, &str); 13] = [
    ("devices", "devices of DPE"),
    ("sessions", "sessions of DM"),
    ("exchanges", "exchanges of DM"),
    ("commands", "commands executed on the device"),
    ("executed-twice", "commands executed twice"),
    ("messages", "messages sent"),
    ("dropped", "messages dropped"),
    ("duplicated", "messages duplicated"),
    ("crashes", "crashes"),
    ("restarts", "restarts"),
    ("commits", "commits"),
    ("lost-races", "lost races"),
    ("repeated", "repeated messages that were not worked on again"),
];

/// Failures that are told in full, and lines of each.
const TOLD: usize = 20;
const LINES: usize = 5;

impl fmt::Display for Sum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.own_tables(f)?;
        row(f, "seeds", self.seeds)?;
        if self.worlds != self.seeds {
            row(f, "worlds", self.worlds)?;
        }
        for (name, says) in NUMBERS {
            if let Some(number) = self.numbers.get(name) {
                row(f, says, *number)?;
            }
        }
        self.rates(f)?;
        if self.figures().next().is_some() {
            heading(f, "figures", "counted")?;
            for (name, figure) in self.figures() {
                row(f, name, figure.value())?;
            }
        }
        if self.faults.total() > 0 {
            heading(f, "faults", "took place")?;
            let wanted = expected(self.scenario).unwrap_or_default();
            for (fault, count) in self.faults.iter().filter(|(fault, count)| *count > 0 || wanted.contains(fault)) {
                writeln!(f, "{:<5}{count:>61}  {}", fault.name(), fault.says())?;
            }
        }
        heading(f, "rules", "judged")?;
        for (rule, met) in self.ledger.rules() {
            writeln!(f, "{:<5}{met:>61}  {}", rule.id.0, rule.says)?;
        }
        self.unchecked(f)?;
        self.show_gaps(f)?;
        self.show_failures(f)
    }
}

impl Sum {
    /// The tables that the protocol has for itself.
    fn own_tables(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut last = None;
        for ((heading, line), count) in &self.lines {
            if last.replace(*heading) != Some(*heading) {
                writeln!(f, "{heading}")?;
            }
            writeln!(f, "  {line:<54}{count:>10}")?;
        }
        if last.is_some() { writeln!(f) } else { Ok(()) }
    }

    fn rates(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let runs = if self.twice { 2 } else { 1 };
        let again = if self.twice { ", each run twice" } else { "" };
        let mut rate = |what: &str, count: u64| {
            let tenths = self.tenths_per_second(count * runs);
            let says = format!("{what} per second{again}");
            writeln!(f, "{says:<56}{:>8}.{}", tenths / 10, tenths % 10)
        };
        rate("worlds", self.worlds)?;
        if let Some(sessions) = self.numbers.get("sessions") {
            rate("sessions", *sessions)?;
        }
        Ok(())
    }

    fn unchecked(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut lines = Vec::new();
        if !self.twice {
            lines.push("whether a second run gives the same trace (--twice)");
        }
        if self.builds_differing.is_none() {
            lines.push("whether a debug build gives the same trace (--against-debug)");
        }
        if self.mode == Some(Mode::Safety) {
            lines.push("what comes true when all faults are over (--mode converge)");
        }
        if !lines.is_empty() {
            writeln!(f, "\nnot checked")?;
        }
        lines.iter().try_for_each(|line| writeln!(f, "  {line}"))
    }

    fn show_gaps(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (gaps, unknown) = self.gaps();
        if self.gaps_count() > 0 {
            writeln!(f, "\ngaps")?;
            gaps.to_string().lines().try_for_each(|line| writeln!(f, "  {line}"))?;
            unknown.iter().try_for_each(|rule| writeln!(f, "  {rule}   is known to no checker"))?;
            if self.gaps_fail() {
                writeln!(f, "  from {GAPS_FAIL_FROM} seeds on a gap fails the run")?;
            }
        }
        let rarest = self.rarest_fault().filter(|(_, count)| *count > 0);
        if let Some((fault, count)) = rarest {
            writeln!(f, "\nthe rarest fault is {fault}, which took place {count} times")?;
        }
        match self.rarest_rule().filter(|(_, met)| *met > 0 && expected(self.scenario).is_some()) {
            Some((rule, met)) => writeln!(f, "the rule with least to judge is {rule}: {met} times"),
            None => Ok(()),
        }
    }

    fn show_failures(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f)?;
        for failure in self.failures.iter().take(TOLD) {
            let Failure { scenario, seed, says, .. } = failure;
            for line in says.iter().take(LINES) {
                writeln!(f, "{scenario} seed {seed}: {line}")?;
            }
            if says.len() > LINES {
                writeln!(f, "{scenario} seed {seed}: and {} more", says.len() - LINES)?;
            }
            writeln!(f, "{}", again(failure, self.mode))?;
        }
        if self.failures.len() > TOLD {
            writeln!(f, "and {} more worlds", self.failures.len() - TOLD)?;
        }
        Ok(())
    }
}

fn heading(f: &mut fmt::Formatter<'_>, left: &str, right: &str) -> fmt::Result {
    writeln!(f, "\n{left:<56}{right:>10}")
}

fn row(f: &mut fmt::Formatter<'_>, what: &str, count: u64) -> fmt::Result {
    writeln!(f, "{what:<56}{count:>10}")
}

/// The line that runs a failure again.
fn again(failure: &Failure, mode: Option<Mode>) -> String {
    let Failure { scenario, seed, differs, .. } = failure;
    let mode = mode.map(|mode| format!(" --mode {}", mode.name())).unwrap_or_default();
    let twice = if *differs { " --twice" } else { "" };
    format!(
        "cargo xtask sim --scenario {scenario} --seed {seed}{mode}{twice} --trace target/sim/{scenario}-{seed}.trace"
    )
}
