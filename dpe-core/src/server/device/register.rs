//! Registration from the moment the Client-ID is chosen [DPE digest 3.1].

use super::{
    Device, Step,
    state::{Known, Registering, Standing},
    table::EventKind,
    vocabulary::{Downlink, Output, Register, Report},
};
use crate::{
    codes::Code,
    identity::{Claims, DeviceIdentity, Source},
    server::{directory::Change, write},
    wire::{Ie, Kind, Message, Secret},
};

impl Device {
    /// A request: the Client-ID goes out, and its acknowledgement is waited for.
    pub(super) fn register(&mut self, mut register: Register, step: &mut Step<'_>) {
        if let Some(Registering { request: Some(before), .. }) = &self.state.registering
            && before.assigned.fresh
        {
            // Not new to the store any more, and still nobody's if this does not come to its end.
            register.assigned.fresh = true;
        }
        let attempts = self.state.registering.as_ref().map_or(0, |registering| registering.attempts);
        let until = step.now + self.config().reg.ack_timeout;
        let mut response = Message::new(Kind::RegisterResponse);
        response.message_id = register.message_id.clone().into();
        response.client_id = Ie::Is((&self.state.client).into());
        response.dpe_version =
            register.version.clone().or_else(|| self.config().reg.supported_versions.first().cloned()).into();
        response.status = Ie::Is(Code::OK);
        response.security_token = register.token.clone().into();
        step.reply(&response);
        let registering = Registering { acknowledging: true, until, attempts, request: Some(register) };
        self.walk(EventKind::Requested, |state| state.registering = Some(registering));
    }

    /// `DPE_Register_Success`: the checks in order; the first that fails is answered.
    pub(super) fn acknowledged(&mut self, source: &Source, message: &Message, step: &mut Step<'_>) {
        match self.check_success(source, message) {
            Ok(status) => self.conclude_registration(status, step),
            Err(code) => {
                step.report(Report::Faulty(Some(message.kind), code));
                step.reply(&write::refusal(code, &message.message_id));
            }
        }
    }

    fn check_success(&self, source: &Source, message: &Message) -> Result<Code, Code> {
        let named: crate::ids::ClientId =
            message.client_id.need_id(Code::CLIENT_ID_MISSING, Code::CLIENT_ID_NOT_REGISTERED)?;
        let is_expected = self.state.registering.is_some() || self.state.is_active();
        let is_retired = matches!(self.state.standing, Standing::Retired { .. });
        if named != self.state.client || !is_expected || is_retired {
            return Err(Code::CLIENT_ID_NOT_REGISTERED);
        }
        let asked = self.state.registering.as_ref().and_then(|registering| registering.request.as_ref());
        let known =
            asked.map(Known::from).or_else(|| self.state.known.clone()).ok_or(Code::CLIENT_ID_NOT_REGISTERED)?;
        self.check_identity(&known, source)?;
        self.check_token(&known, &message.security_token, source)?;
        let status = *message.status.need(Code::STATUS_MISSING, Code::STATUS_ERROR)?;
        if status.is_valid() { Ok(status) } else { Err(Code::STATUS_ERROR) }
    }

    /// Whether the network says of the sender what is stored of the client.
    pub(super) fn check_identity(&self, known: &Known, source: &Source) -> Result<(), Code> {
        let seen = source.resolve(&self.config().identity, &Claims::default())?;
        // An address that could serve as identity is none where the device has a better one.
        let is_address = |device: &DeviceIdentity| {
            matches!(device, DeviceIdentity::Ipv6(_)) && !matches!(known.device, DeviceIdentity::Ipv6(_))
        };
        if seen.device.is_some_and(|device| device != known.device && !is_address(&device)) {
            return Err(Code::DEVICE_IDENTITY_ERROR);
        }
        match (&seen.user, &known.user) {
            (Some(seen), Some(known)) if seen != known => Err(Code::USER_IDENTITY_ERROR),
            _ => Ok(()),
        }
    }

    /// Whether the sender shows the session token.
    pub(super) fn check_token(&self, known: &Known, shown: &Ie<Secret>, source: &Source) -> Result<(), Code> {
        let shown = match shown {
            Ie::Is(token) => Some(token),
            Ie::Absent => source.token.as_ref(),
            Ie::Unusable | Ie::Repeated => return Err(Code::TOKEN_NOT_REGISTERED),
        };
        match (shown, &known.token) {
            (Some(shown), Some(own)) if shown != own => Err(Code::TOKEN_NOT_REGISTERED),
            (None, _) if self.config().reg.require_token => Err(Code::TOKEN_MISSING),
            _ => Ok(()),
        }
    }

    fn conclude_registration(&mut self, status: Code, step: &mut Step<'_>) {
        let Some(Registering { request, .. }) = self.state.registering.clone() else { return };
        // To a command that no request has followed yet, this is the acknowledgement of an earlier registration.
        let Some(register) = request else { return };
        match status {
            Code::OK => {
                let now = step.now;
                self.walk(EventKind::Confirmed, |state| {
                    state.registering = None;
                    state.standing = Standing::Active;
                    state.registered_at = Some(now);
                });
                step.report(Report::Registered);
                self.begin_session(register, step);
            }
            Code::SESSION_DECLINED => {
                self.walk(EventKind::Declined, |state| {
                    state.registering = None;
                    state.standing = Standing::Declined;
                });
                step.report(Report::Declined);
                self.decline_session(&register, step);
            }
            _ => self.registration_late(step),
        }
    }

    pub(super) fn expire_registration(&mut self, step: &mut Step<'_>) {
        if self.state.registering.as_ref().is_some_and(|registering| registering.until <= step.now) {
            self.registration_late(step);
        }
        let interval = self.config().reg.reregister_interval;
        let is_due = self.state.registered_at.is_some_and(|since| interval.0 > 0 && since + interval <= step.now);
        if is_due && self.state.is_active() && self.state.registering.is_none() {
            self.state.registered_at = Some(step.now);
            self.command("scheduled", step);
        }
    }

    /// The client did not take its step: it is told to begin again, or the registration has failed.
    fn registration_late(&mut self, step: &mut Step<'_>) {
        let Some(Registering { attempts, request, .. }) = self.state.registering.clone() else { return };
        let attempts = attempts.saturating_add(1);
        if attempts <= self.config().reg.command_retry_max {
            let until = step.now + self.config().reg.command_timeout;
            let registering = Registering { acknowledging: false, until, attempts, request };
            self.walk(EventKind::TimedOut, |state| state.registering = Some(registering));
            self.send_command("ack_timeout", step);
            return;
        }
        step.report(Report::RegistrationFailed);
        let was_fresh = request.is_some_and(|request| request.assigned.fresh);
        // An earlier registration stays what it was.
        self.walk(EventKind::GivenUp, |state| {
            state.registering = None;
            if state.standing == Standing::Unknown {
                state.standing = Standing::Failed;
            }
        });
        if was_fresh && self.state.standing == Standing::Failed {
            step.out.push(Output::Directory(Change::Drop(self.state.client.clone())));
            step.out.push(Output::Forget);
        }
    }

    /// The client must register again.
    pub(super) fn command(&mut self, reason: &str, step: &mut Step<'_>) {
        let can = matches!(self.state.standing, Standing::Active | Standing::Declined | Standing::Failed);
        if !can || self.state.registering.is_some() {
            return;
        }
        let until = step.now + self.config().reg.command_timeout;
        let registering = Registering { acknowledging: false, until, attempts: 1, request: None };
        self.walk(EventKind::Commanded, |state| state.registering = Some(registering));
        self.send_command(reason, step);
    }

    fn send_command(&mut self, reason: &str, step: &mut Step<'_>) {
        let mut command = Message::new(Kind::RegisterCommand);
        command.client_id = Ie::Is((&self.state.client).into());
        command.reason = Ie::Is(reason.into());
        let asked = self.state.registering.as_ref().and_then(|registering| registering.request.as_ref());
        let token = asked.map(|asked| asked.token.clone()).or_else(|| self.known().map(|known| known.token.clone()));
        command.security_token = token.flatten().into();
        let contact =
            asked.map(|asked| asked.contact.clone()).or_else(|| self.known().map(|known| known.contact.clone()));
        let contact = contact.flatten();
        step.out.extend(write::body(&command).map(|body| Output::Send(Downlink { contact, body })));
    }
}
