//! When a drain stops, and what it shows.

use super::*;

const LIMITS: DrainLimits =
    DrainLimits { enough: 1000, timeout: Duration::from_secs(4), quiet: Duration::from_millis(600) };

fn echo(missing: u64) -> EchoState {
    EchoState { is_echo: true, missing, is_open: true, damage: None }
}

/// What is visible of a server that has read and written everything.
fn idle() -> Sample {
    Sample { produced: 9, server_read: Some(9), server_written: Some(5), consumed: 5, ..Sample::default() }
}

fn after(start: Instant, millis: u64) -> Instant {
    start + Duration::from_millis(millis)
}

#[test]
fn a_complete_echo_ends_the_drain() {
    let start = Instant::now();
    let mut drain = Draining::new(LIMITS, start);

    drain.note(&[b'x'; 1000], after(start, 1));
    drain.note_echo(echo(1));
    assert_eq!(drain.stop_reason(after(start, 1), false), None);
    drain.note(b"y", after(start, 2));
    drain.note_echo(echo(0));
    assert_eq!(drain.stop_reason(after(start, 2), false), Some(StopReason::Complete));
}

#[test]
fn enough_bytes_or_time_end_the_drain() {
    let start = Instant::now();
    let mut drain = Draining::new(LIMITS, start);

    drain.note(&[0; 999], after(start, 3999));
    assert_eq!(drain.stop_reason(after(start, 3999), false), None);
    assert_eq!(drain.stop_reason(after(start, 4000), false), Some(StopReason::Enough));
    drain.note(&[0], after(start, 3999));
    assert_eq!(drain.stop_reason(after(start, 3999), false), Some(StopReason::Enough));
}

#[test]
fn a_quiet_server_ends_the_drain_and_a_slow_one_does_not() {
    let start = Instant::now();
    let mut drain = Draining::new(LIMITS, start);

    assert_eq!(drain.stop_reason(after(start, 599), false), None);
    drain.note(&[0; 600], after(start, 599));
    assert_eq!(drain.stop_reason(after(start, 1198), false), None);
    assert_eq!(drain.stop_reason(after(start, 1199), false), Some(StopReason::Quiet));
}

#[test]
fn the_rest_of_an_echo_is_waited_for_longer() {
    let start = Instant::now();
    let mut drain = Draining::new(LIMITS, start);

    drain.note(b"x", after(start, 1000));
    drain.note_echo(echo(UNFLUSHED + 1));

    assert_eq!(drain.stop_reason(after(start, 4999), false), None);
    assert_eq!(drain.stop_reason(after(start, 5000), false), Some(StopReason::Quiet));
    drain.note_echo(echo(UNFLUSHED));
    assert_eq!(drain.stop_reason(after(start, 1600), false), Some(StopReason::Quiet));
}

#[test]
fn a_slow_echo_ends_the_drain_when_the_time_is_over() {
    let start = Instant::now();
    let mut drain = Draining::new(LIMITS, start);

    drain.note_echo(echo(UNFLUSHED + 1));
    drain.note(b"x", after(start, 3900));

    assert_eq!(drain.stop_reason(after(start, 4000), false), Some(StopReason::Enough));
}

#[test]
fn a_trickle_is_quiet() {
    let start = Instant::now();
    let mut drain = Draining::new(LIMITS, start);

    drain.note(&[0; 900], start);
    (1..=11).for_each(|step| drain.note(b": ping\n\n", after(start, step * 50)));

    assert_eq!(drain.stop_reason(after(start, 599), false), None);
    assert_eq!(drain.stop_reason(after(start, 600), false), Some(StopReason::Quiet));
}

#[test]
fn the_end_of_an_echo_is_lost_if_a_server_keeps_it() {
    let fault = |missing, stopped, last| {
        let start = Instant::now();
        let mut drain = Draining::new(LIMITS, start);
        drain.note_echo(echo(missing));
        drain.finish(stopped, 0, &last, start).fault
    };
    let much = UNFLUSHED + 1;
    let stuck = || Sample { server_read: Some(5 + much), ..idle() };

    assert_eq!(fault(much, StopReason::Quiet, stuck()), Some(EchoFault::Lost));
    assert_eq!(fault(UNFLUSHED, StopReason::Quiet, stuck()), None);
    assert_eq!(fault(much, StopReason::Closed, stuck()), None);
    assert_eq!(fault(much, StopReason::Quiet, idle()), None);
    assert_eq!(fault(much, StopReason::Quiet, Sample { server_written: Some(6), ..stuck() }), None);
    assert_eq!(fault(much, StopReason::Quiet, Sample { server_read: None, ..stuck() }), None);
}

#[test]
fn marks_are_counted_in_what_came() {
    let start = Instant::now();
    let mut drain = Draining::new(LIMITS, start);

    drain.count(b"mark");
    // A header does not show how the stream after it is marked.
    (0..100).for_each(|n| {
        drain.note(&[if n < 3 { b"mark" } else { b"xxxx" }, [b'x'; 1020].as_slice()].concat(), start)
    });
    assert_eq!(drain.bytes_per_mark(), None);

    let mut drain = Draining::new(LIMITS, start);
    drain.count(b"mark");
    (0..100).for_each(|_| drain.note(&b"mark----".repeat(128), start));

    assert_eq!(drain.bytes_per_mark(), Some(8.0));
}

#[test]
fn the_end_of_all_connections_ends_the_drain() {
    let start = Instant::now();
    let mut drain = Draining::new(LIMITS, start);

    assert_eq!(drain.stop_reason(start, true), Some(StopReason::Closed));
    drain.note_echo(echo(0));
    assert_eq!(drain.stop_reason(after(start, 1), true), Some(StopReason::Complete));
}

#[test]
fn the_first_damage_and_the_first_text_are_kept() {
    let start = Instant::now();
    let mut drain = Draining::new(LIMITS, start);

    drain.note(b"", start);
    drain.note(b"-ERR\r\n", start);
    drain.note(b"later", start);
    let damage = Damage { at: 3, fault: Some(EchoFault::Repeated) };
    drain.note_echo(EchoState { damage: Some(damage), ..EchoState::default() });
    assert_eq!(drain.first.text(), Some("-ERR".to_owned()));
    let drain = drain.finish(StopReason::Quiet, 4, &idle(), after(start, 1000));

    assert_eq!((drain.first_text.as_deref(), drain.damaged_at), (Some("-ERR"), Some(3)));
    assert_eq!((drain.server_read, drain.server_written), (Some(9), Some(5)));
    assert_eq!(drain.fault, Some(EchoFault::Repeated));
    assert_eq!((drain.bytes, drain.in_kernels, drain.beyond_kernels(), drain.seconds), (11, 4, 7, 1.0));
}

#[test]
fn the_kernels_held_no_more_than_what_came() {
    let start = Instant::now();

    let drain = Draining::new(LIMITS, start).finish(StopReason::Quiet, 4096, &idle(), start);

    assert_eq!((drain.bytes, drain.in_kernels), (0, 0));
}

#[test]
fn the_curve_has_a_point_per_step_and_one_at_the_end() {
    let start = Instant::now();
    let mut drain = Draining::new(LIMITS, start);

    let due: Vec<bool> = [10, 50, 60, 99, 100].map(|t| drain.is_sample_due(after(start, t))).into();
    drain.note(b"xyz", after(start, 100));
    let drain = drain.finish(StopReason::Complete, 0, &idle(), after(start, 120));

    assert_eq!(due, [false, true, false, false, true]);
    assert_eq!(drain.curve, [(0.0, 0), (0.05, 0), (0.1, 0), (0.12, 3)]);
}

#[test]
fn two_drains_add_up() {
    let start = Instant::now();
    let drained = |bytes: &[u8], stopped| {
        let mut drain = Draining::new(LIMITS, start);
        drain.note(bytes, start);
        drain.finish(stopped, 2, &idle(), after(start, 500))
    };

    let both = sum(Some(drained(b"first", StopReason::Quiet)), drained(b"later", StopReason::Closed));

    assert_eq!((both.bytes, both.in_kernels, both.seconds), (10, 4, 1.0));
    assert_eq!((both.stopped, both.first_text.as_deref()), (StopReason::Closed, Some("first")));
    assert_eq!(sum(None, both.clone()), both);
}
