//! The verdict on one side of the demo, from what was seen while its client did not read.
//!
//! The demo knows when the client stops and for how long, so it needs less than an audit of an unknown server does: whether
//! the client was held back, and whether the server's memory took what it was sent.

use echoctl_record::{Bytes, Sample, Seconds, Verdict};

use super::Plan;

/// What the samples say of the server, and why.
pub(super) fn judge(plan: &Plan, samples: &[Sample]) -> (Verdict, String) {
    let stopped = |sample: &&Sample| (plan.read.as_secs_f64()..plan.resumes_at()).contains(&sample.t);
    let seen: Vec<&Sample> = samples.iter().filter(stopped).collect();
    let (Some(first), Some(last)) = (seen.first(), seen.last()) else {
        return (Verdict::Inconclusive, "nothing was seen while the client did not read".to_owned());
    };
    let still_since = seen.iter().find(|sample| sample.produced == last.produced).unwrap_or(last).t;
    let (still, sent) = (last.t - still_since, last.produced - first.produced);
    let memory = first.server_memory.zip(last.server_memory);
    let Some(grown) = memory.map(|(before, after)| after.saturating_sub(before)) else {
        return (Verdict::Inconclusive, "the server's memory is not visible here".to_owned());
    };
    let facts = format!("while the client did not read it took {} and grew by {}", Bytes(sent), Bytes(grown));
    if still >= STALL && grown < sent / 2 {
        (Verdict::Bounded, format!("{facts}, and held the client back for {}", Seconds(still)))
    } else if still < STALL && grown >= sent / 2 {
        (Verdict::Unbounded, format!("{facts}, and never held the client back"))
    } else {
        (Verdict::Inconclusive, format!("{facts}, and held the client back for {}", Seconds(still)))
    }
}

/// Seconds without a byte that count as being held back. Progress on loopback comes in steps of at most 0.2 s.
const STALL: f64 = 1.0;

#[cfg(test)]
mod tests {
    use super::*;

    /// A side that takes `taken` bytes a second from 3 s on, until `until`, and keeps `kept` of each.
    fn side(until: f64, kept: f64) -> Vec<Sample> {
        let rate = Plan::FULL.rate as f64;
        let at = |t: f64| {
            let sent = rate * t.min(until);
            Sample {
                t,
                produced: sent as u64,
                server_memory: Some((kept * (sent - rate * 3.0).max(0.0)) as u64),
                ..Sample::default()
            }
        };
        (0..200).map(|tick| at(f64::from(tick) / 20.0)).collect()
    }

    fn verdict(samples: &[Sample]) -> Verdict {
        judge(&Plan::FULL, samples).0
    }

    #[test]
    fn a_server_that_takes_everything_and_grows_is_unbounded() {
        assert_eq!(verdict(&side(8.0, 1.0)), Verdict::Unbounded);
    }

    #[test]
    fn a_server_that_holds_its_client_back_is_bounded() {
        assert_eq!(verdict(&side(3.2, 0.01)), Verdict::Bounded);
    }

    #[test]
    fn what_is_neither_is_not_called_either() {
        assert_eq!(verdict(&side(8.0, 0.0)), Verdict::Inconclusive, "it took everything and kept nothing");
        assert_eq!(verdict(&[]), Verdict::Inconclusive);
        let unseen = Sample { t: 5.0, ..Sample::default() };
        assert_eq!(verdict(&[unseen]), Verdict::Inconclusive, "memory is not visible");
    }
}
