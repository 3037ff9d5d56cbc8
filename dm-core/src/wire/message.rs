//! A SyncML message: header, body, and what both are made of [DM RepPro 1.2, 6].
//!
//! The structs are owned and keep the order of commands and items. They hold what was on the wire and judge nothing:
//! whether a `Cred` is right or a `Get` allowed is for the sessions.

use alloc::{boxed::Box, string::String, vec::Vec};
use core::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use smol_str::SmolStr;

use super::{
    command::Command,
    sync::{Anchor, Filter, Memory},
};
use crate::ids::{MsgId, SessionId};

/// `SyncML`: one message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Message {
    /// `SyncHdr`.
    pub header: Header,
    /// The commands of `SyncBody`, in document order.
    pub commands: Vec<Command>,
    /// Whether `Final` closes the package.
    pub is_final: bool,
}

/// `SyncHdr`: who speaks to whom, in which session.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Header {
    /// `VerDTD`: `1.2`.
    pub ver_dtd: SmolStr,
    /// `VerProto`: `DM/1.2`.
    pub ver_proto: SmolStr,
    /// `SessionID`.
    pub session_id: SessionId,
    /// `MsgID`.
    pub msg_id: MsgId,
    /// `Target`: the peer.
    pub target: Location,
    /// `Source`: the sender; its `LocName` is the user name of the credentials.
    pub source: Location,
    /// `RespURI`: where the next message must go.
    pub resp_uri: Option<String>,
    /// `NoResp`: not used in DM, ignored when received.
    pub no_resp: bool,
    /// `Cred`.
    pub cred: Option<Box<Cred>>,
    /// `Meta`, with `MaxMsgSize` and `MaxObjSize`.
    pub meta: Option<Box<Meta>>,
}

/// `Target` or `Source`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Location {
    /// `LocURI`.
    pub uri: SmolStr,
    /// `LocName`.
    pub name: Option<SmolStr>,
    /// `Filter`, of data synchronisation only.
    pub filter: Option<Box<Filter>>,
}

impl Location {
    /// A location with nothing but its address.
    #[must_use]
    pub fn new(uri: impl Into<SmolStr>) -> Self {
        Self { uri: uri.into(), ..Self::default() }
    }
}

/// Text that is as good as a key: credentials and nonces. `Debug` does not show it.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// The text itself, for the wire and for digests only.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Self(text.into())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "({} characters)", self.0.len())
    }
}

/// `Cred`: what a sender shows to be believed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cred {
    /// `Meta` with `Type` and `Format`.
    pub meta: Option<Meta>,
    /// `Data`.
    pub data: Secret,
}

/// `Chal`: what a receiver wants to see, and the nonce to use.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Chal {
    /// `Meta` with `Type`, `Format` and `NextNonce`.
    pub meta: Meta,
}

/// `Meta`: what the data beside it is [SyncML MetInf 1.2].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Meta {
    /// `FieldLevel`, of data synchronisation only.
    pub field_level: bool,
    /// `Format`; `chr` where absent.
    pub format: Option<Format>,
    /// `Type`: a media type, an authentication type, a management object or an alert type; `text/plain` where absent.
    pub media_type: Option<SmolStr>,
    /// `Mark`: the importance of an alert.
    pub mark: Option<SmolStr>,
    /// `Size`, in octets.
    pub size: Option<u64>,
    /// `Anchor`, of data synchronisation only.
    pub anchor: Option<Box<Anchor>>,
    /// `Version`.
    pub version: Option<String>,
    /// `NextNonce`, as base64 text.
    pub next_nonce: Option<Secret>,
    /// `MaxMsgSize`, in octets.
    pub max_msg_size: Option<u64>,
    /// `MaxObjSize`, in octets.
    pub max_obj_size: Option<u64>,
    /// `EMI`: experimental, kept and ignored.
    pub emi: Vec<String>,
    /// `Mem`, of data synchronisation only.
    pub memory: Option<Box<Memory>>,
}

/// `Format`: how a value is written [DM TND 1.2, 9.4].
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub enum Format {
    /// `b64`: base64 text.
    B64,
    /// `bin`: octets.
    Bin,
    /// `bool`: `true` or `false`.
    Bool,
    /// `chr`: text.
    #[default]
    Chr,
    /// `int`: a signed 32-bit number in decimal.
    Int,
    /// `node`: an interior node, which has no value.
    Node,
    /// `null`: no value.
    Null,
    /// `xml`: an XML document.
    Xml,
    /// `date`: ISO 8601.
    Date,
    /// `time`: ISO 8601.
    Time,
    /// `float`: XML Schema single precision.
    Float,
    /// Anything else, as it was written. One of the names above in other letters counts as that format, but is kept.
    Other(String),
}

impl Format {
    const NAMES: [(&'static str, Self); 11] = [
        ("b64", Self::B64),
        ("bin", Self::Bin),
        ("bool", Self::Bool),
        ("chr", Self::Chr),
        ("int", Self::Int),
        ("node", Self::Node),
        ("null", Self::Null),
        ("xml", Self::Xml),
        ("date", Self::Date),
        ("time", Self::Time),
        ("float", Self::Float),
    ];

    /// The format that `text` spells exactly, or [`Format::Other`].
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let known = Self::NAMES.iter().find(|(name, _)| *name == text);
        known.map_or_else(|| Self::Other(text.into()), |(_, format)| format.clone())
    }

    /// As on the wire.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Other(text) => text,
            known => Self::NAMES.iter().find(|(_, format)| format == known).map_or("chr", |(name, _)| name),
        }
    }

    /// The format that is meant: real clients write `Chr`. Only a name that is unknown in any letters stays `Other`.
    #[must_use]
    pub fn meant(&self) -> Self {
        let Self::Other(text) = self else { return self.clone() };
        let known = Self::NAMES.iter().find(|(name, _)| name.eq_ignore_ascii_case(text.trim()));
        known.map_or_else(|| self.clone(), |(_, format)| format.clone())
    }
}

impl Serialize for Format {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Format {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Ok(Self::parse(&String::deserialize(from)?))
    }
}

/// `Item`: one thing that a command is about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Item {
    /// `Target`.
    pub target: Option<Location>,
    /// `Source`.
    pub source: Option<Location>,
    /// `SourceParent`, of data synchronisation only.
    pub source_parent: Option<Box<str>>,
    /// `TargetParent`, of data synchronisation only.
    pub target_parent: Option<Box<str>>,
    /// `Meta`; what it says goes before what the command's says.
    pub meta: Option<Box<Meta>>,
    /// `Data`.
    pub data: Option<Data>,
    /// `MoreData`: the next message goes on with this item.
    pub more_data: bool,
}

/// The content of `Data`.
///
/// A decoder gives text for all that is UTF-8 in characters of XML, however it was written, and octets for the rest. So
/// both encodings of a value decode to the same one. A caller may well write text as octets, which comes back as text.
#[derive(Clone, PartialEq, Eq)]
pub enum Data {
    /// Text. Mark-up that a peer left unescaped inside `Data` is its text.
    Text(SmolStr),
    /// Octets, as WBXML carries them; among them a document in WBXML. XML cannot, and refuses to write them.
    Opaque(bytes::Bytes),
}

impl Data {
    /// The content where it is text.
    #[must_use]
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Opaque(_) => None,
        }
    }

    /// The content as octets: text as UTF-8.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Text(text) => text.as_bytes(),
            Self::Opaque(bytes) => bytes,
        }
    }
}

impl From<&str> for Data {
    fn from(text: &str) -> Self {
        Self::Text(text.into())
    }
}

impl From<String> for Data {
    fn from(text: String) -> Self {
        Self::Text(text.into())
    }
}

/// A value may be a password (`AAuthSecret`), so only its length shows.
impl fmt::Debug for Data {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => write!(f, "Text({} octets)", text.len()),
            Self::Opaque(bytes) => write!(f, "Opaque({} octets)", bytes.len()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_format_keeps_its_spelling_and_knows_what_is_meant() {
        for (name, format) in Format::NAMES {
            assert_eq!((Format::parse(name), format.as_str()), (format.clone(), name));
        }
        let chr = Format::parse("Chr");
        assert_eq!((chr.as_str(), chr.meant()), ("Chr", Format::Chr));
        assert_eq!(Format::parse("x-y").meant(), Format::Other("x-y".into()));
    }

    #[test]
    fn debug_shows_no_credentials_no_nonces_and_no_values() {
        let cred = Cred { data: "QnJ1Y2U=".into(), meta: None };
        let item = Item { data: Some("hunter2".into()), ..Item::default() };
        let meta = Meta { next_nonce: Some("Tm9uY2U=".into()), ..Meta::default() };
        let shown = alloc::format!("{cred:?} {item:?} {meta:?}");
        for hidden in ["QnJ1Y2U", "hunter2", "Tm9uY2U"] {
            assert!(!shown.contains(hidden), "{shown}");
        }
    }
}
