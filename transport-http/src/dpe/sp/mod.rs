//! A service provider on HTTP: asks, and hears of what it asked for.
//!
//! The server decides where answers and reports go, by what was settled with the SP:
//!
//! | settled | answers | reports |
//! |---|---|---|
//! | sync, no callback | as replies | fetched: [`Reports::Fetched`] |
//! | sync, a callback | as replies | at the callback: [`callback`] |
//! | callback | at the callback | at the callback |

use std::{collections::VecDeque, future::Future, pin::pin, time::Duration};

use core_kit::{
    Body, Env, Machine, Millis,
    journal::{RecordOf, step},
};
use dpe_core::{
    ids::{SpId, dpe3},
    sp::{Input, Misuse, Output, Request, Sp},
};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri};
use tokio::{
    sync::{mpsc, oneshot},
    task::JoinSet,
    time::{Instant, sleep, sleep_until},
};
use tracing::{debug, warn};

use super::{
    SP_ID,
    client::{BadServer, path},
    post::{Lost, Reply, exchange},
};
use crate::{env, outgoing::Outgoing};

mod callback;

pub use callback::{Origin, callback};

/// How often a request is sent that cannot have arrived.
const TRIES_MAX: u32 = 4;
/// Inputs, and outputs, that wait for somebody to take them.
const QUEUE_MAX: usize = 256;
/// How much longer than the server an SP waits for the end of a poll.
const POLL_SLACK: u64 = 10_000;

/// How an SP gets its reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reports {
    /// It keeps a poll open.
    Fetched,
    /// They come to its callback.
    Posted,
}

/// How the driver works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// How reports come.
    pub reports: Reports,
    /// How long one exchange may take. In sync mode longer than the server needs:
    /// [`reply_patience`](super::reply_patience) [DPE digest H7].
    pub response_ms: Millis,
    /// Requests that are on their way at once: less than the server's `sp.max_connections`, the poll being one too.
    pub exchanges_max: usize,
    /// How long the server is asked to keep a poll open.
    pub poll_wait: Millis,
    /// The pause after the first failure; it doubles with each.
    pub pause_ms: Millis,
    /// The longest pause.
    pub pause_max: Millis,
}

impl Settings {
    /// Six exchanges of three minutes at most, and reports that are fetched.
    pub const DEFAULT: Self = Self {
        reports: Reports::Fetched,
        response_ms: Millis::from_secs(180),
        exchanges_max: 6,
        poll_wait: Millis::from_secs(30),
        pause_ms: Millis::from_secs(1),
        pause_max: Millis::from_secs(60),
    };
}

impl Default for Settings {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// What the driver is told.
enum Call {
    Request(Request, oneshot::Sender<Result<(), Misuse>>),
    /// What came to the callback, and whom to tell that it was taken.
    Received(Body, oneshot::Sender<()>),
}

/// How requests get to an SP that is driven. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Handle(mpsc::Sender<Call>);

/// Why a request was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotTaken {
    /// The SP refuses it.
    #[error(transparent)]
    Refused(#[from] Misuse),
    /// The driver has ended.
    #[error("the driver has ended")]
    Ended,
}

impl Handle {
    /// Gives the SP a request. Its end comes as [`Output::Done`], exactly once.
    ///
    /// # Errors
    /// The SP refuses it, or the driver has ended.
    pub async fn request(&self, request: Request) -> Result<(), NotTaken> {
        let (tell, told) = oneshot::channel();
        self.0.send(Call::Request(request, tell)).await.map_err(|_| NotTaken::Ended)?;
        told.await.map_err(|_| NotTaken::Ended)?.map_err(NotTaken::Refused)
    }

    /// Whether the driver has taken what came to the callback.
    async fn received(&self, message: Body) -> bool {
        let (tell, told) = oneshot::channel();
        self.0.try_send(Call::Received(message, tell)).is_ok() && told.await.is_ok()
    }
}

/// An SP that is not driven yet.
pub struct Drive {
    connections: Outgoing,
    requests: Uri,
    poll: String,
    id: SpId,
    settings: Settings,
    env: Box<dyn Fn() -> Env + Send + Sync>,
    bytes_max: usize,
    calls: mpsc::Receiver<Call>,
    outputs: mpsc::Sender<Output>,
}

/// What became of a request on its way.
type Sent = (dpe3::MessageId, Result<Reply, Lost>);

impl Drive {
    /// The driver of an SP at a server, as `https://dpe.example`; how requests get to it, and what it tells: everything but
    /// [`Output::Send`]. It waits until that is taken.
    ///
    /// # Errors
    /// The address is none of HTTP.
    pub fn new(
        profile: &dpe_core::sp::Profile,
        server: &str,
        connections: Outgoing,
        settings: Settings,
    ) -> Result<(Self, Handle, mpsc::Receiver<Output>), BadServer> {
        let (call, calls) = mpsc::channel(QUEUE_MAX);
        let (outputs, told) = mpsc::channel(QUEUE_MAX);
        let seconds = settings.poll_wait.0.div_ceil(1000);
        let drive = Self {
            connections,
            requests: path(server, "/sp")?,
            poll: format!("{}?wait={seconds}", path(server, "/sp/poll")?),
            id: profile.id.clone(),
            settings,
            env: Box::new(env::now),
            bytes_max: profile.wire.message_bytes_max,
            calls,
            outputs,
        };
        Ok((drive, Handle(call), told))
    }

    /// The same with another clock and other entropy.
    #[must_use]
    pub fn with_env(self, env: impl Fn() -> Env + Send + Sync + 'static) -> Self {
        Self { env: Box::new(env), ..self }
    }

    /// Drives `sp` until `shutdown` comes, or nobody hears what it tells any more. Each step is added to `journal`, where
    /// there is one.
    pub async fn run(
        mut self,
        sp: &mut Sp,
        mut journal: Option<&mut Vec<RecordOf<Sp>>>,
        shutdown: impl Future<Output = ()> + Send,
    ) {
        let mut shutdown = pin!(shutdown);
        let mut waiting = VecDeque::new();
        let mut exchanges: JoinSet<Sent> = JoinSet::new();
        let mut polls: JoinSet<()> = JoinSet::new();
        // A slow listener slows the polls down, too.
        let (fetched, mut fetching) = mpsc::channel(1);
        if self.settings.reports == Reports::Fetched {
            polls.spawn(self.fetch(fetched));
        }
        loop {
            while exchanges.len() < self.settings.exchanges_max.max(1) {
                let Some((id, message)) = waiting.pop_front() else { break };
                exchanges.spawn(self.post(id, message));
            }
            let due = sp.deadline().map(|due| due.at.0.saturating_sub((self.env)().now.0));
            let due = due.map(|left| Instant::now() + Duration::from_millis(left));
            let (input, taken) = tokio::select! {
                () = &mut shutdown => return,
                () = self.outputs.closed() => return,
                () = until(due) => (Input::Wake, Taken::Nobody),
                Some(call) = self.calls.recv() => match call {
                    Call::Request(request, tell) => (Input::Request(request), Taken::Asker(tell)),
                    Call::Received(message, tell) => (Input::Received(message), Taken::Poster(tell)),
                },
                Some(message) = fetching.recv() => (Input::Received(message), Taken::Nobody),
                Some(sent) = exchanges.join_next() => match sent.map(came_to) {
                    Ok(Some(input)) => (input, Taken::Nobody),
                    // The answer comes later, or there is nobody to tell.
                    Ok(None) | Err(_) => continue,
                },
            };
            let outputs = match step(sp, &(self.env)(), input) {
                Ok(record) => {
                    let outputs = record.outputs.clone();
                    if let Some(journal) = &mut journal {
                        journal.push(record);
                    }
                    taken.say(Ok(()));
                    outputs
                }
                Err(misuse) => {
                    taken.say(Err(misuse));
                    continue;
                }
            };
            for output in outputs {
                match output {
                    Output::Send(id, message) => waiting.push_back((id, message)),
                    told => tokio::select! {
                        () = &mut shutdown => return,
                        told = self.outputs.send(told) => if told.is_err() { return },
                    },
                }
            }
        }
    }

    /// Sends a request; again, the same bytes, only where it cannot have arrived.
    fn post(&self, id: dpe3::MessageId, message: Body) -> impl Future<Output = Sent> + use<> {
        let (connections, to, settings, bytes_max) =
            (self.connections.clone(), self.requests.clone(), self.settings, self.bytes_max);
        async move {
            let mut tries = 1;
            loop {
                let sent =
                    exchange(&connections, &to, HeaderMap::new(), Some(&message), settings.response_ms, bytes_max)
                        .await;
                let is_passing = match &sent {
                    Ok(reply) => reply.status == StatusCode::SERVICE_UNAVAILABLE,
                    Err(lost) => lost.is_unsent(),
                };
                if !is_passing || tries >= TRIES_MAX {
                    return (id, sent);
                }
                sleep(pause(&settings, tries)).await;
                tries += 1;
            }
        }
    }

    /// Keeps a poll open, one after the other.
    fn fetch(&self, fetched: mpsc::Sender<Body>) -> impl Future<Output = ()> + use<> {
        let (connections, settings, bytes_max) = (self.connections.clone(), self.settings, self.bytes_max);
        let to = self.poll.parse::<Uri>().unwrap_or_default();
        let name = HeaderValue::from_str(self.id.as_str()).ok();
        let headers: HeaderMap = name.map(|name| (HeaderName::from_static(SP_ID), name)).into_iter().collect();
        let patience = Millis(settings.poll_wait.0.saturating_add(POLL_SLACK));
        async move {
            let mut failures = 0_u32;
            loop {
                let began = Instant::now();
                let came = exchange(&connections, &to, headers.clone(), None, patience, bytes_max).await;
                let is_long = began.elapsed() >= Duration::from_millis(settings.pause_ms.0);
                let is_fine = match came {
                    Ok(Reply { message: Some(message), .. }) => {
                        if fetched.send(message).await.is_err() {
                            return;
                        }
                        true
                    }
                    // One that ends at once was ended by another poll, or by a server that keeps none open.
                    Ok(reply) => reply.status == StatusCode::NO_CONTENT && is_long,
                    Err(error) => {
                        debug!(%error, "poll failed");
                        false
                    }
                };
                failures = if is_fine { 0 } else { failures.saturating_add(1) };
                if failures > 0 {
                    sleep(pause(&settings, failures)).await;
                }
            }
        }
    }
}

/// Who waits to hear that an input was taken.
enum Taken {
    Nobody,
    Asker(oneshot::Sender<Result<(), Misuse>>),
    Poster(oneshot::Sender<()>),
}

impl Taken {
    fn say(self, taken: Result<(), Misuse>) {
        match self {
            Self::Nobody => {}
            // Whoever asked may have gone.
            Self::Asker(tell) => drop(tell.send(taken)),
            Self::Poster(tell) => drop(tell.send(())),
        }
    }
}

/// What an exchange means to the SP.
fn came_to((id, sent): Sent) -> Option<Input> {
    match sent {
        Ok(Reply { message: Some(message), .. }) => Some(Input::Received(message)),
        Ok(Reply { status: StatusCode::ACCEPTED, .. }) => None,
        Ok(reply) => {
            warn!(status = reply.status.as_u16(), "request refused");
            Some(Input::SendFailed(id))
        }
        Err(error) => {
            debug!(%error, "request not delivered");
            Some(Input::SendFailed(id))
        }
    }
}

fn pause(settings: &Settings, failures: u32) -> Duration {
    let doubled = settings.pause_ms.0.saturating_mul(1_u64 << failures.saturating_sub(1).min(32));
    Duration::from_millis(doubled.min(settings.pause_max.0))
}

async fn until(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at).await,
        None => std::future::pending().await,
    }
}
