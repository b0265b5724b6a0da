//! Computes from the evidence the figures that the rule needs, each on its own.

use echoctl_record::{Drain, Evidence, Point, Queues, Sample};

use super::limits::{BACKLOG, SETTLE};
use crate::pauses::{OwnMovement, own_movement};
use crate::trend::{Movement, Series};

/// What evidence shows at its end. Sizes in bytes, times in seconds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Signals<'a> {
    pub(super) evidence: &'a Evidence,
    /// The first point since the slow reader stopped reading.
    pub(super) first: Point,
    pub(super) last: Point,
    /// Duration so far.
    pub(super) t: f64,
    /// Input that the server has read.
    pub(super) read: u64,
    /// Output that the server has written.
    pub(super) written: u64,
    /// How long neither input nor output has moved, until now, apart from up to [`STALL_BYTES`] in each direction.
    pub(super) stalled: f64,
}

impl<'a> Signals<'a> {
    /// The signals; all are 0 or absent where nothing was recorded.
    pub(super) fn of(evidence: &'a Evidence) -> Signals<'a> {
        let end = |point: Option<&Point>| point.copied().unwrap_or_default();
        let (first, last) = (end(unread(evidence).next()), end(evidence.points.last()));
        let (t, read, written) = (last.sample.t, last.server_read(), last.server_written());
        Signals { evidence, first, last, t, read, written, stalled: stalled(evidence, &last) }
    }

    /// Bytes in those queues of the kernels that are visible.
    pub(super) fn in_queues(&self) -> u64 {
        Queues::of(&Sample { is_echo: Some(false), ..self.last.sample }).total()
    }

    /// Output that is pending for the input read since the output was full, at the ratio of output to input before.
    pub(super) fn pending_output(&self) -> u64 {
        let expected = answer_ratio(&self.evidence.points).map_or(0.0, |ratio| ratio * self.read as f64);
        (expected as u64).saturating_sub(self.written)
    }

    /// Growth of the server's memory since the start; `None` where it is not visible.
    pub(super) fn growth(&self) -> Option<u64> {
        let (now, before) = (self.last.sample.server_memory?, self.first.sample.server_memory?);
        Some(now.saturating_sub(before))
    }

    /// Maximum of that growth.
    pub(super) fn peak(&self) -> Option<u64> {
        let most = self.unread().filter_map(|point| point.sample.server_memory).max()?;
        Some(most.saturating_sub(self.first.sample.server_memory?))
    }

    /// Slope of the memory's floor over input: bytes retained per byte read.
    pub(super) fn retained(&self) -> Option<f64> {
        let memory = |point: &Point| Some((point.server_read() as f64, point.sample.server_memory? as f64));
        let by_input = Series::new(self.evidence.points.iter().filter_map(memory)).visible()?;
        Some(by_input.floor().slope())
    }

    /// Input that was read and output that was written during the stall, in all.
    pub(super) fn moved_while_stalled(&self) -> u64 {
        let begin = self.t - self.stalled - ROUNDING;
        let Some(first) = self.evidence.points.iter().find(|point| point.sample.t >= begin) else { return 0 };
        self.read.saturating_sub(first.server_read()) + self.written.saturating_sub(first.server_written())
    }

    /// Movement of memory over the whole attack.
    pub(super) fn memory_in_all(&self) -> Option<Movement> {
        Some(self.over_time(|point| point.sample.server_memory)?.movement())
    }

    /// The same, until nothing moved any more: an attack may last longer than there is something to send.
    pub(super) fn memory_while_moving(&self) -> Option<Movement> {
        let until = self.moved_until();
        let memory = self.over_time(|point| point.sample.server_memory.filter(|_| point.sample.t <= until));
        Some(memory?.movement())
    }

    /// The same, during the stall.
    pub(super) fn memory_while_stalled(&self) -> Option<Movement> {
        self.memory_in_last(self.settled_for())
    }

    /// The same, over the last seconds.
    pub(super) fn memory_in_last(&self, seconds: f64) -> Option<Movement> {
        Some(self.over_time(|point| point.sample.server_memory)?.since(self.t - seconds).movement())
    }

    /// Movement of the floor of memory during the stall: what rises there is not released.
    pub(super) fn floor_while_stalled(&self) -> Option<Movement> {
        let memory = self.over_time(|point| point.sample.server_memory)?;
        Some(memory.since(self.t - self.settled_for()).floor().movement())
    }

    /// Movement of disk writes during the stall.
    pub(super) fn disk_while_stalled(&self) -> Option<Movement> {
        let since = self.t - self.settled_for();
        Some(self.over_time(|point| point.disk_written)?.since(since).movement())
    }

    /// Bytes written to disk since the start.
    pub(super) fn disk_written(&self) -> Option<u64> {
        Some(self.last.disk_written?.saturating_sub(self.first.disk_written?))
    }

    /// Processor cores that the server used during the stall.
    pub(super) fn busy_while_stalled(&self) -> Option<f64> {
        let since = self.t - self.settled_for();
        let stall = self.evidence.points.iter().filter(|point| point.sample.t >= since);
        let used: Vec<_> = stall.filter_map(|point| Some((point.sample.t, point.cpu_seconds?))).collect();
        let (from, to) = (used.first()?, used.last()?);
        (to.0 - from.0 > 0.5).then(|| (to.1 - from.1) / (to.0 - from.0))
    }

    /// Bytes that were drained and had been buffered outside the two kernels.
    pub(super) fn drained(&self) -> u64 {
        self.evidence.drain.as_ref().map_or(0, Drain::beyond_kernels)
    }

    /// The bytes that a drained stream delivered before it slowed down: they had been queued.
    pub(super) fn backlog(&self) -> Option<u64> {
        let drain = self.evidence.drain.as_ref()?;
        let end = drain.curve.last()?;
        let at =
            |t: f64| drain.curve.iter().take_while(|point| point.0 <= t).last().map_or(0, |point| point.1);
        // The bend: the time by which half of everything had come. For a steady stream it is half of the time.
        let half = drain.curve.iter().find(|point| point.1 >= end.1 / 2)?.0;
        let after = end.1.saturating_sub(at(end.0 / 2.0));
        let is_bent = half * 6.0 < end.0 && after > 0 && after < end.1 / 4;
        (is_bent && end.0 >= 0.5 && drain.beyond_kernels() >= BACKLOG).then(|| drain.beyond_kernels())
    }

    /// Bytes per second in the second half of a drain of what a server makes by itself, when what was pending has come.
    pub(super) fn rate_of_late_drain(&self) -> f64 {
        let drain = self.evidence.drain.as_ref().filter(|_| !self.evidence.repeats);
        let Some((drain, end)) = drain.and_then(|drain| Some((drain, drain.curve.last()?))) else {
            return 0.0;
        };
        let middle = drain.curve.iter().find(|point| point.0 >= end.0 / 2.0).unwrap_or(end);
        (end.1.saturating_sub(middle.1)) as f64 / (end.0 - middle.0).max(0.01)
    }

    /// How long output waited for the slow reader.
    pub(super) fn waited(&self) -> f64 {
        let waits = |point: &&Point| point.output_waiting() > 0 || point.output_is_blocked();
        let mut waiting = self.unread().filter(waits);
        let Some(first) = waiting.next() else { return 0.0 };
        waiting.next_back().unwrap_or(first).sample.t - first.sample.t
    }

    /// How input and output moved, apart from what a drain prompted.
    pub(super) fn own_movement(&self) -> OwnMovement {
        own_movement(&self.evidence.points, |point| {
            point.server_read().saturating_add(point.server_written())
        })
    }

    /// Output that the server has written, without what a drain prompted it to write.
    pub(super) fn written_by_itself(&self) -> u64 {
        self.own_movement().before_drain.map_or(self.written, |point| point.server_written())
    }

    /// The time of the last movement.
    fn moved_until(&self) -> f64 {
        // It is the difference of two times, which is rounded.
        self.t - self.stalled + ROUNDING
    }

    /// Bytes of output per second before the stall.
    pub(super) fn rate(&self) -> f64 {
        // A sample is taken every 50 ms: what came before the first one may have taken no time.
        self.written as f64 / self.moved_until().max(0.1)
    }

    /// Time from the first byte of output to the last movement that no drain prompted.
    pub(super) fn produced_for(&self) -> f64 {
        let first = self.evidence.points.iter().find(|point| point.server_written() > 0);
        first.map_or(0.0, |first| (self.own_movement().last - first.sample.t).max(0.0))
    }

    /// Whether the server read or wrote more in this drain than at the end of the attack.
    pub(super) fn went_on_in(&self, drain: &Drain) -> bool {
        let more = |now: Option<u64>, before: Option<u64>| {
            now.zip(before).is_some_and(|(now, before)| now > before.saturating_add(STALL_BYTES))
        };
        let last = &self.last.sample;
        // What it had written by then is in the kernels or in windows. Of answers to what it had yet to read, that is not sure.
        let waiting =
            last.server_written.map(|written| match self.evidence.repeats && !self.is_behind_windows() {
                true => written.saturating_sub(last.consumed),
                false => drain.in_kernels,
            });
        more(drain.server_read, Some(self.read))
            || more(drain.server_written, last.server_written)
            || more(Some(drain.bytes), waiting)
    }

    /// The stall without its start, in which the server still works on its last read.
    pub(super) fn settled_for(&self) -> f64 {
        (self.stalled - SETTLE).max(0.0)
    }

    /// Memory or disk over time; `None` where it is not visible.
    fn over_time(&self, value: impl Fn(&Point) -> Option<u64>) -> Option<Series> {
        let at = |point: &Point| Some((point.sample.t, value(point)? as f64));
        Series::new(self.unread().filter_map(at)).visible()
    }

    /// The points since the slow reader stopped reading.
    pub(super) fn unread(&self) -> impl DoubleEndedIterator<Item = &'a Point> {
        unread(self.evidence)
    }
}

fn unread(evidence: &Evidence) -> impl DoubleEndedIterator<Item = &Point> {
    evidence.points.iter().filter(|point| point.sample.t >= evidence.reads_until)
}

/// More than the rounding of a difference of two times, and less than the time between two points.
const ROUNDING: f64 = 0.001;

/// How long neither input nor output has moved at the end.
fn stalled(evidence: &Evidence, last: &Point) -> f64 {
    let moved = |point: &Point| {
        last.server_read().saturating_sub(point.server_read()) > STALL_BYTES
            || last.server_written().saturating_sub(point.server_written()) > STALL_BYTES
    };
    // While there is input to send, the server is the cause of a stall only if the kernel accepts none of it.
    let idle = |point: &Point| evidence.repeats && !point.blocked && point.server_read() < last.server_read();
    let since = evidence.points.iter().rev().take_while(|point| !moved(point) && !idle(point)).last();
    since.map_or(0.0, |point| last.sample.t - point.sample.t)
}

/// Bytes of output per byte of input while the output was not full yet. `None` if there was no input.
pub(super) fn answer_ratio(points: &[Point]) -> Option<f64> {
    // The first point at which (almost) all output so far was written. Where windows hold it back, what came after they were used up
    // are acknowledgements.
    let last = points.last()?;
    let has_all = |point: &&Point| match last.output_credit {
        Some(0) => point.output_credit == Some(0),
        _ => point.server_written().saturating_add(STALL_BYTES) >= last.server_written(),
    };
    let full = points.iter().find(has_all)?;
    (full.server_read() > 0).then(|| full.server_written() as f64 / full.server_read() as f64)
}

/// Less than this in either direction is a stall: pings and window probes never stop.
pub(super) const STALL_BYTES: u64 = 4096;
