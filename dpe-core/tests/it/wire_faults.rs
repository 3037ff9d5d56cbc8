//! What is wrong with bytes: refused as a whole, or an element that cannot be used.

use std::fmt::Write;

use dpe_core::{
    codes::Code,
    limits::WireLimits,
    wire::{self, DecodeError, Decoded, EncodeError, Ie, Kind, Message, Value},
};

use crate::wire::decode;

fn refusal(text: &str) -> DecodeError {
    match wire::decode(text.as_bytes(), &WireLimits::DEFAULT) {
        Err(error) => error,
        Ok(read) => panic!("{text}: {read:?}"),
    }
}

fn around(content: &str) -> String {
    format!("<DPE_Error xmlns='urn:x-dpe:msg:1.0'><Message-Type>DPE_Error</Message-Type>{content}</DPE_Error>")
}

#[test]
fn documents_that_are_no_messages_are_refused_as_a_whole() {
    let deep = format!("{}{}", "<a>".repeat(8), "</a>".repeat(8));
    let many = "<a/>".repeat(2048);
    let attributes = (0..9).fold(String::new(), |mut all, n| {
        let _ = write!(all, " a{n}=''");
        all
    });
    for (text, error) in [
        ("x".repeat(65_537), DecodeError::TooLarge),
        (around(&deep), DecodeError::TooDeep),
        (around(&many), DecodeError::TooMany),
        (around(&format!("<Status{attributes}>0</Status>")), DecodeError::TooMany),
        ("<DPE_Error/>".into(), DecodeError::NotDpe),
        ("<DPE_Error xmlns='urn:oma:xml:dpe'/>".into(), DecodeError::NotDpe),
        ("{}".into(), DecodeError::NotWellFormed),
        (String::new(), DecodeError::NotWellFormed),
        (around("<Status>"), DecodeError::NotWellFormed),
        (around("") + "<a/>", DecodeError::NotWellFormed),
        (around("") + "x", DecodeError::NotWellFormed),
        (around("<p:Status/>"), DecodeError::NotWellFormed),
        (around("<Status a='1' a='2'/>"), DecodeError::NotWellFormed),
        (around("\u{1}"), DecodeError::BadCharacter),
        (around("&#0;"), DecodeError::BadCharacter),
        (around("&e;"), DecodeError::Forbidden),
        (around("<?p?>"), DecodeError::Forbidden),
        (format!("<!DOCTYPE DPE_Error SYSTEM 'x'>{}", around("")), DecodeError::Forbidden),
        (format!("<!DOCTYPE d [<!ENTITY e 'x'>]>{}", around("&e;")), DecodeError::Forbidden),
        (format!("<?xml version='1.0' encoding='ISO-8859-1'?>{}", around("")), DecodeError::NotUtf8),
    ] {
        assert_eq!(refusal(&text), error, "{text:.80}");
    }
    assert_eq!(wire::decode(b"<DPE_Error \xff", &WireLimits::DEFAULT), Err(DecodeError::NotUtf8));
}

#[test]
fn lists_are_bounded() {
    let query = |names: usize| {
        let names = "<Property-Name>a</Property-Name>".repeat(names);
        format!(
            "<DPE_Property_Query xmlns='urn:x-dpe:msg:1.0'><Message-Type>DPE_Property_Query</Message-Type>{names}\
             </DPE_Property_Query>"
        )
    };
    assert_eq!(decode(&query(128)).property_names.len(), 128);
    assert_eq!(refusal(&query(129)), DecodeError::TooMany);
}

#[test]
fn a_message_without_its_type_says_13_and_with_a_wrong_one_14() {
    for (content, code) in [
        ("", Code::MESSAGE_TYPE_MISSING),
        ("<Message-Type> </Message-Type>", Code::MESSAGE_TYPE_MISSING),
        ("<Message-Type>DPE_Nothing</Message-Type>", Code::MESSAGE_TYPE_UNKNOWN),
        ("<Message-Type>dpe_error</Message-Type>", Code::MESSAGE_TYPE_UNKNOWN),
        ("<Message-Type>DPE_Group_Set</Message-Type>", Code::MESSAGE_TYPE_UNKNOWN),
        ("<Message-Type>DPE_Error</Message-Type><Message-Type>DPE_Error</Message-Type>", Code::MESSAGE_TYPE_UNKNOWN),
    ] {
        let text = format!(
            "<DPE_Error xmlns='urn:x-dpe:msg:1.0'>{content}<Message-ID>5</Message-ID><Client-ID>c</Client-ID></DPE_Error>"
        );
        let Ok(Decoded::Untyped(untyped)) = wire::decode(text.as_bytes(), &WireLimits::DEFAULT) else {
            panic!("{text}")
        };
        assert_eq!(untyped.code, code, "{content}");
        assert_eq!(untyped.root, Some(Kind::Error));
        assert_eq!(untyped.message_id.get().unwrap().as_str(), "5");
        assert_eq!(untyped.client_id.get().unwrap().as_str(), "c");
    }
    let unknown = "<DPE_News xmlns='urn:x-dpe:msg:1.0'><Message-Type>DPE_News</Message-Type></DPE_News>";
    let Ok(Decoded::Untyped(untyped)) = wire::decode(unknown.as_bytes(), &WireLimits::DEFAULT) else { panic!() };
    assert_eq!((untyped.code, untyped.root), (Code::MESSAGE_TYPE_UNKNOWN, None));
}

#[test]
fn elements_are_absent_unusable_or_repeated() {
    let status = |content: &str| decode(&around(content)).status;
    assert_eq!(status(""), Ie::Absent);
    assert_eq!(status("<Status> </Status>"), Ie::Absent);
    assert_eq!(status("<Status> 7\n</Status>"), Ie::Is(Code(7)));
    for unusable in ["-1", "+1", "x", "65536", "1.0", "<a/>"] {
        assert_eq!(status(&format!("<Status>{unusable}</Status>")), Ie::Unusable, "{unusable}");
    }
    assert_eq!(status("<Status>0</Status><Status>0</Status>"), Ie::Repeated);
    let long = format!("<Message-ID>{}</Message-ID>", "1".repeat(65));
    assert_eq!(decode(&around(&long)).message_id, Ie::Unusable);
}

#[test]
fn durations_are_whole_seconds_from_1_to_the_largest() {
    let duration = |text: &str| {
        decode(&format!(
            "<DPE_Group_Policy_Set xmlns='urn:x-dpe:msg:1.0'><Message-Type>DPE_Group_Policy_Set</Message-Type>\
             <Duration>{text}</Duration></DPE_Group_Policy_Set>"
        ))
        .duration
    };
    for (text, seconds) in [("1", 1), ("2147483647", 0x7fff_ffff), (" 60 ", 60)] {
        assert_eq!(duration(text), Ie::Is(seconds));
    }
    for text in ["0", "-5", "1h", "2147483648", "1e3", "99999999999999999999"] {
        assert_eq!(duration(text), Ie::Unusable, "{text}");
    }
}

#[test]
fn a_value_that_is_too_long_or_of_no_type_cannot_be_used() {
    let values = |value: &str| {
        let mut message = decode(&format!(
            "<DPE_Property_Result xmlns='urn:x-dpe:msg:1.0'><Message-Type>DPE_Property_Result</Message-Type>\
             <Property-Result>{value}</Property-Result></DPE_Property_Result>"
        ));
        message.results.remove(0).values
    };
    assert_eq!(values(""), Ie::Absent);
    assert_eq!(values("<Value> a </Value>"), Ie::Is(vec![Value::text(" a ")]));
    assert_eq!(values("<Value type='float'>1</Value>"), Ie::Unusable);
    assert_eq!(values(&format!("<Value>{}</Value>", "a".repeat(16_385))), Ie::Unusable);
}

#[test]
fn what_cannot_be_said_in_xml_is_not_written() {
    let mut message = Message::new(Kind::Error);
    message.offending_type = Ie::Is("a\u{1}".into());
    assert_eq!(wire::encode(&message), Err(EncodeError::BadCharacter));
    message.offending_type = Ie::Repeated;
    assert_eq!(wire::encode(&message), Err(EncodeError::Unusable));
}
