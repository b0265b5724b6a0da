//! Reads small text files of `/proc` and `/sys` completely, up to a limit.
//!
//! The kernel guarantees a maximum size for none of them: a host may have a hundred thousand mounts, and a user-space
//! file system mounted over `/proc/meminfo` (lxcfs) could return any amount.

use std::fs::File;
use std::io::Read;
use std::path::Path;

/// The text of a file, at most [`MAX_SIZE`] bytes of it. Bytes that are not UTF-8, as in the name of a mount, are
/// replaced. `None` if the file cannot be read.
pub(crate) fn read_text(path: impl AsRef<Path>) -> Option<String> {
    Some(String::from_utf8_lossy(&read_bytes(path)?).into_owned())
}

/// The bytes of a file, at most [`MAX_SIZE`] of them; `None` if the file cannot be read.
pub(crate) fn read_bytes(path: impl AsRef<Path>) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path).ok()?.take(MAX_SIZE).read_to_end(&mut bytes).ok()?;
    Some(bytes)
}

/// The first number after a label at the start of a line.
pub(crate) fn labelled(text: impl AsRef<[u8]>, label: &str) -> Option<u64> {
    let mut lines = text.as_ref().split(|&byte| byte == b'\n');
    numbers(lines.find_map(|line| line.strip_prefix(label.as_bytes()))?).next()?
}

/// Words separated by white space, each as a number; `None` for a word that is not one (negative, too large).
pub(crate) fn numbers(text: &[u8]) -> impl Iterator<Item = Option<u64>> {
    text.split(|byte| byte.is_ascii_whitespace())
        .filter(|word| !word.is_empty())
        .map(|word| std::str::from_utf8(word).ok()?.parse().ok())
}

/// Bytes. A `mountinfo` of ten thousand mounts has 2 MiB, every other file some kilobytes.
const MAX_SIZE: u64 = 4 << 20;

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn an_endless_file_is_read_up_to_the_limit() {
        assert_eq!(read_bytes("/dev/zero").map(|bytes| bytes.len() as u64), Some(MAX_SIZE));
    }

    #[test]
    fn a_missing_file_is_none() {
        assert_eq!(read_text("/nonexistent/echoctl"), None);
    }
}
