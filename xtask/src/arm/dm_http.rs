//! A play over HTTP, on sockets of this machine.

use std::{
    net::SocketAddr,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
};

use anyhow::{Context, Result};
use async_trait::async_trait;
use core_kit::{
    Durable, Millis,
    journal::{self, RecordOf},
};
use dm_core::{
    Packet,
    auth::{Claim, SignRequest, Signature, Verdict},
    client::{self, Input, Ops, Output, Report, Session},
    ids::SessionId,
    prompt::{Prompt, Reply},
    server::SessionKey,
    session::Reason,
    tree::{Memory, OpResult},
};
use tokio::{
    sync::{Notify, mpsc},
    task::JoinSet,
};
use transport_http::{
    dm::{
        HttpTransport,
        agent::MemoryAgent,
        device::{Agent, Drive},
        memory::Progress,
        transport::{Transport, Undelivered},
    },
    env,
};
use transport_sim::{
    EPOCH,
    dm::{
        Execution, OpKind, OrderState,
        play::{Act, Ending, Performance, Play, Played, Player, Speaker, What, given, obliging},
    },
};

use super::{
    lock,
    proxy::Proxy,
    shop::{Nodes, Shop},
};

/// Half of the time between two sessions of a device.
const HALF_HOUR: Millis = Millis::from_secs(1_800);

/// Performs a play over HTTP: devices, a proxy that does the mishaps, and the nodes of a server.
pub(super) async fn perform(play: &Play) -> Result<Performance> {
    let shop = Shop::open(play);
    // The proxy has to know where the node is, and the nodes have to tell the proxy when that changes.
    let (tell, mut told) = mpsc::unbounded_channel();
    let nodes = Nodes::start(shop.clone(), move |address| tell.send(address).unwrap_or_default()).await?;
    let proxy = Proxy::start(nodes.first, play.mishaps.clone(), shop.doomed.clone()).await?;
    let mut devices = Vec::new();
    for (n, player) in play.devices.iter().enumerate() {
        devices.push(Device::new(n, player, play, proxy.address)?);
    }
    let acts = play.devices.iter().map(|player| player.acts.len()).max().unwrap_or_default();
    for n in 0..acts {
        for player in &play.devices {
            if let Some(act) = player.acts.get(n) {
                shop.order(&player.client.device, &act.packages)?;
            }
        }
        let mut sessions = JoinSet::new();
        for (device, player) in devices.drain(..).zip(&play.devices) {
            let (player, act) = (player.clone(), player.acts.get(n).cloned());
            sessions.spawn(async move { device.session(n, &player, act).await });
        }
        loop {
            tokio::select! {
                done = sessions.join_next() => match done {
                    Some(device) => devices.push(device??),
                    None => break,
                },
                Some(address) = told.recv() => proxy.go_to(address),
            }
        }
        devices.sort_by_key(|device| device.number);
        shop.let_pass(HALF_HOUR).await?;
        proxy.deliver_late().await?;
        shop.let_pass(HALF_HOUR).await?;
    }
    let mut faults = proxy.faults();
    faults.insert(What::ServerDies.fault(), shop.deaths());
    faults.insert(What::DeviceRestarts.fault(), devices.iter().map(|device| device.deaths).sum());
    faults.retain(|_, count| *count > 0);
    let devices = devices.into_iter().zip(&play.devices).map(|(device, player)| device.played(player, &shop));
    Ok(Performance { devices: devices.collect(), faults, failures: Vec::new() })
}

/// A device of a play.
struct Device {
    number: usize,
    profile: client::Profile,
    agent: PlayAgent,
    wire: Wire,
    /// What went through its sessions' machines.
    journals: Vec<(SessionId, Vec<RecordOf<Session>>)>,
    /// How often it died.
    deaths: u64,
}

impl Device {
    fn new(number: usize, player: &Player, play: &Play, proxy: SocketAddr) -> Result<Self> {
        let (own, server) = player.on_device.clone();
        let dies = play.mishaps.iter().filter(|mishap| mishap.device == number && mishap.what == What::DeviceRestarts);
        let wire = Wire {
            inner: HttpTransport::new(&player.client)?,
            url: format!("http://{proxy}/dm?device={number}&id={}", player.client.device),
            dies_before: dies.map(|mishap| mishap.nth as usize).collect(),
            session: Mutex::default(),
            said: Mutex::default(),
            died: Notify::new(),
            replies: AtomicU32::new(0),
            aborts_after: AtomicU32::new(0),
            has_enough: Notify::new(),
        };
        let inner = MemoryAgent::new(player.tree.clone(), own, server);
        let agent = PlayAgent { inner, executions: Vec::new() };
        Ok(Self { number, profile: player.client.clone(), agent, wire, journals: Vec::new(), deaths: 0 })
    }

    /// Opens the session of an act, if there is one, and drives it to its end.
    async fn session(mut self, n: usize, player: &Player, act: Option<Act>) -> Result<Self> {
        let Some(act) = act else { return Ok(self) };
        let (trigger, id) = player.session_of(n).context("the notification is not followed")?;
        self.wire.replies.store(0, Ordering::SeqCst);
        self.wire.aborts_after.store(act.aborts_after.unwrap_or_default(), Ordering::SeqCst);
        let (device, session_id) = (self.profile.device.clone(), id.clone());
        let env = move || given(env::now(), &device, &session_id);
        *lock(&self.wire.session) = id.to_string();
        let (mut session, mut records) = (Session::new(&self.profile), Vec::new());
        self.agent.inner.tree.abandon();
        for alert in act.alerts {
            records.push(journal::step(&mut session, &env(), Input::Alert(alert))?);
        }
        let mut has_begun = false;
        loop {
            let drive = Drive::new(&self.wire, &mut self.agent, &env).recording(&mut records);
            let driven = async {
                if has_begun {
                    drive.resume(&mut session).await
                } else {
                    drive.start(&mut session, trigger.clone()).await
                }
            };
            let has_enough = tokio::select! {
                outcome = driven => break outcome.map(drop)?,
                () = self.wire.died.notified() => false,
                () = self.wire.has_enough.notified() => true,
            };
            has_begun = true;
            if has_enough {
                let record = journal::step(&mut session, &env(), Input::Abort(Reason::Requested))?;
                let mut last_words = None;
                for output in &record.outputs {
                    match output {
                        Output::Report(report) => self.agent.report(report).await,
                        Output::Send(request) => last_words = Some(request.clone()),
                        Output::Ask(_) | Output::Finished(_) => {}
                    }
                }
                records.push(record);
                if let (Some(_), Some(request)) = (session.outcome(), last_words) {
                    self.wire.exchange(&request).await?;
                }
                continue;
            }
            self.deaths += 1;
            // What is left of a device that died is what it had stored.
            let stored = serde_json::to_string(&session.snapshot())?;
            session = Session::restore(serde_json::from_str(&stored)?, &self.profile)?;
            let tree = serde_json::to_string(&self.agent.inner.tree)?;
            self.agent.inner.tree = serde_json::from_str::<Memory>(&tree)?;
        }
        self.agent.inner.tree.abandon();
        self.journals.push((id, records));
        Ok(self)
    }

    fn played(self, player: &Player, shop: &Shop) -> Played {
        let device = &player.client.device;
        let sessions = self.journals.iter().map(|(id, records)| {
            let on_server = shop.memory.journal(&SessionKey { device: device.clone(), session: id.clone() });
            let outputs = on_server.iter().flat_map(|journal| &journal.records).flat_map(|record| &record.outputs);
            Ending::of(id.clone(), records.iter().flat_map(|record| &record.outputs), outputs)
        });
        let sessions = sessions.collect();
        let orders = player.acts.iter().flat_map(|act| act.packages.iter().flatten());
        let state = |progress| match progress {
            Progress::Queued => OrderState::Queued,
            Progress::Handed(_) => OrderState::HandedOut,
            Progress::Done(done) => OrderState::Done(done),
            Progress::Unknown => OrderState::Unknown,
            Progress::Failed(fault) => OrderState::NotSent(Some(fault)),
        };
        let orders =
            orders.filter_map(|order| Some((order.tag.clone(), state(shop.memory.progress(device, &order.tag)?))));
        let mut tree = self.agent.inner.tree;
        tree.tell_time(EPOCH);
        Played {
            sessions,
            orders: orders.collect(),
            executions: self.agent.executions,
            tree,
            messages: self.wire.said.into_inner().unwrap_or_else(PoisonError::into_inner),
        }
    }
}

/// A device's way to the proxy, which stands for the server's name.
struct Wire {
    inner: HttpTransport,
    url: String,
    session: Mutex<String>,
    /// Every different message so far.
    said: Mutex<Vec<(Speaker, Packet)>>,
    /// The messages that the device does not live to send.
    dies_before: Vec<usize>,
    died: Notify,
    /// How many replies came in this session, and with which of them the device gives it up; 0 for none.
    replies: AtomicU32,
    aborts_after: AtomicU32,
    has_enough: Notify,
}

impl Wire {
    /// Keeps a message; its number among those of the speaker, if it is new.
    fn keep(&self, speaker: Speaker, packet: &Packet) -> Option<usize> {
        let mut said = lock(&self.said);
        let new = (speaker, packet.clone());
        if said.contains(&new) {
            return None;
        }
        said.push(new);
        Some(said.iter().filter(|(known, _)| *known == speaker).count())
    }
}

#[async_trait]
impl Transport for Wire {
    async fn exchange(&self, request: &client::Request) -> Result<Packet, Undelivered> {
        let is_last = self.keep(Speaker::Device, &request.packet).is_some_and(|nth| self.dies_before.contains(&nth));
        if is_last {
            self.died.notify_one();
            std::future::pending::<()>().await;
        }
        let url = format!("{}&session={}", self.url, *lock(&self.session));
        let reply = self.inner.exchange(&client::Request { url: url.into(), ..request.clone() }).await?;
        self.keep(Speaker::Server, &reply);
        if self.replies.fetch_add(1, Ordering::SeqCst) + 1 == self.aborts_after.load(Ordering::SeqCst) {
            self.has_enough.notify_one();
            std::future::pending::<()>().await;
        }
        Ok(reply)
    }
}

/// The device behind the protocol.
struct PlayAgent {
    inner: MemoryAgent,
    executions: Vec<Execution>,
}

#[async_trait]
impl Agent for PlayAgent {
    async fn tree(&mut self, ops: &Ops) -> Vec<OpResult> {
        let results = self.inner.tree(ops).await;
        if ops.server.is_some() {
            for (op, result) in ops.ops.iter().zip(&results) {
                if let Some((kind, uri)) = OpKind::of(op).zip(op.uri()) {
                    self.executions.push(Execution { kind, uri: uri.into(), status: result.status });
                }
            }
        }
        results
    }

    async fn user(&mut self, prompt: &Prompt) -> Reply {
        obliging(prompt)
    }

    async fn sign(&mut self, request: &SignRequest) -> Option<Signature> {
        self.inner.sign(request).await
    }

    async fn authenticate(&mut self, claim: &Claim) -> Verdict {
        self.inner.authenticate(claim).await
    }

    async fn report(&mut self, report: &Report) {
        self.inner.report(report).await;
    }
}
