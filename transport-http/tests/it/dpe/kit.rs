//! Servers, phones and SPs for the tests of DPE, and raw requests for what none of them would send.

use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr},
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use core_kit::Millis;
use dpe_core::{
    client::{self, Client, Input, Report},
    codes::Code,
    config::{ClientConfig, Config, SpProfile},
    identity::{Claims, Network},
    ids::{ClientId, SpId, Token},
    limits::WireLimits,
    property::Reading,
    server,
    sp::{self, Done, Output, Request, Sp, What},
    wire::{self, Decoded, Identity, Ie, Kind, Message, PropertyName, Value},
};
use tokio::{
    io::AsyncWriteExt,
    net::{TcpListener, TcpStream},
    sync::{mpsc, oneshot},
    task::JoinHandle,
    time::{sleep, timeout},
};
use transport_http::{
    Limits, Outgoing,
    dpe::{
        client::{Agent, Drive, Ear, Link, Timing},
        server::{Bounds, Fact, Handle, Hooks, Server, router},
        sp::{self as provider, Settings},
    },
};

use crate::kit::{self, Answer, Node};

pub(crate) const IMEI: &str = "490154203237518";
pub(crate) const IMEI_2: &str = "356938035643809";
pub(crate) const MSISDN: &str = "+34600111222";
pub(crate) const HERE: &str = "127.0.0.1";

pub(crate) fn name(text: &str) -> PropertyName {
    PropertyName::try_from(text).unwrap()
}

pub(crate) fn token(text: &str) -> Ie<Token> {
    Ie::Is(Token::try_from(text).unwrap())
}

pub(crate) fn sp_id(text: &str) -> SpId {
    SpId::try_from(text).unwrap()
}

/// Short enough for a test.
pub(crate) fn config() -> Config {
    let mut config = Config::default();
    (config.dpe2.noreply_timeout, config.dpe2.ack_timeout) = (Millis(400), Millis(400));
    config.reg.ack_timeout = Millis(400);
    config.reg.command_timeout = Millis(400);
    config.policy.min_interval = Millis::from_secs(1);
    config.http.poll_wait = Millis::from_secs(5);
    config.dpe1.rate_per_ip = 1000;
    config.sp.max_connections = 64;
    config
}

/// An SP that comes from here.
pub(crate) fn sp_profile(id: &str) -> SpProfile {
    let mut profile = SpProfile::new(sp_id(id), vec![Network::try_from(HERE).unwrap()]);
    profile.query_key_schemes = vec!["msisdn".into()];
    profile
}

pub(crate) const BOUNDS: Bounds = Bounds { pause_ms: Millis(20), post_ms: Millis(500), ..Bounds::DEFAULT };

/// Counts what a server tells, and lets settings through whose group is not refused.
#[derive(Default)]
pub(crate) struct Counter {
    pub(crate) facts: Mutex<Vec<Fact>>,
    /// Whether a filter keeps anything.
    pub(crate) keep: bool,
    /// Whether it takes longer than anybody waits.
    pub(crate) slow: bool,
    /// What the network says of every address.
    pub(crate) network: Claims,
}

impl Counter {
    pub(crate) fn count(&self, is: impl Fn(&Fact) -> bool) -> usize {
        self.facts.lock().unwrap().iter().filter(|fact| is(fact)).count()
    }
}

#[async_trait]
impl Hooks for Counter {
    async fn filter(&self, question: &server::device::Filter) -> Vec<bool> {
        if self.slow {
            std::future::pending::<()>().await;
        }
        vec![self.keep; question.items.len()]
    }

    async fn network(&self, _: IpAddr) -> Claims {
        self.network.clone()
    }

    fn count(&self, fact: &Fact) {
        self.facts.lock().unwrap().push(fact.clone());
    }
}

/// A server that runs and listens.
pub(crate) struct World {
    pub(crate) node: Node,
    pub(crate) handle: Handle,
    pub(crate) counter: Arc<Counter>,
    engine: JoinHandle<()>,
    stop: Option<oneshot::Sender<()>>,
}

impl World {
    pub(crate) async fn start(config: Config, sps: Vec<SpProfile>) -> Self {
        Self::start_with(config, sps, BOUNDS, Counter::default()).await
    }

    pub(crate) async fn start_with(config: Config, sps: Vec<SpProfile>, bounds: Bounds, counter: Counter) -> Self {
        let counter = Arc::new(counter);
        let profile = server::Profile::new(config).unwrap();
        let mut server = Server::with(&profile, Outgoing::new().unwrap(), bounds, counter.clone());
        for sp in sps {
            server.add_sp(sp);
        }
        let handle = server.handle();
        let node = Node::start(router(handle.clone()), bounds.limits).await;
        let (stop, stopped) = oneshot::channel();
        let engine = tokio::spawn(server.run(async { stopped.await.unwrap_or_default() }));
        Self { node, handle, counter, engine, stop: Some(stop) }
    }

    /// With one SP in sync mode, whose reports are fetched.
    pub(crate) async fn usual() -> Self {
        Self::start(config(), vec![sp_profile("sp")]).await
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.node.address)
    }

    pub(crate) async fn stop_engine(&mut self) {
        self.stop.take().unwrap().send(()).unwrap();
        (&mut self.engine).await.unwrap();
    }

    pub(crate) async fn post(&self, path: &str, message: &Message) -> Option<Answer> {
        self.post_with(path, &[], message).await
    }

    pub(crate) async fn post_with(&self, path: &str, headers: &[(&str, &str)], message: &Message) -> Option<Answer> {
        let body = wire::encode(message).unwrap();
        self.ask("POST", path, &[&[("content-type", "application/xml")], headers].concat(), &body).await
    }

    pub(crate) async fn get(&self, path: &str, headers: &[(&str, &str)]) -> Option<Answer> {
        self.ask("GET", path, headers, b"").await
    }

    /// A raw request below the base path; nothing if the server closes without a word.
    pub(crate) async fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Option<Answer> {
        kit::talk(self.node.address, &raw(method, path, headers, body)).await
    }

    /// Registers a client by raw requests; its Client-ID.
    pub(crate) async fn registered(&self, imei: &str, user: Option<&str>) -> ClientId {
        let response = read(&self.post("/register", &request(imei, user)).await.unwrap());
        assert_eq!(response.status, Ie::Is(Code::OK), "{response:?}");
        let client = ClientId::try_from(response.client_id.into_option().unwrap()).unwrap();
        assert_eq!(self.post("/register", &success(&client)).await.unwrap().status, 204);
        self.synchronise(&client).await;
        client
    }

    /// Answers everything that the server wants of a client.
    pub(crate) async fn synchronise(&self, client: &ClientId) {
        loop {
            let polled = self.poll(client, 0).await.unwrap();
            if polled.status == 204 {
                return;
            }
            self.answers(&answer(client, &read(&polled))).await;
        }
    }

    pub(crate) async fn poll(&self, client: &ClientId, seconds: u32) -> Option<Answer> {
        self.get(&format!("/client/poll?wait={seconds}"), &[("dpe-client-id", client.as_str())]).await
    }

    /// The next request to a client, in answer to its poll.
    pub(crate) async fn polled(&self, client: &ClientId) -> Message {
        read(&self.poll(client, 5).await.unwrap())
    }

    pub(crate) async fn answers(&self, message: &Message) {
        assert_eq!(self.post("/client/messages", message).await.unwrap().status, 204);
    }

    /// Waits until so many registrations are complete: a client knows its name before the server has heard that it does.
    pub(crate) async fn serves(&self, registrations: usize) {
        let is_one = |fact: &Fact| matches!(fact, Fact::Device(_, server::device::Report::Registered));
        self.until("registrations are complete", |world| world.counter.count(is_one) >= registrations).await;
    }

    /// Waits until something is so.
    pub(crate) async fn until(&self, what: &str, is: impl Fn(&Self) -> bool) {
        let soon = async {
            while !is(self) {
                sleep(Duration::from_millis(10)).await;
            }
        };
        assert!(timeout(Duration::from_secs(10), soon).await.is_ok(), "{what}");
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.engine.abort();
    }
}

pub(crate) fn raw(method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let length = if method == "POST" { format!("Content-Length: {}\r\n", body.len()) } else { String::new() };
    let fields: String = headers.iter().flat_map(|(name, value)| [name, ": ", value, "\r\n"]).collect();
    let head = format!("{method} /dpe/1.0{path} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n{fields}{length}\r\n");
    [head.as_bytes(), body].concat()
}

/// A request on a connection of its own that is not waited for.
pub(crate) async fn open(address: SocketAddr, bytes: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    stream
}

pub(crate) fn decode(bytes: &[u8]) -> Message {
    match wire::decode(bytes, &WireLimits::DEFAULT).unwrap() {
        Decoded::Message(message) => *message,
        Decoded::Untyped(untyped) => panic!("{untyped:?}"),
    }
}

/// The message of a reply with 200.
pub(crate) fn read(answer: &Answer) -> Message {
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.field("content-type"), Some("application/xml; charset=utf-8"));
    decode(&answer.body)
}

pub(crate) fn request(imei: &str, user: Option<&str>) -> Message {
    let mut message = Message::new(Kind::RegisterRequest);
    message.device_identity = Identity::new("imei", imei).into();
    message.user_identity = user.map(|user| Identity::new("msisdn", user)).into();
    message.dpe_version = Ie::Is("1.0".into());
    message
}

pub(crate) fn success(client: &ClientId) -> Message {
    let mut message = Message::new(Kind::RegisterSuccess);
    message.client_id = Ie::Is(client.into());
    message.status = Ie::Is(Code::OK);
    message
}

/// A query of the SP `sp` for the level of the battery.
pub(crate) fn query(id: &str, client: &ClientId) -> Message {
    let mut message = Message::new(Kind::PropertyQuery);
    message.message_id = token(id);
    message.sp_id = token("sp");
    message.client_id = Ie::Is(client.into());
    message.property_names = vec![Ie::Is(name("batteryLevel"))];
    message
}

/// A policy of the SP `sp` on the level of the battery, for so many seconds.
pub(crate) fn policy_set(id: &str, client: &ClientId, seconds: u32) -> Message {
    let mut message = Message::new(Kind::PropertyPolicySet);
    message.message_id = token(id);
    message.sp_id = token("sp");
    message.client_id = Ie::Is(client.into());
    message.policy_id = token(&format!("policy-{id}"));
    message.property_names = vec![Ie::Is(name("batteryLevel"))];
    message.policy_type = Ie::Is("OnChange".into());
    message.duration = Ie::Is(seconds);
    message
}

/// What a client answers to a request: success, and 83 for each property.
pub(crate) fn answer(client: &ClientId, request: &Message) -> Message {
    let mut message = Message::new(request.kind.answer().unwrap());
    message.message_id = request.message_id.clone();
    message.client_id = Ie::Is(client.into());
    message.group_id = request.group_id.clone();
    message.policy_id = request.policy_id.clone();
    if request.kind == Kind::PropertyQuery {
        let level = |name: &Ie<PropertyName>| (&Reading::of(name.get().unwrap().clone(), Value::integer(83))).into();
        message.results = request.property_names.iter().map(level).collect();
    }
    message.status = Ie::Is(Code::OK);
    message
}

/// A device: what its properties are worth.
#[derive(Clone)]
pub(crate) struct Phone {
    pub(crate) worth: Arc<Mutex<BTreeMap<String, Value>>>,
    pub(crate) asked: Arc<Mutex<Vec<PropertyName>>>,
    pub(crate) reports: Arc<Mutex<Vec<Report>>>,
}

impl Phone {
    pub(crate) fn new() -> Self {
        let worth = [
            ("batteryLevel", Value::integer(83)),
            ("OSName", Value::text("ExampleOS")),
            ("currentOrientation", Value::text("portrait")),
        ];
        let worth = worth.map(|(name, value)| (name.to_owned(), value));
        Self { worth: Arc::new(Mutex::new(worth.into())), asked: Arc::default(), reports: Arc::default() }
    }

    pub(crate) fn has(&self, is: impl Fn(&Report) -> bool) -> bool {
        self.reports.lock().unwrap().iter().any(is)
    }
}

#[async_trait]
impl Agent for Phone {
    async fn read(&mut self, names: &[PropertyName]) -> Vec<Reading> {
        self.asked.lock().unwrap().extend_from_slice(names);
        let worth = self.worth.lock().unwrap();
        let read = |name: &PropertyName| match worth.get(name.as_str()) {
            Some(value) => Reading::of(name.clone(), value.clone()),
            None => Reading { name: name.clone(), status: Code::NOT_SUPPORTED, values: Vec::new() },
        };
        names.iter().map(read).collect()
    }

    fn report(&mut self, report: &Report) {
        self.reports.lock().unwrap().push(report.clone());
    }
}

pub(crate) fn client_profile(imei: &str, user: Option<&str>) -> client::Profile {
    client::Profile {
        config: ClientConfig {
            server_addresses: vec![HERE.into()],
            response_timeout: Millis(1_000),
            min_interval: Millis::from_secs(1),
            ..ClientConfig::default()
        },
        version: "1.0".into(),
        device: Some(Identity::new("imei", imei)),
        user: user.map(|user| Identity::new("msisdn", user)),
        contact: None,
        token: None,
    }
}

pub(crate) const TIMING: Timing = Timing { pause_ms: Millis(50), ..Timing::DEFAULT };

/// A client that is driven; ends when dropped.
pub(crate) struct Driven {
    pub(crate) phone: Phone,
    pub(crate) inputs: mpsc::Sender<Input>,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<Client>,
}

impl Driven {
    pub(crate) fn start(server: &str, profile: &client::Profile, ear: Option<Ear>) -> Self {
        let (inputs, told) = mpsc::channel(16);
        let (stop, stopped) = oneshot::channel();
        let phone = Phone::new();
        let link = Link::new(server, Outgoing::new().unwrap()).unwrap();
        let (mut client, mut agent) = (Client::new(profile), phone.clone());
        let task = tokio::spawn(async move {
            let drive = Drive::new(link, &mut agent).with_timing(TIMING).with_inputs(told);
            let drive = match ear {
                Some(ear) => drive.listening(ear),
                None => drive,
            };
            drive.run(&mut client, async { stopped.await.unwrap_or_default() }).await.unwrap();
            client
        });
        Self { phone, inputs, stop: Some(stop), task }
    }

    /// The Client-ID that it got last, once there is one that is not `before`.
    pub(crate) async fn registered(&self, before: Option<&ClientId>) -> ClientId {
        let soon = async {
            loop {
                let last = self.phone.reports.lock().unwrap().iter().rev().find_map(|report| match report {
                    Report::Registered(client) => Some(client.clone()),
                    _ => None,
                });
                match last {
                    Some(client) if Some(&client) != before => return client,
                    _ => sleep(Duration::from_millis(10)).await,
                }
            }
        };
        timeout(Duration::from_secs(10), soon).await.expect("the client registers")
    }

    pub(crate) async fn until(&self, is: impl Fn(&Report) -> bool) {
        let soon = async {
            while !self.phone.has(&is) {
                sleep(Duration::from_millis(10)).await;
            }
        };
        timeout(Duration::from_secs(10), soon).await.expect("the client tells");
    }

    pub(crate) async fn sample(&self, property: &str, value: Value) {
        self.phone.worth.lock().unwrap().insert(property.to_owned(), value.clone());
        self.inputs.send(Input::Sampled(vec![Reading::of(name(property), value)])).await.unwrap();
    }

    /// Ends it; the client as it is then.
    pub(crate) async fn stop(mut self) -> Client {
        self.stop.take().unwrap().send(()).unwrap();
        (&mut self.task).await.unwrap()
    }
}

impl Drop for Driven {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// An SP that is driven; ends when dropped.
pub(crate) struct Provider {
    pub(crate) handle: provider::Handle,
    pub(crate) told: mpsc::Receiver<Output>,
    task: JoinHandle<()>,
}

pub(crate) const SETTINGS: Settings = Settings { pause_ms: Millis(50), exchanges_max: 16, ..Settings::DEFAULT };

impl Provider {
    pub(crate) fn start(server: &str, settings: Settings) -> Self {
        Self::start_with(server, settings, &sp::Profile::new(sp_id("sp")))
    }

    pub(crate) fn start_with(server: &str, settings: Settings, profile: &sp::Profile) -> Self {
        let (drive, handle, told) = provider::Drive::new(profile, server, Outgoing::new().unwrap(), settings).unwrap();
        let mut sp = Sp::new(profile);
        let task = tokio::spawn(async move { drive.run(&mut sp, None, std::future::pending()).await });
        Self { handle, told, task }
    }

    pub(crate) async fn next(&mut self) -> Output {
        timeout(Duration::from_secs(10), self.told.recv()).await.expect("the SP hears something").unwrap()
    }

    pub(crate) async fn wants(&self, client: Option<&ClientId>, what: What) {
        let request = Request { tag: "t".into(), client: client.cloned(), what };
        self.handle.request(request).await.unwrap();
    }

    /// Asks, and gives the end of the request.
    pub(crate) async fn asks(&mut self, client: &ClientId, what: What) -> Done {
        self.wants(Some(client), what).await;
        self.done().await
    }

    pub(crate) async fn done(&mut self) -> Done {
        match self.next().await {
            Output::Done(done) => done,
            other => panic!("{other:?}"),
        }
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Something else that listens, and answers as it is told; what came to it, as it came.
pub(crate) struct Callback {
    pub(crate) url: String,
    pub(crate) came: mpsc::UnboundedReceiver<(String, Vec<u8>)>,
    _node: Node,
}

/// What a [`Callback`] answers.
pub(crate) type Script = Box<dyn FnMut(usize, &[u8]) -> (u16, Vec<u8>) + Send>;

impl Callback {
    pub(crate) async fn start(script: Script) -> Self {
        let (tell, came) = mpsc::unbounded_channel();
        let script = Arc::new(Mutex::new((0, script)));
        let take = move |request: axum::extract::Request| {
            let (tell, script) = (tell.clone(), script.clone());
            async move {
                let (parts, body) = request.into_parts();
                let body = axum::body::to_bytes(body, usize::MAX).await.unwrap().to_vec();
                tell.send((format!("{} {} {:?}", parts.method, parts.uri, parts.headers), body.clone())).unwrap();
                let mut script = script.lock().unwrap();
                let at = script.0;
                script.0 += 1;
                let (status, reply) = (script.1)(at, &body);
                axum::http::Response::builder()
                    .status(status)
                    .header("content-type", "application/xml")
                    .body(axum::body::Body::from(reply))
                    .unwrap()
            }
        };
        let node = Node::start(axum::Router::new().fallback(take), Limits::DEFAULT).await;
        Self { url: format!("http://{}/here", node.address), came, _node: node }
    }

    /// One that takes everything.
    pub(crate) async fn taking() -> Self {
        Self::start(Box::new(|_, _| (204, Vec::new()))).await
    }

    pub(crate) async fn next(&mut self) -> (String, Vec<u8>) {
        timeout(Duration::from_secs(10), self.came.recv()).await.expect("something is delivered").unwrap()
    }

    pub(crate) async fn message(&mut self) -> Message {
        decode(&self.next().await.1)
    }
}

/// An address where nobody listens.
pub(crate) async fn nowhere() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    format!("http://{}/nowhere", listener.local_addr().unwrap())
}
