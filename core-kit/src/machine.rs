//! The shape of a core.

use alloc::vec::Vec;

use crate::{Env, Tick};

/// When a machine wants to be woken at the latest, and for which of its timers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadline<Why> {
    /// On the caller's timeline.
    pub at: Tick,
    /// Which timer, for people and for metrics.
    pub why: Why,
}

/// A pure event-in, event-out state machine.
///
/// Same state, same [`Env`], same input: same outputs, on any machine.
pub trait Machine {
    /// What the world tells the machine. It is what a journal holds.
    type Input;
    /// What the caller must now do, or may like to know. It is what a replay checks.
    type Output;
    /// The caller's mistakes, never the peer's.
    type Misuse;
    /// The machine's timers.
    type Why;

    /// Applies one input and appends to `out` what the caller must now do, in order.
    ///
    /// A timer that is due by `env.now` fires first, so a late sweeper costs disk and never correctness.
    ///
    /// # Errors
    /// The input does not fit the state. Neither `self` nor `out` has changed.
    fn handle(&mut self, env: &Env, input: Self::Input, out: &mut Vec<Self::Output>) -> Result<(), Self::Misuse>;

    /// When to call [`handle`](Self::handle) with the machine's wake input at the latest.
    fn deadline(&self) -> Option<Deadline<Self::Why>>;
}

/// A machine that is stored between steps and taken up again by whoever comes next.
///
/// Restoring after every single step changes no outcome.
pub trait Durable: Machine + Sized {
    /// The stored form, versioned apart from the code.
    type Snapshot;
    /// What stays the same for the life of the machine and is not in its snapshot.
    type Profile;
    /// Why a stored form was not taken.
    type RestoreError;

    /// Which machine this is, as `protocol.role`: what a journal is marked with.
    const NAME: &'static str;
    /// The version of the crate that the machine is of.
    const VERSION: &'static str;

    /// The state, whole, in any phase, also while a question is open.
    fn snapshot(&self) -> Self::Snapshot;

    /// The machine that [`snapshot`](Self::snapshot) was taken of.
    ///
    /// # Errors
    /// The snapshot is damaged, or of a version that this code does not read.
    fn restore(snapshot: Self::Snapshot, profile: &Self::Profile) -> Result<Self, Self::RestoreError>;

    /// How many inputs the machine has taken: the key for compare-and-swap.
    fn revision(&self) -> u64;
}

/// Feeds `first`, then every input that `act` gives back, until nothing is left.
///
/// The clock is read once per input, since `act` may wait for the network.
///
/// # Errors
/// The first [`Machine::Misuse`]; outputs of earlier inputs have been acted on.
pub fn pump<M: Machine>(
    machine: &mut M,
    mut env: impl FnMut() -> Env,
    first: M::Input,
    mut act: impl FnMut(M::Output) -> Option<M::Input>,
) -> Result<(), M::Misuse> {
    let mut todo = alloc::collections::VecDeque::from([first]);
    let mut out = Vec::new();
    while let Some(input) = todo.pop_front() {
        machine.handle(&env(), input, &mut out)?;
        todo.extend(out.drain(..).filter_map(&mut act));
    }
    Ok(())
}
