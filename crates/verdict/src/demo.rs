//! Judges one side of the demo by the samples of its stall.
//!
//! The demo knows when its client stops and for how long, so it needs less evidence than an audit of an unknown server:
//! whether the client was held back, and whether the server's memory grew by what it received.

use std::ops::Range;

use echoctl_record::{Bytes, Sample, Seconds, Verdict};

use crate::judgement::only;
use crate::{HELD_BACK_SECONDS, Judgement};

/// Why a side has its verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// There are no samples of the stall.
    NoSamples,
    /// The server's memory is not visible.
    MemoryUnseen,
    /// The client was held back, and memory grew by less than half of what the server accepted.
    HeldBack,
    /// The client was not held back, and memory grew by at least half of it.
    GrewInstead,
    /// Both, or neither.
    Unclear,
}

/// The verdict on a side whose client did not read during `stall`, in seconds.
pub fn judge(stall: Range<f64>, samples: &[Sample]) -> Judgement<Cause> {
    let stall: Vec<&Sample> = samples.iter().filter(|sample| stall.contains(&sample.t)).collect();
    let (Some(first), Some(last)) = (stall.first(), stall.last()) else {
        return judgement(Cause::NoSamples, "there are no samples while the client did not read".to_owned());
    };
    let Some((before, after)) = first.server_memory.zip(last.server_memory) else {
        return judgement(Cause::MemoryUnseen, "the server's memory is not visible here".to_owned());
    };
    let held_since = stall.iter().find(|sample| sample.produced == last.produced).unwrap_or(last).t;
    let (held, sent) = (last.t - held_since, last.produced - first.produced);
    let grown = after.saturating_sub(before);
    let cause = match (held >= HELD_BACK_SECONDS, grown >= sent / 2) {
        (true, false) => Cause::HeldBack,
        (false, true) => Cause::GrewInstead,
        _ => Cause::Unclear,
    };
    let held = match cause {
        Cause::GrewInstead => "was never held back".to_owned(),
        _ => format!("was held back for {}", Seconds(held)),
    };
    judgement(
        cause,
        format!(
            "while the client did not read, the server accepted {}, its memory grew by {}, and the client {held}",
            Bytes(sent),
            Bytes(grown)
        ),
    )
}

fn judgement(cause: Cause, reason: String) -> Judgement<Cause> {
    let verdict = match cause {
        Cause::HeldBack => Verdict::Bounded,
        Cause::GrewInstead => Verdict::Unbounded,
        Cause::NoSamples | Cause::MemoryUnseen | Cause::Unclear => Verdict::Inconclusive,
    };
    Judgement { verdict, findings: only(verdict), cause, reason, advice: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: f64 = 1024.0 * 1024.0;

    /// The cause for a side that accepts 64 MiB/s until `until` seconds, and from 3 s on buffers the share `buffered` of each
    /// byte. Its client does not read from 3 s to 8 s.
    fn cause(until: f64, buffered: f64) -> Cause {
        let rate = 64.0 * MIB;
        let at = |t: f64| {
            let sent = rate * t.min(until);
            Sample {
                t,
                produced: sent as u64,
                server_memory: Some((buffered * (sent - rate * 3.0).max(0.0)) as u64),
                ..Sample::default()
            }
        };
        let samples: Vec<Sample> = (0..200).map(|tick| at(f64::from(tick) / 20.0)).collect();
        judge(3.0..8.0, &samples).cause
    }

    #[test]
    fn a_server_that_accepts_everything_and_grows_is_unbounded() {
        assert_eq!(cause(8.0, 1.0), Cause::GrewInstead);
        assert_eq!(cause(7.8, 1.0), Cause::GrewInstead, "a gap of 0.2 s is not a stall");
    }

    #[test]
    fn a_server_that_holds_its_client_back_is_bounded() {
        assert_eq!(cause(3.2, 0.01), Cause::HeldBack);
    }

    #[test]
    fn other_evidence_is_inconclusive() {
        assert_eq!(cause(8.0, 0.0), Cause::Unclear, "accepted everything and buffered nothing");
        assert_eq!(cause(5.0, 1.0), Cause::Unclear, "buffered everything and then held its client back");
        assert_eq!(judge(3.0..8.0, &[]).cause, Cause::NoSamples);

        let unseen = judge(3.0..8.0, &[Sample { t: 5.0, ..Sample::default() }]);

        assert_eq!((unseen.cause, unseen.verdict), (Cause::MemoryUnseen, Verdict::Inconclusive));
    }
}
