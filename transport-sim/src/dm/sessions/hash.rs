//! A number for octets.

use crate::table::{absorb, mix};

/// What the rules of sessions tell values apart by: the same for the same octets, and hardly ever for others. Nobody is to
/// be kept from finding two with the same.
#[must_use]
pub fn value_hash(octets: &[u8]) -> u64 {
    let (words, rest) = octets.as_chunks::<8>();
    let start = mix(octets.len() as u64);
    // Two halves that do not wait for each other.
    let (mut even, mut odd) = (start, !start);
    let (pairs, single) = words.as_chunks::<2>();
    for [first, second] in pairs {
        even = (even ^ u64::from_le_bytes(*first)).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(29);
        odd = (odd ^ u64::from_le_bytes(*second)).wrapping_mul(0xBF58_476D_1CE4_E5B9).rotate_left(31);
    }
    let mut last = [0; 8];
    last.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
    let tail = single.iter().fold(u64::from_le_bytes(last), |tail, word| absorb(tail, u64::from_le_bytes(*word)));
    absorb(absorb(even, odd), tail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_octet_and_the_length_count() {
        let octets: Vec<u8> = (0..70).collect();
        let whole = value_hash(&octets);
        for at in 0..octets.len() {
            let mut other = octets.clone();
            other[at] ^= 1;
            assert_ne!(value_hash(&other), whole, "{at}");
            assert_ne!(value_hash(&octets[..at]), whole, "{at}");
        }
        assert_ne!(value_hash(&[0; 3]), value_hash(&[0; 4]));
    }
}
