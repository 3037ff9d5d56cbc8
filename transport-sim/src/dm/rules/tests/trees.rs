//! The rules of trees: each fires on a step that breaks it.

use dm_core::{
    codes::StatusCode,
    ids::SessionId,
    server::{Done, ItemDone, Order, Request},
    tree::{Content, Found, Memory, Op, OpResult, Verb},
    wire::Format,
};

use super::*;
use crate::dm::{Job, OrderState, Step};

fn tree() -> Memory {
    Memory::builder()
        .at(".")
        .acl("Add=*&Get=*")
        .interior("./A")
        .acl("Get=*&Replace=srv&Delete=srv")
        .leaf("./A/Value", "1")
        .leaf("./A/Fixed", "2")
        .permanent()
        .leaf("./A/Read", "3")
        .access(&[Verb::Get])
        .finish()
        .unwrap()
}

fn content(text: &str) -> Content {
    Content { data: Some(text.as_bytes().into()), ..Content::default() }
}

fn replace(uri: &str, text: &str) -> Op {
    Op::Replace { uri: uri.into(), content: content(text) }
}

/// What the tree makes of the operation, as a fact.
fn done(tree: &mut Memory, server: &str, op: Op) -> Step {
    let before = Arc::new(tree.clone());
    tree.tell_time(core_kit::UnixMillis(7));
    let result = tree.apply_one(&server.into(), &op);
    let (session, server, at) = ("1".into(), server.into(), core_kit::UnixMillis(7));
    Step { session, server, op, at, result, before, after: Arc::new(tree.clone()) }
}

/// The standard session with these steps in it.
fn with(steps: impl IntoIterator<Item = Step>) -> Vec<Scene> {
    let mut film = film();
    let steps = steps.into_iter().map(|step| Noted(DEVICE, Fact::Stepped(Arc::new(step))));
    film.splice(ADD..ADD, steps);
    film
}

fn status(status: StatusCode) -> OpResult {
    OpResult::status(status)
}

#[test]
fn what_a_tree_really_does_breaks_no_rule() {
    let mut tree = tree();
    let ops = [
        ("srv", replace("./A/Value", "2")),
        ("other", replace("./A/Value", "3")),
        ("srv", replace("./A/Read", "4")),
        ("srv", Op::Delete { uri: "./A/Fixed".into() }),
        ("srv", Op::Add { uri: "./B/C".into(), content: content("5") }),
        ("srv", Op::Begin),
        ("srv", replace("./A/Value", "6")),
        ("srv", Op::RollBack),
        ("srv", replace("./?prop=ACL", "")),
        ("srv", Op::Get { uri: "./A".into() }),
    ];
    let steps: Vec<Step> = ops.into_iter().map(|(server, op)| done(&mut tree, server, op)).collect();
    assert_eq!(broken_of_all(&with(steps)), BTreeSet::new());
}

#[test]
fn what_the_list_in_force_does_not_allow_is_found() {
    for op in [
        replace("./A/Value", "2"),
        Op::Delete { uri: "./A/Value".into() },
        Op::Exec { uri: "./A/Value".into(), argument: Content::default(), correlator: None },
        Op::Copy { from: "./A/Value".into(), to: "./A/Read".into() },
        replace("./A?prop=ACL", "Get=*"),
    ] {
        let step = Step { result: status(StatusCode::OK), ..done(&mut tree(), "other", op) };
        assert_finds(&with([step]), PERMITTED);
    }
}

#[test]
fn a_permanent_node_that_goes_and_a_command_that_a_node_does_not_admit_are_found() {
    for op in [
        Op::Delete { uri: "./A/Fixed".into() },
        replace("./A/Fixed?prop=Name", "Other"),
        replace("./A/Read", "4"),
        Op::Exec { uri: "./A/Value".into(), argument: Content::default(), correlator: None },
    ] {
        let step = Step { result: status(StatusCode::OK), ..done(&mut tree(), "srv", op) };
        assert_finds(&with([step]), FIXED);
    }
}

#[test]
fn an_operation_that_fails_and_changes_the_tree_is_found() {
    let step = Step { result: status(StatusCode::NOT_FOUND), ..done(&mut tree(), "srv", replace("./A/Value", "2")) };
    assert_finds(&with([step]), NOTHING_DONE);
}

#[test]
fn a_change_without_a_new_version_and_a_new_version_without_a_change_are_found() {
    let changed = Memory::builder().leaf("./A/Value", "2").finish().unwrap();
    let before = Memory::builder().leaf("./A/Value", "1").finish().unwrap();
    let step = done(&mut tree(), "srv", replace("./A/Value", "2"));
    let (one, other) = (Arc::new(before), Arc::new(changed));
    assert_finds(&with([Step { before: one, after: other, ..step.clone() }]), VERSIONS);
    assert_finds(&with([Step { op: Op::Get { uri: "./A/Value".into() }, ..step }]), NOTHING_DONE);
    let same = done(&mut tree(), "srv", replace("./A/Value", "1"));
    assert_finds(&with([Step { op: replace("./A/Fixed", "2"), ..same }]), VERSIONS);
}

#[test]
fn a_value_that_is_not_the_one_that_was_written_is_found() {
    let step = done(&mut tree(), "srv", replace("./A/Value", "2"));
    assert_finds(&with([Step { op: replace("./A/Value", "3"), ..step }]), SAME_VIEW);
}

#[test]
fn a_value_that_was_read_apart_is_one_that_the_node_had_and_no_other_is() {
    let mut tree = tree();
    done(&mut tree, "srv", replace("./A/Value", "12"));
    let read = Op::Read { uri: "./A/Value".into(), offset: 0, bytes: 1 };
    let read = Step { result: status(StatusCode::OK), ..done(&mut tree, "srv", read) };
    let mut film = with([read]);
    let found = |film: &[Scene]| ["12", "2", "1"].map(|value| is_found(film, value));
    assert_eq!(found(&film), [false, true, true]);
    // Of the parts of a value the first ones may be gone with a store that went back.
    let sessions = vec![(device_id(), SessionId::from_number(1))];
    film.push(Noted(SERVER, Fact::Restored { commits: 1, sessions, again: Vec::new() }));
    assert_eq!(found(&film), [false, false, true]);
}

fn device_id() -> DeviceId {
    Scenario::standard(1).client.device.as_str().into()
}

/// Whether a value that the server has read is found to be none that the device had.
fn is_found(film: &[Scene], value: &str) -> bool {
    let mut services = backend();
    services.of_mut(0).unwrap().change(&device_id(), |device| {
        let order = Order::new("get", Request::Get(vec!["./A/Value".into()]));
        let found = vec![Found { uri: "./A/Value".into(), content: content(value) }];
        let item = ItemDone { uri: "./A/Value".into(), status: Some(StatusCode::OK), found, reply: None };
        let done = Done { tag: order.tag.clone(), items: vec![item] };
        device.orders.insert(order.tag.clone(), Job { order, state: OrderState::Done(done) });
    });
    broken_of(rules().with_all(), film, &services).contains(&SAME_VIEW.id)
}

#[test]
fn a_tree_that_is_none_is_found() {
    assert!(shape::first_wrong(tree().root(), 2).is_none());
    assert!(shape::first_wrong(tree().root(), 1).is_some(), "too deep");
    for (format, right, wrong) in [(Format::Int, "-5", "five"), (Format::Bool, "true", "1"), (Format::Null, "", "0")] {
        assert!(shape::is_of(&format, right.as_bytes()) && !shape::is_of(&format, wrong.as_bytes()));
    }
}

#[test]
fn a_root_without_a_list_is_found() {
    // No tree can be made so; one that says that it took the list away has lost its mind.
    let step = done(&mut tree(), "srv", replace("./?prop=ACL", ""));
    assert_eq!(broken_of_all(&with([step.clone()])), BTreeSet::new(), "it is refused");
    let step = Step { result: status(StatusCode::OK), ..step };
    assert_finds(&with([step]), ROOT);
}

#[test]
fn an_atomic_that_is_not_undone_is_found() {
    let mut tree = tree();
    let begin = done(&mut tree, "srv", Op::Begin);
    let change = done(&mut tree, "srv", replace("./A/Value", "2"));
    let mut back = done(&mut tree, "srv", Op::RollBack);
    back.after = Arc::clone(&change.after);
    assert_finds(&with([begin, change, back]), WHOLE);
}

#[test]
fn an_atomic_that_says_that_it_worked_and_did_not_is_found() {
    let mut tree = tree();
    let steps = [Op::Begin, Op::RollBack].map(|op| done(&mut tree, "srv", op));
    let mut film = with(steps);
    let Some(Sent(_, message)) = film.iter_mut().skip(ADD).find(|scene| matches!(scene, Sent(..))) else {
        panic!("C2")
    };
    statuses(message).last().unwrap().cmd = "Atomic".into();
    assert_finds(&film, WHOLE);
}

/// An `Atomic` that cannot be undone, with a member that was done or without.
fn stuck(is_done: bool) -> [Step; 2] {
    let mut tree = tree();
    let begin = done(&mut tree, "srv", Op::Begin);
    if is_done {
        done(&mut tree, "srv", replace("./A/Value", "2"));
    }
    let failed = done(&mut tree, "srv", Op::RollBack);
    let after = Arc::clone(&failed.before);
    [begin, Step { result: status(StatusCode::ROLL_BACK_FAILED), after, ..failed }]
}

#[test]
fn an_atomic_that_stays_done_without_a_word_is_found() {
    assert_finds(&with(stuck(true)), STUCK);
    assert_eq!(broken_of_all(&with(stuck(false))), BTreeSet::new(), "nothing stays done");
}

#[test]
fn who_said_what_stays_done_may_undo_it_again_and_say_the_same_octets() {
    let [begin, back] = stuck(true);
    let is_found = |says: bool| {
        let mut film = with([begin.clone(), back.clone()]);
        let place = film.iter().skip(ADD).position(|scene| matches!(scene, Sent(..))).unwrap() + ADD;
        let Sent(_, message) = &mut film[place] else { panic!("C2") };
        let last = statuses(message).last().unwrap();
        last.code = StatusCode::ROLL_BACK_FAILED;
        let said = message.clone();
        // It has forgotten both, and does the former again.
        let resumes = Some(said.header.session_id.clone());
        let forgot = Fact::Forgot { undone: Vec::new(), notices: Vec::new(), accounts: Vec::new(), resumes };
        let again = [begin.clone(), back.clone()].map(|step| Noted(DEVICE, Fact::Stepped(Arc::new(step))));
        let end = film.len() - 1;
        film.splice(end..end, [Noted(DEVICE, forgot)].into_iter().chain(again));
        if says {
            film.insert(film.len() - 1, Sent(Side::Client, said));
        }
        broken_of_all(&film).contains(&STUCK.id)
    };
    assert!(!is_found(true));
    assert!(is_found(false));
}

#[test]
fn a_get_in_an_atomic_is_found() {
    let mut tree = tree();
    let steps = [Op::Begin, Op::Get { uri: "./A/Value".into() }].map(|op| done(&mut tree, "srv", op));
    assert_finds(&with(steps), NOT_INSIDE);
}

#[test]
fn more_work_than_a_message_is_worth_is_found() {
    let step = done(&mut tree(), "srv", Op::Get { uri: "./A".into() });
    assert_finds(&with(vec![step; 400]), WORK);
}

fn stage(offset: u64, octets: &str) -> Step {
    let op = Op::Stage { uri: "./A/Value".into(), size: 4, offset, data: octets.as_bytes().into() };
    Step { result: status(StatusCode::OK), ..done(&mut tree(), "srv", op) }
}

#[test]
fn more_octets_than_a_value_has_are_found() {
    assert_finds(&with([stage(0, "12345")]), BUFFERED);
    assert_eq!(broken_of_all(&with([stage(0, "1234")])), BTreeSet::new());
}

#[test]
fn a_part_that_is_kept_when_its_session_is_over_is_found() {
    let mut film = with([stage(0, "12")]);
    film.push(Noted(DEVICE, Fact::Rested { open: false, kept: true }));
    assert_eq!(broken_of_all(&film), BTreeSet::from([DROPPED.id, LEAKS.id]));
}

#[test]
fn a_value_that_is_not_what_came_in_parts_is_found() {
    let in_parts = Content { in_parts: Some(1), ..Content::default() };
    let op = Op::Replace { uri: "./A/Value".into(), content: in_parts };
    let step = Step { result: status(StatusCode::OK), ..done(&mut tree(), "srv", op) };
    assert_finds(&with([step]), BYTE_EQUAL);
}
