//! The integration tests of dm-core: one binary, one module for each feature.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking; clippy.toml allows it in test functions, but not in their helpers"
)]

mod auth;
mod bad_input;
mod bootstrap;
mod captured_sessions;
mod captures;
mod client;
mod damage;
mod generate;
mod golden;
mod harness;
mod hostile;
mod nonces;
mod notified;
mod notify;
mod pair;
mod pair_long;
mod props;
mod scripts;
mod server;
mod session_props;
mod table;
mod tolerance;
mod tree;
mod unrecorded;
mod version;
mod wbxml;
mod xml;
mod xml_written;
