//! The tokens are those that quick-xml finds, where it reads everything.

use alloc::{string::String, vec::Vec};

use proptest::prelude::*;

use super::*;

/// What a document is to a lexer: its tokens, each with its place, and why there are no more.
type Found<'a> = (Vec<(Token<'a>, usize)>, Kind, usize);

fn found(document: &str) -> Result<Found<'_>, (Kind, usize)> {
    let mut lexer = Lexer::new(document.as_bytes(), 64)?;
    let mut tokens = Vec::new();
    loop {
        match lexer.next() {
            Ok(token) => tokens.push((token, lexer.offset())),
            Err(kind) => return Ok((tokens, kind, lexer.offset())),
        }
    }
}

/// The same by quick-xml, which knows which element is open, what a tag is and what is text.
fn found_by_quick_xml(document: &str) -> Result<Found<'_>, (Kind, usize)> {
    let mut lexer = Lexer::new(document.as_bytes(), 64)?;
    let mut reader = Reader::from_str(lexer.text);
    reader.config_mut().check_comments = true;
    let mut tokens = Vec::new();
    loop {
        lexer.at = usize::try_from(reader.buffer_position()).unwrap_or(usize::MAX);
        let event = reader.read_event();
        lexer.next = usize::try_from(reader.buffer_position()).unwrap_or(usize::MAX);
        let written = lexer.text.get(lexer.at..lexer.next).unwrap_or_default();
        let inner =
            |begin: usize, end: usize| written.get(begin..written.len().saturating_sub(end)).unwrap_or_default();
        let is_long = written.len() > lexer.tag_bytes_max;
        let token = match event {
            Ok(Event::Start(_) | Event::Empty(_) | Event::End(_)) if is_long => Err(Kind::TagTooLong),
            Ok(Event::Start(_)) => Ok(Token::Start { tag: inner(1, 1), is_empty: false }),
            Ok(Event::Empty(_)) => Ok(Token::Start { tag: inner(1, 2), is_empty: true }),
            Ok(Event::End(_)) => Ok(Token::End),
            Ok(Event::Text(_)) => Ok(Token::Text(written)),
            Ok(Event::CData(_)) => Ok(Token::Text(inner(9, 3))),
            Ok(Event::GeneralRef(name)) => referenced(&name).map(Token::Char),
            Ok(Event::Comment(_)) => continue,
            Ok(Event::PI(_)) => Err(Kind::ProcessingInstruction),
            Ok(Event::Decl(_) | Event::DocType(_)) => Err(Kind::NotWellFormed),
            Ok(Event::Eof) => Err(lexer.end()),
            Err(error) => Err(lexer.refusal(&error)),
        };
        match token {
            Ok(token) => tokens.push((token, lexer.offset())),
            Err(kind) => return Ok((tokens, kind, lexer.offset())),
        }
    }
}

/// Pieces of documents, right and wrong, and what may stand between them.
fn document() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        8 => "<[ab]>|</[ab]>|<[ab]/>|[a-c >\\]]{1,4}",
        4 => "<[ab]( [xy] ?= ?(\"[>'/]?\"|'[>\"/]?')){1,2} ?/?>|</[ab][ \t\r\n]{1,2}>",
        2 => "&(lt|gt|amp|#65|#x41|nbsp|#0);|<!\\[CDATA\\[[a<>&\\]]{0,3}\\]\\]>|<!--[a <>-]{0,3}-->",
        1 => "&[a;]?|<[!?/]?|<[ab]|</[ab]|<[ab] x=\"|</[ab] x=\">\">|<!--|<!\\[CDATA\\[|<\\?a\\?>|<!DOCTYPE a>|<>|</>|< a>|\u{FEFF}",
    ];
    prop::collection::vec(piece, 0..12).prop_map(|pieces| ["<a>", &pieces.concat()].concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    #[test]
    fn a_document_has_the_tokens_that_quick_xml_finds(document in document()) {
        prop_assert_eq!(found(&document), found_by_quick_xml(&document));
    }
}

#[test]
fn a_tag_ends_at_the_first_closing_bracket_outside_of_quotes() {
    let ends =
        [("<a>b>", Some(3)), ("<a x='>'>", Some(9)), ("<a x=\">'\">", Some(10)), ("<a x='>", None), ("<a", None)];
    for (text, bytes) in ends {
        assert_eq!(tag_bytes(text.as_bytes()), bytes, "{text}");
    }
}

#[test]
fn an_end_tag_names_the_innermost_element_and_nothing_else() {
    for (document, kind) in [
        ("<a><b></b \n></a>", Kind::Truncated),
        ("<a></a x='1'>", Kind::NotWellFormed),
        ("<a></ab>", Kind::NotWellFormed),
        ("<a></ a>", Kind::NotWellFormed),
        ("<a><b></a></b>", Kind::NotWellFormed),
        ("<a></a></a>", Kind::NotWellFormed),
    ] {
        assert_eq!(found(document).map(|(_, kind, _)| kind), Ok(kind), "{document}");
    }
}
