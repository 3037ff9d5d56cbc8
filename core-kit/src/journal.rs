//! What went through a machine, kept so that it can be done again.
//!
//! A [`Journal`] is a header (machine, crate version, profile, first snapshot) and one [`Record`] per step. [`begin`]
//! makes the header and [`step`] the records; [`replay`] feeds them to a restored machine and names the first step that
//! differs. With the `std` feature [`mod@file`] reads and writes journals as JSON Lines.
//!
//! A journal holds payloads, device identifiers and whatever credentials the peer sent: treat it as personal data.

use alloc::{string::String, vec::Vec};

use serde::{Deserialize, Serialize};

use crate::{Durable, Env};

#[cfg(feature = "std")]
mod difference;
#[cfg(feature = "std")]
pub mod file;

/// The version of the journal's form that this crate writes and reads.
pub const VERSION: u32 = 1;

/// What a journal says before its first record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Header<Profile, Snapshot> {
    /// Always [`VERSION`] in journals of this crate's making.
    pub journal: u32,
    /// Which machine, as `protocol.role`: `dm.server`.
    pub machine: String,
    /// The version of the crate that the machine came from.
    pub crate_version: String,
    /// What the machine was restored with.
    pub profile: Profile,
    /// The state before the first record.
    pub first: Snapshot,
}

/// One step: what came in, and everything that went out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record<Input, Output> {
    /// The machine's revision before the step.
    pub seq: u64,
    /// What the step could observe.
    pub env: Env,
    /// What came in.
    pub input: Input,
    /// What went out, in order.
    pub outputs: Vec<Output>,
}

/// The record of a step of `M`.
pub type RecordOf<M> = Record<<M as crate::Machine>::Input, <M as crate::Machine>::Output>;
/// The journal of an `M`.
pub type JournalOf<M> = Journal<
    <M as Durable>::Profile,
    <M as Durable>::Snapshot,
    <M as crate::Machine>::Input,
    <M as crate::Machine>::Output,
>;

/// A header and the steps that followed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Journal<Profile, Snapshot, Input, Output> {
    /// Where the steps start from.
    pub header: Header<Profile, Snapshot>,
    /// The steps, oldest first.
    pub records: Vec<Record<Input, Output>>,
}

/// A journal without steps, of a machine as it is now.
#[must_use]
pub fn begin<M: Durable>(machine: &M, profile: M::Profile) -> JournalOf<M> {
    begin_at::<M>(machine.snapshot(), profile)
}

/// A journal without steps, of a machine as its snapshot says.
#[must_use]
pub fn begin_at<M: Durable>(first: M::Snapshot, profile: M::Profile) -> JournalOf<M> {
    let header = Header { journal: VERSION, machine: M::NAME.into(), crate_version: M::VERSION.into(), profile, first };
    Journal { header, records: Vec::new() }
}

/// Takes one step and gives its record; the outputs are in the record.
///
/// # Errors
/// The machine refused the input, and nothing has changed.
pub fn step<M>(machine: &mut M, env: &Env, input: M::Input) -> Result<RecordOf<M>, M::Misuse>
where
    M: Durable,
    M::Input: Clone,
{
    let (seq, mut outputs) = (machine.revision(), Vec::new());
    machine.handle(env, input.clone(), &mut outputs)?;
    Ok(Record { seq, env: *env, input, outputs })
}

/// How a replay ended.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub enum Replay<Output, Misuse> {
    /// Every step gave what was recorded.
    Same {
        /// How many.
        steps: usize,
    },
    /// The outputs of a step differ; later steps were not tried.
    Diverged {
        /// The step.
        seq: u64,
        /// What the journal says.
        recorded: Vec<Output>,
        /// What the machine says now.
        replayed: Vec<Output>,
    },
    /// The recorded input is refused now.
    Refused {
        /// The step.
        seq: u64,
        /// Why.
        misuse: Misuse,
    },
    /// The machine is not where the record starts: a record is missing, doubled or renumbered.
    OutOfOrder {
        /// The step that is next for the machine.
        expected: u64,
        /// The step that the record is of.
        found: u64,
    },
}

/// Feeds `records` to `machine` and stops at the first step that differs.
pub fn replay<M>(machine: &mut M, records: impl IntoIterator<Item = RecordOf<M>>) -> Replay<M::Output, M::Misuse>
where
    M: Durable,
    M::Output: PartialEq,
{
    let mut steps = 0;
    for Record { seq, env, input, outputs: recorded } in records {
        if machine.revision() != seq {
            return Replay::OutOfOrder { expected: machine.revision(), found: seq };
        }
        let mut replayed = Vec::new();
        if let Err(misuse) = machine.handle(&env, input, &mut replayed) {
            return Replay::Refused { seq, misuse };
        }
        if recorded != replayed {
            return Replay::Diverged { seq, recorded, replayed };
        }
        steps += 1;
    }
    Replay::Same { steps }
}
