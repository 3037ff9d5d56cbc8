//! Peers that keep to no rules: small scripts that write messages by hand.

use bytes::Bytes;
use dm_core::{
    codes::StatusCode,
    ids::{CmdId, MsgId, SessionId},
    wire::{Command, Encoding, Header, Item, Location, Message, Meta, Refs, Status, encode},
};

mod attacker;
mod rogue;

pub use attacker::Attacker;
pub(super) use attacker::{Attack, Target};
pub(super) use rogue::Chapter;
pub use rogue::Rogue;

/// A message without commands.
fn message(session: &SessionId, msg_id: MsgId, target: &str, source: &str) -> Message {
    Message {
        header: Header {
            ver_dtd: "1.2".into(),
            ver_proto: "DM/1.2".into(),
            session_id: session.clone(),
            msg_id,
            target: Location::new(target),
            source: Location::new(source),
            meta: Some(Meta { max_msg_size: Some(16_000), max_obj_size: Some(100_000), ..Meta::default() }.into()),
            ..Header::default()
        },
        commands: Vec::new(),
        is_final: true,
    }
}

/// Numbers the commands in document order, from 1.
fn number(commands: &mut [Command], next: &mut u32) {
    for command in commands {
        command.cmd_id_slot().set(CmdId::from(*next));
        *next += 1;
        if let Command::Atomic(block) | Command::Sequence(block) = command {
            number(&mut block.commands, next);
        }
    }
}

fn status(msg_ref: MsgId, cmd_ref: CmdId, cmd: &str, code: StatusCode) -> Status {
    Status {
        cmd_id: None,
        msg_ref,
        cmd_ref: Some(cmd_ref),
        cmd: cmd.into(),
        target_refs: Refs::default(),
        source_refs: Refs::default(),
        cred: None,
        chal: None,
        code,
        items: Vec::new(),
    }
}

/// A status of 200 for each command that wants one.
fn statuses(message: &Message) -> impl Iterator<Item = Command> {
    let wants = |command: &&Command| !matches!(command, Command::Status(_) | Command::Results(_));
    message.commands.iter().filter(wants).filter_map(|command| {
        let id = command.cmd_id()?.clone();
        Some(Command::Status(status(message.header.msg_id, id, command.name(), StatusCode::OK)))
    })
}

fn target(uri: &str) -> Item {
    Item::target(uri)
}

/// As on the wire; nothing where it cannot be written.
fn written(message: &Message) -> Option<Bytes> {
    encode(Encoding::Xml, message).ok().map(Bytes::from)
}
