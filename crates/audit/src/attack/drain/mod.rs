//! Draining: the slow reader finally reads everything that is pending, as far as the server sends it.
//!
//! Bytes beyond what the two kernels held were queued by some process, wherever its memory is: in a heap that was touched
//! before, in another user's process, in a server behind this one. This proof needs no view of the server.

use std::time::{Duration, Instant};

use echoctl_record::{Drain, EchoFault, Sample, StopReason};
use memchr::memmem::Finder;

use super::first_bytes::FirstBytes;
use super::integrity::Damage;
use crate::marks::LARGEST_REPLY;

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
    /// When more than a trickle had come last, and how many bytes had come by then.
    last_moved: (Instant, u64),
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
            last_moved: (now, 0),
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
        self.note_count(bytes.len() as u64, now);
        self.first.note(bytes);
        // A mark across two reads is missed, one of thousands.
        self.found += self.needle.as_ref().map_or(0, |needle| needle.find_iter(bytes).count() as u64);
    }

    /// Notes the number of bytes that were read, of which nothing else is known.
    pub(super) fn note_count(&mut self, count: u64, now: Instant) {
        if count == 0 {
            return;
        }
        self.bytes += count;
        self.last_read = now;
        if self.bytes - self.last_moved.1 > TRICKLE {
            self.last_moved = (now, self.bytes);
        }
    }

    /// Notes what the bytes that were read show of an echo.
    pub(super) fn note_echo(&mut self, echo: EchoState) {
        self.echo = echo;
    }

    /// Counts a mark in the bytes that come from now on.
    pub(super) fn count(&mut self, needle: &[u8]) {
        self.needle = Some(Finder::new(needle).into_owned());
    }

    /// Bytes that came for each mark in them; `None` if too few marks or too little came to say.
    pub(super) fn bytes_per_mark(&self) -> Option<f64> {
        let is_countable = self.found >= FEWEST_MARKS && self.bytes >= COUNTABLE;
        let per_mark = self.bytes as f64 / self.found as f64;
        (is_countable && per_mark <= LARGEST_REPLY as f64).then_some(per_mark)
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
        let (silent, is_missing) = (now - self.last_read, is_echo && missing > UNFLUSHED);
        // Whether what is missing is lost is waited for even if the time is over.
        let is_pausing = is_missing && silent >= quiet;
        if (now - self.started >= timeout && !is_pausing) || (self.bytes >= enough && !is_echo) {
            return Some(StopReason::Enough);
        }
        if is_at_end {
            return Some(StopReason::Closed);
        }
        let is_quiet = if is_missing { silent >= MISSING_QUIET } else { now - self.last_moved.0 >= quiet };
        is_quiet.then_some(StopReason::Quiet)
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

    /// Whether the end of an echo was lost: the server has read it and does not return it, although all that it wrote was read.
    fn lost_tail(&self, stopped: StopReason, last: &Sample) -> Option<Damage> {
        let EchoState { is_echo, is_open, missing, .. } = self.echo;
        let inside = last.server_read?.saturating_sub(last.consumed);
        let is_over = stopped == StopReason::Quiet && is_open && last.server_written == Some(last.consumed);
        let is_lost = is_echo && is_over && missing.min(inside) > UNFLUSHED;
        is_lost.then_some(Damage { at: last.consumed, fault: Some(EchoFault::Lost) })
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
const MISSING_QUIET: Duration = Duration::from_secs(4);

/// Bytes that are none of what is drained: a comment or a ping now and then, which keeps a connection alive.
const TRICKLE: u64 = 512;

/// Bytes that a server may keep until it gets more input: the buffer of an output stream that is flushed when it is full.
const UNFLUSHED: u64 = 64 << 10;

/// Bytes of output that show how many marks are in it.
const COUNTABLE: u64 = 64 << 10;

/// Marks that show how many are in the rest of the output: fewer may be those of a header, before a stream that has none.
const FEWEST_MARKS: u64 = 10;

/// Seconds between two points of the curve.
const CURVE_STEP: f64 = 0.05;

#[cfg(test)]
mod tests;
