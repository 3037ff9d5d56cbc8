//! Scenarios by name, DM and DPE alike.

use transport_sim::{Decision, Extent, RuleId, Violation, dm, dpe};

/// What a run came to.
pub(super) struct Played {
    /// What was broken, in the order it happened.
    pub(super) violations: Vec<Violation>,
    /// The rules that were judged at all.
    pub(super) rules: Vec<RuleId>,
    pub(super) decisions: Vec<Decision>,
}

enum Stage {
    Dm(Box<dm::Scenario>),
    Dpe(Box<dpe::Scenario>),
}

impl Stage {
    fn named(name: &str, seed: u64) -> Option<Self> {
        let of_dm = dm::Scenario::named(name, seed).map(|scenario| Self::Dm(scenario.into()));
        of_dm.or_else(|| Some(Self::Dpe(dpe::Scenario::named(name, seed)?.into())))
    }
}

/// Runs a seed of a scenario to its end, or to the first rule that is broken, with its own choices or with these; nothing
/// where there is no such scenario.
pub(super) fn play(scenario: &str, seed: u64, decisions: Option<&[Decision]>) -> Option<Played> {
    let mut stage = Stage::named(scenario, seed)?;
    match &mut stage {
        Stage::Dm(scenario) => scenario.extent = Extent::FirstBroken,
        Stage::Dpe(scenario) => scenario.extent = Extent::FirstBroken,
    }
    let (ledger, decisions) = match (stage, decisions) {
        (Stage::Dm(scenario), None) => scenario.run().into_found(),
        (Stage::Dm(scenario), Some(list)) => scenario.replay(list).into_found(),
        (Stage::Dpe(scenario), None) => scenario.run().into_found(),
        (Stage::Dpe(scenario), Some(list)) => scenario.replay(list).into_found(),
    };
    let rules = ledger.rules().map(|(rule, _)| rule.id).collect();
    Some(Played { violations: ledger.violations().to_vec(), rules, decisions })
}

/// A run as a picture.
pub(super) fn draw(scenario: &str, seed: u64, decisions: &[Decision]) -> String {
    match Stage::named(scenario, seed) {
        Some(Stage::Dm(scenario)) => scenario.draw(decisions),
        Some(Stage::Dpe(scenario)) => scenario.draw(decisions),
        None => String::new(),
    }
}

trait Found {
    fn into_found(self) -> (transport_sim::Ledger, Vec<Decision>);
}

impl Found for dm::Run {
    fn into_found(self) -> (transport_sim::Ledger, Vec<Decision>) {
        (self.ledger, self.decisions)
    }
}

impl Found for dpe::Run {
    fn into_found(self) -> (transport_sim::Ledger, Vec<Decision>) {
        (self.ledger, self.decisions)
    }
}
