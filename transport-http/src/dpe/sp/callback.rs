//! The callback of an SP: where a server delivers answers and reports.

use axum::{
    Router,
    extract::{Request, State},
    response::Response,
};
use dpe_core::{identity::Network, limits::WireLimits};
use http::{Method, StatusCode};
use tracing::warn;

use super::Handle;
use crate::{Limits, Peer, dpe::parts};

/// Who may deliver to a callback.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Whoever knows its address, which is a secret then.
    Anywhere,
    /// Servers of these networks.
    Networks(Vec<Network>),
}

#[derive(Clone)]
struct Callback {
    handle: Handle,
    from: Origin,
    limits: Limits,
}

/// What to mount at the path of the SP's callback, with [`serve`](crate::serve()). A message is delivered (204) once the SP
/// has taken it; 503 makes the server try again.
pub fn callback(handle: Handle, from: Origin, limits: Limits) -> Router {
    Router::new().fallback(take).with_state(Callback { handle, from, limits })
}

async fn take(State(callback): State<Callback>, request: Request) -> Response {
    let (parts, mut body) = request.into_parts();
    if parts.method != Method::POST {
        return parts::other_method("POST");
    }
    if let Origin::Networks(networks) = &callback.from {
        let peer = parts.extensions.get().map(|Peer(peer)| *peer);
        if !peer.is_some_and(|peer| networks.iter().any(|network| network.contains(peer))) {
            warn!("a delivery of somebody else was ignored");
            return parts::hang_up();
        }
    }
    match parts::message(&parts, &mut body, WireLimits::DEFAULT.message_bytes_max, &callback.limits).await {
        Ok(message) => {
            let is_taken = callback.handle.received(message).await;
            parts::empty(if is_taken { StatusCode::NO_CONTENT } else { StatusCode::SERVICE_UNAVAILABLE })
        }
        Err(bad) => bad.response(),
    }
}
