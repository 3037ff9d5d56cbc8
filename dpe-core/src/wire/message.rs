//! The model of a message: every element may be absent or unusable, because to say so is the receiver's work.

use alloc::{
    borrow::ToOwned,
    string::{String, ToString},
    vec::Vec,
};
use core::fmt;

use base64::{Engine, engine::general_purpose::STANDARD};
use core_kit::UnixMillis;
use serde::{Deserialize, Serialize};

use super::kind::Kind;
use crate::{codes::Code, ids::Token, limits::NAME_BYTES_MAX};

/// An information element that may be there once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Ie<T> {
    /// It is not there, or it is empty.
    #[default]
    Absent,
    /// It is there and not of its type. Never written.
    Unusable,
    /// It is there more than once. Never written.
    Repeated,
    /// What it says.
    Is(T),
}

impl<T> Ie<T> {
    /// What it says, if anything usable.
    pub const fn get(&self) -> Option<&T> {
        match self {
            Self::Is(value) => Some(value),
            _ => None,
        }
    }

    /// What it says, if anything usable.
    pub fn into_option(self) -> Option<T> {
        match self {
            Self::Is(value) => Some(value),
            _ => None,
        }
    }

    /// What it says.
    ///
    /// # Errors
    /// `missing` where it is absent; `wrong` where it cannot be used or is repeated.
    pub fn need(&self, missing: Code, wrong: Code) -> Result<&T, Code> {
        match self {
            Self::Is(value) => Ok(value),
            Self::Absent => Err(missing),
            Self::Unusable | Self::Repeated => Err(wrong),
        }
    }

    /// What it says, of an identifier: one with a syntax fault counts as missing [DPE digest 5].
    ///
    /// # Errors
    /// `missing` where it is absent or no identifier; `wrong` where it is repeated.
    pub fn need_id<Id: TryFrom<Token>>(&self, missing: Code, wrong: Code) -> Result<Id, Code>
    where
        T: Clone + Into<Token>,
    {
        match self {
            Self::Is(value) => Id::try_from(value.clone().into()).map_err(|_| missing),
            Self::Absent | Self::Unusable => Err(missing),
            Self::Repeated => Err(wrong),
        }
    }
}

impl<T> From<T> for Ie<T> {
    fn from(value: T) -> Self {
        Self::Is(value)
    }
}

impl<T> From<Option<T>> for Ie<T> {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Absent, Self::Is)
    }
}

/// Text that proves something. `Debug` does not show it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Secret(pub String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.0.len())
    }
}

/// An identity as it is written: a scheme and text of it. `Debug` shows the scheme only.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Identity {
    /// `imei`, `msisdn`, `sip` and so on; an open space.
    pub scheme: String,
    /// The identity.
    pub text: String,
}

impl Identity {
    /// An identity of this scheme.
    #[must_use]
    pub fn new(scheme: &str, text: &str) -> Self {
        Self { scheme: scheme.to_owned(), text: text.to_owned() }
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} identity", self.scheme)
    }
}

/// `Property-Name`: 1 to 128 of `[A-Za-z0-9._:/#-]` [DPE digest 6.2].
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PropertyName(String);

/// The text is no property name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a property name")]
pub struct BadName;

impl PropertyName {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for PropertyName {
    type Error = BadName;

    fn try_from(text: String) -> Result<Self, BadName> {
        let is_known = |byte: u8| byte.is_ascii_alphanumeric() || b"._:/#-".contains(&byte);
        let fits = (1..=NAME_BYTES_MAX).contains(&text.len());
        if fits && text.bytes().all(is_known) { Ok(Self(text)) } else { Err(BadName) }
    }
}

impl TryFrom<&str> for PropertyName {
    type Error = BadName;

    fn try_from(text: &str) -> Result<Self, BadName> {
        text.to_owned().try_into()
    }
}

impl From<PropertyName> for String {
    fn from(name: PropertyName) -> Self {
        name.0
    }
}

impl fmt::Display for PropertyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for PropertyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The type hint of a value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ValueType {
    /// Text; not said on the wire.
    #[default]
    String,
    /// A whole number.
    Integer,
    /// A decimal number.
    Decimal,
    /// `true` or `false`.
    Boolean,
    /// RFC 3339.
    DateTime,
    /// Octets.
    Base64,
}

impl ValueType {
    /// All of them.
    pub const ALL: &'static [Self] =
        &[Self::String, Self::Integer, Self::Decimal, Self::Boolean, Self::DateTime, Self::Base64];

    /// The value of the attribute `type`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::String => "string",
            Self::Integer => "integer",
            Self::Decimal => "decimal",
            Self::Boolean => "boolean",
            Self::DateTime => "dateTime",
            Self::Base64 => "base64",
        }
    }

    /// Whether the text is one of this type, where that can be told apart from any other text.
    #[must_use]
    pub fn has(self, text: &str) -> bool {
        match self {
            Self::Integer => text.parse::<i64>().is_ok(),
            Self::Boolean => matches!(text, "true" | "false"),
            Self::String | Self::Decimal | Self::DateTime | Self::Base64 => true,
        }
    }
}

/// One value of a property, as it is written. `Debug` does not show it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Value {
    /// The hint.
    #[serde(default, rename = "type")]
    pub kind: ValueType,
    /// The text, not trimmed.
    pub text: String,
}

impl Value {
    /// Text; as base64 where XML does not have its characters [DPE digest 6.2].
    #[must_use]
    pub fn text(text: &str) -> Self {
        if text.chars().all(is_xml_char) && !text.contains('\r') {
            Self { kind: ValueType::String, text: text.to_owned() }
        } else {
            Self::octets(text.as_bytes())
        }
    }

    /// A whole number.
    #[must_use]
    pub fn integer(number: i64) -> Self {
        Self { kind: ValueType::Integer, text: number.to_string() }
    }

    /// A truth value.
    #[must_use]
    pub fn boolean(truth: bool) -> Self {
        Self { kind: ValueType::Boolean, text: truth.to_string() }
    }

    /// Octets.
    #[must_use]
    pub fn octets(octets: &[u8]) -> Self {
        Self { kind: ValueType::Base64, text: STANDARD.encode(octets) }
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {} bytes", self.kind.name(), self.text.len())
    }
}

/// `Property-Result`: a name, what became of it, and its values.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ResultIe {
    /// The name asked for.
    pub name: Ie<PropertyName>,
    /// Whether the value is there.
    pub status: Ie<Code>,
    /// The value; several for a list. Unusable where one is too long.
    pub values: Ie<Vec<Value>>,
}

/// `Policy-Parameter`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Parameter {
    /// The attribute `name`; empty where it is not there.
    pub name: String,
    /// The text.
    pub value: String,
}

/// A message of a known kind. Elements that its kind has not are not written and not read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Which message.
    pub kind: Kind,
    /// `Message-ID`.
    pub message_id: Ie<Token>,
    /// `SP-ID`.
    pub sp_id: Ie<Token>,
    /// `Client-ID`.
    pub client_id: Ie<Token>,
    /// `Status`.
    pub status: Ie<Code>,
    /// `Security-Token`.
    pub security_token: Ie<Secret>,
    /// `Device-Identity`.
    pub device_identity: Ie<Identity>,
    /// `User-Identity` of a registration.
    pub user_identity: Ie<Identity>,
    /// `DPE-Version`.
    pub dpe_version: Ie<String>,
    /// `Contact`.
    pub contact: Ie<String>,
    /// `Reason`.
    pub reason: Ie<String>,
    /// `Query-Key`.
    pub query_key: Ie<Identity>,
    /// `Property-Name`, one for each.
    pub property_names: Vec<Ie<PropertyName>>,
    /// `Property-Result`, one for each.
    pub results: Vec<ResultIe>,
    /// `Group-ID`.
    pub group_id: Ie<Token>,
    /// `Policy-ID`.
    pub policy_id: Ie<Token>,
    /// `Policy-Type`.
    pub policy_type: Ie<String>,
    /// `Policy-Parameter`, one for each.
    pub parameters: Vec<Parameter>,
    /// `Duration` in seconds, 1 to 2^31-1.
    pub duration: Ie<u32>,
    /// `Timestamp`.
    pub timestamp: Ie<UnixMillis>,
    /// `Sequence`.
    pub sequence: Ie<u64>,
    /// `Offending-Type`.
    pub offending_type: Ie<String>,
    /// `User-Identity` of a Client ID report.
    pub users: Ie<Vec<Identity>>,
    /// `Client-ID` of a Client ID response or report. Empty is the seeds' null.
    pub clients: Ie<Vec<Token>>,
    /// `Replaces-Client-ID`.
    pub replaces: Ie<Vec<Token>>,
}

impl Message {
    /// A message with nothing in it but its type.
    #[must_use]
    pub const fn new(kind: Kind) -> Self {
        Self {
            kind,
            message_id: Ie::Absent,
            sp_id: Ie::Absent,
            client_id: Ie::Absent,
            status: Ie::Absent,
            security_token: Ie::Absent,
            device_identity: Ie::Absent,
            user_identity: Ie::Absent,
            dpe_version: Ie::Absent,
            contact: Ie::Absent,
            reason: Ie::Absent,
            query_key: Ie::Absent,
            property_names: Vec::new(),
            results: Vec::new(),
            group_id: Ie::Absent,
            policy_id: Ie::Absent,
            policy_type: Ie::Absent,
            parameters: Vec::new(),
            duration: Ie::Absent,
            timestamp: Ie::Absent,
            sequence: Ie::Absent,
            offending_type: Ie::Absent,
            users: Ie::Absent,
            clients: Ie::Absent,
            replaces: Ie::Absent,
        }
    }
}

/// Whether XML 1.0 has the character at all.
pub(crate) const fn is_xml_char(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | ' '..='\u{D7FF}' | '\u{E000}'..='\u{FFFD}' | '\u{10000}'..)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn property_names_are_bounded_and_plain() {
        for good in ["a", "hard:batteryLevel", "a.b_c/d#e-1", &"x".repeat(128)] {
            assert!(PropertyName::try_from(good).is_ok(), "{good}");
        }
        for bad in ["", "a b", "é", "a*", &"x".repeat(129)] {
            assert!(PropertyName::try_from(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn what_xml_cannot_say_goes_as_base64() {
        assert_eq!(Value::text("a\tb").kind, ValueType::String);
        assert_eq!(Value::text("a\u{0}"), Value { kind: ValueType::Base64, text: "YQA=".into() });
        assert_eq!(Value::text("a\r\n").kind, ValueType::Base64);
    }

    #[test]
    fn debug_shows_neither_values_nor_identities_nor_tokens() {
        let shown = alloc::format!(
            "{:?} {:?} {:?}",
            Value::text("secret"),
            Identity::new("imei", "secret"),
            Secret("secret".into())
        );
        assert!(!shown.contains("secret"), "{shown}");
    }
}
