//! What once failed is kept in a form that can be run again.

use std::{fs, path::Path};

use transport_sim::{FailedSeed, Recording, dm, dpe, read_seeds};

fn here() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn kept() -> Vec<FailedSeed> {
    let text = fs::read_to_string(here().join("seeds.txt")).expect("it is there");
    read_seeds(&text).expect("each line is a scenario, a seed and a story")
}

/// Everything that must not be of a run of this scenario, with the choices of the seed or with these.
fn failures(scenario: &str, seed: u64, recording: Option<&Recording>) -> Option<Vec<String>> {
    let failures = match (dm::Scenario::named(scenario, seed), recording) {
        (Some(of_dm), None) => of_dm.run().failures(),
        (Some(of_dm), Some(recording)) => of_dm.replay(&recording.decisions).failures(),
        (None, _) => {
            let of_dpe = dpe::Scenario::named(scenario, seed)?;
            recording.map_or_else(|| of_dpe.run(), |recording| of_dpe.replay(&recording.decisions)).failures()
        }
    };
    Some(failures)
}

#[test]
fn every_seed_that_is_kept_is_of_a_scenario_that_there_is() {
    let kept = kept();
    assert!(kept.len() > 10, "{}", kept.len());
    for FailedSeed { scenario, seed, .. } in kept {
        let known = dm::Scenario::NAMES.iter().chain(&dpe::Scenario::NAMES).any(|name| **name == scenario);
        assert!(known, "{scenario} {seed}");
    }
}

/// One of each scenario: all of them take minutes in a debug build, and are run by `cargo xtask sim --failed`.
#[test]
fn a_seed_that_once_failed_is_good_now() {
    let mut done: Vec<String> = Vec::new();
    for FailedSeed { scenario, seed, story } in kept() {
        if !done.contains(&scenario) {
            let failures = failures(&scenario, seed, None).expect("there is such a scenario");
            assert_eq!(failures, Vec::<String>::new(), "{scenario} {seed}: {story}");
            done.push(scenario);
        }
    }
}

#[test]
fn a_recording_that_is_kept_is_a_good_run_now() {
    let Ok(entries) = fs::read_dir(here().join("seeds")) else { return };
    for entry in entries {
        let path = entry.expect("it can be read").path();
        let text = fs::read_to_string(&path).expect("it can be read");
        let recording = Recording::read(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let failures = failures(&recording.scenario, recording.seed, Some(&recording));
        assert_eq!(failures, Some(Vec::new()), "{}: {:?}", path.display(), recording.story);
    }
}
