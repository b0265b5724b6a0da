//! Reaches a verdict on one side of the demo from the samples of the stall.
//!
//! The demo knows when its client stops and for how long, so it needs less evidence than an audit of an unknown server:
//! whether the client was held back, and whether the server's memory grew by what it received.

use echoctl_record::{Bytes, Sample, Seconds, Verdict};

use super::Plan;

/// The verdict and its reason.
pub(super) fn judge(plan: &Plan, samples: &[Sample]) -> (Verdict, String) {
    let stall = |sample: &&Sample| (plan.read.as_secs_f64()..plan.resumes_at()).contains(&sample.t);
    let stall: Vec<&Sample> = samples.iter().filter(stall).collect();
    let (Some(first), Some(last)) = (stall.first(), stall.last()) else {
        return (Verdict::Inconclusive, "there are no samples while the client did not read".to_owned());
    };
    let held_since = stall.iter().find(|sample| sample.produced == last.produced).unwrap_or(last).t;
    let (held, sent) = (last.t - held_since, last.produced - first.produced);
    let memory = first.server_memory.zip(last.server_memory);
    let Some(grown) = memory.map(|(before, after)| after.saturating_sub(before)) else {
        return (Verdict::Inconclusive, "the server's memory is not visible here".to_owned());
    };
    let facts = format!(
        "while the client did not read, the server accepted {}, its memory grew by {}",
        Bytes(sent),
        Bytes(grown)
    );
    if held >= HELD_BACK && grown < sent / 2 {
        (Verdict::Bounded, format!("{facts}, and the client was held back for {}", Seconds(held)))
    } else if held < HELD_BACK && grown >= sent / 2 {
        (Verdict::Unbounded, format!("{facts}, and the client was never held back"))
    } else {
        (Verdict::Inconclusive, format!("{facts}, and the client was held back for {}", Seconds(held)))
    }
}

/// Seconds without progress that count as being held back. Progress on loopback has gaps of at most 0.2 s.
const HELD_BACK: f64 = 1.0;

#[cfg(test)]
mod tests {
    use super::*;

    /// A side that accepts the plan's rate until `until` seconds, and from 3 s on buffers the share `buffered` of each byte.
    fn side(until: f64, buffered: f64) -> Vec<Sample> {
        let rate = Plan::FULL.rate as f64;
        let at = |t: f64| {
            let sent = rate * t.min(until);
            Sample {
                t,
                produced: sent as u64,
                server_memory: Some((buffered * (sent - rate * 3.0).max(0.0)) as u64),
                ..Sample::default()
            }
        };
        (0..200).map(|tick| at(f64::from(tick) / 20.0)).collect()
    }

    fn verdict(samples: &[Sample]) -> Verdict {
        judge(&Plan::FULL, samples).0
    }

    #[test]
    fn a_server_that_accepts_everything_and_grows_is_unbounded() {
        assert_eq!(verdict(&side(8.0, 1.0)), Verdict::Unbounded);
    }

    #[test]
    fn a_server_that_holds_its_client_back_is_bounded() {
        assert_eq!(verdict(&side(3.2, 0.01)), Verdict::Bounded);
    }

    #[test]
    fn other_evidence_is_inconclusive() {
        assert_eq!(
            verdict(&side(8.0, 0.0)),
            Verdict::Inconclusive,
            "accepted everything and buffered nothing"
        );
        assert_eq!(verdict(&[]), Verdict::Inconclusive);
        let unseen = Sample { t: 5.0, ..Sample::default() };
        assert_eq!(verdict(&[unseen]), Verdict::Inconclusive, "memory is not visible");
    }
}
