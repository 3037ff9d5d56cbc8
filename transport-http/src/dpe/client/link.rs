//! Where the server is, from a client.

use core_kit::{Body, Millis};
use dpe_core::{
    client::{Channel, Sender},
    ids::ClientId,
    limits::WireLimits,
    wire::Secret,
};
use http::{HeaderMap, HeaderName, HeaderValue, Uri};

use super::{Exchange, Timing};
use crate::{
    dpe::{BASE, CLIENT_ID, SECURITY_TOKEN, post::exchange},
    outgoing::{Outgoing, is_postable},
};

/// How much longer than the server a client waits for the end of a poll.
const POLL_SLACK: Millis = Millis::from_secs(10);

/// The way to a server.
#[derive(Clone, Debug)]
pub struct Link {
    connections: Outgoing,
    register: Uri,
    messages: Uri,
    poll: String,
    host: String,
    bytes_max: usize,
}

/// The address is none of a server on HTTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not the address of a server, as https://dpe.example")]
pub struct BadServer;

/// The address of one of the server's paths.
pub(crate) fn path(server: &str, path: &str) -> Result<Uri, BadServer> {
    let whole = format!("{}{BASE}{path}", server.trim_end_matches('/'));
    whole.parse().ok().filter(is_postable).ok_or(BadServer)
}

impl Link {
    /// The way to the server at this address, as `https://dpe.example`: its paths below [`BASE`] follow. The host is what
    /// the client compares with the addresses that it was provisioned with.
    ///
    /// # Errors
    /// The address is none of HTTP.
    pub fn new(server: &str, connections: Outgoing) -> Result<Self, BadServer> {
        let (register, messages) = (path(server, "/register")?, path(server, "/client/messages")?);
        let poll = path(server, "/client/poll")?.to_string();
        let host = register.host().ok_or(BadServer)?.trim_start_matches('[').trim_end_matches(']').to_owned();
        Ok(Self { connections, register, messages, poll, host, bytes_max: WireLimits::DEFAULT.message_bytes_max })
    }

    /// The same, taking messages of another size than the usual one.
    #[must_use]
    pub fn with_message_bytes_max(self, bytes_max: usize) -> Self {
        Self { bytes_max, ..self }
    }

    /// Who is at the other end: the host that connections are made to, or whose certificate was shown.
    pub(super) fn server(&self) -> Sender {
        Sender::Name(self.host.clone())
    }

    pub(super) fn host(&self) -> &str {
        &self.host
    }

    /// A message on DPE-2 has the session token beside it; one on DPE-1 says itself what it proves itself by.
    pub(super) fn send(&self, channel: Channel, token: Option<&Secret>, message: Body, patience: Millis) -> Exchange {
        let (to, token) = match channel {
            Channel::Register => (self.register.clone(), None),
            Channel::Messages => (self.messages.clone(), token),
        };
        let headers = fields([(SECURITY_TOKEN, token.map(|token| token.0.as_str()))]);
        let (connections, bytes_max) = (self.connections.clone(), self.bytes_max);
        Box::pin(async move { exchange(&connections, &to, headers, Some(&message), patience, bytes_max).await })
    }

    pub(super) fn poll(&self, headers: HeaderMap, timing: &Timing) -> Exchange {
        let seconds = timing.poll_wait.0.div_ceil(1000);
        let to = format!("{}?wait={seconds}", self.poll).parse::<Uri>().unwrap_or_default();
        let patience = Millis(timing.poll_wait.0.saturating_add(POLL_SLACK.0));
        let (connections, bytes_max) = (self.connections.clone(), self.bytes_max);
        Box::pin(async move { exchange(&connections, &to, headers, None, patience, bytes_max).await })
    }
}

/// The headers of a poll.
pub(super) fn names(client: &ClientId, token: Option<&Secret>) -> HeaderMap {
    fields([(CLIENT_ID, Some(client.as_str())), (SECURITY_TOKEN, token.map(|token| token.0.as_str()))])
}

/// Those that can be header fields.
fn fields<const N: usize>(all: [(&'static str, Option<&str>); N]) -> HeaderMap {
    let field = |(name, text): (&'static str, Option<&str>)| {
        Some((HeaderName::from_static(name), HeaderValue::from_str(text?).ok()?))
    };
    all.into_iter().filter_map(field).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_has_the_paths_of_its_server() {
        for server in ["http://[::1]:8080", "http://[::1]:8080/"] {
            let link = Link::new(server, Outgoing::new().unwrap()).unwrap();
            assert_eq!(link.register, "http://[::1]:8080/dpe/1.0/register");
            assert_eq!(link.messages, "http://[::1]:8080/dpe/1.0/client/messages");
            assert_eq!(link.poll, "http://[::1]:8080/dpe/1.0/client/poll");
            assert_eq!(link.server(), Sender::Name("::1".into()));
        }
        for bad in ["", "dpe.example", "ftp://dpe.example", "http://"] {
            assert_eq!(Link::new(bad, Outgoing::new().unwrap()).unwrap_err(), BadServer, "{bad}");
        }
    }
}
