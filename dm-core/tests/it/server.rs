//! The server session against what a device, or the network in its name, may send.

use core_kit::{Deadline, Durable, Machine, Millis, Tick};
use dm_core::{
    Packet,
    auth::{Account, Nonce, Scheme, Verdict},
    codes::StatusCode,
    fault::PeerFault,
    ids::{MsgId, QuestionId},
    server::{self, Entry, Input, Misuse, Order, Output, Profile, Question, Report, Request, Session, SessionKey, Why},
    session::{Outcome, Reason},
    wire::{DecodeErrorKind, Encoding},
};

use crate::harness::{DEVICE, Driven, PACKAGE_ONE, SERVER, Server, cred, env, from_device, lines, message};

mod again;
pub(crate) mod block;
pub(crate) mod object;

fn read() -> Vec<Vec<Order>> {
    vec![vec![Order::new("read", Request::Get(vec!["./DevInfo/Man".into()]))]]
}

/// Every output of a message that is not reported.
fn outputs(server: &mut Server, packet: Packet) -> Vec<Output> {
    let all = server.take(Input::Received(packet)).unwrap();
    all.into_iter().filter(|output| !matches!(output, Output::Report(_) | Output::Ask(_))).collect()
}

fn refused(server: &mut Server, packet: Packet) -> PeerFault {
    let before = (server.session.snapshot(), server.reports.len());
    match outputs(server, packet).as_slice() {
        [Output::Refuse(fault)] => {
            assert_eq!((server.session.snapshot(), server.reports.len()), before, "a refused message changes nothing");
            fault.clone()
        }
        other => panic!("{other:?}"),
    }
}

/// A server that waits for package 3.
fn waiting() -> Server {
    let mut server = Server::trusting(read());
    server.reply(from_device(1, "", PACKAGE_ONE));
    server
}

#[test]
pub(crate) fn a_message_that_is_none_is_refused_and_opens_no_session() {
    let mut server = Server::trusting(read());
    for bytes in [&b""[..], b"<SyncML", b"\xff\xfe", b"<a/>", b"hello"] {
        assert!(matches!(refused(&mut server, Packet::xml(bytes)), PeerFault::Malformed { .. }), "{bytes:?}");
        assert!(server::route(&Packet::xml(bytes), &server.profile).is_err());
    }
    let fault = refused(&mut server, Packet::new(Encoding::Wbxml, &b"\x02\xa4\x01\x6a\x00"[..]));
    let PeerFault::Malformed { kind, .. } = fault else { panic!("{fault:?}") };
    assert_eq!(kind, DecodeErrorKind::Truncated);
}

#[test]
pub(crate) fn a_message_over_the_limit_is_refused_before_it_is_read() {
    let mut server = Server::trusting(read());
    server.profile.wire.message_bytes_max = 500;
    server.session = Session::new(&server.profile);
    let fault = refused(&mut server, from_device(1, "", &format!("{PACKAGE_ONE}{}", " ".repeat(500))));
    assert!(matches!(fault, PeerFault::Malformed { kind: DecodeErrorKind::TooLarge, offset: 0, .. }), "{fault:?}");
    assert_eq!(fault.status(), StatusCode::TOO_LARGE);
}

#[test]
pub(crate) fn a_broken_body_under_a_good_header_is_told_so() {
    let mut server = Server::trusting(read());
    let packet = from_device(1, "", "<Alert><CmdID>1</CmdID><Data>many</Data></Alert><Final/>");
    let outputs = outputs(&mut server, packet);
    let [Output::Reply(reply), Output::Finished(Outcome::Failed(fault))] = outputs.as_slice() else {
        panic!("{outputs:?}")
    };
    assert_eq!(lines(reply), "Status 400 SyncHdr; Final");
    let text = fault.to_string();
    assert!(text.contains("Data is not a number in range") && text.contains("SyncML/SyncBody/Alert"), "{text}");
}

#[test]
pub(crate) fn a_truncated_message_in_mid_session_changes_nothing() {
    let mut server = waiting();
    let whole = from_device(
        2,
        "",
        "<Status><CmdID>1</CmdID><MsgRef>1</MsgRef><CmdRef>0</CmdRef><Cmd>SyncHdr</Cmd>\
        <Data>200</Data></Status><Final/>",
    );
    for cut in 0..whole.body.len() {
        let fault = refused(&mut server, Packet::xml(&whole.body[..cut]));
        assert!(matches!(fault, PeerFault::Malformed { offset, .. } if offset <= cut), "{cut}: {fault:?}");
    }
    assert!(server.finished.is_none());
    server.reply(whole);
}

#[test]
pub(crate) fn a_session_opens_with_package_one_only() {
    let mut server = Server::trusting(read());
    let status =
        "<Status><CmdID>1</CmdID><MsgRef>3</MsgRef><CmdRef>0</CmdRef><Cmd>SyncHdr</Cmd><Data>200</Data></Status>";
    let reply = server.reply(from_device(4, "", &format!("{status}<Final/>")));
    assert_eq!(lines(&reply), "Status 400 SyncHdr; Final");
    assert_eq!(server.finished, Some(Outcome::Failed(PeerFault::NotPackageOne)));
}

#[test]
pub(crate) fn versions_that_are_not_spoken_are_named_by_their_status() {
    for (dtd, proto, code) in
        [("2.0", "DM/1.2", 505), ("1.2", "DM/2.0", 513), ("1.1", "DM/1.2", 513), ("1.2", "x", 513)]
    {
        let mut server = Server::trusting(read());
        let packet = from_device(1, "", PACKAGE_ONE);
        let text = std::str::from_utf8(&packet.body).unwrap();
        let text = text.replace("<VerDTD>1.2", &format!("<VerDTD>{dtd}")).replace("DM/1.2", proto);
        let reply = server.reply(Packet::xml(text));
        let all = format!("Status {code} SyncHdr \"DM/1.3\"; Status {code} Alert; Status {code} Replace; Final");
        assert_eq!(lines(&reply), all, "{dtd} {proto}");
        assert!(matches!(server.finished, Some(Outcome::Failed(_))));
    }
}

#[test]
pub(crate) fn package_one_without_device_information_is_reported() {
    let mut server = Server::trusting(read());
    server.reply(from_device(1, "", "<Alert><CmdID>1</CmdID><Data>1201</Data></Alert><Final/>"));
    assert_eq!(server.faults(), [&PeerFault::NoDevInfo]);
}

#[test]
pub(crate) fn retransmitted_request_gets_the_stored_reply() {
    let mut server = waiting();
    let (reports, snapshot) = (server.reports.len(), server.session.snapshot());
    let stored = server.reply(from_device(1, "", PACKAGE_ONE));
    assert!(lines(&stored).contains("Get ./DevInfo/Man"));
    assert_eq!((server.reports.len(), server.session.snapshot()), (reports, snapshot));
    // Also after the end.
    let last = from_device(2, "", "<Final/>");
    let reply = server.reply(last.clone());
    assert_eq!(server.finished, Some(Outcome::Completed));
    assert_eq!(server.reply(last), reply);
}

#[test]
pub(crate) fn the_same_number_with_other_content_ends_the_session() {
    let mut server = waiting();
    let reply = server.reply(from_device(1, "", &format!("{PACKAGE_ONE} ")));
    assert_eq!(lines(&reply), "Status 400 SyncHdr; Final");
    assert_eq!(server.finished, Some(Outcome::Failed(PeerFault::MessageReused(MsgId(1)))));
    assert_eq!(server.outcomes(), ["read: unknown"]);
}

#[test]
pub(crate) fn an_older_message_and_one_of_another_session_change_nothing() {
    let mut server = Server::trusting([read(), read()].concat());
    server.reply(from_device(3, "", PACKAGE_ONE));
    assert_eq!(refused(&mut server, from_device(2, "", "<Final/>")), PeerFault::StaleMessage(MsgId(2)));
    let other = |from: &str, to: &str| {
        let packet = from_device(4, "", "<Final/>");
        Packet::xml(std::str::from_utf8(&packet.body).unwrap().replace(from, to))
    };
    assert_eq!(refused(&mut server, other(">2F<", ">30<")), PeerFault::ForeignSession);
    assert_eq!(refused(&mut server, other(DEVICE, "urn:uuid:other")), PeerFault::ForeignSession);
    // A gap in the numbers is accepted, and so is the identifier in other letters.
    server.reply(other(">2F<", ">2f<"));
}

#[test]
pub(crate) fn a_message_after_the_end_is_refused() {
    let mut server = waiting();
    server.reply(from_device(2, "", "<Final/>"));
    assert_eq!(refused(&mut server, from_device(3, "", "<Final/>")), PeerFault::SessionOver);
}

#[test]
pub(crate) fn one_answer_for_each_command_and_none_for_a_status() {
    let mut server = Server::trusting(Vec::new());
    let body = "<Status><CmdID>9</CmdID><MsgRef>0</MsgRef><CmdRef>0</CmdRef><Cmd>SyncHdr</Cmd><Data>500</Data></Status>\
        <Alert><CmdID>1</CmdID><Data>1201</Data></Alert>\
        <Alert><CmdID>2</CmdID><Data>1224</Data><Item><Data>x</Data></Item></Alert>\
        <Alert><CmdID>3</CmdID><Data>1226</Data></Alert>\
        <Alert><CmdID>4</CmdID><Data>1100</Data></Alert>\
        <Alert><CmdID>5</CmdID></Alert>\
        <Get><CmdID>6</CmdID><Item><Target><LocURI>./A</LocURI></Target></Item></Get>\
        <Sequence><CmdID>7</CmdID><Delete><CmdID>8</CmdID><Item><Target><LocURI>./A</LocURI></Target></Item></Delete>\
        </Sequence>\
        <Put><CmdID>10</CmdID><Item><Data>x</Data></Item></Put>\
        <Alert><CmdID>2</CmdID><Data>1224</Data><Item><Data>x</Data></Item></Alert>\
        <Alert><CmdID>0</CmdID><Data>1224</Data><Item><Data>x</Data></Item></Alert>\
        <Results><CmdID>11</CmdID><MsgRef>1</MsgRef><CmdRef>4</CmdRef><Item><Data>x</Data></Item></Results><Final/>";
    let reply = server.reply(from_device(1, "", body));
    assert_eq!(
        lines(&reply),
        "Status 200 SyncHdr; Status 200 Alert; Status 200 Alert; Status 412 Alert; Status 406 Alert; Status 412 Alert; \
         Status 405 Get; Status 405 Sequence; Status 405 Delete; Status 406 Put; Status 400 Alert; Status 400 Alert; \
         Status 400 Results; Final"
    );
    assert_eq!(
        server.faults(),
        [
            &PeerFault::CmdIdReused("2".into()),
            &PeerFault::CmdIdUnusable("0".into()),
            &PeerFault::UnexpectedResults { cmd_ref: "4".into() },
            &PeerFault::NoDevInfo,
        ]
    );
}

#[test]
pub(crate) fn statuses_and_results_for_commands_never_sent_are_reported_and_believed_by_nobody() {
    let mut server = waiting();
    let status = |cmd: u32| {
        format!(
            "<Status><CmdID>1</CmdID><MsgRef>1</MsgRef><CmdRef>{cmd}</CmdRef><Cmd>Get</Cmd><Data>200</Data></Status>"
        )
    };
    let results = "<Results><CmdID>3</CmdID><MsgRef>1</MsgRef><CmdRef>99</CmdRef><Item><Source><LocURI>./X</LocURI>\
        </Source><Data>x</Data></Item></Results>";
    let get =
        message(&server.reply(from_device(1, "", PACKAGE_ONE))).commands.last().unwrap().cmd_id().unwrap().clone();
    let own: u32 = get.as_str().parse().unwrap();
    let header =
        "<Status><CmdID>5</CmdID><MsgRef>1</MsgRef><CmdRef>0</CmdRef><Cmd>SyncHdr</Cmd><Data>200</Data></Status>";
    let body = format!("{header}{}{}{}{results}<Final/>", status(77), status(own), status(own));
    let reply = server.reply(from_device(2, "", &body));
    assert_eq!(lines(&reply), "Status 200 SyncHdr; Status 400 Results; Final");
    assert_eq!(server.outcomes(), ["read: 200"]);
    let unexpected = |cmd: u32| PeerFault::UnexpectedStatus { msg_ref: MsgId(1), cmd_ref: Some(cmd.into()) };
    let results = PeerFault::UnexpectedResults { cmd_ref: "99".into() };
    // One for no command of ours, and one more for a command that had its own.
    assert_eq!(server.faults(), [&unexpected(77), &unexpected(own), &results]);
}

#[test]
pub(crate) fn nothing_of_a_message_counts_before_its_sender_is_believed() {
    let mut server = Server { orders: read(), ..Server::new(Profile::new(SERVER)) };
    let reply = server.reply(from_device(1, "", PACKAGE_ONE));
    assert_eq!(
        lines(&reply),
        "Status 407 SyncHdr + challenge syncml:auth-md5; Status 407 Alert; Status 407 Replace; Final"
    );
    assert!(server.reports.is_empty(), "{:?}", server.reports);
    assert!(!server.session.is_authenticated());
}

#[test]
pub(crate) fn a_digest_over_the_wrong_nonce_or_of_another_scheme_is_challenged_anew() {
    let mut server = Server { orders: read(), ..Server::new(Profile::new(SERVER)) };
    let account = server.device.clone().unwrap();
    let basic = Account { scheme: Scheme::Basic, ..account.clone() };
    let nonce_of = |reply: &Packet| {
        let message = message(reply);
        let dm_core::wire::Command::Status(status) = &message.commands[0] else { panic!() };
        let chal = status.chal.clone().unwrap();
        Nonce::from_base64(chal.meta.next_nonce.unwrap().reveal()).unwrap()
    };
    let first = server.reply(from_device(1, &cred(&basic, None), PACKAGE_ONE));
    assert!(lines(&first).starts_with("Status 401 SyncHdr + challenge syncml:auth-md5; Status 401 Alert"));
    let reply = server.reply(from_device(2, &cred(&account, Some(nonce_of(&first).as_bytes())), PACKAGE_ONE));
    assert!(lines(&reply).starts_with("Status 212 SyncHdr"), "{}", lines(&reply));
    // A nonce counts once: the digest of the same session does not open the next one.
    let mut next =
        Server { device: server.device.clone(), orders: read(), now: 1_000, ..Server::new(Profile::new(SERVER)) };
    let reply = next.reply(from_device(1, &cred(&account, Some(nonce_of(&first).as_bytes())), PACKAGE_ONE));
    assert!(lines(&reply).starts_with("Status 401 SyncHdr"), "{}", lines(&reply));
    assert_ne!(nonce_of(&reply), nonce_of(&first));
}

#[test]
pub(crate) fn the_second_wrong_credentials_end_the_session() {
    let mut server = Server { orders: read(), ..Server::new(Profile::new(SERVER)) };
    let wrong = Account::new("device-001", "guess", Scheme::Md5);
    for msg_id in [1, 2] {
        assert_eq!(server.finished, None);
        let reply = server.reply(from_device(msg_id, &cred(&wrong, Some(b"n")), PACKAGE_ONE));
        assert!(lines(&reply).starts_with("Status 401 SyncHdr + challenge syncml:auth-md5"));
    }
    assert_eq!(server.finished, Some(Outcome::ClientNotAuthenticated));
    assert_eq!(server.reports, vec![Report::AuthenticationFailed { scheme: Some(Scheme::Md5) }; 2]);
}

#[test]
pub(crate) fn a_device_that_never_shows_credentials_is_challenged_three_times() {
    let mut server = Server { orders: read(), ..Server::new(Profile::new(SERVER)) };
    for msg_id in 1..=3 {
        assert_eq!(server.finished, None, "before message {msg_id}");
        server.reply(from_device(msg_id, "", PACKAGE_ONE));
    }
    assert_eq!(server.finished, Some(Outcome::ClientNotAuthenticated));
}

#[test]
pub(crate) fn a_device_that_is_not_served_is_told_why() {
    let profile = Profile::new(SERVER);
    let mut session = Session::new(&profile);
    let outputs = session.step(&env(1), Input::Received(from_device(1, "", PACKAGE_ONE)), &profile).unwrap();
    let [Output::Ask(Question::Authenticate(question))] = outputs.as_slice() else { panic!("{outputs:?}") };
    let answer = question.clone().answer(Verdict::Refused(StatusCode::FORBIDDEN), None);
    let outputs = session.step(&env(2), answer, &profile).unwrap();
    let [Output::Reply(reply), Output::Finished(outcome)] = outputs.as_slice() else { panic!("{outputs:?}") };
    assert_eq!(lines(reply), "Status 403 SyncHdr; Status 403 Alert; Status 403 Replace; Final");
    assert_eq!(*outcome, Outcome::Refused(StatusCode::FORBIDDEN));
}

#[test]
pub(crate) fn an_open_first_package_is_continued_by_a_server_that_signs() {
    let mut server = Server::new(Profile::new(SERVER));
    let account = server.device.clone().unwrap();
    let reply = server.reply(from_device(1, &cred(&account, None), &PACKAGE_ONE.replace("<Final/>", "")));
    assert!(lines(&reply).ends_with("Status 200 Replace; Alert 1222 (Next message)"), "{}", lines(&reply));
    assert!(message(&reply).header.cred.is_some());
}

#[test]
pub(crate) fn a_device_cannot_make_the_server_show_its_password() {
    let mut server = Server { orders: read(), ..Server::new(Profile::new(SERVER)) };
    let account = server.device.clone().unwrap();
    server.reply(from_device(1, &cred(&account, None), PACKAGE_ONE));
    let challenge = "<Status><CmdID>1</CmdID><MsgRef>1</MsgRef><CmdRef>0</CmdRef><Cmd>SyncHdr</Cmd><Chal><Meta>\
        <Format xmlns='syncml:metinf'>b64</Format><Type xmlns='syncml:metinf'>syncml:auth-basic</Type></Meta></Chal>\
        <Data>401</Data></Status><Final/>";
    let reply = server.reply(from_device(2, "", challenge));
    assert_eq!(lines(&reply), "Status 200 SyncHdr; Final");
    assert!(message(&reply).header.cred.is_none());
    assert_eq!(server.faults(), [&PeerFault::WeakChallenge(Scheme::Basic)]);
    assert_eq!(server.finished, Some(Outcome::ServerNotAuthenticated));
    assert_eq!(server.outcomes(), ["read: unknown"]);
}

#[test]
pub(crate) fn an_open_package_is_continued_and_an_endless_one_is_cut_off() {
    let mut server = Server::trusting(read());
    let first = server.reply(from_device(1, "", &PACKAGE_ONE.replace("<Final/>", "")));
    assert_eq!(lines(&first), "Status 200 SyncHdr; Status 200 Alert; Status 200 Replace; Alert 1222 (Next message)");
    let next =
        "<Status><CmdID>1</CmdID><MsgRef>{}</MsgRef><CmdRef>0</CmdRef><Cmd>SyncHdr</Cmd><Data>200</Data></Status>";
    for msg_id in 2..=8u32 {
        let reply = server.reply(from_device(msg_id, "", &next.replace("{}", &(msg_id - 1).to_string())));
        assert_eq!(lines(&reply), "Status 200 SyncHdr; Alert 1222 (Next message)");
    }
    let reply = server.reply(from_device(9, "", &next.replace("{}", "8")));
    assert_eq!(lines(&reply), "Status 200 SyncHdr; Alert 1223 (Session abort); Final");
    assert_eq!(server.finished, Some(Outcome::Failed(PeerFault::Endless)));
}

#[test]
pub(crate) fn a_device_that_aborts_gets_its_statuses_and_no_commands() {
    let mut server = waiting();
    let body = "<Status><CmdID>1</CmdID><MsgRef>1</MsgRef><CmdRef>0</CmdRef><Cmd>SyncHdr</Cmd><Data>200</Data></Status>\
        <Alert><CmdID>2</CmdID><Data>1223</Data></Alert><Final/>";
    assert_eq!(lines(&server.reply(from_device(2, "", body))), "Status 200 SyncHdr; Status 200 Alert; Final");
    assert_eq!(server.finished, Some(Outcome::PeerAborted));
    assert_eq!(server.outcomes(), ["read: unknown"]);
}

#[test]
pub(crate) fn an_abort_goes_out_with_the_next_reply() {
    let mut server = waiting();
    assert_eq!(server.take(Input::Abort(Reason::ShuttingDown)).unwrap(), []);
    let reply = server.reply(from_device(2, "", "<Final/>"));
    assert_eq!(lines(&reply), "Status 200 SyncHdr; Alert 1223 (Session abort); Final");
    assert_eq!(server.finished, Some(Outcome::Aborted(Reason::ShuttingDown)));
}

#[test]
pub(crate) fn silence_ends_a_session_when_its_time_has_come_and_not_before() {
    let mut server = waiting();
    let Some(Deadline { at, why: Why::Idle }) = server.session.deadline() else { panic!() };
    server.now = at.0 - 2;
    assert_eq!(server.take(Input::Wake).unwrap(), []);
    let out = server.take(Input::Wake).unwrap();
    assert_eq!(out, [Output::Report(Report::Unknown("read".into())), Output::Finished(Outcome::TimedOut)]);
    assert_eq!(server.session.deadline(), None);
    assert_eq!(server.take(Input::Wake).unwrap(), []);
}

#[test]
pub(crate) fn a_stranger_is_waited_for_less_long() {
    let mut server = Server::new(Profile::new(SERVER));
    server.reply(from_device(1, "", PACKAGE_ONE));
    let deadline = server.session.deadline().unwrap();
    assert_eq!((deadline.why, deadline.at), (Why::Unauthenticated, Tick(server.now) + Millis::from_secs(180)));
}

#[test]
fn a_request_to_go_on_with_nothing_is_answered_and_reported() {
    let mut server = waiting();
    let reply = server.reply(from_device(2, "", "<Alert><CmdID>1</CmdID><Data>1222</Data></Alert><Final/>"));
    assert!(lines(&reply).starts_with("Status 200 SyncHdr; Status 200 Alert"), "{}", lines(&reply));
    assert!(server.faults().contains(&&PeerFault::NothingToContinue), "{:?}", server.faults());
}

#[test]
fn alerts_that_are_none_or_go_the_other_way_are_refused_by_their_status() {
    for (data, code) in [("<Data>1100</Data>", 406), ("<Data>1250</Data>", 406), ("", 412)] {
        let mut server = waiting();
        let reply = server.reply(from_device(2, "", &format!("<Alert><CmdID>1</CmdID>{data}</Alert><Final/>")));
        assert!(lines(&reply).contains(&format!("Status {code} Alert")), "{}", lines(&reply));
    }
}

#[test]
pub(crate) fn a_late_message_finds_the_session_timed_out() {
    let mut server = waiting();
    server.now = server.session.deadline().unwrap().at.0;
    let out = server.take(Input::Received(from_device(2, "", "<Final/>"))).unwrap();
    let unknown = Output::Report(Report::Unknown("read".into()));
    assert_eq!(out, [unknown, Output::Refuse(PeerFault::SessionOver), Output::Finished(Outcome::TimedOut)]);
}

#[test]
pub(crate) fn time_never_runs_back() {
    let mut server = waiting();
    let at = server.session.deadline().unwrap().at;
    server.now = at.0 - 10;
    server.reply(from_device(2, "", "<Alert><CmdID>1</CmdID><Data>1224</Data><Item><Data>x</Data></Item></Alert>"));
    let later = server.session.deadline().unwrap().at;
    server.now = 0;
    server.reply(from_device(3, "", "<Alert><CmdID>1</CmdID><Data>1224</Data><Item><Data>x</Data></Item></Alert>"));
    assert!(server.session.deadline().unwrap().at >= later && later > at);
}

#[test]
pub(crate) fn misuse_is_named_and_changes_nothing() {
    let profile = Profile::new(SERVER);
    let mut session = Session::new(&profile);
    let check = |session: &mut Session, input: Input, misuse: Misuse| {
        let before = session.snapshot();
        let mut out = vec![Output::Finished(Outcome::Completed)];
        assert_eq!(session.handle(&env(5), input, &mut out), Err(misuse));
        assert_eq!((session.snapshot(), out.len()), (before, 1));
    };
    let answer = |id: u64| Input::Answered(server::Answer::Commands { id: QuestionId(id), orders: Vec::new() });
    check(&mut session, answer(1), Misuse::NotAsked { given: QuestionId(1), open: None });
    session.step(&env(1), Input::Received(from_device(1, "", PACKAGE_ONE)), &profile).unwrap();
    let open = session.pending().unwrap().id();
    check(&mut session, Input::Received(from_device(1, "", PACKAGE_ONE)), Misuse::Asking(open));
    check(&mut session, Input::Abort(Reason::Requested), Misuse::Asking(open));
    check(&mut session, answer(open.0), Misuse::WrongKind(open));
    check(&mut session, answer(77), Misuse::NotAsked { given: QuestionId(77), open: Some(open) });
    let mut fresh = Session::new(&profile);
    fresh.step(&env(1), Input::Abort(Reason::Requested), &profile).unwrap();
    check(&mut fresh, Input::Abort(Reason::Requested), Misuse::Over);
}

#[test]
pub(crate) fn a_message_is_routed_by_device_and_session_in_any_letters() {
    let profile = Profile::new(SERVER);
    let packet = from_device(1, "", "<Final/>");
    let key = SessionKey { device: DEVICE.into(), session: "2F".into() };
    assert_eq!(server::route(&packet, &profile), Ok(key.clone()));
    let lower = std::str::from_utf8(&packet.body).unwrap().replace("2F", "2f");
    assert_eq!(server::route(&Packet::xml(lower), &profile), Ok(key));
}

#[test]
pub(crate) fn a_message_read_before_its_turn_comes_to_the_same_as_one_read_in_it() {
    let profile = Profile::new(SERVER);
    let whole = from_device(1, "", PACKAGE_ONE);
    let text = std::str::from_utf8(&whole.body).unwrap();
    let (header, body) = (text.find("<SyncHdr>").unwrap(), text.find("<SyncBody>").unwrap());
    let header = text.get(header..body).unwrap();
    let faulty_first = text.replace(header, &format!("<SyncBody><Alert/></SyncBody>{header}"));
    let broken = text.replace("<Final/>", "<Status/><Final/>");
    for packet in [whole.clone(), Packet::xml(faulty_first), Packet::xml(broken)] {
        let arrival = server::Arrival::read(packet.clone(), &profile).unwrap();
        assert_eq!((arrival.key(), arrival.packet()), (&server::route(&packet, &profile).unwrap(), &packet));
        let begin = || server::Turn::begin(None, &profile).unwrap().unrecorded();
        let (mut read, mut unread) = (begin(), begin());
        let asked = read.receive(&env(1), arrival.clone()).unwrap();
        assert_eq!(asked, unread.step(&env(1), Input::Received(packet)).unwrap());
        let ((snapshot, facts), (other_snapshot, other_facts)) = (read.finish(), unread.finish());
        assert_eq!((snapshot, facts.reply, facts.refused), (other_snapshot, other_facts.reply, other_facts.refused));
        let mut recorded = server::Turn::begin(None, &profile).unwrap();
        assert_eq!(recorded.receive(&env(1), arrival).unwrap(), asked);
        assert_eq!(recorded.finish().1.records.len(), 1);
    }
    let cut = Packet::xml(text.as_bytes().get(..text.len() / 4).unwrap());
    assert_eq!(server::Arrival::read(cut.clone(), &profile).err(), server::route(&cut, &profile).err());
}

#[test]
pub(crate) fn an_order_with_octets_goes_out_as_base64() {
    let content = dm_core::tree::Content {
        format: Some(dm_core::wire::Format::Bin),
        media_type: None,
        data: Some((&[0u8, 1, 2][..]).into()),
        in_parts: None,
    };
    let entry = Entry { uri: "./A".into(), content };
    let mut server = Server::trusting(vec![vec![Order::new("add", Request::Add(vec![entry]))]]);
    let reply = server.reply(from_device(1, "", PACKAGE_ONE));
    let text = std::str::from_utf8(&reply.body).unwrap();
    assert!(text.contains("<Format xmlns=\"syncml:metinf\">b64</Format></Meta><Data>AAEC</Data>"), "{text}");
}

#[test]
fn sessions_that_are_given_one_profile_share_it() {
    let profile = std::sync::Arc::new(server::Profile::new(SERVER));
    let count = || std::sync::Arc::strong_count(&profile);
    let turn = server::Turn::begin(None, profile.clone()).unwrap();
    assert_eq!(count(), 2);
    let copy = server::Turn::begin(Some(turn.finish().0), &*profile).unwrap();
    assert_eq!(count(), 1, "whoever has no Arc of it brings a copy");
    drop(copy);
    let (first, second) = (Session::new(profile.clone()), Session::new(profile.clone()));
    assert_eq!(count(), 3);
    assert_eq!(first.snapshot(), second.snapshot());
}
