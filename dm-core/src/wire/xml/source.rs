//! XML as a source of events.

use alloc::{borrow::Cow, vec::Vec};

use super::{
    DecodeError, Kind,
    chars::expanded,
    lexer::{Known, Lexer, TagEnd, Token},
    start_tag::{Attributes, Namespaces, Space, qualified},
};
use crate::{
    limits::WireLimits,
    wire::{
        Data, Deviations, Tag,
        source::{Event, Markup, Nesting, Source, is_space},
    },
};

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
    lexer: Lexer<'a>,
    /// Whether the last event opened an element that has no content and must be closed.
    is_empty: bool,
    /// What of the last text is still to be told, from a carriage return on.
    rest: &'a str,
    wanted: Wanted,
    nesting: Nesting,
    namespaces: Namespaces<'a>,
    attributes: Vec<&'a str>,
    attributes_max: usize,
    deviations: Deviations,
}

impl<'a> XmlSource<'a> {
    /// Passes over everything before the root.
    pub(super) fn new(bytes: &'a [u8], limits: &WireLimits) -> Result<Self, DecodeError> {
        let lexer = Lexer::new(bytes, limits.tag_bytes_max)
            .map_err(|(kind, offset)| DecodeError { offset, ..DecodeError::at_start(kind) })?;
        let deviations = Deviations { doctypes: lexer.doctypes(), ..Deviations::default() };
        Ok(Self {
            lexer,
            is_empty: false,
            rest: "",
            wanted: Wanted::All,
            nesting: Nesting::new(limits),
            namespaces: Namespaces::default(),
            attributes: Vec::new(),
            attributes_max: limits.attributes_max,
            deviations,
        })
    }

    /// Opens the element of this start tag.
    fn open(&mut self, tag: &'a str) -> Result<Option<Tag>, Kind> {
        self.nesting.enter(None)?;
        // A name that is known needs no other check, and most stand alone.
        let (known, prefix, attributes) = if let Some(tag) = Tag::from_name(tag) {
            (Some(tag), "", "")
        } else {
            let name_bytes = tag.bytes().position(|byte| is_space(char::from(byte))).unwrap_or(tag.len());
            let (name, attributes) = tag.split_at_checked(name_bytes).unwrap_or((tag, ""));
            if let Some(tag) = Tag::from_name(name) {
                (Some(tag), "", attributes)
            } else {
                let (prefix, local) = qualified(name).ok_or(Kind::NotWellFormed)?;
                (if prefix.is_empty() { None } else { Tag::from_name(local) }, prefix, attributes)
            }
        };
        self.read_attributes(attributes)?;
        if self.wanted != Wanted::All {
            return Ok(None);
        }
        let known = known.and_then(|tag| self.known(tag, prefix));
        if let Some(tag) = known {
            self.nesting.name(tag);
        }
        Ok(known)
    }

    /// Opens an element of a known name without attributes.
    #[inline]
    fn open_plain(&mut self, tag: Tag) -> Result<Option<Tag>, Kind> {
        self.namespaces.enter(self.nesting.depth() + 1);
        let known = self.known(tag, "");
        self.nesting.enter(known)?;
        Ok(known)
    }

    /// Opens an element of a known name that goes on in a usual way.
    #[inline(never)]
    fn open_known(&mut self, tag: Tag, end: TagEnd) -> Result<Option<Tag>, Kind> {
        self.nesting.enter(None)?;
        let depth = self.nesting.depth();
        self.namespaces.enter(depth);
        match end {
            TagEnd::Empty => self.is_empty = true,
            TagEnd::Declares(_) if self.attributes_max == 0 => return Err(Kind::TooManyAttributes),
            TagEnd::Declares(page) => self.namespaces.bind(depth, "", Space::of(page))?,
        }
        let known = self.known(tag, "");
        if let Some(tag) = known {
            self.nesting.name(tag);
        }
        Ok(known)
    }

    /// The element that was just opened, if its namespace is one that it may be in.
    #[inline]
    fn known(&mut self, tag: Tag, prefix: &str) -> Option<Tag> {
        match self.namespaces.of(prefix) {
            space if space == Space::of(tag.page()) => Some(tag),
            // No peer has its root there.
            Space::MetInf if tag == Tag::SyncMl => None,
            Space::SyncMl | Space::MetInf | Space::None => {
                self.deviations.stray_namespaces = self.deviations.stray_namespaces.saturating_add(1);
                Some(tag)
            }
            Space::Foreign => None,
        }
    }

    fn read_attributes(&mut self, attributes: &'a str) -> Result<(), Kind> {
        let depth = self.nesting.depth();
        self.namespaces.enter(depth);
        if attributes.is_empty() {
            return Ok(());
        }
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

    /// What this text is to the mapping, up to its first line end that is not as XML 1.0 wants it.
    fn content(&mut self, text: &'a str) -> Event<'a> {
        if self.wanted == Wanted::Nothing {
            return Event::Text("");
        }
        if !self.lexer.has_returns() {
            return Event::Text(text);
        }
        let (piece, rest) = text.split_at_checked(text.find('\r').unwrap_or(text.len())).unwrap_or((text, ""));
        if piece.is_empty() && !rest.is_empty() {
            self.rest = rest.strip_prefix("\r\n").or(rest.strip_prefix('\r')).unwrap_or_default();
            return Event::Char('\n');
        }
        self.rest = rest;
        Event::Text(piece)
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
        let (depth, begin) = (self.nesting.depth(), self.lexer.position());
        let mut text = Cow::Borrowed("");
        loop {
            match self.event()? {
                Event::Text(piece) if text.is_empty() => text = Cow::Borrowed(piece),
                Event::Text(piece) => text.to_mut().push_str(piece),
                Event::Char(c) => text.to_mut().push(c),
                Event::Close => return Ok(text),
                Event::Open(_) => break,
            }
        }
        self.wanted = Wanted::Nothing;
        self.pass_to_close(depth)?;
        self.deviations.raw_markup = self.deviations.raw_markup.saturating_add(1);
        Ok(Cow::Borrowed(self.lexer.written_since(begin)))
    }
}

impl<'a> Source<'a> for XmlSource<'a> {
    fn event(&mut self) -> Result<Event<'a>, Kind> {
        self.nesting.step();
        if core::mem::take(&mut self.is_empty) {
            self.nesting.close();
            return Ok(Event::Close);
        }
        if !self.rest.is_empty() {
            let rest = core::mem::take(&mut self.rest);
            return Ok(self.content(rest));
        }
        Ok(match self.lexer.next()? {
            Token::Start { tag, is_empty } => {
                self.is_empty = is_empty;
                Event::Open(self.open(tag)?)
            }
            Token::End => {
                self.nesting.close();
                Event::Close
            }
            Token::Text(text) => self.content(text),
            Token::Char(c) => Event::Char(c),
        })
    }

    #[expect(
        clippy::inline_always,
        reason = "a call costs a fifth of what it does, and it is for every tag of a message"
    )]
    #[inline(always)]
    fn tag(&mut self) -> Result<Option<Markup>, Kind> {
        if self.is_empty || !self.rest.is_empty() {
            return Ok(None);
        }
        let Some(known) = self.lexer.known() else { return Ok(None) };
        self.nesting.step();
        Ok(Some(match known {
            Known::Plain(tag) => Markup::Open(self.open_plain(tag)?),
            Known::Start(tag, end) => Markup::Open(self.open_known(tag, end)?),
            Known::End => {
                self.nesting.close();
                Markup::Close
            }
        }))
    }

    #[inline]
    fn text_and_close(&mut self) -> Option<&'a str> {
        if self.is_empty {
            return None;
        }
        let text = self.lexer.text_and_end()?;
        self.nesting.close();
        Some(text)
    }

    fn data(&mut self) -> Result<Data, Kind> {
        if let Some(text) = self.text_and_close() {
            return Ok(text.into());
        }
        self.wanted = Wanted::Text;
        let content = self.text_or_markup();
        self.wanted = Wanted::All;
        content.map(|text| Data::Text(text.into()))
    }

    fn pass(&mut self) -> Result<(), Kind> {
        self.wanted = Wanted::Nothing;
        let passed = self.pass_to_close(self.nesting.depth());
        self.wanted = Wanted::All;
        passed
    }

    fn finish(&mut self) -> Result<(), Kind> {
        self.nesting.step();
        self.lexer.finish()
    }

    fn nesting(&self) -> &Nesting {
        &self.nesting
    }

    fn offset(&self) -> usize {
        self.lexer.offset()
    }

    fn deviations(&mut self) -> &mut Deviations {
        &mut self.deviations
    }
}
