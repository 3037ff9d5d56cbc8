//! Values in several messages, in both directions, and questions that are answered in a manner.

use dm_core::{
    codes::StatusCode,
    ids::ServerId,
    limits::TreeLimits,
    tree::{Content, Manner, Memory, Op, OpResult},
    wire::Format,
};

use super::{OWNER, add, apply, delete, done, exec, get, open, read, refused, replace, text};

fn stage(uri: &str, size: u64, offset: u64, data: &str) -> Op {
    Op::Stage { uri: uri.into(), size, offset, data: data.as_bytes().into() }
}

fn in_parts(size: u64) -> Content {
    Content { in_parts: Some(size), ..Content::default() }
}

fn part(uri: &str, offset: u64, bytes: u64) -> Op {
    Op::Read { uri: uri.into(), offset, bytes }
}

#[test]
fn a_staged_value_ends_up_where_the_last_command_says() {
    let mut tree = open().leaf("./A", "old").leaf("./Run", "").exec(StatusCode::OK).finish().unwrap();
    for end in [replace("./A", in_parts(6)), add("./B/C", in_parts(6)), exec("./Run", in_parts(6))] {
        let uri = end.uri().unwrap().to_owned();
        for op in [stage(&uri, 6, 0, "one"), stage(&uri, 6, 3, "two"), end] {
            done(&mut tree, OWNER, &op);
        }
    }
    assert_eq!((read(&mut tree, OWNER, "./A"), read(&mut tree, OWNER, "./B/C")), ("onetwo".into(), "onetwo".into()));
    assert_eq!(tree.take_runs()[0].argument.data.as_deref(), Some(&b"onetwo"[..]));
}

#[test]
fn the_format_and_type_of_the_last_command_count() {
    let mut tree = open().finish().unwrap();
    done(&mut tree, OWNER, &stage("./N", 2, 0, "42"));
    done(&mut tree, OWNER, &add("./N", Content { format: Some(Format::Int), ..in_parts(2) }));
    assert_eq!(tree.node("./N").unwrap().format(), &Format::Int);
    done(&mut tree, OWNER, &stage("./M", 1, 0, "x"));
    assert_eq!(
        apply(&mut tree, OWNER, &add("./M", Content { format: Some(Format::Int), ..in_parts(1) })).status.0,
        415
    );
}

#[test]
fn a_size_that_differs_is_424_and_nothing_is_kept() {
    let mut tree = open().leaf("./A", "old").finish().unwrap();
    let clean = tree.clone();
    let vectors = [
        (vec![], in_parts(1)),
        (vec![stage("./A", 4, 0, "abc")], in_parts(4)),
        (vec![stage("./A", 3, 0, "abc")], in_parts(4)),
        (vec![stage("./B", 3, 0, "abc")], in_parts(3)),
        (vec![stage("./A", 3, 0, "abc"), Op::Discard], in_parts(3)),
    ];
    for (stages, end) in vectors {
        for op in &stages {
            done(&mut tree, OWNER, op);
        }
        assert_eq!(apply(&mut tree, OWNER, &replace("./A", end)).status.0, 424, "{stages:?}");
        assert_eq!(tree, clean, "{stages:?}");
    }
    done(&mut tree, OWNER, &stage("./A", 3, 0, "abc"));
    assert_eq!(apply(&mut tree, "other", &replace("./A", in_parts(3))).status.0, 424, "another server's value");
}

#[test]
fn a_value_that_will_be_too_large_is_refused_at_its_first_part() {
    let limits = TreeLimits { value_bytes_max: 8, tree_bytes_max: 10, ..TreeLimits::DEFAULT };
    let mut tree = Memory::builder_within(limits).leaf("./A", "12345").finish().unwrap();
    refused(&mut tree, OWNER, &stage("./B", 9, 0, "x"), 413);
    refused(&mut tree, OWNER, &stage("./B", u64::MAX, 0, "x"), 413);
    refused(&mut tree, OWNER, &stage("./B", 6, 0, "x"), 420);
    done(&mut tree, OWNER, &stage("./A", 8, 0, "x"));
}

#[test]
fn parts_follow_on_each_other() {
    let mut tree = open().finish().unwrap();
    refused(&mut tree, OWNER, &stage("./A", 6, 3, "x"), 500);
    done(&mut tree, OWNER, &stage("./A", 6, 0, "abc"));
    refused(&mut tree, OWNER, &stage("./A", 6, 2, "x"), 500);
    refused(&mut tree, OWNER, &stage("./A", 6, 4, "x"), 500);
    refused(&mut tree, OWNER, &stage("./A", 7, 3, "x"), 500);
    refused(&mut tree, OWNER, &stage("./B", 6, 3, "x"), 500);
    refused(&mut tree, "other", &stage("./A", 6, 3, "x"), 500);
    refused(&mut tree, OWNER, &stage("./A", 6, 3, "more"), 424);
    refused(&mut tree, OWNER, &stage("./A", 6, u64::MAX, "x"), 424);
    refused(&mut tree, OWNER, &stage("/A", 6, 0, "x"), 404);
    done(&mut tree, OWNER, &stage("./A", 6, 3, "de"));
    done(&mut tree, OWNER, &stage("A", 6, 5, "f"));
    done(&mut tree, OWNER, &add("./A", in_parts(6)));
    assert_eq!(read(&mut tree, OWNER, "./A"), "abcdef");
}

#[test]
fn a_staged_value_survives_the_store() {
    let mut tree = open().finish().unwrap();
    done(&mut tree, OWNER, &stage("./A", 4, 0, "ab"));
    let mut restored: Memory = serde_json::from_str(&serde_json::to_string(&tree).unwrap()).unwrap();
    assert_eq!(restored, tree);
    done(&mut restored, OWNER, &stage("./A", 4, 2, "cd"));
    done(&mut restored, OWNER, &add("./A", in_parts(4)));
    assert_eq!(read(&mut restored, OWNER, "./A"), "abcd");
}

#[test]
fn a_long_value_is_left_to_be_read_in_parts() {
    let mut tree = open().leaf("./A", "0123456789").leaf("./Dir/name", "").leaf("./S", "5").finish().unwrap();
    let manner = Manner { whole_bytes_max: Some(3), ..Manner::default() };
    let results =
        tree.apply_in(manner, &ServerId::from(OWNER), &[get("./A"), get("./Dir"), get("./S"), get("./A?prop=Format")]);
    let told: Vec<_> =
        results.iter().map(|result| (&result.found[0].content.data, result.found[0].content.in_parts)).collect();
    assert_eq!(told[0], (&None, Some(10)));
    assert_eq!(told[1], (&None, Some(4)));
    assert_eq!(told[2], (&Some(b"5"[..].into()), None));
    assert_eq!(told[3], (&Some(b"chr"[..].into()), None), "three octets are not more than three");
    assert_eq!(results[0].found[0].content.format, Some(Format::Chr), "format and type are told all the same");
    let parts: Vec<u8> = (0..4)
        .flat_map(|n| {
            apply(&mut tree, OWNER, &part("./A", 3 * n, 3)).found[0].content.data.as_deref().unwrap().to_vec()
        })
        .collect();
    assert_eq!(parts, b"0123456789");
    for (offset, bytes) in [(10, 5), (u64::MAX, u64::MAX), (3, 0)] {
        assert_eq!(
            apply(&mut tree, OWNER, &part("./A", offset, bytes)).found[0].content.data.as_deref(),
            Some(&b""[..])
        );
    }
}

#[test]
fn a_part_is_read_with_the_rights_of_a_whole_value() {
    let mut tree = open().leaf("./A", "secret").acl("Replace=owner").finish().unwrap();
    refused(&mut tree, OWNER, &part("./A", 0, 1), 425);
    refused(&mut tree, OWNER, &part("./B", 0, 1), 404);
}

#[test]
fn after_a_failure_the_rest_is_not_executed_where_that_is_asked_for() {
    let ops = [add("./A", text("")), delete("./Nothing"), add("./B", text("")), get("./A")];
    for (stops, expected) in [(false, [200, 404, 200, 200]), (true, [200, 404, 215, 215])] {
        let mut tree = open().finish().unwrap();
        let manner = Manner { stops_at_failure: stops, ..Manner::default() };
        let results = tree.apply_in(manner, &ServerId::from(OWNER), &ops);
        assert_eq!(results.iter().map(|result| result.status.0).collect::<Vec<_>>(), expected);
        assert_eq!(tree.node("./B").is_some(), !stops);
    }
}

#[test]
fn an_ancestor_that_cannot_be_made_is_named() {
    let limits = TreeLimits { nodes_max: 5, ..TreeLimits::DEFAULT };
    let mut tree = Memory::builder_within(limits)
        .at(".")
        .acl("Add=owner&Get=*")
        .leaf("./Leaf", "")
        .interior("./Closed")
        .access(&[dm_core::tree::Verb::Get])
        .finish()
        .unwrap();
    let vectors = [
        (OWNER, "./Leaf/X/Y", 405, Some("./Leaf/X")),
        (OWNER, "Leaf/X", 405, None),
        (OWNER, "./Closed/X/Y/Z", 405, Some("./Closed/X")),
        ("other", "./X/Y", 425, Some("./X")),
        ("other", "./X", 425, None),
        (OWNER, "./X/Y/Z", 420, None),
        (OWNER, "./X/Y/Z/Last", 420, Some("./X/Y/Z")),
    ];
    for (server, uri, status, failed_at) in vectors {
        let expected = OpResult { failed_at: failed_at.map(Into::into), ..OpResult::status(StatusCode(status)) };
        assert_eq!(apply(&mut tree, server, &add(uri, text(""))), expected, "{server} {uri}");
    }
}
