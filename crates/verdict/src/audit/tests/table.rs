//! Each line of the decision table, and what no line may do.

use std::collections::HashSet;

use echoctl_record::{Class, DisconnectKind, EchoFault, Evidence, Point, Responses, Sample, StopReason};
use proptest::prelude::*;

use super::super::{Cause, judge};
use super::attack::*;

/// For each cause an attack that has it.
fn examples() -> Vec<(Cause, Evidence)> {
    [closed_examples(), stalled_examples(), accepting_examples(), other_examples()].concat()
}

type Examples = Vec<(Cause, Evidence)>;

fn with_memory(moment: fn(f64) -> Moment, memory: fn(f64) -> Option<f64>) -> impl Fn(f64) -> Moment {
    move |t: f64| Moment { memory: memory(t), ..moment(t) }
}

/// A server that reads 64 MiB/s and keeps it.
fn growing(t: f64) -> Moment {
    Moment { memory: Some(64.0 * t), ..accepting(t) }
}

/// The same at twice the rate, of which it has sent back what the kernels' queues hold.
fn queueing(t: f64) -> Moment {
    Moment { memory: Some(128.0 * t), read: 128.0 * t, written: 4.0, ..accepting(t) }
}

fn closed_examples() -> Examples {
    use DisconnectKind::{Closed, Crashed, GoAway, Reset, StreamsReset};
    let silent = || closed(attack(3.0, |t| Moment { written: 0.0, waiting: 0.0, ..stalled(t) }), Reset, 3.0);
    let violation = Some("a frame of 2 MiB".to_owned());
    let out_of_memory = Some("java.lang.OutOfMemoryError".to_owned());
    vec![
        (Cause::NothingRecorded, Evidence { points: Vec::new(), ..attack(1.0, stalled) }),
        (Cause::Crashed, closed(attack(1.0, growing), Crashed, 1.0)),
        (Cause::AnsweredAndClosed, closed(once(attack(0.5, answering)), Closed, 0.5)),
        (Cause::ClosedAtInputLimit, controlled(silent(), 0, false)),
        (Cause::Refused, closed(attack(0.3, |_| Moment::default()), Reset, 0.3)),
        (Cause::RefusesReadersToo, controlled(closed(attack(3.0, stalled), Closed, 3.0), 4 * MIB, false)),
        (Cause::EndedAFlood, Evidence { is_flood: true, ..closed(attack(1.0, accepting), GoAway, 1.0) }),
        (Cause::ClosedAfterMuch, closed(attack(3.0, queueing), Reset, 3.0)),
        (Cause::Closed, closed(attack(1.5, queueing), Reset, 1.5)),
        (Cause::Closed, closed(attack(3.0, stalled), Closed, 3.0)),
        (Cause::Closed, closed(behind_windows(attack(3.0, stalled)), StreamsReset, 3.0)),
        (
            Cause::Refused,
            closed(once(attack(0.3, |_| Moment { written: 0.001, ..Moment::default() })), GoAway, 0.3),
        ),
        (Cause::ViolatedItsProtocol, Evidence { violation, ..attack(1.0, accepting) }),
        (Cause::RanOutOfMemory, Evidence { out_of_memory, ..closed(attack(3.0, stalled), Closed, 3.0) }),
        (Cause::GrewBeyondALimit, Evidence { memory_limit: 64 * MIB, ..attack(1.0, growing) }),
        (Cause::GrewToASmallCap, Evidence { memory_limit: 16 * MIB, ..attack(0.3, growing) }),
        (Cause::RetainedUntilItStopped, Evidence { is_suspended: true, ..attack(1.0, growing) }),
        (Cause::Suspended, Evidence { is_suspended: true, ..going_on(attack(5.0, stalled)) }),
    ]
}

fn stalled_examples() -> Examples {
    let nothing = |_| Moment { memory: Some(0.0), ..Moment::default() };
    let busy = |t: f64| Moment { cpu: t / 3.0, ..stalled(t) };
    let at_work = |t: f64| Moment { read: 20.0, written: 4.0, cpu: t, ..stalled(t) };
    let without_output = |t: f64| Moment { written: 0.0, waiting: 0.0, ..stalled(t) };
    let burst = |t: f64| if t < 0.1 { 0.0 } else { 2.0 };
    let in_bursts =
        |t: f64| Moment { written: burst(t) + burst(t - 3.0), waiting: burst(t) / 2.0, ..answering(t) };
    let bend = [(0.0, 0.0), (0.1, 60.0), (1.0, 61.0), (2.0, 62.0)];
    let unanswered = Some(Responses { requests: 1, answered: 0, status: None });
    let no_more = |evidence| drained(evidence, StopReason::Quiet, &[(1.0, 3.5)]);
    vec![
        (Cause::GrewWithoutPressure, once(attack(5.0, with_memory(nothing, |t| Some(10.0 * t))))),
        (Cause::NeverUnderPressure, once(attack(5.0, nothing))),
        (
            Cause::NotAnswered,
            Evidence { responses: unanswered, ..behind_windows(once(attack(5.0, nothing))) },
        ),
        (Cause::WindowsUnread, with_unread_windows(going_on(attack(5.0, without_output)))),
        (Cause::AtRest, going_on(behind_windows(attack(5.0, stalled)))),
        (
            Cause::GrewWhileStalled,
            behind_windows(once(attack(5.0, with_memory(answering, |t| Some(10.0 * t))))),
        ),
        (Cause::StoppedReadingUnseen, going_on(attack(5.0, with_memory(stalled, |_| None)))),
        (Cause::StalledUnseen, once(attack(5.0, with_memory(answering, |_| None)))),
        (Cause::SpilledWhileStalled, attack(5.0, |t| Moment { disk: 10.0 * t, ..stalled(t) })),
        (Cause::QueuedElsewhere, drained(once(attack(5.0, answering)), StopReason::Enough, &bend)),
        (Cause::UpstreamUnseen, Evidence { hidden_upstream: true, ..once(attack(5.0, answering)) }),
        (Cause::StoppedForAnotherReason, going_on(attack(5.0, without_output))),
        (Cause::MayBePausing, going_on(once(attack(6.9, in_bursts)))),
        (Cause::MayBePausing, going_on(once(attack(5.0, answering)))),
        (Cause::MayBeCollecting, Evidence { max_duration: 15.0, ..going_on(attack(15.0, at_work)) }),
        (Cause::MayReuseMemory, Evidence { was_running: true, ..going_on(once(attack(11.0, answering))) }),
        (Cause::StalledUndrained, attack(5.0, stalled)),
        (Cause::DidNotGoOn, no_more(attack(5.0, stalled))),
        (Cause::AtRest, going_on(attack(5.0, stalled))),
        (Cause::AtRest, beside(no_more(attack(6.0, stalled)), true, Some(true), None)),
        (Cause::AtRest, going_on(once(attack(11.0, answering)))),
        (Cause::GrewWhileStalled, attack(5.0, with_memory(stalled, |t| Some(10.0 * t)))),
        (Cause::LevelWhileStalled, going_on(attack(8.0, busy))),
        (Cause::UnsteadyWhileStalled, going_on(attack(5.0, busy))),
    ]
}

fn accepting_examples() -> Examples {
    let nothing_came = || drained(attack(2.0, accepting), StopReason::Quiet, &[(1.0, 0.0)]);
    let large =
        || drained(attack(2.0, with_memory(accepting, |_| Some(200.0))), StopReason::Quiet, &[(1.0, 0.0)]);
    vec![
        (Cause::AcceptedToFiles, attack(2.0, |t| Moment { disk: 64.0 * t, ..accepting(t) })),
        (Cause::DrainedAQueue, drained(attack(2.0, accepting), StopReason::Quiet, &[(1.0, 100.0)])),
        (Cause::Retained, attack(2.0, growing)),
        (Cause::RetainedUnsteadily, Evidence { budget: 4 * MIB, ..attack(0.1, growing) }),
        (Cause::MarkedInMemory, Evidence { budget: 32 * MIB, ..counted(attack(2.0, accepting), 100) }),
        (Cause::MarkedOrGarbage, counted(attack(2.0, accepting), 100)),
        (Cause::NotJoined, Evidence { has_publisher: true, ..nothing_came() }),
        (
            Cause::AnsweredOnce,
            attack(2.0, |t| Moment { written: if t < 0.05 { 0.0 } else { 0.001 }, ..accepting(t) }),
        ),
        (Cause::AcceptedUnseen, attack(2.0, with_memory(accepting, |_| None))),
        (Cause::SmallReplies, attack(2.0, |t| Moment { written: t, ..accepting(t) })),
        (Cause::RetainedAPart, attack(2.0, with_memory(accepting, |t| Some(12.8 * t)))),
        (
            Cause::SendsByItself,
            Evidence {
                unprompted: Some(60 * MIB),
                ..drained(attack(2.0, accepting), StopReason::Enough, &[(1.0, 100.0)])
            },
        ),
        (Cause::DrainUnfinished, drained(attack(2.0, accepting), StopReason::Enough, &[(1.0, 1.0)])),
        (Cause::AcceptedUndrained, attack(2.0, accepting)),
        (Cause::UpstreamUnseen, Evidence { hidden_upstream: true, ..nothing_came() }),
        (Cause::MayReuseMemory, Evidence { was_running: true, ..large() }),
        (Cause::DroppedInput, nothing_came()),
    ]
}

fn other_examples() -> Examples {
    let slowly = |read: f64, memory: f64| {
        move |t: f64| Moment { read: read * t, memory: Some(memory * t), ..Moment::default() }
    };
    let bounded = || going_on(attack(5.0, stalled));
    let on_disk = |t: f64| Moment { read: 140.0, disk: (140.0 * t).min(140.0), ..stalled(t) };
    vec![
        (Cause::GrewSlowly, attack(5.0, slowly(0.2, 5.0))),
        (Cause::MovedNearlyNothing, attack(5.0, slowly(0.01, 0.0))),
        (Cause::MovedLittle, attack(5.0, slowly(0.2, 0.0))),
        (Cause::StarvedOthers, beside(bounded(), true, Some(false), Some(true))),
        (Cause::DeadAfterwards, beside(bounded(), false, None, Some(false))),
        (Cause::CorruptedAnEcho, corrupted(bounded(), EchoFault::Lost)),
        (Cause::GrowsAnyway, beside_work(attack(5.0, with_memory(stalled, |t| Some(10.0 * t))), 10)),
        (Cause::WritesAnyway, beside_work(attack(5.0, |t| Moment { disk: 10.0 * t, ..stalled(t) }), 6)),
        (Cause::StaysStuck, stuck(beside(attack(5.0, stalled), true, Some(true), None))),
        (Cause::Spilled, going_on(attack(5.0, on_disk))),
    ]
}

#[test]
fn each_line_of_the_table_has_an_attack_that_reaches_it() {
    for (cause, evidence) in examples() {
        assert_eq!(judge(&evidence).cause, cause, "{}", judge(&evidence).reason);
    }
    let causes: HashSet<Cause> = examples().iter().map(|(cause, _)| *cause).collect();
    assert_eq!(causes.len(), Cause::Spilled as usize + 1, "all of them, as that is the last one");
}

#[test]
fn the_share_of_the_input_that_stays_in_memory_decides() {
    let with_share =
        |share: f64| attack(2.0, move |t| Moment { memory: Some(share * 64.0 * t), ..accepting(t) });
    let causes = [0.05, 0.15, 0.35, 0.45, 1.0].map(|share| judge(&with_share(share)).cause);

    let [part, whole] = [Cause::RetainedAPart, Cause::Retained];
    assert_eq!(causes, [Cause::AcceptedUndrained, part, part, whole, whole]);
}

#[test]
fn only_what_is_not_certain_has_advice() {
    for (_, evidence) in examples() {
        let judgement = judge(&evidence);
        let is_doubtful = judgement.verdict.class() == Class::Unknown;
        assert_eq!(judgement.advice.is_some(), is_doubtful, "{judgement:?}");
    }
}

#[test]
fn each_cause_has_a_sentence_of_its_own() {
    let sentences: HashSet<String> = examples().iter().map(|(_, evidence)| judge(evidence).reason).collect();

    assert_eq!(sentences.len(), examples().len());
    assert!(sentences.iter().all(|sentence| !sentence.is_empty() && !sentence.ends_with('.')));
}

/// What happens between two samples. Sizes in KiB.
type Step = (u8, u32, u32, u32, u32, bool);

/// An attack in these steps; `memory` is its growth in one step, in bytes, given the bytes read.
fn attack_in(steps: &[Step], repeats: bool, memory: impl Fn(u64, u64) -> Option<u64>) -> Evidence {
    let mut last = Point { cpu_seconds: Some(0.0), disk_written: Some(0), ..Point::default() };
    let counters = Sample { server_read: Some(0), server_written: Some(0), ..Sample::default() };
    last.sample = Sample { server_memory: memory(0, 0), client_received: Some(0), ..counters };
    let mut points = vec![last];
    for &(tenths, read, written, disk, extra, blocked) in steps {
        let (read, sample) = (u64::from(read) << 10, &mut last.sample);
        sample.t += 0.05 + f64::from(tenths) / 20.0;
        sample.server_read = sample.server_read.map(|before| before + read);
        sample.produced = sample.server_read.unwrap_or(0) + (u64::from(blocked) << 20);
        sample.server_written = sample.server_written.map(|before| before + (u64::from(written) << 10));
        sample.client_received = sample.server_written.map(|written| written.min(4 << 20));
        let growth = memory(read, u64::from(extra) << 10);
        sample.server_memory = sample.server_memory.zip(growth).map(|(before, growth)| before + growth);
        last.disk_written = last.disk_written.map(|before| before + (u64::from(disk) << 10));
        last.cpu_seconds = last.cpu_seconds.map(|before| before + f64::from(extra % 7) / 100.0);
        last.blocked = blocked;
        points.push(last);
    }
    Evidence { repeats, points, ..attack(0.0, stalled) }
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = (0..8u8, 0..30_000u32, 0..30_000u32, 0..30_000u32, 0..30_000u32, any::<bool>());
    // A server reads for a while, and then perhaps nothing moves any more.
    let rest = (0..8u8, Just(0u32), Just(0u32), 0..30_000u32, 0..30_000u32, Just(true));
    (prop::collection::vec(step, 1..60), prop::collection::vec(rest, 0..60))
        .prop_map(|(a, b)| [a, b].concat())
}

proptest! {
    /// The mistake that must not happen.
    #[test]
    fn memory_that_takes_half_of_the_input_is_never_safe(
        steps in steps(),
        repeats in any::<bool>(),
        hidden_upstream in any::<bool>(),
        budget in 1..512u64,
    ) {
        let evidence = attack_in(&steps, repeats, |read, extra| Some(read / 2 + (512 << 10) + extra));
        let evidence = Evidence { hidden_upstream, budget: budget * MIB, ..evidence };

        let judgement = judge(&evidence);

        prop_assert_ne!(judgement.verdict.class(), Class::Safe, "{:?}", judgement);
    }

    #[test]
    fn a_single_request_without_visible_memory_is_never_safe(steps in steps()) {
        let judgement = judge(&attack_in(&steps, false, |_, _| None));

        prop_assert_ne!(judgement.verdict.class(), Class::Safe, "{:?}", judgement);
    }
}
