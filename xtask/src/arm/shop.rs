//! The server of a play over HTTP: a store and a backend in memory, and nodes that die and come back.

use std::{
    collections::BTreeMap,
    io,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use async_trait::async_trait;
use axum::{
    extract::{Request, State},
    middleware::Next,
    response::Response,
};
use core_kit::{Body, Env, Millis, Tick};
use dm_core::{
    auth::Signature,
    ids::{DeviceId, JobTag, SessionId},
    server::{Authenticate, Facts, Fetch, NextCommands, Order, SessionKey, Sign, Snapshot},
    session::Reason,
};
use tokio::{net::TcpListener, sync::Notify, task::JoinHandle};
use transport_http::{
    Limits, Plain,
    dm::{
        App,
        memory::Memory,
        router,
        store::{Backend, Commit, Committed, Judgement, Store, Unavailable},
    },
    env, serve,
};
use transport_sim::dm::play::{Play, given};

use super::lock;

tokio::task_local! {
    /// Whose message is worked on.
    static ABOUT: (DeviceId, SessionId);
}

/// What outlives nodes.
pub(super) struct Shop {
    pub(super) memory: Arc<Memory>,
    /// The packages that were queued for each device, as tags, the oldest first.
    packages: Mutex<BTreeMap<DeviceId, Vec<Vec<JobTag>>>>,
    values: BTreeMap<JobTag, Body>,
    /// Whether the node dies with the next commit.
    pub(super) doomed: Arc<AtomicBool>,
    /// Told when it has.
    died: Notify,
    /// How often one has.
    deaths: AtomicU64,
    /// Sessions that the service gives up, with how many messages of theirs it takes before.
    aborts: Mutex<BTreeMap<SessionKey, u32>>,
    /// How far its clock is ahead, in milliseconds.
    ahead: AtomicU64,
    profile: dm_core::server::Profile,
}

impl Shop {
    pub(super) fn open(play: &Play) -> Arc<Self> {
        let memory = Memory::recording(play.server.clone());
        let mut aborts = BTreeMap::new();
        for player in &play.devices {
            let (client, server) = player.on_server.clone();
            memory.enrol(player.client.device.clone(), client, Some(server));
            let key = |session| SessionKey { device: player.client.device.clone(), session };
            aborts.extend(player.server_aborts().map(|(session, after)| (key(session), after)));
        }
        Arc::new(Self {
            memory: Arc::new(memory),
            packages: Mutex::default(),
            values: play.values.clone(),
            doomed: Arc::default(),
            died: Notify::new(),
            deaths: AtomicU64::new(0),
            aborts: Mutex::new(aborts),
            ahead: AtomicU64::new(0),
            profile: play.server.clone(),
        })
    }

    /// Queues packages for a device.
    pub(super) fn order(&self, device: &DeviceId, packages: &[Vec<Order>]) -> anyhow::Result<()> {
        let mut queued = lock(&self.packages);
        let queued = queued.entry(device.clone()).or_default();
        for package in packages {
            queued.push(package.iter().map(|order| order.tag.clone()).collect());
            for order in package {
                self.memory.enqueue(device, order.clone())?;
            }
        }
        Ok(())
    }

    /// How many nodes died.
    pub(super) fn deaths(&self) -> u64 {
        self.deaths.load(Ordering::SeqCst)
    }

    fn app(self: &Arc<Self>) -> App<Arc<Self>, Arc<Self>> {
        let shop = self.clone();
        App::new(self.profile.clone(), self.clone(), self.clone()).with_env(move || {
            let env = env::now();
            let env = Env { now: env.now + Millis(shop.ahead.load(Ordering::SeqCst)), ..env };
            ABOUT.try_with(|(device, session)| given(env, device, session)).unwrap_or(env)
        })
    }

    /// Whether the service gives the session up now.
    fn is_to_abort(&self, key: &SessionKey) -> bool {
        let mut aborts = lock(&self.aborts);
        aborts.get(key) == Some(&0) && aborts.remove(key).is_some()
    }

    /// Lets time pass for the server, and wakes what must be woken by then.
    pub(super) async fn let_pass(self: &Arc<Self>, span: Millis) -> Result<(), Unavailable> {
        self.ahead.fetch_add(span.0, Ordering::SeqCst);
        let app = self.app();
        while app.sweep().await?.woken > 0 {}
        Ok(())
    }

    /// Starts a node on a port of its own.
    async fn node(self: &Arc<Self>) -> io::Result<(SocketAddr, JoinHandle<()>)> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let app = Arc::new(self.app());
        let around = Around { shop: self.clone(), app: app.clone() };
        let router = router(app).layer(axum::middleware::from_fn_with_state(around, about));
        let serving = serve(listener, Plain, router, Limits::DEFAULT, std::future::pending());
        Ok((address, tokio::spawn(serving)))
    }
}

/// What is done around each message.
#[derive(Clone)]
struct Around {
    shop: Arc<Shop>,
    app: Arc<App<Arc<Shop>, Arc<Shop>>>,
}

/// Notes whose message this is, which the address says. When the service has enough of the session, it says so before the
/// reply leaves: the next message finds it given up.
async fn about(State(around): State<Around>, request: Request, next: Next) -> Response {
    let Some((device, session)) = addressed(request.uri().query().unwrap_or_default()) else {
        return next.run(request).await;
    };
    let key = SessionKey { device: device.clone(), session: session.clone() };
    let taken = async {
        let response = next.run(request).await;
        if around.shop.is_to_abort(&key)
            && let Err(rejection) = around.app.abort(&key, Reason::Requested).await
        {
            return rejection.response(around.app.limits());
        }
        response
    };
    ABOUT.scope((device, session), taken).await
}

fn addressed(query: &str) -> Option<(DeviceId, SessionId)> {
    let mut parts = query.split('&').filter_map(|part| part.split_once('='));
    let mut of = |name| parts.find_map(|(known, value)| (known == name).then_some(value));
    Some((of("id")?.into(), of("session")?.into()))
}

/// Nodes of a shop, one after the other. They end when this is dropped.
pub(super) struct Nodes {
    pub(super) first: SocketAddr,
    keeping: JoinHandle<()>,
}

impl Nodes {
    /// Starts a node; when it dies another one takes its place, whose address is told.
    pub(super) async fn start(shop: Arc<Shop>, moved: impl Fn(SocketAddr) + Send + 'static) -> io::Result<Self> {
        let (first, node) = shop.node().await?;
        let mut running = Running(node);
        let keeping = tokio::spawn(async move {
            loop {
                shop.died.notified().await;
                running.0.abort();
                // Nothing of it goes on when its place is taken.
                let Err(_) = (&mut running.0).await else { return };
                shop.deaths.fetch_add(1, Ordering::SeqCst);
                let Ok((address, next)) = shop.node().await else { return };
                running = Running(next);
                moved(address);
            }
        });
        Ok(Self { first, keeping })
    }
}

impl Drop for Nodes {
    fn drop(&mut self) {
        self.keeping.abort();
    }
}

/// A node that ends when this is dropped.
struct Running(JoinHandle<()>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.abort();
    }
}

#[async_trait]
impl Store for Shop {
    async fn load(&self, key: &SessionKey) -> Result<Option<Snapshot>, Unavailable> {
        self.memory.load(key).await
    }

    async fn commit(&self, key: &SessionKey, expected: u64, commit: Commit) -> Result<Committed, Unavailable> {
        let is_message = commit.facts.reply.is_some();
        let committed = self.memory.commit(key, expected, commit).await?;
        if let Some(left) = lock(&self.aborts).get_mut(key).filter(|_| is_message && committed == Committed::Done) {
            *left = left.saturating_sub(1);
        }
        if committed == Committed::Done && self.doomed.swap(false, Ordering::SeqCst) {
            self.died.notify_one();
            std::future::pending::<()>().await;
        }
        Ok(committed)
    }

    async fn due(&self, now: Tick, max: usize) -> Result<Vec<SessionKey>, Unavailable> {
        self.memory.due(now, max).await
    }

    async fn purge(&self, _: Tick) -> Result<u64, Unavailable> {
        // Nothing is forgotten: a play looks at every session in the end.
        Ok(0)
    }

    async fn abandon(&self, key: &SessionKey) -> Result<(), Unavailable> {
        self.memory.abandon(key).await
    }
}

#[async_trait]
impl Backend for Shop {
    async fn authenticate(&self, question: &Authenticate) -> Result<Judgement, Unavailable> {
        self.memory.authenticate(question).await
    }

    /// Of what waits, what is of the oldest package.
    async fn commands(&self, question: &NextCommands) -> Result<Vec<Order>, Unavailable> {
        let mut waiting = self.memory.commands(question).await?;
        let packages = lock(&self.packages);
        let is_first = |package: &&Vec<JobTag>| waiting.first().is_some_and(|order| package.contains(&order.tag));
        if let Some(package) = packages.get(&question.device).and_then(|packages| packages.iter().find(is_first)) {
            waiting.retain(|order| package.contains(&order.tag));
        }
        Ok(waiting)
    }

    async fn sign(&self, question: &Sign) -> Result<Option<Signature>, Unavailable> {
        self.memory.sign(question).await
    }

    async fn unstored(&self, key: &SessionKey, facts: &Facts) -> Result<(), Unavailable> {
        self.memory.unstored(key, facts).await
    }

    async fn fetch(&self, question: &Fetch) -> Result<Option<Body>, Unavailable> {
        let part = || {
            let value = self.values.get(&question.tag)?;
            let from = usize::try_from(question.offset).ok()?;
            let to = from.saturating_add(usize::try_from(question.bytes).ok()?).min(value.len());
            value.get(from..to).map(Body::from)
        };
        Ok(part())
    }
}
