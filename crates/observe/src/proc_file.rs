//! Small text files of `/proc` and `/sys`, read whole.
//!
//! The kernel bounds most of them by their form, and none by a promise: a host with a hundred thousand mounts, or a file
//! system in user space mounted over `/proc/meminfo` (lxcfs), could send any amount. So each read has a limit.

use std::fs::File;
use std::io::Read;
use std::path::Path;

/// The text of a file, at most [`MOST`] bytes of it. Bytes that are not UTF-8, as in the name of a mount, are replaced.
/// `None` where the file cannot be read.
pub(crate) fn read_text(path: impl AsRef<Path>) -> Option<String> {
    Some(String::from_utf8_lossy(&read_bytes(path)?).into_owned())
}

/// The bytes of a file, at most [`MOST`] of them. `None` where the file cannot be read.
pub(crate) fn read_bytes(path: impl AsRef<Path>) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path).ok()?.take(MOST).read_to_end(&mut bytes).ok()?;
    Some(bytes)
}

/// Bytes read at most: a `mountinfo` of ten thousand mounts has 2 MiB, everything else that is read here some kilobytes.
const MOST: u64 = 4 << 20;

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn a_file_without_end_is_read_to_the_limit() {
        assert_eq!(read_bytes("/dev/zero").map(|bytes| bytes.len() as u64), Some(MOST));
    }

    #[test]
    fn a_file_that_is_missing_is_none() {
        assert_eq!(read_text("/nonexistent/echoctl"), None);
    }
}
