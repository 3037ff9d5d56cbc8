//! Failures made small, kept as files, and run again.

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use transport_sim::{Decision, Recording, RuleId, Shrunk, shrink};

use super::stage::{Mode, PANIC, Report, World, worlds};

/// How long a search for fewer decisions may take.
const SHRINK_MAX: Duration = Duration::from_secs(60);

/// A run that broke something.
#[derive(Clone, Debug)]
pub(super) struct Broken {
    pub(super) scenario: &'static str,
    pub(super) seed: u64,
    pub(super) rule: RuleId,
    pub(super) decisions: Vec<Decision>,
}

/// A failure that was made small.
#[derive(Clone, Debug)]
pub(super) struct Small {
    pub(super) recording: Recording,
    pub(super) shrunk: Shrunk,
    /// As a picture.
    pub(super) drawing: String,
}

/// Makes it small; nothing where its decisions do not break the rule again.
pub(super) fn minimise(broken: &Broken, mode: Option<Mode>) -> Option<Small> {
    let Broken { scenario, seed, rule, decisions } = broken;
    let world = worlds(scenario, *seed, mode).ok()?.into_iter().next()?;
    let begun = Instant::now();
    minimise_world(&world, *rule, decisions, mode, || begun.elapsed() > SHRINK_MAX)
}

fn minimise_world(
    world: &World,
    rule: RuleId,
    decisions: &[Decision],
    mode: Option<Mode>,
    stop: impl FnMut() -> bool,
) -> Option<Small> {
    let shrunk = shrink(decisions, rule, u64::MAX, stop, |list| world.replay_for(rule, list).broken).ok()?;
    let report = world.replay_for(rule, &shrunk.decisions);
    let safety = if mode == Some(Mode::Safety) { SAFETY } else { "" };
    let recording = Recording {
        scenario: format!("{}{safety}", world.scenario),
        seed: world.seed,
        rule: Some(rule.0.into()),
        story: report.failures.first().cloned(),
        decisions: shrunk.decisions.clone(),
    };
    // What panics leaves nothing to draw.
    let drawing = if rule == PANIC { String::new() } else { world.stage.draw(&shrunk.decisions) };
    // What comes after the rule was broken is not why it was.
    let drawing = match report.ledger.violations().first() {
        Some(violation) => up_to(&drawing, violation.at.0),
        None => drawing,
    };
    Some(Small { recording, shrunk, drawing })
}

/// The lines of a drawing that stand at this time or before it.
fn up_to(drawing: &str, ms: u64) -> String {
    // A line that begins with no time belongs to the one before it.
    let time = |line: &str| {
        let (seconds, thousandths) = line.trim_start().split_once(" s ")?.0.split_once('.')?;
        seconds.parse::<u64>().ok()?.checked_mul(1_000)?.checked_add(thousandths.parse().ok()?)
    };
    let lines = drawing.lines().take_while(|line| time(line).is_none_or(|at| at <= ms));
    lines.flat_map(|line| [line, "\n"]).collect()
}

/// Behind the name of a scenario in a recording: its faults do not end.
const SAFETY: &str = "/safety";

impl Small {
    /// Writes the recording, and the drawing beside it. Gives the path of the former.
    pub(super) fn keep(&self, directory: &Path) -> io::Result<PathBuf> {
        fs::create_dir_all(directory)?;
        let Recording { scenario, seed, .. } = &self.recording;
        let name = format!("{}-{seed}", scenario.replace('/', "-"));
        let path = directory.join(format!("{name}.jsonl"));
        fs::write(&path, self.recording.write())?;
        fs::write(directory.join(format!("{name}.txt")), &self.drawing)?;
        Ok(path)
    }
}

/// Runs a recording; nothing where its scenario is not known.
pub(super) fn replay(recording: &Recording) -> Option<Report> {
    let (scenario, mode) = match recording.scenario.strip_suffix(SAFETY) {
        Some(scenario) => (scenario, Some(Mode::Safety)),
        None => (recording.scenario.as_str(), None),
    };
    // A recording is of one world; `worlds` has two.
    let mut worlds = worlds(scenario, recording.seed, mode).ok()?;
    let world = worlds.pop().filter(|_| worlds.is_empty())?;
    Some(world.replay(&recording.decisions))
}

#[cfg(test)]
mod tests {
    use transport_sim::{Rule, dm, dm::Scenario};

    use super::*;
    use crate::sim::stage::Stage;

    /// A session that may not lose a message: broken on purpose.
    struct Careful(Scenario);

    const LOST: Rule = Rule { id: RuleId("lost"), says: "no message is lost" };

    fn judged(mut run: dm::Run) -> Report {
        let lost = run.tallies.network.dropped;
        run.ledger.judge(LOST, lost == 0, || format!("{lost} messages are lost"));
        run.into()
    }

    impl Stage for Careful {
        fn run(&self) -> Report {
            judged(self.0.run())
        }

        fn replay(&self, decisions: &[Decision]) -> Report {
            judged(self.0.replay(decisions))
        }

        /// What it breaks is only known at its end.
        fn replay_to_first(&self, decisions: &[Decision]) -> Report {
            self.replay(decisions)
        }

        fn draw(&self, decisions: &[Decision]) -> String {
            self.0.draw(decisions)
        }
    }

    #[test]
    fn a_failure_becomes_a_recording_that_breaks_the_same_rule_and_a_drawing() {
        let world = |seed| World { scenario: "session", seed, stage: Box::new(Careful(Scenario::rough(seed))) };
        let (seed, report) = (0..50)
            .map(|seed| (seed, world(seed).run()))
            .find(|(_, report)| report.broken == Some(LOST.id) && report.decisions.len() > 10)
            .expect("one message in ten is lost");
        let small = minimise_world(&world(seed), LOST.id, &report.decisions, None, || false).expect("it broke");
        assert!(small.shrunk.is_minimal && small.shrunk.decisions.len() < report.decisions.len(), "{small:?}");
        assert!(small.shrunk.decisions.len() <= 2, "one message is lost: {:?}", small.shrunk.decisions);
        assert!(small.drawing.contains("lost"), "{}", small.drawing);

        let directory = std::env::temp_dir().join(format!("xtask-sim-{}", std::process::id()));
        let path = small.keep(&directory).expect("it can be written");
        let read = Recording::read(&fs::read_to_string(&path).expect("it is there")).expect("it reads");
        assert_eq!((read.scenario.as_str(), read.seed, read.rule.as_deref()), ("session", seed, Some("lost")));
        assert!(read.story.as_deref().is_some_and(|story| story.contains("lost at ")), "{read:?}");
        assert_eq!(world(seed).replay(&read.decisions).broken, Some(LOST.id));
        assert!(path.with_extension("txt").exists());
        // Without the rule that is broken on purpose the recording is a good run.
        assert_eq!(replay(&read).expect("there is such a scenario").failures, Vec::<String>::new());
        fs::remove_dir_all(directory).expect("it was just made");
    }

    #[test]
    fn a_drawing_ends_where_the_rule_was_broken() {
        let drawing = "  1 device\n    0.020 s  |---->|\n      Get\n 61.007 s  |<----|\n      Status\n  61.008 s  X\n";
        assert_eq!(up_to(drawing, 61_007), drawing.replace("  61.008 s  X\n", ""));
        assert_eq!(up_to(drawing, 20), "  1 device\n    0.020 s  |---->|\n      Get\n");
    }

    #[test]
    fn a_recording_of_no_scenario_or_of_two_worlds_is_none() {
        let of = |scenario: &str| replay(&Recording { scenario: scenario.into(), seed: 1, ..Recording::default() });
        assert!(of("other").is_none() && of("worlds").is_none() && of("nonces/safety").is_none());
        assert!(of("session/safety").is_some_and(|report| report.failures.is_empty()));
    }
}
