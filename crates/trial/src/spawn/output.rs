//! The last output of a command, stored in bounded memory to be shown when it fails.

use std::collections::VecDeque;
use std::io::{PipeReader, Read};
use std::sync::{Arc, Mutex, PoisonError};

use echoctl_observe::{Error, start_thread};
use echoctl_record::printable;

/// The last [`RETAINED`] bytes that a command printed, stdout and stderr together.
#[derive(Debug, Clone, Default)]
pub(super) struct Output(Arc<Mutex<VecDeque<u8>>>);

impl Output {
    /// Reads from `pipe` until its other end is closed, so that the command never blocks on its own output.
    ///
    /// # Errors
    /// When no thread can be started.
    pub(super) fn follow(mut pipe: PipeReader) -> Result<Output, Error> {
        let output = Output::default();
        let retained = output.clone();
        // It ends with the last process that has the pipe open. It is not waited for, because a process may have been left running.
        start_thread("output", move || {
            let mut chunk = [0; 4096];
            while let Ok(length @ 1..) = pipe.read(&mut chunk) {
                retained.push(&chunk[..length]);
            }
        })?;
        Ok(output)
    }

    fn push(&self, bytes: &[u8]) {
        let mut retained = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        retained.extend(bytes);
        let excess = retained.len().saturating_sub(RETAINED);
        retained.drain(..excess);
    }

    /// The last lines as text that is safe to print, empty if nothing was printed.
    pub(super) fn tail(&self) -> String {
        let retained = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let text = String::from_utf8_lossy(&retained.iter().copied().collect::<Vec<u8>>()).into_owned();
        drop(retained);
        let lines: Vec<_> = text.lines().map(printable).filter(|line| !line.trim().is_empty()).collect();
        lines[lines.len().saturating_sub(LINES)..].join("\n")
    }
}

/// Bytes stored: more than the lines that are shown ever need.
const RETAINED: usize = 16 << 10;

/// Lines shown: an error with its context, not a log.
const LINES: usize = 12;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_end_is_retained_and_it_is_safe_to_print() {
        let output = Output::default();
        for i in 0..100_000 {
            output.push(format!("line {i} \x1b[31mred \u{202e}\n").as_bytes());
        }

        assert_eq!(output.0.lock().unwrap().len(), RETAINED);
        assert!(output.tail().ends_with("line 99999 ␛[31mred \u{fffd}"));
        assert_eq!(output.tail().lines().count(), LINES);
    }
}
