//! Each condition about a server that closed the connection, on its own.

use echoctl_record::{DisconnectKind, Evidence, Verdict};

use super::super::signals::Signals;
use super::super::{Cause, judge};
use super::attack::*;

#[test]
fn only_what_waited_is_pressure() {
    let pressed = |evidence: &Evidence| Signals::of(evidence).was_under_pressure();
    let answered = |t: f64| Moment { read: t, written: 0.001, ..Moment::default() };

    assert!(!pressed(&attack(0.3, answered)));
    assert!(!pressed(&attack(1.0, |t| Moment { blocked: t > 0.1, ..answered(2.0) })), "only input");
    assert!(pressed(&attack(0.2, |t| Moment { waiting: 0.01, written: 0.02, ..answered(t) })), "output");
    assert!(!pressed(&attack(0.5, |t| Moment { memory: Some(100.0 * t), ..answered(0.1) })), "garbage");
    assert!(pressed(&attack(0.5, |t| Moment { written: 0.1, memory: Some(100.0 * t), ..answered(0.1) })));
}

#[test]
fn a_reader_that_is_served_shows_a_defence_however_early() {
    let ended =
        || closed(attack(0.1, |_| Moment { read: 0.1, ..Moment::default() }), DisconnectKind::Reset, 0.1);
    let mut served = controlled(ended(), MIB, false);
    served.control.as_mut().unwrap().disconnected_at = None;

    assert_eq!(judge(&ended()).verdict, Verdict::Inconclusive);
    assert_eq!(judge(&controlled(ended(), MIB, false)).verdict, Verdict::Inconclusive);
    assert_eq!(judge(&served).verdict, Verdict::Disconnects);
}

#[test]
fn a_few_bytes_in_the_client_are_not_pressure() {
    let answered = |mib: f64| {
        let mut evidence = attack(0.3, |_| Moment { written: mib, ..Moment::default() });
        evidence.points.iter_mut().for_each(|point| point.sample.server_written = None);
        evidence
    };

    assert!(!Signals::of(&answered(0.01)).was_under_pressure());
    assert!(Signals::of(&answered(1.0)).was_under_pressure());
}

#[test]
fn an_answer_that_was_cut_off_is_not_all() {
    let ended = || closed(once(attack(0.5, answering)), DisconnectKind::Closed, 0.5);
    let read = |received| {
        let mut evidence = controlled(ended(), received, false);
        evidence.control.as_mut().unwrap().disconnected_at = None;
        judge(&evidence).verdict
    };

    assert_eq!(judge(&ended()).verdict, Verdict::Inconclusive, "a small answer");
    assert_eq!(judge(&behind_windows(ended())).verdict, Verdict::Disconnects, "larger than the windows");
    assert_eq!((read(8 * MIB), read(80 * MIB)), (Verdict::Inconclusive, Verdict::Disconnects));
}

#[test]
fn a_client_that_reads_tells_refusal_from_defence() {
    let ended = || closed(attack(3.0, stalled), DisconnectKind::Closed, 3.0);
    let refused = |evidence: &Evidence| Signals::of(evidence).refuses_readers_too();
    let mut survived = controlled(ended(), 4 * MIB, false);
    survived.control.as_mut().unwrap().disconnected_at = None;

    assert!(refused(&controlled(ended(), 5 * MIB, false)), "it got hardly more than the slow reader");
    assert!(!refused(&controlled(ended(), 50 * MIB, false)));
    assert!(!refused(&survived));
    assert!(!refused(&ended()));
}

#[test]
fn an_input_limit_is_silent_and_needs_much_input() {
    let silent = |t| Moment { written: 0.0, waiting: 0.0, ..stalled(t) };
    let ended = |moment: fn(f64) -> Moment| closed(attack(1.0, moment), DisconnectKind::Reset, 1.0);
    let limits = |evidence: Evidence| Signals::of(&evidence).limits_input();

    assert!(limits(controlled(ended(silent), 0, false)));
    assert!(!limits(controlled(ended(silent), 0, true)), "it refuses the first bytes");
    assert!(!limits(controlled(ended(silent), 9, false)), "it answers one that reads");
    assert!(!limits(controlled(ended(stalled), 0, false)), "it answered");
    assert!(!limits(once(controlled(ended(silent), 0, false))));
}

#[test]
fn a_server_that_answers_and_closes_each_client_is_not_dead() {
    let refused = || {
        let ended = closed(
            attack(0.1, |_| Moment { written: 0.0001, ..Moment::default() }),
            DisconnectKind::Closed,
            0.1,
        );
        beside(ended, true, None, Some(false))
    };

    assert_eq!(judge(&refused()).verdict, Verdict::Starves);
    assert_eq!(judge(&controlled(refused(), 105, true)).verdict, Verdict::Inconclusive, "it answers");
    assert_eq!(judge(&controlled(refused(), 0, true)).verdict, Verdict::Starves, "it answers no client");
}

#[test]
fn a_server_that_closes_without_a_byte_has_not_answered() {
    let ended = |written| {
        let answer = move |_| Moment { written, ..Moment::default() };
        judge(&closed(once(attack(0.3, answer)), DisconnectKind::Closed, 0.3)).cause
    };

    assert_eq!(ended(0.0), Cause::Refused);
    assert_eq!(ended(0.001), Cause::AnsweredAndClosed);
}
