//! A large object that comes in chunks [DM 1.2, 7; digest 3.7].

use alloc::{string::String, vec::Vec};

use core_kit::Body;
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

use super::say::octets;
use crate::{
    codes::StatusCode,
    session::content_of,
    tree::{Content, Op},
    wire::{Command, Format, Item, Meta},
};

/// An object whose last chunk has not come. Its octets are with the tree.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Incoming {
    what: What,
    pub(super) uri: SmolStr,
    format: Option<Format>,
    media_type: Option<SmolStr>,
    size: u64,
    received: u64,
    /// The status that its chunks get, where it is not taken. It is kept all the same, so that its last chunk, which
    /// looks like a command of its own, is not taken for one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    refused: Option<StatusCode>,
}

/// The command that the object is for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
enum What {
    Add,
    Replace,
    Exec { correlator: Option<String> },
}

/// What one chunk leads to.
#[derive(Clone, Debug)]
pub(super) enum Chunk {
    /// The tree keeps it and more will come.
    Keep(Op, Incoming),
    /// The object is whole: keep this, and do that.
    End(Op, Op),
    /// It gets this status; what the tree has kept is dropped if anything is; and perhaps more chunks will come.
    Refuse { code: StatusCode, discard: bool, rest: Option<Incoming> },
}

/// The only item of a command that may come in chunks, with the command's `Meta`.
fn chunkable(command: &Command) -> Option<(What, &Item, Option<&Meta>)> {
    let (what, items, meta) = match command {
        Command::Add(add) => (What::Add, &add.items, &add.meta),
        Command::Replace(replace) => (What::Replace, &replace.items, &replace.meta),
        Command::Exec(exec) => (What::Exec { correlator: exec.correlator.clone() }, &exec.items, &exec.meta),
        _ => return None,
    };
    match items.as_slice() {
        [item] => Some((what, item, meta.as_deref())),
        _ => None,
    }
}

/// Whether any item of the command, or of those in it, goes on in the next message.
pub(super) fn has_more_data(command: &Command) -> bool {
    let items: &[Item] = match command {
        Command::Add(edit) | Command::Copy(edit) | Command::Move(edit) | Command::Replace(edit) => &edit.items,
        Command::Alert(alert) => &alert.items,
        Command::Delete(delete) => &delete.items,
        Command::Exec(exec) => &exec.items,
        Command::Get(get) | Command::Put(get) => &get.items,
        Command::Results(results) => &results.items,
        Command::Atomic(_)
        | Command::Sequence(_)
        | Command::Map(_)
        | Command::Search(_)
        | Command::Status(_)
        | Command::Sync(_) => &[],
    };
    items.iter().any(|item| item.more_data)
}

impl Incoming {
    /// Whether the command is the next chunk of this object. A chunk with another `Size` begins an object anew.
    pub(super) fn goes_on_with(&self, command: &Command) -> bool {
        let Some((what, item, meta)) = chunkable(command) else { return false };
        let same = match (&self.what, &what) {
            (What::Add, What::Add) | (What::Replace, What::Replace) | (What::Exec { .. }, What::Exec { .. }) => true,
            (What::Add | What::Replace | What::Exec { .. }, _) => false,
        };
        let size = said_size(item, meta);
        same && item.target_uri() == Some(self.uri.as_str()) && size.is_none_or(|size| size == self.size)
    }

    /// Whether octets of it are with the tree.
    pub(super) const fn is_kept(&self) -> bool {
        self.refused.is_none()
    }

    /// The same object, none of whose chunks is taken any more.
    pub(super) fn refused(self, code: StatusCode) -> Self {
        Self { refused: Some(code), ..self }
    }

    /// Begins with the first chunk; nothing if the command cannot come in chunks.
    pub(super) fn begin(command: &Command, supported: bool, size_max: Option<u64>) -> Option<Chunk> {
        let (what, item, meta) = chunkable(command)?;
        let uri = SmolStr::from(item.target_uri()?);
        let content = content_of(item, meta);
        let (format, media_type) = (content.format.clone(), content.media_type.clone());
        let size = said_size(item, meta);
        let object = Self { what, uri, format, media_type, size: size.unwrap_or(u64::MAX), received: 0, refused: None };
        let refusal = match size {
            _ if !supported => Some(StatusCode::NOT_SUPPORTED),
            None => Some(StatusCode::SIZE_REQUIRED),
            Some(size) if size_max.is_some_and(|max| size > max) => Some(StatusCode::TOO_LARGE),
            Some(_) => None,
        };
        Some(match refusal {
            Some(code) => Chunk::Refuse { code, discard: false, rest: Some(object.refused(code)) },
            None => object.take(item, content),
        })
    }

    /// Goes on with the next chunk.
    pub(super) fn go_on(self, command: &Command) -> Option<Chunk> {
        let (_, item, meta) = chunkable(command)?;
        let content = content_of(item, meta);
        Some(self.take(item, content))
    }

    fn take(self, item: &Item, content: Content) -> Chunk {
        if let Some(code) = self.refused {
            return Chunk::Refuse { code, discard: false, rest: item.more_data.then_some(self) };
        }
        let data = content.data.unwrap_or_else(|| Body::from(Vec::new()));
        let received = self.received.saturating_add(octets(data.len()));
        let keep = Op::Stage {
            uri: self.uri.clone(),
            size: self.size - u64::from(core_kit::planted!("D39-more-than-said")),
            offset: self.received,
            data,
        };
        if received > self.size || (!item.more_data && received < self.size) {
            let code = StatusCode::SIZE_MISMATCH;
            return Chunk::Refuse { code, discard: true, rest: item.more_data.then(|| self.refused(code)) };
        }
        if item.more_data {
            return Chunk::Keep(keep, Self { received, ..self });
        }
        Chunk::End(keep, self.done())
    }

    /// What the whole object is for.
    fn done(self) -> Op {
        let content =
            Content { format: self.format, media_type: self.media_type, data: None, in_parts: Some(self.size) };
        match self.what {
            What::Add => Op::Add { uri: self.uri, content },
            What::Replace => Op::Replace { uri: self.uri, content },
            What::Exec { correlator } => Op::Exec { uri: self.uri, argument: content, correlator },
        }
    }
}

fn said_size(item: &Item, command: Option<&Meta>) -> Option<u64> {
    item.meta.as_ref().and_then(|meta| meta.size).or(command.and_then(|meta| meta.size))
}
