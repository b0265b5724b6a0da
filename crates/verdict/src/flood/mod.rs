//! Judges a flood: by the audit's rule where it is certain, and by the flood's own evidence where it is not.
//!
//! An audit watches a stopped server for 3.5 s before it calls it safe, and then drains the pending bytes. A flood runs as long
//! as the user says, may read slowly or stop reading later, and knows how long its producer was held back:
//!
//! ```text
//! the server exited or disconnected, or its memory exceeded every limit      the audit's verdict
//! a process of the server was suspended                                      inconclusive
//! held back at the end because it is not read, and the server buffers no
//! more than before, and goes on once it is read                              bounded (see `stall`)
//! memory that grows with the input                                           unbounded, as the audit says
//! read on, and wrote less than it read even when all of that was read        discards
//! memory that grows far more than the input, while other clients send        inconclusive
//! everything else                                                            slow or inconclusive, with the reason
//! ```
//!
//! Without a drain to its end the verdict is never `discards`: memory that does not grow may be memory reused. Nor is it one of a
//! server that writes next to nothing: what it has read may be anywhere.

mod cause;
mod reason;
mod signals;
mod stall;
mod table;

use echoctl_record::{Evidence, Point, Verdict};

use crate::judgement::only;
use crate::{Judgement, audit};
pub use cause::Cause;
pub use reason::joined_reason;
use signals::Signals;

/// What a flood observed besides its evidence. Sizes in bytes.
#[derive(Debug, Clone, Copy, Default)]
pub struct Observed {
    /// How the client read.
    pub reader: Reader,
    /// The longest time for which the producer was held back, in seconds.
    pub longest_wait: f64,
    /// What the server had read when most was pending.
    pub read: u64,
    /// The most that the server had read and not written back.
    pub unwritten: u64,
    /// The most that the server's memory grew; `None` if not visible.
    pub growth: Option<u64>,
    /// What other clients sent meanwhile.
    pub others: OtherInput,
}

/// How the client of a flood read while the evidence was collected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Reader {
    /// Slowly or not at all, from the start.
    #[default]
    Starved,
    /// Not any more: it had read everything until then.
    Stopped,
}

/// What other clients of the server did during a flood.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct OtherInput {
    /// Bytes that the server's kernel received from them.
    pub received: u64,
    /// Connections that were open at that moment.
    pub connections: u64,
}

/// The verdict on this evidence.
pub fn judge(mut evidence: Evidence, mut observed: Observed) -> Judgement<Cause> {
    if observed.reader == Reader::Stopped {
        let before = evidence.points.last().map_or(0, |last| last.sample.consumed);
        observed.read = observed.read.saturating_sub(before);
        evidence.points.iter_mut().for_each(|point| forget(point, before));
    }
    let by_audit = audit::judge(&evidence);
    // An audit recognises a stall also where memory rises and falls.
    let stalled_for = match by_audit.verdict {
        Verdict::Bounded => audit::figures(&evidence).stalled_seconds,
        _ => 0.0,
    };
    let signals = Signals::of(&evidence, observed, stalled_for);
    let cause = table::classify(&by_audit, &signals);
    let reason = reason::reason(cause, &signals, &by_audit.reason);
    let reason = match observed.reader {
        Reader::Starved => reason,
        Reader::Stopped => format!("once the reader had stopped, {reason}"),
    };
    let (verdict, advice) = cause.conclusion(&by_audit, &signals);
    Judgement { verdict, findings: only(verdict), cause, reason, advice }
}

/// Removes from the counters what was consumed before the reader stopped: those bytes were never in a queue of this test.
fn forget(point: &mut Point, before: u64) {
    let sample = &mut point.sample;
    let counters = [&mut sample.produced, &mut sample.consumed];
    let visible = [
        &mut sample.server_received,
        &mut sample.server_read,
        &mut sample.server_written,
        &mut sample.client_received,
    ];
    for counter in counters.into_iter().chain(visible.into_iter().flatten()) {
        *counter = counter.saturating_sub(before);
    }
}

#[cfg(test)]
mod tests;
