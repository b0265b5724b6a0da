//! When an attack has seen enough.

use echoctl_record::{Drain, Evidence, StopReason, Verdict};

use super::super::{allowance, is_enough, judge, wants_second_pass};
use super::attack::*;

#[test]
fn more_than_the_budget_is_sent_only_while_it_may_help() {
    let small = |budget: u64, moment: fn(f64) -> Moment| Evidence { budget, ..attack(1.0, moment) };

    assert_eq!(allowance(&small(256 * MIB, accepting)), 256 * MIB, "it is not used up");
    assert_eq!(allowance(&small(32 * MIB, accepting)), 32 * MIB, "flat memory and no replies: it suffices");
    let growing = small(32 * MIB, |t| Moment { memory: Some(64.0 * t), ..accepting(t) });
    assert_eq!(allowance(&growing), u64::MAX, "garbage or a queue");
    assert!(!is_enough(&growing) && is_enough(&small(32 * MIB, accepting)));
    assert!(is_enough(&Evidence { budget: 8 * MIB, ..growing }), "no garbage is four times the budget");
}

#[test]
fn a_running_server_is_sent_more_than_it_has_memory() {
    let flat = |_| Moment { memory: Some(90.0), ..accepting(2.0) };
    let after = |read: f64| Evidence {
        was_running: true,
        budget: 32 * MIB,
        ..attack(1.0, move |t| Moment { read: read * t, ..flat(t) })
    };
    let judged = |read| judge(&drained(after(read), StopReason::Quiet, &[(1.0, 0.0)])).verdict;

    assert!(!is_enough(&after(120.0)) && is_enough(&after(126.0)), "125 MiB are a quarter more than 100");
    assert_eq!((judged(120.0), judged(126.0)), (Verdict::Inconclusive, Verdict::Discards));
}

#[test]
fn a_high_limit_is_looked_for_as_far_as_memory_allows() {
    // Replies as large as the input, of which 4 MiB fit into the kernels.
    let queue = |t: f64| Moment {
        written: (64.0 * t).min(4.0),
        waiting: 3.0,
        memory: Some(64.0 * t),
        ..accepting(t)
    };
    let evidence = Evidence { budget: 32 * MIB, ..attack(1.0, queue) };

    assert!(!is_enough(&evidence));
    assert_eq!(
        allowance(&Evidence { budget: 128 * MIB, ..evidence.clone() }),
        u64::MAX,
        "half of it is enough to see"
    );
    assert!(is_enough(&Evidence { memory_limit: 80 * MIB, ..evidence.clone() }), "no room");
    assert!(is_enough(&Evidence { budget: 16 * MIB, ..evidence }));
}

#[test]
fn a_slow_reader_of_its_input_gets_more_time_to_reach_a_limit() {
    // 20 MiB/s, all of it buffered.
    let queue = |t: f64| Moment {
        read: 20.0 * t,
        written: (20.0 * t).min(4.0),
        waiting: 3.0,
        memory: Some(20.0 * t),
        ..Moment::default()
    };
    let after = |seconds: f64| Evidence { max_duration: 15.0, ..attack(seconds, queue) };

    assert!(!is_enough(&after(15.1)) && !is_enough(&after(29.0)) && is_enough(&after(30.1)));
    assert!(is_enough(&Evidence { min_duration: 15.0, ..after(15.1) }), "as long as was asked for");
    let flat = |t: f64| Moment { memory: Some(0.0), ..queue(t) };
    assert!(is_enough(&Evidence { max_duration: 15.0, ..attack(15.1, flat) }));
}

#[test]
fn an_attack_lasts_as_long_as_was_asked_for() {
    let bounded = |min_duration: f64| is_enough(&Evidence { min_duration, ..attack(5.0, stalled) });
    let full = Evidence { min_duration: 10.0, max_duration: 5.0, ..attack(5.0, stalled) };

    assert!(bounded(0.0) && bounded(5.0) && !bounded(5.1));
    assert!(is_enough(&full), "the longest duration wins");
}

#[test]
fn a_client_that_may_send_no_more_does_not_show_a_stall() {
    // A queue without limit that took the whole budget in a second, and a minimum duration of more.
    let queue = |t: f64| Moment {
        written: (64.0 * t).min(4.0),
        waiting: (64.0 * t).min(3.5),
        memory: Some(64.0 * t.min(1.0)),
        blocked: false,
        ..accepting(t.min(1.0))
    };
    let evidence = Evidence { budget: 16 * MIB, min_duration: 8.0, ..attack(8.0, queue) };

    assert!(is_enough(&evidence));
    let judgement = judge(&going_on(evidence));
    assert_eq!(judgement.verdict, Verdict::Unbounded, "{}", judgement.reason);
}

#[test]
fn a_server_without_any_window_is_drained_early() {
    let headers = |t: f64| Moment { written: if t < 0.05 { 0.0 } else { 0.0001 }, ..answering(t) };
    let headers = |t: f64| Moment { waiting: 0.0, ..headers(t) };

    assert!(is_enough(&behind_windows(once(attack(3.7, headers)))));
    assert!(!is_enough(&behind_windows(once(attack(3.4, headers)))));
}

#[test]
fn a_drain_that_does_not_tell_is_followed_by_more_stall() {
    let drained_for =
        |mib: f64, stopped| drained(once(attack(3.6, answering)), stopped, &[(0.5, mib / 2.0), (1.0, mib)]);
    let wants = |mib, stopped| wants_second_pass(&drained_for(mib, stopped));

    assert!(wants(20.0, StopReason::Quiet) && wants(10.0, StopReason::Enough));
    assert!(!wants(20.0, StopReason::Enough), "it is made on demand");
    assert!(!wants(1.0, StopReason::Closed), "nothing more can come");
    assert!(!wants_second_pass(&Evidence { max_duration: 3.5, ..drained_for(20.0, StopReason::Quiet) }));
}

#[test]
fn after_a_drain_the_watch_goes_on_without_its_time() {
    // 8 MiB at once, a drain of them from 4 to 5 s, after which 8 MiB more come or nothing.
    let second_pass = |seconds: f64, more: f64| {
        let mut evidence = once(attack(seconds, move |t| {
            let more = if t < 5.05 { 0.0 } else { more };
            Moment { written: 8.0 + more, waiting: if t < 4.05 { 4.0 } else { more / 2.0 }, ..answering(t) }
        }));
        evidence.points.retain(|point| !(4.05..4.95).contains(&point.sample.t));
        for point in evidence.points.iter_mut().filter(|point| point.sample.t > 4.5) {
            point.sample.consumed = 8 * MIB;
        }
        evidence.points.iter_mut().find(|point| point.sample.t > 4.5).unwrap().after_drain = true;
        evidence.drain = Some(Drain { bytes: 8 * MIB, in_kernels: 4 * MIB, ..Drain::default() });
        evidence
    };
    for more in [0.0, 8.0] {
        assert!(!is_enough(&second_pass(11.5, more)), "{more}: 4 and 5.5 s");
        assert!(is_enough(&second_pass(12.2, more)), "{more}: 4 and 6.2 s");
        assert_eq!(
            judge(&second_pass(12.2, more)).verdict,
            Verdict::Bounded,
            "{more}: {:?}",
            judge(&second_pass(12.2, more))
        );
    }
}

#[test]
fn growth_by_the_budget_needs_no_longer_watch() {
    let growing = |seconds: f64, rate: f64| {
        is_enough(&once(attack(seconds, move |t| Moment { memory: Some(rate * t), ..answering(t) })))
    };

    assert!(growing(8.0, 50.0) && !growing(6.9, 50.0) && !growing(8.0, 20.0));
}

#[test]
fn a_stall_is_watched_until_it_proves_something() {
    let with_room = |full: bool| {
        let mut evidence = attack(5.0, stalled);
        evidence.points.iter_mut().for_each(|point| point.output_is_full = Some(full));
        evidence
    };

    assert!(!is_enough(&attack(3.4, stalled)) && is_enough(&attack(3.6, stalled)));
    let burst = |t: f64| Moment { memory: Some(if t < 0.1 { 0.0 } else { 20.0 }), ..answering(t) };
    assert!(!is_enough(&once(attack(9.9, burst))) && is_enough(&once(attack(10.1, burst))));
    assert!(is_enough(&once(attack(3.6, answering))), "a drain tells more than memory can hide");
    assert!(is_enough(&with_room(true)) && !is_enough(&with_room(false)));
    let busy = |t: f64| Moment { read: 20.0, cpu: t, ..stalled(t) };
    assert!(!is_enough(&attack(12.0, busy)), "a collector may be at work");
}
