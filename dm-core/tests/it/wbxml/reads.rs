//! What the codec reads and writes besides the simplest way to say it.

use dm_core::{
    codes::{AlertCode, StatusCode},
    limits::WireLimits,
    wire::{
        self, Command, Data, DecodeErrorKind as Kind, Decoded, Deviations, Edit, EncodeError, Encoding, Format, Header,
        Item, Message, Meta, Tag,
    },
};

use super::{accepted, decode, encode};

/// Version, public identifier, character set, an empty string table.
pub(crate) const BEGIN: &[u8] = &[0x02, 0xA4, 0x01, 0x6A, 0x00];
/// `SyncML`, and the `SyncHdr` that every message must have.
pub(crate) const HEADER: &[u8] = b"\x6D\x6C\x71\x031.2\0\x01\x72\x03DM/1.2\0\x01\x65\x032F\0\x01\x5B\x031\0\x01\
    \x6E\x57\x03s\0\x01\x01\x67\x57\x03d\0\x01\x01\x01";

/// A message with a good header and this in its body.
pub(crate) fn with_body(body: &[u8]) -> Vec<u8> {
    [BEGIN, HEADER, b"\x6B", body, b"\x01\x01"].concat()
}

/// The same, with a string table.
pub(crate) fn with_table(table: &[u8], body: &[u8]) -> Vec<u8> {
    let length = u8::try_from(table.len()).expect("short");
    assert!(length < 0x80);
    [&BEGIN[..4], &[length], table, HEADER, b"\x6B", body, b"\x01\x01"].concat()
}

/// An `Add` of one item with this `Data` element.
fn add(data: &[u8]) -> Vec<u8> {
    [b"\x45\x4B\x031\0\x01\x54", data, b"\x01\x01"].concat()
}

#[track_caller]
fn only_item(message: Message) -> Item {
    let Some(Command::Add(Edit { items, .. })) = message.commands.into_iter().next() else { panic!("no Add") };
    items.into_iter().next().expect("an item")
}

/// What the one item's `Data` element decodes to.
#[track_caller]
fn data(element: &[u8]) -> Data {
    only_item(accepted(&with_body(&add(element)))).data.expect("Data")
}

fn opaque(octets: &[u8]) -> Data {
    Data::Opaque(bytes::Bytes::copy_from_slice(octets))
}

/// A message that adds one value.
fn adding(data: Data) -> Message {
    let item = Item { data: Some(data), ..Item::target("./A") };
    Message { commands: vec![Command::Add(Edit { items: vec![item], ..Edit::default() })], ..Message::default() }
}

#[test]
fn octets_that_are_text_are_text_whichever_token_carries_them() {
    for element in [
        &b"\x4F\x03a\xC3\xA9b\0\x01"[..],
        b"\x4F\xC3\x04a\xC3\xA9b\x01",
        b"\x4F\x03a\0\xC3\x02\xC3\xA9\x03b\0\x01",
        b"\x4F\xC3\x02a\xC3\xC3\x02\xA9b\x01",
        b"\x4F\x02\x61\x02\x81\x69\x02\x62\x01",
    ] {
        assert_eq!(data(element), Data::from("aéb"), "{element:02x?}");
    }
    for element in [&b"\x0F"[..], b"\x4F\x01", b"\x4F\x03\0\x01", b"\x4F\xC3\x00\x01"] {
        assert_eq!(data(element), Data::from(""), "{element:02x?}");
    }
}

#[test]
fn octets_that_are_no_text_stay_octets() {
    assert_eq!(data(b"\x4F\xC3\x02\xFF\xFE\x01"), opaque(b"\xFF\xFE"));
    assert_eq!(data(b"\x4F\xC3\x03a\0b\x01"), opaque(b"a\0b"));
    assert_eq!(data(b"\x4F\x03a\0\xC3\x01\x80\x01"), opaque(b"a\x80"));
    let embedded = b"\x02\x00\x00\x6A\x1A-//OMA//DTD-DM-DDF 1.2//EN\x00\x02\x60\x77\x031.2\0\x01\x01";
    let length = u8::try_from(embedded.len()).unwrap();
    let element = [b"\x4F\xC3", &[length][..], embedded, b"\x01"].concat();
    assert_eq!(data(&element), opaque(embedded), "a document in a document");
}

/// `bin` in its `Meta` does not change what a value is, so the same value is the same in XML.
#[test]
fn the_format_does_not_decide_what_is_text() {
    let item = [&b"\x5A\x00\x01\x47\x03bin\0\x01\x01\x00\x00"[..], b"\x4F\xC3\x02ab\x01"].concat();
    let item = only_item(accepted(&with_body(&add(&item))));
    assert_eq!(item.meta, Some(Meta { format: Some(Format::Bin), ..Meta::default() }.into()));
    assert_eq!(item.data, Some("ab".into()));
}

#[test]
fn a_value_is_written_as_octets_where_xml_has_no_text_for_it() {
    for (value, written, read) in [
        ("ab".into(), &b"\x4F\x03ab\0\x01"[..], "ab".into()),
        ("".into(), b"\x0F", "".into()),
        ("é<&\r".into(), b"\x4F\x03\xC3\xA9<&\r\0\x01", "é<&\r".into()),
        ("a\0b".into(), b"\x4F\xC3\x03a\0b\x01", opaque(b"a\0b")),
        ("\u{1}".into(), b"\x4F\xC3\x01\x01\x01", opaque(b"\x01")),
        (opaque(b"\xFF"), b"\x4F\xC3\x01\xFF\x01", opaque(b"\xFF")),
        (opaque(b"ab"), b"\x4F\xC3\x02ab\x01", "ab".into()),
        (opaque(&[7; 200]), &[b"\x4F\xC3\x81\x48", &[7; 200][..], b"\x01"].concat(), opaque(&[7; 200])),
    ] {
        let bytes = encode(&adding(value.clone()));
        assert!(bytes.windows(written.len()).any(|window| window == written), "{value:?}: {bytes:02x?}");
        assert_eq!(accepted(&bytes), adding(read), "{value:?}");
    }
}

#[test]
fn only_data_may_hold_octets() {
    for bad in ["a\0b", "\u{1}", "\u{FFFE}"] {
        let header = Header { resp_uri: Some(bad.into()), ..Header::default() };
        let error = wire::encode(Encoding::Wbxml, &Message { header, ..Message::default() });
        assert_eq!(error, Err(EncodeError::BadCharacter(Tag::RespUri)), "{bad:?}");
    }
    let text = accepted(&with_body(b"\x46\x4B\xC3\x011\x01\x4F\xC3\x041201\x01\x7C\xC3\x02\xC3\xA9\x01\x01"));
    let Some(Command::Alert(alert)) = text.commands.first() else { panic!("{text:?}") };
    assert_eq!(
        (alert.cmd_id.as_str(), alert.code, alert.correlator.as_deref()),
        ("1", Some(AlertCode::CLIENT_INITIATED), Some("é")),
        "text in octets"
    );
    for (octets, kind) in [(&b"a\0"[..], Kind::BadCharacter), (b"a\xFF", Kind::NotUtf8)] {
        let bytes = with_body(&[b"\x46\x4B\xC3\x02", octets, b"\x01\x01"].concat());
        let error = decode(&bytes).expect_err("no text");
        assert_eq!((error.kind, error.offset), (kind, bytes.len() - 5), "{octets:02x?}");
    }
}

#[test]
fn strings_of_the_table_are_as_good_as_inline_ones() {
    let table = b"./DevInfo/Man\0text/plain\0";
    let get =
        with_table(table, b"\x53\x4B\x031\0\x01\x54\x6E\x57\x83\x00\x01\x01\x5A\x00\x01\x53\x83\x0E\x01\x01\x01\x01");
    let inline = with_body(
        b"\x53\x4B\x031\0\x01\x54\x6E\x57\x03./DevInfo/Man\0\x01\x01\x5A\x00\x01\x53\x03text/plain\0\x01\x01\x01\x01",
    );
    assert_eq!(accepted(&get), accepted(&inline));
    let middle = with_table(table, b"\x53\x4B\x031\0\x01\x54\x6E\x57\x83\x0A\x03ual\0\x01\x01\x01\x01");
    let Some(Command::Get(get)) = accepted(&middle).commands.into_iter().next() else { panic!("no Get") };
    assert_eq!(get.items, [Item::target("Manual")], "an index may point into a string");
}

#[test]
fn elements_may_be_named_in_letters() {
    let table = b"Get\0Vendor\0Type\0";
    let known = with_table(table, b"\x44\x00\x4B\x031\0\x01\x54\x5A\x44\x0B\x03x\0\x01\x01\x01\x01");
    assert_eq!(
        accepted(&known),
        accepted(&with_body(b"\x53\x4B\x031\0\x01\x54\x5A\x00\x01\x53\x03x\0\x01\x01\x01\x01"))
    );
    // An unknown name takes with it all that is in it, whatever that would mean elsewhere.
    let foreign = with_table(table, b"\x44\x04\x53\x03x\0\x45\xC3\x01\xFF\x01\x04\x04\x01\x01\x04\x04\x12");
    let Decoded { message, deviations } = decode(&foreign).expect("what is foreign is passed over");
    assert!(message.commands.is_empty() && message.is_final);
    assert_eq!(deviations, Deviations { foreign_elements: 2, ..Deviations::default() });
}

#[test]
fn attributes_are_passed_over_and_counted() {
    let bytes = with_body(b"\xD3\x05\x03x\0\x06\x85\x01\x4B\x031\0\x01\x01\x92\x07\x01");
    let Decoded { message, deviations } = decode(&bytes).expect("attributes do no harm");
    assert_eq!((message.commands.len(), message.is_final), (1, true));
    assert_eq!(deviations, Deviations { foreign_attributes: 3, ..Deviations::default() });
}

#[test]
fn a_switch_of_the_page_counts_wherever_it_is() {
    let plain = accepted(&with_body(b"\x45\x4B\x031\0\x01\x5A\x00\x01\x53\x03x\0\x01\x01\x00\x00\x01\x12"));
    for body in [
        &b"\x00\x01\x00\x00\x45\x00\x00\x4B\x00\x01\x031\0\x01\x00\x00\x5A\x00\x01\x00\x01\x53\x03x\0\x00\x00\x01\x01\x01\x12"[..],
        b"\x45\x4B\x031\0\x01\x5A\x00\x01\x4E\x53\x03x\0\x01\x01\x01\x01\x00\x00\x12",
    ] {
        assert_eq!(accepted(&with_body(body)), plain, "{body:02x?}");
    }
}

#[test]
fn an_error_says_where_it_is_and_who_is_to_be_told() {
    let bytes = with_body(b"\x46\x4B\x031\0\x01\x4F\x03many\0\x01\x01");
    let error = decode(&bytes).expect_err("no number");
    assert_eq!(error.kind, Kind::BadNumber(Tag::Data));
    assert_eq!(error.path.0, [Tag::SyncMl, Tag::SyncBody, Tag::Alert, Tag::Data]);
    assert_eq!(bytes[error.offset..], [0x01; 4], "at the end of Data");
    assert_eq!(error.header.map(|header| header.session_id.as_str().to_owned()).as_deref(), Some("2F"));
    let error = decode(&with_body(b"\x69\x4B\x031\0\x01\x01")).expect_err("half a status");
    assert_eq!(error.kind, Kind::Missing(Tag::MsgRef));
}

#[test]
fn a_message_is_as_large_as_allowed_or_not_looked_at() {
    let bytes = with_body(b"");
    let limits = WireLimits { message_bytes_max: bytes.len(), ..WireLimits::CLIENT };
    assert!(wire::decode(Encoding::Wbxml, &bytes, &limits).is_ok());
    let limits = WireLimits { message_bytes_max: bytes.len() - 1, ..limits };
    for error in [
        wire::decode(Encoding::Wbxml, &bytes, &limits).map(drop),
        wire::decode_header(Encoding::Wbxml, &bytes, &limits).map(drop),
    ] {
        assert_eq!(error.map_err(|error| (error.kind, error.offset)), Err((Kind::TooLarge, 0)));
    }
}

#[test]
fn a_status_in_octets_is_a_number_as_well() {
    let bytes = with_body(b"\x69\x5C\x031\0\x01\x4A\x03Get\0\x01\x4F\xC3\x03200\x01\x01");
    let Some(Command::Status(status)) = accepted(&bytes).commands.into_iter().next() else { panic!("no Status") };
    assert_eq!(status.code, StatusCode::OK);
}
