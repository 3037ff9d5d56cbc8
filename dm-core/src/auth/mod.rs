//! Who is who: authentication schemes, what is claimed, and how a claim is judged [DM SEC 1.2, 5; digest 4].
//!
//! Secrets stay outside the core. A session asks its embedder to judge a [`Claim`] or to make a [`Signature`], and
//! takes back a [`Verdict`] or what goes into `Cred`. [`Account`] is the plain way to answer both.

use alloc::string::String;
use core::fmt;

use core_kit::Body;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

use crate::{
    codes::StatusCode,
    wire::{Chal, Cred, Format, Header, Meta},
};

pub mod digest;

pub use digest::{CredentialHash, Digest};

/// How a peer proves itself in `Cred`, the weakest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scheme {
    /// `syncml:auth-basic`: the password itself.
    Basic,
    /// `syncml:auth-md5`: a digest with a nonce.
    Md5,
}

impl Scheme {
    /// `Meta/Type` of a `Cred` or `Chal`.
    #[must_use]
    pub const fn as_type(self) -> &'static str {
        match self {
            Self::Basic => "syncml:auth-basic",
            Self::Md5 => "syncml:auth-md5",
        }
    }

    /// The scheme that a `Meta/Type` names; `syncml:auth-MAC` is not one for `Cred`.
    #[must_use]
    pub fn from_type(text: &str) -> Option<Self> {
        [Self::Basic, Self::Md5].into_iter().find(|scheme| scheme.as_type().eq_ignore_ascii_case(text.trim()))
    }
}

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
        user: String,
        /// Of name and password.
        hash: CredentialHash,
    },
    /// A digest.
    Md5 {
        /// `Source/LocName`, which some clients leave out.
        user: Option<String>,
        /// Over the account's credentials and a nonce.
        digest: Digest,
    },
    /// A `Cred` of another type, or one that cannot be read. It is as good as a wrong one.
    Unreadable,
}

impl Presented {
    /// What a header shows.
    #[must_use]
    pub fn of(header: &Header) -> Self {
        Self::from_cred(header.cred.as_ref(), header.source.name.as_deref())
    }

    /// What a `Cred` shows; `user` is the header's `Source/LocName`.
    #[must_use]
    pub fn from_cred(cred: Option<&Cred>, user: Option<&str>) -> Self {
        let Some(cred) = cred else { return Self::Nothing };
        let named = cred.meta.as_ref().and_then(|meta| meta.media_type.as_deref());
        let (data, user) = (cred.data.reveal(), user.map(String::from));
        let read = match named.and_then(Scheme::from_type) {
            Some(Scheme::Basic) => digest::open_basic(data).map(|(user, hash)| Self::Basic { user, hash }),
            Some(Scheme::Md5) => Digest::from_base64(data).map(|digest| Self::Md5 { user, digest }),
            None => None,
        };
        read.unwrap_or(Self::Unreadable)
    }

    /// The scheme of what is shown.
    #[must_use]
    pub const fn scheme(&self) -> Option<Scheme> {
        match self {
            Self::Basic { .. } => Some(Scheme::Basic),
            Self::Md5 { .. } => Some(Scheme::Md5),
            Self::Nothing | Self::Unreadable => None,
        }
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
    pub peer: String,
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
}

/// For how long a claim is believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scope {
    /// For the rest of the session: status 212.
    Session,
    /// For this message, and the next one must show credentials again: status 200.
    Message,
    /// No credentials were needed, since the transport has authenticated the peer: status 200, for the rest of the session.
    Transport,
}

/// What a message needs to be signed with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignRequest {
    /// Whom it goes to.
    pub peer: String,
    /// How.
    pub scheme: Scheme,
    /// The nonce that the peer gave in this session. Nothing: the one stored with the account counts.
    pub nonce: Option<Nonce>,
}

/// What goes into `Cred`, and the name that goes with it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Signature {
    /// `Source/LocName`.
    pub user: String,
    /// `Cred/Data`.
    pub data: String,
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signature").field("user", &self.user).finish_non_exhaustive()
    }
}

/// One party's credentials towards one peer: enough to judge that party's claims and to sign for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// The name.
    pub user: String,
    /// The password.
    pub password: crate::wire::Secret,
    /// The only scheme that is good enough: a peer cannot talk an account down.
    pub scheme: Scheme,
    /// The nonce issued last; it outlives sessions.
    pub nonce: Nonce,
}

impl Account {
    /// An account that no nonce has been issued for.
    #[must_use]
    pub fn new(user: &str, password: &str, scheme: Scheme) -> Self {
        Self { user: user.into(), password: password.into(), scheme, nonce: Nonce::default() }
    }

    /// Whether a claim to be the holder of this account is true.
    #[must_use]
    pub fn judge(&self, claim: &Claim) -> Verdict {
        let own = self.hash();
        let nonce = claim.nonce.as_ref().unwrap_or(&self.nonce);
        let named = |user: &Option<String>| user.as_ref().is_none_or(|user| *user == self.user);
        let proven = match &claim.presented {
            Presented::Basic { user, hash } => *user == self.user && own.matches(hash),
            Presented::Md5 { user, digest } => digest::md5(&own, nonce).matches(digest) && named(user),
            Presented::Nothing | Presented::Unreadable => false,
        };
        if proven && claim.presented.scheme() == Some(self.scheme) {
            Verdict::Accepted(Scope::Session)
        } else {
            Verdict::Challenge { scheme: self.scheme, nonce: None }
        }
    }

    /// The holder's signature.
    #[must_use]
    pub fn sign(&self, request: &SignRequest) -> Signature {
        let nonce = request.nonce.as_ref().unwrap_or(&self.nonce);
        let data = match request.scheme {
            Scheme::Basic => digest::basic(&self.user, self.password.reveal()),
            Scheme::Md5 => digest::md5(&self.hash(), nonce).to_base64(),
        };
        Signature { user: self.user.clone(), data }
    }

    fn hash(&self) -> CredentialHash {
        CredentialHash::new(&self.user, self.password.reveal())
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

serde_as_base64! { CredentialHash Digest }

#[cfg(test)]
mod tests {
    use super::*;

    fn claim(presented: Presented, nonce: Option<&str>) -> Claim {
        Claim { peer: "IMEI:1".into(), presented, nonce: nonce.map(|n| Nonce::new(n.as_bytes())), transport: None }
    }

    fn signed(account: &Account, scheme: Scheme, nonce: Option<&str>) -> Presented {
        let nonce = nonce.map(|n| Nonce::new(n.as_bytes()));
        let signature = account.sign(&SignRequest { peer: "s".into(), scheme, nonce });
        Presented::from_cred(Some(&Cred::signed(scheme, &signature)), Some(&signature.user))
    }

    #[test]
    fn an_account_believes_its_own_signature_and_no_other() {
        let mut account = Account::new("Bruce2", "OhBehave", Scheme::Md5);
        account.nonce = Nonce::new(b"stored");
        let accepted = Verdict::Accepted(Scope::Session);
        assert_eq!(account.judge(&claim(signed(&account, Scheme::Md5, None), None)), accepted);
        assert_eq!(account.judge(&claim(signed(&account, Scheme::Md5, Some("n")), Some("n"))), accepted);
        for wrong in [
            claim(signed(&account, Scheme::Md5, None), Some("n")),
            claim(signed(&account, Scheme::Md5, Some("n")), None),
            claim(signed(&Account::new("Bruce2", "no", Scheme::Md5), Scheme::Md5, Some("n")), Some("n")),
            claim(Presented::Nothing, None),
            claim(Presented::Unreadable, None),
        ] {
            assert_ne!(account.judge(&wrong), accepted, "{wrong:?}");
        }
    }

    #[test]
    fn the_right_password_by_a_weaker_scheme_is_challenged() {
        let account = Account::new("Bruce2", "OhBehave", Scheme::Md5);
        let verdict = account.judge(&claim(signed(&account, Scheme::Basic, None), None));
        assert_eq!(verdict, Verdict::Challenge { scheme: Scheme::Md5, nonce: None });
        let account = Account { scheme: Scheme::Basic, ..account };
        let verdict = account.judge(&claim(signed(&account, Scheme::Basic, None), None));
        assert_eq!(verdict, Verdict::Accepted(Scope::Session));
    }

    #[test]
    fn credentials_of_an_unknown_type_or_that_cannot_be_read_are_not_missing() {
        let mut cred = Cred::signed(Scheme::Md5, &Signature { user: "u".into(), data: "no digest".into() });
        assert_eq!(Presented::from_cred(Some(&cred), None), Presented::Unreadable);
        cred.meta = None;
        assert_eq!(Presented::from_cred(Some(&cred), None).refusal(), StatusCode::UNAUTHORIZED);
        assert_eq!(Presented::from_cred(None, None).refusal(), StatusCode::MISSING_CREDENTIALS);
    }

    #[test]
    fn debug_hides_everything_that_signs() {
        let account = Account { nonce: Nonce::new(b"n-o-n-c-e"), ..Account::new("Bruce2", "OhBehave", Scheme::Md5) };
        let request = SignRequest { peer: "s".into(), scheme: Scheme::Basic, nonce: None };
        let shown =
            alloc::format!("{account:?} {:?} {:?}", account.sign(&request), signed(&account, Scheme::Basic, None));
        for hidden in ["OhBehave", "n-o-n-c-e", "QnJ1Y2Uy", "PtEdr8lB"] {
            assert!(!shown.contains(hidden), "{shown}");
        }
    }
}
