//! WBXML as a source of events.

use alloc::{string::String, vec::Vec};

use super::{
    DecodeError, Kind, header,
    lexer::{Lexer, Name, Token},
    octets::Octets,
    page_of,
};
use crate::{
    limits::WireLimits,
    wire::{
        Data, Deviations, Tag,
        chars::first_bad,
        source::{Event, Nesting, Source},
    },
};

/// What comes next, before it is known whether octets must be text.
enum Piece<'a> {
    Open(Option<Tag>),
    Text(&'a str),
    Char(char),
    Opaque(&'a [u8]),
    Close,
}

/// Reads one document.
pub(super) struct WbxmlSource<'a> {
    lexer: Lexer<'a>,
    /// Whether the last event opened an element that has no content and must be closed.
    is_empty: bool,
    /// Whether what comes is passed over, and nothing in it a deviation.
    is_passing: bool,
    nesting: Nesting,
    deviations: Deviations,
}

impl<'a> WbxmlSource<'a> {
    /// Reads everything before the root.
    pub(super) fn new(bytes: &'a [u8], limits: &WireLimits) -> Result<Self, DecodeError> {
        let mut octets = Octets::new(bytes);
        let table = header::read(&mut octets, &header::SYNCML, limits.string_table_bytes_max)
            .map_err(|(kind, offset)| DecodeError { offset, ..DecodeError::at_start(kind) })?;
        Ok(Self {
            lexer: Lexer::new(octets, table, limits),
            is_empty: false,
            is_passing: false,
            nesting: Nesting::new(limits),
            deviations: Deviations::default(),
        })
    }

    fn piece(&mut self) -> Result<Piece<'a>, Kind> {
        self.nesting.step();
        if core::mem::take(&mut self.is_empty) {
            self.nesting.close();
            return Ok(Piece::Close);
        }
        Ok(match self.lexer.next()? {
            Token::Open { name, attributes, is_empty } => {
                self.nesting.enter(None)?;
                self.is_empty = is_empty;
                Piece::Open(self.open(&name, attributes)?)
            }
            Token::End if self.nesting.depth() == 0 => return Err(Kind::NotWellFormed),
            Token::End => {
                self.nesting.close();
                Piece::Close
            }
            Token::Text(text) => Piece::Text(text),
            Token::Char(c) => Piece::Char(c),
            Token::Opaque(octets) => Piece::Opaque(octets),
        })
    }

    fn open(&mut self, name: &Name<'a>, attributes: u32) -> Result<Option<Tag>, Kind> {
        let tag = match *name {
            Name::Known { page, token } => {
                let page = page_of(page).ok_or(Kind::UnknownPage)?;
                Some(Tag::from_token(page, token).ok_or(Kind::UnknownToken)?)
            }
            Name::Literal(name) => Tag::from_name(name),
        };
        if self.is_passing {
            return Ok(None);
        }
        self.deviations.foreign_attributes = self.deviations.foreign_attributes.saturating_add(attributes);
        if let Some(tag) = tag {
            self.nesting.name(tag);
        }
        Ok(tag)
    }
}

impl<'a> Source<'a> for WbxmlSource<'a> {
    fn event(&mut self) -> Result<Event<'a>, Kind> {
        Ok(match self.piece()? {
            Piece::Open(tag) => Event::Open(tag),
            Piece::Text(text) => Event::Text(text),
            Piece::Char(c) => Event::Char(c),
            Piece::Opaque(octets) => Event::Text(self.lexer.text(octets)?),
            Piece::Close => Event::Close,
        })
    }

    fn data(&mut self) -> Result<Data, Kind> {
        let mut octets = Vec::new();
        loop {
            match self.piece()? {
                Piece::Text(text) => octets.extend_from_slice(text.as_bytes()),
                Piece::Char(c) => octets.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
                Piece::Opaque(more) => octets.extend_from_slice(more),
                Piece::Close => return Ok(text_or_octets(octets)),
                Piece::Open(_) => return Err(Kind::UnexpectedContent(Tag::Data)),
            }
        }
    }

    fn pass(&mut self) -> Result<(), Kind> {
        let depth = self.nesting.depth();
        self.is_passing = true;
        while !(matches!(self.piece()?, Piece::Close) && self.nesting.depth() == depth) {}
        self.is_passing = false;
        Ok(())
    }

    fn finish(&mut self) -> Result<(), Kind> {
        self.nesting.step();
        self.lexer.finish()
    }

    fn nesting(&self) -> &Nesting {
        &self.nesting
    }

    fn offset(&self) -> usize {
        self.lexer.at()
    }

    fn deviations(&mut self) -> &mut Deviations {
        &mut self.deviations
    }
}

/// A value by what it is, and not by the tokens that it came in.
fn text_or_octets(octets: Vec<u8>) -> Data {
    match String::from_utf8(octets) {
        Ok(text) if first_bad(&text).is_none() => Data::Text(text.into()),
        Ok(text) => Data::Opaque(text.into_bytes().into()),
        Err(error) => Data::Opaque(error.into_bytes().into()),
    }
}
