//! `Add`: what it creates, and what it is refused for.

use dm_core::{
    limits::{TreeLimits, UriLimits},
    tree::{Content, Memory, Verb},
    wire::Format,
};

use super::{OWNER, add, add_interior, done, formatted, open, read, refused, text, typed};

#[test]
fn a_leaf_is_text_unless_its_meta_says_otherwise() {
    let mut tree = open().finish().unwrap();
    done(&mut tree, OWNER, &add("./A", text("x")));
    let node = tree.node("./A").unwrap();
    assert_eq!((node.format(), node.media_type(), node.is_permanent()), (&Format::Chr, "text/plain", false));
    let content = Content { media_type: Some(" image/png\n".into()), ..formatted("Bin", "\u{1}") };
    done(&mut tree, OWNER, &add("./B", content));
    let node = tree.node("./B").unwrap();
    assert_eq!((node.format(), node.media_type(), node.value().unwrap().len()), (&Format::Bin, "image/png", 1));
}

#[test]
fn format_node_makes_an_interior_node_and_its_type_names_an_object() {
    let mut tree = open().finish().unwrap();
    let node = |media_type: Option<&str>, data: Option<&[u8]>| Content {
        format: Some(Format::Node),
        media_type: media_type.map(Into::into),
        data: data.map(Into::into),
        in_parts: None,
    };
    done(&mut tree, OWNER, &add("./A", node(Some("urn:oma:mo:x:1.0"), None)));
    done(&mut tree, OWNER, &add("./B", node(Some("text/plain"), Some(b""))));
    assert_eq!(read(&mut tree, OWNER, "./A?prop=Type"), "urn:oma:mo:x:1.0");
    assert_eq!(read(&mut tree, OWNER, "./B?prop=Type"), "");
    refused(&mut tree, OWNER, &add("./C", node(None, Some(b"x"))), 415);
}

#[test]
fn missing_ancestors_are_created() {
    let mut tree = open().finish().unwrap();
    done(&mut tree, OWNER, &add("A/B/C", text("x")));
    assert_eq!(read(&mut tree, OWNER, "./A/B"), "C");
    assert_eq!((read(&mut tree, OWNER, "./A/B?prop=Format"), tree.node_count()), ("node".into(), 4));
}

#[test]
fn what_is_there_is_418() {
    let mut tree = open().leaf("./A/B", "x").finish().unwrap();
    for uri in [".", "./A", "A/B"] {
        refused(&mut tree, OWNER, &add(uri, text("")), 418);
        refused(&mut tree, OWNER, &add_interior(uri), 418);
    }
}

#[test]
fn what_is_there_is_418_even_to_who_may_not_add() {
    let mut tree = open().leaf("./A", "").finish().unwrap();
    refused(&mut tree, "stranger", &add("./A", text("")), 418);
}

#[test]
fn below_a_leaf_is_405() {
    let mut tree = open().leaf("./A", "x").finish().unwrap();
    refused(&mut tree, OWNER, &add("./A/B", text("")), 405);
    refused(&mut tree, OWNER, &add("./A/B/C/D", text("")), 405);
}

#[test]
fn below_a_node_that_does_not_admit_it_is_405_before_rights_are_looked_at() {
    let mut tree = open().interior("./A").access(&[Verb::Get]).finish().unwrap();
    refused(&mut tree, OWNER, &add("./A/B", text("")), 405);
    refused(&mut tree, "stranger", &add("./A/B", text("")), 405);
}

#[test]
fn a_property_cannot_be_added() {
    let mut tree = open().leaf("./A", "").finish().unwrap();
    refused(&mut tree, OWNER, &add("./A?prop=ACL", text("Get=*")), 405);
    refused(&mut tree, OWNER, &add("./B?prop=ACL", text("Get=*")), 404);
    refused(&mut tree, OWNER, &add("./A?prop=Colour", text("")), 406);
}

#[test]
fn unknown_formats_and_values_that_are_none_of_their_format_are_415() {
    let mut tree = open().finish().unwrap();
    let contents = [
        formatted("x-json", "{}"),
        formatted("int", "one"),
        formatted("bool", "yes"),
        formatted("date", "2026-02-30"),
        formatted("time", "25:00"),
        formatted("float", "1,5"),
        formatted("b64", "*"),
        formatted("null", "x"),
        Content { data: Some([0xff][..].into()), ..Content::default() },
        typed("text/\u{1b}[2J", "x"),
        typed(&"x".repeat(256), "x"),
    ];
    for content in contents {
        refused(&mut tree, OWNER, &add("./A/B", content), 415);
    }
}

#[test]
fn a_serialised_sub_tree_without_nodes_is_415_and_no_leaf_of_xml() {
    let mut tree = open().interior("./A").finish().unwrap();
    for media_type in ["application/vnd.syncml.dmtnds+xml", "Application/Vnd.Syncml.DMTNDS+wbxml; x=y"] {
        let content = Content { format: Some(Format::Xml), ..typed(media_type, "<MgmtTree/>") };
        refused(&mut tree, OWNER, &add("./A/B", content), 415);
    }
}

#[test]
fn base64_stays_the_text_that_it_is() {
    let mut tree = open().finish().unwrap();
    done(&mut tree, OWNER, &add("./A", formatted("b64", "Tm9uY2U=")));
    assert_eq!(
        (read(&mut tree, OWNER, "./A"), read(&mut tree, OWNER, "./A?prop=Format")),
        ("Tm9uY2U=".into(), "b64".into())
    );
}

#[test]
fn a_missing_right_goes_before_a_bad_value() {
    let mut tree = open().finish().unwrap();
    refused(&mut tree, "stranger", &add("./A", formatted("int", "one")), 425);
}

#[test]
fn what_is_no_address_is_404_and_what_is_too_long_414() {
    let mut tree = open().finish().unwrap();
    for uri in ["", "/A", "./A/", "./A//B", "../A", "A/../B", "http://x/A", "./A?x=y"] {
        refused(&mut tree, OWNER, &add(uri, text("")), 404);
    }
    let deep = vec!["a"; 33].join("/");
    let long = vec!["a".repeat(250); 5].join("/");
    for uri in [&deep, &long, &"a".repeat(256)] {
        refused(&mut tree, OWNER, &add(uri, text("")), 414);
    }
    done(&mut tree, OWNER, &add(&vec!["a"; 32].join("/"), text("")));
}

#[test]
fn a_value_beyond_the_limit_is_413() {
    let limits = TreeLimits { value_bytes_max: 4, ..TreeLimits::DEFAULT };
    let mut tree = Memory::new(limits);
    done(&mut tree, OWNER, &add("./A", text("1234")));
    refused(&mut tree, OWNER, &add("./B", text("12345")), 413);
}

#[test]
fn a_node_or_an_octet_beyond_the_limit_is_420() {
    let limits = TreeLimits { nodes_max: 4, tree_bytes_max: 6, ..TreeLimits::DEFAULT };
    let mut tree = Memory::new(limits);
    refused(&mut tree, OWNER, &add("./A/B/C/D", text("")), 420);
    done(&mut tree, OWNER, &add("./A", text("1234")));
    refused(&mut tree, OWNER, &add("./B", text("123")), 420);
    done(&mut tree, OWNER, &add("./B/C", text("12")));
    refused(&mut tree, OWNER, &add("./D", text("")), 420);
}

#[test]
fn the_deepest_tree_there_can_be_is_copied_compared_stored_and_drawn() {
    let limits = TreeLimits { uri: UriLimits::HARD, ..TreeLimits::DEFAULT };
    let mut tree = Memory::builder_within(limits).finish().unwrap();
    let uri = vec!["a"; 512].join("/");
    done(&mut tree, OWNER, &add(&uri, text("x")));
    assert_eq!((tree.node_count(), tree.text(&uri)), (513, Some("x")));
    let stored = serde_json::to_string(&tree).unwrap();
    assert_eq!(serde_json::from_str::<Memory>(&stored).unwrap(), tree.clone());
    assert_eq!(tree.draw(dm_core::tree::Show::Structure).to_string().lines().count(), 513);
}
