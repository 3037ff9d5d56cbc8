//! The tokens of a WBXML document, of whatever type it is.

use super::{Kind, global, header::StringTable, octets::Octets};
use crate::{
    limits::WireLimits,
    wire::chars::{first_bad, is_char},
};

/// What a document is made of.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Token<'a> {
    /// An element begins. One that is empty has no [`Token::End`].
    Open {
        /// Which.
        name: Name<'a>,
        /// How many attributes it has; they are passed over.
        attributes: u32,
        /// Whether it ends at once.
        is_empty: bool,
    },
    /// The innermost element ends.
    End,
    /// Text in characters of XML.
    Text(&'a str),
    /// One character of XML, written by its number.
    Char(char),
    /// Octets that only the document type understands.
    Opaque(&'a [u8]),
}

/// What the attributes of an element are made of: each begins with a start, and goes on with the pieces of its value.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum AttributePiece<'a> {
    /// An attribute begins. A token stands for its name and perhaps for the beginning of its value.
    Start(Name<'a>),
    /// A token for a piece of the value.
    Value { page: u8, token: u8 },
    /// A piece of the value in characters of XML.
    Text(&'a str),
    /// One character of the value, written by its number.
    Char(char),
    /// A piece of the value in octets that only the document type understands.
    Opaque(&'a [u8]),
}

/// How a document names an element or an attribute.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Name<'a> {
    /// By a token, without the bits for content and attributes, on a code page.
    Known { page: u8, token: u8 },
    /// In letters.
    Literal(&'a str),
}

/// Reads tokens.
pub(crate) struct Lexer<'a> {
    octets: Octets<'a>,
    table: StringTable<'a>,
    page: u8,
    /// Attributes have code pages of their own.
    attribute_page: u8,
    /// Where the last token begins; after an error, where that is.
    at: usize,
    attributes_max: usize,
    /// How much text the string table may still give. Two octets name a string of any length, so without this bound a
    /// message could be made to say a thousand times what it holds.
    referable: usize,
}

impl<'a> Lexer<'a> {
    /// A lexer of what follows the header.
    pub(crate) fn new(octets: Octets<'a>, table: StringTable<'a>, limits: &WireLimits) -> Self {
        let at = octets.position();
        Self {
            octets,
            table,
            page: 0,
            attribute_page: 0,
            at,
            attributes_max: limits.attributes_max,
            referable: limits.message_bytes_max,
        }
    }

    /// Where the last token begins; after an error, where that is.
    pub(crate) fn at(&self) -> usize {
        self.at
    }

    /// The next token. At the end of the document there is none: it is [`Kind::Truncated`].
    pub(crate) fn next(&mut self) -> Result<Token<'a>, Kind> {
        self.next_with(|_| {})
    }

    /// The same, and whatever attributes it has.
    pub(crate) fn next_with(&mut self, seen: impl FnMut(AttributePiece<'a>)) -> Result<Token<'a>, Kind> {
        let token = self.token(seen);
        if token == Err(Kind::Truncated) {
            self.at = self.octets.len();
        }
        token
    }

    /// Checks that there is nothing left.
    pub(crate) fn finish(&mut self) -> Result<(), Kind> {
        self.at = self.octets.position();
        if self.at == self.octets.len() { Ok(()) } else { Err(Kind::TrailingContent) }
    }

    /// What octets of the last token are as text. They must be text in characters of XML.
    pub(crate) fn text(&mut self, octets: &'a [u8]) -> Result<&'a str, Kind> {
        self.text_at(octets, self.octets.position() - octets.len())
    }

    fn text_at(&mut self, octets: &'a [u8], begin: usize) -> Result<&'a str, Kind> {
        let (at, kind) = match core::str::from_utf8(octets) {
            Ok(text) => match first_bad(text) {
                None => return Ok(text),
                Some(at) => (at, Kind::BadCharacter),
            },
            Err(error) => (error.valid_up_to(), Kind::NotUtf8),
        };
        self.at = begin + at;
        Err(kind)
    }

    fn token(&mut self, seen: impl FnMut(AttributePiece<'a>)) -> Result<Token<'a>, Kind> {
        loop {
            self.at = self.octets.position();
            return match self.octets.octet()? {
                global::SWITCH_PAGE => {
                    self.page = self.octets.octet()?;
                    continue;
                }
                global::END => Ok(Token::End),
                global::ENTITY => self.character().map(Token::Char),
                global::STR_I => {
                    let begin = self.octets.position();
                    let string = self.octets.until_nul()?;
                    self.text_at(string, begin).map(Token::Text)
                }
                global::STR_T => self.referred().map(Token::Text),
                global::OPAQUE => self.opaque().map(Token::Opaque),
                global::PI => Err(Kind::ProcessingInstruction),
                global::EXT_I_0..=global::EXT_I_2
                | global::EXT_T_0..=global::EXT_T_2
                | global::EXT_0..=global::EXT_2 => Err(Kind::Extension),
                tag => self.open(tag, seen),
            };
        }
    }

    fn open(&mut self, tag: u8, seen: impl FnMut(AttributePiece<'a>)) -> Result<Token<'a>, Kind> {
        let begin = self.at;
        let token = tag & !(global::HAS_CONTENT | global::HAS_ATTRIBUTES);
        let name = match token {
            global::LITERAL => Name::Literal(self.referred()?),
            token => Name::Known { page: self.page, token },
        };
        let attributes = if tag & global::HAS_ATTRIBUTES == 0 { 0 } else { self.attributes(seen)? };
        self.at = begin;
        Ok(Token::Open { name, attributes, is_empty: tag & global::HAS_CONTENT == 0 })
    }

    /// Reads the attributes of an element, up to their end, and counts them.
    fn attributes(&mut self, mut seen: impl FnMut(AttributePiece<'a>)) -> Result<u32, Kind> {
        let (mut count, mut allowed) = (0, self.attributes_max);
        loop {
            self.at = self.octets.position();
            let piece = match self.octets.octet()? {
                global::END => return Ok(count),
                global::SWITCH_PAGE => {
                    self.attribute_page = self.octets.octet()?;
                    continue;
                }
                global::ENTITY => AttributePiece::Char(self.character()?),
                global::STR_I => {
                    let begin = self.octets.position();
                    let string = self.octets.until_nul()?;
                    AttributePiece::Text(self.text_at(string, begin)?)
                }
                global::STR_T => AttributePiece::Text(self.referred()?),
                global::OPAQUE => AttributePiece::Opaque(self.opaque()?),
                global::LITERAL => AttributePiece::Start(Name::Literal(self.referred()?)),
                global::PI => return Err(Kind::ProcessingInstruction),
                global::EXT_I_0..=global::EXT_I_2
                | global::EXT_T_0..=global::EXT_T_2
                | global::EXT_0..=global::EXT_2 => return Err(Kind::Extension),
                0x44 | 0x84 | 0xC4 => return Err(Kind::UnknownToken),
                token @ 0x80.. => AttributePiece::Value { page: self.attribute_page, token },
                token => AttributePiece::Start(Name::Known { page: self.attribute_page, token }),
            };
            if matches!(piece, AttributePiece::Start(_)) {
                allowed = allowed.checked_sub(1).ok_or(Kind::TooManyAttributes)?;
                count += 1;
            }
            seen(piece);
        }
    }

    fn character(&mut self) -> Result<char, Kind> {
        char::from_u32(self.octets.number()?).filter(|c| is_char(*c)).ok_or(Kind::BadCharacter)
    }

    fn opaque(&mut self) -> Result<&'a [u8], Kind> {
        let length = self.octets.number()?;
        self.octets.take(length)
    }

    /// The string of the table that the next number refers to.
    fn referred(&mut self) -> Result<&'a str, Kind> {
        let index = self.octets.number()?;
        let (string, begin) = self.table.string(index)?;
        self.referable = self.referable.checked_sub(string.len()).ok_or(Kind::TooLarge)?;
        self.text_at(string, begin)
    }
}

#[cfg(test)]
mod tests {
    use alloc::{vec, vec::Vec};

    use super::{super::header, *};

    /// The tokens of a body without a string table, and why there are no more.
    fn tokens(body: &[u8]) -> (Vec<Token<'_>>, Kind, usize) {
        let table = StringTable::default();
        let mut lexer = Lexer::new(Octets::new(body), table, &WireLimits::CLIENT);
        let mut tokens = Vec::new();
        loop {
            match lexer.next() {
                Ok(token) => tokens.push(token),
                Err(kind) => return (tokens, kind, lexer.at()),
            }
        }
    }

    fn known(page: u8, token: u8, is_empty: bool) -> Token<'static> {
        Token::Open { name: Name::Known { page, token }, attributes: 0, is_empty }
    }

    #[test]
    fn a_page_stays_until_the_next_switch() {
        let body = [0x45, 0x00, 0x01, 0x06, 0x46, 0x01, 0x00, 0x07, 0x08, 0x01];
        let read = [known(0, 5, false), known(1, 6, true), known(1, 6, false), Token::End, known(7, 8, true)];
        let (tokens, kind, at) = tokens(&body);
        assert_eq!(tokens[..5], read);
        assert_eq!((tokens.len(), kind, at), (6, Kind::Truncated, body.len()));
    }

    #[test]
    fn text_comes_in_strings_characters_and_octets() {
        let (tokens, ..) = tokens(b"\x03\xC3\xA9\0\x02\x81\x20\xC3\x02\xFF\x00\x03\0");
        assert_eq!(tokens, [Token::Text("é"), Token::Char('\u{A0}'), Token::Opaque(&[0xFF, 0x00]), Token::Text("")]);
    }

    #[test]
    fn strings_of_the_table_are_text_and_names() {
        let document = b"\x02\x01\x6A\x08ab\0Item\0\x44\x03\x83\x01\x04\x00\x84\x03\x04\x00\x85\x83\x00\x01\x01";
        let mut octets = Octets::new(document);
        let table = header::read(&mut octets, &header::SYNCML, 64).unwrap();
        let mut lexer = Lexer::new(octets, table, &WireLimits { message_bytes_max: 15, ..WireLimits::CLIENT });
        let literal = |name, attributes, is_empty| Ok(Token::Open { name: Name::Literal(name), attributes, is_empty });
        assert_eq!(lexer.next(), literal("Item", 0, false));
        assert_eq!(lexer.next(), Ok(Token::Text("b")));
        assert_eq!(lexer.next(), literal("ab", 0, true));
        assert_eq!((lexer.next(), lexer.at()), (literal("Item", 1, true), 18), "4 + 1 + 2 + 4 + 2 octets referred to");
        assert_eq!(lexer.finish(), Err(Kind::TrailingContent));
        assert_eq!((lexer.next(), lexer.finish()), (Ok(Token::End), Ok(())));
    }

    #[test]
    fn the_string_table_gives_no_more_text_than_a_message_may_have() {
        let document = [&b"\x02\x01\x6A\x65"[..], &[b'x'; 100], &[0], &[0x83, 0x00].repeat(10)].concat();
        let mut octets = Octets::new(&document);
        let table = header::read(&mut octets, &header::SYNCML, 128).unwrap();
        let mut lexer = Lexer::new(octets, table, &WireLimits { message_bytes_max: 250, ..WireLimits::CLIENT });
        assert!(lexer.next().is_ok() && lexer.next().is_ok());
        assert_eq!((lexer.next(), lexer.at()), (Err(Kind::TooLarge), 109));
    }

    #[test]
    fn attributes_are_passed_over_whatever_they_are_made_of() {
        let body = b"\xC5\x05\x85\x00\x03\x06\x03x\0\x02\x41\xC3\x02\x01\x01\xFF\x01\x87\x01";
        let open =
            |token, attributes, is_empty| Token::Open { name: Name::Known { page: 0, token }, attributes, is_empty };
        assert_eq!(tokens(body).0, vec![open(5, 2, false), open(7, 0, true)]);
        for (token, kind) in [(0x43, Kind::ProcessingInstruction), (0x80, Kind::Extension), (0xC4, Kind::UnknownToken)]
        {
            assert_eq!(tokens(&[0x85, 0x05, token]), (vec![], kind, 2));
        }
        let many = [&[0x85][..], &[0x05; 9], &[0x01]].concat();
        assert_eq!(tokens(&many), (vec![], Kind::TooManyAttributes, 9));
    }

    #[test]
    fn attributes_come_in_pieces_and_have_pages_of_their_own() {
        let body = b"\xC6\x00\x01\x05\x03a\0\x85\x02\x62\xC3\x01\x63\x06\x01\x86\x00\x00\x07\x01\x05";
        let mut lexer = Lexer::new(Octets::new(body), StringTable::default(), &WireLimits::CLIENT);
        let mut pieces = Vec::new();
        let open = |page, token| Token::Open { name: Name::Known { page, token }, attributes: 2, is_empty: false };
        assert_eq!(lexer.next_with(|piece| pieces.push(piece)), Ok(open(0, 6)));
        let start = |page, token| AttributePiece::Start(Name::Known { page, token });
        let (text, value) = (AttributePiece::Text("a"), AttributePiece::Value { page: 1, token: 0x85 });
        let (character, opaque) = (AttributePiece::Char('b'), AttributePiece::Opaque(b"c"));
        assert_eq!(pieces, [start(1, 5), text, value, character, opaque, start(1, 6)]);
        pieces = Vec::new();
        let last = Token::Open { name: Name::Known { page: 0, token: 6 }, attributes: 1, is_empty: true };
        assert_eq!(lexer.next_with(|piece| pieces.push(piece)), Ok(last), "the page of elements is still 0");
        assert_eq!(pieces, [start(0, 7)], "the page of attributes had stayed");
        assert_eq!(lexer.next(), Ok(known(0, 5, true)));
    }

    #[test]
    fn what_no_document_of_ours_has_is_refused() {
        for (body, kind, at) in [
            (&[0x43, 0x01][..], Kind::ProcessingInstruction, 0),
            (&[0x40, 0x00], Kind::Extension, 0),
            (&[0x82, 0x00], Kind::Extension, 0),
            (&[0xC2], Kind::Extension, 0),
            (&[0x83, 0x00], Kind::BadStringIndex, 0),
            (&[0x04, 0x00], Kind::BadStringIndex, 0),
            (&[0x83, 0x80, 0x80, 0x80, 0x80, 0x80, 0x00], Kind::NumberTooLarge, 0),
            (&[0x02, 0x00], Kind::BadCharacter, 0),
            (&[0x02, 0x83, 0xB0, 0x00], Kind::BadCharacter, 0),
            (&[0x02, 0xC4, 0x80, 0x00], Kind::BadCharacter, 0),
            (&[0x03, b'a', 0x01, 0x00], Kind::BadCharacter, 2),
            (&[0x03, b'a', 0xC0, 0xAF, 0x00], Kind::NotUtf8, 2),
            (&[0xC3, 0x8F, 0xFF, 0xFF, 0xFF, 0x7F, 0x00], Kind::Truncated, 7),
        ] {
            assert_eq!(tokens(body), (vec![], kind, at), "{body:x?}");
        }
    }
}
