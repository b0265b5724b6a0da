//! Parsers for option values: sizes, rates, times, numbers and names.
//!
//! All numbers are exact decimals with a unit. The bounds keep arithmetic safe: no sum of two sizes wraps, and no clock reading plus
//! a time overflows. A value beyond a bound is an error that names the bound; it is never clamped.

use std::ffi::OsStr;
use std::ops::RangeInclusive;
use std::time::Duration;

use clap::builder::{PossibleValue, TypedValueParser};
use clap::error::Error;
use clap::{Arg, Command};
use echoctl_proto::Framing;
use echoctl_record::Bytes;

/// A parser that knows the names of its values, for completions. It accepts what `parse` does, with its errors.
#[derive(Clone)]
pub(crate) struct Named<P> {
    pub(crate) names: fn() -> Vec<String>,
    pub(crate) parse: P,
}

impl<P: TypedValueParser> TypedValueParser for Named<P> {
    type Value = P::Value;

    fn parse_ref(&self, command: &Command, arg: Option<&Arg>, value: &OsStr) -> Result<P::Value, Error> {
        self.parse.parse_ref(command, arg, value)
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        Some(Box::new((self.names)().into_iter().map(PossibleValue::new)))
    }
}

/// Parses the name of a framing.
pub(crate) fn framing() -> impl TypedValueParser<Value = Framing> {
    Named {
        names: || Framing::ALL.map(|framing| framing.name().to_owned()).into(),
        parse: |name: &str| name.parse::<Framing>(),
    }
}

/// Parses a size in bytes: `64KiB`, `1.5 MiB`, `4096`, or with a decimal unit, `64KB`.
///
/// # Errors
/// If the text is not a size, or the size exceeds [`MAX_BYTES`].
pub(crate) fn size(text: &str) -> Result<u64, String> {
    bytes(text, "not a size: expected bytes, or a number with a unit such as 64KiB or 1.5MiB", "")
}

/// Parses a size of at least 1 byte.
pub(crate) fn positive_size(text: &str) -> Result<u64, String> {
    at_least_1(size(text)?, "")
}

/// Parses the size of something in memory, from 1 byte to `most`.
pub(crate) fn size_up_to(
    most: usize,
) -> impl Fn(&str) -> Result<usize, String> + Clone + Send + Sync + 'static {
    move |text| {
        let bytes = usize::try_from(positive_size(text)?).ok().filter(|&bytes| bytes <= most);
        bytes.ok_or_else(|| format!("must be at most {}", Bytes(most as u64)))
    }
}

/// A size as a default in the help: `1MiB`.
pub(crate) fn size_text(bytes: u64) -> String {
    Bytes(bytes).to_string().replace(' ', "")
}

/// A time as a default in the help: `15s`.
pub(crate) fn time_text(time: Duration) -> String {
    humantime::format_duration(time).to_string()
}

/// Parses a rate in bytes per second: `64MiB` or `64MiB/s`.
///
/// # Errors
/// If the text is not a rate, or the rate is 0 or exceeds [`MAX_BYTES`] per second.
pub(crate) fn rate(text: &str) -> Result<u64, String> {
    let text = text.trim();
    let expected = "not a rate: expected bytes per second, such as 64MiB or 64MiB/s";
    at_least_1(bytes(text.strip_suffix("/s").unwrap_or(text), expected, " per second")?, " per second")
}

/// Parses a number of bytes. Errors say what is expected, and `per` what the bound is for.
fn bytes(text: &str, expected: &str, per: &str) -> Result<u64, String> {
    let (number, unit) = split(text);
    let factor = bytes_in(unit).filter(|_| is_number(number)).ok_or_else(|| {
        // A number with an exponent (1e30) may be a size that is too large.
        let bound = if number.is_empty() { String::new() } else { format!(", at most {MAX_BYTES} bytes") };
        format!("{expected}{bound}")
    })?;
    scaled(number, factor)
        .filter(|&bytes| bytes <= u128::from(MAX_BYTES))
        .map(|bytes| bytes as u64)
        .ok_or_else(|| format!("too large: at most {MAX_BYTES} bytes, one less than 8EiB{per}"))
}

fn at_least_1(bytes: u64, per: &str) -> Result<u64, String> {
    if bytes > 0 { Ok(bytes) } else { Err(format!("must be at least 1 byte{per}")) }
}

/// Parses a time: `250ms`, `3s`, `1.5h`, `1m 30s`. A bare number is in seconds.
///
/// # Errors
/// If the text is not a time, or the time exceeds [`MAX_DAYS`]. An `Instant` plus any accepted time does not overflow.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let mut rest = text.trim();
    let mut total = Some(0_u128);
    let is_bare = is_number(rest);
    loop {
        let (number, after) = split(rest);
        let end = after.find(|c: char| c.is_ascii_digit() || c.is_whitespace()).unwrap_or(after.len());
        let (unit, after) = after.split_at(end);
        let factor = if is_bare { Some(SECOND) } else { nanoseconds_in(unit) };
        let factor = factor.filter(|_| is_number(number)).ok_or(
            "not a time: expected seconds, or a number with a unit such as 250ms, 3s, 2m or 1h 30m, at most 365d",
        )?;
        total = total.zip(scaled(number, factor)).and_then(|(total, more)| total.checked_add(more));
        rest = after.trim_start();
        if rest.is_empty() {
            break;
        }
    }
    let most = u128::from(MAX_DAYS) * DAY;
    total
        .filter(|&nanoseconds| nanoseconds <= most)
        .map(|nanoseconds| Duration::new((nanoseconds / SECOND) as u64, (nanoseconds % SECOND) as u32))
        .ok_or_else(|| format!("too long: at most {MAX_DAYS}d"))
}

/// Parses a time of more than 0.
pub(crate) fn positive_duration(text: &str) -> Result<Duration, String> {
    match duration(text)? {
        Duration::ZERO => Err("must be more than 0".to_owned()),
        time => Ok(time),
    }
}

/// Parses a number in `range`. Unlike clap's own parser, its error names the range for numbers beyond 64 bits too.
pub(crate) fn number<T: TryFrom<u64>>(
    range: RangeInclusive<u64>,
) -> impl Fn(&str) -> Result<T, String> + Clone + Send + Sync + 'static {
    move |text| {
        let number = text.trim().parse::<u64>().ok().filter(|number| range.contains(number));
        number
            .and_then(|number| T::try_from(number).ok())
            .ok_or_else(|| format!("expected a number from {} to {}", range.start(), range.end()))
    }
}

/// Process ids: positive, since 0 and negative numbers stand for process groups; the kernel's type is signed.
pub(crate) const PIDS: RangeInclusive<u64> = 1..=i32::MAX as u64;

/// The largest size and rate, in bytes: the largest signed 64-bit offset, so that the sum of two sizes does not wrap.
pub(crate) const MAX_BYTES: u64 = i64::MAX as u64;

/// The longest time, in days: longer than any run, and short enough for every clock.
pub(crate) const MAX_DAYS: u64 = 365;

/// The leading number and the rest, without the space between them.
fn split(text: &str) -> (&str, &str) {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, after) = text.split_at(end);
    (number, after.trim_start())
}

/// Whether `text` is a decimal number without sign or exponent.
fn is_number(text: &str) -> bool {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let is_digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    is_digits(whole) && is_digits(fraction)
}

/// A [number](is_number) times `factor`, rounded down; `None` if the product exceeds every bound in this file.
fn scaled(number: &str, factor: u128) -> Option<u128> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    let fraction = &fraction[..fraction.len().min(FRACTION_DIGITS)];
    let part = fraction.parse::<u128>().ok()? * factor / 10_u128.pow(fraction.len() as u32);
    // The whole part fits 64 bits, so the product fits 128.
    Some(u128::from(whole.parse::<u64>().ok()?) * factor + part)
}

/// Number of fractional digits that are used: times the largest factor (2⁶⁰) they fit 128 bits.
const FRACTION_DIGITS: usize = 18;

/// The bytes in a unit of any letter case: `KiB` and `Ki` are binary, `KB` and `K` decimal.
fn bytes_in(unit: &str) -> Option<u128> {
    let unit = unit.to_ascii_lowercase();
    let unit = unit.strip_suffix('b').unwrap_or(&unit);
    let (prefix, base) = unit.strip_suffix('i').map_or((unit, 1000_u128), |prefix| (prefix, 1024));
    match prefix {
        "" => (base == 1000).then_some(1),
        prefix => {
            let power = ["k", "m", "g", "t", "p", "e"].iter().position(|known| *known == prefix)?;
            Some(base.pow(power as u32 + 1))
        }
    }
}

/// The nanoseconds in a unit. Months and years vary in length, so they are not units.
fn nanoseconds_in(unit: &str) -> Option<u128> {
    Some(match unit {
        "ns" | "nsec" => 1,
        "us" | "µs" | "usec" => 1_000,
        "ms" | "msec" => 1_000_000,
        "s" | "sec" | "secs" | "second" | "seconds" => SECOND,
        "m" | "min" | "mins" | "minute" | "minutes" => 60 * SECOND,
        "h" | "hr" | "hrs" | "hour" | "hours" => 3600 * SECOND,
        "d" | "day" | "days" => DAY,
        "w" | "week" | "weeks" => 7 * DAY,
        _ => return None,
    })
}

/// Nanoseconds.
const SECOND: u128 = 1_000_000_000;

/// Nanoseconds.
const DAY: u128 = 86_400 * SECOND;

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn sizes_have_binary_or_decimal_units() {
        assert_eq!(size("64KiB"), Ok(64 << 10));
        assert_eq!(size(" 1.5 MiB"), Ok(3 << 19));
        assert_eq!(size("4096"), Ok(4096));
        assert_eq!(size("64KB"), Ok(64_000));
        assert_eq!(size("64kib"), size("64Ki"));
        assert_eq!(size("2GiB"), Ok(2 << 30));
        assert_eq!(rate("64MiB/s"), Ok(64 << 20));
        assert_eq!(rate("64MiB"), Ok(64 << 20));
    }

    #[test]
    fn sizes_are_exact_up_to_the_bound() {
        assert_eq!(size("9223372036854775807"), Ok(MAX_BYTES));
        assert_eq!(size("9007199254740993"), Ok((1 << 53) + 1));
        assert_eq!(size("7EiB"), Ok(7 << 60));
        assert_eq!(size("0.5EiB"), Ok(1 << 59));
        assert_eq!((size_up_to(9)("1"), size_up_to(9)("9")), (Ok(1), Ok(9)));
    }

    #[test]
    fn sizes_over_the_bound_are_refused_with_it() {
        let numbers = ["8EiB", "16EiB", "9223372036854775808", "18446744073709551616", "99999999999GiB"];
        let long = "9".repeat(400);
        for text in numbers.into_iter().chain([long.as_str(), "9.9e18", "1e30", "1e99GiB"]) {
            for read in [size, positive_size, rate] {
                let error = read(text).expect_err(text);
                assert!(error.contains("at most 9223372036854775807 bytes"), "{text}: {error}");
            }
        }
    }

    #[test]
    fn invalid_sizes_are_refused_with_an_example() {
        for text in
            ["", "banana", "-1", "+1", "NaN", "inf", "1.", ".5", "1..2", "0x10", "64Kib/s/s", "1iB", "KiB"]
        {
            assert!(size(text).is_err_and(|error| error.contains("64KiB")), "{text:?} was accepted");
        }
        assert!(positive_size("0").is_err() && positive_size("0.5").is_err());
        assert!(size_up_to(9)("0").is_err_and(|error| error == "must be at least 1 byte"));
        assert!(size_up_to(9)("10").is_err_and(|error| error == "must be at most 9 B"));
        assert!(rate("fast").is_err_and(|error| error.contains("64MiB/s")));
        assert!(rate("64MiB/s/s").is_err());
        assert!(rate("0").is_err());
    }

    #[test]
    fn numbers_out_of_range_are_refused_with_it() {
        let read = number::<u16>(1..=65535);

        assert_eq!((read("1"), read("65535")), (Ok(1), Ok(65535)));
        for text in ["0", "-1", "65536", "18446744073709551616", "1.5", "many", ""] {
            assert_eq!(read(text), Err("expected a number from 1 to 65535".to_owned()), "{text}");
        }
    }

    #[test]
    fn times_have_a_unit_or_are_in_seconds() {
        assert_eq!(duration("250ms"), Ok(250 * MS));
        assert_eq!(duration("0"), Ok(Duration::ZERO));
        assert_eq!(duration("3"), Ok(3000 * MS));
        assert_eq!(duration(" 0.25 "), Ok(250 * MS));
        assert_eq!(duration("1.5s"), Ok(1500 * MS));
        assert_eq!(duration("1m 30s"), Ok(90_000 * MS));
        assert_eq!(duration("1m30s"), Ok(90_000 * MS));
        assert_eq!(duration("2 h"), Ok(7_200_000 * MS));
        assert_eq!(duration("365d"), Ok(Duration::from_secs(365 * 86_400)));
        assert_eq!(positive_duration("1ns"), Ok(Duration::from_nanos(1)));
    }

    #[test]
    fn times_over_the_bound_are_refused_with_it() {
        let long = "9".repeat(400);
        for text in [
            "366d",
            "53w",
            "365d 1ns",
            "18446744073709551615s",
            "18446744073709551615s 1000ms",
            "18446744073709551616ns",
            long.as_str(),
        ] {
            assert!(duration(text).is_err_and(|error| error.contains("at most 365d")), "{text:?}");
        }
    }

    #[test]
    fn invalid_times_are_refused_with_an_example() {
        for text in ["", "soon", "-1s", "1e3", "NaN", "inf", "5 3", "1y", "1s 5", "s", "1.s", "٣s"] {
            assert!(duration(text).is_err_and(|error| error.contains("250ms")), "{text:?} was accepted");
        }
        assert!(positive_duration("0ms").is_err());
    }
}
