//! Every bound of the core: what it counts, its default, and where that comes from.

use serde::{Deserialize, Serialize};

/// What a codec refuses to go beyond. It is checked while reading, not after.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WireLimits {
    /// Octets of one message as encoded. Checked before anything is read.
    pub message_bytes_max: usize,
    /// Elements open at once, the root included.
    pub depth_max: usize,
    /// Elements in one message [digest 12.4].
    pub elements_max: usize,
    /// Attributes of one element, namespace declarations included.
    pub attributes_max: usize,
    /// Octets of one tag, from `<` to `>`.
    pub tag_bytes_max: usize,
    /// Commands in one message, those inside `Atomic` and `Sequence` included.
    pub commands_max: usize,
}

impl WireLimits {
    /// For a client, which knows its server: 64 KiB a message.
    pub const CLIENT: Self = Self {
        message_bytes_max: 64 * 1024,
        depth_max: 32,
        elements_max: 10_000,
        attributes_max: 8,
        tag_bytes_max: 4 * 1024,
        commands_max: 256,
    };

    /// For a server: 1 MiB a message.
    pub const SERVER: Self = Self { message_bytes_max: 1024 * 1024, ..Self::CLIENT };
}

/// How long and how much a session may go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SessionLimits {
    /// Commands that one session takes from its embedder.
    pub orders_max: u32,
    /// Messages that a session takes from its peer before it gives up; bounds a peer that never ends.
    pub messages_max: u32,
    /// Messages of one package that do not end it.
    pub open_messages_max: u32,
    /// Wrong credentials before the session ends [DM SEC 1.2, 5.3.3]: the first may be stale, the second is wrong.
    pub wrong_credentials_max: u32,
    /// Octets of a message to a peer that has not said how much it takes [digest 3.5].
    pub unannounced_bytes_max: u64,
}

impl SessionLimits {
    /// The digest's bounds.
    pub const DEFAULT: Self = Self {
        orders_max: 10_000,
        messages_max: 10_000,
        open_messages_max: 8,
        wrong_credentials_max: 2,
        unannounced_bytes_max: 64 * 1024,
    };
}
