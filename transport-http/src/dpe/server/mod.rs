//! A DPE Server on HTTP.
//!
//! One task owns the machines: it takes calls one after the other, fires timers, and hands out what machines want sent.
//! So nothing is ever half done, and a step never waits for the network. Requests become calls in [`router`]; beyond
//! [`Bounds::calls_max`] that wait they get 503.

use std::{future::Future, net::IpAddr, sync::Arc};

use core_kit::{Body, Env, Millis};
use dpe_core::{
    config::{Config, SpProfile},
    identity::Source,
    ids::{ClientId, SpId},
    server::{
        Profile,
        directory::Directory,
        router::{Effect, Router},
    },
};
use tokio::sync::{mpsc, oneshot};

use crate::{env, limits::Limits, outgoing::Outgoing};

mod boxes;
mod deliver;
mod engine;
mod hooks;
mod serve;

use engine::Engine;
pub use hooks::{Fact, Hooks};
pub use serve::router;

/// What the server bounds beside its configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// How long bodies may take, and the like.
    pub limits: Limits,
    /// Requests that wait for the machines. Beyond: 503.
    pub calls_max: usize,
    /// How long one delivery to a callback or a `Contact` may take.
    pub post_ms: Millis,
    /// The pause after the first delivery to a callback that failed; it doubles with each.
    pub pause_ms: Millis,
    /// Messages that wait for one SP. Beyond, new ones are dropped and counted.
    pub queue_max: usize,
    /// How long [`Hooks::filter`] may take.
    pub filter_ms: Millis,
}

impl Bounds {
    /// For a server that anybody can reach.
    pub const DEFAULT: Self = Self {
        limits: Limits::DEFAULT,
        calls_max: 1024,
        post_ms: Millis::from_secs(10),
        pause_ms: Millis::from_secs(1),
        queue_max: 1024,
        filter_ms: Millis::from_secs(5),
    };
}

impl Default for Bounds {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// A request that has been read, and where its answer goes.
enum Call {
    /// A message on DPE-1.
    Register(Source, Body, oneshot::Sender<Answer>),
    /// A message on DPE-2, and the Client-ID that its headers name.
    FromClient(Source, Option<String>, Body, oneshot::Sender<Answer>),
    /// A message on DPE-3.
    FromSp(Source, Body, oneshot::Sender<Answer>),
    /// A poll of a client that names itself so, and whether it waits.
    Poll(Source, Option<String>, bool, oneshot::Sender<Answer>),
    /// A poll of an SP.
    SpPoll(Source, Option<String>, bool, oneshot::Sender<Answer>),
    /// A client is to register again.
    Command(ClientId, String),
    /// An SP is taken on.
    AddSp(SpProfile),
    /// Somebody looks.
    Look(Box<dyn FnOnce(&Router) + Send>),
}

/// What the reply to a request is.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Answer {
    /// 200 and this message.
    Message(Body),
    /// 204.
    Nothing,
    /// 202: the answer goes to the callback.
    Later,
    /// The request is ignored.
    Ignored,
    /// 400.
    Unreadable,
    /// 503.
    Unavailable,
}

/// What stays the same for the life of a server.
struct Shared {
    profile: Profile,
    bounds: Bounds,
    hooks: Arc<dyn Hooks>,
    env: Box<dyn Fn() -> Env + Send + Sync>,
    connections: Outgoing,
}

impl Shared {
    fn config(&self) -> &Config {
        self.profile.config()
    }
}

/// A DPE Server that is not running yet.
pub struct Server {
    shared: Shared,
    router: Router,
    calls: (mpsc::Sender<Call>, mpsc::Receiver<Call>),
    handle: Handle,
}

/// Where requests go. Cheap to clone.
#[derive(Clone)]
pub struct Handle {
    calls: mpsc::Sender<Call>,
    front: Arc<serve::Front>,
}

impl Server {
    /// A server that knows nobody, on the clock of this machine; it delivers over `connections`.
    #[must_use]
    pub fn new(profile: &Profile, connections: Outgoing) -> Self {
        Self::with(profile, connections, Bounds::DEFAULT, Arc::new(()))
    }

    /// The same with other bounds, and with an embedder that has something to say.
    #[must_use]
    pub fn with(profile: &Profile, connections: Outgoing, bounds: Bounds, hooks: Arc<dyn Hooks>) -> Self {
        let calls = mpsc::channel(bounds.calls_max.max(1));
        let front = Arc::new(serve::Front::new(profile, bounds, hooks.clone()));
        let handle = Handle { calls: calls.0.clone(), front };
        let shared = Shared { profile: profile.clone(), bounds, hooks, env: Box::new(env::now), connections };
        Self { shared, router: Router::new(profile), calls, handle }
    }

    /// The same with another clock and other entropy.
    #[must_use]
    pub fn with_env(mut self, env: impl Fn() -> Env + Send + Sync + 'static) -> Self {
        self.shared.env = Box::new(env);
        self
    }

    /// Takes an SP on.
    pub fn add_sp(&mut self, sp: SpProfile) {
        self.router.add_sp(sp);
    }

    /// Keeps a journal of every machine: [`Handle::look`] sees the [`Router::journals`].
    pub fn record(&mut self) {
        self.router.record();
    }

    /// Who has which Client-ID, and which tokens there are.
    pub fn directory_mut(&mut self) -> &mut Directory {
        &mut self.router.directory
    }

    /// Where requests go.
    #[must_use]
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// Runs until `shutdown` comes. Polls that are open then end with 204, and requests without an answer with 503.
    pub async fn run(self, shutdown: impl Future<Output = ()>) {
        let Self { shared, router, calls: (_calls, inbox), handle: _ } = self;
        Engine::new(Arc::new(shared), router).run(inbox, shutdown).await;
    }
}

impl Handle {
    /// Makes a client register again. False if the server has ended.
    pub async fn command(&self, client: &ClientId, reason: &str) -> bool {
        self.calls.send(Call::Command(client.clone(), reason.into())).await.is_ok()
    }

    /// Takes an SP on. False if the server has ended.
    pub async fn add_sp(&self, sp: SpProfile) -> bool {
        self.calls.send(Call::AddSp(sp)).await.is_ok()
    }

    /// What `look` sees of the machines, between two steps; nothing if the server has ended.
    pub async fn look<T: Send + 'static>(&self, look: impl FnOnce(&Router) -> T + Send + 'static) -> Option<T> {
        let (tell, told) = oneshot::channel();
        let look = Box::new(move |router: &Router| {
            // Whoever asked may have gone.
            drop(tell.send(look(router)));
        });
        self.calls.send(Call::Look(look)).await.ok()?;
        told.await.ok()
    }

    /// The answer of the machines; a call that cannot be taken, and one that they let go, is `Unavailable`.
    async fn call(&self, call: impl FnOnce(oneshot::Sender<Answer>) -> Call) -> Answer {
        let (tell, told) = oneshot::channel();
        if self.calls.try_send(call(tell)).is_err() {
            return Answer::Unavailable;
        }
        told.await.unwrap_or(Answer::Unavailable)
    }
}

/// A message that was delivered, or was not.
enum Delivered {
    /// To the `Contact` of a client: the number of the request if it is one; nothing, or the answer and its sender.
    Contact(ClientId, Option<u64>, Result<Option<(Body, IpAddr)>, ()>),
    /// To the callback of an SP.
    Callback(SpId, bool),
}

/// What came of a call beside what was sent.
#[derive(Default)]
struct Outcome {
    reply: Option<Body>,
    ignored: bool,
    /// Where the asker is an SP: the answer to its request, if it came at once.
    answer: Option<dpe_core::server::gate::ToSp>,
}

/// Effects in the order in which they are to be carried out.
type Effects = std::collections::VecDeque<Effect>;
