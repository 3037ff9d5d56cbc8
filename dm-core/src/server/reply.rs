//! From the draft of a reply to its bytes.

use alloc::vec::Vec;

use core_kit::Env;

use super::{
    OrderFault, Output, Report, Session, Sign,
    phase::{Answered, Asking, Draft, Next, Rest, Standing},
    sent::Sent,
};
use crate::{
    Packet,
    auth::{Scheme, SignRequest, Signature},
    codes::AlertCode,
    fault::PeerFault,
    ids::{CmdId, MsgId},
    session::{Outcome, header_status, number},
    wire::{self, Alert, Command, Cred, EncodeError, Encoding, Header, Location, Message, Meta},
};

impl Session {
    /// Sends the reply, with credentials where the device has not believed this server for the session yet.
    pub(super) fn sign_and_send(&mut self, env: &Env, draft: Draft, out: &mut Vec<Output>) -> Next {
        match self.common.own.prove {
            Some(scheme) if !self.common.own.believed => {
                let peer = self.common.peer.as_ref().map(|peer| peer.device.as_str().into()).unwrap_or_default();
                let request = SignRequest { peer, scheme, nonce: self.common.own.nonce.clone() };
                let question = Sign { id: self.next_question(), request };
                Next::Ask(Asking::Signing(question, draft).into())
            }
            _ => self.send(env, draft, None, out),
        }
    }

    /// Writes the reply, puts in as many orders as fit, and ends the session or waits for the device.
    pub(super) fn send(
        &mut self,
        env: &Env,
        draft: Draft,
        signature: Option<&(Scheme, Signature)>,
        out: &mut Vec<Output>,
    ) -> Next {
        let Some(peer) = self.common.peer.as_ref() else { return Rest::over(Outcome::Failed(PeerFault::Unanswerable)) };
        let (encoding, announced) = (peer.encoding, peer.max_msg_size);
        let bytes_max = announced.unwrap_or(self.profile.session.unannounced_bytes_max);
        let mut message = self.frame(&draft, signature);
        let fixed = message.commands.len();
        let written = self.fill(&mut message, draft.orders, encoding, bytes_max, out);
        let (body, orders) = match written {
            Ok(written) => written,
            Err(fault) => {
                self.close(out);
                out.push(Output::Refuse(fault.clone()));
                out.push(Output::Finished(Outcome::Failed(fault.clone())));
                return Rest::over(Outcome::Failed(fault));
            }
        };
        let msg_id = message.header.msg_id;
        let sent = self.common.queue.drain(..orders).zip(message.commands.iter().skip(fixed));
        for (order, command) in sent {
            self.common.outstanding.push(Sent::new(order, msg_id, command));
        }
        let reply = Packet::new(encoding, body);
        self.common.sent = msg_id;
        self.common.last = Some(Answered { msg_id: draft.answering.msg_id, hash: draft.hash, reply: reply.clone() });
        out.push(Output::Reply(reply));
        // Nothing to do and both packages closed: the device has nothing to answer.
        let end = draft.end.or((draft.orders && orders == 0).then_some(Outcome::Completed));
        if let Some(outcome) = end {
            self.close(out);
            out.push(Output::Finished(outcome.clone()));
            return Rest::over(outcome);
        }
        let patience = match self.common.client {
            Standing::Unproven { .. } => self.profile.unauthenticated_ms,
            Standing::PerMessage { .. } | Standing::Proven => self.profile.idle_ms,
        };
        Next::Rest(Rest::Waiting { until: env.now + patience })
    }

    /// The reply without orders.
    fn frame(&self, draft: &Draft, signature: Option<&(Scheme, Signature)>) -> Message {
        let peer = self.common.peer.clone();
        let (ver_dtd, ver_proto, session_id) =
            peer.map(|peer| (peer.ver_dtd, peer.ver_proto, peer.session)).unwrap_or_default();
        let announced = (self.common.sent == MsgId(0)).then_some(self.profile.max_msg_size).flatten();
        let header = Header {
            ver_dtd,
            ver_proto,
            session_id,
            msg_id: self.common.sent.next(),
            target: Location::new(draft.answering.source.clone()),
            source: Location {
                name: signature.map(|(_, signature)| signature.user.clone()),
                ..Location::new(self.profile.address.clone())
            },
            resp_uri: self.profile.resp_uri.clone(),
            no_resp: false,
            cred: signature.map(|(scheme, signature)| Cred::signed(*scheme, signature)),
            meta: announced.map(|size| Meta { max_msg_size: Some(size), ..Meta::default() }),
        };
        let mut commands = Vec::with_capacity(draft.statuses.len() + 2);
        commands.push(Command::Status(header_status(&draft.answering, draft.verdict.clone())));
        commands.extend(draft.statuses.iter().cloned().map(Command::Status));
        commands.extend(draft.alert.map(|code| Command::Alert(Alert::new(code))));
        number(&mut commands);
        Message { header, commands, is_final: draft.alert != Some(AlertCode::NEXT_MESSAGE) }
    }

    /// Puts in as many orders from the front of the queue as fit, and drops those that never will.
    fn fill(
        &mut self,
        message: &mut Message,
        orders: bool,
        encoding: Encoding,
        bytes_max: u64,
        out: &mut Vec<Output>,
    ) -> Result<(Vec<u8>, usize), PeerFault> {
        let fixed = message.commands.len();
        let fits = |body: &[u8]| u64::try_from(body.len()).is_ok_and(|bytes| bytes <= bytes_max);
        let bare = wire::encode(encoding, message).map_err(|_| PeerFault::Unanswerable)?;
        if !fits(&bare) {
            return Err(PeerFault::PeerTooSmall);
        }
        loop {
            let room = self.profile.wire.commands_max.saturating_sub(fixed);
            let batch = if orders { self.common.queue.len().min(room) } else { 0 };
            if batch == 0 {
                return Ok((bare, 0));
            }
            let first_id = u32::try_from(fixed).unwrap_or(u32::MAX).saturating_add(1);
            let commands = (first_id..).zip(self.common.queue.iter().take(batch)).map(|(id, order)| {
                let mut command = order.request.command(encoding);
                command.cmd_id_slot().set(CmdId::from(id));
                command
            });
            let commands: Vec<Command> = commands.collect();
            let mut with = |count: usize| {
                message.commands.truncate(fixed);
                message.commands.extend(commands.iter().take(count).cloned());
                wire::encode(encoding, message)
            };
            match largest(batch, &mut with, fits) {
                Ok((body, count)) if count > 0 => {
                    message.commands.truncate(fixed + count);
                    return Ok((body, count));
                }
                Ok(_) => self.drop_order(0, OrderFault::TooLarge, out),
                Err(_) => {
                    // Which one it is shows when each is written alone.
                    let alone = |command: &Command| {
                        let message = Message { commands: [command.clone()].into(), ..Message::default() };
                        wire::encode(encoding, &message).is_err()
                    };
                    let at = commands.iter().position(alone).unwrap_or(0);
                    self.drop_order(at, OrderFault::NotEncodable, out);
                }
            }
        }
    }

    fn drop_order(&mut self, at: usize, fault: OrderFault, out: &mut Vec<Output>) {
        if let Some(order) = self.common.queue.remove(at) {
            out.push(Output::Report(Report::NotSent { tag: order.tag, fault: Some(fault) }));
        }
    }
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
