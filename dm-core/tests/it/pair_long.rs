//! The client against the server where one message is not enough: packages, objects, blocks, prompts and alerts.

use dm_core::{
    alert::{AlertItem, AlertKind, DeviceAlert},
    client::{Input, NewAlert, Report},
    codes::{AlertCode, StatusCode},
    prompt::{Prompt, Reply, Response, Wanted},
    server::{self, Entry, Order, Part, Profile, Request},
    session::Outcome,
    tree::Content,
    wire::{Encoding, Format},
};

use crate::harness::{Device, SERVER, Server, converse, message};

fn small_server(orders: Vec<Vec<Order>>) -> Server {
    let mut profile = Profile::new(SERVER);
    profile.max_msg_size = Some(2048);
    Server { device: None, own: None, orders, ..Server::new(profile) }
}

fn small_device() -> Device {
    let mut profile = Device::trusting().profile;
    profile.max_msg_size = Some(2048);
    profile.prompts = vec![AlertCode::CONFIRM];
    Device::new(profile)
}

/// Lets both talk to the end. How many messages the client sent.
fn talk(device: &mut Device, server: &mut Server) -> u32 {
    let (mut request, mut count) = (Some(device.start()), 0);
    while let Some(packet) = request {
        count += 1;
        assert!(count < 2000, "the session does not come to an end");
        assert!(count == 1 || packet.body.len() <= 2048, "{}", packet.body.len());
        let reply = server.reply(packet);
        assert!(reply.body.len() <= 2048, "{}", reply.body.len());
        request = device.send(Input::Received(reply));
    }
    count
}

fn no_faults(device: &Device, server: &Server) {
    let faults: Vec<_> = device.reports.iter().filter(|report| matches!(report, Report::Fault { .. })).collect();
    assert!(faults.is_empty(), "{faults:?}");
    assert!(server.faults().is_empty(), "{:?}", server.faults());
    assert_eq!(device.finished, Some(Outcome::Completed));
    assert_eq!(server.finished, Some(Outcome::Completed));
}

/// The value that a server was told in parts.
fn joined(server: &Server) -> Vec<u8> {
    let mut value = Vec::new();
    for report in &server.reports {
        if let server::Report::Part(Part { offset, data, .. }) = report {
            assert_eq!(usize::try_from(*offset), Ok(value.len()), "in order, without gaps");
            value.extend_from_slice(data);
        }
    }
    value
}

#[test]
fn a_value_of_64_kib_each_way_arrives_as_it_was() {
    let value: String = "0123456789 \u{20ac}<&>".chars().cycle().take(60_000).collect();
    for encoding in [Encoding::Xml, Encoding::Wbxml] {
        let content = Content { format: Some(Format::Chr), in_parts: Some(value.len() as u64), ..Content::default() };
        let put = Order::new("put", Request::Replace(vec![Entry { uri: "./Settings/Volume".into(), content }]));
        let get = Order::new("get", Request::Get(vec!["./Settings/Volume".into()]));
        let mut server = small_server(vec![vec![put], vec![get]]);
        server.value = Some(value.clone().into_bytes());
        let mut device = small_device();
        device.profile.encoding = encoding;
        device.session = dm_core::client::Session::new(&device.profile);
        let messages = talk(&mut device, &mut server);
        assert!(messages > 60, "{messages}");
        assert_eq!(device.tree.text("./Settings/Volume"), Some(value.as_str()));
        assert_eq!(joined(&server), value.as_bytes());
        no_faults(&device, &server);
    }
}

#[test]
fn many_results_come_in_several_messages() {
    let mut device = small_device();
    device.tree.set_value("./Settings/Volume", "v".repeat(600)).unwrap();
    let gets = (0..12).map(|n| Order::new(format!("get {n}"), Request::Get(vec!["./Settings/Volume".into()])));
    let mut server = small_server(vec![gets.collect()]);
    talk(&mut device, &mut server);
    let outcomes = server.outcomes();
    let value = format!("200 {:?}", "v".repeat(600));
    assert!(outcomes.len() == 12 && outcomes.iter().all(|line| line.ends_with(&value)), "{outcomes:#?}");
    no_faults(&device, &server);
}

#[test]
fn blocks_and_prompts_have_their_outcomes_one_by_one() {
    let set = |tag: &str, value: &str| Order::new(tag, Request::Replace(vec![Entry::text("./Settings/Volume", value)]));
    let ask = |tag: &str| Order::new(tag, Request::Ask(Prompt::new("Now?", Wanted::Consent { default: None })));
    let fails = Order::new("nope", Request::Delete(vec!["./Nope".into()]));
    let orders = vec![
        vec![Order::new("atomic", Request::Atomic(vec![set("one", "8"), fails]))],
        vec![Order::new(
            "sequence",
            Request::Sequence(vec![ask("yes"), set("two", "9"), ask("no"), set("three", "10")]),
        )],
    ];
    let mut device = small_device();
    device.replies = vec![Reply::Given(Response::Yes), Reply::Given(Response::No)];
    let mut server = small_server(orders);
    talk(&mut device, &mut server);
    let outcomes: Vec<_> = server.outcomes().into_iter().filter(|line| !line.starts_with("sequence")).collect();
    for expected in ["one: 216", "nope: 404", "atomic: 507", "two: 200", "three: 215"] {
        assert!(outcomes.iter().any(|line| line == expected), "{expected}: {outcomes:?}");
    }
    assert_eq!(device.tree.text("./Settings/Volume"), Some("9"));
    assert_eq!(device.prompts.len(), 2);
    no_faults(&device, &server);
}

#[test]
fn alerts_reach_the_server_and_are_answered() {
    let alert = |data: &str| {
        let content = Content {
            media_type: Some("Reversed-Domain-Name: org.example.done".into()),
            data: Some(data.as_bytes().into()),
            ..Content::default()
        };
        let items = vec![AlertItem { source: Some("./Ops/Reboot".into()), content, mark: None }];
        DeviceAlert { kind: AlertKind::Generic, correlator: Some("job".into()), items }
    };
    let mut device = small_device();
    device.take(Input::Alert(NewAlert { tag: "small".into(), alert: alert("200") })).unwrap();
    let get = Order::new("get", Request::Get(vec!["./DevInfo/Man".into()]));
    let mut server = small_server(vec![vec![get]]);
    let reply = server.reply(device.start());
    device.take(Input::Alert(NewAlert { tag: "large".into(), alert: alert(&"x".repeat(9000)) })).unwrap();
    let mut request = device.send(Input::Received(reply));
    let mut said = Vec::new();
    while let Some(packet) = request {
        said.push(crate::harness::lines(&packet));
        let reply = server.reply(packet);
        said.push(crate::harness::lines(&reply));
        request = device.send(Input::Received(reply));
    }
    let answered: Vec<_> = device
        .reports
        .iter()
        .filter_map(|report| match report {
            Report::AlertAnswered { tag, status } => Some((tag.as_str().to_string(), *status)),
            _ => None,
        })
        .collect();
    assert_eq!(answered, [("small".into(), StatusCode::OK), ("large".into(), StatusCode::OK)], "{said:#?}");
    assert_eq!(joined(&server).len(), 9000);
    no_faults(&device, &server);
}

#[test]
fn what_fits_is_said_as_before() {
    let mut device = small_device();
    let get = Order::new("get", Request::Get(vec!["./DevInfo/Man".into()]));
    let mut server = small_server(vec![vec![get]]);
    let said = converse(&mut device, &mut server);
    assert_eq!(said[2], "C: Status 200 SyncHdr; Status 200 Get ./DevInfo/Man; Results ./DevInfo/Man = \"Acme\"; Final");
    assert!(
        message(&device.session.in_flight().map_or_else(|| Device::trusting().start(), |r| r.packet.clone())).is_final
    );
}
