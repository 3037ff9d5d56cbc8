//! Prompts for the user, in every place that they can be in [DM 1.2, 10].

use dm_core::{
    codes::{AlertCode, StatusCode},
    prompt::{Choice, Prompt, PromptFault, Reply, Response, Wanted},
    wire::Command,
};

use super::*;
use crate::harness::message as decoded;

/// A waiting client that can show every kind of prompt and whose user says this.
pub(super) fn prompted(replies: &[Reply]) -> Device {
    let prompts = (1100..1105).map(AlertCode).collect();
    let mut device = Device::new(Profile { prompts, ..Device::trusting().profile });
    device.replies = replies.into();
    device.start();
    device
}

pub(super) fn alert(id: u32, code: u16, texts: &[&str]) -> String {
    let item = |text: &&str| format!("<Item><Data>{text}</Data></Item>");
    let items: String = texts.iter().map(item).collect();
    format!("<Alert><CmdID>{id}</CmdID><Data>{code}</Data><Item/>{items}</Alert>")
}

pub(super) fn confirm(id: u32) -> String {
    alert(id, 1101, &["Now?"])
}

pub(super) fn set(id: u32, value: &str) -> String {
    format!(
        "<Replace><CmdID>{id}</CmdID><Item><Target><LocURI>./Settings/Volume</LocURI></Target><Data>{value}</Data>\
         </Item></Replace>"
    )
}

const NO: Reply = Reply::Given(Response::No);
const YES: Reply = Reply::Given(Response::Yes);

/// The status of the only alert, with what its items hold.
fn status(device: &mut Device, alert: &str) -> (StatusCode, Vec<String>) {
    let packet = device.send(reply(1, 1, &format!("{alert}<Final/>"))).unwrap();
    let message = decoded(&packet);
    let [_, Command::Status(status)] = message.commands.as_slice() else { panic!("{message:?}") };
    let text = |item: &dm_core::wire::Item| item.data.as_ref().unwrap().as_text().unwrap().to_string();
    (status.code, status.items.iter().map(text).collect())
}

/// An alert's code and texts, what the user says, and the status with what its items hold.
type Case<'a> = (u16, &'a [&'a str], Reply, u16, &'a [&'a str]);

#[test]
pub(crate) fn a_session_that_a_notification_announces_begins_when_the_user_has_seen_it_or_agreed() {
    let consent = || Wanted::Consent { default: None };
    for (wanted, reply, begins) in [
        (consent(), YES, true),
        (consent(), NO, false),
        (consent(), Reply::Cancelled, false),
        (consent(), Reply::TimedOut { default: None }, false),
        (consent(), Reply::TimedOut { default: Some(Response::Yes) }, true),
        (consent(), Reply::NotSupported, false),
        (Wanted::Attention, YES, true),
        (Wanted::Attention, Reply::NotSupported, true),
    ] {
        let mut device = Device::trusting();
        device.replies = [reply.clone()].into();
        let trigger = Trigger::Announced { session: "AB".into(), prompt: Prompt::new("Manage now?", wanted) };
        let sent = device.send(Input::Start(trigger));
        assert_eq!(sent.is_some(), begins, "{reply:?}");
        if let Some(packet) = sent {
            assert!(lines(&packet).starts_with("Alert 1200 (Server-initiated management)"));
            assert_eq!(decoded(&packet).header.session_id.as_str(), "AB");
        }
        assert_eq!(device.finished, (!begins).then_some(Outcome::Declined), "{reply:?}");
    }
}

#[test]
pub(crate) fn what_the_user_says_is_the_status_of_the_alert() {
    let choice = |number: usize| Choice::at(number - 1);
    let chosen = |numbers: &[usize]| Reply::Given(Response::Chosen(numbers.iter().copied().map(choice).collect()));
    let choices: &[&str] = &["Which?", "a", "b", "c"];
    let cases: [Case<'_>; 12] = [
        (1100, &["Hello"], YES, 200, &[]),
        (1101, &["Now?"], YES, 200, &[]),
        (1101, &["Now?"], NO, 304, &[]),
        (1101, &["Now?"], Reply::Cancelled, 214, &[]),
        (1102, &["Name?"], Reply::Given(Response::Text("Eve & <co>".into())), 200, &["Eve & <co>"]),
        (1103, choices, chosen(&[2]), 200, &["2"]),
        (1104, choices, chosen(&[3, 1]), 200, &["3", "1"]),
        (1104, choices, chosen(&[]), 200, &[]),
        (1101, &["Now?"], Reply::TimedOut { default: None }, 408, &[]),
        (1103, choices, Reply::TimedOut { default: Some(Response::Chosen(vec![choice(1)])) }, 408, &["1"]),
        (1100, &["Hello"], Reply::NotSupported, 406, &[]),
        (1100, &["Hello"], Reply::NotShown, 416, &[]),
    ];
    for (code, texts, said, status_code, items) in cases {
        let mut device = prompted(&[said]);
        let expected = (StatusCode(status_code), items.iter().map(ToString::to_string).collect());
        assert_eq!(status(&mut device, &alert(2, code, texts)), expected, "{code}");
        assert_eq!((device.prompts[0].code(), device.prompts[0].text.as_str()), (AlertCode(code), texts[0]));
    }
}

#[test]
pub(crate) fn the_items_of_a_prompt_keep_their_order() {
    let mut device = prompted(&[Reply::Cancelled]);
    status(&mut device, &alert(2, 1104, &["Which?", "c", "a", "b"]));
    assert_eq!(device.prompts[0].choices(), ["c", "a", "b"]);
}

#[test]
pub(crate) fn prompts_that_the_device_cannot_show_and_broken_ones_ask_nobody() {
    let mut device = Device::new(Profile { prompts: vec![AlertCode::DISPLAY], ..Device::trusting().profile });
    device.start();
    let body =
        format!("{}{}<Alert><CmdID>4</CmdID><Data>1100</Data></Alert><Final/>", confirm(2), alert(3, 1199, &["?"]));
    assert_eq!(
        sent(&mut device, reply(1, 1, &body)),
        "Status 200 SyncHdr; Status 406 Alert; Status 406 Alert; Status 412 Alert; Final"
    );
    assert!(device.prompts.is_empty());
    let broken = PeerFault::BadPrompt { code: AlertCode::DISPLAY, fault: PromptFault::Incomplete };
    assert_eq!(faults(&device), [&broken]);
}

#[test]
pub(crate) fn a_reply_that_the_prompt_does_not_admit_is_misuse() {
    let mut device = prompted(&[Reply::Given(Response::Text("hm".into()))]);
    let before = device.session.clone();
    let refused = device.take(reply(1, 1, &format!("{}<Final/>", confirm(2))));
    assert_eq!(refused, Err(Misuse::WrongReply(device.session.pending().unwrap().id())));
    assert!(before.pending().is_none() && device.session.pending().is_some(), "the question is still open");
}

#[test]
pub(crate) fn a_no_directly_in_the_body_touches_nothing_else() {
    let mut device = prompted(&[NO, YES]);
    let body = format!("{}{}{}<Final/>", confirm(2), set(3, "5"), confirm(4));
    assert_eq!(
        sent(&mut device, reply(1, 1, &body)),
        "Status 200 SyncHdr; Status 304 Alert; Status 200 Replace ./Settings/Volume; Status 200 Alert; Final"
    );
    assert_eq!(device.tree.text("./Settings/Volume"), Some("5"));
}

#[test]
pub(crate) fn a_no_in_a_sequence_keeps_the_rest_of_it_from_being_done() {
    let mut device = prompted(&[NO]);
    let sequence = format!("<Sequence><CmdID>2</CmdID>{}{}{}</Sequence>", set(3, "4"), confirm(4), set(5, "5"));
    let body = format!("{sequence}<Get><CmdID>6</CmdID>{}</Get><Final/>", item("./Settings/Volume"));
    assert_eq!(
        sent(&mut device, reply(1, 1, &body)),
        "Status 200 SyncHdr; Status 200 Sequence; Status 200 Replace ./Settings/Volume; Status 304 Alert; \
         Status 215 Replace ./Settings/Volume; Status 200 Get ./Settings/Volume; Results ./Settings/Volume = \"4\"; Final"
    );
}

#[test]
pub(crate) fn after_a_cancel_nothing_more_of_the_message_is_done() {
    for reply_to_second in [Reply::Cancelled, YES] {
        let mut device = prompted(&[YES, reply_to_second.clone()]);
        let atomic = format!("<Atomic><CmdID>6</CmdID>{}</Atomic>", set(7, "7"));
        let sequence = format!("<Sequence><CmdID>8</CmdID>{}</Sequence>", set(9, "9"));
        let body = format!("{}{}{}{atomic}{sequence}<Final/>", confirm(2), confirm(3), set(4, "4"));
        let said = sent(&mut device, reply(1, 1, &body));
        if reply_to_second == YES {
            assert!(!said.contains("215"), "{said}");
            continue;
        }
        assert_eq!(
            said,
            "Status 200 SyncHdr; Status 200 Alert; Status 214 Alert; Status 215 Replace ./Settings/Volume; \
             Status 215 Atomic; Status 215 Replace ./Settings/Volume; Status 215 Sequence; \
             Status 215 Replace ./Settings/Volume; Final"
        );
        assert_eq!(device.tree.text("./Settings/Volume"), Some("3"));
    }
}

#[test]
pub(crate) fn a_no_in_an_atomic_rolls_it_back() {
    for (said, code) in [(NO, 304), (Reply::Cancelled, 214), (Reply::TimedOut { default: None }, 408)] {
        let mut device = prompted(&[YES, said]);
        let atomic =
            format!("<Atomic><CmdID>2</CmdID>{}{}{}{}</Atomic>", confirm(3), set(4, "4"), confirm(5), set(6, "6"));
        assert_eq!(
            sent(&mut device, reply(1, 1, &format!("{atomic}<Final/>"))),
            format!(
                "Status 200 SyncHdr; Status 507 Atomic; Status 216 Alert; Status 216 Replace ./Settings/Volume; \
                 Status {code} Alert; Status 215 Replace ./Settings/Volume; Final"
            )
        );
        assert_eq!(device.tree.text("./Settings/Volume"), Some("3"));
    }
}

#[test]
pub(crate) fn a_yes_in_an_atomic_lets_it_through() {
    let mut device = prompted(&[YES, YES]);
    let atomic = format!("<Atomic><CmdID>2</CmdID>{}{}{}</Atomic>{}", confirm(3), set(4, "4"), confirm(5), set(6, "6"));
    assert_eq!(
        sent(&mut device, reply(1, 1, &format!("{atomic}<Final/>"))),
        "Status 200 SyncHdr; Status 200 Atomic; Status 200 Alert; Status 200 Replace ./Settings/Volume; \
         Status 200 Alert; Status 200 Replace ./Settings/Volume; Final"
    );
}

#[test]
pub(crate) fn a_prompt_is_asked_of_a_server_that_proved_itself() {
    for (code, signed) in [("212", false), ("200", true)] {
        let mut device = Device::new(Profile { prompts: vec![AlertCode::CONFIRM], ..Device::usual() });
        device.replies = vec![YES];
        device.start();
        let body = format!("{}{}<Final/>", HEADER.replace("212", code), confirm(2));
        let packet = device.send(Input::Received(from_server(1, &cred(&device.server, None), &body))).unwrap();
        assert!(lines(&packet).ends_with("Status 200 Alert; Final"), "{}", lines(&packet));
        assert_eq!(message(&packet).header.cred.is_some(), signed);
    }
}

#[test]
pub(crate) fn a_text_that_the_server_has_no_room_for_becomes_413() {
    let mut device = prompted(&[Reply::Given(Response::Text("x".repeat(900)))]);
    let body = format!("{}<Final/>", alert(2, 1102, &["Name?"]));
    assert_eq!(
        sent(&mut device, reply_with(1, 1, &max_msg_size(1000), &body)),
        "Status 200 SyncHdr; Status 413 Alert; Final"
    );
    // Nor for any status at all.
    let mut device = prompted(&[YES]);
    assert_eq!(sent(&mut device, reply_with(1, 1, &max_msg_size(100), &format!("{}<Final/>", confirm(2)))), "nothing");
    assert_eq!(device.finished, Some(Outcome::Failed(PeerFault::PeerTooSmall)));
}
