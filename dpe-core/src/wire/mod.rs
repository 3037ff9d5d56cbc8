//! Messages: the model, and its encoding in XML [DPE digest 6].
//!
//! No schema of DPE was ever published in a form that we could read: namespace and layout are this project's own.

use alloc::{boxed::Box, string::String, vec::Vec};

use serde::{Deserialize, Serialize};

use crate::{codes::Code, ids::Token, limits::WireLimits};

mod date;
mod kind;
mod message;
#[cfg(feature = "xml")]
mod xml;

pub use date::{format_date, parse_date};
pub use kind::{Element, Kind};
pub(crate) use message::is_xml_char;
pub use message::{BadName, Identity, Ie, Message, Parameter, PropertyName, ResultIe, Secret, Value, ValueType};

/// The namespace of every message. Ours, and not one of OMA.
pub const NAMESPACE: &str = "urn:x-dpe:msg:1.0";
/// What a message is sent as.
pub const MEDIA_TYPE: &str = "application/xml; charset=utf-8";
/// What a message is taken as.
pub const MEDIA_TYPES_READ: &[&str] = &["application/xml", "text/xml", "application/x.dpe+xml"];

/// What was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decoded {
    /// A message of a known kind.
    Message(Box<Message>),
    /// A document whose type is missing, unknown, or not that of its root.
    Untyped(Untyped),
}

/// A document of this namespace that is none of the 24 messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Untyped {
    /// 13 where `Message-Type` is missing, else 14.
    pub code: Code,
    /// What `Message-Type` says, or the name of the root.
    pub offending: String,
    /// What the root says, where it is known.
    pub root: Option<Kind>,
    /// `Message-ID`.
    pub message_id: Ie<Token>,
    /// `SP-ID`.
    pub sp_id: Ie<Token>,
    /// `Client-ID`.
    pub client_id: Ie<Token>,
}

impl Decoded {
    /// `Client-ID`, where there is one: whose message it is.
    #[must_use]
    pub fn client_id(&self) -> Option<&Token> {
        match self {
            Self::Message(message) => message.client_id.get(),
            Self::Untyped(untyped) => untyped.client_id.get(),
        }
    }

    /// `SP-ID`, where there is one.
    #[must_use]
    pub fn sp_id(&self) -> Option<&Token> {
        match self {
            Self::Message(message) => message.sp_id.get(),
            Self::Untyped(untyped) => untyped.sp_id.get(),
        }
    }
}

/// Why bytes cannot be read as a message at all. Such a message is ignored [DPE digest 3.3].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum DecodeError {
    /// More octets than [`WireLimits::message_bytes_max`].
    #[error("message too large")]
    TooLarge,
    /// Elements nested deeper than [`WireLimits::depth_max`].
    #[error("nested too deeply")]
    TooDeep,
    /// More elements, attributes, properties or parameters than the limits allow.
    #[error("too many elements, attributes, properties or parameters")]
    TooMany,
    /// Not UTF-8, or another character set is declared.
    #[error("not UTF-8")]
    NotUtf8,
    /// A character that XML does not have.
    #[error("character that XML does not allow")]
    BadCharacter,
    /// Not well formed.
    #[error("not well formed")]
    NotWellFormed,
    /// A document type, an entity that is not one of the five of XML, or a processing instruction.
    #[error("document type, entity or processing instruction")]
    Forbidden,
    /// The root is not in the namespace of DPE.
    #[error("not a DPE message")]
    NotDpe,
    /// This build has no codec.
    #[error("this build has no codec")]
    NoCodec,
}

/// Why a message cannot be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum EncodeError {
    /// Text with a character that XML does not have.
    #[error("character that XML does not allow")]
    BadCharacter,
    /// An element that was read as unusable or repeated.
    #[error("element without a usable content")]
    Unusable,
    /// This build has no codec.
    #[error("this build has no codec")]
    NoCodec,
}

/// Reads one message. Elements may come in any order; unknown ones are passed over.
///
/// # Errors
/// The bytes cannot be read as a message within `limits`.
pub fn decode(bytes: &[u8], limits: &WireLimits) -> Result<Decoded, DecodeError> {
    if bytes.len() > limits.message_bytes_max {
        return Err(DecodeError::TooLarge);
    }
    #[cfg(feature = "xml")]
    return xml::decode(bytes, limits);
    #[cfg(not(feature = "xml"))]
    return Err(DecodeError::NoCodec);
}

/// Writes one message: the same message gives the same bytes, and [`decode`] gives the same message back.
///
/// # Errors
/// The message holds what cannot be written.
pub fn encode(message: &Message) -> Result<Vec<u8>, EncodeError> {
    #[cfg(feature = "xml")]
    return xml::encode(message);
    #[cfg(not(feature = "xml"))]
    return no_codec(message);
}

#[cfg(not(feature = "xml"))]
fn no_codec(_: &Message) -> Result<Vec<u8>, EncodeError> {
    Err(EncodeError::NoCodec)
}
