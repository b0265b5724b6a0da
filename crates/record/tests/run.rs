//! A record comes back as it was written, and whatever else is in the file gets a clear error and never a panic.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use echoctl_record::{Machine, Run, RunError, SCHEMA_VERSION, Sample, Summary, Verdict};
use proptest::prelude::*;

#[test]
fn a_record_is_read_as_it_was_written() {
    let run = example();

    let read = Run::read(&written(&run)).unwrap();

    assert_eq!(read, run);
    assert_eq!(read.schema_version(), SCHEMA_VERSION);
}

#[test]
fn a_record_cut_off_anywhere_says_so() {
    let bytes = written(&example());

    // The last byte is the end of the line and may be missing; without the first nothing is left.
    for end in 1..bytes.len() - 1 {
        let error = Run::read(&bytes[..end]).unwrap_err();
        assert!(matches!(error, RunError::CutOff { .. }), "cut at {end}: {error}");
    }
}

#[test]
fn other_files_are_told_to_be_other_files() {
    let foreign: [&[u8]; 8] = [
        b"",
        b"  \n",
        b"PNG\x00\xff",
        b"[1, 2, 3]",
        b"{\"event\":\"summary\"}",
        b"{\"file\":\"holiday photographs\",\"schema_version\":1}",
        b"null",
        b"t,produced\n0,1\n",
    ];
    for bytes in foreign {
        let error = Run::read(bytes).unwrap_err();
        assert!(matches!(error, RunError::Foreign { .. }), "{:?}: {error}", bytes.escape_ascii().to_string());
        assert!(error.to_string().contains("--record"), "{error}");
    }
}

#[test]
fn a_record_of_a_newer_program_is_refused_by_its_version() {
    let text = String::from_utf8(written(&example())).unwrap();
    let newer = text.replacen("\"schema_version\":1", "\"schema_version\":99", 1);

    let error = Run::read(newer.as_bytes()).unwrap_err();

    assert!(matches!(error, RunError::TooNew { found: 99 }), "{error}");
}

#[test]
fn fields_that_a_later_program_added_are_passed_over() {
    let text = String::from_utf8(written(&example())).unwrap();
    let later = text.replacen("\"target\":", "\"weather\":{\"rain\":[1,2]},\"target\":", 1);

    assert_eq!(Run::read(later.as_bytes()).unwrap(), example());
}

#[test]
fn times_that_run_backwards_or_away_are_damage() {
    for t in [-1.0, 1e300, 0.01] {
        let mut run = example();
        run.samples[3].t = t;
        let error = Run::read(&written(&run)).unwrap_err();
        assert!(matches!(error, RunError::Damaged { .. }), "{t}: {error}");
    }
}

#[test]
fn nesting_without_end_is_an_error_and_not_an_overflow() {
    let deep = format!("{{\"file\":\"echoctl run\",\"x\":{}", "[".repeat(1_000_000));

    assert!(Run::read(deep.as_bytes()).is_err());
}

proptest! {
    #[test]
    fn a_garbled_record_is_an_error_or_a_record_that_can_be_written_again(
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
    fn digits_changed_into_other_digits_never_panic(
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
        slack: Some(42_074_112),
    };
    let command = ["echoctl", "flood", "--no-read"].map(str::to_owned).to_vec();
    let mut run = Run::new("0.1.0", command, 1_700_000_000, "127.0.0.1:7007".to_owned(), machine);
    run.samples = (0..10u64)
        .map(|tick| Sample {
            t: tick as f64 / 16.0,
            connections: 1,
            produced: tick << 20,
            s_received: Some(tick << 20),
            s_read: Some(tick << 19),
            consumed: tick,
            server_memory: (tick > 2).then_some(5 << 20),
            window: Some(0),
            ..Sample::default()
        })
        .collect();
    let mut summary = Summary::new(run.target.clone());
    summary.seconds = 0.5;
    summary.verdict = Some(Verdict::Bounded);
    run.summary = Some(summary);
    run
}

fn written(run: &Run) -> Vec<u8> {
    let mut bytes = Vec::new();
    run.write(&mut bytes).unwrap();
    bytes
}
