//! The integration tests of dm-core: one binary, one module for each feature.

mod captures;
mod generate;
mod harness;
mod hostile;
mod pair;
mod props;
mod tree;
mod xml;
mod xml_written;
