//! What the device tells of its own accord [DM 1.2, 8.7].

use dm_core::{
    alert::{AlertItem, AlertKind, DeviceAlert, Mark},
    client::{NewAlert, Question},
    codes::StatusCode,
    tree::Content,
    wire::{Command, Format, Meta},
};

use super::*;

fn event(kind: AlertKind, data: &str) -> DeviceAlert {
    let content = Content {
        media_type: Some("Reversed-Domain-Name: org.example.update".into()),
        data: Some(data.as_bytes().into()),
        ..Content::default()
    };
    DeviceAlert { kind, correlator: None, items: vec![AlertItem { source: None, content, mark: None }] }
}

fn tell(tag: &str, alert: DeviceAlert) -> Input {
    Input::Alert(NewAlert { tag: tag.into(), alert })
}

fn answered(device: &Device) -> Vec<(String, u16)> {
    let answers = device.reports.iter().filter_map(|report| match report {
        Report::AlertAnswered { tag, status } => Some((tag.to_string(), status.0)),
        _ => None,
    });
    answers.collect()
}

fn status(msg_ref: u32, cmd_ref: u32, code: u16, more: &str) -> String {
    format!(
        "<Status><CmdID>{}</CmdID><MsgRef>{msg_ref}</MsgRef><CmdRef>{cmd_ref}</CmdRef><Cmd>Alert</Cmd>{more}\
         <Data>{code}</Data></Status>",
        cmd_ref + 10
    )
}

#[test]
pub(crate) fn an_alert_before_the_start_goes_with_package_one() {
    let mut device = Device::trusting();
    let generic = DeviceAlert {
        correlator: Some("job-42".into()),
        items: vec![AlertItem {
            source: Some("./Ops/Reboot".into()),
            mark: Some(Mark::Critical),
            ..event(AlertKind::Generic, "200").items.remove(0)
        }],
        ..event(AlertKind::Generic, "")
    };
    device.take(tell("done", generic)).unwrap();
    device.take(tell("hello", event(AlertKind::ClientEvent, "x"))).unwrap();
    let packet = device.start();
    assert_eq!(
        lines(&packet),
        "Alert 1201 (Client-initiated management); Replace ./DevInfo/Man = \"Acme\", ./DevInfo/Mod = \"M1\"; \
         Alert 1226 (Generic alert) ./Ops/Reboot = \"200\"; Alert 1224 (Client event) \"x\"; Final"
    );
    let message = message(&packet);
    let Command::Alert(alert) = &message.commands[2] else { panic!() };
    assert_eq!(alert.correlator.as_deref(), Some("job-42"));
    let meta = Meta {
        format: Some(Format::Chr),
        media_type: Some("Reversed-Domain-Name: org.example.update".into()),
        mark: Some("critical".into()),
        ..Meta::default()
    };
    assert_eq!(alert.items[0].meta, Some(meta.into()), "format and type are there even where they are the defaults");
    let Command::Alert(without_object) = &message.commands[3] else { panic!() };
    assert_eq!((without_object.items[0].source.as_ref(), without_object.correlator.as_deref()), (None, None));
    device.take(reply(1, 1, &format!("{}{}<Final/>", status(1, 3, 202, ""), status(1, 4, 406, "")))).unwrap();
    assert_eq!(answered(&device), [("done".into(), 202), ("hello".into(), 406)]);
    assert_eq!(device.finished, Some(Outcome::Completed));
    assert!(faults(&device).is_empty());
}

#[test]
pub(crate) fn a_run_that_goes_on_is_202_and_its_end_is_an_alert_with_the_correlator() {
    let mut device = waiting();
    let exec = format!("<Exec><CmdID>2</CmdID><Correlator>job-7</Correlator>{}</Exec><Final/>", item("./Ops/Reboot"));
    let asked = device.session.handle(&env(50), reply(1, 1, &exec), &mut Vec::new());
    assert_eq!(asked, Ok(()));
    let Some(Question::Tree(ops)) = device.session.pending() else { panic!() };
    let results = vec![dm_core::tree::OpResult::status(StatusCode::ACCEPTED)];
    assert_eq!(sent(&mut device, ops.answer(results)), "Status 200 SyncHdr; Status 202 Exec ./Ops/Reboot; Final");
    let end = DeviceAlert { correlator: Some("job-7".into()), ..event(AlertKind::Generic, "200") };
    assert_eq!(sent(&mut device, tell("end", end)), "nothing", "it waits for the reply");
    let get = format!("<Get><CmdID>2</CmdID>{}</Get><Final/>", item("./DevInfo/Man"));
    let packet = device.send(reply(2, 2, &get)).unwrap();
    assert_eq!(
        lines(&packet),
        "Status 200 SyncHdr; Status 200 Get ./DevInfo/Man; Results ./DevInfo/Man = \"Acme\"; Alert 1226 (Generic alert) \"200\"; Final"
    );
    let Command::Alert(alert) = &message(&packet).commands[3] else { panic!() };
    assert_eq!(alert.correlator.as_deref(), Some("job-7"));
    assert_eq!(sent(&mut device, reply(3, 3, &format!("{}<Final/>", status(3, 4, 200, "")))), "nothing");
    assert_eq!(answered(&device), [("end".into(), 200)]);
}

#[test]
pub(crate) fn items_are_answered_together_or_one_by_one() {
    let mut two = event(AlertKind::Generic, "a");
    two.items[0].source = Some("./A".into());
    two.items.push(AlertItem { source: Some("./B".into()), ..two.items[0].clone() });
    let mut device = Device::trusting();
    device.take(tell("two", two)).unwrap();
    device.start();
    let one = |uri: &str, code: u16| status(1, 3, code, &format!("<SourceRef>{uri}</SourceRef>"));
    let body = format!("{}{}<Final/>", one("./A", 200), one("./B", 415));
    device.take(reply(1, 1, &body)).unwrap();
    assert_eq!(answered(&device), [("two".into(), 200), ("two".into(), 415)]);
    assert!(faults(&device).is_empty());
}

#[test]
pub(crate) fn alerts_of_a_message_that_is_not_believed_are_sent_again_and_answered_once() {
    let mut device = Device::new(Profile { server_scheme: None, ..Device::usual() });
    device.take(tell("again", event(AlertKind::Generic, "x"))).unwrap();
    assert!(lines(&device.start()).contains("1226"));
    let chal = "<Chal><Meta><Format xmlns='syncml:metinf'>b64</Format><Type xmlns='syncml:metinf'>syncml:auth-md5</Type>\
        <NextNonce xmlns='syncml:metinf'>Tm9uY2U=</NextNonce></Meta></Chal><Data>401</Data>";
    let refused = HEADER.replace("<Data>212</Data>", chal);
    let body = format!("{refused}{}<Final/>", status(1, 3, 401, ""));
    let again = sent(&mut device, Input::Received(from_server(1, "", &body)));
    assert!(again.contains("Alert 1201") && again.contains("Alert 1226"), "{again}");
    assert_eq!(answered(&device), []);
    device.take(reply(2, 2, &format!("{}<Final/>", status(2, 4, 200, "")))).unwrap();
    assert_eq!(answered(&device), [("again".into(), 200)]);
}

#[test]
pub(crate) fn items_that_do_not_fit_together_go_one_by_one_and_those_that_never_fit_are_given_up() {
    let mut device = Device::new(Profile { large_objects: false, ..Device::trusting().profile });
    device.start();
    let mut many = event(AlertKind::Generic, &"m".repeat(500));
    many.items.extend([many.items[0].clone(), many.items[0].clone()]);
    device.take(tell("many", many)).unwrap();
    device.take(tell("huge", event(AlertKind::Generic, &"h".repeat(3000)))).unwrap();
    device.take(tell("last", event(AlertKind::Generic, "l"))).unwrap();
    let get = format!("<Get><CmdID>2</CmdID>{}</Get><Final/>", item("./DevInfo/Man"));
    let mut msg_id = 1;
    let mut said = vec![sent(&mut device, reply_with(1, 1, &max_msg_size(1900), &get))];
    while !said.last().unwrap().ends_with("Final") {
        msg_id += 1;
        said.push(sent(&mut device, reply(msg_id, msg_id, NEXT)));
    }
    let all = said.join("; ");
    assert_eq!(all.matches("\"mmm").count(), 3, "{all}");
    assert_eq!((all.matches("\"hhh").count(), all.matches("\"l\"").count()), (0, 1), "{all}");
    assert!(device.reports.contains(&Report::AlertAbandoned { tag: "huge".into() }));
}

#[test]
pub(crate) fn an_alert_larger_than_the_server_takes_objects_is_given_up() {
    let mut device = waiting();
    device.take(tell("huge", event(AlertKind::Generic, &"h".repeat(3000)))).unwrap();
    let sizes = "<Meta><MaxMsgSize xmlns='syncml:metinf'>2000</MaxMsgSize><MaxObjSize xmlns='syncml:metinf'>2999\
        </MaxObjSize></Meta>";
    let body = format!("<Get><CmdID>2</CmdID>{}</Get><Final/>", item("./DevInfo/Man"));
    let said = sent(&mut device, reply_with(1, 1, sizes, &body));
    assert!(!said.contains("1226") && said.ends_with("Final"), "{said}");
    assert!(device.reports.contains(&Report::AlertAbandoned { tag: "huge".into() }));
}

#[test]
pub(crate) fn an_alert_that_says_nothing_is_misuse() {
    let without = |change: fn(&mut AlertItem)| {
        let mut alert = event(AlertKind::Generic, "x");
        change(&mut alert.items[0]);
        alert
    };
    let mut device = waiting();
    let bad = [
        DeviceAlert { items: vec![], ..event(AlertKind::Generic, "x") },
        without(|item| item.content.media_type = None),
        without(|item| item.content.data = None),
        without(|item| item.content.in_parts = Some(9)),
        without(|item| item.source = Some("./\u{1}".into())),
    ];
    for alert in bad {
        let before = device.session.snapshot();
        assert_eq!(device.take(tell("bad", alert.clone())), Err(Misuse::BadAlert), "{alert:?}");
        assert_eq!(device.session.snapshot(), before);
    }
    let much = event(AlertKind::Generic, &"x".repeat(300_000));
    assert_eq!(device.take(tell("much", much)), Err(Misuse::TooMuch));
    device.take(Input::Abort(Reason::Requested)).unwrap();
    assert_eq!(device.take(tell("late", event(AlertKind::Generic, "x"))), Err(Misuse::Over));
}

#[test]
pub(crate) fn a_server_that_has_nothing_more_to_say_is_told_nothing_more() {
    let mut device = waiting();
    device.take(tell("late", event(AlertKind::Generic, "x"))).unwrap();
    assert_eq!(sent(&mut device, reply(1, 1, "<Final/>")), "nothing");
    assert_eq!((device.finished.as_ref(), answered(&device)), (Some(&Outcome::Completed), Vec::new()));
}
