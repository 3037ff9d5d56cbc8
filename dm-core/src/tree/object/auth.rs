//! The words in which an account says who proves what to whom, and how.

use crate::auth::Scheme;

macro_rules! words {
    ($(#[$doc:meta])* $type:ident: $($(#[$each:meta])* $variant:ident $text:literal)+) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum $type {
            $($(#[$each])* $variant,)+
        }

        impl $type {
            /// As the leaf has it.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)+ }
            }

            /// What the text of the leaf means, in any letters; nothing for other text.
            #[must_use]
            pub fn parse(text: &str) -> Option<Self> {
                let all = [$(Self::$variant),+];
                all.into_iter().find(|known| known.as_str().eq_ignore_ascii_case(text.trim()))
            }
        }
    };
}

words! {
    /// `AAuthLevel`: whose credentials they are.
    AuthLevel:
    /// The client proves itself to the server with them.
    Client "CLCRED"
    /// The server proves itself to the client with them.
    Server "SRVCRED"
    /// They are for the OBEX transport.
    Obex "OBEX"
    /// They are for the HTTP transport.
    Http "HTTP"
}

words! {
    /// `AAuthType`: how credentials prove their holder.
    AuthType:
    /// HTTP, basic.
    HttpBasic "HTTP-BASIC"
    /// HTTP, digest.
    HttpDigest "HTTP-DIGEST"
    /// `syncml:auth-basic`.
    Basic "BASIC"
    /// `syncml:auth-md5`.
    Digest "DIGEST"
    /// `syncml:auth-MAC`.
    Hmac "HMAC"
    /// `syncml:auth-X509`.
    X509 "X509"
    /// `syncml:auth-securid`.
    SecurId "SECURID"
    /// `syncml:auth-safeword`.
    SafeWord "SAFEWORD"
    /// `syncml:auth-digipass`.
    DigiPass "DIGIPASS"
    /// Whatever the transport does.
    Transport "TRANSPORT"
}

impl AuthType {
    /// The scheme of credentials in messages, where this crate has it.
    #[must_use]
    pub const fn scheme(self) -> Option<Scheme> {
        match self {
            Self::Basic => Some(Scheme::Basic),
            Self::Digest => Some(Scheme::Md5),
            Self::Hmac => Some(Scheme::Mac),
            _ => None,
        }
    }
}

impl From<Scheme> for AuthType {
    fn from(scheme: Scheme) -> Self {
        match scheme {
            Scheme::Basic => Self::Basic,
            Scheme::Md5 => Self::Digest,
            Scheme::Mac => Self::Hmac,
        }
    }
}
