//! What an embedder knows, and what it is told.

use std::net::IpAddr;

use async_trait::async_trait;
use dpe_core::{
    identity::Claims,
    ids::{ClientId, SpId},
    server::{
        device::{self, Filter},
        gate,
    },
};
use http::Uri;

/// Answers for the embedder. Every answer has a default, so that `()` is one that says nothing.
#[async_trait]
pub trait Hooks: Send + Sync {
    /// Which settings of a user make sense on the new device, with `device_change.restore = filter`: one answer for each
    /// item. All, unless said otherwise.
    ///
    /// The server takes nothing else meanwhile. After [`Bounds::filter_ms`](super::Bounds::filter_ms) it goes on, and
    /// keeps none.
    async fn filter(&self, question: &Filter) -> Vec<bool> {
        vec![true; question.items.len()]
    }

    /// What the network's access control (RADIUS) says of an address [DPE digest O17].
    async fn network(&self, _: IpAddr) -> Claims {
        Claims::default()
    }

    /// Whether the server may send to the `Contact` that a client gave; `seen` is where the client was last seen. A client
    /// could name anything that the server can reach. Only where the host is, literally, that address, unless said
    /// otherwise.
    fn contact(&self, _: &ClientId, contact: &Uri, seen: Option<IpAddr>) -> bool {
        let host = contact.host().map(|host| host.trim_start_matches('[').trim_end_matches(']'));
        let named = host.and_then(|host| host.parse::<IpAddr>().ok());
        named.is_some_and(|named| seen.is_some_and(|seen| seen.to_canonical() == named.to_canonical()))
    }

    /// Something worth counting.
    fn count(&self, _: &Fact) {}
}

impl Hooks for () {}

/// What is worth counting [DPE digest 11.4].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fact {
    /// Of a client.
    Device(ClientId, device::Report),
    /// Of an SP.
    Gate(SpId, gate::Report),
    /// A message was ignored.
    Ignored,
    /// An answer or report could not be delivered to the SP, and was dropped: all tries failed, or too many wait.
    Undelivered(SpId),
    /// The answer to a request came when the SP had gone.
    Unawaited(SpId),
}
