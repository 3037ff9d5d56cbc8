//! A machine in a node: what of it is durable, and what a crash takes.

use core_kit::{
    Durable, Env,
    journal::{self, JournalOf},
};

/// A [`Durable`] machine whose snapshot is stored after every step, and its journal.
///
/// The snapshot and the journal are durable. [`crash`](Self::crash) takes the live machine away;
/// [`machine`](Self::machine) makes it anew from the snapshot.
pub struct Host<M: Durable> {
    profile: M::Profile,
    stored: M::Snapshot,
    live: Option<M>,
    journal: JournalOf<M>,
}

impl<M> Host<M>
where
    M: Durable,
    M::Profile: Clone,
    M::Snapshot: Clone,
    M::Input: Clone,
    M::Output: Clone,
{
    /// A machine that has not taken a step yet.
    #[must_use]
    pub fn new(profile: M::Profile, machine: M) -> Self {
        let stored = machine.snapshot();
        let journal = journal::begin(&machine, profile.clone());
        Self { profile, stored, live: Some(machine), journal }
    }

    /// The machine, taken up again from its snapshot after a crash.
    ///
    /// # Errors
    /// The snapshot was not taken back.
    pub fn machine(&mut self) -> Result<&mut M, M::RestoreError> {
        let live = match self.live.take() {
            Some(live) => live,
            None => M::restore(self.stored.clone(), &self.profile)?,
        };
        Ok(self.live.insert(live))
    }

    /// Takes one step and stores it: when this returns, the step is durable and what it gave can be acted on.
    ///
    /// # Errors
    /// The machine is not there any more, or refused the input; nothing has changed.
    pub fn step(&mut self, env: &Env, input: M::Input) -> Result<Vec<M::Output>, StepError<M>> {
        let machine = self.machine().map_err(StepError::Restore)?;
        let record = journal::step(machine, env, input).map_err(StepError::Misuse)?;
        self.stored = machine.snapshot();
        let outputs = record.outputs.clone();
        self.journal.records.push(record);
        Ok(outputs)
    }

    /// Loses all that is not durable.
    pub fn crash(&mut self) {
        self.live = None;
    }

    /// The snapshot after the last step.
    #[must_use]
    pub const fn stored(&self) -> &M::Snapshot {
        &self.stored
    }

    /// Takes the machine up from this snapshot from now on: the stored one, as somebody has read it.
    pub fn store(&mut self, snapshot: M::Snapshot) {
        self.live = None;
        self.stored = snapshot;
    }

    /// Every step so far.
    #[must_use]
    pub const fn journal(&self) -> &JournalOf<M> {
        &self.journal
    }
}

/// Why a [`Host`] took no step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StepError<M: Durable> {
    /// The snapshot was not taken back.
    Restore(M::RestoreError),
    /// The machine refused the input.
    Misuse(M::Misuse),
}
