//! What the commands of a believed device come to.

use alloc::vec::Vec;

use smol_str::SmolStr;

use super::{Report, Session, object::Key, sent::told};
use crate::{
    alert::{AlertItem, AlertKind, DeviceAlert},
    codes::{AlertCode, StatusCode},
    fault::PeerFault,
    ids::{CmdId, MsgId},
    limits::SessionLimits,
    session::{refuse_all, status_for},
    wire::{Alert, Command, Header, Message, Results, Status},
};

/// What one message comes to.
pub(super) struct Work {
    pub(super) msg_id: MsgId,
    pub(super) statuses: Vec<Status>,
    pub(super) reports: Vec<Report>,
    /// The alerts that steer the session.
    pub(super) alerts: Vec<AlertCode>,
    /// Whether the device told about itself.
    pub(super) told: bool,
    /// Whether the message brought anything that was waited for.
    pub(super) progress: bool,
    /// The node of an object that something else came in between of; empty where it had none.
    pub(super) interrupted: Option<SmolStr>,
}

impl Work {
    pub(super) const fn new(msg_id: MsgId) -> Self {
        Self {
            msg_id,
            statuses: Vec::new(),
            reports: Vec::new(),
            alerts: Vec::new(),
            told: false,
            progress: false,
            interrupted: None,
        }
    }

    pub(super) fn fault(&mut self, fault: PeerFault) {
        self.reports.push(Report::Fault { msg_id: self.msg_id, fault });
    }

    fn check_cred(&mut self, has_cred: bool, id: &CmdId) {
        if has_cred {
            self.fault(PeerFault::CredInCommand(id.clone()));
        }
    }
}

impl Session {
    /// Takes the commands in their order. Statuses of the last message count for nothing if the device did not believe
    /// this server: it carried nothing out.
    pub(super) fn take_commands(&mut self, message: &Message, is_challenged: bool, work: &mut Work) {
        let answered = self.common.sent;
        for (at, command) in message.commands.iter().enumerate() {
            match command {
                Command::Status(status) if status.is_for_header() => {}
                Command::Status(status) if is_challenged && status.msg_ref == answered => {}
                Command::Status(status) => {
                    if !self.take_object_status(status, work) && !self.take_alert_status(status) {
                        match self.common.outstanding.take_status(status) {
                            Ok(()) => work.progress = true,
                            Err(fault) => work.fault(fault),
                        }
                    }
                }
                Command::Results(results) => self.take_results(command, results, work),
                _ => self.take_command(command, is_repeated(command, &message.commands, at), work),
            }
        }
    }

    /// Takes the status of one of this server's own alerts; `false` if it is for something else.
    fn take_alert_status(&mut self, status: &Status) -> bool {
        let (sent, alerts) = (self.common.sent, &mut self.common.alerts);
        let at = alerts.iter().position(|id| status.msg_ref == sent && status.cmd_ref.as_ref() == Some(id));
        at.map(|at| alerts.remove(at)).is_some()
    }

    /// Results get a status only where it is not 200 (rule 7).
    fn take_results(&mut self, command: &Command, results: &Results, work: &mut Work) {
        // A missing MsgRef means the first message (rule 10).
        let msg_ref = results.msg_ref.unwrap_or(MsgId::FIRST);
        let Some(tag) = self.common.outstanding.tag(msg_ref, &results.cmd_ref) else {
            work.fault(PeerFault::UnexpectedResults { cmd_ref: results.cmd_ref.clone() });
            work.statuses.push(status_for(work.msg_id, command, StatusCode::BAD_REQUEST));
            return;
        };
        let mut code = StatusCode::OK;
        for item in &results.items {
            let uri = item.source_uri().or(results.source_ref.as_deref()).or(item.target_uri());
            let key = Key::Results { msg_ref, cmd_ref: results.cmd_ref.clone(), tag: tag.clone() };
            match self.take_item(key, uri, item, results.meta.as_deref(), work) {
                Ok(Some(content)) => {
                    let told = content.data.as_ref().map_or(0, |data| data.len()) + uri.map_or(0, str::len);
                    let told = self.common.found_bytes.saturating_add(u64::try_from(told).unwrap_or(u64::MAX));
                    if told > SessionLimits::FOUND_BYTES_MAX {
                        work.fault(PeerFault::ObjectTooLarge(told));
                        code = StatusCode::TOO_LARGE;
                        continue;
                    }
                    self.common.found_bytes = told;
                    let is_taken = uri
                        .is_some_and(|uri| self.common.outstanding.take_found(msg_ref, &results.cmd_ref, uri, content));
                    work.progress |= is_taken;
                    if !is_taken {
                        work.fault(PeerFault::UnexpectedResults { cmd_ref: results.cmd_ref.clone() });
                        code = StatusCode::BAD_REQUEST;
                    }
                }
                Ok(None) => code = StatusCode::CHUNK_ACCEPTED,
                Err(refused) => code = refused,
            }
        }
        if code != StatusCode::OK {
            work.statuses.push(status_for(work.msg_id, command, code));
        }
    }

    /// A command of the device; its repertoire is Alert and Replace [DM 1.2, 8].
    fn take_command(&mut self, command: &Command, repeated: bool, work: &mut Work) {
        let id = command.cmd_id().cloned().unwrap_or_default();
        let code = if repeated {
            work.fault(PeerFault::CmdIdReused(id));
            StatusCode::BAD_REQUEST
        } else if id.as_str().is_empty() || id.is_header() {
            work.fault(PeerFault::CmdIdUnusable(id));
            StatusCode::BAD_REQUEST
        } else {
            match command {
                Command::Alert(alert) => {
                    work.check_cred(alert.cred.is_some(), &id);
                    return self.take_alert(command, alert, work);
                }
                Command::Replace(replace) => {
                    work.check_cred(replace.cred.is_some(), &id);
                    self.void_object(PeerFault::ObjectInterrupted, work);
                    work.told = true;
                    work.reports.push(Report::DevInfo(told(&replace.items, replace.meta.as_deref())));
                    StatusCode::OK
                }
                Command::Map(_) | Command::Move(_) | Command::Put(_) | Command::Search(_) | Command::Sync(_) => {
                    StatusCode::NOT_SUPPORTED
                }
                _ => StatusCode::NOT_ALLOWED,
            }
        };
        if code == StatusCode::OK || command.inner().is_empty() {
            work.statuses.push(status_for(work.msg_id, command, code));
        } else {
            let header = Header { msg_id: work.msg_id, ..Header::default() };
            let message = Message { header, commands: [command.clone()].into(), is_final: true };
            work.statuses.extend(refuse_all(&message, code));
        }
    }

    fn take_alert(&mut self, command: &Command, alert: &Alert, work: &mut Work) {
        let code = match alert.code {
            Some(AlertCode::NO_END_OF_DATA) => {
                self.interrupt_sending(work);
                StatusCode::OK
            }
            Some(code)
                if code.is_session_start() || [AlertCode::NEXT_MESSAGE, AlertCode::SESSION_ABORT].contains(&code) =>
            {
                work.alerts.push(code);
                StatusCode::OK
            }
            Some(code) => match AlertKind::of(code) {
                Some(_) if alert.items.is_empty() => StatusCode::INCOMPLETE,
                Some(kind) => return self.take_news(command, kind, alert, work),
                // An alert for the user among them: those go the other way.
                None => StatusCode::NOT_SUPPORTED,
            },
            None => StatusCode::INCOMPLETE,
        };
        work.statuses.push(status_for(work.msg_id, command, code));
    }

    /// A client event or a generic alert, whose items have nothing to do with each other.
    fn take_news(&mut self, command: &Command, kind: AlertKind, alert: &Alert, work: &mut Work) {
        let (mut items, mut codes) = (Vec::new(), Vec::new());
        for item in &alert.items {
            let source = item.source_uri();
            let code = match self.take_item(Key::Alert { kind }, source, item, None, work) {
                Ok(Some(content)) => {
                    let item = AlertItem { content, ..AlertItem::of(item) };
                    let fault = item.fault(kind).or_else(|| self.is_foreign(kind, &item));
                    if fault.is_none() {
                        items.push(item);
                    }
                    fault.unwrap_or(StatusCode::OK)
                }
                Ok(None) => StatusCode::CHUNK_ACCEPTED,
                Err(refused) => refused,
            };
            codes.push((code, source));
        }
        if !items.is_empty() {
            work.reports.push(Report::Alerted(DeviceAlert { kind, correlator: alert.correlator.clone(), items }));
        }
        // One status if all are the same, else one for each (rule 5).
        let first = codes.first().map_or(StatusCode::OK, |(code, _)| *code);
        if codes.iter().all(|(code, _)| *code == first) {
            work.statuses.push(status_for(work.msg_id, command, first));
        } else {
            work.statuses.extend(codes.into_iter().map(|(code, source)| Status {
                source_refs: source.map(SmolStr::from).into_iter().collect(),
                ..status_for(work.msg_id, command, code)
            }));
        }
    }

    /// 415 for a type of generic alert that the profile does not list, if it lists any.
    fn is_foreign(&self, kind: AlertKind, item: &AlertItem) -> Option<StatusCode> {
        let known = &self.profile.alert_types;
        let is_known = known.is_empty() || known.iter().any(|known| known.eq_ignore_ascii_case(item.plain_type()));
        (kind == AlertKind::Generic && !is_known).then_some(StatusCode::UNSUPPORTED_TYPE)
    }
}

/// Whether an earlier command of the message, `Status` and `Results` aside, has the same identifier.
fn is_repeated(command: &Command, commands: &[Command], at: usize) -> bool {
    let counts = |other: &&Command| !matches!(other, Command::Status(_) | Command::Results(_));
    commands.iter().take(at).filter(counts).any(|other| other.cmd_id() == command.cmd_id())
}
