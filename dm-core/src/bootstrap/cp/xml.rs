//! The text form.

use alloc::{
    borrow::Cow,
    string::{String, ToString},
    vec::Vec,
};

use super::{
    Characteristic, Document, EncodeError, Fault, Parameter,
    read::{self, Attribute, Attributes, Element, Event},
};
use crate::{
    limits::WireLimits,
    wire::{
        DecodeErrorKind as WireKind,
        chars::first_bad,
        source::is_space,
        xml::{
            chars::expanded,
            lexer::{Lexer, Token},
            start_tag::{self, qualified},
        },
    },
};

/// Reads one document.
pub(super) struct Source<'a> {
    lexer: Lexer<'a>,
    /// Whether the last event opened an element that has no content and must be closed.
    is_empty: bool,
    attributes_max: usize,
}

impl<'a> Source<'a> {
    /// Passes over everything before the root. An error comes with its place.
    pub(super) fn new(bytes: &'a [u8], limits: &WireLimits) -> Result<Self, (WireKind, usize)> {
        let lexer = Lexer::new(bytes, limits.tag_bytes_max)?;
        Ok(Self { lexer, is_empty: false, attributes_max: limits.attributes_max })
    }

    fn open(&self, tag: &str) -> Result<Event, Fault> {
        let (name, written) = tag.split_at(tag.find(is_space).unwrap_or(tag.len()));
        qualified(name).ok_or(WireKind::NotWellFormed)?;
        let (mut attributes, mut names) = (Attributes::default(), Vec::new());
        for attribute in start_tag::Attributes(written) {
            let (name, value) = attribute?;
            if names.len() >= self.attributes_max {
                return Err(WireKind::TooManyAttributes.into());
            }
            qualified(name).ok_or(WireKind::NotWellFormed)?;
            if names.contains(&name) {
                return Err(Fault::RepeatedAttribute);
            }
            names.push(name);
            let value = normalised(value)?;
            if let Some(slot) = attributes.slot(Attribute::named(name)) {
                *slot = Some(value);
            }
        }
        Ok(Event::Open(Element::named(name), attributes))
    }
}

/// The value of an attribute: white space that is written as itself is a space [XML 1.0, 3.3.3].
fn normalised(value: &str) -> Result<String, Fault> {
    let value = if value.contains(['\t', '\r', '\n']) {
        Cow::Owned(value.replace("\r\n", " ").replace(['\t', '\r', '\n'], " "))
    } else {
        Cow::Borrowed(value)
    };
    Ok(expanded(&value)?.into_owned())
}

impl read::Source for Source<'_> {
    fn event(&mut self) -> Result<Event, Fault> {
        if core::mem::take(&mut self.is_empty) {
            return Ok(Event::Close);
        }
        loop {
            let is_blank = match self.lexer.next()? {
                Token::Start { tag, is_empty } => {
                    self.is_empty = is_empty;
                    return self.open(tag);
                }
                Token::End => return Ok(Event::Close),
                Token::Text(text) => text.chars().all(is_space),
                Token::Char(c) => is_space(c),
            };
            if !is_blank {
                return Ok(Event::Text);
            }
        }
    }

    fn finish(&mut self) -> Result<(), Fault> {
        self.lexer.finish().map_err(Fault::from)
    }

    fn offset(&self) -> usize {
        self.lexer.offset()
    }
}

/// Writes a document without indentation and without a document type.
pub(super) fn encode(document: &Document) -> Result<Vec<u8>, EncodeError> {
    let mut text = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?><wap-provisioningdoc");
    if let Some(version) = &document.version {
        attribute(&mut text, "version", version)?;
    }
    text.push('>');
    for characteristic in &document.characteristics {
        write(&mut text, characteristic)?;
    }
    text.push_str("</wap-provisioningdoc>");
    Ok(text.into_bytes())
}

fn write(text: &mut String, characteristic: &Characteristic) -> Result<(), EncodeError> {
    text.push_str("<characteristic");
    attribute(text, "type", &characteristic.kind)?;
    text.push('>');
    for Parameter { name, value } in &characteristic.parameters {
        text.push_str("<parm");
        attribute(text, "name", name)?;
        if let Some(value) = value {
            attribute(text, "value", value)?;
        }
        text.push_str("/>");
    }
    for inner in &characteristic.characteristics {
        write(text, inner)?;
    }
    text.push_str("</characteristic>");
    Ok(())
}

fn attribute(text: &mut String, name: &str, value: &str) -> Result<(), EncodeError> {
    if first_bad(value).is_some() {
        return Err(EncodeError::BadCharacter);
    }
    text.extend([" ", name, "=\""]);
    for c in value.chars() {
        match c {
            '<' => text.push_str("&lt;"),
            '>' => text.push_str("&gt;"),
            '&' => text.push_str("&amp;"),
            '"' => text.push_str("&quot;"),
            // As itself it would be read as a space.
            '\t' | '\r' | '\n' => text.extend(["&#", &u32::from(c).to_string(), ";"]),
            c => text.push(c),
        }
    }
    text.push('"');
    Ok(())
}
