//! The census of an attack: whose bytes are in the server's memory at the end of the stall.

use echoctl_record::{Census, Marked};

use super::drain::Draining;
use super::monitor::Monitor;
use crate::marks::Marks;

/// Counts marks in the server's memory.
#[derive(Debug)]
pub(super) struct PayloadCensus {
    marks: Marks,
    /// Marks before the stimulus.
    before: u64,
    /// Whether the memory could not be read.
    pub(super) is_refused: bool,
}

impl PayloadCensus {
    /// A census of these marks.
    pub(super) fn new(marks: Marks) -> PayloadCensus {
        PayloadCensus { marks, before: 0, is_refused: false }
    }

    /// Counts those that the server has before the stimulus: its own data, unless it gets the marks only with the stimulus.
    pub(super) fn begin(&mut self, monitor: &mut Monitor) {
        if self.marks.marked == Marked::Output {
            self.before = monitor.census(&self.marks.needle).map_or(0, |count| count.occurrences);
        }
    }

    /// Counts at the end of the stall.
    pub(super) fn take(&mut self, monitor: &mut Monitor) -> Option<Census> {
        let count = monitor.census(&self.marks.needle);
        self.is_refused = count.is_none();
        let count = count?;
        Some(Census {
            marked: self.marks.marked,
            bytes: self.bytes(count.occurrences),
            before: self.bytes(self.before),
            scanned: count.scanned,
            is_complete: count.is_complete,
            seconds: count.seconds,
        })
    }

    /// Lets a drain count the marks in the output, which show for how many bytes of it each of them stands.
    pub(super) fn begin_drain(&self, drain: &mut Draining) {
        if self.marks.marked == Marked::Output {
            drain.count(&self.marks.needle);
        }
    }

    /// The census after the drain, which may show that this output has no marks, and the census has counted nothing of it.
    pub(super) fn end_drain(&self, census: Census, drain: &Draining) -> Option<Census> {
        if self.marks.marked == Marked::Input {
            return Some(census);
        }
        let measured = drain.bytes_per_mark()? / self.marks.bytes_per_mark;
        let scaled = |bytes: u64| (bytes as f64 * measured) as u64;
        Some(Census { bytes: scaled(census.bytes), before: scaled(census.before), ..census })
    }

    fn bytes(&self, marks: u64) -> u64 {
        (marks as f64 * self.marks.bytes_per_mark) as u64
    }
}
