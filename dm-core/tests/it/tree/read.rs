//! `Get`: values, children and properties.

use dm_core::{
    limits::TreeLimits,
    tree::{Content, Memory, Verb},
    wire::Format,
};

use super::{OWNER, apply, get, open, read, refused};

fn content(tree: &mut Memory, uri: &str) -> Content {
    apply(tree, OWNER, &get(uri)).found.remove(0).content
}

#[test]
fn a_leaf_gives_its_value_with_format_and_type() {
    let mut tree = open().leaf("./A", "-5").format(&Format::Int).media_type("text/x").finish().unwrap();
    let expected = Content {
        format: Some(Format::Int),
        media_type: Some("text/x".into()),
        data: Some(b"-5"[..].into()),
        in_parts: None,
    };
    assert_eq!(content(&mut tree, "./A"), expected);
    assert_eq!(content(&mut tree, "A"), expected);
}

#[test]
fn octets_come_as_they_are() {
    let mut tree = open().leaf("./A", [0, 0xff]).finish().unwrap();
    let found = content(&mut tree, "./A");
    assert_eq!((found.format, found.data.as_deref()), (Some(Format::Bin), Some(&[0, 0xff][..])));
}

#[test]
fn an_interior_node_gives_the_names_of_its_children() {
    let mut tree = open().leaf("./A/b", "").leaf("./A/a%20b", "").interior("./A/C").finish().unwrap();
    let expected = Content {
        format: Some(Format::Node),
        media_type: Some("text/plain".into()),
        data: Some(b"C/a%20b/b"[..].into()),
        in_parts: None,
    };
    assert_eq!(content(&mut tree, "./A"), expected);
    assert_eq!(content(&mut tree, "."), Content { data: Some(b"A"[..].into()), ..expected });
}

#[test]
fn an_interior_node_without_children_gives_empty_data() {
    let mut tree = open().interior("./A").finish().unwrap();
    assert_eq!(read(&mut tree, OWNER, "./A"), "");
}

#[test]
fn more_names_than_a_value_may_hold_are_413() {
    let limits = TreeLimits { value_bytes_max: 5, ..TreeLimits::DEFAULT };
    let mut tree = Memory::builder_within(limits).leaf("./aa", "").leaf("./bb", "").finish().unwrap();
    assert_eq!(read(&mut tree, OWNER, "."), "aa/bb");
    let mut tree = tree.edit().leaf("./c", "").finish().unwrap();
    refused(&mut tree, OWNER, &get("."), 413);
}

#[test]
fn properties_come_as_text_without_meta() {
    let mut tree = open()
        .interior("./A")
        .media_type("urn:x")
        .acl("Get=*")
        .leaf("./A/B", [0xff, 0xfe, 0xfd])
        .media_type("image/png")
        .finish()
        .unwrap();
    let properties = [
        ("./A?prop=ACL", "Get=*"),
        ("./A?prop=Format", "node"),
        ("./A?prop=Name", "A"),
        ("./A?prop=Type", "urn:x"),
        ("./A/B?prop=ACL", ""),
        ("./A/B?prop=Format", "bin"),
        ("./A/B?prop=Name", "B"),
        ("./A/B?prop=Size", "3"),
        ("./A/B?prop=Type", "image/png"),
        (".?prop=Name", "."),
        (".?prop=Format", "node"),
    ];
    for (uri, value) in properties {
        assert_eq!(read(&mut tree, OWNER, uri), value, "{uri}");
    }
    let found = content(&mut tree, "./A?prop=Format");
    assert_eq!((found.format, found.media_type), (None, None));
}

#[test]
fn what_is_not_there_is_404() {
    let mut tree = open().leaf("./A", "").finish().unwrap();
    for uri in ["./B", "./A/B", "./a", "./B?prop=ACL", "./%41"] {
        refused(&mut tree, OWNER, &get(uri), 404);
        refused(&mut tree, "stranger", &get(uri), 404);
    }
}

#[test]
fn what_is_no_address_is_404_and_what_is_too_long_414() {
    let mut tree = open().finish().unwrap();
    for uri in ["", "/", "./", "..", "./A?", "./A?prop=", "./A?colour=red"] {
        refused(&mut tree, OWNER, &get(uri), 404);
    }
    refused(&mut tree, OWNER, &get(&"a".repeat(256)), 414);
    refused(&mut tree, OWNER, &get(&vec!["a"; 33].join("/")), 414);
}

#[test]
fn unknown_properties_and_lists_are_406_before_the_node_is_looked_for() {
    let mut tree = open().leaf("./A", "").finish().unwrap();
    for suffix in [
        "?prop=acl",
        "?prop=Value",
        "?list=struct",
        "?list=TNDSACL",
        "?list=TNDS+Colour",
        "?list=TNDS+",
        "?list=TNDS-ACL+Type",
        "?list=TNDS+ACL-Type",
    ] {
        refused(&mut tree, OWNER, &get(&format!("./A{suffix}")), 406);
        refused(&mut tree, OWNER, &get(&format!("./Nowhere{suffix}")), 406);
    }
}

#[test]
fn an_interior_node_has_no_size() {
    let mut tree = open().interior("./A").finish().unwrap();
    refused(&mut tree, OWNER, &get("./A?prop=Size"), 406);
}

#[test]
fn what_a_node_does_not_admit_is_405_and_its_size_too() {
    let mut tree = open().leaf("./A", "secret").access(&[Verb::Replace]).acl("Get=nobody").finish().unwrap();
    refused(&mut tree, OWNER, &get("./A"), 405);
    refused(&mut tree, OWNER, &get("./A?prop=Size"), 405);
    refused(&mut tree, OWNER, &get("./A?prop=ACL"), 425);
}

#[test]
fn nothing_that_debug_shows_is_a_value() {
    let tree = open().leaf("./A", "hunter2").leaf("./B", "hunter2").format(&Format::Xml).finish().unwrap();
    let shown = format!("{tree:?} {:?}", tree.clone().edit());
    assert!(!shown.contains("hunter2") && shown.contains("7 bytes"), "{shown}");
}
