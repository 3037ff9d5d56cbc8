//! The binary form.

use alloc::{string::String, vec::Vec};

use super::{
    Characteristic, Document, EncodeError, Fault, Parameter,
    read::{self, Attribute, Attributes, Element, Event},
    token,
};
use crate::{
    limits::WireLimits,
    wire::{
        DecodeErrorKind as WireKind,
        chars::first_bad,
        source::is_space,
        wbxml::{
            UTF_8, global,
            header::{self, DocumentType},
            lexer::{AttributePiece, Lexer, Name, Token},
            octets::{Octets, push_number},
        },
    },
};

const PROV: DocumentType = DocumentType {
    numbers: &[token::PUBLIC_ID],
    is_named: |name| name.eq_ignore_ascii_case(token::PUBLIC_NAME.as_bytes()),
    otherwise: WireKind::NotSyncMl,
};

/// Reads one document.
pub(super) struct Source<'a> {
    lexer: Lexer<'a>,
    /// Whether the last event opened an element that has no content and must be closed.
    is_empty: bool,
    depth: usize,
}

impl<'a> Source<'a> {
    /// Reads everything before the root. An error comes with its place.
    pub(super) fn new(bytes: &'a [u8], limits: &WireLimits) -> Result<Self, (WireKind, usize)> {
        let mut octets = Octets::new(bytes);
        let table = header::read(&mut octets, &PROV, limits.string_table_bytes_max)?;
        Ok(Self { lexer: Lexer::new(octets, table, limits), is_empty: false, depth: 0 })
    }
}

impl read::Source for Source<'_> {
    fn event(&mut self) -> Result<Event, Fault> {
        if core::mem::take(&mut self.is_empty) {
            self.depth -= 1;
            return Ok(Event::Close);
        }
        loop {
            let mut builder = Builder::default();
            let token = self.lexer.next_with(|piece| builder.take(&piece))?;
            let is_blank = match token {
                Token::Open { name, is_empty, .. } => {
                    let element = match name {
                        Name::Known { page, token } => token::element(page, token).ok_or(WireKind::UnknownToken)?,
                        Name::Literal(name) => Element::named(name),
                    };
                    self.depth += 1;
                    self.is_empty = is_empty;
                    return builder.finish().map(|attributes| Event::Open(element, attributes));
                }
                Token::End => {
                    self.depth = self.depth.checked_sub(1).ok_or(WireKind::NotWellFormed)?;
                    return Ok(Event::Close);
                }
                Token::Text(text) => text.chars().all(is_space),
                Token::Char(c) => is_space(c),
                Token::Opaque(octets) => octets.is_empty(),
            };
            if !is_blank {
                return Ok(Event::Text);
            }
        }
    }

    fn finish(&mut self) -> Result<(), Fault> {
        self.lexer.finish().map_err(Fault::from)
    }

    fn offset(&self) -> usize {
        self.lexer.at()
    }
}

/// The attributes of one element, as their pieces come.
#[derive(Default)]
struct Builder {
    attributes: Attributes,
    /// The attribute that the next piece belongs to.
    current: Option<Attribute>,
    /// What went wrong first.
    fault: Option<Fault>,
}

impl Builder {
    fn take(&mut self, piece: &AttributePiece<'_>) {
        let taken = match *piece {
            AttributePiece::Start(Name::Known { page, token }) => {
                token::start(page, token).ok_or_else(|| WireKind::UnknownToken.into()).and_then(|(attribute, value)| {
                    self.begin(attribute)?;
                    self.push(value)
                })
            }
            AttributePiece::Start(Name::Literal(name)) => self.begin(Attribute::named(name)),
            AttributePiece::Value { page, token } => token::piece(page, token)
                .ok_or_else(|| WireKind::UnknownToken.into())
                .and_then(|value| self.push(value)),
            AttributePiece::Text(text) => self.push(text),
            AttributePiece::Char(c) => self.push(c.encode_utf8(&mut [0; 4])),
            AttributePiece::Opaque(octets) => match core::str::from_utf8(octets) {
                Ok(text) if first_bad(text).is_none() => self.push(text),
                Ok(_) => Err(WireKind::BadCharacter.into()),
                Err(_) => Err(WireKind::NotUtf8.into()),
            },
        };
        if let Err(fault) = taken {
            self.fault.get_or_insert(fault);
        }
    }

    fn begin(&mut self, attribute: Attribute) -> Result<(), Fault> {
        self.current = Some(attribute);
        match self.attributes.slot(attribute) {
            Some(Some(_)) => Err(Fault::RepeatedAttribute),
            Some(slot) => {
                *slot = Some(String::new());
                Ok(())
            }
            None => Ok(()),
        }
    }

    fn push(&mut self, piece: &str) -> Result<(), Fault> {
        // A piece before any attribute begins.
        let current = self.current.ok_or(WireKind::UnknownToken)?;
        if let Some(Some(value)) = self.attributes.slot(current) {
            value.push_str(piece);
        }
        Ok(())
    }

    fn finish(self) -> Result<Attributes, Fault> {
        self.fault.map_or(Ok(self.attributes), Err)
    }
}

/// WBXML 1.3, which is what provisioning documents are written in.
const VERSION: u8 = 0x03;

/// Writes a document without a string table, with a token for every name and value that has one.
pub(super) fn encode(document: &Document) -> Result<Vec<u8>, EncodeError> {
    let mut writer = Writer { bytes: Vec::from([VERSION]), page: 0 };
    for number in [token::PUBLIC_ID, UTF_8, 0] {
        push_number(&mut writer.bytes, number);
    }
    let version = document.version.as_deref().map(|version| (Attribute::Version, version));
    writer.open(Element::Document, &[version], !document.characteristics.is_empty())?;
    writer.characteristics(&document.characteristics)?;
    Ok(writer.bytes)
}

struct Writer {
    bytes: Vec<u8>,
    /// The code page of attributes; that of elements is always 0.
    page: u8,
}

impl Writer {
    /// Writes characteristics that are all that is in an element, and closes it if there are any.
    fn characteristics(&mut self, characteristics: &[Characteristic]) -> Result<(), EncodeError> {
        for characteristic in characteristics {
            let Characteristic { kind, parameters, characteristics } = characteristic;
            let has_content = !(parameters.is_empty() && characteristics.is_empty());
            self.open(Element::Characteristic, &[Some((Attribute::Type, kind))], has_content)?;
            for Parameter { name, value } in parameters {
                let value = value.as_deref().map(|value| (Attribute::Value, value));
                self.open(Element::Parameter, &[Some((Attribute::Name, name)), value], false)?;
            }
            self.characteristics(characteristics)?;
            if has_content && characteristics.is_empty() {
                self.bytes.push(global::END);
            }
        }
        if !characteristics.is_empty() {
            self.bytes.push(global::END);
        }
        Ok(())
    }

    fn open(
        &mut self,
        element: Element,
        attributes: &[Option<(Attribute, &str)>],
        has_content: bool,
    ) -> Result<(), EncodeError> {
        let content = if has_content { global::HAS_CONTENT } else { 0 };
        let has_attributes = attributes.iter().any(Option::is_some);
        let with_attributes = if has_attributes { global::HAS_ATTRIBUTES } else { 0 };
        self.bytes.push(token::of_element(element) | content | with_attributes);
        for (attribute, value) in attributes.iter().copied().flatten() {
            self.attribute(attribute, value)?;
        }
        if has_attributes {
            self.bytes.push(global::END);
        }
        Ok(())
    }

    fn attribute(&mut self, attribute: Attribute, value: &str) -> Result<(), EncodeError> {
        if first_bad(value).is_some() {
            return Err(EncodeError::BadCharacter);
        }
        let whole = self.start(attribute, value).filter(|_| !value.is_empty());
        if let Some((page, token)) = whole.or_else(|| self.start(attribute, "")) {
            self.token(page, token);
        }
        if whole.is_some() || value.is_empty() {
            return Ok(());
        }
        let pieces = token::PIECES.iter().filter(|piece| piece.2 == value).map(|piece| (piece.0, piece.1));
        if let Some((page, token)) = self.nearest(pieces) {
            self.token(page, token);
        } else {
            self.bytes.push(global::STR_I);
            self.bytes.extend_from_slice(value.as_bytes());
            self.bytes.push(0);
        }
        Ok(())
    }

    /// The token that begins an attribute with exactly this much of its value.
    fn start(&self, attribute: Attribute, value: &str) -> Option<(u8, u8)> {
        let starts = token::STARTS.iter().filter(|start| start.2 == attribute && start.3 == value);
        self.nearest(starts.map(|start| (start.0, start.1)))
    }

    /// The token on the page that is in force, or else the first.
    fn nearest(&self, tokens: impl Iterator<Item = (u8, u8)>) -> Option<(u8, u8)> {
        tokens.min_by_key(|(page, _)| *page != self.page)
    }

    fn token(&mut self, page: u8, token: u8) {
        if self.page != page {
            self.page = page;
            self.bytes.extend_from_slice(&[global::SWITCH_PAGE, page]);
        }
        self.bytes.push(token);
    }
}
