//! One binary for the integration tests: one module per feature.

mod generate;
mod wire;
mod wire_faults;
