//! When output waits for the client: in the kernels, behind the windows of a protocol, or before a client that is suspended.

use echoctl_record::{Evidence, Responses, StallKind, StopReason};

use super::super::signals::Signals;
use super::super::{Cause, judge};
use super::attack::*;

#[test]
fn a_queue_with_room_does_not_hold_the_server_back() {
    let mut evidence = attack(5.0, stalled);
    assert!(Signals::of(&evidence).output_waits());

    evidence.points.last_mut().unwrap().output_is_full = Some(false);

    assert!(!Signals::of(&evidence).output_waits());
}

#[test]
fn used_up_windows_hold_back_a_server_that_has_begun_to_answer() {
    let waits = |evidence: &Evidence| Signals::of(evidence).output_waits();
    let answered = |answered: u32| Evidence {
        responses: Some(Responses { requests: 2, answered, status: None }),
        ..behind_windows(attack(5.0, stalled))
    };
    let mut open = behind_windows(attack(5.0, stalled));
    open.points.last_mut().unwrap().output_credit = Some(1);

    assert!(waits(&behind_windows(attack(5.0, stalled))) && waits(&answered(1)));
    assert!(!waits(&answered(0)), "nothing is known to be meant for this client");
    assert!(!waits(&open));
    assert!(Signals::of(&answered(1)).has_output(), "however little fits into the windows");
    assert!(
        Signals::of(&answered(1)).was_under_pressure() && !Signals::of(&answered(0)).was_under_pressure()
    );
}

#[test]
fn what_a_suspended_client_left_unread_waits() {
    let unread = |consumed: u64| {
        let mut evidence = Evidence { stall: Some(StallKind::Client), ..once(attack(5.0, answering)) };
        for point in &mut evidence.points {
            point.output_is_full = Some(false);
            point.sample.consumed = consumed;
        }
        Signals::of(&evidence).output_waits()
    };

    assert!(unread(3 * MIB) && !unread(4 * MIB));
}

#[test]
fn output_that_flowed_until_a_client_was_suspended_waits() {
    // The client has read all of it, and a window of its protocol is used up.
    let waits = |flowed_until: f64| {
        let mut evidence =
            Evidence { stall: Some(StallKind::Client), reads_until: 1.2, ..once(attack(5.0, answering)) };
        for point in &mut evidence.points {
            let sample = &mut point.sample;
            let flowed = (sample.t.min(flowed_until) * MIB as f64) as u64;
            sample.server_written = Some(flowed);
            sample.client_received = Some(flowed);
            sample.consumed = flowed;
            point.output_is_full = Some(false);
        }
        Signals::of(&evidence).output_waits()
    };

    assert!(waits(1.2) && !waits(0.5));
}

#[test]
fn permission_to_send_on_shows_that_a_server_goes_on() {
    let uploading = |t: f64| Moment { written: 0.0, waiting: 0.0, ..stalled(t) };
    let silent = drained(attack(5.0, uploading), StopReason::Quiet, &[(1.0, 0.0)]);
    let permitting =
        |bytes| judge(&Evidence { input_credit: bytes, ..with_unread_windows(silent.clone()) }).cause;

    assert_eq!(permitting(Some(65_535)), Cause::WindowsUnread);
    assert_eq!(permitting(Some(0)), Cause::StoppedForAnotherReason);
    assert_eq!(permitting(None), Cause::StoppedForAnotherReason);
}

#[test]
fn what_windows_let_through_at_once_shows_no_rate() {
    // 64 KiB in 0.9 s, and a heap that rises and falls by 1.5 MiB.
    let uneven = |t: f64| Some(3.0 + 1.5 * (t / 4.0).sin());
    let within =
        |t: f64| Moment { written: t.min(0.9) / 14.4, memory: uneven(t), cpu: t / 50.0, ..Moment::default() };
    let judged = judge(&going_on(behind_windows(once(attack(15.0, within)))));

    assert_eq!(judged.cause, Cause::LevelWhileStalled, "{}", judged.reason);
}
