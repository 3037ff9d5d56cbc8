//! What a transport carries.

use core_kit::Body;
use serde::{Deserialize, Serialize};

use crate::{auth::MacField, wire::Encoding};

/// One message as it is on the wire, and what the transport knows of its sender.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Packet {
    /// How the body is written.
    pub encoding: Encoding,
    /// The message.
    pub body: Body,
    /// Whom the transport has authenticated as the sender: the subject of a TLS certificate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<alloc::string::String>,
    /// The header field `x-syncml-hmac`, which is no part of the body [DM SEC 1.2, 5.4.3].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mac: Option<MacField>,
}

impl Packet {
    /// A message of a sender whom the transport does not know.
    #[must_use]
    pub fn new(encoding: Encoding, body: impl Into<Body>) -> Self {
        Self { encoding, body: body.into(), identity: None, mac: None }
    }

    /// A message in XML of a sender whom the transport does not know.
    #[must_use]
    pub fn xml(body: impl Into<Body>) -> Self {
        Self::new(Encoding::Xml, body)
    }

    /// The same message, of a sender whom the transport has authenticated.
    #[must_use]
    pub fn from_identity(self, identity: impl Into<alloc::string::String>) -> Self {
        Self { identity: Some(identity.into()), ..self }
    }

    /// The same message, with a header field `x-syncml-hmac`.
    #[must_use]
    pub fn with_mac(self, mac: impl Into<MacField>) -> Self {
        Self { mac: Some(mac.into()), ..self }
    }
}
