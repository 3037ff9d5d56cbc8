//! The WBXML codec: vectors, recorded sessions, and that it says the same as XML.

use dm_core::{
    limits::WireLimits,
    wire::{self, Command, DecodeError, Decoded, Deviations, Encoding, Message},
};

use crate::captures;

mod hostile;
pub(crate) mod libwbxml;
mod props;
pub(crate) mod reads;

/// Every recorded body in WBXML, by the name of its file below `captures/`.
macro_rules! captured {
    ($($name:literal),+ $(,)?) => {
        pub(crate) const WBXML: &[(&str, &[u8])] = &[$(($name, include_bytes!(concat!("../captures/", $name)))),+];
    };
}

captured![
    "libdmclient-md5-wbxml/01-c2s.wbxml",
    "libdmclient-md5-wbxml/01-s2c.wbxml",
    "libdmclient-md5-wbxml/02-c2s.wbxml",
    "libdmclient-md5-wbxml/02-s2c.wbxml",
    "libdmclient-md5-wbxml/03-c2s.wbxml",
    "libdmclient-md5-wbxml/03-s2c.wbxml",
];

/// Vector W-1 of the digest: package 1.
const W_1: &str = "02a4016a006d6c7103312e3200017203444d2f312e3200016503414200015b033100016e5703687474703a2f2f732f646d00\
    0101675703494d45493a310001015a00014c03353030300001010100006b464b033100014f0331323031000101120101";
const W_1_AS_XML: &str = "<SyncML xmlns='SYNCML:SYNCML1.2'><SyncHdr><VerDTD>1.2</VerDTD><VerProto>DM/1.2</VerProto>\
    <SessionID>AB</SessionID><MsgID>1</MsgID><Target><LocURI>http://s/dm</LocURI></Target>\
    <Source><LocURI>IMEI:1</LocURI></Source><Meta><MaxMsgSize xmlns='syncml:metinf'>5000</MaxMsgSize></Meta></SyncHdr>\
    <SyncBody><Alert><CmdID>1</CmdID><Data>1201</Data></Alert><Final/></SyncBody></SyncML>";

/// Vector W-2 of the digest: a challenge.
const W_2: &str = "02a4016a006d6c7103312e3200017203444d2f312e32000165033100015b033200016e5703494d45493a3100010167570373\
    000101016b694b033100015c033100014c033000014a0353796e634864720001495a000147036236340001530373796e636d6c3a617574682d\
    6d643500015003546d39755932553d0001010100004f03343031000101120101";
const W_2_AS_XML: &str = "<SyncML xmlns='SYNCML:SYNCML1.2'><SyncHdr><VerDTD>1.2</VerDTD><VerProto>DM/1.2</VerProto>\
    <SessionID>1</SessionID><MsgID>2</MsgID><Target><LocURI>IMEI:1</LocURI></Target>\
    <Source><LocURI>s</LocURI></Source></SyncHdr><SyncBody><Status><CmdID>1</CmdID><MsgRef>1</MsgRef>\
    <CmdRef>0</CmdRef><Cmd>SyncHdr</Cmd><Chal><Meta><Format xmlns='syncml:metinf'>b64</Format>\
    <Type xmlns='syncml:metinf'>syncml:auth-md5</Type><NextNonce xmlns='syncml:metinf'>Tm9uY2U=</NextNonce></Meta>\
    </Chal><Data>401</Data></Status><Final/></SyncBody></SyncML>";

/// Vector W-3 of the digest: a document of DM DDF 1.2, as `Data` carries it.
pub(crate) const W_3: &str = "0200006a1b2d2f2f4f4d412f2f4454442d444d2d44444620312e322f2f454e000002607703312e3200016466034100016f5c\
    2501751101016466034200016f5c0b01756103746578742f706c61696e000101017603780001010101";

pub(crate) fn octets(hex: &str) -> Vec<u8> {
    let digits: Vec<u32> = hex.chars().map(|digit| digit.to_digit(16).expect("hexadecimal")).collect();
    digits.chunks_exact(2).map(|pair| u8::try_from(pair[0] << 4 | pair[1]).expect("an octet")).collect()
}

fn decode(bytes: &[u8]) -> Result<Decoded, DecodeError> {
    wire::decode(Encoding::Wbxml, bytes, &WireLimits::SERVER)
}

fn encode(message: &Message) -> Vec<u8> {
    wire::encode(Encoding::Wbxml, message).expect("text in characters of XML can be written")
}

#[track_caller]
fn accepted(bytes: &[u8]) -> Message {
    let Decoded { message, deviations } = decode(bytes).unwrap_or_else(|error| panic!("{error}\n{bytes:02x?}"));
    assert_eq!(deviations, Deviations::default());
    message
}

fn from_xml(text: &[u8]) -> Message {
    wire::decode(Encoding::Xml, text, &WireLimits::SERVER).expect("a message in XML").message
}

fn bare(message: Message) -> Decoded {
    Decoded { message, deviations: Deviations::default() }
}

#[test]
fn the_vectors_are_read_and_written_octet_for_octet() {
    for (hex, xml, length) in [(W_1, W_1_AS_XML, 98), (W_2, W_2_AS_XML, 139)] {
        let (bytes, message) = (octets(hex), from_xml(xml.as_bytes()));
        assert_eq!(bytes.len(), length);
        assert_eq!(decode(&bytes), Ok(bare(message.clone())));
        assert_eq!(encode(&message), bytes);
    }
}

#[test]
fn every_capture_on_disk_is_tested() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/captures/libdmclient-md5-wbxml");
    let files = std::fs::read_dir(folder).expect("the captures").map(|file| file.expect("a file").file_name());
    let mut names: Vec<_> = files.map(|name| format!("libdmclient-md5-wbxml/{}", name.to_string_lossy())).collect();
    names.retain(|name| std::path::Path::new(name).extension().is_some_and(|ending| ending == "wbxml"));
    names.sort();
    assert_eq!(names, WBXML.iter().map(|(name, _)| *name).collect::<Vec<_>>());
}

#[test]
fn every_capture_is_read_without_deviation_and_survives_being_written_again() {
    for (name, bytes) in WBXML {
        let message = accepted(bytes);
        assert_eq!(accepted(&encode(&message)), message, "{name}");
        let header = wire::decode_header(Encoding::Wbxml, bytes, &WireLimits::CLIENT);
        assert_eq!(header, Ok(message.header), "{name}");
    }
}

/// The session was recorded once in each encoding, with the same names, nonces and orders. Only the nonce that the client
/// gave the server is another one.
#[test]
fn the_captured_session_says_in_wbxml_what_it_says_in_xml() {
    let nonce = |message: &mut Message| {
        message.commands.iter_mut().find_map(|command| match command {
            Command::Status(status) => status.chal.as_mut().and_then(|chal| chal.meta.next_nonce.take()),
            _ => None,
        })
    };
    for (name, bytes) in WBXML {
        let twin = name.replace("-wbxml", "").replace(".wbxml", ".xml");
        let (_, twin) = captures::XML.iter().find(|(known, _)| **known == twin).expect("the same in XML");
        let (mut binary, mut text) = (accepted(bytes), from_xml(twin));
        if name.ends_with("02-c2s.wbxml") {
            let nonces = (nonce(&mut binary), nonce(&mut text));
            assert!(nonces.0.is_some() && nonces.1.is_some() && nonces.0 != nonces.1);
        }
        assert_eq!(binary, text, "{name}");
    }
}

#[test]
fn xml_captures_survive_the_way_through_wbxml_and_are_a_third_as_long() {
    for (name, bytes) in captures::XML {
        let message = from_xml(bytes);
        let binary = encode(&message);
        assert_eq!(accepted(&binary), message, "{name}");
        assert!(binary.len() * 3 < bytes.len() * 2, "{name}: {} of {}", binary.len(), bytes.len());
    }
}

#[test]
fn the_public_identifier_is_that_of_the_dtd_version() {
    for (ver_dtd, public_id) in [("1.1", [0x9F, 0x53]), ("1.2", [0xA4, 0x01]), ("", [0xA4, 0x01])] {
        let mut message = from_xml(W_1_AS_XML.as_bytes());
        message.header.ver_dtd = ver_dtd.into();
        let bytes = encode(&message);
        assert_eq!(bytes[..5], [0x02, public_id[0], public_id[1], 0x6A, 0x00], "{ver_dtd}");
        assert_eq!(accepted(&bytes), message);
    }
}
