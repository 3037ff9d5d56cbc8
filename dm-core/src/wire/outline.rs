//! A message in a few lines, for people: tests, sequence charts, logs of a developer.

use alloc::{
    format,
    string::{String, ToString},
    vec::Vec,
};

use super::{Command, Item, Message, Status};

/// How many items of a command are named.
const ITEMS_SHOWN: usize = 3;
/// How many characters of a value are shown.
const VALUE_SHOWN: usize = 40;

/// What an outline tells of values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Values {
    /// Nothing: they may be secrets.
    Hidden,
    /// Their beginning.
    Shown,
}

/// One line for each command of the message, those inside others indented, and `Final` where it is. Credentials, nonces
/// and, unless asked for, values do not show.
#[must_use]
pub fn outline(message: &Message, values: Values) -> Vec<String> {
    let mut lines = Vec::new();
    // A stack and not recursion; the decoder bounds its depth.
    let mut open: Vec<_> = [message.commands.iter()].into();
    while let Some(commands) = open.last_mut() {
        match commands.next() {
            Some(command) => {
                let indent = "  ".repeat(open.len() - 1);
                lines.push(format!("{indent}{}", line(command, values)));
                open.push(command.inner().iter());
            }
            None => {
                open.pop();
            }
        }
    }
    if message.is_final {
        lines.push("Final".into());
    }
    lines
}

fn line(command: &Command, values: Values) -> String {
    let name = command.name();
    match command {
        Command::Status(status) => status_line(status, values),
        Command::Alert(alert) => {
            let code = alert.code.map_or_else(|| "without a code".to_string(), |code| code.to_string());
            let meaning = alert.code.and_then(crate::codes::AlertCode::name);
            let meaning = meaning.map(|meaning| format!(" ({meaning})")).unwrap_or_default();
            join(&format!("{name} {code}{meaning}"), &alert.items, values)
        }
        Command::Add(edit) | Command::Copy(edit) | Command::Move(edit) | Command::Replace(edit) => {
            join(name, &edit.items, values)
        }
        Command::Delete(delete) => join(name, &delete.items, values),
        Command::Exec(exec) => join(name, &exec.items, values),
        Command::Get(get) | Command::Put(get) => join(name, &get.items, values),
        Command::Results(results) => join(name, &results.items, values),
        Command::Atomic(_) | Command::Sequence(_) | Command::Sync(_) | Command::Map(_) | Command::Search(_) => {
            name.into()
        }
    }
}

fn status_line(status: &Status, values: Values) -> String {
    let mut line = format!("Status {} {}", status.code, status.cmd);
    if !status.is_for_header() {
        for reference in status.target_refs.iter().chain(&status.source_refs) {
            line.push(' ');
            line.push_str(reference);
        }
    }
    if let Some(chal) = &status.chal {
        let scheme = chal.meta.media_type.as_deref().unwrap_or("without a type");
        let kind = if status.code.is_challenge() { "challenge" } else { "next nonce" };
        line = format!("{line} + {kind} {scheme}");
    }
    join(&line, &status.items, values)
}

fn join(head: &str, items: &[Item], values: Values) -> String {
    let mut line = head.to_string();
    // An item without anything says nothing: a prompt without parameters begins with one.
    let items: Vec<_> = items.iter().filter(|item| item_uri(item).is_some() || item.data.is_some()).collect();
    for (at, item) in items.iter().take(ITEMS_SHOWN).enumerate() {
        line.push_str(if at == 0 { " " } else { ", " });
        let from = item.source_uri().filter(|_| item.target.is_some());
        line.push_str(&from.map(|from| format!("{from} -> ")).unwrap_or_default());
        let data = item.data.as_ref().filter(|_| values == Values::Shown).map(|data| value(data.as_bytes()));
        let parts = [item_uri(item), data.as_deref()];
        let told: Vec<&str> = parts.into_iter().flatten().collect();
        line.push_str(&if told.is_empty() { "-".into() } else { told.join(" = ") });
    }
    if items.len() > ITEMS_SHOWN {
        line = format!("{line} and {} more", items.len() - ITEMS_SHOWN);
    }
    line
}

fn item_uri(item: &Item) -> Option<&str> {
    item.target_uri().or(item.source_uri())
}

/// The beginning of a value, on one line.
fn value(octets: &[u8]) -> String {
    let Ok(text) = core::str::from_utf8(octets) else { return format!("({} octets)", octets.len()) };
    let mut shown: String = text.chars().take(VALUE_SHOWN).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if text.chars().count() > VALUE_SHOWN {
        shown.push_str("..");
    }
    format!("\"{shown}\"")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        codes::AlertCode,
        wire::{Alert, Block, Edit, Get},
    };

    #[test]
    fn a_message_reads_as_one_line_for_each_command() {
        let items = ["./A", "./B", "./C", "./D"].map(Item::target).into();
        let get = Command::Get(Get { items, ..Get::default() });
        let secret = Item::target("./P").with_data("hunter2");
        let add = Command::Add(Edit { items: [secret].into(), ..Edit::default() });
        let commands = [
            Command::Alert(Alert::new(AlertCode::CLIENT_INITIATED)),
            Command::Sequence(Block { commands: [get, add].into(), ..Block::default() }),
        ];
        let message = Message { commands: commands.into(), is_final: true, ..Message::default() };
        let alert = "Alert 1201 (Client-initiated management)";
        let hidden = [alert, "Sequence", "  Get ./A, ./B, ./C and 1 more", "  Add ./P", "Final"];
        assert_eq!(outline(&message, Values::Hidden), hidden);
        assert_eq!(outline(&message, Values::Shown)[3], "  Add ./P = \"hunter2\"");
    }

    #[test]
    fn what_an_item_does_not_have_is_left_out() {
        let items = [Item::default(), Item::default().with_data("Now?")].into();
        let alert = Command::Alert(Alert { items, ..Alert::new(AlertCode::CONFIRM) });
        let message = Message { commands: [alert].into(), ..Message::default() };
        assert_eq!(outline(&message, Values::Shown), ["Alert 1101 (Confirm or reject) \"Now?\""]);
        assert_eq!(outline(&message, Values::Hidden), ["Alert 1101 (Confirm or reject) -"]);
    }
}
