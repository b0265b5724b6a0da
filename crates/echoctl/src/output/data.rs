//! Stdout for data: what a file or a server holds, byte for byte, unless it would go to a terminal.

use std::io::{self, IsTerminal, StdoutLock, Write};

use echoctl_record::printable_lines;

/// A writer to stdout. A file or a pipe gets each byte as it is, a terminal only what can be printed.
pub(crate) struct Data {
    stdout: StdoutLock<'static>,
    is_terminal: bool,
    /// The first bytes of a character whose other bytes are still to come.
    partial: Vec<u8>,
}

impl Data {
    /// Takes stdout until it is dropped.
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

/// `bytes`, of which the first may end a character in `partial`, as text that can be printed. A carriage return before a line
/// feed ends a line too.
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

/// The length of `bytes` if more of them could follow to make a character, else 0.
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
    fn bytes_for_a_terminal_are_printable_however_they_are_cut() {
        let bytes = "é\x1b[31m日\r\nz\u{9b}\r".as_bytes();
        let bytes: Vec<u8> = bytes.iter().copied().chain([0xff, 0x9b]).collect();
        for cut in 0..bytes.len() {
            let mut partial = Vec::new();

            let shown =
                [&bytes[..cut], &bytes[cut..]].map(|part| printable_bytes(&mut partial, part)).concat();

            // Cut between the two bytes of a line's end, the first is shown.
            let shown = shown.replace("␍\n", "\n");
            assert_eq!(shown, "é␛[31m日\nz\u{fffd}␍\u{fffd}\u{fffd}", "cut at {cut}");
            assert!(partial.is_empty(), "cut at {cut}");
        }
    }
}
