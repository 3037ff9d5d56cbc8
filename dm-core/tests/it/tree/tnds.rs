//! Adding and replacing serialised sub-trees: all or nothing.

use dm_core::{
    limits::{TreeLimits, UriLimits},
    tnds::{Document, Part, TndsEncoding, TndsError},
    tree::{Content, Memory, Op, Verb, What},
    wire::Format,
};

use super::{OWNER, add, apply, done, open, read, refused, replace};

const XML: &str = "application/vnd.syncml.dmtnds+xml";
const WBXML: &str = "application/vnd.syncml.dmtnds+wbxml";

fn xml(nodes: &str) -> Content {
    let text = format!("<MgmtTree xmlns='syncml:dmddf1.2'><VerDTD>1.2</VerDTD>{nodes}</MgmtTree>");
    Content {
        format: Some(Format::Xml),
        media_type: Some(XML.into()),
        data: Some(text.into_bytes().into()),
        in_parts: None,
    }
}

fn node(name: &str, properties: &str, inside: &str) -> String {
    format!("<Node><NodeName>{name}</NodeName><RTProperties>{properties}</RTProperties>{inside}</Node>")
}

fn interior(name: &str, inside: &str) -> String {
    node(name, "<Format><node/></Format><Type><DDFName/></Type>", inside)
}

fn leaf(name: &str, value: &str) -> String {
    node(name, "<Type><MIME>text/plain</MIME></Type>", &format!("<Value>{value}</Value>"))
}

/// The nodes below the root with their values, one a line.
fn shown(tree: &Memory) -> Vec<String> {
    let drawn = tree.draw(dm_core::tree::Show::Values).to_string();
    drawn.lines().skip(1).map(|line| line.split("─ ").last().unwrap().to_owned()).collect()
}

#[test]
fn a_nested_document_makes_all_its_nodes() {
    let mut tree = open().finish().unwrap();
    let inside = leaf("L", " a &amp; <![CDATA[<b>]]> ") + &interior("I", &leaf("M", "")) + &interior("E", "");
    done(&mut tree, OWNER, &add("./T", xml(&interior("", &inside))));
    assert_eq!(shown(&tree), ["T", "E", "I", "M  chr = \"\"", "L  chr = \" a & <b> \""]);
    assert_eq!(tree.take_changes().list.len(), 1);
}

#[test]
fn a_flat_document_makes_all_its_nodes() {
    let mut tree = open().finish().unwrap();
    let flat = |name: &str, path: &str, rest: &str| {
        format!("<Node><NodeName>{name}</NodeName><Path>{path}</Path>{rest}</Node>")
    };
    let nodes = flat("b", "./a", "<Value>1</Value>") + &flat("c", "a/d", "<Value>2</Value>") + &interior("a", "");
    done(&mut tree, OWNER, &add("./T", xml(&nodes)));
    assert_eq!(shown(&tree), ["T", "a", "b  chr = \"1\"", "d", "c  chr = \"2\""]);
}

#[test]
fn several_sub_trees_go_below_a_node_that_is_there() {
    let mut tree = open().interior("./T").finish().unwrap();
    done(&mut tree, OWNER, &add("./T", xml(&(leaf("a", "1") + &interior("b", &leaf("c", "2"))))));
    assert_eq!(shown(&tree), ["T", "a  chr = \"1\"", "b", "c  chr = \"2\""]);
    assert_eq!(tree.take_changes().list.iter().filter(|change| change.what == What::Added).count(), 2);
}

#[test]
fn every_property_that_can_be_given_is_taken() {
    let mut tree = open().finish().unwrap();
    tree.tell_time(core_kit::UnixMillis(1_769_903_999_000));
    let properties = "<ACL>Get=*&amp;Replace=a</ACL><Format><int/></Format><Name>other</Name><Size>99</Size>\
        <Title>A number</Title><TStamp>19990101T000000Z</TStamp><Type><MIME>text/x</MIME></Type><VerNo>77</VerNo>";
    done(&mut tree, OWNER, &add("./N", xml(&node("", properties, "<Value>5</Value>"))));
    let n = tree.node("./N").unwrap();
    assert_eq!((n.acl().to_string(), n.format(), n.title()), ("Get=*&Replace=a".into(), &Format::Int, "A number"));
    assert_eq!(
        (n.media_type(), n.version(), n.changed().0),
        ("text/x", 0, 1_769_903_999_000),
        "the tree counts itself"
    );
}

#[test]
fn octets_are_base64_in_xml_and_octets_in_wbxml() {
    let mut tree = open().finish().unwrap();
    let properties = "<Format><bin/></Format><Type><MIME>image/png</MIME></Type>";
    done(&mut tree, OWNER, &add("./B", xml(&node("", properties, "<Value>AP8=</Value>"))));
    assert_eq!(tree.node("./B").unwrap().value().unwrap()[..], [0, 0xff]);
    let part = Part { format: Some(Format::Bin), value: Some([0, 0xfe][..].into()), ..Part::default() };
    let document = Document { parts: vec![part], ..Document::default() };
    for (target, format, data) in [
        ("./C", Format::Bin, document.encode(TndsEncoding::Wbxml).unwrap()),
        ("./D", Format::B64, {
            use base64::Engine;
            base64::engine::general_purpose::STANDARD.encode(document.encode(TndsEncoding::Wbxml).unwrap()).into_bytes()
        }),
    ] {
        let content =
            Content { format: Some(format), media_type: Some(WBXML.into()), data: Some(data.into()), in_parts: None };
        done(&mut tree, OWNER, &add(target, content));
        assert_eq!(tree.node(target).unwrap().value().unwrap()[..], [0, 0xfe], "{target}");
    }
}

#[test]
fn one_wrong_node_and_nothing_is_added() {
    let mut tree = open().leaf("./T/there", "").finish().unwrap();
    let good = leaf("a", "1");
    let vectors = [
        (interior("", &good), 418),
        (good.clone() + &leaf("there", ""), 418),
        (good.clone() + &good, 418),
        (good.clone() + &node("b", "<Format><int/></Format>", "<Value>x</Value>"), 415),
        (good.clone() + &node("b", "<ACL>Read=*</ACL>", ""), 415),
        (good.clone() + &node("b", "<Title>", "</Title>"), 415),
        (good.clone() + &node("b", &format!("<Title>{}</Title>", "x".repeat(256)), ""), 413),
        (good.clone() + &interior("b", "<Value>x</Value>"), 415),
        (good.clone() + &node("b", "<Format><chr/></Format>", &good), 415),
        (good.clone() + &node("b", "<Format><Node/></Format>", ""), 415),
        (good.clone() + &node("..", "", ""), 404),
        (good.clone() + &leaf(&"x".repeat(256), ""), 414),
        (good.clone() + "<Node><NodeName>c</NodeName><Path>there</Path></Node>", 405),
        (good.clone() + "<Node><NodeName>c</NodeName><Path>a</Path></Node>", 405),
        (String::new(), 415),
        ("<!-- <Node/> -->".into(), 415),
    ];
    for (nodes, status) in vectors {
        refused(&mut tree, OWNER, &add("./T", xml(&nodes)), status);
    }
    refused(&mut tree, "anyone", &add("./T", xml(&good)), 425);
}

#[test]
fn what_is_no_document_is_415_and_what_is_too_large_413() {
    let limits = TreeLimits { value_bytes_max: 2000, list_nodes_max: 4, ..TreeLimits::DEFAULT };
    let mut tree = Memory::builder_within(limits).finish().unwrap();
    let raw = |data: &str| Content { data: Some(data.as_bytes().into()), ..xml("") };
    let many = "<a>".repeat(10) + &"</a>".repeat(10);
    for data in [
        "",
        "text",
        "<MgmtTree>",
        "<SyncML/>",
        "<MgmtTree/><MgmtTree/>",
        "<MgmtTree>&x;</MgmtTree>",
        "<MgmtTree>&#0;</MgmtTree>",
        "<?php?><MgmtTree/>",
        "<!DOCTYPE MgmtTree [<!ENTITY x 'y'>]><MgmtTree/>",
        "<MgmtTree></Node>",
        &format!("<MgmtTree>{many}</MgmtTree>"),
    ] {
        refused(&mut tree, OWNER, &add("./T", raw(data)), 415);
    }
    let deep = "<Node>".repeat(64) + &"</Node>".repeat(64);
    let wide = "<Node/>".repeat(5);
    for nodes in [deep, wide, "<a/>".repeat(100), " ".repeat(2000)] {
        refused(&mut tree, OWNER, &add("./T", xml(&nodes)), 413);
    }
    let wbxml = Content { media_type: Some(WBXML.into()), ..raw("<MgmtTree/>") };
    refused(&mut tree, OWNER, &add("./T", wbxml), 415);
}

#[test]
fn a_document_that_there_is_no_room_for_is_420() {
    let limits = TreeLimits { nodes_max: 4, tree_bytes_max: 10, ..TreeLimits::DEFAULT };
    let mut tree = Memory::builder_within(limits).finish().unwrap();
    refused(&mut tree, OWNER, &add("./T", xml(&interior("", &(leaf("a", "") + &leaf("b", "") + &leaf("c", ""))))), 420);
    refused(&mut tree, OWNER, &add("./T", xml(&(leaf("a", "12345") + &leaf("b", "123456")))), 420);
    done(&mut tree, OWNER, &add("./T", xml(&(leaf("a", "12345") + &leaf("b", "12345")))));
    refused(&mut tree, OWNER, &add("./X", xml(&leaf("", ""))), 420);
}

#[test]
fn the_creator_of_a_sub_tree_owns_its_topmost_interior_node() {
    let mut tree = Memory::builder().at(".").acl("Add=*&Get=*").finish().unwrap();
    done(&mut tree, "s", &add("./T", xml(&interior("", &leaf("a", "1")))));
    assert_eq!(tree.node("./T").unwrap().acl().to_string(), "Add=s&Delete=s&Replace=s");
    let own = node("", "<ACL>Get=*&amp;Replace=s</ACL><Format><node/></Format>", "");
    done(&mut tree, "s", &add("./U", xml(&own)));
    assert_eq!(tree.node("./U").unwrap().acl().to_string(), "Get=*&Replace=s", "unless the document says otherwise");
    refused(&mut tree, "s", &add("./V", xml(&node("", "<ACL>Get=s</ACL>", ""))), 425);
}

#[test]
fn a_replaced_sub_tree_is_the_one_of_the_document() {
    let mut tree = open()
        .leaf("./T/old", "1")
        .leaf("./T/both/x", "2")
        .at("./T")
        .acl("Get=*&Replace=owner")
        .title("t")
        .finish()
        .unwrap();
    let inside = leaf("new", "3") + &interior("both", &leaf("y", "4"));
    done(&mut tree, OWNER, &replace("./T", xml(&interior("", &inside))));
    assert_eq!(shown(&tree), ["T  [Get=*&Replace=owner]", "both", "y  chr = \"4\"", "new  chr = \"3\""]);
    assert_eq!(
        (tree.node_count(), tree.node("./T").unwrap().title(), tree.node("./T").unwrap().version()),
        (5, "t", 1)
    );
    done(&mut tree, OWNER, &replace("./T", xml(&leaf("only", "5"))));
    assert_eq!(shown(&tree), ["T  [Get=*&Replace=owner]", "only  chr = \"5\""], "the node itself may be left unsaid");
}

#[test]
fn a_sub_tree_is_replaced_with_the_rights_of_replace_and_only_where_nothing_permanent_goes() {
    let mut tree = open()
        .leaf("./P/fixed", "")
        .permanent()
        .interior("./Q")
        .permanent()
        .leaf("./Get", "")
        .access(&[Verb::Get])
        .leaf("./T/a", "")
        .finish()
        .unwrap();
    let new = xml(&interior("", &leaf("n", "")));
    for uri in [".", "./P", "./Get"] {
        refused(&mut tree, OWNER, &replace(uri, new.clone()), 405);
    }
    refused(&mut tree, OWNER, &replace("./Nothing", new.clone()), 404);
    refused(&mut tree, "anyone", &replace("./T", new.clone()), 425);
    refused(&mut tree, OWNER, &replace("./Q", xml(&leaf("", "x"))), 405);
    refused(&mut tree, OWNER, &replace("./T", xml(&(leaf("n", "") + &leaf("..", "")))), 404);
    done(&mut tree, OWNER, &replace("./Q", new.clone()));
    assert!(tree.node("./Q").unwrap().is_permanent() && !tree.node("./Q/n").unwrap().is_permanent());
    done(&mut tree, OWNER, &replace("./T/a", xml(&leaf("", "x"))));
    assert_eq!(read(&mut tree, OWNER, "./T/a"), "x");
}

#[test]
fn a_sub_tree_that_takes_the_place_of_another_needs_no_more_room_than_it_has_itself() {
    let limits = TreeLimits { nodes_max: 4, tree_bytes_max: 4, ..TreeLimits::DEFAULT };
    let mut tree = Memory::builder_within(limits).leaf("./T/a", "12").leaf("./T/b", "34").finish().unwrap();
    tree = tree.edit().at(".").acl("Replace=owner&Get=*").finish().unwrap();
    done(&mut tree, OWNER, &replace("./T", xml(&interior("", &(leaf("c", "56") + &leaf("d", "78"))))));
    refused(
        &mut tree,
        OWNER,
        &replace("./T", xml(&interior("", &(leaf("c", "") + &leaf("d", "") + &leaf("e", ""))))),
        420,
    );
    refused(&mut tree, OWNER, &replace("./T", xml(&interior("", &leaf("c", "12345")))), 420);
}

#[test]
fn a_sub_tree_in_an_atomic_comes_and_goes_as_a_whole() {
    let before = open().leaf("./T/a", "1").finish().unwrap();
    let mut tree = before.clone();
    let ops = [
        Op::Begin,
        add("./U", xml(&interior("", &leaf("n", "2")))),
        add("./T", xml(&(leaf("m", "3") + "<Node><NodeName>y</NodeName><Path>x</Path></Node>"))),
        replace("./T", xml(&interior("", &leaf("o", "4")))),
        replace("./T/o", xml(&interior("", &leaf("p", "5")))),
    ];
    let statuses: Vec<u16> = ops.iter().map(|op| apply(&mut tree, OWNER, op).status.0).collect();
    assert_eq!(statuses, [200; 5]);
    let mut restored: Memory = serde_json::from_str(&serde_json::to_string(&tree).unwrap()).unwrap();
    for mut tree in [tree, restored.clone()] {
        done(&mut tree, OWNER, &Op::RollBack);
        assert_eq!(tree, before);
    }
    done(&mut restored, OWNER, &Op::Commit);
    assert_eq!(read(&mut restored, OWNER, "./T/o/p"), "5");
}

#[test]
fn both_encodings_say_the_same() {
    let part = |path: &[&str]| Part { path: path.iter().map(|name| (*name).into()).collect(), ..Part::default() };
    let document = Document {
        manufacturer: Some("Example".into()),
        model: Some("One".into()),
        parts: vec![
            Part {
                is_interior: true,
                format: Some(Format::Node),
                media_type: Some("urn:x".into()),
                acl: Some("Get=*".into()),
                ..part(&[])
            },
            Part {
                format: Some(Format::Chr),
                name: Some("b".into()),
                size: Some("8".into()),
                title: Some(" t ".into()),
                stamp: Some("20260131T235959Z".into()),
                media_type: Some("text/plain".into()),
                version: Some("3".into()),
                value: Some(" <ü>&\r\n ".as_bytes().into()),
                ..part(&["a", "b"])
            },
            Part { format: Some(Format::Bin), value: Some(vec![0; 300].into()), ..part(&["c"]) },
            Part { format: Some(Format::B64), value: Some(b"AA=="[..].into()), ..part(&["d"]) },
        ],
    };
    for encoding in [TndsEncoding::Xml, TndsEncoding::Wbxml] {
        let bytes = document.encode(encoding).unwrap();
        assert_eq!(Document::parse(&bytes, encoding, 10_000, 10), Ok(document.clone()), "{encoding:?}");
        assert_eq!(Document::parse(&bytes, encoding, 10_000, 3), Err(TndsError::TooLarge));
        assert_eq!(Document::parse(&bytes, encoding, bytes.len() - 1, 10), Err(TndsError::TooLarge));
        for end in 0..bytes.len() {
            assert!(Document::parse(&bytes[..end], encoding, 10_000, 10).is_err(), "{encoding:?} cut at {end}");
        }
    }
}

#[test]
fn a_wbxml_document_begins_on_page_0_and_names_its_type() {
    let document = Document { parts: vec![Part::default()], ..Document::default() };
    let bytes = document.encode(TndsEncoding::Wbxml).unwrap();
    assert_eq!(bytes[..5], [0x02, 0x00, 0x00, 0x6A, 0x1A]);
    assert_eq!(&bytes[5..31], b"-//OMA//DTD-DM-DDF 1.2//EN");
    // SWITCH_PAGE 2, MgmtTree, VerDTD "1.2", Node, NodeName without content, three times END.
    assert_eq!(bytes[31..], [0x00, 0x02, 0x60, 0x77, 0x03, b'1', b'.', b'2', 0, 0x01, 0x64, 0x26, 0x01, 0x01]);
}

#[test]
fn a_wbxml_document_of_another_writer_is_read() {
    // Unknown public identifier, no string table; a string from a table; a character by number; a number padded.
    let header = [0x03, 0x01, 0x6A, 0x03, b'x', b'y', 0x00];
    let body =
        [0x00, 0x02, 0x60, 0x64, 0x66, 0x83, 0x00, 0x02, 0x41, 0x01, 0x76, 0xC3, 0x80, 0x01, b'z', 0x01, 0x01, 0x01];
    let bytes = [&header[..], &body].concat();
    let document = Document::parse(&bytes, TndsEncoding::Wbxml, 100, 10).unwrap();
    assert_eq!((document.parts[0].path[0].as_str(), document.parts[0].value.as_deref()), ("xyA", Some(&b"z"[..])));
    let on_page_0 = [&header[..], &body[2..]].concat();
    assert_eq!(Document::parse(&on_page_0, TndsEncoding::Wbxml, 100, 10), Err(TndsError::NotATree));
}

#[test]
fn the_string_table_cannot_make_a_document_larger_than_it_may_be() {
    let mut bytes = vec![0x03, 0x01, 0x6A, 0x11];
    bytes.extend_from_slice(&[b'x'; 16]);
    bytes.extend_from_slice(&[0, 0, 2, 0x60]);
    for _ in 0..20 {
        bytes.extend_from_slice(&[0x83, 0x00]);
    }
    bytes.push(0x01);
    assert_eq!(Document::parse(&bytes, TndsEncoding::Wbxml, 100, 10), Err(TndsError::TooLarge));
    assert!(Document::parse(&bytes, TndsEncoding::Wbxml, 400, 10).is_ok());
}

#[test]
fn long_ways_are_bounded_whatever_the_tree_allows() {
    let limits = TreeLimits { uri: UriLimits::HARD, ..TreeLimits::DEFAULT };
    let mut tree = Memory::builder_within(limits).finish().unwrap();
    let way = vec!["n"; 600].join("/");
    let flat = format!("<Node><NodeName>x</NodeName><Path>{way}</Path></Node>");
    refused(&mut tree, OWNER, &add("./T", xml(&flat)), 413);
}

#[test]
fn a_long_way_is_not_said_once_for_any_number_of_nodes() {
    let document = |children: usize| {
        let inside = leaf("x", "").repeat(children);
        let way = vec!["n"; 400].join("/");
        format!("<MgmtTree><Node><NodeName>a</NodeName><Path>{way}</Path>{inside}</Node></MgmtTree>")
    };
    let parse = |children| Document::parse(document(children).as_bytes(), TndsEncoding::Xml, 1 << 20, 1000).map(|_| ());
    assert_eq!((parse(50), parse(200)), (Ok(()), Err(TndsError::TooLarge)));
}

proptest::proptest! {
    #[test]
    fn no_octets_are_too_much_for_the_readers(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..200), at in 0usize..80) {
        let good = Document { parts: vec![Part::default()], ..Document::default() };
        for encoding in [TndsEncoding::Xml, TndsEncoding::Wbxml] {
            let _ = Document::parse(&bytes, encoding, 1000, 10);
            let mut bent = good.encode(encoding).unwrap();
            let at = at.min(bent.len());
            bent.splice(at..at, bytes.iter().copied().take(4));
            let _ = Document::parse(&bent, encoding, 1000, 10);
        }
    }
}
