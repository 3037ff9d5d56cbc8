//! `cargo xtask ci`: all of CI, on any machine.

use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
    time::Instant,
};

use anyhow::{Context, Result, bail, ensure};

/// A step: its name, what it is for, and how it is done.
struct Step {
    name: &'static str,
    what: &'static str,
    run: fn() -> Result<()>,
}

const STEPS: &[Step] = &[
    Step { name: "fmt", what: "the source is formatted", run: || cargo(&["fmt", "--all", "--check"]) },
    Step { name: "tidy", what: "file sizes, dependencies of the cores, leftovers", run: crate::tidy::run },
    Step { name: "clippy", what: "no lint in any target with any feature", run: clippy },
    Step { name: "doc", what: "the documentation builds without a warning", run: doc },
    Step { name: "no-std", what: "the cores need no std", run: no_std },
    Step { name: "test", what: "all tests", run: test },
    Step {
        name: "conformance",
        what: "every requirement is shown by a test or has a reason",
        run: || cargo(&["xtask", "conformance"]),
    },
    Step {
        name: "scripts",
        what: "scripted sessions cover whatever our machines can send",
        run: || cargo(&["xtask", "scripts"]),
    },
    Step { name: "sim", what: "300 seeds, all that once failed, every scenario, and three planted bugs", run: sim },
    Step { name: "demo", what: "the main job", run: || cargo(&["xtask", "demo"]) },
];

pub(crate) fn run(mut args: impl Iterator<Item = String>) -> Result<()> {
    let mut skipped = Vec::new();
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--skip" => skipped.push(args.next().context("--skip takes the name of a step")?),
            "--help" | "-h" => {
                help();
                return Ok(());
            }
            other => bail!("ci takes no {other:?}; see `cargo xtask ci --help`"),
        }
    }
    let unknown = skipped.iter().find(|name| STEPS.iter().all(|step| step.name != name.as_str()));
    ensure!(
        unknown.is_none(),
        "there is no step {:?}; see `cargo xtask ci --help`",
        unknown.cloned().unwrap_or_default()
    );
    let mut times = Vec::new();
    for step in STEPS.iter().filter(|step| skipped.iter().all(|name| name != step.name)) {
        println!("== {}: {}", step.name, step.what);
        let began = Instant::now();
        (step.run)().with_context(|| format!("step {}", step.name))?;
        times.push(format!("{} {:.0} s", step.name, began.elapsed().as_secs_f32()));
    }
    println!("ci: ok ({})", times.join(", "));
    Ok(())
}

fn help() {
    println!("Runs all of CI, step by step, and stops at the first that fails.\n");
    println!("usage: cargo xtask ci [--skip STEP]..\n");
    for step in STEPS {
        println!("  {:<13}{}", step.name, step.what);
    }
}

/// `cargo xtask test`: every test of the workspace, doctests included.
pub(crate) fn test() -> Result<()> {
    cargo(&["test", "--workspace", "--all-features"])
}

/// `cargo xtask bless`: the tests that compare with files write these files.
pub(crate) fn bless() -> Result<()> {
    for package in ["dm-core", "dpe-core"] {
        let tests = ["test", "--package", package, "--all-features", "--test", "it", "--", "golden", "scripts::"];
        finish(command(&tests).env("BLESS", "1"))?;
    }
    Ok(())
}

/// `cargo xtask bench`: what a session costs; what a query costs by the number of devices, and what the messages cost.
/// With `sim`, what a simulated session costs.
pub(crate) fn bench(mut args: impl Iterator<Item = String>) -> Result<()> {
    match args.next().as_deref() {
        None => {}
        Some("sim") => return crate::rivals::run(args),
        Some(other) => bail!("bench takes no {other:?}; see `cargo xtask --help`"),
    }
    cargo(&["bench", "--package", "dm-core", "--bench", "session"])?;
    cargo(&["bench", "--package", "dpe-core", "--bench", "scale"])
}

fn clippy() -> Result<()> {
    cargo(&["clippy", "--workspace", "--all-targets", "--all-features", "--", "-D", "warnings"])
}

fn doc() -> Result<()> {
    let mut command = command(&["doc", "--workspace", "--no-deps", "--all-features"]);
    finish(command.env("RUSTDOCFLAGS", "-D warnings"))
}

/// Everything is run twice and the traces are compared. Few seeds of the large objects: one of them is thousands of
/// messages.
fn sim() -> Result<()> {
    cargo(&["xtask", "sim", "--seeds", "300", "--twice"])?;
    cargo(&["xtask", "sim", "--failed", "--twice"])?;
    for (scenario, seeds) in [("session", "300"), ("objects", "4"), ("atomic", "60"), ("nonces", "60"), ("dpe", "20")] {
        cargo(&["xtask", "sim", "--scenario", scenario, "--seeds", seeds, "--twice"])?;
    }
    for scenario in ["mixed", "dpe-swarm"] {
        cargo(&["xtask", "sim", "--scenario", scenario, "--seeds", "20", "--mode", "safety"])?;
    }
    // One bug in each role, so that the rules are known to see anything at all.
    cargo(&["xtask", "sim", "--planted", "D30-answered-anew", "D25-undone-forwards", "P01-second-out"])
}

/// The feature sets of `dm-core` that need no std. The smallest one, and that of a device which speaks WBXML only.
const WITHOUT_STD: &[&str] = &["", "wbxml"];

/// Builds the cores without std, and links them with a crate that would clash with std if anything brought it in. Where
/// the library of a bare-metal target is installed, builds them for it too.
fn no_std() -> Result<()> {
    let manifest = root().join("xtask/no-std-check/Cargo.toml");
    let target = root().join("target/no-std-check");
    let manifest = manifest.to_string_lossy();
    let bare = "thumbv7em-none-eabi";
    let has_bare = is_installed(bare)?;
    let dpe = ["build", "-p", "dpe-core", "--no-default-features"];
    cargo(&dpe)?;
    if has_bare {
        cargo(&[&dpe[..], &["--target", bare]].concat())?;
    }
    for features in WITHOUT_STD {
        let core = ["build", "-p", "dm-core", "--no-default-features", "--features", features];
        cargo(&core)?;
        let mut check = command(&["check", "--manifest-path", &manifest, "--features", features, "--target-dir"]);
        finish(check.arg(&target))?;
        if has_bare {
            cargo(&[&core[..], &["--target", bare]].concat())?;
        }
    }
    if !has_bare {
        println!("{bare} is not installed: checked on the host only");
    }
    Ok(())
}

/// Whether the toolchain has the libraries of a target.
fn is_installed(target: &str) -> Result<bool> {
    let output = Command::new(env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()))
        .args(["--print", "target-libdir", "--target", target])
        .output()?;
    Ok(output.status.success() && Path::new(String::from_utf8_lossy(&output.stdout).trim()).is_dir())
}

fn cargo(args: &[&str]) -> Result<()> {
    finish(&mut command(args))
}

/// Cargo with these arguments, in the root of the workspace.
pub(crate) fn command(args: &[&str]) -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root()).args(args);
    command
}

fn finish(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("{} cannot be started", command.get_program().display()))?;
    ensure!(status.success(), "{command:?} ended with {status}");
    Ok(())
}

/// The root of the workspace.
pub(crate) fn root() -> PathBuf {
    let here = env::var_os("CARGO_MANIFEST_DIR").map_or_else(|| PathBuf::from("xtask"), PathBuf::from);
    // Of a name alone it is empty, which is no directory to go to.
    here.parent().filter(|root| *root != Path::new("")).map_or_else(|| PathBuf::from("."), Path::to_path_buf)
}
