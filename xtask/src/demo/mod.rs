//! `cargo xtask demo`: the main job on real input, from a captured client's bytes to journals replayed.

use std::{
    fs::{self, File},
    io::BufWriter,
    path::PathBuf,
    time::Instant,
};

use anyhow::{Context, Result, bail, ensure};
use core_kit::{
    Durable,
    journal::{JournalOf, file},
};
use dm_core::session::Outcome;
use serde::Serialize;

mod captured;
mod chart;
mod dpe;
mod ends;
mod over_http;
mod simulated;
mod user;
mod versions;

const HELP: &str = "\
The main job, in one run and without arguments:

  1. feeds the bytes of recorded libdmclient sessions, in XML and WBXML, to our server
  2. has a device of DM 1.3 come down to the version of a server of DM 1.2
  3. asks the person at the device, and does or undoes what depends on the answer
  4. runs our client against our server over a simulated network that loses and doubles messages
  5. runs the same over real HTTP on loopback
  6. tells a story of DPE over a simulated network: registration, queries, a group, policies, another device
  7. tells the same story over real HTTP on loopback
  8. writes a journal of every machine to target/demo/, replays them all, and compares

usage: cargo xtask demo
";

/// What the parts leave behind.
#[derive(Default)]
struct Demo {
    folder: PathBuf,
    sessions: usize,
    /// Scenes of the DPE story.
    scenes: usize,
    messages: usize,
    journals: Vec<PathBuf>,
    /// The time of the sessions in memory.
    clock: ends::Clock,
}

pub(crate) fn run(mut args: impl Iterator<Item = String>) -> Result<()> {
    if let Some(arg) = args.next() {
        ensure!(arg == "--help" || arg == "-h", "demo takes no {arg:?}\n\n{HELP}");
        print!("{HELP}");
        return Ok(());
    }
    let began = Instant::now();
    let mut demo = Demo { folder: crate::ci::root().join("target/demo"), ..Demo::default() };
    fs::create_dir_all(&demo.folder)?;
    captured::run(&mut demo).context("captured sessions")?;
    versions::run(&mut demo).context("versions")?;
    user::run(&mut demo).context("user")?;
    simulated::run(&mut demo).context("simulated network")?;
    over_http::run(&mut demo).context("HTTP")?;
    dpe::simulated(&mut demo).context("DPE over a simulated network")?;
    dpe::over_http(&mut demo).context("DPE over HTTP")?;
    demo.replay().context("replay")?;
    let Demo { sessions, scenes, messages, journals, .. } = demo;
    let (journals, seconds) = (journals.len(), began.elapsed().as_secs_f32());
    println!(
        "demo: ok sessions={sessions} messages={messages} journals-replayed={journals} seconds={seconds:.1} \
         dpe-scenes={scenes}"
    );
    Ok(())
}

impl Demo {
    /// Writes a journal, and remembers it for the last part.
    fn keep<M>(&mut self, name: &str, journal: &JournalOf<M>) -> Result<()>
    where
        M: Durable<Profile: Serialize, Snapshot: Serialize, Input: Serialize, Output: Serialize>,
    {
        let path = self.folder.join(format!("{name}.jsonl"));
        file::write(journal, &mut BufWriter::new(File::create(&path)?))?;
        self.journals.push(path);
        Ok(())
    }

    fn replay(&self) -> Result<()> {
        chart::title(8, "Journals, written, read and done again");
        println!();
        for path in &self.journals {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let (machine, steps) = crate::replay::replay(path).with_context(|| format!("target/demo/{name}"))?;
            println!("  target/demo/{name:<34} {machine:<10} {steps:>3} steps  identical");
        }
        println!();
        Ok(())
    }
}

/// Both ends must have come to the end.
fn completed(end: &str, outcome: Option<&Outcome>) -> Result<()> {
    match outcome {
        Some(Outcome::Completed) => Ok(()),
        Some(other) => bail!("the session ended at the {end} as {}", other.name()),
        None => bail!("the session did not end at the {end}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sessions_in_memory_come_to_what_they_should_and_replay() -> Result<()> {
        let mut demo = Demo { folder: crate::ci::root().join("target/demo-of-tests"), ..Demo::default() };
        fs::create_dir_all(&demo.folder)?;
        captured::run(&mut demo)?;
        versions::run(&mut demo)?;
        user::run(&mut demo)?;
        demo.replay()?;
        assert_eq!((demo.sessions, demo.journals.len()), (7, 11));
        Ok(())
    }

    #[test]
    fn the_story_of_dpe_in_a_simulated_network_comes_to_what_it_should_and_replays() -> Result<()> {
        let mut demo = Demo { folder: crate::ci::root().join("target/demo-of-tests"), ..Demo::default() };
        fs::create_dir_all(&demo.folder)?;
        dpe::simulated(&mut demo)?;
        demo.replay()?;
        // Of two clients, two devices at the server, two gates and two SPs.
        assert_eq!((demo.scenes, demo.journals.len()), (7, 8));
        Ok(())
    }

    #[test]
    fn only_a_session_that_both_sides_finished_is_completed() {
        assert!(completed("client", Some(&Outcome::Completed)).is_ok());
        for outcome in [None, Some(&Outcome::TimedOut)] {
            assert!(completed("client", outcome).is_err());
        }
    }
}
