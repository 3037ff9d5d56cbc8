//! A layout that recommends a protocol version, as DM 1.3 wants it of package 0. **It is this project's own and not
//! OMA's**: of OMA's only the fields and the list of options are known to us, not the bits [digest 1.9].
//!
//! It is for a client and a server that are both built from here. Everybody else gets the layout of [`v1_2`](super::v1_2).
//!
//! ```text
//! message = header *option digest128
//! header  = version10 ui-mode2 initiator1 reserved27 sessionid16 option-count8
//! option  = number4 length12 value
//! ```
//!
//! The version is ten times the recommended one. Options ascend by number, and one that may repeat does so in a row.
//! Options with a number that is not known are passed over: the digest covers them, and they bind nobody.

use alloc::{string::String, vec::Vec};

use serde::{Deserialize, Serialize};

use super::{
    BuildError, Initiator, ParseError, ParseErrorKind, Reserved, SessionNumber, UiMode, VersionHint,
    head::{Head, Reader, text},
};
use crate::{
    auth::{CredentialHash, Digest, Nonce, digest},
    ids::ServerId,
    limits::NotifyLimits,
};

/// A management object by its number in OMNA's index.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct MoIndex(pub u16);

impl MoIndex {
    /// `DevDetail` 1.1.
    pub const DEV_DETAIL_1_1: Self = Self(0x000B);
    /// `DevInfo` 1.1.
    pub const DEV_INFO_1_1: Self = Self(0x000C);
    /// `DMAcc` 1.1.
    pub const DM_ACC_1_1: Self = Self(0x000D);
    /// `DevInfo` 1.0.
    pub const DEV_INFO_1_0: Self = Self(0x000E);
    /// `DevDetail` 1.0.
    pub const DEV_DETAIL_1_0: Self = Self(0x000F);
    /// `DPE`.
    pub const DPE: Self = Self(0x0010);
    /// `DMAcc` 1.0.
    pub const DM_ACC_1_0: Self = Self(0x0011);
    /// `DiagMon`.
    pub const DIAG_MON: Self = Self(0x0012);
}

/// A kind of connection, by a number whose meanings are not known to us.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Bearer(pub u8);

/// What a server asks for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Notification {
    /// The protocol version to open the session with: 1.1, 1.2 or 1.3.
    pub recommended: VersionHint,
    /// What the user should see.
    pub ui_mode: UiMode,
    /// Who caused it.
    pub initiator: Initiator,
    /// Which session to open. The same one again for the same work.
    pub session: SessionNumber,
    /// `Server-ID`, as the client's account names it: 1 to 256 octets.
    pub server: ServerId,
    /// `Targeted-MO`: what the session is about.
    pub targeted: Vec<MoIndex>,
    /// `Requested-MO`: what the client should send in package 1.
    pub requested: Vec<MoIndex>,
    /// `Preferred-Bearer`: the most preferred first.
    pub bearers: Vec<Bearer>,
    /// `Connect-Reason`: 1 to 4095 octets.
    pub connect_reason: Option<String>,
    /// `Vendor-Info`: 1 to 4095 octets.
    pub vendor_info: Option<String>,
}

const SERVER_ID: u8 = 1;
const TARGETED_MO: u8 = 2;
const REQUESTED_MO: u8 = 3;
const PREFERRED_BEARER: u8 = 4;
const CONNECT_REASON: u8 = 5;
const VENDOR_INFO: u8 = 6;

const SERVER_ID_BYTES_MAX: usize = 256;
const VALUE_BYTES_MAX: u16 = 0x0FFF;
const DIGEST_BYTES: usize = 16;

/// The versions that have a spelling, in tenths.
const VERSIONS: core::ops::RangeInclusive<u16> = 11..=13;

impl Notification {
    /// A notification by which a server asks for a session and leaves the rest to the client.
    #[must_use]
    pub fn new(server: ServerId, session: SessionNumber, recommended: VersionHint) -> Self {
        Self {
            recommended,
            ui_mode: UiMode::Unspecified,
            initiator: Initiator::Server,
            session,
            server,
            targeted: Vec::new(),
            requested: Vec::new(),
            bearers: Vec::new(),
            connect_reason: None,
            vendor_info: None,
        }
    }

    /// The message, signed as [`v1_2::Notification::sign`](super::v1_2::Notification::sign) does it.
    ///
    /// # Errors
    ///
    /// A field is out of its bounds, there are more than 255 options, or the whole has more than
    /// [`NotifyLimits::MESSAGE_BYTES_MAX`] octets.
    pub fn sign(&self, credentials: &CredentialHash, nonce: &Nonce) -> Result<Vec<u8>, BuildError> {
        let mut message = self.unsigned()?;
        message.extend(digest::notification(credentials, nonce, &message).to_octets());
        Ok(message)
    }

    fn unsigned(&self) -> Result<Vec<u8>, BuildError> {
        let no_version = BuildError::Version(self.recommended);
        let version = match self.recommended {
            VersionHint { major: 1, minor } => minor.checked_add(10).filter(|tenths| VERSIONS.contains(tenths)),
            _ => None,
        };
        let version = version.ok_or(no_version)?;
        let server = self.server.as_str().as_bytes();
        match server.len() {
            0 => return Err(BuildError::NoServerId),
            1..=SERVER_ID_BYTES_MAX => {}
            _ => return Err(BuildError::ServerIdTooLong { max: SERVER_ID_BYTES_MAX }),
        }
        let mut options = Options::default();
        options.put(SERVER_ID, server)?;
        for mo in &self.targeted {
            options.put(TARGETED_MO, &mo.0.to_be_bytes())?;
        }
        for mo in &self.requested {
            options.put(REQUESTED_MO, &mo.0.to_be_bytes())?;
        }
        for bearer in &self.bearers {
            options.put(PREFERRED_BEARER, &[bearer.0])?;
        }
        for (number, text) in [(CONNECT_REASON, &self.connect_reason), (VENDOR_INFO, &self.vendor_info)] {
            if let Some(text) = text {
                options.put(number, text.as_bytes())?;
            }
        }
        let head = Head { version, ui_mode: self.ui_mode, initiator: self.initiator, session: self.session }.encode();
        let max = NotifyLimits::MESSAGE_BYTES_MAX;
        if head.len() + 1 + options.octets.len() + DIGEST_BYTES > max {
            return Err(BuildError::TooLong { max });
        }
        Ok([&head[..], &[options.count], &options.octets].concat())
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
        let (signed, digest) = message.split_last_chunk::<DIGEST_BYTES>().ok_or_else(truncated)?;
        let mut reader = Reader::new(signed, 0);
        let (head, reserved) = Head::decode(&mut reader, |version| VERSIONS.contains(&version))?;
        let count = reader.octet().ok_or_else(truncated)?;
        let mut read = Read::default();
        let mut last = 0;
        for _ in 0..count {
            let at = reader.at();
            let beyond = || error(ParseErrorKind::BeyondEnd, at);
            let [high, low] = reader.array().ok_or_else(beyond)?;
            let (number, length) = (high >> 4, u16::from_be_bytes([high & 0x0F, low]));
            let value = reader.take(length.into()).ok_or_else(beyond)?;
            if number < last {
                return Err(error(ParseErrorKind::OptionOrder, at));
            }
            last = number;
            read.option(number, value, at)?;
        }
        if !reader.rest().is_empty() {
            return Err(error(ParseErrorKind::Surplus, reader.at()));
        }
        let notification = Self {
            recommended: VersionHint::new(1, head.version - 10),
            ui_mode: head.ui_mode,
            initiator: head.initiator,
            session: head.session,
            server: read.server.ok_or_else(|| error(ParseErrorKind::NoServerId, reader.at()))?.into(),
            targeted: read.targeted,
            requested: read.requested,
            bearers: read.bearers,
            connect_reason: read.connect_reason,
            vendor_info: read.vendor_info,
        };
        Ok((Digest::from_octets(*digest), signed, notification, reserved))
    }
}

/// Options as they are written.
#[derive(Default)]
struct Options {
    octets: Vec<u8>,
    count: u8,
}

impl Options {
    fn put(&mut self, number: u8, value: &[u8]) -> Result<(), BuildError> {
        let length = u16::try_from(value.len()).ok().filter(|length| (1..=VALUE_BYTES_MAX).contains(length));
        let length = length.ok_or(BuildError::Options)?;
        self.count = self.count.checked_add(1).ok_or(BuildError::Options)?;
        self.octets.extend((u16::from(number) << 12 | length).to_be_bytes());
        self.octets.extend(value);
        Ok(())
    }
}

/// Options as they are read.
#[derive(Default)]
struct Read {
    server: Option<String>,
    targeted: Vec<MoIndex>,
    requested: Vec<MoIndex>,
    bearers: Vec<Bearer>,
    connect_reason: Option<String>,
    vendor_info: Option<String>,
}

impl Read {
    /// Takes the option that starts at the octet `at`.
    fn option(&mut self, number: u8, value: &[u8], at: usize) -> Result<(), ParseError> {
        let wrong_length = ParseError { kind: ParseErrorKind::OptionLength, offset: at };
        let mo = || match *value {
            [low] => Ok(MoIndex(low.into())),
            [high, low] => Ok(MoIndex(u16::from_be_bytes([high, low]))),
            _ => Err(wrong_length),
        };
        match number {
            SERVER_ID if value.len() > SERVER_ID_BYTES_MAX => return Err(wrong_length),
            SERVER_ID => once(&mut self.server, value, at)?,
            TARGETED_MO => self.targeted.push(mo()?),
            REQUESTED_MO => self.requested.push(mo()?),
            PREFERRED_BEARER => match *value {
                [bearer] => self.bearers.push(Bearer(bearer)),
                _ => return Err(wrong_length),
            },
            CONNECT_REASON => once(&mut self.connect_reason, value, at)?,
            VENDOR_INFO => once(&mut self.vendor_info, value, at)?,
            _ => {}
        }
        Ok(())
    }
}

/// Reads a text that comes at most once and is never empty.
fn once(slot: &mut Option<String>, value: &[u8], at: usize) -> Result<(), ParseError> {
    if slot.is_some() {
        return Err(ParseError { kind: ParseErrorKind::OptionRepeated, offset: at });
    }
    if value.is_empty() {
        return Err(ParseError { kind: ParseErrorKind::OptionLength, offset: at });
    }
    *slot = Some(text(value, at + 2)?.into());
    Ok(())
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;

    const HEAD: &[u8] = b"\x03\x78\0\0\0\0\xab";

    fn message(count: u8, options: &[u8]) -> Vec<u8> {
        [HEAD, &[count], options, &[0; 16]].concat()
    }

    fn refused(count: u8, options: &[u8]) -> (ParseErrorKind, usize) {
        let error = Notification::decode(&message(count, options)).unwrap_err();
        (error.kind, error.offset)
    }

    fn new(server: &str) -> Notification {
        Notification::new(server.into(), SessionNumber::new(0xAB).unwrap(), VersionHint::new(1, 3))
    }

    #[test]
    fn what_is_wrong_is_named_with_its_place() {
        use ParseErrorKind as Kind;
        assert_eq!(refused(0, b""), (Kind::NoServerId, 8));
        assert_eq!(refused(1, b"\x10\0"), (Kind::OptionLength, 8));
        assert_eq!(refused(1, b""), (Kind::BeyondEnd, 8));
        assert_eq!(refused(1, b"\x10"), (Kind::BeyondEnd, 8));
        assert_eq!(refused(1, b"\x10\x02s"), (Kind::BeyondEnd, 8));
        assert_eq!(refused(1, b"\x1f\xffs"), (Kind::BeyondEnd, 8));
        assert_eq!(refused(0, b"\x10\x01s"), (Kind::Surplus, 8));
        assert_eq!(refused(1, b"\x10\x01s\0"), (Kind::Surplus, 11));
        assert_eq!(refused(1, b"\x10\x01\xff"), (Kind::NotUtf8, 10));
        assert_eq!(refused(2, b"\x10\x01s\x10\x01s"), (Kind::OptionRepeated, 11));
        assert_eq!(refused(2, b"\x30\x01\x0c\x10\x01s"), (Kind::OptionOrder, 11));
        assert_eq!(refused(2, b"\x10\x01s\x20\0"), (Kind::OptionLength, 11));
        assert_eq!(refused(2, b"\x10\x01s\x30\x03\0\0\0"), (Kind::OptionLength, 11));
        assert_eq!(refused(2, b"\x10\x01s\x40\x02\0\0"), (Kind::OptionLength, 11));
        assert_eq!(refused(2, b"\x10\x01s\x50\0"), (Kind::OptionLength, 11));
        assert_eq!(refused(3, b"\x10\x01s\x60\x01v\x60\x01v"), (Kind::OptionRepeated, 14));
        assert_eq!(refused(1, &[&b"\x11\x01"[..], &[b's'; 257]].concat()), (Kind::OptionLength, 8));
        assert_eq!(refused(1, &vec![0; NotifyLimits::MESSAGE_BYTES_MAX]).0, Kind::TooLong);
        for version in [10_u16, 14, 20] {
            let mut bytes = message(1, b"\x10\x01s");
            bytes[..2].copy_from_slice(&(version << 6).to_be_bytes());
            let error = Notification::decode(&bytes).unwrap_err();
            assert_eq!((error.kind, error.offset), (Kind::UnknownVersion(version), 0));
        }
    }

    #[test]
    fn options_of_unknown_numbers_are_passed_over_and_short_numbers_read() {
        let options = b"\x00\x01?\x10\x01s\x20\x01\x0c\x20\x02\0\x0d\x70\0\xf0\x02??";
        let (read, reserved) = Notification::decode(&message(6, options)).unwrap();
        let targeted = vec![MoIndex::DEV_INFO_1_1, MoIndex::DM_ACC_1_1];
        let expected = Notification { ui_mode: UiMode::UserInteraction, targeted, ..new("s") };
        assert_eq!((read, reserved), (expected, Reserved::default()));
    }

    #[test]
    fn what_does_not_fit_is_not_written() {
        assert_eq!(new("").unsigned(), Err(BuildError::NoServerId));
        assert!(new(&"s".repeat(256)).unsigned().is_ok());
        assert_eq!(new(&"s".repeat(257)).unsigned(), Err(BuildError::ServerIdTooLong { max: 256 }));
        for (major, minor) in [(1, 0), (1, 4), (2, 0), (0, 13), (1, u16::MAX)] {
            let recommended = VersionHint::new(major, minor);
            let asked = Notification { recommended, ..new("s") };
            assert_eq!(asked.unsigned(), Err(BuildError::Version(recommended)));
        }
        let bearers = |count| Notification { bearers: vec![Bearer(1); count], ..new("s") };
        assert!(bearers(254).unsigned().is_ok());
        assert_eq!(bearers(255).unsigned(), Err(BuildError::Options));
        for (octets, fits) in [(0, false), (1, true), (4095, true), (4096, false)] {
            let reason = Notification { connect_reason: Some("r".repeat(octets)), ..new("s") };
            assert_eq!(reason.unsigned().is_ok(), fits, "{octets}");
        }
    }

    #[test]
    fn the_largest_that_can_be_said_fits() {
        let largest = Notification {
            requested: vec![MoIndex::DPE; 252],
            connect_reason: Some("r".repeat(4095)),
            vendor_info: Some("v".repeat(4095)),
            ..new(&"s".repeat(256))
        };
        let message = [largest.unsigned().unwrap(), vec![0; 16]].concat();
        assert!(message.len() <= NotifyLimits::MESSAGE_BYTES_MAX);
        assert_eq!(Notification::decode(&message).unwrap().0, largest);
    }
}
