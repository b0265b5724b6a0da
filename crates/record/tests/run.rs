//! A recording is read as it was written, and any other file gets a clear error and never causes a panic.
#![cfg(test)]

use std::collections::BTreeMap;
use std::io::Read;

use echoctl_record::{
    Ending, Evidence, Limit, Machine, Point, Queues, Run, RunError, Sample, Summary, Verdict,
};
use proptest::prelude::*;
use serde_json::Value;

#[test]
fn a_record_is_read_as_it_was_written() {
    let run = example();

    let read = Run::read(&written(&run)).unwrap();

    assert_eq!(read, run);
}

#[test]
fn a_record_truncated_anywhere_is_reported_as_such() {
    let bytes = written(&example());

    // The last byte ends the line and may be missing.
    for end in 1..bytes.len() - 1 {
        let error = Run::read(&bytes[..end]).unwrap_err();
        assert!(matches!(error, RunError::CutOff { .. }), "truncated at {end}: {error}");
    }
}

#[test]
fn other_files_are_not_records() {
    let foreign: [&[u8]; 7] = [
        b"",
        b"  \n",
        b"PNG\x00\xff",
        b"[1, 2, 3]",
        b"{\"file\":\"holiday photographs\",\"schema_version\":1}",
        b"null",
        b"t,produced\n0,1\n",
    ];
    for bytes in foreign {
        let error = Run::read(bytes).unwrap_err();
        assert!(matches!(error, RunError::Foreign { .. }), "{:?}: {error}", bytes.escape_ascii().to_string());
        assert!(error.to_string().starts_with("not an echoctl recording"), "{error}");
    }
}

#[test]
fn a_record_of_a_newer_version_is_refused() {
    let text = String::from_utf8(written(&example())).unwrap();
    let newer = text.replacen("\"schema_version\":2", "\"schema_version\":3", 1);

    let error = Run::read(newer.as_bytes()).unwrap_err();

    assert!(matches!(error, RunError::TooNew(3)), "{error}");
    let text = "unsupported recording format 3 (this version reads up to 2): upgrade echoctl";
    assert_eq!(error.to_string(), text);
}

#[test]
fn unknown_fields_are_ignored() {
    let text = String::from_utf8(written(&example())).unwrap();
    let later = text.replacen("\"target\":", "\"weather\":{\"rain\":[1,2]},\"target\":", 1);

    assert_eq!(Run::read(later.as_bytes()).unwrap(), example());
}

#[test]
fn a_record_may_have_its_fields_in_any_order() {
    // Sorted by name, as some tools write JSON, the evidence comes before the fields that identify a recording.
    let points = (0..100).map(|_| Point::default()).collect();
    let run = with(Evidence { points, ..evidence() });
    let sorted: BTreeMap<String, Value> = serde_json::from_slice(&written(&run)).unwrap();
    let sorted = serde_json::to_vec(&sorted).unwrap();

    assert!(sorted.windows(7).position(|part| part == b"\"file\":") > Some(4096));
    assert_eq!(Run::read(&sorted).unwrap(), run);
}

#[test]
fn times_that_decrease_or_explode_are_damage() {
    for t in [-1.0, 1e300, 0.01] {
        let mut run = example();
        run.samples[3].t = t;
        let error = Run::read(&written(&run)).unwrap_err();
        assert!(matches!(error, RunError::Damaged { .. }), "{t}: {error}");
    }
}

#[test]
fn times_of_the_evidence_are_checked_too() {
    let point = |t| Point { sample: Sample { t, ..Sample::default() }, ..Point::default() };
    let evidence = Evidence { points: vec![point(1.0), point(0.5)], ..evidence() };

    let error = Run::read(&written(&with(evidence))).unwrap_err();

    assert!(error.to_string().contains("point of the evidence 2 is at 0.5 s"), "{error}");
}

#[test]
fn extreme_figures_are_read_and_add_up() {
    let most = u64::MAX;
    let sample = Sample {
        connections: u32::MAX,
        produced: most,
        server_received: Some(most),
        server_read: Some(0),
        server_written: Some(most),
        client_received: Some(0),
        consumed: most,
        server_memory: Some(most),
        ..Sample::default()
    };
    let mut run = example();
    run.samples = vec![sample];

    let read = Run::read(&written(&run)).unwrap();

    assert_eq!(read.samples, [sample]);
    assert_eq!(Queues::of(&read.samples[0]).total(), most);
}

#[test]
fn a_field_given_twice_is_damage() {
    let text = String::from_utf8(written(&example())).unwrap();
    let twice = text.replacen("\"target\":", "\"target\":\"x\",\"target\":", 1);

    let error = Run::read(twice.as_bytes()).unwrap_err();

    assert!(matches!(error, RunError::Damaged { .. }) && error.to_string().contains("duplicate"), "{error}");
}

#[test]
fn errors_quote_at_most_a_line_of_the_file() {
    let text = String::from_utf8(written(&example())).unwrap();
    let long = text.replacen("\"bounded\"", &format!("\"{}\"", "A".repeat(1_000_000)), 1);

    let error = Run::read(long.as_bytes()).unwrap_err().to_string();

    assert!(error.len() < 500 && error.contains("column"), "{error}");
}

#[test]
fn lines_of_a_flood_are_a_run() {
    let sample = r#"{"event":"sample","t":0.05,"connections":1,"produced":9,"consumed":4}"#;
    let lines = format!("{sample}\n\n{{\"event\":\"news\",\"x\":1}}\n{sample}\n");

    let run = Run::read(lines.as_bytes()).unwrap();

    assert_eq!(run.samples.iter().map(|sample| sample.produced).collect::<Vec<_>>(), [9, 9]);
    assert_eq!(run.ending, None);
}

#[test]
fn invalid_lines_are_refused_by_number() {
    let sample = r#"{"event":"sample","t":0.05,"connections":1,"produced":9,"consumed":4}"#;
    let demo = sample.replacen("\"t\"", "\"side\":\"off\",\"t\"", 1);
    for (lines, why) in [
        (format!("{sample}\n{}", &sample[..30]), "line 2: it is truncated"),
        (demo, "line 1: it has both sides"),
        (format!("{sample}\n{{\"event\":\"sample\",\"t\":\"x\"}}"), "line 2: invalid type"),
        (
            format!("{sample}\n{}", sample.replacen("0.05", "0.04", 1)),
            "sample 2 is at 0.04 s, after one at 0.05 s",
        ),
    ] {
        let error = Run::read(lines.as_bytes()).unwrap_err().to_string();
        assert!(error.contains(why), "{error}");
    }
}

#[test]
fn an_endless_file_is_refused() {
    for byte in [0, b'x', b'['] {
        let error = Run::read_within(std::io::repeat(byte), Limit::SAMPLES).unwrap_err();
        assert!(matches!(error, RunError::Foreign { .. }), "{byte}: {error}");
    }

    let line = format!("{{\"event\":\"{}", "x".repeat(4096));
    let error = Run::read_within(line.as_bytes().chain(std::io::repeat(b'x')), Limit::SAMPLES).unwrap_err();
    assert!(error.to_string().contains("longer than any event"), "{error}");
}

#[test]
fn deep_nesting_is_an_error_and_not_an_overflow() {
    let deep = format!("{{\"file\":\"echoctl run\",\"x\":{}", "[".repeat(1_000_000));

    assert!(Run::read(deep.as_bytes()).is_err());
}

proptest! {
    #[test]
    fn a_garbled_record_is_an_error_or_can_be_written_again(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let mut bytes = written(&example());
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if let Ok(run) = Run::read(&bytes) {
            prop_assert!(Run::read(&written(&run)).is_ok());
            prop_assert!(run.samples.windows(2).all(|pair| pair[0].t <= pair[1].t));
        }
    }

    #[test]
    fn changed_digits_never_cause_a_panic(
        changes in prop::collection::vec((any::<prop::sample::Index>(), prop::sample::select(&b"0123456789-e.,:\"{}[]"[..])), 1..8),
    ) {
        let mut bytes = written(&example());
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        let _ = Run::read(&bytes).map_err(|error| error.to_string());
    }

    #[test]
    fn any_bytes_are_refused(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(Run::read(&bytes).is_err());
    }
}

fn example() -> Run {
    let machine = Machine {
        system: "linux".to_owned(),
        kernel: Some("6.18.44".to_owned()),
        architecture: "x86_64".to_owned(),
        processors: 2,
        memory: Some(24 << 30),
        sysctls: [("net.ipv4.tcp_rmem".to_owned(), "4096 131072 33554432".to_owned())].into(),
        kernel_buffering: Some(42_074_112),
    };
    let command = ["echoctl", "flood", "--no-read"].map(str::to_owned).to_vec();
    let mut run = Run::new("0.1.0", command, 1_700_000_000, "127.0.0.1:7007".to_owned(), machine);
    run.samples = (0..10u64)
        .map(|tick| Sample {
            t: tick as f64 / 16.0,
            connections: 1,
            produced: tick << 20,
            server_received: Some(tick << 20),
            server_read: Some(tick << 19),
            consumed: tick,
            server_memory: (tick > 2).then_some(5 << 20),
            window: Some(0),
            ..Sample::default()
        })
        .collect();
    let mut summary = Summary::new(run.target.clone());
    summary.seconds = 0.5;
    summary.verdict = Some(Verdict::Bounded);
    run.ending = Some(Ending::Flood { summary });
    run
}

fn with(evidence: Evidence) -> Run {
    let mut run = example();
    run.ending =
        Some(Ending::Audit { summary: run.summary().unwrap().clone(), evidence: Box::new(evidence) });
    run
}

/// Evidence without samples.
fn evidence() -> Evidence {
    Evidence {
        repeats: true,
        echo: true,
        unit: u64::MAX,
        budget: 1,
        max_duration: 15.0,
        kernel_buffering: u64::MAX,
        memory_limit: u64::MAX,
        ..Evidence::default()
    }
}

fn written(run: &Run) -> Vec<u8> {
    let mut bytes = Vec::new();
    run.write(&mut bytes).unwrap();
    bytes
}
