//! Sessions that the server gives up.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use async_trait::async_trait;
use core_kit::Millis;
use dm_core::{
    Packet, client,
    codes::StatusCode,
    ids::SessionId,
    server::SessionKey,
    session::{Outcome, Reason},
};
use transport_http::{
    Limits,
    dm::{
        App,
        app::Swept,
        map::Rejection,
        memory::{Memory, Progress},
        transport::{Transport, Undelivered},
    },
};

use crate::{
    kit::{self, MemoryApp},
    nodes::{Clock, Direct, Fate, Odd, Once, first_message, run},
    session::{device, get, statuses},
};

fn key(number: u16) -> SessionKey {
    SessionKey { device: device(), session: SessionId::from_number(number) }
}

/// A store whose device has an order to do.
fn memory() -> Arc<Memory> {
    let memory = kit::memory();
    memory.enqueue(&device(), get("model", "./DevInfo/Mod")).unwrap();
    memory
}

fn ended(memory: &Memory) -> Vec<Outcome> {
    let journal = memory.journal(&key(1)).unwrap();
    let outputs = journal.records.iter().flat_map(|record| &record.outputs);
    outputs
        .filter_map(|output| match output {
            dm_core::server::Output::Finished(outcome) => Some(outcome.clone()),
            _ => None,
        })
        .collect()
}

/// The way to a node that gives the session up when it has answered so many messages.
struct Aborting {
    app: Arc<MemoryApp>,
    after: usize,
    taken: AtomicUsize,
}

impl Aborting {
    fn new(memory: &Arc<Memory>, after: usize) -> Self {
        Self { app: kit::app(memory, Limits::DEFAULT), after, taken: AtomicUsize::new(0) }
    }
}

#[async_trait]
impl Transport for Aborting {
    async fn exchange(&self, request: &client::Request) -> Result<Packet, Undelivered> {
        let reply = Direct(self.app.clone()).exchange(request).await?;
        if self.taken.fetch_add(1, Ordering::SeqCst) + 1 == self.after {
            assert_eq!(self.app.abort(&key(1), Reason::Requested).await, Ok(true));
        }
        Ok(reply)
    }
}

#[tokio::test]
async fn the_next_message_of_a_session_that_was_given_up_is_answered_with_an_abort() {
    let memory = memory();
    // The first message has the wrong nonce, so nothing was ordered when the session is given up.
    let over = Aborting::new(&memory, 1);
    assert_eq!(run(1, &over).await, Outcome::PeerAborted);
    assert_eq!(over.taken.load(Ordering::SeqCst), 2);
    assert_eq!(ended(&memory), [Outcome::Aborted(Reason::Requested)]);
    assert_eq!(memory.progress(&device(), &"model".into()), Some(Progress::Queued), "it waits for the next session");
    assert_eq!(run(2, &Direct(over.app.clone())).await, Outcome::Completed);
    assert_eq!(statuses(&memory, "model"), [Some(StatusCode::OK)]);
}

#[tokio::test]
async fn there_is_nothing_to_give_up_where_no_session_goes_on() {
    let memory = memory();
    let app = kit::app(&memory, Limits::DEFAULT);
    assert_eq!(app.abort(&key(1), Reason::Requested).await, Ok(false));
    assert!(memory.sessions().is_empty(), "nothing is stored about a session that was never there");
    assert_eq!(run(1, &Direct(app.clone())).await, Outcome::Completed);
    assert_eq!(app.abort(&key(1), Reason::Requested).await, Ok(false));
    assert_eq!(ended(&memory), [Outcome::Completed]);
}

#[tokio::test]
async fn a_device_that_does_not_come_any_more_leaves_a_session_that_ends_as_given_up() {
    let (memory, clock) = (memory(), Clock::default());
    let app = clock.of(App::new(kit::server_profile(), memory.clone(), memory.clone()));
    app.exchange(first_message().await).await.unwrap();
    assert_eq!(app.abort(&key(1), Reason::Requested).await, Ok(true));
    clock.forward(kit::server_profile().idle_ms);
    clock.forward(Millis(1));
    assert_eq!(app.abort(&key(1), Reason::Requested).await, Ok(false), "its time is over");
    assert_eq!(app.sweep().await.unwrap(), Swept { woken: 1, ..Swept::default() });
    assert_eq!(ended(&memory), [Outcome::Aborted(Reason::Requested)]);
}

#[tokio::test]
async fn a_session_is_given_up_though_another_node_was_first_and_not_while_the_store_is_away() {
    let (memory, once) = (memory(), Once::default());
    kit::app(&memory, Limits::DEFAULT).exchange(first_message().await).await.unwrap();
    let late = Odd::fated(&memory, move |_| if once.comes() { Fate::Lost } else { Fate::Usual });
    let away = Odd::fated(&memory, |_| Fate::Down);
    let always_late = Odd::fated(&memory, |_| Fate::Lost);
    for app in [away, always_late] {
        assert_eq!(app.abort(&key(1), Reason::Requested).await, Err(Rejection::Unavailable));
    }
    assert_eq!(late.abort(&key(1), Reason::Requested).await, Ok(true));
}
