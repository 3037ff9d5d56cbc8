//! The simulator as others use it.

mod world;
