//! The XML codec.
//!
//! `lexer` finds tags and text, with quick-xml for what is rare in a message, and knows no document type; `source` makes
//! a SyncML message of its tokens. What both decide is limits, names, namespaces, characters, references, and what may
//! stand before and after the root.

use alloc::vec::Vec;

use super::{DecodeError, DecodeErrorKind as Kind, Decoded, EncodeError, Header, Message, read, write};
use crate::limits::WireLimits;

pub(crate) mod chars;
pub(crate) mod lexer;
mod prologue;
mod sink;
mod source;
pub(crate) mod start_tag;

pub(super) fn decode(bytes: &[u8], limits: &WireLimits) -> Result<Decoded, DecodeError> {
    read::message(source::XmlSource::new(bytes, limits)?, limits)
}

pub(super) fn decode_header(bytes: &[u8], limits: &WireLimits) -> Result<Header, DecodeError> {
    read::header(source::XmlSource::new(bytes, limits)?, limits)
}

pub(super) fn encode(message: &Message) -> Result<Vec<u8>, EncodeError> {
    let mut sink = sink::XmlSink::new(message);
    write::message(&mut sink, message)?;
    Ok(sink.into_bytes())
}

/// The namespaces of a message: the one that is written, and the one of version 1.1.
const SYNCML_1_2: &str = "SYNCML:SYNCML1.2";
const SYNCML_1_1: &str = "SYNCML:SYNCML1.1";
/// The namespace of what is inside `Meta`.
const METINF: &str = "syncml:metinf";
