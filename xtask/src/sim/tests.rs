//! The command as a whole, on few seeds.

use transport_sim::{Rule, RuleId, dm::Scenario};

use super::{
    Simulated,
    drive::Ran,
    options::{Options, Task},
    simulate,
    stage::{Report, WORLDS},
    sum::{GAPS_FAIL_FROM, Sum},
};

const TWICE: Rule = Rule { id: RuleId("D29"), says: "a command is executed once" };

fn options(args: &str) -> Options {
    match Task::parse(args.split_whitespace()) {
        Ok(Task::Seeds(options)) => *options,
        other => panic!("{other:?}"),
    }
}

fn ran(scenario: &'static str, seed: u64, report: Report) -> Ran {
    Ran { scenario, seed, report, is_same: true, trace: None, digest: None, broken: None }
}

fn broken(seed: u64) -> Report {
    let mut run = Scenario::standard(seed).run();
    run.ledger.judge(TWICE, false, || "Exec ./Sim/Run is done more often than it was ordered");
    run.into()
}

#[test]
fn a_good_run_ends_in_a_line_with_every_outcome() {
    let all = simulate(&options("--scenario session --seeds 3 --twice"));
    assert!(all.sum.is_good());
    let line = all.sum.last_line();
    assert!(line.starts_with("sim: ok seeds=3 failed=0 gaps=") && line.contains(" completed="), "{line}");
    for figure in [" traces-differing=0 ", " executed-twice=0 ", " commands=", " sessions=3 ", " scenario=session"] {
        assert!(line.contains(figure), "{figure}: {line}");
    }
    assert_eq!(all.sum.outcomes.values().sum::<u64>(), 3);
    let shown = all.sum.to_string();
    assert!(shown.contains("\nF01  ") && shown.contains("A request is lost."), "{shown}");
    assert!(!shown.contains("(--twice)"), "{shown}");
}

#[test]
fn a_figure_of_dpe_that_is_zero_is_told() {
    let all = simulate(&options("--scenario dpe-small --seeds 2"));
    let line = all.sum.last_line();
    assert!(line.starts_with("sim: ok seeds=2 ") && line.contains(" devices=6 "), "{line}\n{}", all.sum);
    for figure in [" answered-twice=0 ", " unanswered=0 ", " outstanding-max=1 ", " foreign-ids=0 ", " converged=2 "] {
        assert!(line.contains(figure), "{figure}: {line}");
    }
    assert!(!line.contains("traces-differing"), "nothing was run twice: {line}");
    let shown = all.sum.to_string();
    assert!(shown.contains("\nnot checked\n  whether a second run gives the same trace (--twice)\n"), "{shown}");
}

#[test]
fn what_is_printed_does_not_depend_on_the_number_of_threads() {
    let shown = |jobs: u32| {
        let all = simulate(&options(&format!("--scenario atomic --seeds 12 --digest d --jobs {jobs}")));
        let timed = |line: &&str| !line.contains(" per second");
        let table = all.sum.to_string();
        (table.lines().filter(timed).collect::<Vec<_>>().join("\n"), all.sum.last_line(), all.digests)
    };
    assert_eq!(shown(1), shown(5));
}

#[test]
fn a_seed_of_worlds_is_one_world_of_each_protocol_and_its_trace_is_of_both() {
    let all = simulate(&options("--seed 1 --trace t"));
    assert!(all.sum.is_good(), "{}", all.sum);
    assert_eq!((all.sum.seeds, all.sum.worlds), (1, 2));
    assert_eq!(all.trace.matches("transport-sim trace ").count(), 2);
    let (_, unknown) = all.sum.gaps();
    assert_eq!(unknown, Vec::<String>::new(), "every rule of the catalogue has a checker");
    let line = all.sum.last_line();
    assert!(line.contains(" worlds=2 ") && line.contains(" fault-least=0 "), "{line}");
}

#[test]
fn faults_that_do_not_end_are_judged_by_what_must_never_happen() {
    for scenario in ["mixed", "dpe-small"] {
        let all = simulate(&options(&format!("--scenario {scenario} --mode safety --seeds 2")));
        assert!(all.sum.is_good(), "{}", all.sum);
        let met = |id: &str| all.sum.ledger.rules().find(|(rule, _)| rule.id.0 == id).map(|(_, met)| met);
        let about_the_end = if scenario == "mixed" { "D48" } else { "P17" };
        assert_eq!(met(about_the_end), Some(0), "{}", all.sum);
        assert!(all.sum.last_line().ends_with(" mode=safety"), "{}", all.sum.last_line());
    }
}

#[test]
fn a_broken_rule_fails_the_seed_and_says_how_to_run_it_again() {
    let mut sum = Sum::of(WORLDS, None, false);
    sum.add(&[ran("mixed", 4711, broken(4711)), ran("dpe-swarm", 4711, Report::default())]);
    assert!(sum.last_line().starts_with("sim: FAILED seeds=1 failed=1 "), "{}", sum.last_line());
    let shown = sum.to_string();
    assert!(shown.contains("mixed seed 4711: D29 at "), "{shown}");
    let again = "\ncargo xtask sim --scenario mixed --seed 4711 --trace target/sim/mixed-4711.trace\n";
    assert!(shown.contains(again), "{shown}");
}

#[test]
fn a_second_run_that_differs_fails_the_seed_and_is_run_twice_again() {
    let mut sum = Sum::of("session", None, true);
    let report = Scenario::standard(1).run().into();
    sum.add(&[Ran { is_same: false, ..ran("session", 1, report) }]);
    assert!(!sum.is_good() && sum.last_line().contains(" traces-differing=1 "), "{}", sum.last_line());
    assert!(sum.to_string().contains(" --seed 1 --twice --trace "), "{sum}");
}

#[test]
fn builds_that_differ_fail_the_run() {
    let mut sum = Sum::of("session", None, false);
    sum.add(&[ran("session", 1, Scenario::standard(1).run().into())]);
    sum.builds_differing = Some(0);
    assert!(sum.is_good() && sum.last_line().contains(" builds-differing=0 "), "{}", sum.last_line());
    sum.builds_differing = Some(1);
    assert!(!sum.is_good());
}

#[test]
fn what_never_happened_is_a_gap_and_fails_the_run_once_there_are_seeds_enough() {
    let mut report = Report::default();
    report.ledger.enter(Rule { id: RuleId("X99"), says: "it sleeps" });
    let mut sum = Sum::of(WORLDS, None, false);
    sum.add(&[ran("mixed", 0, report.clone())]);
    let (gaps, unknown) = sum.gaps();
    assert_eq!((gaps.rules.len(), gaps.faults.len(), unknown.len()), (1, 51, 84));
    assert!(sum.is_good(), "one seed cannot have everything");
    let shown = sum.to_string();
    assert!(shown.contains("X99   never judged  it sleeps") && shown.contains("F41   never happened"), "{shown}");
    assert!(shown.contains("D13   is known to no checker"), "{shown}");
    (1..GAPS_FAIL_FROM).for_each(|seed| sum.add(&[ran("mixed", seed, Report::default())]));
    assert!(!sum.is_good() && sum.last_line().contains(" failed=0 gaps=136 "), "{}", sum.last_line());
    // A scenario that is about a few rules has no gaps that anybody minds.
    let mut sum = Sum::of("atomic", None, false);
    (0..GAPS_FAIL_FROM).for_each(|seed| sum.add(&[ran("atomic", seed, report.clone())]));
    assert!(sum.is_good() && sum.last_line().contains(" gaps=1 "), "{}", sum.last_line());
}

#[test]
fn the_first_failure_of_each_rule_is_kept_to_be_made_small() {
    let mut all = Simulated::new(Sum::of("session", None, false));
    for (seed, rule) in [(3, "D29"), (4, "D29"), (5, "D30")] {
        let broken = Some((RuleId(rule), Vec::new()));
        all.take(vec![Ran { broken, ..ran("session", seed, Report::default()) }]);
    }
    let kept: Vec<_> = all.broken.iter().map(|broken| (broken.seed, broken.rule.0)).collect();
    assert_eq!(kept, [(3, "D29"), (5, "D30")]);
}
