//! The DPE Server, split so that it scales.
//!
//! There is no machine "the server". A [`device`] is one Client-ID; a [`gate`] is one SP; a [`desk`] is one registration
//! request until it is known whose it is. Each is loaded, stepped and stored alone. They tell each other things
//! ([`link`]), which the embedder carries from one to the other in the transaction that stores both. Finding a Client-ID
//! by an identity, and allocating one, are questions to the embedder's store; [`directory`] answers them in memory.
//! [`carry`] runs one input on all that it touches, over whatever holds the machines. A [`router`] holds many of all of
//! them: plumbing for one process.

use alloc::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::config::{Config, OutOfRange};

pub mod admission;
pub mod carry;
pub mod desk;
pub mod device;
pub mod directory;
pub mod gate;

pub mod link;
pub mod router;

mod write;

/// The configuration that all machines of a server share.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Config", into = "Config")]
pub struct Profile(Arc<Config>);

impl Profile {
    /// A configuration that was checked.
    ///
    /// # Errors
    /// A parameter is out of its range.
    pub fn new(config: Config) -> Result<Self, OutOfRange> {
        config.check()?;
        Ok(Self(config.into()))
    }

    /// The configuration.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.0
    }
}

impl From<Config> for Profile {
    fn from(config: Config) -> Self {
        Self(config.into())
    }
}

impl From<Profile> for Config {
    fn from(profile: Profile) -> Self {
        Arc::unwrap_or_clone(profile.0)
    }
}

/// Which question an answer is for; it survives a restore.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct QuestionId(pub u64);

/// The input does not fit the state of a machine. Nothing has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Misuse {
    /// Something other than the answer came while a question is open.
    #[error("a question is open: answer it before anything else")]
    Asking,
    /// An answer came and no question is open, or another one, or one of another shape.
    #[error("this answers no open question")]
    NotAsked,
    /// The machine has done its work.
    #[error("the machine has done its work")]
    Over,
}

/// Why a snapshot was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RestoreError {
    /// The snapshot is of something else than the profile says.
    #[error("the snapshot is not of what the profile says")]
    Foreign,
}
