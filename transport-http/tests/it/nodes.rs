//! Several nodes over one store, stores that fail, and the sweeper.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Instant,
};

use async_trait::async_trait;
use core_kit::{Env, Millis, Tick};
use dm_core::{
    Packet, client,
    server::{SessionKey, Snapshot},
    session::Outcome,
};
use tokio::task::JoinSet;
use transport_http::{
    Limits,
    dm::{
        App,
        app::Swept,
        device::run_session,
        map::Rejection,
        memory::{Memory, Progress},
        router,
        store::{Commit, Committed, Store, Taken, Unavailable},
        transport::{Transport, Undelivered},
    },
    env,
};

use crate::{
    kit::{self, MemoryApp, Node},
    session::{Tap, device, get, statuses, trigger},
};

/// What becomes of a commit.
pub(crate) enum Fate {
    /// What it should.
    Usual,
    /// What it should, when this is done.
    After(Pin<Box<dyn Future<Output = ()> + Send>>),
    /// Somebody else was first.
    Lost,
    /// The store is out of reach.
    Down,
}

/// A store that does not always do what it should.
pub(crate) struct Odd {
    memory: Arc<Memory>,
    fate: Box<dyn Fn(&Commit) -> Fate + Send + Sync>,
    damage: Box<dyn Fn(Snapshot) -> Snapshot + Send + Sync>,
}

pub(crate) type OddApp = App<Odd, Arc<Memory>>;

impl Odd {
    pub(crate) fn fated(memory: &Arc<Memory>, fate: impl Fn(&Commit) -> Fate + Send + Sync + 'static) -> OddApp {
        let store = Self { memory: memory.clone(), fate: Box::new(fate), damage: Box::new(|snapshot| snapshot) };
        App::new(kit::server_profile(), store, memory.clone())
    }

    fn damaging(memory: &Arc<Memory>, damage: fn(Snapshot) -> Snapshot) -> OddApp {
        let store = Self { memory: memory.clone(), fate: Box::new(|_| Fate::Usual), damage: Box::new(damage) };
        App::new(kit::server_profile(), store, memory.clone())
    }
}

#[async_trait]
impl Store for Odd {
    async fn load(&self, key: &SessionKey) -> Result<Option<Snapshot>, Unavailable> {
        Ok(self.memory.load(key).await?.map(&self.damage))
    }

    async fn commit(&self, key: &SessionKey, expected: u64, commit: Commit) -> Result<Committed, Unavailable> {
        match (self.fate)(&commit) {
            Fate::Usual => {}
            Fate::After(other) => other.await,
            Fate::Lost => return Ok(Committed::Lost),
            Fate::Down => return Err(Unavailable("out of reach".into())),
        }
        self.memory.commit(key, expected, commit).await
    }

    async fn due(&self, now: Tick, max: usize) -> Result<Vec<SessionKey>, Unavailable> {
        self.memory.due(now, max).await
    }

    async fn purge(&self, before: Tick) -> Result<u64, Unavailable> {
        self.memory.purge(before).await
    }

    async fn abandon(&self, key: &SessionKey) -> Result<(), Unavailable> {
        self.memory.abandon(key).await
    }
}

/// True once.
#[derive(Clone, Default)]
pub(crate) struct Once(Arc<AtomicBool>);

impl Once {
    pub(crate) fn comes(&self) -> bool {
        !self.0.swap(true, Ordering::SeqCst)
    }
}

/// A node at arm's length.
pub(crate) struct Direct(pub(crate) Arc<MemoryApp>);

#[async_trait]
impl Transport for Direct {
    async fn exchange(&self, request: &client::Request) -> Result<Packet, Undelivered> {
        self.0.exchange(request.packet.clone()).await.map_err(|rejection| Undelivered::Broken(rejection.into()))
    }
}

pub(crate) async fn run(number: u16, over: &dyn Transport) -> Outcome {
    let mut session = client::Session::new(kit::client_profile("http://server.example/dm"));
    run_session(&mut session, trigger(number), over, &mut kit::agent(), &env::now).await.unwrap()
}

/// The first message of a session, for which nothing has to be known.
pub(crate) async fn first_message() -> Packet {
    let tap = Tap::new(Direct(kit::app(&kit::memory(), Limits::DEFAULT)));
    run(1, &tap).await;
    tap.seen().remove(0).0.packet
}

fn takes_an_order(commit: &Commit) -> bool {
    commit.taken.iter().any(|taken| matches!(taken, Taken::Order(_)))
}

#[tokio::test]
async fn a_node_that_lost_the_race_gives_the_reply_of_the_one_that_won() {
    let (memory, packet, once) = (kit::memory(), first_message().await, Once::default());
    let quick = kit::app(&memory, Limits::DEFAULT);
    let slow = Odd::fated(&memory, {
        let (quick, packet) = (quick.clone(), packet.clone());
        move |_| {
            let (quick, packet) = (quick.clone(), packet.clone());
            if once.comes() {
                Fate::After(Box::pin(async move { drop(quick.exchange(packet).await.unwrap()) }))
            } else {
                Fate::Usual
            }
        }
    });
    // Each node draws its own nonce, so that the replies would differ if both were given.
    let reply = slow.exchange(packet.clone()).await.unwrap();
    assert_eq!(reply, quick.exchange(packet).await.unwrap());
}

#[tokio::test]
async fn an_order_that_another_session_took_meanwhile_is_handed_out_once() {
    let (memory, once) = (kit::memory(), Once::default());
    memory.enqueue(&device(), get("model", "./DevInfo/Mod")).unwrap();
    let other = kit::app(&memory, Limits::DEFAULT);
    let slow = Odd::fated(&memory, move |commit| {
        let other = Direct(other.clone());
        if takes_an_order(commit) && once.comes() {
            Fate::After(Box::pin(async move { assert_eq!(run(2, &other).await, Outcome::Completed) }))
        } else {
            Fate::Usual
        }
    });
    let node = Node::start(router(Arc::new(slow)), Limits::DEFAULT).await;
    let profile = kit::client_profile(&node.url());
    let (mut agent, mut session) = (kit::agent(), client::Session::new(&profile));
    let outcome = run_session(&mut session, trigger(1), &kit::http(&profile), &mut agent, &env::now).await.unwrap();
    assert_eq!((outcome, statuses(&memory, "model").len()), (Outcome::Completed, 1));
    let executed = agent.reports.iter().filter(|report| match report {
        client::Report::Executed { commands, .. } => *commands > 0,
        _ => false,
    });
    assert_eq!(executed.count(), 0, "the other session has done it");
}

#[tokio::test]
async fn many_copies_of_a_message_at_two_nodes_get_one_reply() {
    let (memory, packet) = (kit::memory(), first_message().await);
    let nodes = [Node::over(&memory).await, Node::over(&memory).await];
    let mut posting = JoinSet::new();
    for n in 0..16 {
        let (address, post) = (nodes[n % 2].address, kit::post("/dm", "application/vnd.syncml.dm+xml", &packet.body));
        posting.spawn(async move { kit::talk(address, &post).await.unwrap() });
    }
    let answers = posting.join_all().await;
    assert!(answers.iter().all(|answer| answer.status == 200 && answer.body == answers[0].body));
    assert_eq!(memory.sessions().len(), 1);
}

#[tokio::test]
async fn a_node_that_loses_every_race_says_come_again() {
    let (memory, packet) = (kit::memory(), first_message().await);
    let tries = Arc::new(AtomicU64::new(0));
    let counted = tries.clone();
    let losing = Odd::fated(&memory, move |_| {
        counted.fetch_add(1, Ordering::SeqCst);
        Fate::Lost
    });
    let limits = Limits { attempts_max: 3, retry_after_ms: Millis(1_500), ..Limits::DEFAULT };
    let node = Node::start(router(Arc::new(losing.with_limits(limits))), limits).await;
    let answer = kit::talk(node.address, &kit::post("/", "application/vnd.syncml.dm+xml", &packet.body)).await.unwrap();
    assert_eq!((answer.status, answer.field("retry-after")), (503, Some("2")));
    assert_eq!((tries.load(Ordering::SeqCst), memory.sessions().len()), (3, 0));
}

#[tokio::test]
async fn a_device_waits_as_long_as_a_server_without_its_store_asks_for() {
    let (memory, once) = (kit::memory(), Once::default());
    memory.enqueue(&device(), get("model", "./DevInfo/Mod")).unwrap();
    let flaky = Odd::fated(
        &memory,
        move |commit| {
            if takes_an_order(commit) && once.comes() { Fate::Down } else { Fate::Usual }
        },
    );
    let limits = Limits { retry_after_ms: Millis(1_000), ..Limits::DEFAULT };
    let node = Node::start(router(Arc::new(flaky.with_limits(limits))), limits).await;
    let (profile, began) = (kit::client_profile(&node.url()), Instant::now());
    let (mut agent, mut session) = (kit::agent(), client::Session::new(&profile));
    let outcome = run_session(&mut session, trigger(1), &kit::http(&profile), &mut agent, &env::now).await.unwrap();
    assert_eq!((outcome, statuses(&memory, "model").len()), (Outcome::Completed, 1));
    assert!(began.elapsed().as_millis() >= 1_000, "{:?}", began.elapsed());
}

/// A clock that can be put forward.
#[derive(Clone, Default)]
pub(crate) struct Clock(Arc<AtomicU64>);

impl Clock {
    pub(crate) fn forward(&self, span: Millis) {
        self.0.fetch_add(span.0, Ordering::SeqCst);
    }

    pub(crate) fn of<S: Store>(&self, app: App<S, Arc<Memory>>) -> App<S, Arc<Memory>> {
        let ahead = self.0.clone();
        app.with_env(move || {
            let env = env::now();
            Env { now: env.now + Millis(ahead.load(Ordering::SeqCst)), ..env }
        })
    }
}

/// Delivers messages until one comes back that hands out an order, and that one gets lost for good.
struct Vanishing(Arc<MemoryApp>, Arc<Memory>);

#[async_trait]
impl Transport for Vanishing {
    async fn exchange(&self, request: &client::Request) -> Result<Packet, Undelivered> {
        let reply = Direct(self.0.clone()).exchange(request).await?;
        match self.1.progress(&device(), &"model".into()) {
            Some(Progress::Handed(_)) => Err(Undelivered::Address),
            _ => Ok(reply),
        }
    }
}

/// A store with one session whose device has vanished with an order.
async fn vanished(clock: &Clock) -> Arc<Memory> {
    let memory = kit::memory();
    memory.enqueue(&device(), get("model", "./DevInfo/Mod")).unwrap();
    let app = Arc::new(clock.of(App::new(kit::server_profile(), memory.clone(), memory.clone())));
    run(1, &Vanishing(app, memory.clone())).await;
    assert!(matches!(memory.progress(&device(), &"model".into()), Some(Progress::Handed(_))));
    memory
}

#[tokio::test]
async fn the_sweeper_ends_a_session_whose_device_is_silent_and_forgets_it_later() {
    let clock = Clock::default();
    let memory = vanished(&clock).await;
    let app = clock.of(App::new(kit::server_profile(), memory.clone(), memory.clone()));
    assert_eq!(app.sweep().await.unwrap(), Swept::default(), "it is not time yet");

    clock.forward(kit::server_profile().idle_ms);
    assert_eq!(app.sweep().await.unwrap(), Swept { woken: 1, ..Swept::default() });
    assert_eq!(memory.progress(&device(), &"model".into()), Some(Progress::Unknown));
    assert_eq!(app.sweep().await.unwrap(), Swept::default(), "nothing is left to wake");
    assert_eq!(memory.sessions().len(), 1, "the last reply may still be asked for");

    clock.forward(Limits::DEFAULT.retention_ms);
    clock.forward(Millis(1_000));
    assert_eq!(app.sweep().await.unwrap(), Swept { purged: 1, ..Swept::default() });
    assert!(memory.sessions().is_empty());
}

/// An answer that nobody asked for, among the inputs that a restore takes again.
fn damaged(snapshot: Snapshot) -> Snapshot {
    let mut json = serde_json::to_value(snapshot).unwrap();
    let env = serde_json::to_value(env::now()).unwrap();
    let answer = serde_json::json!({ "answered": { "sign": { "id": 99, "signature": null } } });
    json["steps"] = serde_json::json!([{ "env": env, "input": answer }]);
    serde_json::from_value(json).unwrap()
}

#[tokio::test]
async fn a_session_that_cannot_be_read_is_an_internal_error_once_and_then_given_up() {
    let clock = Clock::default();
    let memory = vanished(&clock).await;
    let app = clock.of(Odd::damaging(&memory, damaged));
    assert_eq!(app.exchange(first_message().await).await, Err(Rejection::Internal));
    clock.forward(kit::server_profile().idle_ms);
    assert_eq!(app.sweep().await.unwrap(), Swept { abandoned: 1, ..Swept::default() });
    assert_eq!(memory.progress(&device(), &"model".into()), Some(Progress::Unknown), "it may have been carried out");
    assert_eq!(app.sweep().await.unwrap(), Swept::default());
}
