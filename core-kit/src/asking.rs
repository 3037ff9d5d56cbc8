//! How a machine is stored that asks questions.
//!
//! A machine has few states between messages and many while it works on one and waits for answers. Only the former need
//! a stored form: with a question open, a machine is stored as the [`Stable`] state before the message and the inputs
//! since. Doing these again leads to the same state, because a step depends on nothing else. So stored machines hold
//! packets and plain facts, never half-built messages, and code may change without breaking what is stored.
//!
//! A machine keeps what it knows in every phase as `Common`, what a phase between messages knows as `Rest`, and what an
//! open question knows as `Asking`, which is never stored. When an input opens a question, the machine [leaves](Phase::leave)
//! its rest and keeps a note of the state before it, a [`Since`]; when the answer comes, [`Phase::take_question`] gives that
//! note back, the answer is [added](Since::push), and it goes into the next [`Phase::Asking`], or is dropped at the next
//! [`Phase::Rest`]. A machine that is never stored with a question open can do with less of a note, or none.
//!
//! The note is a copy, and a stored form is shared by its copies. So a machine that was restored is given what it was
//! restored from, and its first message is worked on without another copy of the state.

use alloc::{boxed::Box, sync::Arc, vec::Vec};
use core::mem;

use serde::{Deserialize, Serialize};

use crate::{Env, Machine};

/// Where a machine is: at rest between messages, or working on one with a question open.
#[derive(Clone, Debug)]
pub enum Phase<Rest, Asking, Note> {
    /// Between messages.
    Rest(Rest),
    /// A question is open; with a note of what the machine is stored as meanwhile.
    Asking(Box<Asking>, Note),
}

/// A state between messages: what is known in every phase, and the phase.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stable<Common, Rest> {
    common: Common,
    phase: Rest,
}

/// A state between messages and what came in since: the stored form of a machine in any phase. Copies share the state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Since<Common, Rest, Input> {
    base: Arc<Stable<Common, Rest>>,
    /// At most one message and the answers to its questions.
    #[serde(default = "Vec::new", skip_serializing_if = "Vec::is_empty")]
    steps: Vec<Taken<Input>>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Taken<Input> {
    env: Env,
    input: Input,
}

impl<Rest, Asking, Note> Phase<Rest, Asking, Note> {
    /// The phase between messages; nothing while a question is open.
    #[must_use]
    pub const fn at_rest(&self) -> Option<&Rest> {
        match self {
            Self::Rest(rest) => Some(rest),
            Self::Asking(..) => None,
        }
    }

    /// What the open question knows; nothing if none is open.
    #[must_use]
    pub const fn open(&self) -> Option<&Asking> {
        match self {
            Self::Rest(_) => None,
            Self::Asking(asking, _) => Some(asking),
        }
    }
}

impl<Rest: Default, Asking, Note> Phase<Rest, Asking, Note> {
    /// Leaves the rest; nothing if a question is open already. The machine owes the phase a new value then: until it has
    /// one, it is at the default rest.
    pub fn leave(&mut self) -> Option<Rest> {
        match self {
            Self::Rest(rest) => Some(mem::take(rest)),
            Self::Asking(..) => None,
        }
    }

    /// Takes the open question out, now that it is answered; nothing if none is open. The machine owes the phase a new
    /// value then: until it has one, it is at the default rest.
    pub fn take_question(&mut self) -> Option<(Box<Asking>, Note)> {
        match mem::replace(self, Self::Rest(Rest::default())) {
            Self::Asking(asking, note) => Some((asking, note)),
            rest @ Self::Rest(_) => {
                *self = rest;
                None
            }
        }
    }
}

impl<Common, Rest, Input> Since<Common, Rest, Input> {
    /// A machine at rest, before any input.
    #[must_use]
    pub fn at_rest(common: Common, phase: Rest) -> Self {
        Arc::new(Stable { common, phase }).into()
    }

    /// Notes what a machine took.
    pub fn push(&mut self, env: &Env, input: Input) {
        if self.steps.is_empty() {
            // Few messages take more than two questions.
            self.steps.reserve(3);
        }
        self.steps.push(Taken { env: *env, input });
    }
}

/// A machine at rest, as it was stored.
impl<Common, Rest, Input> From<Arc<Stable<Common, Rest>>> for Since<Common, Rest, Input> {
    fn from(base: Arc<Stable<Common, Rest>>) -> Self {
        Self { base, steps: Vec::new() }
    }
}

impl<Common: Clone, Rest: Clone, Input> Since<Common, Rest, Input> {
    /// The machine again: as it was at rest, then every input since. `at_rest` is given what a machine is made of that is
    /// at rest, and the state as it was stored, to begin the next note from.
    ///
    /// # Errors
    /// An input is refused that was taken before: the stored form is damaged, or of another build.
    pub fn restore<M: Machine<Input = Input>>(
        self,
        at_rest: impl FnOnce(Common, Rest, Arc<Stable<Common, Rest>>) -> M,
    ) -> Result<M, M::Misuse> {
        let Self { base, steps } = self;
        let mut machine = at_rest(base.common.clone(), base.phase.clone(), base);
        let mut said_before = Vec::new();
        for Taken { env, input } in steps {
            machine.handle(&env, input, &mut said_before)?;
        }
        Ok(machine)
    }
}

#[cfg(test)]
mod tests {
    use alloc::{string::String, vec};

    use super::*;
    use crate::{Deadline, Tick, UnixMillis};

    /// Adds up numbers: it is given one, asks for the other, and rests.
    #[derive(Clone, Debug)]
    struct Adder {
        sums: Vec<u32>,
        phase: Phase<Rest, u32, Since<Vec<u32>, Rest, u32>>,
        kept: Option<Arc<Stable<Vec<u32>, Rest>>>,
    }

    #[derive(Clone, Debug, Default, PartialEq, Eq)]
    enum Rest {
        #[default]
        Ready,
        Over,
    }

    impl Machine for Adder {
        type Input = u32;
        type Output = String;
        type Misuse = &'static str;
        type Why = ();

        fn handle(&mut self, env: &Env, input: u32, out: &mut Vec<String>) -> Result<(), &'static str> {
            if self.phase.at_rest() == Some(&Rest::Over) {
                return Err("over");
            }
            if let Some(rest) = self.phase.leave() {
                out.push(String::from("and?"));
                let kept = self.kept.take().map(Since::from);
                let mut since = kept.unwrap_or_else(|| Since::at_rest(self.sums.clone(), rest));
                since.push(env, input);
                self.phase = Phase::Asking(input.into(), since);
            } else if let Some((first, _)) = self.phase.take_question() {
                self.sums.push(*first + input);
                self.phase = Phase::Rest(if self.sums.len() < 2 { Rest::Ready } else { Rest::Over });
            }
            Ok(())
        }

        fn deadline(&self) -> Option<Deadline<()>> {
            None
        }
    }

    impl Adder {
        fn new() -> Self {
            Self::at_rest(Vec::new(), Rest::Ready)
        }

        fn at_rest(sums: Vec<u32>, rest: Rest) -> Self {
            Self { sums, phase: Phase::Rest(rest), kept: None }
        }

        fn restored(sums: Vec<u32>, rest: Rest, kept: Arc<Stable<Vec<u32>, Rest>>) -> Self {
            Self { kept: Some(kept), ..Self::at_rest(sums, rest) }
        }

        fn stored(&self) -> Since<Vec<u32>, Rest, u32> {
            match &self.phase {
                Phase::Rest(rest) => Since::at_rest(self.sums.clone(), rest.clone()),
                Phase::Asking(_, since) => since.clone(),
            }
        }

        fn add(&mut self, number: u32) {
            self.handle(&env(), number, &mut Vec::new()).unwrap();
        }
    }

    fn env() -> Env {
        Env { now: Tick(1), wall: UnixMillis(2), entropy: [3; 32] }
    }

    #[test]
    fn a_machine_restored_after_any_step_goes_on_as_if_nothing_had_happened() {
        let mut kept = Adder::new();
        let mut stored = Adder::new();
        for number in [1, 2, 3, 4] {
            kept.add(number);
            stored.add(number);
            assert_eq!(stored.stored(), kept.stored());
            stored = stored.stored().restore(Adder::restored).unwrap();
            assert_eq!((&stored.sums, stored.phase.open()), (&kept.sums, kept.phase.open()));
        }
        assert_eq!((kept.sums, kept.phase.at_rest()), (vec![3, 7], Some(&Rest::Over)));
    }

    #[test]
    fn with_a_question_open_the_stored_form_is_the_state_before_it_and_the_inputs_since() {
        let mut adder = Adder::new();
        adder.add(1);
        adder.add(2);
        adder.add(3);
        let stored = adder.stored();
        assert_eq!((&stored.base.common, &stored.base.phase), (&vec![3], &Rest::Ready));
        assert_eq!(stored.steps, [Taken { env: env(), input: 3 }]);
        adder.add(4);
        assert_eq!(adder.stored().steps, []);
    }

    #[test]
    fn a_question_is_begun_at_rest_only_and_answered_while_open_only() {
        let mut adder = Adder::at_rest(Vec::new(), Rest::Over);
        assert!(adder.phase.take_question().is_none());
        assert_eq!(adder.phase.at_rest(), Some(&Rest::Over), "the phase is as it was");
        let mut adder = Adder::new();
        adder.add(1);
        assert!(adder.phase.leave().is_none());
        assert_eq!(adder.phase.open(), Some(&1), "the phase is as it was");
    }

    #[test]
    fn a_restored_machine_begins_from_the_state_that_it_was_restored_from() {
        let mut adder = Adder::new();
        adder.add(1);
        let stored = adder.stored();
        let restored = stored.clone().restore(Adder::restored).unwrap();
        assert!(Arc::ptr_eq(&restored.stored().base, &stored.base));
        assert_eq!(restored.stored(), stored);
    }

    #[test]
    fn a_stored_input_that_is_refused_now_is_told() {
        let mut adder = Adder::new();
        adder.add(1);
        let stored = adder.stored();
        let refused = stored.restore(|sums, _, _| Adder::at_rest(sums, Rest::Over));
        assert_eq!(refused.map(drop), Err("over"));
    }
}
