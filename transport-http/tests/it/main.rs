//! Real sockets, real HTTP: nothing of the network is a stand-in.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking; clippy.toml allows it in test functions, but not in their helpers"
)]

mod abort;
mod dpe;
mod kit;
mod limits;
mod log;
mod login;
mod media;
mod nodes;
mod posting;
mod session;
mod stores;
mod tls;
