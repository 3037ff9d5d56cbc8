//! One binary for the integration tests: one module per feature.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking; clippy.toml allows it in test functions, but not in their helpers"
)]

mod bench;
mod cache;
mod change;
mod client;
mod config;
mod crossed;
mod generate;
mod golden;
mod groups;
mod lossy;
mod policies;
mod polls;
mod providers;
mod query;
mod registration;
mod sp;
mod table;
mod verify;
mod whole;
mod wire;
mod wire_faults;
