//! From a message that came in to the draft of its reply.

use alloc::vec::Vec;

use core_kit::{Env, Tick};

use super::{
    NextCommands, Order, OrderFault, Output, Report, Session,
    phase::{Asking, Draft, Hash, Next, Peer, Rest, Taken},
    receive::Work,
    standing::OwnStanding,
};
use crate::{
    auth::Presented,
    codes::AlertCode,
    fault::PeerFault,
    session::{Answering, Outcome, Verdicts, refuse_all, table::EventKind},
    wire::{Command, Encoding, Header, Message},
};

impl Session {
    /// Takes a message of this session.
    pub(super) fn take(
        &mut self,
        env: &Env,
        taken: Taken,
        encoding: Encoding,
        out: &mut Vec<Output>,
    ) -> (EventKind, Next) {
        let fresh = self.common.peer.is_none();
        if fresh {
            self.common.opened = Some(taken.hash);
        }
        self.meet(env.now, &taken.message.header, encoding);
        let strange = self.version_fault(&taken.message.header, fresh);
        let fault = if fresh {
            strange.or((!opens(&taken.message)).then_some(PeerFault::NotPackageOne))
        } else {
            // The session keeps its version, whatever the device says in the middle of it.
            let msg_id = taken.message.header.msg_id;
            out.extend(strange.map(|fault| Output::Report(Report::Fault { msg_id, fault })));
            None
        };
        let endless = self.common.messages > self.profile.session.messages_max;
        if let Some(fault) = fault.or(endless.then_some(PeerFault::Endless)) {
            return (EventKind::Ended, self.give_up(env, &taken, fault, out));
        }
        self.doubt(env, taken, out)
    }

    /// Notes whom the session is with, and that a message came.
    fn meet(&mut self, now: Tick, header: &Header, encoding: Encoding) {
        self.common.now = now;
        self.common.messages = self.common.messages.saturating_add(1);
        let announced = header.meta.as_ref().and_then(|meta| meta.max_msg_size);
        let object_max = header.meta.as_ref().and_then(|meta| meta.max_obj_size);
        let before = self.common.peer.take();
        self.common.peer = Some(Peer {
            device: header.source.uri.clone().into(),
            session: header.session_id.clone(),
            encoding,
            version: before.as_ref().map_or_else(|| self.version_to_answer_in(header), |peer| peer.version),
            max_msg_size: announced.or(before.as_ref().and_then(|peer| peer.max_msg_size)),
            max_obj_size: object_max.or(before.and_then(|peer| peer.max_obj_size)),
        });
    }

    /// Answers a message that cannot be taken, and ends the session.
    pub(super) fn refuse(
        &mut self,
        env: &Env,
        header: Header,
        hash: Hash,
        encoding: Encoding,
        fault: PeerFault,
        out: &mut Vec<Output>,
    ) -> Next {
        self.meet(env.now, &header, encoding);
        let message = Message { header, ..Message::default() }.into();
        self.give_up(env, &Taken { message, hash, identity: None, presented: Presented::Nothing }, fault, out)
    }

    fn give_up(&mut self, env: &Env, taken: &Taken, fault: PeerFault, out: &mut Vec<Output>) -> Next {
        let verdict = Verdicts { version: self.version_instead(&fault), ..Verdicts::plain(fault.status()) };
        let statuses = refuse_all(&taken.message, fault.status());
        let alert = (fault == PeerFault::Endless).then_some(AlertCode::SESSION_ABORT);
        let end = Some(Outcome::Failed(fault));
        self.send(env, Draft { statuses, alert, end, ..Draft::new(taken, verdict) }, None, out)
    }

    /// Deals with all that a believed device sent.
    pub(super) fn work(&mut self, env: &Env, taken: &Taken, verdict: Verdicts, out: &mut Vec<Output>) -> Next {
        let message = &taken.message;
        let mut work = Work::new(message.header.msg_id);
        let in_object = self.common.sending.is_some();
        let standing = self.read_own_standing(message, &mut work);
        self.take_commands(message, standing == OwnStanding::Challenged, &mut work);
        if !core::mem::replace(&mut self.common.introduced, true) && !work.told {
            work.fault(PeerFault::NoDevInfo);
        }
        if work.alerts.contains(&AlertCode::NEXT_MESSAGE) && !in_object {
            work.fault(PeerFault::NothingToContinue);
        }
        if let Some(alert) = work.alerts.iter().copied().rfind(|code| code.is_session_start()) {
            let device = message.header.source.uri.clone().into();
            out.push(Output::Report(Report::Started { device, alert }));
        }
        if message.is_final {
            // Whatever did not come to its end in this package never will.
            self.void_object(PeerFault::ObjectInterrupted, &mut work);
            work.interrupted = None;
        }
        if in_object && standing != OwnStanding::Challenged {
            self.check_object(message.is_final, &mut work);
        }
        out.extend(work.reports.drain(..).map(Output::Report));
        let draft = Draft { statuses: work.statuses, interrupted: work.interrupted, ..Draft::new(taken, verdict) };
        if work.alerts.contains(&AlertCode::SESSION_ABORT) {
            return self.send(env, Draft { end: Some(Outcome::PeerAborted), ..draft }, None, out);
        }
        if let OwnStanding::Lost(outcome) = standing {
            return self.send(env, Draft { end: Some(outcome), ..draft }, None, out);
        }
        if let Some(reason) = self.common.abort {
            let (alert, end) = (Some(AlertCode::SESSION_ABORT), Some(Outcome::Aborted(reason)));
            return self.sign_and_send(env, Draft { alert, end, ..draft }, out);
        }
        if message.is_final && standing != OwnStanding::Challenged {
            self.common.found_bytes = 0;
            out.extend(self.common.outstanding.close().map(Output::Report));
        }
        if self.common.sending.is_some() {
            // Nothing may come between two parts [digest 3.7].
            return self.sign_and_send(env, draft, out);
        }
        // An object that came to nothing leaves this server's package open: what is left goes into it.
        if message.is_final || in_object {
            self.common.open_messages = 0;
            return self.go_on(env, Draft { orders: true, ..draft }, out);
        }
        self.common.open_messages = if work.progress { 0 } else { self.common.open_messages.saturating_add(1) };
        if self.common.open_messages > self.profile.session.open_messages_max {
            let (alert, end) = (Some(AlertCode::SESSION_ABORT), Some(Outcome::Failed(PeerFault::Endless)));
            return self.sign_and_send(env, Draft { alert, end, ..draft }, out);
        }
        // The device's package is open and this server's is closed: nothing but Next Message (F5).
        self.sign_and_send(env, Draft { alert: Some(AlertCode::NEXT_MESSAGE), ..draft }, out)
    }

    /// Goes on with the orders that wait, or asks for others.
    fn go_on(&mut self, env: &Env, draft: Draft, out: &mut Vec<Output>) -> Next {
        if self.common.queue.is_empty() { self.choose(draft) } else { self.sign_and_send(env, draft, out) }
    }

    /// Asks for orders.
    pub(super) fn choose(&mut self, draft: Draft) -> Next {
        let device = self.common.peer.as_ref().map(|peer| peer.device.clone()).unwrap_or_default();
        let question = NextCommands { id: self.next_question(), device, taken: self.common.taken };
        Next::Ask(Asking::Choosing(question, draft).into())
    }

    /// Takes orders into the queue, and goes on with them. Where none of them can be sent others are asked for: one bad
    /// order does not block the rest.
    pub(super) fn ordered(&mut self, env: &Env, orders: Vec<Order>, draft: Draft, out: &mut Vec<Output>) -> Next {
        let is_end = orders.is_empty();
        let encoding = self.common.peer.as_ref().map_or(Encoding::Xml, |peer| peer.encoding);
        let object_max = self.common.peer.as_ref().and_then(|peer| peer.max_obj_size);
        let mut is_full = false;
        for order in orders {
            is_full = self.common.taken >= self.profile.session.orders_max;
            let fits = || order.request.fits_objects(encoding, object_max);
            let fault = match order.request.check().and_then(|()| fits()) {
                Ok(()) if is_full => Some(OrderFault::TooMany),
                checked => checked.err(),
            };
            self.common.taken = self.common.taken.saturating_add(1);
            if fault.is_some() {
                order.not_sent(fault, out);
            } else {
                self.common.queue.push_back(order);
            }
        }
        if is_end || is_full { self.sign_and_send(env, draft, out) } else { self.go_on(env, draft, out) }
    }

    /// Gives an account of every order that has not come back.
    pub(super) fn close(&mut self, out: &mut Vec<Output>) {
        out.extend(self.common.outstanding.close().map(Output::Report));
        if let Some(sending) = self.common.sending.take() {
            sending.order.not_sent(None, out);
        }
        for order in core::mem::take(&mut self.common.queue) {
            order.not_sent(None, out);
        }
        if core_kit::planted!("D31-unknown-not-told") {
            out.retain(|output| !matches!(output, Output::Report(Report::Unknown(_))));
        }
    }
}

/// Whether the message may open a session [DM 1.2, 8.3].
pub(super) fn opens(message: &Message) -> bool {
    message.commands.iter().any(|command| match command {
        Command::Alert(alert) => alert.code.is_some_and(AlertCode::is_session_start),
        _ => false,
    })
}

impl Rest {
    pub(super) const fn over(outcome: Outcome) -> Next {
        Next::Rest(Self::Over(outcome))
    }
}

impl Draft {
    /// A reply to a message that says nothing but what became of its header.
    pub(super) fn new(taken: &Taken, verdict: Verdicts) -> Self {
        Self {
            answering: Answering::new(&taken.message.header),
            hash: taken.hash,
            verdict,
            statuses: Vec::new(),
            alert: None,
            interrupted: None,
            part: None,
            orders: false,
            end: None,
        }
    }
}
