//! Instants as dates, in UTC.

use std::fmt::{Display, Formatter, Result};
use std::time::{Duration, SystemTime};

/// A date and time of day in the proleptic Gregorian calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Timestamp {
    year: u64,
    month: u64,
    day: u64,
    second_of_day: u64,
    millis: u32,
}

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

impl Timestamp {
    /// The date of `time`; what lies before 1970 is shown as its first moment.
    pub(super) fn new(time: SystemTime) -> Self {
        let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO);
        let (year, month, day) = civil(since.as_secs() / 86_400);
        let second_of_day = since.as_secs() % 86_400;
        Self { year, month, day, second_of_day, millis: since.subsec_millis() }
    }

    /// RFC 3339, to the millisecond.
    pub(super) fn rfc3339(self) -> impl Display {
        Rfc3339(self)
    }

    /// As the Common Log Format has it: `21/Nov/2026:01:45:10 +0000`.
    pub(super) fn common(self) -> impl Display {
        Common(self)
    }

    fn clock(self) -> (u64, u64, u64) {
        (self.second_of_day / 3_600, self.second_of_day / 60 % 60, self.second_of_day % 60)
    }
}

struct Rfc3339(Timestamp);

impl Display for Rfc3339 {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let Timestamp { year, month, day, millis, .. } = self.0;
        let (hour, minute, second) = self.0.clock();
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millis:03}Z")
    }
}

struct Common(Timestamp);

impl Display for Common {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let Timestamp { year, month, day, .. } = self.0;
        let (hour, minute, second) = self.0.clock();
        let month = MONTHS[(month as usize - 1) % MONTHS.len()];
        write!(f, "{day:02}/{month}/{year:04}:{hour:02}:{minute:02}:{second:02} +0000")
    }
}

/// Year, month and day of a day counted from 1970-01-01. Years are counted
/// from March within eras of 400, so that the leap day comes last.
fn civil(days: u64) -> (u64, u64, u64) {
    const ERA_DAYS: u64 = 146_097;
    // 1970-01-01 is day 719,468 counted from 0000-03-01.
    let days = days + 719_468;
    let (era, day_of_era) = (days / ERA_DAYS, days % ERA_DAYS);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (era * 400 + year_of_era + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leap_days_and_turns_of_years_are_where_the_calendar_has_them() {
        // Days by GNU date: `date -ud DATE +%s` divided by 86,400.
        for (days, date) in [
            (0, (1970, 1, 1)),
            (10_957, (2000, 1, 1)),
            (11_016, (2000, 2, 29)),
            (11_017, (2000, 3, 1)),
            (20_513, (2026, 3, 1)),
            (20_453, (2025, 12, 31)),
            (47_540, (2100, 2, 28)),
            (47_541, (2100, 3, 1)),
        ] {
            assert_eq!(civil(days), date, "day {days}");
        }
    }

    #[test]
    fn both_notations_are_exact() {
        let time = SystemTime::UNIX_EPOCH + Duration::from_millis(1_000_000_000_042);
        let stamp = Timestamp::new(time);
        assert_eq!(stamp.rfc3339().to_string(), "2001-09-09T01:46:40.042Z");
        assert_eq!(stamp.common().to_string(), "09/Sep/2001:01:46:40 +0000");
    }

    #[test]
    fn a_clock_set_before_1970_is_no_panic() {
        let time = SystemTime::UNIX_EPOCH - Duration::from_secs(5);
        assert_eq!(Timestamp::new(time).rfc3339().to_string(), "1970-01-01T00:00:00.000Z");
    }
}
