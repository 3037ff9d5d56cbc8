//! Names in tags, eight octets at a time: most names fit into a machine word, and so do most texts.

use memchr::memchr;

use super::{Name, Tag};
use crate::dm::OpKind;

/// How many octets are looked at together.
const WIDTH: usize = 8;

/// One in every octet.
const ONES: u64 = u64::MAX / 0xff;
/// The highest bit of every octet.
const HIGHS: u64 = ONES << 7;
/// A tag begins in every octet.
const TAGS_BEGIN: u64 = ONES * b'<' as u64;
/// What is in a name is no smaller than this, in every octet; what ends one is.
const IN_NAMES: u64 = ONES * b'?' as u64;

/// The octets from a place on, the first one lowest; zeros where there are no more.
pub(super) fn window(bytes: &[u8], at: usize) -> u64 {
    let rest = bytes.get(at..).unwrap_or_default();
    rest.first_chunk().map_or_else(|| last_window(rest), |octets| u64::from_le_bytes(*octets))
}

#[cold]
#[inline(never)]
fn last_window(rest: &[u8]) -> u64 {
    let mut octets = [0; WIDTH];
    octets.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
    u64::from_le_bytes(octets)
}

/// How many octets there are before the first that is marked in its highest bit.
const fn before(marks: u64) -> usize {
    (marks.trailing_zeros() / 8) as usize
}

/// How far it is to the next `<`. Mostly one tag follows right on another, or on a short text.
pub(super) fn to_tag(bytes: &[u8], at: usize) -> Option<usize> {
    let differs = window(bytes, at) ^ TAGS_BEGIN;
    let marks = differs.wrapping_sub(ONES) & !differs & HIGHS;
    if marks != 0 {
        return Some(before(marks));
    }
    memchr(b'<', bytes.get(at + WIDTH..)?).map(|found| found + WIDTH)
}

/// How an element is closed: its name, and `>`.
#[derive(Clone, Copy, Default)]
pub(super) struct Ending {
    /// As much of it as fits.
    octets: u64,
    /// Which octets those are.
    mask: u64,
    /// Where it is to be seen for the first time, but for its `>`.
    from: usize,
    len: usize,
}

impl Ending {
    /// How long it is, if it is what is to be seen.
    pub(super) fn is_at(&self, bytes: &[u8], at: usize) -> Option<usize> {
        let is_seen = (window(bytes, at) ^ self.octets) & self.mask == 0;
        (is_seen && (self.len <= WIDTH || self.is_at_as_a_whole(bytes, at))).then_some(self.len)
    }

    #[inline(never)]
    fn is_at_as_a_whole(&self, bytes: &[u8], at: usize) -> bool {
        let name = |from: usize| bytes.get(from..from + self.len - 1);
        name(self.from) == name(at) && bytes.get(at + self.len - 1) == Some(&b'>')
    }
}

/// A tag that is no closing one.
pub(super) struct Start {
    pub(super) tag: Tag,
    pub(super) ending: Ending,
    /// Whether its element is over with it.
    pub(super) is_empty: bool,
    /// Whether it says that the message is the last one of its package.
    pub(super) is_final: bool,
    /// All that follows on `<`, with `>`.
    pub(super) octets: usize,
}

impl Start {
    /// What follows on a `<`; nothing where our writers would not have written it.
    pub(super) fn at(bytes: &[u8], at: usize, window: u64) -> Option<Self> {
        let marks = window.wrapping_sub(IN_NAMES) & !window & HIGHS;
        let len = before(marks);
        if marks == 0 {
            return Self::of_long_name(bytes, at);
        }
        if len == 0 {
            return None;
        }
        // All octets up to the first that is marked.
        let mask = marks ^ marks.wrapping_sub(1);
        let name = window & mask >> 8;
        let [after, ..] = (window >> (8 * len)).to_le_bytes();
        let ending = Ending { octets: name | u64::from(b'>') << (8 * len), mask, from: at, len: len + 1 };
        let (octets, is_empty) = if after == b'>' { (len + 1, false) } else { end_of(bytes, at, len)? };
        let (tag, is_final) = if is_empty { (Tag::Other, name == FINAL) } else { (tag_of(name), false) };
        Some(Self { tag, ending, is_empty, is_final, octets })
    }

    #[inline(never)]
    fn of_long_name(bytes: &[u8], at: usize) -> Option<Self> {
        let len = bytes.get(at..)?.iter().position(|octet| matches!(octet, b'>' | b'/' | b' '))?;
        let name = bytes.get(at..at + len).filter(|name| name.len() >= WIDTH)?;
        let known = TAGS.iter().find(|(known, _)| known.as_bytes() == name);
        let ending = Ending { octets: window(name, 0), mask: u64::MAX, from: at, len: len + 1 };
        let (octets, is_empty) = end_of(bytes, at, len)?;
        let tag = known.filter(|_| !is_empty).map_or(Tag::Other, |(_, tag)| *tag);
        Some(Self { tag, ending, is_empty, is_final: false, octets })
    }
}

/// How long a tag is after its `<`, with all that follows on its name, and whether it is that of an element that has
/// nothing in it.
fn end_of(bytes: &[u8], at: usize, name: usize) -> Option<(usize, bool)> {
    match bytes.get(at + name..)? {
        [b'>', ..] => Some((name + 1, false)),
        [b'/', b'>', ..] => Some((name + 2, true)),
        rest @ [b' ', ..] => {
            let end = memchr(b'>', rest)?;
            Some((name + end + 1, rest.get(..end)?.ends_with(b"/")))
        }
        _ => None,
    }
}

const FINAL: u64 = seen("Final");

/// What the rules look at.
const TAGS: [(&str, Tag); 24] = [
    ("SyncHdr", Tag::Header),
    ("SyncBody", Tag::Body),
    ("Status", Tag::Command(Name::Status)),
    ("Results", Tag::Command(Name::Results)),
    ("Alert", Tag::Command(Name::Alert)),
    ("Get", Tag::Command(Name::Op(OpKind::Get))),
    ("Add", Tag::Command(Name::Op(OpKind::Add))),
    ("Replace", Tag::Command(Name::Op(OpKind::Replace))),
    ("Delete", Tag::Command(Name::Op(OpKind::Delete))),
    ("Copy", Tag::Command(Name::Op(OpKind::Copy))),
    ("Exec", Tag::Command(Name::Op(OpKind::Exec))),
    ("SessionID", Tag::SessionId),
    ("MsgID", Tag::MsgId),
    ("Source", Tag::Source),
    ("LocURI", Tag::LocUri),
    ("Cred", Tag::Cred),
    ("Data", Tag::Data),
    ("MaxMsgSize", Tag::MaxMsgSize),
    ("CmdID", Tag::CmdId),
    ("MsgRef", Tag::MsgRef),
    ("CmdRef", Tag::CmdRef),
    ("Cmd", Tag::Cmd),
    ("NextNonce", Tag::NextNonce),
    ("Item", Tag::Item),
];

const PLACES: usize = 32;

/// Where a name is in the table. The factor was found by trial: each of them has a place of its own, which the compiler
/// checks, and so a name is known by one comparison.
const fn place(name: u64) -> usize {
    (name.wrapping_mul(0xb72a_002b_3506_c95d) >> 59) as usize
}

/// The beginning of a name as it looks through a window.
const fn seen(name: &str) -> u64 {
    let (mut rest, mut seen, mut at) = (name.as_bytes(), 0, 0);
    while let [first, others @ ..] = rest
        && at < u64::BITS
    {
        seen |= (*first as u64) << at;
        (rest, at) = (others, at + 8);
    }
    seen
}

static TABLE: [(u64, Tag); PLACES] = table();

const fn table() -> [(u64, Tag); PLACES] {
    let mut table = [(0, Tag::Other); PLACES];
    let mut rest: &[(&str, Tag)] = &TAGS;
    while let [(name, tag), others @ ..] = rest {
        let name = seen(name);
        if let Some((_, entries)) = table.split_at_mut_checked(place(name))
            && let [entry, ..] = entries
        {
            assert!(entry.0 == 0, "two names have the same place: another factor is needed");
            *entry = (name, *tag);
        }
        rest = others;
    }
    table
}

/// What a name is that fits into a window with its end.
fn tag_of(name: u64) -> Tag {
    TABLE.get(place(name)).filter(|(known, _)| *known == name).map_or(Tag::Other, |(_, tag)| *tag)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_known_and_has_a_place_of_its_own() {
        for (name, tag) in TAGS {
            assert_eq!(tag_of(seen(name)), tag, "{name}");
            for more in ["", " a=\"b\""] {
                let text = format!("{name}{more}>text</{name}>");
                let start = Start::at(text.as_bytes(), 0, window(text.as_bytes(), 0)).unwrap();
                assert_eq!((start.tag, start.octets), (tag, name.len() + more.len() + 1), "{text}");
            }
            assert_eq!(tag_of(seen(&name[1..])), Tag::Other, "{name}");
        }
    }

    #[test]
    fn the_next_tag_is_found_at_any_distance_and_at_the_end() {
        for distance in 0..70 {
            let text = format!("{}<x>{}", "\u{e9}/>".repeat(distance), "y".repeat(distance % 20));
            assert_eq!(to_tag(text.as_bytes(), 0), text.find('<'), "{distance}");
            assert_eq!(to_tag("=;\u{bc}".repeat(distance).as_bytes(), 0), None, "{distance}");
        }
    }

    #[test]
    fn a_tag_is_read_with_its_attributes_and_its_end() {
        let start = |text: &str| {
            let start = Start::at(text.as_bytes(), 0, window(text.as_bytes(), 0))?;
            Some((start.tag, start.is_empty, start.is_final, start.octets))
        };
        assert_eq!(start("Cmd>Get</Cmd>"), Some((Tag::Cmd, false, false, 4)));
        assert_eq!(start("Cmd>"), Some((Tag::Cmd, false, false, 4)));
        assert_eq!(start("MaxMsgSize xmlns=\"syncml:metinf\">9<"), Some((Tag::MaxMsgSize, false, false, 33)));
        assert_eq!(start("Final/>"), Some((Tag::Other, true, true, 7)));
        assert_eq!(start("Final a=\"b\"/>"), Some((Tag::Other, true, true, 13)));
        for other in ["Fina/>", "Finals/>", "Finally/>", "Finalised/>"] {
            assert_eq!(start(other), Some((Tag::Other, true, false, other.len())), "{other}");
        }
        assert_eq!(start("SyncBodies>"), Some((Tag::Other, false, false, 11)));
        for broken in ["", ">", "/>", " >", "Cmd", "Cmd ", "Cmd!>", "a!>", "SessionID", "a-name-without-end"] {
            assert_eq!(start(broken), None, "{broken}");
        }
    }

    #[test]
    fn an_element_is_closed_by_its_own_name_alone() {
        for name in ["Cmd", "Source", "SyncHdr", "SyncBody", "SessionID", "InterruptedSession"] {
            for more in ["", " a=\"b\""] {
                let closed = |by: &str| {
                    let text = format!("{name}{more}></{by}");
                    let start = Start::at(text.as_bytes(), 0, window(text.as_bytes(), 0)).unwrap();
                    start.ending.is_at(text.as_bytes(), start.octets + 2)
                };
                let len = Some(name.len() + 1);
                assert_eq!([closed(&format!("{name}>")), closed(&format!("{name}></Status>"))], [len; 2], "{name}");
                for other in ["", ">", name, &format!("{name}x>"), &format!("x{name}>"), &format!("{}>", &name[1..])] {
                    assert_eq!(closed(other), None, "{name} {other}");
                }
                assert_eq!(closed(&format!("{}x>", &name[..name.len() - 1])), None, "{name}");
            }
        }
    }
}
