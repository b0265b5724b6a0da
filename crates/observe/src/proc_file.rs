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
