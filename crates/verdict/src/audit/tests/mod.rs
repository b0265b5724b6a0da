//! Tests of the rules on recordings of real attacks, reduced to about sixty points and otherwise unchanged.

mod attack;
mod closed;
mod conditions;
mod signals;
mod steering;
mod table;
mod waiting;

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
    assert!(all.len() >= 40, "recordings are missing");
    for (name, Recording { verdict, evidence }) in all {
        let judgement = judge(&evidence);
        assert_eq!(judgement.verdict, verdict, "{name}: {}", judgement.reason);
    }
}

/// The evidence of an attack that ended after its first points. What was found out later is not known.
fn ended_after(length: usize, evidence: &Evidence) -> Evidence {
    Evidence {
        points: evidence.points[..length].to_vec(),
        disconnect: None,
        drain: None,
        census: None,
        bystanders: None,
        control: None,
        open_file_growth: None,
        shared_memory_growth: None,
        out_of_memory: None,
        is_suspended: false,
        ..evidence.clone()
    }
}

fn unsafe_recordings() -> impl Iterator<Item = (String, Evidence)> {
    let is_unsafe = |recording: &Recording| recording.verdict.class() == Class::Unsafe;
    recordings().into_iter().filter(move |(_, r)| is_unsafe(r)).map(|(name, r)| (name, r.evidence))
}

fn assert_not_safe(name: &str, evidence: &Evidence) {
    let judgement = judge(evidence);
    let t = evidence.points.last().map_or(0.0, |last| last.sample.t);
    let why = format!("{name} at {t} s: {} ({})", judgement.verdict, judgement.reason);
    assert!(judgement.verdict.class() != Class::Safe, "{why}");
}

#[test]
fn an_unsafe_server_is_never_called_safe_at_any_end() {
    for (name, evidence) in unsafe_recordings() {
        for length in 1..evidence.points.len() {
            let early = ended_after(length, &evidence);
            assert_not_safe(&name, &early);
            // What an attack collects at its end is that of the server, at whatever moment that is.
            let Evidence { drain, census, bystanders, control, .. } = evidence.clone();
            let complete = Evidence { drain, census, bystanders, control, ..early };
            if is_enough(&complete) {
                assert_not_safe(&name, &complete);
            }
        }
    }
}

#[test]
fn an_unsafe_server_with_hidden_memory_is_not_called_safe() {
    for (name, mut evidence) in unsafe_recordings() {
        for point in &mut evidence.points {
            point.sample.server_memory = None;
            point.cpu_seconds = None;
            point.disk_written = None;
        }

        assert_not_safe(&name, &evidence);
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
fn a_stall_in_which_a_little_moves_is_not_called_stillness() {
    // 100 bytes each second, too little to count as progress.
    let mut trickles = pushes(440);
    for point in &mut trickles.points {
        let sent = Some(440 + 100 * point.sample.t as u64);
        (point.sample.server_written, point.sample.client_received) = (sent, sent);
    }
    let reason = judge(&trickles).reason;

    assert!(reason.starts_with("only 400 B moved in 4.0 s, but only 840 B are"), "{reason}");
    assert!(judge(&pushes(440)).reason.starts_with("nothing moved for 4.0 s"));
    assert_eq!(figures(&trickles).moved_while_stalled, 400);
}

#[test]
fn a_server_that_produces_by_itself_has_not_stopped_reading() {
    let busy = |t: f64| attack::Moment { cpu: t / 3.0, ..attack::answering(t) };
    let judged = judge(&attack::going_on(attack::once(attack::attack(16.0, busy))));

    assert_eq!(judged.cause, Cause::LevelWhileStalled);
    assert!(judged.reason.contains("stopped producing after 8 MiB of output"), "{}", judged.reason);
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
