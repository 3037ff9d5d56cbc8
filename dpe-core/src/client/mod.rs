//! The DPE Client: registration, queries, groups, policies and their reports [DPE digest 3.2, 3.3.4, 3.5 to 3.7].
//!
//! What a property is worth is asked: [`Properties`]. What changed is told: [`Input::Sampled`]. Whether a policy fires is
//! decided here.

use alloc::{
    boxed::Box,
    collections::{BTreeMap, VecDeque},
    string::String,
    vec::Vec,
};

use core_kit::{Body, Deadline, Durable, Env, Machine, Millis, Tick};
use serde::{Deserialize, Serialize};

use crate::{
    codes::Code,
    config::{BadInput, ClientConfig},
    ids::{ClientId, dpe2},
    policy::{Rule, Watch, Watched},
    wire::{self, Decoded, Identity, Ie, Kind, Message, PropertyName, Secret},
};

mod duty;
mod register;
mod serve;
mod vocabulary;

use duty::Duty;
pub use vocabulary::{Channel, Input, Misuse, Output, Properties, Report, RestoreError, Sender};

/// What stays the same for the life of a client.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// The parameters.
    pub config: ClientConfig,
    /// `DPE-Version`.
    pub version: String,
    /// The identity of the device, where the client knows it.
    pub device: Option<Identity>,
    /// The identity of the user, where the client knows it.
    pub user: Option<Identity>,
    /// Where the client listens, if it does.
    pub contact: Option<String>,
    /// What it proves itself by when it registers.
    pub token: Option<Secret>,
}

/// Where the registration is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PhaseKind {
    /// No server address is known.
    Unprovisioned,
    /// The client is not registered, and may be waiting to try again.
    Idle,
    /// A request is out.
    AwaitResponse,
    /// The client is registered.
    Registered,
    /// The client wants no session.
    Declined,
    /// The server refuses the client's version: only the operator can help.
    Stopped,
}

/// What makes a client change its phase.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum EventKind {
    /// The address of the server is known.
    Provisioned,
    /// A request leaves, for whatever reason.
    Requested,
    /// The server gave a Client-ID, and it is accepted.
    Accepted,
    /// The server gave a Client-ID, and the session is declined.
    Declined,
    /// The answer was faulty or a refusal: another try comes later.
    BackedOff,
    /// The server does not speak the client's version.
    Stopped,
}

/// Every step that a registration of a client may take [DPE digest 3.2].
pub const TABLE: &[(PhaseKind, EventKind, PhaseKind)] = {
    use EventKind as On;
    use PhaseKind::{AwaitResponse, Declined, Idle, Registered, Stopped, Unprovisioned};
    &[
        (Unprovisioned, On::Provisioned, Idle),
        (Idle, On::Requested, AwaitResponse),
        (AwaitResponse, On::Requested, AwaitResponse),
        (AwaitResponse, On::Accepted, Registered),
        (AwaitResponse, On::Declined, Declined),
        (AwaitResponse, On::BackedOff, Idle),
        (AwaitResponse, On::Stopped, Stopped),
        (Registered, On::Requested, AwaitResponse),
        (Registered, On::BackedOff, Idle),
        (Declined, On::Requested, AwaitResponse),
        (Declined, On::BackedOff, Idle),
        (Stopped, On::Requested, AwaitResponse),
    ]
};

/// A policy that the client watches for the server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Policy {
    /// The Message-ID of its set-up, which its reports carry.
    message: dpe2::MessageId,
    watched: Watched<dpe2::GroupId>,
    rule: Rule,
    watch: Watch,
    sequence: u64,
}

/// What a client remembers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct State {
    revision: u64,
    now: Tick,
    phase: PhaseKind,
    servers: Vec<String>,
    device: Option<Identity>,
    user: Option<Identity>,
    wants: bool,
    client: Option<ClientId>,
    token: Option<Secret>,
    registered_at: Option<Tick>,
    /// Tries since the last success.
    tries: u32,
    /// When the answer is late, or when to try again.
    until: Option<Tick>,
    groups: BTreeMap<dpe2::GroupId, Vec<PropertyName>>,
    policies: BTreeMap<dpe2::PolicyId, Policy>,
    duties: VecDeque<Duty>,
    asking: Option<(u64, Duty)>,
    asked: u64,
}

/// A DPE Client.
#[derive(Clone, Debug)]
pub struct Client {
    profile: Profile,
    state: State,
    /// The step of the table that was walked last. It is not stored: it steers nothing.
    walked: Option<(PhaseKind, EventKind, PhaseKind)>,
}

/// A client as it is stored. A build reads this version and the one before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub enum Snapshot {
    /// The first version.
    #[serde(rename = "dpe.client/1")]
    V1 {
        /// All that it remembers.
        state: Box<State>,
    },
}

/// Which timer of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Why {
    /// The answer to the registration is late, or it is time to try again.
    Registration,
    /// It is time to register again.
    Schedule,
    /// A policy may be due.
    Policy,
}

struct Step<'a> {
    env: &'a Env,
    now: Tick,
    out: &'a mut Vec<Output>,
}

impl Client {
    /// A client that has not started.
    #[must_use]
    pub fn new(profile: &Profile) -> Self {
        let servers = profile.config.server_addresses.clone();
        let state = State {
            revision: 0,
            now: Tick(0),
            phase: if servers.is_empty() { PhaseKind::Unprovisioned } else { PhaseKind::Idle },
            servers,
            device: profile.device.clone(),
            user: profile.user.clone(),
            wants: true,
            client: None,
            token: None,
            registered_at: None,
            tries: 0,
            until: None,
            groups: BTreeMap::new(),
            policies: BTreeMap::new(),
            duties: VecDeque::new(),
            asking: None,
            asked: 0,
        };
        Self { profile: profile.clone(), state, walked: None }
    }

    /// The phase of the registration.
    #[must_use]
    pub const fn phase(&self) -> PhaseKind {
        self.state.phase
    }

    /// The Client-ID, once there is one.
    #[must_use]
    pub const fn client_id(&self) -> Option<&ClientId> {
        self.state.client.as_ref()
    }

    /// The session token, for transports that send it beside a message.
    #[must_use]
    pub const fn token(&self) -> Option<&Secret> {
        self.state.token.as_ref()
    }

    /// How many groups and policies the server has set.
    #[must_use]
    pub fn settings(&self) -> (usize, usize) {
        (self.state.groups.len(), self.state.policies.len())
    }

    /// The step of the [`TABLE`] that was walked last, for whoever watches; nothing after a restore.
    #[must_use]
    pub const fn walked(&self) -> Option<(PhaseKind, EventKind, PhaseKind)> {
        self.walked
    }

    /// The open question, to be asked again after a restore.
    #[must_use]
    pub fn pending(&self) -> Option<Properties> {
        self.state.asking.as_ref().map(|(id, duty)| Properties { id: *id, names: duty.names().to_vec() })
    }

    fn walk(&mut self, event: EventKind, to: PhaseKind) {
        let row = (self.state.phase, event, to);
        debug_assert!(TABLE.contains(&row), "{row:?} is not in the table");
        self.state.phase = to;
        self.walked = Some(row);
    }

    /// K1: whether the sender is the server that the client was provisioned with.
    fn is_server(&self, sender: &Sender) -> bool {
        let named = |text: &str| self.state.servers.iter().any(|server| server.eq_ignore_ascii_case(text));
        match sender {
            Sender::Name(name) => named(name),
            Sender::Address(address) => {
                let is = |server: &String| server.parse().is_ok_and(|known: core::net::IpAddr| known == *address);
                self.state.servers.iter().any(is)
            }
        }
    }

    /// A message of the server, or of somebody who is not.
    fn received(&mut self, sender: &Sender, body: &Body, step: &mut Step<'_>) {
        if !self.is_server(sender) {
            step.out.push(Output::Report(Report::ForeignSender));
            if self.profile.config.server_addr_mismatch_action == BadInput::Error {
                self.error(None, Code::INTERNAL_ERROR, step);
            }
            return;
        }
        let Ok(read) = wire::decode(body, &self.profile.config.wire) else {
            return step.out.push(Output::Report(Report::Unreadable));
        };
        let message = match &read {
            Decoded::Message(message) => message,
            Decoded::Untyped(untyped) => return self.error(Some(&read), untyped.code, step),
        };
        match message.kind {
            Kind::RegisterResponse => self.responded(message, step),
            Kind::RegisterCommand => self.commanded(step),
            kind if kind.is_request() || kind == Kind::Error => {
                let is_mine = |token: &crate::ids::Token| {
                    self.state.client.as_ref().is_some_and(|id| id.as_str() == token.as_str())
                };
                if message.client_id != Ie::Absent && !message.client_id.get().is_some_and(is_mine) {
                    return step.out.push(Output::Report(Report::ForeignClientId));
                }
                // Before its registration is complete, a client has nothing to do with the server [DPE-REG-36].
                if self.state.client.is_none() || self.state.phase == PhaseKind::Declined {
                    return step.out.push(Output::Report(Report::Unexpected(kind)));
                }
                if kind == Kind::Error {
                    self.server_error(message, step);
                } else {
                    self.requested(message, &read, step);
                }
            }
            _ => self.error(Some(&read), Code::MESSAGE_TYPE_UNKNOWN, step),
        }
    }

    /// `DPE_Error`, for what has no answer.
    fn error(&self, read: Option<&Decoded>, code: Code, step: &mut Step<'_>) {
        step.out.push(Output::Report(Report::Faulty(code)));
        let Some(client) = &self.state.client else { return };
        let mut error = Message::new(Kind::Error);
        match read {
            Some(Decoded::Message(message)) => {
                error.message_id = message.message_id.get().cloned().into();
                error.offending_type = Ie::Is(message.kind.name().into());
            }
            Some(Decoded::Untyped(untyped)) => {
                error.message_id = untyped.message_id.get().cloned().into();
                error.offending_type = Ie::Is(untyped.offending.clone());
            }
            None => {}
        }
        error.client_id = Ie::Is(client.into());
        error.status = Ie::Is(code);
        self.send(Channel::Messages, error, step);
    }

    /// Sends a message, with the session token where there is one.
    fn send(&self, channel: Channel, mut message: Message, step: &mut Step<'_>) {
        if channel == Channel::Messages || message.kind == Kind::RegisterSuccess {
            message.security_token = self.state.token.clone().into();
        }
        match wire::encode(&message) {
            Ok(bytes) => step.out.push(Output::Send(channel, bytes.into())),
            Err(error) => step.out.push(Output::Report(Report::NotEncodable(error))),
        }
    }

    const fn after(&self, span: Millis) -> Tick {
        Tick(self.state.now.0.saturating_add(span.0))
    }
}

impl Machine for Client {
    type Input = Input;
    type Output = Output;
    type Misuse = Misuse;
    type Why = Why;

    fn handle(&mut self, env: &Env, input: Input, out: &mut Vec<Output>) -> Result<(), Misuse> {
        let open = self.state.asking.as_ref().map(|(id, _)| *id);
        match (&input, open) {
            (Input::Answered(id, _), open) if open != Some(*id) => return Err(Misuse::NotAsked),
            (Input::Answered(..) | Input::Wake, _) | (_, None) => {}
            (_, Some(_)) => return Err(Misuse::Asking),
        }
        if self.state.phase == PhaseKind::Unprovisioned && matches!(input, Input::Start) {
            return Err(Misuse::Unprovisioned);
        }
        let now = env.now.max(self.state.now);
        let from = out.len();
        self.state.now = now;
        self.state.revision = self.state.revision.saturating_add(1);
        let mut step = Step { env, now, out };
        if self.state.asking.is_none() {
            self.expire(&mut step);
        }
        match input {
            Input::Provisioned(servers) => self.provisioned(servers),
            Input::Start => self.start(&mut step),
            Input::Received(sender, body) => self.received(&sender, &body, &mut step),
            Input::Answered(_, readings) => self.answered(readings, &mut step),
            Input::Sampled(readings) => self.sampled(&readings, &mut step),
            Input::Identity { device, user } => self.identity(device, user, &mut step),
            Input::Want(wants) => self.want(wants, &mut step),
            Input::Wake => {}
        }
        self.work(&mut step);
        if let Some(new) = out.get_mut(from..) {
            new.sort_by_key(|output| match output {
                Output::Report(_) => 0,
                Output::Ask(_) => 1,
                Output::Send(..) => 2,
            });
        }
        Ok(())
    }

    fn deadline(&self) -> Option<Deadline<Why>> {
        if self.state.asking.is_some() {
            return None;
        }
        let at = |why| move |at: Tick| Deadline { at, why };
        let interval = self.profile.config.reregister_interval;
        let schedule = self.state.registered_at.filter(|_| interval.0 > 0 && self.state.phase == PhaseKind::Registered);
        let policies = self.state.policies.values().filter_map(|policy| policy.watch.due()).min();
        [
            self.state.until.map(at(Why::Registration)),
            schedule.map(|since| since + interval).map(at(Why::Schedule)),
            policies.map(at(Why::Policy)),
        ]
        .into_iter()
        .flatten()
        .min_by_key(|deadline| deadline.at)
    }
}

impl Durable for Client {
    type Snapshot = Snapshot;
    type Profile = Profile;
    type RestoreError = RestoreError;

    const NAME: &'static str = "dpe.client";
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");

    fn snapshot(&self) -> Snapshot {
        Snapshot::V1 { state: Box::new(self.state.clone()) }
    }

    fn restore(snapshot: Snapshot, profile: &Profile) -> Result<Self, RestoreError> {
        let Snapshot::V1 { state } = snapshot;
        Ok(Self { profile: profile.clone(), state: *state, walked: None })
    }

    fn revision(&self) -> u64 {
        self.state.revision
    }
}
