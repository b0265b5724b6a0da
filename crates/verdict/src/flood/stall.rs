//! How long the server held the producer back at the end of a flood, and whether it buffered more meanwhile.
//!
//! There are two cases. In a **stall** the server reads no bytes at all: its queues are full and the client does not read, or
//! a queue drains to its low watermark. Under **pressure** input waits most of the time, and the server reads as much as a slow
//! reader makes room for. Both are backpressure if the server buffers no more at the end than before, and if its output waits:
//! otherwise it waits for something else than its reader. A server that is only slow, and has an unlimited queue, buffers more and
//! more. One that reads now and then has paused before, so a stall has to be longer than its pauses.

use echoctl_record::Point;

use crate::pauses::{WATCH_PER_GAP, output_waits_in, unprompted_pause};

/// The end of a flood.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Stall {
    /// Seconds up to the end in which the server read nothing and its memory was flat.
    pub(super) stalled_for: f64,
    /// Whether its output waited in that time.
    pub(super) output_waits: bool,
    /// Seconds up to the end in which input waited most of the time.
    pub(super) pressed_for: f64,
    /// Whether its output waited in that time.
    pub(super) output_waits_under_pressure: bool,
    /// Whether the server buffered no more in the second half of those than in the first.
    pub(super) is_flat: bool,
    /// The longest pause before the stall that its output does not explain.
    pub(super) pause: f64,
}

impl Stall {
    /// The stall at the end of these points, which took at least this long.
    pub(super) fn of(points: &[Point], at_least: f64) -> Stall {
        let pressed = &points[pressed_from(points)..];
        let stalled_for = stalled_for(points).max(at_least);
        let end = points.last().map_or(0.0, |last| last.sample.t);
        let since = points.partition_point(|point| point.sample.t < end - stalled_for.max(STALL_SECONDS));
        Stall {
            stalled_for,
            output_waits: output_waits_in(&points[since..]),
            pressed_for: span(pressed),
            output_waits_under_pressure: output_waits_in(pressed),
            is_flat: is_flat(pressed),
            pause: unprompted_pause(points, end - stalled_for),
        }
    }

    /// Whether the server read nothing at the end, for longer than a server that keeps reading.
    pub(super) fn is_stall(&self) -> bool {
        self.stalled_for >= STALL_SECONDS
    }

    /// Whether it read all the time, and only as fast as its output was read.
    pub(super) fn follows_reader(&self) -> bool {
        self.pressed_for >= PRESSURE_SECONDS.max(WATCH_PER_GAP * self.pause)
            && self.is_flat
            && self.output_waits_under_pressure
    }

    /// Seconds after which a stall is longer than the pauses before.
    pub(super) fn seconds_to_watch(&self) -> f64 {
        STALL_SECONDS.max(WATCH_PER_GAP * self.pause)
    }
}

/// How long, up to the end, the server read nothing while there was more to send, and its memory did not grow.
fn stalled_for(points: &[Point]) -> f64 {
    let Some(last) = points.last() else { return 0.0 };
    let is_like_the_end = |point: &Point| {
        let memory = |point: &Point| point.sample.server_memory.unwrap_or(0);
        point.blocked
            && last.server_read().saturating_sub(point.server_read()) <= PROBE_BYTES
            && memory(last) <= memory(point) + ALLOCATOR_NOISE
    };
    let since = points.iter().rev().take_while(|point| is_like_the_end(point)).last();
    since.map_or(0.0, |since| last.sample.t - since.sample.t)
}

/// The first point after which input waited for [`WAITING_SHARE`] of the time.
fn pressed_from(points: &[Point]) -> usize {
    let Some(last) = points.last() else { return 0 };
    let (mut from, mut waited) = (points.len() - 1, 0.0);
    for at in (0..points.len() - 1).rev().filter(|&at| input_waits(&points[at])) {
        waited += points[at + 1].sample.t - points[at].sample.t;
        if waited >= WAITING_SHARE * (last.sample.t - points[at].sample.t) {
            from = at;
        }
    }
    from
}

/// Whether the producer is blocked, or input is pending. A kernel frees buffer space in large steps, and a producer that fills
/// one is not blocked; of many connections, rarely all are blocked at once.
fn input_waits(point: &Point) -> bool {
    point.blocked || point.sample.produced.saturating_sub(point.server_read()) >= WAITING_BYTES
}

/// Whether the second half has the same peaks as the first: of memory, and of bytes read and not written back.
fn is_flat(points: &[Point]) -> bool {
    let (Some(first), Some(last)) = (points.first(), points.last()) else { return false };
    let middle = f64::midpoint(first.sample.t, last.sample.t);
    let (before, after) = points.split_at(points.partition_point(|point| point.sample.t < middle));
    let memory = |half: &[Point]| half.iter().filter_map(|point| point.sample.server_memory).max();
    let inside = |half: &[Point]| {
        half.iter().map(|point| point.server_read().saturating_sub(point.server_written())).max()
    };
    let (Some(memory_before), Some(memory_after)) = (memory(before), memory(after)) else {
        // Memory that is not visible may grow with the output. Only a stall proves anything then.
        return false;
    };
    let connections = u64::from(last.sample.connections.max(1));
    memory_after <= memory_before + ALLOCATOR_NOISE
        && inside(after) <= inside(before).map(|most| most + ONE_READ * connections)
}

fn span(points: &[Point]) -> f64 {
    points.first().zip(points.last()).map_or(0.0, |(first, last)| last.sample.t - first.sample.t)
}

/// Seconds: ten times the longest pause of a server that keeps reading (a window probe after 0.2 s).
pub(super) const STALL_SECONDS: f64 = 2.0;

/// Seconds of pressure that show a trend, as long as an audit watches.
pub(super) const PRESSURE_SECONDS: f64 = 3.5;

/// Part of the time in which input waits under pressure. The rest is the start.
const WAITING_SHARE: f64 = 0.8;

/// Pending bytes of input that show that a server does not keep up: one that does has read them by the next sample.
const WAITING_BYTES: u64 = 1 << 20;

/// Bytes that may move in a stall: window probes.
pub(super) const PROBE_BYTES: u64 = 4096;

/// Bytes by which memory may grow: overhead of the allocator.
const ALLOCATOR_NOISE: u64 = 1 << 20;

/// Bytes by which the peaks of a full queue differ: one read per connection, sampled or not.
const ONE_READ: u64 = 128 << 10;

#[cfg(test)]
mod tests {
    use echoctl_record::Sample;

    use super::*;

    const MIB: u64 = 1 << 20;

    /// 5 s of a server, ten samples per second. `moment` returns bytes read, bytes written and memory at a time.
    fn stall(moment: impl Fn(f64) -> (u64, u64, u64)) -> Stall {
        let points: Vec<Point> = (0..=50)
            .map(|tenth| {
                let t = f64::from(tenth) / 10.0;
                let (taken, given, memory) = moment(t);
                let sample = Sample {
                    t,
                    connections: 1,
                    produced: taken + 4 * MIB,
                    server_read: Some(taken),
                    server_written: Some(given),
                    client_received: Some(given.saturating_sub(2 * MIB)),
                    server_memory: Some(memory),
                    ..Sample::default()
                };
                Point { sample, blocked: t > 0.3, ..Point::default() }
            })
            .collect();
        Stall::of(&points, 0.0)
    }

    fn is_backpressure(stall: &Stall) -> bool {
        stall.follows_reader() || (stall.is_stall() && stall.output_waits)
    }

    fn of_rate(t: f64, rate: u64) -> u64 {
        (t * rate as f64) as u64
    }

    #[test]
    fn a_stall_starts_at_the_last_read() {
        let stall = stall(|t| (if t < 0.95 { 4 * MIB } else { 5 * MIB }, 4 * MIB, 3 * MIB));

        assert!((3.7..4.1).contains(&stall.stalled_for) && is_backpressure(&stall), "{stall:?}");
    }

    #[test]
    fn a_queue_that_drains_while_reading_is_paused_is_a_stall() {
        let stall = stall(|t| (20 * MIB, 4 * MIB + of_rate(t, MIB), 19 * MIB - of_rate(t, MIB)));

        assert!(stall.stalled_for > 4.0 && is_backpressure(&stall), "{stall:?}");
    }

    #[test]
    fn reading_as_fast_as_a_slow_reader_is_backpressure() {
        let stall = stall(|t| (8 * MIB + of_rate(t, 2 * MIB), of_rate(t, 2 * MIB), 11 * MIB));

        assert!(stall.stalled_for < 0.2 && stall.is_flat && is_backpressure(&stall), "{stall:?}");
    }

    #[test]
    fn a_growing_queue_is_no_backpressure() {
        // 1 MiB/s more than its reader reads: visible in memory, and then hidden in a heap that is reused.
        for growth in [MIB, 0] {
            let stall = stall(|t| (of_rate(t, 3 * MIB), of_rate(t, 2 * MIB), 3 * MIB + of_rate(t, growth)));

            assert!(stall.pressed_for > 4.0 && !is_backpressure(&stall), "{stall:?}");
        }
    }

    #[test]
    fn memory_growth_in_a_stall_is_no_backpressure() {
        let stall = stall(|t| (4 * MIB, 4 * MIB, of_rate(t, 10 * MIB)));

        assert!(stall.stalled_for < 0.3 && !is_backpressure(&stall), "{stall:?}");
    }

    #[test]
    fn no_samples_show_no_backpressure() {
        assert!(!is_backpressure(&Stall::of(&[], 0.0)));
    }
}
