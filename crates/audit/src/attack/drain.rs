//! Draining: the slow reader finally reads everything that is pending, as far as the server sends it.
//!
//! Bytes beyond what the two kernels held were queued by some process, wherever its memory is: in a heap that was touched
//! before, in another user's process, in a server behind this one. This proof needs no view of the server.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use echoctl_record::{DisconnectKind, Drain, StopReason};

use super::connection::AuditConnection;
use super::stimulus_stream::StimulusStream;
use crate::sys::{self, Interest};

/// When to stop draining.
#[derive(Debug, Clone, Copy)]
pub(super) struct DrainLimits {
    /// Bytes that an echo server still has to return, if it is one.
    pub(super) pending: Option<u64>,
    /// Bytes that suffice as a proof.
    pub(super) enough: u64,
    /// The longest that it may take.
    pub(super) timeout: Duration,
    /// Time without a byte after which nothing more is expected.
    pub(super) quiet: Duration,
}

/// Drains all slow readers and discards the publisher's replies. `sampled` is called between reads and stops the drain by
/// returning `false`.
pub(super) fn drain(
    slow_readers: &mut [AuditConnection],
    senders: &mut [AuditConnection],
    in_kernels: u64,
    echo: Option<&StimulusStream>,
    limits: DrainLimits,
    stop: &AtomicBool,
    sampled: &mut dyn FnMut(&mut [AuditConnection], &mut [AuditConnection]) -> bool,
) -> Drain {
    let started = Instant::now();
    let before: u64 = slow_readers.iter().map(|connection| connection.consumed).sum();
    let mut buffer = vec![0; BUFFER];
    let (mut curve, mut damaged_at, mut first_text) = (vec![(0.0, 0)], None, None);
    let mut last_read = started;
    let stopped = loop {
        let mut any = false;
        for connection in slow_readers.iter_mut() {
            let offset = connection.consumed;
            let count = connection.read(&mut buffer);
            any |= count > 0;
            if count > 0 {
                first_text.get_or_insert_with(|| buffer[..count.min(FIRST_TEXT)].escape_ascii().to_string());
            }
            if let Some(stream) = echo
                && damaged_at.is_none()
            {
                damaged_at = stream.differs_at(offset, &buffer[..count]);
            }
        }
        for connection in senders.iter_mut() {
            connection.discard(&mut buffer);
        }
        let now = Instant::now();
        let bytes = slow_readers.iter().map(|connection| connection.consumed).sum::<u64>() - before;
        if any {
            last_read = now;
        }
        let t = (now - started).as_secs_f64();
        if curve.last().is_none_or(|point| t - point.0 >= CURVE_STEP) {
            curve.push((t, bytes));
            if !sampled(slow_readers, senders) {
                break StopReason::Enough;
            }
        }
        if limits.pending.is_some_and(|pending| before + bytes >= pending) {
            break StopReason::Complete;
        }
        if bytes >= limits.enough || now - started >= limits.timeout || stop.load(Ordering::Relaxed) {
            break StopReason::Enough;
        }
        if !any {
            if slow_readers.iter().all(|connection| {
                matches!(connection.closed, Some(DisconnectKind::Closed | DisconnectKind::Reset))
            }) {
                break StopReason::Closed;
            }
            if now - last_read >= limits.quiet {
                break StopReason::Quiet;
            }
            let waited: Vec<_> = slow_readers
                .iter()
                .map(|connection| (connection.socket(), Interest { read: true, write: false }))
                .collect();
            sys::wait(&waited, Duration::from_millis(10));
        }
    };
    let bytes = slow_readers.iter().map(|connection| connection.consumed).sum::<u64>() - before;
    let seconds = started.elapsed().as_secs_f64();
    curve.push((seconds, bytes));
    Drain { bytes, in_kernels: in_kernels.min(bytes), seconds, stopped, curve, damaged_at, first_text }
}

/// Bytes per read: large, so that hundreds of MiB take a fraction of a second.
const BUFFER: usize = 256 << 10;

/// Bytes of the reply that are stored for display: a status line or an error.
const FIRST_TEXT: usize = 64;

/// Seconds between two points of the curve.
const CURVE_STEP: f64 = 0.05;
