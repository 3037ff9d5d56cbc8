//! Large objects: values that come or go in several messages [DM 1.2, 7; digest 3.7].
//!
//! The session holds how far it is, and none of the octets: those of a value that comes are reported part by part, and
//! those of one that goes are asked for part by part, unless its order has them.

use alloc::vec::Vec;

use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

use super::{Done, ItemDone, Order, OrderFault, Output, Part, PartOf, Report, Session, phase::Draft, receive::Work};
use crate::{
    alert::AlertKind,
    codes::StatusCode,
    fault::PeerFault,
    ids::{CmdId, JobTag, MsgId},
    session::{Form, content_of, number},
    tree::Content,
    wire::{self, Command, EncodeError, Encoding, Item, Message, Meta, Status},
};

/// A value on its way to the device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Sending {
    pub(super) order: Order,
    /// Octets sent.
    pub(super) offset: u64,
    /// The command of the last part.
    pub(super) msg_id: MsgId,
    pub(super) cmd_id: CmdId,
    /// Whether the device took the last part.
    pub(super) taken: bool,
}

/// A value on its way from the device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Receiving {
    key: Key,
    uri: Option<SmolStr>,
    /// Octets in all, and octets so far.
    size: u64,
    came: u64,
}

/// What a value from the device belongs to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) enum Key {
    /// The answer to a `Get`.
    Results { msg_ref: MsgId, cmd_ref: CmdId, tag: JobTag },
    /// An alert of the device.
    Alert { kind: AlertKind },
}

impl Key {
    fn to_part_of(&self) -> PartOf {
        match self {
            Self::Results { tag, .. } => PartOf::Order(tag.clone()),
            Self::Alert { kind } => PartOf::Alert(*kind),
        }
    }
}

/// What goes into a message of an object.
pub(super) enum Step {
    /// So many octets more must be known.
    Fetch(u64),
    /// The message.
    Message {
        /// As it goes out.
        body: Vec<u8>,
        /// Octets of the value in it.
        octets: u64,
        /// Whether they are the last.
        is_last: bool,
    },
}

impl Session {
    /// Takes an item of a device that may be a part of a value. Gives its content when it is whole, and nothing while it
    /// is not; the status for a part that is refused.
    pub(super) fn take_item(
        &mut self,
        key: Key,
        uri: Option<&str>,
        item: &Item,
        command: Option<&Meta>,
        work: &mut Work,
    ) -> Result<Option<Content>, StatusCode> {
        let goes_on = |object: &Receiving| object.key == key && object.uri.as_deref() == uri;
        if !self.common.receiving.as_deref().is_some_and(goes_on) {
            self.void_object(PeerFault::ObjectInterrupted, work);
            if !item.more_data {
                return Ok(Some(content_of(item, command)));
            }
            let said = |meta: Option<&Meta>| meta.and_then(|meta| meta.size);
            let Some(size) = said(item.meta.as_deref()).or_else(|| said(command)) else {
                work.fault(PeerFault::SizeMissing);
                return Err(StatusCode::SIZE_REQUIRED);
            };
            if self.profile.max_obj_size.is_some_and(|max| size > max) {
                work.fault(PeerFault::ObjectTooLarge(size));
                return Err(StatusCode::TOO_LARGE);
            }
            self.common.receiving = Some(Receiving { key, uri: uri.map(SmolStr::from), size, came: 0 }.into());
        }
        let Some(object) = &mut self.common.receiving else { return Err(StatusCode::COMMAND_FAILED) };
        let data = item.data.as_ref().map(wire::Data::as_bytes).unwrap_or_default();
        let offset = object.came;
        object.came = offset.saturating_add(u64::try_from(data.len()).unwrap_or(u64::MAX));
        let (size, came) = (object.size, object.came);
        if came > size || (!item.more_data && came != size) {
            self.void_object(PeerFault::SizeMismatch { said: size, came }, work);
            work.interrupted = None;
            return Err(StatusCode::SIZE_MISMATCH);
        }
        work.progress |= !data.is_empty();
        let part = Part { of: object.key.to_part_of(), uri: object.uri.clone(), size, offset, data: data.into() };
        work.reports.push(Report::Part(part));
        if item.more_data {
            return Ok(None);
        }
        self.common.receiving = None;
        Ok(Some(Content { data: None, in_parts: Some(size), ..content_of(item, command) }))
    }

    /// Gives up a value that comes in parts: those that came so far are void.
    pub(super) fn void_object(&mut self, fault: PeerFault, work: &mut Work) {
        if let Some(object) = self.common.receiving.take() {
            work.fault(fault);
            work.reports.push(Report::PartsVoid { of: object.key.to_part_of(), uri: object.uri.clone() });
            work.interrupted = Some(object.uri.unwrap_or_default());
        }
    }

    /// Takes the status of the last part that went out; `false` if it is for something else.
    pub(super) fn take_object_status(&mut self, status: &Status, work: &mut Work) -> bool {
        let Some(sending) = &mut self.common.sending else { return false };
        if status.msg_ref != sending.msg_id || status.cmd_ref.as_ref() != Some(&sending.cmd_id) {
            return false;
        }
        if status.code == StatusCode::CHUNK_ACCEPTED {
            sending.taken = true;
        } else if status.code.is_final()
            && let Some(sending) = self.common.sending.take()
        {
            let uri = sending.order.request.uris().next().cloned().unwrap_or_default();
            let items = [ItemDone { uri, status: Some(status.code), found: Vec::new(), reply: None }].into();
            work.reports.push(Report::Done(Done { tag: sending.order.tag, items }));
        }
        true
    }

    /// Gives up the value that goes out in parts, since the device did.
    pub(super) fn interrupt_sending(&mut self, work: &mut Work) {
        if let Some(sending) = self.common.sending.take() {
            let fault = Some(OrderFault::Interrupted);
            work.reports.push(Report::NotSent { tag: sending.order.tag, fault });
        }
    }

    /// Checks that the device took the last part, and that its package is open as long as this server's is.
    pub(super) fn check_object(&mut self, is_final: bool, work: &mut Work) {
        if self.common.sending.as_ref().is_some_and(|sending| !sending.taken) {
            work.fault(PeerFault::NoStatusForPart);
            self.interrupt_sending(work);
        } else if is_final && self.common.sending.is_some() {
            work.fault(PeerFault::EarlyFinal);
        }
    }

    /// The order whose value goes out in parts now, and how far it is.
    pub(super) fn object(&self, takes_orders: bool) -> Option<(&Order, u64)> {
        if let Some(sending) = &self.common.sending {
            return Some((&sending.order, sending.offset));
        }
        let is_object = |order: &&Order| order.request.only_entry().is_some_and(|one| one.content.in_parts.is_some());
        self.common.queue.front().filter(|_| takes_orders).filter(is_object).map(|order| (order, 0))
    }
}

/// Puts the next part of a value into a message of nothing but statuses.
pub(super) fn fill_part(
    message: &mut Message,
    (order, offset): (&Order, u64),
    draft: &Draft,
    encoding: Encoding,
    bytes_max: u64,
) -> Result<Step, OrderFault> {
    let Some(entry) = order.request.only_entry() else { return Err(OrderFault::Empty) };
    let form = Form::of(&entry.content, encoding);
    let fixed = message.commands.len();
    let whole = entry.content.data.as_deref();
    let size = entry.content.octets();
    // With a part of the value, the message; with an empty one, the room that is left.
    let mut with = |part: &[u8], is_last: bool| {
        let content = Content { data: Some(part.into()), in_parts: None, ..entry.content.clone() };
        let mut command = order.request.with_only_content(content, encoding);
        if let Some(item) = only_item(&mut command).filter(|_| !is_last) {
            item.more_data = true;
            if offset == 0 {
                item.meta.get_or_insert_default().size = Some(form.size(size));
            }
        }
        message.commands.truncate(fixed);
        message.commands.push(command);
        message.is_final = is_last;
        number(&mut message.commands);
        wire::encode(encoding, message)
    };
    let bytes_max = usize::try_from(bytes_max).unwrap_or(usize::MAX);
    let mut room = |is_last| -> Result<usize, EncodeError> { Ok(bytes_max.saturating_sub(with(b"", is_last)?.len())) };
    let (room_for_last, room_for_part) = (room(true)?, room(false)?);
    let left = size.saturating_sub(offset);
    let fits = |room: usize| u64::try_from(form.may_fit(room)).unwrap_or(u64::MAX);
    let rest = match (&draft.part, whole) {
        (Some(part), _) => &**part,
        (None, Some(data)) => data.get(usize::try_from(offset).unwrap_or(usize::MAX)..).unwrap_or_default(),
        (None, None) => {
            let bytes = if fits(room_for_last) >= left { left } else { fits(room_for_part).min(left) };
            if bytes == 0 && left > 0 {
                return Err(OrderFault::TooLarge);
            }
            return Ok(Step::Fetch(bytes));
        }
    };
    let reaches_end = u64::try_from(rest.len()).is_ok_and(|octets| octets == left);
    let cut = |room| form.cut(rest, reaches_end, room).ok_or(OrderFault::NotEncodable);
    let is_last = reaches_end && cut(room_for_last)? == rest.len();
    let octets = if is_last { rest.len() } else { cut(room_for_part)? };
    let part = rest.get(..octets).filter(|part| is_last || !part.is_empty()).ok_or(OrderFault::TooLarge)?;
    let body = with(part, is_last)?;
    if body.len() > bytes_max {
        return Err(OrderFault::TooLarge);
    }
    Ok(Step::Message { body, octets: u64::try_from(octets).unwrap_or(u64::MAX), is_last })
}

impl From<EncodeError> for OrderFault {
    fn from(_: EncodeError) -> Self {
        Self::NotEncodable
    }
}

impl Order {
    /// Reports that the order was not sent.
    pub(super) fn not_sent(self, fault: Option<OrderFault>, out: &mut Vec<Output>) {
        out.push(Output::Report(Report::NotSent { tag: self.tag, fault }));
    }
}

/// The item of a command that has one.
fn only_item(command: &mut Command) -> Option<&mut Item> {
    match command {
        Command::Add(edit) | Command::Replace(edit) => edit.items.first_mut(),
        Command::Exec(exec) => exec.items.first_mut(),
        _ => None,
    }
}
