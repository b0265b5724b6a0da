//! Draining: the slow reader finally reads everything that is pending, as far as the server sends it.
//!
//! Bytes beyond what the two kernels held were queued by some process, wherever its memory is: in a heap that was touched
//! before, in another user's process, in a server behind this one. This proof needs no view of the server.

use std::time::{Duration, Instant};

use echoctl_record::{Drain, EchoFault, Sample, StopReason};
use memchr::memmem::Finder;

use super::first_bytes::FirstBytes;
use super::integrity::Damage;

/// When to stop draining.
#[derive(Debug, Clone, Copy)]
pub(super) struct DrainLimits {
    /// Bytes that suffice as a proof. An echo is read to its end all the same.
    pub(super) enough: u64,
    /// The longest that it may take.
    pub(super) timeout: Duration,
    /// Time without a byte after which nothing more is expected.
    pub(super) quiet: Duration,
}

/// What the replies that came so far show of an echo.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct EchoState {
    /// Whether the server echoes, as far as is known.
    pub(super) is_echo: bool,
    /// Bytes of the echo that are still to come.
    pub(super) missing: u64,
    /// Whether all connections are open.
    pub(super) is_open: bool,
    /// Where it first differs from what was sent.
    pub(super) damage: Option<Damage>,
}

/// A drain that is going on. It decides when to stop, and reads neither a socket nor a clock.
#[derive(Debug)]
pub(super) struct Draining {
    limits: DrainLimits,
    started: Instant,
    last_read: Instant,
    bytes: u64,
    curve: Vec<(f64, u64)>,
    echo: EchoState,
    first: FirstBytes,
    /// What is counted in the bytes that come, and how often it was found.
    needle: Option<Finder<'static>>,
    found: u64,
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
            echo: EchoState::default(),
            first: FirstBytes::default(),
            needle: None,
            found: 0,
        }
    }

    /// Notes bytes that were read.
    pub(super) fn note(&mut self, bytes: &[u8], now: Instant) {
        if bytes.is_empty() {
            return;
        }
        self.bytes += bytes.len() as u64;
        self.last_read = now;
        self.first.note(bytes);
        // A mark across two reads is missed, one of thousands.
        self.found += self.needle.as_ref().map_or(0, |needle| needle.find_iter(bytes).count() as u64);
    }

    /// Notes what the bytes that were read show of an echo.
    pub(super) fn note_echo(&mut self, echo: EchoState) {
        self.echo = echo;
    }

    /// Counts a mark in the bytes that come from now on.
    pub(super) fn count(&mut self, needle: &[u8]) {
        self.needle = Some(Finder::new(needle).into_owned());
    }

    /// Bytes that came for each mark in them; `None` if there was none, or too little came to say.
    pub(super) fn bytes_per_mark(&self) -> Option<f64> {
        (self.found > 0 && self.bytes >= COUNTABLE).then(|| self.bytes as f64 / self.found as f64)
    }

    /// Whether the server echoes, as far as is known.
    pub(super) fn is_echo(&self) -> bool {
        self.echo.is_echo
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
        let DrainLimits { enough, timeout, quiet } = self.limits;
        let EchoState { is_echo, missing, .. } = self.echo;
        if is_echo && missing == 0 {
            return Some(StopReason::Complete);
        }
        if now - self.started >= timeout || (self.bytes >= enough && !is_echo) {
            return Some(StopReason::Enough);
        }
        if is_at_end {
            return Some(StopReason::Closed);
        }
        // Bytes that are missing are a fault, so a server that only pauses must not seem to have lost them.
        let quiet = if is_echo && missing > UNFLUSHED { quiet.max(MISSING_QUIET) } else { quiet };
        (now - self.last_read >= quiet).then_some(StopReason::Quiet)
    }

    /// The result, of which the kernels held at most `in_kernels` bytes. `last` is what was visible at the end.
    pub(super) fn finish(
        mut self,
        stopped: StopReason,
        in_kernels: u64,
        last: &Sample,
        now: Instant,
    ) -> Drain {
        let (bytes, seconds) = (self.bytes, self.seconds(now));
        self.curve.push((seconds, bytes));
        let damage = self.echo.damage.or_else(|| self.lost_tail(stopped, last));
        Drain {
            bytes,
            in_kernels: in_kernels.min(bytes),
            seconds,
            stopped,
            curve: self.curve,
            first_text: self.first.text(),
            damaged_at: damage.map(|damage| damage.at),
            fault: damage.and_then(|damage| damage.fault),
            // As for a sample: where what it read is not visible, what its kernel accepted is.
            server_read: last.server_read.or(last.server_received),
            server_written: last.server_written,
        }
    }

    /// Whether the end of an echo was lost: the server read all of its input, all that it wrote was read, and nothing more came.
    fn lost_tail(&self, stopped: StopReason, last: &Sample) -> Option<Damage> {
        let has_read_all = last.server_read == Some(last.produced);
        let is_received = last.server_written == Some(last.consumed);
        let EchoState { is_echo, is_open, .. } = self.echo;
        let is_over = stopped == StopReason::Quiet && is_echo && is_open && has_read_all && is_received;
        let lost = || Damage { at: last.consumed, fault: Some(EchoFault::Lost) };
        (is_over && self.echo.missing > UNFLUSHED).then(lost)
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
        fault: first.fault.or(second.fault),
        first_text: first.first_text.or(second.first_text),
        ..second
    }
}

/// Time without a byte after which the rest of an echo is lost: longer than most timers, and than a busy machine makes a server wait.
const MISSING_QUIET: Duration = Duration::from_millis(2500);

/// Bytes that a server may keep until it gets more input: the buffer of an output stream that is flushed when it is full.
const UNFLUSHED: u64 = 64 << 10;

/// Bytes of output that show how many marks are in it.
const COUNTABLE: u64 = 64 << 10;

/// Seconds between two points of the curve.
const CURVE_STEP: f64 = 0.05;

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: DrainLimits =
        DrainLimits { enough: 1000, timeout: Duration::from_secs(4), quiet: Duration::from_millis(600) };

    fn echo(missing: u64) -> EchoState {
        EchoState { is_echo: true, missing, is_open: true, damage: None }
    }

    /// What is visible of a server that has read and written everything.
    fn idle() -> Sample {
        Sample {
            produced: 9,
            server_read: Some(9),
            server_written: Some(5),
            consumed: 5,
            ..Sample::default()
        }
    }

    fn after(start: Instant, millis: u64) -> Instant {
        start + Duration::from_millis(millis)
    }

    #[test]
    fn a_complete_echo_ends_the_drain() {
        let start = Instant::now();
        let mut drain = Draining::new(LIMITS, start);

        drain.note(&[b'x'; 1000], after(start, 1));
        drain.note_echo(echo(1));
        assert_eq!(drain.stop_reason(after(start, 1), false), None);
        drain.note(b"y", after(start, 2));
        drain.note_echo(echo(0));
        assert_eq!(drain.stop_reason(after(start, 2), false), Some(StopReason::Complete));
    }

    #[test]
    fn enough_bytes_or_time_end_the_drain() {
        let start = Instant::now();
        let mut drain = Draining::new(LIMITS, start);

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
    fn the_rest_of_an_echo_is_waited_for_longer() {
        let start = Instant::now();
        let mut drain = Draining::new(LIMITS, start);

        drain.note_echo(echo(UNFLUSHED + 1));

        assert_eq!(drain.stop_reason(after(start, 2499), false), None);
        assert_eq!(drain.stop_reason(after(start, 2500), false), Some(StopReason::Quiet));
        drain.note_echo(echo(UNFLUSHED));
        assert_eq!(drain.stop_reason(after(start, 600), false), Some(StopReason::Quiet));
    }

    #[test]
    fn the_end_of_an_echo_is_lost_if_the_server_did_all_it_will() {
        let fault = |missing, stopped, last| {
            let start = Instant::now();
            let mut drain = Draining::new(LIMITS, start);
            drain.note_echo(echo(missing));
            drain.finish(stopped, 0, &last, start).fault
        };
        let much = UNFLUSHED + 1;

        assert_eq!(fault(much, StopReason::Quiet, idle()), Some(EchoFault::Lost));
        assert_eq!(fault(UNFLUSHED, StopReason::Quiet, idle()), None);
        assert_eq!(fault(much, StopReason::Closed, idle()), None);
        assert_eq!(fault(much, StopReason::Quiet, Sample { server_read: Some(8), ..idle() }), None);
        assert_eq!(fault(much, StopReason::Quiet, Sample { server_written: Some(6), ..idle() }), None);
        assert_eq!(fault(much, StopReason::Quiet, Sample { server_read: None, ..idle() }), None);
    }

    #[test]
    fn marks_are_counted_in_what_came() {
        let start = Instant::now();
        let mut drain = Draining::new(LIMITS, start);

        drain.count(b"mark");
        assert_eq!(drain.bytes_per_mark(), None);
        (0..100).for_each(|_| drain.note(&b"mark----".repeat(128), start));

        assert_eq!(drain.bytes_per_mark(), Some(8.0));
    }

    #[test]
    fn the_end_of_all_connections_ends_the_drain() {
        let start = Instant::now();
        let mut drain = Draining::new(LIMITS, start);

        assert_eq!(drain.stop_reason(start, true), Some(StopReason::Closed));
        drain.note_echo(echo(0));
        assert_eq!(drain.stop_reason(after(start, 1), true), Some(StopReason::Complete));
    }

    #[test]
    fn the_first_damage_and_the_first_text_are_kept() {
        let start = Instant::now();
        let mut drain = Draining::new(LIMITS, start);

        drain.note(b"", start);
        drain.note(b"-ERR\r\n", start);
        drain.note(b"later", start);
        let damage = Damage { at: 3, fault: Some(EchoFault::Repeated) };
        drain.note_echo(EchoState { damage: Some(damage), ..EchoState::default() });
        assert_eq!(drain.first.text(), Some("-ERR".to_owned()));
        let drain = drain.finish(StopReason::Quiet, 4, &idle(), after(start, 1000));

        assert_eq!((drain.first_text.as_deref(), drain.damaged_at), (Some("-ERR"), Some(3)));
        assert_eq!((drain.server_read, drain.server_written), (Some(9), Some(5)));
        assert_eq!(drain.fault, Some(EchoFault::Repeated));
        assert_eq!((drain.bytes, drain.in_kernels, drain.beyond_kernels(), drain.seconds), (11, 4, 7, 1.0));
    }

    #[test]
    fn the_kernels_held_no_more_than_what_came() {
        let start = Instant::now();

        let drain = Draining::new(LIMITS, start).finish(StopReason::Quiet, 4096, &idle(), start);

        assert_eq!((drain.bytes, drain.in_kernels), (0, 0));
    }

    #[test]
    fn the_curve_has_a_point_per_step_and_one_at_the_end() {
        let start = Instant::now();
        let mut drain = Draining::new(LIMITS, start);

        let due: Vec<bool> = [10, 50, 60, 99, 100].map(|t| drain.is_sample_due(after(start, t))).into();
        drain.note(b"xyz", after(start, 100));
        let drain = drain.finish(StopReason::Complete, 0, &idle(), after(start, 120));

        assert_eq!(due, [false, true, false, false, true]);
        assert_eq!(drain.curve, [(0.0, 0), (0.05, 0), (0.1, 0), (0.12, 3)]);
    }

    #[test]
    fn two_drains_add_up() {
        let start = Instant::now();
        let drained = |bytes: &[u8], stopped| {
            let mut drain = Draining::new(LIMITS, start);
            drain.note(bytes, start);
            drain.finish(stopped, 2, &idle(), after(start, 500))
        };

        let both = sum(Some(drained(b"first", StopReason::Quiet)), drained(b"later", StopReason::Closed));

        assert_eq!((both.bytes, both.in_kernels, both.seconds), (10, 4, 1.0));
        assert_eq!((both.stopped, both.first_text.as_deref()), (StopReason::Closed, Some("first")));
        assert_eq!(sum(None, both.clone()), both);
    }
}
