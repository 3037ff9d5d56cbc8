//! The management server's side of one session [DM 1.2, 8].
//!
//! A session takes a device's messages one by one and gives the reply to each. What it cannot know it asks:
//! [`Authenticate`], [`NextCommands`], [`Sign`]. [`Turn`] runs it the way a stateless node does; [`route`] tells whose
//! session a message is of, and [`Arrival`] does so for a turn that takes it then.
//!
//! What the session guarantees:
//!
//! - Nothing of a message counts before its sender is believed.
//! - A repeated message gets the stored reply, byte for byte, and nothing is reported again.
//! - After its end, the opening of another session under the same identifier begins that one: many clients have one
//!   identifier for all of their sessions. While a session goes on, nothing else may use its identifier.
//! - Every order comes back in exactly one of [`Report::Done`], [`Report::Unknown`] and [`Report::NotSent`]; it is
//!   sent again only if the device said that it did not carry it out.

use alloc::{boxed::Box, sync::Arc, vec::Vec};
use core::mem;

use core_kit::{Deadline, Durable, Env, Machine, Tick};

use crate::{
    Packet,
    auth::{Presented, Scheme},
    fault::PeerFault,
    ids::{DeviceId, MsgId, QuestionId, SessionId},
    session::{
        Outcome, Reason,
        table::{EventKind, PhaseKind, Role, Row},
    },
    wire::{self, Deviations, Encoding, Header},
};

mod arrival;
mod input;
mod object;
mod order;
mod output;
mod phase;
mod profile;
mod receive;
mod reply;
mod seal;
mod sent;
mod snapshot;
mod standing;
mod turn;
mod version;
mod work;

pub use arrival::Arrival;
pub use input::{Answer, Authenticate, Fetch, Input, NextCommands, Question, Sign};
pub use order::{Entry, Order, OrderFault, Pair, Request};
pub use output::{Done, ItemDone, Output, Part, PartOf, Report};
pub use profile::Profile;
pub use snapshot::{Snapshot, Stored};
pub use turn::{Facts, Turn};

pub use crate::session::{Misuse, RestoreError};
use arrival::Read;
use phase::{Asking, Common, Hash, Next, Phase, Rest, Since, Stable, Standing, Taken};

/// One session with one device.
#[derive(Clone, Debug)]
pub struct Session {
    profile: Arc<Profile>,
    /// It is large, and sessions are moved.
    common: Box<Common>,
    phase: Phase,
    /// The state as it was stored, until the first input after that.
    kept: Option<Arc<Stable>>,
    /// Whether there is a record of what came in while a question is open.
    is_recorded: bool,
    /// The step of the table that was walked last. It is not stored: it steers nothing.
    walked: Option<Row>,
}

/// Which timer of a server session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// The device has been silent for [`Profile::idle_ms`].
    Idle,
    /// Somebody who has not proved to be the device has been silent for [`Profile::unauthenticated_ms`].
    Unauthenticated,
}

/// Which session a message is of: the key of a store.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionKey {
    /// Whose.
    pub device: DeviceId,
    /// Which; in upper case, since clients write the same identifier in either [digest 1.4].
    pub session: SessionId,
}

impl SessionKey {
    fn of(header: &Header) -> Self {
        Self::new(header.source.uri.clone().into(), &header.session_id)
    }

    fn new(device: DeviceId, session: &SessionId) -> Self {
        let is_upper = !session.as_str().bytes().any(|octet| octet.is_ascii_lowercase());
        let session = if is_upper { session.clone() } else { session.as_str().to_ascii_uppercase().into() };
        Self { device, session }
    }
}

/// Tells which session a message is of, from its header alone.
///
/// # Errors
/// The header cannot be read: nobody can be answered.
pub fn route(packet: &Packet, profile: &Profile) -> Result<SessionKey, PeerFault> {
    match wire::decode_header(packet.encoding, &packet.body, &profile.wire) {
        Ok(header) => Ok(SessionKey::of(&header)),
        Err(error) => Err((&error).into()),
    }
}

impl Session {
    /// A session that no message has come for. Sessions that are given the same [`Arc`] of a profile share it.
    #[must_use]
    pub fn new(profile: impl Into<Arc<Profile>>) -> Self {
        Self::at_rest(profile.into(), Box::default(), Rest::Fresh)
    }

    fn at_rest(profile: Arc<Profile>, common: Box<Common>, rest: Rest) -> Self {
        Self { profile, common, phase: Phase::Rest(rest), kept: None, is_recorded: true, walked: None }
    }

    /// The open question, to be asked again after a restore.
    #[must_use]
    pub fn pending(&self) -> Option<Question> {
        self.phase.open().map(Asking::question)
    }

    const fn is_asking(&self) -> bool {
        matches!(self.phase, Phase::Asking(..))
    }

    /// The phase that the session is in.
    #[must_use]
    pub const fn phase(&self) -> PhaseKind {
        match &self.phase {
            Phase::Rest(rest) => rest.kind(),
            Phase::Asking(asking, _) => asking.kind(),
        }
    }

    /// The step of the [table](crate::session::table) that was walked last, for whoever watches; nothing after a restore.
    #[must_use]
    pub const fn walked(&self) -> Option<Row> {
        self.walked
    }

    /// How the session ended; nothing while it goes on.
    #[must_use]
    pub const fn outcome(&self) -> Option<&Outcome> {
        match &self.phase {
            Phase::Rest(Rest::Over(outcome)) => Some(outcome),
            _ => None,
        }
    }

    /// Which session this is; nothing before the first message.
    #[must_use]
    pub fn key(&self) -> Option<SessionKey> {
        let peer = self.common.peer.as_ref()?;
        Some(SessionKey::new(peer.device.clone(), &peer.session))
    }

    /// Whether the device has proved who it is.
    #[must_use]
    pub const fn is_authenticated(&self) -> bool {
        matches!(self.common.client, Standing::Proven | Standing::PerMessage { .. })
    }

    fn due(&self, now: Tick) -> bool {
        matches!(self.phase, Phase::Rest(Rest::Waiting { until }) if until <= now)
    }

    /// What the input means in this state; everything that can be refused is refused here, before anything changes.
    fn accept(&self, input: &Input, read: Option<Read>, due: bool) -> Result<Accepted, Misuse> {
        let open = match &self.phase {
            Phase::Asking(asking, _) => Some(asking.id()),
            Phase::Rest(_) => None,
        };
        match (input, open) {
            (Input::Wake, _) => Ok(Accepted::Nothing),
            (Input::Received(_) | Input::Abort(_), Some(open)) => Err(Misuse::Asking(open)),
            (Input::Received(packet), None) => Ok(self.accept_packet(packet, read, due)),
            (Input::Abort(reason), None) => match &self.phase {
                _ if due => Err(Misuse::Over),
                Phase::Rest(Rest::Over(_)) => Err(Misuse::Over),
                _ => Ok(Accepted::Abort(*reason)),
            },
            (Input::Answered(answer), _) => match &self.phase {
                Phase::Asking(asking, _) if asking.id() == answer.id() => match (&**asking, answer) {
                    (Asking::Authenticating(..), Answer::Authenticate { .. })
                    | (Asking::Choosing(..), Answer::Commands { .. })
                    | (Asking::Signing(..) | Asking::Sealing(..), Answer::Sign { .. })
                    | (Asking::Fetching(..), Answer::Fetch { data: None, .. }) => Ok(Accepted::Answer),
                    (Asking::Fetching(question, ..), Answer::Fetch { data: Some(data), .. }) => {
                        let (asked, given) = (question.bytes, u64::try_from(data.len()).unwrap_or(u64::MAX));
                        if asked != given {
                            return Err(Misuse::WrongLength { asked, given });
                        }
                        Ok(Accepted::Answer)
                    }
                    _ => Err(Misuse::WrongKind(answer.id())),
                },
                _ => Err(Misuse::NotAsked { given: answer.id(), open }),
            },
        }
    }

    /// What a message means in this state; it is read here where nobody has done so.
    fn accept_packet(&self, packet: &Packet, read: Option<Read>, due: bool) -> Accepted {
        let hash = Hash::of(packet);
        let last = self.common.last.as_ref();
        // A repetition is known by its bytes, so it need not be read again.
        let answered = [last, self.common.previous.as_deref()].into_iter().flatten();
        if let Some(answered) = answered.into_iter().find(|answered| answered.hash == hash)
            && !core_kit::planted!("D30-answered-anew")
        {
            return Accepted::Repeat(answered.reply.clone());
        }
        let fresh = matches!(self.phase, Phase::Rest(Rest::Fresh));
        let over = due || matches!(self.phase, Phase::Rest(Rest::Over(_)));
        let (message, deviations) = match read.unwrap_or_else(|| arrival::read(packet, &self.profile)) {
            Ok(decoded) => decoded,
            Err(error) => {
                let fault = PeerFault::from(&error);
                return match error.header {
                    Some(header) if fresh => Accepted::Broken { header: *header, hash, fault },
                    // Nobody knows who sent this: a session that goes on is not disturbed by it.
                    _ => Accepted::Refuse(fault),
                };
            }
        };
        let header = &message.header;
        if self.key().is_some_and(|key| key != SessionKey::of(header)) {
            return Accepted::Refuse(PeerFault::ForeignSession);
        }
        let (identity, presented) = (packet.identity.clone(), Presented::of(packet, header));
        if over {
            // Real clients call every session of theirs `1` [digest 12]. A digest is good once: the same opening with
            // the same digest is no new session but an old message.
            let replayed = self.common.opened == Some(hash) && presented.scheme().is_some_and(Scheme::needs_nonce);
            let opens = header.msg_id == MsgId::FIRST && work::opens(&message);
            return if opens && !replayed {
                Accepted::Anew { taken: Taken { message, hash, identity, presented }, deviations }
            } else {
                Accepted::Refuse(PeerFault::SessionOver)
            };
        }
        match last.map(|last| last.msg_id) {
            Some(last) if header.msg_id < last => Accepted::Refuse(PeerFault::StaleMessage(header.msg_id)),
            Some(last) if header.msg_id == last => {
                let fault = PeerFault::MessageReused(header.msg_id);
                Accepted::Broken { header: message.header, hash, fault }
            }
            _ => Accepted::Message { taken: Taken { message, hash, identity, presented }, deviations },
        }
    }

    /// Takes an input; where it is a message, perhaps with what is in it.
    fn take_input(&mut self, env: &Env, input: Input, read: Option<Read>, out: &mut Vec<Output>) -> Result<(), Misuse> {
        let env = Env { now: env.now.max(self.common.now), ..*env };
        let due = self.due(env.now);
        let accepted = self.accept(&input, read, due)?;
        let (start, mut before) = (out.len(), self.kept.take().map(Since::from));
        if due {
            if self.is_recorded {
                before = None;
            } else if before.is_none() {
                // Without a record a message is undone with all that it has brought about, and so is this end.
                before = self.phase.at_rest().map(|rest| Since::at_rest(self.common.clone(), rest.clone()));
            }
            self.common.now = env.now;
            let outcome = self.common.abort.map_or(Outcome::TimedOut, Outcome::Aborted);
            self.end(outcome, out);
        }
        self.apply(&env, input, accepted, before, out);
        if let Some(new) = out.get_mut(start..) {
            new.sort_by_key(Output::rank);
        }
        Ok(())
    }

    /// Takes what was accepted.
    fn apply(&mut self, env: &Env, input: Input, accepted: Accepted, before: Option<Since>, out: &mut Vec<Output>) {
        match accepted {
            Accepted::Nothing => {}
            Accepted::Repeat(reply) => out.push(Output::Reply(reply)),
            Accepted::Refuse(fault) => out.push(Output::Refuse(fault)),
            Accepted::Anew { taken, deviations } => {
                let Some((_, encoding, since)) = self.leave_rest(env, input, before) else { return };
                self.begin_anew();
                self.take_message(env, (PhaseKind::Fresh, encoding), taken, deviations, since, out);
            }
            Accepted::Message { taken, deviations } => {
                let Some((from, encoding, since)) = self.leave_rest(env, input, before) else { return };
                self.take_message(env, (from, encoding), taken, deviations, since, out);
            }
            Accepted::Broken { header, hash, fault } => {
                let Some((from, encoding, since)) = self.leave_rest(env, input, before) else { return };
                let next = self.refuse(env, header, hash, encoding, fault, out);
                self.enter(from, EventKind::Ended, next, since, out);
            }
            Accepted::Answer => {
                let Input::Answered(answer) = input else { return };
                let Some((asking, mut since)) = self.phase.take_question() else { return };
                if self.is_recorded {
                    since.push(env, Input::Answered(answer.clone()));
                }
                let from = asking.kind();
                let (event, next) = match (*asking, answer) {
                    (Asking::Authenticating(question, taken), Answer::Authenticate { verdict, prove, .. }) => {
                        self.judged(env, &question.claim, &taken, verdict, prove, out)
                    }
                    (Asking::Choosing(_, draft), Answer::Commands { orders, .. }) => {
                        (EventKind::Ordered, self.ordered(env, orders, draft, out))
                    }
                    (Asking::Signing(question, draft), Answer::Sign { signature, .. }) => {
                        (EventKind::Signed, self.signed(env, draft, question.request.scheme, signature, out))
                    }
                    (Asking::Sealing(_, written), Answer::Sign { signature, .. }) => {
                        (EventKind::Signed, self.release(env, written, signature.as_ref(), out))
                    }
                    (Asking::Fetching(_, draft, signature), Answer::Fetch { data, .. }) => {
                        (EventKind::Fetched, self.fetched(env, draft, data, signature.as_ref(), out))
                    }
                    // accept() has let no other pair through.
                    (asking, _) => (EventKind::Answered, Next::Ask(asking.into())),
                };
                self.enter(from, event, next, since, out);
            }
            Accepted::Abort(reason) => {
                if matches!(self.phase, Phase::Rest(Rest::Fresh)) {
                    return self.end(Outcome::Aborted(reason), out);
                }
                self.common.abort = Some(reason);
                self.common.revision += 1;
            }
        }
    }

    fn take_message(
        &mut self,
        env: &Env,
        (from, encoding): (PhaseKind, Encoding),
        taken: Taken,
        deviations: Deviations,
        since: Since,
        out: &mut Vec<Output>,
    ) {
        if !deviations.is_empty() {
            out.push(Output::Report(Report::Deviated(deviations)));
        }
        let (event, next) = self.take(env, taken, encoding, out);
        self.enter(from, event, next, since, out);
    }

    /// Forgets the session that is over, but for its last reply: the device may still miss it.
    fn begin_anew(&mut self) {
        let Common { revision, now, asked, last, .. } = mem::take(&mut *self.common);
        let previous = last.map(Into::into);
        *self.common = Common { revision, now, asked, previous, ..Common::default() };
        self.phase = Phase::Rest(Rest::Fresh);
    }

    /// Begins to work on a message: where from, how it is written, and what the session is stored as until that is done.
    fn leave_rest(&mut self, env: &Env, input: Input, before: Option<Since>) -> Option<(PhaseKind, Encoding, Since)> {
        let (from, rest) = (self.phase(), self.phase.leave()?);
        let encoding = match &input {
            Input::Received(packet) => packet.encoding,
            _ => Encoding::Xml,
        };
        let mut since = before.unwrap_or_else(|| Since::at_rest(self.common.clone(), rest));
        if self.is_recorded {
            since.push(env, input);
        }
        Some((from, encoding, since))
    }

    /// Changes phase, and asks what the new one asks.
    fn enter(&mut self, from: PhaseKind, event: EventKind, next: Next, since: Since, out: &mut Vec<Output>) {
        let event = match (event, next.kind()) {
            (_, PhaseKind::Over) => EventKind::Ended,
            // The reply that ends the session is sealed before it does.
            (EventKind::Ended, _) => EventKind::Received,
            (event, _) => event,
        };
        self.walk(from, event, next.kind());
        self.phase = match next {
            Next::Rest(rest) => Phase::Rest(rest),
            Next::Ask(asking) => {
                out.push(Output::Ask(asking.question()));
                Phase::Asking(asking, since)
            }
        };
        self.common.revision += 1;
    }

    /// Ends the session without a reply.
    fn end(&mut self, outcome: Outcome, out: &mut Vec<Output>) {
        self.close(out);
        out.push(Output::Finished(outcome.clone()));
        self.walk(self.phase(), EventKind::Ended, PhaseKind::Over);
        self.phase = Phase::Rest(Rest::Over(outcome));
        self.common.revision += 1;
    }

    /// Every change of phase is one of the table's.
    fn walk(&mut self, from: PhaseKind, event: EventKind, to: PhaseKind) {
        let row = Row { role: Role::Server, from, event, to };
        debug_assert!(row.is_legal(), "{row:?}");
        self.walked = Some(row);
    }

    fn next_question(&mut self) -> QuestionId {
        self.common.asked += 1;
        QuestionId(self.common.asked)
    }
}

/// An input that fits the state, read.
enum Accepted {
    /// Nothing to do.
    Nothing,
    /// The last message again.
    Repeat(Packet),
    /// A message that changes nothing.
    Refuse(PeerFault),
    /// A message that ends the session, but can be answered.
    Broken { header: Header, hash: Hash, fault: PeerFault },
    /// A message of this session.
    Message { taken: Taken, deviations: Deviations },
    /// The first message of another session under the same identifier, after this one's end.
    Anew { taken: Taken, deviations: Deviations },
    /// The input is an answer to the open question.
    Answer,
    /// The embedder gives up.
    Abort(Reason),
}

impl Machine for Session {
    type Input = Input;
    type Output = Output;
    type Misuse = Misuse;
    type Why = Why;

    fn handle(&mut self, env: &Env, input: Input, out: &mut Vec<Output>) -> Result<(), Misuse> {
        self.take_input(env, input, None, out)
    }

    fn deadline(&self) -> Option<Deadline<Why>> {
        let Phase::Rest(Rest::Waiting { until: at }) = self.phase else { return None };
        if core_kit::planted!("D06-never-idle") {
            return None;
        }
        let why = if self.is_authenticated() { Why::Idle } else { Why::Unauthenticated };
        Some(Deadline { at, why })
    }
}

impl Durable for Session {
    type Snapshot = Snapshot;
    type Profile = Profile;
    type RestoreError = RestoreError;

    const NAME: &'static str = "dm.server";
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");

    fn snapshot(&self) -> Snapshot {
        self.to_snapshot()
    }

    fn restore(snapshot: Snapshot, profile: &Profile) -> Result<Self, RestoreError> {
        Self::of_snapshot(snapshot, profile.into())
    }

    fn revision(&self) -> u64 {
        self.common.revision
    }
}

impl Output {
    /// The order of the outputs of one step is part of the contract.
    const fn rank(&self) -> u8 {
        match self {
            Self::Report(_) => 0,
            Self::Ask(_) | Self::Reply(_) | Self::Refuse(_) => 1,
            Self::Finished(_) => 2,
        }
    }
}
