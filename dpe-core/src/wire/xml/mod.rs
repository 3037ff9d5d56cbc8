//! The XML codec.
//!
//! quick-xml finds tags and text; [`tree`] decides about XML as such, [`read`] and [`write`] about what elements mean.

use alloc::vec::Vec;

use super::{DecodeError, Decoded, EncodeError, Message};
use crate::limits::WireLimits;

mod read;
mod tree;
mod write;

pub(super) fn decode(bytes: &[u8], limits: &WireLimits) -> Result<Decoded, DecodeError> {
    read::message(&tree::parse(bytes, limits)?, limits)
}

pub(super) fn encode(message: &Message) -> Result<Vec<u8>, EncodeError> {
    write::message(message)
}
