//! OMA Device Management (SyncML DM).
#![no_std]
#![deny(missing_docs)]

extern crate alloc;
#[cfg(feature = "std")]
extern crate std;

pub mod auth;
pub mod client;
pub mod codes;
pub mod fault;
pub mod ids;
pub mod limits;
mod packet;
pub mod server;
pub mod session;
pub mod tree;
pub mod uri;
pub mod wire;

pub use packet::Packet;
