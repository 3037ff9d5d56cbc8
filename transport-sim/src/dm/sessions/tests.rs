use dm_core::{
    limits::WireLimits,
    wire::{Command, Encoding, decode},
};

use super::skim::{Name, Skim};
use crate::dm::Scenario;

/// What the codec says of a message, as the rules want it.
fn by_codec(body: &[u8]) -> (u32, Vec<(&'static str, u32, u32)>) {
    let message = decode(Encoding::Xml, body, &WireLimits::SERVER).unwrap().message;
    let command = |command: &Command| {
        let (of, code) = match command {
            Command::Status(status) => (status.msg_ref.0, u32::from(status.code.0)),
            Command::Results(results) => (results.msg_ref.map_or(0, |msg_ref| msg_ref.0), 0),
            _ => (0, 0),
        };
        (command.name(), of, code)
    };
    (message.header.msg_id.0, message.commands.iter().map(command).collect())
}

#[test]
fn what_is_read_at_a_glance_is_what_the_codec_reads() {
    let mut seen = 0;
    for seed in 0..4 {
        for sent in Scenario::rough(seed).run().traffic.iter().filter(|sent| !sent.body.is_empty()) {
            let skim = Skim::read(&sent.body).unwrap();
            let commands = skim.commands.iter().map(|command| {
                let code = if command.name == Name::Status { u32::from(command.code) } else { 0 };
                (command.name.as_str(), command.msg_ref, code)
            });
            assert_eq!((skim.msg_id, commands.collect()), by_codec(&sent.body));
            let message = decode(Encoding::Xml, &sent.body, &WireLimits::SERVER).unwrap().message;
            assert_eq!((skim.session, skim.source), (message.header.session_id.as_str(), &*message.header.source.uri));
            assert_eq!(skim.cred.is_some(), message.header.cred.is_some());
            seen += 1;
        }
    }
    assert!(seen > 30, "{seen}");
}

#[test]
fn what_is_no_message_cannot_be_read() {
    for body in
        ["", "<", "<SyncML>", "</SyncML>", "<SyncML></SyncHdr>", "<SyncML><SyncHdr></SyncHdr></SyncML>", "\u{e9}<"]
    {
        assert_eq!(Skim::read(body.as_bytes()), None, "{body}");
    }
    assert_eq!(Skim::read(&[0xff]), None);
    let deep = "<a>".repeat(1_000);
    assert_eq!(Skim::read(deep.as_bytes()), None);
}
