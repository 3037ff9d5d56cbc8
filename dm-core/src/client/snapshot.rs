//! The stored form of a client session.

use alloc::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{
    Profile, Session,
    phase::{Phase, Rest, Since},
};
use crate::session::{Outcome, Reason, RestoreError};

/// A client session at rest. A build reads this version and the one before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "version", deny_unknown_fields)]
#[non_exhaustive]
pub enum Snapshot {
    /// The first version.
    #[serde(rename = "dm.client/1")]
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
            Phase::Asking(_, Some(since)) => since.clone(),
            Phase::Asking(_, None) => {
                let mut common = self.common.clone();
                common.forget();
                Since::at_rest(common, Rest::Over(Outcome::Aborted(Reason::Unavailable)))
            }
        };
        Snapshot::V1(Stored(stored))
    }

    pub(super) fn of_snapshot(snapshot: Snapshot, profile: Arc<Profile>) -> Result<Self, RestoreError> {
        let Snapshot::V1(Stored(since)) = snapshot;
        let at_rest = |common, rest, kept| Self { kept: Some(kept), ..Self::at_rest(profile, common, rest) };
        since.restore(at_rest).map_err(|_| RestoreError::Inconsistent)
    }
}
