//! The characters that a message may hold, in XML and in the binary form of it.

/// Whether XML 1.0 has the character at all.
pub(crate) fn is_char(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | ' '..='\u{D7FF}' | '\u{E000}'..='\u{FFFD}' | '\u{10000}'..)
}

/// Where the first character is that XML 1.0 does not have.
pub(crate) fn first_bad(text: &str) -> Option<usize> {
    // 0xEF leads the two noncharacters that are excluded; without it, and without control characters, all is well. There
    // is no branch within a block, which makes this several times faster than to stop at the first.
    let is_suspicious = |byte: u8| (byte < b' ' && byte != b'\t' && byte != b'\n' && byte != b'\r') || byte == 0xEF;
    let is_harmless = |block: &[u8]| !block.iter().fold(false, |any, byte| any | is_suspicious(*byte));
    if text.as_bytes().chunks(64).all(is_harmless) {
        return None;
    }
    text.char_indices().find(|(_, c)| !is_char(*c)).map(|(at, _)| at)
}

#[cfg(test)]
mod tests {
    use super::*;

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
