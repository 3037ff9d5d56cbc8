//! What is OMA DPE's own in a report.

use transport_sim::{
    Decision, Extent, Figure,
    dpe::{Run, Scenario, Tallies},
};

use super::stage::{Mode, Report, Stage, first_broken, network_numbers};

/// Figures that are told even where nothing was counted: that they are 0 is what matters.
const FIGURES: [(&str, Figure); 8] = [
    ("requests", Figure::Sum(0)),
    ("answered", Figure::Sum(0)),
    ("answered-twice", Figure::Sum(0)),
    ("unanswered", Figure::Sum(0)),
    ("outstanding-max", Figure::Most(0)),
    ("foreign-ids", Figure::Sum(0)),
    ("expired-twice", Figure::Sum(0)),
    ("converged", Figure::Sum(0)),
];

/// The scenario with faults that end, or with such that do not.
pub(super) fn in_mode(scenario: Scenario, mode: Option<Mode>) -> Scenario {
    Scenario { heals: mode != Some(Mode::Safety), ..scenario }
}

impl Stage for Scenario {
    fn run(&self) -> Report {
        Self::run(self).into()
    }

    fn replay(&self, decisions: &[Decision]) -> Report {
        Self::replay(self, decisions).into()
    }

    fn replay_to_first(&self, decisions: &[Decision]) -> Report {
        Self::replay(&to_first(self), decisions).into()
    }

    fn draw(&self, decisions: &[Decision]) -> String {
        Self::draw(&to_first(self), decisions)
    }
}

fn to_first(scenario: &Scenario) -> Scenario {
    Scenario { extent: Extent::FirstBroken, ..scenario.clone() }
}

impl From<Run> for Report {
    fn from(mut run: Run) -> Self {
        for (name, none) in FIGURES {
            run.ledger.count(name, none);
        }
        let Tallies { network, devices, commits, lost_races, repeated } = run.tallies;
        Self {
            failures: run.failures(),
            broken: first_broken(&run.ledger, run.halt),
            outcome: None,
            lines: Vec::new(),
            numbers: [("devices", devices)]
                .into_iter()
                .chain(network_numbers(&network))
                .chain([("commits", commits), ("lost-races", lost_races), ("repeated", repeated)])
                .collect(),
            ledger: run.ledger,
            faults: run.faults,
            trace: run.trace,
            decisions: run.decisions,
        }
    }
}
