//! D01 and D02: every command gets its status, and no status comes without a command.

use std::collections::BTreeMap;

use dm_core::{
    ids::{CmdId, MsgId},
    wire::{Command, Status},
};

use super::{Key, Side, Sight, Stage, Watcher};
use crate::{End, Ledger, Rule, RuleId, dm::Services};

/// D01.
pub const ANSWERED: Rule =
    Rule { id: RuleId("D01"), says: "every command gets one final status, or one for each of its items" };
/// D02.
pub const SENT: Rule = Rule { id: RuleId("D02"), says: "every status is for a command that was sent, by its name" };

/// By session, sender and message.
#[derive(Default)]
pub(super) struct Statuses {
    messages: BTreeMap<(Key, Side, MsgId), Thread>,
}

/// The commands of one message.
struct Thread {
    is_real: bool,
    commands: BTreeMap<CmdId, Sent>,
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
        let mut names = status.target_refs.to_vec();
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
    fn judge(&mut self, key: Key, commanded: Side, status: &Status, is_once: bool, ledger: &mut Ledger) {
        let cmd_ref = status.cmd_ref.clone().unwrap_or_else(CmdId::header);
        let about = || format!("{} {cmd_ref} of message {} of the {commanded:?}", status.cmd, status.msg_ref);
        let message = self.messages.get_mut(&(key, commanded, status.msg_ref));
        let is_real = message.as_ref().is_some_and(|message| message.is_real);
        let command = message.and_then(|message| message.commands.get_mut(&cmd_ref));
        // A script may give two commands one number.
        let named = command.as_ref().is_some_and(|command| command.name == status.cmd || !is_real);
        ledger.judge(SENT, named, || format!("a status for {}, which was not sent", about()));
        if let Some(command) = command
            && status.code.is_final()
            && is_real
            && is_once
        {
            let fits = command.take(status);
            ledger.judge(ANSWERED, fits, || format!("{} gets another final status, {}", about(), status.code));
        }
    }
}

impl Watcher for Statuses {
    fn rules(&self) -> &'static [Rule] {
        &[ANSWERED, SENT]
    }

    fn sent(&mut self, stage: &Stage, sight: &Sight<'_>, ledger: &mut Ledger) {
        let Sight { key, side, message, .. } = sight;
        if !sight.first
            || stage.watched(*key).is_none()
            || stage.session(*key).is_none_or(|one| one.is_reopened || one.is_in_doubt)
        {
            return;
        }
        let mut commands = BTreeMap::from([(CmdId::header(), Sent::new(Status::HEADER, 1, true))]);
        note(&message.commands, &mut commands);
        let is_real = sight.is_real;
        self.messages.insert((*key, *side, message.header.msg_id), Thread { is_real, commands });
        if !sight.is_judged() {
            return;
        }
        // A message that somebody changed on its way and then came as it was is answered for both, and one that was turned
        // down for the change is said again with all its statuses.
        let is_once = stage.session(*key).is_some_and(|session| !session.is_altered);
        for command in &message.commands {
            if let Command::Status(status) = command {
                self.judge(*key, side.peer(), status, is_once, ledger);
            }
        }
    }

    /// Judges what is missing in sessions that both sides completed.
    fn finish(&mut self, stage: &Stage, _: &End<'_, Services>, ledger: &mut Ledger) {
        for ((key, side, msg_id), message) in &self.messages {
            let judged = stage.session(*key).is_some_and(|session| {
                session.is_completed() && !session.is_reopened && !session.is_altered && !session.is_in_doubt
            });
            if !judged {
                continue;
            }
            let last = (*side == Side::Server) && !self.messages.contains_key(&(*key, *side, msg_id.next()));
            for (cmd_id, command) in &message.commands {
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
