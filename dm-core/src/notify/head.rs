//! What both layouts begin with, and the reader that both use.

use serde::{Deserialize, Serialize};

use super::{Initiator, ParseError, ParseErrorKind, SessionNumber, UiMode};

/// The 27 bits for future use, as they came. They are written as 0 and not looked at when read: a later server may set
/// them, the digest covers them as they are, and nothing that this client does could depend on them [NOTI 1.2, 6.2.9].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Reserved(u32);

impl Reserved {
    /// The bits, the last one lowest.
    #[must_use]
    pub const fn bits(self) -> u32 {
        self.0
    }
}

/// Seven octets: `version10 ui-mode2 initiator1 reserved27 sessionid16`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    /// In tenths.
    pub(super) version: u16,
    pub(super) ui_mode: UiMode,
    pub(super) initiator: Initiator,
    pub(super) session: SessionNumber,
}

impl Head {
    pub(super) fn encode(self) -> [u8; 7] {
        let ui_mode: u8 = match self.ui_mode {
            UiMode::Unspecified => 0,
            UiMode::Background => 1,
            UiMode::Informative => 2,
            UiMode::UserInteraction => 3,
        };
        let initiator = u8::from(self.initiator == Initiator::Server);
        let [first, version] = (self.version << 6).to_be_bytes();
        let [high, low] = self.session.number().to_be_bytes();
        [first, version | ui_mode << 4 | initiator << 3, 0, 0, 0, high, low]
    }

    /// Reads the head of a layout that has the versions which `knows` holds.
    pub(super) fn decode(from: &mut Reader<'_>, knows: impl Fn(u16) -> bool) -> Result<(Self, Reserved), ParseError> {
        let at = from.at();
        let error = |kind, offset| Err(ParseError { kind, offset });
        let Some([first, second, third, fourth, fifth, high, low]) = from.array() else {
            return error(ParseErrorKind::Truncated, from.end());
        };
        let version = u16::from_be_bytes([first, second]) >> 6;
        if !knows(version) {
            return error(ParseErrorKind::UnknownVersion(version), at);
        }
        let ui_mode = match second >> 4 & 0b11 {
            0 => UiMode::Unspecified,
            1 => UiMode::Background,
            2 => UiMode::Informative,
            _ => UiMode::UserInteraction,
        };
        let initiator = if second & 0b1000 == 0 { Initiator::User } else { Initiator::Server };
        let reserved = Reserved(u32::from_be_bytes([second & 0b111, third, fourth, fifth]));
        let Some(session) = SessionNumber::new(u16::from_be_bytes([high, low])) else {
            return error(ParseErrorKind::SessionZero, at + 5);
        };
        Ok((Self { version, ui_mode, initiator, session }, reserved))
    }
}

/// Takes octets from the front and knows where it is.
pub(super) struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    /// Reads from the octet `at`.
    pub(super) fn new(bytes: &'a [u8], at: usize) -> Self {
        Self { bytes, at }
    }

    /// The offset of the next octet.
    pub(super) fn at(&self) -> usize {
        self.at
    }

    /// The offset after the last octet.
    pub(super) fn end(&self) -> usize {
        self.bytes.len()
    }

    /// What was not taken yet.
    pub(super) fn rest(&self) -> &'a [u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }

    /// The next octets; nothing, and nothing is taken, if there are fewer.
    pub(super) fn take(&mut self, octets: usize) -> Option<&'a [u8]> {
        let taken = self.rest().get(..octets)?;
        self.at += octets;
        Some(taken)
    }

    /// As [`take`](Self::take).
    pub(super) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    /// The next octet.
    pub(super) fn octet(&mut self) -> Option<u8> {
        self.array().map(|[octet]| octet)
    }
}

/// Text in octets that start at `offset`.
pub(super) fn text(octets: &[u8], offset: usize) -> Result<&str, ParseError> {
    core::str::from_utf8(octets)
        .map_err(|error| ParseError { kind: ParseErrorKind::NotUtf8, offset: offset + error.valid_up_to() })
}
