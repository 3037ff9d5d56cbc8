//! The SP's side: requests with Message-IDs of its own, their answers, and the reports that follow [DPE digest 3.11].
//!
//! Every request ends in exactly one [`Output::Done`].

use alloc::{
    boxed::Box,
    collections::{BTreeMap, VecDeque},
    format,
    string::String,
    vec::Vec,
};

use core_kit::{Body, Deadline, Durable, Env, Machine, Millis, Tick, UnixMillis};
use serde::{Deserialize, Serialize};

use crate::{
    codes::Code,
    ids::{ClientId, SpId, Token, dpe3},
    limits::WireLimits,
    policy::{Terms, Watched},
    property::{Reading, read_result},
    wire::{self, Decoded, Identity, Ie, Kind, Message, PropertyName},
};

/// What stays the same for the life of an SP.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// Who it is.
    pub id: SpId,
    /// How long it pauses after 38, which should be the server's window.
    pub window: Millis,
    /// How long it waits for an answer before it gives a request up. Longer than the server takes to say 39.
    pub answer_timeout: Millis,
    /// Requests that are open at once; others wait.
    pub open_max: usize,
    /// Requests that wait.
    pub waiting_max: usize,
    /// How often a request is sent again after 19 or 38.
    pub retries: u32,
    /// Bounds of messages.
    #[serde(default)]
    pub wire: WireLimits,
}

impl Profile {
    /// An SP with windows of a minute and two minutes of patience.
    #[must_use]
    pub const fn new(id: SpId) -> Self {
        Self {
            id,
            window: Millis::from_secs(60),
            answer_timeout: Millis::from_secs(180),
            open_max: 64,
            waiting_max: 1024,
            retries: 3,
            wire: WireLimits::DEFAULT,
        }
    }
}

/// What an SP wants.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum What {
    /// Properties of a client.
    Query(Vec<PropertyName>),
    /// The properties of a group.
    GroupQuery(dpe3::GroupId),
    /// A new group.
    GroupSet(dpe3::GroupId, Vec<PropertyName>),
    /// The end of a group.
    GroupRelease(dpe3::GroupId),
    /// A new policy, for so many seconds.
    PolicySet(dpe3::PolicyId, Watched<dpe3::GroupId>, Terms, Option<u32>),
    /// The end of a policy.
    PolicyRelease(dpe3::PolicyId),
    /// The Client-IDs of a user or device. The client of the request does not matter.
    ClientIds(Identity),
}

/// A request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// The embedder's own name for it; it comes back with its end.
    pub tag: String,
    /// Of which client; nothing for a look-up of Client-IDs.
    pub client: Option<ClientId>,
    /// What.
    pub what: What,
}

/// What happens to an SP.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Input {
    /// The embedder wants something.
    Request(Request),
    /// A message of the server came in: an answer, or a report.
    Received(Body),
    /// The request with this Message-ID could not be delivered.
    SendFailed(dpe3::MessageId),
    /// [`deadline`](core_kit::Machine::deadline) has come. Never refused; early, it does nothing.
    Wake,
}

/// What an SP wants done, and what it tells.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Output {
    /// Send this to the server.
    Send(dpe3::MessageId, Body),
    /// A request came to its end.
    Done(Done),
    /// A policy reports.
    Reported(Reported),
    /// A policy is no more, for this reason: 28 at its end, 26 if a device change took it or its group was
    /// released.
    PolicyEnded(dpe3::PolicyId, Code),
    /// The Client-ID of a user is another one.
    ClientChanged(ClientChanged),
    /// A message was none, or belongs to nothing that is known here; it was ignored.
    Ignored,
}

/// The end of a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Done {
    /// Which.
    pub tag: String,
    /// What became of it; nothing if no answer came.
    pub status: Option<Code>,
    /// What a query found.
    pub readings: Vec<Reading>,
    /// The Client-IDs that a look-up found.
    pub clients: Vec<ClientId>,
}

/// A report of a policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reported {
    /// Which policy.
    pub policy: dpe3::PolicyId,
    /// Of which client.
    pub client: ClientId,
    /// What was read.
    pub readings: Vec<Reading>,
    /// When.
    pub timestamp: Option<UnixMillis>,
    /// Which report of the policy it is.
    pub sequence: Option<u64>,
}

/// A Client ID report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClientChanged {
    /// The user; none if no user belongs to the Client-ID any more.
    pub users: Vec<Identity>,
    /// The Client-ID; none if the user has none any more.
    pub clients: Vec<ClientId>,
    /// Client-IDs that are not valid any more.
    pub replaces: Vec<ClientId>,
}

/// The input does not fit the state. Nothing has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Misuse {
    /// A group or policy of this name exists, or is being made.
    #[error("the name is in use")]
    NameInUse,
    /// The request needs a client.
    #[error("the request names no client")]
    NoClient,
    /// Too many requests wait.
    #[error("too many requests wait")]
    TooMany,
    /// The request holds text that cannot be sent.
    #[error("the request cannot be written")]
    NotEncodable,
}

/// Why a snapshot was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RestoreError {
    /// It is of another SP.
    #[error("the snapshot is of another SP")]
    Foreign,
}

/// A request that was sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Open {
    request: Request,
    until: Tick,
    tries: u32,
}

/// A policy that the server accepted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Active {
    client: ClientId,
    /// The group that it is on: it ends with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    group: Option<dpe3::GroupId>,
    /// The Message-ID that all its reports carry.
    message: dpe3::MessageId,
}

/// What an SP remembers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct State {
    revision: u64,
    now: Tick,
    last_id: u64,
    open: BTreeMap<dpe3::MessageId, Open>,
    waiting: VecDeque<(Request, u32)>,
    paused: Option<Tick>,
    groups: BTreeMap<dpe3::GroupId, ClientId>,
    policies: BTreeMap<dpe3::PolicyId, Active>,
}

/// A service provider.
#[derive(Clone, Debug)]
pub struct Sp {
    profile: Profile,
    state: State,
}

/// An SP as it is stored. A build reads this version and the one before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub enum Snapshot {
    /// The first version.
    #[serde(rename = "dpe.sp/1")]
    V1 {
        /// Whose.
        sp: SpId,
        /// All that it remembers.
        state: Box<State>,
    },
}

/// Which timer of an SP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Why {
    /// An answer is late.
    Answer,
    /// The window of the server has passed.
    Window,
}

impl Sp {
    /// An SP that has asked nothing.
    #[must_use]
    pub fn new(profile: &Profile) -> Self {
        Self { profile: profile.clone(), state: State::default() }
    }

    /// The policies that the server accepted and that have not ended.
    pub fn policies(&self) -> impl Iterator<Item = &dpe3::PolicyId> {
        self.state.policies.keys()
    }

    /// The groups that the server accepted and that were not released, with their clients.
    pub fn groups(&self) -> impl Iterator<Item = (&dpe3::GroupId, &ClientId)> {
        self.state.groups.iter()
    }

    /// Requests without their end.
    #[must_use]
    pub fn unfinished(&self) -> usize {
        self.state.open.len() + self.state.waiting.len()
    }

    fn check(&self, request: &Request) -> Result<(), Misuse> {
        if request.client.is_none() && !matches!(request.what, What::ClientIds(_)) {
            return Err(Misuse::NoClient);
        }
        let underway =
            || self.state.open.values().map(|open| &open.request).chain(self.state.waiting.iter().map(|(r, _)| r));
        let taken = match &request.what {
            What::GroupSet(name, _) => {
                self.state.groups.contains_key(name)
                    || underway().any(|other| matches!(&other.what, What::GroupSet(used, _) if used == name))
            }
            What::PolicySet(name, ..) => {
                self.state.policies.contains_key(name)
                    || underway().any(|other| matches!(&other.what, What::PolicySet(used, ..) if used == name))
            }
            _ => false,
        };
        if taken {
            return Err(Misuse::NameInUse);
        }
        if self.state.waiting.len() >= self.profile.waiting_max {
            return Err(Misuse::TooMany);
        }
        let Ok(probe) = dpe3::MessageId::try_from("0") else { return Err(Misuse::NotEncodable) };
        wire::encode(&self.message(request, &probe)).map(drop).map_err(|_| Misuse::NotEncodable)
    }

    fn message(&self, request: &Request, id: &dpe3::MessageId) -> Message {
        let kind = match &request.what {
            What::Query(_) => Kind::PropertyQuery,
            What::GroupQuery(_) => Kind::GroupQuery,
            What::GroupSet(..) => Kind::GroupSet,
            What::GroupRelease(_) => Kind::GroupRelease,
            What::PolicySet(_, Watched::Property(_), ..) => Kind::PropertyPolicySet,
            What::PolicySet(_, Watched::Group(_), ..) => Kind::GroupPolicySet,
            What::PolicyRelease(_) => Kind::PolicyRelease,
            What::ClientIds(_) => Kind::ClientIdQuery,
        };
        let mut message = Message::new(kind);
        message.message_id = Ie::Is(id.into());
        message.sp_id = Ie::Is((&self.profile.id).into());
        message.client_id = request.client.as_ref().map(Token::from).into();
        let listed = |names: &[PropertyName]| names.iter().cloned().map(Ie::Is).collect();
        match &request.what {
            What::Query(names) => message.property_names = listed(names),
            What::GroupSet(group, names) => {
                message.group_id = Ie::Is(group.into());
                message.property_names = listed(names);
            }
            What::GroupQuery(group) | What::GroupRelease(group) => message.group_id = Ie::Is(group.into()),
            What::PolicySet(policy, watched, terms, duration) => {
                message.policy_id = Ie::Is(policy.into());
                match watched {
                    Watched::Property(name) => message.property_names = listed(core::slice::from_ref(name)),
                    Watched::Group(group) => message.group_id = Ie::Is(group.into()),
                }
                terms.write(&mut message);
                message.duration = (*duration).into();
            }
            What::PolicyRelease(policy) => message.policy_id = Ie::Is(policy.into()),
            What::ClientIds(key) => message.query_key = Ie::Is(key.clone()),
        }
        message
    }

    /// Sends what waits, as far as it may.
    fn dispatch(&mut self, out: &mut Vec<Output>) {
        while self.state.paused.is_none() && self.state.open.len() < self.profile.open_max {
            let Some((request, tries)) = self.state.waiting.pop_front() else { return };
            let Some(id) = self.next_id() else { return };
            let message = self.message(&request, &id);
            if let Ok(bytes) = wire::encode(&message) {
                let until = self.state.now + self.profile.answer_timeout;
                self.state.open.insert(id.clone(), Open { request, until, tries });
                out.push(Output::Send(id, bytes.into()));
            }
        }
    }

    /// A Message-ID of no open dialogue and no active policy: numbers are never used again.
    fn next_id(&mut self) -> Option<dpe3::MessageId> {
        self.state.last_id = self.state.last_id.saturating_add(1);
        dpe3::MessageId::try_from(format!("{}", self.state.last_id)).ok()
    }

    fn received(&mut self, body: &Body, out: &mut Vec<Output>) {
        let Ok(Decoded::Message(message)) = wire::decode(body, &self.profile.wire) else {
            return out.push(Output::Ignored);
        };
        let taken = match message.kind {
            Kind::PropertyReport | Kind::GroupReport => self.reported(&message, out),
            Kind::ClientIdReport => self.client_changed(&message, out),
            _ => self.answered(&message, out),
        };
        if taken.is_none() {
            out.push(Output::Ignored);
        }
    }

    fn answered(&mut self, message: &Message, out: &mut Vec<Output>) -> Option<()> {
        let id = dpe3::MessageId::try_from(message.message_id.get()?.clone()).ok()?;
        let open = self.state.open.get(&id)?;
        let expected = self.message(&open.request, &id).kind.answer();
        if expected != Some(message.kind) {
            return None;
        }
        // An absent status is success in a look-up of Client-IDs only.
        let status = match message.status {
            Ie::Is(status) => status,
            Ie::Absent if message.kind == Kind::ClientIdResponse => Code::OK,
            _ => Code::STATUS_ERROR,
        };
        let open = self.state.open.remove(&id)?;
        let may_retry = open.tries < self.profile.retries;
        match status {
            Code::MESSAGE_ID_REPEATED if may_retry => {
                self.state.waiting.push_front((open.request, open.tries + 1));
                return Some(());
            }
            Code::WINDOW_OVERFLOW if may_retry => {
                self.state.paused = Some(self.state.now + self.profile.window);
                self.state.waiting.push_front((open.request, open.tries + 1));
                return Some(());
            }
            _ => {}
        }
        self.settle(&open.request, &id, status, out);
        let readings = message.results.iter().filter_map(|result| read_result(result).ok()).collect();
        let clients = ids(&message.clients);
        out.push(Output::Done(Done { tag: open.request.tag, status: Some(status), readings, clients }));
        Some(())
    }

    fn settle(&mut self, request: &Request, id: &dpe3::MessageId, status: Code, out: &mut Vec<Output>) {
        let Some(client) = &request.client else { return };
        match &request.what {
            What::GroupSet(group, _) if status.is_ok() => {
                self.state.groups.insert(group.clone(), client.clone());
            }
            What::GroupRelease(group) if status.is_ok() || status == Code::GROUP_ID_NOT_REGISTERED => {
                // The client may have another Client-ID since this was asked, and what it has goes by that one.
                let of = self.state.groups.remove(group);
                let is_its = |known: &Active| known.client == *client || Some(&known.client) == of.as_ref();
                // The policies on a group end with it, and nobody else says so.
                let is_on = |known: &Active| known.group.as_ref() == Some(group) && is_its(known);
                let on = self.state.policies.iter().filter(|(_, known)| is_on(known)).map(|(policy, _)| policy.clone());
                for policy in on.collect::<Vec<_>>() {
                    self.state.policies.remove(&policy);
                    out.push(Output::PolicyEnded(policy, Code::POLICY_ID_NOT_REGISTERED));
                }
            }
            What::PolicySet(policy, watched, ..) if status.is_ok() => {
                let group = if let Watched::Group(group) = watched { Some(group.clone()) } else { None };
                let active = Active { client: client.clone(), group, message: id.clone() };
                self.state.policies.insert(policy.clone(), active);
            }
            What::PolicyRelease(policy)
                if matches!(status, Code::OK | Code::POLICY_ID_NOT_REGISTERED | Code::POLICY_EXPIRED) =>
            {
                self.state.policies.remove(policy);
            }
            _ => {}
        }
    }

    fn reported(&mut self, message: &Message, out: &mut Vec<Output>) -> Option<()> {
        let policy = dpe3::PolicyId::try_from(message.policy_id.get()?.clone()).ok()?;
        let known = self.state.policies.get(&policy)?;
        let client = ClientId::try_from(message.client_id.get()?.clone()).ok()?;
        if message.message_id.get()?.as_str() != known.message.as_str() {
            return None;
        }
        let code = *message.status.get()?;
        if matches!(code, Code::POLICY_EXPIRED | Code::POLICY_ID_NOT_REGISTERED) {
            self.state.policies.remove(&policy);
            out.push(Output::PolicyEnded(policy, code));
        } else {
            let readings = message.results.iter().filter_map(|result| read_result(result).ok()).collect();
            let (timestamp, sequence) = (message.timestamp.get().copied(), message.sequence.get().copied());
            out.push(Output::Reported(Reported { policy, client, readings, timestamp, sequence }));
        }
        Some(())
    }

    fn client_changed(&mut self, message: &Message, out: &mut Vec<Output>) -> Option<()> {
        message.message_id.get()?;
        let users = message.users.get()?.clone();
        message.clients.get()?;
        let (clients, replaces) = (ids(&message.clients), ids(&message.replaces));
        for old in &replaces {
            let new = clients.first();
            for client in
                self.state.groups.values_mut().chain(self.state.policies.values_mut().map(|known| &mut known.client))
            {
                if let (true, Some(new)) = (client == old, new) {
                    *client = new.clone();
                }
            }
            if new.is_none() {
                self.state.groups.retain(|_, client| client != old);
                self.state.policies.retain(|_, known| known.client != *old);
            }
        }
        out.push(Output::ClientChanged(ClientChanged { users, clients, replaces }));
        Some(())
    }

    /// A request ends without an answer.
    fn give_up(&mut self, id: &dpe3::MessageId, out: &mut Vec<Output>) {
        if let Some(open) = self.state.open.remove(id) {
            let (readings, clients) = (Vec::new(), Vec::new());
            out.push(Output::Done(Done { tag: open.request.tag, status: None, readings, clients }));
        }
    }

    fn expire(&mut self, out: &mut Vec<Output>) {
        let now = self.state.now;
        if self.state.paused.is_some_and(|until| until <= now) {
            self.state.paused = None;
        }
        let late: Vec<_> =
            self.state.open.iter().filter(|(_, open)| open.until <= now).map(|(id, _)| id.clone()).collect();
        for id in late {
            self.give_up(&id, out);
        }
    }
}

fn ids(bag: &Ie<Vec<Token>>) -> Vec<ClientId> {
    let tokens = bag.get().into_iter().flatten();
    tokens.filter_map(|token| ClientId::try_from(token.clone()).ok()).collect()
}

impl Machine for Sp {
    type Input = Input;
    type Output = Output;
    type Misuse = Misuse;
    type Why = Why;

    fn handle(&mut self, env: &Env, input: Input, out: &mut Vec<Output>) -> Result<(), Misuse> {
        if let Input::Request(request) = &input {
            self.check(request)?;
        }
        self.state.now = env.now.max(self.state.now);
        self.state.revision = self.state.revision.saturating_add(1);
        self.expire(out);
        match input {
            Input::Request(request) => self.state.waiting.push_back((request, 0)),
            Input::Received(body) => self.received(&body, out),
            Input::SendFailed(id) => self.give_up(&id, out),
            Input::Wake => {}
        }
        self.dispatch(out);
        Ok(())
    }

    fn deadline(&self) -> Option<Deadline<Why>> {
        let answer = self.state.open.values().map(|open| open.until).min();
        let answer = answer.map(|at| Deadline { at, why: Why::Answer });
        let window = self.state.paused.map(|at| Deadline { at, why: Why::Window });
        answer.into_iter().chain(window).min_by_key(|deadline| deadline.at)
    }
}

impl Durable for Sp {
    type Snapshot = Snapshot;
    type Profile = Profile;
    type RestoreError = RestoreError;

    const NAME: &'static str = "dpe.sp";
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");

    fn snapshot(&self) -> Snapshot {
        Snapshot::V1 { sp: self.profile.id.clone(), state: Box::new(self.state.clone()) }
    }

    fn restore(snapshot: Snapshot, profile: &Profile) -> Result<Self, RestoreError> {
        let Snapshot::V1 { sp, state } = snapshot;
        if sp == profile.id { Ok(Self { profile: profile.clone(), state: *state }) } else { Err(RestoreError::Foreign) }
    }

    fn revision(&self) -> u64 {
        self.state.revision
    }
}
