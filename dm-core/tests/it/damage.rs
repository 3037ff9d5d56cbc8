//! What happens to the bytes of a message on a bad way, in any encoding.

use proptest::{
    prelude::*,
    sample::{Index, select},
};

/// A change of a few octets.
#[derive(Clone, Debug)]
pub(crate) enum Damage {
    Flip { bit: u8 },
    Remove { octets: usize },
    Insert { piece: &'static [u8] },
    Repeat { octets: usize },
}

/// Any change, with `pieces` that mean something in the encoding, of at most `octets_max` octets at a time.
pub(crate) fn damage(pieces: &'static [&'static [u8]], octets_max: usize) -> impl Strategy<Value = Damage> {
    prop_oneof![
        (0_u8..8).prop_map(|bit| Damage::Flip { bit }),
        (1..octets_max).prop_map(|octets| Damage::Remove { octets }),
        select(pieces).prop_map(|piece| Damage::Insert { piece }),
        (1..2 * octets_max).prop_map(|octets| Damage::Repeat { octets }),
    ]
}

/// The bytes after these changes, each at its place.
pub(crate) fn damaged(bytes: &[u8], damages: &[(Damage, Index)]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for (damage, place) in damages {
        if bytes.is_empty() {
            break;
        }
        let at = place.index(bytes.len());
        match damage {
            Damage::Flip { bit } => bytes[at] ^= 1 << bit,
            Damage::Remove { octets } => drop(bytes.drain(at..bytes.len().min(at + octets))),
            Damage::Insert { piece } => drop(bytes.splice(at..at, piece.iter().copied())),
            Damage::Repeat { octets } => {
                let again = bytes[at..bytes.len().min(at + octets)].to_vec();
                drop(bytes.splice(at..at, again));
            }
        }
    }
    bytes
}
