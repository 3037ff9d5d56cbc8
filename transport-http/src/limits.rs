//! Every bound of this crate: what it counts, its default, and what happens beyond it.

use std::time::Duration;

use core_kit::Millis;

use crate::dm::LoginLimits;

/// What a server puts up with from those who connect to it.
///
/// The size of a message is not here: it is [`WireLimits::message_bytes_max`](dm_core::limits::WireLimits) of the
/// server's profile, and more than that is answered with 413.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// How long a request's head may take, and how long a connection may wait for its next request. Then it is closed.
    pub header_ms: Millis,
    /// Octets of a request's head. Beyond: 431.
    pub header_bytes_max: usize,
    /// How long a body may take at any speed. Beyond, it must have come at [`body_rate_min`](Self::body_rate_min) on
    /// average; if not: 408.
    pub body_ms: Millis,
    /// Octets in a second, on average since the end of the head: a slow link is served, a dripping one is not.
    pub body_rate_min: u32,
    /// How long a peer may take none of the bytes that it is sent. Then the connection is closed.
    pub stall_ms: Millis,
    /// Connections open at once. One more is closed as soon as it is accepted.
    pub connections_max: usize,
    /// The same, from one IPv4 address or one IPv6 network of 64 bits.
    pub connections_per_source_max: usize,
    /// How many wrong credentials devices and addresses may show. Beyond: 429.
    pub logins: LoginLimits,
    /// How long a shutdown waits for exchanges that have begun.
    pub shutdown_ms: Millis,
    /// How often a message is run again because another node stored the session first. Beyond: 503.
    pub attempts_max: u32,
    /// What `Retry-After` says with 503.
    pub retry_after_ms: Millis,
    /// How long a session is kept that is over: as long as a client may still repeat its last message.
    pub retention_ms: Millis,
    /// Sessions that one pass of the sweeper wakes.
    pub sweep_max: usize,
}

impl Limits {
    /// For a server that anybody can reach.
    ///
    /// The retention covers the repeats of [`Retry::DEFAULT`](dm_core::client::Retry::DEFAULT): four times 60 s for a
    /// reply, and 16, 32 and 64 s between.
    pub const DEFAULT: Self = Self {
        header_ms: Millis::from_secs(10),
        header_bytes_max: 32 * 1024,
        body_ms: Millis::from_secs(30),
        body_rate_min: 500,
        stall_ms: Millis::from_secs(30),
        connections_max: 10_000,
        connections_per_source_max: 64,
        logins: LoginLimits::DEFAULT,
        shutdown_ms: Millis::from_secs(30),
        attempts_max: 8,
        retry_after_ms: Millis::from_secs(5),
        retention_ms: Millis::from_secs(600),
        sweep_max: 256,
    };
}

impl Default for Limits {
    fn default() -> Self {
        Self::DEFAULT
    }
}

pub(crate) const fn duration(span: Millis) -> Duration {
    Duration::from_millis(span.0)
}
