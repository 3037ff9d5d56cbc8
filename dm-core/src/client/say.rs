//! What the client has still to say in its package: plain facts, until the server has them.
//!
//! A package may take several messages [DM 1.2, 6], so what does not fit into one waits here for the next. What is in a
//! message that is out stays here too: if the server does not believe this client, it is said again.

use alloc::{string::String, vec::Vec};

use base64::{Engine, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

use crate::{
    alert::DeviceAlert,
    codes::{AlertCode, StatusCode},
    ids::{CmdId, JobTag, MsgId},
    session::{Form, fill, is_xml_text},
    tree::{Content, Found},
    wire::{Alert, Command, Data, Encoding, Format, Item, Location, Results, Status},
};

/// One thing to say.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) enum Say {
    /// The status of a Next Message alert: it brings neither side any further.
    Next(Told),
    /// Statuses that belong into one message: a single one, or those of an `Atomic`.
    Statuses(Vec<Told>),
    /// What a `Get` found.
    Result(Telling),
    /// An alert of the device.
    Alert(Alerting),
    /// Alert 1225: the object for this node will not be completed.
    NoEnd(SmolStr),
}

/// A status.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Told {
    pub(super) msg_id: MsgId,
    pub(super) cmd_id: CmdId,
    pub(super) cmd: SmolStr,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) target: Option<SmolStr>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) source: Option<SmolStr>,
    pub(super) code: StatusCode,
    /// What the user said.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) texts: Vec<String>,
    /// The node that could not be made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) failed_at: Option<SmolStr>,
}

/// A node that a `Get` found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Telling {
    pub(super) msg_id: MsgId,
    pub(super) cmd_id: CmdId,
    pub(super) found: Found,
    /// Octets of its value that the server has.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(super) sent: u64,
}

/// An alert of the device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Alerting {
    pub(super) tag: JobTag,
    pub(super) alert: DeviceAlert,
    /// Octets of its value that the server has.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(super) sent: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
const fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// A part of a value, as it stands in a message.
#[derive(Clone, Copy, Debug)]
pub(super) struct Piece<'a> {
    pub(super) octets: &'a [u8],
    pub(super) form: Form,
    /// `Size`, in the first part of several.
    pub(super) size: Option<u64>,
    /// Whether more parts follow.
    pub(super) more: bool,
}

/// A value that may go out in parts.
#[derive(Clone, Copy, Debug)]
pub(super) struct Value<'a> {
    pub(super) content: &'a Content,
    /// Where the tree has it.
    pub(super) uri: Option<&'a str>,
    /// Octets that the server has.
    pub(super) sent: u64,
}

impl Value<'_> {
    /// Octets of the whole value.
    pub(super) fn total(&self) -> u64 {
        let held = self.content.data.as_ref().map_or(0, |data| octets(data.len()));
        self.content.in_parts.unwrap_or(held)
    }

    /// How it stands in a message: what XML cannot carry becomes base64.
    pub(super) fn form(&self, encoding: Encoding) -> Form {
        let text = self.content.data.as_ref().map(|data| core::str::from_utf8(data));
        let carried = text.is_none_or(|text| text.is_ok_and(is_xml_text));
        match Form::of(self.content, encoding) {
            Form::XmlText if !carried => Form::Base64,
            form => form,
        }
    }
}

impl Say {
    /// The value that may go out in parts: that of the only item.
    pub(super) fn value(&self) -> Option<Value<'_>> {
        match self {
            Self::Result(Telling { found, sent, .. }) => {
                Some(Value { content: &found.content, uri: Some(&found.uri), sent: *sent })
            }
            Self::Alert(Alerting { alert, sent, .. }) => match alert.items.as_slice() {
                [item] => Some(Value { content: &item.content, uri: item.source.as_deref(), sent: *sent }),
                _ => None,
            },
            Self::Next(_) | Self::Statuses(_) | Self::NoEnd(_) => None,
        }
    }

    /// Takes note of how much of the value the server has.
    pub(super) const fn set_sent(&mut self, octets: u64) {
        match self {
            Self::Result(Telling { sent, .. }) | Self::Alert(Alerting { sent, .. }) => *sent = octets,
            Self::Next(_) | Self::Statuses(_) | Self::NoEnd(_) => {}
        }
    }

    /// Octets of the values in it: what it takes to keep it.
    pub(super) fn weight(&self) -> u64 {
        let of = |content: &Content| content.data.as_ref().map_or(0, |data| octets(data.len()));
        match self {
            Self::Result(telling) => of(&telling.found.content),
            Self::Alert(alerting) => alerting.alert.items.iter().map(|item| of(&item.content)).sum(),
            Self::Next(_) | Self::Statuses(_) | Self::NoEnd(_) => 0,
        }
    }

    /// Adds it to the commands of a message, whole or the given part of its value.
    pub(super) fn write(&self, piece: Option<Piece<'_>>, encoding: Encoding, to: &mut Vec<Command>) {
        match self {
            Self::Next(told) => to.push(Command::Status(told.status())),
            Self::Statuses(all) => to.extend(all.iter().map(|told| Command::Status(told.status()))),
            Self::Result(Telling { msg_id, cmd_id, found, .. }) => {
                let mut item = shown(found, encoding);
                if let Some(piece) = piece {
                    piece.fill(&mut item, &found.content);
                }
                // What one command found goes into one command, as far as it is in one message.
                match to.last_mut() {
                    Some(Command::Results(last)) if last.msg_ref == Some(*msg_id) && last.cmd_ref == *cmd_id => {
                        last.items.push(item);
                    }
                    _ => to.push(Command::Results(Results {
                        msg_ref: Some(*msg_id),
                        cmd_ref: cmd_id.clone(),
                        items: [item].into(),
                        ..Results::default()
                    })),
                }
            }
            Self::Alert(Alerting { alert, .. }) => {
                let mut written = alert.to_alert(encoding);
                if let (Some(piece), [item], [to]) = (piece, alert.items.as_slice(), written.items.as_mut_slice()) {
                    piece.fill(to, &item.content);
                }
                to.push(Command::Alert(written));
            }
            Self::NoEnd(uri) => {
                let items = [Item::target(uri.as_str())].into();
                to.push(Command::Alert(Alert { items, ..Alert::new(AlertCode::NO_END_OF_DATA) }));
            }
        }
    }
}

impl Piece<'_> {
    fn fill(&self, item: &mut Item, content: &Content) {
        let (format, data) = match self.form {
            Form::Base64 => (Some(Format::B64), Data::from(STANDARD.encode(self.octets))),
            Form::XmlText | Form::Plain => {
                let text = core::str::from_utf8(self.octets);
                let data = text.map_or_else(|_| Data::Opaque(bytes::Bytes::copy_from_slice(self.octets)), Data::from);
                (content.format.clone(), data)
            }
        };
        item.data = Some(data);
        item.more_data = self.more;
        if format.is_some() || self.size.is_some() {
            let meta = item.meta.get_or_insert_default();
            (meta.format, meta.size) = (format, self.size);
        }
    }
}

impl Told {
    pub(super) fn of(status: Status) -> Self {
        Self {
            msg_id: status.msg_ref,
            cmd_id: status.cmd_ref.unwrap_or_default(),
            cmd: status.cmd,
            target: status.target_refs.into_iter().next(),
            source: status.source_refs.into_iter().next(),
            code: status.code,
            texts: Vec::new(),
            failed_at: None,
        }
    }

    pub(super) fn status(&self) -> Status {
        let said = |text: &String| Item { data: Some(text.as_str().into()), ..Item::default() };
        let failed_at = self.failed_at.as_deref().map(Item::target);
        Status {
            cmd_id: None,
            msg_ref: self.msg_id,
            cmd_ref: Some(self.cmd_id.clone()),
            cmd: self.cmd.clone(),
            target_refs: self.target.clone().into_iter().collect(),
            source_refs: self.source.clone().into_iter().collect(),
            cred: None,
            chal: None,
            code: self.code,
            items: self.texts.iter().map(said).chain(failed_at).collect(),
        }
    }
}

/// An item that tells what a node holds, with the node as its source.
pub(super) fn shown(node: &Found, encoding: Encoding) -> Item {
    let mut item = Item { source: Some(Location::new(node.uri.clone())), ..Item::default() };
    fill(&mut item, &node.content, encoding);
    item
}

/// A length as a number of octets.
pub(super) fn octets(len: usize) -> u64 {
    u64::try_from(len).unwrap_or(u64::MAX)
}
