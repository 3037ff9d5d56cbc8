//! The rules of messages, credentials, notifications and resources in a world of many: each fires on what breaks it.

use dm_core::{
    auth::{Account, LockoutLimits, Scheme, SignRequest},
    codes::StatusCode,
    ids::{CmdId, MsgId, SessionId},
    session::Reason,
    wire::{Alert, Block, Cred, Get, Item, Meta},
};

use super::*;
use crate::dm::OpKind;

const S2: usize = 8;

fn signed(account: &Account, scheme: Scheme) -> Cred {
    let request = SignRequest { peer: "".into(), scheme, nonce: None, body: None };
    let meta = Meta { media_type: Some(scheme.as_type().into()), ..Meta::default() };
    Cred { meta: Some(meta), data: account.sign(&request).data.into() }
}

fn towards() -> Towards {
    Scenario::standard(1).watched().towards.remove(0)
}

fn message(film: &[Scene], at: usize) -> SyncMl {
    match &film[at] {
        Sent(_, message) => message.clone(),
        _ => panic!("no message at {at}"),
    }
}

fn with_fact(at: usize, fact: Fact) -> Vec<Scene> {
    let mut film = film();
    film.insert(at, Noted(DEVICE, fact));
    film
}

#[test]
fn the_standard_session_breaks_no_rule_at_all() {
    assert_eq!(broken_of_all(&film()), BTreeSet::new());
}

#[test]
fn results_that_come_twice_or_for_no_get_are_found() {
    let results = |change: fn(&mut dm_core::wire::Results)| {
        with_message(C2, |message| {
            let found = message.commands.iter().find_map(|command| match command {
                Command::Results(results) => Some(results.clone()),
                _ => None,
            });
            let mut again = found.unwrap();
            again.cmd_id = Some(CmdId::from(77));
            change(&mut again);
            message.commands.push(Command::Results(again));
        })
    };
    assert_finds(&results(|_| {}), RESULTS);
    assert_finds(&results(|again| again.cmd_ref = CmdId::from(99)), RESULTS);
}

#[test]
fn results_of_a_get_that_failed_are_found() {
    let film = with_message(C2, |message| {
        let of_get = statuses(message).filter(|status| status.cmd == "Get");
        of_get.for_each(|status| status.code = StatusCode::NOT_FOUND);
    });
    assert_finds(&film, RESULTS);
}

#[test]
fn a_peer_that_answers_empty_messages_for_ever_is_found() {
    let mut film = film();
    film.truncate(C2);
    let (mut client, mut server) = (message(&super::film(), C3), message(&super::film(), S3));
    for n in 2..20 {
        for (side, message, own) in [(Side::Client, &mut client, n), (Side::Server, &mut server, n)] {
            message.header.msg_id = MsgId(own);
            message.is_final = false;
            message.commands.retain(|command| matches!(command, Command::Status(status) if status.is_for_header()));
            statuses(message).for_each(|status| status.msg_ref = MsgId(n));
            film.push(Sent(side, message.clone()));
        }
    }
    assert_finds(&film, ENDLESS);
}

#[test]
fn a_message_that_is_larger_than_its_receiver_takes_is_found() {
    let film = with_message(S1, |message| {
        message.header.meta = Some(Meta { max_msg_size: Some(100), ..Meta::default() }.into());
    });
    assert_finds(&film, FITS);
}

#[test]
fn a_client_that_commands_and_a_tree_that_does_what_nobody_said_are_found() {
    let film = with_message(C2, |message| {
        let get = Get { cmd_id: CmdId::from(77), items: vec![Item::target("./A")], ..Get::default() };
        message.commands.push(Command::Get(get));
    });
    assert_finds(&film, FROM_SERVER);
    let other = Fact::Executed { kind: OpKind::Get, uri: "./Other".into(), status: StatusCode::OK };
    assert_finds(&with_fact(ADD, other), FROM_SERVER);
}

#[test]
fn a_command_that_is_done_after_the_end_is_found() {
    let late = Fact::Executed { kind: OpKind::Get, uri: "./Sim/Added".into(), status: StatusCode::OK };
    assert_finds(&with_fact(END + 1, late), LATE);
}

#[test]
fn a_late_message_that_is_stored_is_found() {
    let mut film = film();
    let (late, id) = (message(&film, C3), message(&film, C3).header.session_id);
    film.push(Sent(Side::Client, late));
    assert!(!broken_of_all(&film).contains(&LATE.id));
    film.push(Noted(SERVER, Fact::Committed { device: DEVICE, session: id, revision: 99 }));
    assert_finds(&film, LATE);
}

#[test]
fn a_session_under_anothers_name_goes_on_when_its_store_has_gone_back_and_others_do_not() {
    let late = |restored: &str| {
        // A device that says to be another one.
        let mut film = film();
        for scene in &mut film {
            if let Sent(Side::Client, message) = scene {
                message.header.source.uri = "IMEI:another".into();
            }
        }
        let (late, id) = (message(&film, C3), message(&film, C3).header.session_id);
        let sessions = vec![(restored.into(), id.clone())];
        film.push(Sent(Side::Client, late));
        film.push(Noted(SERVER, Fact::Restored { commits: 1, sessions, again: Vec::new() }));
        film.push(Noted(SERVER, Fact::Committed { device: DEVICE, session: id, revision: 99 }));
        broken_of_all(&film).contains(&LATE.id)
    };
    assert!(!late("IMEI:another"));
    assert!(late("IMEI:a-third"));
}

/// A device that has given its session up says so with `code`, where that was not changed on its way, and is answered.
fn given_up(code: AlertCode, is_changed: bool) -> Vec<Scene> {
    let mut film = film();
    film.truncate(C2);
    let (mut last, mut answer) = (message(&super::film(), C2), message(&super::film(), S2));
    let id = last.header.session_id.clone();
    last.commands.retain(|command| matches!(command, Command::Status(status) if status.is_for_header()));
    last.commands.push(Command::Alert(Alert { cmd_id: CmdId::from(2), ..Alert::new(code) }));
    answer.commands.retain(|command| matches!(command, Command::Status(status) if status.is_for_header()));
    film.push(Noted(DEVICE, Fact::Aborted(id.clone())));
    film.push(Noted(DEVICE, Fact::ClientEnded(id, Outcome::Aborted(Reason::Requested))));
    film.extend(is_changed.then_some(Noted(DEVICE, Fact::Tampered)));
    film.extend([Sent(Side::Client, last), Sent(Side::Server, answer)]);
    film
}

#[test]
fn a_device_that_waits_for_a_reply_after_the_end_is_found() {
    assert!(broken_of_all(&given_up(AlertCode::NEXT_MESSAGE, false)).contains(&LATE.id));
}

#[test]
fn a_device_whose_abort_is_changed_on_its_way_waits_for_no_reply_all_the_same() {
    for (code, is_changed) in [(AlertCode::SESSION_ABORT, false), (AlertCode::NEXT_MESSAGE, true)] {
        assert!(!broken_of_all(&given_up(code, is_changed)).contains(&LATE.id), "{code}");
    }
}

#[test]
fn a_session_that_goes_on_after_it_was_given_up_is_found() {
    let id = message(&film(), C1).header.session_id;
    assert_finds(&with_fact(ADD, Fact::Aborted(id)), STOPS);
}

#[test]
fn a_nonce_that_a_session_gives_twice_is_found() {
    let film = film();
    let given = statuses(&mut message(&film, S1)).find_map(|status| status.chal.clone());
    assert!(given.is_some());
    let film = with_message(S3, |message| statuses(message).next().unwrap().chal = given);
    assert_finds(&film, FRESH);
}

#[test]
fn a_device_that_took_its_session_up_again_may_give_its_nonce_once_more_and_no_other_may() {
    let given = |side: Side| {
        let (at, again) = if side == Side::Client { (C2, C3) } else { (S1, S3) };
        let mut film = film();
        let chal = film.iter().find_map(|scene| match scene {
            Sent(of, message) if *of == Side::Server => statuses(&mut message.clone()).find_map(|one| one.chal.clone()),
            _ => None,
        });
        assert!(chal.is_some());
        // One side gives it twice, and nobody else has given it.
        for (place, scene) in film.iter_mut().enumerate() {
            let Sent(_, message) = scene else { continue };
            statuses(message).for_each(|status| status.chal = None);
            if place == at || place == again {
                statuses(message).next().unwrap().chal.clone_from(&chal);
            }
        }
        film
    };
    let id = message(&film(), C1).header.session_id;
    let forgot = |resumes: Option<SessionId>| {
        Noted(DEVICE, Fact::Forgot { undone: Vec::new(), notices: Vec::new(), accounts: Vec::new(), resumes })
    };
    let is_found = |side: Side, resumes: Option<SessionId>| {
        let mut film = given(side);
        film.insert(C3, forgot(resumes));
        broken_of_all(&film).contains(&FRESH.id)
    };
    assert!(!is_found(Side::Client, Some(id.clone())));
    assert!(is_found(Side::Client, None), "who goes on in no session has no nonce to give again");
    assert!(is_found(Side::Server, Some(id)), "it is the device that forgot");
}

#[test]
fn a_device_that_forgot_takes_its_servers_credentials_again_and_no_other_does() {
    let is_found = |forgets: bool| {
        let mut twice = film();
        let resumes = None;
        let forgot = Fact::Forgot { undone: Vec::new(), notices: Vec::new(), accounts: Vec::new(), resumes };
        twice.extend(forgets.then_some(Noted(DEVICE, forgot)));
        twice.push(Noted(DEVICE, Fact::Began(SessionId::from_number(99))));
        for scene in film() {
            let Sent(side, mut message) = scene else { continue };
            message.header.session_id = SessionId::from_number(99);
            statuses(&mut message).for_each(|status| status.chal = None);
            if side == Side::Client {
                message.header.cred = None;
            }
            twice.push(Sent(side, message));
        }
        broken_of_all(&twice).contains(&FRESH.id)
    };
    assert!(!is_found(true));
    assert!(is_found(false));
}

/// A session whose first credentials are refused, and the same ones are taken then.
fn refused_and_taken() -> Vec<Scene> {
    let film = film();
    let (first, answer) = (message(&film, C1), message(&film, S1));
    let (mut second, mut challenge, mut taken) = (first.clone(), answer.clone(), answer);
    second.header.msg_id = MsgId(2);
    taken.header.msg_id = MsgId(2);
    statuses(&mut taken).for_each(|status| status.msg_ref = MsgId(2));
    let refusal = statuses(&mut challenge).next().unwrap();
    refusal.code = StatusCode::UNAUTHORIZED;
    refusal.chal.as_mut().unwrap().meta.next_nonce = Some("YW5vdGhlciBub25jZQ==".into());
    let (client, server) = (Side::Client, Side::Server);
    vec![film[0].clone(), Sent(client, first), Sent(server, challenge), Sent(client, second), Sent(server, taken)]
}

#[test]
fn a_nonce_that_is_not_the_last_one_is_found() {
    assert_finds(&refused_and_taken(), LATEST);
}

#[test]
fn the_nonce_of_resynchronisation_that_nobody_asked_for_is_found() {
    let cred = signed(&towards().client.resynchronising(), Scheme::Md5);
    assert_finds(&with_message(C1, |message| message.header.cred = Some(cred.into())), ZERO);
}

#[test]
fn weaker_credentials_than_agreed_are_found() {
    let cred = signed(&towards().client, Scheme::Basic);
    assert_finds(&with_message(C3, |message| message.header.cred = Some(cred.into())), NO_WEAKER);
}

#[test]
fn credentials_of_the_other_side_that_are_taken_are_found() {
    let Towards { server, .. } = towards();
    let film = with_message(C1, |message| {
        message.header.cred = Some(signed(&server, Scheme::Md5).into());
        message.header.source.name = Some(server.user);
    });
    assert_finds(&film, OWN_ACCOUNT);
}

#[test]
fn a_reply_that_a_device_does_not_wait_for_claims_nothing() {
    let is_found = |is_asked_for: bool| {
        let Towards { client, .. } = towards();
        let mut film = film();
        let mut foreign = message(&film, S1);
        foreign.header.cred = Some(signed(&client, Scheme::Md5).into());
        foreign.header.source.name = Some(client.user);
        if is_asked_for {
            film[S1] = Sent(Side::Server, foreign);
        } else {
            // It comes after the one that was waited for.
            film.insert(S1 + 1, Sent(Side::Server, foreign));
        }
        broken_of_all(&film).contains(&OWN_ACCOUNT.id)
    };
    assert!(is_found(true));
    assert!(!is_found(false));
}

#[test]
fn an_account_that_is_open_too_early_or_closed_too_long_is_found() {
    let id = message(&film(), C1).header.session_id;
    let wrong = |count: usize| {
        let judged = Fact::Judged { device: DEVICE, session: id.clone(), believed: false };
        vec![Noted(SERVER, judged); count]
    };
    let broken = |count: usize, at: u64, code: StatusCode| {
        let mut film = with_message(S1, |message| statuses(message).next().unwrap().code = code);
        film.truncate(S1 + 1);
        film.splice(S1..S1, [wrong(count), vec![Scene::Time(at)]].concat());
        let mut services = backend();
        services.of_mut(0).unwrap().lockout = Some(LockoutLimits::DEFAULT);
        broken_of(rules().with_all(), &film, &services).contains(&LOCKED.id)
    };
    assert!(broken(6, 10_000, StatusCode::UNAUTHORIZED), "closed for 30 s");
    assert!(!broken(6, 10_000, StatusCode::BUSY) && !broken(5, 10_000, StatusCode::UNAUTHORIZED));
    assert!(broken(6, 40_000, StatusCode::BUSY), "open again");
}

#[test]
fn a_stored_reply_is_sent_while_its_account_is_closed_and_no_other_is() {
    let first = message(&film(), C1).header.session_id;
    let broken = |session: &SessionId| {
        let mut film = with_message(S1, |message| statuses(message).next().unwrap().code = StatusCode::UNAUTHORIZED);
        film.truncate(S1 + 1);
        let judged = Fact::Judged { device: DEVICE, session: first.clone(), believed: false };
        let repeated = Noted(SERVER, Fact::Repeated { device: DEVICE, session: session.clone() });
        film.splice(S1..S1, [vec![Noted(SERVER, judged); 6], vec![Scene::Time(10_000), repeated]].concat());
        let mut services = backend();
        services.of_mut(0).unwrap().lockout = Some(LockoutLimits::DEFAULT);
        broken_of(rules().with_all(), &film, &services).contains(&LOCKED.id)
    };
    assert!(!broken(&first));
    assert!(broken(&SessionId::from_number(99)), "that is of another session");
}

#[test]
fn a_message_with_a_broken_seal_that_is_done_is_found() {
    let mut watched = Scenario::standard(1).watched();
    for towards in &mut watched.towards {
        (towards.client.scheme, towards.server.scheme) = (Scheme::Mac, Scheme::Mac);
    }
    let rules = Rules::new(BTreeMap::from([(DEVICE, watched)])).with_all();
    let mut film = film();
    // As credentials of another kind they are none at all, and so no broken seal: these are.
    for scene in &mut film {
        if let Sent(_, message) = scene {
            message.header.cred = Some(Cred { meta: None, data: "broken".into() }.into());
        }
    }
    assert!(broken_of(rules, &film, &backend()).contains(&SEALED.id));
}

#[test]
fn members_of_a_sequence_that_are_done_in_another_order_are_found() {
    let wrapped = |message: &mut SyncMl| {
        let (statuses, commands) = core::mem::take(&mut message.commands)
            .into_iter()
            .partition(|command| matches!(command, Command::Status(_)));
        message.commands = statuses;
        message.commands.push(Command::Sequence(Block { cmd_id: CmdId::from(99), commands, ..Block::default() }));
    };
    let mut film = with_message(S1, wrapped);
    assert!(!broken_of_all(&film).contains(&IN_ORDER.id));
    film.swap(ADD, ADD + 1);
    assert_finds(&film, IN_ORDER);
}

/// Of the value that this message sets more is to come.
fn break_off(message: &mut SyncMl) {
    let replace = message.commands.iter_mut().find_map(|command| match command {
        Command::Replace(replace) => Some(replace),
        _ => None,
    });
    let item = &mut replace.unwrap().items[0];
    item.more_data = true;
    item.meta = Some(Meta { size: Some(99), ..Meta::default() }.into());
}

#[test]
fn a_value_that_is_broken_off_without_a_word_is_found() {
    let mut film = with_message(S1, break_off);
    // What comes after it in the same message breaks it off as well; so it is the last one.
    let Sent(_, first) = &mut film[S1] else { panic!("a message") };
    first.commands.retain(|command| !matches!(command, Command::Exec(_)));
    assert!(matches!(film[S2], Sent(Side::Server, _)));
    assert_finds(&film, UNMIXED);
}

#[test]
fn a_reply_of_another_session_breaks_no_value_off() {
    let is_found = |is_other: bool| {
        let mut film = with_message(S1, break_off);
        if is_other {
            let Sent(_, first) = &mut film[S1] else { panic!("a message") };
            first.header.session_id = SessionId::from_number(99);
        }
        broken_of_all(&film).contains(&UNMIXED.id)
    };
    assert!(is_found(false));
    assert!(!is_found(true));
}

#[test]
fn a_value_that_is_too_large_and_not_refused_is_found() {
    let mut film = with_message(C1, |message| {
        message.header.meta = Some(Meta { max_obj_size: Some(10), ..Meta::default() }.into());
    });
    let Sent(_, first) = &mut film[S1] else { panic!("a message") };
    for command in &mut first.commands {
        if let Command::Replace(replace) = command {
            replace.items[0].more_data = true;
            replace.items[0].meta = Some(Meta { size: Some(99), ..Meta::default() }.into());
        }
    }
    assert_finds(&film, BUFFERED);
}

#[test]
fn notifications_that_nobody_signed_or_that_come_again_and_are_followed_are_found() {
    let followed = Fact::Notified { session: "AB".into(), followed: true };
    assert_finds(&with_fact(END + 1, followed.clone()), NOTIFIED);
    let mut film = with_fact(END + 1, followed.clone());
    film.push(Noted(DEVICE, followed));
    assert_finds(&film, ONE_SESSION);
}

#[test]
fn a_session_that_a_server_is_said_to_have_asked_for_is_found() {
    let film = with_message(C1, |message| {
        for command in &mut message.commands {
            if let Command::Alert(alert) = command {
                alert.code = Some(AlertCode::SERVER_INITIATED);
            }
        }
    });
    assert_finds(&film, NOTIFIED);
}

#[test]
fn a_bootstrap_of_anybody_that_is_taken_is_found() {
    assert_finds(&with_fact(0, Fact::Bootstrapped(vec!["evil".into()])), BOOTSTRAPPED);
}

#[test]
fn what_is_left_when_a_device_rests_is_found() {
    assert_finds(&with_fact(END + 1, Fact::Rested { open: true, kept: false }), LEAKS);
}

#[test]
fn more_octets_than_any_input_is_worth_are_found() {
    let film = with_message(C3, |message| {
        let said = statuses(message).last().unwrap();
        said.items.push(Item::default().with_data("x".repeat(400_000)));
    });
    assert_finds(&film, OUTPUT);
}

#[test]
fn a_session_that_ends_early_because_a_calendar_was_set_is_found() {
    let mut film = with_fact(S3, Fact::ClockSet(1));
    let Some(Noted(_, Fact::ClientEnded(_, outcome))) = film.last_mut() else { panic!("the end") };
    *outcome = Outcome::TimedOut;
    assert_finds(&film, CLOCKS);
}

#[test]
fn a_pair_that_does_not_find_together_or_leaves_orders_after_healing_is_found() {
    let rules = || {
        let watched = Watched { heals: Some(Tick(0)), ..Scenario::standard(1).watched() };
        Rules::new(BTreeMap::from([(DEVICE, watched)])).with_all()
    };
    // In this store nothing was ever taken from the queue.
    let broken = broken_of(rules(), &film(), &backend());
    assert_eq!(broken, BTreeSet::from([COMPLETES.id]));
    let mut lost = film();
    lost.truncate(END);
    assert!(broken_of(rules(), &lost, &backend()).contains(&CONVERGES.id));
}
