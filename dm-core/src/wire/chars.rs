//! The characters that a message may hold, in XML and in the binary form of it.

/// Whether XML 1.0 has the character at all.
pub(crate) fn is_char(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | ' '..='\u{D7FF}' | '\u{E000}'..='\u{FFFD}' | '\u{10000}'..)
}

/// Eight octets that are looked at together: most texts of a message are so short that a loop over them, or a call to a
/// general search, costs more than all else that is done with them.
#[derive(Clone, Copy)]
pub(crate) struct Eight(u64);

impl Eight {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGHS: u64 = 0x8080_8080_8080_8080;

    pub(crate) fn new(octets: [u8; 8]) -> Self {
        Self(u64::from_le_bytes(octets))
    }

    /// With these bits set in each octet.
    #[cfg(feature = "xml")]
    pub(crate) const fn with(self, bits: u8) -> Self {
        Self(self.0 | (Self::ONES * bits as u64))
    }

    /// Marks for the octets that are below this one, which is of ASCII. Behind the first one that is marked, others may be.
    pub(crate) const fn below(self, octet: u8) -> Marks {
        Marks(self.0.wrapping_sub(Self::ONES * octet as u64) & !self.0 & Self::HIGHS)
    }

    /// Marks for the octets that are not of ASCII.
    #[cfg(feature = "xml")]
    pub(crate) const fn beyond_ascii(self) -> Marks {
        Marks(self.0 & Self::HIGHS)
    }

    /// Marks for the octets that are this one. Behind the first one that is marked, others may be.
    pub(crate) const fn same(self, octet: u8) -> Marks {
        Self(self.0 ^ (Self::ONES * octet as u64)).below(1)
    }
}

/// Which of eight octets are what was looked for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Marks(u64);

impl Marks {
    pub(crate) const fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(crate) const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Where the first one is, if there is any.
    #[cfg(feature = "xml")]
    pub(crate) const fn first(self) -> Option<usize> {
        if self.0 == 0 { None } else { Some((self.0.trailing_zeros() / 8) as usize) }
    }
}

/// Whether there is any octet in a text that is marked. Some octets may be looked at twice.
#[inline]
pub(crate) fn any(text: &[u8], marks: impl Fn(Eight) -> Marks) -> bool {
    let in_block = |octets: &[u8; 8]| !marks(Eight::new(*octets)).is_empty();
    if let Some(last) = text.last_chunk() {
        let (blocks, _) = text.as_chunks();
        return blocks.iter().any(in_block) || in_block(last);
    }
    if let (Some([a, b, c, d]), Some([e, f, g, h])) = (text.first_chunk(), text.last_chunk()) {
        return in_block(&[*a, *b, *c, *d, *e, *f, *g, *h]);
    }
    text.iter().any(|octet| in_block(&[*octet; 8]))
}

/// Where the first character is that XML 1.0 does not have.
pub(crate) fn first_bad(text: &str) -> Option<usize> {
    // 0xEF leads the two noncharacters that are excluded; without it, and without control characters, all is well.
    let is_harmless = if text.len() <= 64 {
        !any(text.as_bytes(), |octets| octets.below(b' ').or(octets.same(0xEF)))
    } else {
        // There is no branch within a block, which makes this several times faster than to stop at the first. Of most
        // messages every block is ASCII on one line, which takes half as long to see.
        let is_suspicious = |byte: u8| (byte < b' ' && byte != b'\t' && byte != b'\n' && byte != b'\r') || byte == 0xEF;
        let is_harmless = |block: &[u8]| !block.iter().fold(false, |any, byte| any | is_suspicious(*byte));
        let is_printable = |block: &[u8]| block.iter().fold(true, |all, byte| all & (byte.wrapping_sub(b' ') < 0x60));
        let (blocks, rest) = text.as_bytes().as_chunks::<64>();
        let is_fine = |block: &[u8]| is_printable(block) || is_harmless(block);
        blocks.iter().all(|block| is_fine(block)) && is_fine(rest)
    };
    if is_harmless {
        return None;
    }
    text.char_indices().find(|(_, c)| !is_char(*c)).map(|(at, _)| at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_octet_is_found_wherever_it_is() {
        for length in 0..40 {
            let mut octets = alloc::vec![b'.'; length];
            assert!(!any(&octets, |eight| eight.same(b'x').or(eight.below(b'.'))), "{length}");
            for at in 0..length {
                octets[at] = b'x';
                assert!(any(&octets, |eight| eight.same(b'x')), "{at} of {length}");
                octets[at] = b'-';
                assert!(any(&octets, |eight| eight.below(b'.')), "{at} of {length}");
                octets[at] = b'.';
            }
        }
    }

    #[cfg(feature = "xml")]
    #[test]
    fn of_eight_octets_the_first_one_is_marked() {
        for octet in 0..=u8::MAX {
            for at in 0..8 {
                let mut octets = [b'z'; 8];
                octets[at] = octet;
                let eight = Eight::new(octets);
                let mark = |is: bool| is.then_some(at);
                assert_eq!(eight.below(b' ').first(), mark(octet < b' '), "{octet}");
                assert_eq!(eight.beyond_ascii().first(), mark(octet > b'\x7F'), "{octet}");
                assert_eq!(eight.same(0xEF).first(), mark(octet == 0xEF), "{octet}");
                assert_eq!(eight.same(b'<').first(), mark(octet == b'<'), "{octet}");
                let bracket = eight.with(b'<' ^ b'>').same(b'>');
                assert_eq!(bracket.first(), mark(matches!(octet, b'<' | b'>')), "{octet}");
            }
        }
    }

    #[test]
    fn the_first_bad_character_is_found_wherever_it_is() {
        for bad in ["\0", "\u{1}", "\u{8}", "\u{B}", "\u{1F}", "\u{FFFE}", "\u{FFFF}"] {
            for before in [0, 1, 63, 64, 200] {
                let text = alloc::format!("{}{bad}{bad}", "\u{FEFF}x\t\r\n"[3..].repeat(before));
                assert_eq!(first_bad(&text), Some(text.len() - 2 * bad.len()), "{bad:?} after {before}");
            }
        }
        assert_eq!(first_bad("\t\r\n \u{7F}\u{80}\u{FEFF}\u{FFFD}\u{10FFFF}"), None);
    }
}
