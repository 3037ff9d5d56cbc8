//! The identifiers of a session, one type for each.

use alloc::string::String;
use core::fmt;

use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

use crate::decimal::Decimal;

/// Text that names something; compared exactly and kept as the peer wrote it. Most are a few characters, which take no
/// memory of their own, and a long one is shared by its copies.
macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(SmolStr);

        impl $name {
            /// The text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self(text.into())
            }
        }

        impl From<SmolStr> for $name {
            fn from(text: SmolStr) -> Self {
                Self(text)
            }
        }

        impl From<String> for $name {
            fn from(text: String) -> Self {
                Self(text.into())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

text_id! {
    /// `SessionID`: opaque when received, at most four characters by the schema [DM 1.2, 8.3].
    SessionId
}

impl SessionId {
    /// The spelling of a number as a client sends it: upper-case hexadecimal without leading zeros [NOTI 1.2, 6.2.10].
    #[must_use]
    pub fn from_number(number: u16) -> Self {
        Self(alloc::format!("{number:X}").into())
    }
}

text_id! {
    /// `CmdID`: unique within its message and never `0`. Text, because a reference echoes it as it was written.
    CmdId
}

impl CmdId {
    /// What `CmdRef` says where the `SyncHdr` is meant.
    #[must_use]
    pub fn header() -> Self {
        Self(SmolStr::new_static("0"))
    }

    /// Whether this is the reference to the `SyncHdr`.
    #[must_use]
    pub fn is_header(&self) -> bool {
        self.0 == "0"
    }
}

impl From<u32> for CmdId {
    fn from(number: u32) -> Self {
        /// Few messages have more commands, and these need not be written.
        const SHORT: [&str; 10] = ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"];
        let short = usize::try_from(number).ok().and_then(|number| SHORT.get(number));
        Self(match short {
            Some(text) => SmolStr::new_static(text),
            None => Decimal::new(number.into()).as_str().into(),
        })
    }
}

text_id! {
    /// The `Source` `LocURI` of a client's header: the device identifier, equal to `./DevInfo/DevId` in practice.
    DeviceId
}

/// `MsgID`: each side numbers its own messages from 1 and adds 1 for every new one [DM 1.2, 8.3].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct MsgId(pub u32);

impl MsgId {
    /// The first message of a session.
    pub const FIRST: Self = Self(1);

    /// The number of the message after this one; stays at the last number there is.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl fmt::Display for MsgId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Which question of a machine an answer is for; it survives a restore.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct QuestionId(pub u64);

impl fmt::Display for QuestionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "question {}", self.0)
    }
}

text_id! {
    /// The embedder's own name for a command that it queued; it comes back with the command's outcome.
    JobTag
}

text_id! {
    /// A server's identifier: what an account is found by, and what access control lists name [DM TND 1.2, 7.7.1].
    ServerId
}
