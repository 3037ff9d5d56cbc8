//! What may go wrong in a play, on whatever network it is performed.

use crate::FaultId;

/// Something that goes wrong once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mishap {
    /// With which device, from 0.
    pub device: usize,
    /// With which of its different messages, from 1. A message that is sent again is no other one, and the
    /// mishap is the first sending's.
    pub nth: u32,
    /// What.
    pub what: What,
}

/// What may go wrong on any network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum What {
    /// The message does not arrive, and nobody says so.
    RequestLost,
    /// The message arrives, and its reply does not.
    ReplyLost,
    /// The message arrives twice at once.
    Doubled,
    /// The message arrives once more when all that it belongs to is over. In a session of DM only
    /// for messages that it ends with or after.
    Late,
    /// The connection is reset before the message is through.
    ResetBefore,
    /// The connection is reset in the middle of the reply.
    ResetWithin,
    /// The connection is reset after the reply.
    ResetAfter,
    /// The server's node dies when it has stored what the message came to, and before it replies. Only in plays with one
    /// device.
    ServerDies,
    /// The device dies before the message leaves, and starts again with what it had stored.
    DeviceRestarts,
}

impl What {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::RequestLost,
        Self::ReplyLost,
        Self::Doubled,
        Self::Late,
        Self::ResetBefore,
        Self::ResetWithin,
        Self::ResetAfter,
        Self::ServerDies,
        Self::DeviceRestarts,
    ];

    /// Which fault that is.
    #[must_use]
    pub const fn fault(self) -> FaultId {
        match self {
            Self::RequestLost => FaultId::F01,
            Self::ReplyLost => FaultId::F02,
            Self::Doubled => FaultId::F03,
            Self::Late => FaultId::F04,
            Self::ResetBefore | Self::ResetWithin | Self::ResetAfter => FaultId::F13,
            Self::ServerDies => FaultId::F25,
            Self::DeviceRestarts => FaultId::F22,
        }
    }
}

/// What the plays of every protocol are held to.
#[cfg(test)]
pub(crate) mod held_to {
    use std::collections::{BTreeMap, BTreeSet};

    use super::{FaultId, Mishap};

    /// No two plays have one name.
    pub(crate) fn own_names(names: impl Iterator<Item = &'static str>) {
        let mut seen = BTreeSet::new();
        for name in names {
            assert!(seen.insert(name), "two plays are called {name}");
        }
    }

    /// In the performance of a play no rule is broken, and what goes wrong is what was planned.
    pub(crate) fn its_plan(name: &str, mishaps: &[Mishap], failures: &[String], faults: &BTreeMap<FaultId, u64>) {
        let mut planned = BTreeMap::new();
        for mishap in mishaps {
            *planned.entry(mishap.what.fault()).or_default() += 1;
        }
        assert_eq!((failures, faults), (&[][..], &planned), "{name}");
    }
}
