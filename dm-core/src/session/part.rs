//! How a value goes over the wire in parts [DM 1.2, 7; digest 3.7].

use crate::{
    tree::Content,
    wire::{Encoding, Format},
};

/// How octets of a value stand in `Data`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// As text in XML, where some characters take more octets than one.
    XmlText,
    /// As they are.
    Plain,
    /// As base64: three octets become four.
    Base64,
}

/// What an element with content takes more than an empty one, at most: `<Data></Data>` against `<Data/>`, or the token
/// and the length of a string.
const FRAME: usize = 6;

impl Form {
    /// The form of a value of this format.
    pub(crate) fn of(content: &Content, encoding: Encoding) -> Self {
        let binary = content.format.as_ref().is_some_and(|format| format.meant() == Format::Bin);
        match (encoding, binary) {
            (Encoding::Xml, true) => Self::Base64,
            (Encoding::Xml, false) => Self::XmlText,
            (Encoding::Wbxml, _) => Self::Plain,
        }
    }

    /// What `Size` says of a value of so many octets: those that are transferred, before any escaping.
    pub(crate) const fn size(self, octets: u64) -> u64 {
        match self {
            Self::XmlText | Self::Plain => octets,
            Self::Base64 => octets.div_ceil(3).saturating_mul(4),
        }
    }

    /// How many octets of a value may fit into so many octets of a message, apart from escaping.
    pub(crate) const fn may_fit(self, room: usize) -> usize {
        let room = room.saturating_sub(FRAME);
        match self {
            Self::XmlText | Self::Plain => room,
            Self::Base64 => room / 4 * 3,
        }
    }

    /// How many octets from the start of `data` go into so many octets of a message. Characters stay whole, and a part
    /// that is not the last is a whole number of base64 groups. Nothing if the value is no text and has to be.
    pub(crate) fn cut(self, data: &[u8], is_end: bool, room: usize) -> Option<usize> {
        let most = self.may_fit(room).min(data.len());
        match self {
            Self::Plain => Some(match text_so_far(data, is_end) {
                Some(text) => whole_chars(text.as_bytes(), most.min(text.len())),
                None => most,
            }),
            Self::Base64 if is_end && most == data.len() => Some(most),
            Self::Base64 => Some(most / 3 * 3),
            Self::XmlText => {
                let text = text_so_far(data, is_end)?;
                let mut left = room.saturating_sub(FRAME);
                let mut end = 0;
                for c in text.chars() {
                    let Some(rest) = left.checked_sub(octets_in_xml(c)) else { break };
                    (left, end) = (rest, end + c.len_utf8());
                }
                Some(end)
            }
        }
    }
}

/// The whole characters of a part of a text; nothing if it is none.
fn text_so_far(data: &[u8], is_end: bool) -> Option<&str> {
    match core::str::from_utf8(data) {
        Ok(text) => Some(text),
        // The last character goes on in the next part.
        Err(error) if error.error_len().is_none() && !is_end => {
            core::str::from_utf8(data.get(..error.valid_up_to())?).ok()
        }
        Err(_) => None,
    }
}

fn whole_chars(data: &[u8], most: usize) -> usize {
    let begins_char = |at: &usize| data.get(*at).is_none_or(|octet| octet & 0xC0 != 0x80);
    (0..=most).rev().find(begins_char).unwrap_or(most)
}

/// What a character takes in the text of an element.
const fn octets_in_xml(c: char) -> usize {
    match c {
        '&' | '\r' => 5,
        '<' | '>' => 4,
        _ => c.len_utf8(),
    }
}

#[cfg(test)]
mod tests {
    use alloc::{string::String, vec::Vec};

    use super::*;
    use crate::{
        session::fill,
        wire::{self, Command, Edit, Item, Message},
    };

    fn content(format: Format, data: &[u8]) -> Content {
        Content { format: Some(format), data: Some(data.into()), ..Content::default() }
    }

    /// Octets of a message with this value.
    fn written(content: &Content, encoding: Encoding) -> usize {
        let mut item = Item::target("./A");
        fill(&mut item, content, encoding);
        let command = Command::Add(Edit { items: [item].into(), ..Edit::default() });
        wire::encode(encoding, &Message { commands: [command].into(), ..Message::default() }).unwrap().len()
    }

    #[test]
    fn parts_fill_a_message_and_are_the_value_when_joined() {
        let text: String = "añ<b>&c\r€😀".repeat(40);
        let octets: Vec<u8> = (0..=255).cycle().take(1000).collect();
        for (format, value) in [(Format::Chr, text.as_bytes()), (Format::Bin, &octets)] {
            for encoding in [Encoding::Xml, Encoding::Wbxml] {
                let form = Form::of(&content(format.clone(), value), encoding);
                let empty = written(&content(format.clone(), b""), encoding);
                for room in [20, 21, 22, 23, 100, 10_000] {
                    let (mut joined, mut parts) = (Vec::new(), 0);
                    while joined.len() < value.len() {
                        let rest = &value[joined.len()..];
                        let cut = form.cut(rest, true, room).unwrap();
                        assert!(cut > 0, "{form:?} {room}");
                        let part = &rest[..cut];
                        let taken = written(&content(format.clone(), part), encoding) - empty;
                        assert!(taken <= room, "{form:?} {room}: {taken}");
                        let is_last = joined.len() + cut == value.len();
                        // A base64 group and the longest escape are the most that can be left over, beside the frame.
                        assert!(is_last || taken + 5 + FRAME >= room, "{form:?} {room}: {taken}");
                        joined.extend_from_slice(part);
                        parts += 1;
                    }
                    assert_eq!(joined, value);
                    assert!(parts > 1 || room == 10_000);
                }
            }
        }
    }

    #[test]
    fn a_character_that_goes_on_in_the_next_part_waits_for_it() {
        let cut = "a€".as_bytes();
        assert_eq!(Form::XmlText.cut(&cut[..3], false, 100), Some(1));
        assert_eq!(Form::XmlText.cut(&cut[..3], true, 100), None);
        assert_eq!(Form::XmlText.cut(b"a\xff", false, 100), None);
        assert_eq!(Form::Plain.cut(cut, false, 2 + FRAME), Some(1));
        assert_eq!(Form::Plain.cut(&cut[..3], false, 100), Some(1));
        assert_eq!(Form::Plain.cut(b"\xff\xff\xff", false, 2 + FRAME), Some(2));
        assert_eq!(Form::Base64.cut(b"abcd", false, 100), Some(3));
        assert_eq!(Form::Base64.cut(b"abcd", true, 100), Some(4));
    }

    #[test]
    fn the_size_is_of_what_is_transferred() {
        let sizes = [0, 1, 3, 4].map(|octets| Form::Base64.size(octets));
        assert_eq!(sizes, [0, 4, 4, 8]);
        assert_eq!((Form::XmlText.size(7), Form::Plain.size(7)), (7, 7));
    }
}
