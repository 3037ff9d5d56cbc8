//! Bytes that mean harm: they are refused at once, within limits, and with the right reason.

use dm_core::{
    codes::StatusCode,
    fault::PeerFault,
    limits::WireLimits,
    wire::{self, Command, Data, DecodeError, DecodeErrorKind as Kind, Decoded, Encoding, Tag},
};

use super::{
    WBXML, decode,
    reads::{BEGIN, HEADER, with_body, with_table},
};

/// Limits that are out of the way, so that only the reader's own bounds hold.
const NONE: WireLimits = WireLimits {
    message_bytes_max: usize::MAX,
    depth_max: usize::MAX,
    elements_max: usize::MAX,
    attributes_max: usize::MAX,
    tag_bytes_max: usize::MAX,
    commands_max: usize::MAX,
    string_table_bytes_max: usize::MAX,
};

fn within(limits: WireLimits, bytes: &[u8]) -> Result<Decoded, DecodeError> {
    wire::decode(Encoding::Wbxml, bytes, &limits)
}

#[track_caller]
fn refused(bytes: &[u8]) -> (Kind, usize) {
    let error = decode(bytes).expect_err("hostile");
    (error.kind, error.offset)
}

/// Where the body's first token is.
fn body_at() -> usize {
    BEGIN.len() + HEADER.len() + 1
}

#[test]
fn depth_is_bounded_for_every_kind_of_element() {
    for (element, story) in [(&b"\x53"[..], "Get"), (b"\x48", "Atomic"), (b"\x44\x00", "foreign")] {
        for inner in [31, 100, 1_000, 50_000, 1_000_000] {
            let bytes = with_table(b"x\0", &[element.repeat(inner), b"\x01".repeat(inner)].concat());
            let error = within(WireLimits { message_bytes_max: usize::MAX, ..WireLimits::SERVER }, &bytes)
                .expect_err("too deep");
            assert_eq!((error.kind, error.offset), (Kind::TooDeep, body_at() + 2 + 30 * element.len()), "{story}");
            assert!(error.header.is_some());
        }
        let bytes = with_table(b"x\0", &[b"\x44\x00".repeat(30), b"\x01".repeat(30)].concat());
        assert!(decode(&bytes).is_ok(), "as deep as allowed");
    }
}

#[test]
fn no_limits_allow_more_depth_than_the_stack_holds() {
    let commands = |depth| with_body(&[b"\x48\x4B\x031\0\x01".repeat(depth), b"\x01".repeat(depth)].concat());
    let filters =
        with_body(&[b"\x45\x4B\x031\0\x01\x54".to_vec(), b"\x6E\x57\x03a\0\x01\x76\x75\x54".repeat(50_000)].concat());
    let read = move || {
        assert!(within(NONE, &commands(61)).is_ok());
        for bytes in [commands(62), commands(50_000), filters] {
            assert_eq!(within(NONE, &bytes).map_err(|error| error.kind), Err(Kind::TooDeep));
        }
    };
    // A quarter of what threads have by default.
    std::thread::Builder::new().stack_size(512 * 1024).spawn(read).expect("a thread").join().expect("no overflow");
}

#[test]
fn elements_commands_and_attributes_are_bounded() {
    let elements = with_table(b"x\0", &b"\x04\x00".repeat(100_000));
    assert_eq!(refused(&elements), (Kind::TooManyElements, body_at() + 2 + 2 * (10_000 - 11)));
    let commands = with_body(&b"\x53\x4B\x031\0\x01\x01".repeat(257));
    assert_eq!(refused(&commands), (Kind::TooManyCommands, body_at() + 7 * 256));
    let attributes = |count| with_body(&[&b"\x92"[..], &b"\x05".repeat(count), b"\x01"].concat());
    assert!(decode(&attributes(8)).is_ok());
    for count in [9, 100_000] {
        assert_eq!(refused(&attributes(count)), (Kind::TooManyAttributes, body_at() + 9), "{count}");
    }
    let unseen = with_table(b"x\0", &[&b"\x44\x00\x92"[..], &b"\x05".repeat(9), b"\x01\x01"].concat());
    assert_eq!(refused(&unseen).0, Kind::TooManyAttributes, "where nobody looks");
}

#[test]
fn references_to_strings_are_checked() {
    let table = b"ab\0cd";
    let at = body_at() + table.len();
    for (index, kind) in [
        (&[0x03][..], Kind::UnterminatedString),
        (&[0x05], Kind::BadStringIndex),
        (&[0x06], Kind::BadStringIndex),
        (&[0x8F, 0xFF, 0xFF, 0xFF, 0x7F], Kind::BadStringIndex),
        (&[0x80, 0x80, 0x80, 0x80, 0x80, 0x00], Kind::NumberTooLarge),
        (&[0x90, 0x80, 0x80, 0x80, 0x00], Kind::NumberTooLarge),
    ] {
        for token in [0x83, 0x04, 0x44, 0x84, 0xC4] {
            assert_eq!(refused(&with_table(table, &[&[token], index].concat())), (kind, at), "{token:x} {index:02x?}");
        }
        assert_eq!(refused(&with_table(table, &[&[0x92, 0x05, 0x83], index].concat())), (kind, at + 2), "{index:02x?}");
    }
    assert_eq!(refused(&with_body(b"\x83\x00")), (Kind::BadStringIndex, body_at()), "no table at all");
}

#[test]
fn the_string_table_is_bounded_and_so_is_what_it_gives() {
    let long = |length: usize| {
        let (high, low) =
            (u8::try_from(length >> 14).unwrap() | 0x80, u8::try_from(length >> 7 & 0x7F).unwrap() | 0x80);
        let length_octets = [high, low, u8::try_from(length & 0x7F).unwrap()];
        [&BEGIN[..4], &length_octets, &b"x".repeat(length - 1), b"\0", HEADER].concat()
    };
    let body = |references: usize| {
        [&b"\x6B\x45\x4B\x031\0\x01\x54\x4F"[..], &b"\x83\x00".repeat(references), b"\x01\x01\x01\x01\x01"].concat()
    };
    assert_eq!(refused(&[long(16 * 1024 + 1), body(0)].concat()), (Kind::StringTableTooLarge, 4));
    let Decoded { message, .. } = decode(&[long(16 * 1024), body(64)].concat()).expect("just as much as allowed");
    let [Command::Add(add)] = message.commands.as_slice() else { panic!("{:?}", message.commands) };
    assert_eq!(add.items[0].data.as_ref().map(|data| data.as_bytes().len()), Some(64 * (16 * 1024 - 1)));
    // Without a bound this would be gigabytes.
    for references in [65, 400_000] {
        assert_eq!(refused(&[long(16 * 1024), body(references)].concat()).0, Kind::TooLarge);
    }
}

#[test]
fn a_length_is_compared_with_what_is_there() {
    for length in [&[0x8F, 0xFF, 0xFF, 0xFF, 0x7F][..], &[0x04], &[0x81, 0x00]] {
        for token in [&b"\x45\x4B\x031\0\x01\x54\x4F\xC3"[..], b"\x92\x05\xC3"] {
            let bytes = [BEGIN, HEADER, b"\x6B", token, length, b"abc"].concat();
            assert_eq!(refused(&bytes), (Kind::Truncated, bytes.len()), "{length:02x?}");
        }
    }
    let bytes = with_body(b"\xC3\x80\x80\x80\x80\x80\x01");
    assert_eq!(refused(&bytes), (Kind::NumberTooLarge, body_at()));
    let table = [&[0x02, 0xA4, 0x01, 0x6A, 0x8F, 0xFF, 0xFF, 0xFF, 0x7F], HEADER].concat();
    assert_eq!(refused(&table), (Kind::StringTableTooLarge, 4));
    assert_eq!(within(NONE, &table).map_err(|error| error.kind), Err(Kind::Truncated));
}

#[test]
fn characters_that_xml_does_not_have_are_refused() {
    for number in [
        &[0x00][..],
        &[0x01],
        &[0x83, 0xB0, 0x00],
        &[0x83, 0xFF, 0x7E],
        &[0xC4, 0x80, 0x00],
        &[0x8F, 0xFF, 0xFF, 0xFF, 0x7F],
    ] {
        for before in [&b"\x53\x4B"[..], b"\x44\x00", b"\x92\x05", b"\x45\x4B\x031\0\x01\x54\x4F"] {
            let bytes = with_table(b"x\0", &[before, b"\x02", number].concat());
            let at = body_at() + 2 + before.len();
            assert_eq!(refused(&bytes), (Kind::BadCharacter, at), "{number:02x?} after {before:02x?}");
        }
    }
    for (text, kind) in [
        (&b"\x01"[..], Kind::BadCharacter),
        (b"\xEF\xBF\xBF", Kind::BadCharacter),
        (b"\xE9", Kind::NotUtf8),
        (b"\xC0\x80", Kind::NotUtf8),
        (b"\xED\xA0\x80", Kind::NotUtf8),
    ] {
        for before in [&b"\x53\x4B"[..], b"\x45\x4B\x031\0\x01\x54\x4F"] {
            let bytes = with_body(&[before, b"\x03ab", text, b"\0"].concat());
            assert_eq!(refused(&bytes), (kind, body_at() + before.len() + 3), "{text:02x?}");
        }
        let bytes = with_table(&[b"ab", text, b"\0"].concat(), b"\x53\x4B\x83\x00");
        assert_eq!(refused(&bytes), (kind, 7), "in the string table");
    }
}

#[test]
fn an_unknown_page_or_token_is_answered_with_400() {
    for body in [&b"\x00\x02\x53"[..], b"\x30"] {
        let error = decode(&with_body(body)).expect_err("unknown");
        assert!(error.header.is_some(), "there is somebody to answer");
        assert_eq!(PeerFault::from(&error).status(), StatusCode::BAD_REQUEST, "{body:02x?}");
    }
}

#[test]
fn only_pages_and_tokens_of_messages_are_known() {
    for body in [&b"\x00\x02\x53"[..], b"\x00\xFF\x05", b"\x44\x00\x00\x02\x53"] {
        let at = body_at() + 2 + body.len() - 1;
        assert_eq!(refused(&with_table(b"x\0", body)), (Kind::UnknownPage, at), "{body:02x?}");
    }
    for body in [&b"\x30"[..], b"\x70", b"\x7F", b"\xFF\x05\x01", b"\x00\x01\x17", b"\x44\x00\x30"] {
        assert_eq!(refused(&with_table(b"x\0", body)).0, Kind::UnknownToken, "{body:02x?}");
    }
    for token in [0x40, 0x41, 0x42, 0x80, 0x81, 0x82, 0xC0, 0xC1, 0xC2] {
        assert_eq!(refused(&with_body(&[token, 0x00])), (Kind::Extension, body_at()), "{token:x}");
    }
    assert_eq!(refused(&with_body(b"\x43\x05\x01")), (Kind::ProcessingInstruction, body_at()));
    assert_eq!(refused(&[BEGIN, b"\x43\x05\x01", HEADER].concat()).0, Kind::ProcessingInstruction, "before the root");
}

#[test]
fn mark_up_inside_data_is_refused_where_it_is_not_octets() {
    let bytes = with_body(b"\x45\x4B\x031\0\x01\x54\x4F\x53\x01\x01\x01\x01");
    assert_eq!(refused(&bytes), (Kind::UnexpectedContent(Tag::Data), body_at() + 8));
}

#[test]
fn every_element_ends_once() {
    let good = with_body(b"\x12");
    assert!(decode(&good).is_ok());
    for (after, kind) in
        [(&b"\x01"[..], Kind::TrailingContent), (b"\0", Kind::TrailingContent), (HEADER, Kind::TrailingContent)]
    {
        assert_eq!(refused(&[&good, after].concat()), (kind, good.len()), "{after:02x?}");
    }
    // One end too many in the middle closes the root early.
    assert_eq!(refused(&with_body(b"\x12\x01\x01\x12")), (Kind::TrailingContent, body_at() + 3));
    assert_eq!(
        refused(&with_body(b"\x53")),
        (Kind::Missing(Tag::CmdId), body_at() + 1),
        "the end of Get is that of the body"
    );
    assert_eq!(refused(&good[..good.len() - 1]), (Kind::Truncated, good.len() - 1));
    assert_eq!(refused(&[BEGIN, b"\x01"].concat()), (Kind::NotWellFormed, 5));
    for root in [&b"\x2D"[..], b"\x6D\x01"] {
        assert_eq!(refused(&[BEGIN, root].concat()).0, Kind::Missing(Tag::SyncHdr), "{root:02x?}");
    }
    for root in [&b"\x6C\x01"[..], b"\x03x\0", b"\x02\x41", b"\xC3\x01x"] {
        assert_eq!(refused(&[BEGIN, root].concat()), (Kind::NotSyncMl, 5), "{root:02x?}");
    }
}

#[test]
fn every_cut_is_an_end_that_comes_too_early() {
    let odd = with_table(
        b"Vendor\0./x\0",
        b"\xC4\x00\x05\x03x\0\x01\x53\x01\x01\xC5\x05\xC3\x01x\x01\x4B\x031\0\x01\x54\x6E\x57\x83\x07\x01\x01\
          \x4F\x02\x81\x69\xC3\x03\xFF\0\x01\x01\x5A\x00\x01\x47\x03bin\0\x01\x01\x00\x00\x01\x01\x12",
    );
    assert!(decode(&odd).is_ok());
    let named = [&b"\x02\x00\x00\x6A\x1D-//SYNCML//DTD SyncML 1.2//EN"[..], HEADER, b"\x2B\x01"].concat();
    assert!(decode(&named).is_ok());
    let captures = WBXML.iter().map(|(name, bytes)| (*name, bytes.to_vec()));
    for (name, bytes) in captures.chain([("odd", odd), ("named", named)]) {
        let mut has_header = false;
        for length in 0..bytes.len() {
            let error = decode(&bytes[..length]).expect_err("it was cut");
            assert_eq!((error.kind, error.offset), (Kind::Truncated, length), "{name} cut at {length}");
            assert!(error.header.is_some() >= has_header, "a header that was there is still there");
            has_header = error.header.is_some();
        }
        assert!(has_header, "{name}");
    }
}

#[test]
fn text_costs_no_more_than_the_message() {
    let size = 300_000;
    for (content, length) in [
        ([&b"\x03"[..], &b"x".repeat(size), b"\0"].concat(), size),
        (b"\x03\0".repeat(size), 0),
        (b"\x02\x78".repeat(size), size),
        (b"\xC3\x01x".repeat(size), size),
        (b"\x00\x01".repeat(size), 0),
    ] {
        let bytes = with_body(&[&b"\x45\x4B\x031\0\x01\x54\x4F"[..], &content, b"\x01\x01\x01"].concat());
        let Decoded { message, .. } = decode(&bytes).expect("large, and legal");
        let [Command::Add(add)] = message.commands.as_slice() else { panic!("{:?}", message.commands) };
        assert_eq!(add.items[0].data.as_ref().map(Data::as_bytes).map(<[u8]>::len), Some(length));
    }
}
