//! The device's side of one session [DM 1.2, 8].
//!
//! A session is started once, sends a message, takes the reply, and goes on until nothing is left to say. What it cannot
//! know it asks: the tree ([`Ops`]), its own credentials ([`Sign`]), a verdict on the server ([`Authenticate`]).
//!
//! What the session guarantees:
//!
//! - Nothing that a server asks for is done before the server is believed, as far as the profile wants that.
//! - A reply is taken once: a repeated or late one changes nothing.
//! - A message that is sent again is the same to the byte.

use alloc::{boxed::Box, sync::Arc, vec::Vec};

use core_kit::{Deadline, Durable, Env, Machine, Tick};

use crate::{
    Packet,
    auth::Presented,
    codes::AlertCode,
    fault::PeerFault,
    ids::{MsgId, QuestionId, SessionId},
    prompt::{Prompt, Reply, Response, Wanted},
    session::{
        Outcome, Reason,
        table::{EventKind, PhaseKind, Role, Row},
    },
    tree::Op,
    wire::{self, Command, Decoded, Deviations, Message},
};

mod apply;
mod input;
mod object;
mod output;
mod pack;
mod phase;
mod plan;
mod profile;
mod receive;
mod say;
mod seal;
mod send;
mod snapshot;

pub use input::{Answer, Authenticate, Failure, Input, NewAlert, Ops, Question, Sign, Trigger, User};
pub use output::{Output, Report, Request};
pub use profile::{Profile, Retry};
pub use snapshot::{Snapshot, Stored};

pub use crate::session::{Misuse, RestoreError};
use phase::{
    Asking, Common, Doing, Draft, Flight, Next, Note, Own, Package, Phase, Rest, Sender, Since, Stable, Standing, Wait,
    Waiting,
};

/// One session with one server.
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

/// Which timer of a client session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// The reply is late.
    Response,
    /// It is time to send again.
    Retry,
}

impl Session {
    /// A session that was not started. Sessions that are given the same [`Arc`] of a profile share it.
    #[must_use]
    pub fn new(profile: impl Into<Arc<Profile>>) -> Self {
        let profile = profile.into();
        let own = Own::new(profile.first);
        let server = match profile.server_scheme {
            Some(_) => Standing::Unproven { nonce: None, scheme: None, refused: 0 },
            None => Standing::Proven,
        };
        let common = Box::new(Common {
            revision: 0,
            now: Tick(0),
            asked: 0,
            session: SessionId::default(),
            start: AlertCode::CLIENT_INITIATED,
            url: profile.server.clone(),
            device_info: Arc::default(),
            sent: MsgId(0),
            sent_commands: 0,
            heard: MsgId(0),
            messages: 0,
            open_messages: 0,
            max_msg_size: None,
            max_obj_size: None,
            server_open: false,
            package: Package::default(),
            queue: Arc::default(),
            flight: Flight::default(),
            part_out: None,
            moved: false,
            unanswered: Vec::new(),
            incoming: None,
            own,
            server,
        });
        Self::at_rest(profile, common, Rest::Fresh)
    }

    fn at_rest(profile: Arc<Profile>, common: Box<Common>, rest: Rest) -> Self {
        Self { profile, common, phase: Phase::Rest(rest), kept: None, is_recorded: true, walked: None }
    }

    /// The same session, for a device that never stores it with a question open: every record is a copy of the state and
    /// of all answers. With a question open it is stored as given up
    /// ([`Reason::Unavailable`]): nothing of what it was about can be done a second time.
    #[must_use]
    pub fn unrecorded(mut self) -> Self {
        if let Phase::Asking(_, note) = &mut self.phase {
            *note = None;
        }
        Self { is_recorded: false, ..self }
    }

    /// The open question, to be asked again after a restore.
    #[must_use]
    pub fn pending(&self) -> Option<Question> {
        self.phase.open().map(Asking::question)
    }

    /// The message that is out, to be sent again after a restore: whether it left before the crash is not known.
    #[must_use]
    pub const fn in_flight(&self) -> Option<&Request> {
        match self.phase.at_rest() {
            Some(Rest::Waiting(waiting)) => Some(&waiting.request),
            _ => None,
        }
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
        match self.phase.at_rest() {
            Some(Rest::Over(outcome)) => Some(outcome),
            _ => None,
        }
    }

    /// Fires the timer for a late reply. The one for sending again fires on [`Input::Wake`] only: a reply that comes
    /// just then makes it needless. Tells whether it did.
    fn expire(&mut self, now: Tick, out: &mut Vec<Output>) -> bool {
        if let Phase::Rest(Rest::Waiting(waiting)) = &self.phase
            && matches!(waiting.wait, Wait::Reply(until) if until <= now)
        {
            let (waiting, late) = (waiting.clone(), Outcome::TimedOut);
            self.try_again(now, waiting, None, late, out);
            return true;
        }
        false
    }

    /// Whether [`expire`](Self::expire) would end the session.
    fn expires_for_good(&self, now: Tick) -> bool {
        match &self.phase {
            Phase::Rest(Rest::Waiting(waiting)) => {
                matches!(waiting.wait, Wait::Reply(until) if until <= now) && waiting.failed >= self.profile.retry.times
            }
            _ => false,
        }
    }

    /// A try came to nothing: waits before the next one, or ends the session.
    fn try_again(
        &mut self,
        now: Tick,
        mut waiting: Waiting,
        fault: Option<PeerFault>,
        last: Outcome,
        out: &mut Vec<Output>,
    ) {
        self.common.now = now;
        waiting.failed += 1;
        if waiting.failed > self.profile.retry.times {
            self.end(fault.map_or(last, Outcome::Failed), out);
            return;
        }
        waiting.wait = Wait::Pause(now + self.profile.retry.wait(waiting.failed));
        waiting.fault = fault;
        self.rest(EventKind::Retried, Rest::Waiting(waiting));
    }

    /// What the input means in this state; everything that can be refused is refused here, before anything changes.
    fn accept(&self, input: &Input, now: Tick) -> Result<Accepted, Misuse> {
        let rest = match &self.phase {
            Phase::Rest(rest) => rest,
            Phase::Asking(asking, _) => return Self::accept_answer(asking, input),
        };
        let over = self.expires_for_good(now) || matches!(rest, Rest::Over(_));
        match (input, rest) {
            (Input::Answered(answer), _) => Err(Misuse::NotAsked { given: answer.id(), open: None }),
            (Input::Start(trigger), Rest::Fresh) => Ok(Accepted::Start(trigger.clone())),
            (Input::Start(_), _) => Err(Misuse::Started),
            (Input::Abort(_) | Input::Alert(_), _) if over => Err(Misuse::Over),
            (Input::Alert(new), _) => self.accept_alert(new).map(|()| Accepted::Alert(new.clone())),
            (Input::Abort(reason), _) => Ok(Accepted::Abort(*reason)),
            // What comes after the end is late, and nobody's mistake.
            (Input::Received(_) | Input::SendFailed(_) | Input::Wake, _) if over => Ok(Accepted::Nothing),
            (Input::Wake, _) => Ok(Accepted::Wake),
            (Input::Received(_) | Input::SendFailed(_), Rest::Fresh) => Err(Misuse::NotWaiting),
            (Input::SendFailed(failure), _) => Ok(Accepted::SendFailed(*failure)),
            (Input::Received(packet), _) => Ok(self.accept_packet(packet)),
        }
    }

    fn accept_answer(asking: &Asking, input: &Input) -> Result<Accepted, Misuse> {
        let open = asking.id();
        match input {
            Input::Wake => Ok(Accepted::Nothing),
            Input::Answered(answer) if answer.id() == open => match (asking, answer) {
                (Asking::Gathering(ops) | Asking::Applying(ops, _), Answer::Tree { results, .. }) => {
                    let (asked, given) = (ops.ops.len(), results.len());
                    if asked != given {
                        return Err(Misuse::WrongCount { asked, given });
                    }
                    Ok(Accepted::Answer)
                }
                (Asking::Prompting(user, _) | Asking::Consenting(user), Answer::User { reply, .. })
                    if !user.prompt.admits(reply) =>
                {
                    Err(Misuse::WrongReply(open))
                }
                (Asking::Prompting(..) | Asking::Consenting(_), Answer::User { .. })
                | (Asking::Signing(..) | Asking::Sealing(..), Answer::Sign { .. })
                | (Asking::Authenticating(..), Answer::Authenticate { .. }) => Ok(Accepted::Answer),
                _ => Err(Misuse::WrongKind(open)),
            },
            Input::Answered(answer) => Err(Misuse::NotAsked { given: answer.id(), open: Some(open) }),
            Input::Start(_) => Err(Misuse::Started),
            Input::Received(_) | Input::SendFailed(_) | Input::Abort(_) | Input::Alert(_) => Err(Misuse::Asking(open)),
        }
    }

    fn accept_packet(&self, packet: &Packet) -> Accepted {
        let Decoded { message, deviations } = match wire::decode(packet.encoding, &packet.body, &self.profile.wire) {
            Ok(decoded) => decoded,
            Err(error) => return Accepted::Bad { msg_id: None, fault: (&error).into() },
        };
        let header = &message.header;
        let msg_id = Some(header.msg_id);
        let of_session = header.session_id.as_str().eq_ignore_ascii_case(self.common.session.as_str());
        if !of_session || header.target.uri != self.profile.device.as_str() {
            return Accepted::Bad { msg_id, fault: PeerFault::ForeignSession };
        }
        // A network may deliver a reply twice, or after the next one was asked for.
        let runs = |command: &Command| matches!(command, Command::Exec(_));
        let is_planted = core_kit::planted!("D29-stale-reply") && message.commands.iter().any(runs);
        if header.msg_id <= self.common.heard && !is_planted {
            return Accepted::Ignore { msg_id, fault: PeerFault::StaleMessage(header.msg_id) };
        }
        match own_status(&message, self.common.sent) {
            Some(status) => {
                let sender =
                    Sender { presented: Presented::of(packet, &message.header), identity: packet.identity.clone() };
                Accepted::Message { message: message.into(), status, deviations, sender }
            }
            None => Accepted::Ignore { msg_id, fault: PeerFault::WrongReference },
        }
    }

    fn apply(&mut self, env: &Env, input: Input, accepted: Accepted, kept: Option<Arc<Stable>>, out: &mut Vec<Output>) {
        match accepted {
            Accepted::Nothing => {}
            Accepted::Wake => self.wake(env.now, out),
            Accepted::Ignore { msg_id, fault } => out.push(Output::Report(Report::Fault { msg_id, fault })),
            Accepted::Bad { msg_id, fault } => {
                out.push(Output::Report(Report::Fault { msg_id, fault: fault.clone() }));
                self.lost(env.now, Some(fault), out);
            }
            Accepted::SendFailed(Failure::Temporary) => self.lost(env.now, None, out),
            Accepted::SendFailed(Failure::Permanent) => self.end(Outcome::Unreachable, out),
            Accepted::Alert(new) => {
                self.common.now = env.now;
                self.common.revision += 1;
                self.take_alert(new);
            }
            Accepted::Start(trigger) => {
                let Some(note) = self.leave_rest(env, input, kept) else { return };
                let next = self.start(env, trigger);
                self.enter(PhaseKind::Fresh, EventKind::Started, next, note, out);
            }
            Accepted::Abort(reason) => {
                if matches!(self.phase, Phase::Rest(Rest::Fresh)) {
                    return self.end(Outcome::Aborted(reason), out);
                }
                let Some(note) = self.leave_rest(env, input, kept) else { return };
                let draft = Draft {
                    alert: Some(AlertCode::SESSION_ABORT),
                    end: Some(Outcome::Aborted(reason)),
                    ..Draft::default()
                };
                let next = self.sign_and_send(env, draft, out);
                self.enter(PhaseKind::Waiting, EventKind::Received, next, note, out);
            }
            Accepted::Message { message, status, deviations, sender } => {
                if !deviations.is_empty() {
                    out.push(Output::Report(Report::Deviated(deviations)));
                }
                let Some(note) = self.leave_rest(env, input, kept) else { return };
                let next = self.receive(env, message, status, sender, out);
                self.enter(PhaseKind::Waiting, EventKind::Received, next, note, out);
            }
            Accepted::Answer => {
                let Input::Answered(answer) = input else { return };
                let Some((asking, mut note)) = self.phase.take_question() else { return };
                if let Some(since) = &mut note {
                    since.push(env, Input::Answered(answer.clone()));
                }
                let from = asking.kind();
                let (event, next) = match (*asking, answer) {
                    (Asking::Gathering(_), Answer::Tree { results, .. }) => {
                        let mut info = Vec::with_capacity(results.len());
                        for result in results.into_iter().filter(|result| result.status.is_success()) {
                            info.extend(result.found);
                        }
                        self.common.device_info = Arc::new(info);
                        let draft = Draft { opening: true, ..Draft::default() };
                        (EventKind::Answered, self.sign_and_send(env, draft, out))
                    }
                    (Asking::Applying(_, Doing::Plan(work)), Answer::Tree { results, .. }) => {
                        (EventKind::Answered, self.applied(env, work, results, out))
                    }
                    (Asking::Applying(ops, Doing::Part(draft)), Answer::Tree { results, .. }) => {
                        (EventKind::Answered, self.read(env, &ops, *draft, results, out))
                    }
                    (Asking::Consenting(user), Answer::User { reply, .. }) => {
                        (EventKind::Answered, self.consented(env, &user.prompt, &reply))
                    }
                    (Asking::Prompting(_, work), Answer::User { reply, .. }) => {
                        (EventKind::Answered, self.replied(env, work, &reply, out))
                    }
                    (Asking::Signing(question, draft), Answer::Sign { signature, .. }) => {
                        (EventKind::Signed, self.signed(env, *draft, question.request.scheme, signature, out))
                    }
                    (Asking::Sealing(_, written), Answer::Sign { signature, .. }) => {
                        (EventKind::Signed, self.release(env, written, signature.as_ref(), out))
                    }
                    (Asking::Authenticating(question, held), Answer::Authenticate { verdict, .. }) => {
                        self.judged(env, &question.claim, &held, verdict, out)
                    }
                    // accept() has let no other pair through.
                    (asking, _) => (EventKind::Answered, Next::Ask(asking.into())),
                };
                self.enter(from, event, next, note, out);
            }
        }
    }

    /// Begins to work on an input; with what the session is stored as until that is done.
    fn leave_rest(&mut self, env: &Env, input: Input, kept: Option<Arc<Stable>>) -> Option<Note> {
        let rest = self.phase.leave()?;
        let note = self.is_recorded.then(|| {
            let mut since = kept.map_or_else(|| Since::at_rest(self.common.clone(), rest), Since::from);
            since.push(env, input);
            since
        });
        Some(note)
    }

    fn start(&mut self, env: &Env, trigger: Trigger) -> Next {
        self.common.now = env.now;
        let prompt;
        (self.common.start, self.common.session, prompt) = match trigger {
            Trigger::Client(session) => (AlertCode::CLIENT_INITIATED, session, None),
            Trigger::Server(session) => (AlertCode::SERVER_INITIATED, session, None),
            Trigger::Announced { session, prompt } => (AlertCode::SERVER_INITIATED, session, Some(prompt)),
        };
        match prompt {
            Some(prompt) => Next::Ask(Asking::Consenting(User { id: self.next_question(), prompt }).into()),
            None => self.gather(env),
        }
    }

    /// Begins the session, unless the user was asked and did not agree.
    fn consented(&mut self, env: &Env, prompt: &Prompt, reply: &Reply) -> Next {
        let agreed = match reply {
            Reply::Given(response) | Reply::TimedOut { default: Some(response) } => *response == Response::Yes,
            _ => false,
        };
        self.common.now = env.now;
        if agreed || prompt.wanted == Wanted::Attention { self.gather(env) } else { Next::over(Outcome::Declined) }
    }

    fn gather(&mut self, env: &Env) -> Next {
        let ops: Arc<[Op]> = self.profile.device_info.iter().map(|uri| Op::Get { uri: uri.clone() }).collect();
        Next::Ask(Asking::Gathering(Ops::new(self.next_question(), env.wall, None, ops)).into())
    }

    /// The message or its reply was lost.
    fn lost(&mut self, now: Tick, fault: Option<PeerFault>, out: &mut Vec<Output>) {
        if let Phase::Rest(Rest::Waiting(waiting)) = &self.phase {
            // Already waiting to send again: the same loss is not counted twice.
            if matches!(waiting.wait, Wait::Reply(_)) {
                let waiting = waiting.clone();
                self.try_again(now, waiting, fault, Outcome::Unreachable, out);
            }
        }
    }

    fn wake(&mut self, now: Tick, out: &mut Vec<Output>) {
        if let Phase::Rest(Rest::Waiting(waiting)) = &self.phase
            && matches!(waiting.wait, Wait::Pause(until) if until <= now)
        {
            let mut waiting = waiting.clone();
            self.common.now = now;
            waiting.wait = Wait::Reply(now + self.profile.retry.response_ms);
            if core_kit::planted!("D05-sent-anew")
                && let packet = &mut waiting.request.packet
                && let Ok(mut read) = wire::decode(packet.encoding, &packet.body, &self.profile.wire)
            {
                self.common.sent = self.common.sent.next();
                read.message.header.msg_id = self.common.sent;
                packet.body = wire::encode(packet.encoding, &read.message).unwrap_or_default().into();
            }
            out.push(Output::Send(waiting.request.clone()));
            self.rest(EventKind::Retried, Rest::Waiting(waiting));
        }
    }

    /// Changes phase, and asks what the new one asks.
    fn enter(&mut self, from: PhaseKind, event: EventKind, next: Next, note: Note, out: &mut Vec<Output>) {
        let event = if next.kind() == PhaseKind::Over { EventKind::Ended } else { event };
        self.walk(from, event, next.kind());
        if let Next::Rest(Rest::Over(outcome)) = &next {
            out.push(Output::Finished(outcome.clone()));
            self.common.forget();
        }
        self.phase = match next {
            Next::Rest(rest) => Phase::Rest(rest),
            Next::Ask(asking) => {
                out.push(Output::Ask(asking.question()));
                Phase::Asking(asking, note)
            }
        };
        self.common.revision += 1;
    }

    /// Changes from one phase between messages to another.
    fn rest(&mut self, event: EventKind, rest: Rest) {
        self.walk(PhaseKind::Waiting, event, rest.kind());
        self.phase = Phase::Rest(rest);
        self.common.revision += 1;
    }

    fn end(&mut self, outcome: Outcome, out: &mut Vec<Output>) {
        out.push(Output::Finished(outcome.clone()));
        self.walk(self.phase(), EventKind::Ended, PhaseKind::Over);
        self.phase = Phase::Rest(Rest::Over(outcome));
        self.common.revision += 1;
        self.common.forget();
    }

    /// Every change of phase is one of the table's.
    fn walk(&mut self, from: PhaseKind, event: EventKind, to: PhaseKind) {
        let row = Row { role: Role::Client, from, event, to };
        debug_assert!(row.is_legal(), "{row:?}");
        self.walked = Some(row);
    }

    fn next_question(&mut self) -> QuestionId {
        self.common.asked += 1;
        QuestionId(self.common.asked)
    }
}

/// Where the server's status for the header of message `sent` is.
fn own_status(message: &Message, sent: MsgId) -> Option<usize> {
    message.commands.iter().position(|command| match command {
        Command::Status(status) => {
            status.is_for_header() && (status.msg_ref == sent || core_kit::planted!("D29-stale-reply"))
        }
        _ => false,
    })
}

/// An input that fits the state, read.
enum Accepted {
    /// Nothing to do.
    Nothing,
    /// A timer may be due.
    Wake,
    /// Open the session.
    Start(Trigger),
    /// The message did not get through.
    SendFailed(Failure),
    /// A reply that is not for the message out.
    Ignore { msg_id: Option<MsgId>, fault: PeerFault },
    /// A reply that is no good: as if none had come.
    Bad { msg_id: Option<MsgId>, fault: PeerFault },
    /// The reply, with the place of the status for the header.
    Message { message: Box<Message>, status: usize, deviations: Deviations, sender: Sender },
    /// The input is an answer to the open question.
    Answer,
    /// The embedder gives up.
    Abort(Reason),
    /// Something to tell the server.
    Alert(NewAlert),
}

impl Machine for Session {
    type Input = Input;
    type Output = Output;
    type Misuse = Misuse;
    type Why = Why;

    fn handle(&mut self, env: &Env, input: Input, out: &mut Vec<Output>) -> Result<(), Misuse> {
        let env = Env { now: env.now.max(self.common.now), ..*env };
        let accepted = self.accept(&input, env.now)?;
        let (start, kept) = (out.len(), self.kept.take());
        let has_expired = self.expire(env.now, out);
        self.apply(&env, input, accepted, kept.filter(|_| !has_expired), out);
        if let Some(new) = out.get_mut(start..) {
            new.sort_by_key(Output::rank);
        }
        Ok(())
    }

    fn deadline(&self) -> Option<Deadline<Why>> {
        let Phase::Rest(Rest::Waiting(waiting)) = &self.phase else { return None };
        Some(match waiting.wait {
            Wait::Reply(_) if core_kit::planted!("D06-waits-for-ever") => return None,
            Wait::Reply(at) => Deadline { at, why: Why::Response },
            Wait::Pause(at) => Deadline { at, why: Why::Retry },
        })
    }
}

impl Durable for Session {
    type Snapshot = Snapshot;
    type Profile = Profile;
    type RestoreError = RestoreError;

    const NAME: &'static str = "dm.client";
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
            Self::Ask(_) | Self::Send(_) => 1,
            Self::Finished(_) => 2,
        }
    }
}
