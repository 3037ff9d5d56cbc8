//! What a message of a DM world is on the wire: mostly the body of an HTTP request or response, as it is.
//!
//! Two things stand beside a body on a real wire and must be in the octets here. The header field of `syncml:auth-MAC`
//! and the media type of what comes by push are written before the body, as HTTP would, with an empty line in between.

use bytes::Bytes;
use dm_core::{Packet, auth::MacField, wire::Encoding};

const PUSHED: &str = "content-type";
const NOTIFICATION: &str = "application/vnd.syncml.notification";
/// WBXML 1.3.
const WBXML_VERSION_MAX: u8 = 3;

/// A message, opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Envelope {
    /// A message of a session, with the header field that signs it.
    Session(Option<MacField>, Bytes),
    /// Package 0.
    Notification(Bytes),
    /// A bootstrap, with its media type.
    Bootstrap(String, Bytes),
}

impl Envelope {
    /// What the octets hold.
    pub(super) fn open(bytes: &Bytes) -> Self {
        let plain = || Self::Session(None, bytes.clone());
        let is_head = |name: &str| bytes.starts_with(name.as_bytes());
        if !is_head(MacField::NAME) && !is_head(PUSHED) {
            return plain();
        }
        let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else { return plain() };
        let (head, body) = (bytes.slice(..end), bytes.slice(end + 4..));
        let Some((name, value)) = core::str::from_utf8(&head).ok().and_then(|head| head.split_once(": ")) else {
            return plain();
        };
        match (name, value) {
            (PUSHED, NOTIFICATION) => Self::Notification(body),
            (PUSHED, media_type) => Self::Bootstrap(media_type.into(), body),
            _ => Self::Session(Some(value.into()), body),
        }
    }

    /// As on the wire.
    pub(super) fn close(&self) -> Bytes {
        match self {
            Self::Session(None, body) => body.clone(),
            Self::Session(Some(mac), body) => headed(MacField::NAME, mac.as_str(), body),
            Self::Notification(body) => headed(PUSHED, NOTIFICATION, body),
            Self::Bootstrap(media_type, body) => headed(PUSHED, media_type, body),
        }
    }

    /// A message of a session.
    pub(super) fn of(packet: &Packet) -> Self {
        Self::Session(packet.mac.clone(), packet.body.to_bytes())
    }

    /// How the body of a message of a session is written, which over HTTP its media type says. The first octet of WBXML is
    /// its version, which is no character of XML.
    pub(super) fn encoding(body: &[u8]) -> Encoding {
        let is_wbxml = body.first().is_some_and(|octet| *octet <= WBXML_VERSION_MAX);
        if is_wbxml { Encoding::Wbxml } else { Encoding::Xml }
    }

    /// The packet of a message of a session.
    pub(super) fn packet(mac: Option<MacField>, body: &Bytes) -> Packet {
        let packet = Packet::new(Self::encoding(body), body.clone());
        match mac {
            Some(mac) => packet.with_mac(mac),
            None => packet,
        }
    }
}

fn headed(name: &str, value: &str, body: &[u8]) -> Bytes {
    [name.as_bytes(), b": ", value.as_bytes(), b"\r\n\r\n", body].concat().into()
}

/// The same message with one character of its last value changed; nothing where it has no value to change.
pub(super) fn tampered(body: &Bytes) -> Option<Bytes> {
    let at = body.windows(6).rposition(|window| window == b"<Data>")? + 6;
    let mut octets = body.to_vec();
    let octet = octets.get_mut(at).filter(|octet| octet.is_ascii_alphanumeric())?;
    *octet = if *octet == b'1' { b'7' } else { b'1' };
    Some(octets.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_envelope_opens_to_what_was_closed() {
        let body = Bytes::from_static(b"<SyncML>\r\n\r\n</SyncML>");
        for envelope in [
            Envelope::Session(None, body.clone()),
            Envelope::Session(Some("algorithm=MD5, username=\"a\", mac=b".into()), body.clone()),
            Envelope::Notification(Bytes::from_static(b"\0\r\n\r\n\xff")),
            Envelope::Bootstrap("text/vnd.wap.connectivity-xml;SEC=0;MAC=00".into(), body),
        ] {
            assert_eq!(Envelope::open(&envelope.close()), envelope);
        }
    }

    #[test]
    fn tampering_changes_one_octet_of_a_value() {
        let body = Bytes::from_static(b"<A><Data>12</Data><Data>x</Data></A>");
        assert_eq!(tampered(&body).unwrap(), Bytes::from_static(b"<A><Data>12</Data><Data>1</Data></A>"));
        assert_eq!(tampered(&Bytes::from_static(b"<A><Data></Data></A>")), None);
    }
}
