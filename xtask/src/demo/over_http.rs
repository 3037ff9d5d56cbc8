//! Part 5: the same session over real HTTP on loopback.

use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use async_trait::async_trait;
use core_kit::journal;
use dm_core::{
    Packet,
    client::{self, Request, Trigger},
    ids::DeviceId,
    server::{self, Order},
};
use tokio::{
    net::TcpListener,
    sync::{Mutex, oneshot},
};
use transport_http::{
    Limits, Plain,
    dm::{
        App, HttpTransport,
        agent::MemoryAgent,
        device::Drive,
        memory::{Memory, Progress},
        router,
        transport::{Transport, Undelivered},
    },
    env, serve,
};
use transport_sim::dm::Scenario;

use super::{
    Demo, chart, completed,
    ends::{DEVICE, Keys, SERVER, tree},
};

pub(super) fn run(demo: &mut Demo) -> Result<()> {
    chart::title(5, "The same over HTTP on loopback");
    tokio::runtime::Runtime::new()?.block_on(converse(demo))
}

async fn converse(demo: &mut Demo) -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}/dm", listener.local_addr()?);
    println!("\n  {url}\n");
    let Keys { client, server } = Keys::usual();
    let profile = server::Profile::new(url.clone());
    let memory = Arc::new(Memory::recording(profile.clone()));
    let device = DeviceId::from(DEVICE);
    memory.enrol(device.clone(), client.clone(), Some(server.clone()));
    // What is read back is asked for in a later package, once the rest is done.
    let packages = Scenario::standard(0).packages;
    let mut orders = packages.into_iter().flatten().collect::<Vec<_>>();
    let last = orders.pop().context("the story has orders")?;
    for order in &orders {
        memory.enqueue(&device, order.clone())?;
    }

    let (stop, stopped) = oneshot::channel::<()>();
    let app = Arc::new(App::new(profile, memory.clone(), memory.clone()));
    let serving = serve(listener, Plain, router(app), Limits::default(), async { drop(stopped.await) });
    let serving = tokio::spawn(serving);

    let mut profile = client::Profile::new(DEVICE, url, SERVER);
    profile.retry.first_ms = core_kit::Millis(100);
    let mut session = client::Session::new(&profile);
    let mut kept = journal::begin(&session, profile.clone());
    let (inner, said) = (HttpTransport::new(&profile)?, Mutex::default());
    let transport = Watched { inner, said, memory: memory.clone(), device: device.clone(), last: last.clone() };
    let mut agent = MemoryAgent::new(tree("Loopback", "1.2")?, client, server);
    let drive = Drive::new(&transport, &mut agent, &env::now).recording(&mut kept.records);
    let outcome = drive.start(&mut session, Trigger::Client("1".into())).await?;
    drop(stop);
    serving.await?;

    let said = transport.said.into_inner();
    for (from, packet) in &said {
        chart::message(None, *from, packet, "");
    }
    completed("client", Some(&outcome))?;
    let mut all = Vec::new();
    for order in orders.iter().chain([&last]) {
        match memory.progress(&device, &order.tag) {
            Some(Progress::Done(done)) => {
                ensure!(done.is_success(), "order {:?} was not carried out", order.tag.as_str());
                all.push(done);
            }
            other => anyhow::bail!("order {:?} ended as {other:?}", order.tag.as_str()),
        }
    }
    chart::done(&all);
    demo.sessions += 1;
    demo.messages += said.len();
    demo.keep::<client::Session>("http.client", &kept)?;
    let keys = memory.sessions();
    let key = keys.first().context("the server has a session")?;
    let journal = memory.journal(key).context("the server has a journal")?;
    demo.keep::<server::Session>("http.server", &journal)
}

/// A transport that keeps what goes over it, and orders once more when the first package has been answered.
struct Watched {
    inner: HttpTransport,
    said: Mutex<Vec<(chart::From, Packet)>>,
    memory: Arc<Memory>,
    device: DeviceId,
    last: Order,
}

#[async_trait]
impl Transport for Watched {
    async fn exchange(&self, request: &Request) -> Result<Packet, Undelivered> {
        let mut said = self.said.lock().await;
        if !said.is_empty() && self.memory.progress(&self.device, &self.last.tag).is_none() {
            let enqueued = self.memory.enqueue(&self.device, self.last.clone());
            enqueued
                .map_err(|error| Undelivered::Bearer { failure: client::Failure::Permanent, cause: error.into() })?;
        }
        said.push((chart::From::Client, request.packet.clone()));
        let reply = self.inner.exchange(request).await?;
        said.push((chart::From::Server, reply.clone()));
        Ok(reply)
    }
}
