//! Who is who: authentication schemes, what is claimed, and how a claim is judged [DM SEC 1.2, 5; digest 4].
//!
//! Secrets stay outside the core. A session asks its embedder to judge a [`Claim`] or to make a [`Signature`], and
//! takes back a [`Verdict`] or what goes into `Cred` or the header [`MacField`]. [`Account`] is the plain way to answer both.

use alloc::string::String;
use core::fmt;

use core_kit::Body;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};
use smol_str::SmolStr;

use crate::{
    Packet,
    codes::StatusCode,
    ids::SessionId,
    wire::{Chal, Cred, Format, Header, Meta},
};

mod account;
pub mod digest;
mod lockout;
mod mac;
mod resync;

pub use account::Account;
pub use digest::{BodyHash, CredentialHash, Digest};
pub use lockout::{Lockout, LockoutLimits};
pub use mac::{Mac, MacField};
pub use resync::Resync;

/// How a peer proves itself, the weakest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scheme {
    /// `syncml:auth-basic`: the password itself, in `Cred`.
    Basic,
    /// `syncml:auth-md5`: a digest with a nonce, in `Cred`.
    Md5,
    /// `syncml:auth-MAC`: a digest with a nonce and the whole message, in the transport's header [`MacField`].
    Mac,
}

impl Scheme {
    /// `Meta/Type` of a `Cred` or `Chal`.
    #[must_use]
    pub const fn as_type(self) -> &'static str {
        match self {
            Self::Basic => "syncml:auth-basic",
            Self::Md5 => "syncml:auth-md5",
            Self::Mac => "syncml:auth-MAC",
        }
    }

    /// The scheme that a `Meta/Type` names.
    #[must_use]
    pub fn from_type(text: &str) -> Option<Self> {
        let (all, text) = ([Self::Basic, Self::Md5, Self::Mac], text.trim());
        all.into_iter().find(|scheme| scheme.as_type().eq_ignore_ascii_case(text))
    }

    /// Whether a digest is made with a nonce.
    #[must_use]
    pub const fn needs_nonce(self) -> bool {
        matches!(self, Self::Md5 | Self::Mac)
    }
}

/// The types that are defined by name only: nobody knows what their `Data` holds [digest 4.2].
const NAMED_ONLY: [&str; 4] =
    ["syncml:auth-X509", "syncml:auth-securid", "syncml:auth-safeword", "syncml:auth-digipass"];

/// Octets that make a digest good for one use. On the wire they are base64 text; the digest takes them raw.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Nonce(Body);

impl Nonce {
    /// Octets that a nonce drawn here has: 128 bits [DM SEC 1.2, 5.3].
    pub const DRAWN_BYTES: usize = 16;

    /// The nonce of these octets.
    #[must_use]
    pub fn new(bytes: &[u8]) -> Self {
        Self(bytes.into())
    }

    /// The nonce in `NextNonce`; nothing if the text is no base64.
    #[must_use]
    pub fn from_base64(text: &str) -> Option<Self> {
        digest::from_base64(text).map(|bytes| Self(bytes.into()))
    }

    /// The nonce that a challenge gives. That of resynchronisation is none: nobody may make this side use it but by a
    /// notification.
    pub(crate) fn given(chal: &Meta) -> Option<Self> {
        let nonce = Self::from_base64(chal.next_nonce.as_ref()?.reveal())?;
        (nonce != Self::resync()).then_some(nonce)
    }

    /// As `NextNonce` has it.
    #[must_use]
    pub fn to_base64(&self) -> String {
        digest::base64(&self.0)
    }

    /// The octets.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The first octets of a draw of the environment.
    pub(crate) fn drawn(draw: [u8; 32]) -> Self {
        Self(draw.get(..Self::DRAWN_BYTES).unwrap_or(&draw).into())
    }
}

/// Nonces do not appear in logs.
impl fmt::Debug for Nonce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Nonce({} octets)", self.0.len())
    }
}

/// What a message shows of its sender.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Presented {
    /// No `Cred`.
    Nothing,
    /// The password, as its hash: the password itself goes no further than the message.
    Basic {
        /// The name in the credentials.
        user: SmolStr,
        /// Of name and password.
        hash: CredentialHash,
    },
    /// A digest.
    Md5 {
        /// `Source/LocName`, which some clients leave out.
        user: Option<SmolStr>,
        /// Over the account's credentials and a nonce.
        digest: Digest,
    },
    /// A digest over the whole message.
    Mac {
        /// The name in the transport's header.
        user: SmolStr,
        /// Over the account's credentials, a nonce and the message.
        digest: Digest,
        /// Of the message as it came in.
        body: BodyHash,
    },
    /// A `Cred` of a type that is known by name and not done here: X.509 and one-time passwords [digest 4.2].
    Unsupported,
    /// A `Cred` of no known type, or credentials that cannot be read. They are as good as wrong ones.
    Unreadable,
}

impl Presented {
    /// What a message shows. What stands in the transport's header goes before a `Cred`.
    #[must_use]
    pub fn of(packet: &Packet, header: &Header) -> Self {
        match &packet.mac {
            Some(field) => Mac::parse(field).map_or(Self::Unreadable, |Mac { user, digest }| {
                let body = BodyHash::of(&packet.body);
                Self::Mac { user, digest, body }
            }),
            None => Self::from_cred(header.cred.as_deref(), header.source.name.as_deref()),
        }
    }

    /// What a `Cred` shows; `user` is the header's `Source/LocName`.
    #[must_use]
    pub fn from_cred(cred: Option<&Cred>, user: Option<&str>) -> Self {
        let Some(cred) = cred else { return Self::Nothing };
        let named = cred.meta.as_ref().and_then(|meta| meta.media_type.as_deref());
        let is_named_only = |named: &str| NAMED_ONLY.iter().any(|known| known.eq_ignore_ascii_case(named.trim()));
        let (data, user) = (cred.data.reveal(), user.map(SmolStr::from));
        let read = match named.and_then(Scheme::from_type) {
            Some(Scheme::Basic) => digest::open_basic(data).map(|(user, hash)| Self::Basic { user, hash }),
            Some(Scheme::Md5) => Digest::from_base64(data).map(|digest| Self::Md5 { user, digest }),
            None if named.is_some_and(is_named_only) => Some(Self::Unsupported),
            Some(Scheme::Mac) | None => None,
        };
        read.unwrap_or(Self::Unreadable)
    }

    /// The scheme of what is shown.
    #[must_use]
    pub const fn scheme(&self) -> Option<Scheme> {
        match self {
            Self::Basic { .. } => Some(Scheme::Basic),
            Self::Md5 { .. } => Some(Scheme::Md5),
            Self::Mac { .. } => Some(Scheme::Mac),
            Self::Nothing | Self::Unsupported | Self::Unreadable => None,
        }
    }

    /// The name that goes with it.
    #[must_use]
    pub fn user(&self) -> Option<&str> {
        match self {
            Self::Basic { user, .. } | Self::Mac { user, .. } => Some(user),
            Self::Md5 { user, .. } => user.as_deref(),
            Self::Nothing | Self::Unsupported | Self::Unreadable => None,
        }
    }

    /// Whether these are credentials of another type than `wanted`.
    #[must_use]
    pub(crate) fn is_other_than(&self, wanted: Scheme) -> bool {
        !matches!(self, Self::Nothing | Self::Unreadable) && self.scheme() != Some(wanted)
    }

    /// What a message with this is answered with if it is not enough: 407 for nothing, 401 for the wrong thing.
    #[must_use]
    pub const fn refusal(&self) -> StatusCode {
        match self {
            Self::Nothing => StatusCode::MISSING_CREDENTIALS,
            _ => StatusCode::UNAUTHORIZED,
        }
    }
}

/// Who somebody says to be, and what speaks for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Claim {
    /// The `Source/LocURI` of the header: a device identifier at the server, an address at the client.
    pub peer: SmolStr,
    /// In which session.
    pub session: SessionId,
    /// What the message shows.
    pub presented: Presented,
    /// The nonce that this session has issued, which is then the only one that counts. Nothing: the one stored with the
    /// account counts.
    pub nonce: Option<Nonce>,
    /// Whom the transport has authenticated: the subject of a TLS certificate.
    pub transport: Option<String>,
}

/// What the embedder thinks of a [`Claim`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Verdict {
    /// It is true.
    Accepted(Scope),
    /// It is not shown to be true: other credentials may do.
    Challenge {
        /// What they must be.
        scheme: Scheme,
        /// The nonce for them, where the embedder has reason to choose it; else the session draws one.
        nonce: Option<Nonce>,
    },
    /// The peer is not served, whatever it shows: 402, 403, 503.
    Refused(StatusCode),
    /// The account is closed for a while, after too many wrong credentials: 503. [`Lockout`] tells when.
    LockedOut,
}

/// For how long a claim is believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scope {
    /// For the rest of the session: status 212.
    Session,
    /// For this message, and the next one must show credentials again: status 200. Under [`Scheme::Mac`] no claim is
    /// believed for longer, whatever the verdict says.
    Message,
    /// No credentials were needed, since the transport has authenticated the peer: status 200, for the rest of the session.
    Transport,
}

/// What a message needs to be signed with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignRequest {
    /// Whom it goes to.
    pub peer: SmolStr,
    /// How.
    pub scheme: Scheme,
    /// The nonce that the peer gave in this session. Nothing: the one stored with the account counts.
    pub nonce: Option<Nonce>,
    /// Of the finished message, which [`Scheme::Mac`] signs as a whole.
    ///
    /// The name is part of that message. So under `Mac` a session first asks without this, and takes the name only: once,
    /// for it remembers it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<BodyHash>,
}

/// What speaks for a message, and the name that goes with it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Signature {
    /// `Source/LocName`.
    pub user: SmolStr,
    /// `Cred/Data`, or the `mac` of [`Mac`]; empty where the request was for the name.
    pub data: String,
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signature").field("user", &self.user).finish_non_exhaustive()
    }
}

impl Cred {
    /// The credentials of a signature.
    #[must_use]
    pub(crate) fn signed(scheme: Scheme, signature: &Signature) -> Self {
        let meta = Meta { format: Some(Format::B64), media_type: Some(scheme.as_type().into()), ..Meta::default() };
        Self { meta: Some(meta), data: signature.data.as_str().into() }
    }
}

impl Chal {
    /// A challenge; one for a digest carries the nonce to use [DM RepPro 1.2, 6.1.2].
    #[must_use]
    pub(crate) fn new(scheme: Scheme, nonce: Option<&Nonce>) -> Self {
        Self {
            meta: Meta {
                format: Some(Format::B64),
                media_type: Some(scheme.as_type().into()),
                next_nonce: nonce.map(|nonce| nonce.to_base64().into()),
                ..Meta::default()
            },
        }
    }
}

macro_rules! serde_as_base64 {
    ($($type:ident)+) => { $(
        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                to.serialize_str(&self.to_base64())
            }
        }

        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                Self::from_base64(&String::deserialize(from)?).ok_or_else(|| D::Error::custom("not a digest in base64"))
            }
        }
    )+ };
}

serde_as_base64! { BodyHash CredentialHash Digest }
