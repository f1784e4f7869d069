//! A moment, to the second: read from and shown as RFC 3339 in UTC, counted as Unix seconds. Leap seconds are not counted.

use core::fmt;
use core::str::FromStr;
use core::time::Duration;

/// A moment from 1970-01-01T00:00:00Z to 9999-12-31T23:59:59Z, in seconds since the first (RFC 3339, section 5.6, with
/// `T`, `Z` and no fractions).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Timestamp(u64);

/// The last moment that four digits of a year can say.
const LAST: u64 = 253_402_300_799;
const DAY: u64 = 86_400;
/// Days in 400 years; after them the calendar repeats itself.
const ERA: u64 = 146_097;
/// Days from 0000-03-01 to 1970-01-01. Years that begin in March have their leap day at the end.
const MARCH_0_TO_1970: u64 = 719_468;

/// A text is no moment of the form `2026-11-25T10:00:00Z`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotAMoment;

impl fmt::Display for NotAMoment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("is no time like 2026-11-25T10:00:00Z")
    }
}

impl Timestamp {
    /// This many seconds after 1970 began; what lies beyond the year 9999 is its last second.
    pub fn from_unix(seconds: u64) -> Timestamp {
        Timestamp(seconds.min(LAST))
    }

    /// Seconds since 1970 began.
    pub fn unix(self) -> u64 {
        self.0
    }

    /// So much later, at most the last second of the year 9999.
    pub fn later(self, by: Duration) -> Timestamp {
        Timestamp::from_unix(self.0.saturating_add(by.as_secs()))
    }
}

impl FromStr for Timestamp {
    type Err = NotAMoment;

    fn from_str(text: &str) -> Result<Self, NotAMoment> {
        parse(text.as_bytes()).ok_or(NotAMoment)
    }
}

fn parse(text: &[u8]) -> Option<Timestamp> {
    let &[a, b, c, d, b'-', e, f, b'-', g, h, b'T', i, j, b':', k, l, b':', m, n, b'Z'] = text else { return None };
    let year = number(&[a, b, c, d]).filter(|&year| year >= 1970)?;
    let month = number(&[e, f]).filter(|month| (1..=12).contains(month))?;
    let day = number(&[g, h]).filter(|day| (1..=days_in(year, month)).contains(day))?;
    let hour = number(&[i, j]).filter(|&hour| hour < 24)?;
    let minute = number(&[k, l]).filter(|&minute| minute < 60)?;
    let second = number(&[m, n]).filter(|&second| second < 60)?;
    let minutes = days_since_1970(year, month, day)?.checked_mul(24)?.checked_add(hour)?.checked_mul(60)?;
    Some(Timestamp(minutes.checked_add(minute)?.checked_mul(60)?.checked_add(second)?))
}

fn number(digits: &[u8]) -> Option<u64> {
    digits.iter().try_fold(0_u64, |value, &digit| {
        let digit = char::from(digit).to_digit(10)?;
        value.checked_mul(10)?.checked_add(digit.into())
    })
}

fn days_in(year: u64, month: u64) -> u64 {
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Counted from March, a month's first day is `(153 m + 2) / 5` days into the year: the months have 31, 30, 31, 30, 31
/// days and then the same again.
fn days_since_1970(year: u64, month: u64, day: u64) -> Option<u64> {
    let (year, month) = if month > 2 { (year, month.checked_sub(3)?) } else { (year.checked_sub(1)?, month + 9) };
    let day_of_year = (153 * month + 2) / 5 + day.checked_sub(1)?;
    (year * 365 + year / 4 + year / 400 + day_of_year).checked_sub(year / 100)?.checked_sub(MARCH_0_TO_1970)
}

/// Year, month and day.
fn date_of(days_since_1970: u64) -> (u64, u64, u64) {
    let days = days_since_1970 + MARCH_0_TO_1970;
    let (era, day) = (days / ERA, days % ERA);
    // A year less for each leap day that has been, so that the division by 365 finds it.
    let year = (day - day / 1460 + day / 36_524 - day / (ERA - 1)) / 365;
    let day_of_year = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let year = era * 400 + year;
    if month < 10 { (year, month + 3, day) } else { (year + 1, month - 9, day) }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = date_of(self.0 / DAY);
        let second = self.0 % DAY;
        let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use std::format;
    use std::string::ToString;

    #[test]
    fn moments_are_what_date_says() {
        // date -u -d TEXT +%s
        for (text, seconds) in [
            ("1970-01-01T00:00:00Z", 0),
            ("1970-03-01T00:00:00Z", 5_097_600),
            ("2000-02-29T23:59:59Z", 951_868_799),
            ("2026-11-25T10:00:00Z", 1_795_600_800),
            ("2038-01-19T03:14:08Z", 2_147_483_648),
            ("2100-02-28T12:34:56Z", 4_107_501_296),
            ("2100-03-01T00:00:00Z", 4_107_542_400),
            ("9999-12-31T23:59:59Z", LAST),
        ] {
            assert_eq!(text.parse(), Ok(Timestamp(seconds)), "{text}");
            assert_eq!(Timestamp::from_unix(seconds).to_string(), text);
        }
        assert_eq!(Timestamp::from_unix(u64::MAX).to_string(), "9999-12-31T23:59:59Z");
        assert_eq!(Timestamp::from_unix(5).later(Duration::from_secs(60)).unix(), 65);
        assert_eq!(Timestamp::from_unix(5).later(Duration::MAX).unix(), LAST);
    }

    #[test]
    fn every_day_reads_back_as_it_is_written_and_follows_the_one_before() {
        let mut before = (1969, 12, 31);
        for day in 0..=LAST / DAY {
            let date = date_of(day);
            let next = match before {
                (year, 12, 31) => (year + 1, 1, 1),
                (year, month, day) if day == days_in(year, month) => (year, month + 1, 1),
                (year, month, day) => (year, month, day + 1),
            };
            assert_eq!(date, next);
            assert_eq!(days_since_1970(date.0, date.1, date.2), Some(day));
            before = date;
        }
        assert_eq!(before, (9999, 12, 31));
    }

    #[test]
    fn anything_else_is_no_moment() {
        let good = "2026-11-25T10:00:00Z";
        for (place, _) in good.char_indices() {
            let broken = format!("{}x{}", &good[..place], &good[place + 1..]);
            assert_eq!(broken.parse::<Timestamp>(), Err(NotAMoment), "{broken}");
        }
        for text in [
            "",
            "2026-11-25",
            "2026-11-25T10:00:00",
            "2026-11-25T10:00:00+00:00",
            "2026-11-25T10:00:00.0Z",
            "2026-11-25 10:00:00Z",
            "2026-11-25t10:00:00z",
            " 2026-11-25T10:00:00Z",
            "2026-11-25T10:00:00Z\n",
            "1969-12-31T23:59:59Z",
            "2026-00-25T10:00:00Z",
            "2026-13-25T10:00:00Z",
            "2026-11-00T10:00:00Z",
            "2026-11-31T10:00:00Z",
            "2026-02-29T10:00:00Z",
            "2100-02-29T10:00:00Z",
            "2026-11-25T24:00:00Z",
            "2026-11-25T10:60:00Z",
            "2026-12-31T23:59:60Z",
            "+026-11-25T10:00:00Z",
            "２０26-11-25T10:00Z",
        ] {
            assert_eq!(text.parse::<Timestamp>(), Err(NotAMoment), "{text:?}");
        }
        assert_eq!(NotAMoment.to_string(), "is no time like 2026-11-25T10:00:00Z");
    }
}
