//! Numbers as decimal text that takes no memory of its own.

/// A number, written.
pub(crate) struct Decimal {
    digits: [u8; 20],
    begin: usize,
}

impl Decimal {
    /// The digits of `number`, without leading zeros.
    pub(crate) fn new(number: u64) -> Self {
        let (mut digits, mut begin, mut rest) = ([b'0'; 20], 20, number);
        for digit in digits.iter_mut().rev() {
            *digit += u8::try_from(rest % 10).unwrap_or_default();
            begin -= 1;
            rest /= 10;
            if rest == 0 {
                break;
            }
        }
        Self { digits, begin }
    }

    pub(crate) fn as_str(&self) -> &str {
        core::str::from_utf8(self.as_bytes()).unwrap_or_default()
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.digits.get(self.begin..).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;

    #[test]
    fn every_length_is_written_as_the_standard_library_writes_it() {
        for shift in 0..64 {
            for number in [u64::MAX >> shift, 1 << shift, 10_u64.wrapping_pow(shift)] {
                assert_eq!(Decimal::new(number).as_str(), number.to_string());
            }
        }
        assert_eq!(Decimal::new(0).as_str(), "0");
    }
}
