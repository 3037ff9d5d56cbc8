//! `cargo xtask conformance`: every requirement of the specifications, and the tests that show it.

use std::{collections::BTreeMap, process::ExitCode};

use anyhow::{Result, bail};

pub(crate) mod binaries;
mod matrix;

use binaries::Ran;
use matrix::{Matrix, Row, TestName};

pub(crate) use matrix::drift;

const HELP: &str = "\
Runs the tests that conformance/*.toml name, and prints each requirement with what shows it.

usage: cargo xtask conformance [PROTOCOL]..

Without a protocol, all of them. A row that has neither a test nor a reason, a named test that does not exist, and one
that fails, make the exit code 1.
";

pub(crate) fn run(args: impl Iterator<Item = String>) -> ExitCode {
    match all(args) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Whether every row is shown or has a reason.
fn all(args: impl Iterator<Item = String>) -> Result<bool> {
    let wanted: Vec<String> = args.collect();
    if wanted.iter().any(|arg| arg == "--help" || arg == "-h") {
        print!("{HELP}");
        return Ok(true);
    }
    let mut matrices = Matrix::all()?;
    if let Some(unknown) = wanted.iter().find(|name| matrices.iter().all(|matrix| matrix.protocol != **name)) {
        bail!("there is no protocol {unknown:?} in conformance/");
    }
    matrices.retain(|matrix| wanted.is_empty() || wanted.contains(&matrix.protocol));
    let named = matrices.iter().flat_map(Matrix::rows).flat_map(|row| &row.tests);
    let ran = binaries::run(&named.filter_map(|test| TestName::parse(test)).collect())?;
    for matrix in &matrices {
        print(matrix, &ran);
    }
    let mut is_complete = true;
    for matrix in &matrices {
        let totals = matrix.totals(|row| row.tests.iter().all(|test| of(&ran, test) == Ran::Passed));
        is_complete &= totals.open == 0;
        println!("{totals}");
    }
    Ok(is_complete)
}

fn of(ran: &BTreeMap<TestName, Ran>, test: &str) -> Ran {
    TestName::parse(test).and_then(|test| ran.get(&test).copied()).unwrap_or(Ran::Missing)
}

fn print(matrix: &Matrix, ran: &BTreeMap<TestName, Ran>) {
    let width = matrix.rows().map(|row| row.id.len()).max().unwrap_or_default();
    for section in &matrix.section {
        println!("{}: {}\n", matrix.protocol, section.title);
        for row in &section.row {
            println!("  {:<width$}  {} {:<6}  {}", row.id, row.need, row.role, row.meaning);
            for line in shown_by(row, ran) {
                println!("  {:<width$}      {line}", "");
            }
        }
        println!();
    }
}

/// What is said below a row.
fn shown_by(row: &Row, ran: &BTreeMap<TestName, Ran>) -> Vec<String> {
    if let Some(reason) = &row.reason {
        return vec![format!("reason  {reason}")];
    }
    if row.tests.is_empty() {
        return vec!["OPEN    no test shows it, and no reason is given".into()];
    }
    let line = |test: &String| match of(ran, test) {
        Ran::Passed => format!("pass    {test}"),
        Ran::Failed => format!("FAIL    {test}"),
        Ran::Missing => format!("FAIL    {test}: there is no such test"),
    };
    row.tests.iter().map(line).collect()
}
