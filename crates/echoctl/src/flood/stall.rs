//! The hold: for how long, up to the end of a flood, the server held the producer back, and what it kept meanwhile.
//!
//! Two things are told apart. In a **standstill** the server takes no byte at all: its queues are full and nobody reads, or
//! a queue drains until it is read again. Under **pressure** input waits most of the time, and the server takes as much as
//! a slow reader makes room for. Both are backpressure if the server keeps no more at the end than it did before;
//! a server that is merely slow, and queues without a limit, keeps more and more.

use echoctl_record::Point;

/// What the end of a flood looked like.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Stall {
    /// Seconds up to the end in which the server took nothing, with flat memory.
    pub(super) stalled_for: f64,
    /// Seconds up to the end in which input waited most of the time.
    pub(super) pressed_for: f64,
    /// Whether the server kept no more in the later half of those than in the first.
    pub(super) is_flat: bool,
}

impl Stall {
    /// The hold that these points end with.
    pub(super) fn of(points: &[Point]) -> Stall {
        let pressed = &points[pressed_from(points)..];
        Stall { stalled_for: stalled_for(points), pressed_for: span(pressed), is_flat: is_flat(pressed) }
    }

    /// Whether that is backpressure beyond doubt.
    pub(super) fn is_backpressure(&self) -> bool {
        self.stalled_for >= STALL_SECONDS || (self.pressed_for >= PRESSURE_SECONDS && self.is_flat)
    }
}

/// For how long, up to the end, the server took nothing while there was more to send, and its memory did not rise.
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

/// The first point from which on input waited for [`WAITING_SHARE`] of the time.
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

/// Whether there is more to send, or more was sent than the server takes. A kernel makes room in large steps, and while the
/// producer fills one it is not blocked; of many connections hardly ever all are.
fn input_waits(point: &Point) -> bool {
    point.blocked || point.sample.produced.saturating_sub(point.server_read()) >= WAITING_BYTES
}

/// Whether the peaks of the later half are those of the first: of memory, and of what was read and not written back.
fn is_flat(points: &[Point]) -> bool {
    let (Some(first), Some(last)) = (points.first(), points.last()) else { return false };
    let middle = f64::midpoint(first.sample.t, last.sample.t);
    let (before, after) = points.split_at(points.partition_point(|point| point.sample.t < middle));
    let memory = |half: &[Point]| half.iter().filter_map(|point| point.sample.server_memory).max();
    let inside = |half: &[Point]| {
        half.iter().map(|point| point.server_read().saturating_sub(point.server_written())).max()
    };
    let (Some(memory_before), Some(memory_after)) = (memory(before), memory(after)) else {
        // What is not seen may grow with the output: then only a standstill tells.
        return false;
    };
    let connections = u64::from(last.sample.connections.max(1));
    memory_after <= memory_before + ALLOCATOR_NOISE
        && inside(after) <= inside(before).map(|most| most + ONE_READ * connections)
}

fn span(points: &[Point]) -> f64 {
    points.first().zip(points.last()).map_or(0.0, |(first, last)| last.sample.t - first.sample.t)
}

/// Seconds: ten times the longest pause of a server that goes on reading (a window probe after 0.2 s).
pub(super) const STALL_SECONDS: f64 = 2.0;

/// Seconds of pressure that show a trend: as long as an audit watches.
pub(super) const PRESSURE_SECONDS: f64 = 3.5;

/// The part of the time in which input waits under pressure: the rest is how it began.
const WAITING_SHARE: f64 = 0.8;

/// Bytes of input that wait before a server that does not keep up: one that does has taken them when they are looked for.
const WAITING_BYTES: u64 = 1 << 20;

/// Bytes that may move in a standstill: window probes.
const PROBE_BYTES: u64 = 4096;

/// Bytes by which memory may rise: an allocator's housekeeping.
const ALLOCATOR_NOISE: u64 = 1 << 20;

/// Bytes by which the peaks of a full queue differ: one read of a connection, seen or not seen.
const ONE_READ: u64 = 128 << 10;

#[cfg(test)]
mod tests {
    use echoctl_record::Sample;

    use super::*;

    const MIB: u64 = 1 << 20;

    /// 5 s of a server that has taken, written back and kept in memory so much at each time, ten samples a second.
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
                    server_memory: Some(memory),
                    ..Sample::default()
                };
                Point { sample, blocked: t > 0.3, ..Point::default() }
            })
            .collect();
        Stall::of(&points)
    }

    fn of_rate(t: f64, rate: u64) -> u64 {
        (t * rate as f64) as u64
    }

    #[test]
    fn a_server_that_stops_is_held_to_have_stopped_from_its_last_read_on() {
        let stall = stall(|t| (if t < 0.95 { 4 * MIB } else { 5 * MIB }, 4 * MIB, 3 * MIB));

        assert!((3.7..4.1).contains(&stall.stalled_for) && stall.is_backpressure(), "{stall:?}");
    }

    #[test]
    fn a_queue_that_drains_while_nothing_is_read_is_backpressure() {
        let stall = stall(|t| (20 * MIB, 4 * MIB + of_rate(t, MIB), 19 * MIB - of_rate(t, MIB)));

        assert!(stall.stalled_for > 4.0 && stall.is_backpressure(), "{stall:?}");
    }

    #[test]
    fn a_server_that_reads_as_its_reader_does_is_backpressure() {
        let stall = stall(|t| (8 * MIB + of_rate(t, 2 * MIB), of_rate(t, 2 * MIB), 11 * MIB));

        assert!(stall.stalled_for < 0.2 && stall.is_flat && stall.is_backpressure(), "{stall:?}");
    }

    #[test]
    fn a_slow_server_that_queues_more_and_more_is_none_though_its_producer_waits() {
        // 1 MiB/s more than its reader takes: first seen in memory, then in a heap that was there before.
        for growth in [MIB, 0] {
            let stall = stall(|t| (of_rate(t, 3 * MIB), of_rate(t, 2 * MIB), 3 * MIB + of_rate(t, growth)));

            assert!(stall.pressed_for > 4.0 && !stall.is_backpressure(), "{stall:?}");
        }
    }

    #[test]
    fn memory_that_rises_in_the_standstill_is_no_backpressure() {
        let stall = stall(|t| (4 * MIB, 4 * MIB, of_rate(t, 10 * MIB)));

        assert!(stall.stalled_for < 0.3 && !stall.is_backpressure(), "{stall:?}");
    }

    #[test]
    fn nothing_is_said_of_nothing() {
        assert!(!Stall::of(&[]).is_backpressure());
    }
}
