//! anonymity
