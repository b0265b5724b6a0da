//! The output of a command: its end, stored in bounded memory to be shown when it fails, and the reports that are found in it.

use std::collections::VecDeque;
use std::io::Read;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use echoctl_observe::{Error, start_thread};
use echoctl_record::printable;

use super::OutputWatch;
use super::output_watch::Reports;

/// The output of a command, which a thread reads.
#[derive(Debug)]
pub(super) struct Output {
    printed: Arc<Mutex<Printed>>,
    /// Ends with the last process that has the pipe open. It is not waited for, because a process may have been left running.
    reader: JoinHandle<()>,
}

/// What a command has printed.
#[derive(Debug, Default)]
pub(super) struct Printed {
    /// Its last [`RETAINED`] bytes.
    tail: VecDeque<u8>,
    /// Bytes printed.
    length: u64,
    pub(super) reports: Reports,
}

impl Output {
    /// Reads from `pipe` until its other end is closed, so that the command never blocks on its own output.
    ///
    /// # Errors
    /// When no thread can be started.
    pub(super) fn follow(mut pipe: impl Read + Send + 'static) -> Result<Output, Error> {
        let printed: Arc<Mutex<Printed>> = Arc::default();
        let shared = Arc::clone(&printed);
        let reader = start_thread("output", move || {
            // Large, because a client may print all that it receives.
            let mut piece = vec![0; 64 << 10];
            while let Ok(length @ 1..) = pipe.read(&mut piece) {
                shared.lock().unwrap_or_else(PoisonError::into_inner).add(&piece[..length]);
            }
            shared.lock().unwrap_or_else(PoisonError::into_inner).reports.end_line();
        })?;
        Ok(Output { printed, reader })
    }

    /// A watch of what it prints from now on.
    pub(super) fn watch(&self) -> OutputWatch {
        OutputWatch::new(Arc::clone(&self.printed))
    }

    /// Bytes printed so far.
    pub(super) fn length(&self) -> u64 {
        self.printed.lock().unwrap_or_else(PoisonError::into_inner).length
    }

    /// The last lines as text that is safe to print, each shortened if it is long; empty if nothing was printed.
    pub(super) fn tail(&self) -> String {
        let bytes = Vec::from(self.printed.lock().unwrap_or_else(PoisonError::into_inner).tail.clone());
        let text = String::from_utf8_lossy(&bytes);
        let lines: Vec<_> = text
            .lines()
            .filter(|line| !line.trim().is_empty())
            .map(|line| printable(&shortened(line)).into_owned())
            .collect();
        lines[lines.len().saturating_sub(LINES)..].join("\n")
    }

    /// The same at the end of the output, which is waited for, because what a command printed before it exited may still be in
    /// the pipe.
    pub(super) fn tail_at_end(&self, timeout: Duration) -> String {
        let deadline = Instant::now() + timeout;
        while !self.reader.is_finished() && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(1));
        }
        self.tail()
    }
}

impl Printed {
    fn add(&mut self, piece: &[u8]) {
        self.length += piece.len() as u64;
        self.tail.extend(piece);
        let excess = self.tail.len().saturating_sub(RETAINED);
        self.tail.drain(..excess);
        self.reports.read(piece);
    }
}

/// The beginning of a line that is long.
fn shortened(line: &str) -> String {
    match line.char_indices().nth(LONGEST_LINE) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line.to_owned(),
    }
}

/// Characters of a line that are shown: a client may print what it receives, which need not have line breaks.
const LONGEST_LINE: usize = 500;

/// Bytes stored: more than the lines that are shown ever need.
const RETAINED: usize = 16 << 10;

/// Lines shown: an error with its context, not a log.
const LINES: usize = 12;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_line_is_shortened() {
        let output = Output::follow(std::io::Cursor::new("é".repeat(2000))).unwrap();

        let tail = output.tail_at_end(echoctl_testkit::DEADLINE);

        assert_eq!(tail.chars().count(), LONGEST_LINE + 1);
        assert!(tail.ends_with('…'), "{tail}");
    }

    #[test]
    fn only_the_end_is_retained_and_it_is_safe_to_print() {
        let lines: String = (0..100_000).map(|i| format!("line {i} \x1b[31mred \u{202e}\n")).collect();

        let output = Output::follow(std::io::Cursor::new(lines)).unwrap();

        let tail = output.tail_at_end(echoctl_testkit::DEADLINE);
        assert_eq!(output.printed.lock().unwrap().tail.len(), RETAINED);
        assert!(tail.ends_with("line 99999 ␛[31mred \u{fffd}"), "{tail}");
        assert_eq!(tail.lines().count(), LINES);
        assert!(output.length() > RETAINED as u64);
    }
}
