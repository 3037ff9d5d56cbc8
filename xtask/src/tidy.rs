//! `cargo xtask tidy`: what no compiler checks.

use std::{fs, process::Command};

use anyhow::{Context, Result, bail, ensure};

use crate::ci::root;

/// Lines of a source file past which it usually hides a second idea.
const LINES_MAX: usize = 700;

/// What the cores may depend on, themselves and build-time parts of the same crates aside.
const CORE_DEPENDENCIES: &[&str] = &[
    "base64",
    "block-buffer",
    "bytes",
    "cfg-if",
    "cmov",
    "const-oid",
    "core-kit",
    "cpufeatures",
    "crypto-common",
    "ctutils",
    "digest",
    "dm-core",
    "dpe-core",
    "hmac",
    "hybrid-array",
    "libc",
    "md-5",
    "proc-macro2",
    "quote",
    "serde",
    "serde_core",
    "serde_derive",
    "sha1",
    "sha2",
    "smol_str",
    "subtle",
    "syn",
    "thiserror",
    "thiserror-impl",
    "typenum",
    "unicode-ident",
];

/// The bugs that are in the code on purpose, and where their places may be.
const CATALOGUE: &str = "core-kit/src/planted/catalogue.rs";
const PLANTED: &[&str] = &["dm-core/src/", "dpe-core/src/", "transport-sim/src/"];

/// What must not be left in the source, in two halves so that this list does not find itself. Words stand for comments
/// with them: a captured client has one of them for a value.
const LEFTOVERS: &[(&str, &str)] = &[
    ("todo", "!("),
    ("unimplemented", "!("),
    ("// TO", "DO"),
    ("// FIX", "ME"),
    ("// XX", "X"),
    ("#[ig", "nore"),
    ("dbg", "!("),
    ("allow(dead", "_code)"),
];

pub(crate) fn run() -> Result<()> {
    let mut found = Vec::new();
    for file in tracked()? {
        let path = root().join(&file);
        // A file may be deleted and not committed yet.
        let Ok(text) = fs::read_to_string(&path) else { continue };
        if path.extension().is_some_and(|extension| extension == "rs") {
            let lines = text.lines().count();
            if lines > LINES_MAX {
                found.push(format!("{file}: {lines} lines, more than {LINES_MAX}: a second idea is hiding in it"));
            }
            for (number, line) in text.lines().enumerate() {
                for (head, tail) in LEFTOVERS {
                    if line.contains(&format!("{head}{tail}")) {
                        found.push(format!("{file}:{}: {head}{tail}", number + 1));
                    }
                }
            }
        }
    }
    found.extend(same_lints()?);
    found.extend(core_dependencies()?);
    found.extend(planted_bugs()?);
    found.extend(crate::conformance::drift()?);
    if found.is_empty() {
        println!("tidy: ok");
        return Ok(());
    }
    bail!("{}", found.join("\n"))
}

/// The files that git knows.
fn tracked() -> Result<Vec<String>> {
    let output =
        Command::new("git").current_dir(root()).args(["ls-files"]).output().context("git cannot be started")?;
    ensure!(output.status.success(), "git ls-files ended with {}", output.status);
    Ok(String::from_utf8_lossy(&output.stdout).lines().map(String::from).collect())
}

/// Clippy reads the nearest `clippy.toml` only, so the crates whose product is determinism have equal copies.
fn same_lints() -> Result<Vec<String>> {
    let read = |name: &str| fs::read_to_string(root().join(name).join("clippy.toml")).with_context(|| name.to_owned());
    let own = read("core-kit")?;
    let mut found = Vec::new();
    for name in ["dm-core", "dpe-core", "transport-sim"] {
        if read(name)? != own {
            found.push(format!("{name}/clippy.toml differs from core-kit/clippy.toml"));
        }
    }
    Ok(found)
}

/// Each planted bug of the catalogue has a place, and each place is of a bug in it.
fn planted_bugs() -> Result<Vec<String>> {
    let text = fs::read_to_string(root().join(CATALOGUE)).context(CATALOGUE)?;
    let named = |text: &str, mark: &str| -> Vec<String> {
        let pieces = text.split(mark).skip(1);
        pieces.filter_map(|rest| Some(rest.trim_start().strip_prefix('"')?.split('"').next()?.to_owned())).collect()
    };
    let bugs = named(&text, "bug(");
    let mut places = Vec::new();
    for file in tracked()?.iter().filter(|file| PLANTED.iter().any(|planted| file.starts_with(planted))) {
        places.extend(named(&fs::read_to_string(root().join(file)).unwrap_or_default(), "core_kit::planted!("));
    }
    let homeless = bugs.iter().filter(|bug| !places.contains(bug));
    let unknown = places.iter().filter(|place| !bugs.contains(place));
    let homeless = homeless.map(|bug| format!("{CATALOGUE}: {bug} is planted nowhere"));
    Ok(homeless.chain(unknown.map(|bug| format!("{bug} is planted and not in {CATALOGUE}"))).collect())
}

/// A new dependency of a core is a decision, not an accident.
fn core_dependencies() -> Result<Vec<String>> {
    let tree = [
        "tree",
        "-p",
        "dm-core",
        "-p",
        "dpe-core",
        "--no-default-features",
        "-e",
        "normal,no-proc-macro",
        "--prefix",
        "none",
    ];
    let output = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .current_dir(root())
        .args(tree)
        .output()?;
    ensure!(output.status.success(), "cargo tree ended with {}", output.status);
    let text = String::from_utf8_lossy(&output.stdout);
    let names = text.lines().filter_map(|line| line.split_whitespace().next());
    let mut unknown: Vec<&str> = names.filter(|name| !CORE_DEPENDENCIES.contains(name)).collect();
    unknown.sort_unstable();
    unknown.dedup();
    Ok(unknown.iter().map(|name| format!("a core depends on {name}, which xtask/src/tidy.rs does not list")).collect())
}
