//! Whether a message of the client is believed, and what is done if not [DPE digest 3.3].

use core_kit::Body;

use super::{
    Device, Step,
    state::{Life, Op, Target},
    vocabulary::Report,
};
use crate::{
    codes::Code,
    config::Strategy,
    identity::Source,
    ids::{ClientId, dpe2},
    server::write,
    wire::{self, Decoded, Ie, Kind, Message},
};

/// What a message from the client belongs to.
enum Belongs {
    ToRequest,
    ToPolicy(u64),
}

/// What is answered to a message on DPE-1 or DPE-2 that names no Client-ID with a device.
#[must_use]
pub fn stranger(config: &crate::config::Config, body: &Body) -> Option<Body> {
    let read = wire::decode(body, &config.wire).ok()?;
    let mut strategies = config.verify.client_failure_strategy.iter();
    let is_told = strategies.find(|strategy| matches!(strategy, Strategy::Error | Strategy::Ignore));
    let (is_success, is_fit, named) = match &read {
        Decoded::Message(message) => (
            message.kind == Kind::RegisterSuccess,
            message.kind.is_from_client(),
            message.client_id.need_id::<ClientId>(Code::CLIENT_ID_MISSING, Code::CLIENT_ID_NOT_REGISTERED),
        ),
        Decoded::Untyped(untyped) => return write::body(&write::error(&read, untyped.code)),
    };
    let code = named.err().unwrap_or(Code::CLIENT_ID_NOT_REGISTERED);
    if is_success {
        return write::body(&write::refusal(code, &Ie::Absent));
    }
    if !is_fit {
        return write::body(&write::error(&read, Code::MESSAGE_TYPE_UNKNOWN));
    }
    // There is no request to repeat: of the strategies only the answer is left.
    matches!(is_told, Some(Strategy::Error)).then(|| write::body(&write::error(&read, code))).flatten()
}

impl Device {
    /// A message of the client on DPE-1 or DPE-2. Checks V1 to V9 in order; the first that fails decides.
    pub(super) fn received(&mut self, source: &Source, body: &Body, step: &mut Step<'_>) {
        let config = self.profile.config();
        let networks = &config.dpe1.allowed_networks;
        let address = source.address(&config.identity);
        let is_allowed = networks.is_empty() || networks.iter().any(|network| network.contains(address));
        let (true, Ok(read)) = (is_allowed, wire::decode(body, &config.wire)) else {
            return step.report(Report::Unreadable);
        };
        let message = match &read {
            Decoded::Message(message) if message.kind == Kind::RegisterSuccess => {
                return self.acknowledged(source, message, step);
            }
            Decoded::Message(message) if message.kind.is_from_client() => message,
            Decoded::Message(message) => {
                return self.bad_type(Code::MESSAGE_TYPE_UNKNOWN, &message.message_id, &read, step);
            }
            Decoded::Untyped(untyped) => return self.bad_type(untyped.code, &untyped.message_id, &read, step),
        };
        if let Err(code) = self.check_sender(source, message) {
            return self.unidentified(code, &read, step);
        }
        if let Some(known) = &mut self.state.known {
            known.address = address;
        }
        if message.kind == Kind::Error {
            step.report(Report::Faulty(
                Some(Kind::Error),
                message.status.get().copied().unwrap_or(Code::STATUS_MISSING),
            ));
            if self.is_outstanding(&message.message_id) {
                self.faulty(step);
            }
            return;
        }
        let id = match message.message_id.need_id(Code::MESSAGE_ID_MISSING, Code::MESSAGE_ID_NOT_REGISTERED) {
            Ok(id) => id,
            Err(code) => return self.unidentified(code, &read, step),
        };
        match self.belongs(&id) {
            Some(Belongs::ToRequest) => self.answer_received(message, &read, step),
            Some(Belongs::ToPolicy(policy)) => self.report_received(policy, message, &read, step),
            None if self.state.late_messages.contains_key(&id) => self.late(message, step),
            None => {
                self.release_unknown(message);
                self.unidentified(Code::MESSAGE_ID_NOT_REGISTERED, &read, step);
            }
        }
    }

    fn check_sender(&self, source: &Source, message: &Message) -> Result<(), Code> {
        let client: ClientId = message.client_id.need_id(Code::CLIENT_ID_MISSING, Code::CLIENT_ID_NOT_REGISTERED)?;
        if client != self.state.client || !self.state.is_active() {
            return Err(Code::CLIENT_ID_NOT_REGISTERED);
        }
        let known = self.known().ok_or(Code::CLIENT_ID_NOT_REGISTERED)?;
        self.check_identity(known, source)?;
        self.check_token(known, &message.security_token, source)
    }

    fn belongs(&self, id: &dpe2::MessageId) -> Option<Belongs> {
        if self.state.outstanding.as_ref().is_some_and(|out| out.is_answered_under(id)) {
            return Some(Belongs::ToRequest);
        }
        let mut policies = self.state.policies.iter();
        policies.find(|(_, policy)| policy.messages.contains(id)).map(|(number, _)| Belongs::ToPolicy(*number))
    }

    fn is_outstanding(&self, id: &Ie<crate::ids::Token>) -> bool {
        let id = id.get().cloned().and_then(|token| dpe2::MessageId::try_from(token).ok());
        let out = self.state.outstanding.as_ref();
        id.zip(out).is_some_and(|(id, out)| out.is_answered_under(&id))
    }

    /// A message of no type that a client may send. If it was to be the answer, the request is repeated.
    fn bad_type(&mut self, code: Code, id: &Ie<crate::ids::Token>, read: &Decoded, step: &mut Step<'_>) {
        let named = read.client_id().is_some_and(|client| client.as_str() == self.state.client.as_str());
        step.report(Report::Faulty(None, code));
        step.reply(&write::error(read, code));
        if named && self.is_outstanding(id) {
            self.faulty(step);
        }
    }

    /// Refuses a message of a known type that does not fit where it belongs.
    pub(super) fn refused(code: Code, read: &Decoded, step: &mut Step<'_>) {
        let kind = if let Decoded::Message(message) = read { Some(message.kind) } else { None };
        step.report(Report::Faulty(kind, code));
        step.reply(&write::error(read, code));
    }

    /// An answer or report that comes after its dialogue ended: dropped, no matter what it says.
    fn late(&mut self, message: &Message, step: &mut Step<'_>) {
        step.report(Report::Late(message.kind));
        // What was set too late is on the client now, and should not be. Whoever set it has been told that it is not, or a
        // synchronisation has reset what was there before it came.
        if !message.status.get().is_some_and(|status| status.is_ok()) {
            return;
        }
        let release = match message.kind {
            Kind::GroupSetAck => {
                let id = message.group_id.get().cloned().and_then(|token| dpe2::GroupId::try_from(token).ok());
                let is_known = |id: &dpe2::GroupId| self.state.groups.values().any(|group| group.id == *id);
                let id = id.filter(|id| !is_known(id));
                id.map(|id| {
                    self.state.stray_groups.remove(&id);
                    Op::GroupRelease { from: None, target: Target::Stray(id) }
                })
            }
            Kind::PropertyPolicySetAck | Kind::GroupPolicySetAck => {
                let id = message.policy_id.get().cloned().and_then(|token| dpe2::PolicyId::try_from(token).ok());
                let is_known = |id: &dpe2::PolicyId| self.state.policies.values().any(|policy| policy.id == *id);
                let id = id.filter(|id| !is_known(id));
                id.map(|id| {
                    self.state.stray_policies.remove(&id);
                    Op::PolicyRelease { from: None, target: Target::Stray(id) }
                })
            }
            _ => None,
        };
        if let Some(release) = release {
            self.release_stray(release);
        }
    }

    /// Has the client release something that is not known here, unless that is under way.
    fn release_stray(&mut self, release: Op) {
        let is_full = self.state.urgent.len() >= self.config().state.tombstones_max;
        let is_under_way = self.state.outstanding.as_ref().is_some_and(|out| out.op == release);
        if !is_full && !is_under_way && !self.state.urgent.contains(&release) {
            self.state.urgent.push_back(release);
        }
    }

    /// A policy reports that is not known at all: the client is told to release it.
    pub(super) fn release_unknown(&mut self, message: &Message) {
        if !message.kind.is_report() || !self.config().policy.release_unknown {
            return;
        }
        let id = message.policy_id.get().cloned().and_then(|token| dpe2::PolicyId::try_from(token).ok());
        let Some(id) = id else { return };
        let is_known =
            self.state.policies.values().any(|policy| policy.id == id) || self.state.late_policies.contains_key(&id);
        if !is_known {
            self.release_stray(Op::PolicyRelease { from: None, target: Target::Stray(id) });
        }
    }

    /// The client cannot be identified: the configured strategies, in order [DPE 7.3.3].
    pub(super) fn unidentified(&mut self, code: Code, read: &Decoded, step: &mut Step<'_>) {
        let kind = if let Decoded::Message(message) = read { Some(message.kind) } else { None };
        step.report(Report::Faulty(kind, code));
        let strategies = self.config().verify.client_failure_strategy.clone();
        let mut was_tried = false;
        for strategy in strategies {
            let max = self.config().verify.client_failure_retries;
            let deadline = self.config().verify.reregister_deadline;
            match (strategy, &mut self.state.outstanding) {
                (Strategy::Ignore, _) => return,
                // An answer is no cure: what comes after it in the list still applies.
                (Strategy::Error, _) => step.reply(&write::error(read, code)),
                (Strategy::Retry | Strategy::Reregister, None) => {}
                (Strategy::Retry, Some(out)) => {
                    if out.mistaken < max {
                        out.mistaken += 1;
                        return self.repeat(step);
                    }
                    was_tried = true;
                }
                (Strategy::Reregister, Some(_)) => {
                    if self.state.is_active() && self.state.paused.is_none() {
                        self.state.paused = Some(step.now + deadline);
                        self.command("identification_failed", step);
                    }
                    return;
                }
            }
        }
        if was_tried {
            self.abandon(Code::NOT_RESPONDING, step);
        }
    }

    /// Whether a policy reports as it should: the policy's own kind, and a life on the client.
    pub(super) fn is_reporting(&self, policy: u64, kind: Kind) -> bool {
        let policy = self.state.policies.get(&policy);
        policy.is_some_and(|policy| {
            policy.report() == kind && (policy.life != Life::Pending || core_kit::planted!("P21-report-before-set"))
        })
    }
}
