//! `cargo xtask scripts`: the sessions in `dm-core/tests/scripts`, and what they cover of what our machines can do.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    process::ExitCode,
};

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

use crate::{ci::root, conformance::binaries};

mod source;

const HELP: &str = "\
Runs the sessions in dm-core/tests/scripts and prints what they cover.

usage: cargo xtask scripts

Three tables: the scripts; what is covered, and by which of them; what should be and is not. What should be is in
dm-core/tests/scripts/coverage.toml, and for statuses in the source: each one that a role's code names must come out in a
script, or be excused there. A script that fails and a gap make the exit code 1.
";

/// `coverage.toml`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    /// By kind.
    required: BTreeMap<String, Vec<String>>,
    #[serde(default)]
    excused: Vec<Excused>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Excused {
    kind: String,
    what: String,
    reason: String,
}

/// A script as its test told of it.
#[derive(Debug, Default, PartialEq, Eq)]
struct Script {
    name: String,
    title: String,
    passed: bool,
    /// Kind and what.
    covers: BTreeSet<(String, String)>,
}

pub(crate) fn run(mut args: impl Iterator<Item = String>) -> ExitCode {
    if args.next().is_some() {
        print!("{HELP}");
        return ExitCode::SUCCESS;
    }
    match table() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn table() -> Result<bool> {
    let scripts = read(&binaries::output("dm-core", "it", "scripts::")?);
    ensure!(!scripts.is_empty(), "no script was run");
    let path = root().join("dm-core/tests/scripts/coverage.toml");
    let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    let mut wanted: Wanted = toml::from_str(&text).with_context(|| path.display().to_string())?;
    wanted.required.entry("status given".into()).or_default().extend(source::statuses()?);

    let width = scripts.iter().map(|script| script.name.len()).max().unwrap_or_default();
    for script in &scripts {
        println!("{:<width$}  {}  {}", script.name, if script.passed { "pass" } else { "FAIL" }, script.title);
    }
    let mut by: BTreeMap<(&str, &str), Vec<&str>> = BTreeMap::new();
    for script in scripts.iter().filter(|script| script.passed) {
        for (kind, what) in &script.covers {
            by.entry((kind, what)).or_default().push(&script.name);
        }
    }
    println!();
    let mut last = "";
    for ((kind, what), names) in &by {
        if *kind != last {
            println!("{kind}");
            last = kind;
        }
        let shown = names.iter().take(3).copied().collect::<Vec<_>>().join(", ");
        let more = names.len().checked_sub(3).filter(|more| *more > 0);
        println!("  {what:<44}  {shown}{}", more.map(|more| format!(" and {more} more")).unwrap_or_default());
    }
    println!();
    let gaps = gaps(&wanted, &by.keys().copied().collect());
    for gap in &gaps {
        println!("gap: {gap}");
    }
    let failed = scripts.iter().filter(|script| !script.passed).count();
    println!(
        "scripts: {} run, {failed} failed, {} things covered, {} excused, {} gaps",
        scripts.len(),
        by.len(),
        wanted.excused.len(),
        gaps.len()
    );
    Ok(failed == 0 && gaps.is_empty())
}

/// What should be covered and is not, and excuses for what is.
fn gaps(wanted: &Wanted, covered: &BTreeSet<(&str, &str)>) -> Vec<String> {
    let excused: BTreeSet<(&str, &str)> =
        wanted.excused.iter().map(|excuse| (excuse.kind.as_str(), excuse.what.as_str())).collect();
    let mut gaps = Vec::new();
    for (kind, whats) in &wanted.required {
        let whats: BTreeSet<&str> = whats.iter().map(String::as_str).collect();
        let open = whats.into_iter().map(|what| (kind.as_str(), what));
        let open = open.filter(|key| !covered.contains(key) && !excused.contains(key));
        gaps.extend(open.map(|(kind, what)| format!("{kind}: {what}")));
    }
    for Excused { kind, what, reason } in &wanted.excused {
        if covered.contains(&(kind.as_str(), what.as_str())) {
            gaps.push(format!("{kind}: {what} is covered after all, though coverage.toml says: {reason}"));
        }
    }
    gaps
}

/// The scripts in what their tests printed.
fn read(output: &str) -> Vec<Script> {
    let mut scripts: Vec<Script> = Vec::new();
    for line in output.lines() {
        if let Some(name) = line.strip_prefix("test scripts::").and_then(|line| line.split(" ... ").next()) {
            scripts.push(Script { name: name.into(), ..Script::default() });
        }
        let Some(script) = scripts.last_mut() else { continue };
        script.passed |= line == "ok" || line.ends_with(" ... ok");
        let fields: Vec<&str> = line.split('\t').collect();
        match fields.as_slice() {
            ["@script", name, title] => (script.name, script.title) = ((*name).into(), (*title).into()),
            ["@covers", kind, what] => {
                script.covers.insert(((*kind).into(), (*what).into()));
            }
            _ => {}
        }
    }
    // Tests of the harness have no script of their own.
    scripts.retain(|script| !script.passed || !script.title.is_empty());
    scripts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_tests_print_is_read_back() {
        let output = "running 3 tests\ntest scripts::a_b ... \n@script\ta-b\tA title.\n@covers\tstatus given\tclient 200\n\
            ok\ntest scripts::c ... FAILED\ntest scripts::every_script_on_disk_is_run ... ok\n";
        let covers = [("status given".to_owned(), "client 200".to_owned())].into();
        let first = Script { name: "a-b".into(), title: "A title.".into(), passed: true, covers };
        assert_eq!(read(output), [first, Script { name: "c".into(), ..Script::default() }]);
    }

    #[test]
    fn a_gap_is_what_nobody_covers_and_nothing_excuses() {
        let excuse = |what: &str| Excused { kind: "k".into(), what: what.into(), reason: "because".into() };
        let wanted = Wanted {
            required: [("k".to_owned(), ["a", "b", "c"].map(String::from).into())].into(),
            excused: vec![excuse("b"), excuse("d")],
        };
        let gaps = gaps(&wanted, &[("k", "a"), ("k", "d")].into());
        assert_eq!(gaps, ["k: c", "k: d is covered after all, though coverage.toml says: because"]);
    }
}
