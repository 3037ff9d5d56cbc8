//! Large objects, both ways [DM 1.2, 7; digest 3.7].

use base64::{Engine, engine::general_purpose::STANDARD};
use dm_core::{
    alert::{AlertItem, AlertKind, DeviceAlert},
    client::{NewAlert, Ops, Question},
    codes::{AlertCode, StatusCode},
    limits::WireLimits,
    tree::{Content, Memory, Op, OpResult},
    wire::{Command, Encoding, Format, Item, decode},
};

use super::*;

// ---- What comes in.

fn chunk_of(command: &str, id: u32, uri: &str, size: Option<&str>, data: &str, more: bool) -> String {
    let size = size.map(|size| format!("<Meta><Size xmlns='syncml:metinf'>{size}</Size></Meta>")).unwrap_or_default();
    let more = if more { "<MoreData/>" } else { "" };
    format!(
        "<{command}><CmdID>{id}</CmdID><Item><Target><LocURI>{uri}</LocURI></Target>{size}<Data>{data}</Data>{more}</Item>\
         </{command}>"
    )
}

fn chunk(size: Option<&str>, data: &str, more: bool) -> String {
    chunk_of("Replace", 2, "./Settings/Volume", size, data, more)
}

const ACCEPTED: &str = "Status 200 SyncHdr; Status 213 Replace ./Settings/Volume; Alert 1222 (Next message)";

#[test]
pub(crate) fn an_object_that_comes_in_chunks_is_written_when_it_is_whole() {
    let mut device = waiting();
    assert_eq!(sent(&mut device, reply(1, 1, &chunk(Some("10"), "abcd", true))), ACCEPTED);
    assert_eq!(sent(&mut device, reply(2, 2, &chunk(None, "&amp;\u{20ac}", true))), ACCEPTED);
    assert_eq!(device.tree.text("./Settings/Volume"), Some("3"), "not before it is whole");
    assert_eq!(
        sent(&mut device, reply(3, 3, &format!("{}<Final/>", chunk(None, "ij", false)))),
        "Status 200 SyncHdr; Status 200 Replace ./Settings/Volume; Final"
    );
    assert_eq!(device.tree.text("./Settings/Volume"), Some("abcd&\u{20ac}ij"), "as long as it says: ten octets");
    assert!(faults(&device).is_empty(), "{:?}", faults(&device));
}

#[test]
pub(crate) fn the_state_does_not_grow_with_the_object() {
    let size_after = |chunks: u32| {
        let mut device = waiting();
        let data = "x".repeat(1000);
        for msg_id in 1..=chunks {
            let size = (msg_id == 1).then_some("1000000");
            assert_eq!(sent(&mut device, reply(msg_id, msg_id, &chunk(size, &data, true))), ACCEPTED);
        }
        serde_json::to_string(&device.session.snapshot()).unwrap().len()
    };
    let (few, many) = (size_after(2), size_after(40));
    assert!(many < few + 32 && many < 4096, "{few} {many}");
}

#[test]
fn a_session_that_is_over_keeps_nothing_of_an_object() {
    let mut device = waiting();
    let stored = |device: &Device| serde_json::to_string(&device.session.snapshot()).unwrap();
    assert_eq!(sent(&mut device, reply(1, 1, &chunk(Some("10"), "abcd", true))), ACCEPTED);
    assert!(stored(&device).contains("./Settings/Volume"));
    device.send(Input::Abort(Reason::Requested));
    assert_eq!(device.finished, Some(Outcome::Aborted(Reason::Requested)));
    assert!(!stored(&device).contains("./Settings/Volume"));
}

#[test]
pub(crate) fn an_object_of_the_wrong_size_is_424_and_leaves_nothing() {
    for (size, first, last) in [("9", "abcd", "efgh"), ("7", "abcd", "efgh")] {
        let mut device = waiting();
        sent(&mut device, reply(1, 1, &chunk(Some(size), first, true)));
        assert_eq!(
            sent(&mut device, reply(2, 2, &format!("{}<Final/>", chunk(None, last, false)))),
            "Status 200 SyncHdr; Status 424 Replace ./Settings/Volume; Final"
        );
        assert_eq!(device.tree.text("./Settings/Volume"), Some("3"));
        assert_eq!(device.asked.last(), Some(&vec![Op::Discard]));
    }
    // More than it says, before the end: no more of it is kept, and its end is not taken for a command.
    let mut device = waiting();
    sent(&mut device, reply(1, 1, &chunk(Some("5"), "abcd", true)));
    let refused = "Status 200 SyncHdr; Status 424 Replace ./Settings/Volume; Alert 1222 (Next message)";
    assert_eq!(sent(&mut device, reply(2, 2, &chunk(None, "efgh", true))), refused);
    assert_eq!(
        sent(&mut device, reply(3, 3, &format!("{}<Final/>", chunk(None, "tail", false)))),
        "Status 200 SyncHdr; Status 424 Replace ./Settings/Volume; Final"
    );
    assert_eq!(device.tree.text("./Settings/Volume"), Some("3"));
}

#[test]
pub(crate) fn an_object_that_is_not_taken_is_refused_to_its_last_chunk() {
    let big = Some("99999999999999999999");
    assert!(matches!(faults_of(&chunk(big, "x", true)).as_slice(), [PeerFault::Malformed { .. }]));
    assert!(matches!(faults_of(&chunk(Some("-1"), "x", true)).as_slice(), [PeerFault::Malformed { .. }]));
    let no_objects = Profile { large_objects: false, ..Device::trusting().profile };
    let small_objects = Profile { max_obj_size: Some(9), ..Device::trusting().profile };
    let usual = Device::trusting().profile;
    let cases = [
        (no_objects, Some("10"), 406),
        (usual.clone(), None, 411),
        (small_objects, Some("10"), 413),
        (usual, Some("18446744073709551615"), 413),
    ];
    for (profile, size, code) in cases {
        let mut device = Device::new(profile);
        device.start();
        let refused = format!("Status 200 SyncHdr; Status {code} Replace ./Settings/Volume");
        assert_eq!(
            sent(&mut device, reply(1, 1, &chunk(size, "abcde", true))),
            format!("{refused}; Alert 1222 (Next message)")
        );
        assert_eq!(
            sent(&mut device, reply(2, 2, &format!("{}<Final/>", chunk(None, "fghij", false)))),
            format!("{refused}; Final")
        );
        assert_eq!(device.tree.text("./Settings/Volume"), Some("3"));
        assert!(device.asked.iter().flatten().all(|op| matches!(op, Op::Get { .. })), "the tree was not asked");
    }
}

fn faults_of(body: &str) -> Vec<PeerFault> {
    let mut device = waiting();
    device.take(reply(1, 1, body)).unwrap();
    faults(&device).into_iter().cloned().collect()
}

#[test]
pub(crate) fn what_the_tree_says_of_a_chunk_is_its_status() {
    for code in [413, 416, 420] {
        let mut device = waiting();
        device.session.handle(&env(50), reply(1, 1, &chunk(Some("8"), "abcd", true)), &mut Vec::new()).unwrap();
        let Some(Question::Tree(ops)) = device.session.pending() else { panic!() };
        let full = vec![OpResult::status(StatusCode(code))];
        assert_eq!(
            sent(&mut device, ops.answer(full)),
            format!("Status 200 SyncHdr; Status {code} Replace ./Settings/Volume; Alert 1222 (Next message)")
        );
        assert_eq!(
            sent(&mut device, reply(2, 2, &format!("{}<Final/>", chunk(None, "efgh", false)))),
            format!("Status 200 SyncHdr; Status {code} Replace ./Settings/Volume; Final")
        );
    }
}

#[test]
pub(crate) fn an_object_that_is_broken_off_is_told_with_1225_and_dropped() {
    let interrupted = [
        chunk_of("Replace", 2, "./DevInfo/Man", Some("8"), "abcd", true),
        chunk_of("Add", 2, "./Settings/Volume", None, "efgh", false),
        chunk_of("Replace", 2, "./DevInfo/Man", None, "whole", false),
        chunk(Some("12"), "begun anew", true),
        "<Final/>".to_string(),
    ];
    for body in interrupted {
        let mut device = waiting();
        sent(&mut device, reply(1, 1, &chunk(Some("8"), "abcd", true)));
        let packet = device.send(reply(2, 2, &body)).unwrap();
        let alerts: Vec<_> = message(&packet)
            .commands
            .iter()
            .filter_map(|command| match command {
                Command::Alert(alert) if alert.code == Some(AlertCode::NO_END_OF_DATA) => {
                    alert.items[0].target_uri().map(String::from)
                }
                _ => None,
            })
            .collect();
        assert_eq!(alerts, ["./Settings/Volume"], "{body}");
        assert!(device.asked.iter().flatten().any(|op| *op == Op::Discard));
        assert!(faults(&device).contains(&&PeerFault::ObjectInterrupted));
        assert_eq!(device.tree.text("./Settings/Volume"), Some("3"), "{body}");
    }
}

#[test]
pub(crate) fn next_messages_and_statuses_do_not_break_an_object_off() {
    let mut device = waiting();
    sent(&mut device, reply(1, 1, &chunk(Some("8"), "abcd", true)));
    assert_eq!(sent(&mut device, reply(2, 2, NEXT)), "Status 200 SyncHdr; Status 200 Alert; Alert 1222 (Next message)");
    let status =
        "<Status><CmdID>9</CmdID><MsgRef>3</MsgRef><CmdRef>2</CmdRef><Cmd>Alert</Cmd><Data>200</Data></Status>";
    let end = format!("{status}{}<Final/>", chunk(Some("8"), "efgh", false));
    assert!(sent(&mut device, reply(3, 3, &end)).contains("Status 200 Replace"), "a repeated Size is no new object");
    assert_eq!(device.tree.text("./Settings/Volume"), Some("abcdefgh"));
}

#[test]
pub(crate) fn a_chunk_where_none_can_be_is_refused() {
    let inside = |block: &str| format!("<{block}><CmdID>1</CmdID>{}</{block}>", chunk(Some("8"), "abcd", true));
    let get = "<Get><CmdID>2</CmdID><Item><Target><LocURI>./DevInfo/Man</LocURI></Target><MoreData/></Item></Get>"
        .to_string();
    let not_last = format!("{}<Get><CmdID>3</CmdID>{}</Get>", chunk(Some("8"), "abcd", true), item("./DevInfo/Man"));
    let two_items = "<Replace><CmdID>2</CmdID><Item><Target><LocURI>./A</LocURI></Target><Data>x</Data></Item><Item>\
        <Target><LocURI>./B</LocURI></Target><Data>x</Data><MoreData/></Item></Replace>";
    for (body, status) in [
        (inside("Sequence"), "Status 200 Sequence; Status 400 Replace"),
        (inside("Atomic"), "Status 507 Atomic; Status 400 Replace"),
        (get, "Status 400 Get"),
        (not_last, "Status 400 Replace; Status 200 Get"),
        (two_items.to_string(), "Status 400 Replace"),
    ] {
        let mut device = waiting();
        let said = sent(&mut device, reply(1, 1, &format!("{body}<Final/>")));
        assert!(said.contains(status), "{said}");
        assert!(faults(&device).contains(&&PeerFault::BadChunk), "{body}");
        assert!(device.asked.iter().flatten().all(|op| matches!(op, Op::Get { .. })));
    }
}

#[test]
pub(crate) fn a_final_with_a_chunk_that_is_not_the_last_is_not_taken_for_the_end() {
    let mut device = waiting();
    assert_eq!(sent(&mut device, reply(1, 1, &format!("{}<Final/>", chunk(Some("8"), "abcd", true)))), ACCEPTED);
    assert_eq!(faults(&device), [&PeerFault::EarlyFinal]);
    sent(&mut device, reply(2, 2, &format!("{}<Final/>", chunk(None, "efgh", false))));
    assert_eq!(device.tree.text("./Settings/Volume"), Some("abcdefgh"));
}

#[test]
pub(crate) fn an_object_of_empty_chunks_comes_to_an_end() {
    let mut device = waiting();
    let mut msg_id = 0;
    while device.finished.is_none() {
        msg_id += 1;
        let size = (msg_id == 1).then_some("8");
        device.take(reply(msg_id, msg_id, &chunk(size, "", true))).unwrap();
        assert!(msg_id < 12);
    }
    assert_eq!(device.finished, Some(Outcome::Failed(PeerFault::Endless)));
}

#[test]
pub(crate) fn add_and_exec_come_in_chunks_too() {
    let mut device = waiting();
    sent(&mut device, reply(1, 1, &chunk_of("Add", 2, "./Settings/Tone", Some("8"), "abcd", true)));
    let exec = chunk_of("Exec", 3, "./Ops/Reboot", Some("4"), "ar", true);
    let body = format!("{}{exec}", chunk_of("Add", 2, "./Settings/Tone", None, "efgh", false));
    assert_eq!(
        sent(&mut device, reply(2, 2, &body)),
        "Status 200 SyncHdr; Status 200 Add ./Settings/Tone; Status 213 Exec ./Ops/Reboot; Alert 1222 (Next message)"
    );
    let end = format!("{}<Final/>", chunk_of("Exec", 2, "./Ops/Reboot", None, "gs", false));
    assert_eq!(sent(&mut device, reply(3, 3, &end)), "Status 200 SyncHdr; Status 200 Exec ./Ops/Reboot; Final");
    assert_eq!(device.tree.text("./Settings/Tone"), Some("abcdefgh"));
    assert_eq!(device.tree.take_runs()[0].argument.data.as_deref(), Some(&b"args"[..]));
}

// ---- What goes out.

/// A device that holds this value, waiting.
fn holding(format: &Format, value: &[u8], encoding: Encoding) -> Device {
    let mut device = Device::new(Profile { encoding, ..Device::trusting().profile });
    device.tree = Memory::builder()
        .at(".")
        .acl("Get=*")
        .leaf("./DevInfo/Man", "Acme")
        .leaf("./Big", value)
        .format(format)
        .finish()
        .unwrap();
    device.start();
    device
}

/// The items of results for the value, one for each message, and the texts of all messages.
fn fetch(device: &mut Device, message_bytes: u32, object_bytes: &str) -> (Vec<Item>, Vec<String>) {
    let sizes = format!("<Meta><MaxMsgSize xmlns='syncml:metinf'>{message_bytes}</MaxMsgSize>{object_bytes}</Meta>");
    let get = |id: u32, uri: &str| format!("<Get><CmdID>{id}</CmdID>{}</Get>", item(uri));
    let body = format!("{}{}{}<Final/>", get(2, "./DevInfo/Man"), get(3, "./Big"), get(4, "./DevInfo/Man"));
    let (mut items, mut said, mut msg_id) = (Vec::new(), Vec::new(), 1);
    let mut packet = device.send(reply_with(1, 1, &sizes, &body)).unwrap();
    loop {
        assert!(packet.body.len() <= message_bytes as usize, "{} octets", packet.body.len());
        let decoded = decode(packet.encoding, &packet.body, &WireLimits::SERVER).unwrap().message;
        for command in &decoded.commands {
            if let Command::Results(results) = command {
                items.extend(results.items.iter().filter(|item| item.source_uri() == Some("./Big")).cloned());
            }
        }
        said.push(lines(&packet));
        if decoded.is_final {
            return (items, said);
        }
        assert!(serde_json::to_string(&device.session.snapshot()).unwrap().len() < 3 * message_bytes as usize + 4096);
        msg_id += 1;
        packet = device.send(reply(msg_id, msg_id, NEXT)).unwrap();
    }
}

fn check_chunks(items: &[Item], size: usize) {
    assert!(items.len() > 2);
    for (at, item) in items.iter().enumerate() {
        assert_eq!(item.more_data, at + 1 < items.len(), "MoreData on all but the last");
        let said = item.meta.as_ref().and_then(|meta| meta.size);
        assert_eq!(said, (at == 0).then_some(size as u64), "Size in the first only");
    }
}

#[test]
pub(crate) fn a_large_text_goes_out_in_chunks_of_whole_characters() {
    let value = "a\u{f1}<b>&c\r\u{20ac}\u{1f600}".repeat(700);
    for encoding in [Encoding::Xml, Encoding::Wbxml] {
        let mut device = holding(&Format::Chr, value.as_bytes(), encoding);
        let (items, said) = fetch(&mut device, 2048, "");
        check_chunks(&items, value.len());
        let text = |item: &Item| String::from(item.data.as_ref().unwrap().as_text().expect("whole characters"));
        let joined: String = items.iter().map(text).collect();
        assert_eq!(joined, value);
        assert!(said[0].contains("Status 200 Get ./Big"), "{}", said[0]);
        assert!(said.last().unwrap().contains("Results ./DevInfo/Man"), "the rest follows: {said:#?}");
        // No message but the first and the last has anything but a chunk beside its statuses.
        for middle in &said[1..said.len() - 1] {
            assert_eq!(middle.matches("Results").count(), 1, "{middle}");
        }
        // Whatever the tree was asked for, it was parts.
        let reads =
            device.asked.iter().flatten().filter(|op| matches!(op, Op::Read { bytes, .. } if *bytes <= 2048)).count();
        assert!(reads >= items.len() - 1, "{reads}");
    }
}

#[test]
pub(crate) fn large_octets_go_out_as_base64_in_xml_and_as_they_are_in_wbxml() {
    let value: Vec<u8> = (0..=255).cycle().take(10_001).collect();
    let mut device = holding(&Format::Bin, &value, Encoding::Xml);
    let (items, _) = fetch(&mut device, 2048, "");
    check_chunks(&items, value.len().div_ceil(3) * 4);
    let text: String = items.iter().map(|item| item.data.as_ref().unwrap().as_text().unwrap()).collect();
    assert_eq!(STANDARD.decode(text).unwrap(), value);
    assert!(items.iter().all(|item| item.meta.as_ref().unwrap().format == Some(Format::B64)));
    let mut device = holding(&Format::Bin, &value, Encoding::Wbxml);
    let (items, _) = fetch(&mut device, 2048, "");
    check_chunks(&items, value.len());
    let octets: Vec<u8> = items.iter().flat_map(|item| item.data.as_ref().unwrap().as_bytes().to_vec()).collect();
    assert_eq!(octets, value);
}

#[test]
pub(crate) fn what_fits_into_a_message_is_not_cut() {
    for octets in [1, 500, 900] {
        let mut device = holding(&Format::Chr, "v".repeat(octets).as_bytes(), Encoding::Xml);
        let (items, _) = fetch(&mut device, 2048, "");
        let [whole] = items.as_slice() else { panic!("{} chunks", items.len()) };
        assert!(!whole.more_data && whole.meta.as_ref().is_none_or(|meta| meta.size.is_none()));
    }
}

#[test]
pub(crate) fn a_value_larger_than_the_server_takes_objects_is_413() {
    let mut device = holding(&Format::Chr, "v".repeat(5000).as_bytes(), Encoding::Xml);
    let (items, said) = fetch(&mut device, 2048, "<MaxObjSize xmlns='syncml:metinf'>4999</MaxObjSize>");
    assert!(items.is_empty());
    assert!(said[0].contains("Status 413 Get ./Big"), "{}", said[0]);
    let mut device = holding(&Format::Chr, "v".repeat(5000).as_bytes(), Encoding::Xml);
    let (items, _) = fetch(&mut device, 2048, "<MaxObjSize xmlns='syncml:metinf'>5000</MaxObjSize>");
    assert!(!items.is_empty());
}

#[test]
pub(crate) fn a_part_that_is_lost_or_not_believed_is_sent_again() {
    let value = "0123456789".repeat(600);
    let mut device = holding(&Format::Chr, value.as_bytes(), Encoding::Xml);
    let body = format!("<Get><CmdID>2</CmdID>{}</Get><Final/>", item("./Big"));
    let first = device.send(reply_with(1, 1, &max_msg_size(2048), &body)).unwrap();
    device.take(Input::SendFailed(Failure::Temporary)).unwrap();
    device.now = device.session.deadline().unwrap().at.0;
    assert_eq!(device.send(Input::Wake), Some(first.clone()));
    let mut joined = data_of(&first);
    let mut msg_id = 1;
    while !message(device.session.in_flight().map(|request| &request.packet).unwrap()).is_final {
        msg_id += 1;
        joined += &data_of(&device.send(reply(msg_id, msg_id, NEXT)).unwrap());
    }
    assert_eq!(joined, value);
}

fn data_of(packet: &Packet) -> String {
    let mut text = String::new();
    for command in &message(packet).commands {
        if let Command::Results(results) = command {
            text.extend(results.items.iter().filter_map(|item| item.data.as_ref()).filter_map(|data| data.as_text()));
        }
    }
    text
}

#[test]
pub(crate) fn an_object_that_the_server_does_not_want_or_the_tree_does_not_give_is_given_up() {
    let begin = || {
        let mut device = holding(&Format::Chr, "v".repeat(9000).as_bytes(), Encoding::Xml);
        let body = format!("<Get><CmdID>2</CmdID>{}</Get><Final/>", item("./Big"));
        let first = device.send(reply_with(1, 1, &max_msg_size(2048), &body)).unwrap();
        let part = message(&first).commands.len();
        (device, part)
    };
    let given_up = Report::ValueAbandoned { uri: "./Big".into() };
    let (mut device, part) = begin();
    let status = format!(
        "<Status><CmdID>2</CmdID><MsgRef>2</MsgRef><CmdRef>{part}</CmdRef><Cmd>Results</Cmd><Data>413</Data></Status>"
    );
    assert_eq!(
        sent(&mut device, reply(2, 2, &format!("{status}{NEXT}"))),
        "Status 200 SyncHdr; Status 200 Alert; Final"
    );
    assert!(device.reports.contains(&given_up));
    let (mut device, _) = begin();
    let alert = "<Alert><CmdID>2</CmdID><Data>1225</Data></Alert>";
    assert_eq!(
        sent(&mut device, reply(2, 2, &format!("{alert}{NEXT}"))),
        "Status 200 SyncHdr; Status 200 Alert; Status 200 Alert; Final"
    );
    assert!(device.reports.contains(&given_up));
    let (mut device, _) = begin();
    device.session.handle(&env(90), reply(2, 2, NEXT), &mut Vec::new()).unwrap();
    let Some(Question::Tree(ops)) = device.session.pending() else { panic!() };
    let gone = vec![OpResult::status(StatusCode::NOT_FOUND)];
    assert_eq!(sent(&mut device, Ops::answer(ops, gone)), "Status 200 SyncHdr; Status 200 Alert; Final");
}

#[test]
pub(crate) fn a_large_alert_is_read_from_the_tree_part_by_part_also_in_package_one() {
    let value = "0123456789".repeat(9000);
    let alert = DeviceAlert {
        kind: AlertKind::Generic,
        correlator: Some("c".into()),
        items: vec![AlertItem {
            source: Some("./Big".into()),
            content: Content {
                media_type: Some("org.example.log".into()),
                in_parts: Some(90_000),
                ..Content::default()
            },
            mark: None,
        }],
    };
    let mut device = holding(&Format::Chr, value.as_bytes(), Encoding::Xml);
    device.session = Session::new(&device.profile);
    device.take(Input::Alert(NewAlert { tag: "log".into(), alert })).unwrap();
    let mut packet = device.start();
    let (mut joined, mut msg_id) = (String::new(), 0);
    loop {
        let read = message(&packet);
        for command in &read.commands {
            if let Command::Alert(alert) = command
                && alert.code == Some(AlertCode::GENERIC)
            {
                assert_eq!(alert.correlator.as_deref(), Some("c"));
                joined += alert.items[0].data.as_ref().unwrap().as_text().unwrap();
            }
        }
        if read.is_final {
            break;
        }
        msg_id += 1;
        packet = device.send(reply_with(msg_id, msg_id, &max_msg_size(9000), NEXT)).unwrap();
    }
    assert_eq!(joined, value);
    assert!(msg_id > 2);
    let last = message(&packet).commands.len();
    let done = format!(
        "<Status><CmdID>2</CmdID><MsgRef>{0}</MsgRef><CmdRef>{last}</CmdRef><Cmd>Alert</Cmd><Data>200</Data></Status><Final/>",
        msg_id + 1
    );
    device.take(reply(msg_id + 1, msg_id + 1, &done)).unwrap();
    assert!(device.reports.contains(&Report::AlertAnswered { tag: "log".into(), status: StatusCode::OK }));
    assert_eq!(device.finished, Some(Outcome::Completed));
}

#[test]
pub(crate) fn a_large_alert_is_begun_again_when_the_server_must_prove_itself_first() {
    let mut device = holding(&Format::Chr, "v".repeat(90_000).as_bytes(), Encoding::Xml);
    device.profile.server_scheme = Some(Scheme::Md5);
    device.session = Session::new(&device.profile);
    let content = Content { media_type: Some("t".into()), in_parts: Some(90_000), ..Content::default() };
    let items = vec![AlertItem { source: Some("./Big".into()), content, mark: None }];
    let alert = DeviceAlert { kind: AlertKind::Generic, correlator: None, items };
    device.start();
    device.take(Input::Alert(NewAlert { tag: "log".into(), alert })).unwrap();
    let get = format!("<Get><CmdID>2</CmdID>{}</Get><Final/>", item("./DevInfo/Man"));
    let said = sent(&mut device, reply(1, 1, &get));
    assert!(said.starts_with("Status 407 SyncHdr + challenge"), "{said}");
    assert!(said.contains("Status 407 Get; Alert 1226 (Generic alert) ./Big"), "{said}");
}

#[test]
pub(crate) fn the_first_message_tells_how_large_objects_may_be() {
    let meta = |profile: Profile| message(&Device::new(profile).start()).header.meta.and_then(|meta| meta.max_obj_size);
    assert_eq!(meta(Device::trusting().profile), Some(1024 * 1024));
    assert_eq!(meta(Profile { large_objects: false, ..Device::trusting().profile }), None);
}
