//! OMA Device Management (SyncML DM).
#![no_std]
#![deny(missing_docs)]

extern crate alloc;
#[cfg(feature = "std")]
extern crate std;

pub mod auth;
pub mod codes;
pub mod ids;
pub mod limits;
mod packet;
pub mod tree;
pub mod wire;

pub use packet::Packet;
