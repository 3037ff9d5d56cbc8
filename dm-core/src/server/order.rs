//! What an embedder has a device do.

use alloc::{string::String, vec::Vec};

use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

use crate::{
    ids::JobTag,
    limits::UriLimits,
    prompt::{Prompt, PromptFault},
    session::{Form, fill},
    tree::Content,
    uri::{LocUri, UriError},
    wire::{Block, Command, Delete, Edit, Encoding, Exec, Format, Get, Item, Location},
};

/// One command for a device, under the embedder's own name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Order {
    /// Comes back with the outcome; need not be unique.
    pub tag: JobTag,
    /// What to do.
    pub request: Request,
}

impl Order {
    /// An order.
    #[must_use]
    pub fn new(tag: impl Into<JobTag>, request: Request) -> Self {
        Self { tag: tag.into(), request }
    }

    /// How many commands it is, those inside it included.
    pub(super) fn commands(&self) -> usize {
        1 + self.request.inner().len()
    }
}

/// A management command [DM RepPro 1.2, 6.6], one `Item` for each address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Request {
    /// Read nodes.
    Get(Vec<SmolStr>),
    /// Create nodes.
    Add(Vec<Entry>),
    /// Overwrite values.
    Replace(Vec<Entry>),
    /// Remove nodes.
    Delete(Vec<SmolStr>),
    /// Copy values.
    Copy(Vec<Pair>),
    /// Run a node.
    Exec {
        /// The node and its argument.
        entry: Entry,
        /// Comes back in the alert that reports the end, if the device answers 202.
        correlator: Option<String>,
    },
    /// Do these in their order [DM RepPro 1.2, 6.6.14]. Each has its own outcome; the sequence's is that it began.
    Sequence(Vec<Order>),
    /// Ask the person at the device [DM 1.2, 10]. The outcome has the [`Reply`](crate::prompt::Reply).
    Ask(Prompt),
    /// Do all of these or none [DM RepPro 1.2, 6.6.3]: `Add`, `Replace`, `Delete`, `Copy` and `Ask`. Each
    /// has its own outcome.
    Atomic(Vec<Order>),
}

/// A node and what it shall hold.
///
/// A value may be left out of its order: with [`Content::in_parts`] the session asks for it part by part, as it goes out
/// [DM 1.2, 7], and never holds the whole of it. Such an entry is the only one of its order, and outside of blocks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// The node.
    pub uri: SmolStr,
    /// Its content.
    pub content: Content,
}

impl Entry {
    /// A node with a text: format `chr`, type `text/plain`.
    #[must_use]
    pub fn text(uri: &str, text: &str) -> Self {
        let content = Content {
            format: Some(Format::Chr),
            media_type: Some("text/plain".into()),
            data: Some(text.as_bytes().into()),
            in_parts: None,
        };
        Self { uri: uri.into(), content }
    }

    /// An interior node.
    #[must_use]
    pub fn node(uri: &str) -> Self {
        Self { uri: uri.into(), content: Content { format: Some(Format::Node), ..Content::default() } }
    }

    /// A node and nothing to hold: the argument of a run without one.
    #[must_use]
    pub fn bare(uri: &str) -> Self {
        Self { uri: uri.into(), content: Content::default() }
    }
}

/// A copy from one leaf to another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pair {
    /// The leaf to read.
    pub from: SmolStr,
    /// The leaf to write.
    pub to: SmolStr,
}

/// Why an order is not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum OrderFault {
    /// It has no items, or no commands in it.
    #[error("the order has no items")]
    Empty,
    /// An address that no node can have.
    #[error("the order has an unusable address: {0}")]
    Address(UriError),
    /// A prompt that no device can show.
    #[error("the order has an unusable prompt: {0}")]
    Prompt(PromptFault),
    /// A command that may not be inside this block: another block, or in an `Atomic` a `Get` or an `Exec`.
    #[error("the block holds a command that may not be in it")]
    NotInBlock,
    /// A value in parts that is not the only item of its order, or is inside a block.
    #[error("a value in parts goes alone")]
    NotAlone,
    /// It has text with characters that the encoding does not carry.
    #[error("the order's text cannot be encoded")]
    NotEncodable,
    /// It is larger than the device takes, in one message or as a value in parts.
    #[error("the order is larger than the device takes")]
    TooLarge,
    /// The session has taken as many orders as it may.
    #[error("the session has taken as many orders as it may")]
    TooMany,
    /// The embedder did not give a part of its value when it was asked for.
    #[error("a part of the value is not to be had")]
    NoSuchPart,
    /// The device let go of the parts that it had: nothing of the value was kept.
    #[error("the device gave up the value half-way")]
    Interrupted,
}

impl Request {
    /// The addresses of the items, in order; for a copy those that are written.
    pub(super) fn uris(&self) -> impl Iterator<Item = &SmolStr> {
        let (uris, pairs): (&[SmolStr], &[Pair]) = match self {
            Self::Get(uris) | Self::Delete(uris) => (uris, &[]),
            Self::Copy(pairs) => (&[], pairs),
            _ => (&[], &[]),
        };
        let entries = self.entries().iter().map(|entry| &entry.uri);
        uris.iter().chain(entries).chain(pairs.iter().map(|pair| &pair.to))
    }

    /// How many outcomes there are: one for each item, or one where there are none.
    pub(super) fn places(&self) -> usize {
        self.uris().count().max(1)
    }

    /// The items with a content.
    pub(super) fn entries(&self) -> &[Entry] {
        match self {
            Self::Add(entries) | Self::Replace(entries) => entries,
            Self::Exec { entry, .. } => core::slice::from_ref(entry),
            _ => &[],
        }
    }

    /// The commands in it.
    pub(super) fn inner(&self) -> &[Order] {
        match self {
            Self::Sequence(orders) | Self::Atomic(orders) => orders,
            _ => &[],
        }
    }

    /// The commands in it, to be taken out and put back.
    pub(super) const fn inner_mut(&mut self) -> Option<&mut Vec<Order>> {
        match self {
            Self::Sequence(orders) | Self::Atomic(orders) => Some(orders),
            _ => None,
        }
    }

    /// The item whose value goes out in parts, if it is the only one.
    pub(super) fn only_entry(&self) -> Option<&Entry> {
        match self.entries() {
            [entry] => Some(entry),
            _ => None,
        }
    }

    /// Checks all that can be checked before the device is asked.
    pub(super) fn check(&self) -> Result<(), OrderFault> {
        self.check_items()?;
        for order in self.inner() {
            let request = &order.request;
            let fits = match request {
                Self::Sequence(_) | Self::Atomic(_) => false,
                Self::Get(_) | Self::Exec { .. } => matches!(self, Self::Sequence(_)),
                _ => true,
            };
            if !fits {
                return Err(OrderFault::NotInBlock);
            }
            request.check_items()?;
            if request.entries().iter().any(|entry| entry.content.in_parts.is_some()) {
                return Err(OrderFault::NotAlone);
            }
        }
        Ok(())
    }

    fn check_items(&self) -> Result<(), OrderFault> {
        if let Self::Ask(prompt) = self {
            return prompt.check().map_err(OrderFault::Prompt);
        }
        if self.uris().next().is_none() && self.inner().is_empty() {
            return Err(OrderFault::Empty);
        }
        let sources: &[Pair] = if let Self::Copy(pairs) = self { pairs } else { &[] };
        for uri in self.uris().chain(sources.iter().map(|pair| &pair.from)) {
            LocUri::parse(uri, UriLimits::HARD).map_err(OrderFault::Address)?;
        }
        let entries = self.entries();
        if entries.len() > 1 && entries.iter().any(|entry| entry.content.in_parts.is_some()) {
            return Err(OrderFault::NotAlone);
        }
        Ok(())
    }

    /// Whether no value is larger than an object may be, in octets as they are transferred.
    pub(super) fn fits_objects(&self, encoding: Encoding, octets_max: Option<u64>) -> Result<(), OrderFault> {
        let Some(octets_max) = octets_max else { return Ok(()) };
        let fits = |entry: &Entry| Form::of(&entry.content, encoding).size(entry.content.octets()) <= octets_max;
        let mut inner = self.inner().iter().flat_map(|order| order.request.entries());
        if self.entries().iter().all(fits) && inner.all(fits) { Ok(()) } else { Err(OrderFault::TooLarge) }
    }

    /// The command with another content of its only item.
    pub(super) fn with_only_content(&self, content: Content, encoding: Encoding) -> Command {
        let Some(Entry { uri, .. }) = self.only_entry() else { return self.command(encoding) };
        let entry = Entry { uri: uri.clone(), content };
        let request = match self {
            Self::Add(_) => Self::Add([entry].into()),
            Self::Exec { correlator, .. } => Self::Exec { entry, correlator: correlator.clone() },
            _ => Self::Replace([entry].into()),
        };
        request.command(encoding)
    }

    /// The command as it goes out, its `CmdID` still to be set. A value in parts is left empty.
    pub(super) fn command(&self, encoding: Encoding) -> Command {
        let targets = |uris: &[SmolStr]| uris.iter().cloned().map(Item::target).collect();
        let entry = |entry: &Entry| filled(entry, encoding);
        let edit = |entries: &[Entry]| Edit { items: entries.iter().map(entry).collect(), ..Edit::default() };
        let block = |orders: &[Order]| {
            // One level deep: a block is in no other one.
            let commands = orders.iter().map(|order| order.request.command(encoding)).collect();
            Block { commands, ..Block::default() }
        };
        match self {
            Self::Get(uris) => Command::Get(Get { items: targets(uris), ..Get::default() }),
            Self::Delete(uris) => Command::Delete(Delete { items: targets(uris), ..Delete::default() }),
            Self::Add(entries) => Command::Add(edit(entries)),
            Self::Replace(entries) => Command::Replace(edit(entries)),
            Self::Copy(pairs) => {
                let item = |pair: &Pair| Item {
                    source: Some(Location::new(pair.from.clone())),
                    ..Item::target(pair.to.clone())
                };
                Command::Copy(Edit { items: pairs.iter().map(item).collect(), ..Edit::default() })
            }
            Self::Exec { entry: one, correlator } => {
                Command::Exec(Exec { items: [entry(one)].into(), correlator: correlator.clone(), ..Exec::default() })
            }
            Self::Ask(prompt) => Command::Alert(prompt.to_alert()),
            Self::Sequence(orders) => Command::Sequence(block(orders)),
            Self::Atomic(orders) => Command::Atomic(block(orders)),
        }
    }
}

fn filled(entry: &Entry, encoding: Encoding) -> Item {
    let mut item = Item::target(entry.uri.clone());
    fill(&mut item, &entry.content, encoding);
    item
}

#[cfg(test)]
mod tests {
    use super::*;

    fn get(uri: &str) -> Order {
        Order::new("inner", Request::Get([uri.into()].into()))
    }

    #[test]
    fn what_no_device_can_do_is_found_before_it_is_sent() {
        let parts = Entry { uri: "./A".into(), content: Content { in_parts: Some(9), ..Content::default() } };
        let add = |entries: &[Entry]| Request::Add(entries.into());
        let pair = |from: &str, to: &str| Request::Copy([Pair { from: from.into(), to: to.into() }].into());
        let block = |request: Request| Request::Atomic([Order::new("inner", request)].into());
        for (request, fault) in [
            (Request::Get(Vec::new()), OrderFault::Empty),
            (add(&[]), OrderFault::Empty),
            (Request::Sequence(Vec::new()), OrderFault::Empty),
            (Request::Get(["/A".into()].into()), OrderFault::Address(UriError::Absolute)),
            (pair("./A//B", "./C"), OrderFault::Address(UriError::EmptySegment)),
            (pair("./A", ""), OrderFault::Address(UriError::Empty)),
            (Request::Sequence([get("./A?x")].into()), OrderFault::Address(UriError::UnknownSuffix)),
            (block(Request::Get(["./A".into()].into())), OrderFault::NotInBlock),
            (block(Request::Exec { entry: Entry::bare("./A"), correlator: None }), OrderFault::NotInBlock),
            (block(Request::Sequence([get("./A")].into())), OrderFault::NotInBlock),
            (Request::Sequence([Order::new("a", block(add(&[Entry::bare("./A")])))].into()), OrderFault::NotInBlock),
            (add(&[parts.clone(), Entry::bare("./B")]), OrderFault::NotAlone),
            (block(add(core::slice::from_ref(&parts))), OrderFault::NotAlone),
        ] {
            assert_eq!(request.check(), Err(fault), "{request:?}");
        }
        for request in [
            add(&[parts]),
            Request::Get(["./A?prop=ACL".into(), "A/B?list=TNDS".into(), ".".into()].into()),
            Request::Sequence([get("./A"), Order::new("b", add(&[Entry::text("./B", "b")]))].into()),
            block(pair("./A", "./B")),
        ] {
            assert_eq!(request.check(), Ok(()), "{request:?}");
        }
    }
}
