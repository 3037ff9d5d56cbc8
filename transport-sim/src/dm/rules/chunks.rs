//! D37 to D40: values that come in parts, put together here once more.

use std::collections::BTreeMap;

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use dm_core::{
    codes::AlertCode,
    ids::MsgId,
    tree::Op,
    wire::{Command, Format, Item, Meta},
};

use super::{BYTE_EQUAL, Side, Sight, Stage, Watcher, items_of, step_of};
use crate::{
    Ledger, NodeId, Rule, RuleId,
    dm::{Fact, OpKind, Services, Step},
};

/// D38.
pub const UNMIXED: Rule =
    Rule { id: RuleId("D38"), says: "a value that another command breaks off is dropped, and the server is told" };
/// D39.
pub const BUFFERED: Rule = Rule {
    id: RuleId("D39"),
    says: "no more of a value is kept than its size, and nothing of one that is larger than a device takes",
};
/// D40.
pub const DROPPED: Rule = Rule { id: RuleId("D40"), says: "no part of a value is kept when its session is over" };

/// A value as it comes over the wire.
#[derive(Clone, Default)]
struct Value {
    uri: String,
    kind: Option<OpKind>,
    size: Option<u64>,
    octets: Vec<u8>,
}

/// What comes to one device.
#[derive(Default)]
struct Incoming {
    value: Option<Value>,
    whole: Option<Value>,
    /// The address of a value that was broken off in the last message.
    broken: Option<String>,
    /// What the device has said that it takes.
    takes: Option<u64>,
    too_large: Option<String>,
    has_staged: bool,
    /// Whether the device is in the middle of a session that it had forgotten a part of, or that damage has misnumbered.
    is_in_doubt: bool,
    /// The last message, and the value as it was before that: after a crash a device may get it once more.
    before: Option<(MsgId, Option<Value>)>,
}

#[derive(Default)]
pub(super) struct Chunks {
    devices: BTreeMap<NodeId, Incoming>,
}

impl Watcher for Chunks {
    fn rules(&self) -> &'static [Rule] {
        &[BYTE_EQUAL, UNMIXED, BUFFERED, DROPPED]
    }

    fn delivered(&mut self, stage: &Stage, sight: &Sight<'_>, _: &mut Ledger) {
        // A reply of another session, which the network takes to this connection, is no part of this one's value.
        if sight.side == Side::Server && sight.taken && stage.current(sight.key.device) == Some(sight.key) {
            let incoming = self.devices.entry(sight.key.device).or_default();
            // Damage may give a message the number of the last one. Whether the device reads it hangs on what it remembers.
            let says_last = incoming.before.as_ref().is_some_and(|(last, _)| *last == sight.msg_id());
            incoming.is_in_doubt |= sight.is_altered && says_last;
            match &incoming.before {
                Some((last, before)) if *last == sight.msg_id() => incoming.value = before.clone(),
                _ => incoming.before = Some((sight.msg_id(), incoming.value.clone())),
            }
            sight.message.commands.iter().for_each(|command| incoming.take(command));
        }
    }

    fn noted(&mut self, _: &Stage, node: NodeId, fact: &Fact, _: &Services, ledger: &mut Ledger) {
        match fact {
            Fact::Began(_) => {
                let takes = self.devices.get(&node).and_then(|incoming| incoming.takes);
                self.devices.insert(node, Incoming { takes, ..Incoming::default() });
            }
            Fact::Forgot { .. } => {
                let takes = self.devices.get(&node).and_then(|incoming| incoming.takes);
                self.devices.insert(node, Incoming { takes, is_in_doubt: true, ..Incoming::default() });
            }
            // Who has given up says nothing more.
            Fact::Aborted(_) => {
                self.devices.get_mut(&node).into_iter().for_each(|incoming| {
                    (incoming.broken, incoming.too_large) = (None, None);
                });
            }
            Fact::Rested { kept, .. } => {
                let staged =
                    self.devices.get_mut(&node).is_some_and(|incoming| core::mem::take(&mut incoming.has_staged));
                if staged {
                    ledger.judge(DROPPED, !kept, || format!("device {node} rests with a part of a value"));
                }
            }
            Fact::Stepped(_) => {
                if let (Some(step), Some(incoming)) = (step_of(fact), self.devices.get_mut(&node)) {
                    incoming.judge(step, ledger);
                }
            }
            _ => {}
        }
    }

    fn sent(&mut self, stage: &Stage, sight: &Sight<'_>, ledger: &mut Ledger) {
        if sight.side == Side::Server || !sight.is_judged() {
            return;
        }
        let incoming = self.devices.entry(sight.key.device).or_default();
        let takes = sight.message.header.meta.as_ref().and_then(|meta| meta.max_obj_size);
        incoming.takes = takes.or(incoming.takes);
        if stage.is_in_doubt(sight.key) {
            (incoming.broken, incoming.too_large) = (None, None);
        }
        if let Some(uri) = incoming.broken.take() {
            let told = sight.message.commands.iter().any(
                |command| matches!(command, Command::Alert(alert) if alert.code == Some(AlertCode::NO_END_OF_DATA)),
            );
            ledger.judge(UNMIXED, told, || format!("nobody is told that {uri} was broken off"));
        }
        if let Some(uri) = incoming.too_large.take() {
            let refused = sight
                .message
                .commands
                .iter()
                .any(|command| matches!(command, Command::Status(status) if status.code.0 / 100 == 4));
            ledger.judge(BUFFERED, refused, || format!("{uri} is not refused, though it is too large"));
        }
    }
}

impl Incoming {
    fn take(&mut self, command: &Command) {
        if matches!(command, Command::Status(_) | Command::Results(_)) {
            return;
        }
        // That is no new command, but asks for the next message.
        if matches!(command, Command::Alert(alert) if alert.code == Some(AlertCode::NEXT_MESSAGE)) {
            return;
        }
        let part = items_of(command).and_then(|(kind, items)| match items {
            [item] => Some((kind, item, item.target_uri()?)),
            _ => None,
        });
        let goes_on = part.is_some_and(|(kind, item, uri)| {
            let size = size(item, command);
            self.value.as_ref().is_some_and(|value| {
                value.kind == Some(kind) && value.uri == uri && size.is_none_or(|size| value.size == Some(size))
            })
        });
        if self.value.is_some() && !goes_on {
            self.broken = self.value.take().map(|value| value.uri);
        }
        let Some((kind, item, uri)) = part else { return };
        if size(item, command).is_some() {
            // The first part says how large the whole is. It comes again where the server was not believed.
            self.value = None;
        }
        if !goes_on && !item.more_data {
            return;
        }
        let first = || Value { uri: uri.into(), kind: Some(kind), size: size(item, command), octets: Vec::new() };
        let mut value = self.value.take().unwrap_or_else(first);
        if value.octets.is_empty() && value.size > self.takes && self.takes.is_some() {
            self.too_large = Some(uri.into());
        }
        value.octets.extend_from_slice(item.data.as_ref().map_or(&[], |data| data.as_bytes()));
        if item.more_data { self.value = Some(value) } else { self.whole = Some(value) }
    }

    fn judge(&mut self, step: &Step, ledger: &mut Ledger) {
        match &step.op {
            Op::Stage { uri, size, offset, data } => {
                self.has_staged = true;
                let end = offset.saturating_add(data.len() as u64);
                let fits = end <= *size && self.takes.is_none_or(|takes| *size <= takes);
                ledger.judge(BUFFERED, fits || !step.result.status.is_success(), || {
                    format!("{end} octets of {uri} are kept, of {size}")
                });
            }
            Op::Add { uri, content } | Op::Replace { uri, content } if content.in_parts.is_some() => {
                let whole = self.whole.take().filter(|whole| whole.uri == *uri);
                if !step.result.status.is_success() || uri.contains('?') || self.is_in_doubt {
                    return;
                }
                let node = step.after.node(uri);
                let value = node.and_then(|node| node.value());
                let sent = whole.as_ref().and_then(|whole| {
                    let is_octets = node.is_some_and(|node| *node.format() == Format::Bin);
                    if is_octets { BASE64.decode(&whole.octets).ok() } else { Some(whole.octets.clone()) }
                });
                let is_whole = whole.as_ref().is_some_and(|whole| whole.size == Some(whole.octets.len() as u64));
                let is_equal = is_whole && sent.as_deref() == value.map(|value| &value[..]);
                ledger.judge(BYTE_EQUAL, is_equal, || {
                    let octets = |octets: Option<usize>| octets.map_or(0, |octets| octets);
                    let (came, kept) = (
                        octets(whole.as_ref().map(|whole| whole.octets.len())),
                        octets(value.map(|value| value.len())),
                    );
                    format!("{uri} has {kept} octets of {came} that came")
                });
            }
            _ => {}
        }
    }
}

/// The size that a part says that the whole has.
fn size(item: &Item, command: &Command) -> Option<u64> {
    let of = |meta: Option<&Meta>| meta.and_then(|meta| meta.size);
    let meta = match command {
        Command::Add(edit) | Command::Replace(edit) => edit.meta.as_deref(),
        Command::Exec(exec) => exec.meta.as_deref(),
        _ => None,
    };
    of(item.meta.as_deref()).or(of(meta))
}
