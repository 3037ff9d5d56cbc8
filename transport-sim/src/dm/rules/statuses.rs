//! D01 and D02: every command gets its status, and no status comes without a command.

use std::collections::{BTreeMap, BTreeSet};

use dm_core::{
    ids::{CmdId, MsgId},
    wire::{Command, Status},
};

use super::{Key, Side, Sight};
use crate::{Ledger, Rule, RuleId};

/// D01.
pub const ANSWERED: Rule =
    Rule { id: RuleId("D01"), says: "every command gets one final status, or one for each of its items" };
/// D02.
pub const SENT: Rule = Rule { id: RuleId("D02"), says: "every status is for a command that was sent, by its name" };

/// By session, sender and message.
#[derive(Default)]
pub(super) struct Statuses {
    messages: BTreeMap<(Key, Side, MsgId), BTreeMap<CmdId, Sent>>,
}

/// A command that was sent.
struct Sent {
    name: &'static str,
    items: usize,
    /// Whether its receiver owes a status: not for a `Status`, nor for `Results` that were well received.
    owed: bool,
    /// The final ones so far, each with the item that it names.
    finals: Vec<String>,
}

impl Sent {
    const fn new(name: &'static str, items: usize, owed: bool) -> Self {
        Self { name, items, owed, finals: Vec::new() }
    }

    fn is_answered(&self) -> bool {
        !self.owed || self.finals.len() == 1 || self.finals.len() == self.items
    }

    /// Takes one more; false if it is one too many.
    fn take(&mut self, status: &Status) -> bool {
        let mut names = status.target_refs.clone();
        names.extend(status.source_refs.iter().cloned());
        let item = names.join(" ");
        let whole = item.is_empty() || self.items < 2;
        let fits = if whole { self.finals.is_empty() } else { !self.finals.contains(&item) };
        // One for the whole command leaves nothing for its items.
        let fits = fits && !self.finals.iter().any(String::is_empty) && self.finals.len() < self.items.max(1);
        self.finals.push(item);
        fits
    }
}

impl Statuses {
    pub(super) fn sent(&mut self, sight: &Sight<'_>, ledger: &mut Ledger) {
        let Sight { key, side, message, .. } = sight;
        let mut sent = BTreeMap::from([(CmdId::header(), Sent::new(Status::HEADER, 1, true))]);
        note(&message.commands, &mut sent);
        self.messages.insert((key.clone(), *side, message.header.msg_id), sent);
        for command in &message.commands {
            if let Command::Status(status) = command {
                self.judge(key, side.peer(), status, ledger);
            }
        }
    }

    fn judge(&mut self, key: &Key, commanded: Side, status: &Status, ledger: &mut Ledger) {
        let cmd_ref = status.cmd_ref.clone().unwrap_or_else(CmdId::header);
        let about = format!("{} {cmd_ref} of message {} of the {commanded:?}", status.cmd, status.msg_ref);
        let message = self.messages.get_mut(&(key.clone(), commanded, status.msg_ref));
        let command = message.and_then(|message| message.get_mut(&cmd_ref));
        let named = command.as_ref().is_some_and(|command| command.name == status.cmd);
        ledger.judge(SENT, named, || format!("a status for {about}, which was not sent"));
        if let Some(command) = command
            && status.code.is_final()
        {
            let fits = command.take(status);
            ledger.judge(ANSWERED, fits, || format!("{about} gets another final status, {}", status.code));
        }
    }

    /// Judges what is missing in sessions that both sides completed.
    pub(super) fn finish(&self, completed: &BTreeSet<Key>, ledger: &mut Ledger) {
        for ((key, side, msg_id), commands) in &self.messages {
            if !completed.contains(key) {
                continue;
            }
            let last = (*side == Side::Server) && !self.messages.contains_key(&(key.clone(), *side, msg_id.next()));
            for (cmd_id, command) in commands {
                // The server's last message ends the session: nobody answers its header.
                if last && cmd_id.is_header() {
                    continue;
                }
                ledger.judge(ANSWERED, command.is_answered(), || {
                    let count = command.finals.len();
                    format!("{} {cmd_id} of message {msg_id} of the {side:?} has {count} final statuses", command.name)
                });
            }
        }
    }
}

fn note(commands: &[Command], sent: &mut BTreeMap<CmdId, Sent>) {
    for command in commands {
        // What goes on in the next message is answered as a whole there.
        let owed = !matches!(command, Command::Status(_) | Command::Results(_)) && !goes_on(command);
        if let Some(id) = command.cmd_id() {
            sent.insert(id.clone(), Sent::new(command.name(), items(command), owed));
        }
        note(command.inner(), sent);
    }
}

/// Whether it holds a part of a value that is not the last one.
fn goes_on(command: &Command) -> bool {
    let items = match command {
        Command::Add(edit) | Command::Replace(edit) => &edit.items,
        Command::Exec(exec) => &exec.items,
        Command::Alert(alert) => &alert.items,
        _ => return false,
    };
    items.iter().any(|item| item.more_data)
}

fn items(command: &Command) -> usize {
    match command {
        Command::Add(edit) | Command::Copy(edit) | Command::Replace(edit) => edit.items.len(),
        Command::Delete(delete) => delete.items.len(),
        Command::Get(get) => get.items.len(),
        _ => 1,
    }
}
