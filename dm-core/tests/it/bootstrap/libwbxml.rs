//! Provisioning documents against libwbxml, as `wbxml::libwbxml` does it for messages: in both directions, and nothing
//! may differ but what is listed here.
//!
//! - wbxml2xml writes white space in attributes as it is, and every reader of XML takes that for spaces.
//! - libwbxml spells two values wrong: `TRETRA-SDS` and `TRETRA-PACKET`. They are not among what is generated.

use dm_core::{
    bootstrap::cp::{Characteristic, Document},
    limits::WireLimits,
    wire::Encoding,
};
use proptest::{
    strategy::{Strategy, ValueTree},
    test_runner::TestRunner,
};

use super::{W7, cp_document::any_document, dm_profile, document};
use crate::wbxml::libwbxml::{TO_WBXML, TO_XML, cases, is_installed, run};

fn with_doctype(document: &Document) -> Vec<u8> {
    let text = String::from_utf8(document.encode(Encoding::Xml).expect("written")).expect("text");
    let doctype = "<!DOCTYPE wap-provisioningdoc PUBLIC \"-//WAPFORUM//DTD PROV 1.0//EN\" \"x\">";
    text.replacen("?>", &format!("?>{doctype}"), 1).into_bytes()
}

fn read(encoding: Encoding, bytes: &[u8]) -> Document {
    let read = Document::decode(encoding, bytes, &WireLimits::CLIENT);
    read.unwrap_or_else(|error| panic!("{error}: {}", bytes.escape_ascii()))
}

/// What a reader of XML makes of a document whose attributes were not escaped.
fn with_spaces(document: &Document) -> Document {
    fn spaces(text: &str) -> String {
        text.replace("\r\n", " ").replace(['\t', '\r', '\n'], " ")
    }
    fn within(characteristic: &Characteristic) -> Characteristic {
        let mut changed = characteristic.clone();
        changed.kind = spaces(&changed.kind);
        for parameter in &mut changed.parameters {
            parameter.name = spaces(&parameter.name);
            parameter.value = parameter.value.as_deref().map(spaces);
        }
        changed.characteristics = changed.characteristics.iter().map(within).collect();
        changed
    }
    Document {
        version: document.version.as_deref().map(spaces),
        characteristics: document.characteristics.iter().map(within).collect(),
    }
}

fn compare(document: &Document) {
    let text = run(TO_XML, &document.encode(Encoding::Wbxml).expect("written"));
    assert_eq!(read(Encoding::Xml, &text), with_spaces(document), "{}", text.escape_ascii());
    let binary = run(TO_WBXML, &with_doctype(document));
    assert_eq!(read(Encoding::Wbxml, &binary), *document, "{}", binary.escape_ascii());
}

#[test]
fn generated_documents_mean_the_same_to_libwbxml_in_both_directions() {
    if !is_installed() {
        return;
    }
    compare(&document(W7));
    let (mut runner, strategy) = (TestRunner::deterministic(), any_document());
    for _ in 0..cases() {
        compare(&strategy.new_tree(&mut runner).expect("a document").current());
    }
}

/// The object that our tests put together by hand has the tokens that libwbxml knows for its elements.
#[test]
fn the_account_of_the_dm_profile_is_one_to_libwbxml() {
    if !is_installed() {
        return;
    }
    let text = String::from_utf8_lossy(&run(TO_XML, &dm_profile::message())).into_owned();
    for part in [
        "<ACL>Get=dm.example.com&amp;Replace=dm.example.com</ACL><Format><node/></Format>",
        "<Type><DDFName>urn:oma:mo:oma-dm-dmacc:1.0</DDFName></Type>",
        "<NodeName>AAuthSecret</NodeName><RTProperties><Format><chr/></Format><Type><MIME>text/plain</MIME></Type>\
            </RTProperties><Value>s3cr3t-pass</Value>",
        "<Format><bin/></Format>",
    ] {
        assert!(text.contains(part), "{part} is missing in {text}");
    }
}
