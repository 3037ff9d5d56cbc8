//! A play of DPE over HTTP, on sockets of this machine: a server, clients behind proxies that do the mishaps, and SPs.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use anyhow::{Context, Result, anyhow};
use async_trait::async_trait;
use core_kit::{Millis, journal::RecordOf};
use dpe_core::{
    client::{self, Client},
    config::{ResponseMode, SpProfile},
    identity::Network,
    ids::ClientId,
    property::Reading,
    server,
    sp::{self, Sp},
    wire::{Identity, PropertyName},
};
use tokio::{
    net::TcpListener,
    sync::{mpsc, oneshot},
    task::{JoinHandle, JoinSet},
    time::{sleep, timeout},
};
use transport_http::{
    Limits, Outgoing, Plain,
    dpe::{
        client::{Agent, Drive, Link, Timing, listen},
        server::{Handle, Server, router},
        sp::{self as provider, Origin, Reports, Settings, callback},
    },
    serve,
};
use transport_sim::{
    FaultId, Mishap,
    dpe::play::{Act, LEVEL, Performance, Play, Provider, Raw, Sign, Whose, believed, is_calm, sampled, worth},
};

use super::{lock, proxy::Proxy};

const HERE: &str = "127.0.0.1";
/// How often a sign is looked for.
const STEP: Duration = Duration::from_millis(5);
/// How long, before it is given up.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long a device waits where messages get lost: shorter than its client and the server do.
const HASTY: Millis = Millis(300);

/// Performs a play over HTTP.
pub(super) async fn perform(play: &Play) -> Result<Performance> {
    let mut stage = Stage::open(play).await?;
    for (n, act) in play.acts.iter().enumerate() {
        stage.act(act).await.with_context(|| format!("act {}: {act:?}", n + 1))?;
    }
    stage.until(None).await?;
    stage.outcome().await
}

struct Stage<'p> {
    play: &'p Play,
    /// What ends with the play.
    tasks: JoinSet<()>,
    handle: Handle,
    server: SocketAddr,
    devices: Vec<Phone>,
    sps: Vec<Caller>,
}

/// What a device and its agent have in common.
#[derive(Default)]
struct Shared {
    level: i64,
    count: i64,
    reports: Vec<client::Report>,
}

/// A device.
struct Phone {
    profile: client::Profile,
    shared: Arc<Mutex<Shared>>,
    /// Between the device and the server.
    proxy: Option<Proxy>,
    running: Option<Running>,
    /// Whether it was cut off.
    is_off: bool,
    ended: Option<(Client, Vec<RecordOf<Client>>)>,
}

/// A client that is driven.
struct Running {
    inputs: mpsc::Sender<client::Input>,
    stop: oneshot::Sender<()>,
    task: JoinHandle<Result<(Client, Vec<RecordOf<Client>>)>>,
}

/// An SP that is driven.
struct Caller {
    id: String,
    asked: usize,
    handle: provider::Handle,
    told: Arc<Mutex<usize>>,
    stop: oneshot::Sender<()>,
    task: JoinHandle<(Sp, Vec<RecordOf<Sp>>)>,
}

struct PlayAgent {
    name: String,
    shared: Arc<Mutex<Shared>>,
}

#[async_trait]
impl Agent for PlayAgent {
    async fn read(&mut self, names: &[PropertyName]) -> Vec<Reading> {
        let shared = lock(&self.shared);
        names.iter().map(|name| worth(name, &self.name, shared.level, shared.count)).collect()
    }

    fn report(&mut self, report: &client::Report) {
        lock(&self.shared).reports.push(report.clone());
    }
}

impl<'p> Stage<'p> {
    async fn open(play: &'p Play) -> Result<Self> {
        let mut tasks = JoinSet::new();
        let listener = TcpListener::bind((HERE, 0)).await?;
        let server = listener.local_addr()?;
        let mut machines = Server::new(&server::Profile::new(play.config.clone())?, Outgoing::new()?);
        let handle = machines.handle();
        let mut sps = Vec::new();
        for provider in &play.sps {
            sps.push(Caller::start(play, provider, server, &mut machines, &mut tasks).await?);
        }
        tasks.spawn(serve(listener, Plain, router(handle.clone()), Limits::DEFAULT, std::future::pending()));
        tasks.spawn(machines.run(std::future::pending()));
        let devices = play.devices.iter().map(|player| Phone {
            profile: play.client(player, HERE, None),
            shared: Arc::new(Mutex::new(Shared { level: LEVEL, ..Shared::default() })),
            proxy: None,
            running: None,
            is_off: false,
            ended: None,
        });
        let devices = devices.collect();
        Ok(Self { play, tasks, handle, server, devices, sps })
    }

    async fn act(&mut self, act: &Act) -> Result<()> {
        match act {
            Act::Start(n) if self.device(*n)?.running.is_none() => self.start(*n).await?,
            Act::Start(n) => self.tell(*n, client::Input::Start).await?,
            Act::Off(n) => self.device(*n)?.end().await?,
            Act::Level(n, level, is_told) => {
                let device = self.device(*n)?;
                let (level, count) = {
                    let mut shared = lock(&device.shared);
                    (shared.level, shared.count) = (*level, shared.count + 1);
                    (shared.level, shared.count)
                };
                if *is_told {
                    let readings = sampled().map(|name| worth(&name, "", level, count)).collect();
                    self.tell(*n, client::Input::Sampled(readings)).await?;
                }
            }
            Act::User(n, user) => self.give(*n, user.clone()).await?,
            Act::Want(n, wants) => {
                self.tell(*n, client::Input::Want(*wants)).await?;
                // A client that is wanted again registers by itself.
                if !wants {
                    self.tell(*n, client::Input::Start).await?;
                }
            }
            Act::Ask(n, whose, what) => self.ask(*n, *whose, what).await?,
            Act::Until(sign) => self.until(Some(*sign)).await?,
        }
        Ok(())
    }

    fn device(&mut self, n: usize) -> Result<&mut Phone> {
        self.devices.get_mut(n).with_context(|| format!("there is no device {n}"))
    }

    /// Gives a client an input.
    async fn tell(&mut self, n: usize, input: client::Input) -> Result<()> {
        let running = self.device(n)?.running.as_ref().context("the device is off")?;
        running.inputs.send(input).await.map_err(|_| anyhow!("the client has ended"))
    }

    /// Another SIM is in a device, which may be off.
    async fn give(&mut self, n: usize, user: Option<Identity>) -> Result<()> {
        let device = self.device(n)?;
        device.profile.user.clone_from(&user);
        let input = client::Input::Identity { device: device.profile.device.clone(), user };
        if device.running.is_some() { self.tell(n, input).await } else { Ok(()) }
    }

    /// Starts a device.
    async fn start(&mut self, n: usize) -> Result<()> {
        let (play, server) = (self.play, self.server);
        let is_its = |mishap: &&Mishap| mishap.device == n;
        let mishaps = play.mishaps.iter().filter(is_its).map(|mishap| Mishap { device: 0, ..*mishap }).collect();
        let proxy = Proxy::start(server, mishaps, Arc::default()).await?;
        let mut ear = None;
        if !play.is_polled {
            let listener = TcpListener::bind((HERE, 0)).await?;
            self.device(n)?.profile.contact = Some(format!("http://{}/", listener.local_addr()?));
            let (heard, own) = listen(Limits::DEFAULT);
            self.tasks.spawn(serve(listener, Plain, heard, Limits::DEFAULT, std::future::pending()));
            ear = Some(own);
        }
        let link = Link::new(&format!("http://{}", proxy.address), Outgoing::new()?)?;
        let name = play.devices.get(n).map(|player| player.name.clone()).unwrap_or_default();
        let device = self.device(n)?;
        let mut agent = PlayAgent { name, shared: device.shared.clone() };
        let (inputs, told) = mpsc::channel(16);
        let (stop, stopped) = oneshot::channel();
        let mut client = Client::new(&device.profile);
        let response_ms = if play.has_mishaps() { HASTY } else { Timing::DEFAULT.response_ms };
        let timing = Timing { response_ms, pause_ms: Millis(20), ..Timing::DEFAULT };
        let task = tokio::spawn(async move {
            let mut records = Vec::new();
            let drive = Drive::new(link, &mut agent).with_timing(timing).with_inputs(told).recording(&mut records);
            let drive = match ear {
                Some(ear) => drive.listening(ear),
                None => drive,
            };
            drive.run(&mut client, async { stopped.await.unwrap_or_default() }).await?;
            Ok((client, records))
        });
        device.proxy = Some(proxy);
        device.running = Some(Running { inputs, stop, task });
        Ok(())
    }

    async fn ask(&mut self, n: usize, whose: Whose, what: &sp::What) -> Result<()> {
        let client = whose.client(|n| self.devices.get(n).map(Phone::given).unwrap_or_default());
        let client = client.filter(|_| !matches!(what, sp::What::ClientIds(_)));
        let sp = self.sps.get_mut(n).with_context(|| format!("there is no SP {n}"))?;
        let tag = format!("{}-{}", sp.id, sp.asked + 1);
        sp.handle.request(sp::Request { tag, client, what: what.clone() }).await?;
        sp.asked += 1;
        Ok(())
    }

    /// Waits until this is so, and nothing is out to a client.
    async fn until(&self, sign: Option<Sign>) -> Result<()> {
        let soon = async {
            while !(sign.is_none_or(|sign| self.has(sign)) && self.is_calm().await) {
                sleep(STEP).await;
            }
        };
        timeout(PATIENCE, soon).await.with_context(|| format!("this sign never comes: {sign:?}"))
    }

    fn has(&self, sign: Sign) -> bool {
        match sign {
            Sign::Client(n, count) => {
                self.devices.get(n).is_some_and(|device| lock(&device.shared).reports.len() >= count)
            }
            Sign::Sp(n, count) => self.sps.get(n).is_some_and(|sp| *lock(&sp.told) >= count),
        }
    }

    async fn is_calm(&self) -> bool {
        let on = self.devices.iter().filter(|device| !device.is_off);
        let clients: Vec<ClientId> = on.filter_map(|device| device.given().pop()).collect();
        let look = self.handle.look(move |router| clients.iter().filter_map(|id| router.device(id)).all(is_calm));
        look.await.unwrap_or_default()
    }

    async fn outcome(mut self) -> Result<Performance> {
        let mut faults: BTreeMap<FaultId, u64> = BTreeMap::new();
        let mut devices = Vec::new();
        for mut device in self.devices {
            device.end().await?;
            for (fault, count) in device.proxy.iter().flat_map(Proxy::faults) {
                *faults.entry(fault).or_insert(0) += count;
            }
            let (client, records) = device.ended.take().context("a device never began")?;
            let given = device.given();
            let known = self.handle.look(move |router| {
                let one = |id: ClientId| {
                    let text = believed(router.device(&id), &router.directory, &id);
                    (id, text)
                };
                given.into_iter().map(one).collect::<BTreeMap<ClientId, String>>()
            });
            let known = known.await.context("the server has ended")?;
            devices.push(Raw::of_client(&client, records.iter(), |id| known.get(id).cloned().unwrap_or_default()));
        }
        let mut sps = Vec::new();
        for sp in self.sps {
            // Whoever has ended needs no word.
            _ = sp.stop.send(());
            let (machine, records) = sp.task.await?;
            sps.push(Raw::of_sp(&machine, records.iter()));
        }
        self.tasks.shutdown().await;
        Ok(Performance::of(devices, sps, faults, Vec::new()))
    }
}

impl Phone {
    /// The Client-IDs that it was given.
    fn given(&self) -> Vec<ClientId> {
        let of = |report: &client::Report| match report {
            client::Report::Registered(client) => Some(client.clone()),
            _ => None,
        };
        lock(&self.shared).reports.iter().filter_map(of).collect()
    }

    /// Cuts it off.
    async fn end(&mut self) -> Result<()> {
        if let Some(running) = self.running.take() {
            self.is_off = true;
            // Whoever has ended needs no word.
            _ = running.stop.send(());
            self.ended = Some(running.task.await??);
        }
        Ok(())
    }
}

impl Caller {
    /// Starts an SP, and has the server know it.
    async fn start(
        play: &Play,
        provider: &Provider,
        server: SocketAddr,
        machines: &mut Server,
        tasks: &mut JoinSet<()>,
    ) -> Result<Self> {
        let reports = if play.is_polled { Reports::Fetched } else { Reports::Posted };
        // What is asked at once arrives in the order in which it was asked.
        let settings = Settings { reports, exchanges_max: 1, pause_ms: Millis(20), ..Settings::DEFAULT };
        let (drive, handle, mut outputs) =
            provider::Drive::new(&provider.profile, &format!("http://{server}"), Outgoing::new()?, settings)?;
        let mut own = SpProfile::new(provider.id().clone(), vec![Network::try_from(HERE)?]);
        own.query_key_schemes = provider.query_key_schemes();
        if !play.is_polled {
            let listener = TcpListener::bind((HERE, 0)).await?;
            own.callback = Some(format!("http://{}/", listener.local_addr()?));
            own.response_mode = ResponseMode::Callback;
            let taken = callback(handle.clone(), Origin::Anywhere, Limits::DEFAULT);
            tasks.spawn(serve(listener, Plain, taken, Limits::DEFAULT, std::future::pending()));
        }
        machines.add_sp(own);
        let told = Arc::new(Mutex::new(0));
        let count = told.clone();
        tasks.spawn(async move {
            while outputs.recv().await.is_some() {
                *lock(&count) += 1;
            }
        });
        let (stop, stopped) = oneshot::channel();
        let mut machine = Sp::new(&provider.profile);
        let task = tokio::spawn(async move {
            let mut records = Vec::new();
            drive.run(&mut machine, Some(&mut records), async { stopped.await.unwrap_or_default() }).await;
            (machine, records)
        });
        Ok(Self { id: provider.id().to_string(), asked: 0, handle, told, stop, task })
    }
}
