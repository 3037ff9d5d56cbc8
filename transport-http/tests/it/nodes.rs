//! Several nodes over one store, and stores that fail.

use std::sync::{
    Arc, OnceLock,
    atomic::{AtomicU32, Ordering},
};

use async_trait::async_trait;
use core_kit::{Env, Millis, Tick};
use dm_core::{
    Packet, client,
    ids::SessionId,
    server::{SessionKey, Snapshot},
    session::Outcome,
};
use transport_http::{
    App, Limits,
    device::run_session,
    env,
    map::Rejection,
    memory::{Memory, Progress},
    serve::router,
    store::{Commit, Committed, Store, Unavailable},
};

use crate::{
    kit::{self, DEVICE, MemoryApp, Node},
    session::{Tap, device, get, statuses, trigger},
};

/// The messages of a whole session with one order, as a device sends them.
async fn messages(memory: &Arc<Memory>, number: u16) -> Vec<Packet> {
    let node = Node::over(memory).await;
    let profile = kit::client_profile(&node.url());
    let tap = Tap::new(kit::http(&profile));
    let mut session = client::Session::new(&profile);
    run_session(&mut session, trigger(number), &tap, &mut kit::agent(), &env::now).await.unwrap();
    tap.seen().into_iter().map(|(request, _)| request.packet).collect()
}

async fn first_message() -> Packet {
    messages(&kit::memory(), 1).await.remove(0)
}

/// A store where another node is first, the first `times` times: it takes the same message.
struct Overtaken {
    memory: Arc<Memory>,
    other: OnceLock<(Arc<MemoryApp>, Packet)>,
    times: AtomicU32,
    replies: std::sync::Mutex<Vec<Packet>>,
}

impl Overtaken {
    fn new(memory: &Arc<Memory>, other: Arc<MemoryApp>, packet: Packet, times: u32) -> Self {
        Self {
            memory: memory.clone(),
            other: (other, packet).into(),
            times: times.into(),
            replies: std::sync::Mutex::default(),
        }
    }
}

#[async_trait]
impl Store for Overtaken {
    async fn load(&self, key: &SessionKey) -> Result<Option<Snapshot>, Unavailable> {
        self.memory.load(key).await
    }

    async fn commit(&self, key: &SessionKey, expected: u64, commit: Commit) -> Result<Committed, Unavailable> {
        let left = self.times.load(Ordering::SeqCst);
        if left > 0 {
            self.times.store(left - 1, Ordering::SeqCst);
            let (other, packet) = self.other.get().unwrap();
            let reply = other.exchange(packet.clone()).await.unwrap();
            self.replies.lock().unwrap().push(reply);
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

#[tokio::test]
async fn a_node_that_lost_the_race_gives_the_reply_of_the_one_that_won() {
    let (memory, packet) = (kit::memory(), first_message().await);
    let overtaken = Overtaken::new(&memory, kit::app(&memory, Limits::DEFAULT), packet.clone(), 1);
    let slow = App::new(kit::server_profile(), Arc::new(overtaken), memory.clone());
    let reply = slow.exchange(packet.clone()).await.unwrap();
    let others = kit::app(&memory, Limits::DEFAULT).exchange(packet).await.unwrap();
    assert_eq!(reply, others);
    assert_eq!(memory.sessions().len(), 1);
}

/// Another message of the same device is served by the other node in between, and takes the order.
#[tokio::test]
async fn an_order_that_another_session_took_is_not_handed_out_twice() {
    let memory = kit::memory();
    let (first, second) = (messages(&memory, 1).await, messages(&memory, 2).await);
    // Both sessions prove themselves by a nonce that the server issued in them; replay does not matter here.
    drop((first, second));
    let memory = kit::memory();
    memory.enqueue(&device(), get("model", "./DevInfo/Mod")).unwrap();
    let node = Node::over(&memory).await;
    let profile = kit::client_profile(&node.url());
    let run = |number: u16| {
        let profile = profile.clone();
        async move {
            let (transport, mut agent) = (kit::http(&profile), kit::agent());
            let mut session = client::Session::new(&profile);
            run_session(&mut session, trigger(number), &transport, &mut agent, &env::now).await.unwrap()
        }
    };
    let outcomes = tokio::join!(run(1), run(2), run(3), run(4));
    assert_eq!(outcomes.0, Outcome::Completed);
    assert_eq!(statuses(&memory, "model").len(), 1);
}
