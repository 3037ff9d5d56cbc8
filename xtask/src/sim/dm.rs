//! What is OMA DM's own in a report.

use transport_sim::{
    Decision, Extent,
    dm::{Run, Scenario, Tallies, Watch},
};

use super::stage::{Mode, NoMode, Report, Stage, first_broken, network_numbers};

/// Headings of tables.
const ENDS: &str = "last session at the device  at the server";
const ORDERS: &str = "orders";

/// The scenario with faults that end, or with such that do not.
pub(super) fn in_mode(mut scenario: Scenario, mode: Option<Mode>) -> Result<Scenario, NoMode> {
    match (mode, scenario.heal) {
        (Some(mode @ Mode::Converge), None) => Err(NoMode(mode)),
        // What is watched for there is how both sides find each other again.
        (Some(mode @ Mode::Safety), _) if scenario.watch == Watch::Nonces => Err(NoMode(mode)),
        (Some(Mode::Safety), _) => {
            scenario.heal = None;
            Ok(scenario)
        }
        _ => Ok(scenario),
    }
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
    fn from(run: Run) -> Self {
        let client = run.client().map_or("none", |outcome| outcome.name());
        let server = run.server().map_or("none", |outcome| outcome.name());
        let ends = (ENDS, format!("{client:<28}{server}"));
        let orders = run.orders.values().map(|state| (ORDERS, state.name().to_owned()));
        let Tallies { network, sessions, exchanges, commands, executed_twice, commits, lost_races, repeated } =
            run.tallies;
        Self {
            failures: run.failures(),
            broken: first_broken(&run.ledger, run.halt),
            outcome: Some(client),
            lines: std::iter::once(ends).chain(orders).collect(),
            numbers: [
                ("sessions", sessions),
                ("exchanges", exchanges),
                ("commands", commands),
                ("executed-twice", executed_twice),
            ]
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mode_is_kept_to_or_refused() {
        let named = |name| Scenario::named(name, 1).expect("there is one");
        assert_eq!(in_mode(named("mixed"), None).map(|scenario| scenario.heal), Ok(named("mixed").heal));
        assert_eq!(in_mode(named("mixed"), Some(Mode::Safety)).map(|scenario| scenario.heal), Ok(None));
        assert_eq!(in_mode(named("session"), Some(Mode::Safety)).map(|scenario| scenario.heal), Ok(None));
        assert_eq!(in_mode(named("session"), Some(Mode::Converge)).err(), Some(NoMode(Mode::Converge)));
        assert_eq!(in_mode(named("nonces"), Some(Mode::Safety)).err(), Some(NoMode(Mode::Safety)));
    }
}
