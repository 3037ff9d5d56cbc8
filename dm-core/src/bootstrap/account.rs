//! The account that a bootstrap brings, as a value: what a `DMAcc` object is made of [DM STDOBJ 1.2, 5.3; digest 6.10].

use alloc::{string::String, vec::Vec};
use core::fmt;

use crate::{ids::ServerId, tree::Acl, wire::Secret};

/// The registered application identifier of device management, which is the `AppID` of every account.
pub const APP_ID: &str = "w7";

/// An account for one server. The node that it becomes is named by the device [digest 9.1].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
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

/// One address of a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// `Addr`.
    pub addr: String,
    /// `AddrType`.
    pub kind: AddressKind,
    /// `PortNbr` of each `Port`; none where the address says it all.
    pub ports: Vec<u16>,
}

/// One set of credentials.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// `AAuthLevel`: who shows them to whom.
    pub level: AuthLevel,
    /// `AAuthType`.
    pub auth_type: AuthType,
    /// `AAuthName`: the user name.
    pub name: Option<String>,
    /// `AAuthSecret`: the password.
    pub secret: Option<Secret>,
    /// `AAuthData`: the next nonce, in octets.
    pub data: Option<Vec<u8>>,
}

/// Neither the password nor the nonce shows.
impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Credentials");
        shown.field("level", &self.level).field("auth_type", &self.auth_type).field("name", &self.name);
        shown.field("secret", &self.secret).field("data", &self.data.as_ref().map(Vec::len)).finish()
    }
}

/// The values that a node of an account may have, with their names.
macro_rules! values {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $text:literal;)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum $name {
            $($(#[$variant_doc])* $variant,)+
        }

        impl $name {
            /// Every value.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// As in the node.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)+ }
            }

            /// The value with this name, exactly.
            #[must_use]
            pub fn parse(text: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|value| value.as_str() == text)
            }
        }
    };
}

values! {
    /// `AddrType`: what an address is.
    AddressKind {
        /// A URI. The default.
        Uri = "URI";
        /// An address of IP version 4.
        IpV4 = "IPv4";
        /// An address of IP version 6.
        IpV6 = "IPv6";
    }
}

values! {
    /// `AAuthLevel`: on which level, and by whom, credentials are shown.
    AuthLevel {
        /// By the client to the server, in DM messages.
        Client = "CLCRED";
        /// By the server to the client, in DM messages.
        Server = "SRVCRED";
        /// On OBEX.
        Obex = "OBEX";
        /// On HTTP.
        Http = "HTTP";
    }
}

values! {
    /// `AAuthType`: how credentials are shown.
    AuthType {
        /// HTTP Basic.
        HttpBasic = "HTTP-BASIC";
        /// HTTP Digest.
        HttpDigest = "HTTP-DIGEST";
        /// `syncml:auth-basic`.
        Basic = "BASIC";
        /// `syncml:auth-md5`.
        Digest = "DIGEST";
        /// `syncml:auth-MAC`.
        Hmac = "HMAC";
        /// `syncml:auth-X509`.
        X509 = "X509";
        /// `syncml:auth-securid`.
        SecurId = "SECURID";
        /// `syncml:auth-safeword`.
        SafeWord = "SAFEWORD";
        /// `syncml:auth-digipass`.
        DigiPass = "DIGIPASS";
        /// By the transport, such as TLS.
        Transport = "TRANSPORT";
    }
}

impl AuthLevel {
    /// Whether credentials of this type can be shown on this level [digest 6.10].
    #[must_use]
    pub const fn admits(self, auth_type: AuthType) -> bool {
        match self {
            Self::Client | Self::Server => true,
            Self::Obex | Self::Http => {
                matches!(auth_type, AuthType::HttpBasic | AuthType::HttpDigest | AuthType::Transport)
            }
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
    fn values_have_the_names_of_the_standard_object() {
        assert_eq!(AddressKind::parse("IPv6"), Some(AddressKind::IpV6));
        assert_eq!(AuthLevel::parse("SRVCRED"), Some(AuthLevel::Server));
        assert_eq!(AuthType::ALL.len(), 10);
        assert!(AuthType::ALL.iter().all(|auth_type| AuthType::parse(auth_type.as_str()) == Some(*auth_type)));
        assert_eq!(AuthType::parse("basic"), None);
    }

    #[test]
    fn transports_have_their_own_types_of_authentication() {
        let on_http: alloc::vec::Vec<_> =
            AuthType::ALL.iter().filter(|auth_type| AuthLevel::Http.admits(**auth_type)).collect();
        assert_eq!(on_http, [&AuthType::HttpBasic, &AuthType::HttpDigest, &AuthType::Transport]);
        assert!(AuthLevel::Client.admits(AuthType::Hmac) && !AuthLevel::Obex.admits(AuthType::Digest));
    }

    #[test]
    fn debug_shows_neither_password_nor_nonce() {
        let credentials = Credentials {
            level: AuthLevel::Client,
            auth_type: AuthType::Digest,
            name: Some("user".into()),
            secret: Some("hunter2".into()),
            data: Some(b"nonce".to_vec()),
        };
        let shown = alloc::format!("{credentials:?}");
        assert!(shown.contains("user") && !shown.contains("hunter2") && !shown.contains("110"), "{shown}");
    }
}
