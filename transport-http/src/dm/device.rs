//! A device: drives a client session to its end.

use std::{collections::VecDeque, pin::Pin, time::Duration};

use async_trait::async_trait;
use core_kit::{
    Env, Machine, Millis, Tick,
    journal::{RecordOf, step},
};
use dm_core::{
    Packet,
    auth::{Claim, SignRequest, Signature, Verdict},
    client::{Input, Misuse, Ops, Output, Question, Report, Request, Retry, Session, Trigger},
    prompt::{Prompt, Reply},
    session::Outcome,
    tree::OpResult,
};
use tokio::time::sleep;
use tracing::debug;

use crate::dm::transport::{Transport, Undelivered};

/// Who answers the questions of a client session: the device behind the protocol.
#[async_trait]
pub trait Agent: Send {
    /// Does the operations in order; one result for each.
    async fn tree(&mut self, ops: &Ops) -> Vec<OpResult>;

    /// What the user says to a prompt of the server, of the kinds that the profile lists. The device waits for the user
    /// as long as the prompt says. Without a user interface it is not supported.
    async fn user(&mut self, _: &Prompt) -> Reply {
        Reply::NotSupported
    }

    /// The device's own credentials; nothing if it has none.
    async fn sign(&mut self, request: &SignRequest) -> Option<Signature>;

    /// Judges what the server claims to be.
    async fn authenticate(&mut self, claim: &Claim) -> Verdict;

    /// Takes note of what the session tells; of nonces above all, which the next session needs.
    async fn report(&mut self, report: &Report);
}

/// Opens `session` and drives it until it is over; how it ended.
///
/// Messages that get lost are sent again when the session says so. To go on with a restored session, or to record a
/// journal, use [`Drive`].
///
/// # Errors
/// The session was started before, or `agent` gave a wrong number of results. Nothing that a server does is an error.
pub async fn run_session(
    session: &mut Session,
    trigger: Trigger,
    transport: &dyn Transport,
    agent: &mut dyn Agent,
    env: &(dyn Fn() -> Env + Send + Sync),
) -> Result<Outcome, Misuse> {
    Drive::new(transport, agent, env).start(session, trigger).await
}

/// Everything around a session that is driven.
///
/// May be dropped at any point: the session is then between two steps, and [`resume`](Self::resume) takes it up again.
pub struct Drive<'a> {
    transport: &'a dyn Transport,
    agent: &'a mut dyn Agent,
    env: &'a (dyn Fn() -> Env + Send + Sync),
    journal: Option<&'a mut Vec<RecordOf<Session>>>,
    /// The session began with TLS: it does not go on without.
    secure: bool,
    /// The server wants to be left alone until then.
    not_before: Option<Tick>,
}

type Sending<'a> = Pin<Box<dyn Future<Output = Result<Packet, Undelivered>> + Send + 'a>>;

/// What has happened while the session waited.
enum Event {
    Came(Result<Packet, Undelivered>),
    Due,
}

impl<'a> Drive<'a> {
    /// Messages go over `transport`, questions go to `agent`; time and entropy come from `env`.
    #[must_use]
    pub fn new(
        transport: &'a dyn Transport,
        agent: &'a mut dyn Agent,
        env: &'a (dyn Fn() -> Env + Send + Sync),
    ) -> Self {
        Self { transport, agent, env, journal: None, secure: false, not_before: None }
    }

    /// The same, adding every step to `journal`.
    #[must_use]
    pub fn recording(self, journal: &'a mut Vec<RecordOf<Session>>) -> Self {
        Self { journal: Some(journal), ..self }
    }

    /// Opens a session and drives it until it is over.
    ///
    /// # Errors
    /// The session was started before, or the agent gave a wrong number of results.
    pub async fn start(mut self, session: &mut Session, trigger: Trigger) -> Result<Outcome, Misuse> {
        self.drive(session, Some(Input::Start(trigger)), None).await
    }

    /// Goes on with a session that was restored, or whose driving was dropped: asks the open question again, sends the
    /// message again that is out.
    ///
    /// # Errors
    /// The session was not started yet, or the agent gave a wrong number of results.
    pub async fn resume(mut self, session: &mut Session) -> Result<Outcome, Misuse> {
        if let Some(outcome) = session.outcome() {
            return Ok(outcome.clone());
        }
        let first = match session.pending() {
            Some(question) => Some(self.answer(question).await),
            None => None,
        };
        let sending = session.in_flight().cloned().map(|request| self.send(request));
        self.drive(session, first, sending).await
    }

    async fn drive(
        &mut self,
        session: &mut Session,
        first: Option<Input>,
        mut sending: Option<Sending<'a>>,
    ) -> Result<Outcome, Misuse> {
        let mut todo = VecDeque::from_iter(first);
        loop {
            while let Some(input) = todo.pop_front() {
                let record = step(session, &(self.env)(), input)?;
                let outputs = record.outputs.clone();
                if let Some(journal) = &mut self.journal {
                    journal.push(record);
                }
                for output in outputs {
                    match output {
                        Output::Report(report) => self.agent.report(&report).await,
                        Output::Ask(question) => todo.push_back(self.answer(question).await),
                        Output::Send(request) => sending = Some(self.send(request)),
                        Output::Finished(outcome) => {
                            // Only a message that wants no reply is out now; the outcome is known without it.
                            if let Some(sending) = sending.take() {
                                sending.await.map_or_else(|error| debug!(%error, "last words lost"), drop);
                            }
                            return Ok(outcome);
                        }
                    }
                }
            }
            let event = self.wait(session, &mut sending).await.ok_or(Misuse::NotWaiting)?;
            // Late is lost: the session counts this try as failed by now.
            sending = None;
            todo.push_back(match event {
                Event::Came(Ok(packet)) => Input::Received(packet),
                Event::Came(Err(error)) => self.failed(&error),
                Event::Due => Input::Wake,
            });
        }
    }

    /// Nothing if there is nothing to wait for. It borrows `self` alone, or the future could not move between threads.
    async fn wait(&mut self, session: &Session, sending: &mut Option<Sending<'a>>) -> Option<Event> {
        loop {
            let now = (self.env)().now;
            let deadline =
                session.deadline().map(|deadline| self.not_before.map_or(deadline.at, |t| deadline.at.max(t)));
            let left = deadline.map(|deadline| Duration::from_millis(deadline.0.saturating_sub(now.0)));
            match (sending.as_mut(), left) {
                (_, Some(Duration::ZERO)) => return Some(Event::Due),
                (Some(sending), Some(left)) => tokio::select! {
                    reply = sending => return Some(Event::Came(reply)),
                    () = sleep(left) => {}
                },
                (Some(sending), None) => return Some(Event::Came(sending.await)),
                (None, Some(left)) => sleep(left).await,
                (None, None) => return None,
            }
        }
    }

    fn send(&mut self, request: Request) -> Sending<'a> {
        let is_secure = request.url.get(..8).is_some_and(|scheme| scheme.eq_ignore_ascii_case("https://"));
        if self.secure && !is_secure {
            return Box::pin(async { Err(Undelivered::Insecure) });
        }
        self.secure = is_secure;
        let transport = self.transport;
        Box::pin(async move { transport.exchange(&request).await })
    }

    fn failed(&mut self, error: &Undelivered) -> Input {
        let failure = error.failure();
        debug!(%error, ?failure, "not delivered");
        let Millis(longest) = Retry::DEFAULT.longest_ms;
        self.not_before = error.retry_after().map(|Millis(wait)| (self.env)().now + Millis(wait.min(longest)));
        Input::SendFailed(failure)
    }

    async fn answer(&mut self, question: Question) -> Input {
        match question {
            Question::Tree(ops) => {
                let results = self.agent.tree(&ops).await;
                ops.answer(results)
            }
            Question::User(question) => {
                let reply = self.agent.user(&question.prompt).await;
                question.answer(reply)
            }
            Question::Sign(sign) => match self.agent.sign(&sign.request).await {
                Some(signature) => sign.answer(signature),
                None => sign.decline(),
            },
            Question::Authenticate(question) => {
                let verdict = self.agent.authenticate(&question.claim).await;
                question.answer(verdict)
            }
        }
    }
}
