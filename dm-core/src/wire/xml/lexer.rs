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
            let event = self.reader.read_event().map_err(|error| self.refusal(&error))?;
            let written = self.text.get(self.at..self.position()).unwrap_or_default();
            if matches!(event, Event::Start(_) | Event::Empty(_) | Event::End(_)) && written.len() > self.tag_bytes_max
            {
                return Err(Kind::TagTooLong);
            }
            return Ok(match event {
                Event::Comment(_) => continue,
                Event::Start(_) => Token::Start { tag: within(written, "<", ">"), is_empty: false },
                Event::Empty(_) => Token::Start { tag: within(written, "<", "/>"), is_empty: true },
                Event::End(_) => Token::End,
                Event::Text(_) => Token::Text(written),
                Event::CData(_) => Token::Text(within(written, "<![CDATA[", "]]>")),
                Event::GeneralRef(name) => Token::Char(referenced(&name)?),
                Event::PI(_) => return Err(Kind::ProcessingInstruction),
                Event::Decl(_) | Event::DocType(_) => return Err(Kind::NotWellFormed),
                Event::Eof => return Err(self.end()),
            });
        }
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

/// What stands between a beginning and an end.
fn within<'a>(written: &'a str, begin: &str, end: &str) -> &'a str {
    written.strip_prefix(begin).and_then(|rest| rest.strip_suffix(end)).unwrap_or_default()
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
