//! Each signal of an attack on its own.

use echoctl_record::{Evidence, StopReason};

use super::super::signals::Signals;
use super::super::was_refused;
use super::attack::*;

#[test]
fn nothing_recorded_has_no_signals() {
    let evidence = Evidence { points: Vec::new(), ..attack(1.0, stalled) };
    let signals = Signals::of(&evidence);

    assert!(signals.is_empty() && signals.disconnect().is_none());
    assert_eq!((signals.t, signals.stalled, signals.read), (0.0, 0.0, 0));
    assert_eq!((signals.growth(), signals.peak(), signals.retained()), (None, None, None));
}

#[test]
fn growth_is_what_is_left_and_peak_what_was_most() {
    let evidence =
        attack(2.0, |t| Moment { memory: Some(if t < 1.95 { 30.0 * t } else { 5.0 }), ..stalled(t) });
    let signals = Signals::of(&evidence);

    assert_eq!(signals.growth(), Some(5 * MIB));
    assert_eq!(signals.peak(), Some(57 * MIB));
}

#[test]
fn memory_that_is_released_is_not_retained() {
    let of = |memory: fn(f64) -> f64| {
        let evidence = attack(3.0, |t| Moment { memory: Some(memory(t)), ..accepting(t) });
        Signals::of(&evidence).retained().expect("memory is visible")
    };

    assert!((of(|t| 32.0 * t) - 0.5).abs() < 0.01, "half of 64 MiB/s");
    assert!(of(|t| 100.0 * (t % 0.5)) < 0.01, "garbage");
}

#[test]
fn a_stall_begins_when_nothing_moves_and_input_is_refused() {
    let stall_of = |moment: fn(f64) -> Moment| Signals::of(&attack(5.0, moment)).stalled;

    assert_eq!(stall_of(stalled), 5.0);
    assert_eq!(stall_of(accepting), 0.0);
    let late = stall_of(|t| Moment { read: t.min(2.0), blocked: t >= 2.0, ..Moment::default() });
    assert!((late - 3.0).abs() < 0.01, "{late}");
    let idle = stall_of(|t| Moment { read: if t < 4.5 { 1.0 } else { 2.0 }, ..Moment::default() });
    assert!(idle < 0.6, "a client that sends nothing does not show a stall: {idle}");
}

#[test]
fn pending_output_follows_the_ratio_before_the_output_was_full() {
    // Replies as large as the input, until 12.8 MiB were written.
    let evidence = attack(2.0, |t| {
        let written = (64.0 * t).min(12.8);
        Moment { written, waiting: written / 2.0, ..accepting(t) }
    });
    let signals = Signals::of(&evidence);

    assert!(signals.output_is_full());
    let pending = signals.pending_output() / MIB;
    assert!((113..=117).contains(&pending), "{pending} MiB of 115");
}

#[test]
fn what_a_drain_prompts_is_not_written_by_itself() {
    let drained_at = |seconds: f64| {
        let mut evidence =
            once(attack(9.0, |t| Moment { written: if t < 4.05 { 4.0 } else { 57.0 }, ..answering(t) }));
        evidence.points.iter_mut().find(|point| point.sample.t >= seconds).unwrap().after_drain = true;
        Signals::of(&evidence).written_by_itself() / MIB
    };

    assert_eq!(drained_at(4.05), 4);
    assert_eq!(drained_at(1.0), 57, "long after the drain");
    assert_eq!(Signals::of(&attack(5.0, stalled)).written_by_itself(), 4 * MIB);
}

#[test]
fn output_waits_from_the_first_to_the_last_sample_of_it() {
    let evidence = attack(3.0, |t| Moment {
        written: 1.0,
        waiting: if (0.95..2.05).contains(&t) { 0.5 } else { 0.0 },
        ..Moment::default()
    });

    assert!((Signals::of(&evidence).waited() - 1.0).abs() < 0.01);
    assert_eq!(Signals::of(&attack(3.0, accepting)).waited(), 0.0);
}

#[test]
fn processor_time_counts_during_the_stall_only() {
    let evidence = attack(6.0, |t| Moment {
        read: t.min(2.0),
        blocked: t >= 2.0,
        cpu: if t < 2.0 { t } else { 2.0 + (t - 2.0) / 4.0 },
        ..Moment::default()
    });

    let busy = Signals::of(&evidence).busy_while_stalled().expect("it is visible");

    assert!((busy - 0.25).abs() < 0.01, "{busy}");
}

#[test]
fn a_backlog_is_what_came_before_the_bend() {
    let bent = drained(attack(1.0, stalled), StopReason::Enough, &[(0.0, 0.0), (0.1, 60.0), (2.0, 62.0)]);
    let steady = drained(attack(1.0, stalled), StopReason::Enough, &[(0.0, 0.0), (1.0, 50.0), (2.0, 100.0)]);

    assert_eq!(Signals::of(&bent).drained(), 62 * MIB);
    assert_eq!(Signals::of(&bent).backlog(), Some(62 * MIB));
    assert_eq!(Signals::of(&steady).backlog(), None);
}

#[test]
fn disk_writes_count_from_the_start() {
    let evidence = attack(2.0, |t| Moment { disk: 7.0 + 10.0 * t, ..stalled(t) });

    assert_eq!(Signals::of(&evidence).disk_written(), Some(20 * MIB));
}

#[test]
fn only_a_server_that_read_nothing_has_refused() {
    use echoctl_record::DisconnectKind::{Crashed, Reset};
    let nothing = || attack(0.2, |_| Moment::default());

    assert!(was_refused(&closed(nothing(), Reset, 0.2)));
    assert!(!was_refused(&closed(nothing(), Crashed, 0.2)));
    assert!(!was_refused(&closed(nothing(), Reset, 2.0)));
    assert!(!was_refused(&closed(attack(0.2, stalled), Reset, 0.2)));
}
