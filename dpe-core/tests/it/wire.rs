//! The codec: the digest's examples, and what holds for any message and any bytes.

use std::{collections::BTreeSet, fs, path::Path};

use dpe_core::{
    limits::WireLimits,
    wire::{self, Decoded, Kind, Message},
};
use proptest::prelude::*;

use crate::generate::message;

pub(crate) fn decode(text: &str) -> Message {
    match wire::decode(text.as_bytes(), &WireLimits::DEFAULT).unwrap() {
        Decoded::Message(message) => *message,
        Decoded::Untyped(untyped) => panic!("{untyped:?}"),
    }
}

fn encode(message: &Message) -> String {
    String::from_utf8(wire::encode(message).unwrap()).unwrap()
}

/// The examples of the digest, chapter 6.5, with their file names.
fn examples() -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let name = |path: &Path| path.file_stem().unwrap().to_string_lossy().into_owned();
    files.iter().map(|path| (name(path), fs::read_to_string(path).unwrap())).collect()
}

#[test]
fn every_example_is_read_as_its_message_and_written_as_it_was() {
    let mut seen = BTreeSet::new();
    for (name, text) in examples() {
        let read = decode(&text);
        assert_eq!(name.split('-').nth(1), Some(read.kind.name()), "{name}");
        seen.insert(read.kind);
        let flat: String = text.lines().map(str::trim).collect();
        let flat = flat.replace(r#" text="ok""#, "").replace("<Client-ID/>", "<Client-ID></Client-ID>");
        let declaration = r#"<?xml version="1.0" encoding="UTF-8"?>"#;
        let written = encode(&read);
        assert_eq!(written.strip_prefix(declaration).unwrap(), flat.trim_start_matches(declaration), "{name}");
    }
    assert_eq!(seen.len(), Kind::ALL.len(), "an example for each of the 24 messages");
}

#[test]
fn elements_may_come_in_any_order_and_unknown_ones_are_passed_over() {
    let plain = decode(
        "<DPE_Group_Release xmlns='urn:x-dpe:msg:1.0'><Message-Type>DPE_Group_Release</Message-Type>\
         <Message-ID>1</Message-ID><Group-ID>g</Group-ID></DPE_Group_Release>",
    );
    let other = decode(
        "<?xml version='1.0'?><!-- c --><d:DPE_Group_Release xmlns:d='urn:x-dpe:msg:1.0' a='b' xmlns='urn:y'>\
         <d:Group_ID x='y'> g </d:Group_ID><Message-ID>foreign</Message-ID><d:New><d:Message-ID>7</d:Message-ID></d:New>\
         <d:Message_ID><![CDATA[1]]></d:Message_ID><d:Message-Type>DPE_Group&#95;Release</d:Message-Type>\
         <d:Duration>5</d:Duration></d:DPE_Group_Release>",
    );
    assert_eq!(plain, other);
}

#[test]
fn the_old_names_of_identities_are_read() {
    let message = decode(
        "<DPE_Register_Request xmlns='urn:x-dpe:msg:1.0'><Message-Type>DPE_Register_Request</Message-Type>\
         <IMEI>490154203237518</IMEI><MSISDN>+34600111222</MSISDN></DPE_Register_Request>",
    );
    assert_eq!(message.device_identity.get().unwrap().scheme, "imei");
    assert_eq!(message.user_identity.get().unwrap().text, "+34600111222");
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(message in message()) {
        let bytes = wire::encode(&message).unwrap();
        let limits = WireLimits { value_bytes_max: usize::MAX, ..WireLimits::DEFAULT };
        prop_assert_eq!(wire::decode(&bytes, &limits), Ok(Decoded::Message(Box::new(message))));
    }

    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = wire::decode(&bytes, &WireLimits::DEFAULT);
    }

    #[test]
    fn no_text_of_tags_panics(pieces in proptest::collection::vec(0..PIECES.len(), 0..40)) {
        let text: String = pieces.into_iter().map(|piece| PIECES[piece]).collect();
        let _ = wire::decode(format!("<DPE_Error xmlns='urn:x-dpe:msg:1.0'>{text}").as_bytes(), &WireLimits::DEFAULT);
    }

    #[test]
    fn no_damage_to_a_message_panics(message in message(), at in any::<prop::sample::Index>(), byte: u8) {
        let mut bytes = wire::encode(&message).unwrap();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        if let Ok(Decoded::Message(read)) = wire::decode(&bytes, &WireLimits::DEFAULT) {
            let _ = wire::encode(&read);
        }
        bytes.truncate(at);
        prop_assert!(wire::decode(&bytes, &WireLimits::DEFAULT).is_err());
    }
}

const PIECES: &[&str] = &[
    "<Status>",
    "</Status>",
    "<Status/>",
    "<Property-Result>",
    "</Property-Result>",
    "<Value type='integer'>",
    "</Value>",
    "<Client-ID><Item>",
    "</Item></Client-ID>",
    "&amp;",
    "&#x0;",
    "&x;",
    "<![CDATA[",
    "]]>",
    "<!--",
    "-->",
    "<?p?>",
    "<Message-Type>DPE_Error</Message-Type>",
    "</DPE_Error>",
    "a",
    " ",
    "xmlns:p='q'",
    "<p:q>",
    "</p:q>",
    "-1",
    "999999",
];
