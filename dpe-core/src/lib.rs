//! OMA Device Profile Evolution (DPE) as pure state machines.
#![no_std]
#![deny(missing_docs)]

extern crate alloc;
#[cfg(feature = "std")]
extern crate std;

pub mod client;
pub mod codes;
pub mod config;
pub mod identity;
pub mod ids;

pub mod limits;
pub mod policy;
pub mod property;
pub mod server;
pub mod sp;
pub mod wire;
