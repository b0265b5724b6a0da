//! All samples of a run, thinned so that a long run needs bounded memory, and their maxima.

use echoctl_record::{Point, Queue, Queues, Sample};

/// The samples of a run, each kept once: for its recording, and for the verdict.
#[derive(Debug, Clone, Default)]
pub struct History {
    entries: Vec<Entry>,
    peaks: Peaks,
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    point: Point,
    is_evidence: bool,
}

/// Maxima of a run.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Peaks {
    /// The sample with most bytes in flight, while no connection was closed.
    pub pending: Sample,
    /// The most bytes inside the server, while no connection was closed.
    pub inside: Option<u64>,
    /// The sample with most memory of the server.
    memory: Option<(f64, u64)>,
    /// The memory of the server before the client began to send, or else in the first sample that shows it.
    pub base_memory: Option<u64>,
}

/// What a sample may be used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Use {
    /// It shows how the server treats a client that does not read, or reads slowly.
    Evidence,
    /// It is only recorded.
    Record,
    /// The server has closed a connection. Its queues are gone, and their bytes look as if they had been read.
    AfterClose,
}

impl History {
    /// One of a server that has this much memory before the client sends.
    pub(crate) fn since(base_memory: Option<u64>) -> History {
        History { peaks: Peaks { base_memory, ..Peaks::default() }, ..History::default() }
    }

    /// Adds the newest sample.
    pub(crate) fn add(&mut self, point: Point, used: Use) {
        self.peaks.add(&point.sample, used);
        self.entries.push(Entry { point, is_evidence: used == Use::Evidence });
        if self.entries.len() > MAX_SAMPLES {
            self.thin();
        }
    }

    /// Its maxima, over all samples that were ever added.
    pub fn peaks(&self) -> &Peaks {
        &self.peaks
    }

    /// The last sample.
    pub fn last(&self) -> Option<&Sample> {
        self.entries.last().map(|entry| &entry.point.sample)
    }

    /// The samples with what only a verdict needs, oldest first.
    pub(crate) fn points(&self) -> impl Iterator<Item = &Point> {
        self.entries.iter().map(|entry| &entry.point)
    }

    /// The samples, oldest first.
    pub fn samples(&self) -> impl DoubleEndedIterator<Item = &Sample> {
        self.entries.iter().map(|entry| &entry.point.sample)
    }

    /// The evidence, oldest first.
    pub fn evidence(&self) -> impl DoubleEndedIterator<Item = &Point> {
        self.entries.iter().filter(|entry| entry.is_evidence).map(|entry| &entry.point)
    }

    /// Removes every second sample, but not the first, the last, or one with a maximum.
    fn thin(&mut self) {
        let last = self.entries.len() - 1;
        let peaks = [Some(self.peaks.pending.t), self.peaks.memory.map(|(t, _)| t)];
        let mut index = 0..;
        self.entries.retain(|entry| {
            let index = index.next().unwrap_or(last);
            index % 2 == 0 || index == last || peaks.contains(&Some(entry.point.sample.t))
        });
    }
}

impl Peaks {
    fn add(&mut self, sample: &Sample, used: Use) {
        self.base_memory = self.base_memory.or(sample.server_memory);
        if let Some(memory) = sample.server_memory
            && self.memory.is_none_or(|(_, most)| memory > most)
        {
            self.memory = Some((sample.t, memory));
        }
        if used == Use::AfterClose {
            return;
        }
        self.inside = self.inside.max(Queues::of(sample)[Queue::Inside]);
        if sample.in_flight() >= self.pending.in_flight() {
            self.pending = *sample;
        }
    }

    /// The most memory that the server had.
    pub fn memory(&self) -> Option<u64> {
        self.memory.map(|(_, memory)| memory)
    }

    /// The most that the server's memory grew: the one figure for it in a live view, a verdict and a summary.
    pub fn growth(&self) -> Option<u64> {
        Some(self.memory()?.saturating_sub(self.base_memory?))
    }

    /// How much its memory has grown in this sample.
    pub fn growth_at(&self, sample: &Sample) -> Option<u64> {
        Some(sample.server_memory?.saturating_sub(self.base_memory?))
    }
}

/// Samples of a run: 15 minutes at 20 per second, 4 MiB.
const MAX_SAMPLES: usize = 18_000;

#[cfg(test)]
mod tests {
    use super::*;

    /// One pending byte per number, and as much memory.
    fn point(t: u32, bytes: u64) -> Point {
        let sample = Sample {
            t: f64::from(t),
            produced: bytes,
            server_read: Some(bytes),
            server_written: Some(0),
            server_memory: Some(1000 + bytes),
            ..Sample::default()
        };
        Point { sample, ..Point::default() }
    }

    #[test]
    fn growth_counts_from_before_the_first_sample_if_that_is_known() {
        for (base, growth) in [(Some(400), 605), (None, 0)] {
            let mut history = History::since(base);

            history.add(point(0, 5), Use::Record);

            assert_eq!(history.peaks().growth(), Some(growth), "{base:?}");
        }
    }

    #[test]
    fn thinning_keeps_the_first_the_last_and_the_peak() {
        let mut history = History::default();
        let last = 10 * MAX_SAMPLES as u32;
        for t in 0..=last {
            let used = if t < last / 2 { Use::Record } else { Use::Evidence };
            history.add(point(t, if t == 12_345 { 7 } else { 1 }), used);

            assert!(history.entries.len() <= MAX_SAMPLES);
        }

        let times: Vec<f64> = history.samples().map(|sample| sample.t).collect();
        assert!(times.is_sorted() && times.len() > MAX_SAMPLES / 3, "{}", times.len());
        assert_eq!((times[0], times.last()), (0.0, Some(&f64::from(last))));
        assert!(times.contains(&12_345.0));
        assert_eq!(history.peaks().growth(), Some(6));
        assert!(history.evidence().all(|point| point.sample.t >= f64::from(last / 2)));
    }

    #[test]
    fn after_a_close_only_memory_has_a_peak() {
        let mut history = History::default();
        history.add(point(0, 0), Use::Record);
        history.add(point(1, 5), Use::Record);
        history.add(point(2, 9), Use::AfterClose);

        let peaks = history.peaks();
        assert_eq!((peaks.pending.t, peaks.inside, peaks.growth()), (1.0, Some(5), Some(9)));
        assert_eq!(peaks.growth_at(history.samples().next().unwrap()), Some(0));
    }
}
