//! Provisioning documents of OMA Client Provisioning, in both encodings [OMA PROVCONT 1.1].
//!
//! A document is a tree of characteristics with parameters. [`Document::accounts`] makes accounts of those that are for
//! device management; everything else in a document is for the parts of a device that know it.
//!
//! The tokens of the binary form are those that public implementations agree on; the digest does not have them.

use alloc::{string::String, vec::Vec};
use core::fmt;

use crate::{
    limits::WireLimits,
    wire::{DecodeErrorKind as WireKind, Encoding},
};

mod accounts;
#[cfg(any(feature = "wbxml", feature = "xml"))]
mod read;
#[cfg(feature = "wbxml")]
mod token;
#[cfg(feature = "wbxml")]
mod wbxml;
#[cfg(feature = "xml")]
mod xml;

/// A provisioning document.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Document {
    /// `version`, where it says one.
    pub version: Option<String>,
    /// What is in it.
    pub characteristics: Vec<Characteristic>,
}

/// A `characteristic`: something that can be set up.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Characteristic {
    /// `type`, such as `APPLICATION`, `PXLOGICAL` or `NAPDEF`.
    pub kind: String,
    /// Its parameters, in their order.
    pub parameters: Vec<Parameter>,
    /// What is inside it, in its order.
    pub characteristics: Vec<Characteristic>,
}

/// A `parm`: a value with a name. Some have none, and mean something by being there.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Parameter {
    /// `name`.
    pub name: String,
    /// `value`.
    pub value: Option<String>,
}

/// A value may be a password, so only its length shows.
impl fmt::Debug for Parameter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.value {
            Some(value) => write!(f, "{}({} octets)", self.name, value.len()),
            None => f.write_str(&self.name),
        }
    }
}

impl Parameter {
    /// A parameter with a value.
    #[must_use]
    pub fn new(name: &str, value: &str) -> Self {
        Self { name: name.into(), value: Some(value.into()) }
    }
}

/// Why octets are no provisioning document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{fault} at octet {offset}, inside {depth} elements")]
pub struct DecodeError {
    /// What is wrong.
    pub fault: Fault,
    /// Where, in octets from the start of the document.
    pub offset: usize,
    /// How many elements were open there.
    pub depth: usize,
}

/// What is wrong with a provisioning document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// The encoding is broken, or a limit is crossed.
    #[error("{0}")]
    Encoding(WireKind),
    /// Another document: its root is not `wap-provisioningdoc`, or it calls itself something else.
    #[error("not a provisioning document")]
    OtherDocument,
    /// `characteristic` without `type`, or `parm` without `name`.
    #[error("element without its name")]
    Unnamed,
    /// An attribute that comes twice in one element.
    #[error("repeated attribute")]
    RepeatedAttribute,
    /// An element where it has no place, or text.
    #[error("content that has no place here")]
    UnexpectedContent,
}

impl From<WireKind> for Fault {
    fn from(kind: WireKind) -> Self {
        match kind {
            WireKind::NotSyncMl => Self::OtherDocument,
            kind => Self::Encoding(kind),
        }
    }
}

/// Why a document cannot be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EncodeError {
    /// A name or value with a character that XML 1.0 does not have.
    #[error("character that XML does not allow")]
    BadCharacter,
    /// This build cannot write the encoding.
    #[error("encoding not supported by this build")]
    UnsupportedEncoding,
}

impl Document {
    /// Reads a document.
    ///
    /// Attributes and elements of other vocabularies are passed over.
    ///
    /// # Errors
    /// The octets are not a provisioning document within `limits`.
    pub fn decode(encoding: Encoding, bytes: &[u8], limits: &WireLimits) -> Result<Self, DecodeError> {
        let error = |kind: WireKind, offset| DecodeError { fault: kind.into(), offset, depth: 0 };
        if bytes.len() > limits.message_bytes_max {
            return Err(error(WireKind::TooLarge, 0));
        }
        match encoding {
            #[cfg(feature = "wbxml")]
            Encoding::Wbxml => {
                let source = wbxml::Source::new(bytes, limits).map_err(|(kind, offset)| error(kind, offset))?;
                read::document(source, limits)
            }
            #[cfg(feature = "xml")]
            Encoding::Xml => {
                let source = xml::Source::new(bytes, limits).map_err(|(kind, offset)| error(kind, offset))?;
                read::document(source, limits)
            }
            #[allow(unreachable_patterns, reason = "both encodings are features")]
            _ => Err(error(WireKind::UnsupportedEncoding, 0)),
        }
    }

    /// Writes the document: the same one gives the same octets.
    ///
    /// # Errors
    /// The encoding cannot carry what is in it.
    pub fn encode(&self, encoding: Encoding) -> Result<Vec<u8>, EncodeError> {
        match encoding {
            #[cfg(feature = "wbxml")]
            Encoding::Wbxml => wbxml::encode(self),
            #[cfg(feature = "xml")]
            Encoding::Xml => xml::encode(self),
            #[allow(unreachable_patterns, reason = "both encodings are features")]
            _ => Err(EncodeError::UnsupportedEncoding),
        }
    }

    /// The characteristics of a kind at the top of the document, such as `NAPDEF` and `PXLOGICAL`.
    pub fn of_kind(&self, kind: &str) -> impl Iterator<Item = &Characteristic> {
        self.characteristics.iter().filter(move |characteristic| characteristic.kind == kind)
    }
}

impl Characteristic {
    /// The first parameter of a name.
    #[must_use]
    pub fn parameter(&self, name: &str) -> Option<&Parameter> {
        self.parameters.iter().find(|parameter| parameter.name == name)
    }
}
