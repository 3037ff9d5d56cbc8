//! Whether a notification comes from the server that it names.

use core_kit::Body;
use serde::{Deserialize, Serialize};

#[cfg(feature = "provisional-notification")]
use super::v1_3;
use super::{Conduct, Initiator, Layout, ParseError, Reserved, SessionNumber, UiMode, VersionHint, v1_2};
use crate::{
    auth::{CredentialHash, Digest, Nonce, digest},
    ids::ServerId,
    limits::NotifyLimits,
};

/// The nonce for a notification whose server has lost the right one: four zero octets [NOTI 1.2, 5.1].
#[must_use]
pub fn resync_nonce() -> Nonce {
    Nonce::new(&[0; 4])
}

/// What a client makes of notifications that verify.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    /// Whether a server may fall back to [`resync_nonce`].
    pub resync: Resync,
    /// Takes the ten characters `0x00000000` for the nonce of resynchronisation too, which is how a server built to
    /// work with libdmclient hashes it [digest 12.2]. Off by default; it counts only where [`resync`](Self::resync) is on.
    pub lenient_ascii_zero_nonce: bool,
    /// What is done where the server leaves it to the client.
    pub unspecified: Conduct,
    /// The bounds.
    pub limits: NotifyLimits,
}

impl Default for Policy {
    /// No resynchronisation, nothing lenient, sessions are announced.
    fn default() -> Self {
        Self {
            resync: Resync::Off,
            lenient_ascii_zero_nonce: false,
            unspecified: Conduct::Announce,
            limits: NotifyLimits::DEFAULT,
        }
    }
}

/// Whether a notification may be signed with [`resync_nonce`]. Whoever has seen one such notification can repeat it for
/// as long as the server's password stays, so this is off unless the server is known to change the password afterwards
/// [digest 1.5].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Resync {
    /// No.
    #[default]
    Off,
    /// Yes, as often as [`NotifyLimits::resync_interval`] allows.
    On,
    /// As often, and the user is asked each time, whatever the notification says.
    AskUser,
}

/// Why a notification has no effect. It is for the client's log: a server is never told [digest 1.6].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Ignored {
    /// It is no notification.
    #[error("not a notification: {0}")]
    Malformed(#[from] ParseError),
    /// No account is the named server's.
    #[error("no account for the named server")]
    UnknownServer,
    /// The named server did not sign it, or not with the nonce that counts.
    #[error("wrong digest")]
    WrongDigest,
    /// The server signed it with the nonce of resynchronisation, which the policy does not allow.
    #[error("resynchronisation is off")]
    ResyncOff,
    /// The last resynchronisation with this server was too short a time ago.
    #[error("resynchronised a short time ago")]
    ResyncTooSoon,
}

/// What a notification says, in its own layout.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Notice {
    /// In that of DM 1.2.
    V1_2(v1_2::Notification),
    /// In this project's own.
    #[cfg(feature = "provisional-notification")]
    Provisional(v1_3::Notification),
}

/// A notification that was read and is not believed yet: it tells only whose it claims to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unverified {
    notice: Notice,
    reserved: Reserved,
    digest: Digest,
    signed: Body,
}

impl Unverified {
    /// Reads a message of at most [`NotifyLimits::MESSAGE_BYTES_MAX`] octets.
    ///
    /// # Errors
    ///
    /// What is wrong with the message, and where.
    pub fn decode(layout: Layout, message: &[u8]) -> Result<Self, ParseError> {
        let (digest, signed, notice, reserved) = match layout {
            Layout::V1_2 => {
                let (digest, signed, notification, reserved) = v1_2::Notification::open(message)?;
                (digest, signed, Notice::V1_2(notification), reserved)
            }
            #[cfg(feature = "provisional-notification")]
            Layout::Provisional => {
                let (digest, signed, notification, reserved) = v1_3::Notification::open(message)?;
                (digest, signed, Notice::Provisional(notification), reserved)
            }
        };
        Ok(Self { notice, reserved, digest, signed: signed.into() })
    }

    /// The server that it claims to come from: whose account to look up.
    #[must_use]
    pub fn server(&self) -> &ServerId {
        match &self.notice {
            Notice::V1_2(notification) => &notification.server,
            #[cfg(feature = "provisional-notification")]
            Notice::Provisional(notification) => &notification.server,
        }
    }

    /// The notification, if the named server signed it with the nonce that this client gave out last. `credentials` is
    /// the hash of server identifier and server password.
    ///
    /// A stored nonce that equals [`resync_nonce`] counts as none: the reserved value must not turn resynchronisation
    /// on behind the policy's back.
    ///
    /// # Errors
    ///
    /// [`Ignored::WrongDigest`]. It takes the same time wherever the digests differ.
    pub fn verify(&self, credentials: &CredentialHash, nonce: &Nonce) -> Result<Verified<'_>, Ignored> {
        if *nonce != resync_nonce() && self.is_signed(credentials, nonce) {
            return Ok(Verified { read: self, resync: None });
        }
        Err(Ignored::WrongDigest)
    }

    /// The notification, if the named server signed it with [`resync_nonce`] and the policy allows that. To be asked
    /// only after [`verify`](Self::verify) has failed.
    ///
    /// # Errors
    ///
    /// [`Ignored::WrongDigest`], or [`Ignored::ResyncOff`] where nothing but the policy is against it.
    pub fn verify_resync(&self, credentials: &CredentialHash, policy: &Policy) -> Result<Verified<'_>, Ignored> {
        let zero = self.is_signed(credentials, &resync_nonce());
        let ascii = policy.lenient_ascii_zero_nonce && self.is_signed(credentials, &Nonce::new(b"0x00000000"));
        match policy.resync {
            _ if !zero && !ascii => Err(Ignored::WrongDigest),
            Resync::Off => Err(Ignored::ResyncOff),
            allowed @ (Resync::On | Resync::AskUser) => Ok(Verified { read: self, resync: Some(allowed) }),
        }
    }

    /// Both checks in their order.
    ///
    /// # Errors
    ///
    /// As [`verify_resync`](Self::verify_resync).
    pub fn judge(&self, credentials: &CredentialHash, nonce: &Nonce, policy: &Policy) -> Result<Verified<'_>, Ignored> {
        self.verify(credentials, nonce).or_else(|_| self.verify_resync(credentials, policy))
    }

    fn is_signed(&self, credentials: &CredentialHash, nonce: &Nonce) -> bool {
        core_kit::planted!("D41-any-digest")
            || digest::notification(credentials, nonce, &self.signed).matches(&self.digest)
    }
}

/// A notification that comes from the server it names. It may still be a repetition: see [`Seen`](super::Seen).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verified<'a> {
    read: &'a Unverified,
    resync: Option<Resync>,
}

impl<'a> Verified<'a> {
    /// All that it says.
    #[must_use]
    pub const fn notice(&self) -> &'a Notice {
        &self.read.notice
    }

    /// The server.
    #[must_use]
    pub fn server(&self) -> &'a ServerId {
        self.read.server()
    }

    /// The session to open.
    #[must_use]
    pub const fn session(&self) -> SessionNumber {
        match &self.read.notice {
            Notice::V1_2(notification) => notification.session,
            #[cfg(feature = "provisional-notification")]
            Notice::Provisional(notification) => notification.session,
        }
    }

    /// What the user should see.
    #[must_use]
    pub const fn ui_mode(&self) -> UiMode {
        match &self.read.notice {
            Notice::V1_2(notification) => notification.ui_mode,
            #[cfg(feature = "provisional-notification")]
            Notice::Provisional(notification) => notification.ui_mode,
        }
    }

    /// Who caused it.
    #[must_use]
    pub const fn initiator(&self) -> Initiator {
        match &self.read.notice {
            Notice::V1_2(notification) => notification.initiator,
            #[cfg(feature = "provisional-notification")]
            Notice::Provisional(notification) => notification.initiator,
        }
    }

    /// The protocol version that the server recommends for the session, where the notification says one.
    #[must_use]
    pub fn recommended(&self) -> Option<VersionHint> {
        match &self.read.notice {
            Notice::V1_2(notification) => VersionHint::from_vendor(&notification.vendor),
            #[cfg(feature = "provisional-notification")]
            Notice::Provisional(notification) => Some(notification.recommended),
        }
    }

    /// The bits for future use.
    #[must_use]
    pub const fn reserved(&self) -> Reserved {
        self.read.reserved
    }

    /// Whether it was signed with [`resync_nonce`]: both sides of the session start from that nonce then, and give each
    /// other new ones.
    #[must_use]
    pub const fn is_resync(&self) -> bool {
        self.resync.is_some()
    }

    /// What the client does before it opens the session.
    #[must_use]
    pub fn conduct(&self, policy: &Policy) -> Conduct {
        match self.resync {
            Some(Resync::AskUser) => Conduct::Ask,
            _ => self.ui_mode().conduct(policy.unspecified),
        }
    }
}
