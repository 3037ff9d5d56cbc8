//! Reading sub-trees: `?list=`.

use dm_core::{
    limits::TreeLimits,
    tnds::{Document, TndsEncoding},
    tree::{Memory, Verb},
    wire::Format,
};

use super::{OWNER, add, apply, done, get, open, refused};

fn sample() -> Memory {
    open()
        .interior("./A")
        .media_type("urn:oma:mo:oma-dm-x:1.0")
        .leaf("./A/Int", "5")
        .format(&Format::Int)
        .title("Five")
        .leaf("./A/Bin", [0, 0xff])
        .media_type("image/png")
        .leaf("./A/Secret", "s")
        .acl("Replace=owner")
        .leaf("./A/Password", "s")
        .access(&[Verb::Replace])
        .interior("./A/Hidden")
        .acl("Add=owner")
        .leaf("./A/Hidden/Shown", "6")
        .acl("Get=*")
        .finish()
        .unwrap()
}

/// Address, format, type and value.
type Row = (String, String, Option<String>, Option<Vec<u8>>);

/// All that a list finds.
fn listed(tree: &mut Memory, uri: &str) -> Vec<Row> {
    let result = apply(tree, "anyone", &get(uri));
    assert_eq!(result.status.0, 200, "{uri}");
    let told = result.found.into_iter().map(|found| {
        let content = found.content;
        let format = content.format.unwrap().as_str().to_owned();
        (found.uri.into(), format, content.media_type.map(Into::into), content.data.map(|data| data.to_vec()))
    });
    told.collect()
}

fn row(uri: &str, format: &str, media_type: Option<&str>, data: Option<&[u8]>) -> Row {
    (uri.into(), format.into(), media_type.map(Into::into), data.map(<[u8]>::to_vec))
}

#[test]
fn the_structure_has_every_node_that_may_be_read_and_no_values() {
    let expected = [
        row("./A", "node", Some("urn:oma:mo:oma-dm-x:1.0"), None),
        row("./A/Bin", "bin", Some("image/png"), None),
        row("./A/Hidden/Shown", "chr", Some("text/plain"), None),
        row("./A/Int", "int", Some("text/plain"), None),
    ];
    assert_eq!(listed(&mut sample(), "./A?list=Struct"), expected);
    assert_eq!(listed(&mut sample(), "./A/Int?list=Struct"), expected[3..], "a leaf is a small sub-tree");
}

#[test]
fn the_structure_with_data_has_the_values_of_leaves() {
    let expected = [
        row("./A", "node", Some("urn:oma:mo:oma-dm-x:1.0"), None),
        row("./A/Bin", "bin", Some("image/png"), Some(&[0, 0xff])),
        row("./A/Hidden/Shown", "chr", Some("text/plain"), Some(b"6")),
        row("./A/Int", "int", Some("text/plain"), Some(b"5")),
    ];
    assert_eq!(listed(&mut sample(), "A?list=StructData"), expected);
}

#[test]
fn who_may_not_read_the_topmost_node_reads_nothing() {
    let mut tree = sample();
    for list in ["Struct", "StructData", "TNDS"] {
        refused(&mut tree, "anyone", &get(&format!("./A/Hidden?list={list}")), 425);
        refused(&mut tree, "anyone", &get(&format!("./A/Password?list={list}")), 405);
        refused(&mut tree, "anyone", &get(&format!("./B?list={list}")), 404);
    }
}

#[test]
fn a_serialised_sub_tree_is_one_item_of_the_node() {
    let expected = "<MgmtTree xmlns=\"syncml:dmddf1.2\"><VerDTD>1.2</VerDTD>\
        <Node><NodeName></NodeName><RTProperties><Format><node/></Format><Name>A</Name>\
        <Type><DDFName>urn:oma:mo:oma-dm-x:1.0</DDFName></Type><VerNo>0</VerNo></RTProperties>\
        <Node><NodeName>Bin</NodeName><RTProperties><Format><bin/></Format><Name>Bin</Name><Size>2</Size>\
        <Type><MIME>image/png</MIME></Type><VerNo>0</VerNo></RTProperties><Value>AP8=</Value></Node>\
        <Node><NodeName>Shown</NodeName><Path>Hidden</Path><RTProperties><ACL>Get=*</ACL><Format><chr/></Format>\
        <Name>Shown</Name><Size>1</Size><Type><MIME>text/plain</MIME></Type><VerNo>0</VerNo></RTProperties>\
        <Value>6</Value></Node>\
        <Node><NodeName>Int</NodeName><RTProperties><Format><int/></Format><Name>Int</Name><Size>1</Size>\
        <Title>Five</Title><Type><MIME>text/plain</MIME></Type><VerNo>0</VerNo></RTProperties><Value>5</Value></Node>\
        </Node></MgmtTree>";
    let told = listed(&mut sample(), "./A?list=TNDS");
    assert_eq!(told, [row("./A", "xml", Some("application/vnd.syncml.dmtnds+xml"), Some(expected.as_bytes()))]);
}

#[test]
fn only_what_is_asked_for_is_serialised() {
    let mut tree = sample();
    let mut one = |list: &str| {
        String::from_utf8(listed(&mut tree, &format!("./A/Int?list={list}"))[0].3.clone().unwrap()).unwrap()
    };
    let tree_of = |inside: &str| {
        format!(
            "<MgmtTree xmlns=\"syncml:dmddf1.2\"><VerDTD>1.2</VerDTD><Node><NodeName></NodeName>{inside}</Node></MgmtTree>"
        )
    };
    assert_eq!(one("TNDS+Value"), tree_of("<Value>5</Value>"));
    let title = "<RTProperties><Title>Five</Title></RTProperties>";
    assert_eq!(one("TNDS+Title"), tree_of(title));
    assert_eq!(one("TNDS+Value+Title"), tree_of(&format!("{title}<Value>5</Value>")));
    assert_eq!(one("TNDS-ACL-Format-Name-Size-TStamp-Type-VerNo-Value"), tree_of(title));
    let octets = apply(&mut sample(), OWNER, &get("./A/Bin?list=TNDS+Value")).found[0].content.data.clone().unwrap();
    let octets = String::from_utf8(octets.to_vec()).unwrap();
    assert!(octets.contains("<bin/>") && octets.contains("AP8="), "octets are told from text: {octets}");
}

#[test]
fn a_serialised_sub_tree_makes_the_same_sub_tree_elsewhere() {
    let mut tree = sample();
    let told = apply(&mut tree, OWNER, &get("./A?list=TNDS")).found[0].content.clone();
    done(&mut tree, OWNER, &add("./B", told));
    for (uri, value) in [("./B/Int", &b"5"[..]), ("./B/Bin", &[0, 0xff]), ("./B/Hidden/Shown", b"6")] {
        assert_eq!(tree.node(uri).unwrap().value().unwrap()[..], *value, "{uri}");
    }
    let (old, new) = (tree.node("./A/Int").unwrap(), tree.node("./B/Int").unwrap());
    assert_eq!((old.format(), old.media_type(), old.title()), (new.format(), new.media_type(), new.title()));
    assert_eq!(tree.node("./B").unwrap().media_type(), "urn:oma:mo:oma-dm-x:1.0");
    assert_eq!(tree.node("./B/Hidden/Shown").unwrap().acl().to_string(), "Get=*");
    assert!(tree.node("./B/Secret").is_none() && tree.node("./B/Password").is_none());
}

#[test]
fn a_list_is_bounded() {
    let limits = TreeLimits { list_nodes_max: 3, value_bytes_max: 400, ..TreeLimits::DEFAULT };
    let small = || Memory::builder_within(limits).leaf("./A/B", "x".repeat(300));
    let mut two = small().finish().unwrap();
    assert_eq!(listed(&mut two, ".?list=Struct").len(), 3);
    refused(&mut two, OWNER, &get(".?list=TNDS"), 413);
    let mut more = small().leaf("./C", "").finish().unwrap();
    for list in ["Struct", "StructData", "TNDS"] {
        refused(&mut more, OWNER, &get(&format!(".?list={list}")), 413);
    }
}

#[test]
fn a_tree_of_any_depth_is_serialised_and_read_back() {
    let deep = vec!["n"; 60].join("/");
    let limits = TreeLimits { uri: dm_core::limits::UriLimits::HARD, ..TreeLimits::DEFAULT };
    let mut tree = Memory::builder_within(limits).leaf(&deep, "bottom").leaf("./z", "top").finish().unwrap();
    let told = apply(&mut tree, OWNER, &get(".?list=TNDS")).found[0].content.data.clone().unwrap();
    let document = Document::parse(&told, TndsEncoding::Xml, 1 << 20, 100).unwrap();
    assert_eq!(document.parts.len(), 62);
    let bottom = document.parts.iter().find(|part| part.path.len() == 60).unwrap();
    assert_eq!((bottom.path.join("/"), bottom.value.as_deref()), (deep, Some(&b"bottom"[..])));
}

#[test]
fn a_value_that_no_encoding_can_hold_is_500() {
    let mut tree = open().leaf("./A", "\u{1}").finish().unwrap();
    refused(&mut tree, OWNER, &get("./A?list=TNDS"), 500);
    assert_eq!(listed(&mut tree, "./A?list=TNDS-Value").len(), 1);
}

#[test]
fn a_long_list_is_read_in_parts_like_any_value() {
    let mut tree = sample();
    let whole = apply(&mut tree, OWNER, &get("./A?list=TNDS")).found[0].content.data.clone().unwrap();
    let part = dm_core::tree::Op::Read { uri: "./A?list=TNDS".into(), offset: 10, bytes: 20 };
    assert_eq!(apply(&mut tree, OWNER, &part).found[0].content.data.as_deref(), Some(&whole[10..30]));
    let several = dm_core::tree::Op::Read { uri: "./A?list=Struct".into(), offset: 0, bytes: 20 };
    refused(&mut tree, OWNER, &several, 500);
}
