//! What happens to a write, or to what was written.

use super::{FaultId, Swarm};
use crate::decide::{Decider, Permille, Site, Who};

const DISK: Site = Site("fault.disk");
const COMMITS: Site = Site("fault.disk.commits");

/// Commits that a store may go back at once.
const BACK_MAX: u32 = 8;

/// What happens at one write. [`Store::write`](crate::Store::write) does it to a [`Store`](crate::Store).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DiskFault {
    /// F29: nothing is written, and the writer learns it.
    Error,
    /// F30: the record is damaged. Its writer sees an error, as one does who lost power half-way.
    Torn,
    /// F31: the write is acknowledged, and lost in a crash that comes before the next sync.
    Unsynced,
    /// F32: nothing is written for want of space, and the writer learns it.
    Full,
    /// F33: after the write the store is as it was so many commits ago; 1 undoes this write only.
    Back(u32),
    /// F34: the write succeeds, and the record cannot be read any more.
    Rot,
}

impl DiskFault {
    const IDS: [FaultId; 6] = [FaultId::F29, FaultId::F30, FaultId::F31, FaultId::F32, FaultId::F33, FaultId::F34];

    /// The fault that this is.
    #[must_use]
    pub const fn fault(self) -> FaultId {
        match self {
            Self::Error => FaultId::F29,
            Self::Torn => FaultId::F30,
            Self::Unsynced => FaultId::F31,
            Self::Full => FaultId::F32,
            Self::Back(_) => FaultId::F33,
            Self::Rot => FaultId::F34,
        }
    }

    pub(crate) fn draw(decider: &mut Decider, who: Who, swarm: &Swarm) -> Option<Self> {
        let rates: [Permille; 6] = Self::IDS.map(|fault| swarm.rate(fault));
        Some(match decider.one_of(DISK, who, &rates)? {
            0 => Self::Error,
            1 => Self::Torn,
            2 => Self::Unsynced,
            3 => Self::Full,
            4 => Self::Back(1 + decider.choose(COMMITS, who, BACK_MAX)),
            _ => Self::Rot,
        })
    }
}
