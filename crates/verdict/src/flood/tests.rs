//! Verdicts on constructed floods, each of a kind that once got a wrong verdict.

use echoctl_record::{
    Bystanders, Disconnect, DisconnectKind, Drain, Sample, Service, StopReason, Summary, Verdict,
};

use super::*;

const MIB: u64 = 1 << 20;

/// State of a server at a time of a flood, in MiB.
struct Moment {
    taken: f64,
    given: f64,
    memory: Option<f64>,
    blocked: bool,
}

/// A flood of this length with ten samples per second. 64 MiB/s are sent while the server reads them.
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
        points: points.collect(),
        ..Evidence::default()
    }
}

/// What a flood observes besides this evidence, if its producer waited this long.
fn observed(evidence: &Evidence, longest_wait: f64) -> Observed {
    Observed { longest_wait, growth: audit::figures(evidence).memory_growth, ..Observed::default() }
}

#[test]
fn a_queue_that_fills_and_drains_to_a_slow_reader_is_bounded() {
    // `watermark` with 16 MiB and a reader of 1 MiB/s.
    let evidence = flood(6, |t| {
        let given = 4.0 + t;
        Moment { taken: (64.0 * t).min(21.0), given, memory: Some((64.0 * t).min(17.0)), blocked: t > 0.5 }
    });

    let judgement = judge(evidence.clone(), observed(&evidence, 5.5));

    assert_eq!(judgement.verdict, Verdict::Bounded, "{judgement:?}");
    assert!(judgement.reason.contains("held the producer back for 5.5 s"), "{judgement:?}");
}

#[test]
fn what_a_hidden_server_has_read_is_not_stated() {
    let mut evidence =
        flood(6, |t| Moment { taken: (64.0 * t).min(5.0), given: 1.0, memory: None, blocked: t > 0.5 });
    for point in &mut evidence.points {
        let sample = &mut point.sample;
        sample.server_received = sample.server_read.take();
        sample.server_written = None;
    }

    let judgement = judge(evidence.clone(), observed(&evidence, 5.5));

    let reason = &judgement.reason;
    assert!(!reason.contains("stopped reading") && !reason.contains("server read"), "{reason}");
    assert!(reason.contains("the server's kernel accepted"), "{reason}");
}

#[test]
fn both_hosts_know_what_the_server_has_read() {
    let sample = Sample { produced: 4 << 20, server_read: Some(1 << 20), ..Sample::default() };
    let summary = Summary {
        stalled_seconds: 4.8,
        server_memory_growth: Some(64 << 10),
        ..Summary::new("a:7".to_owned())
    };

    assert_eq!(
        joined_reason(&summary, &[sample]).as_deref(),
        Some(
            "the server had read 1 MiB of 4 MiB when the producer was held back, for 4.8 s; its memory grew by at most 64 KiB"
        )
    );
    assert_eq!(joined_reason(&Summary { stalled_seconds: 0.0, ..summary }, &[sample]), None);
}

#[test]
fn reading_as_fast_as_a_slow_reader_is_bounded() {
    let evidence = flood(20, |t| {
        let given = 4.0 + 2.0 * t;
        Moment { taken: given + 8.0, given, memory: Some(8.0), blocked: t > 0.5 }
    });

    let judgement = judge(evidence.clone(), observed(&evidence, 0.9));

    assert_eq!(judgement.verdict, Verdict::Bounded, "{judgement:?}");
    assert!(judgement.reason.contains("for most of the run"), "{judgement:?}");
}

#[test]
fn a_stall_that_is_too_short_is_inconclusive() {
    let evidence = flood(2, |t| Moment { taken: 4.1, given: 4.0, memory: Some(0.0), blocked: t > 0.2 });

    let judgement = judge(evidence.clone(), observed(&evidence, 1.7));

    assert_eq!(judgement.cause, Cause::StoppedBriefly, "{judgement:?}");
    assert!(judgement.reason.contains("only 1.7 s; it takes 2 s"), "{judgement:?}");
}

#[test]
fn memory_that_grows_with_input_is_unbounded() {
    for reads in [0.0, 2.0] {
        let evidence = flood(4, |t| {
            let given = 4.0 + reads * t;
            let taken = 64.0 * t;
            Moment { taken, given, memory: Some((taken - given).max(0.0)), blocked: false }
        });

        assert_eq!(judge(evidence.clone(), observed(&evidence, 0.0)).verdict, Verdict::Unbounded);
    }
}

#[test]
fn much_buffered_input_and_a_pause_are_inconclusive() {
    let evidence = flood(6, |t| {
        let taken = (64.0 * t).min(220.0);
        Moment { taken, given: 4.0, memory: Some(taken), blocked: t > 3.5 }
    });

    let judgement = judge(evidence.clone(), observed(&evidence, 2.4));

    assert_eq!(judgement.cause, Cause::BufferedThenStopped, "{judgement:?}");
}

#[test]
fn flat_memory_is_inconclusive_without_a_drain() {
    for (memory, cause) in
        [(Some(0.0), Cause::NotInMemory), (Some(63.0), Cause::NotInMemory), (None, Cause::MemoryUnseen)]
    {
        let evidence = flood(5, |t| {
            let memory = memory.map(|memory| memory * t / 5.0);
            Moment { taken: 64.0 * t, given: (64.0 * t).min(4.0), memory, blocked: false }
        });

        let judgement = judge(evidence.clone(), observed(&evidence, 0.0));

        assert_eq!(judgement.verdict, Verdict::Inconclusive, "{judgement:?}");
        assert_eq!(judgement.cause, cause, "{judgement:?}");
        assert!(judgement.advice.is_some(), "{judgement:?}");
    }
}

#[test]
fn replies_that_do_not_come_although_all_is_read_are_discarded() {
    // 320 MiB are read, and 4 MiB written until the client reads at last.
    let after = |given: f64, stopped, drained: u64| {
        let mut evidence = flood(5, |t| Moment {
            taken: 64.0 * t,
            given: (64.0 * t).min(given),
            memory: Some(0.0),
            blocked: false,
        });
        let last = evidence.points.last().unwrap().sample;
        evidence.drain = Some(Drain {
            bytes: drained * MIB,
            in_kernels: (drained * MIB).min(last.server_written.unwrap()),
            stopped,
            server_read: last.server_read,
            server_written: Some(drained * MIB),
            ..Drain::default()
        });
        let observed = observed(&evidence, 0.0);
        judge(evidence, observed)
    };

    let lost = after(4.0, StopReason::Quiet, 5);
    assert_eq!((lost.verdict, lost.cause), (Verdict::Discards, Cause::LostReplies), "{lost:?}");
    assert!(lost.reason.ends_with("315 MiB of its input had none"), "{lost:?}");
    assert_eq!(after(4.0, StopReason::Enough, 5).cause, Cause::NotInMemory, "more may come");
    assert_eq!(after(0.0, StopReason::Quiet, 0).cause, Cause::NotInMemory, "it does not echo");
    assert_eq!(
        after(4.0, StopReason::Enough, 20).cause,
        Cause::NotInMemory,
        "a queue with a limit may hold that"
    );
    let elsewhere = after(4.0, StopReason::Quiet, 320);
    assert_eq!(elsewhere.verdict, Verdict::Unbounded, "{elsewhere:?}");
    assert!(!elsewhere.reason.contains("stayed in its memory"), "{elsewhere:?}");
}

#[test]
fn bytes_read_before_the_reader_stopped_do_not_count() {
    let evidence = flood(1, |_| Moment { taken: 69.0, given: 69.0, memory: None, blocked: true });
    let observed = Observed { reader: Reader::Stopped, read: 69 * MIB, ..observed(&evidence, 0.9) };

    let judgement = judge(evidence, observed);

    assert_eq!(judgement.cause, Cause::StoppedBriefly);
    let text = "once the reader had stopped, the server stopped reading after 5 MiB of input";
    assert!(judgement.reason.starts_with(text), "{judgement:?}");
}

#[test]
fn the_growth_in_the_reason_is_the_one_that_was_observed() {
    let evidence =
        flood(4, |t| Moment { taken: 64.0 * t, given: 4.0, memory: Some(64.0 * t), blocked: false });
    let growth = Some(253 * MIB);

    let judgement = judge(evidence.clone(), Observed { growth, ..Observed::default() });

    assert_eq!(judgement.verdict, Verdict::Unbounded, "{judgement:?}");
    assert!(
        judgement.reason.contains("grew by 253 MiB: nearly all that it read stayed in its memory"),
        "{judgement:?}"
    );
}

#[test]
fn growth_that_other_clients_cause_is_not_charged_to_this_flood() {
    // 8 MiB/s of ours, all of them written back, while another client is buffered at 64 MiB/s.
    let evidence =
        flood(8, |t| Moment { taken: 8.0 * t, given: 8.0 * t, memory: Some(64.0 * t), blocked: false });
    let alone = observed(&evidence, 0.0);
    let others = OtherInput { received: 500 * MIB, connections: 3 };

    let judgement = judge(evidence.clone(), Observed { others, ..alone });

    assert_eq!(judgement.verdict, Verdict::Inconclusive, "{judgement:?}");
    assert!(judgement.reason.contains("other clients sent 500 MiB over 3 connections"), "{judgement:?}");
    assert!(!judge(evidence.clone(), alone).reason.contains("other clients"), "there were none");
}

#[test]
fn bytes_inside_the_server_are_unbounded_also_among_others() {
    let evidence =
        flood(4, |t| Moment { taken: 64.0 * t, given: 4.0, memory: Some(200.0 * t), blocked: false });
    let others = OtherInput { received: 600 * MIB, connections: 1 };

    let judgement = judge(evidence.clone(), Observed { others, ..observed(&evidence, 0.0) });

    assert_eq!(judgement.verdict, Verdict::Unbounded, "{judgement:?}");
    assert!(judgement.reason.contains("while other clients sent 600 MiB over 1 connection"), "{judgement:?}");
}

/// A server that stops reading 1 s after the start, after this much input, all of which it wrote back.
fn stops_after(mib: f64) -> Evidence {
    flood(6, move |t| Moment {
        taken: mib * t.min(1.0),
        given: mib * t.min(1.0),
        memory: Some(0.5),
        blocked: t > 1.0,
    })
}

/// The cause, given this change of the evidence of a server that stops reading and waits for its reader.
fn cause_if(change: impl Fn(&mut Evidence)) -> Cause {
    let mut evidence = stops_after(5.0);
    change(&mut evidence);
    let observed = observed(&evidence, 5.0);
    judge(evidence, observed).cause
}

/// What came when the client read at last.
fn drain(evidence: &Evidence, written: u64) -> Drain {
    let last = evidence.points.last().unwrap().sample;
    let server_written = last.server_written.map(|bytes| bytes + written);
    Drain { bytes: MIB, server_read: last.server_read, server_written, ..Drain::default() }
}

#[test]
fn only_a_server_that_waits_for_its_reader_is_bounded() {
    let full = |is_full| {
        move |evidence: &mut Evidence| {
            evidence.points.iter_mut().for_each(|point| point.output_is_full = Some(is_full));
        }
    };

    assert_eq!(cause_if(|_| ()), Cause::StoppedReading);
    assert_eq!(cause_if(full(true)), Cause::StoppedReading);
    assert_eq!(cause_if(full(false)), Cause::StoppedForAnotherReason);
}

#[test]
fn a_server_that_does_not_go_on_once_it_is_read_is_not_bounded() {
    let read = |written| move |evidence: &mut Evidence| evidence.drain = Some(drain(evidence, written));

    assert_eq!(cause_if(read(MIB)), Cause::StoppedReading);
    assert_eq!(cause_if(read(0)), Cause::DidNotGoOn);
    let served = |evidence: &mut Evidence| {
        let newcomer = Some(Service { during: Some(true), ..Service::default() });
        evidence.bystanders = Some(Bystanders { newcomer, ..Bystanders::default() });
    };
    assert_eq!(cause_if(served), Cause::StoppedReading);
    let served_by_another_thread = |evidence: &mut Evidence| {
        served(evidence);
        read(0)(evidence);
    };
    assert_eq!(cause_if(served_by_another_thread), Cause::DidNotGoOn);
}

#[test]
fn a_suspended_server_is_not_bounded() {
    assert_eq!(cause_if(|evidence| evidence.is_suspended = true), Cause::Audit(audit::Cause::Suspended));
}

#[test]
fn a_refusal_is_no_defence() {
    let refused = |evidence: &mut Evidence| {
        evidence.points.truncate(3);
        for Point { sample, .. } in &mut evidence.points {
            (sample.produced, sample.client_received) = (sample.server_read.unwrap(), sample.server_written);
        }
        evidence.disconnect = Some(Disconnect { t: 0.2, kind: DisconnectKind::Closed });
    };

    assert_eq!(cause_if(refused), Cause::Audit(audit::Cause::Refused));
}

#[test]
fn a_stall_like_the_pauses_before_is_not_bounded() {
    // 3 MiB every 5 s, of which the kernel accepts some more output each time.
    let bursts = |seconds: u32| {
        let evidence = flood(seconds, |t| {
            let bursts = (t / 5.0).floor().min(2.0) + 1.0;
            Moment { taken: 3.0 * bursts, given: 2.5 + 0.1 * bursts, memory: Some(0.5), blocked: true }
        });
        let observed = observed(&evidence, 4.9);
        judge(evidence, observed)
    };

    let judgement = bursts(14);
    assert_eq!((judgement.cause, judgement.verdict), (Cause::MayBePausing, Verdict::Inconclusive));
    assert!(judgement.reason.contains("it had paused for 5.0 s before"), "{judgement:?}");
    assert_eq!(bursts(25).cause, Cause::StoppedReading, "2.5 times as long");
}

#[test]
fn a_server_slower_than_its_reader_is_not_tested() {
    // It reads 1 MiB/s, and its reader reads all of its output.
    let evidence = flood(8, |t| Moment { taken: t, given: t, memory: Some(0.0), blocked: t > 0.5 });
    let read_at_once = |mut point: Point| {
        let written = point.sample.server_written;
        point.sample.client_received = written;
        point.sample.consumed = written.unwrap_or(0);
        point
    };
    let points = evidence.points.iter().copied().map(read_at_once).collect();
    let evidence = Evidence { points, ..evidence };

    let judgement = judge(evidence.clone(), observed(&evidence, 0.9));

    assert_eq!(judgement.cause, Cause::HeldBackUnproven, "{judgement:?}");
}

#[test]
fn garbage_of_a_server_that_writes_everything_back_is_no_queue() {
    // Node: 2 MiB/s through a pipe, each block of which stays until it is collected.
    let evidence = flood(8, |t| Moment {
        taken: 4.0 + 2.0 * t,
        given: 4.0 + 2.0 * t,
        memory: Some(2.5 * t),
        blocked: t > 0.5,
    });

    let judgement = judge(evidence.clone(), observed(&evidence, 1.2));

    assert_eq!(judgement.verdict, Verdict::Inconclusive, "{judgement:?}");
}

#[test]
fn what_an_audit_doubts_has_a_cause_of_the_flood() {
    let moving = |taken: f64, given: f64, memory: f64| {
        flood(5, move |t| Moment {
            taken: taken * t,
            given: given * t,
            memory: Some(memory * t),
            blocked: false,
        })
    };
    let cause = |evidence: Evidence, longest_wait: f64| {
        let observed = observed(&evidence, longest_wait);
        judge(evidence, observed).cause
    };

    assert_eq!(cause(moving(64.0, 64.0, 0.0), 0.0), Cause::FitsTheKernels);
    assert_eq!(cause(moving(12.8, 8.8, 2.4), 0.0), Cause::BufferedSome);
    assert_eq!(cause(moving(12.8, 8.8, 2.4), 0.9), Cause::HeldBackUnproven);
    assert_eq!(cause(moving(0.1, 0.1, 0.0), 0.0), Cause::Audit(audit::Cause::MovedLittle));
}
