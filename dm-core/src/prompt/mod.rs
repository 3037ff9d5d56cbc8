//! What a server asks of the person at the device: UI alerts 1100 to 1104 as typed values [DM 1.2, 10].
//!
//! A [`Prompt`] is the question. A server makes its alert with [`Prompt::to_alert`] and reads the answer out of the
//! alert's status with [`Prompt::reply`]; a client reads the alert with [`Prompt::from_alert`], and a [`Reply`] knows its
//! status.

use alloc::{string::String, vec::Vec};
use core::num::NonZeroU32;

use serde::{Deserialize, Serialize};

use crate::{
    codes::{AlertCode, StatusCode},
    wire::{Alert, Item},
};

mod parameters;
mod reply;

pub use reply::{NoReply, Reply, Response};

/// A question to the user, or something to show.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Prompt {
    /// What to show. Not empty.
    pub text: String,
    /// `MINDT`: for how long it should be seen at least, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shown_s_min: Option<NonZeroU32>,
    /// `MAXDT`: for how long to wait for the user at most, in seconds; then the reply is that the time is up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waited_s_max: Option<NonZeroU32>,
    /// What is wanted of the user.
    pub wanted: Wanted,
}

/// What a prompt wants of the user, with what it says of the answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Wanted {
    /// Alert 1100: nothing but to look.
    Attention,
    /// Alert 1101: yes or no.
    Consent {
        /// `DR`: which answer is highlighted.
        default: Option<bool>,
    },
    /// Alert 1102: text.
    Text {
        /// `DR`: what is there at first.
        default: Option<String>,
        /// `MAXLEN`: characters of the answer.
        chars_max: Option<NonZeroU32>,
        /// `IT`: what kind of text.
        input: InputType,
        /// `ET`: whether it is seen.
        echo: Echo,
    },
    /// Alert 1103: one of these.
    One {
        /// What there is to choose from, at least one.
        choices: Vec<String>,
        /// `DR`: which one is chosen at first.
        default: Option<Choice>,
    },
    /// Alert 1104: any of these.
    Any {
        /// What there is to choose from, at least one.
        choices: Vec<String>,
        /// `DR`: which ones are chosen at first.
        default: Vec<Choice>,
    },
}

/// The number of a choice: counted from 1, in the order of the alert's items.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Choice(pub NonZeroU32);

impl Choice {
    /// The choice at an index, which counts from 0.
    #[must_use]
    pub fn at(index: usize) -> Self {
        let number = u32::try_from(index).unwrap_or(u32::MAX).saturating_add(1);
        Self(NonZeroU32::new(number).unwrap_or(NonZeroU32::MIN))
    }

    /// Its index, counted from 0.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0.get() as usize - 1
    }

    fn parse(text: &str) -> Option<Self> {
        parameters::positive(text).map(Self)
    }
}

/// `IT`: what kind of text a user enters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum InputType {
    /// `A`: any.
    #[default]
    Alphanumeric,
    /// `N`: digits, a decimal point, a sign.
    Numeric,
    /// `D`: a date, `DDMMYYYY`.
    Date,
    /// `T`: a time, `hhmmss`.
    Time,
    /// `P`: a telephone number: digits, `p`, `w`, `s`, and `+` in front.
    Phone,
    /// `I`: an address, `xxx.yyy.zzz.www`.
    Ipv4,
}

/// `ET`: whether the user sees what is entered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Echo {
    /// `T`: yes.
    #[default]
    Text,
    /// `P`: no, it is a password.
    Password,
}

/// Why an alert is no prompt, or a prompt cannot be made an alert of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum PromptFault {
    /// The alert is none of 1100 to 1104.
    #[error("not an alert for the user")]
    OtherAlert,
    /// The parameters, the text or the choices are missing, or are no text.
    #[error("items are missing")]
    Incomplete,
    /// More items than the alert has a use for.
    #[error("too many items")]
    Surplus,
    /// A parameter has a value that it cannot have, or is there twice.
    #[error("bad value of parameter {0}")]
    BadParameter(Parameter),
    /// A text with a character that XML does not have.
    #[error("a character that no message can carry")]
    BadCharacter,
}

impl PromptFault {
    /// What the server is answered with.
    #[must_use]
    pub const fn status(self) -> StatusCode {
        match self {
            Self::OtherAlert => StatusCode::NOT_SUPPORTED,
            Self::Incomplete | Self::Surplus | Self::BadParameter(_) | Self::BadCharacter => StatusCode::INCOMPLETE,
        }
    }
}

/// A parameter of a prompt, by its name on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Parameter {
    /// `MINDT`.
    MinDt,
    /// `MAXDT`.
    MaxDt,
    /// `DR`.
    Dr,
    /// `MAXLEN`.
    MaxLen,
    /// `IT`.
    It,
    /// `ET`.
    Et,
}

impl Prompt {
    /// Something to show.
    #[must_use]
    pub fn new(text: impl Into<String>, wanted: Wanted) -> Self {
        Self { text: text.into(), shown_s_min: None, waited_s_max: None, wanted }
    }

    /// The alert that it is on the wire.
    #[must_use]
    pub const fn code(&self) -> AlertCode {
        match self.wanted {
            Wanted::Attention => AlertCode::DISPLAY,
            Wanted::Consent { .. } => AlertCode::CONFIRM,
            Wanted::Text { .. } => AlertCode::TEXT_INPUT,
            Wanted::One { .. } => AlertCode::SINGLE_CHOICE,
            Wanted::Any { .. } => AlertCode::MULTIPLE_CHOICE,
        }
    }

    /// What there is to choose from; nothing where it is no choice.
    #[must_use]
    pub fn choices(&self) -> &[String] {
        match &self.wanted {
            Wanted::One { choices, .. } | Wanted::Any { choices, .. } => choices,
            Wanted::Attention | Wanted::Consent { .. } | Wanted::Text { .. } => &[],
        }
    }

    /// Whether a device can make sense of it.
    ///
    /// # Errors
    /// There is no text, or nothing to choose from; a default that cannot be chosen; a character that XML does not have.
    pub fn check(&self) -> Result<(), PromptFault> {
        let is_choice = matches!(self.wanted, Wanted::One { .. } | Wanted::Any { .. });
        if self.text.is_empty() || (is_choice && self.choices().is_empty()) {
            return Err(PromptFault::Incomplete);
        }
        let default = if let Wanted::Text { default, .. } = &self.wanted { default.as_ref() } else { None };
        let mut texts = core::iter::once(&self.text).chain(self.choices()).chain(default);
        if !texts.all(|text| crate::session::is_xml_text(text)) {
            return Err(PromptFault::BadCharacter);
        }
        self.check_default()
    }

    fn check_default(&self) -> Result<(), PromptFault> {
        let sound = match &self.wanted {
            Wanted::Attention | Wanted::Consent { .. } => true,
            Wanted::Text { default, chars_max, .. } => default
                .as_ref()
                .zip(*chars_max)
                .is_none_or(|(text, max)| u32::try_from(text.chars().count()).is_ok_and(|chars| chars <= max.get())),
            Wanted::One { choices, default } => default.is_none_or(|choice| choice.index() < choices.len()),
            Wanted::Any { choices, default } => are_choices(default, choices.len()),
        };
        if sound { Ok(()) } else { Err(PromptFault::BadParameter(Parameter::Dr)) }
    }

    /// The alert: first the parameters, an empty item where there are none, then the text, then the choices
    /// [DM 1.2, 10.2]. The `CmdID` is set when it is sent.
    #[must_use]
    pub fn to_alert(&self) -> Alert {
        let parameters = parameters::write(self);
        let first = if parameters.is_empty() { Item::default() } else { said(parameters) };
        let texts = core::iter::once(&self.text).chain(self.choices());
        let items = core::iter::once(first).chain(texts.map(|text| said(text.clone()))).collect();
        Alert { items, ..Alert::new(self.code()) }
    }

    /// The prompt that an alert is. Parameters that are not known, or that the alert has no use for, are passed over.
    ///
    /// # Errors
    /// The alert is no prompt, or a broken one.
    pub fn from_alert(alert: &Alert) -> Result<Self, PromptFault> {
        let mut wanted = match alert.code {
            Some(AlertCode::DISPLAY) => Wanted::Attention,
            Some(AlertCode::CONFIRM) => Wanted::Consent { default: None },
            Some(AlertCode::TEXT_INPUT) => {
                Wanted::Text { default: None, chars_max: None, input: InputType::default(), echo: Echo::default() }
            }
            Some(AlertCode::SINGLE_CHOICE) => Wanted::One { choices: Vec::new(), default: None },
            Some(AlertCode::MULTIPLE_CHOICE) => Wanted::Any { choices: Vec::new(), default: Vec::new() },
            _ => return Err(PromptFault::OtherAlert),
        };
        let [first, text, rest @ ..] = alert.items.as_slice() else { return Err(PromptFault::Incomplete) };
        let said = |item: &Item| match item.data.as_ref().and_then(|data| data.as_text()) {
            Some(text) if !item.more_data => Ok(String::from(text)),
            _ => Err(PromptFault::Incomplete),
        };
        let parameters = match &first.data {
            Some(_) => said(first)?,
            None => String::new(),
        };
        let text = said(text)?;
        match &mut wanted {
            Wanted::One { choices, .. } | Wanted::Any { choices, .. } => {
                *choices = rest.iter().map(said).collect::<Result<_, _>>()?;
            }
            _ if !rest.is_empty() => return Err(PromptFault::Surplus),
            _ => {}
        }
        let mut prompt = Self::new(text, wanted);
        parameters::read(&parameters, &mut prompt)?;
        prompt.check()?;
        Ok(prompt)
    }
}

/// Whether these are choices out of so many, each one named once.
fn are_choices(choices: &[Choice], count: usize) -> bool {
    choices
        .iter()
        .enumerate()
        .all(|(at, choice)| choice.index() < count && choices.get(..at).is_none_or(|before| !before.contains(choice)))
}

fn said(text: String) -> Item {
    Item { data: Some(text.into()), ..Item::default() }
}

#[cfg(test)]
mod tests;
