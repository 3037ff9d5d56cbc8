//! What the user did, and the status that says so.

use alloc::{
    string::{String, ToString},
    vec::Vec,
};

use serde::{Deserialize, Serialize};

use super::{Choice, Prompt, Wanted, are_choices, said};
use crate::{codes::StatusCode, session::is_xml_text, wire::Item};

/// What became of a [`Prompt`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Reply {
    /// The user saw it through.
    Given(Response),
    /// The user cancelled: 214. What follows in the message is not done.
    Cancelled,
    /// The user did not react within [`Prompt::waited_s_max`]: 408.
    TimedOut {
        /// The default, where the device takes that for the answer.
        default: Option<Response>,
    },
    /// The device does not do this kind of prompt: 406.
    NotSupported,
    /// The text or a choice is too long to be shown: 416.
    NotShown,
}

/// The user's answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Response {
    /// To [`Wanted::Attention`]: it was shown. To [`Wanted::Consent`]: yes.
    Yes,
    /// To [`Wanted::Consent`]: no, which is 304.
    No,
    /// To [`Wanted::Text`].
    Text(String),
    /// To [`Wanted::One`], with one choice, and to [`Wanted::Any`], with any number, none among them.
    Chosen(Vec<Choice>),
}

/// Why a status tells no reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum NoReply {
    /// The prompt came to nothing for another reason: not reached, rolled back, refused.
    #[error("the prompt was answered with {0}")]
    Status(StatusCode),
    /// The status does not hold what the prompt asked for.
    #[error("the status does not hold what the prompt asked for")]
    BadItems,
}

impl Reply {
    /// The status of the alert.
    #[must_use]
    pub const fn status(&self) -> StatusCode {
        match self {
            Self::Given(Response::No) => StatusCode::NOT_MODIFIED,
            Self::Given(Response::Yes | Response::Text(_) | Response::Chosen(_)) => StatusCode::OK,
            Self::Cancelled => StatusCode::CANCELLED,
            Self::TimedOut { .. } => StatusCode::REQUEST_TIMEOUT,
            Self::NotSupported => StatusCode::NOT_SUPPORTED,
            Self::NotShown => StatusCode::SIZE_TOO_BIG,
        }
    }

    /// What the items of the status hold, one text for each.
    ///
    /// A default that is given because the time is up is written as the alert's own `DR` would say it, so yes and no are
    /// `1` and `0`.
    #[must_use]
    pub fn texts(&self) -> Vec<String> {
        match self {
            Self::TimedOut { default: Some(Response::Yes) } => ["1".into()].into(),
            Self::TimedOut { default: Some(Response::No) } => ["0".into()].into(),
            Self::Given(response) | Self::TimedOut { default: Some(response) } => response.texts(),
            Self::TimedOut { default: None } | Self::Cancelled | Self::NotSupported | Self::NotShown => Vec::new(),
        }
    }

    /// The items of the status.
    #[must_use]
    pub fn items(&self) -> Vec<Item> {
        self.texts().into_iter().map(said).collect()
    }

    /// Whether the user keeps what depends on the prompt from being done: the rest of a `Sequence`, all of an `Atomic`.
    #[must_use]
    pub const fn stops(&self) -> bool {
        matches!(self, Self::Given(Response::No) | Self::Cancelled)
    }
}

impl Response {
    fn texts(&self) -> Vec<String> {
        match self {
            Self::Yes | Self::No => Vec::new(),
            Self::Text(text) => [text.clone()].into(),
            Self::Chosen(choices) => choices.iter().map(|choice| choice.0.to_string()).collect(),
        }
    }
}

impl Prompt {
    /// Whether the reply is one to this prompt: of its kind, within its choices and its length, in characters that a
    /// message can carry.
    #[must_use]
    pub fn admits(&self, reply: &Reply) -> bool {
        let response = match reply {
            Reply::Given(response) | Reply::TimedOut { default: Some(response) } => response,
            Reply::TimedOut { default: None } | Reply::Cancelled | Reply::NotSupported | Reply::NotShown => {
                return true;
            }
        };
        match (&self.wanted, response) {
            (Wanted::Attention, Response::Yes) | (Wanted::Consent { .. }, Response::Yes | Response::No) => true,
            (Wanted::Text { chars_max, .. }, Response::Text(text)) => {
                let chars = u32::try_from(text.chars().count()).unwrap_or(u32::MAX);
                chars_max.is_none_or(|max| chars <= max.get()) && is_xml_text(text)
            }
            (Wanted::One { choices, .. }, Response::Chosen(chosen)) => {
                chosen.len() == 1 && are_choices(chosen, choices.len())
            }
            (Wanted::Any { choices, .. }, Response::Chosen(chosen)) => are_choices(chosen, choices.len()),
            _ => false,
        }
    }

    /// The reply that a status with these items tells.
    ///
    /// # Errors
    /// The status tells of no reply, or holds another one than the prompt asked for.
    pub fn reply(&self, code: StatusCode, items: &[Item]) -> Result<Reply, NoReply> {
        let texts: Vec<&str> =
            items.iter().filter_map(|item| item.data.as_ref().and_then(|data| data.as_text())).collect();
        if texts.len() != items.len() {
            return Err(NoReply::BadItems);
        }
        let reply = match code {
            StatusCode::OK => Reply::Given(self.response(&texts)?),
            StatusCode::NOT_MODIFIED => Reply::Given(Response::No),
            StatusCode::CANCELLED => Reply::Cancelled,
            StatusCode::REQUEST_TIMEOUT if texts.is_empty() => Reply::TimedOut { default: None },
            StatusCode::REQUEST_TIMEOUT => Reply::TimedOut { default: Some(self.default_response(&texts)?) },
            StatusCode::NOT_SUPPORTED => Reply::NotSupported,
            StatusCode::SIZE_TOO_BIG => Reply::NotShown,
            other => return Err(NoReply::Status(other)),
        };
        if self.admits(&reply) { Ok(reply) } else { Err(NoReply::BadItems) }
    }

    fn response(&self, texts: &[&str]) -> Result<Response, NoReply> {
        match (&self.wanted, texts) {
            // What more a device says of a yes is its own.
            (Wanted::Attention | Wanted::Consent { .. }, _) => Ok(Response::Yes),
            (Wanted::Text { .. }, [text]) => Ok(Response::Text((*text).into())),
            // A device may leave an empty text out.
            (Wanted::Text { .. }, []) => Ok(Response::Text(String::new())),
            (Wanted::Text { .. }, _) => Err(NoReply::BadItems),
            (Wanted::One { .. } | Wanted::Any { .. }, numbers) => {
                let chosen = numbers.iter().map(|number| Choice::parse(number.trim())).collect::<Option<_>>();
                chosen.map(Response::Chosen).ok_or(NoReply::BadItems)
            }
        }
    }

    fn default_response(&self, texts: &[&str]) -> Result<Response, NoReply> {
        match (&self.wanted, texts) {
            (Wanted::Consent { .. }, ["1"]) => Ok(Response::Yes),
            (Wanted::Consent { .. }, ["0"]) => Ok(Response::No),
            (Wanted::Consent { .. }, _) => Err(NoReply::BadItems),
            _ => self.response(texts),
        }
    }
}
