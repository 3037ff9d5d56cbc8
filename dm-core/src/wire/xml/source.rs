//! XML as a source of events.

use alloc::{borrow::Cow, vec::Vec};

use quick_xml::{Reader, errors::IllFormedError, events::Event as XmlEvent};

use super::{
    DecodeError, Kind,
    chars::{expanded, referenced, with_unix_line_ends},
    prologue::Prologue,
    start_tag::{Attributes, Namespaces, Space, qualified},
};
use crate::{
    limits::WireLimits,
    wire::{
        Data, Deviations, Page, Tag,
        chars::first_bad,
        source::{Event, Nesting, Source, is_space},
    },
};

const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// What the mapping wants to know of what comes. The rest is checked, and not looked at further.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wanted {
    All,
    /// Text, but no names: inside `Data`.
    Text,
    Nothing,
}

/// Reads one document.
pub(super) struct XmlSource<'a> {
    reader: Reader<&'a [u8]>,
    /// What the reader reads: from the root to the end, or to the first octet that is not text.
    text: &'a str,
    /// What is wrong with the octet after the text, where there is one.
    after_text: Option<Kind>,
    /// Where the text begins in the message.
    base: usize,
    /// Where the last event begins in the text.
    at: usize,
    /// Whether the last event opened an element that has no content and must be closed.
    is_empty: bool,
    wanted: Wanted,
    nesting: Nesting,
    namespaces: Namespaces<'a>,
    attributes: Vec<&'a str>,
    attributes_max: usize,
    tag_bytes_max: usize,
    deviations: Deviations,
}

impl<'a> XmlSource<'a> {
    /// Passes over everything before the root.
    pub(super) fn new(bytes: &'a [u8], limits: &WireLimits) -> Result<Self, DecodeError> {
        let (text, after_text) = valid_text(bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(bytes));
        let mut prologue = Prologue::new(text);
        let passed = prologue.pass();
        let root = prologue.rest;
        let mut source = Self {
            reader: Reader::from_str(root),
            text: root,
            after_text,
            base: if bytes.starts_with(BYTE_ORDER_MARK) { BYTE_ORDER_MARK.len() } else { 0 } + text.len() - root.len(),
            at: 0,
            is_empty: false,
            wanted: Wanted::All,
            nesting: Nesting::new(limits),
            namespaces: Namespaces::default(),
            attributes: Vec::new(),
            attributes_max: limits.attributes_max,
            tag_bytes_max: limits.tag_bytes_max,
            deviations: Deviations { doctypes: prologue.doctypes, ..Deviations::default() },
        };
        source.reader.config_mut().check_comments = true;
        match passed {
            Ok(()) => Ok(source),
            Err(kind) => {
                let kind = if kind == Kind::Truncated { source.end() } else { kind };
                Err(DecodeError { kind, offset: source.offset(), path: source.nesting.path(), header: None })
            }
        }
    }

    /// Where the reader is in the text.
    fn position(&self) -> usize {
        usize::try_from(self.reader.buffer_position()).unwrap_or(usize::MAX)
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

    /// Opens the element of this start tag.
    fn open(&mut self, tag: &'a str) -> Result<Option<Tag>, Kind> {
        self.nesting.enter()?;
        let tag = tag.strip_prefix('<').and_then(|tag| tag.strip_suffix('>')).unwrap_or(tag);
        let tag = if self.is_empty { tag.strip_suffix('/').unwrap_or(tag) } else { tag };
        let (name, attributes) = tag.split_at(tag.find(is_space).unwrap_or(tag.len()));
        let (prefix, local) = qualified(name).ok_or(Kind::NotWellFormed)?;
        self.read_attributes(attributes)?;
        if self.wanted != Wanted::All {
            return Ok(None);
        }
        let known = Tag::from_name(local).and_then(|tag| match self.namespaces.of(prefix) {
            Space::Of(page) if page == tag.page() => Some(tag),
            // No peer has its root there.
            Space::Of(Page::MetInf) if tag == Tag::SyncMl => None,
            Space::Of(_) | Space::None => {
                self.deviations.stray_namespaces = self.deviations.stray_namespaces.saturating_add(1);
                Some(tag)
            }
            Space::Foreign => None,
        });
        if let Some(tag) = known {
            self.nesting.name(tag);
        }
        Ok(known)
    }

    fn read_attributes(&mut self, attributes: &'a str) -> Result<(), Kind> {
        let depth = self.nesting.depth();
        self.namespaces.enter(depth);
        self.attributes.clear();
        for attribute in Attributes(attributes) {
            let (name, value) = attribute?;
            if self.attributes.len() >= self.attributes_max {
                return Err(Kind::TooManyAttributes);
            }
            let (prefix, local) = qualified(name).ok_or(Kind::NotWellFormed)?;
            if self.attributes.contains(&name) {
                return Err(Kind::NotWellFormed);
            }
            self.attributes.push(name);
            if self.wanted != Wanted::All {
                expanded(value)?;
            } else if !self.namespaces.declare(depth, prefix, local, value)? {
                expanded(value)?;
                self.deviations.foreign_attributes = self.deviations.foreign_attributes.saturating_add(1);
            }
        }
        Ok(())
    }

    /// What this text is to the mapping.
    fn content(&self, text: &'a str) -> Cow<'a, str> {
        if self.wanted == Wanted::Nothing { Cow::Borrowed("") } else { with_unix_line_ends(text) }
    }

    /// Goes on until the innermost element closes, and leaves it as the innermost one.
    fn pass_to_close(&mut self, depth: usize) -> Result<(), Kind> {
        loop {
            if matches!(self.event()?, Event::Close) && self.nesting.depth() == depth {
                return Ok(());
            }
        }
    }

    /// The content of the open `Data`: its text, or whatever is in it as it is written.
    fn text_or_markup(&mut self) -> Result<Cow<'a, str>, Kind> {
        let (depth, begin) = (self.nesting.depth(), self.position());
        let mut text = Cow::Borrowed("");
        loop {
            match self.event()? {
                Event::Text(piece) if text.is_empty() => text = piece,
                Event::Text(piece) => text.to_mut().push_str(&piece),
                Event::Char(c) => text.to_mut().push(c),
                Event::Close => return Ok(text),
                Event::Open(_) => break,
            }
        }
        self.wanted = Wanted::Nothing;
        self.pass_to_close(depth)?;
        self.deviations.raw_markup = self.deviations.raw_markup.saturating_add(1);
        Ok(Cow::Borrowed(self.text.get(begin..self.at).unwrap_or_default()))
    }
}

impl<'a> Source<'a> for XmlSource<'a> {
    fn event(&mut self) -> Result<Event<'a>, Kind> {
        self.nesting.step();
        if core::mem::take(&mut self.is_empty) {
            self.nesting.close();
            return Ok(Event::Close);
        }
        loop {
            self.at = self.position();
            let event = self.reader.read_event().map_err(|error| self.refusal(&error))?;
            let written = self.text.get(self.at..self.position()).unwrap_or_default();
            if matches!(event, XmlEvent::Start(_) | XmlEvent::Empty(_) | XmlEvent::End(_))
                && written.len() > self.tag_bytes_max
            {
                return Err(Kind::TagTooLong);
            }
            return Ok(match event {
                XmlEvent::Comment(_) => continue,
                XmlEvent::Start(_) => Event::Open(self.open(written)?),
                XmlEvent::Empty(_) => {
                    self.is_empty = true;
                    Event::Open(self.open(written)?)
                }
                XmlEvent::End(_) => {
                    self.nesting.close();
                    Event::Close
                }
                XmlEvent::Text(_) => Event::Text(self.content(written)),
                XmlEvent::CData(_) => {
                    let section = written.strip_prefix("<![CDATA[").and_then(|section| section.strip_suffix("]]>"));
                    Event::Text(self.content(section.unwrap_or_default()))
                }
                XmlEvent::GeneralRef(name) => Event::Char(referenced(&name)?),
                XmlEvent::PI(_) => return Err(Kind::ProcessingInstruction),
                XmlEvent::Decl(_) | XmlEvent::DocType(_) => return Err(Kind::NotWellFormed),
                XmlEvent::Eof => return Err(self.end()),
            });
        }
    }

    fn data(&mut self) -> Result<Data, Kind> {
        self.wanted = Wanted::Text;
        let content = self.text_or_markup();
        self.wanted = Wanted::All;
        content.map(|text| Data::Text(text.into_owned()))
    }

    fn pass(&mut self) -> Result<(), Kind> {
        self.wanted = Wanted::Nothing;
        let passed = self.pass_to_close(self.nesting.depth());
        self.wanted = Wanted::All;
        passed
    }

    fn finish(&mut self) -> Result<(), Kind> {
        self.nesting.step();
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

    fn nesting(&self) -> &Nesting {
        &self.nesting
    }

    fn offset(&self) -> usize {
        self.base + self.at
    }

    fn deviations(&mut self) -> &mut Deviations {
        &mut self.deviations
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
