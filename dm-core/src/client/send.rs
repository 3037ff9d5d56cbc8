//! From what is to be said to a message that goes out, and what its arrival means.

use alloc::{sync::Arc, vec::Vec};

use core_kit::Env;

use super::{
    NewAlert, Ops, Output, Request, Session,
    pack::{Packed, Stuck},
    phase::{Asking, Doing, Draft, Flight, Next, Part, Written},
    say::{Alerting, Say, Told, octets},
};
use crate::{
    Packet,
    alert::DeviceAlert,
    auth::{Scheme, Signature},
    codes::StatusCode,
    fault::PeerFault,
    ids::{MsgId, ServerId},
    session::{Misuse, Outcome},
    tree::{Op, OpResult},
    wire::{self, Command, Cred, Format, Header, Location, Message, Meta},
};

impl Session {
    /// Sends the next message of the package: what there is to say, as far as it fits. Asks for a part of a value first
    /// if one is due, then for credentials.
    pub(super) fn sign_and_send(&mut self, env: &Env, mut draft: Draft, out: &mut Vec<Output>) -> Next {
        if !draft.commands.is_empty() {
            let statuses = draft.commands.drain(..).filter_map(|command| match command {
                Command::Status(status) => Some(Say::Statuses([Told::of(status)].into())),
                _ => None,
            });
            self.common.queue_mut().splice(0..0, statuses);
        }
        self.common.package.opening |= draft.opening;
        self.drop_too_large(out);
        if let Some(wanted) = self.wanted_part(&draft) {
            let server: Option<ServerId> = wanted.for_server.then(|| self.profile.server_id.clone());
            let op = Op::Read { uri: wanted.uri, offset: wanted.offset, bytes: wanted.bytes };
            let ops = Ops::new(self.next_question(), env.wall, server, [op]);
            return Next::Ask(Asking::Applying(ops, Doing::Part(draft.into())).into());
        }
        self.prove_and_send(env, draft, out)
    }

    /// Goes on with a part of a value that the tree gave, or did not give.
    pub(super) fn read(
        &mut self,
        env: &Env,
        ops: &Ops,
        draft: Draft,
        results: Vec<OpResult>,
        out: &mut Vec<Output>,
    ) -> Next {
        let data = results
            .into_iter()
            .next()
            .filter(|result| result.status.is_success())
            .and_then(|result| result.found.into_iter().next())
            .and_then(|found| found.content.data)
            .filter(|data| !data.is_empty());
        if let (Some(data), Some(Op::Read { offset, bytes, .. })) = (data, ops.ops.first()) {
            let len = usize::try_from(*bytes).unwrap_or(usize::MAX).min(data.len());
            let octets = data.to_bytes().slice(..len).into();
            return self.prove_and_send(env, Draft { part: Some(Part { offset: *offset, octets }), ..draft }, out);
        }
        self.abandon_first(|say| say.value().is_some_and(|value| value.content.in_parts.is_some()), out);
        self.sign_and_send(env, draft, out)
    }

    fn abandon_first(&mut self, which: impl Fn(&Say) -> bool, out: &mut Vec<Output>) {
        if let Some(at) = self.common.queue.iter().position(which) {
            let dropped = self.common.queue_mut().remove(at);
            Self::abandon(&dropped, out);
        }
    }

    /// Alerts whose value is larger than the server takes are not begun.
    fn drop_too_large(&mut self, out: &mut Vec<Output>) {
        let Some(max) = self.common.max_obj_size else { return };
        let encoding = self.profile.encoding;
        let too_large = |say: &Say| {
            matches!(say, Say::Alert(_))
                && say.value().is_some_and(|value| value.form(encoding).size(value.total()) > max)
        };
        while self.common.queue.iter().any(too_large) {
            self.abandon_first(too_large, out);
        }
    }

    /// Writes the message and waits for the reply, or ends the session with it.
    pub(super) fn send(
        &mut self,
        env: &Env,
        draft: Draft,
        signature: Option<&(Scheme, Signature)>,
        out: &mut Vec<Output>,
    ) -> Next {
        let ready = loop {
            match self.pack(&draft, signature) {
                Ok(ready) => break ready,
                Err(Stuck::At(at)) => {
                    if let Err(fault) = self.give_way(at, out) {
                        return Next::over(Outcome::Failed(fault));
                    }
                }
                Err(Stuck::For(fault)) => return Next::over(Outcome::Failed(fault)),
            }
        };
        let Packed { body, msg_id, commands, flight, closed, part_out, alerts } = ready;
        if self.common.package.closed || self.common.sent == MsgId(0) {
            self.common.package.first = msg_id;
        }
        (self.common.sent, self.common.sent_commands) = (msg_id, commands);
        (self.common.flight, self.common.package.closed, self.common.part_out) = (flight, closed, part_out);
        self.common.unanswered.extend(alerts);
        let packet = Packet::new(self.profile.encoding, body);
        let wants_reply = draft.end.is_none();
        let request = Request { url: self.common.url.clone(), packet, wants_reply };
        self.seal(env, Written { request, issued: draft.issued, end: draft.end }, out)
    }

    /// Makes what does not fit into any message fit, or leaves it out.
    fn give_way(&mut self, at: usize, out: &mut Vec<Output>) -> Result<(), PeerFault> {
        let queue = self.common.queue_mut();
        match queue.get_mut(at) {
            Some(Say::Statuses(all)) if all.len() > 1 => {
                let single: Vec<Say> = all.drain(..).map(|told| Say::Statuses([told].into())).collect();
                queue.splice(at..=at, single);
            }
            Some(Say::Statuses(all)) => match all.first_mut() {
                // What the user said is too long for the server.
                Some(told) if !told.texts.is_empty() || told.failed_at.is_some() => {
                    if !told.texts.is_empty() {
                        told.code = StatusCode::TOO_LARGE;
                    }
                    told.texts.clear();
                    told.failed_at = None;
                }
                _ => return Err(PeerFault::PeerTooSmall),
            },
            Some(Say::Alert(Alerting { tag, alert, .. })) if alert.items.len() > 1 => {
                // The items of an alert have nothing to do with each other.
                let (tag, kind, correlator) = (tag.clone(), alert.kind, alert.correlator.clone());
                let items = core::mem::take(&mut alert.items);
                let single = items.into_iter().map(|item| {
                    let alert = DeviceAlert { kind, correlator: correlator.clone(), items: [item].into() };
                    Say::Alert(Alerting { tag: tag.clone(), alert, sent: 0 })
                });
                let single: Vec<Say> = single.collect();
                queue.splice(at..=at, single);
            }
            Some(Say::Alert(_) | Say::Result(_) | Say::NoEnd(_)) => {
                let dropped = queue.remove(at);
                Self::abandon(&dropped, out);
            }
            Some(Say::Next(_)) | None => return Err(PeerFault::PeerTooSmall),
        }
        Ok(())
    }

    /// The server has taken the last message, or has not believed it: then all of it is said again.
    pub(super) fn landed(&mut self, taken: bool) {
        let Flight { said, part, moves } = core::mem::take(&mut self.common.flight);
        self.common.moved = taken && moves;
        if !taken {
            let sent = self.common.sent;
            self.common.unanswered.retain(|one| one.msg_id != sent);
            return;
        }
        self.common.package.opening = false;
        let said = usize::try_from(said).unwrap_or(usize::MAX).min(self.common.queue.len());
        if said == self.common.queue.len() {
            // The usual case; and what is stored of the session keeps its own.
            self.common.queue = Arc::default();
            return;
        }
        let queue = self.common.queue_mut();
        queue.drain(..said);
        if let (Some(octets), Some(say)) = (part, queue.first_mut()) {
            say.set_sent(if core_kit::planted!("D37-octets-skipped") { octets + 3 } else { octets });
        }
    }

    /// Whether the alert can be sent, and be kept until it is.
    pub(super) fn accept_alert(&self, new: &NewAlert) -> Result<(), Misuse> {
        let DeviceAlert { kind, items, .. } = &new.alert;
        let in_parts = items.iter().any(|item| item.content.in_parts.is_some());
        let from_tree =
            items.len() == 1 && items.iter().all(|item| item.source.is_some()) && self.profile.large_objects;
        if items.is_empty() || items.iter().any(|item| item.fault(*kind).is_some()) || (in_parts && !from_tree) {
            return Err(Misuse::BadAlert);
        }
        let alert = Command::Alert(new.alert.to_alert(self.profile.encoding));
        let message = Message { commands: [alert].into(), ..Message::default() };
        let body = wire::encode(self.profile.encoding, &message).map_err(|_| Misuse::BadAlert)?;
        let weight = self.common.queue.iter().map(Say::weight).sum::<u64>().saturating_add(octets(body.len()));
        let count = self.common.queue.iter().filter(|say| matches!(say, Say::Alert(_))).count();
        if weight > self.profile.queue_bytes_max || count >= self.profile.wire.commands_max {
            return Err(Misuse::TooMuch);
        }
        Ok(())
    }

    /// Keeps an alert until the server has it.
    pub(super) fn take_alert(&mut self, new: NewAlert) {
        let NewAlert { tag, mut alert } = new;
        for item in &mut alert.items {
            // It must be there, even where it says nothing new [DM 1.2, 8.7].
            item.content.format.get_or_insert(Format::Chr);
        }
        self.common.queue_mut().push(Say::Alert(Alerting { tag, alert, sent: 0 }));
    }

    pub(super) fn header(&self, opening: bool, signature: Option<&(Scheme, Signature)>) -> Header {
        let announced = Meta {
            max_msg_size: self.profile.max_msg_size,
            max_obj_size: self.profile.max_obj_size.filter(|_| self.profile.large_objects),
            ..Meta::default()
        };
        Header {
            ver_dtd: self.profile.version.ver_dtd().into(),
            ver_proto: self.profile.version.ver_proto().into(),
            session_id: self.common.session.clone(),
            msg_id: if core_kit::planted!("D04-message-skipped") && self.common.sent == MsgId::FIRST {
                self.common.sent.next().next()
            } else {
                self.common.sent.next()
            },
            target: Location {
                name: core_kit::planted!("D45-whole-buffer-sent").then(|| "-".repeat(self.bytes_max() / 2).into()),
                ..Location::new(self.common.url.clone())
            },
            source: Location {
                name: signature.map(|(_, signature)| signature.user.clone()).or_else(|| self.name_to_show()),
                ..Location::new(self.profile.device.as_str())
            },
            resp_uri: None,
            no_resp: false,
            cred: signature.map(|(scheme, signature)| Cred::signed(*scheme, signature).into()),
            meta: Some(announced).filter(|meta| opening && *meta != Meta::default()).map(Into::into),
        }
    }
}
