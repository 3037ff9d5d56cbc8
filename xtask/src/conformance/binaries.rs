//! Test binaries: built once, asked for their tests, and run with the names that rows give.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    process::{Command, Stdio},
};

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

use super::matrix::TestName;
use crate::ci::command;

/// What became of a named test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ran {
    Passed,
    Failed,
    /// There is no test of the name.
    Missing,
}

/// A line of cargo's `--message-format=json`, as far as it matters.
#[derive(Deserialize)]
struct Artifact {
    reason: String,
    #[serde(default)]
    manifest_path: PathBuf,
    target: Option<Target>,
    executable: Option<PathBuf>,
}

#[derive(Deserialize)]
struct Target {
    kind: Vec<String>,
    name: String,
}

/// A test binary and the folder that its tests expect to be in.
struct Binary {
    executable: PathBuf,
    folder: PathBuf,
}

/// Runs the tests: one build, and two runs of each binary, to list its tests and to run the named ones.
pub(crate) fn run(tests: &BTreeSet<TestName>) -> Result<BTreeMap<TestName, Ran>> {
    let packages: BTreeSet<&str> = tests.iter().map(|test| test.package.as_str()).collect();
    if packages.is_empty() {
        return Ok(BTreeMap::new());
    }
    let binaries = build(&packages)?;
    let mut ran = BTreeMap::new();
    let mut wanted: BTreeMap<(&str, &str), Vec<&TestName>> = BTreeMap::new();
    for test in tests {
        wanted.entry((&test.package, &test.binary)).or_default().push(test);
    }
    for ((package, name), tests) in wanted {
        let found = match binaries.get(&(package.to_owned(), name.to_owned())) {
            Some(binary) => binary.run(&tests)?,
            None => tests.iter().map(|_| Ran::Missing).collect(),
        };
        ran.extend(tests.into_iter().cloned().zip(found));
    }
    Ok(ran)
}

/// What the tests of one binary whose names contain `filter` print, one after the other.
pub(crate) fn output(package: &str, name: &str, filter: &str) -> Result<String> {
    let binaries = build(&[package].into())?;
    let binary = binaries.get(&(package.to_owned(), name.to_owned()));
    let binary = binary.with_context(|| format!("{package} has no tests {name}"))?;
    let output = binary.command().args([filter, "--nocapture", "--test-threads=1"]).output()?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn build(packages: &BTreeSet<&str>) -> Result<BTreeMap<(String, String), Binary>> {
    let mut cargo = command(&["test", "--no-run", "--all-features", "--lib", "--tests", "--message-format=json"]);
    for package in packages {
        cargo.args(["--package", package]);
    }
    let output = cargo.stderr(Stdio::inherit()).output().context("cargo cannot be started")?;
    ensure!(output.status.success(), "the tests of {packages:?} cannot be built");
    let mut binaries = BTreeMap::new();
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        let Ok(artifact) = serde_json::from_str::<Artifact>(line) else { continue };
        let (Some(target), Some(executable)) = (artifact.target, artifact.executable) else { continue };
        if artifact.reason != "compiler-artifact" {
            continue;
        }
        let folder = artifact.manifest_path.parent().map(PathBuf::from).unwrap_or_default();
        // A package's folder has its name throughout this workspace.
        let package = folder.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let name = if target.kind.iter().any(|kind| kind == "test") { target.name } else { "lib".into() };
        binaries.insert((package, name), Binary { executable, folder });
    }
    Ok(binaries)
}

impl Binary {
    fn command(&self) -> Command {
        let mut command = Command::new(&self.executable);
        command.current_dir(&self.folder).env("CARGO_MANIFEST_DIR", &self.folder);
        command
    }

    /// What became of each test, in order.
    fn run(&self, tests: &[&TestName]) -> Result<Vec<Ran>> {
        let listed = self.command().args(["--list", "--format", "terse"]).output()?;
        let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
        let known: BTreeSet<&str> = listed.lines().filter_map(|line| line.strip_suffix(": test")).collect();
        let mut command = self.command();
        command.arg("--exact").args(tests.iter().map(|test| test.path.as_str()).filter(|path| known.contains(path)));
        let passed = if tests.iter().any(|test| known.contains(test.path.as_str())) {
            let output = command.output()?;
            passed(&String::from_utf8_lossy(&output.stdout))
        } else {
            BTreeSet::new()
        };
        let ran = tests.iter().map(|test| match test.path.as_str() {
            path if !known.contains(path) => Ran::Missing,
            path if passed.contains(path) => Ran::Passed,
            _ => Ran::Failed,
        });
        Ok(ran.collect())
    }
}

/// The tests that a run reports as passed. One that was left out is not among them.
fn passed(output: &str) -> BTreeSet<String> {
    let lines = output.lines().filter_map(|line| line.strip_prefix("test ")?.strip_suffix(" ... ok"));
    lines.map(|name| name.trim_end_matches(" - should panic").to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_ran_and_passed_counts() {
        let output = "running 3 tests\ntest a::b ... ok\ntest c - should panic ... ok\ntest d ... ignored\n\
            test e ... FAILED\n\ntest result: FAILED. 2 passed";
        assert_eq!(passed(output), ["a::b".to_owned(), "c".to_owned()].into());
    }
}
