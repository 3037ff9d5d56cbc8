//! What becomes of a session whose row cannot be read any more, and which orders are given again.

use core_kit::Durable as _;
use dm_core::{auth::Scheme, server::Request};

use super::*;

const DEVICE: &str = "IMEI:490154203237518";

fn key(session: &str) -> SessionKey {
    SessionKey { device: DEVICE.into(), session: session.into() }
}

fn tag(text: &str) -> JobTag {
    text.into()
}

/// A store that can go back, with a session that has taken `first` and `read`, one that has taken `other`, and one order
/// that nobody has taken. Of the value that `read` asks for a part has come.
fn backend() -> Backend {
    let profile = Profile::new("https://dm.example/dm");
    let snapshot = Session::new(&profile).snapshot();
    let mut backend = Backend::new(profile, CrashPlan::NONE, Permille::NEVER);
    backend.keep_past();
    let [account, own] = ["device", "server"].map(|user| Account::new(user, "secret", Scheme::Md5));
    let order = |tag: &str| Order::new(tag, Request::Get(vec!["./DevInfo/Man".into()]));
    let packages = [["first", "read", "other"].map(order).to_vec(), vec![order("later")]];
    backend.enter(DEVICE.into(), NodeId(1), account, own, &packages);
    backend.change(&DEVICE.into(), |device| {
        device.queue.pop_front();
        for (order, session) in [("first", "1"), ("read", "1"), ("other", "2")] {
            device.held.insert(tag(order), session.into());
            settle(device, &tag(order), OrderState::HandedOut);
        }
    });
    backend.parts.insert((DEVICE.into(), tag("read")), b"half".to_vec());
    for session in ["1", "2"] {
        let stored =
            StoredSession { snapshot: snapshot.clone(), deadline: Some(Tick(9)), outcome: None, is_closed: false };
        assert_eq!(backend.sessions.compare_and_swap(key(session), 0, 1, stored), Commit::Done);
    }
    backend
}

fn states(backend: &Backend) -> Vec<&'static str> {
    let device = &backend.devices.load(&DEVICE.into()).unwrap().value;
    ["first", "read", "other", "later"].map(|order| device.orders[&tag(order)].state.name()).to_vec()
}

#[test]
fn a_session_that_can_be_read_is_not_given_up() {
    let mut backend = backend();
    let before = backend.undoable();
    assert_eq!(backend.close_damaged(&key("1")), None);
    assert_eq!(backend.close_damaged(&key("3")), None, "there is none");
    assert!(!backend.is_closed(&key("1")));
    assert_eq!(backend.undoable(), before);
}

#[test]
fn nobody_knows_what_a_session_whose_row_is_damaged_has_done() {
    let mut backend = backend();
    backend.rot(&key("1"));
    assert_eq!(backend.close_damaged(&key("1")), Some(Outcome::Aborted(Reason::Unavailable)));
    assert!(backend.is_closed(&key("1")) && !backend.is_closed(&key("2")));
    assert_eq!(backend.first_deadline(|_| true), Some((Tick(9), &key("2"))), "nobody wakes it");
    assert_eq!(states(&backend), ["unknown", "unknown", "handed-out", "queued"]);
    assert_eq!(backend.loose_parts(), 0);
    assert_eq!(backend.close_damaged(&key("1")), None, "its row can be read now");
}

#[test]
fn a_session_is_given_up_again_when_its_store_went_back() {
    let mut backend = backend();
    backend.rot(&key("1"));
    let before = backend.undoable();
    assert!(backend.close_damaged(&key("1")).is_some());
    assert_eq!(backend.undoable(), before + 1, "it is one commit");
    let undone = backend.restore(1);
    assert_eq!(undone.sessions, [(DeviceId::from(DEVICE), SessionId::from("1"))]);
    assert_eq!(states(&backend), ["handed-out", "handed-out", "handed-out", "queued"]);
    assert!(backend.close_damaged(&key("1")).is_some());
    assert_eq!(states(&backend), ["unknown", "unknown", "handed-out", "queued"]);
}

#[test]
fn what_has_come_to_nothing_is_given_again_to_whom_nothing_waits_for() {
    let mut backend = backend();
    let id = DeviceId::from(DEVICE);
    let last = || Order::new("last", Request::Get(vec!["./DevInfo/Man".into()]));
    let waiting = |backend: &Backend| backend.devices.load(&DEVICE.into()).unwrap().value.queue.len();
    backend.give(&id, last());
    assert_eq!(waiting(&backend), 1, "another one waits");
    let done = Done { tag: tag("last"), items: Vec::new() };
    for (state, given) in [
        (None, true),
        (Some(OrderState::HandedOut), false),
        (Some(OrderState::NotSent(Some(OrderFault::TooLarge))), true),
        (Some(OrderState::Unknown), true),
        (Some(OrderState::Done(done)), false),
    ] {
        backend.change(&id, |device| {
            device.queue.clear();
            state.clone().into_iter().for_each(|state| _ = settle(device, &tag("last"), state));
        });
        backend.give(&id, last());
        assert_eq!(waiting(&backend), usize::from(given), "{state:?}");
    }
}
