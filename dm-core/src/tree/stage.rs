//! A value that comes in several messages [DM 1.2, 7].

use alloc::vec::Vec;
use core::fmt;

use serde::{Deserialize, Serialize};

use super::memory::{Actor, Memory};
use crate::{ids::ServerId, uri::LocUri};

/// The parts that have come so far. A tree keeps one such value: a server may not begin another before its end.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Staged {
    /// What it is for.
    pub(super) uri: LocUri,
    /// Who sends it; nothing for the device itself.
    pub(super) server: Option<ServerId>,
    /// Octets of the whole value.
    pub(super) size: usize,
    /// What has come, in order.
    pub(super) data: Vec<u8>,
}

impl Staged {
    pub(super) fn is_for(&self, actor: Actor<'_>, uri: &LocUri) -> bool {
        Actor::from(self.server.as_ref()) == actor && self.uri == *uri
    }
}

/// Values may be secrets.
impl fmt::Debug for Staged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {} octets for {}", self.data.len(), self.size, self.uri)
    }
}

/// As it is stored.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct StoredStage {
    uri: LocUri,
    server: Option<ServerId>,
    size: usize,
    data: core_kit::Body,
}

impl From<&Staged> for StoredStage {
    fn from(staged: &Staged) -> Self {
        let Staged { uri, server, size, data } = staged.clone();
        Self { uri, server, size, data: data.into() }
    }
}

impl StoredStage {
    /// The value again; nothing where it is longer than it may be.
    pub(super) fn restore(self, tree: &Memory) -> Option<Staged> {
        let Self { uri, server, size, data } = self;
        let fits = data.len() <= size && size <= tree.limits.value_bytes_max;
        fits.then(|| Staged { uri, server, size, data: Vec::from(&*data) })
    }
}
