//! Bytes that mean harm: they are refused at once, within limits, and with the right reason.

use dm_core::{
    limits::WireLimits,
    wire::{self, DecodeError, DecodeErrorKind as Kind, Deviations, Encoding, Tag},
};

use crate::{
    captures,
    xml::{HEADER, read, refused, with_body},
};

fn read_bytes(bytes: &[u8], limits: &WireLimits) -> Result<wire::Decoded, DecodeError> {
    wire::decode(Encoding::Xml, bytes, limits)
}

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

#[test]
fn entities_are_neither_declared_nor_expanded() {
    let body = with_body("<Add><CmdID>1</CmdID><Item><Data>&lol9;</Data></Item></Add>");
    let laugh = |n: usize| format!("<!ENTITY lol{n} \"{}\">", format!("&lol{};", n - 1).repeat(10));
    let laughs = (1..10).map(laugh).collect::<Vec<_>>().concat();
    for (subset, story) in [
        (format!("<!DOCTYPE SyncML [<!ENTITY lol0 \"lol\">{laughs}]>"), "billion laughs"),
        (format!("<!DOCTYPE SyncML [<!ENTITY lol9 \"{}\">]>", "x".repeat(10_000)), "quadratic blow-up"),
        ("<!DOCTYPE SyncML [<!ENTITY lol9 SYSTEM \"file:///etc/passwd\">]>".into(), "external entity, file"),
        ("<!DOCTYPE SyncML [<!ENTITY lol9 SYSTEM \"http://127.0.0.1/\">]>".into(), "external entity, network"),
        ("<!DOCTYPE SyncML [<!ENTITY % p SYSTEM \"http://127.0.0.1/\">%p;]>".into(), "parameter entity"),
        ("<!DOCTYPE SyncML SYSTEM \"http://127.0.0.1/\" [ ]>".into(), "empty subset"),
    ] {
        assert_eq!(refused(&format!("{subset}{body}")), Kind::InternalSubset, "{story}");
    }
    assert_eq!(refused(&body), Kind::UnknownEntity, "a name that nobody declared");
    let external = format!("<!DOCTYPE SyncML SYSTEM \"http://127.0.0.1/lol9.dtd\">{body}");
    assert_eq!(refused(&external), Kind::UnknownEntity, "a name that an external subset might declare");
    assert_eq!(refused(&with_body("<v:x xmlns:v='urn:v'>&lol9;</v:x>")), Kind::UnknownEntity, "where nobody looks");
    assert_eq!(refused(&with_body("<Get a='&lol9;'/>")), Kind::UnknownEntity, "in an attribute");
}

/// Elements of `depth` that are open at once, the root and the body included.
fn nested(element: &str, depth: usize) -> String {
    let inner = depth - 2;
    let (open, close) = (format!("<{element}>"), format!("</{element}>"));
    with_body(&format!("{}{}", open.repeat(inner), close.repeat(inner)))
}

#[test]
fn depth_is_bounded_for_known_and_foreign_elements() {
    for element in ["x", "Atomic", "Sequence", "Sync"] {
        for depth in [33, 100, 1_000, 10_000, 100_000, 1_000_000] {
            let error = read_bytes(
                nested(element, depth).as_bytes(),
                &WireLimits { message_bytes_max: usize::MAX, ..WireLimits::SERVER },
            )
            .expect_err("too deep");
            assert_eq!(error.kind, Kind::TooDeep, "{depth} of {element}");
            assert!(error.header.is_some());
        }
    }
    let unescaped = with_body(&format!("<Add><CmdID>1</CmdID><Item><Data>{}", "<Node>".repeat(100)));
    assert_eq!(refused(&unescaped), Kind::TooDeep, "inside Data");
    assert!(read(&nested("x", 32)).is_ok(), "as deep as allowed");
}

#[test]
fn no_limits_allow_more_depth_than_the_stack_holds() {
    let commands =
        |depth| with_body(&format!("{}{}", "<Atomic><CmdID>1</CmdID>".repeat(depth), "</Atomic>".repeat(depth)));
    let filters = "<Target><LocURI>a</LocURI><Filter><Field><Item>".repeat(100_000);
    let filters = with_body(&format!("<Add><CmdID>1</CmdID><Item>{filters}"));
    let read = move || {
        // The last level is that of `CmdID`.
        assert!(read_bytes(commands(61).as_bytes(), &NONE).is_ok());
        for text in [commands(62), commands(100_000), filters] {
            assert_eq!(read_bytes(text.as_bytes(), &NONE).map_err(|error| error.kind), Err(Kind::TooDeep));
        }
    };
    // A quarter of what threads have by default.
    std::thread::Builder::new().stack_size(512 * 1024).spawn(read).expect("a thread").join().expect("no overflow");
}

#[test]
fn the_number_of_elements_is_bounded() {
    for (element, size) in [("<x/>", 100_000), ("<Final/>", 9_991), ("<Final></Final>", 9_991)] {
        let text = match element {
            "<x/>" => with_body(&element.repeat(size)),
            _ => with_body(&format!("<Vendor>{}</Vendor>", element.repeat(size))),
        };
        let limits = WireLimits { message_bytes_max: usize::MAX, ..WireLimits::CLIENT };
        let error = read_bytes(text.as_bytes(), &limits).expect_err("too many");
        assert_eq!(error.kind, Kind::TooManyElements, "{element}");
        // The root, nine in the header, the body, and the wrapper of the second and third.
        let before = if element == "<x/>" { 10_000 - 11 } else { 10_000 - 12 };
        let first = text.find(element).expect("there");
        assert_eq!(error.offset, first + before * element.len(), "{element}");
    }
}

#[test]
fn the_number_of_commands_is_bounded_nested_ones_included() {
    let get = "<Get><CmdID>1</CmdID></Get>";
    let body = |inside: usize, after: usize| {
        with_body(&format!("<Sequence><CmdID>1</CmdID>{}</Sequence>{}", get.repeat(inside), get.repeat(after)))
    };
    assert_eq!(read(&body(100, 155)).map(|decoded| decoded.message.commands.len()), Ok(156));
    assert_eq!(refused(&body(100, 156)), Kind::TooManyCommands);
    assert_eq!(refused(&body(256, 0)), Kind::TooManyCommands);
}

#[test]
fn the_number_and_the_length_of_attributes_are_bounded() {
    let tag = |attributes: &str| with_body(&format!("<Final{attributes}/>"));
    let numbered =
        |count: usize, name: &str| (0..count).map(|n| format!(" {name}{n}='u'")).collect::<Vec<_>>().concat();
    assert!(read(&tag(&numbered(8, "a"))).is_ok());
    assert_eq!(refused(&tag(&numbered(9, "a"))), Kind::TooManyAttributes);
    assert_eq!(refused(&tag(&numbered(9, "xmlns:a"))), Kind::TooManyAttributes);
    let unbounded = WireLimits { attributes_max: 8, ..NONE };
    for name in ["a", "xmlns:a"] {
        let many = tag(&numbered(100_000, name));
        assert_eq!(read_bytes(many.as_bytes(), &WireLimits::CLIENT).map_err(|error| error.kind), Err(Kind::TooLarge));
        let by_length = WireLimits { message_bytes_max: usize::MAX, ..WireLimits::CLIENT };
        assert_eq!(read_bytes(many.as_bytes(), &by_length).map_err(|error| error.kind), Err(Kind::TagTooLong));
        assert_eq!(read_bytes(many.as_bytes(), &unbounded).map_err(|error| error.kind), Err(Kind::TooManyAttributes));
    }
    for (length, fits) in [(4096, true), (4097, false)] {
        let (begin, end) = ("<Final a='", "'/>");
        let long = with_body(&format!("{begin}{}{end}", "x".repeat(length - begin.len() - end.len())));
        assert_eq!(read(&long).map_err(|error| error.kind).is_ok(), fits, "{length}");
    }
    assert_eq!(refused(&with_body(&format!("<Final></Final{}>", " ".repeat(5_000)))), Kind::TagTooLong);
    let foreign = format!("<x {}/>", numbered(9, "a"));
    assert_eq!(refused(&with_body(&foreign)), Kind::TooManyAttributes, "where nobody looks");
}

#[test]
fn tags_as_nearly_all_peers_write_them_are_held_to_the_limits_too() {
    let declared = with_body("<Sync><CmdID>1</CmdID><NumberOfChanges>0</NumberOfChanges></Sync>");
    let root = "<SyncML xmlns=\"SYNCML:SYNCML1.2\">";
    let bare = declared.replace(root, "<SyncML>");
    for (text, tag) in [(&declared, root), (&bare, "<NumberOfChanges>"), (&bare, "</NumberOfChanges>")] {
        let limits = WireLimits { tag_bytes_max: tag.len() - 1, ..WireLimits::CLIENT };
        let error = read_bytes(text.as_bytes(), &limits).expect_err(tag);
        assert_eq!((error.kind, Some(error.offset)), (Kind::TagTooLong, text.find(tag)), "{tag}");
    }
    for (text, longest) in [(&declared, root), (&bare, "</NumberOfChanges>")] {
        let limits = WireLimits { tag_bytes_max: longest.len(), ..WireLimits::CLIENT };
        assert!(read_bytes(text.as_bytes(), &limits).is_ok(), "{longest}");
    }
    let limits = WireLimits { attributes_max: 0, ..WireLimits::CLIENT };
    for (text, kind) in [(&declared, Some(Kind::TooManyAttributes)), (&bare, None)] {
        assert_eq!(read_bytes(text.as_bytes(), &limits).err().map(|error| error.kind), kind, "{text}");
    }
}

#[test]
fn namespaces_in_scope_are_bounded() {
    let many = "<Atomic xmlns:a='urn:a' xmlns:b='urn:b' xmlns:c='urn:c'>".repeat(25);
    assert_eq!(refused(&with_body(&many)), Kind::TooManyAttributes);
    let one_by_one = "<Get xmlns:a='urn:a' xmlns:b='urn:b'><CmdID>1</CmdID></Get>".repeat(200);
    assert!(read(&with_body(&one_by_one)).is_ok(), "those that went out of scope do not count");
}

#[test]
fn a_message_above_its_size_is_not_looked_at() {
    let limits = WireLimits { message_bytes_max: 3, ..WireLimits::CLIENT };
    let error = read_bytes(b"\xFF\xFF\xFF\xFF", &limits).expect_err("too large");
    assert_eq!((error.kind, error.offset), (Kind::TooLarge, 0));
    let error = wire::decode_header(Encoding::Xml, b"\xFF\xFF\xFF\xFF", &limits).expect_err("too large");
    assert_eq!(error.kind, Kind::TooLarge);
    assert_eq!(read_bytes(b"\xFF\xFF\xFF", &limits).map_err(|error| error.kind), Err(Kind::NotUtf8));
}

#[test]
fn every_cut_of_a_capture_is_an_end_that_comes_too_early() {
    let chosen = ["hostap-hs20/02-c2s.xml", "libdmclient-md5/02-c2s.xml"];
    for (name, bytes) in captures::XML.iter().filter(|(name, _)| chosen.contains(name)) {
        let header_end = bytes.windows(10).position(|window| window == b"</SyncHdr>").expect("a header") + 10;
        for length in 0..bytes.len() {
            let error = read_bytes(&bytes[..length], &WireLimits::CLIENT).expect_err("it was cut");
            assert_eq!((error.kind, error.offset), (Kind::Truncated, length), "{name} cut at {length}");
            assert_eq!(error.header.is_some(), length >= header_end, "{name} cut at {length}");
        }
    }
}

#[test]
fn every_cut_of_odd_syntax_is_an_end_that_comes_too_early() {
    let odd = "\u{FEFF}<?xml version='1.0'?><!-- a --><!DOCTYPE SyncML SYSTEM 'x>'><!-- b -->".to_owned()
        + &with_body(
            "<Add a='&lt;' b=\">\"><!-- c --><CmdID>&#x31;</CmdID><Item><Data>\u{1F512}<![CDATA[<]]>&amp;</Data></Item></Add>",
        );
    assert!(read(&odd).is_ok());
    for length in 0..odd.len() {
        let error = read_bytes(&odd.as_bytes()[..length], &WireLimits::CLIENT).expect_err("it was cut");
        assert_eq!(error.kind, Kind::Truncated, "cut at {length}: {error}");
        assert!(error.offset <= length);
    }
}

#[test]
fn nothing_but_space_and_comments_may_follow() {
    let good = with_body("");
    for (after, kind) in [
        ("x", Kind::TrailingContent),
        ("<SyncML/>", Kind::TrailingContent),
        ("</SyncML>", Kind::TrailingContent),
        ("&amp;", Kind::TrailingContent),
        ("<![CDATA[]]>", Kind::TrailingContent),
        ("<?p?>", Kind::TrailingContent),
        ("<!DOCTYPE SyncML>", Kind::TrailingContent),
        (" <!-- a --> \n\0", Kind::BadCharacter),
        ("<!-- a", Kind::Truncated),
        ("<!-- a -- b -->", Kind::NotWellFormed),
    ] {
        let error = read(&format!("{good}{after}")).expect_err(after);
        assert_eq!((error.kind, error.path.0.is_empty()), (kind, true), "{after}");
        assert!(error.offset >= good.len(), "{after}");
    }
    let error = read_bytes(&[good.as_bytes(), b"\n\xC3"].concat(), &WireLimits::CLIENT).expect_err("half a character");
    assert_eq!((error.kind, error.offset), (Kind::Truncated, good.len() + 1));
}

#[test]
fn only_utf_8_is_read() {
    let good = with_body("<Alert><CmdID>1</CmdID><Correlator>?</Correlator></Alert>");
    let place = good.find('?').expect("a place");
    for (bad, story) in [
        (&b"\xC0\xAF"[..], "overlong, two octets"),
        (b"\xE0\x80\xAF", "overlong, three octets"),
        (b"\xF0\x80\x80\xAF", "overlong, four octets"),
        (b"\xC1\xBC", "overlong letter"),
        (b"\xED\xA0\x80", "surrogate"),
        (b"\xF4\x90\x80\x80", "above the last character"),
        (b"\x80", "continuation alone"),
        (b"\xE9", "Latin-1"),
        (b"\xFF", "no such octet"),
    ] {
        let bytes = [&good.as_bytes()[..place], bad, &good.as_bytes()[place + 1..]].concat();
        let error = read_bytes(&bytes, &WireLimits::CLIENT).expect_err(story);
        assert_eq!((error.kind, error.offset), (Kind::NotUtf8, place), "{story}");
        assert!(error.header.is_some(), "{story}: the header was read, so there is somebody to answer");
    }
    let wide = |mark: &[u8], octets: fn(u16) -> [u8; 2]| {
        [mark, &good.encode_utf16().flat_map(octets).collect::<Vec<_>>()].concat()
    };
    for (bytes, kind) in [
        (wide(b"\xFF\xFE", u16::to_le_bytes), Kind::NotUtf8),
        (wide(b"\xFE\xFF", u16::to_be_bytes), Kind::NotUtf8),
        (wide(b"", u16::to_le_bytes), Kind::BadCharacter),
        (wide(b"", u16::to_be_bytes), Kind::BadCharacter),
    ] {
        assert_eq!(read_bytes(&bytes, &WireLimits::SERVER).map_err(|error| error.kind), Err(kind));
    }
    for encoding in ["ISO-8859-1", "UTF-16", "UTF-7", "windows-1252", ""] {
        let lie = format!("<?xml version='1.0' encoding='{encoding}'?>{good}");
        assert_eq!(refused(&lie), Kind::NotUtf8, "{encoding}");
    }
    assert_eq!(refused(&format!("\u{FEFF}\u{FEFF}{good}")), Kind::NotSyncMl, "a second byte order mark is text");
}

#[test]
fn characters_that_xml_does_not_have_are_refused_however_they_are_written() {
    for bad in ["\0", "\u{1}", "\u{8}", "\u{B}", "\u{C}", "\u{1F}", "\u{FFFE}", "\u{FFFF}"] {
        for place in ["<v:x xmlns:v='urn:v'>?</v:x>", "<Final a='?'/>", "<!--?-->", "<Get><CmdID>?</CmdID></Get>", "?"]
        {
            let text = with_body(&place.replace('?', bad));
            let error = read(&text).expect_err(place);
            assert_eq!((error.kind, Some(error.offset)), (Kind::BadCharacter, text.find(bad)), "{bad:?} in {place}");
        }
        let number = format!("&#{};", u32::from(bad.chars().next().expect("one")));
        for place in ["<v:x xmlns:v='urn:v'>?</v:x>", "<Final a='?'/>", "<Get><CmdID>?</CmdID></Get>", "?"] {
            assert_eq!(refused(&with_body(&place.replace('?', &number))), Kind::BadCharacter, "{number} in {place}");
        }
    }
    assert_eq!(
        read(&with_body("\t\r\n <!-- \u{7F}\u{85}\u{FFFD}\u{10FFFF} -->")).map(|read| read.deviations),
        Ok(Deviations::default())
    );
}

#[test]
fn what_is_not_well_formed_is_refused_everywhere() {
    for bad in [
        "<Get></Put>",
        "</Get>",
        "<Get/ >",
        "< Get/>",
        "<1/>",
        "<a:/>",
        "<:a/>",
        "<a:b:c/>",
        "<a<b/>",
        "<>",
        "</>",
        "<a></a b='1'>",
        "<a b/>",
        "<a b=1/>",
        "<a b='1'c='2'/>",
        "<a b='<'/>",
        "<a b='&'/>",
        "<a b='1' b='2'/>",
        "<a xmlns='urn:1' xmlns='urn:2'/>",
        "<a xmlns:p='urn:1' xmlns:p='urn:2'/>",
        "<Final xmlns:p=''/>",
        "<Final xmlns:='urn:1'/>",
        "<Final xmlns:xmlns='urn:1'/>",
        "& ",
        "&;",
        "&#;",
        "&#x;",
        "&lt",
        "<!-- -- -->",
        "<!DOCTYPE a>",
        "<!ELEMENT a>",
        "<![cdata[x]]>",
        "<!>",
        "<?xml version='1.0'?>",
    ] {
        for (before, after) in [
            ("", ""),
            ("<v:x xmlns:v='urn:v'>", "</v:x>"),
            ("<Add><CmdID>1</CmdID><Item><Data>", "</Data></Item></Add>"),
        ] {
            // Declarations are not looked at where the names are not.
            if bad.starts_with("<Final") && !before.is_empty() && !bad.contains("xmlns:=") {
                continue;
            }
            let text = with_body(&format!("{before}{bad}{after}"));
            assert_eq!(refused(&text), Kind::NotWellFormed, "{text}");
        }
    }
}

#[test]
fn processing_instructions_are_refused_everywhere() {
    for text in [
        "<?xml-stylesheet href='a'?>".to_owned() + &with_body(""),
        with_body("<?php x ?>"),
        with_body("<v:x xmlns:v='urn:v'><?a?></v:x>"),
        with_body("<Get><CmdID><?a?>1</CmdID></Get>"),
        format!("<SyncML xmlns='SYNCML:SYNCML1.2'>{HEADER}<SyncBody/><?a?></SyncML>"),
    ] {
        assert_eq!(refused(&text), Kind::ProcessingInstruction, "{text}");
    }
}

#[test]
fn text_costs_no_more_than_the_message() {
    // Each of these is large, and all of it is one value or nothing at all.
    let size = 500_000;
    for (body, length) in [
        (format!("<Data>{}</Data>", "x".repeat(size)), size),
        (format!("<Data>{}</Data>", "&amp;".repeat(size / 5)), size / 5),
        (format!("<Data>{}</Data>", "<![CDATA[]]>".repeat(size / 12)), 0),
        (format!("<Data>{}</Data>", "<!---->".repeat(size / 7)), 0),
        (format!("<Data>{}</Data>", "\r".repeat(size)), size),
    ] {
        let text = with_body(&format!("<Add><CmdID>1</CmdID><Item>{body}</Item></Add>"));
        let read = read_bytes(text.as_bytes(), &WireLimits::SERVER).expect("large, and legal");
        let wire::Command::Add(add) = &read.message.commands[0] else { panic!("{:?}", read.message.commands) };
        assert_eq!(add.items[0].data.as_ref().map(|data| data.as_bytes().len()), Some(length));
    }
    assert_eq!(refused(&with_body(&"<".repeat(60_000))), Kind::TagTooLong);
    assert_eq!(refused(&with_body(&"&".repeat(60_000))), Kind::NotWellFormed);
    assert_eq!(refused(&with_body(&"<a '".repeat(1_001))), Kind::Truncated);
}

#[test]
fn an_error_in_a_number_shows_the_element_and_not_the_bytes() {
    let error = read(&with_body("<Alert><CmdID>1</CmdID><Data>&lt;script&gt;</Data></Alert>")).expect_err("no number");
    assert_eq!(error.kind, Kind::BadNumber(Tag::Data));
    assert!(!error.to_string().contains("script"), "{error}");
}
