//! One binary for the integration tests: one module per feature.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod config;
mod generate;
mod wire;
mod wire_faults;
