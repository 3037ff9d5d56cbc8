//! Dates of the wire: RFC 3339 in UTC, from 1970 to 9999.

use alloc::{format, string::String};

use core_kit::UnixMillis;

const MILLIS_PER_DAY: u64 = 86_400_000;
/// The last millisecond of the year 9999.
const LAST: u64 = 253_402_300_799_999;

/// The date as text, with milliseconds where there are any. What is later than the year 9999 is written as its end.
#[must_use]
pub fn format_date(date: UnixMillis) -> String {
    let millis = date.0.min(LAST);
    let (days, of_day) = (millis / MILLIS_PER_DAY, millis % MILLIS_PER_DAY);
    // Days since 0000-03-01, in eras of 400 years: the leap day is the last of its year.
    let shifted = days + 719_468;
    let (era, of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    let (hour, minute, second) = (of_day / 3_600_000, of_day / 60_000 % 60, of_day / 1000 % 60);
    let head = format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}");
    match of_day % 1000 {
        0 => format!("{head}Z"),
        part => format!("{head}.{part:03}Z"),
    }
}

/// The date that the text says; nothing for what is not RFC 3339 in UTC, or before 1970.
#[must_use]
pub fn parse_date(text: &str) -> Option<UnixMillis> {
    let (date, time) = text.strip_suffix('Z')?.split_once('T')?;
    let mut date = date.split('-');
    let (year, month, day) = (number(date.next()?, 4)?, number(date.next()?, 2)?, number(date.next()?, 2)?);
    let (time, fraction) = time.split_once('.').map_or((time, "0"), |(time, fraction)| (time, fraction));
    let mut time = time.split(':');
    let (hour, minute, second) = (number(time.next()?, 2)?, number(time.next()?, 2)?, number(time.next()?, 2)?);
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days = match month {
        4 | 6 | 9 | 11 => 30,
        2 => 28 + u64::from(is_leap),
        _ => 31,
    };
    let in_range = year >= 1970 && (1..=12).contains(&month) && (1..=days).contains(&day);
    if !in_range || hour > 23 || minute > 59 || second > 59 || date.next().is_some() || time.next().is_some() {
        return None;
    }
    let is_fraction = (1..=9).contains(&fraction.len()) && fraction.bytes().all(|byte| byte.is_ascii_digit());
    let millis = is_fraction.then(|| format!("{fraction:0<3}")).and_then(|padded| number(padded.get(..3)?, 3))?;
    let shifted_year = year - u64::from(month <= 2);
    let (era, year_of_era) = (shifted_year / 400, shifted_year % 400);
    let shifted_month = if month > 2 { month - 3 } else { month + 9 };
    let of_year = (153 * shifted_month + 2) / 5 + day - 1;
    let of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + of_year;
    let days = era * 146_097 + of_era - 719_468;
    Some(UnixMillis(days * MILLIS_PER_DAY + ((hour * 60 + minute) * 60 + second) * 1000 + millis))
}

fn number(text: &str, digits: usize) -> Option<u64> {
    let is_number = text.len() == digits && text.bytes().all(|byte| byte.is_ascii_digit());
    if is_number { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_written_and_read() {
        for (millis, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_400_000, "2000-02-29T00:00:00Z"),
            (1_235_902_500_000, "2009-03-01T10:15:00Z"),
            (1_704_067_199_999, "2023-12-31T23:59:59.999Z"),
            (LAST, "9999-12-31T23:59:59.999Z"),
        ] {
            assert_eq!(format_date(UnixMillis(millis)), text);
            assert_eq!(parse_date(text), Some(UnixMillis(millis)));
        }
        assert_eq!(format_date(UnixMillis(u64::MAX)), "9999-12-31T23:59:59.999Z");
        assert_eq!(parse_date("1970-01-01T00:00:01.5Z"), Some(UnixMillis(1500)));
        assert_eq!(parse_date("1970-01-01T00:00:01.500999Z"), Some(UnixMillis(1500)));
    }

    #[test]
    fn what_is_no_date_is_refused() {
        for text in [
            "",
            "1970-01-01",
            "1970-01-01T00:00:00",
            "1970-01-01T00:00:00+00:00",
            "1969-12-31T23:59:59Z",
            "2001-02-29T00:00:00Z",
            "2001-13-01T00:00:00Z",
            "2001-00-01T00:00:00Z",
            "2001-01-01T24:00:00Z",
            "2001-01-01T00:00:60Z",
            "2001-01-01T00:00:00.Z",
            "2001-1-01T00:00:00Z",
            "2001-01-01-01T00:00:00Z",
            "+001-01-01T00:00:00Z",
        ] {
            assert_eq!(parse_date(text), None, "{text}");
        }
    }
}
