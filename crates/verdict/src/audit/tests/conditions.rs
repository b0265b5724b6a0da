//! Each condition of the decision table on its own.

use echoctl_record::{Bystanders, DisconnectKind, EchoFault, Evidence, Marked, Service, StopReason, Verdict};

use super::super::signals::Signals;
use super::super::{Cause, judge};
use super::attack::*;

#[test]
fn a_heap_that_rises_far_less_than_the_output_is_no_queue() {
    // 0.5 MiB/s in a stall; on draining, 8 MiB come at once and then the rest at this rate, in MiB/s.
    let with_rate = |rate: f64| {
        let evidence = once(attack(12.0, |t| Moment { memory: Some(8.0 + 0.5 * t), ..answering(t) }));
        drained(evidence, StopReason::Enough, &[(0.0, 0.0), (0.5, 8.0), (1.0, 8.0 + rate / 2.0)])
    };

    assert_eq!(judge(&with_rate(0.5)).verdict, Verdict::Unbounded);
    assert_eq!(judge(&with_rate(50.0)).verdict, Verdict::Inconclusive);
}

#[test]
fn a_server_goes_on_if_it_reads_writes_or_serves() {
    let goes_on = |evidence: &Evidence| Signals::of(evidence).goes_on();
    let held = || {
        let mut evidence = drained(attack(5.0, stalled), StopReason::Quiet, &[(1.0, 4.0)]);
        evidence.drain.as_mut().unwrap().in_kernels = 4 * MIB;
        evidence
    };
    let with = |change: fn(&mut echoctl_record::Drain)| {
        let mut evidence = held();
        change(evidence.drain.as_mut().unwrap());
        evidence
    };

    assert!(!goes_on(&attack(5.0, stalled)), "nothing is known");
    assert!(!goes_on(&held()), "all that came had been written before");
    assert!(goes_on(&with(|drain| drain.bytes = 5 * MIB)));
    assert!(goes_on(&with(|drain| drain.server_read = Some(5 * MIB))));
    assert!(goes_on(&with(|drain| drain.server_written = Some(5 * MIB))));
    assert!(!goes_on(&with(|drain| drain.server_written = Some(4 * MIB))));
    assert!(goes_on(&beside(held(), true, Some(true), None)));
    assert!(goes_on(&beside(held(), false, None, Some(true))));
    assert!(!goes_on(&beside(held(), true, Some(false), Some(false))));
    assert!(!goes_on(&once(beside(held(), true, Some(true), None))), "its own output did not go on");
    let closes = |bytes| {
        let mut evidence = once(with(|drain| drain.stopped = StopReason::Closed));
        evidence.drain.as_mut().unwrap().bytes = bytes;
        evidence
    };
    assert!(!goes_on(&closes(4 * MIB + 32_768)), "it gives up its answer after the rest of a write");
    assert!(goes_on(&closes(5 * MIB)));
    let mut grown = beside(held(), true, Some(true), Some(true));
    grown.points.last_mut().unwrap().sample.server_memory = Some(110 * MIB);
    assert!(!goes_on(&grown), "others are served, but 100 MiB are lost");
}

#[test]
fn more_than_all_memory_is_made_on_demand() {
    let watched = |memory: fn(f64) -> f64, stopped, curve: &[(f64, f64)]| {
        let evidence = once(attack(4.0, move |t| Moment { memory: Some(memory(t)), ..answering(t) }));
        Signals::of(&drained(evidence, stopped, curve)).is_watched_enough()
    };
    let steady = [(0.0, 0.0), (0.5, 10.0), (1.0, 20.0)];

    assert!(watched(|_| 0.0, StopReason::Enough, &steady), "10 MiB are all of its memory");
    assert!(!watched(|_| 0.0, StopReason::Quiet, &steady), "the rest of a burst");
    assert!(
        !watched(|t| if t < 0.5 { 0.0 } else { 10.0 }, StopReason::Enough, &steady),
        "all of it may have been in memory"
    );
    assert!(watched(|_| 0.0, StopReason::Closed, &[(0.1, 1.0)]), "a complete answer");
    let running = |stopped| {
        let evidence = Evidence { was_running: true, ..once(attack(11.0, answering)) };
        judge(&drained(evidence, stopped, &steady)).verdict
    };
    assert_eq!(
        (running(StopReason::Enough), running(StopReason::Quiet)),
        (Verdict::Bounded, Verdict::Inconclusive)
    );
}

#[test]
fn the_watch_is_as_long_as_the_pauses_before_it_demand() {
    let watched = |seconds: f64, moment: fn(f64) -> Moment| {
        Signals::of(&once(attack(seconds, moment))).is_watched_enough()
    };
    // 0.2 MiB every half second, from 0 to 5 s; then nothing.
    let steps = |t: f64| Moment { written: 0.2 * (t.min(5.0) * 2.0).floor(), waiting: 0.1, ..answering(t) };
    let two_bursts = |t: f64| Moment {
        written: if t < 0.05 { 0.0 } else { 10.0 } + (t / 3.0).floor().min(1.0),
        ..answering(t)
    };

    assert!(!watched(6.5, steps), "0.4 MiB/s need 2.2 s");
    assert!(watched(8.0, steps));
    assert!(!watched(9.0, two_bursts), "2.9 s between them need 7.3 s");
    assert!(watched(10.5, two_bursts));
    assert!(!watched(9.5, answering) && watched(10.5, answering), "one burst");
}

#[test]
fn memory_that_another_client_left_does_not_hide_a_queue() {
    // 24 MiB are queued every 5 s, and 48 MiB of an earlier client are released at 3 s.
    let long = |memory: fn(f64) -> f64| {
        once(attack(14.9, move |t| Moment { memory: Some(memory(t)), ..answering(t) }))
    };
    let queue = long(|t| 24.0 * (t / 5.0).floor() + if t < 3.0 { 48.0 } else { 0.0 });
    let garbage = long(|t| 24.0 * (t / 2.0).fract());

    assert!(!Signals::of(&queue).is_at_rest() && !Signals::of(&queue).memory_is_level());
    assert!(Signals::of(&garbage).memory_is_level());
}

#[test]
fn few_marks_prove_that_nothing_is_buffered() {
    let few = |mib: u64| Signals::of(&counted(attack(2.0, accepting), mib)).has_few_marks();
    let mut partial = counted(attack(2.0, accepting), 1);
    partial.census.as_mut().unwrap().is_complete = false;

    assert!(few(1) && few(12) && !few(13), "a tenth of 128 MiB");
    assert!(!Signals::of(&partial).has_few_marks());
    assert!(!Signals::of(&attack(2.0, accepting)).has_few_marks());
}

#[test]
fn marks_of_the_output_prove_no_queue_of_input() {
    let mut evidence = counted(attack(2.0, accepting), 100);
    assert!(Signals::of(&evidence).has_marked_input());

    evidence.census.as_mut().unwrap().marked = Marked::Output;

    assert!(!Signals::of(&evidence).has_marked_input());
}

#[test]
fn marks_beyond_the_growth_of_memory_may_be_a_queue() {
    let hides = |evidence: &Evidence| Signals::of(evidence).may_hide_input();
    let mut partial = counted(Evidence { budget: 32 * MIB, ..attack(2.0, accepting) }, 40);
    partial.census.as_mut().unwrap().is_complete = false;

    assert!(hides(&counted(attack(2.0, accepting), 40)) && !hides(&counted(attack(2.0, accepting), 12)));
    assert!(
        !hides(&counted(attack(2.0, |t| Moment { memory: Some(25.0 * t), ..accepting(t) }), 40)),
        "explained"
    );
    assert!(!hides(&counted(Evidence { budget: 32 * MIB, ..attack(2.0, accepting) }, 40)), "garbage");
    assert!(hides(&partial));
}

#[test]
fn memory_of_before_may_hide_a_queue_of_a_running_server() {
    let running = |evidence: Evidence| Evidence { was_running: true, ..evidence };
    let may_reuse = |evidence: &Evidence| Signals::of(evidence).may_reuse_memory();

    assert!(may_reuse(&running(attack(2.0, accepting))));
    assert!(!may_reuse(&attack(2.0, accepting)));
    assert!(!may_reuse(&running(counted(attack(2.0, accepting), 1))));
    // A heap that grows by a part reuses the rest.
    assert!(may_reuse(&running(attack(2.0, |t| Moment { memory: Some(10.0 * t), ..accepting(t) }))));
}

#[test]
fn files_count_up_to_what_the_server_can_have_spilled() {
    let spilled = |evidence: &Evidence| Signals::of(evidence).has_spilled();
    let read = |mib: f64| move |t: f64| Moment { read: mib, ..stalled(t) };
    let in_files = |mib: u64, evidence: Evidence| Evidence { open_file_growth: Some(mib * MIB), ..evidence };
    let in_memory =
        |mib: u64, evidence: Evidence| Evidence { shared_memory_growth: Some(mib * MIB), ..evidence };
    let came_back = || drained(attack(2.0, read(80.0)), StopReason::Quiet, &[(1.0, 80.0)]);

    assert!(spilled(&in_files(20, attack(2.0, read(40.0)))));
    assert!(!spilled(&in_files(19, attack(2.0, read(40.0)))), "less than half");
    assert!(!spilled(&in_files(40, attack(2.0, read(4.0)))), "more than it read is for another reason");
    assert!(spilled(&in_files(40, once(attack(2.0, answering)))), "a stream");
    assert!(!spilled(&in_files(64, attack(5.0, read(80.0)))), "a limit");
    assert!(spilled(&in_files(130, attack(5.0, read(130.0)))), "no sensible limit");
    assert!(spilled(&in_memory(80, came_back())));
    assert!(!spilled(&in_memory(80, attack(2.0, read(80.0)))), "another process may have done that");
    assert!(!spilled(&in_memory(60, came_back())), "as little as others use");
}

#[test]
fn a_queue_with_a_limit_may_hold_more_than_small_kernel_queues() {
    let unix = || Evidence { kernel_buffering: MIB / 2, ..attack(2.0, accepting) };
    let is_proof =
        |mib| Signals::of(&drained(unix(), StopReason::Quiet, &[(1.0, mib)])).has_drained_a_queue();

    assert!(!is_proof(2.0));
    assert!(is_proof(40.0));
}

#[test]
fn only_a_client_that_could_be_served_can_be_starved() {
    let findings = |evidence: Evidence| judge(&evidence).findings;
    let bounded = || going_on(attack(5.0, stalled));

    assert_eq!(findings(beside(bounded(), true, Some(false), Some(true))), [Verdict::Starves]);
    assert_eq!(findings(beside(bounded(), true, Some(true), Some(false))), [Verdict::Starves]);
    assert_eq!(findings(beside(bounded(), false, None, Some(false))), [Verdict::Starves]);
    assert_eq!(findings(beside(bounded(), false, Some(false), Some(true))), [], "one client at a time");
    assert_eq!(findings(beside(bounded(), true, Some(true), None)), []);
    let suspended = Evidence { is_suspended: true, ..bounded() };
    assert_eq!(findings(beside(suspended, true, Some(false), Some(false))), []);
    let crashed = closed(bounded(), DisconnectKind::Crashed, 5.0);
    assert_eq!(findings(beside(crashed, true, Some(false), Some(false))), [Verdict::Crashes]);
}

#[test]
fn a_client_that_got_less_than_others_do_is_named() {
    let reason = |change: fn(&mut Bystanders)| {
        let mut evidence = beside(going_on(attack(5.0, stalled)), true, Some(true), Some(true));
        change(evidence.bystanders.as_mut().unwrap());
        let judgement = judge(&evidence);
        assert_eq!(judgement.verdict, Verdict::Starves);
        judgement.reason
    };

    let newcomer = reason(|all| {
        all.newcomer =
            Some(Service { during: Some(false), after: Some(true), began: true, ..Service::default() })
    });
    let subscriber =
        reason(|all| all.subscriber = Some(Service { during: Some(false), ..Service::default() }));

    assert!(newcomer.ends_with(": a new one, whose reply began and did not go on"), "{newcomer}");
    assert!(subscriber.ends_with(": one that gets what the slow reader gets"), "{subscriber}");
}

#[test]
fn only_an_echo_that_holds_back_can_be_corrupted() {
    let is = |evidence: Evidence| Signals::of(&evidence).has_corrupted_an_echo();
    let bounded = || corrupted(going_on(attack(5.0, stalled)), EchoFault::Changed);
    let with = |change: fn(&mut Evidence)| {
        let mut evidence = bounded();
        change(&mut evidence);
        evidence
    };

    assert!(is(bounded()));
    assert!(!is(with(|evidence| evidence.echo = false)));
    assert!(!is(with(|evidence| evidence.drain.as_mut().unwrap().fault = None)));
    assert!(!is(with(|evidence| evidence.drain.as_mut().unwrap().stopped = StopReason::Closed)));
    assert!(!is(corrupted(going_on(attack(5.0, accepting)), EchoFault::Lost)), "it drops by policy");
    assert!(
        is(corrupted(going_on(attack(5.0, accepting)), EchoFault::Torn)),
        "and never a part of a message"
    );
    let reluctant = |t: f64| Moment { blocked: true, ..accepting(t) };
    assert!(!is(corrupted(going_on(attack(5.0, reluctant)), EchoFault::Lost)), "it only reads slowly");
    let slow = |t: f64| Moment { read: 2.0 * (t / 2.0).floor(), blocked: true, ..stalled(t) };
    assert!(is(corrupted(going_on(attack(9.0, slow)), EchoFault::Lost)), "held back most of the time");
    let by_the_path = behind_the_path(corrupted(going_on(attack(9.0, slow)), EchoFault::Lost));
    assert!(!is(by_the_path), "the server has read all that arrived");
}

#[test]
fn what_grows_as_fast_without_a_slow_reader_is_no_proof() {
    let growing = || attack(5.0, |t| Moment { memory: Some(10.0 * t), ..stalled(t) });
    let writing = || attack(5.0, |t| Moment { disk: 10.0 * t, ..stalled(t) });
    let beside = |evidence, rate| judge(&beside_work(evidence, rate)).verdict;

    assert_eq!((beside(growing(), 10), beside(growing(), 4)), (Verdict::Inconclusive, Verdict::Unbounded));
    assert_eq!((beside(writing(), 10), beside(writing(), 4)), (Verdict::Inconclusive, Verdict::Spills));
    let mut before = beside_work(growing(), 10);
    before.background.as_mut().unwrap().after.memory = 0;
    assert_eq!(judge(&before).verdict, Verdict::Unbounded, "it had only just started");
}

#[test]
fn an_echo_that_leaves_its_input_is_stuck_for_good() {
    let with = |change: fn(&mut Evidence)| {
        let mut evidence = beside(stuck(attack(5.0, stalled)), true, Some(true), Some(true));
        change(&mut evidence);
        judge(&evidence).verdict
    };

    assert_eq!(with(|_| {}), Verdict::Corrupts);
    assert_eq!(
        with(|evidence| evidence.drain.as_mut().unwrap().server_read = Some(21 * MIB)),
        Verdict::Bounded
    );
    assert_eq!(
        with(|evidence| evidence.drain.as_mut().unwrap().stopped = StopReason::Enough),
        Verdict::Bounded
    );
    let of_all = with(|evidence| evidence.bystanders = None);
    assert_eq!(of_all, Verdict::Inconclusive, "it may be suspended");
    let of_several = with(|evidence| evidence.points.last_mut().unwrap().sample.connections = 2);
    assert_eq!(of_several, Verdict::Bounded, "one of them may never have been served");
}

#[test]
fn a_server_that_has_read_all_that_arrived_has_not_stalled() {
    let has_stalled = |evidence: &Evidence| Signals::of(evidence).has_stalled();
    let held_back = going_on(attack(6.0, stalled));
    assert!(has_stalled(&held_back));
    assert_eq!(judge(&held_back).verdict, Verdict::Bounded);

    let by_the_path = behind_the_path(held_back);

    assert!(!has_stalled(&by_the_path));
    assert_eq!(judge(&by_the_path).verdict, Verdict::Slow);
    assert!(has_stalled(&behind_windows(by_the_path.clone())), "windows hold the client back as well");
    assert!(has_stalled(&Evidence { repeats: false, ..by_the_path }), "there is nothing more to send");
}

#[test]
fn what_a_server_sends_in_any_case_is_no_queue() {
    let replies =
        |t: f64| Moment { written: (4.0 * t).min(4.0), waiting: (4.0 * t).min(4.0), ..accepting(t) };
    let feed = |mib: f64| drained(attack(4.0, replies), StopReason::Enough, &[(1.0, mib / 4.0), (4.0, mib)]);
    let cause = |mib: f64, unprompted: u64| {
        judge(&Evidence { unprompted: Some(unprompted * MIB), ..feed(mib) }).cause
    };

    assert_eq!(cause(24.0, 6), Cause::SendsByItself);
    assert_eq!(cause(200.0, 50), Cause::SendsByItself, "as fast as it is read");
    assert_eq!(cause(200.0, 6), Cause::DrainedAQueue, "a queue beside a feed");
    assert_eq!(cause(24.0, 0), Cause::DrainedAQueue);
}

#[test]
fn the_verdict_is_the_worst_of_all_that_holds() {
    let growing = attack(5.0, |t| Moment { memory: Some(10.0 * t), ..stalled(t) });
    let all = corrupted(beside(going_on(growing), true, Some(false), Some(false)), EchoFault::Repeated);

    let judgement = judge(&all);

    assert_eq!(judgement.verdict, Verdict::Unbounded);
    assert_eq!(judgement.findings, [Verdict::Unbounded, Verdict::Corrupts, Verdict::Starves]);
}
