//! The standard objects as typed values: read from a tree and built into one [digest 6.10].

use super::{access::Verb, build::Builder};

mod account;
mod auth;
mod device;

pub use account::{Address, AddressKind, Credentials, DmAcc};
pub use auth::{AuthLevel, AuthType};
pub use device::{DevDetail, DevInfo};

/// Which issue of the standard objects a tree has; their identifiers tell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum ObjectVersion {
    /// DM 1.2: `:1.0`.
    #[default]
    V1_2,
    /// DM 1.3: `:1.1`.
    V1_3,
}

impl ObjectVersion {
    const ALL: [Self; 2] = [Self::V1_2, Self::V1_3];

    const fn dev_info(self) -> &'static str {
        match self {
            Self::V1_2 => "urn:oma:mo:oma-dm-devinfo:1.0",
            Self::V1_3 => "urn:oma:mo:oma-dm-devinfo:1.1",
        }
    }

    const fn dev_detail(self) -> &'static str {
        match self {
            Self::V1_2 => "urn:oma:mo:oma-dm-devdetail:1.0",
            Self::V1_3 => "urn:oma:mo:oma-dm-devdetail:1.1",
        }
    }

    const fn dm_acc(self) -> &'static str {
        match self {
            Self::V1_2 => "urn:oma:mo:oma-dm-dmacc:1.0",
            Self::V1_3 => "urn:oma:mo:oma-dm-dmacc:1.1",
        }
    }

    /// The issue of the account object with this identifier.
    pub(crate) fn of_dm_acc(identifier: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|version| version.dm_acc().eq_ignore_ascii_case(identifier))
    }
}

/// An interior node that is there for ever and may be read.
fn object(builder: Builder, uri: &str, identifier: &str) -> Builder {
    builder.interior(uri).media_type(identifier).access(&[Verb::Get]).permanent()
}

/// A leaf that is there for ever and may be read.
fn fixed(builder: Builder, uri: &str, value: &str) -> Builder {
    builder.leaf(uri, value).access(&[Verb::Get]).permanent()
}
