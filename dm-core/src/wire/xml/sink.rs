//! Elements as XML text: no white space that nobody asked for, and the same bytes every time.

use alloc::{string::String, vec::Vec};

use super::{EncodeError, METINF, Message, SYNCML_1_1, SYNCML_1_2, prologue::DECLARATION};
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
        text.push_str(DECLARATION);
        let root_namespace = if message.header.ver_dtd == "1.1" { SYNCML_1_1 } else { SYNCML_1_2 };
        Self { text, open: Vec::with_capacity(8), root_namespace }
    }

    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.text.into_bytes()
    }

    /// The namespace that a start tag here declares as the default one: there where it changes.
    fn declared(&self, tag: Tag) -> Option<&'static str> {
        match (self.open.last().map(|parent| parent.page()), tag.page()) {
            (Some(outer), inner) if outer == inner => None,
            (_, Page::SyncMl) => Some(self.root_namespace),
            (_, Page::MetInf) => Some(METINF),
        }
    }

    /// Writes a start tag from its pieces.
    fn begin(&mut self, tag: Tag, namespace: Option<&str>, end: &str) {
        self.text.push('<');
        self.text.push_str(tag.name());
        for piece in namespace.into_iter().flat_map(|namespace| [" xmlns=\"", namespace, "\""]) {
            self.text.push_str(piece);
        }
        self.text.push_str(end);
    }
}

impl Sink for XmlSink {
    fn open(&mut self, tag: Tag) {
        match self.declared(tag) {
            None => self.text.push_str(tag.start_tag()),
            Some(namespace) => self.begin(tag, Some(namespace), ">"),
        }
        self.open.push(tag);
    }

    fn close(&mut self) {
        if let Some(tag) = self.open.pop() {
            self.text.push_str(tag.end_tag());
        }
    }

    fn empty(&mut self, tag: Tag) {
        self.begin(tag, self.declared(tag), "/>");
    }

    fn text(&mut self, text: &str) -> Result<(), EncodeError> {
        let here = self.open.last().copied().unwrap_or(Tag::SyncMl);
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

    fn data(&mut self, data: &Data) -> Result<(), EncodeError> {
        match data {
            Data::Text(text) => self.text(text),
            Data::Opaque(_) => Err(EncodeError::Opaque(self.open.last().copied().unwrap_or(Tag::SyncMl))),
        }
    }
}

/// Whether there is nothing in a text that is to be escaped or may be refused, as in most.
fn is_plain(text: &str) -> bool {
    // 0xEF leads the characters that XML does not have, beside the control characters.
    let is_special = |byte: u8| {
        (byte < b' ' && byte != b'\t' && byte != b'\n') || matches!(byte, b'&' | b'<' | b'>') || byte == 0xEF
    };
    // Without a branch within a block, as `first_bad` does it.
    text.as_bytes().chunks(64).all(|block| !block.iter().fold(false, |any, byte| any | is_special(*byte)))
}
