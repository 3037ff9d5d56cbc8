//! One binary for the integration tests: one module per feature.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod bench;
mod config;
mod generate;
mod groups;
mod policies;
mod query;
mod registration;
mod wire;
mod wire_faults;
