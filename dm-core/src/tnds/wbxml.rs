//! Serialised sub-trees as WBXML [DM TND 1.2, 10].

use alloc::vec::Vec;

use super::{
    Tag, TndsError,
    element::{Builder, Element, Limits, Sink},
};
use crate::wire::chars::is_char;

/// WBXML 1.2.
const VERSION: u8 = 0x02;
const UTF_8: u8 = 0x6A;
const PUBLIC_ID: &[u8] = b"-//OMA//DTD-DM-DDF 1.2//EN";
/// The code page of all elements. A document begins on page 0 like any other.
const PAGE: u8 = 2;
const SWITCH_PAGE: u8 = 0x00;
const END: u8 = 0x01;
const ENTITY: u8 = 0x02;
const STR_I: u8 = 0x03;
const STR_T: u8 = 0x83;
const OPAQUE: u8 = 0xC3;
const HAS_CONTENT: u8 = 0x40;
const HAS_ATTRIBUTES: u8 = 0x80;

/// Octets read from first to last.
struct Octets<'a>(&'a [u8]);

impl<'a> Octets<'a> {
    fn octet(&mut self) -> Result<u8, TndsError> {
        let (first, rest) = self.0.split_first().ok_or(TndsError::NotWellFormed)?;
        self.0 = rest;
        Ok(*first)
    }

    /// Seven bits an octet, the highest first; the eighth bit says that another octet follows.
    fn number(&mut self) -> Result<usize, TndsError> {
        let mut number = 0usize;
        for _ in 0..4 {
            let octet = self.octet()?;
            number = number << 7 | usize::from(octet & 0x7F);
            if octet & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err(TndsError::NotWellFormed)
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8], TndsError> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or(TndsError::NotWellFormed)?;
        self.0 = rest;
        Ok(taken)
    }

    /// Text up to the next NUL, which is read too.
    fn string(&mut self) -> Result<&'a str, TndsError> {
        let end = self.0.iter().position(|octet| *octet == 0).ok_or(TndsError::NotWellFormed)?;
        let text = self.take(end)?;
        self.octet()?;
        as_text(text)
    }
}

fn as_text(octets: &[u8]) -> Result<&str, TndsError> {
    let text = core::str::from_utf8(octets).map_err(|_| TndsError::NotWellFormed)?;
    if text.chars().all(is_char) { Ok(text) } else { Err(TndsError::NotWellFormed) }
}

/// Reads one document. Whatever public identifier it has, its root shows whether it is one.
pub(super) fn read(bytes: &[u8], limits: Limits) -> Result<Element, TndsError> {
    if bytes.len() > limits.bytes_max {
        return Err(TndsError::TooLarge);
    }
    let mut octets = Octets(bytes);
    if !(0x01..=0x03).contains(&octets.octet()?) {
        return Err(TndsError::NotWellFormed);
    }
    if octets.number()? == 0 {
        octets.number()?;
    }
    if !matches!(octets.number()?, 0 | 3 | 0x6A) {
        return Err(TndsError::NotWellFormed);
    }
    let length = octets.number()?;
    let table = octets.take(length)?;
    let mut builder = Builder::new(limits);
    let (mut page, mut referable) = (0, limits.bytes_max);
    while !builder.is_complete() {
        match octets.octet()? {
            SWITCH_PAGE => page = octets.octet()?,
            END => builder.close()?,
            ENTITY => {
                let c = u32::try_from(octets.number()?).ok().and_then(char::from_u32).filter(|c| is_char(*c));
                builder.text(c.ok_or(TndsError::NotWellFormed)?.encode_utf8(&mut [0; 4]))?;
            }
            STR_I => builder.text(octets.string()?)?,
            STR_T => {
                let at = octets.number()?;
                let text = Octets(table.get(at..).unwrap_or_default()).string()?;
                // Two octets name a string of any length: what they make is bounded like the document.
                referable = referable.checked_sub(text.len()).ok_or(TndsError::TooLarge)?;
                builder.text(text)?;
            }
            OPAQUE => {
                let length = octets.number()?;
                builder.opaque(octets.take(length)?);
            }
            token if token & 0x3F > 0x04 && token & HAS_ATTRIBUTES == 0 => {
                builder.open(Tag::from_token(token & 0x3F).filter(|_| page == PAGE))?;
                if token & HAS_CONTENT == 0 {
                    builder.close()?;
                }
            }
            _ => return Err(TndsError::NotWellFormed),
        }
    }
    if octets.0.is_empty() { builder.finish() } else { Err(TndsError::NotWellFormed) }
}

/// Writes one document.
#[derive(Debug)]
pub(super) struct WbxmlSink {
    bytes: Vec<u8>,
    /// Where the token of the innermost element is, as long as that has no content.
    without_content: Option<usize>,
}

impl Default for WbxmlSink {
    fn default() -> Self {
        // The identifier has no number: it stands in the string table, at its beginning.
        let mut bytes = Vec::from([VERSION, 0x00, 0x00, UTF_8, 26]);
        bytes.extend_from_slice(PUBLIC_ID);
        bytes.extend_from_slice(&[SWITCH_PAGE, PAGE]);
        Self { bytes, without_content: None }
    }
}

impl WbxmlSink {
    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// To be called before anything goes into the innermost element.
    fn content(&mut self) {
        if let Some(token) = self.without_content.take().and_then(|at| self.bytes.get_mut(at)) {
            *token |= HAS_CONTENT;
        }
    }
}

impl Sink for WbxmlSink {
    fn open(&mut self, tag: Tag) {
        self.content();
        self.without_content = Some(self.bytes.len());
        self.bytes.push(tag.token());
    }

    fn close(&mut self) {
        if self.without_content.take().is_none() {
            self.bytes.push(END);
        }
    }

    fn text(&mut self, text: &str) -> Option<()> {
        if !text.chars().all(is_char) {
            return None;
        }
        if !text.is_empty() {
            self.content();
            self.bytes.push(STR_I);
            self.bytes.extend_from_slice(text.as_bytes());
            self.bytes.push(0);
        }
        Some(())
    }

    fn octets(&mut self, octets: &[u8]) {
        self.content();
        self.bytes.push(OPAQUE);
        let length = u32::try_from(octets.len()).unwrap_or(u32::MAX);
        for shift in [28, 21, 14, 7, 0] {
            let rest = length >> shift;
            if rest != 0 || shift == 0 {
                let more = if shift == 0 { 0 } else { 0x80 };
                self.bytes.push(more | rest.to_le_bytes()[0] & 0x7F);
            }
        }
        self.bytes.extend_from_slice(octets);
    }
}
