//! Whole sessions between a device and its server.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use core_kit::{
    Durable, Millis,
    journal::{self, Replay},
};
use dm_core::{
    Packet,
    client::{self, Trigger},
    codes::StatusCode,
    ids::{DeviceId, SessionId},
    server::{self, Entry, Order, SessionKey},
    session::Outcome,
};
use transport_http::{
    Limits,
    dm::{
        agent::MemoryAgent,
        device::{Drive, run_session},
        memory::{Memory, Progress},
        router,
        transport::{Transport, Undelivered},
    },
    env,
};

use crate::kit::{self, DEVICE, Node};

/// Keeps what went over a transport.
pub(crate) struct Tap<T> {
    inner: T,
    seen: Mutex<Vec<(client::Request, Packet)>>,
}

impl<T> Tap<T> {
    pub(crate) fn new(inner: T) -> Self {
        Self { inner, seen: Mutex::default() }
    }

    pub(crate) fn seen(&self) -> Vec<(client::Request, Packet)> {
        self.seen.lock().unwrap().clone()
    }
}

#[async_trait]
impl<T: Transport> Transport for Tap<T> {
    async fn exchange(&self, request: &client::Request) -> Result<Packet, Undelivered> {
        let reply = self.inner.exchange(request).await?;
        self.seen.lock().unwrap().push((request.clone(), reply.clone()));
        Ok(reply)
    }
}

pub(crate) fn device() -> DeviceId {
    DEVICE.into()
}

pub(crate) fn trigger(number: u16) -> Trigger {
    Trigger::Client(SessionId::from_number(number))
}

pub(crate) fn get(tag: &str, uri: &str) -> Order {
    Order::new(tag, server::Request::Get(vec![uri.into()]))
}

pub(crate) fn statuses(memory: &Memory, tag: &str) -> Vec<Option<StatusCode>> {
    match memory.progress(&device(), &tag.into()) {
        Some(Progress::Done(done)) => done.items.iter().map(|item| item.status).collect(),
        other => panic!("{tag}: {other:?}"),
    }
}

async fn run(number: u16, url: &str, agent: &mut MemoryAgent, over: &dyn Transport) -> Outcome {
    let mut session = client::Session::new(kit::client_profile(url));
    run_session(&mut session, trigger(number), over, agent, &env::now).await.unwrap()
}

#[tokio::test]
async fn device_and_server_prove_themselves_and_orders_are_done() {
    let memory = kit::memory();
    memory.enqueue(&device(), get("model", "./DevInfo/Mod")).unwrap();
    memory.enqueue(&device(), get("nothing", "./Nope")).unwrap();
    let node = Node::over(&memory).await;
    let tap = Tap::new(kit::http(&kit::client_profile(&node.url())));
    let mut agent = kit::agent();
    assert_eq!(run(1, &node.url(), &mut agent, &tap).await, Outcome::Completed);
    assert_eq!(statuses(&memory, "model"), [Some(StatusCode::OK)]);
    assert_eq!(statuses(&memory, "nothing"), [Some(StatusCode::NOT_FOUND)]);
    assert_eq!(memory.device_info(&device())["./DevInfo/Man"].data.as_deref(), Some(&b"Example"[..]));
    assert!(agent.reports.contains(&client::Report::ServerAuthenticated), "{:?}", agent.reports);
    let first = tap.seen().len();

    // Both sides have kept the nonces for the next session: nobody has to ask for credentials any more.
    agent.reports.clear();
    memory.enqueue(&device(), get("again", "./DevInfo/Mod")).unwrap();
    assert_eq!(run(2, &node.url(), &mut agent, &tap).await, Outcome::Completed);
    assert!(!agent.reports.iter().any(|report| matches!(report, client::Report::NotBelieved(_))));
    assert_eq!(statuses(&memory, "again"), [Some(StatusCode::OK)]);
    assert!(tap.seen().len() - first < first);
}

#[tokio::test]
async fn the_journals_of_both_sides_replay_identically() {
    let memory = kit::memory();
    memory.enqueue(&device(), get("model", "./DevInfo/Mod")).unwrap();
    let node = Node::over(&memory).await;
    let profile = kit::client_profile(&node.url());
    let (transport, mut agent, mut records) = (kit::http(&profile), kit::agent(), Vec::new());
    let mut session = client::Session::new(&profile);
    let drive = Drive::new(&transport, &mut agent, &env::now).recording(&mut records);
    assert_eq!(drive.start(&mut session, trigger(7)).await.unwrap(), Outcome::Completed);
    let steps = records.len();
    let replayed = journal::replay(&mut client::Session::new(&profile), records);
    assert_eq!(replayed, Replay::Same { steps });

    let key = SessionKey { device: device(), session: SessionId::from_number(7) };
    let journal = memory.journal(&key).unwrap();
    assert!(journal.records.len() >= 4, "{}", journal.records.len());
    let mut machine = server::Session::restore(journal.header.first, &journal.header.profile).unwrap();
    let steps = journal.records.len();
    assert_eq!(journal::replay(&mut machine, journal.records), Replay::Same { steps });
}

#[tokio::test]
async fn a_device_that_the_server_does_not_know_gets_nothing() {
    let memory = Arc::new(Memory::new());
    let node = Node::over(&memory).await;
    let mut agent = kit::agent();
    let outcome = run(1, &node.url(), &mut agent, &kit::http(&kit::client_profile(&node.url()))).await;
    assert_eq!(outcome, Outcome::ClientNotAuthenticated);
}

#[tokio::test]
async fn a_server_with_the_wrong_password_gets_nothing_done() {
    let memory = kit::memory();
    memory.enqueue(&device(), get("model", "./DevInfo/Mod")).unwrap();
    let node = Node::over(&memory).await;
    let mut agent = kit::agent();
    agent.server.password = "another".into();
    let outcome = run(1, &node.url(), &mut agent, &kit::http(&kit::client_profile(&node.url()))).await;
    assert_eq!(outcome, Outcome::ServerNotAuthenticated);
    assert!(!matches!(memory.progress(&device(), &"model".into()), Some(Progress::Done(_))));
}

#[tokio::test]
async fn a_request_posted_again_gets_the_reply_that_it_got_to_the_byte() {
    let memory = kit::memory();
    memory.enqueue(&device(), get("model", "./DevInfo/Mod")).unwrap();
    let node = Node::over(&memory).await;
    let tap = Tap::new(kit::http(&kit::client_profile(&node.url())));
    assert_eq!(run(1, &node.url(), &mut kit::agent(), &tap).await, Outcome::Completed);
    let (request, reply) = tap.seen().pop().unwrap();
    let reports = memory.reports(&device()).len();
    for _ in 0..3 {
        let post = kit::post("/dm", "application/vnd.syncml.dm+xml", &request.packet.body);
        let answer = kit::talk(node.address, &post).await.unwrap();
        assert_eq!((answer.status, &answer.body[..]), (200, &reply.body[..]));
    }
    assert_eq!(memory.reports(&device()).len(), reports, "and nothing is reported again");
}

/// Loses the reply of every message once, after the server has acted.
struct Lossy<T> {
    inner: T,
    lost: Mutex<Vec<client::Request>>,
}

#[async_trait]
impl<T: Transport> Transport for Lossy<T> {
    async fn exchange(&self, request: &client::Request) -> Result<Packet, Undelivered> {
        let reply = self.inner.exchange(request).await?;
        let is_again = self.lost.lock().unwrap().contains(request);
        if is_again {
            return Ok(reply);
        }
        self.lost.lock().unwrap().push(request.clone());
        Err(Undelivered::Broken("lost on the way".into()))
    }
}

#[tokio::test]
async fn lost_replies_are_fetched_by_sending_the_same_bytes_and_nothing_is_done_twice() {
    let memory = kit::memory();
    let add = server::Request::Add(vec![Entry::text("./Note", "once")]);
    memory.enqueue(&device(), Order::new("add", add)).unwrap();
    let node = Node::over(&memory).await;
    let profile = kit::client_profile(&node.url());
    let lossy = Lossy { inner: kit::http(&profile), lost: Mutex::default() };
    let mut agent = kit::agent();
    assert_eq!(run(1, &node.url(), &mut agent, &lossy).await, Outcome::Completed);
    // A second Add would have been answered with 418.
    assert_eq!(statuses(&memory, "add"), [Some(StatusCode::OK)]);
    assert_eq!(agent.tree.text("./Note"), Some("once"));
    assert_eq!(lossy.lost.lock().unwrap().len(), 3);
}

/// Starts a node for each message, and ends it.
struct Restarting(Arc<Memory>);

#[async_trait]
impl Transport for Restarting {
    async fn exchange(&self, request: &client::Request) -> Result<Packet, Undelivered> {
        let node = Node::start(router(kit::app(&self.0, Limits::DEFAULT)), Limits::DEFAULT).await;
        let there = client::Request { url: node.url().into(), ..request.clone() };
        let reply = kit::http(&kit::client_profile(&node.url())).exchange(&there).await;
        node.stop().await;
        reply
    }
}

#[tokio::test]
async fn a_session_goes_on_whoever_serves_the_next_message() {
    let memory = kit::memory();
    memory.enqueue(&device(), get("model", "./DevInfo/Mod")).unwrap();
    let restarting = Restarting(memory.clone());
    assert_eq!(run(1, "http://server.example/dm", &mut kit::agent(), &restarting).await, Outcome::Completed);
    assert_eq!(statuses(&memory, "model"), [Some(StatusCode::OK)]);
}

/// Stands still after so many messages.
struct Dying<T>(T, Mutex<u32>);

#[async_trait]
impl<T: Transport> Transport for Dying<T> {
    async fn exchange(&self, request: &client::Request) -> Result<Packet, Undelivered> {
        let reply = self.0.exchange(request).await;
        let left = self.1.lock().unwrap().checked_sub(1);
        match left {
            Some(left) => *self.1.lock().unwrap() = left,
            None => std::future::pending().await,
        }
        reply
    }
}

#[tokio::test]
async fn a_device_that_restarts_in_the_middle_goes_on() {
    let memory = kit::memory();
    memory.enqueue(&device(), get("model", "./DevInfo/Mod")).unwrap();
    let node = Node::over(&memory).await;
    let profile = kit::client_profile(&node.url());
    let mut agent = kit::agent();
    let mut session = client::Session::new(&profile);
    let dying = Dying(kit::http(&profile), Mutex::new(1));
    let died = run_session(&mut session, trigger(1), &dying, &mut agent, &env::now);
    tokio::time::timeout(std::time::Duration::from_millis(300), died).await.unwrap_err();

    let mut restored = client::Session::restore(session.snapshot(), &profile).unwrap();
    let transport = kit::http(&profile);
    let outcome = Drive::new(&transport, &mut agent, &env::now).resume(&mut restored).await.unwrap();
    assert_eq!(outcome, Outcome::Completed);
    assert_eq!(statuses(&memory, "model"), [Some(StatusCode::OK)]);
}

#[tokio::test]
async fn a_server_that_does_not_answer_is_tried_again_and_then_given_up() {
    let memory = kit::memory();
    let node = Node::over(&memory).await;
    let url = node.url();
    node.stop().await;
    let mut profile = kit::client_profile(&url);
    (profile.retry.first_ms, profile.retry.times) = (Millis(20), 3);
    let (transport, mut agent, mut records) = (kit::http(&profile), kit::agent(), Vec::new());
    let mut session = client::Session::new(&profile);
    let began = std::time::Instant::now();
    let drive = Drive::new(&transport, &mut agent, &env::now).recording(&mut records);
    assert_eq!(drive.start(&mut session, trigger(1)).await.unwrap(), Outcome::Unreachable);
    let failures = records.iter().filter(|r| matches!(r.input, client::Input::SendFailed(_))).count();
    assert_eq!(failures, 4);
    assert!(began.elapsed().as_millis() >= 20 + 40 + 80, "{:?}", began.elapsed());
}
