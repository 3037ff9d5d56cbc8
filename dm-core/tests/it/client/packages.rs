//! Packages of several messages, both ways [DM 1.2, 6; digest 3.4].

use dm_core::wire::Command;

use super::*;

fn get(id: u32, uri: &str) -> String {
    format!("<Get><CmdID>{id}</CmdID>{}</Get>", item(uri))
}

/// A device with values of this many octets, waiting.
fn with_values(octets: usize) -> Device {
    let mut device = Device::trusting();
    for uri in ["./DevInfo/Man", "./DevInfo/Mod", "./Settings/Volume"] {
        device.tree.set_value(uri, uri.repeat(octets / uri.len() + 1)).unwrap();
    }
    device.start();
    device
}

fn three_gets() -> String {
    format!("{}{}{}", get(2, "./DevInfo/Man"), get(3, "./DevInfo/Mod"), get(4, "./Settings/Volume"))
}

/// The values that results hold, over several messages.
fn values(packet: &Packet) -> Vec<(String, usize)> {
    let mut found = Vec::new();
    for command in &message(packet).commands {
        if let Command::Results(results) = command {
            for item in &results.items {
                let octets = item.data.as_ref().map_or(0, |data| data.as_bytes().len());
                found.push((item.source_uri().unwrap().into(), octets));
            }
        }
    }
    found
}

#[test]
pub(crate) fn a_package_is_split_to_the_size_that_the_server_takes() {
    let mut device = with_values(700);
    let body = format!("{}<Final/>", three_gets());
    let mut packet = device.send(reply_with(1, 1, &max_msg_size(2000), &body)).unwrap();
    let (mut said, mut found, mut msg_id) = (Vec::new(), Vec::new(), 1);
    loop {
        assert!(packet.body.len() <= 2000, "{}", packet.body.len());
        said.push(lines(&packet));
        found.extend(values(&packet));
        if message(&packet).is_final {
            break;
        }
        msg_id += 1;
        packet = device.send(reply(msg_id, msg_id, NEXT)).unwrap();
    }
    assert!(said.len() > 2, "{said:#?}");
    assert!(said[0].starts_with("Status 200 SyncHdr; Status 200 Get"));
    for later in &said[1..] {
        assert!(later.starts_with("Status 200 SyncHdr; Status 200 Alert"), "{later}");
        assert!(!later.contains("1222"), "the client asks for nothing: {later}");
    }
    let uris: Vec<_> = found.iter().map(|(uri, _)| uri.as_str()).collect();
    assert_eq!(uris, ["./DevInfo/Man", "./DevInfo/Mod", "./Settings/Volume"], "whole, once, in order");
    assert!(faults(&device).is_empty(), "{:?}", faults(&device));
    assert_eq!(sent(&mut device, reply(msg_id + 1, msg_id + 1, "<Final/>")), "nothing");
    assert_eq!(device.finished, Some(Outcome::Completed));
}

#[test]
pub(crate) fn nothing_is_lost_when_a_message_in_the_middle_is_repeated() {
    let mut device = with_values(700);
    let body = format!("{}<Final/>", three_gets());
    let first = device.send(reply_with(1, 1, &max_msg_size(2000), &body)).unwrap();
    let mut found = values(&first);
    // The message is lost, and then the reply to it.
    device.take(Input::SendFailed(Failure::Temporary)).unwrap();
    device.now = device.session.deadline().unwrap().at.0;
    assert_eq!(device.send(Input::Wake), Some(first.clone()), "the same to the byte");
    let second = device.send(reply(2, 2, NEXT)).unwrap();
    assert_eq!(device.send(reply(2, 2, NEXT)), None, "a reply is taken once");
    device.take(Input::SendFailed(Failure::Temporary)).unwrap();
    device.now = device.session.deadline().unwrap().at.0;
    assert_eq!(device.send(Input::Wake), Some(second.clone()));
    found.extend(values(&second));
    let mut msg_id = 2;
    while !message(device.session.in_flight().map(|request| &request.packet).unwrap()).is_final {
        msg_id += 1;
        found.extend(values(&device.send(reply(msg_id, msg_id, NEXT)).unwrap()));
    }
    let uris: Vec<_> = found.iter().map(|(uri, _)| uri.as_str()).collect();
    assert_eq!(uris, ["./DevInfo/Man", "./DevInfo/Mod", "./Settings/Volume"]);
}

#[test]
pub(crate) fn a_message_that_is_not_believed_is_said_again_whole() {
    let mut device = with_values(700);
    device.profile.first = Some(Scheme::Md5);
    device.profile.device_info = ["./Ops/Reboot".into()].into();
    device.session = Session::new(&device.profile);
    device.start();
    let body = format!("{}<Final/>", three_gets());
    let status = HEADER.replace("212", "200");
    let first = device.send(Input::Received(from_server(1, &max_msg_size(2200), &format!("{status}{body}")))).unwrap();
    assert!(message(&first).header.cred.is_some() && !message(&first).is_final);
    let chal = "<Chal><Meta><Format xmlns='syncml:metinf'>b64</Format><Type xmlns='syncml:metinf'>syncml:auth-md5</Type>\
        <NextNonce xmlns='syncml:metinf'>Tm9uY2U=</NextNonce></Meta></Chal><Data>401</Data>";
    let refused = HEADER.replace("<MsgRef>1", "<MsgRef>2").replace("<Data>212</Data>", chal);
    let again = device.send(Input::Received(from_server(2, "", &format!("{refused}<Final/>"))));
    let again = again.unwrap_or_else(|| panic!("{:?} {:?}", device.finished, faults(&device)));
    let first = values(&first);
    assert!(!first.is_empty() && values(&again).starts_with(&first[..1]), "{}", lines(&again));
}

#[test]
pub(crate) fn a_package_of_the_server_in_several_messages_is_asked_on_with_1222() {
    let mut device = waiting();
    assert_eq!(
        sent(&mut device, reply(1, 1, &get(2, "./DevInfo/Man"))),
        "Status 200 SyncHdr; Status 200 Get ./DevInfo/Man; Results ./DevInfo/Man = \"Acme\"; Alert 1222 (Next message)"
    );
    let body = format!(
        "<Status><CmdID>2</CmdID><MsgRef>2</MsgRef><CmdRef>4</CmdRef><Cmd>Alert</Cmd><Data>200</Data></Status>\
        {}<Final/>",
        get(3, "./DevInfo/Mod")
    );
    assert_eq!(
        sent(&mut device, reply(2, 2, &body)),
        "Status 200 SyncHdr; Status 200 Get ./DevInfo/Mod; Results ./DevInfo/Mod = \"M1\"; Final"
    );
    assert!(faults(&device).is_empty());
}

#[test]
pub(crate) fn both_packages_may_be_open_and_1222_waits_until_all_is_said() {
    let mut device = with_values(700);
    let first = sent(&mut device, reply_with(1, 1, &max_msg_size(2000), &three_gets()));
    assert!(!first.contains("1222") && !first.contains("Final"), "there is more to say: {first}");
    let (mut said, mut msg_id) = (first, 1);
    while !said.contains("1222") {
        msg_id += 1;
        said = sent(&mut device, reply(msg_id, msg_id, ""));
        assert!(msg_id < 6, "{said}");
    }
    assert!(said.contains("Results ./Settings/Volume"), "{said}");
    let end = sent(&mut device, reply(msg_id + 1, msg_id + 1, "<Final/>"));
    // This client's package was left open, so it is ended.
    assert_eq!(end, "nothing");
    assert_eq!(device.finished, Some(Outcome::Completed));
}

#[test]
pub(crate) fn what_comes_while_this_package_is_open_is_refused() {
    let mut device = with_values(700);
    let body = format!("{}<Final/>", three_gets());
    device.send(reply_with(1, 1, &max_msg_size(2000), &body)).unwrap();
    let said = sent(&mut device, reply(2, 2, &format!("{NEXT}{}<Final/>", get(2, "./Settings/Volume"))));
    assert!(said.starts_with("Status 200 SyncHdr; Status 200 Alert"), "{said}");
    assert_eq!(faults(&device), [&PeerFault::OutOfTurn, &PeerFault::EarlyFinal]);
    let (mut all, mut msg_id) = (said, 2);
    while !all.ends_with("Final") {
        msg_id += 1;
        all += &sent(&mut device, reply(msg_id, msg_id, NEXT));
    }
    assert!(all.contains("Status 400 Get"), "{all}");
}

#[test]
pub(crate) fn the_next_message_of_a_closed_package_is_refused_and_not_for_ever() {
    let mut device = waiting();
    let said = sent(&mut device, reply(1, 1, &format!("{NEXT}<Final/>")));
    assert_eq!(said, "Status 200 SyncHdr; Status 405 Alert; Final");
    assert_eq!(faults(&device), [&PeerFault::NothingToContinue]);
    let mut msg_id = 1;
    while device.finished.is_none() {
        msg_id += 1;
        device.take(reply(msg_id, msg_id, &format!("{NEXT}<Final/>"))).unwrap();
        assert!(msg_id < 12);
    }
    assert_eq!(device.finished, Some(Outcome::Failed(PeerFault::Endless)));
}

#[test]
pub(crate) fn an_endless_next_message_is_cut_off() {
    let mut device = waiting();
    let mut msg_id = 0;
    while device.finished.is_none() {
        msg_id += 1;
        device.take(reply(msg_id, msg_id, NEXT)).unwrap();
        assert!(msg_id < 12);
    }
    assert_eq!(device.finished, Some(Outcome::Failed(PeerFault::Endless)));
}

#[test]
pub(crate) fn a_header_status_that_is_not_final_says_nothing_yet() {
    let mut device = waiting();
    let body = format!("{}{}<Final/>", HEADER.replace("212", "101"), get(2, "./DevInfo/Man"));
    let packet = device.send(Input::Received(from_server(1, "", &body))).unwrap();
    assert!(lines(&packet).contains("Results ./DevInfo/Man"));
}

#[test]
pub(crate) fn gaps_between_message_numbers_are_accepted() {
    let mut device = waiting();
    assert!(sent(&mut device, reply(7, 1, &format!("{}<Final/>", get(2, "./DevInfo/Man")))).contains("Results"));
    assert_eq!(sent(&mut device, reply(4_294_967_295, 2, "<Final/>")), "nothing");
    assert_eq!(device.finished, Some(Outcome::Completed));
}

#[test]
pub(crate) fn numbers_that_no_message_can_have_make_it_unreadable() {
    let numbers = [
        ("<MsgID>1<", "<MsgID>-1<"),
        ("<MsgID>1<", "<MsgID>4294967296<"),
        ("<Data>212<", "<Data>-200<"),
        ("<Data>212<", "<Data>70000<"),
        ("<MsgRef>1<", "<MsgRef>99999999999999999999<"),
    ];
    for (from, to) in numbers {
        let mut device = waiting();
        let packet = from_server(1, "", &format!("{HEADER}<Final/>"));
        let text = std::str::from_utf8(&packet.body).unwrap().replace(from, to);
        device.take(Input::Received(Packet::xml(text))).unwrap();
        assert!(matches!(faults(&device).as_slice(), [PeerFault::Malformed { .. }]), "{to}: {:?}", faults(&device));
        assert_eq!(device.session.deadline().unwrap().why, Why::Retry);
    }
}

#[test]
pub(crate) fn results_and_statuses_for_nothing_are_reported_and_not_answered() {
    let mut device = waiting();
    let body = format!(
        "<Results><CmdID>2</CmdID><CmdRef>1</CmdRef>{}</Results>\
         <Status><CmdID>3</CmdID><MsgRef>1</MsgRef><CmdRef>9</CmdRef><Cmd>Alert</Cmd><Data>200</Data></Status>\
         <Status><CmdID>4</CmdID><MsgRef>5</MsgRef><CmdRef>1</CmdRef><Cmd>Alert</Cmd><Data>200</Data></Status><Final/>",
        item("./A")
    );
    assert_eq!(sent(&mut device, reply(1, 1, &body)), "nothing");
    let status = |msg_ref: u32, cmd_ref: &str| PeerFault::UnexpectedStatus {
        msg_ref: MsgId(msg_ref),
        cmd_ref: Some(cmd_ref.into()),
    };
    let results = PeerFault::UnexpectedResults { cmd_ref: "1".into() };
    assert_eq!(faults(&device), [&status(1, "9"), &status(5, "1"), &results]);
}

#[test]
pub(crate) fn an_abort_tells_what_was_done_and_not_told_yet() {
    let mut device = with_values(700);
    let delete = |id: u32| format!("<Delete><CmdID>{id}</CmdID>{}</Delete>", item("./Settings/Volume"));
    let deletes: String = (5..20).map(delete).collect();
    let body = format!("{}{deletes}<Final/>", get(2, "./DevInfo/Man"));
    let first = sent(&mut device, reply_with(1, 1, &max_msg_size(2000), &body));
    let told = first.matches("Delete").count();
    assert!(!first.contains("Final") && told < 15, "{first}");
    let abort = sent(&mut device, Input::Abort(Reason::Requested));
    assert!(abort.starts_with("Status ") && abort.ends_with("Alert 1223 (Session abort); Final"), "{abort}");
    assert!(!abort.contains("Get") && !abort.contains("Results"), "what is out is not told twice: {abort}");
    assert!(abort.contains("Delete"), "{abort}");
    assert_eq!(device.finished, Some(Outcome::Aborted(Reason::Requested)));
    assert_eq!(device.take(reply(2, 3, "<Final/>")).unwrap(), [], "its answer is discarded");
    let stored = serde_json::to_string(&device.session.snapshot()).unwrap();
    assert!(stored.len() < 2_000, "a session that is over keeps nothing: {}", stored.len());
}

#[test]
pub(crate) fn device_information_that_fits_into_no_message_ends_the_session() {
    let mut device = Device::trusting();
    device.tree.set_value("./DevInfo/Man", "m".repeat(70_000)).unwrap();
    assert_eq!(sent(&mut device, Input::Start(Trigger::Client("2F".into()))), "nothing");
    assert_eq!(device.finished, Some(Outcome::Failed(PeerFault::PeerTooSmall)));
}
