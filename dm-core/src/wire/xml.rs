//! The XML codec.
use super::*;
use alloc::vec::Vec;
pub(super) fn decode(_: &[u8], _: &WireLimits) -> Result<Decoded, DecodeError> { Err(DecodeError::at_start(DecodeErrorKind::UnsupportedEncoding)) }
pub(super) fn decode_header(_: &[u8], _: &WireLimits) -> Result<Header, DecodeError> { Err(DecodeError::at_start(DecodeErrorKind::UnsupportedEncoding)) }
pub(super) fn encode(_: &Message) -> Result<Vec<u8>, EncodeError> { Err(EncodeError::UnsupportedEncoding) }
