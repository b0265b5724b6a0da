//! Properties of every recording, however unusual: it is refused with a reason, or drawn in every form, complete and within bounds.
#![cfg(test)]

mod support;

use std::time::Duration;

use echoctl_record::{
    Background, Bystanders, Census, Control, Disconnect, DisconnectKind, Drain, EchoFault, Ending, Evidence,
    GrownProcess, Growth, Integrity, Machine, Marked, PingSummary, Point, Responses, Run, Sample, Service,
    StallKind, StopReason, Summary, WatchSummary,
};
use proptest::prelude::*;
use support::record::{check, check_run};

/// Times that a file can contain; unusual ones are more frequent than by chance.
fn time() -> impl Strategy<Value = f64> {
    const ODD: [f64; 9] = [0.0, 5e-324, f64::MIN_POSITIVE, 1e-300, 1e-9, 0.05, 1.0, 1e7, 31_622_400.0];
    prop_oneof![prop::sample::select(&ODD[..]), 0.0..100.0]
}

fn counter() -> impl Strategy<Value = u64> {
    prop_oneof![prop::sample::select(&[0, 1, 4096, 1 << 32, u64::MAX - 1, u64::MAX][..]), 0..1_000_000u64]
}

fn seen() -> impl Strategy<Value = Option<u64>> {
    prop::option::of(counter())
}

prop_compose! {
    fn sample()(
        t in time(),
        connections in any::<u32>(),
        sent in (counter(), seen(), seen()),
        back in (seen(), seen(), counter()),
        memory in (seen(), seen(), seen(), seen(), seen()),
        remote_clients in prop::option::of(0..3u32),
        is_echo in prop::option::of(any::<bool>()),
    ) -> Sample {
        Sample {
            t,
            connections,
            produced: sent.0,
            server_received: sent.1,
            server_read: sent.2,
            server_written: back.0,
            client_received: back.1,
            consumed: back.2,
            server_memory: memory.0,
            kernel_memory: memory.1,
            window: memory.2,
            skew: memory.3,
            client_window: memory.4,
            remote_clients,
            is_echo,
        }
    }
}

/// Samples in order of time, from none to a few.
fn samples() -> impl Strategy<Value = Vec<Sample>> {
    prop::collection::vec(sample(), 0..12).prop_map(|mut samples| {
        samples.sort_by(|a, b| a.t.total_cmp(&b.t));
        samples
    })
}

const ENDS: [DisconnectKind; 5] = [
    DisconnectKind::Closed,
    DisconnectKind::Reset,
    DisconnectKind::Crashed,
    DisconnectKind::GoAway,
    DisconnectKind::StreamsReset,
];

prop_compose! {
    fn evidence()(
        samples in samples(),
        flags in any::<[bool; 5]>(),
        limits in (counter(), counter(), counter(), counter()),
        max_duration in time(),
        ending in prop::option::of((time(), prop::sample::select(&ENDS[..]))),
        bytes in (counter(), counter()),
        stopped in prop::sample::select(&[StopReason::Complete, StopReason::Quiet, StopReason::Closed, StopReason::Enough][..]),
    ) -> Evidence {
        let point = |(index, sample): (usize, &Sample)| Point {
            sample: *sample,
            blocked: flags[4],
            cpu_seconds: Some(sample.t / 2.0),
            disk_written: Some(index as u64),
            output_is_full: Some(flags[0]),
            output_credit: Some(sample.consumed),
            after_drain: flags[1],
        };
        Evidence {
            repeats: flags[0],
            echo: flags[1],
            unit: limits.0,
            budget: limits.1,
            max_duration,
            kernel_buffering: limits.2,
            memory_limit: limits.3,
            is_relay: flags[2],
            hidden_upstream: flags[3],
            points: samples.iter().enumerate().map(point).collect(),
            disconnect: ending.map(|(t, kind)| Disconnect { t, kind }),
            drain: Some(Drain {
                bytes: bytes.0,
                in_kernels: bytes.1,
                seconds: max_duration,
                stopped,
                curve: samples.iter().map(|sample| (sample.t, sample.produced)).collect(),
                first_text: Some("\u{1b}[31m".to_owned()),
                damaged_at: Some(bytes.0),
                fault: Some(EchoFault::Changed),
                server_read: Some(bytes.0),
                server_written: Some(bytes.1),
            }),
            min_duration: max_duration,
            reads_until: max_duration,
            has_publisher: flags[0],
            was_running: flags[1],
            census: Some(Census {
                marked: if flags[2] { Marked::Input } else { Marked::Output },
                bytes: bytes.0,
                before: bytes.1,
                scanned: limits.0,
                is_complete: flags[3],
                seconds: max_duration,
            }),
            bystanders: Some(Bystanders {
                calm: max_duration,
                serves_several: flags[0],
                limit: max_duration,
                active: Some(Service { replies: bytes.0, p99: Some(max_duration), ..Service::default() }),
                idle: Some(Service { during: Some(flags[1]), after: Some(flags[2]), ..Service::default() }),
                newcomer: None,
                subscriber: Some(Service { began: flags[3], refused: flags[0], ..Service::default() }),
            }),
            control: Some(Control {
                sent: bytes.0,
                received: bytes.1,
                seconds: max_duration,
                disconnected_at: Some(max_duration),
                refuses_first_bytes: Some(flags[3]),
                first_text: Some("\u{1b}[31m".to_owned()),
            }),
            unprompted: Some(bytes.1),
            input_credit: Some(limits.0),
            background: Some(Background {
                before: Growth { seconds: max_duration, memory: bytes.0, disk: bytes.1 },
                after: Growth { seconds: max_duration, memory: limits.0, disk: limits.1 },
            }),
            grown_process: Some(GrownProcess {
                name: "\u{1b}[31m".to_owned(),
                pid: 7,
                bytes: bytes.0,
                processes: 2,
            }),
            open_file_growth: Some(limits.1),
            shared_memory_growth: Some(limits.2),
            out_of_memory: Some("\u{1b}[31m".to_owned()),
            is_suspended: flags[4],
            is_flood: flags[0],
            stall: Some(if flags[0] { StallKind::Window } else { StallKind::Client }),
            responses: Some(Responses {
                requests: samples.len() as u32,
                answered: u32::MAX,
                status: flags[1].then_some(200),
            }),
            closing: Some("GOAWAY \u{1b}[31m".to_owned()),
            violation: Some("\u{1b}[31m".to_owned()),
        }
    }
}

prop_compose! {
    fn run()(
        samples in samples(),
        evidence in prop::option::of(evidence()),
        words in prop::collection::vec(any::<String>(), 0..4),
        started in counter(),
        counts in (counter(), counter(), counter(), counter()),
        seconds in (time(), time()),
        has_ended in any::<bool>(),
    ) -> Run {
        let target = words.first().cloned().unwrap_or_default();
        let mut run = Run::new("", words.clone(), started, target.clone(), Machine {
            memory: Some(counts.0),
            kernel_buffering: Some(counts.1),
            sysctls: words.iter().map(|word| (word.clone(), word.clone())).collect(),
            ..Machine::default()
        });
        let summary = Summary {
            seconds: seconds.0,
            stalled_seconds: seconds.1,
            produced: counts.0,
            integrity: Some(Integrity {
                lost: counts.1,
                duplicated: counts.2,
                mismatched: counts.3,
                ..Integrity::default()
            }),
            reason: words.last().cloned(),
            ..Summary::new(target)
        };
        let watch = WatchSummary { seconds: seconds.0, max_queued: counts.0, connections_seen: counts.1, ..WatchSummary::default() };
        run.samples = samples;
        run.ending = match (has_ended, evidence) {
            (true, Some(evidence)) => Some(Ending::Audit { summary, evidence: Box::new(evidence) }),
            (true, None) => Some(Ending::Flood { summary }),
            (false, Some(_)) => Some(Ending::Watch { watch }),
            (false, None) if counts.0 % 2 == 0 => {
                let latencies = [(Duration::from_nanos(counts.1), counts.2 % 1000)].into_iter().collect();
                let (target, faults) = (summary.target, words);
                let (seconds, unsent) = (seconds.0, counts.3);
                Some(Ending::Ping { ping: PingSummary { target, seconds, unsent, faults, latencies, ..PingSummary::default() } })
            }
            (false, None) => None,
        };
        run
    }
}

fn written(run: &Run) -> Vec<u8> {
    let mut bytes = Vec::new();
    run.write(&mut bytes).unwrap();
    bytes
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 20, ..ProptestConfig::default() })]

    #[test]
    fn a_record_of_extremes_is_read_and_drawn(run in run()) {
        let bytes = written(&run);

        let read = Run::read(&bytes).unwrap();

        check_run(&read, bytes.len());
    }

    #[test]
    fn a_record_with_digits_changed_is_refused_or_drawn(
        run in run(),
        changes in prop::collection::vec(
            (any::<prop::sample::Index>(), prop::sample::select(&b"0123456789-e.,:\"{}[]"[..])),
            1..8,
        ),
    ) {
        let mut bytes = written(&run);
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        check(&bytes);
    }
}

/// A second of samples at these times.
fn at(times: &[f64]) -> Run {
    let mut run = Run::new("", vec![], 0, "x".to_owned(), Machine::default());
    run.samples = times
        .iter()
        .zip(0..)
        .map(|(t, step)| Sample { t: *t, produced: step << 20, server_read: Some(step), ..Sample::default() })
        .collect();
    run
}

#[test]
fn a_record_of_tiny_times_is_drawn() {
    for times in [&[5e-324][..], &[0.0, 5e-324, 1e-323], &[1e-300, 1e-299], &[0.0, 0.0, 0.0], &[]] {
        let bytes = written(&at(times));
        check_run(&Run::read(&bytes).unwrap(), bytes.len());
    }
}

#[test]
fn long_and_hostile_names_are_drawn_within_bounds() {
    let mut run = at(&[0.0, 1.0]);
    run.target = "\u{1b}]0;x\u{7}\u{202e}\u{9b}".repeat(100_000);
    run.command = vec![run.target.clone(), String::new()];
    run.machine.sysctls = (0..20_000).map(|number| (format!("n{number}"), "1".to_owned())).collect();
    run.machine.sysctls.insert("x".repeat(1_000_000), "2".to_owned());
    let summary = Summary { reason: Some("word ".repeat(200_000)), ..Summary::new(run.target.clone()) };
    run.ending = Some(Ending::Flood { summary });
    let bytes = written(&run);

    check_run(&Run::read(&bytes).unwrap(), bytes.len());
}

#[test]
fn the_seeds_of_the_fuzz_target_are_records() {
    let folder = format!("{}/../../fuzz/seeds/record", env!("CARGO_MANIFEST_DIR"));
    for file in std::fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        let seed = std::fs::read(&path).unwrap();

        check(&seed);

        assert!(Run::read(&seed).is_ok(), "{}", path.display());
    }
}

/// Found by fuzzing: the check mistook a word of the reason for a coordinate of the drawing.
#[test]
fn a_reason_that_mentions_nan_is_not_a_coordinate() {
    let mut run = at(&[0.0, 1.0]);
    let summary = Summary {
        reason: Some("fill the queues an infow NaN".to_owned()),
        verdict: Some(echoctl_record::Verdict::Slow),
        ..Summary::new("x".to_owned())
    };
    run.ending = Some(Ending::Flood { summary });

    check_run(&run, written(&run).len());
}
