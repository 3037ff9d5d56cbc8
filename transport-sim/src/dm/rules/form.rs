//! D08, D10 and D12: how messages are written, how large they are, and what may be in them.

use std::collections::{BTreeMap, BTreeSet};

use dm_core::{
    limits::WireLimits,
    wire::{Command, Encoding, Message, decode, encode},
};

use super::{Key, Side, Sight, Stage, Watcher, each_command, items_of};
use crate::{
    Ledger, NodeId, Rule, RuleId,
    dm::{Fact, OpKind, Services, envelope::Envelope},
};

/// D12.
pub const BYTES: Rule = Rule {
    id: RuleId("D12"),
    says: "what a party sends reads as a message, which has these bytes, and is the same by way of WBXML",
};
/// D08.
pub const FITS: Rule =
    Rule { id: RuleId("D08"), says: "no message is larger than its receiver has said that it takes" };
/// D10.
pub const FROM_SERVER: Rule = Rule {
    id: RuleId("D10"),
    says: "a client sends alerts, its device information, results and statuses, and does what a server's message says",
};

/// Reads and writes everything once more.
pub(super) struct Bytes;

impl Watcher for Bytes {
    fn rules(&self) -> &'static [Rule] {
        &[BYTES]
    }

    fn sent(&mut self, _: &Stage, sight: &Sight<'_>, ledger: &mut Ledger) {
        if !sight.is_judged() {
            return;
        }
        let again = encode(Envelope::encoding(sight.body), sight.message).ok();
        ledger.judge(BYTES, again.as_deref() == Some(&sight.body[..]), || format!("message {}", sight.msg_id()));
        let same = by_way_of_wbxml(sight.message).is_some_and(|message| message == *sight.message);
        ledger.judge(BYTES, same, || format!("message {} in WBXML", sight.msg_id()));
    }
}

fn by_way_of_wbxml(message: &Message) -> Option<Message> {
    let octets = encode(Encoding::Wbxml, message).ok()?;
    Some(decode(Encoding::Wbxml, &octets, &WireLimits::SERVER).ok()?.message)
}

/// What each side takes, and what each device was told to do.
#[derive(Default)]
pub(super) struct Form {
    takes: BTreeMap<(Key, Side), u64>,
    told: BTreeMap<NodeId, Vec<(OpKind, String)>>,
    /// What each device was told in a session before.
    before: BTreeMap<Key, Vec<(OpKind, String)>>,
    /// Devices that have forgotten something: they do again what an earlier message of their session says.
    again: BTreeSet<NodeId>,
}

impl Watcher for Form {
    fn rules(&self) -> &'static [Rule] {
        &[FITS, FROM_SERVER]
    }

    fn sent(&mut self, stage: &Stage, sight: &Sight<'_>, ledger: &mut Ledger) {
        if !sight.is_judged() {
            return;
        }
        if let Some(takes) = self.takes.get(&(sight.key, sight.side.peer())) {
            let octets = sight.body.len() as u64;
            ledger.judge(FITS, octets <= *takes, || {
                format!("{:?} sends {octets} octets to one who takes {takes}", sight.side)
            });
        }
        if sight.side == Side::Client && stage.watched(sight.key).is_some() {
            let other = sight.message.commands.iter().find(|command| !may_client_send(command));
            ledger
                .judge(FROM_SERVER, other.is_none(), || format!("a client sends {}", other.map_or("", Command::name)));
        }
    }

    fn delivered(&mut self, _: &Stage, sight: &Sight<'_>, _: &mut Ledger) {
        if !sight.taken {
            return;
        }
        if let Some(takes) = sight.message.header.meta.as_ref().and_then(|meta| meta.max_msg_size) {
            self.takes.insert((sight.key, sight.side), takes);
        }
        if sight.side == Side::Server {
            let told = self.told.entry(sight.key.device).or_default();
            told.clear();
            self.again.remove(&sight.key.device);
            each_command(&sight.message.commands, &mut |command| {
                let Some((kind, items)) = items_of(command) else { return };
                told.extend(items.iter().filter_map(|item| Some((kind, item.target_uri()?.to_owned()))));
            });
            self.before.entry(sight.key).or_default().extend_from_slice(told);
        }
    }

    fn noted(&mut self, stage: &Stage, node: NodeId, fact: &Fact, _: &Services, ledger: &mut Ledger) {
        if let Fact::Forgot { .. } = fact {
            self.again.insert(node);
        }
        let Fact::Executed { kind, uri, .. } = fact else { return };
        let before = stage.current(node).filter(|_| self.again.contains(&node));
        let told = self.told.get(&node).into_iter().chain(before.and_then(|key| self.before.get(&key)));
        let mut told = told.flatten();
        let was_told = told.any(|(of, at)| of == kind && at == uri);
        ledger.judge(FROM_SERVER, was_told, || format!("{} {uri} is not in the server's message", kind.name()));
    }
}

fn may_client_send(command: &Command) -> bool {
    match command {
        Command::Alert(_) | Command::Results(_) | Command::Status(_) => true,
        Command::Replace(replace) => replace
            .items
            .iter()
            .all(|item| item.source_uri().is_some_and(|uri| uri.trim_start_matches("./").starts_with("DevInfo/"))),
        _ => false,
    }
}
