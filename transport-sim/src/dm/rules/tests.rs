//! Every rule fires when it is broken, and none does when nothing is.
//!
//! A film is what the standard session looks like from outside; a test changes one picture of it.

use std::collections::BTreeSet;

use core_kit::{Env, UnixMillis};
use dm_core::{
    Packet,
    codes::StatusCode,
    ids::{CmdId, DeviceId, MsgId},
    server,
    session::Outcome,
    wire::{Command, Item, Message as SyncMl, Status},
};

use super::*;
use crate::{
    Channel, Commit, CrashPlan, Permille,
    dm::{Direction, Fingerprint, Scenario, attempt::Attempt},
};

const DEVICE: NodeId = NodeId(1);
const SERVER: NodeId = NodeId(100);

/// One picture.
#[derive(Clone)]
enum Scene {
    Message(Side, SyncMl),
    Lost(Side, SyncMl),
    Raw(Side, Bytes),
    Fact(NodeId, Fact),
}

use Scene::{Fact as Noted, Message as Sent};

/// The pictures by what they show: messages of client and server alternate.
const C1: usize = 1;
const S1: usize = 2;
const ADD: usize = 4;
const C2: usize = 7;
const C3: usize = 10;
const S3: usize = 12;
const END: usize = 13;

fn film() -> Vec<Scene> {
    let run = Scenario::standard(1).run();
    let mut messages = run.traffic.iter().map(|sent| {
        let side = if sent.direction == Direction::ToServer { Side::Client } else { Side::Server };
        Sent(side, decode(Encoding::Xml, &sent.body, &WireLimits::SERVER).unwrap().message)
    });
    let id = run.sessions[0].id.clone();
    let mut done = run.executions.iter().map(|done| {
        let (kind, uri, status) = (done.kind, done.uri.clone(), done.status);
        Noted(DEVICE, Fact::Executed { kind, uri, status })
    });
    let mut film = vec![Noted(DEVICE, Fact::Began(id.clone()))];
    film.extend(messages.by_ref().take(2));
    film.extend(done.by_ref().take(4));
    film.extend(messages.by_ref().take(2));
    film.extend(done);
    film.extend(messages.by_ref().take(1));
    film.push(Noted(SERVER, Fact::ServerEnded { device: DEVICE, session: id.clone(), outcome: Outcome::Completed }));
    film.extend(messages);
    film.push(Noted(DEVICE, Fact::ClientEnded(id, Outcome::Completed)));
    film
}

fn rules() -> Rules {
    let scenario = Scenario::standard(1);
    Rules::new(BTreeMap::from([(DEVICE, scenario.watched())]))
}

/// Shows a film to the rules, with this store at its end, and tells which of them it broke.
fn broken_by(film: &[Scene], backend: &Backend) -> BTreeSet<RuleId> {
    let (mut rules, mut ledger, mut channel) = (rules(), Ledger::default(), Channel { opener: DEVICE, number: 0 });
    let mut trace = String::new();
    for (number, scene) in film.iter().enumerate() {
        let mut show = |event: &Event<'_, Fact>| rules.observe(Tick(0), event, backend, &mut ledger);
        let (side, bytes, arrives) = match scene {
            Sent(side, message) => (*side, encode(Encoding::Xml, message).unwrap().into(), true),
            Scene::Lost(side, message) => (*side, encode(Encoding::Xml, message).unwrap().into(), false),
            Scene::Raw(side, bytes) => (*side, bytes.clone(), true),
            Noted(node, fact) => {
                trace.push_str(&fact.to_string());
                show(&Event::Noted(*node, fact));
                continue;
            }
        };
        let (from, to) = if side == Side::Client { (DEVICE, SERVER) } else { (SERVER, DEVICE) };
        channel.number += u64::from(side == Side::Client);
        let message = Message::new(number as u64, from, to, channel, bytes);
        show(&Event::Sent(&message));
        show(&if arrives { Event::Delivered(&message) } else { Event::Lost(&message) });
    }
    rules.finish(&End { at: Tick(0), shared: backend, trace: &trace }, &mut ledger);
    ledger.violations().iter().map(|violation| violation.rule).collect()
}

fn backend() -> Backend {
    let scenario = Scenario::standard(1);
    let mut backend = Backend::new(scenario.server.clone(), CrashPlan::NONE, Permille::NEVER);
    let Watched { client, server, .. } = scenario.watched();
    backend.enter(DeviceId::from(scenario.client.device.as_str()), DEVICE, client, server, &scenario.packages);
    backend
}

fn assert_breaks(film: &[Scene], rule: Rule) {
    assert_eq!(broken_by(film, &backend()), BTreeSet::from([rule.id]));
}

/// The film with one message changed.
fn with_message(at: usize, change: impl FnOnce(&mut SyncMl)) -> Vec<Scene> {
    let mut film = film();
    match &mut film[at] {
        Sent(_, message) => change(message),
        _ => panic!("no message at {at}"),
    }
    film
}

fn statuses(message: &mut SyncMl) -> impl Iterator<Item = &mut Status> {
    message.commands.iter_mut().filter_map(|command| match command {
        Command::Status(status) => Some(status),
        _ => None,
    })
}

#[test]
fn the_standard_session_breaks_no_rule() {
    assert_eq!(broken_by(&film(), &backend()), BTreeSet::new());
}

#[test]
fn a_command_without_a_status_is_found() {
    let film = with_message(C2, |message| {
        let place = message.commands.iter().rposition(|command| matches!(command, Command::Status(_))).unwrap();
        message.commands.remove(place);
    });
    assert_breaks(&film, ANSWERED);
}

#[test]
fn a_second_status_for_a_command_is_found() {
    let film = with_message(C2, |message| {
        let mut again = statuses(message).last().unwrap().clone();
        again.cmd_id = Some(CmdId::from(77));
        message.commands.push(Command::Status(again));
    });
    assert_breaks(&film, ANSWERED);
}

#[test]
fn a_status_that_is_not_final_answers_nothing() {
    let film = with_message(C2, |message| statuses(message).last().unwrap().code = StatusCode::IN_PROGRESS);
    assert_breaks(&film, ANSWERED);
}

#[test]
fn a_status_for_what_was_never_sent_is_found() {
    let film = with_message(C3, |message| {
        let mut stray = statuses(message).last().unwrap().clone();
        stray.cmd_id = Some(CmdId::from(77));
        stray.cmd_ref = Some(CmdId::from(9));
        message.commands.push(Command::Status(stray));
    });
    assert_breaks(&film, SENT);
}

#[test]
fn a_status_under_another_commands_name_is_found() {
    let film = with_message(C2, |message| statuses(message).last().unwrap().cmd = "Delete".into());
    assert_breaks(&film, SENT);
}

#[test]
fn a_gap_in_the_numbers_of_messages_is_found() {
    let film = with_message(S3, |message| message.header.msg_id = MsgId(4));
    assert!(broken_by(&film, &backend()).contains(&NUMBERS.id));
}

#[test]
fn a_command_number_that_is_zero_or_there_already_is_found() {
    for id in ["0", "", "1"] {
        let film = with_message(S3, |message| {
            let mut second = statuses(message).last().unwrap().clone();
            second.cmd_id = Some(id.into());
            second.code = StatusCode::IN_PROGRESS;
            message.commands.push(Command::Status(second));
        });
        assert_breaks(&film, NUMBERS);
    }
}

#[test]
fn a_message_sent_before_the_last_one_is_answered_is_found() {
    let mut film = film();
    let Sent(side, message) = film[S1].clone() else { panic!("a message") };
    film[S1] = Scene::Lost(side, message);
    assert!(broken_by(&film, &backend()).contains(&HALF_DUPLEX.id));
}

#[test]
fn bytes_that_are_no_message_are_found() {
    let mut film = film();
    film.insert(0, Scene::Raw(Side::Server, Bytes::from_static(b"<SyncML/>")));
    assert_breaks(&film, BYTES);
}

#[test]
fn a_command_that_reaches_the_tree_too_early_is_found() {
    let mut film = film();
    let early = film.remove(ADD);
    film.insert(S1, early);
    assert_breaks(&film, AUTHENTICATED);
}

#[test]
fn credentials_that_are_wrong_or_missing_prove_nothing() {
    let Sent(_, client) = &film()[C1] else { panic!("a message") };
    let reflected = client.header.cred.clone();
    assert!(reflected.is_some());
    for nothing in [reflected, None] {
        assert_breaks(&with_message(S1, |message| message.header.cred = nothing), AUTHENTICATED);
    }
    assert_breaks(&with_message(C1, |message| message.header.cred = None), AUTHENTICATED);
}

#[test]
fn a_refused_client_that_executes_is_found() {
    let film = with_message(S1, |message| statuses(message).next().unwrap().code = StatusCode::UNAUTHORIZED);
    assert_breaks(&film, AUTHENTICATED);
}

#[test]
fn a_command_that_is_done_twice_is_found() {
    let mut film = film();
    film.insert(ADD, film[ADD].clone());
    assert_breaks(&film, ONCE);
}

#[test]
fn a_command_that_nobody_ordered_is_found_and_reading_twice_is_not() {
    let with = |kind, uri: &str| {
        let mut film = film();
        film.insert(END, Noted(DEVICE, Fact::Executed { kind, uri: uri.into(), status: StatusCode::OK }));
        film
    };
    assert_breaks(&with(OpKind::Delete, "./Sim/Added"), ONCE);
    assert_eq!(broken_by(&with(OpKind::Get, "./Sim/Added"), &backend()), BTreeSet::new());
}

#[test]
fn another_reply_to_the_same_request_is_found() {
    let mut film = film();
    let (request, Sent(side, mut reply)) = (film[C3].clone(), film[S3].clone()) else { panic!("a message") };
    film.extend([request.clone(), film[S3].clone()]);
    assert_eq!(broken_by(&film, &backend()), BTreeSet::new(), "the same reply may come again");
    reply.is_final = false;
    film.extend([request, Sent(side, reply)]);
    assert!(broken_by(&film, &backend()).contains(&REPEATS.id));
}

#[test]
fn a_password_on_the_wire_or_in_the_trace_is_found() {
    let secret = rules().devices[&DEVICE].client.password.clone();
    let wire = with_message(S3, |message| {
        let said = statuses(message).last().unwrap();
        said.items.push(Item::default().with_data(secret.reveal()));
    });
    assert_breaks(&wire, SECRETS);
    let mut film = film();
    film.insert(
        END,
        Noted(
            DEVICE,
            Fact::Executed { kind: OpKind::Get, uri: format!("./Secret/{}", secret.reveal()), status: StatusCode::OK },
        ),
    );
    assert_breaks(&film, SECRETS);
}

#[test]
fn a_device_whose_session_goes_on_is_found() {
    let mut film = film();
    film.truncate(END);
    assert_breaks(&film, ENDS);
}

#[test]
fn a_session_that_goes_on_at_the_server_is_found_with_the_orders_that_it_holds() {
    let (mut backend, film) = (backend(), film());
    let Sent(_, first) = &film[C1] else { panic!("a message") };
    let packet = Packet::xml(encode(Encoding::Xml, first).unwrap());
    let key = server::route(&packet, &backend.profile).unwrap();
    let env = Env { now: Tick(0), wall: UnixMillis(0), entropy: [0; 32] };
    let attempt = Attempt::run(&backend, &env, key, server::Input::Received(packet)).unwrap();
    assert_eq!(backend.commit(&attempt), Commit::Done);
    assert_eq!(broken_by(&film, &backend), BTreeSet::from([ENDS.id, SETTLED.id]));
}

#[test]
fn a_machine_that_refuses_its_driver_is_found() {
    let mut film = film();
    film.insert(END, Noted(DEVICE, Fact::Misused("something".into())));
    assert_breaks(&film, USED_WELL);
}

/// Shows facts to a checker and tells which rules it finds broken.
fn found_by(mut checker: impl Checker<Party>, scenes: &[(u64, Scene)], backend: &Backend) -> Vec<RuleId> {
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
            Scene::Lost(..) | Scene::Raw(..) => panic!("not in these films"),
        }
    }
    checker.finish(&End { at: Tick(0), shared: backend, trace: "" }, &mut ledger);
    ledger.violations().iter().map(|violation| violation.rule).collect()
}

#[test]
fn a_value_that_is_missing_or_another_is_found_on_either_side() {
    let objects = || {
        let (down, up) = (core_kit::Body::from(&b"down"[..]), core_kit::Body::from(&b"up"[..]));
        let device = DeviceId::from("IMEI:493005100592800");
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
