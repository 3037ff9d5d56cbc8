//! `cargo xtask replay FILE`: does again what a journal holds, and compares.

use std::{fs::File, io::BufReader, path::Path};

use anyhow::{Context, Result, bail};
use core_kit::{
    Durable, Machine,
    journal::{Replay, file},
};
use dm_core::{client, server};

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

/// Replays a journal of either role; which it was, and how many steps.
pub(crate) fn replay(path: &Path) -> Result<(String, usize)> {
    let opened = file::open(BufReader::new(File::open(path)?))?;
    let machine = opened.machine().to_owned();
    let steps = match machine.as_str() {
        server::Session::NAME => {
            check::<server::Session>(file::replay::<server::Session>(opened.read::<server::Session>()?)?)?
        }
        client::Session::NAME => {
            check::<client::Session>(file::replay::<client::Session>(opened.read::<client::Session>()?)?)?
        }
        _ => bail!("no machine {machine:?} is known here"),
    };
    Ok((machine, steps))
}

fn check<M>(replay: Replay<M::Output, M::Misuse>) -> Result<usize>
where
    M: Machine<Misuse = dm_core::session::Misuse, Output: serde::Serialize>,
{
    match replay {
        Replay::Same { steps } => Ok(steps),
        Replay::Diverged { seq, recorded, replayed } => {
            let place = file::differ(&recorded, &replayed).unwrap_or_default();
            bail!("step {seq} differs\n{place}")
        }
        Replay::Refused { seq, misuse } => bail!("step {seq}: the recorded input is refused now: {misuse}"),
        Replay::OutOfOrder { expected, found } => bail!("step {found} stands where step {expected} is expected"),
    }
}
