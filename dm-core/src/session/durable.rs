//! How a session is stored while a question is open.
//!
//! A session has few states between messages and many while it works on one. Only the former have a stored form. A
//! session with an open question is stored as the state before the message and the inputs taken since: doing them again
//! leads to the same state, because a step depends on nothing else. So a stored session holds packets and plain facts,
//! never half-built messages, and code may change without breaking what is stored.

use alloc::vec::Vec;

use core_kit::Env;
use serde::{Deserialize, Serialize};

/// An input and what its step could observe.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Step<Input> {
    /// What the step could observe.
    pub(crate) env: Env,
    /// What came in.
    pub(crate) input: Input,
}

/// A state between messages, and what came in since.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Since<State, Input> {
    /// The last state between messages.
    pub(crate) base: State,
    /// The inputs since then, oldest first; at most one message and the answers to its questions.
    #[serde(default = "Vec::new", skip_serializing_if = "Vec::is_empty")]
    pub(crate) steps: Vec<Step<Input>>,
}
