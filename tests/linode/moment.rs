//! Time: when something was, and what becomes of it without anybody doing anything.

use serde::{Deserialize, Serialize};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Milliseconds since 1970.
pub type Moment = u64;

/// The time it is.
pub fn now() -> Moment {
    // A clock before 1970 is nobody's; then it is 1970.
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// A while from then.
pub fn after(moment: Moment, while_: Duration) -> Moment {
    moment.saturating_add(u64::try_from(while_.as_millis()).unwrap_or(u64::MAX))
}

/// A moment as the API has it: `2018-01-01T00:01:01`, in UTC.
pub fn text(moment: Moment) -> String {
    let seconds = moment / 1000;
    let (mut days, mut year) = (seconds / 86400, 1970);
    let length = |year: u64| {
        let is_leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
        if is_leap { 366 } else { 365 }
    };
    while days >= length(year) {
        days -= length(year);
        year += 1;
    }
    let mut month = 1;
    for days_of_month in [31, length(year) - 337, 31, 30, 31, 30, 31, 31, 30, 31, 30] {
        if days < days_of_month {
            break;
        }
        days -= days_of_month;
        month += 1;
    }
    let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    format!("{year}-{month:02}-{:02}T{hour:02}:{minute:02}:{second:02}", days + 1)
}

/// Something that is one thing, and from some moment on another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moving<T> {
    first: T,
    then: Option<(Moment, T)>,
}

impl<T: Copy> Moving<T> {
    /// It stays as it is.
    pub fn still(value: T) -> Moving<T> {
        Moving { first: value, then: None }
    }

    /// It becomes something else at that moment.
    pub fn until(first: T, moment: Moment, then: T) -> Moving<T> {
        Moving { first, then: Some((moment, then)) }
    }

    /// What it is at a moment.
    pub fn at(&self, now: Moment) -> T {
        self.then.filter(|(moment, _)| now >= *moment).map_or(self.first, |(_, then)| then)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments() {
        let table = [
            (0, "1970-01-01T00:00:00"),
            (951_782_399_999, "2000-02-28T23:59:59"),
            (951_782_400_000, "2000-02-29T00:00:00"),
            (1_735_689_599_000, "2024-12-31T23:59:59"),
            (1_772_323_200_000, "2026-03-01T00:00:00"),
        ];
        for (moment, wanted) in table {
            assert_eq!(text(moment), wanted);
        }
        assert_eq!(after(5, Duration::from_secs(2)), 2005);
    }

    #[test]
    fn moving() {
        let moving = Moving::until('a', 10, 'b');
        assert_eq!((moving.at(9), moving.at(10), Moving::still('a').at(99)), ('a', 'b', 'a'));
    }
}
