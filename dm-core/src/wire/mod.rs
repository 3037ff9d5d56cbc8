//! SyncML messages: the model, and its encodings.
//!
//! [`decode`] and [`encode`] choose the codec. What comes in is bounded by [`WireLimits`]; what is wrong with it is a
//! [`DecodeError`] that says where.

use alloc::{boxed::Box, vec::Vec};

use serde::{Deserialize, Serialize};

use crate::limits::WireLimits;

#[cfg_attr(
    not(any(feature = "xml", feature = "wbxml")),
    expect(dead_code, reason = "without a codec it is only asked what XML can hold")
)]
pub(crate) mod chars;
mod command;
mod message;
mod outline;
#[cfg(any(feature = "xml", feature = "wbxml"))]
mod read;
mod refs;
#[cfg(any(feature = "xml", feature = "wbxml"))]
pub(crate) mod source;
mod sync;
mod tag;
#[cfg(feature = "wbxml")]
pub(crate) mod wbxml;
#[cfg(any(feature = "xml", feature = "wbxml"))]
mod write;
#[cfg(feature = "xml")]
pub(crate) mod xml;

pub use command::{Alert, Block, CmdIdSlot, Command, Delete, Edit, Exec, Get, Results, Status};
pub use message::{Chal, Cred, Data, Format, Header, Item, Location, Message, Meta, Secret};
pub use outline::{Values, outline};
pub use refs::Refs;
pub use sync::{Anchor, Filter, Map, MapItem, Memory, Search, Sync};
#[cfg(feature = "xml")]
use tag::Padded;
pub use tag::{ElementPath, Page, Tag};

/// How a message is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Encoding {
    /// XML text in UTF-8.
    Xml,
    /// WAP binary XML.
    Wbxml,
}

/// A message that was read, and what had to be forgiven.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decoded {
    /// The message.
    pub message: Message,
    /// How often the peer strayed in a way that does no harm.
    pub deviations: Deviations,
}

/// Harmless deviations of one message, counted [digest 12.4].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Deviations {
    /// Elements of another namespace or of no known name: passed over with all that is in them.
    pub foreign_elements: u32,
    /// Attributes that are no namespace declarations.
    pub foreign_attributes: u32,
    /// Known elements in a namespace that is not theirs, but one of those that real peers use.
    pub stray_namespaces: u32,
    /// Mark-up inside `Data` that should have been escaped.
    pub raw_markup: u32,
    /// A DOCTYPE with an external identifier, which is never fetched.
    pub doctypes: u32,
}

impl Deviations {
    /// Whether there was nothing to forgive.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Why bytes are not a message.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{kind} at byte {offset} in {path}")]
pub struct DecodeError {
    /// What is wrong.
    pub kind: DecodeErrorKind,
    /// Where, in octets from the start of the message.
    pub offset: usize,
    /// The elements that were open there, outermost first.
    pub path: ElementPath,
    /// The header, where it was read before the error: there is somebody to answer.
    pub header: Option<Box<Header>>,
}

/// What is wrong with the bytes of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum DecodeErrorKind {
    /// The message is larger than [`WireLimits::message_bytes_max`], or says more than that by references.
    #[error("message too large")]
    TooLarge,
    /// Elements are nested deeper than [`WireLimits::depth_max`].
    #[error("nested too deeply")]
    TooDeep,
    /// More elements than [`WireLimits::elements_max`].
    #[error("too many elements")]
    TooManyElements,
    /// More attributes than [`WireLimits::attributes_max`].
    #[error("too many attributes")]
    TooManyAttributes,
    /// A tag longer than [`WireLimits::tag_bytes_max`].
    #[error("tag too long")]
    TagTooLong,
    /// More commands than [`WireLimits::commands_max`].
    #[error("too many commands")]
    TooManyCommands,
    /// The bytes are not text in UTF-8, or declare another character set.
    #[error("not UTF-8")]
    NotUtf8,
    /// A character that XML does not have, as itself or by reference.
    #[error("character that XML does not allow")]
    BadCharacter,
    /// Not well formed: a tag that does not close or was not open, a bad name, a broken attribute.
    #[error("not well formed")]
    NotWellFormed,
    /// The message ends in the middle.
    #[error("message ends early")]
    Truncated,
    /// Something follows the message.
    #[error("content after the end of the message")]
    TrailingContent,
    /// A DOCTYPE with an internal subset.
    #[error("document type with an internal subset")]
    InternalSubset,
    /// A reference to an entity that is not one of the five of XML.
    #[error("unknown entity")]
    UnknownEntity,
    /// A processing instruction.
    #[error("processing instruction")]
    ProcessingInstruction,
    /// The root is not `SyncML` in a SyncML namespace.
    #[error("not a SyncML document")]
    NotSyncMl,
    /// An element that must be there is missing.
    #[error("element {0} missing")]
    Missing(Tag),
    /// An element that may be there once is there twice.
    #[error("element {0} repeated")]
    Repeated(Tag),
    /// An element with children where there must be text, or text where there must be children.
    #[error("unexpected content in {0}")]
    UnexpectedContent(Tag),
    /// A number that is none, or is too large.
    #[error("{0} is not a number in range")]
    BadNumber(Tag),
    /// Not WBXML 1.0 to 1.3.
    #[error("WBXML version not supported")]
    UnknownVersion,
    /// A string table larger than [`WireLimits::string_table_bytes_max`].
    #[error("string table too large")]
    StringTableTooLarge,
    /// A reference to a string that is not in the string table.
    #[error("reference outside the string table")]
    BadStringIndex,
    /// A string of the string table without its end.
    #[error("string without an end in the string table")]
    UnterminatedString,
    /// A number of more than 32 bits or more than five octets.
    #[error("number of more than 32 bits")]
    NumberTooLarge,
    /// A code page that messages do not have.
    #[error("unknown code page")]
    UnknownPage,
    /// A token that means no element, or nothing where it is.
    #[error("unknown token")]
    UnknownToken,
    /// An extension token, of which SyncML has none.
    #[error("extension token")]
    Extension,
    /// This build cannot read the encoding.
    #[error("encoding not supported by this build")]
    UnsupportedEncoding,
}

/// Why a message cannot be written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum EncodeError {
    /// Text with a character that XML 1.0 does not have, in this element. WBXML allows it in `Data`.
    #[error("{0} holds a character that XML does not allow")]
    BadCharacter(Tag),
    /// Octets where the encoding has text only.
    #[error("{0} holds octets, which XML cannot carry")]
    Opaque(Tag),
    /// A value longer than the encoding can say.
    #[error("{0} is too long for the encoding")]
    TooLong(Tag),
    /// This build cannot write the encoding.
    #[error("encoding not supported by this build")]
    UnsupportedEncoding,
}

/// Reads one message.
///
/// Children may come in any order. What the model has no place for is passed over and counted as a deviation.
///
/// # Errors
/// The bytes are not a message within `limits`.
pub fn decode(encoding: Encoding, bytes: &[u8], limits: &WireLimits) -> Result<Decoded, DecodeError> {
    if bytes.len() > limits.message_bytes_max {
        return Err(DecodeError::at_start(DecodeErrorKind::TooLarge));
    }
    match encoding {
        #[cfg(feature = "xml")]
        Encoding::Xml => xml::decode(bytes, limits),
        #[cfg(not(feature = "xml"))]
        Encoding::Xml => Err(DecodeError::at_start(DecodeErrorKind::UnsupportedEncoding)),
        #[cfg(feature = "wbxml")]
        Encoding::Wbxml => wbxml::decode(bytes, limits),
        #[cfg(not(feature = "wbxml"))]
        Encoding::Wbxml => Err(DecodeError::at_start(DecodeErrorKind::UnsupportedEncoding)),
    }
}

/// Reads the header of a message and nothing behind it: enough to know whose session it is.
///
/// # Errors
/// As [`decode`], for what comes before the end of the header.
pub fn decode_header(encoding: Encoding, bytes: &[u8], limits: &WireLimits) -> Result<Header, DecodeError> {
    if bytes.len() > limits.message_bytes_max {
        return Err(DecodeError::at_start(DecodeErrorKind::TooLarge));
    }
    match encoding {
        #[cfg(feature = "xml")]
        Encoding::Xml => xml::decode_header(bytes, limits),
        #[cfg(not(feature = "xml"))]
        Encoding::Xml => Err(DecodeError::at_start(DecodeErrorKind::UnsupportedEncoding)),
        #[cfg(feature = "wbxml")]
        Encoding::Wbxml => wbxml::decode_header(bytes, limits),
        #[cfg(not(feature = "wbxml"))]
        Encoding::Wbxml => Err(DecodeError::at_start(DecodeErrorKind::UnsupportedEncoding)),
    }
}

/// Writes one message, in the element order of the DTD: the same message gives the same bytes.
///
/// [`decode`] gives the same message back, apart from white space around names, addresses, references and types, which
/// a reader takes for indentation, and from the kind of a [`Data`]: see there.
///
/// # Errors
/// The encoding cannot carry what the message holds.
pub fn encode(encoding: Encoding, message: &Message) -> Result<Vec<u8>, EncodeError> {
    match encoding {
        #[cfg(feature = "xml")]
        Encoding::Xml => xml::encode(message),
        #[cfg(not(feature = "xml"))]
        Encoding::Xml => no_codec(message),
        #[cfg(feature = "wbxml")]
        Encoding::Wbxml => wbxml::encode(message),
        #[cfg(not(feature = "wbxml"))]
        Encoding::Wbxml => no_codec(message),
    }
}

#[cfg(not(all(feature = "xml", feature = "wbxml")))]
fn no_codec(_: &Message) -> Result<Vec<u8>, EncodeError> {
    Err(EncodeError::UnsupportedEncoding)
}

impl DecodeError {
    fn at_start(kind: DecodeErrorKind) -> Self {
        Self { kind, offset: 0, path: ElementPath::default(), header: None }
    }
}
