//! What is stored today must be read tomorrow: snapshots and journals as files in the repository.
//!
//! A difference is a change that users of stored sessions feel. If it is meant, `cargo xtask bless` writes the files anew,
//! and the changelog says so.

use std::{fs, path::PathBuf};

use core_kit::{
    Durable, Machine,
    journal::{self, JournalOf, Replay, file},
};
use dm_core::{client, server};
use serde::{Serialize, de::DeserializeOwned};

use crate::harness::{DEVICE, Device, PACKAGE_ONE, SERVER, Server, env, from_device};

/// The file's text, after writing `text` to it if that was asked for.
fn golden(name: &str, text: &str) -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests").join(name);
    if std::env::var_os("BLESS").is_some() {
        fs::create_dir_all(path.parent().expect("a file is in a folder")).expect("the folder can be made");
        fs::write(&path, text).expect("the file can be written");
    }
    fs::read_to_string(&path)
        .unwrap_or_else(|error| panic!("{}: {error}; `cargo xtask bless` writes it", path.display()))
}

fn check_snapshot<M>(name: &str, machine: &M, profile: &M::Profile)
where
    M: Durable<Snapshot: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug, RestoreError: std::fmt::Debug>,
{
    let text = serde_json::to_string_pretty(&machine.snapshot()).expect("a snapshot is JSON") + "\n";
    let stored = golden(&format!("snapshots/v1/{name}.json"), &text);
    assert_eq!(stored, text, "{name}: the stored form has changed; if that is meant, `cargo xtask bless`");
    let snapshot = serde_json::from_str(&stored).expect("the file is a snapshot");
    let restored = M::restore(snapshot, profile).expect("the snapshot is taken back");
    assert_eq!(restored.snapshot(), machine.snapshot());
    assert_eq!(restored.revision(), machine.revision());
}

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

fn check_journal<M>(name: &str, journal: &JournalOf<M>)
where
    M: Durable<
            Profile: Serialize + DeserializeOwned,
            Snapshot: Serialize + DeserializeOwned,
            Input: Serialize + DeserializeOwned,
            Output: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug,
            RestoreError: std::fmt::Debug,
            Misuse: std::fmt::Debug,
        >,
{
    let mut text = Vec::new();
    file::write(journal, &mut text).expect("a journal is text");
    let stored = golden(&format!("journals/{name}.jsonl"), std::str::from_utf8(&text).expect("a journal is UTF-8"));
    let opened = file::open(stored.as_bytes()).expect("the file is a journal");
    assert_eq!(opened.machine(), M::NAME);
    let stored: JournalOf<M> = opened.read::<M>().expect("the file is a journal of this machine");
    let steps = journal.records.len();
    match file::replay::<M>(stored).expect("its snapshot is taken back") {
        Replay::Same { steps: replayed } => assert_eq!(replayed, steps),
        Replay::Diverged { seq, recorded, replayed } => {
            let place = file::differ(&recorded, &replayed).unwrap_or_default();
            panic!("{name}, step {seq}: the session says something else now\n{place}")
        }
        other => panic!("{name}: {other:?}"),
    }
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
