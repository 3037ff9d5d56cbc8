//! `cargo xtask sim --against-debug`: the traces of this build, and those of a debug build.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs,
    path::Path,
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result, ensure};

use super::options::Options;

/// A line for each world: scenario, seed, digest of the trace.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Digests(BTreeMap<(String, u64), String>);

impl Digests {
    pub(super) fn insert(&mut self, scenario: &str, seed: u64, digest: String) {
        self.0.insert((scenario.into(), seed), digest);
    }

    pub(super) fn write(&self) -> String {
        self.0.iter().fold(String::new(), |mut text, ((scenario, seed), digest)| {
            _ = writeln!(text, "{scenario} {seed} {digest}");
            text
        })
    }

    fn read(text: &str) -> Result<Self> {
        let mut digests = Self::default();
        for line in text.lines() {
            let fields: Vec<&str> = line.split(' ').collect();
            let [scenario, seed, digest] = fields[..] else { anyhow::bail!("{line:?} is no digest of a world") };
            digests.insert(scenario, seed.parse().with_context(|| line.to_owned())?, digest.into());
        }
        Ok(digests)
    }

    /// The worlds whose digest is another one there, or that only one of both has.
    fn differing(&self, other: &Self) -> Vec<(String, u64)> {
        let all = self.0.keys().chain(other.0.keys().filter(|world| !self.0.contains_key(*world)));
        all.filter(|world| self.0.get(*world) != other.0.get(*world)).cloned().collect()
    }
}

/// Has a debug build run the same seeds. Gives the worlds that differ.
pub(super) fn against_debug(own: &Digests, options: &Options, seeds: u64, root: &Path) -> Result<Vec<(String, u64)>> {
    ensure!(!cfg!(debug_assertions), "this is a debug build itself");
    let path = root.join("target/sim/debug.digests");
    fs::create_dir_all(root.join("target/sim"))?;
    // What another run has left there must not be taken for this one's.
    match fs::remove_file(&path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error.into()),
        _ => {}
    }
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root).args(["run", "--quiet", "--package", "xtask", "--", "sim"]);
    command.args(["--scenario", options.scenario]);
    for (option, value) in [("--first", options.first), ("--seeds", seeds), ("--jobs", options.jobs.get() as u64)] {
        command.arg(option).arg(value.to_string());
    }
    if let Some(mode) = options.mode {
        command.args(["--mode", mode.name()]);
    }
    // How it fared is known from here: the same seeds were just run.
    command.arg("--digest").arg(&path).stdout(Stdio::null());
    let status = command.status().context("the debug build cannot be run")?;
    let text = fs::read_to_string(&path).with_context(|| format!("the debug build has left no digests: {status}"))?;
    Ok(own.differing(&Digests::read(&text)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_written_and_read_and_what_differs_is_named() {
        let mut own = Digests::default();
        own.insert("mixed", 1, "aa".into());
        own.insert("mixed", 12, "bb".into());
        let text = own.write();
        assert_eq!(text, "mixed 1 aa\nmixed 12 bb\n");
        let mut other = Digests::read(&text).expect("it was just written");
        assert_eq!(own.differing(&other), []);
        other.insert("mixed", 12, "cc".into());
        other.insert("dpe-swarm", 3, "dd".into());
        assert_eq!(own.differing(&other), [("mixed".to_owned(), 12), ("dpe-swarm".to_owned(), 3)]);
        assert!(Digests::read("mixed 1").is_err() && Digests::read("mixed one aa").is_err());
    }
}
