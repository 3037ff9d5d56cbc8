//! `cargo xtask sim --devices N`: a fleet of devices, each with a session of its own.

use std::{
    fmt::Write as _,
    io::{IsTerminal as _, Write as _},
    process::ExitCode,
    sync::atomic::{AtomicU32, Ordering},
    thread,
    time::{Duration, Instant},
};

use transport_sim::{
    Counts,
    dm::{Fleet, FleetRun},
};

/// What turns this command on.
pub(super) const OPTION: &str = "--devices";

pub(super) const HELP: &str = "\
Runs a fleet of OMA DM devices, each with one session at a time of its own, before the stateless nodes of servers.

Usage: cargo xtask sim --devices N [--hours H] [--exchanges E] [--seed S] [--jobs J]

  --devices N    how many devices
  --hours H      simulated hours (24)
  --exchanges E  requests and replies of a session in which nothing is lost, 2 to 4 (2): one for each package of the
                 server's orders, and one for what the device answers to the last of them
  --seed S       what everything random follows from (1)
  --jobs J       threads (one for each processor); what happens does not depend on it
  --help         show this

Messages are lost, doubled, held back and overtaken; server nodes and devices crash in the middle of sessions and come
back with what was durable. All sessions of all devices are judged. The digest stands for all that happened: the same seed
and numbers give the same digest, on any number of threads.

The last line says it all, as `sim: ok devices=.. sessions=.. completed=.. seconds=.. peak-mib=.. sessions-per-second=..`, or
as `sim: FAILED ..` with exit code 1.
";

/// What was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Options {
    devices: u32,
    hours: u32,
    exchanges: u8,
    seed: u64,
    jobs: usize,
}

impl Options {
    /// Nothing where help is asked for; an error says what is wrong.
    fn parse(args: &[String]) -> Result<Option<Self>, String> {
        let jobs = thread::available_parallelism().map_or(1, usize::from);
        let mut options = Self { devices: 0, hours: 24, exchanges: 2, seed: 1, jobs };
        let mut args = args.iter();
        while let Some(option) = args.next() {
            if matches!(option.as_str(), "--help" | "-h") {
                return Ok(None);
            }
            if !matches!(option.as_str(), "--devices" | "--hours" | "--exchanges" | "--seed" | "--jobs") {
                return Err(format!("{option} does not go with {OPTION}"));
            }
            let value = args.next().ok_or_else(|| format!("{option} needs a value"))?;
            let wrong = || format!("{option} takes no {value:?}");
            let number: u64 = value.replace('_', "").parse().map_err(|_| wrong())?;
            match option.as_str() {
                "--seed" => options.seed = number,
                "--exchanges" => {
                    let known = u8::try_from(number).ok().filter(|number| (2..=4).contains(number));
                    options.exchanges = known.ok_or_else(wrong)?;
                }
                "--jobs" => options.jobs = usize::try_from(number).ok().filter(|jobs| *jobs > 0).ok_or_else(wrong)?,
                // Nodes of a world are found by small numbers, and hours are counted in milliseconds.
                _ => {
                    let limits = if option == OPTION { 1..=100_000_000 } else { 1..=24 * 366 };
                    let number = u32::try_from(number).ok().filter(|number| limits.contains(number));
                    let place = if option == OPTION { &mut options.devices } else { &mut options.hours };
                    *place = number.ok_or_else(wrong)?;
                }
            }
        }
        if options.devices == 0 { Err(format!("{OPTION} needs a value")) } else { Ok(Some(options)) }
    }
}

/// Runs the command.
pub(super) fn run(args: &[String]) -> ExitCode {
    let options = match Options::parse(args) {
        Ok(Some(options)) => options,
        Ok(None) => {
            print!("{HELP}");
            return ExitCode::SUCCESS;
        }
        Err(error) => {
            eprintln!("sim: {error}\n\n{HELP}");
            return ExitCode::from(2);
        }
    };
    if cfg!(debug_assertions) {
        return super::run_optimised(args);
    }
    let begun = Instant::now();
    let run = simulate(options);
    let took = begun.elapsed();
    print!("{}", table(&run));
    println!("{}", last_line(options, &run, took, peak_mib()));
    if run.failures().is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn simulate(Options { devices, hours, exchanges, seed, jobs }: Options) -> FleetRun {
    let fleet = Fleet { devices, hours, packages: exchanges.saturating_sub(1), ..Fleet::new(seed) };
    let (done, is_shown) = (AtomicU32::new(0), std::io::stderr().is_terminal());
    let run = fleet.run(jobs, |slices| {
        let before = done.fetch_add(1, Ordering::Relaxed);
        let percent = |done: u32| u64::from(done) * 100 / u64::from(slices.max(1));
        if is_shown && percent(before) < percent(before + 1) {
            eprint!("\rsim: {devices} devices, {:>3} %", percent(before + 1));
            // A terminal that is gone is no reason to stop.
            let _ = std::io::stderr().flush();
        }
    });
    if is_shown {
        eprint!("\r{:60}\r", "");
    }
    run
}

fn table(run: &FleetRun) -> String {
    let mut text = String::new();
    // Writing to a string does not fail.
    let mut line = |what: &str, count: u64| _ = writeln!(text, "{what:<56}{count:>14}");
    for (name, figure) in run.ledger.figures() {
        line(name, figure.value());
    }
    let Counts { sent, duplicated, dropped, crashes, restarts, .. } = run.network;
    for (what, count) in [
        ("messages sent", sent),
        ("messages duplicated", duplicated),
        ("messages dropped", dropped),
        ("crashes", crashes),
        ("restarts", restarts),
    ] {
        line(what, count);
    }
    let _ = writeln!(text, "\n{:<56}{:>14}", "faults", "times");
    for (fault, count) in run.faults.iter().filter(|(_, count)| *count > 0) {
        let _ = writeln!(text, "{fault:<5}{count:>65}  {}", fault.says());
    }
    let _ = writeln!(text, "\n{:<56}{:>14}", "rules", "judged");
    for (rule, met) in run.ledger.rules() {
        let _ = writeln!(text, "{:<5}{met:>65}  {}", rule.id, rule.says);
    }
    let failures = run.failures();
    let more = failures.len().saturating_sub(FAILURES_SHOWN);
    text.push('\n');
    for failure in failures.iter().take(FAILURES_SHOWN) {
        let _ = writeln!(text, "{failure}");
    }
    if more > 0 {
        let _ = writeln!(text, "and {more} more");
    }
    text
}

const FAILURES_SHOWN: usize = 20;

fn last_line(options: Options, run: &FleetRun, took: Duration, peak_mib: u64) -> String {
    let Options { devices, hours, exchanges, seed, jobs } = options;
    let verdict = if run.failures().is_empty() { "ok" } else { "FAILED" };
    let (sessions, completed, millis) = (run.sessions(), run.completed(), took.as_millis().max(1));
    let per_second = u128::from(sessions) * 1_000 / millis;
    format!(
        "sim: {verdict} devices={devices} hours={hours} exchanges={exchanges} seed={seed} jobs={jobs} sessions={sessions} \
         completed={completed} failures={} digest={:016x} idle-octets={} seconds={}.{:03} peak-mib={peak_mib} \
         sessions-per-second={per_second}",
        run.failures().len(),
        run.digest,
        run.figure("idle-octets"),
        millis / 1_000,
        millis % 1_000,
    )
}

/// The most memory that the process has held, where the system tells.
fn peak_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok());
    kib.unwrap_or(0).div_ceil(1_024)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Option<Options>, String> {
        let args: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
        Options::parse(&args)
    }

    #[test]
    fn the_command_line_is_read() {
        let options = Options { devices: 1_000_000, hours: 24, exchanges: 2, seed: 1, jobs: 2 };
        assert_eq!(parse("--devices 1_000_000 --jobs 2"), Ok(Some(options)));
        let other = Options { hours: 2, exchanges: 4, seed: 7, ..options };
        assert_eq!(parse("--seed 7 --jobs 2 --devices 1000000 --hours 2 --exchanges 4"), Ok(Some(other)));
        assert_eq!(parse("--devices 5 --help"), Ok(None));
        for wrong in [
            "--devices",
            "--devices x",
            "--devices 0",
            "--hours 2",
            "--devices 5 --jobs 0",
            "--devices 1 --exchanges 5",
        ] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_last_line_has_every_figure() {
        let options = Options { devices: 40, hours: 1, exchanges: 2, seed: 3, jobs: 2 };
        let run = simulate(options);
        let line = last_line(options, &run, Duration::from_millis(2_500), 17);
        let begin = "sim: ok devices=40 hours=1 exchanges=2 seed=3 jobs=2 sessions=40 completed=";
        assert!(line.starts_with(begin), "{line}");
        assert!(line.ends_with(" seconds=2.500 peak-mib=17 sessions-per-second=16"), "{line}");
        assert!(table(&run).contains("D29 "), "{}", table(&run));
    }
}
