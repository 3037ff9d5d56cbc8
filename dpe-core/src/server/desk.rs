//! One registration request, until it is known which Client-ID it is about [DPE digest 3.1.1, steps 1 to 13].
//!
//! A desk lives for one request and is not stored: it checks, asks the store once, and hands the request to the device's
//! machine.

use alloc::{boxed::Box, vec::Vec};

use core_kit::{Body, Deadline, Env, Machine};
use serde::{Deserialize, Serialize};

use super::{
    Misuse, Profile, QuestionId,
    device::Register,
    directory::{Assign, Assignation},
    link::{UserTag, hex},
    write,
};
use crate::{
    codes::Code,
    config::BadInput,
    identity::{Claims, Source},
    ids::{ClientId, Token},
    wire::{self, Decoded, Ie, Kind, Message, Secret},
};

/// What happens at a desk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Input {
    /// A message came in on DPE-1.
    Received(Source, Body),
    /// The store answered.
    Assigned(QuestionId, Assignation),
}

/// What a desk wants done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Output {
    /// Nothing is to be answered: the message is none, or not from where clients are.
    Ignore,
    /// The message is refused with this reply.
    Reply(Code, Body),
    /// Answer this.
    Ask(Assign),
    /// Give this to the device of the Client-ID; make one if there is none.
    Register(ClientId, Register),
    /// The message is not a request: give it to the device of its Client-ID.
    Forward(ClientId),
}

/// One registration request.
#[derive(Clone, Debug)]
pub struct Desk {
    profile: Profile,
    phase: Phase,
}

#[derive(Clone, Debug)]
enum Phase {
    Fresh,
    Asking(Box<(Assign, Register)>),
    Over,
}

impl Desk {
    /// A desk for one request.
    #[must_use]
    pub fn new(profile: &Profile) -> Self {
        Self { profile: profile.clone(), phase: Phase::Fresh }
    }

    fn receive(&self, env: &Env, source: &Source, body: &Body) -> Result<(Assign, Register), Box<Output>> {
        let config = self.profile.config();
        let read = wire::decode(body, &config.wire).map_err(|_| Output::Ignore)?;
        let address = source.address(&config.identity);
        let networks = &config.dpe1.allowed_networks;
        let is_allowed = networks.is_empty() || networks.iter().any(|network| network.contains(address));
        if !is_allowed {
            return Err(Output::Ignore.into());
        }
        let message = match read {
            Decoded::Message(message) if message.kind == Kind::RegisterRequest => message,
            Decoded::Message(message) if message.kind == Kind::RegisterSuccess => {
                let found =
                    message.client_id.need_id::<ClientId>(Code::CLIENT_ID_MISSING, Code::CLIENT_ID_NOT_REGISTERED);
                return Err(match found {
                    Ok(client) => Output::Forward(client),
                    Err(code) => reply(code, &message.message_id),
                }
                .into());
            }
            Decoded::Message(message) => {
                return Err(self.bad_type(Code::MESSAGE_TYPE_UNKNOWN, &message.message_id).into());
            }
            Decoded::Untyped(untyped) => return Err(self.bad_type(untyped.code, &untyped.message_id).into()),
        };
        self.check(env, source, &message).map_err(|code| reply(code, &message.message_id).into())
    }

    fn bad_type(&self, code: Code, message_id: &Ie<Token>) -> Output {
        match self.profile.config().dpe1.bad_message_type_action {
            BadInput::Error => reply(code, message_id),
            BadInput::Ignore => Output::Ignore,
        }
    }

    /// The checks of a request, in order; the first that fails decides.
    fn check(&self, env: &Env, source: &Source, message: &Message) -> Result<(Assign, Register), Code> {
        let config = self.profile.config();
        let named = |ie: &Ie<wire::Identity>, code| match ie {
            Ie::Is(identity) => Ok(Some(identity.clone())),
            Ie::Absent => Ok(None),
            Ie::Unusable | Ie::Repeated => Err(code),
        };
        let device = named(&message.device_identity, Code::DEVICE_IDENTITY_ERROR)?;
        let user = named(&message.user_identity, Code::USER_IDENTITY_ERROR);
        let claims = Claims { device, user: user.clone().unwrap_or_default() };
        let resolved = source.resolve(&config.identity, &claims);
        // The device is judged before the user: a fault of the user waits until it is known that there is a device.
        let resolved = match (resolved, user) {
            (Err(code), _) => return Err(self.without_device(source, &claims).unwrap_or(code)),
            (Ok(resolved), Ok(_)) => resolved,
            (Ok(resolved), Err(_)) if resolved.device.is_none() => return Err(Code::DEVICE_IDENTITY_MISSING),
            (Ok(_), Err(code)) => return Err(code),
        };
        let device = resolved.device.ok_or(Code::DEVICE_IDENTITY_MISSING)?;
        if config.reg.require_user_identity && resolved.user.is_none() {
            return Err(Code::USER_IDENTITY_MISSING);
        }
        let version = match &message.dpe_version {
            Ie::Is(version) => Some(version.clone()),
            Ie::Absent if config.reg.require_version => return Err(Code::VERSION_MISSING),
            Ie::Absent => None,
            Ie::Unusable | Ie::Repeated => return Err(Code::VERSION_UNKNOWN),
        };
        if version.as_ref().is_some_and(|version| !config.reg.supported_versions.contains(version)) {
            return Err(Code::VERSION_UNKNOWN);
        }
        let token = match &message.security_token {
            Ie::Is(token) => Some(token.clone()),
            Ie::Absent => source.token.clone(),
            Ie::Unusable | Ie::Repeated => return Err(Code::TOKEN_NOT_REGISTERED),
        };
        if config.reg.require_token && token.is_none() {
            return Err(Code::TOKEN_MISSING);
        }
        let candidate = self.candidate(env, version.as_deref()).ok_or(Code::INTERNAL_ERROR)?;
        let session = token.is_some().then(|| Secret(hex(&env.draw("dpe.desk.session-token", 0))));
        let question = Assign {
            id: QuestionId(0),
            device: device.clone(),
            user: resolved.user.clone(),
            token,
            assignment: config.client_id.assignment,
            multi_device: config.device_change.multi_device_users,
            candidate: candidate.clone(),
            tag: UserTag(Secret(match &message.user_identity {
                Ie::Is(user) if core_kit::planted!("P14-user-shown") => user.text.clone(),
                _ => hex(&env.draw("dpe.desk.user-tag", 0)),
            })),
        };
        let register = Register {
            message_id: message.message_id.get().cloned(),
            device,
            address: resolved.address,
            version,
            contact: message.contact.get().cloned(),
            token: session,
            assigned: super::directory::Assigned {
                client: candidate,
                fresh: true,
                case: super::directory::Case::New,
                user: resolved.user,
                tag: None,
                user_left: false,
                left_with: None,
                siblings: Vec::new(),
                leave: Vec::new(),
            },
        };
        Ok((question, register))
    }

    /// 1 where no source names a device at all, whatever is wrong with the user.
    fn without_device(&self, source: &Source, claims: &Claims) -> Option<Code> {
        let config = &self.profile.config().identity;
        let plain = Claims { device: claims.device.clone(), user: None };
        let mut source = source.clone();
        source.radius.user = None;
        source
            .headers
            .retain(|(name, _)| !matches!(config.meaning(name), Some(crate::identity::HeaderMeaning::User(_))));
        match source.resolve(config, &plain) {
            Ok(resolved) if resolved.device.is_none() => Some(Code::DEVICE_IDENTITY_MISSING),
            _ => None,
        }
    }

    /// A random Client-ID, in the range of the version.
    fn candidate(&self, env: &Env, version: Option<&str>) -> Option<ClientId> {
        let config = &self.profile.config().client_id;
        let prefix =
            version.and_then(|version| config.version_ranges.get(version)).map_or("c", |prefix| prefix.as_str());
        let octets = usize::from(config.bits / 8);
        let digits = hex(env.draw("dpe.desk.client-id", 0).get(..octets)?);
        if core_kit::planted!("P10-ids-alike") {
            return ClientId::try_from(alloc::format!("{prefix}00000000000000{digits}")).ok();
        }
        ClientId::try_from(alloc::format!("{prefix}{digits}")).ok()
    }
}

fn reply(code: Code, message_id: &Ie<Token>) -> Output {
    write::body(&write::refusal(code, message_id)).map_or(Output::Ignore, |body| Output::Reply(code, body))
}

impl Machine for Desk {
    type Input = Input;
    type Output = Output;
    type Misuse = Misuse;
    type Why = core::convert::Infallible;

    fn handle(&mut self, env: &Env, input: Input, out: &mut Vec<Output>) -> Result<(), Misuse> {
        match (&self.phase, input) {
            (Phase::Fresh, Input::Received(source, body)) => match self.receive(env, &source, &body) {
                Ok((question, register)) => {
                    out.push(Output::Ask(question.clone()));
                    self.phase = Phase::Asking(Box::new((question, register)));
                }
                Err(output) => {
                    out.push(*output);
                    self.phase = Phase::Over;
                }
            },
            (Phase::Asking(asked), Input::Assigned(id, assignation)) if id == asked.0.id => {
                let register = &asked.1;
                let message_id = register.message_id.clone().into();
                out.push(match assignation {
                    Assignation::To(assigned) => {
                        Output::Register(assigned.client.clone(), Register { assigned, ..register.clone() })
                    }
                    Assignation::BadToken => reply(Code::TOKEN_NOT_REGISTERED, &message_id),
                    Assignation::Failed => reply(Code::INTERNAL_ERROR, &message_id),
                });
                self.phase = Phase::Over;
            }
            (Phase::Asking(..), Input::Received(..)) => return Err(Misuse::Asking),
            (_, Input::Assigned(..)) => return Err(Misuse::NotAsked),
            (Phase::Over, Input::Received(..)) => return Err(Misuse::Over),
        }
        Ok(())
    }

    fn deadline(&self) -> Option<Deadline<Self::Why>> {
        None
    }
}
