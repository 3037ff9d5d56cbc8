//! Elements as WBXML: inline strings, no string table, and the same bytes every time.

use alloc::vec::Vec;

use super::{EncodeError, Message, SYNCML_1_1, SYNCML_1_2, UTF_8, global, number_of, octets::push_number};
use crate::wire::{Data, Page, Tag, chars::first_bad, write::Sink};

/// WBXML 1.2.
const VERSION: u8 = 0x02;

/// Writes one document.
pub(super) struct WbxmlSink {
    bytes: Vec<u8>,
    page: Page,
    /// Where the token of the innermost element is, as long as that has no content.
    without_content: Option<usize>,
}

impl WbxmlSink {
    pub(super) fn new(message: &Message) -> Self {
        // A header and an ordinary command take about so much; payloads make the buffer grow.
        let mut bytes = Vec::with_capacity(512 + 128 * message.commands.len());
        bytes.push(VERSION);
        let public_id = if message.header.ver_dtd == "1.1" { SYNCML_1_1 } else { SYNCML_1_2 };
        for number in [public_id, UTF_8, 0] {
            push_number(&mut bytes, number);
        }
        Self { bytes, page: Page::SyncMl, without_content: None }
    }

    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// To be called before anything goes into the innermost element.
    fn content(&mut self) {
        if let Some(token) = self.without_content.take().and_then(|at| self.bytes.get_mut(at)) {
            *token |= global::HAS_CONTENT;
        }
    }

    fn string(&mut self, text: &str) {
        // An element without content is read as one with empty text.
        if !text.is_empty() {
            self.content();
            self.bytes.push(global::STR_I);
            self.bytes.extend_from_slice(text.as_bytes());
            self.bytes.push(0);
        }
    }
}

impl Sink for WbxmlSink {
    fn open(&mut self, tag: Tag) {
        self.content();
        if self.page != tag.page() {
            self.page = tag.page();
            self.bytes.extend_from_slice(&[global::SWITCH_PAGE, number_of(self.page)]);
        }
        self.without_content = Some(self.bytes.len());
        self.bytes.push(tag.token());
    }

    fn close(&mut self, _: Tag) {
        if self.without_content.take().is_none() {
            self.bytes.push(global::END);
        }
    }

    fn empty(&mut self, tag: Tag) {
        self.open(tag);
        self.close(tag);
    }

    fn leaf(&mut self, tag: Tag, text: &str) -> Result<(), EncodeError> {
        if first_bad(text).is_some() {
            return Err(EncodeError::BadCharacter(tag));
        }
        self.open(tag);
        self.string(text);
        self.close(tag);
        Ok(())
    }

    fn data(&mut self, data: &Data) -> Result<(), EncodeError> {
        self.open(Tag::Data);
        match data {
            Data::Text(text) if first_bad(text).is_none() => self.string(text),
            // A NUL would end an inline string, and the others no reader of XML takes as text.
            Data::Text(_) | Data::Opaque(_) => {
                let octets = data.as_bytes();
                let length = u32::try_from(octets.len()).map_err(|_| EncodeError::TooLong(Tag::Data))?;
                self.content();
                self.bytes.push(global::OPAQUE);
                push_number(&mut self.bytes, length);
                self.bytes.extend_from_slice(octets);
            }
        }
        self.close(Tag::Data);
        Ok(())
    }
}
