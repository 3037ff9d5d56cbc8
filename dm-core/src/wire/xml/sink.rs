//! Elements as XML text: no white space that nobody asked for, and the same bytes every time.

use alloc::vec::Vec;

use super::{EncodeError, Message, SYNCML_1_1, SYNCML_1_2, prologue::DECLARATION};
use crate::{
    decimal::Decimal,
    wire::{
        Data, Padded, Page, Tag,
        chars::{Eight, Marks, any, first_bad},
        write::Sink,
    },
};

/// How a start tag goes on and ends that makes the namespace of MetInf the default one.
const METINF_DECLARED: &[u8; 23] = br#" xmlns="syncml:metinf">"#;

/// Writes one document.
pub(super) struct XmlSink {
    bytes: Vec<u8>,
    /// The default namespace inside the innermost element; nothing before the root.
    inside: Option<Page>,
    root_namespace: &'static str,
}

impl XmlSink {
    pub(super) fn new(message: &Message) -> Self {
        // A header and an ordinary command take about so much; payloads make the buffer grow.
        let mut bytes = Vec::with_capacity(1024 + 256 * message.commands.len());
        bytes.extend_from_slice(DECLARATION.as_bytes());
        let root_namespace = if message.header.ver_dtd == "1.1" { SYNCML_1_1 } else { SYNCML_1_2 };
        Self { bytes, inside: None, root_namespace }
    }

    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// Writes a start tag, which declares the default namespace where that changes.
    #[inline]
    fn start(&mut self, tag: Tag) {
        self.tag(tag.start_tag());
        if self.inside != Some(tag.page()) {
            self.declare(tag);
        }
    }

    /// Writes a tag: all that there is room for in its place, of which what follows it is taken back. A copy of known
    /// size needs no call.
    #[inline]
    fn tag(&mut self, tag: &Padded) {
        let end = self.bytes.len() + tag.bytes;
        self.bytes.extend_from_slice(&tag.octets);
        self.bytes.truncate(end);
    }

    /// Makes the start tag that was just written declare the namespace of its element.
    fn declare(&mut self, tag: Tag) {
        self.bytes.pop();
        match tag.page() {
            Page::MetInf => self.bytes.extend_from_slice(METINF_DECLARED),
            Page::SyncMl => {
                for piece in [" xmlns=\"", self.root_namespace, "\">"] {
                    self.bytes.extend_from_slice(piece.as_bytes());
                }
            }
        }
    }

    /// Writes an element with text and nothing else.
    #[inline]
    fn element(&mut self, tag: Tag, text: &str) -> Result<(), EncodeError> {
        self.start(tag);
        if core_kit::planted!("D12-space-added") {
            self.bytes.push(b' ');
        }
        if !self.plain(text.as_bytes()) {
            self.escaped(tag, text)?;
        }
        self.tag(tag.end_tag());
        Ok(())
    }

    /// Writes text if it is of ASCII, with nothing in it that is to be escaped or may be refused, and no line end either,
    /// as most are. Otherwise nothing is written.
    #[inline]
    fn plain(&mut self, text: &[u8]) -> bool {
        /// What is longer is looked at first and then copied, which is a call for each but less for an octet.
        const SHORT: usize = 64;
        let begin = self.bytes.len();
        let Some(last) = text.last_chunk() else {
            let are_plain = text.iter().all(|octet| {
                self.bytes.push(*octet);
                special(Eight::new([*octet; 8])).is_empty()
            });
            if !are_plain {
                self.bytes.truncate(begin);
            }
            return are_plain;
        };
        if text.len() > SHORT {
            let is_plain = !any(text, special);
            if is_plain {
                self.bytes.extend_from_slice(text);
            }
            return is_plain;
        }
        let (blocks, rest) = text.as_chunks();
        let are_plain = blocks.iter().all(|block| {
            self.bytes.extend_from_slice(block);
            special(Eight::new(*block)).is_empty()
        });
        if !are_plain || !special(Eight::new(*last)).is_empty() {
            self.bytes.truncate(begin);
            return false;
        }
        if !rest.is_empty() {
            // The last eight octets, of which some are there already.
            self.bytes.truncate(begin + text.len() - last.len());
            self.bytes.extend_from_slice(last);
        }
        true
    }

    /// Writes the text of this element.
    #[cold]
    fn escaped(&mut self, here: Tag, text: &str) -> Result<(), EncodeError> {
        if first_bad(text).is_some() {
            return Err(EncodeError::BadCharacter(here));
        }
        for octet in text.bytes() {
            match octet {
                b'&' => self.bytes.extend_from_slice(b"&amp;"),
                b'<' if core_kit::planted!("D12-not-escaped") => self.bytes.push(b'<'),
                b'<' => self.bytes.extend_from_slice(b"&lt;"),
                b'>' => self.bytes.extend_from_slice(b"&gt;"),
                // As itself it would be read as a line feed.
                b'\r' => self.bytes.extend_from_slice(b"&#13;"),
                _ => self.bytes.push(octet),
            }
        }
        Ok(())
    }
}

impl Sink for XmlSink {
    fn open(&mut self, tag: Tag) {
        self.start(tag);
        self.inside = Some(tag.page());
    }

    fn close(&mut self, tag: Tag) {
        self.tag(tag.end_tag());
        // Elements of MetInf are in `Meta` or in one that is, and none of the latter has content that has content.
        self.inside = Some(Page::SyncMl);
    }

    fn empty(&mut self, tag: Tag) {
        self.start(tag);
        // The bracket is of one octet, and the slash goes before it.
        self.bytes.pop();
        self.bytes.extend_from_slice(b"/>");
    }

    fn leaf(&mut self, tag: Tag, text: &str) -> Result<(), EncodeError> {
        self.element(tag, text)
    }

    fn number(&mut self, tag: Tag, number: u64) -> Result<(), EncodeError> {
        if core_kit::planted!("D12-space-added") {
            return self.element(tag, Decimal::new(number).as_str());
        }
        self.start(tag);
        for digit in Decimal::new(number).as_bytes() {
            self.bytes.push(*digit);
        }
        self.tag(tag.end_tag());
        Ok(())
    }

    fn data(&mut self, data: &Data) -> Result<(), EncodeError> {
        match data {
            Data::Text(text) => self.element(Tag::Data, text),
            Data::Opaque(_) => Err(EncodeError::Opaque(Tag::Data)),
        }
    }
}

/// The octets that are not of ASCII, are to be escaped, or may be refused.
fn special(octets: Eight) -> Marks {
    let brackets = octets.with(b'<' ^ b'>').same(b'>');
    octets.below(b' ').or(octets.beyond_ascii()).or(octets.same(b'&')).or(brackets)
}
