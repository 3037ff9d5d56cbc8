//! Every bound of the core: what it counts, its default, and where that comes from.

use serde::{Deserialize, Serialize};

/// Octets of an identifier [DPE digest 6.2].
pub const ID_BYTES_MAX: usize = 64;
/// Octets of a property name [DPE digest 6.2].
pub const NAME_BYTES_MAX: usize = 128;
/// Octets of any other text: tokens, versions, addresses, policy types.
pub const TEXT_BYTES_MAX: usize = 1024;
/// Longest `Duration` that the wire can say, in seconds [DPE digest 6.1].
pub const DURATION_SECS_MAX: u32 = 0x7fff_ffff;

/// What the codec refuses to go beyond. It is checked while reading, not after.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WireLimits {
    /// `wire.max_message_bytes`: octets of one message. Checked before anything is read.
    #[serde(rename = "max_message_bytes")]
    pub message_bytes_max: usize,
    /// `wire.max_depth`: elements open at once, the root included.
    #[serde(rename = "max_depth")]
    pub depth_max: usize,
    /// Elements in one message, those that are passed over included.
    pub elements_max: usize,
    /// Attributes of one element, namespace declarations included.
    pub attributes_max: usize,
    /// Property names, or results, in one message [DPE digest 6.2].
    pub properties_max: usize,
    /// Parameters of one policy [DPE digest 6.2].
    pub parameters_max: usize,
    /// Octets of one property value [DPE digest 6.2].
    pub value_bytes_max: usize,
}

impl WireLimits {
    /// The digest's bounds: 64 KiB a message, 8 deep, 128 properties, 16 parameters, 16 KiB a value.
    pub const DEFAULT: Self = Self {
        message_bytes_max: 64 * 1024,
        depth_max: 8,
        elements_max: 2048,
        attributes_max: 8,
        properties_max: 128,
        parameters_max: 16,
        value_bytes_max: 16 * 1024,
    };
}

impl Default for WireLimits {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// How much one machine remembers. What crosses a bound is answered like an overload: 38 to an SP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StateLimits {
    /// Groups on one device, of all SPs.
    pub groups_max: usize,
    /// Policies on one device, of all SPs.
    pub policies_max: usize,
    /// Identifiers of a device whose late answers are still expected.
    pub tombstones_max: usize,
    /// SPs to which one device's Client-ID was disclosed.
    pub audience_max: usize,
    /// Properties that are cached for one device.
    pub cached_max: usize,
    /// Client-IDs that one SP was told, with the key it asked by.
    pub disclosed_max: usize,
    /// Expired policies that one SP may still hear 28 of.
    pub expired_max: usize,
    /// Reports and answers that a client has yet to send.
    pub duties_max: usize,
}

impl StateLimits {
    /// 1,024 groups and policies a device; the rest in proportion.
    pub const DEFAULT: Self = Self {
        groups_max: 1024,
        policies_max: 1024,
        tombstones_max: 1024,
        audience_max: 1024,
        cached_max: 256,
        disclosed_max: 4096,
        expired_max: 1024,
        duties_max: 1024,
    };
}

impl Default for StateLimits {
    fn default() -> Self {
        Self::DEFAULT
    }
}
