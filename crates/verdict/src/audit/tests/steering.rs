//! When an attack has seen enough.

use echoctl_record::Evidence;

use super::super::{allowance, is_enough};
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
    let judgement = super::super::judge(&going_on(evidence));
    assert_eq!(judgement.verdict, echoctl_record::Verdict::Unbounded, "{}", judgement.reason);
}

#[test]
fn a_stall_is_watched_until_it_proves_something() {
    let with_room = |full: bool| {
        let mut evidence = attack(5.0, stalled);
        evidence.points.iter_mut().for_each(|point| point.output_is_full = Some(full));
        evidence
    };

    assert!(!is_enough(&attack(3.4, stalled)) && is_enough(&attack(3.6, stalled)));
    assert!(
        !is_enough(&once(attack(9.9, answering))) && is_enough(&once(attack(10.1, answering))),
        "one burst"
    );
    assert!(is_enough(&with_room(true)) && !is_enough(&with_room(false)));
    let busy = |t: f64| Moment { read: 20.0, cpu: t, ..stalled(t) };
    assert!(!is_enough(&attack(12.0, busy)), "a collector may be at work");
}
