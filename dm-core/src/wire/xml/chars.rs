//! Names, and the references to characters.

use alloc::borrow::Cow;

use super::Kind;
use crate::wire::chars::is_char;

/// The character that `&name;` stands for.
pub(super) fn referenced(name: &str) -> Result<char, Kind> {
    let number = match (name, name.strip_prefix('#')) {
        ("lt", _) => return Ok('<'),
        ("gt", _) => return Ok('>'),
        ("amp", _) => return Ok('&'),
        ("apos", _) => return Ok('\''),
        ("quot", _) => return Ok('"'),
        (_, Some(number)) => number,
        (_, None) if is_name(name) => return Err(Kind::UnknownEntity),
        (_, None) => return Err(Kind::NotWellFormed),
    };
    let (digits, radix) = number.strip_prefix('x').map_or((number, 10), |digits| (digits, 16));
    if digits.is_empty() || !digits.chars().all(|c| c.is_digit(radix)) {
        return Err(Kind::NotWellFormed);
    }
    let code = u32::from_str_radix(digits, radix).ok();
    code.and_then(char::from_u32).filter(|c| is_char(*c)).ok_or(Kind::BadCharacter)
}

/// `text` with its references replaced.
pub(crate) fn expanded(text: &str) -> Result<Cow<'_, str>, Kind> {
    let Some((head, mut rest)) = text.split_once('&') else { return Ok(Cow::Borrowed(text)) };
    let mut all = alloc::string::String::from(head);
    loop {
        let (name, after) = rest.split_once(';').ok_or(Kind::NotWellFormed)?;
        all.push(referenced(name)?);
        let Some((between, next)) = after.split_once('&') else {
            all.push_str(after);
            return Ok(Cow::Owned(all));
        };
        all.push_str(between);
        rest = next;
    }
}

/// Whether `text` is a `Name`, where a colon is a character like others.
pub(super) fn is_name(text: &str) -> bool {
    // Nearly all names are letters and nothing else.
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphabetic()) {
        return true;
    }
    let mut chars = text.chars();
    chars.next().is_some_and(is_name_start) && chars.all(is_name_char)
}

fn is_name_start(c: char) -> bool {
    matches!(c,
        'A'..='Z' | 'a'..='z' | '_' | ':' | '\u{C0}'..='\u{D6}' | '\u{D8}'..='\u{F6}' | '\u{F8}'..='\u{2FF}'
        | '\u{370}'..='\u{37D}' | '\u{37F}'..='\u{1FFF}' | '\u{200C}'..='\u{200D}' | '\u{2070}'..='\u{218F}'
        | '\u{2C00}'..='\u{2FEF}' | '\u{3001}'..='\u{D7FF}' | '\u{F900}'..='\u{FDCF}' | '\u{FDF0}'..='\u{FFFD}'
        | '\u{10000}'..='\u{EFFFF}')
}

fn is_name_char(c: char) -> bool {
    is_name_start(c) || matches!(c, '0'..='9' | '-' | '.' | '\u{B7}' | '\u{300}'..='\u{36F}' | '\u{203F}'..='\u{2040}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_the_five_names_and_numbers_of_characters_that_xml_has() {
        let good = [("lt", '<'), ("gt", '>'), ("amp", '&'), ("apos", '\''), ("quot", '"')];
        let numbers = [("#65", 'A'), ("#x41", 'A'), ("#x10FFFF", '\u{10FFFF}'), ("#0009", '\t')];
        for (name, c) in good.into_iter().chain(numbers) {
            assert_eq!(referenced(name), Ok(c), "{name}");
        }
        let bad = [
            ("nbsp", Kind::UnknownEntity),
            ("LT", Kind::UnknownEntity),
            ("#0", Kind::BadCharacter),
            ("#1", Kind::BadCharacter),
            ("#xD800", Kind::BadCharacter),
            ("#xFFFF", Kind::BadCharacter),
            ("#x110000", Kind::BadCharacter),
            ("#99999999999999999999", Kind::BadCharacter),
            ("", Kind::NotWellFormed),
            ("#", Kind::NotWellFormed),
            ("#x", Kind::NotWellFormed),
            ("#X41", Kind::NotWellFormed),
            ("#+65", Kind::NotWellFormed),
            ("#6A", Kind::NotWellFormed),
            (" lt", Kind::NotWellFormed),
        ];
        for (name, kind) in bad {
            assert_eq!(referenced(name), Err(kind), "{name}");
        }
    }

    #[test]
    fn references_in_an_attribute_are_replaced_in_place() {
        assert_eq!(expanded("plain"), Ok("plain".into()));
        assert_eq!(expanded("&lt;a&#58;b&gt;"), Ok("<a:b>".into()));
        assert_eq!(expanded("a & b"), Err(Kind::NotWellFormed));
        assert_eq!(expanded("&x;"), Err(Kind::UnknownEntity));
    }

    #[test]
    fn names_begin_with_a_letter() {
        for name in ["a", "_", "Ä1", "a-b.c", "x:y"] {
            assert!(is_name(name), "{name}");
        }
        for name in ["", "1", "-a", ".a", "a b", "a<", "a\u{D7}", "a;"] {
            assert!(!is_name(name), "{name}");
        }
    }
}
