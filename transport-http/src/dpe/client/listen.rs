//! A client that listens: what comes to its `Contact`.

use std::{
    collections::HashMap,
    net::IpAddr,
    time::{Duration, Instant},
};

use axum::{
    Router,
    extract::{Request, State},
    response::Response,
};
use core_kit::Body;
use dpe_core::{client::Sender, limits::WireLimits};
use http::{Method, StatusCode};
use tokio::{net::lookup_host, sync::mpsc};

use crate::{Limits, Peer, dpe::parts};

/// Messages that the client has not taken yet. Beyond: 503.
const HEARD_MAX: usize = 16;
/// How long the addresses of a name are remembered.
const RESOLVED_FOR: Duration = Duration::from_secs(60);

/// The client's end of what listens.
#[derive(Debug)]
pub struct Ear {
    heard: mpsc::Receiver<(IpAddr, Body)>,
    resolved: HashMap<String, (Instant, Vec<IpAddr>)>,
}

#[derive(Clone)]
struct Mouth {
    tell: mpsc::Sender<(IpAddr, Body)>,
    limits: Limits,
}

/// What to mount at the path of the client's `Contact`, with [`serve`](crate::serve()), and where it is heard. Every
/// message is answered with 204; the client's answer follows by itself [DPE digest 6.4].
pub fn listen(limits: Limits) -> (Router, Ear) {
    let (tell, heard) = mpsc::channel(HEARD_MAX);
    let router = Router::new().fallback(take).with_state(Mouth { tell, limits });
    (router, Ear { heard, resolved: HashMap::new() })
}

async fn take(State(mouth): State<Mouth>, request: Request) -> Response {
    let (parts, mut body) = request.into_parts();
    if parts.method != Method::POST {
        return parts::other_method("POST");
    }
    let Some(Peer(peer)) = parts.extensions.get().copied() else {
        return parts::empty(StatusCode::SERVICE_UNAVAILABLE);
    };
    let bytes_max = WireLimits::DEFAULT.message_bytes_max;
    match parts::message(&parts, &mut body, bytes_max, &mouth.limits).await {
        Ok(message) => parts::empty(match mouth.tell.try_send((peer, message)) {
            Ok(()) => StatusCode::NO_CONTENT,
            Err(_) => StatusCode::SERVICE_UNAVAILABLE,
        }),
        Err(bad) => bad.response(),
    }
}

/// What came in, and from where; nothing once nobody can send any more.
pub(super) async fn hear(ear: Option<&mut Ear>) -> Option<(IpAddr, Body)> {
    match ear {
        Some(ear) => ear.heard.recv().await,
        None => std::future::pending().await,
    }
}

impl Ear {
    /// Whom a message came from. The server's name stands for the addresses that it has [DPE digest X19].
    pub(super) async fn sender(&mut self, peer: IpAddr, host: &str) -> Sender {
        let is_server = self.addresses(host).await.contains(&peer.to_canonical());
        if is_server { Sender::Name(host.to_owned()) } else { Sender::Address(peer.to_canonical()) }
    }

    async fn addresses(&mut self, host: &str) -> &[IpAddr] {
        let is_fresh = self.resolved.get(host).is_some_and(|(at, _)| at.elapsed() < RESOLVED_FOR);
        if !is_fresh {
            let found = if let Ok(address) = host.parse::<IpAddr>() {
                vec![address.to_canonical()]
            } else {
                let found = lookup_host((host, 0)).await;
                found.map(|all| all.map(|address| address.ip().to_canonical()).collect()).unwrap_or_default()
            };
            self.resolved.insert(host.to_owned(), (Instant::now(), found));
        }
        self.resolved.get(host).map_or(&[], |(_, found)| found)
    }
}
