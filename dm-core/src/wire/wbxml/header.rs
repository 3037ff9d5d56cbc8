//! What stands before the first token: version, document type, character set, string table [WBXML 1.3, 5.4-5.8].

use super::{
    Kind, SYNCML_1_0, SYNCML_1_1, SYNCML_1_2, UTF_8,
    octets::{Octets, before_nul},
};

/// The first octet of WBXML 1.0 to 1.3, all of which a receiver must take [DM REPPRO 1.2, 5.2].
const VERSIONS: core::ops::RangeInclusive<u8> = 0x00..=0x03;
/// WBXML 1.0, whose header has no character set.
const WITHOUT_CHARSET: u8 = 0x00;
/// Numbers of character sets that UTF-8 includes: one that is not said, and US-ASCII.
const UNSAID: u32 = 0;
const US_ASCII: u32 = 3;
/// The public identifier that is not said. The root decides.
const UNKNOWN_PUBLIC_ID: u32 = 1;

/// What a document may call itself.
pub(crate) struct DocumentType {
    /// The numbers of its public identifiers.
    pub(crate) numbers: &'static [u32],
    /// Whether a name in the string table is a public identifier of it.
    pub(crate) is_named: fn(&[u8]) -> bool,
    /// What is wrong with a document that calls itself otherwise.
    pub(crate) otherwise: Kind,
}

/// SyncML 1.0, 1.1 and 1.2.
pub(crate) const SYNCML: DocumentType =
    DocumentType { numbers: &[SYNCML_1_0, SYNCML_1_1, SYNCML_1_2], is_named: is_syncml, otherwise: Kind::NotSyncMl };

/// The strings that tokens refer to.
#[derive(Clone, Copy, Default)]
pub(crate) struct StringTable<'a> {
    octets: &'a [u8],
    /// Where the table begins in the document.
    base: usize,
}

impl<'a> StringTable<'a> {
    /// The string at an index, and where it begins in the document.
    pub(crate) fn string(self, index: u32) -> Result<(&'a [u8], usize), Kind> {
        let (rest, at) = self.from(index)?;
        before_nul(rest).map(|string| (string, at)).ok_or(Kind::UnterminatedString)
    }

    /// The same, where the last string of the table may go without its NUL.
    fn string_or_rest(self, index: u32) -> Result<(&'a [u8], usize), Kind> {
        self.from(index).map(|(rest, at)| (before_nul(rest).unwrap_or(rest), at))
    }

    fn from(self, index: u32) -> Result<(&'a [u8], usize), Kind> {
        let index = usize::try_from(index).map_err(|_| Kind::BadStringIndex)?;
        let rest = self.octets.get(index..).filter(|rest| !rest.is_empty()).ok_or(Kind::BadStringIndex)?;
        Ok((rest, self.base + index))
    }
}

/// Reads the header of a document of this type, or of one that does not say its type. An error comes with its place.
pub(crate) fn read<'a>(
    octets: &mut Octets<'a>,
    expected: &DocumentType,
    table_bytes_max: usize,
) -> Result<StringTable<'a>, (Kind, usize)> {
    let mut at = octets.position();
    let table = table(octets, expected, table_bytes_max, &mut at);
    table.map_err(|kind| (kind, if kind == Kind::Truncated { octets.len() } else { at }))
}

fn table<'a>(
    octets: &mut Octets<'a>,
    expected: &DocumentType,
    table_bytes_max: usize,
    at: &mut usize,
) -> Result<StringTable<'a>, Kind> {
    let version = octets.octet()?;
    if !VERSIONS.contains(&version) {
        return Err(Kind::UnknownVersion);
    }
    *at = octets.position();
    let public_id_at = *at;
    let named = match octets.number()? {
        0 => Some(octets.number()?),
        UNKNOWN_PUBLIC_ID => None,
        number if expected.numbers.contains(&number) => None,
        _ => return Err(expected.otherwise),
    };
    *at = octets.position();
    if version != WITHOUT_CHARSET && !matches!(octets.number()?, UNSAID | US_ASCII | UTF_8) {
        return Err(Kind::NotUtf8);
    }
    *at = octets.position();
    let length = octets.number()?;
    if usize::try_from(length).map_or(true, |length| length > table_bytes_max) {
        return Err(Kind::StringTableTooLarge);
    }
    let base = octets.position();
    let table = StringTable { octets: octets.take(length)?, base };
    if let Some(index) = named {
        *at = public_id_at;
        let (name, name_at) = table.string_or_rest(index)?;
        *at = name_at;
        if !(expected.is_named)(name) {
            return Err(expected.otherwise);
        }
    }
    Ok(table)
}

/// Whether this is a formal public identifier of SyncML, in any letters and of any of its owners [digest B 8].
fn is_syncml(name: &[u8]) -> bool {
    ["-//SYNCML//DTD SYNCML 1.", "-//OMA//DTD SYNCML 1."].iter().any(|begin| {
        let (head, tail) = name.split_at(begin.len().min(name.len()));
        head.eq_ignore_ascii_case(begin.as_bytes())
            && matches!(tail.split_first(), Some((b'0'..=b'2', end)) if end.eq_ignore_ascii_case(b"//EN"))
    })
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::*;

    const FPI: &[u8] = b"-//SYNCML//DTD SyncML 1.2//EN";

    fn header(bytes: &[u8]) -> Result<usize, (Kind, usize)> {
        let mut octets = Octets::new(bytes);
        read(&mut octets, &SYNCML, 64).map(|_| octets.position())
    }

    fn named(index: u8, table: &[u8]) -> Vec<u8> {
        let length = u8::try_from(table.len()).unwrap();
        [&[0x02, 0x00, index, 0x6A, length], table].concat()
    }

    #[test]
    fn every_version_identifier_and_character_set_of_syncml_is_read() {
        for version in [1, 2, 3] {
            for public_id in [&[0x9F, 0x51][..], &[0x9F, 0x53], &[0xA4, 0x01], &[0x01], &[0x80, 0x01]] {
                for charset in [&[0x6A][..], &[0x80, 0x6A], &[0x03], &[0x00]] {
                    let bytes = [&[version], public_id, charset, &[0x00]].concat();
                    assert_eq!(header(&bytes), Ok(bytes.len()), "{bytes:x?}");
                }
            }
        }
        for public_id in [&[0xA4, 0x01][..], &[0x01]] {
            let bytes = [&[0x00], public_id, &[0x00]].concat();
            assert_eq!(header(&bytes), Ok(bytes.len()), "version 1.0 has no character set");
        }
    }

    #[test]
    fn an_identifier_in_the_string_table_may_be_spelled_and_ended_in_several_ways() {
        for fpi in [
            "-//SYNCML//DTD SyncML 1.2//EN",
            "-//SyncML//DTD SYNCML 1.1//en",
            "-//syncml//dtd syncml 1.0//en",
            "-//OMA//DTD SYNCML 1.2//EN",
        ] {
            for (before, after) in [("", ""), ("", "\0"), ("x\0", ""), ("x\0", "\0"), ("x\0", "\0y\0")] {
                let table = [before, fpi, after].concat();
                let bytes = named(u8::try_from(before.len()).unwrap(), table.as_bytes());
                assert_eq!(header(&bytes), Ok(bytes.len()), "{table:?}");
            }
        }
    }

    #[test]
    fn what_is_no_header_of_syncml_is_named() {
        let cases: [(&[u8], Kind, usize); 12] = [
            (&[0x10, 0x01, 0x6A, 0x00], Kind::UnknownVersion, 0),
            (&[0x04, 0x01, 0x6A, 0x00], Kind::UnknownVersion, 0),
            (b"<?xml version='1.0'?>", Kind::UnknownVersion, 0),
            (&[0x02, 0x02, 0x6A, 0x00], Kind::NotSyncMl, 1),
            (&[0x02, 0x9F, 0x52, 0x6A, 0x00], Kind::NotSyncMl, 1),
            (&[0x02, 0xA4, 0x02, 0x6A, 0x00], Kind::NotSyncMl, 1),
            (&[0x02, 0xFF, 0xFF, 0xFF, 0xFF, 0x7F], Kind::NumberTooLarge, 1),
            (&[0x02, 0xA4, 0x01, 0x04, 0x00], Kind::NotUtf8, 3),
            (&[0x02, 0xA4, 0x01, 0x87, 0x68, 0x00], Kind::NotUtf8, 3),
            (&[0x02, 0xA4, 0x01, 0x6A, 0x41], Kind::StringTableTooLarge, 4),
            (&[0x02, 0xA4, 0x01, 0x6A, 0x8F, 0xFF, 0xFF, 0xFF, 0x7F], Kind::StringTableTooLarge, 4),
            (&[0x02, 0xA4, 0x01, 0x6A, 0x40, 0x00], Kind::Truncated, 6),
        ];
        for (bytes, kind, at) in cases {
            assert_eq!(header(bytes), Err((kind, at)), "{bytes:x?}");
        }
        for (index, table, kind, at) in [
            (0, &b""[..], Kind::BadStringIndex, 1),
            (29, FPI, Kind::BadStringIndex, 1),
            (1, FPI, Kind::NotSyncMl, 6),
            (0, b"-//OMA//DTD-DM-DDF 1.2//EN", Kind::NotSyncMl, 5),
            (0, b"-//SYNCML//DTD DevInf 1.2//EN", Kind::NotSyncMl, 5),
            (0, b"-//SYNCML//DTD SyncML 1.3//EN", Kind::NotSyncMl, 5),
            (0, b"-//SYNCML//DTD SyncML 1.2//ENG", Kind::NotSyncMl, 5),
            (0, b"-//SYNCML//DTD SyncML 1.", Kind::NotSyncMl, 5),
        ] {
            assert_eq!(header(&named(index, table)), Err((kind, at)), "{table:?} {index}");
        }
    }

    #[test]
    fn a_string_of_the_table_must_be_in_it_and_end() {
        let table = StringTable { octets: b"ab\0cd", base: 5 };
        assert_eq!(table.string(0), Ok((&b"ab"[..], 5)));
        assert_eq!(table.string(1), Ok((&b"b"[..], 6)));
        assert_eq!(table.string(2), Ok((&b""[..], 7)));
        assert_eq!(table.string(3), Err(Kind::UnterminatedString));
        for index in [5, 6, u32::MAX] {
            assert_eq!(table.string(index), Err(Kind::BadStringIndex), "{index}");
        }
        assert_eq!(StringTable::default().string(0), Err(Kind::BadStringIndex));
    }
}
