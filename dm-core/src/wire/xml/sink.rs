//! Elements as XML text: no white space that nobody asked for, and the same bytes every time.

use alloc::{string::String, vec::Vec};

use super::{EncodeError, METINF, Message, SYNCML_1_1, SYNCML_1_2};
use crate::wire::{Data, Page, Tag, chars::first_bad, write::Sink};

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
        text.push_str(r#"<?xml version="1.0" encoding="UTF-8"?>"#);
        let root_namespace = if message.header.ver_dtd == "1.1" { SYNCML_1_1 } else { SYNCML_1_2 };
        Self { text, open: Vec::with_capacity(8), root_namespace }
    }

    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.text.into_bytes()
    }

    /// Writes a start tag up to its end. It declares the default namespace where that changes.
    fn begin(&mut self, tag: Tag) {
        self.text.push('<');
        self.text.push_str(tag.name());
        let namespace = match (self.open.last().map(|parent| parent.page()), tag.page()) {
            (Some(outer), inner) if outer == inner => return,
            (_, Page::SyncMl) => self.root_namespace,
            (_, Page::MetInf) => METINF,
        };
        for piece in [" xmlns=\"", namespace, "\""] {
            self.text.push_str(piece);
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
            for piece in ["</", tag.name(), ">"] {
                self.text.push_str(piece);
            }
        }
    }

    fn empty(&mut self, tag: Tag) {
        self.begin(tag);
        self.text.push_str("/>");
    }

    fn text(&mut self, text: &str) -> Result<(), EncodeError> {
        let here = self.open.last().copied().unwrap_or(Tag::SyncMl);
        if core_kit::planted!("D12-space-added") {
            self.text.push(' ');
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

    fn data(&mut self, data: &Data) -> Result<(), EncodeError> {
        match data {
            Data::Text(text) => self.text(text),
            Data::Opaque(_) => Err(EncodeError::Opaque(self.open.last().copied().unwrap_or(Tag::SyncMl))),
        }
    }
}
