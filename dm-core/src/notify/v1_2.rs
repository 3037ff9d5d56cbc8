//! The layout of DM 1.2: `digest version ui-mode initiator future-use sessionid length-identifier server-identifier
//! [vendor-specific]` [NOTI 1.2, 6].

use alloc::vec::Vec;

use core_kit::Body;
use serde::{Deserialize, Serialize};

use super::{
    BuildError, Initiator, ParseError, ParseErrorKind, Reserved, SessionNumber, UiMode,
    head::{Head, Reader, text},
};
use crate::{
    auth::{CredentialHash, Digest, Nonce, digest},
    ids::ServerId,
    limits::NotifyLimits,
};

/// The version of the layout itself. It says nothing about the DM protocol [NOTI 1.2, 6.2.6].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum FormatVersion {
    /// An old server's; read as the other one is.
    #[serde(rename = "1.0")]
    V1_0,
    /// That of DM 1.2.
    #[serde(rename = "1.1")]
    V1_1,
}

impl FormatVersion {
    const fn tenths(self) -> u16 {
        match self {
            Self::V1_0 => 10,
            Self::V1_1 => 11,
        }
    }
}

/// What a server asks for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Notification {
    /// The version of the layout.
    pub version: FormatVersion,
    /// What the user should see.
    pub ui_mode: UiMode,
    /// Who caused it.
    pub initiator: Initiator,
    /// Which session to open. The same one again for the same work.
    pub session: SessionNumber,
    /// Whose session, as the client's account names it: 1 to 255 octets.
    pub server: ServerId,
    /// The vendor's own octets, which the digest covers.
    pub vendor: Body,
}

impl Notification {
    /// Octets of a server identifier.
    const SERVER_ID_BYTES_MAX: usize = u8::MAX as usize;
    /// Octets of the digest.
    const DIGEST_BYTES: usize = 16;

    /// A notification by which a server asks for a session and leaves the rest to the client.
    #[must_use]
    pub fn new(server: ServerId, session: SessionNumber) -> Self {
        Self {
            version: FormatVersion::V1_1,
            ui_mode: UiMode::Unspecified,
            initiator: Initiator::Server,
            session,
            server,
            vendor: Body::default(),
        }
    }

    /// The message, with the digest for a client that knows the server by these credentials and that nonce: the hash of
    /// the [server identifier](Self::server) and the server's password, and the nonce that the client gave out last, or
    /// [`resync_nonce`](super::resync_nonce).
    ///
    /// # Errors
    ///
    /// The server identifier is empty or has more than 255 octets, or the whole more than
    /// [`NotifyLimits::MESSAGE_BYTES_MAX`].
    pub fn sign(&self, credentials: &CredentialHash, nonce: &Nonce) -> Result<Vec<u8>, BuildError> {
        let trigger = self.trigger()?;
        let digest = digest::notification(credentials, nonce, &trigger);
        Ok([&digest.to_octets(), &trigger[..]].concat())
    }

    fn trigger(&self) -> Result<Vec<u8>, BuildError> {
        let (version, server) = (self.version.tenths(), self.server.as_str().as_bytes());
        let head = Head { version, ui_mode: self.ui_mode, initiator: self.initiator, session: self.session }.encode();
        let length =
            u8::try_from(server.len()).map_err(|_| BuildError::ServerIdTooLong { max: Self::SERVER_ID_BYTES_MAX })?;
        if length == 0 {
            return Err(BuildError::NoServerId);
        }
        let max = NotifyLimits::MESSAGE_BYTES_MAX;
        if self.vendor.len() > max - Self::DIGEST_BYTES - head.len() - 1 - server.len() {
            return Err(BuildError::TooLong { max });
        }
        Ok([&head[..], &[length], server, &self.vendor].concat())
    }

    /// What a message says. Its digest is not looked at: this is for showing a message, not for following it, which
    /// takes an [`Unverified`](super::Unverified).
    ///
    /// # Errors
    ///
    /// What is wrong with the message, and where.
    pub fn decode(message: &[u8]) -> Result<(Self, Reserved), ParseError> {
        let (_, _, notification, reserved) = Self::open(message)?;
        Ok((notification, reserved))
    }

    /// The digest, what it covers, and what that says.
    pub(super) fn open(message: &[u8]) -> Result<(Digest, &[u8], Self, Reserved), ParseError> {
        let error = |kind, offset| ParseError { kind, offset };
        if message.len() > NotifyLimits::MESSAGE_BYTES_MAX {
            return Err(error(ParseErrorKind::TooLong, NotifyLimits::MESSAGE_BYTES_MAX));
        }
        let truncated = || error(ParseErrorKind::Truncated, message.len());
        let (digest, trigger) = message.split_first_chunk::<{ Self::DIGEST_BYTES }>().ok_or_else(truncated)?;
        let mut reader = Reader::new(message, digest.len());
        let (head, reserved) = Head::decode(&mut reader, |version| version == 10 || version == 11)?;
        let at = reader.at();
        let length = reader.octet().ok_or_else(truncated)?;
        if length == 0 {
            return Err(error(ParseErrorKind::NoServerId, at));
        }
        let server = reader.take(length.into()).ok_or_else(|| error(ParseErrorKind::BeyondEnd, at))?;
        let notification = Self {
            version: if head.version == 10 { FormatVersion::V1_0 } else { FormatVersion::V1_1 },
            ui_mode: head.ui_mode,
            initiator: head.initiator,
            session: head.session,
            server: text(server, at + 1)?.into(),
            vendor: reader.rest().into(),
        };
        Ok((Digest::from_octets(*digest), trigger, notification, reserved))
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;

    fn message(trigger: &[u8]) -> Vec<u8> {
        [&[0; 16], trigger].concat()
    }

    fn refused(trigger: &[u8]) -> (ParseErrorKind, usize) {
        let error = Notification::decode(&message(trigger)).unwrap_err();
        (error.kind, error.offset)
    }

    #[test]
    fn what_is_wrong_is_named_with_its_place() {
        assert_eq!(refused(b""), (ParseErrorKind::Truncated, 16));
        assert_eq!(refused(b"\x02\xc8\0\0\0\0\x01"), (ParseErrorKind::Truncated, 23));
        assert_eq!(refused(b"\x02\xc8\0\0\0\0\x01\0"), (ParseErrorKind::NoServerId, 23));
        assert_eq!(refused(b"\x02\xc8\0\0\0\0\x01\x02s"), (ParseErrorKind::BeyondEnd, 23));
        assert_eq!(refused(b"\x02\xc8\0\0\0\0\0\x01s"), (ParseErrorKind::SessionZero, 21));
        assert_eq!(refused(b"\x02\xc8\0\0\0\0\x01\x03ab\xff"), (ParseErrorKind::NotUtf8, 26));
        assert_eq!(refused(b"\xff\xc8\0\0\0\0\x01\x01s"), (ParseErrorKind::UnknownVersion(1023), 16));
        for version in [0_u16, 1, 9, 12, 13, 20] {
            let [high, low] = (version << 6 | 0x08).to_be_bytes();
            let trigger = [high, low, 0, 0, 0, 0, 1, 1, b's'];
            assert_eq!(refused(&trigger), (ParseErrorKind::UnknownVersion(version), 16));
        }
        let most = NotifyLimits::MESSAGE_BYTES_MAX;
        assert_eq!(refused(&vec![0; most - 15]), (ParseErrorKind::TooLong, most));
    }

    #[test]
    fn bits_for_future_use_are_handed_on_and_written_as_zero() {
        let (notification, reserved) = Notification::decode(&message(b"\x02\xcf\xff\xff\xff\0\x01\x01s")).unwrap();
        assert_eq!(reserved.bits(), (1 << 27) - 1);
        assert_eq!((notification.ui_mode, notification.initiator), (UiMode::Unspecified, Initiator::Server));
        assert_eq!(notification.trigger().unwrap(), b"\x02\xc8\0\0\0\0\x01\x01s");
        let (_, reserved) = Notification::decode(&message(b"\x02\xc8\x01\x02\x03\0\x01\x01s")).unwrap();
        assert_eq!(reserved.bits(), 0x01_02_03);
    }

    #[test]
    fn what_does_not_fit_is_not_written() {
        let one = SessionNumber::new(1).unwrap();
        let named = |octets: usize| Notification::new("s".repeat(octets).into(), one);
        assert_eq!(named(0).trigger(), Err(BuildError::NoServerId));
        assert_eq!(named(256).trigger(), Err(BuildError::ServerIdTooLong { max: 255 }));
        assert!(named(255).trigger().is_ok());
        let max = NotifyLimits::MESSAGE_BYTES_MAX;
        let filled = |octets: usize| Notification { vendor: vec![0; octets].into(), ..named(255) };
        let room = max - 16 - 8 - 255;
        assert_eq!(filled(room + 1).trigger(), Err(BuildError::TooLong { max }));
        let full = filled(room);
        assert_eq!(Notification::decode(&message(&full.trigger().unwrap())).unwrap().0, full);
    }
}
