//! The WBXML codec [WBXML 1.3; digest 7].
//!
//! `lexer` knows the tokens that every WBXML document is made of, and no document type. `source` makes a SyncML message
//! of them, as `sink` writes one. A further document type needs its own tokens and its own public identifiers, and
//! nothing else of this: see `crate::bootstrap`.
//!
//! Octets and text: the mapping knows text, and [`Data`](super::Data) that may be octets. WBXML has both too, but real
//! encoders write text in `OPAQUE` as they like: libwbxml does so for every CDATA section. So the token does not decide
//! what a value is, its content does. What XML could carry as text is text, whichever token it came in; anything else
//! is octets, and only `Data` may hold that. A message thus decodes to the same value from both encodings, whatever
//! its `Format` says.

use alloc::vec::Vec;

use super::{DecodeError, DecodeErrorKind as Kind, Decoded, EncodeError, Header, Message, Page, read, write};
use crate::limits::WireLimits;

pub(crate) mod header;
pub(crate) mod lexer;
pub(crate) mod octets;
mod sink;
mod source;

pub(super) fn decode(bytes: &[u8], limits: &WireLimits) -> Result<Decoded, DecodeError> {
    read::message(source::WbxmlSource::new(bytes, limits)?, limits)
}

pub(super) fn decode_header(bytes: &[u8], limits: &WireLimits) -> Result<Header, DecodeError> {
    read::header(source::WbxmlSource::new(bytes, limits)?, limits)
}

pub(super) fn encode(message: &Message) -> Result<Vec<u8>, EncodeError> {
    let mut sink = sink::WbxmlSink::new(message);
    write::message(&mut sink, message)?;
    Ok(sink.into_bytes())
}

/// The public identifiers of SyncML 1.0, 1.1 and 1.2 as numbers.
const SYNCML_1_0: u32 = 0x0FD1;
const SYNCML_1_1: u32 = 0x0FD3;
const SYNCML_1_2: u32 = 0x1201;
/// The number of UTF-8 in the registry of character sets.
pub(crate) const UTF_8: u32 = 106;

/// The vocabularies of a message by the number of their code page. Others have documents of their own, which a message
/// carries as octets.
const fn page_of(number: u8) -> Option<Page> {
    match number {
        0 => Some(Page::SyncMl),
        1 => Some(Page::MetInf),
        _ => None,
    }
}

const fn number_of(page: Page) -> u8 {
    match page {
        Page::SyncMl => 0,
        Page::MetInf => 1,
    }
}

/// Tokens that mean the same on every code page [WBXML 1.3, 7.1].
pub(crate) mod global {
    pub(crate) const SWITCH_PAGE: u8 = 0x00;
    pub(crate) const END: u8 = 0x01;
    pub(crate) const ENTITY: u8 = 0x02;
    pub(crate) const STR_I: u8 = 0x03;
    pub(crate) const LITERAL: u8 = 0x04;
    pub(crate) const EXT_I_0: u8 = 0x40;
    pub(crate) const EXT_I_2: u8 = 0x42;
    pub(crate) const PI: u8 = 0x43;
    pub(crate) const EXT_T_0: u8 = 0x80;
    pub(crate) const EXT_T_2: u8 = 0x82;
    pub(crate) const STR_T: u8 = 0x83;
    pub(crate) const EXT_0: u8 = 0xC0;
    pub(crate) const EXT_2: u8 = 0xC2;
    pub(crate) const OPAQUE: u8 = 0xC3;

    /// Added to the token of an element that has content, and to that of one that has attributes.
    pub(crate) const HAS_CONTENT: u8 = 0x40;
    pub(crate) const HAS_ATTRIBUTES: u8 = 0x80;
}
