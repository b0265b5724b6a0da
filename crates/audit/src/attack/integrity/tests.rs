//! What an echo with one fault or several shows, in pieces of any size.

use super::*;
use crate::marks::Mark;
use crate::script::{Part, Payload, SendMode};

/// Lines of 1 KiB, marked.
fn lines() -> StimulusStream {
    let line = vec![Part::Fill { fill: "x".to_owned(), count: 1023 }, Part::Text("\n".to_owned())];
    StimulusStream::new(&SendMode::Repeat(Payload::new(line).marked(Mark::EXAMPLE)))
}

/// The check of a server that returns `edit` of the first 100 KiB that connection 2 sent, in pieces of any size.
fn check(assumption: EchoAssumption, edit: impl Fn(&mut Vec<u8>)) -> EchoCheck {
    let mut checks = [1, 31, 1000, 40_000, 1 << 20].map(|size| {
        let mut stream = lines();
        let mut bytes = stream.part(2, 0..100 << 10).to_vec();
        edit(&mut bytes);
        let mut check = EchoCheck::new(2, 1024);
        check.assume(assumption);
        bytes.chunks(size).for_each(|piece| check.note(piece, &mut stream));
        check
    });
    let [first, others @ ..] = &mut checks;
    for other in others {
        assert_eq!(
            (other.damage(), other.is_echo(), other.missing(100 << 10)),
            (first.damage(), first.is_echo(), first.missing(100 << 10))
        );
    }
    let [first, ..] = checks;
    first
}

fn fault(edit: impl Fn(&mut Vec<u8>)) -> Option<(u64, Option<EchoFault>)> {
    check(EchoAssumption::Unknown, edit).damage().map(|damage| (damage.at, damage.fault))
}

fn cut(bytes: &mut Vec<u8>, from: usize, length: usize) {
    bytes.drain(from..from + length);
}

#[test]
fn an_exact_echo_is_proven_and_complete() {
    let echo = check(EchoAssumption::Unknown, |_| {});

    assert_eq!((echo.damage(), echo.missing(100 << 10), echo.missing(101 << 10)), (None, 0, 1024));
    assert!(echo.is_echo());
}

#[test]
fn lost_bytes_are_shown_by_a_later_stamp() {
    for (from, length) in [(8192, 1024), (8192, 64), (8192 + 7, 5), (8192 + 40, 40_000), (9000, 20)] {
        let (at, fault) = fault(|bytes| cut(bytes, from, length)).unwrap();

        assert_eq!(fault, Some(EchoFault::Lost), "{length} at {from}");
        assert!((from as u64..from as u64 + 128).contains(&at), "{length} at {from}: {at}");
    }
}

#[test]
fn gaps_between_whole_stimuli_are_told_from_torn_ones() {
    let after = |cuts: &[(usize, usize)]| {
        let echo = check(EchoAssumption::Unknown, |bytes| {
            cuts.iter().rev().for_each(|(from, length)| cut(bytes, *from, *length));
        });
        let damage = echo.damage().unwrap();
        assert_eq!(damage.fault, Some(EchoFault::Lost), "{cuts:?}");
        (damage.is_of_whole_units, damage.at, echo.ends_with_whole_unit())
    };
    let near = |at: u64, from: u64| (from..from + 128).contains(&at);
    let every_other: Vec<_> = (8..49).map(|line| (2048 * line, 1024)).collect();

    for whole in [&[(8192, 1024)][..], &[(8192, 1024), (20_480, 3072)], &every_other] {
        let (is_whole, at, ends_whole) = after(whole);
        assert!(is_whole && near(at, whole[0].0 as u64) && ends_whole, "{whole:?}: {at}");
    }
    // The length of a line from its middle, half a line, and both after a whole one: the torn gap is the worst.
    for (torn, worst) in [
        (&[(8692, 1024)][..], 8692),
        (&[(8192, 500)], 8192),
        (&[(8192, 1024), (20_980, 1024)], 19_956),
        (&[(8192, 1024), (20_480, 500), (30_720, 1024)], 19_456),
    ] {
        let (is_whole, at, _) = after(torn);
        assert!(!is_whole && near(at, worst), "{torn:?}: {at}");
    }
    assert!(!check(EchoAssumption::Unknown, |bytes| bytes.truncate(50_000)).ends_with_whole_unit());
}

#[test]
fn what_is_worse_than_a_gap_counts_behind_it() {
    let repeated = fault(|bytes| {
        let again = bytes[30_720..40_960].to_vec();
        bytes.splice(40_960..40_960, again);
        cut(bytes, 8192, 1024);
    });
    let swapped = fault(|bytes| bytes[8192..10_240].rotate_left(1024));
    let changed = fault(|bytes| {
        bytes[40_000] = b'?';
        cut(bytes, 8192, 1024);
    });

    assert_eq!(repeated.unwrap().1, Some(EchoFault::Repeated));
    assert_eq!(swapped.unwrap().1, Some(EchoFault::Repeated), "line 9 came before line 8");
    assert_eq!(changed, Some((38_976, Some(EchoFault::Changed))));
}

#[test]
fn repeated_bytes_are_shown_by_an_earlier_stamp() {
    for (from, length) in [(8192, 1024), (20_000, 9000), (9000, 64)] {
        let (_, fault) = fault(|bytes| {
            let again = bytes[from - length..from].to_vec();
            bytes.splice(from..from, again);
        })
        .unwrap();

        assert_eq!(fault, Some(EchoFault::Repeated), "{length} at {from}");
    }
}

#[test]
fn changed_bytes_are_shown_by_the_stamp_that_is_due() {
    // In a fill, in a mark, in a stamp, and the end of a line.
    for at in [8192 + 50, 8192 + 3, 8192 + 20, 9215] {
        assert_eq!(fault(|bytes| bytes[at] = b'?'), Some((at as u64, Some(EchoFault::Changed))));
    }
}

#[test]
fn bytes_of_another_client_are_a_fault_only_of_a_proven_echo() {
    let mix = |bytes: &mut Vec<u8>| {
        let other = lines().part(3, 0..1024).to_vec();
        bytes.splice(10 << 10..10 << 10, other);
    };

    let proven = check(EchoAssumption::Proven, mix).damage();
    let chat = check(EchoAssumption::Unknown, mix);

    assert_eq!(proven.unwrap().fault, Some(EchoFault::Changed));
    assert!(chat.damage().unwrap().fault.is_none() && !chat.is_echo());
}

#[test]
fn a_greeting_before_an_echo_is_no_damage() {
    for assumption in [EchoAssumption::Unknown, EchoAssumption::Proven] {
        let echo = check(assumption, |bytes| drop(bytes.splice(0..0, *b"Welcome!\r\n")));

        assert_eq!((echo.damage(), echo.is_echo(), echo.missing(101 << 10)), (None, true, 1024));
    }
    let (at, fault) = fault(|bytes| {
        cut(bytes, 50_000, 5000);
        bytes.splice(0..0, *b"Welcome!\r\n");
    })
    .unwrap();
    assert_eq!(fault, Some(EchoFault::Lost));
    assert!((50_010..50_138).contains(&at), "{at}");
}

#[test]
fn a_server_that_does_not_echo_has_no_fault() {
    let mut stream = StimulusStream::new(&SendMode::Repeat(Payload::text("GET / HTTP/1.1\r\n\r\n")));
    let mut check = EchoCheck::new(0, 1);

    (0..100).for_each(|_| check.note(&b"HTTP/1.1 200 OK\r\n\r\nHello".repeat(1000), &mut stream));

    assert_eq!((check.damage(), check.is_echo()), (Some(Damage::unexplained(0)), false));
    assert_eq!(fault(|bytes| bytes.fill(b'-')), Some((0, None)));
}

#[test]
fn an_echo_without_stamps_is_only_changed() {
    let changed = |assumption| {
        let mut stream = StimulusStream::new(&SendMode::Repeat(Payload::text("hello\n")));
        let mut check = EchoCheck::new(0, 1);
        check.assume(assumption);
        check.note(&b"hello\n".repeat(1000), &mut stream);
        check.note(b"help!\n", &mut stream);
        check.damage().map(|damage| (damage.at, damage.fault))
    };

    assert_eq!(changed(EchoAssumption::Proven), Some((6003, Some(EchoFault::Changed))));
    assert_eq!(changed(EchoAssumption::Unknown), Some((6003, None)));
}

#[test]
fn what_follows_the_echo_of_a_single_stimulus_is_not_compared() {
    let mut stream = StimulusStream::new(&SendMode::Once(Payload::text("subscribe\n".repeat(1000))));
    let mut check = EchoCheck::new(0, 1);

    check.note(&b"subscribe\n".repeat(1000), &mut stream);
    check.note(b"news\n", &mut stream);

    assert_eq!((check.damage(), check.is_echo(), check.missing(10_000)), (None, true, 0));
}
