//! From the draft of a reply to its bytes.

use alloc::vec::Vec;

use core_kit::{Body, Env};

use super::{
    Fetch, Order, OrderFault, Output, Session,
    object::{Sending, Step, fill_part},
    phase::{Asking, Draft, Next, Rest, Written},
    sent::Sent,
};
use crate::{
    Packet,
    auth::{Scheme, Signature},
    codes::AlertCode,
    fault::PeerFault,
    ids::{MsgId, QuestionId},
    session::{Outcome, header_status, number},
    wire::{self, Alert, Command, Cred, EncodeError, Encoding, Header, Item, Location, Message, Meta},
};

impl Session {
    /// Goes on with a part of a value, or without it.
    pub(super) fn fetched(
        &mut self,
        env: &Env,
        draft: Draft,
        data: Option<Body>,
        signature: Option<&(Scheme, Signature)>,
        out: &mut Vec<Output>,
    ) -> Next {
        if data.is_some() {
            return self.send(env, Draft { part: data, ..draft }, signature, out);
        }
        let draft = self.drop_object(draft, OrderFault::NoSuchPart, out);
        if self.may_choose() { self.choose(draft) } else { self.send(env, draft, signature, out) }
    }

    /// Writes the reply, puts in the next part of a value or as many orders as fit, and ends the session or waits for the
    /// device.
    pub(super) fn send(
        &mut self,
        env: &Env,
        mut draft: Draft,
        signature: Option<&(Scheme, Signature)>,
        out: &mut Vec<Output>,
    ) -> Next {
        let Some(peer) = self.common.peer.as_ref() else { return Rest::over(Outcome::Failed(PeerFault::Unanswerable)) };
        let (encoding, announced) = (peer.encoding, peer.max_msg_size);
        let bytes_max = announced.unwrap_or(self.profile.session.unannounced_bytes_max);
        let filled = loop {
            let mut message = self.frame(&draft, signature);
            let fixed = message.commands.len();
            let filled = self.fill(&mut message, &draft, encoding, bytes_max);
            match filled {
                Ok(Filled::Message { body, goes }) => break Ok((body, goes, message, fixed)),
                Ok(Filled::Fetch(question)) => {
                    let question = Fetch { id: self.next_question(), ..question };
                    return Next::Ask(Asking::Fetching(question, draft, signature.cloned()).into());
                }
                Ok(Filled::Drop(at, fault)) => {
                    if let Some(order) = self.common.queue.remove(at) {
                        order.not_sent(Some(fault), out);
                    }
                }
                Ok(Filled::DropObject(fault)) => draft = self.drop_object(draft, fault, out),
                Err(fault) => break Err(fault),
            }
            if self.may_choose() {
                return self.choose(draft);
            }
        };
        let (body, goes, message, fixed) = match filled {
            Ok(filled) => filled,
            Err(fault) => {
                self.close(out);
                out.push(Output::Refuse(fault.clone()));
                out.push(Output::Finished(Outcome::Failed(fault.clone())));
                return Rest::over(Outcome::Failed(fault));
            }
        };
        let commands = message.commands.get(fixed..).unwrap_or_default();
        let is_empty = commands.is_empty();
        let own = message.commands.iter().take(fixed).filter(|command| matches!(command, Command::Alert(_)));
        self.common.alerts = own.filter_map(|command| command.cmd_id().cloned()).collect();
        self.note(goes, message.header.msg_id, commands);
        self.common.sent = message.header.msg_id;
        // Nothing to do and both packages closed: the device has nothing to answer.
        let end = draft.end.or((draft.orders && is_empty).then_some(Outcome::Completed));
        let answered = (draft.answering.msg_id, draft.hash);
        self.seal(env, Written { answered, reply: Packet::new(encoding, body), end }, out)
    }

    /// Notes what went out.
    fn note(&mut self, goes: Goes, msg_id: MsgId, commands: &[Command]) {
        match goes {
            Goes::Orders(count) => {
                for (order, command) in self.common.queue.drain(..count).zip(commands) {
                    self.common.outstanding.push(Sent::new(order, msg_id, command));
                }
            }
            Goes::Part { octets, is_last } => {
                let before = self.common.sending.take().map(|sending| (sending.order, sending.offset));
                let first = || self.common.queue.pop_front().map(|order| (order, 0));
                let (Some((order, offset)), Some(command)) = (before.or_else(first), commands.first()) else { return };
                if is_last {
                    self.common.outstanding.push(Sent::new(order, msg_id, command));
                } else {
                    let cmd_id = command.cmd_id().cloned().unwrap_or_default();
                    let offset = offset.saturating_add(octets);
                    self.common.sending = Some(Sending { order, offset, msg_id, cmd_id, taken: false }.into());
                }
            }
        }
    }

    /// Whether others are to be asked for, now that orders of this package were not sent.
    fn may_choose(&self) -> bool {
        self.common.queue.is_empty() && self.common.taken < self.profile.session.orders_max
    }

    /// Gives up the value that goes out in parts, and lets orders take its place.
    fn drop_object(&mut self, draft: Draft, fault: OrderFault, out: &mut Vec<Output>) -> Draft {
        let sending = self.common.sending.take().map(|sending| sending.order);
        if let Some(order) = sending.or_else(|| self.common.queue.pop_front()) {
            order.not_sent(Some(fault), out);
        }
        Draft { part: None, orders: true, ..draft }
    }

    /// The reply without orders; its commands are not numbered.
    fn frame(&self, draft: &Draft, signature: Option<&(Scheme, Signature)>) -> Message {
        let peer = self.common.peer.as_ref();
        let (version, session_id) = peer.map(|peer| (peer.version, peer.session.clone())).unwrap_or_default();
        let is_first = self.common.sent == MsgId(0);
        let announced = is_first && (self.profile.max_msg_size.is_some() || self.profile.max_obj_size.is_some());
        let header = Header {
            ver_dtd: version.ver_dtd().into(),
            ver_proto: version.ver_proto().into(),
            session_id,
            msg_id: self.common.sent.next(),
            target: Location::new(draft.answering.source.clone()),
            source: Location {
                name: signature.map(|(_, signature)| signature.user.clone()).or_else(|| self.name_to_show()),
                ..Location::new(self.profile.address.clone())
            },
            resp_uri: self.profile.resp_uri.clone(),
            no_resp: false,
            cred: signature.map(|(scheme, signature)| Cred::signed(*scheme, signature).into()),
            meta: announced.then(|| {
                let (max_msg_size, max_obj_size) = (self.profile.max_msg_size, self.profile.max_obj_size);
                Meta { max_msg_size, max_obj_size, ..Meta::default() }.into()
            }),
        };
        let orders = if draft.orders { self.common.queue.len() } else { 0 };
        let mut commands = Vec::with_capacity(draft.statuses.len() + orders + 2);
        commands.push(Command::Status(header_status(&draft.answering, draft.verdict.clone())));
        commands.extend(draft.statuses.iter().cloned().map(Command::Status));
        commands.extend(draft.interrupted.as_deref().map(|uri| {
            let item = Item { source: Some(Location::new(uri)), ..Item::default() };
            Command::Alert(Alert { items: [item].into(), ..Alert::new(AlertCode::NO_END_OF_DATA) })
        }));
        commands.extend(draft.alert.map(|code| Command::Alert(Alert::new(code))));
        Message { header, commands, is_final: draft.alert != Some(AlertCode::NEXT_MESSAGE) }
    }

    /// Puts in the next part of a value, or as many orders from the front of the queue as fit.
    fn fill(
        &self,
        message: &mut Message,
        draft: &Draft,
        encoding: Encoding,
        bytes_max: u64,
    ) -> Result<Filled, PeerFault> {
        let fixed = message.commands.len();
        let fits = |body: &[u8]| u64::try_from(body.len()).is_ok_and(|bytes| bytes <= bytes_max);
        let bare = |message: &mut Message| {
            number(&mut message.commands);
            let body = wire::encode(encoding, message).map_err(|_| PeerFault::Unanswerable)?;
            if fits(&body) { Ok(body) } else { Err(PeerFault::PeerTooSmall) }
        };
        if let Some((order, offset)) = self.object(draft.orders).filter(|_| draft.end.is_none()) {
            bare(message)?;
            return Ok(Self::part_of(message, (order, offset), draft, encoding, bytes_max));
        }
        let room = self.profile.wire.commands_max.saturating_sub(fixed);
        // One object in parts ends the message before it: it goes alone.
        let mut left = room;
        let batch = self.common.queue.iter().filter(|_| draft.orders).take_while(|order| {
            let is_object = order.request.entries().iter().any(|entry| entry.content.in_parts.is_some());
            left.checked_sub(order.commands()).map(|rest| left = rest).is_some() && !is_object
        });
        message.commands.extend(batch.map(|order| order.request.command(encoding)));
        let count = message.commands.len() - fixed;
        if count == 0 {
            let body = bare(message)?;
            let too_many = draft.orders && !self.common.queue.is_empty();
            let nothing = Filled::Message { body, goes: Goes::Orders(0) };
            return Ok(if too_many { Filled::Drop(0, OrderFault::TooLarge) } else { nothing });
        }
        // The usual case: everything fits, and so would less.
        number(&mut message.commands);
        if let Ok(body) = wire::encode(encoding, message)
            && fits(&body)
        {
            return Ok(Filled::Message { body, goes: Goes::Orders(count) });
        }
        let commands = message.commands.split_off(fixed);
        bare(message)?;
        let mut with = |count: usize| {
            message.commands.truncate(fixed);
            message.commands.extend(commands.iter().take(count).cloned());
            number(&mut message.commands);
            wire::encode(encoding, message)
        };
        match largest(commands.len(), &mut with, fits) {
            Ok((body, count)) if count > 0 => {
                message.commands.truncate(fixed + count);
                Ok(Filled::Message { body, goes: Goes::Orders(count) })
            }
            Ok(_) => {
                message.commands.truncate(fixed);
                let front = self.common.queue.front();
                let has_value = |order: &&Order| {
                    order
                        .request
                        .only_entry()
                        .is_some_and(|entry| entry.content.data.as_ref().is_some_and(|d| !d.is_empty()))
                };
                Ok(match front.filter(has_value) {
                    Some(order) => Self::part_of(message, (order, 0), draft, encoding, bytes_max),
                    None => Filled::Drop(0, OrderFault::TooLarge),
                })
            }
            Err(_) => {
                // Which one it is shows when each is written alone.
                let alone = |command: &Command| {
                    let message = Message { commands: [command.clone()].into(), ..Message::default() };
                    wire::encode(encoding, &message).is_err()
                };
                let at = commands.iter().position(alone).unwrap_or(0);
                Ok(Filled::Drop(at, OrderFault::NotEncodable))
            }
        }
    }

    fn part_of(
        message: &mut Message,
        (order, offset): (&Order, u64),
        draft: &Draft,
        encoding: Encoding,
        bytes_max: u64,
    ) -> Filled {
        match fill_part(message, (order, offset), draft, encoding, bytes_max) {
            Ok(Step::Message { body, octets, is_last }) => {
                Filled::Message { body, goes: Goes::Part { octets, is_last } }
            }
            Ok(Step::Fetch(bytes)) => {
                let uri = order.request.uris().next().cloned().unwrap_or_default();
                Filled::Fetch(Fetch { id: QuestionId(0), tag: order.tag.clone(), uri, offset, bytes })
            }
            Err(fault) => Filled::DropObject(fault),
        }
    }
}

/// What a message can be filled with.
enum Filled {
    /// The message, and what goes with it.
    Message { body: Vec<u8>, goes: Goes },
    /// Octets must be asked for first.
    Fetch(Fetch),
    /// An order of the queue that will never go.
    Drop(usize, OrderFault),
    /// The value that goes out in parts will not.
    DropObject(OrderFault),
}

/// What goes with a message.
#[derive(Clone, Copy)]
enum Goes {
    /// So many orders of the queue.
    Orders(usize),
    /// A part of a value.
    Part { octets: u64, is_last: bool },
}

/// The most commands that fit, and the message with them. All of them are tried first: that is the usual case.
fn largest(
    all: usize,
    with: &mut impl FnMut(usize) -> Result<Vec<u8>, EncodeError>,
    fits: impl Fn(&[u8]) -> bool,
) -> Result<(Vec<u8>, usize), EncodeError> {
    let body = with(all)?;
    if fits(&body) {
        return Ok((body, all));
    }
    // More commands are more bytes, so the border can be halved in.
    let (mut fitting, mut too_many) = (0, all);
    while too_many - fitting > 1 {
        let middle = fitting + (too_many - fitting) / 2;
        if fits(&with(middle)?) { fitting = middle } else { too_many = middle }
    }
    Ok((with(fitting)?, fitting))
}
