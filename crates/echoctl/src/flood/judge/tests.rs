//! Verdicts on made-up floods, each of a kind that was once called by a wrong name.

use echoctl_record::Sample;

use super::*;

const MIB: u64 = 1 << 20;

/// What a server has done by a moment of a flood, in MiB.
struct Moment {
    taken: f64,
    given: f64,
    memory: Option<f64>,
    blocked: bool,
}

/// A flood of so many seconds, ten samples a second, of which 64 MiB/s are sent as long as the server takes them.
fn flood(seconds: u32, moment: impl Fn(f64) -> Moment) -> Evidence {
    let bytes = |mib: f64| (mib * MIB as f64) as u64;
    let points = (0..=seconds * 10).map(|tenth| {
        let t = f64::from(tenth) / 10.0;
        let Moment { taken, given, memory, blocked } = moment(t);
        let sample = Sample {
            t,
            connections: 1,
            produced: bytes(taken + if blocked { 10.0 } else { 0.1 }),
            server_read: Some(bytes(taken)),
            server_written: Some(bytes(given)),
            client_received: Some(bytes((given - 4.0).max(0.0))),
            consumed: bytes((given - 5.0).max(0.0)),
            server_memory: memory.map(|memory| bytes(3.0 + memory)),
            ..Sample::default()
        };
        Point { sample, blocked, ..Point::default() }
    });
    Evidence {
        repeats: true,
        echo: true,
        unit: 1024,
        budget: 256 * MIB,
        max_duration: f64::from(seconds),
        kernel_buffering: 14 * MIB,
        memory_limit: 1 << 30,
        is_relay: false,
        hidden_upstream: false,
        points: points.collect(),
        disconnect: None,
        drain: None,
    }
}

#[test]
fn a_queue_that_fills_and_then_drains_to_a_slow_reader_is_bounded() {
    // `watermark` with 16 MiB and a reader of 1 MiB/s.
    let evidence = flood(6, |t| {
        let given = 4.0 + t;
        Moment { taken: (64.0 * t).min(21.0), given, memory: Some((64.0 * t).min(17.0)), blocked: t > 0.5 }
    });

    let judgement = judge(&evidence, Observed { longest_wait: 5.5, unwritten: 0 });

    assert_eq!(judgement.verdict, Verdict::Bounded, "{judgement:?}");
    assert!(judgement.reason.contains("held the producer back for 5.5 s"), "{judgement:?}");
}

#[test]
fn a_server_that_reads_as_fast_as_its_slow_reader_is_bounded_however_much_it_took() {
    let evidence = flood(20, |t| {
        let given = 4.0 + 2.0 * t;
        Moment { taken: given + 8.0, given, memory: Some(8.0), blocked: t > 0.5 }
    });

    let judgement = judge(&evidence, Observed { longest_wait: 0.9, unwritten: 0 });

    assert_eq!(judgement.verdict, Verdict::Bounded, "{judgement:?}");
    assert!(!judgement.reason.contains(WITHOUT_PAUSE), "{judgement:?}");
}

#[test]
fn a_stall_that_is_too_short_is_told_as_one() {
    let evidence = flood(2, |t| Moment { taken: 4.1, given: 4.0, memory: Some(0.0), blocked: t > 0.2 });

    let judgement = judge(&evidence, Observed { longest_wait: 1.7, unwritten: 0 });

    assert_eq!(judgement.verdict, Verdict::Inconclusive, "{judgement:?}");
    assert!(judgement.reason.contains("1.7 s, shorter than the 2 s"), "{judgement:?}");
}

#[test]
fn memory_that_follows_the_input_is_unbounded_whether_the_reader_is_slow_or_stopped() {
    for reads in [0.0, 2.0] {
        let evidence = flood(4, |t| {
            let given = 4.0 + reads * t;
            let taken = 64.0 * t;
            Moment { taken, given, memory: Some((taken - given).max(0.0)), blocked: false }
        });

        assert_eq!(
            judge(&evidence, Observed { longest_wait: 0.0, unwritten: 0 }).verdict,
            Verdict::Unbounded
        );
    }
}

#[test]
fn a_server_that_kept_much_and_then_paused_is_neither_bounded_nor_unbounded() {
    let evidence = flood(6, |t| {
        let taken = (64.0 * t).min(220.0);
        Moment { taken, given: 4.0, memory: Some(taken), blocked: t > 3.5 }
    });

    let judgement = judge(&evidence, Observed { longest_wait: 2.4, unwritten: 0 });

    assert_eq!(judgement.verdict, Verdict::Inconclusive, "{judgement:?}");
}

#[test]
fn flat_memory_is_never_taken_for_a_server_that_discards() {
    for (memory, said) in [(Some(0.0), "memory again"), (Some(63.0), "no echo"), (None, "not visible")] {
        let evidence = flood(5, |t| {
            let memory = memory.map(|memory| memory * t / 5.0);
            Moment { taken: 64.0 * t, given: (64.0 * t).min(4.0), memory, blocked: false }
        });

        let judgement = judge(&evidence, Observed { longest_wait: 0.0, unwritten: 0 });

        assert_eq!(judgement.verdict, Verdict::Inconclusive, "{judgement:?}");
        assert!(judgement.reason.contains(said) && judgement.try_next.is_some(), "{judgement:?}");
    }
}

#[test]
fn what_a_reader_read_before_it_stopped_is_not_counted() {
    let mut evidence = flood(1, |_| Moment { taken: 69.0, given: 69.0, memory: None, blocked: true });

    since_it_stopped_reading(&mut evidence.points);

    let last = evidence.points.last().unwrap();
    assert_eq!((last.server_read(), last.sample.consumed), (5 * MIB, 0));
    assert_eq!(last.sample.produced, 15 * MIB);
}
