//! Serialised sub-trees as XML.

use alloc::{string::String, vec::Vec};

use quick_xml::{Reader, events::Event};

use super::{
    Tag, TndsError,
    element::{Builder, Element, Limits, Sink},
};
use crate::{auth::digest::base64, wire::chars::is_char};

const NAMESPACE: &str = "syncml:dmddf1.2";

/// Reads one document. Prefixes of names are not looked at: there is one vocabulary, under several names. No entity is
/// expanded but the five of XML, and nothing is fetched.
pub(super) fn read(bytes: &[u8], limits: Limits) -> Result<Element, TndsError> {
    if bytes.len() > limits.bytes_max {
        return Err(TndsError::TooLarge);
    }
    let text = core::str::from_utf8(bytes).map_err(|_| TndsError::NotWellFormed)?;
    if !text.chars().all(is_char) {
        return Err(TndsError::NotWellFormed);
    }
    let mut reader = Reader::from_str(text.strip_prefix('\u{FEFF}').unwrap_or(text));
    reader.config_mut().expand_empty_elements = true;
    let mut builder = Builder::new(limits);
    loop {
        match reader.read_event().map_err(|_| TndsError::NotWellFormed)? {
            Event::Start(tag) => builder.open(Tag::from_name(text_of(tag.local_name().as_ref())?))?,
            Event::Empty(tag) => {
                builder.open(Tag::from_name(text_of(tag.local_name().as_ref())?))?;
                builder.close()?;
            }
            Event::End(_) => builder.close()?,
            Event::Text(text) => builder.text(&unix_lines(text_of(text.as_ref())?))?,
            Event::CData(text) => builder.text(&unix_lines(text_of(text.as_ref())?))?,
            Event::GeneralRef(name) => {
                let mut buffer = [0; 4];
                builder.text(referenced(text_of(name.as_ref())?)?.encode_utf8(&mut buffer))?;
            }
            Event::DocType(doctype) if text_of(doctype.as_ref())?.contains('[') => {
                return Err(TndsError::NotWellFormed);
            }
            Event::PI(_) => return Err(TndsError::NotWellFormed),
            Event::Decl(_) | Event::DocType(_) | Event::Comment(_) => {}
            Event::Eof => return builder.finish(),
        }
    }
}

fn text_of(octets: &(impl AsRef<[u8]> + ?Sized)) -> Result<&str, TndsError> {
    core::str::from_utf8(octets.as_ref()).map_err(|_| TndsError::NotWellFormed)
}

fn unix_lines(text: &str) -> String {
    text.replace("\r\n", "\n").replace('\r', "\n")
}

fn referenced(name: &str) -> Result<char, TndsError> {
    let number = match name {
        "lt" => return Ok('<'),
        "gt" => return Ok('>'),
        "amp" => return Ok('&'),
        "apos" => return Ok('\''),
        "quot" => return Ok('"'),
        _ => name.strip_prefix('#').ok_or(TndsError::NotWellFormed)?,
    };
    let (digits, radix) = number.strip_prefix('x').map_or((number, 10), |digits| (digits, 16));
    let is_number = digits.chars().all(|c| c.is_digit(radix));
    let code = u32::from_str_radix(digits, radix).ok().filter(|_| is_number);
    code.and_then(char::from_u32).filter(|c| is_char(*c)).ok_or(TndsError::NotWellFormed)
}

/// Writes one document.
#[derive(Debug, Default)]
pub(super) struct XmlSink {
    text: String,
    open: Vec<Tag>,
}

impl XmlSink {
    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.text.into_bytes()
    }

    fn push(&mut self, pieces: &[&str]) {
        for piece in pieces {
            self.text.push_str(piece);
        }
    }

    fn begin(&mut self, tag: Tag) {
        self.push(&["<", tag.name()]);
        if self.open.is_empty() {
            self.push(&[" xmlns=\"", NAMESPACE, "\""]);
        }
    }
}

impl Sink for XmlSink {
    fn open(&mut self, tag: Tag) {
        self.begin(tag);
        self.text.push('>');
        self.open.push(tag);
    }

    fn close(&mut self) {
        if let Some(tag) = self.open.pop() {
            self.push(&["</", tag.name(), ">"]);
        }
    }

    fn empty(&mut self, tag: Tag) {
        self.begin(tag);
        self.text.push_str("/>");
    }

    fn text(&mut self, text: &str) -> Option<()> {
        for c in text.chars() {
            match c {
                '&' => self.text.push_str("&amp;"),
                '<' => self.text.push_str("&lt;"),
                '>' => self.text.push_str("&gt;"),
                // As itself it would be read as a line feed.
                '\r' => self.text.push_str("&#13;"),
                c if is_char(c) => self.text.push(c),
                _ => return None,
            }
        }
        Some(())
    }

    fn octets(&mut self, octets: &[u8]) {
        self.text.push_str(&base64(octets));
    }
}
