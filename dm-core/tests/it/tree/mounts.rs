//! Sub-trees of the embedder's own beside the nodes in memory.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use dm_core::{
    codes::StatusCode,
    ids::ServerId,
    tree::{Call, Content, Found, Manner, Mount, MountedTree, Op, OpResult, TreeFault},
    wire::Format,
};

use super::{OWNER, add, copy, delete, exec, get, open, replace, text};

/// What a mount holds, and what it was asked.
#[derive(Default)]
struct Shared {
    leaves: BTreeMap<String, String>,
    kept: Option<BTreeMap<String, String>>,
    asked: Vec<String>,
    begin: Option<StatusCode>,
    commit: Option<StatusCode>,
    roll_back: Option<OpResult>,
}

/// Leaves on one level, as an embedder might have them.
#[derive(Clone, Default)]
struct Flat(Arc<Mutex<Shared>>);

impl Mount for Flat {
    fn answer(&mut self, call: &Call<'_>) -> OpResult {
        let mut shared = self.0.lock().unwrap();
        let kind = format!("{:?}", call.op);
        shared.asked.push(format!("{} {}", kind.split([' ', '{']).next().unwrap(), call.path));
        let path = call.path.to_owned();
        let value =
            |content: &Content| String::from_utf8(content.data.as_deref().unwrap_or_default().to_vec()).unwrap();
        let done = |is_done| OpResult::status(if is_done { StatusCode::OK } else { StatusCode::NOT_FOUND });
        match call.op {
            Op::Get { uri } => {
                let told = |format, data: String| Content {
                    format: Some(format),
                    data: Some(data.into()),
                    ..Content::default()
                };
                let content = if path.is_empty() {
                    let names: Vec<&str> = shared.leaves.keys().map(String::as_str).collect();
                    told(Format::Node, names.join("/"))
                } else {
                    let Some(value) = shared.leaves.get(&path) else { return done(false) };
                    told(Format::Chr, value.clone())
                };
                let mut found = vec![Found { uri: uri.split('?').next().unwrap().into(), content }];
                if call.suffix.is_some() {
                    let more = shared
                        .leaves
                        .keys()
                        .map(|name| Found { uri: format!("./Own/Part/{name}").into(), content: Content::default() });
                    found.extend(more);
                }
                OpResult::found(found)
            }
            Op::Add { content, .. } => done(shared.leaves.insert(path, value(content)).is_none()),
            Op::Replace { content, .. } => {
                done(shared.leaves.get_mut(&path).map(|old| *old = value(content)).is_some())
            }
            Op::Delete { .. } => done(shared.leaves.remove(&path).is_some()),
            Op::Exec { .. } => OpResult::status(StatusCode::ACCEPTED),
            Op::Copy { from, .. } => {
                let from = from.rsplit('/').next().unwrap();
                let Some(value) = shared.leaves.get(from).cloned() else { return done(false) };
                shared.leaves.insert(path, value);
                done(true)
            }
            Op::Begin => {
                shared.kept = Some(shared.leaves.clone());
                OpResult::status(shared.begin.unwrap_or(StatusCode::OK))
            }
            Op::Commit => OpResult::status(shared.commit.unwrap_or(StatusCode::OK)),
            Op::RollBack => {
                if let Some(result) = shared.roll_back.clone() {
                    return result;
                }
                shared.leaves = shared.kept.take().unwrap();
                done(true)
            }
            Op::Stage { .. } | Op::Discard | Op::Read { .. } => panic!("the tree does these for all mounts"),
        }
    }
}

/// A tree with a mount at `./Own/Part`, and a leaf in memory.
fn sample() -> (MountedTree, Flat) {
    let memory = open().interior("./Own/Part").permanent().leaf("./A", "memory").finish().unwrap();
    let mut tree = MountedTree::from(memory);
    let flat = Flat::default();
    flat.0.lock().unwrap().leaves = [("x".to_owned(), "mount".to_owned())].into();
    tree.mount("./Own/Part", flat.clone()).unwrap();
    (tree, flat)
}

fn statuses(tree: &mut MountedTree, server: &str, ops: &[Op]) -> Vec<u16> {
    let results = tree.apply_in(Manner::default(), &ServerId::from(server), ops);
    results.iter().map(|result| result.status.0).collect()
}

#[track_caller]
fn value(tree: &mut MountedTree, uri: &str) -> String {
    let result = tree.apply_one(&ServerId::from(OWNER), &get(uri));
    assert_eq!(result.status, StatusCode::OK, "{uri}");
    String::from_utf8(result.found[0].content.data.as_deref().unwrap().to_vec()).unwrap()
}

#[test]
fn both_parts_answer_side_by_side() {
    let (mut tree, flat) = sample();
    let ops = [
        replace("./A", text("1")),
        replace("./Own/Part/x", text("2")),
        add("Own/Part/y", text("3")),
        delete("./Own/Part/x"),
        exec("./Own/Part/run", text("")),
        get("./Own/Part/nothing"),
        add("./Own/Partly", text("in memory")),
    ];
    assert_eq!(statuses(&mut tree, OWNER, &ops), [200, 200, 200, 200, 202, 404, 200]);
    assert_eq!((value(&mut tree, "./A"), value(&mut tree, "./Own/Part/y")), ("1".into(), "3".into()));
    assert_eq!(value(&mut tree, "./Own/Part"), "y", "the names below a mount point are the mount's to tell");
    let asked = flat.0.lock().unwrap().asked.join(", ");
    assert_eq!(asked, "Replace x, Add y, Delete x, Exec run, Get nothing, Get y, Get ");
}

#[test]
fn the_mount_point_itself_is_in_memory() {
    let (mut tree, flat) = sample();
    let ops = [
        get("./Own/Part?prop=ACL"),
        delete("./Own/Part"),
        replace("./Own/Part?prop=Title", text("t")),
        add("./Own/Part", text("")),
    ];
    assert_eq!(statuses(&mut tree, OWNER, &ops), [200, 405, 200, 418]);
    assert!(flat.0.lock().unwrap().asked.is_empty());
}

#[test]
fn the_rights_on_the_mount_point_count_below_it() {
    let (mut tree, flat) = sample();
    let ops = [
        get("./Own/Part/x"),
        add("./Own/Part/y", text("")),
        replace("./Own/Part/x", text("")),
        delete("./Own/Part/x"),
        exec("./Own/Part/x", text("")),
        copy("./Own/Part/x", "./Own/Part/y"),
        copy("./A", "./Own/Part/x"),
    ];
    assert_eq!(statuses(&mut tree, "anyone", &ops), [200, 425, 425, 425, 425, 425, 425]);
    assert_eq!(statuses(&mut tree, OWNER, &[replace("./Own/Part?prop=ACL", text("Replace=anyone"))]), [200]);
    flat.0.lock().unwrap().asked.clear();
    assert_eq!(statuses(&mut tree, "anyone", &ops), [425, 425, 200, 425, 425, 425, 200]);
    assert_eq!(flat.0.lock().unwrap().asked, ["Replace x", "Replace x"]);
}

#[test]
fn a_value_goes_from_one_part_to_the_other() {
    let (mut tree, flat) = sample();
    let ops = [
        copy("./A", "./Own/Part/new"),
        copy("./Own/Part/x", "./A"),
        copy("./Own/Part/x", "./B"),
        copy("./Own/Part/x", "./Own/Part/z"),
        copy("./Own", "./Own/Part/x"),
        copy("./Nothing", "./Own/Part/x"),
    ];
    assert_eq!(statuses(&mut tree, OWNER, &ops), [200, 200, 200, 200, 405, 404]);
    assert_eq!([value(&mut tree, "./A"), value(&mut tree, "./B")], ["mount", "mount"]);
    let leaves = flat.0.lock().unwrap().leaves.clone();
    assert_eq!(leaves, [("new", "memory"), ("x", "mount"), ("z", "mount")].map(|(k, v)| (k.into(), v.into())).into());
}

#[test]
fn parts_of_values_are_the_trees_business() {
    let (mut tree, flat) = sample();
    let stage =
        |offset, data: &str| Op::Stage { uri: "./Own/Part/x".into(), size: 4, offset, data: data.as_bytes().into() };
    let end = replace("./Own/Part/x", Content { in_parts: Some(4), ..Content::default() });
    assert_eq!(statuses(&mut tree, OWNER, &[stage(0, "ab"), stage(2, "cd"), end.clone(), end]), [200, 200, 200, 424]);
    assert_eq!(flat.0.lock().unwrap().leaves["x"], "abcd");
    let part = Op::Read { uri: "./Own/Part/x".into(), offset: 1, bytes: 2 };
    let found = tree.apply_one(&ServerId::from(OWNER), &part).found;
    assert_eq!(found[0].content.data.as_deref(), Some(&b"bc"[..]));
    let manner = Manner { whole_bytes_max: Some(3), ..Manner::default() };
    let results = tree.apply_in(manner, &ServerId::from(OWNER), &[get("./Own/Part/x")]);
    assert_eq!(results[0].found[0].content.in_parts, Some(4));
}

#[test]
fn a_list_of_nodes_goes_on_below_mount_points_that_may_be_read() {
    let (mut tree, _) = sample();
    let mut listed = |server: &str| -> Vec<String> {
        let found = tree.apply_one(&ServerId::from(server), &get("./Own?list=Struct")).found;
        found.into_iter().map(|found| found.uri.into()).collect()
    };
    assert_eq!(listed(OWNER), ["./Own", "./Own/Part", "./Own/Part/x"]);
    statuses(&mut tree, OWNER, &[replace("./Own/Part?prop=ACL", text("Replace=owner"))]);
    let found = tree.apply_one(&ServerId::from(OWNER), &get("./Own?list=Struct")).found;
    assert_eq!(found.len(), 1);
}

#[test]
fn an_atomic_over_both_parts_is_undone_in_both() {
    let (mut tree, flat) = sample();
    let ops = [
        Op::Begin,
        replace("./A", text("1")),
        add("./Own/Part/y", text("2")),
        delete("./Own/Part/x"),
        get("./Own/Part/y"),
        copy("./A", "./Own/Part/z"),
        Op::RollBack,
    ];
    assert_eq!(statuses(&mut tree, OWNER, &ops), [200; 7]);
    assert_eq!((value(&mut tree, "./A"), value(&mut tree, "./Own/Part/x")), ("memory".into(), "mount".into()));
    assert_eq!(flat.0.lock().unwrap().leaves.len(), 1);
    assert_eq!(statuses(&mut tree, OWNER, &[Op::RollBack, Op::Commit]), [500, 500]);
}

#[test]
fn an_atomic_over_both_parts_is_kept_in_both() {
    let (mut tree, flat) = sample();
    let ops = [Op::Begin, replace("./A", text("1")), replace("./Own/Part/x", text("2")), Op::Commit];
    assert_eq!(statuses(&mut tree, OWNER, &ops), [200; 4]);
    assert_eq!((value(&mut tree, "./A"), value(&mut tree, "./Own/Part/x")), ("1".into(), "2".into()));
    let asked = flat.0.lock().unwrap().asked.join(", ");
    assert_eq!(asked, "Begin , Replace x, Commit , Get x", "a mount takes part from its first change on");
}

#[test]
fn a_mount_that_cannot_go_back_refuses_changes_in_an_atomic_and_no_others() {
    let (mut tree, flat) = sample();
    flat.0.lock().unwrap().begin = Some(StatusCode::NOT_SUPPORTED);
    let ops =
        [Op::Begin, replace("./A", text("1")), get("./Own/Part/x"), replace("./Own/Part/x", text("2")), Op::RollBack];
    assert_eq!(statuses(&mut tree, OWNER, &ops), [200, 200, 200, 406, 200]);
    assert_eq!((value(&mut tree, "./A"), value(&mut tree, "./Own/Part/x")), ("memory".into(), "mount".into()));
    assert_eq!(statuses(&mut tree, OWNER, &[replace("./Own/Part/x", text("2"))]), [200]);
}

#[test]
fn what_a_mount_could_not_undo_is_told_by_its_number() {
    let ops = [
        Op::Begin,
        replace("./A", text("1")),
        replace("./Own/Part/x", text("2")),
        get("./A"),
        copy("./A", "./Own/Part/new"),
        Op::RollBack,
    ];
    let failed = |named: &[u32]| OpResult { not_undone: named.into(), ..OpResult::status(StatusCode::COMMAND_FAILED) };
    // The mount has seen a Replace, and for the copy another Replace and an Add.
    for (named, expected) in [(&[][..], vec![1, 3]), (&[0], vec![1]), (&[1, 2], vec![3]), (&[9], vec![1, 3])] {
        let (mut tree, flat) = sample();
        flat.0.lock().unwrap().roll_back = Some(failed(named));
        let results = tree.apply_in(Manner::default(), &ServerId::from(OWNER), &ops);
        let last = results.last().unwrap();
        assert_eq!((last.status, &last.not_undone), (StatusCode::ROLL_BACK_FAILED, &expected), "{named:?}");
        assert_eq!(value(&mut tree, "./A"), "memory", "the rest is undone all the same");
    }
}

#[test]
fn where_a_mount_cannot_keep_its_changes_all_go_back() {
    let (mut tree, flat) = sample();
    flat.0.lock().unwrap().commit = Some(StatusCode::STORE_FAILURE);
    let ops = [Op::Begin, replace("./A", text("1")), replace("./Own/Part/x", text("2")), Op::Commit, Op::RollBack];
    assert_eq!(statuses(&mut tree, OWNER, &ops), [200, 200, 200, 510, 500]);
    assert_eq!((value(&mut tree, "./A"), value(&mut tree, "./Own/Part/x")), ("memory".into(), "mount".into()));
}

#[test]
fn the_end_of_a_session_undoes_what_it_left_open() {
    let (mut tree, _) = sample();
    statuses(&mut tree, OWNER, &[Op::Begin, replace("./A", text("1")), replace("./Own/Part/x", text("2"))]);
    tree.abandon();
    assert_eq!((value(&mut tree, "./A"), value(&mut tree, "./Own/Part/x")), ("memory".into(), "mount".into()));
}

#[test]
fn only_a_free_permanent_interior_node_without_children_is_a_mount_point() {
    let memory =
        open().leaf("./Leaf", "").permanent().interior("./Dynamic").leaf("./Full/x", "").permanent().finish().unwrap();
    let mut tree = MountedTree::from(memory.edit().interior("./Good").permanent().finish().unwrap());
    for (uri, fault) in [
        ("./Leaf", TreeFault::NotAMountPoint),
        ("./Dynamic", TreeFault::NotAMountPoint),
        ("./Full", TreeFault::NotAMountPoint),
        (".", TreeFault::NotAMountPoint),
        ("./Nothing", TreeFault::NotThere),
        ("./Good?prop=ACL", TreeFault::Suffix),
    ] {
        assert_eq!(tree.mount(uri, Flat::default()).unwrap_err().fault, fault, "{uri}");
    }
    assert_eq!(tree.mount("./Good", Flat::default()), Ok(()));
    assert_eq!(tree.mount("Good", Flat::default()).unwrap_err().fault, TreeFault::NotAMountPoint);
}
