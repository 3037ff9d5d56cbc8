//! What stays the same for all sessions of a client with one server.

use alloc::{sync::Arc, vec::Vec};

use core_kit::Millis;
use serde::{Deserialize, Serialize};
use smol_str::{SmolStr, format_smolstr};

use crate::{
    auth::Scheme,
    codes::AlertCode,
    ids::{DeviceId, ServerId},
    limits::{SessionLimits, TreeLimits, WireLimits},
    version::Version,
    wire::Encoding,
};

/// How a client behaves towards one server: what an account says, and the client's own bounds. It is not in a snapshot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// The client's name on the wire, equal to `./DevInfo/DevId`.
    pub device: DeviceId,
    /// Where the server is: `Target` of the messages and the first address they go to.
    pub server: SmolStr,
    /// The server's name in access control lists.
    pub server_id: ServerId,
    /// How messages are written.
    pub encoding: Encoding,
    /// The version of DM that sessions are opened with: [`Choice`](crate::version::Choice) tells which.
    #[serde(default)]
    pub version: Version,
    /// Credentials to show from the first message on; nothing to wait for a challenge.
    pub first: Option<Scheme>,
    /// The weakest scheme that a challenge may ask for.
    pub weakest: Scheme,
    /// How the server must prove itself in messages; nothing where the transport has proved it.
    pub server_scheme: Option<Scheme>,
    /// The nodes that tell about the device in package 1.
    pub device_info: Arc<[SmolStr]>,
    /// `MaxMsgSize` that the client announces, in octets; nothing to announce none.
    pub max_msg_size: Option<u64>,
    /// Whether values may come and go in chunks, as `./DevDetail/LrgObj` says too.
    pub large_objects: bool,
    /// `MaxObjSize` that the client announces, in octets; 413 beyond. Nothing to announce none.
    pub max_obj_size: Option<u64>,
    /// The alerts for the user that the device can show, of 1100 to 1104; 406 for the others.
    pub prompts: Vec<AlertCode>,
    /// Octets of values that a session keeps until the server has them; 413 beyond.
    pub queue_bytes_max: u64,
    /// What is refused while reading.
    pub wire: WireLimits,
    /// How long and how much.
    pub session: SessionLimits,
    /// How often and when a message is sent again.
    pub retry: Retry,
}

/// When the same bytes are sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Retry {
    /// How long to wait for a reply.
    pub response_ms: Millis,
    /// How often a message is sent again before the session is given up.
    pub times: u32,
    /// The wait before it is sent again for the first time; doubles every time.
    pub first_ms: Millis,
    /// The longest wait.
    pub longest_ms: Millis,
}

impl Retry {
    /// 60 s for a reply, three more tries after 16, 32 and 64 s [digest 3.2 and 3.3].
    pub const DEFAULT: Self = Self {
        response_ms: Millis::from_secs(60),
        times: 3,
        first_ms: Millis::from_secs(16),
        longest_ms: Millis::from_secs(86_400),
    };

    /// The wait before the try after `failed` failed ones.
    #[must_use]
    pub fn wait(&self, failed: u32) -> Millis {
        let factor = 1u64.checked_shl(failed.saturating_sub(1)).unwrap_or(u64::MAX);
        self.longest_ms.min(Millis(self.first_ms.0.saturating_mul(factor)))
    }
}

/// A copy, for whoever has no [`Arc`] of it.
impl From<&Profile> for Arc<Profile> {
    fn from(profile: &Profile) -> Self {
        Self::new(profile.clone())
    }
}

impl Profile {
    /// A client of one server, in XML, with digests in both directions and the digest's limits.
    #[must_use]
    pub fn new(device: impl Into<DeviceId>, server: impl Into<SmolStr>, server_id: impl Into<ServerId>) -> Self {
        let leaves = ["DevId", "Man", "Mod", "DmV", "Lang"];
        Self {
            device: device.into(),
            server: server.into(),
            server_id: server_id.into(),
            encoding: Encoding::Xml,
            version: Version::V1_2,
            first: Some(Scheme::Md5),
            weakest: Scheme::Md5,
            server_scheme: Some(Scheme::Md5),
            device_info: leaves.iter().map(|leaf| format_smolstr!("./DevInfo/{leaf}")).collect(),
            max_msg_size: Some(WireLimits::CLIENT.message_bytes_max as u64),
            large_objects: true,
            max_obj_size: Some(TreeLimits::DEFAULT.value_bytes_max as u64),
            prompts: Vec::new(),
            queue_bytes_max: 256 * 1024,
            wire: WireLimits::CLIENT,
            session: SessionLimits::DEFAULT,
            retry: Retry::DEFAULT,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_longest() {
        let waits: Vec<u64> = (1..=4).map(|failed| Retry::DEFAULT.wait(failed).0).collect();
        assert_eq!(waits, [16_000, 32_000, 64_000, 128_000]);
        assert_eq!(Retry::DEFAULT.wait(200), Retry::DEFAULT.longest_ms);
    }
}
