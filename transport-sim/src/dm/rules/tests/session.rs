//! The rules of every session.

use core_kit::{Env, UnixMillis};
use dm_core::{
    Packet,
    codes::StatusCode,
    ids::{CmdId, MsgId},
    server::{self, Done},
    wire::{Block, Item, Refs},
};

use super::*;
use crate::{
    Commit,
    dm::{Job, OrderState, attempt::Attempt},
};

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
    let session = reply.header.session_id.clone();
    // Of a session that is not stored nothing is known when its message comes again.
    film.insert(S1, Noted(SERVER, Fact::Committed { device: DEVICE, session, revision: 1 }));
    film.extend([request.clone(), Sent(side, reply.clone())]);
    assert_eq!(broken_by(&film, &backend()), BTreeSet::new(), "the same reply may come again");
    reply.is_final = false;
    film.extend([request, Sent(side, reply)]);
    assert!(broken_by(&film, &backend()).contains(&REPEATS.id));
}

#[test]
fn a_password_on_the_wire_or_in_the_trace_is_found() {
    let secret = rules().stage.devices[&DEVICE].towards[0].client.password.clone();
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
    let services = &mut backend;
    let backend = services.of_mut(0).unwrap();
    let key = server::route(&packet, &backend.profile).unwrap();
    let env = Env { now: Tick(0), wall: UnixMillis(0), entropy: [0; 32] };
    let attempt = Attempt::run(backend, &env, key, server::Input::Received(packet), false).unwrap();
    assert_eq!(backend.commit(&attempt), Commit::Done);
    assert_eq!(broken_by(&film, services), BTreeSet::from([ENDS.id, SETTLED.id]));
}

/// The standard session with the third and the fourth command inside a `Sequence`, whose members the device says nothing
/// of, and with the `Sequence` as an order that is done.
fn sequence(answers_it: bool) -> (Vec<Scene>, Services) {
    let film = with_message(S1, |message| {
        let mut commands = core::mem::take(&mut message.commands);
        let (mut kept, mut members) = (Vec::new(), Vec::new());
        for command in commands.drain(..) {
            let moves = matches!(command, Command::Replace(_) | Command::Exec(_));
            if moves { &mut members } else { &mut kept }.push(command);
        }
        kept.push(Command::Sequence(Block { cmd_id: CmdId::from(99), commands: members, ..Block::default() }));
        message.commands = kept;
    });
    let mut answer = match &film[C2] {
        Sent(_, message) => message.clone(),
        _ => panic!("no message"),
    };
    answer.commands.retain_mut(|command| match command {
        Command::Status(status) if status.cmd == "Replace" && answers_it => {
            (status.cmd, status.cmd_ref) = ("Sequence".into(), Some(CmdId::from(99)));
            status.target_refs = Refs::default();
            true
        }
        Command::Status(status) => !matches!(status.cmd.as_str(), "Replace" | "Exec"),
        _ => true,
    });
    let mut film = film;
    film[C2] = Sent(Side::Client, answer);
    let mut services = backend();
    let id = DeviceId::from(Scenario::standard(1).client.device.as_str());
    services.of_mut(0).unwrap().change(&id, |device| {
        let packages = core::mem::take(&mut device.queue);
        device.orders.clear();
        let members = packages.into_iter().flatten();
        let moves = |order: &Order| matches!(order.request, Request::Replace(_) | Request::Exec { .. });
        let order = Order::new("sequence", Request::Sequence(members.filter(moves).collect()));
        let done = Done { tag: order.tag.clone(), items: Vec::new() };
        device.orders.insert(order.tag.clone(), Job { order, state: OrderState::Done(done) });
    });
    (film, services)
}

#[test]
fn a_sequence_is_done_when_it_is_answered_itself_and_not_before() {
    let (answered, services) = sequence(true);
    assert!(!broken_by(&answered, &services).contains(&SETTLED.id));
    let (silent, services) = sequence(false);
    assert!(broken_by(&silent, &services).contains(&SETTLED.id));
}

#[test]
fn a_machine_that_refuses_its_driver_is_found() {
    let mut film = film();
    film.insert(END, Noted(DEVICE, Fact::Misused("something".into())));
    assert_breaks(&film, USED_WELL);
}
