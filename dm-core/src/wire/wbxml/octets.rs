//! Octets read from first to last, and the numbers that they make.

use alloc::vec::Vec;

use super::Kind;

/// What was not read yet. Whoever asks for more than there is gets [`Kind::Truncated`].
pub(crate) struct Octets<'a> {
    all: &'a [u8],
    at: usize,
}

impl<'a> Octets<'a> {
    pub(crate) fn new(all: &'a [u8]) -> Self {
        Self { all, at: 0 }
    }

    /// How many were read.
    pub(crate) fn position(&self) -> usize {
        self.at
    }

    /// How many there are, read or not.
    pub(crate) fn len(&self) -> usize {
        self.all.len()
    }

    fn rest(&self) -> &'a [u8] {
        self.all.get(self.at..).unwrap_or_default()
    }

    pub(crate) fn octet(&mut self) -> Result<u8, Kind> {
        let octet = self.rest().first().copied().ok_or(Kind::Truncated)?;
        self.at += 1;
        Ok(octet)
    }

    /// `mb_u_int32`: seven bits an octet, the highest first; the eighth bit says that another octet follows
    /// [WBXML 1.3, 5.1].
    pub(crate) fn number(&mut self) -> Result<u32, Kind> {
        let mut number: u32 = 0;
        for _ in 0..5 {
            let octet = self.octet()?;
            if number > u32::MAX >> 7 {
                return Err(Kind::NumberTooLarge);
            }
            number = number << 7 | u32::from(octet & 0x7F);
            if octet & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err(Kind::NumberTooLarge)
    }

    /// As many octets as a number said. It is compared with what is there before anything else happens.
    pub(crate) fn take(&mut self, count: u32) -> Result<&'a [u8], Kind> {
        let count = usize::try_from(count).map_err(|_| Kind::Truncated)?;
        let taken = self.rest().get(..count).ok_or(Kind::Truncated)?;
        self.at += count;
        Ok(taken)
    }

    /// The octets up to the next NUL, which is read too.
    pub(crate) fn until_nul(&mut self) -> Result<&'a [u8], Kind> {
        let taken = before_nul(self.rest()).ok_or(Kind::Truncated)?;
        self.at += taken.len() + 1;
        Ok(taken)
    }
}

/// What stands before the first NUL, where there is one.
pub(crate) fn before_nul(octets: &[u8]) -> Option<&[u8]> {
    octets.iter().position(|octet| *octet == 0).and_then(|end| octets.get(..end))
}

/// Writes a `mb_u_int32` in as few octets as it takes.
pub(crate) fn push_number(out: &mut Vec<u8>, number: u32) {
    for shift in [28, 21, 14, 7] {
        if number >> shift != 0 {
            out.push(0x80 | low_seven(number >> shift));
        }
    }
    out.push(low_seven(number));
}

fn low_seven(number: u32) -> u8 {
    number.to_le_bytes()[0] & 0x7F
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_short_as_they_can_be_and_read_again() {
        let cases: [(u32, &[u8]); 9] = [
            (0, &[0]),
            (0x7F, &[0x7F]),
            (0x80, &[0x81, 0]),
            (0xA0, &[0x81, 0x20]),
            (0x0FD3, &[0x9F, 0x53]),
            (0x1201, &[0xA4, 0x01]),
            (0x001F_FFFF, &[0xFF, 0xFF, 0x7F]),
            (0x1000_0000, &[0x81, 0x80, 0x80, 0x80, 0]),
            (u32::MAX, &[0x8F, 0xFF, 0xFF, 0xFF, 0x7F]),
        ];
        for (number, octets) in cases {
            let mut written = Vec::new();
            push_number(&mut written, number);
            assert_eq!(written, octets, "{number:#x}");
            assert_eq!(Octets::new(octets).number(), Ok(number));
        }
    }

    #[test]
    fn a_number_may_be_padded_but_has_32_bits_and_five_octets_at_most() {
        assert_eq!(Octets::new(&[0x80, 0x80, 0x80, 0x81, 0]).number(), Ok(0x80));
        for octets in [
            &[0x90, 0x80, 0x80, 0x80, 0x00][..],
            &[0xFF, 0xFF, 0xFF, 0xFF, 0x7F],
            &[0x80, 0x80, 0x80, 0x80, 0x80, 0x01],
            &[0x80, 0x80, 0x80, 0x80, 0x80],
        ] {
            assert_eq!(Octets::new(octets).number(), Err(Kind::NumberTooLarge), "{octets:x?}");
        }
        assert_eq!(Octets::new(&[0x8F, 0xFF]).number(), Err(Kind::Truncated));
    }

    #[test]
    fn nothing_is_taken_that_is_not_there() {
        let mut octets = Octets::new(b"ab\0c");
        assert_eq!(octets.take(5), Err(Kind::Truncated));
        assert_eq!(octets.take(u32::MAX), Err(Kind::Truncated));
        assert_eq!((octets.until_nul(), octets.position()), (Ok(&b"ab"[..]), 3));
        assert_eq!((octets.until_nul(), octets.position()), (Err(Kind::Truncated), 3));
        assert_eq!((octets.take(1), octets.octet()), (Ok(&b"c"[..]), Err(Kind::Truncated)));
    }
}
