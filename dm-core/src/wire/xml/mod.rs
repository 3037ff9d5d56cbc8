//! The XML codec.
//!
//! quick-xml finds the tags and the text of the root element. What it leaves open is decided here: limits, names,
//! namespaces, characters, references, and what may stand before and after the root. `lexer` knows no document type;
//! `source` makes a SyncML message of its tokens.

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
