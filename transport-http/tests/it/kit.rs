//! Nodes, devices and raw connections for all tests.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::Router;
use core_kit::Millis;
use dm_core::{
    auth::{Account, Nonce, Scheme},
    client, server,
    tree::{self, DevInfo},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::oneshot,
    task::JoinHandle,
    time::timeout,
};
use transport_http::{
    Handshake, Limits, Plain,
    dm::{App, HttpTransport, agent::MemoryAgent, memory::Memory, router},
};

pub(crate) const DEVICE: &str = "IMEI:490154203237518";
pub(crate) const PASSWORD: &str = "OhBehave-canary";
pub(crate) const SERVER_PASSWORD: &str = "YeahBaby-canary";

/// A server that listens; ends when dropped.
pub(crate) struct Node {
    pub(crate) address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<()>,
}

impl Node {
    pub(crate) async fn start(router: Router, limits: Limits) -> Self {
        Self::start_with(Plain, router, limits).await
    }

    pub(crate) async fn start_with(handshake: impl Handshake, router: Router, limits: Limits) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        let shutdown = async {
            stopped.await.unwrap_or_default();
        };
        let task = tokio::spawn(transport_http::serve(listener, handshake, router, limits, shutdown));
        Self { address, stop: Some(stop), task }
    }

    /// A node over `memory` with default limits.
    pub(crate) async fn over(memory: &Arc<Memory>) -> Self {
        Self::start(router(app(memory, Limits::DEFAULT)), Limits::DEFAULT).await
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/dm", self.address)
    }

    /// Asks it to end, and waits until it has.
    pub(crate) async fn stop(mut self) {
        self.stop.take().unwrap().send(()).unwrap();
        (&mut self.task).await.unwrap();
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.task.abort();
    }
}

pub(crate) fn server_profile() -> server::Profile {
    server::Profile::new("http://server.example/dm")
}

pub(crate) type MemoryApp = App<Arc<Memory>, Arc<Memory>>;

pub(crate) fn app(memory: &Arc<Memory>, limits: Limits) -> Arc<MemoryApp> {
    Arc::new(App::new(server_profile(), memory.clone(), memory.clone()).with_limits(limits))
}

pub(crate) fn device_account() -> Account {
    Account::new("Bruce2", PASSWORD, Scheme::Md5)
}

pub(crate) fn server_account() -> Account {
    Account::new("srv", SERVER_PASSWORD, Scheme::Md5)
}

/// A store that knows [`DEVICE`], and records. What it has for a nonce is not what the device has: the first session of
/// a test needs a challenge.
pub(crate) fn memory() -> Arc<Memory> {
    let memory = Memory::recording(server_profile());
    let account = Account { nonce: Nonce::new(b"of a lost session"), ..device_account() };
    memory.enrol(DEVICE, account, Some(server_account()));
    Arc::new(memory)
}

pub(crate) fn agent() -> MemoryAgent {
    let info = DevInfo {
        dev_id: DEVICE.into(),
        manufacturer: "Example".into(),
        model: "One".into(),
        dm_version: "1".into(),
        language: "en".into(),
    };
    let tree = tree::Memory::builder().dev_info(&info).finish().unwrap();
    MemoryAgent::new(tree, device_account(), server_account())
}

/// A profile that is quick to try again.
pub(crate) fn client_profile(url: &str) -> client::Profile {
    let mut profile = client::Profile::new(DEVICE, url, "srv");
    profile.retry.first_ms = Millis(50);
    profile
}

pub(crate) fn http(profile: &client::Profile) -> HttpTransport {
    HttpTransport::new(profile).unwrap()
}

/// What came back on a raw connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        let fields = self.head.lines().filter_map(|line| line.split_once(": "));
        fields.into_iter().find(|(field, _)| field.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    fn parse(bytes: &[u8]) -> Option<Self> {
        let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
        let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
        let status = head.split(' ').nth(1)?.parse().unwrap();
        Some(Self { status, head, body: bytes[end + 4..].to_vec() })
    }
}

/// Everything that comes until the server closes; nothing if it closes without a word.
pub(crate) async fn rest(stream: &mut TcpStream) -> Option<Answer> {
    let mut bytes = Vec::new();
    let read = timeout(Duration::from_secs(20), stream.read_to_end(&mut bytes)).await.expect("the server closes");
    // A reset after the last byte takes nothing away.
    read.map_or_else(|error| eprintln!("{error}"), drop);
    Answer::parse(&bytes)
}

/// Sends bytes as they are and takes everything until the server closes.
pub(crate) async fn talk(address: SocketAddr, bytes: &[u8]) -> Option<Answer> {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    rest(&mut stream).await
}

pub(crate) fn post(path: &str, media_type: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Type: {media_type}\r\nContent-Length: {length}\r\n\r\n"
    );
    [head.as_bytes(), body].concat()
}
