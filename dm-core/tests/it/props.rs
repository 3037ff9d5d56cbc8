//! What holds for every message and for all bytes.

use dm_core::{
    limits::WireLimits,
    wire::{self, Data, DecodeError, Decoded, Deviations, Encoding, Message},
};
use proptest::{collection::vec, prelude::*, sample::select};

use crate::{
    captures,
    damage::{damage, damaged},
    generate,
};

const LIMITS: WireLimits = WireLimits::SERVER;

fn decode(bytes: &[u8]) -> Result<Decoded, DecodeError> {
    wire::decode(Encoding::Xml, bytes, &LIMITS)
}

fn encode(message: &Message) -> Vec<u8> {
    wire::encode(Encoding::Xml, message).expect("text in XML characters can be written")
}

/// What must hold whatever the bytes are. That it returns at all is the first part.
fn check(bytes: &[u8]) -> Result<(), TestCaseError> {
    let header = wire::decode_header(Encoding::Xml, bytes, &LIMITS);
    match decode(bytes) {
        Ok(Decoded { message, .. }) => {
            prop_assert_eq!(header.as_ref(), Ok(&message.header));
            let again = decode(&encode(&message));
            prop_assert_eq!(again, Ok(Decoded { message, deviations: Deviations::default() }));
        }
        Err(error) => {
            prop_assert!(error.offset <= bytes.len() && error.path.0.len() <= LIMITS.depth_max, "{error}");
            // Where the header comes first, both readers do the same up to its end.
            prop_assert_eq!(header.as_ref().ok(), error.header.as_deref());
        }
    }
    Ok(())
}

/// Pieces that mean something to a reader of messages.
const PIECES: &[&[u8]] = &[
    b"<",
    b">",
    b"/>",
    b"</",
    b"&",
    b"&#0;",
    b"&#x41;",
    b"&amp;",
    b"&x;",
    b"<!--",
    b"-->",
    b"--",
    b"<![CDATA[",
    b"]]>",
    b"<?",
    b"?>",
    b"<?xml version='1.0'?>",
    b"<!DOCTYPE",
    b"[",
    b"\"",
    b"'",
    b" a='1'",
    b" xmlns=''",
    b" xmlns='syncml:metinf'",
    b" xmlns='SYNCML:SYNCML1.2'",
    b" xmlns:s='SYNCML:SYNCML1.1'",
    b"s:",
    b" ",
    b"\r\n",
    b"\0",
    b"\xEF\xBB\xBF",
    b"\xEF\xBF\xBE",
    b"\xC0\xAF",
    b"\xFF",
    b"<SyncML>",
    b"</SyncML>",
    b"<SyncHdr>",
    b"</SyncHdr>",
    b"<VerDTD>1.2</VerDTD>",
    b"<VerProto>DM/1.2</VerProto>",
    b"<SessionID>1</SessionID>",
    b"<MsgID>1</MsgID>",
    b"<Target><LocURI>a</LocURI></Target>",
    b"<Source><LocURI>b</LocURI></Source>",
    b"<SyncBody>",
    b"</SyncBody>",
    b"<Final/>",
    b"<Atomic>",
    b"</Atomic>",
    b"<Get>",
    b"</Get>",
    b"<CmdID>1</CmdID>",
    b"<Item>",
    b"</Item>",
    b"<Data>",
    b"</Data>",
    b"<Meta>",
    b"</Meta>",
    b"<MetInf>",
    b"</MetInf>",
    b"<Type>",
    b"</Type>",
    b"<Size>1</Size>",
    b"<x>",
    b"</x>",
    b"1",
    b"18446744073709551616",
];

fn piece() -> impl Strategy<Value = &'static [u8]> {
    select(PIECES)
}

proptest! {
    #[test]
    fn a_message_survives_being_written_and_read(message in generate::message()) {
        let written = encode(&message);
        let read = decode(&written);
        prop_assert_eq!(read.as_ref(), Ok(&Decoded { message, deviations: Deviations::default() }));
        prop_assert_eq!(read.map(|decoded| encode(&decoded.message)), Ok(written), "the same message, the same bytes");
    }

    #[test]
    fn white_space_and_comments_between_elements_change_nothing(message in generate::message()) {
        let written = String::from_utf8(encode(&message)).expect("XML is written in UTF-8");
        // Text has neither `<` nor `>`, so these pairs are where two tags meet. Between the tags of an empty `Data` or
        // `LocName` white space would be its text, so a comment goes there alone.
        let spread = written.replace("><", ">\r\n <!-- --><").replace(">\r\n <!-- --></", "><!-- --></");
        prop_assert_eq!(decode(spread.as_bytes()).map(|decoded| decoded.message), Ok(message));
    }

    #[test]
    fn no_bytes_are_too_strange(bytes in vec(any::<u8>(), 0..256)) {
        check(&bytes)?;
    }

    #[test]
    fn no_order_of_pieces_is_too_strange(pieces in vec(piece(), 0..60)) {
        check(&pieces.concat())?;
        check(&[b"<SyncML xmlns='SYNCML:SYNCML1.2'>", pieces.concat().as_slice(), b"</SyncML>"].concat())?;
    }

    #[test]
    fn a_damaged_capture_is_a_message_or_an_error(
        (_, capture) in select(captures::XML),
        damages in vec((damage(PIECES, 40), any::<prop::sample::Index>()), 1..6),
    ) {
        check(&damaged(capture, &damages))?;
    }

    #[test]
    fn a_damaged_message_is_a_message_or_an_error(
        message in generate::message(),
        damages in vec((damage(PIECES, 40), any::<prop::sample::Index>()), 1..4),
    ) {
        check(&damaged(&encode(&message), &damages))?;
    }

    #[test]
    fn a_value_may_be_split_between_characters(text in generate::text(), place in any::<prop::sample::Index>()) {
        // As chunks of a large object are: each part is written and read alone.
        let ends: Vec<usize> = text.char_indices().map(|(at, _)| at).chain([text.len()]).collect();
        let (first, second) = text.split_at(ends[place.index(ends.len())]);
        let carried: Vec<String> = [first, second].iter().map(|part| carry(part)).collect();
        prop_assert_eq!(carried.concat(), text);
    }
}

/// What becomes of a value on the wire.
fn carry(text: &str) -> String {
    use wire::{Command, Edit, Item};
    let items = vec![Item::target("./x").with_data(text)];
    let message = Message { commands: vec![Command::Replace(Edit { items, ..Edit::default() })], ..Message::default() };
    let read = decode(&encode(&message)).expect("it was written by us").message;
    match &read.commands[0] {
        Command::Replace(edit) => edit.items[0].data.as_ref().and_then(Data::as_text).expect("text").to_owned(),
        other => panic!("{other:?}"),
    }
}
