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
const METINF_DECLARED: &[u8; 23] = br#" xmlns="syncml:metinf">"#;
const SYNCML_DECLARED: &[u8; 26] = br#" xmlns="SYNCML:SYNCML1.2">"#;

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

/// A tag of a known element, as [`Lexer::known`] finds it.
pub(super) enum Known {
    /// A start tag with a name and nothing else.
    Plain(Tag),
    /// A start tag with something behind the name.
    Start(Tag, TagEnd),
    End,
}

/// What follows the name in the start tag of a known element.
#[derive(Clone, Copy)]
pub(super) enum TagEnd {
    /// A declaration that makes the namespace of this vocabulary the default one.
    Declares(Page),
    /// The slash of an element that ends at once.
    Empty,
}

/// Reads tokens, from the root on.
pub(crate) struct Lexer<'a> {
    /// From the root to the end, or to the first octet that is not text.
    text: &'a str,
    /// The elements that are open, by the name of a known one without a prefix; nothing where it was read otherwise.
    open: Vec<Option<Tag>>,
    /// The names of the latter, as they are written.
    names: Vec<&'a str>,
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
            open: Vec::with_capacity(16),
            names: Vec::new(),
            after_text,
            base: if bytes.starts_with(BYTE_ORDER_MARK) { BYTE_ORDER_MARK.len() } else { 0 } + text.len() - root.len(),
            at: 0,
            next: 0,
            has_returns: memchr(b'\r', root.as_bytes()).is_some(),
            tag_bytes_max,
            doctypes: prologue.doctypes,
        };
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
    #[expect(
        clippy::inline_always,
        reason = "a call costs a fifth of what it does, and it is for every tag of a message"
    )]
    #[inline(always)]
    pub(super) fn known(&mut self) -> Option<Known> {
        let rest = self.text.as_bytes().get(self.next..)?;
        let [b'<', tag @ ..] = rest else { return None };
        if let [b'/', ..] = tag {
            let bytes = self.known_end(rest)?;
            self.at = self.next;
            self.next += bytes;
            self.open.pop();
            return Some(Known::End);
        }
        let (known, name_bytes) = Tag::leading(tag)?;
        let behind = tag.get(name_bytes..)?;
        let [b'>', ..] = behind else { return self.known_start(known, name_bytes, behind) };
        let bytes = name_bytes + 2;
        if bytes > self.tag_bytes_max {
            return None;
        }
        self.at = self.next;
        self.next += bytes;
        self.open.push(Some(known));
        Some(Known::Plain(known))
    }

    /// The start tag of a known element with a name of so many octets, if what is behind that is usual.
    #[inline(never)]
    fn known_start(&mut self, known: Tag, name_bytes: usize, behind: &[u8]) -> Option<Known> {
        let (end, end_bytes) = if behind.first_chunk() == Some(METINF_DECLARED) {
            (TagEnd::Declares(Page::MetInf), METINF_DECLARED.len())
        } else if behind.first_chunk() == Some(SYNCML_DECLARED) {
            (TagEnd::Declares(Page::SyncMl), SYNCML_DECLARED.len())
        } else if let [b'/', b'>', ..] = behind {
            (TagEnd::Empty, 2)
        } else {
            return None;
        };
        let bytes = 1 + name_bytes + end_bytes;
        if bytes > self.tag_bytes_max {
            return None;
        }
        self.at = self.next;
        self.next += bytes;
        if !matches!(end, TagEnd::Empty) {
            self.open.push(Some(known));
        }
        Some(Known::Start(known, end))
    }

    /// How long the end tag of the innermost element is, if it is a known one and the rest begins with it.
    #[inline]
    fn known_end(&self, rest: &[u8]) -> Option<usize> {
        let bytes = (*self.open.last()?)?.end_tag().leads(rest)?;
        (bytes <= self.tag_bytes_max).then_some(bytes)
    }

    /// The text of the innermost element up to its end tag, if these are all that comes next: most elements have nothing
    /// else. Nothing is read otherwise.
    #[inline]
    pub(super) fn text_and_end(&mut self) -> Option<&'a str> {
        let rest = self.text.as_bytes().get(self.next..)?;
        let bytes = text_bytes(rest);
        let end_bytes = self.known_end(rest.get(bytes..)?)?;
        let end = self.next + bytes;
        let text = self.text.get(self.next..end)?;
        if self.has_returns && text.contains('\r') {
            return None;
        }
        self.at = end;
        self.next = end + end_bytes;
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
        self.open.push(None);
        self.names.push(tag.split(is_space).next().unwrap_or_default());
        Ok(Token::Start { tag, is_empty: false })
    }

    fn end_tag(&mut self, rest: &'a str) -> Result<Token<'a>, Kind> {
        let name = match self.open.pop() {
            Some(Some(tag)) => Some(tag.name()),
            Some(None) => self.names.pop(),
            None => None,
        };
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
        let mut reader = Reader::from_str(rest);
        reader.config_mut().check_comments = true;
        // Only its kind counts. What is written is in the text, where it is known to be valid.
        let event = reader.read_event();
        let bytes = usize::try_from(reader.buffer_position()).unwrap_or(usize::MAX);
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
