//! One message of a device as a stateless node serves it: load, run, commit, then reply.

use alloc::{sync::Arc, vec::Vec};

use core_kit::{
    Deadline, Durable, Env, Machine,
    journal::{self, RecordOf},
};

use super::{
    Arrival, Input, Misuse, Output, Profile, Question, Report, RestoreError, Session, Snapshot, Why, arrival::Read,
};
use crate::{Packet, fault::PeerFault, session::Outcome};

/// A session between load and commit. It belongs to one node; if the commit is lost it is thrown away and run again.
#[derive(Debug)]
pub struct Turn {
    session: Session,
    loaded: u64,
    /// Of the step under way: its room is used for all of them.
    outputs: Vec<Output>,
    facts: Facts,
    /// What the turn is when it ends with a question open and without a record.
    settled: Settled,
}

/// What a turn had come to before the message that it works on.
#[derive(Debug, Default)]
struct Settled {
    facts: Facts,
    revision: u64,
    deadline: Option<Deadline<Why>>,
}

/// What a turn came to. All of it but the reply goes into one transaction; the reply leaves after that.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// What to store, in order.
    pub reports: Vec<Report>,
    /// The steps taken, for a journal; none if the turn is [not recorded](Turn::unrecorded).
    pub records: Vec<RecordOf<Session>>,
    /// What the device gets.
    pub reply: Option<Packet>,
    /// Why the device's message was refused without a reply; the session is as it was.
    pub refused: Option<PeerFault>,
    /// How the session ended in this turn.
    pub finished: Option<Outcome>,
}

impl Turn {
    /// A turn of the stored session, or of a new one. Turns that are given the same [`Arc`] of a profile share it.
    ///
    /// # Errors
    /// The snapshot was not taken.
    pub fn begin(stored: Option<Snapshot>, profile: impl Into<Arc<Profile>>) -> Result<Self, RestoreError> {
        let session = match stored {
            Some(snapshot) => Session::of_snapshot(snapshot, profile.into())?,
            None => Session::new(profile),
        };
        let (facts, settled) = (Facts::default(), Settled::default());
        Ok(Self { loaded: session.revision(), session, outputs: Vec::new(), facts, settled })
    }

    /// The same turn, for a node that keeps no journal and answers every question of a turn before its end: every record
    /// is a copy of what goes in and out. A turn that is finished with a question open is as it was before the message,
    /// which the device sends again; nothing that has come of the message so far is told.
    #[must_use]
    pub fn unrecorded(mut self) -> Self {
        self.session.is_recorded = false;
        self.settle();
        self
    }

    /// Keeps what the turn is to come to if what follows is undone.
    fn settle(&mut self) {
        let (revision, deadline) = (self.session.revision(), self.session.deadline());
        self.settled = Settled { facts: self.facts.clone(), revision, deadline };
    }

    /// Whether the session is stored as it was before the message that it works on.
    const fn is_undone(&self) -> bool {
        !self.session.is_recorded && self.session.is_asking()
    }

    /// Takes one input. Where it leaves a question, the turn goes on with the answer to it.
    ///
    /// # Errors
    /// The input does not fit; the turn is as it was.
    pub fn step(&mut self, env: &Env, input: Input) -> Result<Option<Question>, Misuse> {
        if self.session.is_recorded {
            let record = journal::step(&mut self.session, env, input)?;
            let open = self.facts.take(record.outputs.iter().cloned());
            self.facts.records.push(record);
            return Ok(open);
        }
        self.step_unrecorded(env, input, None)
    }

    /// Takes a message that was read already: the same as [`step`](Self::step) with its packet.
    ///
    /// # Errors
    /// The message does not fit; the turn is as it was.
    pub fn receive(&mut self, env: &Env, arrival: Arrival) -> Result<Option<Question>, Misuse> {
        let (packet, read) = arrival.into_parts();
        let input = Input::Received(packet);
        if self.session.is_recorded {
            return self.step(env, input);
        }
        self.step_unrecorded(env, input, Some(read))
    }

    fn step_unrecorded(&mut self, env: &Env, input: Input, read: Option<Read>) -> Result<Option<Question>, Misuse> {
        if !self.session.is_asking() {
            self.settle();
        }
        self.session.take_input(env, input, read, &mut self.outputs)?;
        Ok(self.facts.take(self.outputs.drain(..)))
    }

    /// The session as it is now.
    #[must_use]
    pub const fn session(&self) -> &Session {
        &self.session
    }

    /// The revision that must still be the stored one when this turn is committed; 0 for a session not stored yet.
    #[must_use]
    pub const fn loaded(&self) -> u64 {
        self.loaded
    }

    /// Whether there is anything to commit. A repeated or refused message changes nothing, nor does one that a fresh
    /// session answered for good: keeping no state for such a peer is a defence.
    #[must_use]
    pub fn is_worth_keeping(&self) -> bool {
        let never_stored = self.loaded == 0;
        let (facts, revision) = if self.is_undone() {
            (&self.settled.facts, self.settled.revision)
        } else {
            (&self.facts, self.session.revision())
        };
        let over_at_once = facts.finished.as_ref().is_some_and(|outcome| *outcome != Outcome::Completed);
        let is_stranger = never_stored && over_at_once && !core_kit::planted!("D09-stranger-kept");
        revision != self.loaded && !is_stranger
    }

    /// When the stored session wants to be woken.
    #[must_use]
    pub fn deadline(&self) -> Option<Deadline<Why>> {
        if self.is_undone() { self.settled.deadline } else { self.session.deadline() }
    }

    /// The end: what to store, and what came of it.
    #[must_use]
    pub fn finish(self) -> (Snapshot, Facts) {
        let facts = if self.is_undone() { self.settled.facts } else { self.facts };
        (self.session.into_snapshot(), facts)
    }
}

impl Facts {
    /// Takes the outputs of a step; the question among them, where there is one.
    fn take(&mut self, outputs: impl IntoIterator<Item = Output>) -> Option<Question> {
        let mut open = None;
        for output in outputs {
            match output {
                Output::Report(report) => self.reports.push(report),
                Output::Ask(question) => open = Some(question),
                Output::Reply(packet) => self.reply = Some(packet),
                Output::Refuse(fault) => self.refused = Some(fault),
                Output::Finished(outcome) => self.finished = Some(outcome),
            }
        }
        open
    }
}
