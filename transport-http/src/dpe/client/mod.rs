//! A DPE Client on HTTP: sends, keeps a poll open or listens, asks the device, and wakes on time.

use std::{
    collections::VecDeque,
    future::Future,
    net::IpAddr,
    pin::{Pin, pin},
    time::Duration,
};

use async_trait::async_trait;
use core_kit::{
    Body, Env, Machine, Millis,
    journal::{RecordOf, step},
};
use dpe_core::{
    client::{Channel, Client, Input, Misuse, Output, PhaseKind, Report},
    property::Reading,
    wire::PropertyName,
};
use http::{HeaderMap, StatusCode};
use tokio::{
    sync::mpsc,
    time::{Instant, sleep_until},
};
use tracing::{debug, warn};

use super::post::{Lost, Reply};
use crate::{env, limits::duration};

mod link;
mod listen;

pub(crate) use link::path;
pub use link::{BadServer, Link};
pub use listen::{Ear, listen};

/// Messages that wait to be sent. Beyond, the oldest answers and reports are dropped.
const WAITING_MAX: usize = 256;
/// How often a message is sent that does not arrive.
const TRIES_MAX: u32 = 6;

/// The device behind the client.
#[async_trait]
pub trait Agent: Send {
    /// What these properties are worth now: each with its value, or with 16 if the name means nothing here, or with 40 if
    /// this device has no such property. A name that is left out is told to have no result.
    async fn read(&mut self, names: &[PropertyName]) -> Vec<Reading>;

    /// Takes note of what the client tells.
    fn report(&mut self, _: &Report) {}
}

/// How long the driver waits, and for what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// How long one exchange may take.
    pub response_ms: Millis,
    /// How long the server is asked to keep a poll open.
    pub poll_wait: Millis,
    /// The pause after the first failure; it doubles with each. A poll that ends at once without anything is one.
    pub pause_ms: Millis,
    /// The longest pause.
    pub pause_max: Millis,
}

impl Timing {
    /// Polls of half a minute; pauses from one second to five minutes.
    pub const DEFAULT: Self = Self {
        response_ms: Millis::from_secs(30),
        poll_wait: Millis::from_secs(30),
        pause_ms: Millis::from_secs(1),
        pause_max: Millis::from_secs(300),
    };
}

impl Default for Timing {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// Everything around a client that is driven.
///
/// [`run`](Self::run) may be dropped at any point: the client is then between two steps, or has an open question that
/// the next run answers first.
pub struct Drive<'a> {
    link: Link,
    agent: &'a mut dyn Agent,
    timing: Timing,
    env: Box<dyn Fn() -> Env + Send + Sync>,
    inputs: Option<mpsc::Receiver<Input>>,
    ear: Option<Ear>,
    journal: Option<&'a mut Vec<RecordOf<Client>>>,
}

type Exchange = Pin<Box<dyn Future<Output = Result<Reply, Lost>> + Send>>;

/// What has happened.
enum Event {
    Stop,
    Due,
    Told(Option<Input>),
    Heard(Option<(IpAddr, Body)>),
    Sent(Result<Reply, Lost>),
    Polled(Result<Reply, Lost>),
    Resume,
}

/// A doubling pause.
#[derive(Debug, Default)]
struct Pause {
    failures: u32,
    until: Option<Instant>,
}

impl Pause {
    fn fail(&mut self, timing: &Timing) {
        let pause = timing.pause_ms.0.saturating_mul(1_u64 << self.failures.min(32)).min(timing.pause_max.0);
        self.failures = self.failures.saturating_add(1);
        self.until = Some(Instant::now() + Duration::from_millis(pause));
    }

    fn is_over(&self) -> bool {
        self.until.is_none_or(|until| until <= Instant::now())
    }
}

/// What is on its way to the server. One message at a time, so that they arrive in order.
#[derive(Default)]
struct Uplink {
    waiting: VecDeque<(Channel, Body)>,
    /// Answers and reports that were ever put in.
    answers: u64,
    /// Messages of the server in which the client found a fault.
    faults: u64,
    tries: u32,
    pause: Pause,
    sending: Option<Exchange>,
}

impl Uplink {
    fn push(&mut self, channel: Channel, body: Body) {
        if channel == Channel::Messages {
            self.answers = self.answers.wrapping_add(1);
        }
        if channel == Channel::Register && self.waiting.iter().any(|(other, _)| *other == Channel::Register) {
            // What is left of an earlier try to register is not meant any more, unless it is on its way.
            let first = self.waiting.pop_front();
            self.waiting.retain(|(other, _)| *other != Channel::Register);
            match first {
                Some(first) if self.sending.is_some() || first.0 == Channel::Messages => self.waiting.push_front(first),
                _ => (self.tries, self.pause) = (0, Pause::default()),
            }
        }
        if self.waiting.len() >= WAITING_MAX {
            warn!("too many messages wait: one is dropped");
            // The first one may be on its way.
            self.waiting.remove(1);
        }
        self.waiting.push_back((channel, body));
    }

    /// Whether a later try to register has taken the place of what is first.
    fn is_overtaken(&self) -> bool {
        let mut channels = self.waiting.iter().map(|(channel, _)| *channel);
        channels.next() == Some(Channel::Register) && channels.any(|channel| channel == Channel::Register)
    }

    fn done(&mut self) {
        self.waiting.pop_front();
        self.tries = 0;
        self.pause = Pause::default();
    }
}

/// The poll that is open, and under which name.
#[derive(Default)]
struct Downlink {
    headers: HeaderMap,
    began: Option<Instant>,
    pause: Pause,
    open: Option<Exchange>,
}

impl<'a> Drive<'a> {
    /// A client that is at the other end of `link`, and polls; questions go to `agent`.
    pub fn new(link: Link, agent: &'a mut dyn Agent) -> Self {
        let (timing, env) = (Timing::DEFAULT, Box::new(env::now));
        Self { link, agent, timing, env, inputs: None, ear: None, journal: None }
    }

    /// The same with other pauses.
    #[must_use]
    pub fn with_timing(self, timing: Timing) -> Self {
        Self { timing, ..self }
    }

    /// The same with another clock and other entropy.
    #[must_use]
    pub fn with_env(self, env: impl Fn() -> Env + Send + Sync + 'static) -> Self {
        Self { env: Box::new(env), ..self }
    }

    /// The same, with what the device has to tell meanwhile: samples, another identity, whether a session is wanted.
    #[must_use]
    pub fn with_inputs(self, inputs: mpsc::Receiver<Input>) -> Self {
        Self { inputs: Some(inputs), ..self }
    }

    /// The same, listening and not polling: `ear` hears what comes to the `Contact` of the client's profile.
    #[must_use]
    pub fn listening(self, ear: Ear) -> Self {
        Self { ear: Some(ear), ..self }
    }

    /// The same, adding every step to `journal`.
    #[must_use]
    pub fn recording(self, journal: &'a mut Vec<RecordOf<Client>>) -> Self {
        Self { journal: Some(journal), ..self }
    }

    /// Starts `client`, which registers, and drives it until `shutdown` comes.
    ///
    /// What does not arrive is sent again, the same bytes, with pauses; after six tries it is dropped, and the timers of
    /// both ends see to the rest.
    ///
    /// # Errors
    /// The client knows no server, or an input from outside answers a question.
    pub async fn run(mut self, client: &mut Client, shutdown: impl Future<Output = ()> + Send) -> Result<(), Misuse> {
        let mut shutdown = pin!(shutdown);
        let (mut uplink, mut downlink) = (Uplink::default(), Downlink::default());
        let mut polled = None;
        let open = client.pending();
        let mut todo = VecDeque::from([Input::Start]);
        if let Some(question) = open {
            let readings = self.agent.read(&question.names).await;
            todo.push_front(question.answer(readings));
        }
        loop {
            while let Some(input) = todo.pop_front() {
                let asked = self.step(client, input, &mut uplink)?;
                if let Some(question) = asked {
                    let readings = tokio::select! {
                        () = &mut shutdown => return Ok(()),
                        readings = self.agent.read(&question.names) => readings,
                    };
                    // Nothing else is taken before the answer.
                    todo.push_front(question.answer(readings));
                }
            }
            match polled.take() {
                Some((answers, faults)) if answers != uplink.answers && faults == uplink.faults => {
                    downlink.pause.failures = 0;
                }
                // It came to nothing: a server that goes on so is not asked all the time.
                Some(_) => downlink.pause.fail(&self.timing),
                None => {}
            }
            self.send(client, &mut uplink);
            self.poll(client, &mut downlink);
            let event = self.wait(client, &mut uplink, &mut downlink, &mut shutdown).await;
            match event {
                Event::Stop => return Ok(()),
                Event::Due => todo.push_back(Input::Wake),
                Event::Told(input) => {
                    if input.is_none() {
                        self.inputs = None;
                    }
                    todo.extend(input);
                }
                Event::Heard(Some((peer, message))) => {
                    if let Some(ear) = &mut self.ear {
                        let sender = tokio::select! {
                            () = &mut shutdown => return Ok(()),
                            sender = ear.sender(peer, self.link.host()) => sender,
                        };
                        todo.push_back(Input::Received(sender, message));
                    }
                }
                // Whatever listened has ended: the client polls instead.
                Event::Heard(None) => self.ear = None,
                Event::Sent(came) => todo.extend(self.sent(&mut uplink, came)),
                Event::Polled(came) => {
                    let received = self.polled(&mut downlink, came);
                    polled = received.is_some().then_some((uplink.answers, uplink.faults));
                    todo.extend(received);
                }
                Event::Resume => {}
            }
        }
    }

    /// One step; the question that it leaves open.
    fn step(
        &mut self,
        client: &mut Client,
        input: Input,
        uplink: &mut Uplink,
    ) -> Result<Option<dpe_core::client::Properties>, Misuse> {
        let record = step(client, &(self.env)(), input)?;
        let outputs = record.outputs.clone();
        if let Some(journal) = &mut self.journal {
            journal.push(record);
        }
        let mut asked = None;
        for output in outputs {
            match output {
                Output::Report(report) => {
                    note(&report);
                    uplink.faults = uplink.faults.wrapping_add(u64::from(is_fault(&report)));
                    self.agent.report(&report);
                }
                Output::Ask(question) => asked = Some(question),
                Output::Send(channel, body) => uplink.push(channel, body),
            }
        }
        Ok(asked)
    }

    fn send(&self, client: &Client, uplink: &mut Uplink) {
        if uplink.sending.is_some() || !uplink.pause.is_over() {
            return;
        }
        let Some((channel, body)) = uplink.waiting.front().cloned() else { return };
        uplink.tries += 1;
        uplink.sending = Some(self.link.send(channel, client.token(), body, self.timing.response_ms));
    }

    /// What a message of the client came to.
    fn sent(&self, uplink: &mut Uplink, came: Result<Reply, Lost>) -> Option<Input> {
        uplink.sending = None;
        let is_passing = match &came {
            Ok(reply) if reply.status.is_success() => {
                uplink.done();
                return came.ok().and_then(|reply| reply.message).map(|message| self.received(message));
            }
            Ok(reply) => {
                debug!(status = reply.status.as_u16(), "message refused");
                reply.status == StatusCode::SERVICE_UNAVAILABLE
            }
            Err(error) => {
                debug!(%error, "message not delivered");
                true
            }
        };
        if is_passing && uplink.tries < TRIES_MAX && !uplink.is_overtaken() {
            uplink.pause.fail(&self.timing);
        } else {
            warn!("a message is given up");
            uplink.done();
        }
        None
    }

    fn received(&self, message: Body) -> Input {
        Input::Received(self.link.server(), message)
    }

    /// Keeps a poll open while there is a Client-ID, unless the client listens.
    fn poll(&self, client: &Client, downlink: &mut Downlink) {
        let is_there = matches!(client.phase(), PhaseKind::Registered | PhaseKind::AwaitResponse);
        let named = client.client_id().filter(|_| is_there && self.ear.is_none());
        let Some(id) = named else {
            *downlink = Downlink::default();
            return;
        };
        let headers = link::names(id, client.token());
        if headers != downlink.headers {
            // Under the old name nothing comes any more.
            *downlink = Downlink { headers, ..Downlink::default() };
        }
        if downlink.open.is_none() && downlink.pause.is_over() {
            downlink.began = Some(Instant::now());
            downlink.open = Some(self.link.poll(downlink.headers.clone(), &self.timing));
        }
    }

    fn polled(&self, downlink: &mut Downlink, came: Result<Reply, Lost>) -> Option<Input> {
        downlink.open = None;
        let lasted = downlink.began.take().map(|began| began.elapsed()).unwrap_or_default();
        let message = match came {
            Ok(Reply { message: Some(message), .. }) => Some(message),
            // One that ends at once was ended by another poll, or by a server that keeps none open.
            Ok(Reply { status: StatusCode::NO_CONTENT, .. }) if lasted >= duration(self.timing.pause_ms) => None,
            Ok(reply) => {
                debug!(status = reply.status.as_u16(), "poll ended early");
                downlink.pause.fail(&self.timing);
                return None;
            }
            Err(error) => {
                debug!(%error, "poll failed");
                downlink.pause.fail(&self.timing);
                return None;
            }
        };
        downlink.pause.until = None;
        if message.is_none() {
            downlink.pause.failures = 0;
        }
        message.map(|message| self.received(message))
    }

    async fn wait(
        &mut self,
        client: &Client,
        uplink: &mut Uplink,
        downlink: &mut Downlink,
        shutdown: &mut Pin<&mut (impl Future<Output = ()> + Send)>,
    ) -> Event {
        let now = (self.env)().now;
        let due = client.deadline().map(|due| Instant::now() + Duration::from_millis(due.at.0.saturating_sub(now.0)));
        // A pause that is over has been used up by what follows it.
        let paused = [
            uplink.pause.until.filter(|_| uplink.sending.is_none() && !uplink.waiting.is_empty()),
            downlink.pause.until.filter(|_| downlink.open.is_none() && !downlink.headers.is_empty()),
        ];
        let paused = paused.into_iter().flatten().min();
        tokio::select! {
            () = shutdown.as_mut() => Event::Stop,
            () = until(due) => Event::Due,
            input = receive(self.inputs.as_mut()) => Event::Told(input),
            heard = listen::hear(self.ear.as_mut()) => Event::Heard(heard),
            came = outcome(uplink.sending.as_mut()) => Event::Sent(came),
            came = outcome(downlink.open.as_mut()) => Event::Polled(came),
            () = until(paused) => Event::Resume,
        }
    }
}

/// Says in the log what may be said there.
fn note(report: &Report) {
    match report {
        Report::Registered(client) => debug!(%client, "registered"),
        Report::Refused(code) => warn!(code = code.0, "registration refused"),
        Report::ServerError(code) => debug!(code = code.0, "the server finds a fault"),
        Report::ForeignSender => warn!("a message of somebody else was ignored"),
        _ => {}
    }
}

/// Whether the server said something that it should not have said.
const fn is_fault(report: &Report) -> bool {
    matches!(
        report,
        Report::Faulty(_)
            | Report::Unreadable
            | Report::ForeignSender
            | Report::ForeignClientId
            | Report::Unexpected(_)
            | Report::ServerError(_)
    )
}

async fn until(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at).await,
        None => std::future::pending().await,
    }
}

async fn receive(inputs: Option<&mut mpsc::Receiver<Input>>) -> Option<Input> {
    match inputs {
        Some(inputs) => inputs.recv().await,
        None => std::future::pending().await,
    }
}

async fn outcome(exchange: Option<&mut Exchange>) -> Result<Reply, Lost> {
    match exchange {
        Some(exchange) => exchange.await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(text: &str) -> Body {
        Body::from(text.to_owned())
    }

    #[test]
    fn what_waits_is_bounded_and_what_is_on_its_way_stays() {
        let mut uplink = Uplink::default();
        for n in 0..WAITING_MAX + 10 {
            uplink.push(Channel::Messages, message(&n.to_string()));
        }
        assert_eq!(uplink.waiting.len(), WAITING_MAX);
        assert_eq!(uplink.waiting[0].1, message("0"));
        assert_eq!(uplink.waiting[1].1, message("11"));
    }

    #[test]
    fn a_later_try_to_register_takes_the_place_of_an_earlier_one_that_has_not_left() {
        let mut uplink = Uplink::default();
        uplink.push(Channel::Register, message("1"));
        uplink.tries = 3;
        uplink.push(Channel::Messages, message("answer"));
        uplink.push(Channel::Register, message("2"));
        let bodies: Vec<_> = uplink.waiting.iter().map(|(_, body)| body.clone()).collect();
        assert_eq!((bodies, uplink.tries), (vec![message("answer"), message("2")], 0));
        uplink.done();
        uplink.sending = Some(Box::pin(std::future::pending()));
        uplink.push(Channel::Register, message("3"));
        assert!(uplink.is_overtaken());
        assert_eq!(uplink.waiting.len(), 2, "one is on its way");
    }

    #[tokio::test(start_paused = true)]
    async fn pauses_double_up_to_the_longest() {
        let timing = Timing { pause_ms: Millis(1_000), pause_max: Millis(5_000), ..Timing::DEFAULT };
        let mut pause = Pause::default();
        let spans: Vec<u64> = (0..5)
            .map(|_| {
                pause.fail(&timing);
                (pause.until.unwrap() - Instant::now()).as_secs()
            })
            .collect();
        assert_eq!(spans, [1, 2, 4, 5, 5]);
    }
}
