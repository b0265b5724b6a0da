//! The rule, held against recordings of real attacks: thinned to about sixty points, otherwise as they were recorded.

use std::fs;
use std::path::Path;

use serde::Deserialize;

use crate::{Evidence, Point, Sample, Verdict};

#[derive(Deserialize)]
struct Recording {
    verdict: Verdict,
    evidence: Evidence,
}

fn recordings() -> Vec<(String, Recording)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/verdict/recordings");
    let mut all: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| {
            let name = path.file_stem().unwrap().to_string_lossy().into_owned();
            (name, serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap())
        })
        .collect();
    all.sort_by(|a, b| a.0.cmp(&b.0));
    all
}

fn is_safe(verdict: Verdict) -> bool {
    matches!(verdict, Verdict::Bounded | Verdict::Disconnects | Verdict::Discards)
}

#[test]
fn each_recording_is_judged_as_its_server_is() {
    let all = recordings();
    assert!(all.len() >= 20, "the recordings are gone");
    for (name, Recording { verdict, evidence }) in all {
        let judgement = evidence.judge();
        assert_eq!(judgement.verdict, verdict, "{name}: {}", judgement.reason);
    }
}

#[test]
fn an_unbounded_server_is_called_safe_at_no_moment_at_which_the_attack_may_end() {
    for (name, Recording { evidence, .. }) in
        recordings().into_iter().filter(|r| r.1.verdict == Verdict::Unbounded)
    {
        for length in 1..evidence.points.len() {
            let mut early = Evidence { points: evidence.points[..length].to_vec(), ..evidence.clone() };
            // At the very end the attack has come to its end by itself, and what was read out belongs to that.
            early.disconnect = None;
            if early.is_enough() {
                let judgement = early.judge();
                let t = early.points[length - 1].sample.t;
                assert!(
                    !is_safe(judgement.verdict),
                    "{name} at {t} s: {} ({})",
                    judgement.verdict,
                    judgement.reason
                );
            }
        }
    }
}

#[test]
fn an_unbounded_server_whose_memory_is_hidden_is_never_called_safe() {
    for (name, Recording { mut evidence, .. }) in
        recordings().into_iter().filter(|r| r.1.verdict == Verdict::Unbounded)
    {
        for point in &mut evidence.points {
            point.sample.server_memory = None;
            point.cpu_seconds = None;
            point.disk_written = None;
        }

        let judgement = evidence.judge();

        assert!(!is_safe(judgement.verdict), "{name}: {} ({})", judgement.verdict, judgement.reason);
    }
}

#[test]
fn only_a_server_that_went_on_taking_has_a_ratio_of_memory_to_input() {
    let ratio_of = |wanted: &str| {
        let (_, recording) = recordings().into_iter().find(|(name, _)| name == wanted).unwrap();
        recording.evidence.figures().slope
    };

    assert_eq!(ratio_of("pauses-at-a-water-mark"), None);
    assert!(ratio_of("queue-in-a-slice").is_some_and(|ratio| ratio > 0.4));
}

#[test]
fn each_doubtful_verdict_says_what_to_try_next() {
    for (name, Recording { evidence, .. }) in recordings() {
        let judgement = evidence.judge();
        if matches!(judgement.verdict, Verdict::Slow | Verdict::Inconclusive) {
            assert!(judgement.try_next.is_some(), "{name}");
        }
        assert!(!judgement.reason.is_empty());
    }
}

#[test]
fn evidence_without_a_point_is_inconclusive_and_no_panic() {
    let (_, Recording { mut evidence, .. }) = recordings().remove(0);
    evidence.points.clear();
    evidence.disconnect = None;

    assert_eq!(evidence.judge().verdict, Verdict::Inconclusive);
    assert!(!evidence.is_enough());
    assert_eq!(evidence.figures(), crate::Figures::default());
}

#[test]
fn growth_up_to_a_small_memory_limit_proves_nothing() {
    let stopped_at = |memory_limit: u64| {
        let point = |t: f64, grown: u64| Point {
            sample: Sample {
                t,
                produced: 2 * grown,
                server_memory: Some((10 << 20) + grown),
                ..Sample::default()
            },
            ..Point::default()
        };
        let (_, Recording { evidence, .. }) = recordings().swap_remove(0);
        let points = vec![point(0.0, 0), point(0.5, memory_limit)];
        Evidence { points, memory_limit, disconnect: None, drain: None, ..evidence }
    };

    assert!(stopped_at(20 << 20).is_enough());
    assert_eq!(stopped_at(20 << 20).judge().verdict, Verdict::Inconclusive);
    assert_eq!(stopped_at(32 << 20).judge().verdict, Verdict::Unbounded);
}

#[test]
fn evidence_goes_through_json_unchanged() {
    for (name, Recording { evidence, .. }) in recordings() {
        let text = serde_json::to_string(&evidence).unwrap();
        assert_eq!(serde_json::from_str::<Evidence>(&text).unwrap(), evidence, "{name}");
    }
}
