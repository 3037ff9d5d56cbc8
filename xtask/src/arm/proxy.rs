//! A proxy on real connections that does mishaps to what passes.

use std::{
    collections::BTreeMap,
    io,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::{JoinHandle, JoinSet},
};
use transport_sim::{FaultId, Mishap, What};

use super::lock;

/// Octets of a message and its head; no play comes near.
const BYTES_MAX: usize = 4 * 1024 * 1024;

/// Stands between devices and the node of a server, or between one device and a server. Ends when dropped.
pub(super) struct Proxy {
    pub(super) address: SocketAddr,
    shared: Arc<Shared>,
    accepting: JoinHandle<()>,
}

/// What all connections know.
struct Shared {
    /// Where the node is now.
    node: Mutex<SocketAddr>,
    mishaps: Vec<Mishap>,
    /// The different messages of each device so far.
    seen: Mutex<BTreeMap<usize, Vec<Vec<u8>>>>,
    /// How often each fault took place.
    faults: Mutex<BTreeMap<FaultId, u64>>,
    /// What comes again when its session is over.
    late: Mutex<Vec<Vec<u8>>>,
    /// Whether the node dies with its next commit.
    doomed: Arc<AtomicBool>,
}

impl Proxy {
    /// A proxy before this node. When a message comes that the node shall die with, it sets `doomed`.
    pub(super) async fn start(node: SocketAddr, mishaps: Vec<Mishap>, doomed: Arc<AtomicBool>) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let (seen, faults, late) = (Mutex::default(), Mutex::default(), Mutex::default());
        let shared = Arc::new(Shared { node: Mutex::new(node), mishaps, seen, faults, late, doomed });
        let accepting = tokio::spawn(accept(listener, shared.clone()));
        Ok(Self { address, shared, accepting })
    }

    /// The node is somewhere else from now on.
    pub(super) fn go_to(&self, node: SocketAddr) {
        *lock(&self.shared.node) = node;
    }

    /// Delivers what is late. The replies are for nobody.
    pub(super) async fn deliver_late(&self) -> io::Result<()> {
        let late = core::mem::take(&mut *lock(&self.shared.late));
        for request in late {
            self.shared.forward(&request).await?;
            self.shared.struck(What::Late);
        }
        Ok(())
    }

    /// How often each fault took place on the way.
    pub(super) fn faults(&self) -> BTreeMap<FaultId, u64> {
        lock(&self.shared.faults).clone()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    while let Ok((device, _)) = listener.accept().await {
        let shared = shared.clone();
        // A connection that breaks is what some of the mishaps want.
        connections.spawn(async move { shared.serve(device).await.unwrap_or_default() });
    }
}

impl Shared {
    /// Passes on what comes over a connection of a device, until something ends it.
    async fn serve(&self, mut device: TcpStream) -> io::Result<()> {
        let mut buffer = Vec::new();
        while let Some(request) = read_message(&mut device, &mut buffer).await? {
            if is_empty(&request) {
                // A poll may be open for long, and what it is handed counts as sent: it must not outlive its device.
                tokio::select! {
                    reply = self.forward(&request) => device.write_all(&reply?).await?,
                    () = gone(&device) => return Ok(()),
                }
                continue;
            }
            let mishap = self.mishap(&request);
            // What is late comes later, and what befalls the ends is told by them.
            if let Some(what) = mishap
                && !matches!(what, What::Late | What::ServerDies | What::DeviceRestarts)
            {
                self.struck(what);
            }
            match mishap {
                // Where the device restarts, that is its own affair.
                None | Some(What::DeviceRestarts) => device.write_all(&self.forward(&request).await?).await?,
                Some(What::RequestLost) => return wait_for_the_end(device).await,
                Some(What::ReplyLost) => {
                    self.forward(&request).await?;
                    return wait_for_the_end(device).await;
                }
                Some(What::Doubled) => {
                    let (one, other) = tokio::join!(self.forward(&request), self.forward(&request));
                    other?;
                    device.write_all(&one?).await?;
                }
                Some(What::Late) => {
                    lock(&self.late).push(request.clone());
                    device.write_all(&self.forward(&request).await?).await?;
                }
                Some(What::ResetBefore) => return reset(device),
                Some(What::ResetWithin) => {
                    let reply = self.forward(&request).await?;
                    device.write_all(reply.get(..reply.len() / 2).unwrap_or_default()).await?;
                    return reset(device);
                }
                Some(What::ResetAfter) => {
                    device.write_all(&self.forward(&request).await?).await?;
                    return reset(device);
                }
                Some(What::ServerDies) => {
                    self.doomed.store(true, Ordering::SeqCst);
                    // The node is gone before it replies: there is nothing to pass on.
                    self.forward(&request).await?;
                    return Err(io::Error::other("the node lived on"));
                }
            }
        }
        Ok(())
    }

    /// What goes wrong with this message, which it does with its first sending.
    fn mishap(&self, request: &[u8]) -> Option<What> {
        let (head, body) = request.split_at(head_len(request)?);
        let line = core::str::from_utf8(head).ok()?.lines().next()?;
        // Where the address names none, there is only one.
        let named = line.split_once("device=").and_then(|(_, rest)| rest.split(['&', ' ']).next());
        let device: usize = named.unwrap_or("0").parse().ok()?;
        let mut seen = lock(&self.seen);
        let seen = seen.entry(device).or_default();
        if seen.iter().any(|known| known == body) {
            return None;
        }
        seen.push(body.to_vec());
        let is_this = |mishap: &&Mishap| mishap.device == device && mishap.nth as usize == seen.len();
        self.mishaps.iter().find(is_this).map(|mishap| mishap.what)
    }

    fn struck(&self, what: What) {
        *lock(&self.faults).entry(what.fault()).or_insert(0) += 1;
    }

    /// The node's reply.
    async fn forward(&self, request: &[u8]) -> io::Result<Vec<u8>> {
        let node = *lock(&self.node);
        let mut stream = TcpStream::connect(node).await?;
        stream.write_all(request).await?;
        let reply = read_message(&mut stream, &mut Vec::new()).await?;
        reply.ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }
}

/// Waits until the device closes its connection; it says nothing more on it before it has its reply.
async fn gone(device: &TcpStream) {
    if !matches!(device.peek(&mut [0]).await, Ok(0) | Err(_)) {
        std::future::pending::<()>().await;
    }
}

/// Says nothing until the device gives up.
async fn wait_for_the_end(mut device: TcpStream) -> io::Result<()> {
    let mut rest = [0; 256];
    while device.read(&mut rest).await? > 0 {}
    Ok(())
}

/// Breaks the connection off, as a network does that has forgotten it.
fn reset(device: TcpStream) -> io::Result<()> {
    device.set_zero_linger()?;
    drop(device);
    Ok(())
}

/// The next message of a connection, head and body, whose length its head says; nothing where the connection is closed.
async fn read_message(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> io::Result<Option<Vec<u8>>> {
    loop {
        if let Some(len) = message_len(buffer)
            && len <= buffer.len()
        {
            let rest = buffer.split_off(len);
            return Ok(Some(core::mem::replace(buffer, rest)));
        }
        if buffer.len() > BYTES_MAX {
            return Err(io::ErrorKind::InvalidData.into());
        }
        if stream.read_buf(buffer).await? == 0 {
            return if buffer.is_empty() { Ok(None) } else { Err(io::ErrorKind::UnexpectedEof.into()) };
        }
    }
}

fn head_len(bytes: &[u8]) -> Option<usize> {
    Some(bytes.windows(4).position(|window| window == b"\r\n\r\n")? + 4)
}

/// Whether a request has nothing but a head, as a poll.
fn is_empty(request: &[u8]) -> bool {
    head_len(request) == Some(request.len())
}

fn message_len(bytes: &[u8]) -> Option<usize> {
    let end = head_len(bytes)?;
    let head = core::str::from_utf8(bytes.get(..end)?).ok()?;
    let length = |line: &str| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
    };
    Some(end + head.lines().find_map(length).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_as_long_as_its_head_says() {
        assert_eq!(message_len(b"POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\nabcdef"), Some(41));
        assert_eq!(message_len(b"HTTP/1.1 400 Bad Request\r\n\r\n"), Some(28));
        assert_eq!(message_len(b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n"), None);
        assert!(is_empty(b"GET / HTTP/1.1\r\n\r\n"));
        assert!(!is_empty(b"POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc"));
    }
}
