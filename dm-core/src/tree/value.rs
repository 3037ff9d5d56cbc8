//! Which octets are a value of which format [DM TND 1.2, 9.4].

use alloc::vec::Vec;

use base64::{
    Engine, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};

use crate::wire::Format;

/// Whether a leaf of the format can hold the octets. A leaf of any format may be empty.
///
/// Formats are as meant, never in other letters. `node` and what is no known format can hold nothing. Whether an `xml`
/// value is a document is for its reader to find out: here it is text.
pub(super) fn fits(format: &Format, octets: &[u8]) -> bool {
    let text = core::str::from_utf8(octets);
    match format {
        Format::Node | Format::Other(_) => false,
        Format::Null => octets.is_empty(),
        _ if octets.is_empty() => true,
        Format::Bin => true,
        Format::B64 => from_base64(octets).is_some(),
        Format::Chr | Format::Xml => text.is_ok(),
        Format::Bool => matches!(octets, b"true" | b"false"),
        Format::Int => text.is_ok_and(|text| text.parse::<i32>().is_ok()),
        Format::Date => text.is_ok_and(|text| is_date(text).is_some()),
        Format::Time => text.is_ok_and(|text| is_time(text).is_some()),
        Format::Float => text.is_ok_and(is_float),
    }
}

/// The octets that base64 text stands for. Line breaks and missing padding are forgiven.
pub(crate) fn from_base64(text: &[u8]) -> Option<Vec<u8>> {
    const CONFIG: GeneralPurposeConfig =
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    const ENGINE: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, CONFIG);
    let letters: Vec<u8> = text.iter().copied().filter(|octet| !octet.is_ascii_whitespace()).collect();
    ENGINE.decode(letters).ok()
}

/// The number that exactly `count` digits at the start are, and what follows them.
fn digits(text: &str, count: usize) -> Option<(u32, &str)> {
    let (number, rest) = text.split_at_checked(count)?;
    if !number.bytes().all(|octet| octet.is_ascii_digit()) {
        return None;
    }
    Some((number.parse().ok()?, rest))
}

/// ISO 8601, basic or extended, with a year of four digits: `20260131` and `2026-01-31`.
fn is_date(text: &str) -> Option<()> {
    let (year, rest) = digits(text, 4)?;
    let (month, day) = match rest.strip_prefix('-') {
        Some(rest) => {
            let (month, rest) = digits(rest, 2)?;
            (month, rest.strip_prefix('-')?)
        }
        None => digits(rest, 2)?,
    };
    let (day, rest) = digits(day, 2)?;
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if leap => 29,
        2 => 28,
        _ => return None,
    };
    (rest.is_empty() && (1..=days).contains(&day)).then_some(())
}

/// ISO 8601, basic or extended, to the minute or finer, with or without a zone: `235959`, `23:59`, `23:59:59.5+01:00`.
fn is_time(text: &str) -> Option<()> {
    let (hour, rest) = digits(text, 2)?;
    let separator = if rest.starts_with(':') { ":" } else { "" };
    let (minute, rest) = digits(rest.strip_prefix(separator)?, 2)?;
    let (second, rest) = match rest.strip_prefix(separator).and_then(|rest| digits(rest, 2)) {
        Some((second, rest)) => (second, after_fraction(rest)?),
        None => (0, rest),
    };
    // The sixtieth second is a leap second.
    (hour < 24 && minute < 60 && second <= 60 && is_zone(rest)).then_some(())
}

/// What follows the fraction of a second; all of it where there is none.
fn after_fraction(text: &str) -> Option<&str> {
    let Some(fraction) = text.strip_prefix(['.', ',']) else { return Some(text) };
    let rest = fraction.trim_start_matches(|c: char| c.is_ascii_digit());
    (rest.len() < fraction.len()).then_some(rest)
}

fn is_zone(text: &str) -> bool {
    let Some(offset) = text.strip_prefix(['+', '-']) else { return matches!(text, "" | "Z") };
    let Some((hours, rest)) = digits(offset, 2) else { return false };
    let minutes = match rest {
        "" => Some((0, "")),
        _ => digits(rest.strip_prefix(':').unwrap_or(rest), 2),
    };
    hours < 24 && matches!(minutes, Some((0..60, "")))
}

/// XML Schema `float`: decimal, with or without an exponent, or one of the three words.
fn is_float(text: &str) -> bool {
    fn unsigned(text: &str) -> &str {
        text.strip_prefix(['+', '-']).unwrap_or(text)
    }
    let all_digits = |text: &str| text.bytes().all(|octet| octet.is_ascii_digit());
    let (number, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let (number, exponent) = (unsigned(number), unsigned(exponent));
    let (whole, part) = number.split_once('.').unwrap_or((number, ""));
    let is_number = whole.len() + part.len() > 0 && all_digits(whole) && all_digits(part);
    matches!(text, "INF" | "-INF" | "NaN") || is_number && !exponent.is_empty() && all_digits(exponent)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_format_holds_its_values_and_no_others() {
        use Format::{B64, Bin, Bool, Chr, Date, Float, Int, Null, Time, Xml};
        let vectors: [(Format, &[&str], &[&str]); 11] = [
            (Bool, &["true", "false"], &["TRUE", "1", " true"]),
            (Int, &["0", "-2147483648", "2147483647"], &["2147483648", "1.0", "0x1", "--1", " 1", "one"]),
            (Chr, &["Grüße", "\u{0}"], &[]),
            (Xml, &["<a/>"], &[]),
            (Bin, &["anything"], &[]),
            (B64, &["Tm9uY2U=", "Tm9uY2U", "Tm9u\r\nY2U="], &["Tm9u_2U=", "T", "Tm9uY2U=="]),
            (Null, &[], &["x", " "]),
            (
                Date,
                &["20260131", "2026-01-31", "20240229", "20000229"],
                &[
                    "260131",
                    "2026-1-31",
                    "2026-0131",
                    "202601-31",
                    "20260132",
                    "20261301",
                    "20230229",
                    "19000229",
                    "20260100",
                    "20260131T",
                    "２０２６0131",
                ],
            ),
            (
                Time,
                &["2359", "23:59", "235959", "23:59:60", "235959Z", "23:59:59.5+01:00", "2359-0130", "235959,25+01"],
                &[
                    "23",
                    "2460",
                    "23:5959",
                    "2359:59",
                    "23:59:",
                    "235961",
                    "235959.",
                    "235959z",
                    "235959+1",
                    "235959+01:",
                    "23:59+24",
                ],
            ),
            (
                Float,
                &["0", "-1.5", "+.5", "5.", "1e10", "1.5E-3", "INF", "-INF", "NaN"],
                &[".", "e1", "1e", "1e+", "1.2.3", "+INF", "inf", "1e1.5", "0x1", "1f"],
            ),
            (Format::Other("x".into()), &[], &["x", ""]),
        ];
        for (format, good, bad) in vectors {
            for value in good {
                assert!(fits(&format, value.as_bytes()), "{format:?} {value:?}");
            }
            for value in bad {
                assert!(!fits(&format, value.as_bytes()), "{format:?} {value:?}");
            }
        }
    }

    #[test]
    fn a_leaf_of_any_format_may_be_empty_and_an_interior_node_is_no_leaf() {
        for name in ["b64", "bin", "bool", "chr", "int", "null", "xml", "date", "time", "float"] {
            assert!(fits(&Format::parse(name), b""), "{name}");
        }
        assert!(!fits(&Format::Node, b""));
    }

    #[test]
    fn text_is_utf8_and_octets_are_octets() {
        let octets = [0xff, 0xfe];
        assert!(fits(&Format::Bin, &octets));
        for format in [Format::Chr, Format::Xml, Format::Int, Format::Date, Format::B64] {
            assert!(!fits(&format, &octets), "{format:?}");
        }
    }

    #[test]
    fn base64_gives_its_octets() {
        assert_eq!(from_base64(b"Tm9u\n Y2U"), Some(b"Nonce".to_vec()));
        assert_eq!(from_base64(b""), Some(Vec::new()));
        assert_eq!(from_base64(b"Tm9uY2"), None, "bits are left over that belong to no octet");
    }
}
