//! `cargo xtask sim --failed`: everything that once failed, once more.

use std::{fs, num::NonZero, path::Path};

use anyhow::{Context as _, Result, bail};
use transport_sim::{Recording, read_seeds};

use super::{
    drive::{self, Wanted, in_order},
    minimise::replay,
    stage::worlds,
};

/// A seed or a recording that once failed.
struct Case {
    /// How to run it again.
    again: String,
    story: String,
    what: What,
}

enum What {
    Seed { scenario: String, seed: u64 },
    Recording(Box<Recording>),
}

/// The seeds of `seeds.txt` under `directory`, then the recordings of `seeds/`, by name.
fn cases(directory: &Path) -> Result<Vec<Case>> {
    let list = directory.join("seeds.txt");
    let text = fs::read_to_string(&list).with_context(|| list.display().to_string())?;
    let seeds = read_seeds(&text).with_context(|| list.display().to_string())?;
    let mut cases: Vec<Case> = seeds
        .into_iter()
        .map(|seed| Case {
            again: format!("--scenario {} --seed {}", seed.scenario, seed.seed),
            story: seed.story,
            what: What::Seed { scenario: seed.scenario, seed: seed.seed },
        })
        .collect();
    let folder = directory.join("seeds");
    let mut paths: Vec<_> = match fs::read_dir(&folder) {
        Ok(entries) => entries.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
        Err(error) => bail!("{}: {error}", folder.display()),
    };
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "jsonl"));
    paths.sort();
    for path in paths {
        let name = path.display().to_string();
        let recording = Recording::read(&fs::read_to_string(&path).with_context(|| name.clone())?);
        let recording = recording.with_context(|| name.clone())?;
        cases.push(Case {
            again: format!("--replay {name}"),
            story: recording.story.clone().unwrap_or_default(),
            what: What::Recording(Box::new(recording)),
        });
    }
    Ok(cases)
}

impl Case {
    /// What is wrong with it today.
    fn failures(&self, twice: bool) -> Vec<String> {
        let unknown = || vec!["there is no such scenario".to_owned()];
        match &self.what {
            What::Seed { scenario, seed } => {
                let worlds = worlds(scenario, *seed, None).unwrap_or_default();
                if worlds.is_empty() {
                    return unknown();
                }
                let wanted = Wanted { twice, ..Wanted::default() };
                let ran = worlds.iter().map(|world| drive::ran(world, wanted));
                let failures = ran.flat_map(|ran| {
                    let differs = (!ran.is_same).then(|| "a second run gives another trace".to_owned());
                    ran.report.failures.into_iter().chain(differs)
                });
                failures.collect()
            }
            What::Recording(recording) => replay(recording).map_or_else(unknown, |report| report.failures),
        }
    }
}

/// Runs them all and prints how each fared. Says whether all are good.
pub(super) fn run(directory: &Path, jobs: NonZero<usize>, twice: bool) -> Result<bool> {
    let cases = cases(directory)?;
    let of = |number: u64| usize::try_from(number).ok().and_then(|at| cases.get(at));
    let mut broken = 0;
    in_order(
        jobs,
        |number| of(number).is_some(),
        |number| of(number).map(|case| (case, case.failures(twice))),
        |done| {
            let Some((case, failures)) = done else { return };
            let word = if failures.is_empty() { "ok    " } else { "FAILED" };
            println!("{word}  cargo xtask sim {:<34}  {}", case.again, case.story);
            failures.iter().take(5).for_each(|failure| println!("        {failure}"));
            broken += u64::from(!failures.is_empty());
        },
    );
    let recordings = cases.iter().filter(|case| matches!(case.what, What::Recording(_))).count();
    println!(
        "sim: {} failed-once={} seeds={} recordings={recordings} broken={broken}",
        if broken == 0 { "ok" } else { "FAILED" },
        cases.len(),
        cases.len() - recordings,
    );
    Ok(broken == 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ci::root;

    #[test]
    fn every_seed_and_recording_that_is_kept_is_of_a_scenario_that_there_is() {
        let cases = cases(&root().join("transport-sim")).expect("they can be read");
        assert!(cases.len() >= 8, "{}", cases.len());
        for case in cases {
            assert!(!case.story.is_empty(), "{} has no story", case.again);
            if let What::Seed { scenario, seed } = &case.what {
                assert!(worlds(scenario, *seed, None).is_ok_and(|worlds| worlds.len() == 1), "{}", case.again);
            }
        }
    }

    #[test]
    fn what_is_not_known_or_cannot_be_read_is_no_success() {
        let directory = std::env::temp_dir().join(format!("xtask-failed-{}", std::process::id()));
        fs::create_dir_all(directory.join("seeds")).expect("it can be made");
        assert!(run(&directory, NonZero::<usize>::MIN, false).is_err(), "there is no seeds.txt");
        fs::write(directory.join("seeds.txt"), "session 7 lost\n").expect("it can be written");
        assert!(run(&directory, NonZero::<usize>::MIN, true).is_ok_and(|is_good| is_good));
        fs::write(directory.join("seeds.txt"), "other 7 of nothing\n").expect("it can be written");
        assert!(run(&directory, NonZero::<usize>::MIN, false).is_ok_and(|is_good| !is_good));
        fs::write(directory.join("seeds/a.jsonl"), "nothing").expect("it can be written");
        assert!(run(&directory, NonZero::<usize>::MIN, false).is_err(), "that is no recording");
        fs::remove_dir_all(directory).expect("it was just made");
    }
}
