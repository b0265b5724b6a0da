//! Draining: the slow reader finally reads everything that is pending, as far as the server sends it.
//!
//! Bytes beyond what the two kernels held were queued by some process, wherever its memory is: in a heap that was touched
//! before, in another user's process, in a server behind this one. This proof needs no view of the server.

use std::time::{Duration, Instant};

use echoctl_record::{Drain, StopReason};

/// When to stop draining.
#[derive(Debug, Clone, Copy)]
pub(super) struct DrainLimits {
    /// Bytes after which an echo server has returned everything, if it is one.
    pub(super) pending: Option<u64>,
    /// Bytes that suffice as a proof.
    pub(super) enough: u64,
    /// The longest that it may take.
    pub(super) timeout: Duration,
    /// Time without a byte after which nothing more is expected.
    pub(super) quiet: Duration,
}

/// A drain that is going on. It decides when to stop, and reads neither a socket nor a clock.
#[derive(Debug)]
pub(super) struct Draining {
    limits: DrainLimits,
    started: Instant,
    last_read: Instant,
    bytes: u64,
    curve: Vec<(f64, u64)>,
    damaged_at: Option<u64>,
    first_text: Option<String>,
}

impl Draining {
    /// A drain that starts `now`.
    pub(super) fn new(limits: DrainLimits, now: Instant) -> Draining {
        Draining {
            limits,
            started: now,
            last_read: now,
            bytes: 0,
            curve: vec![(0.0, 0)],
            damaged_at: None,
            first_text: None,
        }
    }

    /// Notes bytes that were read.
    pub(super) fn note(&mut self, bytes: &[u8], now: Instant) {
        if bytes.is_empty() {
            return;
        }
        self.bytes += bytes.len() as u64;
        self.last_read = now;
        self.first_text
            .get_or_insert_with(|| bytes[..bytes.len().min(FIRST_TEXT)].escape_ascii().to_string());
    }

    /// Notes where an echo differs from what was sent, unless it differed before.
    pub(super) fn note_damage(&mut self, at: Option<u64>) {
        self.damaged_at = self.damaged_at.or(at);
    }

    /// Adds a point to the curve if it is time for one, and returns whether it was.
    pub(super) fn is_sample_due(&mut self, now: Instant) -> bool {
        let t = self.seconds(now);
        let is_due = self.curve.last().is_none_or(|point| t - point.0 >= CURVE_STEP);
        if is_due {
            self.curve.push((t, self.bytes));
        }
        is_due
    }

    /// Whether to stop now, and why. `is_at_end` tells whether all connections are closed and read to their ends.
    pub(super) fn stop_reason(&self, now: Instant, is_at_end: bool) -> Option<StopReason> {
        let DrainLimits { pending, enough, timeout, quiet } = self.limits;
        if pending.is_some_and(|pending| self.bytes >= pending) {
            return Some(StopReason::Complete);
        }
        if self.bytes >= enough || now - self.started >= timeout {
            return Some(StopReason::Enough);
        }
        if is_at_end {
            return Some(StopReason::Closed);
        }
        (now - self.last_read >= quiet).then_some(StopReason::Quiet)
    }

    /// The result, of which the kernels held at most `in_kernels` bytes.
    pub(super) fn finish(mut self, stopped: StopReason, in_kernels: u64, now: Instant) -> Drain {
        let (bytes, seconds) = (self.bytes, self.seconds(now));
        self.curve.push((seconds, bytes));
        Drain {
            bytes,
            in_kernels: in_kernels.min(bytes),
            seconds,
            stopped,
            curve: self.curve,
            first_text: self.first_text,
            damaged_at: self.damaged_at,
            ..Drain::default()
        }
    }

    fn seconds(&self, now: Instant) -> f64 {
        (now - self.started).as_secs_f64()
    }
}

/// Both drains of an attack with two passes: what was pending after the first one and after the second.
pub(super) fn sum(first: Option<Drain>, second: Drain) -> Drain {
    let Some(first) = first else { return second };
    Drain {
        bytes: first.bytes + second.bytes,
        in_kernels: first.in_kernels + second.in_kernels,
        seconds: first.seconds + second.seconds,
        damaged_at: first.damaged_at.or(second.damaged_at),
        first_text: first.first_text.or(second.first_text),
        ..second
    }
}

/// Bytes of the reply that are stored for display: a status line or an error.
const FIRST_TEXT: usize = 64;

/// Seconds between two points of the curve.
const CURVE_STEP: f64 = 0.05;

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: DrainLimits = DrainLimits {
        pending: Some(100),
        enough: 1000,
        timeout: Duration::from_secs(4),
        quiet: Duration::from_millis(600),
    };

    fn after(start: Instant, millis: u64) -> Instant {
        start + Duration::from_millis(millis)
    }

    #[test]
    fn a_complete_echo_ends_the_drain() {
        let start = Instant::now();
        let mut drain = Draining::new(LIMITS, start);

        drain.note(&[b'x'; 99], after(start, 1));
        assert_eq!(drain.stop_reason(after(start, 1), false), None);
        drain.note(b"y", after(start, 2));
        assert_eq!(drain.stop_reason(after(start, 2), false), Some(StopReason::Complete));
    }

    #[test]
    fn enough_bytes_or_time_end_the_drain() {
        let start = Instant::now();
        let mut drain = Draining::new(DrainLimits { pending: None, ..LIMITS }, start);

        drain.note(&[0; 999], after(start, 3999));
        assert_eq!(drain.stop_reason(after(start, 3999), false), None);
        assert_eq!(drain.stop_reason(after(start, 4000), false), Some(StopReason::Enough));
        drain.note(&[0], after(start, 3999));
        assert_eq!(drain.stop_reason(after(start, 3999), false), Some(StopReason::Enough));
    }

    #[test]
    fn a_quiet_server_ends_the_drain_and_a_slow_one_does_not() {
        let start = Instant::now();
        let mut drain = Draining::new(LIMITS, start);

        assert_eq!(drain.stop_reason(after(start, 599), false), None);
        drain.note(b"x", after(start, 599));
        assert_eq!(drain.stop_reason(after(start, 1198), false), None);
        assert_eq!(drain.stop_reason(after(start, 1199), false), Some(StopReason::Quiet));
    }

    #[test]
    fn the_end_of_all_connections_ends_the_drain() {
        let start = Instant::now();
        let mut drain = Draining::new(LIMITS, start);

        assert_eq!(drain.stop_reason(start, true), Some(StopReason::Closed));
        drain.note(&[0; 100], after(start, 1));
        assert_eq!(drain.stop_reason(after(start, 1), true), Some(StopReason::Complete));
    }

    #[test]
    fn the_first_damage_and_the_first_text_are_kept() {
        let start = Instant::now();
        let mut drain = Draining::new(LIMITS, start);

        drain.note(b"", start);
        drain.note(b"-ERR\r\n", start);
        drain.note(b"later", start);
        for at in [None, Some(3), Some(9)] {
            drain.note_damage(at);
        }
        let drain = drain.finish(StopReason::Quiet, 4, after(start, 1000));

        assert_eq!((drain.first_text.as_deref(), drain.damaged_at), (Some("-ERR\\r\\n"), Some(3)));
        assert_eq!((drain.bytes, drain.in_kernels, drain.beyond_kernels(), drain.seconds), (11, 4, 7, 1.0));
    }

    #[test]
    fn the_kernels_held_no_more_than_what_came() {
        let start = Instant::now();

        let drain = Draining::new(LIMITS, start).finish(StopReason::Quiet, 4096, start);

        assert_eq!((drain.bytes, drain.in_kernels), (0, 0));
    }

    #[test]
    fn the_curve_has_a_point_per_step_and_one_at_the_end() {
        let start = Instant::now();
        let mut drain = Draining::new(LIMITS, start);

        let due: Vec<bool> = [10, 50, 60, 99, 100].map(|t| drain.is_sample_due(after(start, t))).into();
        drain.note(b"xyz", after(start, 100));
        let drain = drain.finish(StopReason::Complete, 0, after(start, 120));

        assert_eq!(due, [false, true, false, false, true]);
        assert_eq!(drain.curve, [(0.0, 0), (0.05, 0), (0.1, 0), (0.12, 3)]);
    }

    #[test]
    fn two_drains_add_up() {
        let start = Instant::now();
        let drained = |bytes: &[u8], stopped| {
            let mut drain = Draining::new(LIMITS, start);
            drain.note(bytes, start);
            drain.finish(stopped, 2, after(start, 500))
        };

        let both = sum(Some(drained(b"first", StopReason::Quiet)), drained(b"later", StopReason::Closed));

        assert_eq!((both.bytes, both.in_kernels, both.seconds), (10, 4, 1.0));
        assert_eq!((both.stopped, both.first_text.as_deref()), (StopReason::Closed, Some("first")));
        assert_eq!(sum(None, both.clone()), both);
    }
}
