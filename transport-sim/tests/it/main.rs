//! The simulator as others use it.

// A test may stop where it stands, also in a function beside it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod dm;
mod dpe;
mod faults;
mod mixed;
mod scenarios;
mod shrink;
mod simulator;
mod world;
