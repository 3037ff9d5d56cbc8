//! How a machine is stored that asks questions.
//!
//! A machine has few states between messages and many while it works on one and waits for answers. Only the former need
//! a stored form: with a question open, a machine is stored as the [`Stable`] state before the message and the inputs
//! since. Doing these again leads to the same state, because a step depends on nothing else. So stored machines hold
//! packets and plain facts, never half-built messages, and code may change without breaking what is stored.

use alloc::{boxed::Box, vec::Vec};
use core::mem;

use serde::{Deserialize, Serialize};

use crate::{Env, Machine};

/// Where a machine is: at rest between messages, or working on one with a question open.
#[derive(Clone, Debug)]
pub enum Phase<Common, Rest, Asking, Input> {
    /// Between messages.
    Rest(Rest),
    /// A question is open; with what the machine is stored as meanwhile.
    Asking(Box<Asking>, Box<Since<Common, Rest, Input>>),
}

/// A state between messages: what is known in every phase, and the phase.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stable<Common, Rest> {
    common: Box<Common>,
    phase: Rest,
}

/// A state between messages and what came in since: the stored form of a machine in any phase.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Since<Common, Rest, Input> {
    base: Stable<Common, Rest>,
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

impl<Common: Clone, Rest: Clone + Default, Asking, Input: Clone> Phase<Common, Rest, Asking, Input> {
    /// The stored form.
    #[must_use]
    pub fn stored(&self, common: &Common) -> Since<Common, Rest, Input> {
        match self {
            Self::Rest(phase) => Since { base: stable(common, phase), steps: Vec::new() },
            Self::Asking(_, since) => (**since).clone(),
        }
    }

    /// What the machine will be stored as while it works on this input; nothing if a question is open already.
    #[must_use]
    pub fn begin(&self, common: &Common, env: &Env, input: Input) -> Option<Since<Common, Rest, Input>> {
        let Self::Rest(phase) = self else { return None };
        Some(Since { base: stable(common, phase), steps: [Taken { env: *env, input }].into() })
    }

    /// Takes the open question out, now that this input answers it; nothing if none is open.
    pub fn answer(&mut self, env: &Env, input: Input) -> Option<(Box<Asking>, Since<Common, Rest, Input>)> {
        match mem::replace(self, Self::Rest(Rest::default())) {
            Self::Asking(asking, mut since) => {
                since.steps.push(Taken { env: *env, input });
                Some((asking, *since))
            }
            rest @ Self::Rest(_) => {
                *self = rest;
                None
            }
        }
    }
}

fn stable<Common: Clone, Rest: Clone>(common: &Common, phase: &Rest) -> Stable<Common, Rest> {
    Stable { common: Box::new(common.clone()), phase: phase.clone() }
}

impl<Common, Rest, Input> Since<Common, Rest, Input> {
    /// The last input taken; nothing at rest.
    #[must_use]
    pub fn last_input(&self) -> Option<&Input> {
        self.steps.last().map(|taken| &taken.input)
    }

    /// The machine again: as it was at rest, then every input since.
    ///
    /// # Errors
    /// An input is refused that was taken before: the stored form is damaged, or of another build.
    pub fn restore<M: Machine<Input = Input>>(self, at_rest: impl FnOnce(Common, Rest) -> M) -> Result<M, M::Misuse> {
        let Self { base: Stable { common, phase }, steps } = self;
        let mut machine = at_rest(*common, phase);
        let mut said_before = Vec::new();
        for Taken { env, input } in steps {
            machine.handle(&env, input, &mut said_before)?;
        }
        Ok(machine)
    }
}
