//! Each line of the decision table, and what no line may do.

use std::collections::HashSet;

use echoctl_record::{Class, DisconnectKind, Evidence, Point, Sample, StopReason};
use proptest::prelude::*;

use super::super::{Cause, judge};
use super::attack::*;

/// For each cause an attack that has it.
fn examples() -> Vec<(Cause, Evidence)> {
    let with_memory = |moment: fn(f64) -> Moment, memory: fn(f64) -> Option<f64>| {
        move |t: f64| Moment { memory: memory(t), ..moment(t) }
    };
    let growing = with_memory(accepting, |t| Some(64.0 * t));
    let busy = |t: f64| Moment { cpu: t, ..stalled(t) };
    let slowly = |read: f64, memory: f64| {
        move |t: f64| Moment { read: read * t, memory: Some(memory * t), ..Moment::default() }
    };
    let bend = [(0.0, 0.0), (0.1, 60.0), (1.0, 61.0), (2.0, 62.0)];
    vec![
        (Cause::NothingRecorded, Evidence { points: Vec::new(), ..attack(1.0, stalled) }),
        (Cause::Crashed, closed(attack(1.0, growing), DisconnectKind::Crashed, 1.0)),
        (Cause::AnsweredAndClosed, closed(once(attack(0.5, answering)), DisconnectKind::Closed, 0.5)),
        (Cause::ClosedEarly, closed(attack(0.3, |_| Moment::default()), DisconnectKind::Reset, 0.3)),
        (Cause::Closed, closed(attack(3.0, stalled), DisconnectKind::Closed, 3.0)),
        (Cause::GrewBeyondALimit, Evidence { memory_limit: 64 * MIB, ..attack(1.0, growing) }),
        (Cause::GrewToASmallCap, Evidence { memory_limit: 16 * MIB, ..attack(0.3, growing) }),
        (Cause::NeverUnderPressure, once(attack(5.0, |_| Moment { memory: Some(0.0), ..Moment::default() }))),
        (Cause::StoppedReadingUnseen, attack(5.0, with_memory(stalled, |_| None))),
        (Cause::StalledUnseen, once(attack(5.0, with_memory(answering, |_| None)))),
        (Cause::SpilledWhileStalled, attack(5.0, |t| Moment { disk: 10.0 * t, ..stalled(t) })),
        (Cause::QueuedElsewhere, drained(once(attack(5.0, answering)), StopReason::Enough, &bend)),
        (Cause::UpstreamUnseen, Evidence { hidden_upstream: true, ..once(attack(5.0, answering)) }),
        (Cause::AtRest, attack(5.0, stalled)),
        (Cause::AtRest, once(attack(5.0, answering))),
        (Cause::GrewWhileStalled, attack(5.0, with_memory(stalled, |t| Some(10.0 * t)))),
        (Cause::LevelWhileStalled, attack(8.0, busy)),
        (Cause::UnsteadyWhileStalled, attack(5.0, busy)),
        (Cause::AcceptedToDisk, attack(2.0, |t| Moment { disk: 64.0 * t, ..accepting(t) })),
        (Cause::DrainedAQueue, drained(attack(2.0, accepting), StopReason::Quiet, &[(1.0, 100.0)])),
        (Cause::Retained, attack(2.0, growing)),
        (Cause::RetainedUnsteadily, Evidence { budget: 4 * MIB, ..attack(0.1, growing) }),
        (Cause::AcceptedUnseen, attack(2.0, with_memory(accepting, |_| None))),
        (Cause::SmallReplies, attack(2.0, |t| Moment { written: t, ..accepting(t) })),
        (Cause::RetainedAPart, attack(2.0, with_memory(accepting, |t| Some(12.8 * t)))),
        (Cause::DrainUnfinished, drained(attack(2.0, accepting), StopReason::Enough, &[(1.0, 1.0)])),
        (Cause::DroppedInput, drained(attack(2.0, accepting), StopReason::Quiet, &[(1.0, 0.0)])),
        (Cause::GrewSlowly, attack(5.0, slowly(0.2, 5.0))),
        (Cause::MovedNearlyNothing, attack(5.0, slowly(0.01, 0.0))),
        (Cause::MovedLittle, attack(5.0, slowly(0.2, 0.0))),
    ]
}

#[test]
fn each_line_of_the_table_has_an_attack_that_reaches_it() {
    for (cause, evidence) in examples() {
        assert_eq!(judge(&evidence).cause, cause);
    }
    let causes: HashSet<Cause> = examples().iter().map(|(cause, _)| *cause).collect();
    assert_eq!(causes.len(), Cause::MovedLittle as usize + 1, "all of them, as that is the last one");
}

#[test]
fn the_share_of_the_input_that_stays_in_memory_decides() {
    let with_share =
        |share: f64| attack(2.0, move |t| Moment { memory: Some(share * 64.0 * t), ..accepting(t) });
    let causes = [0.05, 0.15, 0.35, 0.45, 1.0].map(|share| judge(&with_share(share)).cause);

    let [part, whole] = [Cause::RetainedAPart, Cause::Retained];
    assert_eq!(causes, [Cause::DroppedInput, part, part, whole, whole]);
}

#[test]
fn only_what_is_not_certain_has_advice() {
    for (cause, evidence) in examples() {
        let judgement = judge(&evidence);
        // The verdict on a connection that was closed early stands, and so does the doubt.
        let is_doubtful = judgement.verdict.class() == Class::Unknown || cause == Cause::ClosedEarly;
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

        prop_assert_eq!(judgement.verdict.class(), Class::Unknown, "{:?}", judgement);
    }
}
