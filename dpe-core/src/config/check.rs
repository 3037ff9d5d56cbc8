//! Which values a configuration may have.

use core::net::{IpAddr, Ipv6Addr};

use core_kit::Millis;

use super::{ClientConfig, Config};
use crate::{identity::Network, limits::DURATION_SECS_MAX};

/// A parameter is out of its range; by its name in the digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0} is out of range")]
pub struct OutOfRange(pub &'static str);

fn check(ranges: &[(&'static str, bool)]) -> Result<(), OutOfRange> {
    ranges.iter().find(|(_, holds)| !holds).map_or(Ok(()), |(name, _)| Err(OutOfRange(name)))
}

impl Config {
    /// Refuses what cannot work: spans and bounds of 0, except where 0 means off, and what is beyond the wire.
    ///
    /// # Errors
    /// The first parameter that is out of its range.
    pub fn check(&self) -> Result<(), OutOfRange> {
        let some = |span: Millis| span.0 > 0;
        let seconds = |seconds: u32| (1..=DURATION_SECS_MAX).contains(&seconds);
        let is_static = |network: &Network| network.contains(IpAddr::V6(Ipv6Addr::LOCALHOST));
        check(&[
            ("reg.ack_timeout", some(self.reg.ack_timeout)),
            ("reg.command_timeout", some(self.reg.command_timeout)),
            ("reg.supported_versions", !self.reg.supported_versions.is_empty()),
            ("client_id.bits", (96..=192).contains(&self.client_id.bits) && self.client_id.bits.is_multiple_of(8)),
            (
                "client_id.version_ranges",
                self.client_id.version_ranges.values().all(|prefix| {
                    prefix.len() <= 16 && prefix.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
                }),
            ),
            ("dpe1.rate_per_ip", self.dpe1.rate_per_ip > 0),
            ("identity.sources", !self.identity.sources.is_empty()),
            ("identity.static_ipv6_prefixes", !self.identity.static_ipv6_prefixes.iter().any(is_static)),
            ("verify.reregister_deadline", some(self.verify.reregister_deadline)),
            ("sp.max_connections", self.sp.max_connections > 0),
            ("sp.window_seconds", seconds(self.sp.window_seconds)),
            ("sp.window_threshold", (1..=100_000).contains(&self.sp.window_threshold)),
            ("sp.max_open_dialogues", self.sp.max_open_dialogues > 0),
            ("sp.max_groups", self.sp.max_groups > 0),
            ("sp.max_policies", self.sp.max_policies > 0),
            ("dpe2.noreply_timeout", some(self.dpe2.noreply_timeout)),
            ("dpe2.ack_timeout", some(self.dpe2.ack_timeout)),
            ("dpe2.queue_max", self.dpe2.queue_max > 0),
            ("dpe2.queue_max_wait", some(self.dpe2.queue_max_wait)),
            ("dpe2.tombstone_ttl", some(self.dpe2.tombstone_ttl)),
            ("dpe2.ack_client_messages", !self.dpe2.ack_client_messages),
            ("policy.max_duration", seconds(self.policy.max_duration)),
            (
                "policy.default_duration",
                self.policy.default_duration.is_none_or(|span| seconds(span) && span <= self.policy.max_duration),
            ),
            ("policy.min_interval", some(self.policy.min_interval)),
            ("policy.expired_memory", some(self.policy.expired_memory)),
            ("cache.ttl", some(self.cache.ttl) && self.cache.ttl_of.values().all(|ttl| some(*ttl))),
            ("vocabulary.names", self.vocabulary.names.len() <= self.wire.properties_max),
            ("obsolete_client_id.retention", some(self.obsolete_client_id.retention)),
            ("wire.max_message_bytes", self.wire.message_bytes_max >= 1024),
            ("wire.max_depth", (4..=64).contains(&self.wire.depth_max)),
            ("http.poll_wait", some(self.http.poll_wait)),
        ])
    }
}

impl ClientConfig {
    /// Refuses spans of 0, except where 0 means off.
    ///
    /// # Errors
    /// The first parameter that is out of its range.
    pub fn check(&self) -> Result<(), OutOfRange> {
        check(&[
            ("client.response_timeout", self.response_timeout.0 > 0),
            ("client.register_backoff_max", self.register_backoff_max >= self.response_timeout),
            ("policy.min_interval", self.min_interval.0 > 0),
        ])
    }
}
