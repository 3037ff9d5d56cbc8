//! Elements as XML text: no white space that nobody asked for, and the same bytes every time.

use alloc::{string::String, vec::Vec};

use super::{EncodeError, Message, SYNCML_1_1, SYNCML_1_2, prologue::DECLARATION};
use crate::wire::{
    Data, Page, Tag,
    chars::{any, first_bad},
    write::Sink,
};

/// Writes one document.
pub(super) struct XmlSink {
    text: String,
    open: Vec<Tag>,
    root_namespace: &'static str,
}

impl XmlSink {
    pub(super) fn new(message: &Message) -> Self {
        // A header and an ordinary command take about so much; payloads make the buffer grow.
        let mut text = String::with_capacity(1024 + 256 * message.commands.len());
        text.push_str(DECLARATION);
        let root_namespace = if message.header.ver_dtd == "1.1" { SYNCML_1_1 } else { SYNCML_1_2 };
        Self { text, open: Vec::with_capacity(8), root_namespace }
    }

    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.text.into_bytes()
    }

    /// Writes a start tag, which declares the default namespace where that changes.
    fn start(&mut self, tag: Tag) {
        match (self.open.last().map(|parent| parent.page()), tag.page()) {
            (Some(outer), inner) if outer == inner => self.text.push_str(tag.start_tag()),
            (_, Page::MetInf) => self.text.push_str(tag.start_tag_in_metinf()),
            (_, Page::SyncMl) => {
                for piece in ["<", tag.name(), " xmlns=\"", self.root_namespace, "\">"] {
                    self.text.push_str(piece);
                }
            }
        }
    }

    /// Writes text into this element.
    fn escaped(&mut self, here: Tag, text: &str) -> Result<(), EncodeError> {
        if core_kit::planted!("D12-space-added") {
            self.text.push(' ');
        }
        if is_plain(text) {
            self.text.push_str(text);
            return Ok(());
        }
        if first_bad(text).is_some() {
            return Err(EncodeError::BadCharacter(here));
        }
        let mut rest = text;
        while let Some((at, byte)) = rest.bytes().enumerate().find(|(_, c)| matches!(c, b'&' | b'<' | b'>' | b'\r')) {
            let (plain, special) = rest.split_at_checked(at).unwrap_or_default();
            self.text.push_str(plain);
            self.text.push_str(match byte {
                b'&' => "&amp;",
                b'<' if core_kit::planted!("D12-not-escaped") => "<",
                b'<' => "&lt;",
                b'>' => "&gt;",
                // As itself it would be read as a line feed.
                _ => "&#13;",
            });
            rest = special.get(1..).unwrap_or_default();
        }
        self.text.push_str(rest);
        Ok(())
    }

    /// The innermost element.
    fn here(&self) -> Tag {
        self.open.last().copied().unwrap_or(Tag::SyncMl)
    }
}

impl Sink for XmlSink {
    fn open(&mut self, tag: Tag) {
        self.start(tag);
        self.open.push(tag);
    }

    fn close(&mut self) {
        if let Some(tag) = self.open.pop() {
            self.text.push_str(tag.end_tag());
        }
    }

    fn empty(&mut self, tag: Tag) {
        self.start(tag);
        // The bracket is of one octet, and the slash goes before it.
        self.text.pop();
        self.text.push_str("/>");
    }

    fn text(&mut self, text: &str) -> Result<(), EncodeError> {
        self.escaped(self.here(), text)
    }

    fn leaf(&mut self, tag: Tag, text: &str) -> Result<(), EncodeError> {
        self.start(tag);
        self.escaped(tag, text)?;
        self.text.push_str(tag.end_tag());
        Ok(())
    }

    fn data(&mut self, data: &Data) -> Result<(), EncodeError> {
        match data {
            Data::Text(text) => self.text(text),
            Data::Opaque(_) => Err(EncodeError::Opaque(self.here())),
        }
    }
}

/// Whether there is nothing in a text that is to be escaped or may be refused, and no line end either, as in most.
fn is_plain(text: &str) -> bool {
    !any(text.as_bytes(), |octets| {
        let brackets = octets.with(b'<' ^ b'>').same(b'>');
        // 0xEF leads the characters that XML does not have, beside the control characters.
        octets.below(b' ').or(octets.same(b'&')).or(brackets).or(octets.same(0xEF))
    })
}
