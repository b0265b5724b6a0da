//! Tests of the rules on recordings of real attacks, reduced to about sixty points and otherwise unchanged (version 1).

mod attack;
mod signals;
mod table;

use std::fs;
use std::path::Path;

use echoctl_record::{Class, Point, Sample, Verdict};
use serde::Deserialize;

use super::*;

#[derive(Deserialize)]
struct Recording {
    verdict: Verdict,
    evidence: Evidence,
}

fn recordings() -> Vec<(String, Recording)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/audit/recordings");
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

#[test]
fn each_recording_is_judged_as_its_server_is() {
    let all = recordings();
    assert!(all.len() >= 20, "recordings are missing");
    for (name, Recording { verdict, evidence }) in all {
        let judgement = judge(&evidence);
        assert_eq!(judgement.verdict, verdict, "{name}: {}", judgement.reason);
    }
}

#[test]
fn an_unbounded_server_is_never_called_safe_at_any_end() {
    for (name, Recording { evidence, .. }) in
        recordings().into_iter().filter(|r| r.1.verdict == Verdict::Unbounded)
    {
        for length in 1..evidence.points.len() {
            let mut early = Evidence { points: evidence.points[..length].to_vec(), ..evidence.clone() };
            // The last point is left out: the attack ended there, and what was drained belongs to that.
            early.disconnect = None;
            if is_enough(&early) {
                let judgement = judge(&early);
                let t = early.points[length - 1].sample.t;
                assert!(
                    judgement.verdict.class() != Class::Safe,
                    "{name} at {t} s: {} ({})",
                    judgement.verdict,
                    judgement.reason
                );
            }
        }
    }
}

#[test]
fn an_unbounded_server_with_hidden_memory_is_not_called_safe() {
    for (name, Recording { mut evidence, .. }) in
        recordings().into_iter().filter(|r| r.1.verdict == Verdict::Unbounded)
    {
        for point in &mut evidence.points {
            point.sample.server_memory = None;
            point.cpu_seconds = None;
            point.disk_written = None;
        }

        let judgement = judge(&evidence);

        assert!(
            judgement.verdict.class() != Class::Safe,
            "{name}: {} ({})",
            judgement.verdict,
            judgement.reason
        );
    }
}

#[test]
fn only_a_server_that_kept_reading_has_a_slope() {
    let ratio_of = |wanted: &str| {
        let (_, recording) = recordings().into_iter().find(|(name, _)| name == wanted).unwrap();
        figures(&recording.evidence).slope
    };

    assert_eq!(ratio_of("pauses-at-a-water-mark"), None);
    assert!(ratio_of("queue-in-a-slice").is_some_and(|ratio| ratio > 0.4));
}

#[test]
fn each_doubtful_verdict_has_advice() {
    for (name, Recording { evidence, .. }) in recordings() {
        let judgement = judge(&evidence);
        if judgement.verdict.class() == Class::Unknown {
            assert!(judgement.advice.is_some(), "{name}");
        }
        assert!(!judgement.reason.is_empty());
    }
}

#[test]
fn evidence_without_points_is_inconclusive() {
    let (_, Recording { mut evidence, .. }) = recordings().remove(0);
    evidence.points.clear();
    evidence.disconnect = None;

    assert_eq!(judge(&evidence).verdict, Verdict::Inconclusive);
    assert!(!is_enough(&evidence));
    assert_eq!(figures(&evidence), Figures::default());
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

    assert!(is_enough(&stopped_at(20 << 20)));
    assert_eq!(judge(&stopped_at(20 << 20)).verdict, Verdict::Inconclusive);
    assert_eq!(judge(&stopped_at(32 << 20)).verdict, Verdict::Unbounded);
}

/// A server that sends a little and then nothing: its output fits into the slow reader's queue.
fn pushes(bytes: u64) -> Evidence {
    let point = |t: f64| Point {
        sample: Sample {
            t,
            connections: 1,
            produced: 40,
            server_received: Some(40),
            server_read: Some(40),
            server_written: Some(bytes),
            client_received: Some(bytes),
            server_memory: Some(10 << 20),
            ..Sample::default()
        },
        ..Point::default()
    };
    let (_, Recording { evidence, .. }) = recordings().swap_remove(0);
    let points = [0.0, 1.0, 2.0, 3.0, 4.0].map(point).to_vec();
    Evidence { points, repeats: false, echo: false, disconnect: None, drain: None, ..evidence }
}

#[test]
fn bytes_that_wait_without_pressure_are_not_denied() {
    let reason = judge(&pushes(440)).reason;

    assert!(reason.contains("only 440 B are in the kernels' queues"), "{reason}");
    assert!(judge(&pushes(0)).reason.contains("the visible queues are empty"));
}

#[test]
fn what_an_audit_does_not_count_is_absent() {
    let figures = figures(&pushes(440));

    assert_eq!((figures.inside_server, figures.drained, figures.lost), (None, None, None));
    assert_eq!(figures.server_written, 440);
}

#[test]
fn evidence_is_unchanged_by_json() {
    for (name, Recording { evidence, .. }) in recordings() {
        let text = serde_json::to_string(&evidence).unwrap();
        assert_eq!(serde_json::from_str::<Evidence>(&text).unwrap(), evidence, "{name}");
    }
}
