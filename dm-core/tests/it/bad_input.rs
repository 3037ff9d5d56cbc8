//! The bad input that everybody tries first, each under its own name: a typed error, at its place, within the limits of
//! a client. `hostile` and `wbxml::hostile` have the rest.

use dm_core::{
    limits::WireLimits,
    wire::{self, DecodeErrorKind as Kind, Encoding},
};

use crate::{wbxml::reads as binary, xml};

/// The limits of a client, for messages of any length: so that it is not the length that is refused.
const LIMITS: WireLimits = WireLimits { message_bytes_max: usize::MAX, ..WireLimits::CLIENT };

#[track_caller]
fn refused(encoding: Encoding, bytes: &[u8]) -> (Kind, usize) {
    let error = wire::decode(encoding, bytes, &LIMITS).expect_err("bad input");
    assert!(error.header.is_some(), "somebody can be told");
    (error.kind, error.offset)
}

/// Where the body of a WBXML message begins.
fn body_at() -> usize {
    binary::BEGIN.len() + binary::HEADER.len() + 1
}

#[test]
fn fifty_thousand_nested_tags_in_xml_are_too_deep() {
    let text = xml::with_body(&format!("{}{}", "<Atomic>".repeat(50_000), "</Atomic>".repeat(50_000)));
    let first = text.find("<Atomic>").expect("there");
    // `SyncML` and `SyncBody` are open already.
    assert_eq!(refused(Encoding::Xml, text.as_bytes()), (Kind::TooDeep, first + 30 * "<Atomic>".len()));
}

#[test]
fn fifty_thousand_nested_tags_in_wbxml_are_too_deep() {
    let bytes = binary::with_body(&[b"\x48".repeat(50_000), b"\x01".repeat(50_000)].concat());
    assert_eq!(refused(Encoding::Wbxml, &bytes), (Kind::TooDeep, body_at() + 30));
}

#[test]
fn a_string_table_index_past_the_end_is_outside_the_table() {
    let table = b"./DevInfo/Man\0";
    for index in [&[0x0E][..], &[0x7F], &[0x8F, 0xFF, 0xFF, 0xFF, 0x7F]] {
        let bytes = binary::with_table(table, &[b"\x53\x4B\x83", index].concat());
        let at = body_at() + table.len() + 2;
        assert_eq!(refused(Encoding::Wbxml, &bytes), (Kind::BadStringIndex, at), "{index:02x?}");
    }
}

#[test]
fn an_opaque_length_of_four_gigabytes_is_more_than_there_is() {
    let bytes = binary::with_body(b"\x45\x4B\x031\0\x01\x54\x4F\xC3\x8F\xFF\xFF\xFF\x7Fabc");
    assert_eq!(refused(Encoding::Wbxml, &bytes), (Kind::Truncated, bytes.len()));
}

#[test]
fn an_integer_of_six_octets_is_too_large() {
    for number in [b"\x80\x80\x80\x80\x80\x01", b"\x81\x80\x80\x80\x80\x00", b"\xFF\xFF\xFF\xFF\xFF\x7F"] {
        for token in [b'\x02', b'\x83', b'\xC3', b'\x04'] {
            let bytes = binary::with_body(&[&[token], &number[..]].concat());
            assert_eq!(
                refused(Encoding::Wbxml, &bytes),
                (Kind::NumberTooLarge, body_at()),
                "{token:02x} {number:02x?}"
            );
        }
        let header = [&b"\x02\x01\x6A"[..], number, b"\x6D"].concat();
        let error = wire::decode(Encoding::Wbxml, &header, &LIMITS).expect_err("bad input");
        assert_eq!((error.kind, error.offset), (Kind::NumberTooLarge, 3), "in the header");
    }
}

#[test]
fn a_hundred_thousand_attributes_in_xml_are_too_many() {
    let attributes: Vec<_> = (0..100_000).map(|n| format!(" a{n}='u'")).collect();
    let text = xml::with_body(&format!("<Final{}/>", attributes.concat()));
    let at = text.find("<Final").expect("there");
    assert_eq!(refused(Encoding::Xml, text.as_bytes()), (Kind::TagTooLong, at));
    let long_tags = WireLimits { tag_bytes_max: usize::MAX, ..LIMITS };
    let error = wire::decode(Encoding::Xml, text.as_bytes(), &long_tags).expect_err("bad input");
    assert_eq!((error.kind, error.offset), (Kind::TooManyAttributes, at));
}

#[test]
fn a_hundred_thousand_attributes_in_wbxml_are_too_many() {
    let bytes = binary::with_body(&[&b"\x92"[..], &b"\x05".repeat(100_000), b"\x01"].concat());
    assert_eq!(refused(Encoding::Wbxml, &bytes), (Kind::TooManyAttributes, body_at() + 1 + 8));
}

#[test]
fn within_the_limits_of_a_client_a_long_message_is_not_even_looked_at() {
    let bytes = binary::with_body(&b"\x48".repeat(100_000));
    let error = wire::decode(Encoding::Wbxml, &bytes, &WireLimits::CLIENT).expect_err("bad input");
    assert_eq!((error.kind, error.offset, error.header), (Kind::TooLarge, 0, None));
}
