//! Registration, on the client [DPE digest 3.2].

use alloc::{string::String, vec::Vec};

use core_kit::Millis;

use super::{Channel, Client, EventKind, Output, PhaseKind, Report, Step};
use crate::{
    codes::Code,
    ids::ClientId,
    wire::{Identity, Ie, Kind, Message},
};

impl Client {
    pub(super) fn provisioned(&mut self, servers: Vec<String>) {
        self.state.servers = servers;
        if self.state.phase == PhaseKind::Unprovisioned && !self.state.servers.is_empty() {
            self.walk(EventKind::Provisioned, PhaseKind::Idle);
        }
    }

    pub(super) fn start(&mut self, step: &mut Step<'_>) {
        self.state.tries = 0;
        self.request(step);
    }

    /// Sends a request; whatever was under way is forgotten.
    fn request(&mut self, step: &mut Step<'_>) {
        if self.state.phase == PhaseKind::Unprovisioned {
            return;
        }
        let mut request = Message::new(Kind::RegisterRequest);
        request.device_identity = self.state.device.clone().into();
        request.user_identity = self.state.user.clone().into();
        request.dpe_version = Ie::Is(self.profile.version.clone());
        request.contact = self.profile.contact.clone().into();
        request.security_token = self.profile.token.clone().into();
        self.state.until = Some(self.after(self.pause()));
        self.walk(EventKind::Requested, PhaseKind::AwaitResponse);
        self.send(Channel::Register, request, step);
    }

    /// Doubles with each try, up to the configured most.
    fn pause(&self) -> Millis {
        let config = &self.profile.config;
        let doubled = config.response_timeout.0.saturating_mul(1_u64 << self.state.tries.min(32));
        Millis(doubled.min(config.register_backoff_max.0))
    }

    fn back_off(&mut self) {
        self.state.until = Some(self.after(self.pause()));
        self.state.tries = self.state.tries.saturating_add(1);
        self.walk(EventKind::BackedOff, PhaseKind::Idle);
    }

    /// `DPE_Register_Command`: whatever is under way, the whole process begins again.
    pub(super) fn commanded(&mut self, step: &mut Step<'_>) {
        self.state.tries = 0;
        self.request(step);
    }

    /// `DPE_Register_Response`.
    pub(super) fn responded(&mut self, message: &Message, step: &mut Step<'_>) {
        let status = match message.status.need(Code::STATUS_MISSING, Code::STATUS_ERROR) {
            Ok(status) if !status.is_valid() => Err(Code::STATUS_ERROR),
            Ok(status) => Ok(*status),
            Err(code) => Err(code),
        };
        let client = message.client_id.need_id::<ClientId>(Code::CLIENT_ID_MISSING, Code::CLIENT_ID_MISSING);
        if self.state.phase != PhaseKind::AwaitResponse {
            return match (self.state.phase, status) {
                // The reply to the success: the server thinks otherwise.
                (PhaseKind::Registered | PhaseKind::Declined, Ok(code)) if !code.is_ok() => {
                    step.out.push(Output::Report(Report::Refused(code)));
                    self.back_off();
                }
                _ => step.out.push(Output::Report(Report::Unexpected(message.kind))),
            };
        }
        match (status, client) {
            (Ok(Code::OK), Ok(client)) => self.accept(client, message, step),
            (Ok(Code::OK), Err(code)) | (Err(code), _) => {
                step.out.push(Output::Report(Report::Faulty(code)));
                let named = message.client_id.get().cloned().and_then(|token| ClientId::try_from(token).ok());
                if let Some(client) = named.or_else(|| self.state.client.clone()) {
                    self.conclude(&client, code, step);
                }
                self.back_off();
            }
            (Ok(code), _) => {
                step.out.push(Output::Report(Report::Refused(code)));
                if matches!(code, Code::VERSION_MISSING | Code::VERSION_UNKNOWN) {
                    self.state.until = None;
                    self.walk(EventKind::Stopped, PhaseKind::Stopped);
                } else {
                    self.back_off();
                }
            }
        }
    }

    fn accept(&mut self, client: ClientId, message: &Message, step: &mut Step<'_>) {
        self.state.token = message.security_token.get().cloned();
        self.state.until = None;
        if self.state.wants {
            self.conclude(&client, Code::OK, step);
            step.out.push(Output::Report(Report::Registered(client.clone())));
            self.state.client = Some(client);
            self.state.registered_at = Some(step.now);
            self.state.tries = 0;
            self.walk(EventKind::Accepted, PhaseKind::Registered);
        } else {
            self.conclude(&client, Code::SESSION_DECLINED, step);
            step.out.push(Output::Report(Report::Declined));
            self.state.client = Some(client);
            self.walk(EventKind::Declined, PhaseKind::Declined);
        }
    }

    /// `DPE_Register_Success`, whatever it says.
    fn conclude(&self, client: &ClientId, status: Code, step: &mut Step<'_>) {
        let mut success = Message::new(Kind::RegisterSuccess);
        success.client_id = Ie::Is(client.into());
        success.status = Ie::Is(status);
        self.send(Channel::Register, success, step);
    }

    /// The server does not take a message: where it does not know the client, that registers again.
    pub(super) fn server_error(&mut self, message: &Message, step: &mut Step<'_>) {
        let code = message.status.get().copied().unwrap_or(Code::STATUS_MISSING);
        step.out.push(Output::Report(Report::ServerError(code)));
        let is_unknown = matches!(
            code,
            Code::CLIENT_ID_NOT_REGISTERED
                | Code::DEVICE_IDENTITY_ERROR
                | Code::USER_IDENTITY_ERROR
                | Code::TOKEN_MISSING
                | Code::TOKEN_NOT_REGISTERED
        );
        if is_unknown && self.state.phase == PhaseKind::Registered {
            self.request(step);
        }
    }

    pub(super) fn identity(&mut self, device: Option<Identity>, user: Option<Identity>, step: &mut Step<'_>) {
        let is_new = (&device, &user) != (&self.state.device, &self.state.user);
        (self.state.device, self.state.user) = (device, user);
        let is_there = matches!(self.state.phase, PhaseKind::Registered | PhaseKind::AwaitResponse);
        if is_new && is_there {
            self.state.tries = 0;
            self.request(step);
        }
    }

    pub(super) fn want(&mut self, wants: bool, step: &mut Step<'_>) {
        self.state.wants = wants;
        if wants && self.state.phase == PhaseKind::Declined {
            self.state.tries = 0;
            self.request(step);
        }
    }

    /// Fires every timer that is due.
    pub(super) fn expire(&mut self, step: &mut Step<'_>) {
        if self.state.until.is_some_and(|until| until <= step.now) {
            self.state.until = None;
            match self.state.phase {
                PhaseKind::AwaitResponse => {
                    self.state.tries = self.state.tries.saturating_add(1);
                    self.request(step);
                }
                PhaseKind::Idle => self.request(step),
                _ => {}
            }
        }
        let interval = self.profile.config.reregister_interval;
        let is_due = self.state.registered_at.is_some_and(|since| interval.0 > 0 && since + interval <= step.now);
        if is_due && self.state.phase == PhaseKind::Registered {
            self.request(step);
        }
        self.wake_policies(step);
    }
}
