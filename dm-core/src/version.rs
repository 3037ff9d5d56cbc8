//! Protocol versions: their names, which one a session is opened with, and what to do when the server refuses it
//! [digest 10; requirements Server-1 to 3, Client-1 to 4 and Tree-1 of DM 1.3].
//!
//! A session has one version from its first message on. The client chooses it before, with [`Choice`]; nobody asks its
//! user. A server that does not speak it says so, and the client tries [`fall_back`] in another session. What a client
//! learns of a server is a [`Memory`], to be stored with the account.
//!
//! ```
//! use dm_core::version::{Choice, Memory, Version, Versions, fall_back};
//!
//! let mut memory = Memory::default();
//! let choice = Choice { memory: memory.clone(), ..Choice::of(Versions::ALL) };
//! assert_eq!(choice.version(), Some(Version::V1_3));
//! // The server answers 513 and recommends DM/1.2: another session, and from then on that version at once.
//! let next = fall_back(Versions::ALL, Version::V1_3, Some(Version::V1_2.number()));
//! assert_eq!(next, Some(Version::V1_2));
//! memory.worked(Version::V1_2);
//! assert_eq!(Choice { memory, ..choice }.version(), Some(Version::V1_2));
//! ```

use alloc::vec::Vec;
use core::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

pub use crate::notify::VersionHint;
use crate::{
    fault::PeerFault,
    session::Outcome,
    wire::{Item, Meta},
};

/// A version of DM that is spoken here, the oldest first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Version {
    /// SyncML DM 1.1.2, and 1.1 and 1.1.1 before it.
    #[serde(rename = "1.1")]
    V1_1_2,
    /// OMA DM 1.2 and 1.2.1.
    #[default]
    #[serde(rename = "1.2")]
    V1_2,
    /// OMA DM 1.3.
    #[serde(rename = "1.3")]
    V1_3,
}

impl Version {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::V1_1_2, Self::V1_2, Self::V1_3];

    /// `VerProto` [digest 10.2].
    #[must_use]
    pub const fn ver_proto(self) -> &'static str {
        match self {
            Self::V1_1_2 => "DM/1.1",
            Self::V1_2 => "DM/1.2",
            Self::V1_3 => "DM/1.3",
        }
    }

    /// `VerDTD`: that of DM 1.3 is the one of 1.2 [digest 10.2].
    #[must_use]
    pub const fn ver_dtd(self) -> &'static str {
        match self {
            Self::V1_1_2 => "1.1",
            Self::V1_2 | Self::V1_3 => "1.2",
        }
    }

    /// The two numbers of `VerProto`.
    #[must_use]
    pub const fn number(self) -> VersionHint {
        match self {
            Self::V1_1_2 => VersionHint::new(1, 1),
            Self::V1_2 => VersionHint::new(1, 2),
            Self::V1_3 => VersionHint::new(1, 3),
        }
    }

    /// The version with these numbers, if it is spoken here.
    #[must_use]
    pub fn from_number(number: VersionHint) -> Option<Self> {
        Self::ALL.into_iter().find(|version| version.number() == number)
    }

    /// The version that a header says, if it is one of `spoken`.
    ///
    /// # Errors
    /// [`PeerFault::DtdVersion`] where no version has this `VerDTD`; [`PeerFault::ProtocolVersion`] where `VerProto` is
    /// not recognised, not spoken, or of another `VerDTD` [digest 10.4].
    pub fn of_header(ver_dtd: &str, ver_proto: &str, spoken: Versions) -> Result<Self, PeerFault> {
        if Self::ALL.iter().all(|version| version.ver_dtd() != ver_dtd) {
            return Err(PeerFault::DtdVersion(ver_dtd.into()));
        }
        let version = parse_ver_proto(ver_proto).and_then(Self::from_number);
        let version = version.filter(|version| version.ver_dtd() == ver_dtd && spoken.contains(*version));
        version.ok_or_else(|| PeerFault::ProtocolVersion(ver_proto.into()))
    }

    /// The version to answer a header in whose version is not spoken: the highest with its `VerDTD`, or 1.2 if there is
    /// none [digest 10.4].
    pub(crate) fn to_refuse_in(ver_dtd: &str, spoken: Versions) -> Self {
        spoken.iter().filter(|version| version.ver_dtd() == ver_dtd).max().unwrap_or_default()
    }

    /// What a status says of the version that its sender recommends: `DM/1.2` as the data of an item [digest 10.4].
    pub(crate) fn as_item(self) -> Item {
        let meta = Meta { media_type: Some("text/plain".into()), ..Meta::default() };
        Item { meta: Some(meta.into()), data: Some(self.ver_proto().into()), ..Item::default() }
    }
}

/// `1.2`.
impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.number().fmt(f)
    }
}

/// The numbers of a `VerProto`: `DM/` and two numbers with a point between [DM RepPro 1.2, 6.1.25].
#[must_use]
pub fn parse_ver_proto(text: &str) -> Option<VersionHint> {
    text.trim().strip_prefix("DM/")?.parse().ok()
}

/// The version that a status recommends, if any of its items does.
pub(crate) fn recommended(items: &[Item]) -> Option<VersionHint> {
    items.iter().find_map(|item| core::str::from_utf8(item.data.as_ref()?.as_bytes()).ok().and_then(parse_ver_proto))
}

/// A set of versions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Versions(u8);

impl Versions {
    /// All versions that there are.
    pub const ALL: Self = Self::up_to(Version::V1_3);

    /// The version and all before it.
    #[must_use]
    pub const fn up_to(version: Version) -> Self {
        Self((2 << version as u8) - 1)
    }

    /// The versions of a list.
    #[must_use]
    pub fn of(list: &[Version]) -> Self {
        Self(list.iter().fold(0, |bits, version| bits | 1 << *version as u8))
    }

    /// Whether the version is one of them.
    #[must_use]
    pub const fn contains(self, version: Version) -> bool {
        self.0 >> version as u8 & 1 == 1
    }

    /// The versions, the oldest first.
    pub fn iter(self) -> impl Iterator<Item = Version> {
        Version::ALL.into_iter().filter(move |version| self.contains(*version))
    }

    /// The highest; nothing of an empty set.
    #[must_use]
    pub fn highest(self) -> Option<Version> {
        self.iter().max()
    }

    /// The highest that is not above `cap`.
    #[must_use]
    pub fn highest_up_to(self, cap: VersionHint) -> Option<Version> {
        self.iter().filter(|version| version.number() <= cap).max()
    }

    /// The highest below `version`.
    #[must_use]
    pub fn below(self, version: Version) -> Option<Version> {
        self.iter().filter(|lower| *lower < version).max()
    }
}

/// As the list of them.
impl Serialize for Versions {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(self.iter())
    }
}

impl<'de> Deserialize<'de> for Versions {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Ok(Self::of(&Vec::deserialize(from)?))
    }
}

/// What a client knows before it opens a session: which version to open it with [digest 10.3].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    /// What it speaks.
    pub supported: Versions,
    /// What its configuration insists on; only this goes beyond what a server recommends.
    pub configured: Option<Version>,
    /// What the notification recommended that asked for the session ([`recommended`](crate::notify::Verified::recommended)).
    pub notified: Option<VersionHint>,
    /// The highest version of the server as its account says ([`highest_version`](crate::tree::DmAcc::highest_version)).
    pub account: Option<VersionHint>,
    /// What earlier sessions with the server have taught.
    pub memory: Memory,
}

impl Choice {
    /// The choice of a client that knows nothing of the server.
    #[must_use]
    pub fn of(supported: Versions) -> Self {
        Self { supported, configured: None, notified: None, account: None, memory: Memory::default() }
    }

    /// The version. The configuration's if it is spoken; else the highest that is not above what the notification says,
    /// or the account, or what is remembered: the first of these that says anything; else the highest.
    ///
    /// Nothing where no version that is spoken is low enough: a session would be in vain.
    #[must_use]
    pub fn version(&self) -> Option<Version> {
        let configured = self.configured.filter(|version| self.supported.contains(*version));
        let cap = self.notified.or(self.account).or(self.memory.version.map(Version::number));
        configured.or_else(|| match cap {
            Some(cap) => self.supported.highest_up_to(cap),
            None => self.supported.highest(),
        })
    }
}

/// The version for another session after the server has refused `tried` with 505 or 513: what it recommends, if that is
/// spoken and lower, or the next lower one. Nothing: there is no use in trying on [digest 10.4].
///
/// The other session has a new identifier; if a notification asked for it, the notification's, and Alert 1200 again.
#[must_use]
pub fn fall_back(supported: Versions, tried: Version, recommended: Option<VersionHint>) -> Option<Version> {
    let named = recommended.and_then(Version::from_number);
    // To try the same again would go on for ever.
    named.filter(|version| supported.contains(*version) && *version < tried).or_else(|| supported.below(tried))
}

/// What a client has learnt of a server's versions; stored with the account, beside what the account itself says.
///
/// Only a server that has proved itself lowers it. So whoever can answer in a server's name makes a client try a lower
/// version once, in a session in which the server still has to prove itself, and not for ever.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Memory {
    /// What to open the next session with.
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<Version>,
}

impl Memory {
    /// What is remembered.
    #[must_use]
    pub const fn version(&self) -> Option<Version> {
        self.version
    }

    /// A session of this version, in which the server had to prove itself, came to its end.
    pub fn worked(&mut self, version: Version) {
        self.version = self.version.max(Some(version));
    }

    /// A server that has proved itself recommends a version for sessions to come.
    pub fn recommended(&mut self, number: VersionHint) {
        if let Some(version) = Versions::ALL.highest_up_to(number) {
            self.version = Some(version);
        }
    }

    /// A server refused `tried`. `trusted` says whether it has proved itself, and `recommended` is what it named.
    pub fn refused(&mut self, tried: Version, recommended: Option<VersionHint>, trusted: bool) {
        let named = recommended.and_then(Version::from_number);
        if trusted {
            self.version = named.or(self.version.filter(|version| *version < tried));
        } else {
            self.version = self.version.max(named.filter(|version| *version > tried));
        }
    }

    /// Takes in how a session of version `tried` ended.
    pub fn hear(&mut self, tried: Version, outcome: &Outcome) {
        match outcome {
            Outcome::Completed => self.worked(tried),
            Outcome::VersionRefused { recommended, trusted, .. } => self.refused(tried, *recommended, *trusted),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOME: [Version; 2] = [Version::V1_1_2, Version::V1_3];

    #[test]
    fn every_version_has_its_constants_and_is_read_back_from_a_header() {
        let constants = Version::ALL.map(|version| (version.ver_proto(), version.ver_dtd()));
        assert_eq!(constants, [("DM/1.1", "1.1"), ("DM/1.2", "1.2"), ("DM/1.3", "1.2")]);
        for version in Version::ALL {
            let read = Version::of_header(version.ver_dtd(), version.ver_proto(), Versions::ALL);
            assert_eq!(read, Ok(version));
            assert_eq!(alloc::format!("DM/{version}"), version.ver_proto());
        }
    }

    #[test]
    fn a_header_of_another_version_is_refused_for_its_dtd_or_its_protocol() {
        for (dtd, proto) in [("2.0", "DM/1.2"), ("", "DM/1.2"), ("1.0", "x")] {
            let fault = PeerFault::DtdVersion(dtd.into());
            assert_eq!(Version::of_header(dtd, proto, Versions::ALL), Err(fault), "{dtd} {proto}");
        }
        for (dtd, proto) in [
            ("1.2", "DM/2.0"),
            ("1.2", "DM/9.9"),
            ("1.2", "DM/1"),
            ("1.2", "DM/1.2.1"),
            ("1.2", "DM/+1.2"),
            ("1.2", "SyncML/1.2"),
            ("1.2", ""),
            ("1.1", "DM/1.2"),
            ("1.2", "DM/1.1"),
        ] {
            let fault = PeerFault::ProtocolVersion(proto.into());
            assert_eq!(Version::of_header(dtd, proto, Versions::ALL), Err(fault), "{dtd} {proto}");
        }
        let disabled = PeerFault::ProtocolVersion("DM/1.2".into());
        assert_eq!(Version::of_header("1.2", "DM/1.2", Versions::of(&SOME)), Err(disabled));
    }

    #[test]
    fn sets_know_what_is_in_them() {
        let some = Versions::of(&SOME);
        assert_eq!(some.iter().collect::<Vec<_>>(), SOME);
        assert_eq!(some.highest_up_to(VersionHint::new(1, 2)), Some(Version::V1_1_2));
        assert_eq!(some.highest_up_to(VersionHint::new(2, 0)), Some(Version::V1_3));
        assert_eq!(some.highest_up_to(VersionHint::new(1, 0)), None);
        assert_eq!((some.below(Version::V1_3), some.below(Version::V1_1_2)), (Some(Version::V1_1_2), None));
        assert_eq!(Versions::of(&[]).highest(), None);
        assert_eq!(Versions::ALL, Versions::of(&Version::ALL));
    }

    #[test]
    fn falling_back_takes_what_is_named_or_the_next_lower_and_always_ends() {
        use Version::{V1_1_2, V1_2, V1_3};
        let all = Versions::ALL;
        let hint = |major, minor| Some(VersionHint::new(major, minor));
        assert_eq!(fall_back(all, V1_3, hint(1, 1)), Some(V1_1_2));
        assert_eq!(fall_back(all, V1_3, None), Some(V1_2));
        assert_eq!(fall_back(all, V1_3, hint(2, 0)), Some(V1_2), "not spoken here");
        assert_eq!(fall_back(Versions::of(&SOME), V1_3, hint(1, 2)), Some(V1_1_2), "not supported");
        assert_eq!(fall_back(all, V1_2, hint(1, 2)), Some(V1_1_2), "the same again");
        assert_eq!(fall_back(all, V1_1_2, hint(1, 2)), None, "nothing lower is left");
        for named in [None, hint(1, 1), hint(1, 2), hint(1, 3), hint(2, 0)] {
            let tries = core::iter::successors(Some(V1_3), |tried| fall_back(all, *tried, named));
            assert!(tries.count() <= 3);
        }
    }

    #[test]
    fn a_server_that_has_not_proved_itself_lowers_nothing() {
        let mut memory = Memory::default();
        memory.worked(Version::V1_3);
        memory.refused(Version::V1_3, Some(VersionHint::new(1, 1)), false);
        memory.worked(Version::V1_1_2);
        assert_eq!(memory.version(), Some(Version::V1_3));
        memory.refused(Version::V1_3, Some(VersionHint::new(1, 2)), true);
        assert_eq!(memory.version(), Some(Version::V1_2));
        memory.refused(Version::V1_2, None, true);
        assert_eq!(memory.version(), None);
        // To go up is no downgrade.
        memory.refused(Version::V1_1_2, Some(VersionHint::new(1, 2)), false);
        assert_eq!(memory.version(), Some(Version::V1_2));
        memory.recommended(VersionHint::new(2, 0));
        assert_eq!(memory.version(), Some(Version::V1_3));
    }

    #[cfg(feature = "std")]
    #[test]
    fn what_is_stored_is_read_back() {
        let mut memory = Memory::default();
        assert_eq!(serde_json::to_string(&memory).unwrap(), "{}");
        memory.worked(Version::V1_3);
        let text = serde_json::to_string(&memory).unwrap();
        assert_eq!(text, r#"{"version":"1.3"}"#);
        assert_eq!(serde_json::from_str::<Memory>(&text).unwrap(), memory);
        let text = serde_json::to_string(&Versions::of(&SOME)).unwrap();
        assert_eq!(text, r#"["1.1","1.3"]"#);
        assert_eq!(serde_json::from_str::<Versions>(&text).unwrap(), Versions::of(&SOME));
    }
}
