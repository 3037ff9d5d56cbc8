//! Every bound of the core: what it counts, its default, and where that comes from.

use core_kit::Millis;
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
    /// Octets of the string table of a WBXML message.
    #[serde(default = "WireLimits::default_string_table_bytes_max")]
    pub string_table_bytes_max: usize,
}

impl WireLimits {
    /// For limits that were stored before there was this one.
    const fn default_string_table_bytes_max() -> usize {
        Self::CLIENT.string_table_bytes_max
    }

    /// For a client, which knows its server: 64 KiB a message.
    pub const CLIENT: Self = Self {
        message_bytes_max: 64 * 1024,
        depth_max: 32,
        elements_max: 10_000,
        attributes_max: 8,
        tag_bytes_max: 4 * 1024,
        commands_max: 256,
        string_table_bytes_max: 16 * 1024,
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
    /// Messages of one package in a row that neither end it nor bring anything.
    pub open_messages_max: u32,
    /// Wrong credentials before the session ends [DM SEC 1.2, 5.3.3]: the first may be stale, the second is wrong.
    pub wrong_credentials_max: u32,
    /// Octets of a message to a peer that has not said how much it takes [digest 3.5].
    pub unannounced_bytes_max: u64,
}

impl SessionLimits {
    /// Octets of what `Get`s found that a server session holds until the device's package ends: names and values, those in
    /// parts aside.
    pub const FOUND_BYTES_MAX: u64 = 16 * 1024 * 1024;
    /// Octets of one value that comes in parts.
    pub const OBJECT_BYTES_MAX: u64 = 64 * 1024 * 1024;

    /// The digest's bounds.
    pub const DEFAULT: Self = Self {
        orders_max: 10_000,
        messages_max: 10_000,
        open_messages_max: 8,
        wrong_credentials_max: 2,
        unannounced_bytes_max: 64 * 1024,
    };
}

/// How long and deep the address of a node may be, in the terms of `./DevDetail/URI`: 0 stands for no bound of the
/// device's own [digest 6.10]. The constants bound it all the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UriLimits {
    /// `MaxDepth`: segments of an address; the root has none.
    pub depth_max: u16,
    /// `MaxTotLen`: characters of an address with its suffix, without a leading `./`.
    pub total_chars_max: u16,
    /// `MaxSegLen`: characters of one segment.
    pub segment_chars_max: u16,
}

impl UriLimits {
    /// Octets of an address, whatever the device says. A segment takes two at least, so no tree is deeper than 512.
    pub const TOTAL_BYTES_MAX: usize = 1024;
    /// Octets of one segment, whatever the device says.
    pub const SEGMENT_BYTES_MAX: usize = 255;

    /// 32 segments, and the hard bounds for the rest.
    pub const DEFAULT: Self = Self { depth_max: 32, total_chars_max: 1024, segment_chars_max: 255 };
    /// The hard bounds and nothing else.
    pub const HARD: Self = Self { depth_max: 0, total_chars_max: 0, segment_chars_max: 0 };

    /// Whether an address may be so long, counted as [`total_chars_max`](Self::total_chars_max) says.
    #[must_use]
    pub const fn admits_total(self, octets: usize, chars: usize) -> bool {
        octets <= Self::TOTAL_BYTES_MAX && (self.total_chars_max == 0 || chars <= self.total_chars_max as usize)
    }

    /// Whether a segment may be so long.
    #[must_use]
    pub const fn admits_segment(self, octets: usize, chars: usize) -> bool {
        octets <= Self::SEGMENT_BYTES_MAX && (self.segment_chars_max == 0 || chars <= self.segment_chars_max as usize)
    }

    /// Whether an address may have so many segments.
    #[must_use]
    pub const fn admits_depth(self, segments: usize) -> bool {
        self.depth_max == 0 || segments <= self.depth_max as usize
    }
}

/// How much a tree in memory may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TreeLimits {
    /// Addresses; 414 beyond.
    pub uri: UriLimits,
    /// Nodes, the root included; 420 beyond.
    pub nodes_max: usize,
    /// Octets of one value, and of the names that a `Get` of an interior node lists; 413 beyond.
    pub value_bytes_max: usize,
    /// Octets of all values together; 420 beyond.
    pub tree_bytes_max: usize,
    /// Octets of one access control list as text; 420 beyond [DM TND 1.2, 7.7.1].
    pub acl_bytes_max: usize,
    /// Octets of one `Type`; 415 beyond, since nothing that is registered is longer.
    pub type_bytes_max: usize,
    /// Runs of nodes that wait to be taken; 420 beyond.
    pub runs_max: usize,
    /// Changes in one `Atomic`, each of which must be undone if it fails; 420 beyond. What they remove or overwrite
    /// counts as still there until the `Atomic` ends.
    pub undo_max: usize,
    /// Nodes of a sub-tree that is read or written as one; 413 beyond.
    pub list_nodes_max: usize,
    /// Changes that wait to be taken; the oldest are dropped beyond, and counted.
    pub changes_max: usize,
}

impl TreeLimits {
    /// Octets of the `Title` of a node; 413 beyond [DM TND 1.2, 7.7.6].
    pub const TITLE_BYTES_MAX: usize = 255;

    /// 100,000 nodes, 1 MiB a value, 64 MiB together.
    pub const DEFAULT: Self = Self {
        uri: UriLimits::DEFAULT,
        nodes_max: 100_000,
        value_bytes_max: 1024 * 1024,
        tree_bytes_max: 64 * 1024 * 1024,
        acl_bytes_max: 4 * 1024,
        type_bytes_max: 255,
        runs_max: 256,
        undo_max: 4096,
        list_nodes_max: 10_000,
        changes_max: 1024,
    };
}

/// How much of notifications is read and remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NotifyLimits {
    /// Session identifiers that are remembered of one server; at least 1 is [digest 1.6].
    pub sessions_remembered_max: usize,
    /// How long after a resynchronisation with a server the next one is refused [digest 1.6].
    pub resync_interval: Millis,
}

impl NotifyLimits {
    /// Octets of a notification. Most have to fit one short message of 140.
    pub const MESSAGE_BYTES_MAX: usize = 16 * 1024;

    /// The digest's bounds: 32 sessions, one resynchronisation an hour.
    pub const DEFAULT: Self = Self { sessions_remembered_max: 32, resync_interval: Millis::from_secs(60 * 60) };
}

/// How much of a bootstrap is read and kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BootstrapLimits {
    /// The document or message that comes, and a document inside it.
    pub wire: WireLimits,
    /// Accounts in one bootstrap.
    pub accounts_max: usize,
    /// Addresses of an account, ports of an address, credentials and connections of an account: of each so many.
    pub entries_max: usize,
    /// Octets of one value.
    pub value_bytes_max: usize,
    /// Wrong PINs that a user may type for one bootstrap [digest 9.3].
    pub wrong_pins_max: u8,
}

impl BootstrapLimits {
    /// The digest's bounds, and small ones for what it does not bound: 64 KiB, 8 accounts, 16 entries of each kind, values
    /// of 2 KiB.
    pub const DEFAULT: Self = Self {
        wire: WireLimits::CLIENT,
        accounts_max: 8,
        entries_max: 16,
        value_bytes_max: 2 * 1024,
        wrong_pins_max: 3,
    };
}
