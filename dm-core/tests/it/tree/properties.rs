//! The properties of nodes: who may read and write them, and which keep themselves; and the notes of changes.

use core_kit::UnixMillis;
use dm_core::{
    limits::TreeLimits,
    tree::{Actor, Change, Changes, Memory, Op, Verb, What},
    wire::Format,
};

use super::{
    OWNER, add, add_interior, apply, copy, delete, done, formatted, open, read, refused, replace, text, typed,
};

/// 2026-01-31T23:59:59Z, and a second later.
const THEN: UnixMillis = UnixMillis(1_769_903_999_000);
const LATER: UnixMillis = UnixMillis(1_769_904_000_000);

fn stamps(tree: &mut Memory, uri: &str) -> (String, String) {
    let mut property = |name| read(tree, OWNER, &format!("{uri}?prop={name}"));
    (property("TStamp"), property("VerNo"))
}

fn at_first() -> (String, String) {
    ("20260131T235959Z".into(), "0".into())
}

fn changed(times: u16) -> (String, String) {
    ("20260201T000000Z".into(), times.to_string())
}

#[test]
fn every_property_is_there_as_soon_as_the_node_is() {
    let mut tree = open().finish().unwrap();
    tree.tell_time(THEN);
    done(&mut tree, OWNER, &add("./D/L", formatted("int", "12")));
    let all = ["ACL", "Format", "Name", "Size", "Title", "TStamp", "Type", "VerNo"];
    let leaf = all.map(|name| read(&mut tree, OWNER, &format!("./D/L?prop={name}")));
    assert_eq!(leaf, ["", "int", "L", "2", "", "20260131T235959Z", "text/plain", "0"]);
    let rest = all.map(|name| apply(&mut tree, OWNER, &super::get(&format!("./D?prop={name}"))).status.0);
    assert_eq!(rest, [200, 200, 200, 406, 200, 200, 200, 200], "an interior node has no size");
    assert_eq!(stamps(&mut tree, "./D"), at_first());
}

#[test]
fn a_property_goes_without_meta() {
    let mut tree = open().leaf("./A", "").finish().unwrap();
    for property in ["ACL", "Format", "Name", "Size", "Title", "TStamp", "Type", "VerNo"] {
        let result = apply(&mut tree, OWNER, &super::get(&format!("./A?prop={property}")));
        assert_eq!(
            (&result.found[0].content.format, &result.found[0].content.media_type),
            (&None, &None),
            "{property}"
        );
    }
}

#[test]
fn properties_can_neither_be_added_nor_deleted_nor_run_nor_copied() {
    let mut tree = open().leaf("./A", "").exec(dm_core::codes::StatusCode::OK).finish().unwrap();
    for property in ["ACL", "Format", "Name", "Size", "Title", "TStamp", "Type", "VerNo"] {
        let uri = format!("./A?prop={property}");
        for op in [add(&uri, text("")), delete(&uri), super::exec(&uri, text("")), copy(&uri, "./B"), copy("./A", &uri)]
        {
            refused(&mut tree, OWNER, &op, 405);
        }
    }
}

#[test]
fn a_title_is_for_whoever_may_replace_the_node() {
    let mut tree =
        open().leaf("./A", "").leaf("./Fixed", "").permanent().leaf("./Get", "").access(&[Verb::Get]).finish().unwrap();
    done(&mut tree, OWNER, &replace("./A?prop=Title", text("Größe")));
    assert_eq!(read(&mut tree, "anyone", "./A?prop=Title"), "Größe");
    done(&mut tree, OWNER, &replace("./Fixed?prop=Title", text(&"x".repeat(255))));
    refused(&mut tree, OWNER, &replace("./A?prop=Title", text(&"x".repeat(256))), 413);
    refused(&mut tree, OWNER, &replace("./Get?prop=Title", text("x")), 405);
    refused(&mut tree, "anyone", &replace("./A?prop=Title", text("x")), 425);
    done(&mut tree, OWNER, &replace("./A?prop=Title", text("")));
    assert_eq!(read(&mut tree, OWNER, "./A?prop=Title"), "");
}

#[test]
fn a_changed_value_has_another_time_and_version() {
    let mut tree = open().finish().unwrap();
    tree.tell_time(THEN);
    done(&mut tree, OWNER, &add("./A", text("1")));
    tree.tell_time(LATER);
    done(&mut tree, OWNER, &replace("./A", text("2")));
    assert_eq!(stamps(&mut tree, "./A"), changed(1));
    tree.set_value("./A", "3").unwrap();
    assert_eq!(stamps(&mut tree, "./A"), changed(2), "also where the device itself changes it");
    done(&mut tree, OWNER, &copy("./A", "./A"));
    assert_eq!(stamps(&mut tree, "./A"), changed(3));
}

#[test]
fn a_changed_property_has_another_version_and_the_same_time() {
    let mut tree = open().finish().unwrap();
    tree.tell_time(THEN);
    done(&mut tree, OWNER, &add("./D/A", text("1")));
    tree.tell_time(LATER);
    done(&mut tree, OWNER, &replace("./D/A?prop=Title", text("x")));
    done(&mut tree, OWNER, &replace("./D/A?prop=ACL", text("Get=*&Replace=owner")));
    assert_eq!(stamps(&mut tree, "./D/A"), (at_first().0, "2".into()));
    assert_eq!(stamps(&mut tree, "./D"), at_first(), "it is nothing to the parent");
    done(&mut tree, OWNER, &replace("./D/A?prop=Name", text("B")));
    assert_eq!(stamps(&mut tree, "./D/B"), (at_first().0, "3".into()));
    assert_eq!(stamps(&mut tree, "./D"), changed(1), "its value is the names of its children");
}

#[test]
fn an_interior_node_changes_with_the_names_of_its_children() {
    let mut tree = open().finish().unwrap();
    tree.tell_time(THEN);
    done(&mut tree, OWNER, &add_interior("./D/E"));
    tree.tell_time(LATER);
    done(&mut tree, OWNER, &add("./D/E/F", text("")));
    assert_eq!((stamps(&mut tree, "./D"), stamps(&mut tree, "./D/E")), (at_first(), changed(1)));
    done(&mut tree, OWNER, &delete("./D/E/F"));
    assert_eq!(stamps(&mut tree, "./D/E"), changed(2));
    done(&mut tree, OWNER, &add("./D/E/New/Way/Leaf", text("")));
    assert_eq!((stamps(&mut tree, "./D/E"), stamps(&mut tree, "./D/E/New")), (changed(3), changed(0)));
}

#[test]
fn a_version_wraps() {
    let mut tree = open().leaf("./A", "").finish().unwrap();
    for _ in 0..=u16::MAX {
        tree.set_value("./A", "x").unwrap();
    }
    assert_eq!(read(&mut tree, OWNER, "./A?prop=VerNo"), "0");
}

#[test]
fn without_a_time_there_is_no_stamp() {
    let mut tree = open().leaf("./A", "").finish().unwrap();
    done(&mut tree, OWNER, &replace("./A", text("x")));
    assert_eq!(stamps(&mut tree, "./A"), (String::new(), "1".into()));
}

#[test]
fn a_question_brings_its_time() {
    use dm_core::{client::Ops, ids::QuestionId};
    let mut tree = open().leaf("./A", "").finish().unwrap();
    let ops = vec![replace("./A", text("x"))];
    let server = Some(OWNER.into());
    let question =
        Ops { id: QuestionId(1), server, at: THEN, ops: ops.into(), stops_at_failure: false, whole_bytes_max: None };
    assert_eq!(tree.answer(&question)[0].status.0, 200);
    assert_eq!(tree.node("./A").unwrap().changed(), THEN);
}

#[test]
fn format_and_type_are_those_that_the_last_command_gave() {
    let mut tree = open().leaf("./A", "1").finish().unwrap();
    let node = |tree: &mut Memory| (read(tree, OWNER, "./A?prop=Format"), read(tree, OWNER, "./A?prop=Type"));
    done(&mut tree, OWNER, &replace("./A", formatted("int", "2")));
    assert_eq!(node(&mut tree), ("int".into(), "text/plain".into()));
    done(&mut tree, OWNER, &replace("./A", typed("text/x", "3")));
    assert_eq!(node(&mut tree), ("int".into(), "text/x".into()));
    assert_eq!(tree.node("./A").unwrap().format(), &Format::Int);
}

#[test]
fn who_changed_what_is_noted_and_taken_once() {
    let mut tree = open().finish().unwrap();
    tree.tell_time(THEN);
    done(&mut tree, OWNER, &add("./D/A", text("1")));
    done(&mut tree, OWNER, &replace("./D/A?prop=Title", text("x")));
    tree.tell_time(LATER);
    tree.set_value("./D/A", "2").unwrap();
    done(&mut tree, OWNER, &replace("./D/A?prop=Name", text("B")));
    done(&mut tree, OWNER, &replace("./D/B?prop=ACL", text("")));
    done(&mut tree, OWNER, &delete("./D"));
    refused(&mut tree, OWNER, &delete("./D"), 404);
    let change =
        |at, by: Option<&str>, uri: &str, what| Change { at, by: by.map(Into::into), uri: uri.parse().unwrap(), what };
    let list = vec![
        change(THEN, Some(OWNER), "./D/A", What::Added),
        change(THEN, Some(OWNER), "./D/A", What::Title),
        change(LATER, None, "./D/A", What::Replaced),
        change(LATER, Some(OWNER), "./D/A", What::Renamed("B".into())),
        change(LATER, Some(OWNER), "./D/B", What::Acl),
        change(LATER, Some(OWNER), "./D", What::Deleted),
    ];
    let mut restored: Memory = serde_json::from_str(&serde_json::to_string(&tree).unwrap()).unwrap();
    assert_eq!(restored.take_changes(), Changes { list, lost: 0 });
    assert_eq!(restored.take_changes(), Changes::default());
}

#[test]
fn only_the_latest_changes_are_kept_and_the_others_counted() {
    let limits = TreeLimits { changes_max: 2, ..TreeLimits::DEFAULT };
    let mut tree = Memory::builder_within(limits).leaf("./A", "").finish().unwrap();
    for value in ["1", "2", "3"] {
        tree.set_value("./A", value).unwrap();
    }
    tree.apply_one(Actor::Device, &delete("./A"));
    let Changes { list, lost } = tree.take_changes();
    assert_eq!((list[0].what.clone(), list[1].what.clone(), list.len(), lost), (What::Replaced, What::Deleted, 2, 2));
}

#[test]
fn what_was_undone_is_no_change() {
    let mut tree = open().leaf("./A", "").finish().unwrap();
    for op in [Op::Begin, delete("./A"), Op::RollBack, Op::Begin, replace("./A", text("x"))] {
        done(&mut tree, OWNER, &op);
    }
    assert!(tree.clone().take_changes().list.is_empty(), "it may still be undone");
    done(&mut tree, OWNER, &Op::Commit);
    assert_eq!(tree.take_changes().list.len(), 1);
}
