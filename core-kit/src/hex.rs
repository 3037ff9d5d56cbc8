//! Bytes as lower-case hexadecimal text: one spelling for each value.

use alloc::{string::String, vec::Vec};

use serde::{Deserialize, Deserializer, Serializer, de::Error};

const DIGITS: &[u8; 16] = b"0123456789abcdef";

pub(crate) fn encode(bytes: &[u8]) -> String {
    let nibbles = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    nibbles.filter_map(|nibble| DIGITS.get(usize::from(nibble))).map(|digit| char::from(*digit)).collect()
}

/// Nothing for an odd number of digits, or for any character but `0-9a-f`.
pub(crate) fn decode(text: &str) -> Option<Vec<u8>> {
    let value = |digit: &u8| DIGITS.iter().position(|d| d == digit).and_then(|d| u8::try_from(d).ok());
    let pairs = text.as_bytes().chunks(2).map(|pair| match pair {
        [high, low] => Some(value(high)? << 4 | value(low)?),
        _ => None,
    });
    pairs.collect()
}

/// For `#[serde(with = "core_kit::hex")]` on 32 octets.
///
/// # Errors
/// What the serialiser says.
pub fn serialize<S: Serializer>(bytes: &[u8; 32], to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(&encode(bytes))
}

/// For `#[serde(with = "core_kit::hex")]` on 32 octets.
///
/// # Errors
/// Anything but 64 lower-case hexadecimal digits.
pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<[u8; 32], D::Error> {
    let bytes = decode(&String::deserialize(from)?).and_then(|bytes| bytes.try_into().ok());
    bytes.ok_or_else(|| D::Error::custom("not 64 lower-case hexadecimal digits"))
}
