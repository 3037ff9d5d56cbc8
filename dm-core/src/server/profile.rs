//! What stays the same for all sessions of a server.

use alloc::{string::String, sync::Arc, vec::Vec};

use core_kit::Millis;
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

use crate::{
    limits::{SessionLimits, WireLimits},
    version::{Version, Versions},
};

/// How a server behaves. It is not in a snapshot: whoever restores a session brings the profile along.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// The server's address: `Source` of its messages.
    pub address: SmolStr,
    /// `RespURI`, where the client's next message shall go; nothing for the address that it has.
    pub resp_uri: Option<String>,
    /// `MaxMsgSize` that the server announces, in octets; nothing to announce none.
    pub max_msg_size: Option<u64>,
    /// The versions of DM that are spoken; other ones get 505 or 513.
    #[serde(default = "Profile::all_versions")]
    pub versions: Versions,
    /// The version that clients are told to use from now on, where they come with another one; nothing to tell none.
    /// Whoever is refused is told the highest that is spoken, if this is nothing.
    #[serde(default)]
    pub recommended: Option<Version>,
    /// `MaxObjSize` that the server announces and holds devices to, in octets; nothing for any size. A value that comes in
    /// parts is reported part by part, so the size costs the session nothing.
    pub max_obj_size: Option<u64>,
    /// Types of generic alerts that are understood, as [`AlertItem::plain_type`](crate::alert::AlertItem::plain_type) has
    /// them; others get 415. None at all: every type is.
    pub alert_types: Vec<String>,
    /// What is refused while reading.
    pub wire: WireLimits,
    /// How long and how much.
    pub session: SessionLimits,
    /// Silence after which a session ends.
    pub idle_ms: Millis,
    /// Silence after which a session ends whose client has not proved itself. Shorter than two tries of an honest client
    /// take, and a reply lost during the challenge would cost it the session.
    pub unauthenticated_ms: Millis,
}

/// A copy, for whoever has no [`Arc`] of it.
impl From<&Profile> for Arc<Profile> {
    fn from(profile: &Profile) -> Self {
        Self::new(profile.clone())
    }
}

impl Profile {
    /// For profiles that were stored before there was a choice.
    const fn all_versions() -> Versions {
        Versions::ALL
    }

    /// A server at `address` with the digest's limits.
    #[must_use]
    pub fn new(address: impl Into<SmolStr>) -> Self {
        Self {
            address: address.into(),
            resp_uri: None,
            max_msg_size: Some(WireLimits::SERVER.message_bytes_max as u64),
            versions: Versions::ALL,
            recommended: None,
            max_obj_size: Some(SessionLimits::OBJECT_BYTES_MAX),
            alert_types: Vec::new(),
            wire: WireLimits::SERVER,
            session: SessionLimits::DEFAULT,
            idle_ms: Millis::from_secs(300),
            // A client that waits 60 s for a reply and 16 s, then 32 s to send again has tried twice by then.
            unauthenticated_ms: Millis::from_secs(180),
        }
    }
}
