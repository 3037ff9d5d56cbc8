//! From a notification to the session that it asks for, on both sides.

use core_kit::Tick;
use dm_core::{
    auth::{CredentialHash, Nonce},
    client::Input,
    codes::AlertCode,
    notify::{self, Decision, Known, Layout, Policy, Seen, SessionNumber, v1_2::Notification},
    server::Report,
    session::Outcome,
};

use crate::harness::{Device, Server, lines, message};

#[test]
fn a_notification_of_the_server_opens_the_session_that_it_names() {
    let credentials = CredentialHash::new("dm-server", "s3rv3r-pass");
    let nonce = Nonce::new(b"issued before");
    let asked = SessionNumber::new(0x00AB).unwrap();
    let octets = Notification::new("dm-server".into(), asked).sign(&credentials, &nonce).unwrap();

    let mut seen = Seen::default();
    let mut receive = |octets: &[u8]| {
        let known = Known { credentials: &credentials, nonce: &nonce, seen: &mut seen };
        let account = |named: &dm_core::ids::ServerId| (named.as_str() == "dm-server").then_some(known);
        notify::receive(Layout::V1_2, octets, account, Tick(0), &Policy::default())
    };
    let Decision::Start(start) = receive(&octets) else { panic!("the notification is not believed") };
    assert!(matches!(receive(&octets), Decision::AlreadyRun(_)), "a copy of it opens nothing");

    let (mut device, mut server) = (Device::trusting(), Server::trusting(Vec::new()));
    let package_one = device.send(Input::Start(start.trigger())).unwrap();
    assert_eq!(message(&package_one).header.session_id, asked.id());
    assert!(lines(&package_one).starts_with("Alert 1200 (Server-initiated management)"), "{}", lines(&package_one));
    let reply = server.reply(package_one);
    let opened = |report: &Report| matches!(report, Report::Started { alert: AlertCode::SERVER_INITIATED, .. });
    assert!(server.reports.iter().any(opened), "{:?}", server.reports);
    device.send(Input::Received(reply));
    assert_eq!((device.finished, server.finished), (Some(Outcome::Completed), Some(Outcome::Completed)));
}
