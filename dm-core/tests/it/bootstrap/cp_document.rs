//! Provisioning documents in both encodings.

use dm_core::{
    bootstrap::cp::{Characteristic, DecodeError, Document, EncodeError, Fault, Parameter},
    limits::WireLimits,
    wire::{DecodeErrorKind as Kind, Encoding},
};
use proptest::{collection::vec, option, prelude::*};

use super::{W7, document};
use crate::generate;

/// A document that a gateway of another maker sent, with a string table. It was published with its MAC: see
/// `protection`.
pub(super) const GATEWAY: &str = "030b6a0674657374310045c6560187070683000101c655018707068300018711060374657374315f4e41504\
    9440001871006ab0187080603746573743200018709068901871401c65a01870c069a01870d060367707273757365726e616d650001870e06036770\
    727370617373776f72640001010101";

/// What libwbxml writes for a short account.
const BY_LIBWBXML: &str = "030b6a00c54503312e310001c60001550187360000060377370001870001380000060365786d0001c600015601873400\
    00060378000187000135000006850101c600015701873000000600018d01873300000600019301010101";

pub(super) fn octets(hex: &str) -> Vec<u8> {
    let digits: Vec<u32> = hex.chars().map(|digit| digit.to_digit(16).expect("hexadecimal")).collect();
    digits.chunks_exact(2).map(|pair| u8::try_from(pair[0] << 4 | pair[1]).expect("an octet")).collect()
}

fn decode(encoding: Encoding, bytes: &[u8]) -> Result<Document, DecodeError> {
    Document::decode(encoding, bytes, &WireLimits::CLIENT)
}

#[test]
fn a_document_of_a_gateway_is_read_with_its_string_table() {
    let read = decode(Encoding::Wbxml, &octets(GATEWAY)).expect("a document");
    let xml = r#"<wap-provisioningdoc><characteristic type="BOOTSTRAP"><parm name="NAME" value="test1"/></characteristic>
        <characteristic type="NAPDEF"><parm name="NAME" value="test1"/><parm name="NAPID" value="test1_NAPID"/>
        <parm name="BEARER" value="GSM-GPRS"/><parm name="NAP-ADDRESS" value="test2"/>
        <parm name="NAP-ADDRTYPE" value="APN"/><parm name="INTERNET"/>
        <characteristic type="NAPAUTHINFO"><parm name="AUTHTYPE" value="PAP"/>
        <parm name="AUTHNAME" value="gprsusername"/><parm name="AUTHSECRET" value="gprspassword"/></characteristic>
        </characteristic></wap-provisioningdoc>"#;
    assert_eq!(read, document(xml));
}

#[test]
fn a_document_of_libwbxml_is_read_and_ours_is_no_longer() {
    let xml = r#"<wap-provisioningdoc version="1.1"><characteristic type="APPLICATION"><parm name="APPID" value="w7"/>
        <parm name="PROVIDER-ID" value="exm"/><characteristic type="APPADDR"><parm name="ADDR" value="x"/>
        <parm name="ADDRTYPE" value="IPV4"/></characteristic><characteristic type="APPAUTH">
        <parm name="AAUTHLEVEL" value="APPSRV"/><parm name="AAUTHTYPE" value="DIGEST"/></characteristic>
        </characteristic></wap-provisioningdoc>"#;
    assert_eq!(decode(Encoding::Wbxml, &octets(BY_LIBWBXML)), Ok(document(xml)));
    let ours = document(xml).encode(Encoding::Wbxml).expect("written");
    assert_eq!(decode(Encoding::Wbxml, &ours), Ok(document(xml)));
    assert!(ours.len() <= octets(BY_LIBWBXML).len(), "{ours:02x?}");
}

#[test]
fn both_encodings_of_an_account_say_the_same() {
    let document = document(W7);
    let (binary, text) = (document.encode(Encoding::Wbxml).unwrap(), document.encode(Encoding::Xml).unwrap());
    assert_eq!(decode(Encoding::Wbxml, &binary), Ok(document.clone()));
    assert_eq!(decode(Encoding::Xml, &text), Ok(document));
    assert!(binary.len() * 2 < text.len());
}

#[test]
fn other_elements_and_attributes_are_passed_over() {
    let xml = r#"<wap-provisioningdoc a="1"><v:x xmlns:v="urn:v"><parm/></v:x><!-- c -->
        <characteristic type="A" mwid="1"><y>text</y></characteristic></wap-provisioningdoc>"#;
    let expected = Characteristic { kind: "A".into(), ..Characteristic::default() };
    assert_eq!(document(xml), Document { version: None, characteristics: vec![expected] });
    // In letters from the string table: an attribute and an element that nobody knows, and one that is known.
    let binary = b"\x03\x0B\x6A\x0Cmwid\0x\0parm\0\x45\xC6\x51\x04\x00\x031\0\x01\x44\x05\x45\x01\x01\x84\x07\x05\x03N\0\x01\x01\x01";
    let read = decode(Encoding::Wbxml, binary).expect("a document");
    assert_eq!(read.characteristics[0].kind, "PXLOGICAL");
    assert_eq!(read.characteristics[0].parameters, [Parameter { name: "N".into(), value: None }]);
}

#[test]
fn what_is_no_document_is_refused_with_its_place() {
    let refused = |xml: &str| decode(Encoding::Xml, xml.as_bytes()).expect_err(xml);
    let within = |inner: &str| format!("<wap-provisioningdoc>{inner}</wap-provisioningdoc>");
    let begin = within("").find("</").unwrap();
    for (inner, fault, at) in [
        ("<characteristic/>", Fault::Unnamed, 0),
        ("<characteristic type='a'><parm value='b'/></characteristic>", Fault::Unnamed, 25),
        ("<parm name='a'/>", Fault::UnexpectedContent, 0),
        ("text", Fault::UnexpectedContent, 0),
        ("<characteristic type='a'>text</characteristic>", Fault::UnexpectedContent, 25),
        ("<characteristic type='a'><parm name='b'>text</parm></characteristic>", Fault::UnexpectedContent, 40),
        ("<wap-provisioningdoc/>", Fault::UnexpectedContent, 0),
        ("<characteristic type='a' type='b'/>", Fault::RepeatedAttribute, 0),
        ("<characteristic type='&x;'/>", Fault::Encoding(Kind::UnknownEntity), 0),
        ("<characteristic type='a'></parm>", Fault::Encoding(Kind::NotWellFormed), 25),
        ("<?p?>", Fault::Encoding(Kind::ProcessingInstruction), 0),
    ] {
        let error = refused(&within(inner));
        assert_eq!((error.fault, error.offset), (fault, begin + at), "{inner}");
    }
    assert_eq!(refused("<SyncML/>").fault, Fault::OtherDocument);
    assert_eq!(refused("no XML").fault, Fault::OtherDocument);
    assert_eq!(refused("<!DOCTYPE a [<!ENTITY b 'c'>]><a/>").fault, Fault::Encoding(Kind::InternalSubset));
    assert_eq!(refused(&(within("") + "<a/>")).fault, Fault::Encoding(Kind::TrailingContent));
    assert_eq!(refused(&within("")[..30]).fault, Fault::Encoding(Kind::Truncated));
}

#[test]
fn what_is_no_binary_document_is_refused_with_its_place() {
    let root = &b"\x03\x0B\x6A\x00\x45"[..];
    for (bytes, fault, at) in [
        (&b"\x03\xA4\x01\x6A\x00\x6D\x01"[..], Fault::OtherDocument, 1),
        (b"\x03\x00\x00\x6A\x02ab\x45\x01", Fault::OtherDocument, 5),
        (b"\x03\x0B\x6A\x00\x46\x01", Fault::OtherDocument, 4),
        (b"\x03\x0B\x6A\x00\x08", Fault::Encoding(Kind::UnknownToken), 4),
        (&[root, b"\x06\x01"].concat(), Fault::Unnamed, 5),
        (&[root, b"\x87\x05\x01\x01"].concat(), Fault::UnexpectedContent, 5),
        (&[root, b"\x03x\0\x01"].concat(), Fault::UnexpectedContent, 5),
        (&[root, b"\x86\x51\x52\x01\x01"].concat(), Fault::RepeatedAttribute, 5),
        (&[root, b"\x86\x4D\x01\x01"].concat(), Fault::Encoding(Kind::UnknownToken), 5),
        (&[root, b"\x86\x50\xFF\x01\x01"].concat(), Fault::Encoding(Kind::UnknownToken), 5),
        (&[root, b"\x86\x85\x01\x01"].concat(), Fault::Encoding(Kind::UnknownToken), 5),
        (&[root, b"\x86\x00\x02\x50\x01\x01"].concat(), Fault::Encoding(Kind::UnknownToken), 5),
        (&[root, b"\x86\x50\xC3\x01\xFF\x01\x01"].concat(), Fault::Encoding(Kind::NotUtf8), 5),
        (&[root, b"\x86\x50\xC3\x01\x00\x01\x01"].concat(), Fault::Encoding(Kind::BadCharacter), 5),
        (&[root, b"\x86\x50\x83\x00\x01\x01"].concat(), Fault::Encoding(Kind::BadStringIndex), 7),
        (&[root, b"\x86\x50\x80\x00\x01\x01"].concat(), Fault::Encoding(Kind::Extension), 7),
        (&[root, b"\x86\x50\x03abc"].concat(), Fault::Encoding(Kind::Truncated), 11),
        (&[root, b"\x01\x01"].concat(), Fault::Encoding(Kind::TrailingContent), 6),
    ] {
        let error = decode(Encoding::Wbxml, bytes).expect_err("no document");
        assert_eq!((error.fault, error.offset), (fault, at), "{bytes:02x?}");
    }
}

#[test]
fn every_cut_of_a_document_is_an_end_that_comes_too_early() {
    for (encoding, bytes) in
        [(Encoding::Wbxml, octets(GATEWAY)), (Encoding::Xml, document(W7).encode(Encoding::Xml).unwrap())]
    {
        for length in 0..bytes.len() {
            let error = decode(encoding, &bytes[..length]).expect_err("it was cut");
            assert_eq!((error.fault, error.offset), (Fault::Encoding(Kind::Truncated), length), "{encoding:?}");
        }
    }
}

#[test]
fn a_document_is_bounded_in_size_depth_and_count() {
    let nested = |depth: usize| {
        let inner = format!("{}{}", "<characteristic type='a'>".repeat(depth), "</characteristic>".repeat(depth));
        format!("<wap-provisioningdoc>{inner}</wap-provisioningdoc>").into_bytes()
    };
    let binary = |depth: usize| {
        [b"\x03\x0B\x6A\x00\x45", &b"\xC6\x51\x01".repeat(depth)[..], &b"\x01".repeat(depth + 1)].concat()
    };
    let wide = WireLimits { message_bytes_max: usize::MAX, depth_max: usize::MAX, ..WireLimits::CLIENT };
    for (encoding, deep) in [(Encoding::Xml, nested as fn(usize) -> Vec<u8>), (Encoding::Wbxml, binary)] {
        let within = |limits: &WireLimits, depth| Document::decode(encoding, &deep(depth), limits).map_err(|e| e.fault);
        assert!(within(&WireLimits::CLIENT, 31).is_ok());
        assert_eq!(within(&WireLimits::CLIENT, 32), Err(Fault::Encoding(Kind::TooDeep)));
        assert!(within(&wide, 63).is_ok());
        assert_eq!(within(&wide, 64), Err(Fault::Encoding(Kind::TooDeep)), "no limits allow more");
        assert_eq!(within(&wide, 50_000), Err(Fault::Encoding(Kind::TooDeep)));
        assert_eq!(within(&WireLimits::CLIENT, 50_000), Err(Fault::Encoding(Kind::TooLarge)));
        let few = WireLimits { elements_max: 3, ..WireLimits::CLIENT };
        assert_eq!(within(&few, 3), Err(Fault::Encoding(Kind::TooManyElements)));
    }
    let attributes = [&b"\x03\x0B\x6A\x00\xC5"[..], &b"\x04\x00".repeat(9), b"\x01\x01"].concat();
    let attributes = [&attributes[..3], b"\x02x\0", &attributes[4..]].concat();
    let error = decode(Encoding::Wbxml, &attributes).expect_err("too many");
    assert_eq!(error.fault, Fault::Encoding(Kind::TooManyAttributes));
    let attributes: String = (0..9).map(|n| format!(" a{n}=''")).collect::<Vec<_>>().concat();
    let error = decode(Encoding::Xml, format!("<wap-provisioningdoc{attributes}/>").as_bytes()).expect_err("too many");
    assert_eq!((error.fault, error.offset), (Fault::Encoding(Kind::TooManyAttributes), 0));
}

#[test]
fn what_no_encoding_can_carry_is_not_written() {
    let inner =
        Characteristic { parameters: vec![Parameter::new("A", "\u{1}")], kind: "a".into(), characteristics: vec![] };
    let document = Document { version: None, characteristics: vec![inner] };
    for encoding in [Encoding::Xml, Encoding::Wbxml] {
        assert_eq!(document.encode(encoding), Err(EncodeError::BadCharacter));
    }
}

/// A name or value: any text, and often one that has a token.
fn text() -> impl Strategy<Value = String> {
    let known = [
        "NAME",
        "APPID",
        "ADDR",
        "PORTNBR",
        "IPV4",
        "APPSRV",
        "DIGEST",
        "w7",
        "PXLOGICAL",
        "APPLICATION",
        "PORT",
        "1.0",
    ];
    prop_oneof![3 => proptest::sample::select(known.to_vec()).prop_map(str::to_owned), 1 => generate::text()]
}

fn characteristic() -> impl Strategy<Value = Characteristic> {
    let parameter = || (text(), option::of(text())).prop_map(|(name, value)| Parameter { name, value });
    let one = move |inner: BoxedStrategy<Vec<Characteristic>>| {
        (text(), vec(parameter(), 0..4), inner).prop_map(|(kind, parameters, characteristics)| Characteristic {
            kind,
            parameters,
            characteristics,
        })
    };
    one(vec(one(Just(Vec::new()).boxed()), 0..3).boxed())
}

pub(super) fn any_document() -> impl Strategy<Value = Document> {
    (option::of(text()), vec(characteristic(), 0..4))
        .prop_map(|(version, characteristics)| Document { version, characteristics })
}

proptest! {
    #[test]
    fn a_document_survives_both_encodings(document in any_document()) {
        for encoding in [Encoding::Xml, Encoding::Wbxml] {
            let written = document.encode(encoding).expect("text in characters of XML");
            prop_assert_eq!(decode(encoding, &written), Ok(document.clone()));
        }
    }

    #[test]
    fn no_octets_are_too_strange(octets in vec(any::<u8>(), 0..200)) {
        for encoding in [Encoding::Xml, Encoding::Wbxml] {
            let _ = decode(encoding, &octets);
            let _ = decode(encoding, &[b"\x03\x0B\x6A\x04ab\0c\x45\xC6", &octets[..]].concat());
        }
    }

    #[test]
    fn a_damaged_document_is_a_document_or_an_error(document in any_document(), at in any::<prop::sample::Index>(), bit in 0_u8..8) {
        let mut bytes = document.encode(Encoding::Wbxml).expect("text in characters of XML");
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        if let Err(error) = decode(Encoding::Wbxml, &bytes) {
            prop_assert!(error.offset <= bytes.len());
        }
    }
}
