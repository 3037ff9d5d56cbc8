//! The simulator as others use it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking; clippy.toml allows it in test functions, but not in their helpers"
)]

mod dm;
mod dpe;
mod faults;
mod mixed;
mod scenarios;
mod seeds;
mod shrink;
mod simulator;
mod world;
