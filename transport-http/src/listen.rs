//! Connections: accepted within limits, armed with timeouts, ended gracefully.

use std::{
    collections::HashMap,
    future::Future,
    io,
    net::{IpAddr, SocketAddr},
    pin::pin,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use axum::{Router, body::Body};
use http::Request;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinSet,
    time::{sleep, timeout},
};
use tower::ServiceExt;
use tracing::{debug, warn};

use crate::{
    limits::{Limits, duration},
    peer::{Identity, Peer, Source},
    stall::Stalling,
};

/// What is done with a connection before its first request: nothing, or TLS.
///
/// It runs in the connection's own task, and within [`Limits::header_ms`].
pub trait Handshake: Clone + Send + Sync + 'static {
    /// What requests are read from.
    type Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static;

    /// The stream for requests, and whom it has authenticated.
    ///
    /// # Errors
    /// The peer is not acceptable; the connection is closed.
    fn shake(&self, tcp: TcpStream) -> impl Future<Output = io::Result<(Self::Stream, Option<Identity>)>> + Send;
}

/// Put into a response's extensions: the connection is closed and the response is not written. A server that knows nothing
/// of it writes the response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HangUp;

/// What hyper is told, so that it closes.
#[derive(Debug, thiserror::Error)]
#[error("closed without a reply")]
struct HungUp;

/// HTTP as it is, for use behind something that ends TLS, and for tests.
#[derive(Clone, Copy, Debug, Default)]
pub struct Plain;

impl Handshake for Plain {
    type Stream = TcpStream;

    async fn shake(&self, tcp: TcpStream) -> io::Result<(TcpStream, Option<Identity>)> {
        Ok((tcp, None))
    }
}

/// Serves `router` on `listener` until `shutdown` comes, then lets exchanges end that have begun.
///
/// Unlike [`axum::serve()`] it arms a time limit for request heads and for peers that do not read, and bounds the number
/// of connections; bodies are bounded by the routers of this crate. Returns when all connections are closed, at
/// the latest [`Limits::shutdown_ms`] after `shutdown`.
pub async fn serve<H: Handshake>(
    listener: TcpListener,
    handshake: H,
    router: Router,
    limits: Limits,
    shutdown: impl Future<Output = ()>,
) {
    let crowd = Arc::new(Crowd::default());
    let (stop, stopping) = watch::channel(());
    let mut connections = JoinSet::new();
    let mut shutdown = pin!(shutdown);
    loop {
        tokio::select! {
            () = &mut shutdown => break,
            Some(_) = connections.join_next() => {}
            (tcp, peer) = accept(&listener) => {
                let Some(place) = crowd.admit(peer.ip(), &limits) else {
                    debug!("too many connections");
                    continue;
                };
                let served = connection(tcp, peer.ip(), handshake.clone(), router.clone(), limits, stopping.clone());
                connections.spawn(async move {
                    served.await;
                    drop(place);
                });
            }
        }
    }
    drop(listener);
    stop.send_replace(());
    let all = async { while connections.join_next().await.is_some() {} };
    if timeout(duration(limits.shutdown_ms), all).await.is_err() {
        warn!(open = connections.len(), "connections cut off");
        connections.shutdown().await;
    }
}

/// The next connection. What goes wrong with one of them does not end the server, and where descriptors have run out
/// there is a pause for some to come free.
async fn accept(listener: &TcpListener) -> (TcpStream, SocketAddr) {
    loop {
        match listener.accept().await {
            Ok(accepted) => return accepted,
            Err(error) if is_of_one_connection(&error) => {}
            Err(error) => {
                warn!(%error, "cannot accept");
                sleep(PAUSE).await;
            }
        }
    }
}

const PAUSE: Duration = Duration::from_millis(500);

fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

async fn connection<H: Handshake>(
    tcp: TcpStream,
    peer: IpAddr,
    handshake: H,
    router: Router,
    limits: Limits,
    mut stopping: watch::Receiver<()>,
) {
    // Messages are small and somebody waits for each of them.
    if let Err(error) = tcp.set_nodelay(true) {
        debug!(%error, "delayed sending stays on");
    }
    let (stream, identity) = match timeout(duration(limits.header_ms), handshake.shake(tcp)).await {
        Ok(Ok(shaken)) => shaken,
        Ok(Err(error)) => return debug!(%error, "handshake failed"),
        Err(_) => return debug!("handshake took too long"),
    };
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(Peer(peer));
        request.extensions_mut().insert(Source::of(peer));
        if let Some(identity) = identity.clone() {
            request.extensions_mut().insert(identity);
        }
        let replied = router.clone().oneshot(request.map(Body::new));
        async move {
            match replied.await {
                Ok(response) if response.extensions().get::<HangUp>().is_some() => Err(HungUp),
                Ok(response) => Ok(response),
                Err(never) => match never {},
            }
        }
    });
    let io = TokioIo::new(Stalling::new(stream, duration(limits.stall_ms)));
    let mut served = pin!(
        http1::Builder::new()
            // Without a timer hyper keeps no time at all.
            .timer(TokioTimer::new())
            .header_read_timeout(duration(limits.header_ms))
            .max_buf_size(limits.header_bytes_max.max(HYPER_BUFFER_MIN))
            // Some clients close their side as soon as they have sent.
            .half_close(true)
            .serve_connection(io, service)
    );
    let ended = tokio::select! {
        ended = served.as_mut() => ended,
        _ = stopping.changed() => {
            served.as_mut().graceful_shutdown();
            served.await
        }
    };
    if let Err(error) = ended {
        debug!(%error, "connection ended early");
    }
}

/// hyper panics if it is given less.
const HYPER_BUFFER_MIN: usize = 8192;

/// Who is connected how often.
#[derive(Debug, Default)]
struct Crowd(Mutex<HashMap<IpAddr, usize>>);

/// A place among the connections; leaves when dropped.
struct Place {
    crowd: Arc<Crowd>,
    source: IpAddr,
}

impl Crowd {
    /// A place for one more, if there is one.
    fn admit(self: &Arc<Self>, peer: IpAddr, limits: &Limits) -> Option<Place> {
        let Source(source) = Source::of(peer);
        let mut crowd = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // A place that is taken holds a strong count: no sum over all sources is needed.
        let everyone = Arc::strong_count(self) - 1;
        let here = crowd.get(&source).copied().unwrap_or_default();
        if everyone >= limits.connections_max || here >= limits.connections_per_source_max {
            return None;
        }
        crowd.insert(source, here + 1);
        Some(Place { crowd: self.clone(), source })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut crowd = self.crowd.0.lock().unwrap_or_else(PoisonError::into_inner);
        match crowd.get_mut(&self.source) {
            Some(here) if *here > 1 => *here -= 1,
            _ => {
                crowd.remove(&self.source);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_place_comes_free_when_its_connection_ends() {
        let limits = Limits { connections_max: 3, connections_per_source_max: 2, ..Limits::DEFAULT };
        let crowd = Arc::new(Crowd::default());
        let (here, there) = (ip("192.0.2.1"), ip("192.0.2.2"));
        let first = crowd.admit(here, &limits).unwrap();
        let second = crowd.admit(here, &limits).unwrap();
        assert!(crowd.admit(here, &limits).is_none(), "two from one source");
        let third = crowd.admit(there, &limits).unwrap();
        assert!(crowd.admit(there, &limits).is_none(), "three in all");
        drop(first);
        let fourth = crowd.admit(here, &limits).unwrap();
        drop((second, third, fourth));
        assert!(crowd.0.lock().unwrap().is_empty());
    }

    #[test]
    fn a_network_of_64_bits_is_one_source_and_a_mapped_address_is_the_address() {
        let source = |text| Source::of(ip(text)).0;
        assert_eq!(source("2001:db8::1"), source("2001:db8::ffff:1"));
        assert_ne!(source("2001:db8::1"), source("2001:db8:0:1::1"));
        assert_eq!(source("::ffff:192.0.2.1"), ip("192.0.2.1"));
        assert_ne!(source("192.0.2.1"), source("192.0.2.2"));
    }
}
