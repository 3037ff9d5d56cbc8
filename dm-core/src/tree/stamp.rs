//! Calendar time as the `TStamp` property has it [DM TND 1.2, 7.7.5].

use alloc::{format, string::String};

use core_kit::UnixMillis;

/// ISO 8601 in its basic form, in UTC and to the second, such as `20260131T235959Z`. Nothing where the time is not
/// known, or is beyond the year 9999.
pub(super) fn stamp(time: UnixMillis) -> String {
    const DAY: u64 = 86_400;
    let seconds = time.0 / 1000;
    if time.0 == 0 {
        return String::new();
    }
    let (days, second) = (seconds / DAY, seconds % DAY);
    let Some((year, month, day)) = date(days) else { return String::new() };
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}{month:02}{day:02}T{hour:02}{minute:02}{second:02}Z")
}

/// The date so many days after the first of January 1970, up to the year 9999.
fn date(days: u64) -> Option<(u64, u64, u64)> {
    // Years that begin in March, in eras of 400 years, so that the leap day is the last day of each.
    const ERA: u64 = 146_097;
    let days = days.checked_add(719_468)?;
    let (era, day) = (days / ERA, days % ERA);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let march = (5 * day + 2) / 153;
    let day = day - (153 * march + 2) / 5 + 1;
    let (month, turned) = if march < 10 { (march + 3, 0) } else { (march - 9, 1) };
    let year = year + era * 400 + turned;
    (year <= 9999).then_some((year, month, day))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_a_date_of_the_calendar() {
        let vectors = [
            (1, "19700101T000000Z"),
            (951_782_399_000, "20000228T235959Z"),
            (951_782_400_000, "20000229T000000Z"),
            (951_868_800_000, "20000301T000000Z"),
            (1_769_903_999_999, "20260131T235959Z"),
            (4_107_542_399_000, "21000228T235959Z"),
            (4_107_542_400_000, "21000301T000000Z"),
            (253_402_300_799_999, "99991231T235959Z"),
        ];
        for (millis, text) in vectors {
            assert_eq!(stamp(UnixMillis(millis)), text);
        }
    }

    #[test]
    fn a_time_that_is_not_known_or_cannot_be_written_is_nothing() {
        for millis in [0, 253_402_300_800_000, u64::MAX] {
            assert_eq!(stamp(UnixMillis(millis)), "", "{millis}");
        }
    }
}
