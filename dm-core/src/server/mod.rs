//! stub
use alloc::vec::Vec;
use core_kit::{Deadline, Durable, Env, Machine};
mod input;
mod output;
mod profile;
mod turn;
pub use input::*;
pub use output::*;
pub use profile::*;
pub use turn::{Facts, Turn};
pub use crate::session::{Misuse, RestoreError};
/// One DM session.
#[derive(Clone, Debug)]
pub struct Session { _profile: Profile }
/// The stored form.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Snapshot { /// V1
 V1 }
/// Timers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why { /// Idle
 Idle }
impl Session {
 /// A session that has seen nothing yet.
 #[must_use]
 pub fn new(profile: &Profile) -> Self { Self { _profile: profile.clone() } }
 /// The open question.
 #[must_use]
 pub fn pending(&self) -> Option<Question> { None }
 /// How the session ended, if it has.
 #[must_use]
 pub fn outcome(&self) -> Option<&crate::session::Outcome> { None }
}
impl Machine for Session {
 type Input = Input; type Output = Output; type Misuse = Misuse; type Why = Why;
 fn handle(&mut self, _: &Env, _: Input, _: &mut Vec<Output>) -> Result<(), Misuse> { Err(Misuse::Over) }
 fn deadline(&self) -> Option<Deadline<Why>> { None }
}
impl Durable for Session {
 type Snapshot = Snapshot; type Profile = Profile; type RestoreError = RestoreError;
 fn snapshot(&self) -> Snapshot { Snapshot::V1 }
 fn restore(_: Snapshot, profile: &Profile) -> Result<Self, RestoreError> { Ok(Self::new(profile)) }
 fn revision(&self) -> u64 { 0 }
}
/// Which session a packet is of: the key of a store.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionKey { /// d
pub device: crate::ids::DeviceId, /// s
pub session: crate::ids::SessionId }
/// Reads only the header.
///
/// # Errors
/// The packet has no readable header.
pub fn route(_: &crate::Packet, _: &Profile) -> Result<SessionKey, crate::fault::PeerFault> { Err(crate::fault::PeerFault::NotPackageOne) }
