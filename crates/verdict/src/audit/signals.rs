//! Computes from the evidence the few figures that the rules need.

use echoctl_record::{Evidence, Point, Queues, Sample};

use super::limits::{SETTLE, WATCH};
use crate::trend::{Movement, Series};

/// Figures of an attack. Sizes in bytes, times in seconds.
#[derive(Debug, Clone)]
pub(crate) struct Signals {
    /// Duration so far.
    pub(crate) t: f64,
    /// Input that the server has read.
    pub(crate) server_read: u64,
    /// Output that the server has written.
    pub(crate) server_written: u64,
    /// How long neither input nor output has moved, until now.
    pub(crate) stalled: f64,
    /// Whether something waits in a kernel: input that the server does not read, or output that no longer fits into the slow
    /// reader's queue.
    pub(crate) under_pressure: bool,
    /// Bytes in those queues of the kernels that are visible.
    pub(crate) in_queues: u64,
    /// Whether the output has filled the kernel's queues: some waits, and no more was accepted for a while.
    pub(crate) output_is_full: bool,
    /// Output that is pending for the input read since then, at the ratio of output to input before.
    pub(crate) pending_output: u64,
    /// Growth of the server's memory since the start; `None` where it is not visible.
    pub(crate) growth: Option<u64>,
    /// Maximum of that growth.
    pub(crate) peak: Option<u64>,
    /// Slope of the memory's floor over input: bytes retained per byte read.
    pub(crate) retained: Option<f64>,
    /// Movement of memory during the stall.
    pub(crate) memory_while_stalled: Option<Movement>,
    /// The same, over only the last seconds of it.
    pub(crate) memory_lately: Option<Movement>,
    /// The same, over the later half of it.
    pub(crate) memory_later_half: Option<Movement>,
    /// Movement of memory over the whole attack.
    pub(crate) memory_in_all: Option<Movement>,
    /// Movement of disk writes during the stall.
    pub(crate) disk_while_stalled: Option<Movement>,
    /// Bytes written to disk since the start.
    pub(crate) disk_written: Option<u64>,
    /// Processor cores that the server used during the stall.
    pub(crate) busy_while_stalled: Option<f64>,
}

impl Signals {
    /// The figures, or `None` when nothing was recorded.
    pub(crate) fn of(evidence: &Evidence) -> Option<Signals> {
        let points = &evidence.points;
        let (first, last) = (points.first()?, points.last()?);
        let moved = |point: &Point| {
            last.server_read().saturating_sub(point.server_read()) > STALL_BYTES
                || last.server_written().saturating_sub(point.server_written()) > STALL_BYTES
        };
        // While there is input to send, the server is the cause of a stall only if the kernel accepts none of it.
        let idle =
            |point: &Point| evidence.repeats && !point.blocked && point.server_read() < last.server_read();
        let since = points.iter().rev().take_while(|point| !moved(point) && !idle(point)).last();
        let stalled = since.map_or(0.0, |point| last.sample.t - point.sample.t);
        let settled = last.sample.t - (stalled - SETTLE).max(0.0);
        let lately = last.sample.t - (WATCH - SETTLE).min(stalled - SETTLE).max(0.0);
        let input_waits = last.blocked || last.sample.produced.saturating_sub(last.server_read()) > 0;
        let memory = series(points, |point| point.sample.server_memory);
        let base = first.sample.server_memory;
        let disk = series(points, |point| point.disk_written);
        let cpu: Vec<(f64, f64)> = points
            .iter()
            .filter(|point| point.sample.t >= settled)
            .filter_map(|point| Some((point.sample.t, point.cpu_seconds?)))
            .collect();
        Some(Signals {
            t: last.sample.t,
            server_read: last.server_read(),
            server_written: last.server_written(),
            stalled,
            in_queues: Queues::of(&Sample { is_echo: Some(false), ..last.sample }).total(),
            under_pressure: (evidence.repeats && input_waits) || last.output_waiting() > 0,
            output_is_full: output_is_full(points, last),
            pending_output: pending_output(points, last),
            growth: last.sample.server_memory.zip(base).map(|(now, base)| now.saturating_sub(base)),
            peak: base.and_then(|base| {
                let peak = points.iter().filter_map(|point| point.sample.server_memory).max();
                peak.map(|peak| peak.saturating_sub(base))
            }),
            retained: memory.as_ref().map(|_| retained(points)),
            memory_while_stalled: memory.as_ref().map(|memory| memory.since(settled).movement()),
            memory_lately: memory.as_ref().map(|memory| memory.since(lately).movement()),
            memory_later_half: memory
                .as_ref()
                .map(|memory| memory.since(last.sample.t - (stalled - SETTLE).max(0.0) / 2.0).movement()),
            memory_in_all: memory.as_ref().map(Series::movement),
            disk_while_stalled: disk.as_ref().map(|disk| disk.since(settled).movement()),
            disk_written: last
                .disk_written
                .zip(first.disk_written)
                .map(|(now, base)| now.saturating_sub(base)),
            busy_while_stalled: cpu
                .first()
                .zip(cpu.last())
                .and_then(|(from, to)| (to.0 - from.0 > 0.5).then(|| (to.1 - from.1) / (to.0 - from.0))),
        })
    }
}

/// Whether output waits, and the server could write no more of it for the last [`FULL_FOR`].
fn output_is_full(points: &[Point], last: &Point) -> bool {
    let before = points.iter().rev().find(|point| last.sample.t - point.sample.t >= FULL_FOR);
    last.output_waiting() > 0
        && before.is_some_and(|before| {
            last.server_written().saturating_sub(before.server_written()) <= STALL_BYTES
        })
}

/// Output still to come for the input, at the ratio that held before the output was full.
fn pending_output(points: &[Point], last: &Point) -> u64 {
    let expected = answer_ratio(points).map_or(0.0, |ratio| ratio * last.server_read() as f64) as u64;
    expected.saturating_sub(last.server_written())
}

/// Bytes of output per byte of input while the output was not full yet. `None` if there was no input.
pub(super) fn answer_ratio(points: &[Point]) -> Option<f64> {
    // The first point at which (almost) all output so far was written.
    let last = points.last()?;
    let full = points
        .iter()
        .find(|point| point.server_written().saturating_add(STALL_BYTES) >= last.server_written())?;
    (full.server_read() > 0).then(|| full.server_written() as f64 / full.server_read() as f64)
}

/// Memory or disk over time; `None` where it is not visible.
fn series(points: &[Point], value: impl Fn(&Point) -> Option<u64>) -> Option<Series> {
    let seen: Vec<(f64, f64)> =
        points.iter().filter_map(|point| Some((point.sample.t, value(point)? as f64))).collect();
    (!seen.is_empty()).then(|| Series::new(seen))
}

/// The slope of the memory's floor over input read.
fn retained(points: &[Point]) -> f64 {
    let by_input = Series::new(
        points
            .iter()
            .filter_map(|point| Some((point.server_read() as f64, point.sample.server_memory? as f64))),
    );
    by_input.floor().slope()
}

/// Less than this in either direction is a stall: pings and window probes never stop.
const STALL_BYTES: u64 = 4096;

/// Seconds without a byte of output after which a queue of the kernel is full: its last steps are 200 ms apart.
const FULL_FOR: f64 = 0.3;
