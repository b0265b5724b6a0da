//! How a client over HTTP/2 stops reading: the ways that an audit tries, and which of their verdicts counts.

use echoctl_record::{StallKind, Verdict};
use echoctl_verdict::Judgement;
use echoctl_verdict::audit::Cause;
use serde::Serialize;

use super::AuditOutcome;
use crate::script::{Http2, Script, Stall};

/// What one way of not reading showed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StallOutcome {
    /// What the slow reader did not do.
    pub stall: StallKind,
    /// The verdict of this attack.
    pub verdict: Verdict,
    /// Why, in one sentence.
    pub reason: String,
}

impl StallOutcome {
    /// What an attack with this stall showed.
    pub(super) fn new(stall: StallKind, judgement: &Judgement<Cause>) -> StallOutcome {
        StallOutcome { stall, verdict: judgement.verdict, reason: judgement.reason.clone() }
    }
}

/// The scripts to carry out one after the other: a script over HTTP/2 that does not say how to stop reading is tried in both ways.
pub(super) fn tried(script: &Script) -> Vec<Script> {
    let Some(http2) = script.http2.as_ref().filter(|http2| http2.stall.is_none() && http2.flood.is_none())
    else {
        return vec![script.clone()];
    };
    let with = |http2| Script { http2: Some(http2), ..script.clone() };
    let window = Http2 { stall: Some(Stall::Window), ..http2.clone() };
    // Smaller windows would be used up before the socket.
    let initial_window = http2.initial_window.or(Some(Http2::MAX_WINDOW));
    let tcp = Http2 { stall: Some(Stall::Tcp), initial_window, ..http2.clone() };
    vec![with(window), with(tcp)]
}

/// The outcome of two attacks on the same server: the one with the worse verdict, which knows of both.
pub(super) fn worse(first: AuditOutcome, second: AuditOutcome) -> AuditOutcome {
    let stalls = [first.stalls.clone(), second.stalls.clone()].concat();
    let badness = |outcome: &AuditOutcome| badness(outcome.judgement.verdict);
    let worse = if badness(&second) > badness(&first) { second } else { first };
    AuditOutcome { stalls, ..worse }
}

/// How much a verdict counts beside another.
fn badness(verdict: Verdict) -> u8 {
    use echoctl_record::Class::{Safe, Unknown, Unsafe};
    match verdict.class() {
        Safe => 0,
        Unknown => 1,
        Unsafe => 2,
    }
}

/// The stall of a script over HTTP/2.
pub(super) fn kind(script: &Script) -> Option<StallKind> {
    let http2 = script.http2.as_ref()?;
    Some(match http2.stall.unwrap_or(Stall::Tcp) {
        Stall::Tcp => StallKind::Tcp,
        Stall::Window => StallKind::Window,
        Stall::WindowStream => StallKind::WindowStream,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::script::{Flood, Payload, Stimulus};

    fn script(http2: Option<Http2>) -> Script {
        Script { http2, ..Script::new(Stimulus::once("", Payload::default())) }
    }

    fn stalls(http2: Option<Http2>) -> Vec<(Option<Stall>, Option<u32>)> {
        let all = tried(&script(http2)).into_iter();
        all.map(|script| script.http2.map_or((None, None), |http2| (http2.stall, http2.initial_window)))
            .collect()
    }

    #[test]
    fn both_ways_are_tried_unless_the_script_says_one() {
        let flood = Http2 { flood: Some(Flood::Ping), ..Http2::default() };
        let window = Http2 { stall: Some(Stall::Window), ..Http2::default() };
        let small = Http2 { initial_window: Some(7), ..Http2::default() };

        let wide = Some((1 << 31) - 1);
        assert_eq!(stalls(None), [(None, None)]);
        assert_eq!(stalls(Some(flood)), [(None, None)]);
        assert_eq!(stalls(Some(window)), [(Some(Stall::Window), None)]);
        assert_eq!(stalls(Some(Http2::default())), [(Some(Stall::Window), None), (Some(Stall::Tcp), wide)]);
        assert_eq!(stalls(Some(small)), [(Some(Stall::Window), Some(7)), (Some(Stall::Tcp), Some(7))]);
    }

    #[test]
    fn harm_counts_more_than_doubt_and_doubt_more_than_safety() {
        assert!(badness(Verdict::Unbounded) > badness(Verdict::Inconclusive));
        assert!(badness(Verdict::Inconclusive) > badness(Verdict::Bounded));
        assert_eq!(badness(Verdict::Crashes), badness(Verdict::Starves));
    }
}
