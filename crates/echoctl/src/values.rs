//! Values of options: sizes, rates and times as people write them.

use std::time::Duration;

use bytesize::ByteSize;

/// Reads a size in bytes: `64KiB`, `1.5 MiB`, `4096`. Decimal units (`64KB`) are taken at their word.
pub(crate) fn size(text: &str) -> Result<u64, String> {
    text.trim()
        .parse::<ByteSize>()
        .map(|size| size.as_u64())
        .map_err(|_| "not a size: write it as 64KiB, 1MiB or a plain number of bytes".to_owned())
}

/// Reads a size that must not be 0.
pub(crate) fn positive_size(text: &str) -> Result<u64, String> {
    match size(text)? {
        0 => Err("must be at least 1 byte".to_owned()),
        bytes => Ok(bytes),
    }
}

/// Reads bytes a second: `64MiB` or `64MiB/s`.
pub(crate) fn rate(text: &str) -> Result<u64, String> {
    positive_size(text.trim().trim_end_matches("/s"))
        .map_err(|_| "not a rate: write it as 64MiB or 64MiB/s (bytes a second)".to_owned())
}

/// Reads a time: `250ms`, `3s`, `1m 30s`. A unit is needed, but for 0.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    if text.trim() == "0" {
        return Ok(Duration::ZERO);
    }
    humantime::parse_duration(text.trim()).map_err(|_| "not a time: write it as 250ms, 3s or 2m".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_as_people_write_them() {
        assert_eq!(size("64KiB"), Ok(64 << 10));
        assert_eq!(size(" 1.5 MiB"), Ok(3 << 19));
        assert_eq!(size("4096"), Ok(4096));
        assert_eq!(rate("64MiB/s"), Ok(64 << 20));
        assert_eq!(rate("64MiB"), Ok(64 << 20));
    }

    #[test]
    fn what_is_no_size_is_refused_with_an_example() {
        for text in ["", "banana", "-1", "64Kib/s/s", "1e99GiB"] {
            assert!(size(text).is_err_and(|error| error.contains("64KiB")), "{text:?} was taken");
        }
        assert!(positive_size("0").is_err());
        assert!(rate("fast").is_err());
    }

    #[test]
    fn times_need_a_unit() {
        assert_eq!(duration("250ms"), Ok(Duration::from_millis(250)));
        assert_eq!(duration("0"), Ok(Duration::ZERO));
        assert!(duration("3").is_err());
    }
}
