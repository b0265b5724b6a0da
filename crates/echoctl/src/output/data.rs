//! Writes data to stdout: byte for byte to a file or a pipe, made printable on a terminal.

use std::io::{self, IsTerminal, StdoutLock, Write};

use echoctl_record::printable_lines;

/// A writer to stdout. A file or a pipe gets the bytes unchanged, a terminal gets printable text.
pub(crate) struct Data {
    stdout: StdoutLock<'static>,
    is_terminal: bool,
    /// The first bytes of a character whose other bytes have not arrived yet.
    partial: Vec<u8>,
}

impl Data {
    /// Locks stdout until it is dropped.
    pub(crate) fn new() -> Data {
        Data { stdout: io::stdout().lock(), is_terminal: io::stdout().is_terminal(), partial: Vec::new() }
    }
}

impl Write for Data {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if !self.is_terminal {
            return self.stdout.write(bytes);
        }
        self.stdout.write_all(printable_bytes(&mut self.partial, bytes).as_bytes())?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stdout.flush()
    }
}

/// `partial` and `bytes` as printable text. An incomplete character at the end is moved to `partial`. A carriage return before
/// a line feed is removed.
fn printable_bytes(partial: &mut Vec<u8>, bytes: &[u8]) -> String {
    partial.extend_from_slice(bytes);
    let last = partial.utf8_chunks().last();
    let incomplete = last.map_or(0, |chunk| incomplete(chunk.invalid()));
    let whole = partial.len() - incomplete;
    let text = String::from_utf8_lossy(&partial[..whole]).replace("\r\n", "\n");
    let text = printable_lines(&text).into_owned();
    partial.drain(..whole);
    text
}

/// The length of `bytes` if they are the beginning of a character, else 0.
fn incomplete(bytes: &[u8]) -> usize {
    match std::str::from_utf8(bytes) {
        Err(error) if error.error_len().is_none() => bytes.len(),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_split_of_the_bytes_gives_the_same_printable_text() {
        let bytes = "é\x1b[31m日\r\nz\u{9b}\r".as_bytes();
        let bytes: Vec<u8> = bytes.iter().copied().chain([0xff, 0x9b]).collect();
        for cut in 0..bytes.len() {
            let mut partial = Vec::new();

            let shown =
                [&bytes[..cut], &bytes[cut..]].map(|part| printable_bytes(&mut partial, part)).concat();

            // If the split is between \r and \n, the \r is shown.
            let shown = shown.replace("␍\n", "\n");
            assert_eq!(shown, "é␛[31m日\nz\u{fffd}␍\u{fffd}\u{fffd}", "cut at {cut}");
            assert!(partial.is_empty(), "cut at {cut}");
        }
    }
}
