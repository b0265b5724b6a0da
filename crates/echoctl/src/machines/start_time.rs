//! A start time that several machines share, and the wait for it.
//!
//! ```text
//! 2026-01-01T00:00:00.5Z    RFC 3339, with any offset
//! 14:30:00                  today, in UTC: machines may be in different time zones
//! @1767225600.5             seconds since 1970
//! +10s                      from now
//! ```

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::terminal::interrupt;
use crate::values;

/// A time of the machine's clock, since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct StartTime(Duration);

impl StartTime {
    /// Parses a time of the present or the future.
    ///
    /// # Errors
    /// If it is not a time, or has passed by more than [`LATE`].
    pub(super) fn parse(text: &str) -> Result<StartTime, String> {
        StartTime::parse_at(text, now())
    }

    fn parse_at(text: &str, now: Duration) -> Result<StartTime, String> {
        let text = text.trim();
        let time = if let Some(after) = text.strip_prefix('+') {
            now + values::duration(after)?
        } else if let Some(seconds) = text.strip_prefix('@') {
            decimal(seconds).ok_or(EXPECTED)?
        } else if let Some((date, time)) = text.split_once(['T', 't', ' ']) {
            date_time(date, time).ok_or(EXPECTED)?
        } else {
            let (second, rest) = time_of_day(text).ok_or(EXPECTED)?;
            let is_utc = matches!(rest, "" | "Z" | "z");
            let midnight = Duration::from_secs(now.as_secs() / DAY * DAY);
            Some(midnight + second).filter(|_| is_utc).ok_or(EXPECTED)?
        };
        if time > now + MOST {
            return Err(format!("more than {} days from now", values::MAX_DAYS));
        }
        match now.checked_sub(time) {
            Some(passed) if passed > LATE => {
                Err(format!("this time has passed, by {}: it is {} now", Wait(passed), StartTime(now)))
            }
            _ => Ok(StartTime(time)),
        }
    }

    /// The time until it, by the machine's clock now; an error is the time by which it has passed.
    pub(super) fn left(self) -> Result<Duration, Duration> {
        let now = now();
        self.0.checked_sub(now).ok_or_else(|| now.saturating_sub(self.0))
    }

    /// Waits until the machine's clock shows it, and returns whether an exit was requested meanwhile. The clock is read again every
    /// [`STEP`], so that one that is set meanwhile changes the wait.
    pub(super) fn wait(self) -> bool {
        while let Ok(left) = self.left() {
            // The last part is one sleep, which the system ends a tenth of a millisecond late.
            if left > STEP {
                if interrupt::wait(STEP.min(left - STEP)) {
                    return true;
                }
            } else if left.is_zero() {
                break;
            } else {
                std::thread::sleep(left);
            }
        }
        false
    }
}

impl fmt::Display for StartTime {
    /// To a millisecond, in UTC.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", humantime::format_rfc3339_millis(UNIX_EPOCH + self.0))
    }
}

/// A wait, to a tenth of a second.
pub(super) struct Wait(pub(super) Duration);

impl fmt::Display for Wait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tenths = Duration::from_millis((self.0.as_millis() as u64 + 50) / 100 * 100);
        match tenths < Duration::from_secs(60) {
            true => write!(f, "{:.1} s", tenths.as_secs_f64()),
            false => write!(f, "{}", humantime::format_duration(Duration::from_secs(tenths.as_secs()))),
        }
    }
}

/// The machine's clock, since 1970. One from before 1970 counts as 1970.
pub(super) fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// Seconds with a fraction.
fn decimal(text: &str) -> Option<Duration> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let is_digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.len() > MOST_DIGITS || !is_digits(whole) || !is_digits(fraction) {
        return None;
    }
    let nanoseconds = format!("{:0<9.9}", fraction).parse().ok()?;
    Some(Duration::new(whole.parse().ok()?, nanoseconds))
}

/// The time since midnight of `14:30:00.5`, and the text that follows it.
fn time_of_day(text: &str) -> Option<(Duration, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != ':' && c != '.').unwrap_or(text.len());
    let (time, rest) = text.split_at(end);
    let mut parts = time.split(':');
    let (hour, minute, second) = (parts.next()?, parts.next()?, parts.next()?);
    let two_digits = |text: &str, most: u64| {
        let number: u64 = text.parse().ok()?;
        (text.len() == 2 && number <= most).then_some(number)
    };
    let whole = two_digits(second.split('.').next()?, 59)?;
    let minutes = two_digits(hour, 23)? * 60 + two_digits(minute, 59)?;
    let since = Duration::from_secs(minutes * 60) + decimal(second)?;
    (parts.next().is_none() && since.as_secs() % 60 == whole).then_some((since, rest))
}

/// A date and a time of RFC 3339, since 1970.
fn date_time(date: &str, time: &str) -> Option<Duration> {
    let mut parts = date.split('-');
    let (year, month, day) = (parts.next()?, parts.next()?, parts.next()?);
    let has_widths = (year.len(), month.len(), day.len()) == (4, 2, 2) && parts.next().is_none();
    let number =
        |text: &str| text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse::<u64>().ok())?;
    let (year, month, day) = (number(year)?, number(month)?, number(day)?);
    let days = days_since_1970(year, month, day).filter(|_| has_widths)?;
    let (since_midnight, offset) = time_of_day(time)?;
    let local = Duration::from_secs(days * DAY) + since_midnight;
    if matches!(offset, "Z" | "z") {
        return Some(local);
    }
    let (hours, minutes) = offset.get(1..)?.split_once(':')?;
    let is_offset = hours.len() == 2 && minutes.len() == 2;
    let (hours, minutes) = (number(hours)?, number(minutes)?);
    let ahead = Duration::from_secs(hours * 3600 + minutes * 60);
    match offset.as_bytes().first()? {
        _ if !is_offset || hours > 23 || minutes > 59 => None,
        b'+' => local.checked_sub(ahead),
        b'-' => Some(local + ahead),
        _ => None,
    }
}

/// Days from 1970 to a date of the Gregorian calendar, if there is such a date.
fn days_since_1970(year: u64, month: u64, day: u64) -> Option<u64> {
    let is_leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let in_month = match month {
        2 => 28 + u64::from(is_leap),
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    };
    if year < 1970 || !(1..=in_month).contains(&day) {
        return None;
    }
    // Years start in March here, so that the leap day is the last one.
    let (shifted, from_march) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days =
        365 * shifted + shifted / 4 - shifted / 100 + shifted / 400 + (153 * from_march + 2) / 5 + day - 1;
    Some(days - DAYS_TO_1970)
}

/// Days from the first of March of year 0 to 1970.
const DAYS_TO_1970: u64 = 719_468;

/// Seconds per day.
const DAY: u64 = 86_400;

/// A time that has passed by this much is still a start: a command takes a moment to begin.
pub(super) const LATE: Duration = Duration::from_secs(1);

/// The longest wait.
const MOST: Duration = Duration::from_secs(values::MAX_DAYS * DAY);

/// Interval at which the clock is read again.
const STEP: Duration = Duration::from_millis(250);

/// Digits of seconds since 1970: far more than a clock has.
const MOST_DIGITS: usize = 12;

const EXPECTED: &str = "not a time: expected 14:30:00 (today, UTC), 2026-01-01T14:30:00Z, @1767277800 (seconds since 1970) \
                        or +10s (from now)";

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-01-01 14:00:00 UTC.
    const NOW: Duration = Duration::from_secs(1_767_276_000);

    fn seconds_from_now(text: &str) -> Result<f64, String> {
        let time = StartTime::parse_at(text, NOW)?.0;
        Ok(time.as_secs_f64() - NOW.as_secs_f64())
    }

    #[test]
    fn a_time_has_four_spellings() {
        for (text, seconds) in [
            ("+10s", 10.0),
            ("+0", 0.0),
            (" 14:30:00 ", 1800.0),
            ("14:00:00.25Z", 0.25),
            ("@1767276000.5", 0.5),
            ("@1767276001", 1.0),
            ("2026-01-01T14:00:02Z", 2.0),
            ("2026-01-01 14:00:02.125Z", 2.125),
            ("2026-01-01T16:00:03+02:00", 3.0),
            ("2026-01-01T09:30:04-04:30", 4.0),
            ("2026-03-01T14:00:00Z", 59.0 * 86_400.0),
        ] {
            assert_eq!(seconds_from_now(text), Ok(seconds), "{text}");
        }
    }

    #[test]
    fn a_time_that_has_passed_is_refused() {
        assert_eq!(seconds_from_now("13:59:59"), Ok(-1.0), "within a second it may be late");
        for (text, passed) in
            [("13:59:58", "by 2.0 s"), ("2025-12-31T14:00:00Z", "by 1day"), ("@0", "by 56years")]
        {
            let error = seconds_from_now(text).expect_err(text);
            assert!(
                error.contains(passed) && error.contains("2026-01-01T14:00:00.000Z now"),
                "{text}: {error}"
            );
        }
    }

    #[test]
    fn other_texts_are_refused_with_examples() {
        for text in [
            "",
            "soon",
            "10s",
            "14:30",
            "1:2:3",
            "24:00:00",
            "14:60:00",
            "14:30:60",
            "14:30:00+01:00",
            "14:30:00:00",
            "@",
            "@-1",
            "@1e9",
            "@1767276000.",
            "2026-02-29T00:00:00Z",
            "2026-13-01T00:00:00Z",
            "26-01-01T14:00:00Z",
            "2026-01-01T14:00:00",
            "2026-01-01T14:00:00+25:00",
            "2026-01-01T14:00:00+2:00",
            "+-1s",
            "２026-01-01T14:00:00Z",
        ] {
            assert!(
                seconds_from_now(text).is_err_and(|error| error.contains("+10s") || error.contains("250ms")),
                "{text:?}"
            );
        }
        assert!(seconds_from_now("2027-02-01T00:00:00Z").is_err_and(|error| error.contains("365 days")));
    }

    #[test]
    fn the_calendar_is_the_gregorian_one() {
        for (date, days) in
            [((1970, 1, 1), 0), ((2000, 2, 29), 11_016), ((2000, 3, 1), 11_017), ((2100, 3, 1), 47_541)]
        {
            assert_eq!(days_since_1970(date.0, date.1, date.2), Some(days), "{date:?}");
        }
        assert_eq!(days_since_1970(2100, 2, 29), None);
    }

    #[test]
    fn a_wait_ends_not_before_its_time() {
        let start = StartTime(now() + Duration::from_millis(300));

        assert!(!start.wait());

        assert!(now() >= start.0);
    }
}
