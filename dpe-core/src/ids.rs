//! The identifiers of the protocol, one type for each.
//!
//! Message, group and policy identifiers live on two interfaces: an SP chooses those of DPE-3, the server those of DPE-2.
//! Equal text means nothing across them, so the two never share a type [DPE digest 3.0].

use alloc::string::String;
use core::fmt;

use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

use crate::limits::ID_BYTES_MAX;

/// The text is not 1 to 64 visible ASCII characters, or is `*` where one thing must be named.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an identifier: 1 to 64 visible ASCII characters, and not *")]
pub struct BadId;

/// An identifier as it is on the wire: 1 to 64 visible ASCII characters; `*` is one of them [DPE digest 6.2].
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Token(
    /// Those that the server makes lie in the value itself: a look-up among a million of them compares keys that are at
    /// hand.
    SmolStr,
);

impl Token {
    /// The token that names everything.
    pub const ALL: &'static str = "*";

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// `*`.
    #[must_use]
    pub fn all() -> Self {
        Self(SmolStr::new_static(Self::ALL))
    }

    /// Whether this is `*`.
    #[must_use]
    pub fn is_all(&self) -> bool {
        self.0 == Self::ALL
    }
}

impl TryFrom<String> for Token {
    type Error = BadId;

    fn try_from(text: String) -> Result<Self, BadId> {
        text.as_str().try_into()
    }
}

impl TryFrom<&str> for Token {
    type Error = BadId;

    fn try_from(text: &str) -> Result<Self, BadId> {
        let fits = (1..=ID_BYTES_MAX).contains(&text.len());
        if fits && text.bytes().all(|byte| byte.is_ascii_graphic()) { Ok(Self(text.into())) } else { Err(BadId) }
    }
}

impl From<Token> for String {
    fn from(token: Token) -> Self {
        token.0.into()
    }
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

macro_rules! id {
    ($($(#[$doc:meta])* $name:ident;)+) => { $(
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "Token", into = "Token")]
        pub struct $name(Token);

        impl $name {
            /// The text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                self.0.as_str()
            }
        }

        impl TryFrom<Token> for $name {
            type Error = BadId;

            /// # Errors
            /// The token is `*`, which names no single thing.
            fn try_from(token: Token) -> Result<Self, BadId> {
                if token.is_all() { Err(BadId) } else { Ok(Self(token)) }
            }
        }

        impl TryFrom<&str> for $name {
            type Error = BadId;

            fn try_from(text: &str) -> Result<Self, BadId> {
                Token::try_from(text)?.try_into()
            }
        }

        impl TryFrom<String> for $name {
            type Error = BadId;

            fn try_from(text: String) -> Result<Self, BadId> {
                Token::try_from(text)?.try_into()
            }
        }

        impl From<$name> for Token {
            fn from(id: $name) -> Self {
                id.0
            }
        }

        impl From<&$name> for Token {
            fn from(id: &$name) -> Self {
                id.0.clone()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    )+ };
}

id! {
    /// `Client-ID`: a registered client, on every interface. It says nothing of the device or the person behind it.
    ClientId;
    /// `SP-ID`: a registered service provider.
    SpId;
}

/// Identifiers that the server creates and only the server and one client know.
pub mod dpe2 {
    use super::{BadId, Deserialize, Serialize, String, Token, fmt};

    id! {
        /// `Message-ID` of a dialogue between the server and one client.
        MessageId;
        /// `Group-ID` on one client.
        GroupId;
        /// `Policy-ID` on one client.
        PolicyId;
    }
}

/// Identifiers that an SP creates and only that SP and the server know.
pub mod dpe3 {
    use super::{BadId, Deserialize, Serialize, String, Token, fmt};

    id! {
        /// `Message-ID` of a dialogue between one SP and the server.
        MessageId;
        /// `Group-ID` of one SP.
        GroupId;
        /// `Policy-ID` of one SP.
        PolicyId;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_are_visible_and_bounded() {
        for good in ["a", "*a", "!~", &"x".repeat(64)] {
            assert!(ClientId::try_from(good).is_ok(), "{good}");
        }
        for bad in ["", " ", "a b", "ä", "a\n", &"x".repeat(65)] {
            assert!(Token::try_from(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_star_is_a_token_and_names_nothing() {
        assert!(Token::try_from("*").unwrap().is_all());
        assert!(dpe3::GroupId::try_from("*").is_err());
        assert!(serde_json::from_str::<dpe2::PolicyId>("\"*\"").is_err());
    }
}
