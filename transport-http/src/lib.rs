//! OMA Device Management and OMA Device Profile Evolution over HTTP: thin adapters around [`dm_core`] and [`dpe_core`].
//!
//! - [`dm`]: a stateless server node for devices, a device's transport, a store for both.
//! - [`dpe`]: a server for clients and service providers, a client that polls or listens, a service provider with
//!   callbacks.
//!
//! Both share what is not of either protocol. [`serve()`] listens, with [`Limits`] on time, size and number that are
//! armed; [`Outgoing`] keeps connections to others; [`env`](mod@env) is the only clock and the only entropy of the
//! workspace.
//!
//! TLS ends in front of a server, or in a [`Handshake`] of your own.
//!
//! # What is not here
//!
//! Compressed bodies are refused in both directions. HTTP/2, HTTP authentication and proxies are not spoken.
#![deny(missing_docs)]

mod body;
pub mod dm;
pub mod dpe;
pub mod env;
mod limits;
mod listen;
mod outgoing;
mod peer;
mod stall;

pub use limits::Limits;
pub use listen::{Handshake, HangUp, Plain, serve};
pub use outgoing::{Cause, Outgoing};
pub use peer::{Identity, Peer, Source};

/// The README's examples, compiled with the tests.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
pub struct Readme;
