//! One SP: whether it may speak, what is registered in its name, and what it is told [DPE digest 3.3.3 to 3.7].

use alloc::{boxed::Box, string::String, vec::Vec};

use core_kit::{Body, Deadline, Durable, Env, Machine, Tick};
use serde::{Deserialize, Serialize};

use super::{
    Misuse, Profile as Shared, QuestionId, RestoreError,
    directory::Find,
    link::{ToDevice, ToGate},
    write,
};
use crate::{
    codes::Code,
    config::{BadInput, Config, MissingSpId, ResponseMode, SpProfile, WindowAlgorithm},
    identity::Source,
    ids::{ClientId, SpId, dpe3},
    wire::{self, Decoded, Ie, Kind, Message},
};

mod request;
mod state;
mod told;

use state::State;

/// What stays the same for the life of a gate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// The configuration of the server.
    pub config: Shared,
    /// The SP.
    pub sp: SpProfile,
}

/// What happens at a gate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Input {
    /// A message came in on DPE-3 that names this SP.
    Received(Source, Body),
    /// A device has something to say.
    Told(ToGate),
    /// There is no device of this Client-ID, which the dialogue is about.
    NoSuchClient(ClientId, dpe3::MessageId),
    /// The open question was answered: these Client-IDs are valid.
    Found(QuestionId, Vec<ClientId>),
    /// [`deadline`](core_kit::Machine::deadline) has come. Never refused; early, it does nothing.
    Wake,
}

/// What a gate wants done. In one step reports come first, then a question, then the rest in order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Output {
    /// Something worth counting.
    Report(Report),
    /// Answer this; until then the gate takes nothing else.
    Ask(Find),
    /// The message is ignored: no answer, and no trace of it.
    Ignore(Ignored),
    /// Send this to the SP.
    Send(ToSp),
    /// Tell the device of this Client-ID; where there is none, say so, if it is a request.
    Device(ClientId, ToDevice),
}

/// A message towards an SP.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ToSp {
    /// The dialogue that this answers; nothing for reports, and for answers to requests without a Message-ID.
    pub answers: Option<dpe3::MessageId>,
    /// Whether this is the answer to a message of the SP, so that it may be the reply to it.
    pub is_answer: bool,
    /// Where to deliver it; nothing where the SP fetches it, or waits for it as a reply.
    pub callback: Option<String>,
    /// The message.
    pub body: Body,
}

/// Why a message was ignored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ignored {
    /// It cannot be read.
    Unreadable,
    /// It has a fault for which there is no answer by configuration, or ever.
    Fault(Code),
}

/// What is worth counting.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Report {
    /// A request of this kind was refused with this code.
    Refused(Kind, Code),
    /// A message whose sender is not the SP was answered with this code.
    TurnedAway(Code),
    /// A request of this kind was answered with this code.
    Answered(Kind, Code),
    /// A device told of something that is not registered here any more.
    Stale,
}

/// One SP.
#[derive(Clone, Debug)]
pub struct Gate {
    profile: Profile,
    state: State,
}

/// A gate as it is stored. A build reads this version and the one before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub enum Snapshot {
    /// The first version.
    #[serde(rename = "dpe.gate/1")]
    V1 {
        /// Whose gate.
        sp: SpId,
        /// All that it remembers.
        state: Box<State>,
    },
}

struct Step<'a> {
    now: Tick,
    out: &'a mut Vec<Output>,
}

impl Gate {
    /// The gate of an SP that has said nothing yet.
    #[must_use]
    pub fn new(profile: &Profile) -> Self {
        Self { profile: profile.clone(), state: State::default() }
    }

    /// The SP.
    #[must_use]
    pub const fn sp(&self) -> &SpId {
        &self.profile.sp.id
    }

    /// The open question, to be asked again after a restore.
    #[must_use]
    pub fn pending(&self) -> Option<Find> {
        self.state.asking.as_ref().map(|lookup| lookup.question.clone())
    }

    /// Requests that have no answer yet.
    #[must_use]
    pub fn unanswered(&self) -> usize {
        self.state.dialogues.values().filter(|dialogue| dialogue.course != state::Course::Retained).count()
    }

    /// Entries of all tables together, for tests that look for leaks. The window is not counted.
    #[must_use]
    pub fn size(&self) -> usize {
        let state = &self.state;
        state.dialogues.len() + state.groups.len() + state.policies.len()
    }

    fn config(&self) -> &Config {
        self.profile.config.config()
    }

    /// P5 and P6: whether the message is of this SP and comes from where it may.
    fn check_sp(&self, source: &Source, message: &Message) -> Result<(), Code> {
        let named = message.sp_id.need_id::<SpId>(Code::SP_ID_MISSING, Code::SP_ID_NOT_REGISTERED)?;
        if named != self.profile.sp.id {
            return Err(Code::SP_ID_NOT_REGISTERED);
        }
        let address = source.address(&self.config().identity);
        if self.profile.sp.networks.iter().any(|network| network.contains(address)) {
            Ok(())
        } else {
            Err(Code::SP_ADDRESS_NOT_REGISTERED)
        }
    }

    /// P7: counts the request, or finds that there were too many.
    fn admits(&mut self, now: Tick) -> bool {
        let (threshold, span) = (self.config().sp.window_threshold, u64::from(self.config().sp.window_seconds) * 1000);
        let algorithm = self.config().sp.window_algorithm;
        let is_over = |at: &Tick| match algorithm {
            WindowAlgorithm::Sliding => at.0.saturating_add(span) <= now.0,
            WindowAlgorithm::Fixed => at.0 / span != now.0 / span,
        };
        while self.state.window.front().is_some_and(is_over) {
            self.state.window.pop_front();
        }
        if core_kit::planted!("P28-window-forgets") && self.state.window.len() % 4 == 3 {
            self.state.window.clear();
        }
        let threshold = threshold.saturating_add(u32::from(core_kit::planted!("P28-one-too-many")));
        let threshold = threshold.saturating_sub(2 * u32::from(core_kit::planted!("P30-refused-early")));
        if self.state.window.len() >= usize::try_from(threshold).unwrap_or(usize::MAX) {
            return false;
        }
        self.state.window.push_back(now);
        true
    }

    fn send(&self, message: &Message, answers: Option<dpe3::MessageId>, is_answer: bool, step: &mut Step<'_>) {
        let by_callback = !is_answer || self.profile.sp.response_mode == ResponseMode::Callback;
        let callback = self.profile.sp.callback.clone().filter(|_| by_callback);
        let body = write::body(message);
        step.out.extend(body.map(|body| Output::Send(ToSp { answers, is_answer, callback, body })));
    }

    /// The answer that a request gets which goes no further.
    fn refuse(&self, request: &Message, code: Code, step: &mut Step<'_>) {
        let Some(message) = refusal(request, code, &self.profile.sp.id) else { return };
        let answers = message.message_id.get().cloned().and_then(|token| token.try_into().ok());
        step.out.push(Output::Report(Report::Refused(request.kind, code)));
        self.send(&message, answers, true, step);
    }
}

/// The answer to a request, with nothing in it but what the request said of itself, and a status.
fn refusal(request: &Message, code: Code, sp: &SpId) -> Option<Message> {
    let mut message = Message::new(request.kind.answer()?);
    message.message_id = write::echo(&request.message_id);
    message.sp_id = Ie::Is(sp.into());
    if request.kind == Kind::ClientIdQuery {
        message.clients = Ie::Is(Vec::new());
    }
    message.client_id = write::echo(&request.client_id);
    message.group_id = write::echo(&request.group_id);
    message.policy_id = write::echo(&request.policy_id);
    message.status = Ie::Is(code);
    Some(message)
}

/// Which gate a message on DPE-3 belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Route {
    /// That of this SP. Where there is none, [`stranger`] says what is answered.
    To(SpId),
    /// No one's: it is ignored.
    Ignore(Ignored),
    /// No one's: it is answered with this.
    Reply(Code, Body),
}

/// Finds the gate of a message. `is_known` says whether any SP may come from the address that the message came from.
#[must_use]
pub fn route(config: &Config, body: &Body, is_known: bool) -> Route {
    let message = match wire::decode(body, &config.wire) {
        Err(_) => return Route::Ignore(Ignored::Unreadable),
        Ok(Decoded::Untyped(untyped)) => return Route::Ignore(Ignored::Fault(untyped.code)),
        Ok(Decoded::Message(message)) if message.kind.is_request() || message.kind == Kind::ClientIdQuery => message,
        Ok(Decoded::Message(_)) => return Route::Ignore(Ignored::Fault(Code::MESSAGE_TYPE_UNKNOWN)),
    };
    match message.sp_id.need_id::<SpId>(Code::SP_ID_MISSING, Code::SP_ID_NOT_REGISTERED) {
        Ok(sp) => Route::To(sp),
        Err(Code::SP_ID_MISSING) => {
            let is_told = match config.sp.missing_spid_action {
                MissingSpId::Ignore => false,
                MissingSpId::Error => true,
                MissingSpId::ErrorIfKnownIp => is_known,
            };
            answer_stranger(is_told, &message, Code::SP_ID_MISSING)
        }
        Err(code) => answer_stranger(config.sp.auth_failure_action == BadInput::Error, &message, code),
    }
}

/// What is done with a message of an SP that has no gate.
#[must_use]
pub fn stranger(config: &Config, body: &Body) -> Route {
    match wire::decode(body, &config.wire) {
        Ok(Decoded::Message(message)) => {
            let is_told = config.sp.auth_failure_action == BadInput::Error;
            answer_stranger(is_told, &message, Code::SP_ID_NOT_REGISTERED)
        }
        _ => Route::Ignore(Ignored::Unreadable),
    }
}

fn answer_stranger(is_told: bool, request: &Message, code: Code) -> Route {
    let answer = request.sp_id.get().cloned().and_then(|token| SpId::try_from(token).ok());
    let message = match answer {
        Some(sp) => refusal(request, code, &sp),
        None => request.kind.answer().map(|kind| {
            let mut message = Message::new(kind);
            message.message_id = write::echo(&request.message_id);
            message.client_id = write::echo(&request.client_id);
            message.status = Ie::Is(code);
            message
        }),
    };
    match message.filter(|_| is_told).and_then(|message| write::body(&message)) {
        Some(body) => Route::Reply(code, body),
        None => Route::Ignore(Ignored::Fault(code)),
    }
}

impl Machine for Gate {
    type Input = Input;
    type Output = Output;
    type Misuse = Misuse;
    type Why = core::convert::Infallible;

    fn handle(&mut self, env: &Env, input: Input, out: &mut Vec<Output>) -> Result<(), Misuse> {
        let open = self.state.asking.as_ref().map(|lookup| lookup.question.id);
        match (&input, open) {
            (Input::Found(id, _), open) if open != Some(*id) => return Err(Misuse::NotAsked),
            (Input::Found(..) | Input::Wake, _) | (_, None) => {}
            (_, Some(_)) => return Err(Misuse::Asking),
        }
        let now = env.now.max(self.state.now);
        if let Input::Received(source, body) = &input
            && let Err(ignored) = self.identify(source, body)
        {
            // Ignored means that nothing has changed.
            match ignored {
                Ok((code, body)) => {
                    out.push(Output::Report(Report::TurnedAway(code)));
                    out.push(Output::Send(ToSp { answers: None, is_answer: true, callback: None, body }));
                }
                Err(ignored) => out.push(Output::Ignore(ignored)),
            }
            return Ok(());
        }
        let from = out.len();
        self.state.now = now;
        self.state.revision = self.state.revision.saturating_add(1);
        self.state.expired.retain(|_, until| *until > now);
        let mut step = Step { now, out };
        match input {
            Input::Received(_, body) => self.received(&body, &mut step),
            Input::Told(told) => self.told(told, &mut step),
            Input::NoSuchClient(client, message) => self.no_such_client(client, message, &mut step),
            Input::Found(_, clients) => self.found(clients, &mut step),
            Input::Wake => {}
        }
        if let Some(new) = out.get_mut(from..) {
            new.sort_by_key(|output| match output {
                Output::Report(_) => 0,
                Output::Ask(_) => 1,
                _ => 2,
            });
        }
        Ok(())
    }

    fn deadline(&self) -> Option<Deadline<Self::Why>> {
        None
    }
}

impl Durable for Gate {
    type Snapshot = Snapshot;
    type Profile = Profile;
    type RestoreError = RestoreError;

    const NAME: &'static str = "dpe.gate";
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");

    fn snapshot(&self) -> Snapshot {
        Snapshot::V1 { sp: self.profile.sp.id.clone(), state: Box::new(self.state.clone()) }
    }

    fn restore(snapshot: Snapshot, profile: &Profile) -> Result<Self, RestoreError> {
        let Snapshot::V1 { sp, state } = snapshot;
        if sp == profile.sp.id {
            Ok(Self { profile: profile.clone(), state: *state })
        } else {
            Err(RestoreError::Foreign)
        }
    }

    fn revision(&self) -> u64 {
        self.state.revision
    }
}
