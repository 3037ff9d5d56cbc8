//! Part 7: the story over real HTTP on loopback.
//!
//! Sockets and waiting are real. Where the story lets long times pass, all ends are given a later time.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use anyhow::{Context, Result, anyhow, bail};
use async_trait::async_trait;
use axum::{
    body::{Body as HttpBody, to_bytes},
    extract::Request,
    http::StatusCode,
    middleware::{self, Next},
    response::{IntoResponse, Response},
};
use core_kit::{
    Body, Env, Millis, Tick, UnixMillis,
    journal::{self, JournalOf},
};
use dpe_core::{
    client::{self, Client, PhaseKind, Report},
    config::SpProfile,
    identity::Network,
    ids::ClientId,
    limits::WireLimits,
    property::Reading,
    server::Profile,
    sp::{self, Sp},
    wire::{self, Decoded, Ie, Kind, Message, PropertyName},
};
use tokio::{
    net::TcpListener,
    runtime::Runtime,
    sync::{mpsc, oneshot},
    task::JoinHandle,
};
use transport_http::{
    Limits, Outgoing, Plain,
    dpe::{
        CLIENT_ID,
        client::{Agent, Drive, Link},
        server::{self, Server},
        sp::{self as provider_http, Origin, Reports, Settings, callback},
    },
    env, serve,
};

use super::{
    super::{Demo, chart},
    DEVICES, Journals, PROVIDERS, Pace, Properties,
    draw::{Said, Who},
    phone, provider, provider_id,
    story::{Stage, Story, View},
};

/// A second of silence is long on loopback.
const PACE: Pace = Pace {
    window_seconds: 60,
    policy_seconds: 600,
    silence: Millis::from_secs(1),
    step: Millis(20),
    patience: Millis::from_secs(20),
};
/// From here on the story does not wait, but says that it is later.
const LONG: Millis = Millis::from_secs(10);
/// What follows from a later time takes no longer.
const MOMENT: Duration = Duration::from_millis(50);
/// Inputs of a client that wait.
const INPUTS_MAX: usize = 16;

pub(in super::super) fn run(demo: &mut Demo) -> Result<()> {
    chart::title(7, "DPE: the same over HTTP on loopback");
    let mut stage = OverHttp::new()?;
    println!("\n  {}; where the story lets a minute pass, both ends are told that it is later", stage.url);
    let mut story = Story::new(&mut stage, PACE);
    let played = story.play();
    print!("{}", story.text);
    let (messages, scenes) = (story.messages, story.scenes);
    played?;
    demo.scenes += scenes;
    demo.messages += messages;
    stage.end()?.keep(demo, "dpe-http")
}

/// The clock of this machine, and how much later the story says that it is.
#[derive(Clone, Default)]
struct Clock(Arc<AtomicU64>);

impl Clock {
    fn read(&self) -> Env {
        let (real, later) = (env::now(), self.0.load(Ordering::Relaxed));
        Env { now: Tick(real.now.0 + later), wall: UnixMillis(real.wall.0 + later), ..real }
    }
}

/// What went over the wire, as a listener between sockets and handlers sees it.
#[derive(Clone, Default)]
struct Tap(Arc<Mutex<Tapped>>);

#[derive(Default)]
struct Tapped {
    said: Vec<Said>,
    /// Which client has which Client-ID.
    owners: BTreeMap<String, usize>,
}

fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Tap {
    /// Lets a request through, and notes what it and its response say. `callback` is whose callback it goes to.
    async fn pass(self, clock: Clock, callback: Option<usize>, request: Request, next: Next) -> Response {
        let (parts, body) = request.into_parts();
        let Ok(bytes) = to_bytes(body, WireLimits::DEFAULT.message_bytes_max).await else {
            return StatusCode::PAYLOAD_TOO_LARGE.into_response();
        };
        let named = parts.headers.get(CLIENT_ID).and_then(|id| id.to_str().ok()).map(String::from);
        let message = Body::from(bytes.to_vec());
        let peer = match callback {
            Some(provider) => Some(Who::Provider(provider)),
            None => self.sender(named.as_deref(), &message),
        };
        if let Some(peer) = peer {
            let (from, to) = if callback.is_some() { (Who::Server, peer) } else { (peer, Who::Server) };
            self.note(&clock, from, to, message);
        }
        let response = next.run(Request::from_parts(parts, HttpBody::from(bytes))).await;
        let (parts, body) = response.into_parts();
        let Ok(bytes) = to_bytes(body, WireLimits::DEFAULT.message_bytes_max).await else {
            return StatusCode::INTERNAL_SERVER_ERROR.into_response();
        };
        if let Some(peer) = peer {
            self.note(&clock, Who::Server, peer, Body::from(bytes.to_vec()));
        }
        Response::from_parts(parts, HttpBody::from(bytes))
    }

    /// Who says this, by what the message says, or the poll.
    fn sender(&self, named: Option<&str>, message: &Body) -> Option<Who> {
        let owner = |id: &str| lock(&self.0).owners.get(id).copied().map(Who::Phone);
        let Some(message) = read(message) else { return owner(named?) };
        if let Some(sp) = message.sp_id.get() {
            return PROVIDERS.iter().position(|name| *name == sp.as_str()).map(Who::Provider);
        }
        match message.device_identity.get() {
            Some(device) => DEVICES.iter().position(|imei| *imei == device.text).map(Who::Phone),
            None => owner(message.client_id.get()?.as_str()),
        }
    }

    fn note(&self, clock: &Clock, from: Who, to: Who, body: Body) {
        let Some(message) = read(&body) else { return };
        let mut tapped = lock(&self.0);
        if let (Kind::RegisterResponse, Who::Phone(phone), Ie::Is(client)) = (message.kind, to, &message.client_id) {
            tapped.owners.insert(client.as_str().into(), phone);
        }
        tapped.said.push(Said { at_ms: clock.read().now.0, from, to, body, note: "" });
    }
}

/// A message; nothing where there is none.
fn read(body: &Body) -> Option<Message> {
    match wire::decode(body, &WireLimits::DEFAULT) {
        Ok(Decoded::Message(message)) => Some(*message),
        _ => None,
    }
}

/// A device whose client runs, or has run.
struct Phone {
    profile: client::Profile,
    device: Device,
    inputs: Option<mpsc::Sender<client::Input>>,
    running: Option<Running<Client>>,
    journal: Option<JournalOf<Client>>,
}

/// The device behind a client.
#[derive(Clone)]
struct Device {
    properties: Arc<Mutex<Properties>>,
    /// The Client-ID, once the client is registered.
    registered: Arc<Mutex<Option<ClientId>>>,
}

#[async_trait]
impl Agent for Device {
    async fn read(&mut self, names: &[PropertyName]) -> Vec<Reading> {
        lock(&self.properties).read(names)
    }

    fn report(&mut self, report: &Report) {
        if let Report::Registered(client) = report {
            *lock(&self.registered) = Some(client.clone());
        }
    }
}

/// An SP that runs.
struct Provider {
    handle: provider_http::Handle,
    told: mpsc::Receiver<sp::Output>,
    running: Running<Sp>,
}

/// A task that drives a machine, and how it is ended.
struct Running<M: core_kit::Durable> {
    stop: oneshot::Sender<()>,
    task: JoinHandle<Result<JournalOf<M>>>,
}

impl<M: core_kit::Durable> Running<M> {
    async fn end(self) -> Result<JournalOf<M>> {
        drop(self.stop);
        self.task.await?
    }
}

/// Everything that the story needs, on loopback.
struct OverHttp {
    runtime: Runtime,
    clock: Clock,
    began: Tick,
    tap: Tap,
    url: String,
    server: server::Handle,
    /// The server and the sockets end with these.
    stops: Vec<oneshot::Sender<()>>,
    phones: Vec<Phone>,
    providers: Vec<Provider>,
}

impl OverHttp {
    fn new() -> Result<Self> {
        let runtime = Runtime::new()?;
        let (clock, tap) = (Clock::default(), Tap::default());
        let began = clock.read().now;
        let (mut stops, mut providers, mut phones) = (Vec::new(), Vec::new(), Vec::new());
        let (url, host, server) = runtime.block_on(async {
            let mut machines = Server::new(&Profile::new(PACE.config())?, Outgoing::new()?).with_env(reader(&clock));
            machines.record();
            let listener = TcpListener::bind("127.0.0.1:0").await?;
            let address = listener.local_addr()?;
            let url = format!("http://{address}");
            for number in 0..PROVIDERS.len() {
                let (provider, settled) = start_provider(number, &url, &clock, &tap, &mut stops).await?;
                machines.add_sp(settled);
                providers.push(provider);
            }
            let handle = machines.handle();
            let paths = tapped(server::router(handle.clone()), &tap, &clock, None);
            listen(listener, paths, &mut stops);
            let stopped = stop(&mut stops);
            tokio::spawn(machines.run(stopped));
            Ok::<_, anyhow::Error>((url, address.ip(), handle))
        })?;
        for number in 0..DEVICES.len() {
            let device = Device { properties: Arc::new(Mutex::new(Properties::new()?)), registered: Arc::default() };
            let profile = phone(number, &host.to_string(), None);
            phones.push(Phone { profile, device, inputs: None, running: None, journal: None });
        }
        Ok(Self { runtime, clock, began, tap, url, server, stops, phones, providers })
    }

    fn phone_mut(&mut self, phone: usize) -> Result<&mut Phone> {
        self.phones.get_mut(phone).context("there is no such device")
    }

    /// Ends everything, and gives what all machines did.
    fn end(mut self) -> Result<Journals> {
        let mut journals = Journals::default();
        for number in 0..self.phones.len() {
            self.cut_off(number)?;
        }
        journals.phones = self.phones.iter_mut().filter_map(|phone| phone.journal.take()).collect();
        for provider in self.providers {
            journals.providers.push(self.runtime.block_on(provider.running.end())?);
        }
        let kept = self.server.look(|router| router.journals().cloned());
        journals.server = self.runtime.block_on(kept).flatten().context("the server has journals")?;
        self.stops.clear();
        self.runtime.shutdown_timeout(Duration::from_secs(1));
        Ok(journals)
    }
}

fn reader(clock: &Clock) -> impl Fn() -> Env + Send + Sync + 'static {
    let clock = clock.clone();
    move || clock.read()
}

/// Something that comes when the sender that it leaves in `stops` is dropped.
fn stop(stops: &mut Vec<oneshot::Sender<()>>) -> impl Future<Output = ()> + Send + 'static {
    let (stop, stopped) = oneshot::channel::<()>();
    stops.push(stop);
    async { drop(stopped.await) }
}

fn tapped(paths: axum::Router, tap: &Tap, clock: &Clock, callback: Option<usize>) -> axum::Router {
    let (tap, clock) = (tap.clone(), clock.clone());
    paths.layer(middleware::from_fn(move |request, next| tap.clone().pass(clock.clone(), callback, request, next)))
}

fn listen(listener: TcpListener, paths: axum::Router, stops: &mut Vec<oneshot::Sender<()>>) {
    tokio::spawn(serve(listener, Plain, paths, Limits::DEFAULT, stop(stops)));
}

/// Lets an SP run; the first one has its reports delivered, the second one fetches them.
async fn start_provider(
    number: usize,
    server: &str,
    clock: &Clock,
    tap: &Tap,
    stops: &mut Vec<oneshot::Sender<()>>,
) -> Result<(Provider, SpProfile)> {
    let mut settled = SpProfile::new(provider_id(number)?, vec![Network::try_from("127.0.0.1")?]);
    let reports = if number == 0 { Reports::Posted } else { Reports::Fetched };
    let (profile, settings) = (provider(number, PACE)?, Settings { reports, ..Settings::DEFAULT });
    let (drive, handle, told) = provider_http::Drive::new(&profile, server, Outgoing::new()?, settings)?;
    if reports == Reports::Posted {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        settled.callback = Some(format!("http://{}/reports", listener.local_addr()?));
        let paths = callback(handle.clone(), Origin::Anywhere, Limits::DEFAULT);
        listen(listener, tapped(paths, tap, clock, Some(number)), stops);
    }
    let drive = drive.with_env(reader(clock));
    let (stop, stopped) = oneshot::channel::<()>();
    let task = tokio::spawn(async move {
        let mut sp = Sp::new(&profile);
        let mut kept = journal::begin(&sp, profile);
        drive.run(&mut sp, Some(&mut kept.records), async { drop(stopped.await) }).await;
        Ok(kept)
    });
    Ok((Provider { handle, told, running: Running { stop, task } }, settled))
}

impl Stage for OverHttp {
    fn pass(&mut self, time: Millis) -> Result<()> {
        if time < LONG {
            std::thread::sleep(Duration::from_millis(time.0));
            return Ok(());
        }
        self.clock.0.fetch_add(time.0, Ordering::Relaxed);
        // Whoever is spoken to looks at the time.
        self.runtime.block_on(self.server.look(|_| ())).context("the server has ended")?;
        std::thread::sleep(MOMENT);
        Ok(())
    }

    fn phone(&mut self, phone: usize, input: client::Input) -> Result<()> {
        if input == client::Input::Start {
            return self.start_phone(phone);
        }
        let inputs = self.phone_mut(phone)?.inputs.clone().context("the client does not run")?;
        self.runtime.block_on(inputs.send(input)).map_err(|_| anyhow!("the client has ended"))
    }

    fn worth(&mut self, phone: usize, reading: Reading) -> Result<()> {
        lock(&self.phone_mut(phone)?.device.properties).set(reading);
        Ok(())
    }

    /// The client itself is at work: what it has is what the server knows that it has.
    fn view(&mut self, phone: usize) -> Result<View> {
        let Some(client) = lock(&self.phone_mut(phone)?.device.registered).clone() else {
            return Ok(View { phase: PhaseKind::AwaitResponse, client: None, settings: (0, 0) });
        };
        let named = client.clone();
        let look =
            self.server.look(move |router| router.device(&named).map(dpe_core::server::device::Device::settings));
        let settings = self.runtime.block_on(look).flatten().context("the server does not know the client")?;
        Ok(View { phase: PhaseKind::Registered, client: Some(client), settings })
    }

    fn cut_off(&mut self, phone: usize) -> Result<()> {
        let Some(running) = self.phone_mut(phone)?.running.take() else { return Ok(()) };
        let journal = self.runtime.block_on(running.end())?;
        self.phone_mut(phone)?.journal = Some(journal);
        Ok(())
    }

    fn provider(&mut self, provider: usize, input: sp::Input) -> Result<()> {
        let sp::Input::Request(request) = input else { bail!("only requests are given to an SP that runs") };
        let provider = self.providers.get(provider).context("there is no such SP")?;
        Ok(self.runtime.block_on(provider.handle.request(request))?)
    }

    fn told(&mut self, provider: usize) -> Vec<sp::Output> {
        let Some(provider) = self.providers.get_mut(provider) else { return Vec::new() };
        std::iter::from_fn(|| provider.told.try_recv().ok()).collect()
    }

    fn said(&mut self) -> Vec<Said> {
        let mut said = core::mem::take(&mut lock(&self.tap.0).said);
        for one in &mut said {
            one.at_ms = one.at_ms.saturating_sub(self.began.0);
        }
        said
    }
}

impl OverHttp {
    fn start_phone(&mut self, phone: usize) -> Result<()> {
        let (url, clock) = (self.url.clone(), self.clock.clone());
        let link = Link::new(&url, Outgoing::new()?)?;
        let (inputs, waiting) = mpsc::channel(INPUTS_MAX);
        let (stop, stopped) = oneshot::channel::<()>();
        let started = self.phone_mut(phone)?;
        let (profile, mut device) = (started.profile.clone(), started.device.clone());
        started.inputs = Some(inputs);
        let task = self.runtime.spawn(async move {
            let mut client = Client::new(&profile);
            let mut kept = journal::begin(&client, profile);
            let drive = Drive::new(link, &mut device).with_env(reader(&clock)).with_inputs(waiting);
            let drive = drive.recording(&mut kept.records);
            drive.run(&mut client, async { drop(stopped.await) }).await?;
            Ok(kept)
        });
        self.phone_mut(phone)?.running = Some(Running { stop, task });
        Ok(())
    }
}
