//! The verdict of a flood: the audit's rule where it is sure, and a shorter look where it is not.
//!
//! An audit watches a stopped server for 3.5 s before it calls it safe, because some disconnect, leak or collect garbage
//! only then. A flood runs as long as the user says, and its reader sees the picture: a producer that has been held back for
//! [`HELD_BACK`] at the end, while memory was flat, has met backpressure. What might come later is the audit's question.

use echoctl_record::{Bytes, Evidence, Judgement, Point, Seconds, Verdict};

/// What this evidence says of the server.
pub(super) fn judge(evidence: &Evidence) -> Judgement {
    let judgement = evidence.judge();
    if judgement.verdict != Verdict::Slow {
        return judgement;
    }
    match held_back(&evidence.points) {
        Some(seconds) if seconds >= HELD_BACK => Judgement {
            verdict: Verdict::Bounded,
            reason: format!(
                "the server stopped reading after {}: the producer was held back for {}, and memory stayed flat",
                Bytes(evidence.points.last().map_or(0, Point::taken)),
                Seconds(seconds)
            ),
            try_next: None,
            ..judgement
        },
        _ => judgement,
    }
}

/// For how long, up to the end, the server took nothing, gave nothing and kept its memory, while there was more to send.
fn held_back(points: &[Point]) -> Option<f64> {
    let last = points.last()?;
    let is_like_the_end = |point: &Point| {
        let memory = |point: &Point| point.sample.server_memory.unwrap_or(0);
        point.blocked
            && last.taken() - point.taken() <= STILL
            && last.given().saturating_sub(point.given()) <= STILL
            && memory(last).abs_diff(memory(point)) <= FLAT
    };
    let since = points.iter().rev().take_while(|point| is_like_the_end(point)).last()?;
    Some(last.sample.t - since.sample.t)
}

/// Seconds: ten times the longest pause of a server that goes on reading (a window probe after 0.2 s).
const HELD_BACK: f64 = 2.0;

/// Bytes that may move in a standstill: window probes.
const STILL: u64 = 4096;

/// Bytes by which memory may move in a standstill: an allocator's housekeeping.
const FLAT: u64 = 1 << 20;

#[cfg(test)]
mod tests {
    use echoctl_record::Sample;

    use super::*;

    /// 4 s of a server that takes `taken(t)` bytes and has `memory(t)`, sampled ten times a second.
    fn points(taken: impl Fn(f64) -> u64, memory: impl Fn(f64) -> u64) -> Vec<Point> {
        (0..=40)
            .map(|tenth| {
                let t = f64::from(tenth) / 10.0;
                let sample = Sample {
                    t,
                    produced: taken(t) + (4 << 20),
                    s_read: Some(taken(t)),
                    s_written: Some(taken(t)),
                    server_memory: Some(memory(t)),
                    ..Sample::default()
                };
                Point { sample, blocked: t > 0.3, ..Point::default() }
            })
            .collect()
    }

    #[test]
    fn a_server_that_stops_is_held_to_have_stopped_from_its_last_read_on() {
        let points = points(|t| if t < 0.95 { 4 << 20 } else { 5 << 20 }, |_| 3 << 20);

        assert!(held_back(&points).is_some_and(|seconds| (2.9..3.1).contains(&seconds)));
    }

    #[test]
    fn memory_that_rises_in_the_standstill_is_no_standstill() {
        let points = points(|_| 4 << 20, |t| (t * 10e6) as u64);

        assert!(held_back(&points).is_some_and(|seconds| seconds < 0.3));
    }

    #[test]
    fn a_server_that_reads_on_was_never_stopped() {
        let points = points(|t| (t * 64e6) as u64, |_| 3 << 20);

        assert!(held_back(&points).is_some_and(|seconds| seconds < 0.1));
    }
}
