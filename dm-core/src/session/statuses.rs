//! Statuses, as both roles write them [digest 2.5].

use alloc::{boxed::Box, vec::Vec};

use smol_str::SmolStr;

use crate::{
    codes::StatusCode,
    ids::{CmdId, MsgId},
    version::Version,
    wire::{Chal, Command, Header, Message, Refs, Status},
};

/// The header that a message under construction answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answering {
    /// Its number.
    pub(crate) msg_id: MsgId,
    /// Its `Target`.
    pub(crate) target: SmolStr,
    /// Its `Source`.
    pub(crate) source: SmolStr,
}

impl Answering {
    pub(crate) fn new(header: &Header) -> Self {
        Self { msg_id: header.msg_id, target: header.target.uri.clone(), source: header.source.uri.clone() }
    }
}

/// What a header is answered with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Verdicts {
    /// The code.
    pub(crate) code: StatusCode,
    /// The challenge, or the nonce for the next time.
    pub(crate) chal: Option<Box<Chal>>,
    /// The version that is recommended.
    pub(crate) version: Option<Version>,
}

impl Verdicts {
    pub(crate) const fn plain(code: StatusCode) -> Self {
        Self { code, chal: None, version: None }
    }

    pub(crate) fn challenge(code: StatusCode, chal: Chal) -> Self {
        Self { code, chal: Some(chal.into()), version: None }
    }
}

/// The status for a header; it is the first of its message (rule 3).
pub(crate) fn header_status(answering: &Answering, verdict: Verdicts) -> Status {
    Status {
        cmd_id: None,
        msg_ref: answering.msg_id,
        cmd_ref: Some(CmdId::header()),
        cmd: SmolStr::new_static(Status::HEADER),
        target_refs: [answering.target.clone()].into(),
        source_refs: [answering.source.clone()].into(),
        cred: None,
        chal: verdict.chal,
        code: verdict.code,
        items: verdict.version.into_iter().map(Version::as_item).collect(),
    }
}

/// The status for a whole command (rule 5: it names no item).
pub(crate) fn status_for(msg_ref: MsgId, command: &Command, code: StatusCode) -> Status {
    Status {
        cmd_id: None,
        msg_ref,
        cmd_ref: Some(command.cmd_id().cloned().unwrap_or_default()),
        cmd: SmolStr::new_static(if core_kit::planted!("D02-other-name") { "Put" } else { command.name() }),
        target_refs: Refs::default(),
        source_refs: Refs::default(),
        cred: None,
        chal: None,
        code,
        items: Vec::new(),
    }
}

/// One status of the same code for every command, those inside others included: what a refused message gets
/// [DM 1.2, 9.3]. A `Status` is no command.
pub(crate) fn refuse_all(message: &Message, code: StatusCode) -> Vec<Status> {
    let mut statuses = Vec::new();
    // A stack and not recursion; the decoder bounds its depth and the number of commands.
    let mut open: Vec<_> = [message.commands.iter()].into();
    while let Some(commands) = open.last_mut() {
        match commands.next() {
            Some(Command::Status(_)) => {}
            Some(command) => {
                statuses.push(status_for(message.header.msg_id, command, code));
                open.push(command.inner().iter());
            }
            None => {
                open.pop();
            }
        }
    }
    statuses
}

/// Numbers the commands of a message from 1, those inside others included.
pub(crate) fn number(commands: &mut [Command]) {
    fn go(commands: &mut [Command], next: &mut u32) {
        for command in commands {
            command.cmd_id_slot().set(CmdId::from(*next));
            *next = next.saturating_add(u32::from(!core_kit::planted!("D04-number-twice")));
            // As deep as this side's own commands, which are not the peer's to nest.
            if let Command::Atomic(block) | Command::Sequence(block) = command {
                go(&mut block.commands, next);
            }
        }
    }
    go(commands, &mut 1);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{Alert, Block, Get, Results};

    #[test]
    fn every_command_of_a_refused_message_gets_its_status_in_order() {
        let mut commands: Vec<Command> = [
            Command::Alert(Alert::default()),
            Command::Sequence(Block {
                commands: [Command::Atomic(Block {
                    commands: [Command::Get(Get::default())].into(),
                    ..Block::default()
                })]
                .into(),
                ..Block::default()
            }),
            Command::Results(Results::default()),
        ]
        .into();
        number(&mut commands);
        commands.insert(0, Command::Status(status_for(MsgId(1), &commands[0], StatusCode::OK)));
        let message = Message { commands, ..Message::default() };
        let statuses = refuse_all(&message, StatusCode::MISSING_CREDENTIALS);
        let named: Vec<_> =
            statuses.iter().map(|s| (s.cmd.as_str(), s.cmd_ref.as_ref().unwrap().as_str(), s.code.0)).collect();
        let all = [
            ("Alert", "1", 407),
            ("Sequence", "2", 407),
            ("Atomic", "3", 407),
            ("Get", "4", 407),
            ("Results", "5", 407),
        ];
        assert_eq!(named, all);
    }
}
