//! Searches everything that a command prints for the report that it ran out of memory.

use std::sync::{Arc, Mutex, PoisonError};

use echoctl_record::printable;

use super::out_of_memory::is_report;
use super::output::Printed;

/// What a command prints from the moment at which this watch began. Clones watch the same.
#[derive(Debug, Clone)]
pub struct OutputWatch {
    printed: Arc<Mutex<Printed>>,
    /// Lines that had been printed before.
    since: u64,
}

impl OutputWatch {
    pub(super) fn new(printed: Arc<Mutex<Printed>>) -> OutputWatch {
        let since = printed.lock().unwrap_or_else(PoisonError::into_inner).reports.lines;
        OutputWatch { printed, since }
    }

    /// The first line in which the command, or a process of it, reported that it ran out of memory. It is safe to print, and
    /// shortened if it is long.
    pub fn out_of_memory(&self) -> Option<String> {
        let printed = self.printed.lock().unwrap_or_else(PoisonError::into_inner);
        let mut reports = printed.reports.found.iter().filter(|(line, _)| *line >= self.since);
        reports.next().map(|(_, report)| report.clone())
    }
}

/// The reports in an output, which is read in pieces and cut into lines. Its memory is bounded.
#[derive(Debug, Default)]
pub(super) struct Reports {
    /// The unfinished line, up to [`LONGEST_LINE`].
    line: Vec<u8>,
    /// Finished lines.
    lines: u64,
    /// The first [`MOST_REPORTS`] reports, each with the number of its line.
    found: Vec<(u64, String)>,
}

impl Reports {
    /// Searches the next piece of the output.
    pub(super) fn read(&mut self, piece: &[u8]) {
        for part in piece.split_inclusive(|byte| *byte == b'\n') {
            let length = part.len().min(LONGEST_LINE - self.line.len());
            self.line.extend(&part[..length]);
            if part.ends_with(b"\n") {
                self.end_line();
            }
        }
    }

    /// Ends the line that is not finished: at a line break, or at the end of the output.
    pub(super) fn end_line(&mut self) {
        let line = String::from_utf8_lossy(&self.line);
        if self.found.len() < MOST_REPORTS && is_report(&line) {
            let shown = line.trim().chars().take(SHOWN).collect::<String>();
            self.found.push((self.lines, printable(&shown).into_owned()));
        }
        self.line.clear();
        self.lines += 1;
    }
}

/// Bytes of a line that are searched: a report with a log's prefix, or with the start of a stack trace in the same line.
const LONGEST_LINE: usize = 4096;

/// Reports stored: a process prints one when it fails, and a server may survive some of its start.
const MOST_REPORTS: usize = 16;

/// Characters of a report that are shown.
const SHOWN: usize = 200;

#[cfg(test)]
mod tests {
    use super::*;

    const REPORT: &str = "java.lang.OutOfMemoryError: Java heap space";

    fn watch() -> OutputWatch {
        OutputWatch::new(Arc::default())
    }

    fn print(watch: &OutputWatch, piece: &[u8]) {
        watch.printed.lock().unwrap().reports.read(piece);
    }

    #[test]
    fn a_report_is_found_however_it_is_cut() {
        let text = format!("listening\n{REPORT}\r\n\tat Server.main(Server.java:5)\n");
        for at in 0..text.len() {
            let watch = watch();
            print(&watch, &text.as_bytes()[..at]);
            print(&watch, &text.as_bytes()[at..]);

            assert_eq!(watch.out_of_memory().as_deref(), Some(REPORT), "cut at {at}");
        }
    }

    #[test]
    fn a_report_before_the_watch_does_not_count() {
        let before = watch();
        print(&before, format!("{REPORT}\n").as_bytes());
        let after = OutputWatch::new(Arc::clone(&before.printed));
        assert_eq!(after.out_of_memory(), None);

        print(&after, b"MemoryError\n");

        assert_eq!(before.out_of_memory().as_deref(), Some(REPORT), "the first");
        assert_eq!(after.clone().out_of_memory().as_deref(), Some("MemoryError"));
    }

    #[test]
    fn memory_is_bounded_and_text_is_safe_to_print() {
        let watch = watch();
        for _ in 0..1000 {
            print(&watch, &[b'x'; 4096]);
        }
        for _ in 0..1000 {
            print(&watch, format!("\n\x1b[31merror: {REPORT}{}", "!".repeat(5000)).as_bytes());
        }

        let report = watch.out_of_memory().unwrap();
        assert!(report.starts_with("␛[31merror: java.lang") && report.chars().count() == SHOWN, "{report}");
        let printed = watch.printed.lock().unwrap();
        assert_eq!((printed.reports.found.len(), printed.reports.lines), (MOST_REPORTS, 1000));
        assert!(printed.reports.line.capacity() <= 2 * LONGEST_LINE);
    }
}
