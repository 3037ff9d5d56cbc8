//! The tokens of an XML document, of whatever type it is.
//!
//! Tags and text, which are nearly all of a message, are found here: without what a general reader does for each of them
//! a decode takes three tenths less time. quick-xml finds what is rare: references, comments and sections. Either says
//! where a token is, refuses what no document here may have, and tells an early end from a fault.

use alloc::vec::Vec;

use memchr::{memchr, memchr2};
use quick_xml::{Reader, errors::IllFormedError, events::Event};

use super::{Kind, chars::referenced, prologue::Prologue};
use crate::wire::{
    Page, Tag,
    chars::{Eight, first_bad},
    source::is_space,
};

/// How a start tag goes on and ends that declares the default namespace, as nearly all peers write it.
const METINF_DECLARED: &[u8] = br#" xmlns="syncml:metinf">"#;
const SYNCML_DECLARED: &[u8] = br#" xmlns="SYNCML:SYNCML1.2">"#;

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

/// An element that is open.
enum Open<'a> {
    /// By the name of a known element, without a prefix.
    Known(Tag),
    /// By the name that is written.
    Other(&'a str),
}

/// A tag of a known element, as [`Lexer::known`] finds it.
pub(super) enum Known {
    Start { tag: Tag, end: TagEnd },
    End,
}

/// What follows the name in the start tag of a known element.
#[derive(Clone, Copy)]
pub(super) enum TagEnd {
    /// Nothing.
    Plain,
    /// A declaration that makes the namespace of this vocabulary the default one.
    Declares(Page),
    /// The slash of an element that ends at once.
    Empty,
}

/// Reads tokens, from the root on.
pub(crate) struct Lexer<'a> {
    /// From the root to the end, or to the first octet that is not text.
    text: &'a str,
    /// Reads what is rare in the text, from wherever it is set to.
    reader: Reader<&'a [u8]>,
    /// The elements that are open.
    open: Vec<Open<'a>>,
    /// What is wrong with the octet after the text, where there is one.
    after_text: Option<Kind>,
    /// Where the text begins in the document.
    base: usize,
    /// Where the last token begins in the text.
    at: usize,
    /// Where the next one begins.
    next: usize,
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
            text: root,
            reader: Reader::from_str(root),
            open: Vec::with_capacity(16),
            after_text,
            base: if bytes.starts_with(BYTE_ORDER_MARK) { BYTE_ORDER_MARK.len() } else { 0 } + text.len() - root.len(),
            at: 0,
            next: 0,
            has_returns: memchr(b'\r', root.as_bytes()).is_some(),
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
    pub(super) const fn position(&self) -> usize {
        self.next
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
            quick_xml::Error::IllFormed(IllFormedError::UnclosedReference) => self.next == self.text.len(),
            _ => false,
        };
        if is_cut_short { self.end() } else { Kind::NotWellFormed }
    }

    /// The tag of a known element, without a prefix and without attributes that are not usual, if it is what comes next:
    /// nearly every tag of a message. Nothing is read otherwise.
    #[inline]
    pub(super) fn known(&mut self) -> Option<Known> {
        let tag = self.text.as_bytes().get(self.next..)?.strip_prefix(b"<")?;
        if let Some(name) = tag.strip_prefix(b"/") {
            let bytes = self.known_end(name)?;
            self.at = self.next;
            self.next = self.at.saturating_add(bytes);
            self.open.pop();
            return Some(Known::End);
        }
        let (known, name_bytes) = Tag::leading(tag)?;
        let behind = tag.get(name_bytes..)?;
        let (end, end_bytes) = match behind {
            [b'>', ..] => (TagEnd::Plain, 1),
            [b'/', b'>', ..] => (TagEnd::Empty, 2),
            _ if behind.starts_with(METINF_DECLARED) => (TagEnd::Declares(Page::MetInf), METINF_DECLARED.len()),
            _ if behind.starts_with(SYNCML_DECLARED) => (TagEnd::Declares(Page::SyncMl), SYNCML_DECLARED.len()),
            _ => return None,
        };
        let bytes = 1 + name_bytes + end_bytes;
        if bytes > self.tag_bytes_max {
            return None;
        }
        self.at = self.next;
        self.next = self.at.saturating_add(bytes);
        if !matches!(end, TagEnd::Empty) {
            self.open.push(Open::Known(known));
        }
        Some(Known::Start { tag: known, end })
    }

    /// How long the end tag of the innermost element is, if it is a known one and this is what is behind its `</`.
    #[inline]
    fn known_end(&self, name: &[u8]) -> Option<usize> {
        let Some(Open::Known(tag)) = self.open.last() else { return None };
        let name_bytes = tag.leads(name)?;
        let bytes = name_bytes + 3;
        (name.get(name_bytes) == Some(&b'>') && bytes <= self.tag_bytes_max).then_some(bytes)
    }

    /// The text of the innermost element up to its end tag, if these are all that comes next: most elements have nothing
    /// else. Nothing is read otherwise.
    #[inline]
    pub(super) fn text_and_end(&mut self) -> Option<&'a str> {
        let rest = self.text.get(self.next..)?;
        let (text, end) = rest.split_at_checked(text_bytes(rest.as_bytes()))?;
        let end_bytes = self.known_end(end.as_bytes().strip_prefix(b"</")?)?;
        if self.has_returns && text.contains('\r') {
            return None;
        }
        self.at = self.next.saturating_add(text.len());
        self.next = self.at.saturating_add(end_bytes);
        self.open.pop();
        Some(text)
    }

    /// The next token. At the end of the document there is none: it is [`Kind::Truncated`].
    pub(crate) fn next(&mut self) -> Result<Token<'a>, Kind> {
        loop {
            self.at = self.next;
            let rest = self.text.get(self.at..).unwrap_or_default();
            return match rest.as_bytes() {
                [] => Err(self.end()),
                [b'<', b'/', ..] => self.end_tag(rest),
                [b'<', b'!' | b'?', ..] | [b'&', ..] => match self.rare(rest)? {
                    Some(token) => Ok(token),
                    None => continue,
                },
                [b'<', ..] => self.start_tag(rest),
                _ => Ok(Token::Text(self.take(rest, text_bytes(rest.as_bytes())))),
            };
        }
    }

    /// The beginning of the rest, which the last token then is.
    fn take(&mut self, rest: &'a str, bytes: usize) -> &'a str {
        self.next = self.at.saturating_add(bytes);
        rest.get(..bytes).unwrap_or_default()
    }

    fn start_tag(&mut self, rest: &'a str) -> Result<Token<'a>, Kind> {
        let tag = self.tag(rest)?;
        let inner = tag.strip_prefix('<').unwrap_or_default();
        if let Some(tag) = inner.strip_suffix("/>") {
            return Ok(Token::Start { tag, is_empty: true });
        }
        let tag = inner.strip_suffix('>').unwrap_or_default();
        self.open.push(Open::Other(tag.split(is_space).next().unwrap_or_default()));
        Ok(Token::Start { tag, is_empty: false })
    }

    fn end_tag(&mut self, rest: &'a str) -> Result<Token<'a>, Kind> {
        let open = self.open.pop();
        let name = open.map(|open| match open {
            Open::Known(tag) => tag.name(),
            Open::Other(name) => name,
        });
        let tag = self.tag(rest)?;
        // What is written behind the name is white space [XML 1.0, 42].
        let after_name = name.and_then(|name| tag.strip_prefix("</")?.strip_prefix(name)?.strip_suffix('>'));
        if after_name.is_some_and(|after| after.chars().all(is_space)) {
            Ok(Token::End)
        } else {
            Err(Kind::NotWellFormed)
        }
    }

    /// The tag that the rest begins with, if it is within the limit.
    fn tag(&mut self, rest: &'a str) -> Result<&'a str, Kind> {
        let Some(bytes) = tag_bytes(rest.as_bytes()) else { return Err(self.end()) };
        let tag = self.take(rest, bytes);
        if bytes > self.tag_bytes_max { Err(Kind::TagTooLong) } else { Ok(tag) }
    }

    /// What the rest begins with: a reference, or markup that is no tag. A comment is nothing.
    fn rare(&mut self, rest: &'a str) -> Result<Option<Token<'a>>, Kind> {
        *self.reader.get_mut() = rest.as_bytes();
        let before = self.reader.buffer_position();
        // Only its kind counts. What is written is in the text, where it is known to be valid.
        let event = self.reader.read_event();
        let bytes = usize::try_from(self.reader.buffer_position().saturating_sub(before)).unwrap_or(usize::MAX);
        let written = self.take(rest, bytes);
        match event {
            Ok(Event::CData(_)) => {
                let text = written.strip_prefix("<![CDATA[").and_then(|text| text.strip_suffix("]]>"));
                Ok(Some(Token::Text(text.unwrap_or_default())))
            }
            Ok(Event::GeneralRef(name)) => referenced(&name).map(|c| Some(Token::Char(c))),
            Ok(Event::Comment(_)) => Ok(None),
            Ok(Event::PI(_)) => Err(Kind::ProcessingInstruction),
            Ok(_) => Err(Kind::NotWellFormed),
            Err(error) => Err(self.refusal(&error)),
        }
    }

    /// Checks that nothing but space and comments follows the root, which is closed.
    pub(crate) fn finish(&mut self) -> Result<(), Kind> {
        let mut rest = Prologue::new(self.text.get(self.next..).unwrap_or_default());
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

/// How long the text is up to the first `<` or `&`.
#[inline]
fn text_bytes(text: &[u8]) -> usize {
    /// What is longer than so many blocks is searched by what has more to do before it begins.
    const SHORT: usize = 4;
    let (blocks, _) = text.as_chunks();
    for (at, block) in blocks.iter().take(SHORT).enumerate() {
        let octets = Eight::new(*block);
        if let Some(found) = octets.same(b'<').or(octets.same(b'&')).first() {
            return 8 * at + found;
        }
    }
    memchr2(b'<', b'&', text).unwrap_or(text.len())
}

/// How long the tag is that the text begins with, if it ends: a `>` in quotes does not end it.
fn tag_bytes(text: &[u8]) -> Option<usize> {
    let mut quote = None;
    let ends = |byte: &u8| {
        match (quote, *byte) {
            (None, b'>') => return true,
            (None, b'"' | b'\'') => quote = Some(*byte),
            (Some(open), byte) if byte == open => quote = None,
            _ => {}
        }
        false
    };
    text.iter().position(ends).map(|at| at.saturating_add(1))
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

#[cfg(test)]
mod tests;
