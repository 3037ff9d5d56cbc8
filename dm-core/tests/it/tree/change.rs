//! `Replace`, `Delete`, `Copy` and `Exec`.

use dm_core::{
    codes::StatusCode,
    ids::ServerId,
    limits::{TreeLimits, UriLimits},
    tree::{Actor, Content, Memory, Op, Run, Verb},
    wire::Format,
};

use super::{OWNER, apply, copy, delete, done, exec, formatted, open, read, refused, replace, text, typed};

#[test]
fn a_value_is_replaced_and_format_and_type_stay() {
    let mut tree = open().leaf("./A", "1").format(&Format::Int).media_type("text/x").permanent().finish().unwrap();
    done(&mut tree, OWNER, &replace("./A", text("2")));
    let node = tree.node("./A").unwrap();
    assert_eq!((tree.text("./A"), node.format(), node.media_type()), (Some("2"), &Format::Int, "text/x"));
    assert!(node.is_permanent());
}

#[test]
fn a_dynamic_leaf_takes_another_format_and_type() {
    let mut tree = open().leaf("./A", "1").finish().unwrap();
    let content = Content { format: Some(Format::Xml), ..typed("text/xml", "<a/>") };
    done(&mut tree, OWNER, &replace("./A", content));
    assert_eq!(read(&mut tree, OWNER, "./A?prop=Format"), "xml");
    assert_eq!(read(&mut tree, OWNER, "./A?prop=Type"), "text/xml");
}

#[test]
fn format_and_type_of_a_permanent_leaf_are_405() {
    let mut tree = open().leaf("./A", "1").permanent().finish().unwrap();
    refused(&mut tree, OWNER, &replace("./A", formatted("int", "1")), 405);
    refused(&mut tree, OWNER, &replace("./A", typed("text/x", "1")), 405);
    let same = Content { media_type: Some("Text/Plain".into()), ..formatted("Chr", "2") };
    done(&mut tree, OWNER, &replace("./A", same));
}

#[test]
fn replace_never_creates() {
    let mut tree = open().leaf("./A", "").finish().unwrap();
    refused(&mut tree, OWNER, &replace("./B", text("")), 404);
    refused(&mut tree, OWNER, &replace("./A/B", text("")), 404);
}

#[test]
fn an_interior_node_has_no_value_to_replace() {
    let mut tree = open().interior("./A").finish().unwrap();
    refused(&mut tree, OWNER, &replace("./A", text("x")), 405);
    refused(&mut tree, OWNER, &replace("./A", formatted("node", "")), 405);
    let subtree = typed("application/vnd.syncml.dmtnds+xml", "<MgmtTree/>");
    refused(&mut tree, OWNER, &replace("./A", subtree.clone()), 415);
    refused(&mut tree, "stranger", &replace("./A", subtree), 425);
}

#[test]
fn what_does_not_admit_to_be_replaced_is_405_before_rights_are_looked_at() {
    let mut tree = open().leaf("./A", "x").access(&[Verb::Get]).finish().unwrap();
    refused(&mut tree, "stranger", &replace("./A", text("y")), 405);
}

#[test]
fn values_that_are_none_of_their_format_are_415() {
    let mut tree = open().leaf("./A", "1").format(&Format::Int).leaf("./B", [1]).format(&Format::Bin).finish().unwrap();
    refused(&mut tree, OWNER, &replace("./A", text("one")), 415);
    refused(&mut tree, OWNER, &replace("./A", formatted("bool", "1")), 415);
    refused(&mut tree, OWNER, &replace("./A", formatted("node", "")), 415);
    refused(&mut tree, OWNER, &replace("./A", formatted("x-y", "1")), 415);
    refused(&mut tree, OWNER, &replace("./A", typed("application/vnd.syncml.dmtnds+xml", "1")), 415);
    refused(&mut tree, OWNER, &replace("./B", formatted("b64", "*")), 415);
}

#[test]
fn octets_that_came_as_base64_are_octets_again() {
    let mut tree = open().leaf("./A", [1]).format(&Format::Bin).permanent().finish().unwrap();
    done(&mut tree, OWNER, &replace("./A", formatted("b64", "AP8=")));
    let node = tree.node("./A").unwrap();
    assert_eq!((node.format(), node.value().unwrap().as_ref()), (&Format::Bin, &[0, 0xff][..]));
    done(&mut tree, OWNER, &replace("./A", formatted("bin", "AP8=")));
    assert_eq!(tree.text("./A"), Some("AP8="), "what is said to be raw is");
}

#[test]
fn what_has_no_room_is_413_or_420_and_less_always_has() {
    let limits = TreeLimits { value_bytes_max: 4, tree_bytes_max: 6, acl_bytes_max: 8, ..TreeLimits::DEFAULT };
    let root = Memory::builder_within(limits).at(".").acl("Get=*");
    let root = root.leaf("./A", "1234").acl("Add=*");
    let mut tree = root.leaf("./B", "12").finish().unwrap();
    let device = |tree: &mut Memory, op: Op| tree.apply_one(Actor::Device, &op).status.0;
    assert_eq!(device(&mut tree, replace("./B", text("12345"))), 413);
    assert_eq!(device(&mut tree, replace("./B", text("123"))), 420);
    assert_eq!(device(&mut tree, replace("./B?prop=ACL", text("Get=12345"))), 420);
    assert_eq!(device(&mut tree, replace("./A", text("123"))), 200);
    assert_eq!(device(&mut tree, replace("./B", text("123"))), 200);
    assert_eq!((tree.text("./A"), tree.text("./B")), (Some("123"), Some("123")));
}

#[test]
fn properties_that_the_tree_keeps_itself_cannot_be_replaced() {
    let mut tree = open().leaf("./A", "").finish().unwrap();
    for property in ["Format", "Type", "Size", "TStamp", "VerNo"] {
        refused(&mut tree, OWNER, &replace(&format!("./A?prop={property}"), text("x")), 405);
        refused(&mut tree, OWNER, &replace(&format!("./B?prop={property}"), text("x")), 404);
    }
    for suffix in ["?prop=Colour", "?list=Struct"] {
        refused(&mut tree, OWNER, &replace(&format!("./A{suffix}"), text("x")), 406);
    }
}

#[test]
fn what_is_no_list_is_415() {
    let mut tree = open().leaf("./A", "").finish().unwrap();
    for acl in ["Get", "Get=", "Read=*", "Get=a b"] {
        refused(&mut tree, OWNER, &replace("./A?prop=ACL", text(acl)), 415);
    }
    let octets = Content { data: Some([0xff][..].into()), ..Content::default() };
    refused(&mut tree, OWNER, &replace("./A?prop=ACL", octets), 415);
}

#[test]
fn a_renamed_node_takes_all_below_it_along() {
    let mut tree = open().leaf("./A/B", "x").finish().unwrap();
    done(&mut tree, OWNER, &replace("./A?prop=Name", text("N")));
    assert_eq!((tree.text("./N/B"), tree.node("./A").is_none(), tree.node_count()), (Some("x"), true, 3));
    done(&mut tree, OWNER, &replace("./N?prop=Name", text("N")));
}

#[test]
fn a_name_that_a_sibling_has_is_418() {
    let mut tree = open().leaf("./A", "").leaf("./B", "").finish().unwrap();
    refused(&mut tree, OWNER, &replace("./A?prop=Name", text("B")), 418);
}

#[test]
fn permanent_nodes_and_those_that_cannot_be_replaced_keep_their_name() {
    let mut tree = open().leaf("./P", "").permanent().leaf("./F", "").access(&[Verb::Get]).finish().unwrap();
    for uri in ["./P", "./F", "."] {
        refused(&mut tree, OWNER, &replace(&format!("{uri}?prop=Name"), text("X")), 405);
    }
}

#[test]
fn what_is_no_name_is_415_and_one_that_is_too_long_414() {
    let mut tree = open().leaf("./A", "").finish().unwrap();
    for name in ["", ".", "..", "a/b", "a?b", "a\nb"] {
        refused(&mut tree, OWNER, &replace("./A?prop=Name", text(name)), 415);
    }
    refused(&mut tree, OWNER, &replace("./A?prop=Name", text(&"a".repeat(256))), 414);
}

#[test]
fn a_name_that_would_put_a_descendant_out_of_reach_is_414() {
    let uri = UriLimits { total_chars_max: 24, ..UriLimits::DEFAULT };
    let mut tree = Memory::builder_within(TreeLimits { uri, ..TreeLimits::DEFAULT })
        .at(".")
        .acl("Get=*&Replace=owner")
        .leaf("./A/éééééééééé/B", "")
        .finish()
        .unwrap();
    refused(&mut tree, OWNER, &replace("./A?prop=Name", text("12345678901234")), 414);
    done(&mut tree, OWNER, &replace("./A?prop=Name", text("12345678901")));
    assert!(tree.node("./12345678901/éééééééééé/B").is_some());
}

#[test]
fn a_node_is_deleted_with_all_below_it_whatever_that_admits() {
    let mut tree = open().leaf("./A/B/C", "x").access(&[Verb::Get]).acl("Get=s").finish().unwrap();
    refused(&mut tree, "s", &delete("./A/B/C"), 405);
    done(&mut tree, OWNER, &delete("./A"));
    assert_eq!((tree.node_count(), tree.node("./A").is_none()), (1, true));
}

#[test]
fn permanent_nodes_the_root_and_properties_are_not_deleted() {
    let mut tree = open().leaf("./A/B", "x").permanent().leaf("./C", "").finish().unwrap();
    for uri in ["./A/B", "./A", ".", "./C?prop=ACL", "./C?prop=Name"] {
        refused(&mut tree, OWNER, &delete(uri), 405);
        refused(&mut tree, "stranger", &delete(uri), 405);
    }
    refused(&mut tree, OWNER, &delete("./D"), 404);
    refused(&mut tree, OWNER, &delete("./D?prop=ACL"), 404);
    refused(&mut tree, OWNER, &delete("./C?list=Struct"), 406);
}

#[test]
fn a_copy_takes_the_value_and_leaves_format_and_type() {
    let mut tree = open().leaf("./A", "5").leaf("./B", "1").format(&Format::Int).media_type("text/x").finish().unwrap();
    done(&mut tree, OWNER, &copy("./A", "./B"));
    let node = tree.node("./B").unwrap();
    assert_eq!((tree.text("./B"), node.format(), node.media_type()), (Some("5"), &Format::Int, "text/x"));
    done(&mut tree, OWNER, &copy("./A", "./A"));
}

#[test]
fn a_copy_to_where_nothing_is_creates_a_leaf_like_the_source() {
    let mut tree = open().leaf("./A", "5").format(&Format::Int).media_type("text/x").finish().unwrap();
    done(&mut tree, OWNER, &copy("./A", "./B/C"));
    let node = tree.node("./B/C").unwrap();
    assert_eq!((tree.text("./B/C"), node.format(), node.media_type()), (Some("5"), &Format::Int, "text/x"));
}

#[test]
fn a_target_that_cannot_be_overwritten_is_403() {
    let root = open().leaf("./A", "x").interior("./I").leaf("./F", "").access(&[Verb::Get]);
    let mut tree = root.leaf("./N", "1").format(&Format::Int).finish().unwrap();
    for target in ["./I", "./F", "./N", "."] {
        refused(&mut tree, OWNER, &copy("./A", target), 403);
    }
}

#[test]
fn what_cannot_be_read_cannot_be_copied() {
    let root = open().interior("./I").leaf("./S", "secret").access(&[Verb::Copy, Verb::Replace]);
    let mut tree = root.leaf("./R", "x").access(&[Verb::Get]).leaf("./T", "").finish().unwrap();
    for source in ["./I", "./S", "./R", "./T?prop=Name"] {
        refused(&mut tree, OWNER, &copy(source, "./T"), 405);
    }
    refused(&mut tree, OWNER, &copy("./X", "./T"), 404);
    refused(&mut tree, OWNER, &copy("./T", "./T?prop=Name"), 405);
    refused(&mut tree, OWNER, &copy("./T", "./X?prop=Name"), 404);
    refused(&mut tree, OWNER, &copy("./T", "./R/X"), 405);
    refused(&mut tree, OWNER, &copy("./T", "./X?list=Struct"), 406);
}

#[test]
fn copies_take_room() {
    let limits = TreeLimits { tree_bytes_max: 6, nodes_max: 4, ..TreeLimits::DEFAULT };
    let mut tree = Memory::builder_within(limits).leaf("./A", "1234").leaf("./B", "").finish().unwrap();
    for target in ["./B", "./C", "./C/D"] {
        assert_eq!(tree.apply_one(Actor::Device, &copy("./A", target)).status.0, 420, "{target}");
    }
}

#[test]
fn a_run_is_answered_as_configured_and_noted() {
    let root = open().leaf("./Fw/Update", "").exec(StatusCode::ACCEPTED).interior("./Reset").exec(StatusCode::OK);
    let mut tree = root.finish().unwrap();
    let update = Op::Exec { uri: "Fw/Update".into(), argument: text("now"), correlator: Some("job-1".into()) };
    assert_eq!(apply(&mut tree, OWNER, &update).status, StatusCode::ACCEPTED);
    done(&mut tree, OWNER, &exec("./Reset", Content::default()));
    let run = Run {
        uri: "./Fw/Update".parse().unwrap(),
        server: Some(OWNER.into()),
        argument: text("now"),
        correlator: Some("job-1".into()),
    };
    let runs = tree.take_runs();
    assert_eq!((runs.len(), &runs[0], runs[1].uri.to_string()), (2, &run, "./Reset".into()));
    assert_eq!(tree.take_runs(), []);
}

#[test]
fn what_cannot_be_run_is_405_and_what_is_not_there_404() {
    let mut tree = open().leaf("./A", "").leaf("./Run", "").exec(StatusCode::OK).finish().unwrap();
    refused(&mut tree, OWNER, &exec("./A", text("")), 405);
    refused(&mut tree, OWNER, &exec("./Run?prop=Name", text("")), 405);
    refused(&mut tree, OWNER, &exec("./B", text("")), 404);
    refused(&mut tree, OWNER, &exec("./Run?list=Struct", text("")), 406);
    refused(&mut tree, "stranger", &exec("./Run", text("")), 425);
}

#[test]
fn a_run_that_fails_is_not_noted() {
    let mut tree = open().leaf("./Run", "").exec(StatusCode::STORE_FAILURE).finish().unwrap();
    refused(&mut tree, OWNER, &exec("./Run", text("")), 510);
}

#[test]
fn runs_that_nobody_takes_and_arguments_that_are_too_large_are_420() {
    let limits = TreeLimits { runs_max: 1, value_bytes_max: 4, ..TreeLimits::DEFAULT };
    let root = Memory::builder_within(limits).at(".").acl("Exec=owner");
    let mut tree = root.leaf("./Run", "").exec(StatusCode::OK).finish().unwrap();
    refused(&mut tree, OWNER, &exec("./Run", text("12345")), 420);
    let run =
        |correlator: &str| Op::Exec { uri: "./Run".into(), argument: text("12"), correlator: Some(correlator.into()) };
    refused(&mut tree, OWNER, &run("123"), 420);
    done(&mut tree, OWNER, &run("12"));
    refused(&mut tree, OWNER, &run("12"), 420);
    assert_eq!(tree.take_runs().len(), 1);
    done(&mut tree, OWNER, &run("12"));
}

#[test]
fn operations_are_done_in_order_and_one_that_fails_stops_no_other() {
    let mut tree = open().leaf("./A", "1").finish().unwrap();
    let ops = [replace("./A", text("2")), delete("./B"), copy("./A", "./B"), delete("./A"), super::get("./A")];
    let results = tree.apply(&ServerId::from(OWNER), &ops);
    assert_eq!(results.iter().map(|result| result.status.0).collect::<Vec<_>>(), [200, 404, 200, 200, 404]);
    assert_eq!(tree.text("./B"), Some("2"));
}

#[test]
fn the_device_sets_values_that_servers_cannot() {
    let mut tree =
        open().leaf("./V", "1").access(&[Verb::Get]).acl("Get=*").permanent().interior("./I").finish().unwrap();
    tree.set_value("./V", "2").unwrap();
    assert_eq!(tree.text("V"), Some("2"));
    let before = tree.clone();
    for (uri, message) in [
        ("./I", "./I: an interior node has no value"),
        ("./X", "./X: no such node"),
        ("./V?prop=ACL", "./V?prop=ACL: an address of a property or a list is no address of a node"),
    ] {
        assert_eq!(tree.set_value(uri, "3").unwrap_err().to_string(), message);
    }
    assert_eq!(tree.set_value("./V", [0xff]).unwrap_err().to_string(), "./V: not a value of format chr");
    assert_eq!(tree, before);
}

#[test]
fn a_tree_and_its_clone_share_nodes_and_no_change() {
    let template = open()
        .leaf("./A/B/Leaf", "1")
        .leaf("./A/Other", "2")
        .leaf("./C/Leaf", "3")
        .at("./A")
        .acl("Get=*&Replace=owner+gone&Add=owner&Delete=owner")
        .finish()
        .unwrap();
    let stored = |tree: &Memory| serde_json::to_string(tree).unwrap();
    let before = stored(&template);
    let changes: [&dyn Fn(&mut Memory); 9] = [
        &|tree| done(tree, OWNER, &replace("./A/B/Leaf", text("new"))),
        &|tree| done(tree, OWNER, &super::add("./A/B/More/Leaf", text("new"))),
        &|tree| done(tree, OWNER, &delete("./A/B")),
        &|tree| done(tree, OWNER, &replace("./A/B?prop=Name", text("D"))),
        &|tree| done(tree, OWNER, &replace("./A/B?prop=Title", text("new"))),
        &|tree| done(tree, OWNER, &replace("./A?prop=ACL", text("Get=x"))),
        &|tree| done(tree, OWNER, &copy("./A/Other", "./C/Leaf")),
        &|tree| tree.forget_server(&ServerId::from("gone")),
        &|tree| tree.set_value("./C/Leaf", "new").unwrap(),
    ];
    for (at, change) in changes.into_iter().enumerate() {
        // One that shares all of its nodes, and one that shares none.
        let (mut shared, mut alone) = (template.clone(), serde_json::from_str(&before).unwrap());
        change(&mut shared);
        change(&mut alone);
        assert_eq!(shared, alone, "change {at}");
        assert_eq!(stored(&shared), stored(&alone), "change {at}");
        assert_ne!(stored(&shared), before, "change {at}");
        assert_eq!(stored(&template), before, "change {at}");
        assert_eq!(template, serde_json::from_str(&before).unwrap(), "change {at}");
    }
}
