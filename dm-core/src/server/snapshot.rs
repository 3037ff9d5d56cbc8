//! The stored form of a server session.

use alloc::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{
    Profile, Session,
    phase::{Phase, Since},
};
use crate::session::RestoreError;

/// A server session at rest. A build reads this version and the one before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "version", deny_unknown_fields)]
#[non_exhaustive]
pub enum Snapshot {
    /// The first version.
    #[serde(rename = "dm.server/1")]
    V1(Stored),
}

/// A state between messages, and what came in since.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Stored(Since);

impl Session {
    pub(super) fn to_snapshot(&self) -> Snapshot {
        let stored = match &self.phase {
            Phase::Rest(rest) => Since::at_rest(self.common.clone(), rest.clone()),
            Phase::Asking(_, since) => since.clone(),
        };
        Snapshot::V1(Stored(stored))
    }

    /// The stored form of a session that nobody needs any more.
    pub(super) fn into_snapshot(self) -> Snapshot {
        let stored = match self.phase {
            Phase::Rest(rest) => Since::at_rest(self.common, rest),
            Phase::Asking(_, since) => since,
        };
        Snapshot::V1(Stored(stored))
    }

    pub(super) fn of_snapshot(snapshot: Snapshot, profile: Arc<Profile>) -> Result<Self, RestoreError> {
        let Snapshot::V1(Stored(since)) = snapshot;
        let at_rest = |common, rest, kept| Self { kept: Some(kept), ..Self::at_rest(profile, common, rest) };
        since.restore(at_rest).map_err(|_| RestoreError::Inconsistent)
    }
}
