//! What can be simulated: scenarios by name, of whichever protocol, each for a seed.

use std::{
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
};

use transport_sim::{Counts, Decision, FaultCounts, FaultId, Halt, Ledger, RuleId, dm, dpe};

/// The scenario where none is named: for each seed a mixed world of DM and a swarm of DPE.
pub(super) const WORLDS: &str = "worlds";

/// The worlds of a seed of [`WORLDS`].
const BOTH: [&str; 2] = ["mixed", dpe::Scenario::SWARM];

/// Stands for a rule where a world does not come to rest, and where something panics.
pub(super) const REST: RuleId = RuleId("rest");
pub(super) const PANIC: RuleId = RuleId("panic");

/// All scenarios: both protocols, DM, DPE.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    std::iter::once(WORLDS).chain(dm::Scenario::NAMES).chain(dpe::Scenario::NAMES)
}

/// The scenario of this name.
pub(super) fn named(name: &str) -> Option<&'static str> {
    names().find(|known| *known == name)
}

/// The faults that must take place in a scenario, if only there are seeds enough; nothing where not even every rule must
/// have something to judge.
pub(super) fn expected(scenario: &str) -> Option<Vec<FaultId>> {
    match scenario {
        WORLDS => Some(FaultId::ALL.to_vec()),
        "mixed" => Some(dm::menu().faults().collect()),
        dpe::Scenario::SWARM => Some(dpe::menu().faults().collect()),
        _ => None,
    }
}

/// Whether faults end before a run does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    /// They go on to the end, and no rule asks what becomes of things when they are over.
    Safety,
    /// All ends at a time, and what must come true then is judged.
    Converge,
}

impl Mode {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Safety => "safety",
            Self::Converge => "converge",
        }
    }
}

/// A scenario that has no such mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NoMode(pub(super) Mode);

impl fmt::Display for NoMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Mode::Safety => "is about what comes after the faults, so it has no --mode safety",
            Mode::Converge => "has no end of its faults, so it has no --mode converge",
        })
    }
}

/// One scenario with its seed, which can be run as often as it is wanted.
pub(super) trait Stage {
    /// Runs it, drawing every choice from the seed.
    fn run(&self) -> Report;

    /// Runs it with these choices, and the mildest for all others.
    fn replay(&self, decisions: &[Decision]) -> Report;

    /// The same, but no further than to the first rule that is broken.
    fn replay_to_first(&self, decisions: &[Decision]) -> Report;

    /// A run with these choices as a picture for people, no further than to the first rule that is broken.
    fn draw(&self, decisions: &[Decision]) -> String;
}

/// A world that is to be run.
pub(super) struct World {
    /// What the command line calls it.
    pub(super) scenario: &'static str,
    pub(super) seed: u64,
    pub(super) stage: Box<dyn Stage>,
}

impl World {
    /// Runs it. A panic is a finding like any other, and names its seed.
    pub(super) fn run(&self) -> Report {
        Report::caught(|| self.stage.run())
    }

    pub(super) fn replay(&self, decisions: &[Decision]) -> Report {
        Report::caught(|| self.stage.replay(decisions))
    }

    /// Runs it as far as it takes to know whether it breaks this rule before any other. A panic stands for no rule: what
    /// is broken on the way there must not end the run.
    pub(super) fn replay_for(&self, rule: RuleId, decisions: &[Decision]) -> Report {
        if rule == PANIC {
            return self.replay(decisions);
        }
        Report::caught(|| self.stage.replay_to_first(decisions))
    }
}

/// The worlds of a seed; none where there is no such scenario.
///
/// # Errors
/// The scenario does not know the mode.
pub(super) fn worlds(scenario: &str, seed: u64, mode: Option<Mode>) -> Result<Vec<World>, NoMode> {
    let names = if scenario == WORLDS { BOTH.as_slice() } else { &[scenario] };
    names.iter().filter_map(|name| world(named(name)?, seed, mode).transpose()).collect()
}

fn world(scenario: &'static str, seed: u64, mode: Option<Mode>) -> Result<Option<World>, NoMode> {
    let stage: Box<dyn Stage> = if let Some(of_dm) = dm::Scenario::named(scenario, seed) {
        Box::new(super::dm::in_mode(of_dm, mode)?)
    } else if let Some(of_dpe) = dpe::Scenario::named(scenario, seed) {
        Box::new(super::dpe::in_mode(of_dpe, mode))
    } else {
        return Ok(None);
    };
    Ok(Some(World { scenario, seed, stage }))
}

/// What a run came to, whatever it was a run of.
#[derive(Clone, Debug, Default)]
pub(super) struct Report {
    /// Everything that must not be, in words.
    pub(super) failures: Vec<String>,
    /// The first rule that was broken, or what stands for one.
    pub(super) broken: Option<RuleId>,
    pub(super) ledger: Ledger,
    pub(super) faults: FaultCounts,
    /// How the last session of a DM device ended there.
    pub(super) outcome: Option<&'static str>,
    /// Lines of tables that the protocol has, by the heading of the table. They are counted.
    pub(super) lines: Vec<(&'static str, String)>,
    /// Numbers by their name in the last line.
    pub(super) numbers: Vec<(&'static str, u64)>,
    pub(super) trace: String,
    pub(super) decisions: Vec<Decision>,
}

/// The figures of a network, and of the nodes in it.
pub(super) const fn network_numbers(network: &Counts) -> [(&'static str, u64); 5] {
    [
        ("messages", network.sent),
        ("dropped", network.dropped),
        ("duplicated", network.duplicated),
        ("crashes", network.crashes),
        ("restarts", network.restarts),
    ]
}

/// The first rule that a run broke, or what stands for one.
pub(super) fn first_broken(ledger: &Ledger, halt: Halt) -> Option<RuleId> {
    ledger.first_broken().or((halt != Halt::Quiet).then_some(REST))
}

impl Report {
    fn caught(run: impl FnOnce() -> Self) -> Self {
        catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|panic| {
            let said = panic.downcast_ref::<String>().map(String::as_str);
            let said = said.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("without a word");
            Self { failures: vec![format!("panicked: {said}")], broken: Some(PANIC), ..Self::default() }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_has_its_worlds_and_no_other_has_any() {
        for name in names() {
            let worlds = worlds(name, 3, None).expect("without a mode all are as they are");
            assert_eq!(worlds.len(), if name == WORLDS { 2 } else { 1 }, "{name}");
            assert!(worlds.iter().all(|world| world.seed == 3 && named(world.scenario).is_some()));
        }
        assert!(worlds("other", 1, None).is_ok_and(|worlds| worlds.is_empty()));
    }

    #[test]
    fn a_panic_is_a_failure_of_its_world() {
        let report = Report::caught(|| panic!("of {} things", 2));
        assert_eq!((report.failures, report.broken), (vec!["panicked: of 2 things".to_owned()], Some(PANIC)));
    }
}
