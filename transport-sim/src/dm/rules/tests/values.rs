//! The rules of values in parts, of trees between sessions and of nonces.

use dm_core::{codes::StatusCode, ids::MsgId};

use super::*;
use crate::dm::Fingerprint;

/// Shows facts to a checker and tells which rules it finds broken.
fn found_by(mut checker: impl Checker<Party>, scenes: &[(u64, Scene)], backend: &Services) -> Vec<RuleId> {
    let mut ledger = Ledger::default();
    for (number, (at, scene)) in scenes.iter().enumerate() {
        let mut show = |event: &Event<'_, Fact>| checker.observe(Tick(*at), event, backend, &mut ledger);
        match scene {
            Sent(side, message) => {
                let (from, to) = if *side == Side::Client { (DEVICE, SERVER) } else { (SERVER, DEVICE) };
                let bytes = encode(Encoding::Xml, message).unwrap().into();
                let channel = Channel { opener: DEVICE, number: 1 };
                show(&Event::Sent(&Message::new(number as u64, from, to, channel, bytes)));
            }
            Noted(node, fact) => show(&Event::Noted(*node, fact)),
            Scene::Lost(..) | Scene::Raw(..) | Scene::Time(_) => panic!("not in these films"),
        }
    }
    checker.finish(&End { at: Tick(0), shared: backend, trace: "" }, &mut ledger);
    ledger.violations().iter().map(|violation| violation.rule).collect()
}

#[test]
fn a_value_that_is_missing_or_another_is_found_on_either_side() {
    let objects = || {
        let (down, up) = (core_kit::Body::from(&b"down"[..]), core_kit::Body::from(&b"up"[..]));
        let device = dm_core::ids::DeviceId::from("IMEI:493005100592800");
        Objects::new(device, BTreeMap::from([("./A".into(), down)]), BTreeMap::from([("get".into(), up)]))
    };
    let leaf = |value: &[u8]| (0, Noted(DEVICE, Fact::Leaf { uri: "./A".into(), value: Some(Fingerprint::of(value)) }));
    let (at_server, at_both) = (vec![BYTE_EQUAL.id], vec![BYTE_EQUAL.id; 2]);
    assert_eq!(found_by(objects(), &[leaf(b"down")], &backend()), at_server, "the server has read nothing");
    assert_eq!(found_by(objects(), &[leaf(b"down"), leaf(b"dawn")], &backend()), at_both);
    assert_eq!(found_by(objects(), &[], &backend()), at_both);
}

#[test]
fn a_tree_that_is_another_than_before_is_found() {
    let tree = |value: &[u8]| (0, Noted(DEVICE, Fact::Tree(Fingerprint::of(value))));
    assert_eq!(found_by(Whole::default(), &[tree(b"before"), tree(b"before")], &backend()), []);
    assert_eq!(found_by(Whole::default(), &[tree(b"before"), tree(b"after")], &backend()), [WHOLE.id]);
}

/// A session that begins at a time and ends well, with these messages in it.
fn attempt(at: u64, id: &str, outcome: Outcome, messages: &[Scene]) -> Vec<(u64, Scene)> {
    let session = dm_core::ids::SessionId::from(id);
    let mut scenes = vec![(at, Noted(DEVICE, Fact::Began(session.clone())))];
    scenes.extend(messages.iter().map(|scene| (at, scene.clone())));
    let server = Fact::ServerEnded { device: DEVICE, session: session.clone(), outcome: outcome.clone() };
    scenes.push((at, Noted(SERVER, server)));
    scenes.push((at, Noted(DEVICE, Fact::ClientEnded(session, outcome))));
    scenes
}

fn nonces() -> Nonces {
    Nonces::new(DEVICE, Tick(100), Tick(200))
}

#[test]
fn a_nonce_that_is_given_out_twice_is_found() {
    let done = || attempt(100, "9", Outcome::Completed, &[]);
    let with_nonces = |message: &SyncMl| {
        let chal = |command: &Command| matches!(command, Command::Status(status) if status.chal.is_some());
        message.commands.iter().any(chal)
    };
    let Sent(side, message) = film()[S1].clone() else { panic!("a message") };
    assert!(with_nonces(&message));
    let mut again = message.clone();
    again.header.msg_id = MsgId(7);
    let first = (0, Sent(side, message));
    let film = |second: SyncMl| [vec![first.clone(), (0, Sent(side, second))], done()].concat();
    let Sent(_, same) = first.1.clone() else { panic!("a message") };
    assert_eq!(found_by(nonces(), &film(same), &backend()), [], "a message may be repeated");
    assert_eq!(found_by(nonces(), &film(again), &backend()), [FRESH.id]);
}

#[test]
fn a_pair_that_needs_more_than_three_sessions_or_never_finds_together_is_found() {
    let sessions = |lost: u64| {
        let lost = (0..lost).flat_map(|n| attempt(100 + n, &n.to_string(), Outcome::TimedOut, &[]));
        lost.chain(attempt(150, "9", Outcome::Completed, &[])).collect::<Vec<_>>()
    };
    assert_eq!(found_by(nonces(), &sessions(2), &backend()), []);
    assert_eq!(found_by(nonces(), &sessions(3), &backend()), [CONVERGES.id]);
    assert_eq!(found_by(nonces(), &attempt(99, "9", Outcome::Completed, &[]), &backend()), [CONVERGES.id], "too early");
}

#[test]
fn a_challenge_after_a_session_that_was_completed_is_found() {
    let Sent(side, mut challenge) = film()[S1].clone() else { panic!("a message") };
    challenge.header.session_id = "9".into();
    statuses(&mut challenge).next().unwrap().code = StatusCode::UNAUTHORIZED;
    let film = |first: u64| {
        let second = attempt(300, "9", Outcome::Completed, &[Sent(side, challenge.clone())]);
        [attempt(first, "8", Outcome::Completed, &[]), second].concat()
    };
    assert_eq!(found_by(nonces(), &film(199), &backend()), [], "a late copy may have come in between");
    assert_eq!(found_by(nonces(), &film(200), &backend()), [STAYS.id]);
}
