//! Worlds on threads, and their results in order.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    num::NonZero,
    sync::{Mutex, PoisonError, mpsc},
    thread,
};

use sha2::{Digest, Sha256};
use transport_sim::{Decision, RuleId};

use super::stage::{Report, World};

/// What is wanted of each run besides its report.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Wanted {
    /// A second run, whose trace is compared.
    pub(super) twice: bool,
    pub(super) trace: bool,
    pub(super) digest: bool,
}

/// A world that was run.
#[derive(Clone, Debug)]
pub(super) struct Ran {
    pub(super) scenario: &'static str,
    pub(super) seed: u64,
    /// Without its trace and its decisions, which are taken out of it where they are wanted.
    pub(super) report: Report,
    pub(super) is_same: bool,
    pub(super) trace: Option<String>,
    pub(super) digest: Option<String>,
    /// What broke, and the choices that broke it.
    pub(super) broken: Option<(RuleId, Vec<Decision>)>,
}

/// Runs a world as it is wanted.
pub(super) fn ran(world: &World, wanted: Wanted) -> Ran {
    let mut report = world.run();
    let is_same = !wanted.twice || world.run().trace == report.trace;
    let (trace, decisions) = (std::mem::take(&mut report.trace), std::mem::take(&mut report.decisions));
    Ran {
        scenario: world.scenario,
        seed: world.seed,
        is_same,
        digest: wanted.digest.then(|| digest(&trace)),
        trace: wanted.trace.then_some(trace),
        broken: report.broken.map(|rule| (rule, decisions)),
        report,
    }
}

/// The SHA-256 of a trace.
fn digest(trace: &str) -> String {
    Sha256::digest(trace).iter().fold(String::new(), |mut text, octet| {
        let _ = write!(text, "{octet:02x}");
        text
    })
}

/// Does the work of 0, 1, 2 and so on, on so many threads, as long as `goes_on` says so of the next one. `take` gets what
/// came of it in that order, whichever was done first.
pub(super) fn in_order<T: Send>(
    jobs: NonZero<usize>,
    goes_on: impl Fn(u64) -> bool + Sync,
    work: impl Fn(u64) -> T + Sync,
    mut take: impl FnMut(T),
) {
    let next = Mutex::new(0);
    let draw = || {
        // A number is whole whoever panicked while he held it.
        let mut next = next.lock().unwrap_or_else(PoisonError::into_inner);
        let drawn = *next;
        goes_on(drawn).then(|| {
            *next += 1;
            drawn
        })
    };
    thread::scope(|scope| {
        let (sender, receiver) = mpsc::channel();
        for _ in 0..jobs.get() {
            let (sender, draw, work) = (sender.clone(), &draw, &work);
            scope.spawn(move || {
                while let Some(number) = draw()
                    && sender.send((number, work(number))).is_ok()
                {}
            });
        }
        drop(sender);
        let (mut early, mut due) = (BTreeMap::new(), 0);
        for (number, done) in receiver {
            early.insert(number, done);
            while let Some(done) = early.remove(&due) {
                take(done);
                due += 1;
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const ONE: NonZero<usize> = NonZero::<usize>::MIN;

    #[test]
    fn results_come_in_order_however_many_threads_there_are() {
        for jobs in [ONE, ONE.saturating_add(7)] {
            let mut seen = Vec::new();
            // The first of each eight is done last.
            let work = |number: u64| {
                thread::sleep(Duration::from_millis(8 - number % 8));
                number
            };
            in_order(jobs, |number| number < 40, work, |number| seen.push(number));
            assert_eq!(seen, (0..40).collect::<Vec<_>>(), "{jobs} threads");
        }
    }

    #[test]
    fn nothing_is_begun_when_it_does_not_go_on() {
        in_order(ONE, |_| false, |number| number, |number| panic!("{number} was begun"));
    }

    #[test]
    fn a_digest_is_the_sha_256_of_the_trace() {
        assert_eq!(digest("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }
}
