//! One device: everything about one Client-ID [DPE digest 3].
//!
//! Registration from the moment the Client-ID is chosen, the exchange on DPE-2 with its queue, the groups and policies
//! that SPs set, the cache, and what becomes of all that when the device or its user changes.

use alloc::{
    boxed::Box,
    collections::{BTreeMap, BTreeSet, VecDeque},
    vec::Vec,
};

use core_kit::{Body, Deadline, Durable, Env, Machine, Tick};
use serde::{Deserialize, Serialize};

use super::{Misuse, Profile, RestoreError, link::ToDevice, write};
use crate::{
    config::Config,
    ids::{ClientId, dpe2},
    wire::Message,
};

mod answer;
mod ask;
mod cache;
mod change;
mod exchange;
mod register;
mod seen;
mod state;
pub mod table;
mod verify;
mod vocabulary;

use state::{Known, Standing, State};
pub use verify::stranger;
pub use vocabulary::{Downlink, Filter, Input, Item, Output, Question, Register, Report};

/// One Client-ID.
#[derive(Clone, Debug)]
pub struct Device {
    profile: Profile,
    state: State,
    /// The step of the table that was walked last. It is not stored: it steers nothing.
    walked: Option<table::Row>,
}

/// A device as it is stored. A build reads this version and the one before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub enum Snapshot {
    /// The first version.
    #[serde(rename = "dpe.device/1")]
    V1 {
        /// All that it remembers.
        state: Box<State>,
    },
}

/// Which timer of a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Why {
    /// The client's step of the registration is late.
    Registration,
    /// It is time to register again.
    Schedule,
    /// The answer of the client is late.
    Answer,
    /// A request has waited too long.
    Queue,
    /// The client had to register again and did not.
    Pause,
    /// A policy ends.
    Policy,
    /// The Client-ID need not be remembered any longer.
    Retention,
}

/// One step: what it may observe, and what it gives.
struct Step<'a> {
    now: Tick,
    out: &'a mut Vec<Output>,
    /// The request that is out, if it is this step that sends it.
    request: Option<Body>,
}

impl Step<'_> {
    fn report(&mut self, report: Report) {
        self.out.push(Output::Report(report));
    }

    fn reply(&mut self, message: &Message) {
        self.out.extend(write::body(message).map(Output::Reply));
    }

    /// The request that is out has come to its end: if this very step was to send it, as where its time was over and the
    /// answer to an earlier sending has just come, it does not leave any more.
    fn withdraw(&mut self) {
        if let Some(request) = self.request.take() {
            self.out.retain(|output| !matches!(output, Output::Send(downlink) if downlink.body == request));
        }
    }
}

impl Device {
    /// A Client-ID of which nothing is known; its first input is a registration.
    #[must_use]
    pub fn new(profile: &Profile, client: ClientId) -> Self {
        let state = State {
            revision: 0,
            now: Tick(0),
            client,
            known: None,
            standing: Standing::Unknown,
            registering: None,
            registered_at: None,
            last_number: 0,
            outstanding: None,
            urgent: VecDeque::new(),
            queue: VecDeque::new(),
            paused: None,
            sync: None,
            sync_owed: false,
            groups: BTreeMap::new(),
            policies: BTreeMap::new(),
            late_messages: BTreeMap::new(),
            late_groups: BTreeMap::new(),
            late_policies: BTreeMap::new(),
            stray_groups: BTreeSet::new(),
            stray_policies: BTreeSet::new(),
            cache: BTreeMap::new(),
            audience: BTreeSet::new(),
            told: BTreeSet::new(),
            asking: None,
            asked: 0,
        };
        Self { profile: profile.clone(), state, walked: None }
    }

    /// The Client-ID.
    #[must_use]
    pub const fn client(&self) -> &ClientId {
        &self.state.client
    }

    /// The phase of the registration.
    #[must_use]
    pub const fn phase(&self) -> table::PhaseKind {
        self.state.phase()
    }

    /// The step of the [table] that was walked last, for whoever watches; nothing after a restore.
    #[must_use]
    pub const fn walked(&self) -> Option<table::Row> {
        self.walked
    }

    /// The open question, to be asked again after a restore.
    #[must_use]
    pub fn pending(&self) -> Option<Question> {
        self.state.asking.and_then(|id| self.filter(id)).map(Question::Filter)
    }

    /// Whether a request to the client is unanswered.
    #[must_use]
    pub const fn is_waiting(&self) -> bool {
        self.state.outstanding.is_some()
    }

    /// How many groups and policies are on the client, as far as the server knows.
    #[must_use]
    pub fn settings(&self) -> (usize, usize) {
        let is_there = |life: state::Life| life != state::Life::Pending;
        let groups = self.state.groups.values().filter(|group| is_there(group.life)).count();
        let policies = self.state.policies.values().filter(|policy| is_there(policy.life)).count();
        (groups, policies)
    }

    /// Entries of all tables together, for tests that look for leaks.
    #[must_use]
    pub fn size(&self) -> usize {
        let state = &self.state;
        let late = state.late_messages.len() + state.late_groups.len() + state.late_policies.len();
        let stray = state.stray_groups.len() + state.stray_policies.len();
        let open = state.queue.len() + state.urgent.len() + usize::from(state.outstanding.is_some());
        state.groups.len() + state.policies.len() + late + stray + open
    }

    fn config(&self) -> &Config {
        self.profile.config()
    }

    /// Changes the phase by this change of the state.
    fn walk(&mut self, event: table::EventKind, change: impl FnOnce(&mut State)) {
        let from = self.state.phase();
        change(&mut self.state);
        let row = (from, event, self.state.phase());
        debug_assert!(table::TABLE.contains(&row), "{row:?} is not in the table");
        self.walked = Some(row);
    }

    /// A number that no identifier of this device has.
    fn number(&mut self) -> u64 {
        self.state.last_number = self.state.last_number.saturating_add(1);
        self.state.last_number
    }

    /// Begins the numbers at random.
    fn seed(&mut self, env: &Env) {
        if self.state.last_number == 0 {
            let draw = env.draw("dpe.device.numbers", 0);
            let seed = draw.iter().take(5).fold(0_u64, |sum, octet| sum << 8 | u64::from(*octet));
            self.state.last_number = 10_000_000_000 + seed;
        }
    }

    fn known(&self) -> Option<&Known> {
        self.state.known.as_ref()
    }

    fn take(&mut self, input: Input, step: &mut Step<'_>) {
        match input {
            Input::Register(register) => self.register(register, step),
            Input::Received(source, body) => self.received(&source, &body, step),
            Input::Told(ToDevice::Ask(ask)) => self.ask(ask, step),
            Input::Told(ToDevice::Disclosed(sp)) => self.disclosed(sp),
            Input::Told(ToDevice::Leave(leave)) => self.leave(&leave, step),
            Input::Told(ToDevice::Inherit(inherit)) => self.inherit(inherit, step),
            Input::Told(ToDevice::NoSuchDevice(client)) => self.nothing_inherited(&client),
            Input::Told(ToDevice::Sibling(client)) => self.sibling(&client, step),
            Input::Filtered(_, keep) => self.filtered(&keep, step),
            Input::Unreachable => self.silent(step),
            Input::Command(reason) => self.command(&reason, step),
            Input::Wake => {}
        }
        self.dispatch(step);
    }

    /// Fires every timer that is due. What the client was given too long to do does not end with the very request by which
    /// it does it, however late: that would give it a Client-ID and forget it in one step.
    fn expire(&mut self, input: &Input, step: &mut Step<'_>) {
        if !matches!(input, Input::Register(_)) {
            self.expire_registration(step);
        }
        self.expire_policies(step);
        self.expire_exchange(step);
        let now = step.now;
        self.state.late_messages.retain(|_, until| *until > now);
        self.state.late_groups.retain(|_, until| *until > now);
        self.state.late_policies.retain(|_, until| *until > now);
        if matches!(self.state.standing, Standing::Retired { until, .. } if until <= now) {
            step.out.push(Output::Forget);
        }
    }

    fn deadlines(&self) -> impl Iterator<Item = Deadline<Why>> {
        let state = &self.state;
        let at = |why| move |at: Tick| Deadline { at, why };
        let interval = self.config().reg.reregister_interval;
        let schedule =
            state.registered_at.filter(|_| interval.0 > 0 && state.is_active() && state.registering.is_none());
        let retention = match state.standing {
            Standing::Retired { until, .. } => Some(until),
            _ => None,
        };
        let is_running = |policy: &&state::Policy| policy.life == state::Life::Active;
        let answer = state.outstanding.as_ref().filter(|_| state.paused.is_none()).map(|out| out.until);
        let policies = state.policies.values().filter(is_running).filter_map(|policy| policy.expires).min();
        let policies = policies.filter(|_| !core_kit::planted!("P20-never-ends"));
        let queue = state.queue.iter().map(|waiting| waiting.until).min();
        [
            state.registering.as_ref().map(|registering| registering.until).map(at(Why::Registration)),
            schedule.map(|since| since + interval).map(at(Why::Schedule)),
            answer.map(at(Why::Answer)),
            queue.map(at(Why::Queue)),
            state.paused.map(at(Why::Pause)),
            policies.map(at(Why::Policy)),
            retention.map(at(Why::Retention)),
        ]
        .into_iter()
        .flatten()
    }

    /// Remembers that an answer with this Message-ID may come late.
    fn bury_message(&mut self, message: dpe2::MessageId) {
        let until = self.burial();
        bury(&mut self.state.late_messages, message, until, self.profile.config().state.tombstones_max);
    }

    fn bury_group(&mut self, group: dpe2::GroupId) {
        let until = self.burial();
        bury(&mut self.state.late_groups, group, until, self.profile.config().state.tombstones_max);
    }

    fn bury_policy(&mut self, policy: dpe2::PolicyId) {
        let until = self.burial();
        bury(&mut self.state.late_policies, policy, until, self.profile.config().state.tombstones_max);
    }

    fn burial(&self) -> Tick {
        self.state.now + self.config().dpe2.tombstone_ttl
    }
}

/// Remembers until then; forgets what ends first where there is too much.
fn bury<Id: Ord + Clone>(late: &mut BTreeMap<Id, Tick>, id: Id, until: Tick, max: usize) {
    late.insert(id, until);
    if late.len() > max
        && let Some(first) = late.iter().min_by_key(|(_, until)| **until).map(|(id, _)| id.clone())
    {
        late.remove(&first);
    }
}

impl Machine for Device {
    type Input = Input;
    type Output = Output;
    type Misuse = Misuse;
    type Why = Why;

    fn handle(&mut self, env: &Env, input: Input, out: &mut Vec<Output>) -> Result<(), Misuse> {
        match (&input, self.state.asking) {
            (Input::Filtered(id, _), asking) if asking != Some(*id) => return Err(Misuse::NotAsked),
            (Input::Filtered(..) | Input::Wake, _) | (_, None) => {}
            (_, Some(_)) => return Err(Misuse::Asking),
        }
        let now = env.now.max(self.state.now);
        let from = out.len();
        self.state.now = now;
        self.state.revision = self.state.revision.saturating_add(1);
        self.seed(env);
        let mut step = Step { now, out, request: None };
        if self.state.asking.is_none() {
            self.expire(&input, &mut step);
        }
        self.take(input, &mut step);
        // Reports first, then a question; a stable sort keeps the rest in order.
        if let Some(new) = out.get_mut(from..) {
            new.sort_by_key(|output| match output {
                Output::Report(_) => 0,
                Output::Ask(_) => 1,
                _ => 2,
            });
        }
        Ok(())
    }

    fn deadline(&self) -> Option<Deadline<Why>> {
        if self.state.asking.is_some() {
            return None;
        }
        self.deadlines().min_by_key(|deadline| deadline.at)
    }
}

impl Durable for Device {
    type Snapshot = Snapshot;
    type Profile = Profile;
    type RestoreError = RestoreError;

    const NAME: &'static str = "dpe.device";
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
