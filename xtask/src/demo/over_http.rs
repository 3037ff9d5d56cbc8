//! Part 3: the same session over real HTTP on loopback.

use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use async_trait::async_trait;
use core_kit::journal;
use dm_core::{
    Packet,
    auth::{Account, Scheme},
    client::{self, Request, Trigger},
    codes::StatusCode,
    ids::DeviceId,
    server::{self, Order},
    tree::{self, DevInfo},
};
use tokio::{
    net::TcpListener,
    sync::{Mutex, oneshot},
};
use transport_http::{
    App, HttpTransport, Limits, Plain,
    agent::MemoryAgent,
    device::Drive,
    env,
    memory::{Memory, Progress},
    router, serve,
    transport::{Transport, Undelivered},
};
use transport_sim::dm::Scenario;

use super::{Demo, chart, completed};

const DEVICE: &str = "IMEI:493005100592800";

pub(super) fn run(demo: &mut Demo) -> Result<()> {
    println!();
    chart::title("3. The same over HTTP on loopback");
    tokio::runtime::Runtime::new()?.block_on(converse(demo))
}

async fn converse(demo: &mut Demo) -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}/dm", listener.local_addr()?);
    println!("\n  {url}\n");
    let (client, server) = accounts();
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

    let mut profile = client::Profile::new(DEVICE, url, "srv");
    profile.retry.first_ms = core_kit::Millis(100);
    let mut session = client::Session::new(&profile);
    let mut kept = journal::begin(&session, profile.clone());
    let (inner, said) = (HttpTransport::new(&profile)?, Mutex::default());
    let transport = Watched { inner, said, memory: memory.clone(), device: device.clone(), last: last.clone() };
    let mut agent = MemoryAgent::new(tree()?, client, server);
    let drive = Drive::new(&transport, &mut agent, &env::now).recording(&mut kept.records);
    let outcome = drive.start(&mut session, Trigger::Client("1".into())).await?;
    drop(stop);
    serving.await?;

    let said = transport.said.into_inner();
    for (from, packet) in &said {
        chart::message(None, *from, packet, "");
    }
    completed("client", Some(&outcome))?;
    println!("\n  what became of the orders:");
    for order in orders.iter().chain([&last]) {
        match memory.progress(&device, &order.tag) {
            Some(Progress::Done(done)) => {
                chart::done(&done);
                ensure!(done.is_success(), "order {:?} was not carried out", order.tag.as_str());
            }
            other => anyhow::bail!("order {:?} ended as {other:?}", order.tag.as_str()),
        }
    }
    println!();
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

/// What both sides prove themselves with.
fn accounts() -> (Account, Account) {
    (Account::new("device", "wood-anemone-41", Scheme::Md5), Account::new("srv", "kingfisher-77", Scheme::Md5))
}

/// The device's tree, as in the simulated story.
fn tree() -> Result<tree::Memory> {
    let info = DevInfo {
        dev_id: DEVICE.into(),
        manufacturer: "Example".into(),
        model: "Loopback".into(),
        dm_version: "1.2".into(),
        language: "en".into(),
    };
    let tree = tree::Memory::builder()
        .dev_info(&info)
        .interior("./Sim")
        .acl("Add=srv&Delete=srv&Get=*&Replace=srv&Exec=srv")
        .leaf("./Sim/Value", "0")
        .leaf("./Sim/Run", "")
        .exec(StatusCode::OK)
        .finish()?;
    Ok(tree)
}
