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
