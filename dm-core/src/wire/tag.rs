//! The elements of a message, one name for each, whatever the encoding [SyncML RepPro 1.2; SyncML MetInf 1.2].

use alloc::{string::String, vec::Vec};
use core::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

/// Which vocabulary an element is of: a namespace in XML, a code page in WBXML.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Page {
    /// `SYNCML:SYNCML1.2` (or `1.1`), code page 0.
    SyncMl,
    /// `syncml:metinf`, code page 1.
    MetInf,
}

macro_rules! tags {
    ($($variant:ident = $page:ident $token:literal $name:literal;)+) => {
        /// An element of SyncML or MetInf.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum Tag {
            $(#[doc = concat!("`", $name, "`.")] $variant,)+
        }

        impl Tag {
            /// The element's name in XML.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }

            /// The vocabulary that the element is of.
            #[must_use]
            pub const fn page(self) -> Page {
                match self { $(Self::$variant => Page::$page,)+ }
            }

            /// The element's token on its code page, without the bits for content and attributes [digest 7.3].
            #[must_use]
            pub const fn token(self) -> u8 {
                match self { $(Self::$variant => $token,)+ }
            }

            /// The element of this token.
            #[must_use]
            pub const fn from_token(page: Page, token: u8) -> Option<Self> {
                match (page, token) { $((Page::$page, $token) => Some(Self::$variant),)+ _ => None }
            }

            /// Every element.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];
        }

        /// The names as numbers, in the order of the elements.
        static WORDS: [Word; Tag::ALL.len()] = [$(Word::of($name.as_bytes())),+];

        /// The elements' tags in XML without attributes, in the order of the elements.
        #[cfg(feature = "xml")]
        static WRITTEN: [Written; Tag::ALL.len()] = [$(Written {
            start: Padded::of(concat!("<", $name, ">").as_bytes()),
            end: Padded::of(concat!("</", $name, ">").as_bytes()),
        }),+];
    };
}

tags! {
    Add = SyncMl 0x05 "Add";
    Alert = SyncMl 0x06 "Alert";
    Archive = SyncMl 0x07 "Archive";
    Atomic = SyncMl 0x08 "Atomic";
    Chal = SyncMl 0x09 "Chal";
    Cmd = SyncMl 0x0A "Cmd";
    CmdId = SyncMl 0x0B "CmdID";
    CmdRef = SyncMl 0x0C "CmdRef";
    Copy = SyncMl 0x0D "Copy";
    Cred = SyncMl 0x0E "Cred";
    Data = SyncMl 0x0F "Data";
    Delete = SyncMl 0x10 "Delete";
    Exec = SyncMl 0x11 "Exec";
    Final = SyncMl 0x12 "Final";
    Get = SyncMl 0x13 "Get";
    Item = SyncMl 0x14 "Item";
    Lang = SyncMl 0x15 "Lang";
    LocName = SyncMl 0x16 "LocName";
    LocUri = SyncMl 0x17 "LocURI";
    Map = SyncMl 0x18 "Map";
    MapItem = SyncMl 0x19 "MapItem";
    Meta = SyncMl 0x1A "Meta";
    MsgId = SyncMl 0x1B "MsgID";
    MsgRef = SyncMl 0x1C "MsgRef";
    NoResp = SyncMl 0x1D "NoResp";
    NoResults = SyncMl 0x1E "NoResults";
    Put = SyncMl 0x1F "Put";
    Replace = SyncMl 0x20 "Replace";
    RespUri = SyncMl 0x21 "RespURI";
    Results = SyncMl 0x22 "Results";
    Search = SyncMl 0x23 "Search";
    Sequence = SyncMl 0x24 "Sequence";
    SessionId = SyncMl 0x25 "SessionID";
    SftDel = SyncMl 0x26 "SftDel";
    Source = SyncMl 0x27 "Source";
    SourceRef = SyncMl 0x28 "SourceRef";
    Status = SyncMl 0x29 "Status";
    Sync = SyncMl 0x2A "Sync";
    SyncBody = SyncMl 0x2B "SyncBody";
    SyncHdr = SyncMl 0x2C "SyncHdr";
    SyncMl = SyncMl 0x2D "SyncML";
    Target = SyncMl 0x2E "Target";
    TargetRef = SyncMl 0x2F "TargetRef";
    VerDtd = SyncMl 0x31 "VerDTD";
    VerProto = SyncMl 0x32 "VerProto";
    NumberOfChanges = SyncMl 0x33 "NumberOfChanges";
    MoreData = SyncMl 0x34 "MoreData";
    Field = SyncMl 0x35 "Field";
    Filter = SyncMl 0x36 "Filter";
    Record = SyncMl 0x37 "Record";
    FilterType = SyncMl 0x38 "FilterType";
    SourceParent = SyncMl 0x39 "SourceParent";
    TargetParent = SyncMl 0x3A "TargetParent";
    Move = SyncMl 0x3B "Move";
    Correlator = SyncMl 0x3C "Correlator";
    Anchor = MetInf 0x05 "Anchor";
    Emi = MetInf 0x06 "EMI";
    Format = MetInf 0x07 "Format";
    FreeId = MetInf 0x08 "FreeID";
    FreeMem = MetInf 0x09 "FreeMem";
    Last = MetInf 0x0A "Last";
    Mark = MetInf 0x0B "Mark";
    MaxMsgSize = MetInf 0x0C "MaxMsgSize";
    Mem = MetInf 0x0D "Mem";
    MetInf = MetInf 0x0E "MetInf";
    Next = MetInf 0x0F "Next";
    NextNonce = MetInf 0x10 "NextNonce";
    SharedMem = MetInf 0x11 "SharedMem";
    Size = MetInf 0x12 "Size";
    Type = MetInf 0x13 "Type";
    Version = MetInf 0x14 "Version";
    MaxObjSize = MetInf 0x15 "MaxObjSize";
    FieldLevel = MetInf 0x16 "FieldLevel";
}

impl Tag {
    /// The element of this name; no name is in both vocabularies.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        // What is longer than any name must not be taken for the one that it begins with, nor one with zeros behind it.
        let found = Word::of(name.as_bytes()).tag();
        found.filter(|tag| tag.name().len() == name.len())
    }

    /// The element whose name the text begins with, and how long that is.
    #[cfg(feature = "xml")]
    pub(super) fn leading(text: &[u8]) -> Option<(Self, usize)> {
        let (word, bytes) = Word::leading(text.first_chunk()?)?;
        Some((word.tag()?, bytes))
    }

    /// The element's start tag without attributes, in XML.
    #[cfg(feature = "xml")]
    pub(super) fn start_tag(self) -> &'static Padded {
        WRITTEN.get(self as usize).map_or(&Padded::EMPTY, |written| &written.start)
    }

    /// The element's end tag in XML.
    #[cfg(feature = "xml")]
    pub(super) fn end_tag(self) -> &'static Padded {
        WRITTEN.get(self as usize).map_or(&Padded::EMPTY, |written| &written.end)
    }

    /// The name as a number.
    fn word(self) -> Word {
        WORDS.get(self as usize).copied().unwrap_or(Word(0, 0))
    }
}

/// Up to sixteen octets of a name as numbers, the first one lowest, with zeros behind them.
///
/// A message is hundreds of tags with names out of less than a hundred. To compare one as text is a call, and to match it
/// against all is many comparisons; so to find out which it is was a tenth of what it takes to read a message.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Word(u64, u64);

impl Word {
    /// The octets of all names fit.
    const BYTES: usize = 16;

    const fn of(name: &[u8]) -> Self {
        let (mut word, mut rest, mut at) = (Self(0, 0), name, 0);
        while let Some((octet, behind)) = rest.split_first() {
            match at {
                0..=7 => word.0 |= (*octet as u64) << (8 * at),
                8..Self::BYTES => word.1 |= (*octet as u64) << (8 * (at - 8)),
                _ => {}
            }
            (rest, at) = (behind, at + 1);
        }
        word
    }

    /// The element of this name: where it must be in the table, if it is in it.
    fn tag(self) -> Option<Tag> {
        let tag = (*BY_SLOT.get(self.slot())?)?;
        (tag.word() == self).then_some(tag)
    }

    /// A place in [`BY_SLOT`]. The factor was found by trial: no two names have the same place, which the compiler checks.
    const fn slot(self) -> usize {
        ((self.0 ^ self.1).wrapping_mul(0xE402_574E_F3FF_C897) >> 56) as usize
    }
}

#[cfg(feature = "xml")]
impl Word {
    fn read(text: &[u8; Self::BYTES]) -> Self {
        let number = |octets: Option<&[u8; 8]>| octets.map_or(0, |octets| u64::from_le_bytes(*octets));
        Self(number(text.first_chunk()), number(text.last_chunk()))
    }

    /// The letters that the text begins with, if anything else follows them, and how many they are.
    fn leading(text: &[u8; Self::BYTES]) -> Option<(Self, usize)> {
        // Letters have this bit; brackets, slashes and white space do not. Where another character has it, no name has that.
        const LETTER: u64 = 0x4040_4040_4040_4040;
        let Self(low, high) = Self::read(text);
        let letters = |end: u64| (end.trailing_zeros() / 8) as usize;
        let below = |end: u64| (1 << (end.trailing_zeros() & !7)) - 1;
        match (!low & LETTER, !high & LETTER) {
            (0, 0) => None,
            (0, end) => Some((Self(low, high & below(end)), 8 + letters(end))),
            (end, _) => Some((Self(low & below(end), 0), letters(end))),
        }
    }
}

/// How an element is written in XML.
#[cfg(feature = "xml")]
struct Written {
    start: Padded,
    end: Padded,
}

/// A tag with zeros behind it. All are of the same size, so they are written and compared without a loop or a call.
#[cfg(feature = "xml")]
pub(super) struct Padded {
    pub(super) octets: [u8; Self::BYTES],
    pub(super) bytes: usize,
    /// The first octets as a number, with all others pushed out at its low end; 0 where they are not the whole tag.
    first: u128,
    /// By how many bits they were pushed.
    pushed: u32,
}

#[cfg(feature = "xml")]
impl Padded {
    /// The octets of all tags fit.
    pub(super) const BYTES: usize = 24;
    const EMPTY: Self = Self::of(&[]);

    const fn of(tag: &[u8]) -> Self {
        let (mut octets, mut rest, bytes, mut first) = ([0; Self::BYTES], tag, tag.len(), 0);
        let (mut places, _) = octets.split_at_mut(bytes);
        let mut pushed = u128::BITS;
        while let (Some((place, other_places)), Some((octet, behind))) = (places.split_first_mut(), rest.split_first())
        {
            *place = *octet;
            (places, rest) = (other_places, behind);
            first = (first >> 8) | ((*octet as u128) << 120);
            pushed = pushed.saturating_sub(8);
        }
        if bytes == 0 || bytes > 16 {
            return Self { octets, bytes, first: 0, pushed: 0 };
        }
        Self { octets, bytes, first, pushed }
    }

    /// How long the tag is, if the text begins with it.
    #[inline]
    pub(super) fn leads(&self, text: &[u8]) -> Option<usize> {
        match text.first_chunk() {
            Some(octets) if self.first != 0 => {
                (u128::from_le_bytes(*octets) << self.pushed == self.first).then_some(self.bytes)
            }
            _ => self.leads_slowly(text),
        }
    }

    /// The same at the end of a message, and for a tag that is longer than all others.
    #[cold]
    fn leads_slowly(&self, text: &[u8]) -> Option<usize> {
        self.octets.get(..self.bytes).is_some_and(|tag| text.starts_with(tag)).then_some(self.bytes)
    }
}

/// The elements, each at the place of its name.
static BY_SLOT: [Option<Tag>; 256] = {
    let (mut table, mut rest) = ([None; 256], Tag::ALL);
    while let Some((tag, behind)) = rest.split_first() {
        let (_, places) = table.split_at_mut(Word::of(tag.name().as_bytes()).slot());
        if let Some((place, _)) = places.split_first_mut() {
            assert!(place.is_none(), "two names have the same place: another factor is needed");
            *place = Some(*tag);
        }
        rest = behind;
    }
    table
};

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Debug for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Serialize for Tag {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(self.name())
    }
}

impl<'de> Deserialize<'de> for Tag {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let name = String::deserialize(from)?;
        Self::from_name(&name).ok_or_else(|| D::Error::custom("not the name of an element"))
    }
}

/// The elements that were open at some place, outermost first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ElementPath(pub Vec<Tag>);

impl fmt::Display for ElementPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("the document");
        }
        for (at, tag) in self.0.iter().enumerate() {
            write!(f, "{}{tag}", if at == 0 { "" } else { "/" })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_tokens_lead_back_to_their_element() {
        for tag in Tag::ALL {
            assert_eq!(Tag::from_name(tag.name()), Some(*tag));
            assert_eq!(Tag::from_token(tag.page(), tag.token()), Some(*tag));
        }
        assert_eq!(Tag::from_token(Page::SyncMl, 0x30), None, "reserved");
    }

    #[test]
    fn what_is_no_name_is_no_element() {
        for name in
            ["", "add", "Ad", "Addd", "Add\0", "Add ", "NumberOfChangesX", "NumberOfChangesXX", "\0", "\u{C4}dd"]
        {
            assert_eq!(Tag::from_name(name), None, "{name:?}");
        }
    }

    #[cfg(feature = "xml")]
    #[test]
    fn a_tag_is_known_by_its_first_octets() {
        let tail = "<and><so><on><and><so><on>";
        for tag in Tag::ALL {
            let bytes = tag.name().len();
            for end in [">", " x='1'>", "/>", "\t>", ":x>", "=", "1"] {
                let text = alloc::format!("{tag}{end}{tail}");
                assert_eq!(Tag::leading(text.as_bytes()), Some((*tag, bytes)), "{text}");
            }
            for other in ["s>", "_>", "A\u{308}>"] {
                let text = alloc::format!("{tag}{other}{tail}");
                assert_ne!(Tag::leading(text.as_bytes()).map(|(tag, _)| tag), Some(*tag), "{text}");
            }
        }
        assert_eq!(Tag::leading(b"Add>"), None, "too near to the end to tell at once");
    }

    #[cfg(feature = "xml")]
    #[test]
    fn a_tag_leads_what_begins_with_all_of_it() {
        for tag in Tag::ALL {
            for (written, text) in
                [(tag.start_tag(), alloc::format!("<{tag}>")), (tag.end_tag(), alloc::format!("</{tag}>"))]
            {
                assert_eq!(written.octets.get(..written.bytes), Some(text.as_bytes()));
                for tail in ["", "x", "<and><so><on><and><so><on>"] {
                    let whole = alloc::format!("{text}{tail}");
                    assert_eq!(written.leads(whole.as_bytes()), Some(text.len()), "{whole}");
                    let other = alloc::format!("{}s>{tail}", text.trim_end_matches('>'));
                    assert_eq!(written.leads(other.as_bytes()), None, "{other}");
                    let part = alloc::format!("{}{tail}", text.trim_end_matches('>'));
                    assert_eq!(written.leads(part.as_bytes()), None, "{part}");
                    let other = alloc::format!("x{}{tail}", text.trim_start_matches('<'));
                    assert_eq!(written.leads(other.as_bytes()), None, "{other}");
                }
            }
        }
    }
}
