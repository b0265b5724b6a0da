//! The verdict of a flood: the audit's rule where it is certain, and the flood's own evidence where it is not.
//!
//! An audit watches a stopped server for 3.5 s before it calls it safe, and then drains the pending bytes. A flood runs as long
//! as the user says, may read slowly or stop reading later, and knows how long its producer was held back:
//!
//! ```text
//! the server exited or disconnected, or its memory exceeded every limit      the rule's verdict
//! held back at the end, and the server buffers no more than before           bounded (see `stall`)
//! memory that grows with the input                                           unbounded, as the rule says
//! memory that grows far more than the input, while other clients send        inconclusive
//! everything else                                                            slow or inconclusive, with the reason
//! ```
//!
//! The verdict is never `discards`: memory that does not grow may be memory reused, and only a drain could show it.

use std::ops::RangeInclusive;

use echoctl_record::{Bytes, Evidence, Point, Seconds, Verdict, count};
use echoctl_verdict::{Judgement, audit};

use super::other_clients::OtherInput;
use super::stall::{PRESSURE_SECONDS, STALL_SECONDS, Stall};

/// What a flood observed besides its evidence.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Observed {
    /// The longest time for which the producer was held back, in seconds.
    pub(super) longest_wait: f64,
    /// Bytes that the server had read when most were pending, as in the table.
    pub(super) read: u64,
    /// The most bytes that the server had read and not written back.
    pub(super) unwritten: u64,
    /// The most that the server's memory grew, in bytes, as everywhere in the output; `None` if not visible.
    pub(super) growth: Option<u64>,
    /// What other clients sent meanwhile.
    pub(super) others: OtherInput,
}

/// The verdict on this evidence.
pub(super) fn judge(evidence: &Evidence, observed: Observed) -> Judgement {
    let ruled = audit::judge(evidence);
    let case = Case::of(evidence, observed);
    match ruled.verdict {
        Verdict::Disconnects | Verdict::Crashes | Verdict::Spills => ruled,
        Verdict::Bounded => Judgement { reason: case.stopped(), ..ruled },
        Verdict::Unbounded if case.stall.stalled_for >= STALL_SECONDS => inconclusive(case.late(), LONGER),
        Verdict::Unbounded if case.is_growth_of_others() => case.not_ours(),
        Verdict::Unbounded => Judgement { reason: case.unbounded().unwrap_or(ruled.reason), ..ruled },
        Verdict::Slow | Verdict::Inconclusive | Verdict::Discards => case.doubtful(ruled),
    }
}

/// Removes from the counters what was consumed before the reader stopped: those bytes were never in a queue of this test.
pub(super) fn since_it_stopped_reading(points: &mut [Point]) {
    let Some(before) = points.last().map(|point| point.sample.consumed) else { return };
    for Point { sample, .. } in points {
        let counters = [&mut sample.produced, &mut sample.consumed];
        let seen = [
            &mut sample.server_received,
            &mut sample.server_read,
            &mut sample.server_written,
            &mut sample.client_received,
        ];
        for counter in counters.into_iter().chain(seen.into_iter().flatten()) {
            *counter = counter.saturating_sub(before);
        }
    }
}

/// The figures of a flood. Sizes in bytes.
#[derive(Debug, Clone, Copy)]
struct Case {
    stall: Stall,
    observed: Observed,
    /// Seconds that the run took.
    duration: f64,
    /// Input that the server has read.
    read: u64,
    /// The most that it had read and not written back.
    unwritten: u64,
    /// Sent and not read back at the end.
    in_flight: u64,
    /// The most that the kernel queues hold.
    kernel_buffering: u64,
}

impl Case {
    fn of(evidence: &Evidence, observed: Observed) -> Case {
        let last = evidence.points.last().copied().unwrap_or_default();
        Case {
            stall: Stall::of(&evidence.points),
            observed,
            duration: evidence.max_duration,
            read: last.server_read().max(observed.read),
            unwritten: observed.unwritten.max(last.server_read().saturating_sub(last.server_written())),
            in_flight: last.sample.produced.saturating_sub(last.sample.consumed),
            kernel_buffering: evidence.kernel_buffering,
        }
    }

    fn is_held_back(&self) -> bool {
        self.observed.longest_wait >= HELD_BACK
    }

    /// Whether it buffered enough input that a short pause proves nothing: garbage collectors pause, too.
    fn has_buffered_much(&self) -> bool {
        self.read >= MUCH && self.observed.growth.is_some_and(|growth| growth >= self.read / 5 * 2)
    }

    /// Whether other clients sent enough to explain at least half of the growth that exceeds our input.
    fn has_other_senders(&self) -> bool {
        let excess = self.observed.growth.unwrap_or(0).saturating_sub(self.read);
        excess > self.read / 4 + HEAP_SLACK && self.observed.others.received >= excess / 2
    }

    /// Whether the growth says nothing about this flood: other clients send, and our own bytes are not in the server.
    fn is_growth_of_others(&self) -> bool {
        let is_ours = self.unwritten > self.kernel_buffering && self.unwritten >= self.read / 2;
        self.has_other_senders() && !is_ours
    }

    /// The verdict where the rule's is slow, inconclusive or discards.
    fn doubtful(&self, ruled: Judgement) -> Judgement {
        let stall = &self.stall;
        let read = Bytes(self.read);
        let longest_wait = Seconds(self.observed.longest_wait);
        if stall.is_backpressure() && self.has_buffered_much() {
            return inconclusive(self.late(), LONGER);
        }
        if stall.stalled_for >= STALL_SECONDS {
            return bounded(self.stopped());
        }
        if stall.is_backpressure() {
            return bounded(self.pressed());
        }
        if self.is_growth_of_others() {
            return self.not_ours();
        }
        if stall.stalled_for >= HELD_BACK {
            // The longest wait is the figure that everything else shows, if it is the one at the end.
            let wait = if self.observed.longest_wait < STALL_SECONDS {
                longest_wait
            } else {
                Seconds(stall.stalled_for)
            };
            return inconclusive(
                format!(
                    "the server stopped reading after {read} of input and held the producer back, but for only {wait}; it \
                     takes {STALL_SECONDS:.0} s to tell a limit from a pause"
                ),
                LONGER,
            );
        }
        let Some(growth) = self.observed.growth else {
            return inconclusive(
                format!("the server read {read}, and its memory is not visible: it may buffer all of it"),
                "give --pid, run as the server's user, or let echoctl audit start the server",
            );
        };
        if self.unwritten > self.kernel_buffering && growth < self.unwritten / 2 {
            return inconclusive(
                format!(
                    "the server read {} more than it wrote back, but its memory grew by only {}: it drops replies, does not \
                     echo, or reuses memory that it had before",
                    Bytes(self.unwritten),
                    Bytes(growth)
                ),
                "restart the server and run echoctl audit, which has presets for other protocols and drains what is pending",
            );
        }
        let growth = Bytes(growth);
        if self.is_held_back() {
            return inconclusive(
                format!(
                    "the producer was held back for at most {longest_wait}, and the server did not show for \
                     {PRESSURE_SECONDS:.1} s that it buffers no more than before; it read {read}, and its memory grew by \
                     {growth}"
                ),
                LONGER,
            );
        }
        if ruled.verdict == Verdict::Slow {
            return ruled;
        }
        if self.in_flight <= self.kernel_buffering {
            return inconclusive(
                format!(
                    "only {} were pending at the end, which the kernel queues can hold: the server was not put to the test",
                    Bytes(self.in_flight)
                ),
                "read less or send more, with --no-read or a higher --rate",
            );
        }
        inconclusive(
            format!(
                "the server read {read}, and its memory grew by {growth}: too much for a server that buffers nothing, and too \
                 little for one that buffers everything"
            ),
            "send more: --bytes 2GiB --for 60s",
        )
    }

    fn stopped(&self) -> String {
        format!(
            "the server stopped reading after {} of input and held the producer back for {}{}",
            Bytes(self.read),
            Seconds(self.observed.longest_wait),
            self.memory()
        )
    }

    fn pressed(&self) -> String {
        let span = match self.stall.pressed_for >= MOST_OF_RUN * self.duration {
            true => "run".to_owned(),
            false => format!("last {}", Seconds(self.stall.pressed_for)),
        };
        format!(
            "the server read only as fast as its replies were read: input waited for most of the {span}, and the producer was \
             held back for at most {} at a time{}",
            Seconds(self.observed.longest_wait),
            self.memory()
        )
    }

    /// What memory adds to a bounded verdict.
    fn memory(&self) -> String {
        match self.observed.growth {
            Some(growth) if self.has_other_senders() => {
                format!("; its memory grew by {}, while {}", Bytes(growth), self.others())
            }
            Some(0) => "; its memory did not grow".to_owned(),
            Some(growth) => format!("; its memory grew by at most {}", Bytes(growth)),
            None => "; its memory is not visible, so this rests on the socket queues".to_owned(),
        }
    }

    /// It buffered its input, and then it stopped.
    fn late(&self) -> String {
        format!(
            "the server buffered {} of input{}, and then held the producer back for {}: a high limit, or a pause",
            Bytes(self.read),
            self.observed
                .growth
                .map(|growth| format!(" (memory grew by {})", Bytes(growth)))
                .unwrap_or_default(),
            Seconds(self.stall.stalled_for)
        )
    }

    /// It buffers its input. `None` if its memory is not visible.
    fn unbounded(&self) -> Option<String> {
        let growth = self.observed.growth?;
        let mut reason = format!("the server read {}", Bytes(self.read));
        if self.is_held_back() {
            let wait = Seconds(self.observed.longest_wait);
            reason += &format!(", although it held the producer back for up to {wait}");
        } else {
            reason += " without a pause";
        }
        reason += &format!(", and its memory grew by {}", Bytes(growth));
        if self.has_other_senders() {
            return Some(format!("{reason}, while {}", self.others()));
        }
        Some(format!("{reason}: {}", retained(growth as f64 / self.read.max(1) as f64)))
    }

    fn not_ours(&self) -> Judgement {
        inconclusive(
            format!(
                "the server's memory grew by {}, but it read only {} from this flood, while {}",
                Bytes(self.observed.growth.unwrap_or(0)),
                Bytes(self.read),
                self.others()
            ),
            "run the flood again while no other client sends",
        )
    }

    fn others(&self) -> String {
        let OtherInput { received, connections } = self.observed.others;
        format!("other clients sent {} over {}", Bytes(received), count(connections, "connection"))
    }
}

/// How much memory the input takes, in words.
fn retained(ratio: f64) -> String {
    match ratio {
        ratio if NEARLY_ALL.contains(&ratio) => "nearly all that it read stayed in its memory".to_owned(),
        ratio => format!("{ratio:.2} bytes of memory for each byte that it read"),
    }
}

fn bounded(reason: String) -> Judgement {
    Judgement { verdict: Verdict::Bounded, reason, try_next: None, wants_second_pass: false }
}

fn inconclusive(reason: String, try_next: &str) -> Judgement {
    Judgement {
        verdict: Verdict::Inconclusive,
        reason,
        try_next: Some(try_next.to_owned()),
        wants_second_pass: false,
    }
}

/// Fraction of a run that is most of it.
const MOST_OF_RUN: f64 = 0.8;

/// Seconds. Shorter waits are normal for the kernel's queues.
const HELD_BACK: f64 = 0.5;

/// Bytes of memory per byte read that show that the input stays in memory: all but a few MiB in the kernel queues.
const NEARLY_ALL: RangeInclusive<f64> = 0.85..=1.05;

/// Input that exceeds most limits, if it is buffered.
const MUCH: u64 = 64 << 20;

/// Bytes by which a heap may grow for other reasons.
const HEAP_SLACK: u64 = 8 << 20;

/// Advice where time is what was missing.
const LONGER: &str = "watch it for longer: --for 30s";

#[cfg(test)]
mod tests;
