//! What is stored today must be read tomorrow: snapshots and journals as files in the repository.
//!
//! A difference is a change that users of stored sessions feel. If it is meant, `cargo xtask bless` writes the files anew,
//! and the changelog says so.

use core_kit::{
    Durable, Machine,
    journal::{self, JournalOf},
};
use dm_core::{client, server};

use crate::harness::{DEVICE, Device, PACKAGE_ONE, SERVER, Server, env, from_device};

#[path = "../../../core-kit/tests/support/golden.rs"]
mod files;

use files::{check_journal, check_snapshot};

#[test]
fn server_snapshots_are_read_back() {
    let orders = || vec![server::Order::new("read", server::Request::Get(vec!["./DevInfo/Man".into()]))];
    let profile = server::Profile::new(SERVER);
    check_snapshot("server-fresh", &server::Session::new(&profile), &profile);
    let mut asking = server::Session::new(&profile);
    asking.handle(&env(1), server::Input::Received(from_device(1, "", PACKAGE_ONE)), &mut Vec::new()).expect("taken");
    check_snapshot("server-authenticating", &asking, &profile);
    let mut server = Server::trusting(vec![orders()]);
    server.reply(from_device(1, "", PACKAGE_ONE));
    check_snapshot("server-waiting", &server.session, &profile);
    server.reply(from_device(2, "", "<Final/>"));
    check_snapshot("server-over", &server.session, &profile);
}

#[test]
fn client_snapshots_are_read_back() {
    let mut device = Device::new(Device::usual());
    check_snapshot("client-fresh", &device.session, &device.profile);
    let mut asking = device.session.clone();
    asking.handle(&env(1), client::Input::Start(client::Trigger::Client("2F".into())), &mut Vec::new()).expect("taken");
    check_snapshot("client-gathering", &asking, &device.profile);
    device.start();
    check_snapshot("client-waiting", &device.session, &device.profile);
    device.take(client::Input::SendFailed(client::Failure::Permanent)).expect("taken");
    check_snapshot("client-over", &device.session, &device.profile);
}

/// Keeps a record of every step that `drive` takes.
fn recorded<M: Durable<Input: Clone>>(
    machine: &mut M,
    profile: M::Profile,
    mut drive: impl FnMut(&mut dyn FnMut(&mut M, M::Input) -> Vec<M::Output>, &mut M),
) -> JournalOf<M>
where
    M::Output: Clone,
    M::Misuse: std::fmt::Debug,
{
    let mut journal = journal::begin(machine, profile);
    let mut now = 0;
    let mut step = |machine: &mut M, input: M::Input| {
        now += 10;
        let record = journal::step(machine, &env(now), input).expect("the input fits");
        let outputs = record.outputs.clone();
        journal.records.push(record);
        outputs
    };
    drive(&mut step, machine);
    journal
}

/// Both journals of one session with digests both ways and stale nonces.
#[test]
fn journals_of_both_sides_replay_identical() {
    let mut device = Device::new(Device::usual());
    let mut server = Server::new(server::Profile::new(SERVER));
    device.own.nonce = dm_core::auth::Nonce::new(b"forgotten");
    server.orders = vec![vec![server::Order::new(
        "add",
        server::Request::Add(vec![server::Entry::text("./Settings/Ringtone", "bell & whistle\r\n")]),
    )]];
    let mut client_session = client::Session::new(&device.profile);
    let mut server_session = server::Session::new(&server.profile);
    let mut server_journal = journal::begin(&server_session, server.profile.clone());
    let mut now = 0;
    let mut serve = |packet| {
        let (mut todo, mut reply) = (Some(server::Input::Received(packet)), None);
        while let Some(input) = todo.take() {
            now += 10;
            let record = journal::step(&mut server_session, &env(now), input).expect("the input fits");
            for output in &record.outputs {
                match output {
                    server::Output::Ask(question) => todo = Some(server.answer(question.clone())),
                    server::Output::Reply(packet) => reply = Some(packet.clone()),
                    server::Output::Report(report) => server.hear(report.clone()),
                    server::Output::Finished(_) | server::Output::Refuse(_) => {}
                }
            }
            server_journal.records.push(record);
        }
        reply.expect("a message is answered")
    };
    let profile = device.profile.clone();
    let client_journal = recorded(&mut client_session, profile, |step, session| {
        let mut todo = Some(client::Input::Start(client::Trigger::Client("2F".into())));
        while let Some(input) = todo.take() {
            for output in step(session, input) {
                match output {
                    client::Output::Ask(question) => todo = Some(device.answer(question)),
                    client::Output::Send(request) => todo = Some(client::Input::Received(serve(request.packet))),
                    client::Output::Report(report) => device.hear(report),
                    client::Output::Finished(_) => {}
                }
            }
        }
    });
    assert_eq!(client_session.outcome(), Some(&dm_core::session::Outcome::Completed));
    assert_eq!(device.tree.text("./Settings/Ringtone"), Some("bell & whistle\r\n"));
    assert_eq!(device.profile.device.as_str(), DEVICE);
    check_journal::<client::Session>("client", &client_journal);
    check_journal::<server::Session>("server", &server_journal);
}
