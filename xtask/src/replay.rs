//! `cargo xtask replay FILE`: does again what a journal holds, and compares.

use std::{fmt::Display, fs::File, io::BufReader, path::Path};

use anyhow::{Context, Result, bail};
use core_kit::{
    Durable,
    journal::{
        Replay,
        file::{self, Opened},
    },
};
use dpe_core::server::{device::Device, gate::Gate};
use serde::{Serialize, de::DeserializeOwned};

const HELP: &str = "\
Replays a journal: feeds every recorded input to the recorded state, and compares every output with the recorded one.

usage: cargo xtask replay FILE

FILE is a journal as `cargo xtask demo` leaves them in target/demo/. Prints `identical`, or the first step that differs
and where, and then ends with exit code 1.
";

pub(crate) fn run(mut args: impl Iterator<Item = String>) -> Result<()> {
    let path = match (args.next(), args.next()) {
        (Some(flag), None) if flag == "--help" || flag == "-h" => {
            print!("{HELP}");
            return Ok(());
        }
        (Some(path), None) => path,
        _ => bail!("one journal to replay\n\n{HELP}"),
    };
    let (machine, steps) = replay(Path::new(&path)).with_context(|| path.clone())?;
    println!("{path}: {steps} steps of {machine}, identical");
    Ok(())
}

/// Replays a journal of any machine of this workspace; which it was, and how many steps.
pub(crate) fn replay(path: &Path) -> Result<(String, usize)> {
    let opened = file::open(BufReader::new(File::open(path)?))?;
    let machine = opened.machine().to_owned();
    let replay = match machine.as_str() {
        dm_core::server::Session::NAME => again::<dm_core::server::Session>,
        dm_core::client::Session::NAME => again::<dm_core::client::Session>,
        Device::NAME => again::<Device>,
        Gate::NAME => again::<Gate>,
        dpe_core::client::Client::NAME => again::<dpe_core::client::Client>,
        dpe_core::sp::Sp::NAME => again::<dpe_core::sp::Sp>,
        _ => bail!("no machine {machine:?} is known here"),
    };
    let steps = replay(opened)?;
    Ok((machine, steps))
}

fn again<M>(opened: Opened<BufReader<File>>) -> Result<usize>
where
    M: Durable<
            Profile: DeserializeOwned,
            Snapshot: DeserializeOwned,
            Input: Serialize + DeserializeOwned,
            Output: Serialize + DeserializeOwned + PartialEq,
            Misuse: Display,
            RestoreError: std::error::Error + Send + Sync + 'static,
        >,
{
    match file::replay::<M>(opened.read::<M>()?)? {
        Replay::Same { steps } => Ok(steps),
        Replay::Diverged { seq, recorded, replayed } => {
            let place = file::differ(&recorded, &replayed).unwrap_or_default();
            bail!("step {seq} differs\n{place}")
        }
        Replay::Refused { seq, misuse } => bail!("step {seq}: the recorded input is refused now: {misuse}"),
        Replay::OutOfOrder { expected, found } => bail!("step {found} stands where step {expected} is expected"),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn the_stored_journals_of_all_machines_replay() -> Result<()> {
        let mut machines = Vec::new();
        for core in ["dm-core", "dpe-core"] {
            for entry in fs::read_dir(crate::ci::root().join(core).join("tests/journals"))? {
                let (machine, steps) = replay(&entry?.path())?;
                assert!(steps > 0, "{machine}");
                machines.push(machine);
            }
        }
        machines.sort();
        machines.dedup();
        assert_eq!(machines, ["dm.client", "dm.server", "dpe.client", "dpe.device", "dpe.gate", "dpe.sp"]);
        Ok(())
    }
}
