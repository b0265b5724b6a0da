//! Time of the day, as the clock of this host shows it.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::sys;

/// The time of the day, for a screen and a log: `14:02:07`. Empty if the system does not know it.
pub(super) fn time_of_day() -> String {
    sys::local_time(seconds())
        .map_or(String::new(), |[.., hour, minute, second]| format!("{hour:02}:{minute:02}:{second:02}"))
}

/// Seconds since 1970, to the millisecond; 0 before.
pub(super) fn unix_time() -> f64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    (since.as_secs_f64() * 1e3).round() / 1e3
}

/// Date and time, for the name of a file: `20260131-140207`.
#[cfg(feature = "tui")]
pub(super) fn stamp() -> String {
    sys::local_time(seconds()).map_or_else(
        || seconds().to_string(),
        |[year, month, day, hour, minute, second]| {
            format!("{year}{month:02}{day:02}-{hour:02}{minute:02}{second:02}")
        },
    )
}

/// Seconds since 1970.
fn seconds() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    i64::try_from(since).unwrap_or(i64::MAX)
}
