//! The verdict of a flood: the audit's rule where it is sure, and what a flood knows where it is not.
//!
//! An audit watches a stopped server for 3.5 s before it calls it safe, and reads out what is owed. A flood runs as long as
//! the user says, may read slowly or stop reading after a while, and knows for how long its producer was held back:
//!
//! ```text
//! the server died or hung up, or its memory passed every limit     the rule's word
//! held back at the end, and the server keeps no more (see `stall`)  bounded
//! memory that follows the input                                    unbounded, the rule's word
//! all else                                                         slow or inconclusive, with the reason
//! ```
//!
//! It never says `discards`: memory that does not grow may be memory used again, and only reading out would tell.

use echoctl_record::{Bytes, Evidence, Judgement, Point, Seconds, Verdict};

use super::stall::{PRESSURE_SECONDS, STALL_SECONDS, Stall};

/// What a flood knows beside its evidence.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Observed {
    /// The longest time for which the producer was held back, in seconds.
    pub(super) longest_wait: f64,
    /// The most bytes that the server had read and not written back.
    pub(super) unwritten: u64,
}

/// What this evidence says of the server.
pub(super) fn judge(evidence: &Evidence, observed: Observed) -> Judgement {
    let ruled = evidence.judge();
    let case = Case::of(evidence, observed);
    match ruled.verdict {
        Verdict::Disconnects | Verdict::Crashes | Verdict::Spills => ruled,
        Verdict::Bounded => Judgement { reason: case.stopped(), ..ruled },
        Verdict::Unbounded if case.stall.stalled_for >= STALL_SECONDS => inconclusive(case.late(), LONGER),
        Verdict::Unbounded if case.is_held_back() && ruled.reason.contains(WITHOUT_PAUSE) => {
            Judgement { reason: case.kept(), ..ruled }
        }
        Verdict::Unbounded => ruled,
        Verdict::Slow | Verdict::Inconclusive | Verdict::Discards => case.doubtful(ruled),
    }
}

/// Evidence of a reader that read before it stopped: what was consumed by then was never anybody's queue.
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
    /// The longest time for which the producer was held back, in seconds.
    longest_wait: f64,
    taken: u64,
    /// The most that was taken and not written back.
    unwritten: u64,
    /// Sent and not read back at the end.
    on_the_way: u64,
    /// The most that memory grew; `None` where it is not visible.
    growth: Option<u64>,
    /// What kernels hold at most.
    slack: u64,
}

impl Case {
    fn of(evidence: &Evidence, observed: Observed) -> Case {
        let last = evidence.points.last().copied().unwrap_or_default();
        Case {
            stall: Stall::of(&evidence.points),
            longest_wait: observed.longest_wait,
            taken: last.server_read(),
            unwritten: observed.unwritten.max(last.server_read().saturating_sub(last.server_written())),
            on_the_way: last.sample.produced.saturating_sub(last.sample.consumed),
            growth: evidence.figures().memory_growth,
            slack: evidence.kernel_buffering,
        }
    }

    fn is_held_back(&self) -> bool {
        self.longest_wait >= HELD_BACK
    }

    /// Whether it kept so much of what it took that a short pause is no proof: collectors stop the world, too.
    fn has_kept_much(&self) -> bool {
        self.taken >= MUCH && self.growth.is_some_and(|growth| growth >= self.taken / 5 * 2)
    }

    /// What the rule calls slow, inconclusive or discarding.
    fn doubtful(&self, ruled: Judgement) -> Judgement {
        let stall = &self.stall;
        let taken = Bytes(self.taken);
        if stall.is_backpressure() && self.has_kept_much() {
            return inconclusive(self.late(), LONGER);
        }
        if stall.stalled_for >= STALL_SECONDS {
            return bounded(self.stopped());
        }
        if stall.is_backpressure() {
            return bounded(self.pressed());
        }
        if stall.stalled_for >= HELD_BACK {
            return inconclusive(
                format!(
                    "the server stopped reading after {taken} of input and held the producer back for {}, shorter than the \
                     {STALL_SECONDS:.0} s that tell a limit from a pause",
                    // The wait that is over with the flood, in the figure that all else shows.
                    Seconds(if self.longest_wait < STALL_SECONDS {
                        self.longest_wait
                    } else {
                        stall.stalled_for
                    })
                ),
                LONGER,
            );
        }
        let Some(growth) = self.growth else {
            return inconclusive(
                format!("the server took {taken}, and its memory is not visible: it may keep it all"),
                "give --pid, run as the server's user, or let echoctl audit start the server itself",
            );
        };
        let growth = Bytes(growth);
        if self.unwritten > self.slack && self.growth < Some(self.unwritten / 2) {
            return inconclusive(
                format!(
                    "the server read {} more than it wrote back, and its memory grew by {growth}: its answers are no echo, \
                     it drops them, or it uses memory again that it had before",
                    Bytes(self.unwritten)
                ),
                "echoctl audit, which knows other shapes and reads out what is owed; start the server anew before",
            );
        }
        if self.is_held_back() {
            return inconclusive(
                format!(
                    "the producer was held back for {} at most, but the server did not show for {PRESSURE_SECONDS:.1} s that it keeps \
                     no more than before: it took {taken}, and its memory grew by {growth}",
                    Seconds(self.longest_wait)
                ),
                LONGER,
            );
        }
        if ruled.verdict == Verdict::Slow {
            return ruled;
        }
        if self.on_the_way <= self.slack {
            return inconclusive(
                format!(
                    "only {} waited between producer and reader at the end, which the kernels' queues hold alone: the server \
                     was never put to the test",
                    Bytes(self.on_the_way)
                ),
                "read less, or send more: --no-read, or a higher --rate",
            );
        }
        inconclusive(
            format!(
                "the server took {taken}, and its memory grew by {growth}: too much for none and too little for all"
            ),
            "send more: --bytes 2GiB --for 60s",
        )
    }

    fn stopped(&self) -> String {
        format!(
            "the server stopped reading after {} of input and held the producer back for {}{}",
            Bytes(self.taken),
            Seconds(self.longest_wait),
            self.memory()
        )
    }

    fn pressed(&self) -> String {
        format!(
            "the server read only as its replies were read: for most of the last {} input waited before it, the producer \
             held back for {} at most at a time{}",
            Seconds(self.stall.pressed_for),
            Seconds(self.longest_wait),
            self.memory()
        )
    }

    fn memory(&self) -> String {
        match self.growth {
            Some(growth) => format!(", and its memory stayed within {} of where it began", Bytes(growth)),
            None => "; seen on the wire alone, since its memory is not visible".to_owned(),
        }
    }

    /// It kept what it took, and then it stopped.
    fn late(&self) -> String {
        format!(
            "the server kept {} of input{}, and then held the producer back for {}: a high limit, or a pause",
            Bytes(self.taken),
            self.growth.map(|growth| format!(", its memory up by {}", Bytes(growth))).unwrap_or_default(),
            Seconds(self.stall.stalled_for)
        )
    }

    /// It keeps what it takes, though not all at once.
    fn kept(&self) -> String {
        format!(
            "the server took {}, and its memory grew by {}, though it held the producer back for up to {}",
            Bytes(self.taken),
            Bytes(self.growth.unwrap_or(0)),
            Seconds(self.longest_wait)
        )
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

/// Seconds: shorter waits are the kernel's ordinary business, and not worth a word.
const HELD_BACK: f64 = 0.5;

/// Input that, if it is kept, is more than most limits.
const MUCH: u64 = 64 << 20;

/// The advice where time is what was missing.
const LONGER: &str = "watch it for longer: --for 30s";

/// What the rule says of a server that took everything, and what must not be said when it held the producer back.
const WITHOUT_PAUSE: &str = "without a pause";

#[cfg(test)]
mod tests;
