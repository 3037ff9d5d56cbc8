//! The client session against what a server, or the network in its name, may send.

use core_kit::{Deadline, Durable, Machine, Millis, Tick};
use dm_core::{
    Packet,
    auth::Scheme,
    client::{Answer, Failure, Input, Misuse, Output, Profile, Report, Session, Trigger, Why},
    fault::PeerFault,
    ids::{MsgId, QuestionId},
    server::{self, Order, Request},
    session::{Outcome, Reason},
};

use crate::harness::{DEVICE, Device, Driven, SERVER, Server, cred, env, from_server, lines, message};

mod alerts;
pub(crate) mod blocks;
pub(crate) mod objects;
pub(crate) mod packages;
pub(crate) mod prompts;

const HEADER: &str =
    "<Status><CmdID>1</CmdID><MsgRef>1</MsgRef><CmdRef>0</CmdRef><Cmd>SyncHdr</Cmd><Data>212</Data></Status>";

/// A client that waits for package 2.
fn waiting() -> Device {
    let mut device = Device::trusting();
    device.start();
    device
}

/// What a trusting client says to these commands.
fn says(commands: &str) -> String {
    let mut device = waiting();
    let reply = device.send(Input::Received(from_server(1, "", &format!("{HEADER}{commands}<Final/>"))));
    reply.map_or_else(|| "nothing".into(), |packet| lines(&packet))
}

/// A server's message that answers message `answered` of the client.
fn reply(msg_id: u32, answered: u32, body: &str) -> Input {
    reply_with(msg_id, answered, "", body)
}

/// The same, with more in its header.
fn reply_with(msg_id: u32, answered: u32, header: &str, body: &str) -> Input {
    let status = HEADER.replace("<MsgRef>1", &format!("<MsgRef>{answered}")).replace("<CmdID>1<", "<CmdID>s<");
    Input::Received(from_server(msg_id, header, &format!("{status}{body}")))
}

const NEXT: &str = "<Alert><CmdID>n</CmdID><Data>1222</Data></Alert>";

fn max_msg_size(octets: u32) -> String {
    format!("<Meta><MaxMsgSize xmlns='syncml:metinf'>{octets}</MaxMsgSize></Meta>")
}

/// What the client sends upon an input, in a few lines.
fn sent(device: &mut Device, input: Input) -> String {
    device.send(input).map_or_else(|| "nothing".into(), |packet| lines(&packet))
}

fn faults(device: &Device) -> Vec<&PeerFault> {
    let faults = device.reports.iter().filter_map(|report| match report {
        Report::Fault { fault, .. } => Some(fault),
        _ => None,
    });
    faults.collect()
}

fn item(uri: &str) -> String {
    format!("<Item><Target><LocURI>{uri}</LocURI></Target></Item>")
}

#[test]
pub(crate) fn package_one_tells_who_is_speaking_and_what_the_device_is() {
    let mut device = Device::trusting();
    let packet = device.start();
    assert_eq!(
        lines(&packet),
        "Alert 1201 (Client-initiated management); Replace ./DevInfo/Man = \"Acme\", ./DevInfo/Mod = \"M1\"; Final"
    );
    let header = message(&packet).header;
    assert_eq!((header.ver_dtd.as_str(), header.ver_proto.as_str()), ("1.2", "DM/1.2"));
    assert_eq!((header.session_id.as_str(), header.msg_id), ("2F", MsgId(1)));
    assert_eq!((header.target.uri.as_str(), header.source.uri.as_str()), (SERVER, DEVICE));
    assert_eq!(header.meta.unwrap().max_msg_size, Some(64 * 1024));
}

#[test]
pub(crate) fn a_notification_opens_the_session_with_its_own_alert() {
    let mut device = Device::trusting();
    let packet = device.send(Input::Start(Trigger::Server("AB".into()))).unwrap();
    assert!(lines(&packet).starts_with("Alert 1200 (Server-initiated management)"));
    assert_eq!(message(&packet).header.session_id.as_str(), "AB");
}

#[test]
pub(crate) fn a_package_of_statuses_only_ends_the_session_without_a_word() {
    let statuses =
        "<Status><CmdID>2</CmdID><MsgRef>1</MsgRef><CmdRef>1</CmdRef><Cmd>Alert</Cmd><Data>200</Data></Status>";
    let mut device = waiting();
    assert_eq!(device.send(Input::Received(from_server(1, "", &format!("{HEADER}{statuses}<Final/>")))), None);
    assert_eq!(device.finished, Some(Outcome::Completed));
    assert!(faults(&device).is_empty());
}

#[test]
pub(crate) fn each_item_gets_its_status_and_a_get_its_results_after_them() {
    let get = format!("<Get><CmdID>2</CmdID>{}{}</Get>", item("./DevInfo/Man"), item("./Nope"));
    let replace = "<Replace><CmdID>3</CmdID><Item><Target><LocURI>./Settings/Volume</LocURI></Target><Data>9</Data></Item>\
        </Replace>";
    let delete = format!("<Delete><CmdID>4</CmdID>{}</Delete>", item("./Settings/Volume"));
    assert_eq!(
        says(&format!("{get}{replace}{delete}")),
        "Status 200 SyncHdr; Status 200 Get ./DevInfo/Man; Status 404 Get ./Nope; Results ./DevInfo/Man = \"Acme\"; \
         Status 200 Replace ./Settings/Volume; Status 200 Delete ./Settings/Volume; Final"
    );
}

#[test]
pub(crate) fn a_copy_names_both_its_nodes() {
    let copy = "<Copy><CmdID>2</CmdID><Item><Target><LocURI>./Settings/Volume</LocURI></Target><Source>\
        <LocURI>./DevInfo/Mod</LocURI></Source></Item><Item><Target><LocURI>./Settings/Volume</LocURI></Target></Item></Copy>";
    assert_eq!(
        says(copy),
        "Status 200 SyncHdr; Status 200 Copy ./Settings/Volume ./DevInfo/Mod; Status 404 Copy ./Settings/Volume; Final"
    );
}

#[test]
pub(crate) fn what_is_in_a_sequence_runs_in_order_and_nesting_is_refused() {
    let inner = format!("<Get><CmdID>3</CmdID>{}</Get>", item("./DevInfo/Mod"));
    let atomic =
        format!("<Atomic><CmdID>4</CmdID><Delete><CmdID>5</CmdID>{}</Delete></Atomic>", item("./Settings/Volume"));
    let sequence = format!("<Sequence><CmdID>2</CmdID>{inner}{atomic}</Sequence>");
    assert_eq!(
        says(&sequence),
        "Status 200 SyncHdr; Status 200 Sequence; Status 200 Get ./DevInfo/Mod; Results ./DevInfo/Mod = \"M1\"; \
         Status 500 Atomic; Status 500 Delete; Final"
    );
    assert_eq!(says(&atomic), "Status 200 SyncHdr; Status 200 Atomic; Status 200 Delete ./Settings/Volume; Final");
}

#[test]
pub(crate) fn what_a_client_does_not_do_is_refused_command_by_command() {
    let bad = [
        ("<Alert><CmdID>2</CmdID><Data>1100</Data></Alert>", "Status 406 Alert"),
        ("<Alert><CmdID>2</CmdID></Alert>", "Status 412 Alert"),
        ("<Put><CmdID>2</CmdID><Item><Data>x</Data></Item></Put>", "Status 406 Put"),
        ("<Get><CmdID>2</CmdID></Get>", "Status 400 Get"),
        ("<Get><CmdID>2</CmdID><Item><Data>x</Data></Item></Get>", "Status 404 Get"),
        ("<Exec><CmdID>2</CmdID><Item><Data>1</Data></Item><Item><Data>2</Data></Item></Exec>", "Status 400 Exec"),
        ("<Get><CmdID>0</CmdID><Item><Target><LocURI>./DevInfo/Man</LocURI></Target></Item></Get>", "Status 400 Get"),
    ];
    for (command, status) in bad {
        assert_eq!(says(command), format!("Status 200 SyncHdr; {status}; Final"), "{command}");
    }
    let twice =
        format!("<Get><CmdID>2</CmdID>{0}</Get><Delete><CmdID>2</CmdID>{0}</Delete>", item("./Settings/Volume"));
    assert!(says(&twice).ends_with("Results ./Settings/Volume = \"3\"; Status 400 Delete; Final"), "{}", says(&twice));
}

#[test]
pub(crate) fn credentials_inside_a_command_are_reported_and_not_used() {
    let mut device = waiting();
    let cred = "<Cred><Meta><Type xmlns='syncml:metinf'>syncml:auth-basic</Type></Meta><Data>eDp5</Data></Cred>";
    let get = format!("<Get><CmdID>2</CmdID>{cred}{}</Get>", item("./DevInfo/Man"));
    device.send(Input::Received(from_server(1, "", &format!("{HEADER}{get}<Final/>")))).unwrap();
    assert_eq!(faults(&device), [&PeerFault::CredInCommand("2".into())]);
}

#[test]
pub(crate) fn nothing_is_done_for_a_server_that_is_not_believed() {
    let mut device = Device::new(Device::usual());
    device.start();
    let delete = format!("<Delete><CmdID>2</CmdID>{}</Delete>", item("./Settings/Volume"));
    let body = format!("{HEADER}{delete}<Final/>");
    let reply = device.send(Input::Received(from_server(1, "", &body))).unwrap();
    assert_eq!(lines(&reply), "Status 407 SyncHdr + challenge syncml:auth-md5; Status 407 Delete; Final");
    assert_eq!(device.tree.text("./Settings/Volume"), Some("3"));
    let again = body.replace("<MsgRef>1", "<MsgRef>2");
    let reply = device.send(Input::Received(from_server(2, &cred(&device.own, Some(b"x")), &again))).unwrap();
    assert!(lines(&reply).starts_with("Status 401 SyncHdr + challenge"), "{}", lines(&reply));
    let third = body.replace("<MsgRef>1", "<MsgRef>3");
    assert_eq!(device.send(Input::Received(from_server(3, &cred(&device.own, Some(b"x")), &third))), None);
    assert_eq!(device.finished, Some(Outcome::ServerNotAuthenticated));
    assert_eq!(device.tree.text("./Settings/Volume"), Some("3"));
}

#[test]
pub(crate) fn a_server_that_is_not_believed_and_wants_nothing_is_not_challenged() {
    let mut device = Device::new(Device::usual());
    device.start();
    assert_eq!(device.send(Input::Received(from_server(1, "", &format!("{HEADER}<Final/>")))), None);
    assert_eq!(device.finished, Some(Outcome::ServerNotAuthenticated));
}

#[test]
pub(crate) fn a_server_cannot_show_the_clients_own_digest_back() {
    let mut device = Device::new(Device::usual());
    device.start();
    let get = format!("<Get><CmdID>2</CmdID>{}</Get>", item("./DevInfo/Man"));
    let reflected = cred(&device.own, None);
    let reply = device.send(Input::Received(from_server(1, &reflected, &format!("{HEADER}{get}<Final/>")))).unwrap();
    assert!(lines(&reply).starts_with("Status 401 SyncHdr + challenge"), "{}", lines(&reply));
}

#[test]
pub(crate) fn a_challenge_to_a_weaker_scheme_is_refused() {
    let mut device = Device::new(Device::usual());
    device.start();
    let chal = "<Chal><Meta><Format xmlns='syncml:metinf'>b64</Format><Type xmlns='syncml:metinf'>syncml:auth-basic</Type>\
        </Meta></Chal><Data>401</Data>";
    let body = HEADER.replace("<Data>212</Data>", chal);
    assert_eq!(device.send(Input::Received(from_server(1, "", &format!("{body}<Final/>")))), None);
    assert_eq!(device.finished, Some(Outcome::ClientNotAuthenticated));
    assert_eq!(faults(&device), [&PeerFault::WeakChallenge(Scheme::Basic)]);
}

#[test]
pub(crate) fn a_refusal_without_a_challenge_or_for_another_reason_ends_the_session() {
    let refused = |code: u16| {
        let mut device = waiting();
        let body = HEADER.replace("212", &code.to_string());
        assert_eq!(device.send(Input::Received(from_server(1, "", &format!("{body}<Final/>")))), None);
        device.finished.unwrap()
    };
    assert_eq!(refused(401), Outcome::ClientNotAuthenticated);
    for code in [402, 403, 503, 511] {
        assert_eq!(refused(code), Outcome::PeerRefused(dm_core::codes::StatusCode(code)));
    }
}

#[test]
pub(crate) fn a_server_that_aborts_gets_no_answer() {
    let mut device = waiting();
    let body = format!("{HEADER}<Alert><CmdID>2</CmdID><Data>1223</Data></Alert><Final/>");
    assert_eq!(device.send(Input::Received(from_server(1, "", &body))), None);
    assert_eq!(device.finished, Some(Outcome::PeerAborted));
}

#[test]
pub(crate) fn an_abort_is_sent_and_its_answer_is_not_waited_for() {
    let mut device = waiting();
    let outputs = device.take(Input::Abort(Reason::Requested)).unwrap();
    let [Output::Send(request), Output::Finished(Outcome::Aborted(Reason::Requested))] = outputs.as_slice() else {
        panic!("{outputs:?}")
    };
    assert!(!request.wants_reply);
    assert_eq!(lines(&request.packet), "Alert 1223 (Session abort); Final");
    let late = from_server(1, "", &format!("{HEADER}<Get><CmdID>2</CmdID>{}</Get><Final/>", item("./DevInfo/Man")));
    assert_eq!(device.take(Input::Received(late)).unwrap(), []);
}

#[test]
pub(crate) fn the_next_message_goes_where_the_server_says() {
    let mut device = waiting();
    let get = format!("{HEADER}<Get><CmdID>2</CmdID>{}</Get><Final/>", item("./DevInfo/Man"));
    let uri = "<RespURI>https://dm.example.com/dm?s=1</RespURI>";
    let outputs = device.take(Input::Received(from_server(1, uri, &get))).unwrap();
    let sent = outputs.into_iter().find_map(|output| match output {
        Output::Send(request) => Some(request),
        _ => None,
    });
    let request = sent.unwrap();
    assert_eq!(request.url, "https://dm.example.com/dm?s=1");
    assert_eq!(message(&request.packet).header.target.uri, request.url);
}

#[test]
pub(crate) fn an_open_package_is_asked_on_and_an_endless_one_is_given_up() {
    let mut device = waiting();
    for msg_id in 1..=8u32 {
        let body = HEADER.replace("<MsgRef>1", &format!("<MsgRef>{msg_id}"));
        let reply = device.send(Input::Received(from_server(msg_id, "", &body))).unwrap();
        assert_eq!(lines(&reply), "Status 200 SyncHdr; Alert 1222 (Next message)");
    }
    let body = HEADER.replace("<MsgRef>1", "<MsgRef>9");
    let reply = device.send(Input::Received(from_server(9, "", &body))).unwrap();
    assert_eq!(lines(&reply), "Status 200 SyncHdr; Alert 1223 (Session abort); Final");
    assert_eq!(device.finished, Some(Outcome::Failed(PeerFault::Endless)));
}

#[test]
pub(crate) fn a_reply_is_taken_once() {
    let mut device = waiting();
    let delete = format!("{HEADER}<Delete><CmdID>2</CmdID>{}</Delete><Final/>", item("./Settings/Volume"));
    let reply = from_server(1, "", &delete);
    device.send(Input::Received(reply.clone())).unwrap();
    let before = device.session.snapshot();
    let stale = Report::Fault { msg_id: Some(MsgId(1)), fault: PeerFault::StaleMessage(MsgId(1)) };
    assert_eq!(device.take(Input::Received(reply)).unwrap(), [Output::Report(stale)]);
    assert_eq!(device.session.snapshot(), before);
}

#[test]
pub(crate) fn a_reply_to_another_message_is_not_taken() {
    let mut device = waiting();
    let before = device.session.snapshot();
    let reply = from_server(1, "", &HEADER.replace("<MsgRef>1", "<MsgRef>7"));
    let wrong = Report::Fault { msg_id: Some(MsgId(1)), fault: PeerFault::WrongReference };
    assert_eq!(device.take(Input::Received(reply)).unwrap(), [Output::Report(wrong)]);
    assert_eq!(device.session.snapshot(), before);
}

#[test]
pub(crate) fn a_reply_for_another_session_or_device_counts_as_lost() {
    for (from, to) in [(">2F<", ">30<"), (DEVICE, "urn:uuid:other")] {
        let mut device = waiting();
        let reply = from_server(1, "", &format!("{HEADER}<Final/>"));
        let reply = Packet::xml(std::str::from_utf8(&reply.body).unwrap().replace(from, to));
        let fault = Report::Fault { msg_id: Some(MsgId(1)), fault: PeerFault::ForeignSession };
        assert_eq!(device.take(Input::Received(reply)).unwrap(), [Output::Report(fault)]);
        assert_eq!(device.session.deadline().unwrap().why, Why::Retry);
    }
}

#[test]
pub(crate) fn a_reply_that_cannot_be_read_makes_the_client_ask_again_with_the_same_bytes() {
    let mut device = Device::trusting();
    let first = device.start();
    let whole = from_server(1, "", &format!("{HEADER}<Final/>"));
    let cut = Packet::xml(&whole.body[..whole.body.len() / 2]);
    for _ in 0..3 {
        assert_eq!(device.send(Input::Received(cut.clone())), None);
        let Some(Deadline { at, why: Why::Retry }) = device.session.deadline() else { panic!() };
        device.now = at.0;
        assert_eq!(device.send(Input::Wake), Some(first.clone()));
    }
    device.take(Input::Received(cut)).unwrap();
    assert!(matches!(device.finished, Some(Outcome::Failed(PeerFault::Malformed { .. }))), "{:?}", device.finished);
}

#[test]
pub(crate) fn a_lost_message_is_sent_again_after_16_32_and_64_seconds() {
    let mut device = Device::trusting();
    let first = device.start();
    for wait_s in [16, 32, 64] {
        device.take(Input::SendFailed(Failure::Temporary)).unwrap();
        let deadline = device.session.deadline().unwrap();
        assert_eq!(deadline, Deadline { at: Tick(device.now) + Millis::from_secs(wait_s), why: Why::Retry });
        // The same loss is not counted twice.
        device.take(Input::SendFailed(Failure::Temporary)).unwrap();
        assert_eq!(device.session.deadline(), Some(deadline));
        device.now = deadline.at.0 - 2;
        assert_eq!(device.send(Input::Wake), None, "not before its time");
        assert_eq!(device.send(Input::Wake), Some(first.clone()));
    }
    device.take(Input::SendFailed(Failure::Temporary)).unwrap();
    assert_eq!(device.finished, Some(Outcome::Unreachable));
}

#[test]
pub(crate) fn silence_is_a_loss_and_ends_the_session_in_time() {
    let mut device = waiting();
    let mut woken = 0;
    while let Some(deadline) = device.session.deadline() {
        device.now = deadline.at.0 - 1;
        device.take(Input::Wake).unwrap();
        assert!(device.session.deadline().is_none_or(|next| next.at > deadline.at), "no hot loop");
        woken += 1;
    }
    assert_eq!((device.finished, woken), (Some(Outcome::TimedOut), 7));
}

#[test]
pub(crate) fn a_reply_that_comes_while_waiting_to_send_again_is_taken() {
    let mut device = waiting();
    device.take(Input::SendFailed(Failure::Temporary)).unwrap();
    device.take(Input::Received(from_server(1, "", &format!("{HEADER}<Final/>")))).unwrap();
    assert_eq!(device.finished, Some(Outcome::Completed));
}

#[test]
pub(crate) fn a_transport_that_cannot_deliver_ends_the_session() {
    let mut device = waiting();
    device.take(Input::SendFailed(Failure::Permanent)).unwrap();
    assert_eq!(device.finished, Some(Outcome::Unreachable));
}

#[test]
pub(crate) fn misuse_is_named_and_changes_nothing() {
    let profile = Profile::new(DEVICE, SERVER, "srv");
    let mut session = Session::new(&profile);
    let check = |session: &mut Session, input: Input, misuse: Misuse| {
        let before = session.snapshot();
        let mut out = vec![Output::Finished(Outcome::Completed)];
        assert_eq!(session.handle(&env(5), input, &mut out), Err(misuse));
        assert_eq!((session.snapshot(), out.len()), (before, 1));
    };
    let reply = || Input::Received(from_server(1, "", HEADER));
    let tree = |id: QuestionId| Input::Answered(Answer::Tree { id, results: Vec::new() });
    check(&mut session, reply(), Misuse::NotWaiting);
    check(&mut session, tree(QuestionId(1)), Misuse::NotAsked { given: QuestionId(1), open: None });
    session.step(&env(1), Input::Start(Trigger::Client("1".into())), &profile).unwrap();
    let open = session.pending().unwrap().id();
    check(&mut session, Input::Start(Trigger::Client("1".into())), Misuse::Started);
    check(&mut session, reply(), Misuse::Asking(open));
    check(&mut session, Input::Abort(Reason::Requested), Misuse::Asking(open));
    check(&mut session, tree(open), Misuse::WrongCount { asked: 5, given: 0 });
    check(&mut session, Input::Answered(Answer::Sign { id: open, signature: None }), Misuse::WrongKind(open));
    check(&mut session, tree(QuestionId(9)), Misuse::NotAsked { given: QuestionId(9), open: Some(open) });
    let mut fresh = Session::new(&profile);
    fresh.step(&env(1), Input::Abort(Reason::Requested), &profile).unwrap();
    check(&mut fresh, Input::Abort(Reason::Requested), Misuse::Over);
    check(&mut fresh, Input::Start(Trigger::Client("1".into())), Misuse::Started);
}

#[test]
pub(crate) fn an_aborting_server_ends_our_clients_session_too() {
    let mut device = Device::trusting();
    let mut server = Server::trusting(vec![vec![Order::new("get", Request::Get(vec!["./DevInfo/Man".into()]))]]);
    let reply = server.reply(device.start());
    server.take(server::Input::Abort(Reason::ShuttingDown)).unwrap();
    let request = device.send(Input::Received(reply)).unwrap();
    let reply = server.reply(request);
    assert_eq!(device.send(Input::Received(reply)), None);
    assert_eq!(device.finished, Some(Outcome::PeerAborted));
    assert_eq!(server.finished, Some(Outcome::Aborted(Reason::ShuttingDown)));
}

#[test]
pub(crate) fn a_client_that_signs_signs_its_abort_too() {
    let mut device = Device::new(Device::usual());
    device.start();
    let abort = device.send(Input::Abort(Reason::ShuttingDown)).unwrap();
    assert!(message(&abort).header.cred.is_some());
    assert_eq!(device.finished, Some(Outcome::Aborted(Reason::ShuttingDown)));
}

#[test]
pub(crate) fn a_signing_server_may_leave_its_package_open() {
    let alert = "<Alert><CmdID>2</CmdID><Data>1100</Data></Alert>";
    for (code, signed) in [("212", false), ("200", true)] {
        let mut device = Device::new(Device::usual());
        device.start();
        let body = format!("{}{alert}", HEADER.replace("212", code));
        let reply = device.send(Input::Received(from_server(1, &cred(&device.server, None), &body))).unwrap();
        assert_eq!(
            lines(&reply),
            "Status 212 SyncHdr + next nonce syncml:auth-md5; Status 406 Alert; Alert 1222 (Next message)"
        );
        assert_eq!(message(&reply).header.cred.is_some(), signed, "{code}");
    }
}

#[test]
pub(crate) fn a_server_that_takes_no_answer_at_all_is_given_up() {
    let mut device = waiting();
    let small = "<Meta><MaxMsgSize xmlns='syncml:metinf'>100</MaxMsgSize></Meta>";
    let get = format!("{HEADER}<Get><CmdID>2</CmdID>{}</Get><Final/>", item("./DevInfo/Man"));
    assert_eq!(device.send(Input::Received(from_server(1, small, &get))), None);
    assert_eq!(device.finished, Some(Outcome::Failed(PeerFault::PeerTooSmall)));
}
