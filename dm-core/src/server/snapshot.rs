//! The stored form of a server session.

use alloc::{boxed::Box, vec::Vec};

use core_kit::Machine;
use serde::{Deserialize, Serialize};

use super::{
    Input, Profile, Session,
    phase::{Common, Phase, Rest},
};
use crate::session::{RestoreError, Since};

/// A server session at rest. A build reads this version and the one before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "version", deny_unknown_fields)]
#[non_exhaustive]
pub enum Snapshot {
    /// The first version.
    #[serde(rename = "dm.server/1")]
    V1(Since<Stable, Input>),
}

/// A state between messages.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stable {
    pub(super) common: Box<Common>,
    pub(super) phase: Rest,
}

impl Session {
    pub(super) fn to_snapshot(&self) -> Snapshot {
        Snapshot::V1(match &self.phase {
            Phase::Rest(rest) => {
                Since { base: Stable { common: Box::new(self.common.clone()), phase: rest.clone() }, steps: Vec::new() }
            }
            Phase::Asking(_, since) => (**since).clone(),
        })
    }

    pub(super) fn of_snapshot(snapshot: Snapshot, profile: &Profile) -> Result<Self, RestoreError> {
        let Snapshot::V1(Since { base, steps }) = snapshot;
        let mut session =
            Self { profile: profile.clone(), common: *base.common, phase: Phase::Rest(base.phase), walked: None };
        let mut said_before = Vec::new();
        for step in steps {
            session.handle(&step.env, step.input, &mut said_before).map_err(|_| RestoreError::Inconsistent)?;
        }
        Ok(session)
    }
}
