//! The tokens of an XML document, of whatever type it is.
//!
//! quick-xml finds tags and text; this says where each is, refuses what no document here may have, and tells an early
//! end from a fault.

use quick_xml::{Reader, errors::IllFormedError, events::Event};

use super::{Kind, chars::referenced, prologue::Prologue};
use crate::wire::chars::first_bad;

const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// What a document is made of.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Token<'a> {
    /// An element begins. One that is empty has no [`Token::End`].
    Start {
        /// Its name and attributes, as they are written.
        tag: &'a str,
        /// Whether it ends at once.
        is_empty: bool,
    },
    /// The innermost element ends.
    End,
    /// Text as it is written, without references.
    Text(&'a str),
    /// One character that was written by name or number.
    Char(char),
}

/// Reads tokens, from the root on.
pub(crate) struct Lexer<'a> {
    reader: Reader<&'a [u8]>,
    /// What the reader reads: from the root to the end, or to the first octet that is not text.
    text: &'a str,
    /// What is wrong with the octet after the text, where there is one.
    after_text: Option<Kind>,
    /// Where the text begins in the document.
    base: usize,
    /// Where the last token begins in the text.
    at: usize,
    /// Whether there is a carriage return anywhere in the text.
    has_returns: bool,
    tag_bytes_max: usize,
    doctypes: u32,
}

impl<'a> Lexer<'a> {
    /// Passes over everything before the root. An error comes with its place.
    pub(crate) fn new(bytes: &'a [u8], tag_bytes_max: usize) -> Result<Self, (Kind, usize)> {
        let (text, after_text) = valid_text(bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(bytes));
        let mut prologue = Prologue::new(text);
        let passed = prologue.pass();
        let root = prologue.rest;
        let mut lexer = Self {
            reader: Reader::from_str(root),
            text: root,
            after_text,
            base: if bytes.starts_with(BYTE_ORDER_MARK) { BYTE_ORDER_MARK.len() } else { 0 } + text.len() - root.len(),
            at: 0,
            has_returns: root.as_bytes().contains(&b'\r'),
            tag_bytes_max,
            doctypes: prologue.doctypes,
        };
        lexer.reader.config_mut().check_comments = true;
        match passed {
            Ok(()) => Ok(lexer),
            Err(Kind::Truncated) => {
                let kind = lexer.end();
                Err((kind, lexer.offset()))
            }
            Err(kind) => Err((kind, lexer.offset())),
        }
    }

    /// How many document types were passed over.
    pub(crate) fn doctypes(&self) -> u32 {
        self.doctypes
    }

    /// Where the last token begins in the document; after an error, where that is.
    pub(crate) fn offset(&self) -> usize {
        self.base + self.at
    }

    /// Whether there is a carriage return anywhere in the text.
    pub(super) const fn has_returns(&self) -> bool {
        self.has_returns
    }

    /// Where the next token begins in the text.
    pub(super) fn position(&self) -> usize {
        usize::try_from(self.reader.buffer_position()).unwrap_or(usize::MAX)
    }

    /// What is written from a position up to the last token.
    pub(super) fn written_since(&self, begin: usize) -> &'a str {
        self.text.get(begin..self.at).unwrap_or_default()
    }

    /// What is wrong where the text ends, which is too early.
    fn end(&mut self) -> Kind {
        self.at = self.text.len();
        self.after_text.unwrap_or(Kind::Truncated)
    }

    /// What is wrong where the reader refuses to go on.
    fn refusal(&mut self, error: &quick_xml::Error) -> Kind {
        let rest = self.text.get(self.at..).unwrap_or_default();
        let is_cut_short = match error {
            // The reader looks for the end of a tag or section up to the end of the text.
            quick_xml::Error::Syntax(_) if rest.starts_with("<!") => {
                ["<!--", "<![CDATA["].iter().any(|begin| begin.starts_with(rest) || rest.starts_with(begin))
            }
            quick_xml::Error::Syntax(_) => true,
            quick_xml::Error::IllFormed(IllFormedError::UnclosedReference) => self.position() == self.text.len(),
            _ => false,
        };
        if is_cut_short { self.end() } else { Kind::NotWellFormed }
    }

    /// The next token. At the end of the document there is none: it is [`Kind::Truncated`].
    pub(crate) fn next(&mut self) -> Result<Token<'a>, Kind> {
        loop {
            self.at = self.position();
            // Only its kind counts. What is written is in the text, where it is known to be valid.
            let event = self.reader.read_event();
            return match event {
                Ok(Event::Start(_)) => self.tag(">").map(|tag| Token::Start { tag, is_empty: false }),
                Ok(Event::Empty(_)) => self.tag("/>").map(|tag| Token::Start { tag, is_empty: true }),
                Ok(Event::End(_)) => self.tag(">").map(|_| Token::End),
                Ok(Event::Text(_)) => Ok(Token::Text(self.between("", ""))),
                Ok(Event::CData(_)) => Ok(Token::Text(self.between("<![CDATA[", "]]>"))),
                Ok(Event::GeneralRef(name)) => referenced(&name).map(Token::Char),
                Ok(Event::Comment(_)) => continue,
                Ok(Event::PI(_)) => Err(Kind::ProcessingInstruction),
                Ok(Event::Decl(_) | Event::DocType(_)) => Err(Kind::NotWellFormed),
                Ok(Event::Eof) => Err(self.end()),
                Err(error) => Err(self.refusal(&error)),
            };
        }
    }

    /// The last token without its angle brackets, if it is a tag within the limit.
    fn tag(&self, end: &str) -> Result<&'a str, Kind> {
        if self.position().saturating_sub(self.at) > self.tag_bytes_max {
            return Err(Kind::TagTooLong);
        }
        Ok(self.between("<", end))
    }

    /// What stands in the last token between a beginning and an end, which the reader has seen there.
    fn between(&self, begin: &str, end: &str) -> &'a str {
        let (from, to) = (self.at.saturating_add(begin.len()), self.position().saturating_sub(end.len()));
        self.text.get(from..to).unwrap_or_default()
    }

    /// Checks that nothing but space and comments follows the root, which is closed.
    pub(crate) fn finish(&mut self) -> Result<(), Kind> {
        let mut rest = Prologue::new(self.text.get(self.position()..).unwrap_or_default());
        let passed = rest.misc();
        self.at = self.text.len() - rest.rest.len();
        match passed {
            Err(Kind::Truncated) => Err(self.end()),
            Ok(()) if !rest.rest.is_empty() => Err(Kind::TrailingContent),
            Ok(()) if self.after_text.is_some() => Err(self.end()),
            passed => passed,
        }
    }
}

/// The longest beginning that is text XML can hold, and what is wrong with what follows it.
fn valid_text(bytes: &[u8]) -> (&str, Option<Kind>) {
    let (text, after_text) = match core::str::from_utf8(bytes) {
        Ok(text) => (text, None),
        Err(error) => {
            let text = bytes.get(..error.valid_up_to()).and_then(|valid| core::str::from_utf8(valid).ok());
            // A character that the end of the message cuts off is no lie about the character set.
            let kind = if error.error_len().is_some() { Kind::NotUtf8 } else { Kind::Truncated };
            (text.unwrap_or_default(), Some(kind))
        }
    };
    match first_bad(text).and_then(|at| text.get(..at)) {
        Some(good) => (good, Some(Kind::BadCharacter)),
        None => (text, after_text),
    }
}
