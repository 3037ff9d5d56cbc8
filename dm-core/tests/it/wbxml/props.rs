//! What holds for every message and for all bytes.

use dm_core::{
    limits::WireLimits,
    wire::{self, Command, Data, Decoded, Edit, Encoding, Item, Message, Meta},
};
use proptest::{collection::vec, option, prelude::*, sample::select};

use super::{
    WBXML, bare, decode, encode,
    reads::{BEGIN, HEADER},
};
use crate::{
    damage::{damage, damaged},
    generate,
};

/// Whether XML can carry the message: whether it has no octets.
fn as_xml(message: &Message) -> Option<Message> {
    let written = wire::encode(Encoding::Xml, message).ok()?;
    Some(super::from_xml(&written))
}

/// What must hold whatever the bytes are. That it returns at all is the first part.
fn check(bytes: &[u8]) -> Result<(), TestCaseError> {
    let header = wire::decode_header(Encoding::Wbxml, bytes, &WireLimits::SERVER);
    match decode(bytes) {
        Ok(Decoded { message, .. }) => {
            prop_assert_eq!(header.as_ref(), Ok(&message.header));
            if let Some(twin) = as_xml(&message) {
                prop_assert_eq!(&twin, &message);
            }
            prop_assert_eq!(decode(&encode(&message)), Ok(bare(message)));
        }
        Err(error) => {
            prop_assert!(error.offset <= bytes.len() && error.path.0.len() <= WireLimits::SERVER.depth_max, "{error}");
            // Where the header comes first, both readers do the same up to its end.
            prop_assert_eq!(header.as_ref().ok(), error.header.as_deref());
        }
    }
    Ok(())
}

/// Pieces that mean something to a reader of messages.
const PIECES: &[&[u8]] = &[
    b"\x00\x00",
    b"\x00\x01",
    b"\x00\x02",
    b"\x01",
    b"\x01\x01",
    b"\x02\x61",
    b"\x02\xC4\x80\x00",
    b"\x031\0",
    b"\x03x",
    b"\x03\0",
    b"\x03./A\0",
    b"\x04\x00",
    b"\x44\x00",
    b"\x84\x00",
    b"\xC4\x04",
    b"\x83\x00",
    b"\x83\x04",
    b"\x83\x7F",
    b"\xC3\x00",
    b"\xC3\x01\xFF",
    b"\xC3\x021\x00",
    b"\xC3\x041201",
    b"\xC3\x8F\xFF\xFF\xFF\x7F",
    b"\x43",
    b"\x40",
    b"\xC2",
    b"\x05",
    b"\x85",
    b"\xFF",
    b"\x30",
    b"\x80",
    b"\x6D",
    HEADER,
    b"\x6C",
    b"\x71\x031.2\0\x01",
    b"\x72\x03DM/1.2\0\x01",
    b"\x65\x031\0\x01",
    b"\x5B\x031\0\x01",
    b"\x6E\x57\x03a\0\x01\x01",
    b"\x67\x57\x03b\0\x01\x01",
    b"\x6B",
    b"\x2B",
    b"\x12",
    b"\x48",
    b"\x53",
    b"\x45",
    b"\x69",
    b"\x4B\x031\0\x01",
    b"\x5C\x031\0\x01",
    b"\x4A\x03Get\0\x01",
    b"\x54",
    b"\x4F",
    b"\x0F",
    b"\x5A",
    b"\x4E",
    b"\x47\x03bin\0\x01",
    b"\x53\x03x\0\x01",
    b"\xD2\x05\x01",
];

fn piece() -> impl Strategy<Value = &'static [u8]> {
    select(PIECES)
}

/// Octets that are no text, so that a reader gives them back as octets.
fn octets() -> impl Strategy<Value = Data> {
    (vec(any::<u8>(), 0..200), any::<prop::sample::Index>(), select(vec![0x00_u8, 0xFF])).prop_map(
        |(mut octets, place, spoiler)| {
            octets.insert(place.index(octets.len() + 1), spoiler);
            Data::Opaque(octets.into())
        },
    )
}

proptest! {
    #[test]
    fn a_message_survives_being_written_and_read(message in generate::message()) {
        let written = encode(&message);
        let read = decode(&written);
        prop_assert_eq!(read.as_ref(), Ok(&bare(message)));
        prop_assert_eq!(read.map(|decoded| encode(&decoded.message)), Ok(written), "the same message, the same bytes");
    }

    #[test]
    fn both_encodings_of_a_message_are_read_alike(message in generate::message()) {
        let text = as_xml(&message).expect("text in characters of XML can be written");
        prop_assert_eq!(decode(&encode(&message)).map(|decoded| decoded.message), Ok(text));
    }

    #[test]
    fn octets_survive_beside_text(
        items in vec((prop_oneof![octets(), generate::data()], option::of(generate::format())), 1..5),
    ) {
        let item = |(data, format)| Item {
            meta: Some(Meta { format, ..Meta::default() }.into()),
            data: Some(data),
            ..Item::default()
        };
        let items = items.into_iter().map(item).collect();
        let commands = vec![Command::Replace(Edit { items, ..Edit::default() })];
        let message = Message { commands, ..Message::default() };
        prop_assert_eq!(decode(&encode(&message)), Ok(bare(message)));
    }

    #[test]
    fn a_value_in_octets_is_the_value_in_text(text in generate::text()) {
        let message = |data| {
            let items = vec![Item { data: Some(data), ..Item::default() }];
            Message { commands: vec![Command::Add(Edit { items, ..Edit::default() })], ..Message::default() }
        };
        let opaque = message(Data::Opaque(text.clone().into_bytes().into()));
        prop_assert_eq!(decode(&encode(&opaque)), Ok(bare(message(text.into()))));
    }

    #[test]
    fn no_bytes_are_too_strange(bytes in vec(any::<u8>(), 0..256)) {
        check(&bytes)?;
        check(&[BEGIN, &bytes].concat())?;
        check(&[BEGIN, HEADER, b"\x6B", &bytes].concat())?;
    }

    #[test]
    fn no_order_of_pieces_is_too_strange(pieces in vec(piece(), 0..60)) {
        check(&[b"\x02\x01\x6A\x08abc\0Get\0", pieces.concat().as_slice()].concat())?;
        check(&[b"\x02\x01\x6A\x08abc\0Get\0\x6D", pieces.concat().as_slice(), b"\x01"].concat())?;
        check(&[b"\x02\x01\x6A\x08abc\0Get\0", HEADER, b"\x6B", pieces.concat().as_slice(), b"\x01\x01"].concat())?;
    }

    #[test]
    fn a_damaged_capture_is_a_message_or_an_error(
        (_, capture) in select(WBXML),
        damages in vec((damage(PIECES, 20), any::<prop::sample::Index>()), 1..6),
    ) {
        check(&damaged(capture, &damages))?;
    }

    #[test]
    fn a_damaged_message_is_a_message_or_an_error(
        message in generate::message(),
        damages in vec((damage(PIECES, 20), any::<prop::sample::Index>()), 1..4),
    ) {
        check(&damaged(&encode(&message), &damages))?;
    }
}
