//! What a caller of a session can do wrong.

use crate::ids::QuestionId;

/// The input does not fit the state. Nothing has changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Misuse {
    /// Something other than the answer came while a question is open.
    #[error("{0} is open: answer it before anything else")]
    Asking(QuestionId),
    /// An answer came and no question is open, or another one.
    #[error("an answer to {given} came, and {}", Open(*open))]
    NotAsked {
        /// The question that the answer names.
        given: QuestionId,
        /// The one that is open.
        open: Option<QuestionId>,
    },
    /// The answer names the open question and is of another kind.
    #[error("the answer to {0} is of another kind than the question")]
    WrongKind(QuestionId),
    /// The answer has not one result for each operation.
    #[error("{asked} operations were asked for and {given} results came")]
    WrongCount {
        /// Operations in the question.
        asked: usize,
        /// Results in the answer.
        given: usize,
    },
    /// The reply is none to the prompt: of another kind, or none of its choices.
    #[error("the reply to {0} is none to its prompt")]
    WrongReply(QuestionId),
    /// An alert that no server could make anything of: without an item, a type or data, or with text that cannot be
    /// encoded.
    #[error("the alert cannot be sent")]
    BadAlert,
    /// The session keeps as much as it may until the server has it.
    #[error("the session has too much to say already")]
    TooMuch,
    /// The answer has not the octets that were asked for.
    #[error("{asked} octets were asked for and {given} came")]
    WrongLength {
        /// Octets in the question.
        asked: u64,
        /// Octets in the answer.
        given: u64,
    },
    /// A client session was not started yet, or nothing was sent that this could belong to.
    #[error("the session waits for nothing of the kind")]
    NotWaiting,
    /// A client session was started already.
    #[error("the session was started already")]
    Started,
    /// The session is over.
    #[error("the session is over")]
    Over,
}

struct Open(Option<QuestionId>);

impl core::fmt::Display for Open {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self.0 {
            Some(id) => write!(f, "{id} is open"),
            None => f.write_str("no question is open"),
        }
    }
}

/// Why a snapshot was not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RestoreError {
    /// A message inside the snapshot does not decode any more: the snapshot is damaged, or of another build.
    #[error("the snapshot holds a message that cannot be read")]
    Message,
    /// Parts of the snapshot do not fit together.
    #[error("the snapshot's parts do not fit together")]
    Inconsistent,
}
