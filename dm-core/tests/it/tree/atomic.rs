//! All or nothing: `Begin`, `Commit`, `RollBack`, and what a crash in between leaves.

use dm_core::{
    ids::ServerId,
    limits::TreeLimits,
    tree::{Actor, Memory, Op, TreeFault},
};

use super::{OWNER, add, add_interior, apply, copy, delete, done, exec, get, open, read, refused, replace, text};

fn sample() -> Memory {
    open()
        .leaf("./A/B", "1")
        .leaf("./A/C/D", "2")
        .leaf("./A/C/E", "3")
        .leaf("./Run", "")
        .exec(dm_core::codes::StatusCode::OK)
        .leaf("./F", "4")
        .acl("Get=*&Replace=owner")
        .finish()
        .unwrap()
}

/// One of everything that changes a tree, some of it to what was changed before.
fn everything() -> Vec<Op> {
    vec![
        add("./New/Way/Leaf", text("n")),
        add_interior("./New/Other"),
        replace("./A/B", text("changed")),
        replace("./A/B", text("changed again")),
        replace("./A/C?prop=Name", text("Z")),
        replace("./A/Z/D", text("below another name")),
        replace("./A/Z?prop=ACL", text("Get=*&Delete=owner&Replace=owner")),
        delete("./A/Z/E"),
        delete("./A/Z"),
        add("./A/C", text("a leaf where there was none")),
        copy("./A/B", "./Copied"),
        exec("./Run", text("now")),
        Op::Stage { uri: "./A/B".into(), size: 2, offset: 0, data: b"x"[..].into() },
        Op::Stage { uri: "./A/B".into(), size: 2, offset: 1, data: b"y"[..].into() },
        delete("./A"),
        replace("./F?prop=Name", text("G")),
    ]
}

#[test]
fn what_is_rolled_back_never_was() {
    let before = sample();
    let ops = everything();
    for count in 0..=ops.len() {
        let mut tree = before.clone();
        done(&mut tree, OWNER, &Op::Begin);
        for op in ops.iter().take(count) {
            done(&mut tree, OWNER, op);
        }
        assert_ne!(tree, before, "an open Atomic shows");
        done(&mut tree, OWNER, &Op::RollBack);
        assert_eq!(tree, before, "{count} operations");
        assert!(tree.take_runs().is_empty());
    }
}

#[test]
fn what_is_committed_is_as_if_done_without() {
    let (mut plain, mut whole) = (sample(), sample());
    done(&mut whole, OWNER, &Op::Begin);
    for op in everything() {
        done(&mut plain, OWNER, &op);
        done(&mut whole, OWNER, &op);
    }
    assert!(whole.clone().take_runs().is_empty(), "what may still be undone is not run");
    done(&mut whole, OWNER, &Op::Commit);
    assert_eq!(whole, plain);
    assert_eq!(whole.take_runs().len(), 1);
}

#[test]
fn a_crash_in_the_middle_can_be_undone_from_the_stored_tree() {
    let before = sample();
    let ops = everything();
    for count in 0..=ops.len() {
        let mut tree = before.clone();
        done(&mut tree, OWNER, &Op::Begin);
        for op in ops.iter().take(count) {
            done(&mut tree, OWNER, op);
        }
        let stored = serde_json::to_string(&tree).unwrap();
        let mut restored: Memory = serde_json::from_str(&stored).unwrap();
        assert_eq!(restored, tree, "{count} operations");
        assert!(restored.is_open());
        restored.abandon();
        assert_eq!(restored, before, "{count} operations");
    }
}

#[test]
fn the_end_of_what_was_not_begun_is_500() {
    let mut tree = sample();
    refused(&mut tree, OWNER, &Op::Commit, 500);
    refused(&mut tree, OWNER, &Op::RollBack, 500);
    done(&mut tree, OWNER, &Op::Begin);
    done(&mut tree, OWNER, &Op::Commit);
    refused(&mut tree, OWNER, &Op::RollBack, 500);
}

#[test]
fn what_a_lost_session_left_open_is_undone_before_the_next_begins() {
    let mut tree = sample();
    done(&mut tree, OWNER, &Op::Begin);
    done(&mut tree, OWNER, &delete("./A"));
    done(&mut tree, OWNER, &Op::Begin);
    assert_eq!(read(&mut tree, OWNER, "./A/B"), "1");
    done(&mut tree, OWNER, &Op::RollBack);
    assert_eq!(tree, sample());
}

#[test]
fn a_value_of_the_device_does_not_get_lost_in_an_atomic_of_a_server() {
    let mut tree = sample();
    done(&mut tree, OWNER, &Op::Begin);
    assert_eq!(tree.set_value("./A/B", "5").unwrap_err().fault, TreeFault::Open);
    assert_eq!(tree.clone().edit().leaf("./X", "").finish().unwrap_err().fault, TreeFault::Open);
    done(&mut tree, OWNER, &Op::Commit);
    assert_eq!(tree.set_value("./A/B", "5"), Ok(()));
}

#[test]
fn a_forgotten_server_does_not_come_back_with_what_is_undone() {
    let mut tree = open().leaf("./A/B", "").acl("Get=x+y").leaf("./C", "").acl("Get=x+y").finish().unwrap();
    done(&mut tree, OWNER, &Op::Begin);
    done(&mut tree, OWNER, &replace("./C?prop=ACL", text("Get=y")));
    done(&mut tree, OWNER, &delete("./A"));
    tree.forget_server(&ServerId::from("x"));
    done(&mut tree, OWNER, &Op::RollBack);
    for uri in ["./A/B", "./C"] {
        assert_eq!(tree.node(uri).unwrap().acl().to_string(), "Get=y", "{uri}");
    }
}

#[test]
fn what_may_come_back_takes_room_until_the_end() {
    let limits = TreeLimits { nodes_max: 4, tree_bytes_max: 10, ..TreeLimits::DEFAULT };
    let full = || Memory::builder_within(limits).leaf("./A/B", "12345678").leaf("./C", "9").finish().unwrap();
    let device = |tree: &mut Memory, op: &Op| tree.apply_one(Actor::Device, op).status.0;
    let mut tree = full();
    assert_eq!([&Op::Begin, &delete("./A"), &add("./D", text(""))].map(|op| device(&mut tree, op)), [200, 200, 420]);
    let mut tree = full();
    let ops = [&Op::Begin, &replace("./A/B", text("1")), &replace("./A/B", text("12")), &Op::Commit];
    assert_eq!(ops.map(|op| device(&mut tree, op)), [200, 200, 420, 200]);
    assert_eq!([&delete("./A"), &add("./D", text("123456789"))].map(|op| device(&mut tree, op)), [200, 200]);
}

#[test]
fn more_changes_than_can_be_undone_are_420() {
    let limits = TreeLimits { undo_max: 2, ..TreeLimits::DEFAULT };
    let mut tree = Memory::builder_within(limits).leaf("./A", "").finish().unwrap();
    let statuses =
        [Op::Begin, replace("./A", text("1")), replace("./A", text("2")), replace("./A", text("3")), get("./A")]
            .map(|op| tree.apply_one(Actor::Device, &op).status.0);
    assert_eq!(statuses, [200, 200, 200, 420, 200]);
    assert_eq!(tree.apply_one(Actor::Device, &Op::RollBack).status.0, 200);
    assert_eq!(tree.text("./A"), Some(""));
}

#[test]
fn a_stored_atomic_that_does_not_lead_back_to_a_tree_is_refused() {
    let mut tree = open().leaf("./A/B", "5").leaf("./P/Q", "").permanent().finish().unwrap();
    for op in [Op::Begin, delete("./A"), replace("./P/Q", text("x"))] {
        done(&mut tree, OWNER, &op);
    }
    let good = serde_json::to_value(&tree).unwrap();
    let damaged = |pointer: &str, value: serde_json::Value| {
        let mut stored = good.clone();
        *stored.pointer_mut(pointer).unwrap() = value;
        serde_json::from_value::<Memory>(stored).is_err()
    };
    assert!(serde_json::from_value::<Memory>(good.clone()).is_ok());
    assert!(damaged("/v1/open/log/1/there/1/uri", "./B/B".into()), "a node without its parent");
    assert!(damaged("/v1/open/log/1/there/1/format", "int-".into()));
    assert!(damaged("/v1/open/log/1/there", serde_json::json!([])));
    assert!(damaged("/v1/open/log/2/was/uri", ".".into()), "the root is no leaf");
}

#[test]
fn a_get_sees_what_was_done_before_it() {
    let mut tree = sample();
    done(&mut tree, OWNER, &Op::Begin);
    done(&mut tree, OWNER, &replace("./A/B", text("new")));
    assert_eq!(read(&mut tree, OWNER, "./A/B"), "new");
    assert_eq!(apply(&mut tree, "x", &get("./A/B")).status.0, 200);
}
