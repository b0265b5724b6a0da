//! Reading out: the victim reads at last, and all that was owed to it comes, as far as the server gives it.
//!
//! What comes beyond what the two kernels held was queued by somebody, wherever its memory is: in a heap that was touched
//! before, in another user's process, in a server behind this one. It is the one proof that needs no view of the server.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use echoctl_record::{Ended, ReadOut, Stopped};

use super::feed::Feed;
use super::link::Link;
use crate::sys::{self, Interest};

/// How far to read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Extent {
    /// Bytes that an echo owes, when it is one.
    pub(super) owed: Option<u64>,
    /// Bytes after which there is no doubt left.
    pub(super) enough: u64,
    /// The longest that it may take.
    pub(super) patience: Duration,
    /// Silence after which nothing more is expected.
    pub(super) quiet: Duration,
}

/// Reads all victims, and the feeder's answers beside them. `sampled` is called between reads, and ends it with `false`.
pub(super) fn read_out(
    victims: &mut [Link],
    senders: &mut [Link],
    in_kernels: u64,
    echo: Option<&Feed>,
    extent: Extent,
    stop: &AtomicBool,
    sampled: &mut dyn FnMut(&mut [Link], &mut [Link]) -> bool,
) -> ReadOut {
    let started = Instant::now();
    let before: u64 = victims.iter().map(|link| link.consumed).sum();
    let mut buffer = vec![0; BUFFER];
    let (mut curve, mut damaged_at, mut said) = (vec![(0.0, 0)], None, None);
    let mut heard = started;
    let stopped = loop {
        let mut any = false;
        for link in victims.iter_mut() {
            let offset = link.consumed;
            let count = link.read(&mut buffer);
            any |= count > 0;
            if count > 0 {
                said.get_or_insert_with(|| buffer[..count.min(SAID)].escape_ascii().to_string());
            }
            if let Some(feed) = echo
                && damaged_at.is_none()
            {
                damaged_at = feed.differs_at(offset, &buffer[..count]);
            }
        }
        for link in senders.iter_mut() {
            link.discard(&mut buffer);
        }
        let now = Instant::now();
        let bytes = victims.iter().map(|link| link.consumed).sum::<u64>() - before;
        if any {
            heard = now;
        }
        let t = (now - started).as_secs_f64();
        if curve.last().is_none_or(|point| t - point.0 >= CURVE_STEP) {
            curve.push((t, bytes));
            if !sampled(victims, senders) {
                break Stopped::Enough;
            }
        }
        if extent.owed.is_some_and(|owed| before + bytes >= owed) {
            break Stopped::Complete;
        }
        if bytes >= extent.enough || now - started >= extent.patience || stop.load(Ordering::Relaxed) {
            break Stopped::Enough;
        }
        if !any {
            if victims.iter().all(|link| matches!(link.ended, Some(Ended::Closed | Ended::Reset))) {
                break Stopped::Ended;
            }
            if now - heard >= extent.quiet {
                break Stopped::Quiet;
            }
            let waited: Vec<_> =
                victims.iter().map(|link| (link.socket(), Interest { read: true, write: false })).collect();
            sys::wait(&waited, Duration::from_millis(10));
        }
    };
    let bytes = victims.iter().map(|link| link.consumed).sum::<u64>() - before;
    let seconds = started.elapsed().as_secs_f64();
    curve.push((seconds, bytes));
    ReadOut { bytes, in_kernels: in_kernels.min(bytes), seconds, stopped, curve, damaged_at, said }
}

/// A read: large, so that reading out hundreds of MiB takes a fraction of a second.
const BUFFER: usize = 256 << 10;

/// Bytes of the answer that are kept to be shown: a status line, an error.
const SAID: usize = 64;

/// Seconds between two points of the curve.
const CURVE_STEP: f64 = 0.05;
