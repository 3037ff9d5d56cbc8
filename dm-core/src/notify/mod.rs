//! Package 0: a datagram that asks a client to open a session [NOTI 1.2; digest 1].
//!
//! It comes out of band, names a server that the client knows already, and carries a digest that shows that the server
//! sent it. Nothing in it is believed before that: [`Unverified`] tells whose account to look up and no more. Nothing is
//! ever sent back either: whatever is wrong with a notification ends as an [`Ignored`], which is for the client's own
//! eyes.
//!
//! A notification holds no time, so the same octets verify until the server's nonce changes. [`Seen`] is what keeps a
//! repeated one from starting a second session. It is stored with the account, and before the session starts.
//!
//! ```
//! use core_kit::Tick;
//! use dm_core::{
//!     auth::{CredentialHash, Nonce},
//!     notify::{self, Decision, Known, Layout, Policy, Seen, SessionNumber, UiMode, v1_2::Notification},
//! };
//!
//! let (credentials, nonce) = (CredentialHash::new("dm.example.com", "OhBehave"), Nonce::new(b"Nonce"));
//! let mut seen = Seen::default();
//!
//! // The server.
//! let session = SessionNumber::new(0xAB).unwrap();
//! let asked = Notification { ui_mode: UiMode::UserInteraction, ..Notification::new("dm.example.com".into(), session) };
//! let message = asked.sign(&credentials, &nonce).unwrap();
//!
//! // The client.
//! let receive = |message: &[u8], seen: &mut Seen| {
//!     let known = Known { credentials: &credentials, nonce: &nonce, seen };
//!     notify::receive(Layout::V1_2, message, |_| Some(known), Tick(0), &Policy::default())
//! };
//! let Decision::Start(start) = receive(&message, &mut seen) else { panic!() };
//! assert_eq!(start.session.id().as_str(), "AB");
//! assert_eq!(receive(&message, &mut seen), Decision::AlreadyRun(session));
//! ```

use core::{fmt, num::NonZeroU16, str::FromStr};

use core_kit::Body;
use serde::{Deserialize, Serialize};

use crate::{client::Trigger, ids::SessionId};

mod head;
pub mod push;
mod seen;
pub mod v1_2;
#[cfg(feature = "provisional-notification")]
pub mod v1_3;
mod verify;

pub use head::Reserved;
pub use seen::{Conduct, Decision, Known, Seen, Start, receive};
pub use verify::{Ignored, Notice, Policy, Resync, Unverified, Verified, resync_nonce};

/// How the octets of a notification are arranged; its media type says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Layout {
    /// That of DM 1.2, which every client takes; DM 1.1.2 has the same [digest 1.7].
    #[serde(rename = "1.2")]
    V1_2,
    /// The one of [`v1_3`]: this project's own and not OMA's, under the media type that OMA registered for DM 1.3.
    #[cfg(feature = "provisional-notification")]
    Provisional,
}

impl Layout {
    #[cfg(not(feature = "provisional-notification"))]
    const ALL: &[Self] = &[Self::V1_2];
    #[cfg(feature = "provisional-notification")]
    const ALL: &[Self] = &[Self::V1_2, Self::Provisional];

    /// The media type.
    #[must_use]
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::V1_2 => "application/vnd.syncml.notification",
            #[cfg(feature = "provisional-notification")]
            Self::Provisional => "application/vnd.syncml.dm.notification",
        }
    }

    /// The number of the media type in WSP; on the wire its highest bit is set.
    #[must_use]
    pub const fn wsp_code(self) -> u8 {
        match self {
            Self::V1_2 => 0x44,
            #[cfg(feature = "provisional-notification")]
            Self::Provisional => 0x58,
        }
    }

    /// The layout that a media type names, with or without parameters.
    #[must_use]
    pub fn from_media_type(text: &str) -> Option<Self> {
        let bare = text.split(';').next().unwrap_or_default().trim();
        Self::ALL.iter().copied().find(|layout| layout.media_type().eq_ignore_ascii_case(bare))
    }

    /// The layout that a number of WSP names.
    #[must_use]
    pub fn from_wsp_code(code: u8) -> Option<Self> {
        Self::ALL.iter().copied().find(|layout| layout.wsp_code() == code)
    }
}

/// What the user should see of the session [NOTI 1.2, 6.2.7].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum UiMode {
    /// The client's own policy decides.
    #[default]
    Unspecified,
    /// Nothing.
    Background,
    /// That it starts. The user is not asked.
    Informative,
    /// A question, before the session is opened.
    UserInteraction,
}

impl UiMode {
    /// What the client does; `unspecified` is its policy where the server leaves it to the client.
    #[must_use]
    pub const fn conduct(self, unspecified: Conduct) -> Conduct {
        match self {
            Self::Unspecified => unspecified,
            Self::Background => Conduct::Silent,
            Self::Informative => Conduct::Announce,
            Self::UserInteraction => Conduct::Ask,
        }
    }
}

/// Who caused the session [NOTI 1.2, 6.2.8].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Initiator {
    /// The end user, for instance by a call to the help desk.
    User,
    /// The server, which has work to do.
    Server,
}

/// The session identifier of a notification: `1..=0xFFFF`, chosen by the server, another one for every session
/// [NOTI 1.2, 6.2.10].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SessionNumber(NonZeroU16);

impl SessionNumber {
    /// The identifier with this number; 0 is none.
    #[must_use]
    pub const fn new(number: u16) -> Option<Self> {
        match NonZeroU16::new(number) {
            Some(number) => Some(Self(number)),
            None => None,
        }
    }

    /// The number.
    #[must_use]
    pub const fn number(self) -> u16 {
        self.0.get()
    }

    /// What the client writes in `SessionID`: `AB` for 171.
    #[must_use]
    pub fn id(self) -> SessionId {
        SessionId::from_number(self.number())
    }

    /// What the client's session is started with; its package 1 says Alert 1200 [DM 1.2, 8.3].
    #[must_use]
    pub fn trigger(self) -> Trigger {
        Trigger::Server(self.id())
    }

    /// Whether a `SessionID` is this one, in digits of either case, since some clients write lower case [digest 12.3].
    #[must_use]
    pub fn is_named(self, by: &SessionId) -> bool {
        hexadecimal(by.as_str()) == Some(self.number())
    }

    /// As [`is_named`](Self::is_named), or with the two octets exchanged, as libdmclient writes it on a little-endian
    /// host [digest 12.2]. Ask it only after no session of the device is named exactly: 0x1234 answers to `3412` too.
    #[must_use]
    pub fn is_named_lenient(self, by: &SessionId) -> bool {
        self.is_named(by) || hexadecimal(by.as_str()) == Some(self.number().swap_bytes())
    }
}

/// `0xAB`.
impl fmt::Display for SessionNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#X}", self.number())
    }
}

/// One to four hexadecimal digits; a sign is none.
fn hexadecimal(text: &str) -> Option<u16> {
    let digits = (1..=4).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    u16::from_str_radix(text, 16).ok().filter(|_| digits)
}

/// A DM protocol version that a server recommends for the session. It caps what the client opens the session with; it
/// is no promise [digest 10.3].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VersionHint {
    /// 1 for DM 1.3.
    pub major: u16,
    /// 3 for DM 1.3.
    pub minor: u16,
}

impl VersionHint {
    /// What a vendor-specific body starts with if it is a hint.
    const MARK: &str = "OMADM-VER=";

    /// The version `major.minor`.
    #[must_use]
    pub const fn new(major: u16, minor: u16) -> Self {
        Self { major, minor }
    }

    /// The hint as the vendor-specific body of a notification of DM 1.2: `OMADM-VER=1.3`. The digest covers it, and
    /// clients that do not know it ignore it. It is this project's own convention [digest 1.9.4].
    #[must_use]
    pub fn to_vendor(self) -> Body {
        alloc::format!("{}{self}", Self::MARK).into()
    }

    /// The hint that a vendor-specific body is. Any other body, also one that holds more than a hint, recommends nothing.
    #[must_use]
    pub fn from_vendor(vendor: &[u8]) -> Option<Self> {
        core::str::from_utf8(vendor).ok()?.strip_prefix(Self::MARK)?.parse().ok()
    }
}

/// `1.3`.
impl fmt::Display for VersionHint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

/// A text that is no `major.minor`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a version of two numbers")]
pub struct NotAVersion;

impl FromStr for VersionHint {
    type Err = NotAVersion;

    fn from_str(text: &str) -> Result<Self, NotAVersion> {
        let number = |digits: &str| {
            let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
            digits.parse().ok().filter(|_| plain).ok_or(NotAVersion)
        };
        let (major, minor) = text.split_once('.').ok_or(NotAVersion)?;
        Ok(Self { major: number(major)?, minor: number(minor)? })
    }
}

/// Why octets are no notification.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[error("{kind} at octet {offset}")]
#[serde(deny_unknown_fields)]
pub struct ParseError {
    /// What is wrong.
    pub kind: ParseErrorKind,
    /// Where, in octets from the start of the message.
    pub offset: usize,
}

/// What is wrong with the octets of a notification.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum ParseErrorKind {
    /// More than [`MESSAGE_BYTES_MAX`](crate::limits::NotifyLimits::MESSAGE_BYTES_MAX) octets.
    #[error("message too long")]
    TooLong,
    /// The message ends before its fixed part does.
    #[error("message too short")]
    Truncated,
    /// A version that the layout does not have, in tenths.
    #[error("unknown version {0}")]
    UnknownVersion(u16),
    /// The session identifier 0.
    #[error("session identifier 0")]
    SessionZero,
    /// A length that says more than there is.
    #[error("length beyond the end of the message")]
    BeyondEnd,
    /// A server identifier without octets, or none.
    #[error("no server identifier")]
    NoServerId,
    /// Octets that are not UTF-8 where text belongs.
    #[error("not UTF-8")]
    NotUtf8,
    /// An option with a lower number than the one before.
    #[cfg(feature = "provisional-notification")]
    #[error("options out of order")]
    OptionOrder,
    /// An option with a length that its values do not have.
    #[cfg(feature = "provisional-notification")]
    #[error("option of the wrong length")]
    OptionLength,
    /// A second option of a number that comes once.
    #[cfg(feature = "provisional-notification")]
    #[error("option repeated")]
    OptionRepeated,
    /// Octets after the last option that are no digest.
    #[cfg(feature = "provisional-notification")]
    #[error("octets after the last option")]
    Surplus,
}

/// Why a notification cannot be written. Nothing was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// The server identifier is empty.
    #[error("the server identifier is empty")]
    NoServerId,
    /// The server identifier has more octets than its length can say.
    #[error("the server identifier is longer than {max} octets")]
    ServerIdTooLong {
        /// 255, or 256 in the provisional layout.
        max: usize,
    },
    /// The whole has more octets than may be sent.
    #[error("more than {max} octets")]
    TooLong {
        /// As many fit.
        max: usize,
    },
    /// The layout has no spelling for the recommended version.
    #[cfg(feature = "provisional-notification")]
    #[error("version {0} cannot be recommended in this layout")]
    Version(VersionHint),
    /// More options than their count can say, or one whose text is empty or longer than its length can say.
    #[cfg(feature = "provisional-notification")]
    #[error("options that cannot be written")]
    Options,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(number: u16) -> SessionNumber {
        SessionNumber::new(number).unwrap()
    }

    #[test]
    fn a_session_is_named_by_its_hexadecimal_digits_in_either_case() {
        assert_eq!(SessionNumber::new(0), None);
        assert_eq!(session(0xAB).trigger(), Trigger::Server("AB".into()));
        for (text, named) in [("AB", true), ("ab", true), ("00aB", true), ("AC", false), ("171", false)] {
            assert_eq!(session(0xAB).is_named(&text.into()), named, "{text}");
        }
        for text in ["", "+AB", "-AB", "0xAB", "000AB", "AB ", "\u{e4}"] {
            assert!(!session(0xAB).is_named(&text.into()), "{text}");
            assert!(!session(0xAB).is_named_lenient(&text.into()), "{text}");
        }
    }

    #[test]
    fn only_the_lenient_comparison_exchanges_the_octets() {
        for (number, text) in [(0x1234, "3412"), (0x00AB, "AB00"), (0xAB00, "AB")] {
            assert!(!session(number).is_named(&text.into()));
            assert!(session(number).is_named_lenient(&text.into()));
            assert!(session(number).is_named_lenient(&session(number).id()));
        }
        assert!(!session(0x1234).is_named_lenient(&"2143".into()));
    }

    #[test]
    fn a_version_hint_is_the_whole_vendor_body_or_none() {
        let hint = VersionHint::new(1, 3);
        assert_eq!(&hint.to_vendor()[..], b"OMADM-VER=1.3");
        assert_eq!(VersionHint::from_vendor(b"OMADM-VER=1.3"), Some(hint));
        assert_eq!(VersionHint::from_vendor(b"OMADM-VER=01.65535"), Some(VersionHint::new(1, u16::MAX)));
        for other in [
            &b""[..],
            b"OMADM-VER=",
            b"OMADM-VER=1",
            b"OMADM-VER=1.",
            b"OMADM-VER=.3",
            b"OMADM-VER=+1.3",
            b"OMADM-VER=1.3.1",
            b"OMADM-VER=1.3\0",
            b" OMADM-VER=1.3",
            b"omadm-ver=1.3",
            b"OMADM-VER=1.65536",
            b"OMADM-VER=1.\xff",
            b"\x01\x02\x03",
        ] {
            assert_eq!(VersionHint::from_vendor(other), None, "{other:?}");
        }
        assert!(VersionHint::new(1, 2) < hint && hint < VersionHint::new(2, 0));
    }

    #[test]
    fn a_media_type_selects_the_layout() {
        for text in ["application/vnd.syncml.notification", "Application/VND.syncml.notification ; x=y"] {
            assert_eq!(Layout::from_media_type(text), Some(Layout::V1_2));
        }
        assert_eq!(Layout::from_wsp_code(0x44), Some(Layout::V1_2));
        for layout in Layout::ALL {
            assert_eq!(Layout::from_media_type(layout.media_type()), Some(*layout));
            assert_eq!(Layout::from_wsp_code(layout.wsp_code()), Some(*layout));
        }
        for text in ["", "application/vnd.syncml.dm+xml", "application/vnd.syncml.notification2"] {
            assert_eq!(Layout::from_media_type(text), None);
        }
        assert_eq!(Layout::from_wsp_code(0x42), None);
        let known = cfg!(feature = "provisional-notification");
        assert_eq!(Layout::from_media_type("application/vnd.syncml.dm.notification").is_some(), known);
        assert_eq!(Layout::from_wsp_code(0x58).is_some(), known);
    }
}
