//! Large objects at the server: values that go out and come in in several messages [DM 1.2, 7].

use base64::{Engine, engine::general_purpose::STANDARD};
use core_kit::Machine;
use dm_core::{
    alert::AlertKind,
    server::{Part, PartOf},
    tree::Content,
    wire::{Command, Data, Format, Item, Message},
};

use super::*;

const SMALL: u64 = 1400;

/// A server whose device takes messages of [`SMALL`] octets.
fn small(orders: Vec<Order>) -> (Server, String) {
    let server = Server::trusting(vec![orders]);
    let meta = format!("<Meta><MaxMsgSize xmlns='syncml:metinf'>{SMALL}</MaxMsgSize></Meta>");
    (server, meta)
}

fn put(content: Content) -> Order {
    Order::new("put", Request::Add(vec![Entry { uri: "./A".into(), content }]))
}

fn text(value: &str) -> Content {
    Content { data: Some(value.as_bytes().into()), ..Content::default() }
}

fn in_parts(octets: usize, format: Format) -> Content {
    Content { in_parts: Some(octets as u64), format: Some(format), ..Content::default() }
}

fn header_status(msg_ref: u32) -> String {
    format!(
        "<Status><CmdID>90</CmdID><MsgRef>{msg_ref}</MsgRef><CmdRef>0</CmdRef><Cmd>SyncHdr</Cmd><Data>200</Data></Status>"
    )
}

fn status(msg_ref: u32, cmd: &Command, code: u16) -> String {
    let (id, name) = (cmd.cmd_id().unwrap().as_str(), cmd.name());
    format!(
        "<Status><CmdID>91</CmdID><MsgRef>{msg_ref}</MsgRef><CmdRef>{id}</CmdRef><Cmd>{name}</Cmd><Data>{code}</Data>\
         </Status>"
    )
}

const MORE: &str = "<Alert><CmdID>92</CmdID><Data>1222</Data></Alert>";

fn item_of(message: &Message) -> Option<(&Command, &Item)> {
    message.commands.iter().find_map(|command| match command {
        Command::Add(edit) | Command::Replace(edit) => Some((command, &edit.items[0])),
        Command::Exec(exec) => Some((command, &exec.items[0])),
        _ => None,
    })
}

/// Plays a device that takes every part. The value as it came, and how many messages it took.
fn take_all(server: &mut Server, meta: &str) -> (Vec<u8>, u32) {
    let (mut value, mut announced, mut number) = (Vec::new(), None, 1);
    let mut reply = server.reply(from_device(1, meta, PACKAGE_ONE));
    loop {
        assert!(reply.body.len() as u64 <= SMALL, "{}", reply.body.len());
        let said = message(&reply);
        let (command, item) = item_of(&said).expect("a part");
        let size = item.meta.as_ref().and_then(|meta| meta.size);
        assert_eq!(size.is_some(), item.more_data && number == 1, "Size goes with the first part and no other");
        announced = announced.or(size);
        value.extend_from_slice(item.data.as_ref().map(Data::as_bytes).unwrap_or_default());
        assert_eq!(said.is_final, !item.more_data, "no Final before the last part");
        let news = said.commands.iter().filter(|command| !matches!(command, Command::Status(_))).count();
        assert_eq!(news, 1, "nothing else goes with a part");
        let (sent, more) = (number, item.more_data);
        number += 1;
        if !more {
            let body = format!("{}{}<Final/>", header_status(sent), status(sent, command, 200));
            server.reply(from_device(number, "", &body));
            assert_eq!(announced.unwrap_or(value.len() as u64), value.len() as u64);
            return (value, sent);
        }
        assert!(reply.body.len() as u64 + 40 > SMALL, "a part fills its message: {}", reply.body.len());
        let body = format!("{}{}{MORE}", header_status(sent), status(sent, command, 213));
        reply = server.reply(from_device(number, "", &body));
    }
}

#[test]
fn a_value_that_does_not_fit_goes_in_parts_and_in_no_more_than_needed() {
    let value = "päyload <with> & escapes \r\n".repeat(90);
    let (mut server, meta) = small(vec![put(text(&value)), Order::new("next", Request::Get(vec!["./B".into()]))]);
    let mut reply = server.reply(from_device(1, &meta, PACKAGE_ONE));
    assert!(message(&reply).commands.iter().all(|command| !matches!(command, Command::Get(_))));
    let (mut came, mut number) = (String::new(), 1);
    while let Some((command, item)) = item_of(&message(&reply)) {
        came.push_str(item.data.as_ref().and_then(Data::as_text).unwrap());
        let code = if item.more_data { 213 } else { 200 };
        let end = if item.more_data { MORE } else { "<Final/>" };
        let body = format!("{}{}{end}", header_status(number), status(number, command, code));
        number += 1;
        reply = server.reply(from_device(number, "", &body));
    }
    assert_eq!(came, value);
    assert!(lines(&reply).ends_with("Get ./B; Final"), "the order behind it follows: {}", lines(&reply));
    assert_eq!(server.outcomes(), ["put: 200"]);
    assert!(server.faults().is_empty(), "{:?}", server.faults());
}

#[test]
pub(crate) fn a_value_that_was_left_out_is_asked_for_as_it_goes() {
    let value: Vec<u8> = (0..=255).cycle().take(3001).collect();
    let (mut server, meta) = small(vec![put(in_parts(value.len(), Format::Bin))]);
    server.value = Some(value.clone());
    let (came, messages) = take_all(&mut server, &meta);
    assert_eq!(dm_core::tree::Content { data: Some(came.as_slice().into()), ..Content::default() }.octets(), 4004);
    assert_eq!(STANDARD.decode(came).unwrap(), value);
    assert!(messages > 6);
    assert_eq!((server.outcomes(), server.finished), (vec!["put: 200".to_string()], Some(Outcome::Completed)));
}

#[test]
fn a_value_that_was_left_out_and_fits_goes_whole() {
    let (mut server, meta) = small(vec![put(in_parts(4, Format::Chr))]);
    server.value = Some(b"tiny".to_vec());
    let (came, messages) = take_all(&mut server, &meta);
    assert_eq!((came.as_slice(), messages), (&b"tiny"[..], 1));
}

#[test]
fn a_snapshot_does_not_grow_with_the_value() {
    let length = |octets: usize| {
        let (mut server, meta) = small(vec![put(in_parts(octets, Format::Chr))]);
        server.value = Some(vec![b'x'; octets]);
        let mut reply = server.reply(from_device(1, &meta, PACKAGE_ONE));
        for number in 1..4 {
            let said = message(&reply);
            let (command, _) = item_of(&said).unwrap();
            let body = format!("{}{}{MORE}", header_status(number), status(number, command, 213));
            reply = server.reply(from_device(number + 1, "", &body));
        }
        let snapshot = serde_json::to_string(&server.session.snapshot()).unwrap();
        let reply = serde_json::to_string(&reply).unwrap();
        snapshot.len() - reply.len()
    };
    let (small, large) = (length(10_000), length(10_000_000));
    println!(
        "a server session between two parts: {small} octets for 10 kB, {large} octets for 10 MB, without the reply"
    );
    assert!(large <= small + 8 && large < 4096, "{small} {large}");
}

#[test]
fn a_device_that_refuses_a_part_gets_no_more_of_it_and_the_rest_goes_on() {
    for (code, told) in [(413, "put: 413"), (420, "put: 420"), (424, "put: 424"), (500, "put: 500")] {
        let next = Order::new("next", Request::Get(vec!["./B".into()]));
        let (mut server, meta) = small(vec![put(text(&"x".repeat(2000))), next]);
        let first = message(&server.reply(from_device(1, &meta, PACKAGE_ONE)));
        let (command, _) = item_of(&first).unwrap();
        let body = format!("{}{}{MORE}", header_status(1), status(1, command, code));
        let reply = server.reply(from_device(2, "", &body));
        assert_eq!(lines(&reply), "Status 200 SyncHdr; Status 200 Alert; Get ./B; Final");
        assert_eq!(server.outcomes(), [told]);
        assert!(server.faults().is_empty());
    }
}

#[test]
fn a_device_that_loses_the_parts_or_is_silent_about_one_ends_the_value() {
    let lost = "<Alert><CmdID>92</CmdID><Data>1225</Data></Alert>";
    for (body, faults) in [(lost, 0), (MORE, 1)] {
        let (mut server, meta) = small(vec![put(text(&"x".repeat(2000)))]);
        server.reply(from_device(1, &meta, PACKAGE_ONE));
        let reply = server.reply(from_device(2, "", &format!("{}{body}", header_status(1))));
        assert_eq!(lines(&reply), "Status 200 SyncHdr; Status 200 Alert; Final");
        assert_eq!(server.outcomes(), ["put: not sent Some(Interrupted)"]);
        assert_eq!(server.faults().len(), faults);
    }
}

#[test]
fn a_final_before_the_last_part_is_reported_and_the_value_goes_on() {
    let (mut server, meta) = small(vec![put(text(&"x".repeat(2000)))]);
    let first = message(&server.reply(from_device(1, &meta, PACKAGE_ONE)));
    let (command, _) = item_of(&first).unwrap();
    let body = format!("{}{}<Final/>", header_status(1), status(1, command, 213));
    let second = server.reply(from_device(2, "", &body));
    assert!(item_of(&message(&second)).is_some());
    assert_eq!(server.faults(), [&PeerFault::EarlyFinal]);
}

#[test]
pub(crate) fn a_value_that_is_not_to_be_had_makes_room_for_the_next_order() {
    let (mut server, meta) =
        small(vec![put(in_parts(5000, Format::Chr)), Order::new("next", Request::Get(vec!["./B".into()]))]);
    let reply = server.reply(from_device(1, &meta, PACKAGE_ONE));
    assert!(lines(&reply).ends_with("Get ./B; Final"));
    assert_eq!(server.outcomes(), ["put: not sent Some(NoSuchPart)"]);
}

#[test]
pub(crate) fn a_value_that_is_not_to_be_had_lets_others_be_asked_for() {
    let (mut server, meta) = small(vec![put(in_parts(5000, Format::Chr))]);
    server.orders.extend(read());
    let reply = server.reply(from_device(1, &meta, PACKAGE_ONE));
    assert!(lines(&reply).ends_with("Get ./DevInfo/Man; Final"));
}

#[test]
pub(crate) fn a_server_that_signs_asks_for_parts_after_that() {
    let order = put(in_parts(5, Format::Chr));
    let mut server = Server { device: None, orders: vec![vec![order]], ..Server::new(Profile::new(SERVER)) };
    server.value = Some(b"value".to_vec());
    let reply = lines(&server.reply(from_device(1, "", PACKAGE_ONE)));
    assert!(reply.ends_with("Add ./A = \"value\"; Final"), "{reply}");
}

#[test]
pub(crate) fn a_session_that_may_have_no_more_orders_ends_with_the_value() {
    let (mut server, meta) = small(vec![put(in_parts(5000, Format::Chr))]);
    server.profile.session.orders_max = 1;
    server.session = Session::new(&server.profile);
    let reply = lines(&server.reply(from_device(1, &meta, PACKAGE_ONE)));
    assert_eq!(reply, "Status 200 SyncHdr; Status 200 Alert; Status 200 Replace; Final");
    assert_eq!(server.finished, Some(Outcome::Completed));
}

#[test]
fn a_value_larger_than_the_device_takes_is_not_begun() {
    let meta = "<Meta><MaxObjSize xmlns='syncml:metinf'>1000</MaxObjSize></Meta>";
    for (content, goes) in [
        (in_parts(1001, Format::Chr), false),
        (text(&"x".repeat(1001)), false),
        // As base64 it would be 1004.
        (in_parts(751, Format::Bin), false),
        (text(&"x".repeat(1000)), true),
    ] {
        let mut server = Server::trusting(vec![vec![put(content)]]);
        server.reply(from_device(1, meta, PACKAGE_ONE));
        assert_eq!(server.outcomes().is_empty(), goes, "{:?}", server.outcomes());
    }
}

#[test]
fn an_answer_of_another_length_is_refused() {
    let (mut server, meta) = small(vec![put(in_parts(5000, Format::Chr))]);
    server.value = Some(vec![b'x'; 5000]);
    let (mut input, mut asked) = (Some(Input::Received(from_device(1, &meta, PACKAGE_ONE))), None);
    while let Some(next) = input.take() {
        for output in server.session.step(&env(1), next, &server.profile).unwrap() {
            match output {
                Output::Ask(Question::Fetch(question)) => asked = Some(question),
                Output::Ask(question) => input = Some(server.answer(question)),
                _ => {}
            }
        }
    }
    let question = asked.unwrap();
    let asked = question.bytes;
    let short = question.answer(&b"abc"[..]);
    let refused = server.session.handle(&env(2), short, &mut Vec::new());
    assert_eq!(refused, Err(Misuse::WrongLength { asked, given: 3 }));
    assert!(server.session.pending().is_some());
}

fn results(size: Option<u64>, data: &str, more: bool, uri: &str) -> String {
    let size = size.map(|size| format!("<Meta><Size xmlns='syncml:metinf'>{size}</Size></Meta>")).unwrap_or_default();
    let more = if more { "<MoreData/>" } else { "" };
    format!(
        "<Results><CmdID>5</CmdID><MsgRef>1</MsgRef><CmdRef>4</CmdRef><Item><Source><LocURI>{uri}</LocURI></Source>{size}\
         <Data>{data}</Data>{more}</Item></Results>"
    )
}

/// A server that waits for what `./DevInfo/Man` is, with the status for the `Get` already in the message.
fn asked() -> (Server, String) {
    let server = waiting();
    let get = "<Status><CmdID>2</CmdID><MsgRef>1</MsgRef><CmdRef>4</CmdRef><Cmd>Get</Cmd><Data>200</Data></Status>";
    (server, get.into())
}

#[test]
fn a_value_from_the_device_is_reported_part_by_part_and_told_when_it_is_whole() {
    let (mut server, get) = asked();
    let first = format!("{}{get}{}", header_status(1), results(Some(6), "abc", true, "./DevInfo/Man"));
    assert_eq!(
        lines(&server.reply(from_device(2, "", &first))),
        "Status 200 SyncHdr; Status 213 Results; Alert 1222 (Next message)"
    );
    let second = format!("{}{}<Final/>", header_status(2), results(None, "def", false, "./DevInfo/Man"));
    assert_eq!(lines(&server.reply(from_device(3, "", &second))), "Status 200 SyncHdr; Final");
    let parts = server.reports.iter().filter_map(|report| match report {
        Report::Part(Part { of: PartOf::Order(tag), offset, data, size: 6, .. }) => {
            Some((tag.as_str().to_string(), *offset, data.to_vec()))
        }
        _ => None,
    });
    let parts = parts.collect::<Vec<_>>();
    assert_eq!(parts, [("read".to_string(), 0, b"abc".to_vec()), ("read".to_string(), 3, b"def".to_vec())]);
    let Some(Report::Done(done)) = server.reports.last() else { panic!("{:?}", server.reports) };
    assert_eq!(done.items[0].found[0].content.in_parts, Some(6));
    assert!(server.faults().is_empty());
}

#[test]
fn a_part_again_in_the_same_bytes_counts_once() {
    let (mut server, get) = asked();
    let first = format!("{}{get}{}", header_status(1), results(Some(6), "abc", true, "./DevInfo/Man"));
    let reply = server.reply(from_device(2, "", &first));
    let reports = server.reports.len();
    assert_eq!(server.reply(from_device(2, "", &first)), reply);
    assert_eq!(server.reports.len(), reports);
}

#[test]
fn what_a_device_can_get_wrong_with_parts_has_its_status_and_its_fault() {
    let man = "./DevInfo/Man";
    for (parts, code, fault) in [
        (vec![results(None, "abc", true, man)], 411, PeerFault::SizeMissing),
        (vec![results(Some(1 << 40), "abc", true, man)], 413, PeerFault::ObjectTooLarge(1 << 40)),
        (
            vec![results(Some(6), "abc", true, man), results(None, "de", false, man)],
            424,
            PeerFault::SizeMismatch { said: 6, came: 5 },
        ),
        (vec![results(Some(2), "abc", true, man)], 424, PeerFault::SizeMismatch { said: 2, came: 3 }),
    ] {
        let (mut server, get) = asked();
        let (mut said, mut number) = (String::new(), 1);
        for (at, part) in parts.iter().enumerate() {
            let get = if at == 0 { get.as_str() } else { "" };
            number += 1;
            let body = format!("{}{get}{part}", header_status(number - 1));
            said = lines(&server.reply(from_device(number, "", &body)));
        }
        assert_eq!(said, format!("Status 200 SyncHdr; Status {code} Results; Alert 1222 (Next message)"));
        assert_eq!(server.faults(), [&fault]);
    }
}

#[test]
fn something_else_before_the_last_part_voids_the_parts_and_is_told_with_1225() {
    let (mut server, get) = asked();
    let first = format!("{}{get}{}", header_status(1), results(Some(6), "abc", true, "./DevInfo/Man"));
    server.reply(from_device(2, "", &first));
    let other = format!("{}{}", header_status(2), results(None, "x", false, "./Other"));
    let reply = message(&server.reply(from_device(3, "", &other)));
    let alert = reply.commands.iter().find_map(|command| match command {
        Command::Alert(alert) if alert.code == Some(dm_core::codes::AlertCode::NO_END_OF_DATA) => Some(alert),
        _ => None,
    });
    assert_eq!(alert.unwrap().items[0].source_uri(), Some("./DevInfo/Man"));
    assert_eq!(server.faults(), [&PeerFault::ObjectInterrupted]);
    assert!(server.reports.iter().any(|report| matches!(report, Report::PartsVoid { .. })));
}

#[test]
fn a_package_that_ends_before_the_last_part_voids_the_parts() {
    let (mut server, get) = asked();
    let first = format!("{}{get}{}", header_status(1), results(Some(6), "abc", true, "./DevInfo/Man"));
    server.reply(from_device(2, "", &first));
    let reply = server.reply(from_device(3, "", &format!("{}<Final/>", header_status(2))));
    assert_eq!(lines(&reply), "Status 200 SyncHdr; Final");
    assert_eq!(server.faults(), [&PeerFault::ObjectInterrupted]);
}

#[test]
fn a_generic_alert_may_come_in_parts_too() {
    let mut server = waiting();
    let alert = |size: &str, data: &str, more: &str| {
        format!(
            "<Alert><CmdID>1</CmdID><Data>1226</Data><Item><Source><LocURI>./Fw</LocURI></Source><Meta>\
             <Type xmlns='syncml:metinf'>org.example.x</Type><Format xmlns='syncml:metinf'>chr</Format>{size}</Meta>\
             <Data>{data}</Data>{more}</Item></Alert>"
        )
    };
    let first = alert("<Size xmlns='syncml:metinf'>6</Size>", "abc", "<MoreData/>");
    let reply = server.reply(from_device(2, "", &format!("{}{first}", header_status(1))));
    assert_eq!(lines(&reply), "Status 200 SyncHdr; Status 213 Alert; Alert 1222 (Next message)");
    let reply = server.reply(from_device(3, "", &format!("{}{}<Final/>", header_status(2), alert("", "def", ""))));
    assert!(lines(&reply).starts_with("Status 200 SyncHdr; Status 200 Alert"), "{}", lines(&reply));
    let told = server.reports.iter().find_map(|report| match report {
        Report::Alerted(alert) => Some(alert),
        _ => None,
    });
    let told = told.unwrap();
    assert_eq!((told.kind, told.items[0].content.in_parts), (AlertKind::Generic, Some(6)));
}

#[test]
fn an_object_may_take_more_messages_than_a_package_without_one() {
    let (mut server, get) = asked();
    for number in 2..40u32 {
        let (size, get) = if number == 2 { (Some(38), get.as_str()) } else { (None, "") };
        let body = format!("{}{get}{}", header_status(number - 1), results(size, "x", number < 39, "./DevInfo/Man"));
        let end = if number < 39 { "" } else { "<Final/>" };
        server.reply(from_device(number, "", &format!("{body}{end}")));
    }
    assert_eq!(server.outcomes().len(), 1);
    assert!(server.faults().is_empty());
}
