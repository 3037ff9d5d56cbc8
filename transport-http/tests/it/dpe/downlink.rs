//! downlink
