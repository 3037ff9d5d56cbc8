//! `cargo xtask bench sim`: what a simulated DM session costs here, and under other simulators.
//!
//! The others are built apart, in a package outside the workspace: nobody who does not compare needs them.
//!
//! With `--trained` every program is built twice: the first one counts which way it goes, and the second is built by what
//! was counted (profile-guided optimisation, as compilers and browsers are shipped with). Little of a session is a loop, so
//! what lies where in the code costs a good part of it.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, Result, bail, ensure};

use crate::ci::{command, root};

/// Where the package is.
const MANIFEST: &str = "transport-sim/rivals/Cargo.toml";

/// A program of the package.
struct Program {
    bin: &'static str,
    feature: &'static str,
    flags: Option<&'static str>,
}

const PROGRAMS: [Program; 3] = [
    Program { bin: "ours", feature: "ours", flags: None },
    Program { bin: "under-turmoil", feature: "turmoil", flags: None },
    // Without the flag madsim is a real network. The flag is for all crates, so the build is one of its own.
    Program { bin: "under-madsim", feature: "madsim", flags: Some("--cfg madsim") },
];

/// What all are compared with.
const MEASURE: &str = "transport-sim";

const NOTES: &str = "\
The machines, orders, latency and allocator are the same: 100 device hosts and one server, one session after the other on
each. transport-sim judges every message by every rule of single sessions; unjudged it does what the others do. What is not
comparable: the fleet, which judges as well, has a device for each session, in the course of a day, before three nodes and a
store in each of 16 regions; turmoil and madsim simulate TCP, with a connection for each session, and run tasks, where
transport-sim hands over whole messages; turmoil wakes every host at every tick, so that it costs by simulated time and not
by message.";

/// One line of a program.
#[derive(Debug, PartialEq, Eq)]
struct Figure {
    simulator: String,
    sessions: u64,
    per_second: u64,
}

impl Figure {
    fn read(line: &str) -> Option<Self> {
        let field = |name: &str| line.split(' ').find_map(|field| field.strip_prefix(name)?.strip_prefix('='));
        Some(Self {
            simulator: field("simulator")?.to_owned(),
            sessions: field("sessions")?.parse().ok()?,
            per_second: field("per-second")?.parse().ok()?,
        })
    }
}

pub(crate) fn run(args: impl Iterator<Item = String>) -> Result<()> {
    let (trained, rounds): (Vec<String>, Vec<String>) = args.partition(|arg| arg == "--trained");
    ensure!(
        rounds.len() < 2 && rounds.iter().all(|rounds| rounds.parse::<u32>().is_ok_and(|rounds| rounds > 0)),
        "bench sim takes how many sessions each device has, and `--trained`, and nothing else"
    );
    let tool = if trained.is_empty() { None } else { Some(profdata()?) };
    let mut figures = Vec::new();
    for program in &PROGRAMS {
        figures.extend(match &tool {
            Some(tool) => program.trained(tool, &rounds)?,
            None => program.plain(&rounds)?,
        });
    }
    let measure = figures.iter().find(|figure| figure.simulator == MEASURE).context("transport-sim has no figure")?;
    println!("{:<24}{:>10}{:>14}{:>10}", "simulator", "sessions", "sessions/s", "ours/this");
    for Figure { simulator, sessions, per_second } in &figures {
        // In hundredths: how many times as fast as this one the first is.
        let ratio = measure.per_second * 100 / (*per_second).max(1);
        println!("{simulator:<24}{sessions:>10}{per_second:>14}{:>7}.{:02}", ratio / 100, ratio % 100);
    }
    println!("\n{NOTES}");
    let line = figures.iter().map(|figure| format!(" {}={}", figure.simulator, figure.per_second));
    println!("bench sim: ok{}", line.collect::<String>());
    Ok(())
}

/// Sessions of each device while it is counted which way a program goes.
const TRAINING: &str = "20";

/// The tool that sums up what was counted, of the toolchain that counts.
fn profdata() -> Result<PathBuf> {
    let output = Command::new(env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()))
        .args(["--print", "target-libdir"])
        .output()
        .context("rustc cannot be started")?;
    let libraries = PathBuf::from(String::from_utf8(output.stdout)?.trim());
    let tool = libraries.with_file_name("bin").join("llvm-profdata").with_extension(env::consts::EXE_EXTENSION);
    ensure!(tool.is_file(), "{} is missing; `rustup component add llvm-tools` installs it", tool.display());
    Ok(tool)
}

impl Program {
    /// Builds it, runs it, and reads what it prints.
    fn plain(&self, rounds: &[String]) -> Result<Vec<Figure>> {
        let target = root().join("target").join(if self.flags.is_some() { "rivals-madsim" } else { "rivals" });
        self.figures(&self.build(&target, "")?, rounds)
    }

    /// Builds it, counts which way it goes, builds it by that, and then as [`plain`](Self::plain).
    fn trained(&self, tool: &Path, rounds: &[String]) -> Result<Vec<Figure>> {
        let place = root().join("target/rivals-trained").join(self.bin);
        let (counts, sum) = (place.join("counts"), place.join("sum.profdata"));
        let counting = self.build(&place.join("counting"), &format!("-Cprofile-generate={}", counts.display()))?;
        if counts.exists() {
            fs::remove_dir_all(&counts)?;
        }
        self.figures(&counting, &[TRAINING.to_owned()])?;
        let status = Command::new(tool).args(["merge", "-o"]).args([&sum, &counts]).status()?;
        ensure!(status.success(), "{} ended with {status}", tool.display());
        self.figures(&self.build(&place.join("built"), &format!("-Cprofile-use={}", sum.display()))?, rounds)
    }

    /// Builds it with more flags; where it is then.
    fn build(&self, target: &Path, flags: &str) -> Result<PathBuf> {
        let mut build = command(&["build", "--release", "--manifest-path", MANIFEST, "--features", self.feature]);
        build.args(["--bin", self.bin, "--target-dir"]).arg(target);
        build.env("RUSTFLAGS", [self.flags.unwrap_or_default(), flags].join(" "));
        let status = build.status().context("cargo cannot be started")?;
        ensure!(status.success(), "{} cannot be built: {status}", self.bin);
        Ok(target.join("release").join(self.bin))
    }

    /// Runs it, and reads what it prints.
    fn figures(&self, program: &Path, rounds: &[String]) -> Result<Vec<Figure>> {
        let output = Command::new(program)
            .args(rounds)
            .stderr(Stdio::inherit())
            .output()
            .with_context(|| format!("{} cannot be started", program.display()))?;
        ensure!(output.status.success(), "{} ended with {}", self.bin, output.status);
        let text = String::from_utf8(output.stdout)?;
        let figures: Vec<Figure> = text.lines().filter_map(Figure::read).collect();
        if figures.is_empty() {
            bail!("{} has printed no figure: {text}", self.bin);
        }
        Ok(figures)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_is_read_from_its_line() {
        let figure = Figure { simulator: "madsim".into(), sessions: 5_000, per_second: 1_234 };
        assert_eq!(Figure::read("simulator=madsim sessions=5000 per-second=1234"), Some(figure));
        assert_eq!(Figure::read("simulator=madsim sessions=5000"), None);
        assert_eq!(Figure::read(""), None);
    }
}
