//! The output of a command: its last words, kept in bounded memory to be shown when it fails.

use std::collections::VecDeque;
use std::io::{PipeReader, Read};
use std::sync::{Arc, Mutex, PoisonError};

use echoctl_observe::{Error, start_thread};

/// The last [`KEPT`] bytes that a command printed, on stdout and stderr together.
#[derive(Debug, Clone, Default)]
pub(super) struct Output(Arc<Mutex<VecDeque<u8>>>);

impl Output {
    /// Keeps reading from `pipe` until nobody holds its other end, so that the command never blocks on its own output.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub(super) fn follow(mut pipe: PipeReader) -> Result<Output, Error> {
        let output = Output::default();
        let kept = output.clone();
        // It ends with the last process that holds the pipe; nobody waits for it, since one may have been left on purpose.
        start_thread("output", move || {
            let mut chunk = [0; 4096];
            while let Ok(length @ 1..) = pipe.read(&mut chunk) {
                kept.push(&chunk[..length]);
            }
        })?;
        Ok(output)
    }

    fn push(&self, bytes: &[u8]) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.extend(bytes);
        let excess = kept.len().saturating_sub(KEPT);
        kept.drain(..excess);
    }

    /// The last lines as text, empty if nothing was printed.
    pub(super) fn tail(&self) -> String {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let text = String::from_utf8_lossy(&kept.iter().copied().collect::<Vec<u8>>()).into_owned();
        drop(kept);
        // What a program prints must not command the reader's terminal.
        let clean = |line: &str| line.chars().filter(|c| !c.is_control() || *c == '\t').collect::<String>();
        let lines: Vec<String> = text.lines().map(clean).filter(|line| !line.trim().is_empty()).collect();
        lines[lines.len().saturating_sub(LINES)..].join("\n")
    }
}

/// Bytes kept: more than the lines that are shown ever need.
const KEPT: usize = 16 << 10;

/// Lines shown: an error with its context, not a log.
const LINES: usize = 12;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_end_is_kept_and_control_characters_are_not() {
        let output = Output::default();
        for i in 0..100_000 {
            output.push(format!("line {i} \x1b[31mred\n").as_bytes());
        }

        assert_eq!(output.0.lock().unwrap().len(), KEPT);
        assert!(output.tail().ends_with("line 99999 [31mred"));
        assert_eq!(output.tail().lines().count(), LINES);
    }
}
