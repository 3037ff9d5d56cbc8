//! From a message that came in to the draft of its reply.

use alloc::{string::String, vec::Vec};

use core_kit::{Env, Tick};

use super::{
    AlertItem, NextCommands, Order, OrderFault, Output, Report, Session,
    phase::{Asking, Draft, Hash, Next, Peer, Rest, Taken},
    sent::told,
    standing::OwnStanding,
};
use crate::{
    auth::Presented,
    codes::{AlertCode, StatusCode},
    fault::PeerFault,
    ids::{CmdId, MsgId},
    session::{Answering, Outcome, Verdicts, content_of, refuse_all, status_for, table::EventKind},
    wire::{Alert, Command, Encoding, Header, Item, Message, Status},
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
        let before = self.common.peer.take();
        self.common.peer = Some(Peer {
            device: header.source.uri.as_str().into(),
            session: header.session_id.clone(),
            encoding,
            version: before.as_ref().map_or_else(|| self.version_to_answer_in(header), |peer| peer.version),
            max_msg_size: announced.or(before.and_then(|peer| peer.max_msg_size)),
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
        let message = Message { header, ..Message::default() };
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
        let mut work = Work { msg_id: message.header.msg_id, ..Work::default() };
        let standing = self.read_own_standing(message, &mut work);
        let answered = self.common.sent;
        for (at, command) in message.commands.iter().enumerate() {
            match command {
                Command::Status(status) if status.is_for_header() => {}
                // The device carried nothing out of a message that it did not believe.
                Command::Status(status) if standing == OwnStanding::Challenged && status.msg_ref == answered => {}
                Command::Status(status) => work.check(self.common.outstanding.take_status(status)),
                Command::Results(results) => {
                    if let Err(fault) = self.common.outstanding.take_results(results) {
                        work.fault(fault);
                        work.statuses.push(status_for(work.msg_id, command, StatusCode::BAD_REQUEST));
                    }
                }
                _ => work.command(command, is_repeated(command, &message.commands, at)),
            }
        }
        if !core::mem::replace(&mut self.common.introduced, true) && !work.told {
            work.fault(PeerFault::NoDevInfo);
        }
        if let Some(alert) = work.started {
            let device = message.header.source.uri.as_str().into();
            out.push(Output::Report(Report::Started { device, alert }));
        }
        out.extend(work.reports.drain(..).map(Output::Report));
        let draft = Draft { statuses: work.statuses, ..Draft::new(taken, verdict) };
        self.decide(env, draft, message.is_final, work.aborted, standing, out)
    }

    /// What the reply will be, once everything that came is dealt with.
    fn decide(
        &mut self,
        env: &Env,
        draft: Draft,
        is_final: bool,
        aborted: bool,
        standing: OwnStanding,
        out: &mut Vec<Output>,
    ) -> Next {
        if aborted {
            return self.send(env, Draft { end: Some(Outcome::PeerAborted), ..draft }, None, out);
        }
        if let OwnStanding::Lost(outcome) = standing {
            return self.send(env, Draft { end: Some(outcome), ..draft }, None, out);
        }
        if let Some(reason) = self.common.abort {
            let (alert, end) = (Some(AlertCode::SESSION_ABORT), Some(Outcome::Aborted(reason)));
            return self.sign_and_send(env, Draft { alert, end, ..draft }, out);
        }
        if !is_final {
            self.common.open_messages += 1;
            if self.common.open_messages > self.profile.session.open_messages_max {
                let (alert, end) = (Some(AlertCode::SESSION_ABORT), Some(Outcome::Failed(PeerFault::Endless)));
                return self.sign_and_send(env, Draft { alert, end, ..draft }, out);
            }
            // The device's package is open and this server's is closed: nothing but Next Message (F5).
            return self.sign_and_send(env, Draft { alert: Some(AlertCode::NEXT_MESSAGE), ..draft }, out);
        }
        self.common.open_messages = 0;
        if standing != OwnStanding::Challenged {
            out.extend(self.common.outstanding.close().map(Output::Report));
        }
        let draft = Draft { orders: true, ..draft };
        if !self.common.queue.is_empty() {
            return self.sign_and_send(env, draft, out);
        }
        let device = self.common.peer.as_ref().map(|peer| peer.device.clone()).unwrap_or_default();
        let question = NextCommands { id: self.next_question(), device, taken: self.common.taken };
        Next::Ask(Asking::Choosing(question, draft).into())
    }

    /// Takes orders into the queue.
    pub(super) fn ordered(&mut self, orders: Vec<Order>, out: &mut Vec<Output>) {
        for order in orders {
            let fault = if order.request.uris().next().is_none() {
                Some(OrderFault::Empty)
            } else if self.common.taken >= self.profile.session.orders_max {
                Some(OrderFault::TooMany)
            } else {
                None
            };
            if fault.is_some() {
                out.push(Output::Report(Report::NotSent { tag: order.tag, fault }));
            } else {
                self.common.taken += 1;
                self.common.queue.push_back(order);
            }
        }
    }

    /// Gives an account of every order that has not come back.
    pub(super) fn close(&mut self, out: &mut Vec<Output>) {
        out.extend(self.common.outstanding.close().map(Output::Report));
        let queue = core::mem::take(&mut self.common.queue);
        out.extend(queue.into_iter().map(|order| Output::Report(Report::NotSent { tag: order.tag, fault: None })));
    }
}

/// Whether the message may open a session [DM 1.2, 8.3].
pub(super) fn opens(message: &Message) -> bool {
    message.commands.iter().any(|command| match command {
        Command::Alert(alert) => alert.code.is_some_and(AlertCode::is_session_start),
        _ => false,
    })
}

/// Whether an earlier command of the message, `Status` and `Results` aside, has the same identifier.
fn is_repeated(command: &Command, commands: &[Command], at: usize) -> bool {
    let counts = |other: &&Command| !matches!(other, Command::Status(_) | Command::Results(_));
    commands.iter().take(at).filter(counts).any(|other| other.cmd_id() == command.cmd_id())
}

/// What one message comes to.
#[derive(Default)]
pub(super) struct Work {
    msg_id: MsgId,
    statuses: Vec<Status>,
    pub(super) reports: Vec<Report>,
    started: Option<AlertCode>,
    aborted: bool,
    /// Whether the device told about itself.
    told: bool,
}

impl Work {
    pub(super) fn fault(&mut self, fault: PeerFault) {
        self.reports.push(Report::Fault { msg_id: self.msg_id, fault });
    }

    fn check(&mut self, result: Result<(), PeerFault>) {
        if let Err(fault) = result {
            self.fault(fault);
        }
    }

    /// A command of the device; its repertoire is Alert and Replace [DM 1.2, 8].
    fn command(&mut self, command: &Command, repeated: bool) {
        let id = command.cmd_id().cloned().unwrap_or_default();
        let code = if repeated {
            self.fault(PeerFault::CmdIdReused(id));
            StatusCode::BAD_REQUEST
        } else if id.as_str().is_empty() || id.is_header() {
            self.fault(PeerFault::CmdIdUnusable(id));
            StatusCode::BAD_REQUEST
        } else {
            match command {
                Command::Alert(alert) => {
                    self.check_cred(alert.cred.is_some(), &id);
                    self.alert(alert)
                }
                Command::Replace(replace) => {
                    self.check_cred(replace.cred.is_some(), &id);
                    self.told = true;
                    self.reports.push(Report::DevInfo(told(&replace.items, replace.meta.as_ref())));
                    StatusCode::OK
                }
                Command::Map(_) | Command::Move(_) | Command::Put(_) | Command::Search(_) | Command::Sync(_) => {
                    StatusCode::NOT_SUPPORTED
                }
                _ => StatusCode::NOT_ALLOWED,
            }
        };
        if code == StatusCode::OK || command.inner().is_empty() {
            self.statuses.push(status_for(self.msg_id, command, code));
        } else {
            let header = Header { msg_id: self.msg_id, ..Header::default() };
            let message = Message { header, commands: [command.clone()].into(), is_final: true };
            self.statuses.extend(refuse_all(&message, code));
        }
    }

    fn check_cred(&mut self, has_cred: bool, id: &CmdId) {
        if has_cred {
            self.fault(PeerFault::CredInCommand(id.clone()));
        }
    }

    fn alert(&mut self, alert: &Alert) -> StatusCode {
        match alert.code {
            Some(code) if code.is_session_start() => {
                self.started = Some(code);
                StatusCode::OK
            }
            Some(AlertCode::NEXT_MESSAGE | AlertCode::NO_END_OF_DATA) => StatusCode::OK,
            Some(AlertCode::SESSION_ABORT) => {
                self.aborted = true;
                StatusCode::OK
            }
            Some(code @ (AlertCode::CLIENT_EVENT | AlertCode::GENERIC)) if !alert.items.is_empty() => {
                let items = alert.items.iter().map(alerted).collect();
                self.reports.push(Report::Alerted { code, correlator: alert.correlator.clone(), items });
                StatusCode::OK
            }
            Some(AlertCode::CLIENT_EVENT | AlertCode::GENERIC) | None => StatusCode::INCOMPLETE,
            Some(_) => StatusCode::NOT_SUPPORTED,
        }
    }
}

fn alerted(item: &Item) -> AlertItem {
    AlertItem {
        source: item.source_uri().map(String::from),
        content: content_of(item, None),
        mark: item.meta.as_ref().and_then(|meta| meta.mark.clone()),
    }
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
            orders: false,
            end: None,
        }
    }
}
