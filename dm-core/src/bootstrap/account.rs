//! The account that a bootstrap brings, as a value: what a `DMAcc` object is made of [DM STDOBJ 1.2, 5.3; digest 6.10].

use alloc::{string::String, vec::Vec};

use crate::{
    ids::ServerId,
    tree::{Acl, Address, AuthLevel, AuthType, Credentials, DmAcc, ObjectVersion},
};

/// The registered application identifier of device management, which is the `AppID` of every account.
pub const APP_ID: &str = "w7";

/// An account for one server. The node that it becomes is named by the device [digest 9.1].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Which issue of the object it is.
    pub version: ObjectVersion,
    /// `ServerID`: the server's name in access control lists and notifications.
    pub server_id: ServerId,
    /// `Name`, for people.
    pub name: Option<String>,
    /// `PrefConRef`.
    pub preferred_connection: Option<Connection>,
    /// `ToConRef`, each with a `ConRef`.
    pub connections: Vec<Connection>,
    /// `AppAddr`; at least one.
    pub addresses: Vec<Address>,
    /// `AAuthPref`; nothing where the last type that was negotiated counts.
    pub preferred_auth: Option<AuthType>,
    /// `AppAuth`.
    pub credentials: Vec<Credentials>,
    /// The access control list of the account's node: who may read, change and delete it.
    pub acl: Acl,
    /// Whether the client is asked to open a session as soon as it has the account (`INIT`).
    pub starts_session: bool,
}

/// How to reach the network: the device gives each its own reference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Connection {
    /// The access point with this `NAPID`.
    AccessPoint(String),
    /// The proxy with this `PROXY-ID`.
    Proxy(String),
    /// The reference of a connectivity object, as the account has it. Where it begins with `./Inbox/` the object came
    /// with the account, and the device puts its real place here [digest 9.2].
    Reference(String),
}

impl Account {
    /// The account as the standard object, for [`Builder::dm_acc`](crate::tree::Builder::dm_acc).
    ///
    /// `reference` gives the reference of each connection in the device's tree [digest 9.1].
    pub fn dm_acc(&self, reference: impl Fn(&Connection) -> String) -> DmAcc {
        DmAcc {
            version: self.version,
            server_id: self.server_id.clone(),
            name: self.name.clone(),
            preferred_connectivity: self.preferred_connection.as_ref().map(&reference),
            connectivity: self.connections.iter().map(&reference).collect(),
            addresses: self.addresses.clone(),
            preferred_auth: self.preferred_auth,
            credentials: self.credentials.clone(),
            server_version: None,
        }
    }
}

/// Whether credentials of this type can be shown on this level [digest 6.10].
pub(super) const fn admits(level: AuthLevel, kind: AuthType) -> bool {
    match level {
        AuthLevel::Client | AuthLevel::Server => true,
        AuthLevel::Obex | AuthLevel::Http => {
            matches!(kind, AuthType::HttpBasic | AuthType::HttpDigest | AuthType::Transport)
        }
    }
}

/// Why a bootstrap holds no account that can be used. It names the place and never the value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{fault} at {place}")]
pub struct AccountError {
    /// What is wrong.
    pub fault: AccountFault,
    /// Where: the characteristics down to the parameter, or the address of the node in its document.
    pub place: String,
}

/// What is wrong with an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AccountFault {
    /// Something that an account must have is missing.
    #[error("missing value")]
    Missing,
    /// Something that an account has once is there twice.
    #[error("repeated value")]
    Repeated,
    /// A value that cannot stand there.
    #[error("value that cannot stand there")]
    BadValue,
    /// A value that is longer than [`value_bytes_max`](crate::limits::BootstrapLimits::value_bytes_max).
    #[error("value too long")]
    TooLong,
    /// More accounts, addresses, ports, credentials or connections than [`BootstrapLimits`] allows.
    ///
    /// [`BootstrapLimits`]: crate::limits::BootstrapLimits
    #[error("too many")]
    TooMany,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transports_have_their_own_types_of_authentication() {
        for kind in [AuthType::HttpBasic, AuthType::HttpDigest, AuthType::Transport] {
            assert!(admits(AuthLevel::Http, kind) && admits(AuthLevel::Obex, kind) && admits(AuthLevel::Client, kind));
        }
        for kind in [AuthType::Basic, AuthType::Digest, AuthType::Hmac, AuthType::X509, AuthType::DigiPass] {
            assert!(
                !admits(AuthLevel::Http, kind) && !admits(AuthLevel::Obex, kind) && admits(AuthLevel::Server, kind)
            );
        }
    }
}
