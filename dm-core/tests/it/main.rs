//! The integration tests of dm-core: one binary, one module for each feature.

mod captures;
mod generate;
mod hostile;
mod props;
mod xml;
