//! A simulated echo damages its replies in known ways, and the checker reports each as what it is.

use std::sync::{Arc, OnceLock};

use proptest::prelude::*;

use super::*;
use crate::payload::Pool;

const FRAMINGS: [Framing; 3] = [Framing::Lines, Framing::U16, Framing::U32];

fn recipe(framing: Framing) -> Recipe {
    static POOL: OnceLock<Arc<Pool>> = OnceLock::new();
    let pool = POOL.get_or_init(|| Pool::new(9));
    Recipe::new(Arc::clone(pool), framing, &(64..=300), 3)
}

/// The first `count` frames, each with its bytes.
fn frames(framing: Framing, count: u64) -> Vec<Vec<u8>> {
    let recipe = recipe(framing);
    let mut stream = FrameStream::new(&recipe);
    (0..count)
        .map(|number| {
            let mut bytes = vec![0; recipe.frame(number).size as usize];
            stream.fill(&recipe, &mut bytes);
            bytes
        })
        .collect()
}

/// The results of a check of these frames, passed in pieces of `split` bytes, after a regular end of stream.
fn check_split(framing: Framing, frames: &[Vec<u8>], sent: u64, split: usize) -> Totals {
    let mut checker = Checker::new(recipe(framing));
    for piece in frames.concat().chunks(split) {
        checker.feed(piece, sent);
    }
    checker.finish(sent);
    checker.tally()
}

fn check(framing: Framing, frames: &[Vec<u8>], sent: u64) -> Totals {
    let at_once = check_split(framing, frames, sent, usize::MAX);
    for split in [1, 7, 64, 1000] {
        assert_eq!(check_split(framing, frames, sent, split), at_once, "{framing} in pieces of {split}");
    }
    at_once
}

/// Lost, duplicated, reordered, mismatched.
fn faults(tally: Totals) -> (u64, u64, u64, u64) {
    (tally.lost, tally.duplicated, tally.reordered, tally.mismatched)
}

#[test]
fn bytes_lost_within_a_line_damage_one_frame_and_lose_another() {
    let recipe = Recipe::new(Pool::new(1), Framing::Lines, &(100..=100), 0);
    let mut stream = vec![0; 1000];
    FrameStream::new(&recipe).fill(&recipe, &mut stream);
    stream.drain(250..350);

    let mut checker = Checker::new(recipe);
    checker.feed(&stream, 10);
    checker.finish(10);

    let tally = checker.tally();
    assert_eq!((tally.verified, tally.mismatched, tally.lost), (800, 1, 1));
}

#[test]
fn an_honest_echo_is_verified_to_the_byte() {
    for framing in FRAMINGS.into_iter().chain([Framing::Raw]) {
        let sent = frames(framing, 50);

        let tally = check(framing, &sent, 50);

        assert_eq!(faults(tally), (0, 0, 0, 0), "{framing}");
        assert_eq!(tally.verified as usize, sent.concat().len());
        assert_eq!(tally.verified, tally.consumed);
    }
}

#[test]
fn dropped_frames_are_lost_and_not_mismatched() {
    for framing in FRAMINGS {
        let mut back = frames(framing, 50);
        back.drain(20..25);
        back.pop();

        assert_eq!(faults(check(framing, &back, 50)), (6, 0, 0, 0), "{framing}");
    }
}

#[test]
fn a_frame_that_comes_twice_is_a_duplicate() {
    for framing in FRAMINGS {
        let mut back = frames(framing, 50);
        back.insert(30, back[12].clone());
        back.insert(49, back[48].clone());

        assert_eq!(faults(check(framing, &back, 50)), (0, 2, 0, 0), "{framing}");
    }
}

#[test]
fn a_frame_that_comes_late_is_neither_lost_nor_a_duplicate() {
    for framing in FRAMINGS {
        let mut back = frames(framing, 50);
        back.swap(10, 11);

        assert_eq!(faults(check(framing, &back, 50)), (0, 0, 1, 0), "{framing}");
    }
}

#[test]
fn any_single_wrong_byte_of_a_frame_is_one_mismatch_and_no_loss() {
    for framing in FRAMINGS {
        let sent = frames(framing, 8);
        let prefix = framing.prefix();
        let tail = framing.overhead() - prefix;
        for at in prefix..sent[4].len() - tail {
            let mut back = sent.clone();
            back[4][at] ^= 1;

            let tally = check_split(framing, &back, 8, 50);

            assert_eq!(faults(tally), (0, 0, 0, 1), "{framing}, byte {at}");
            let good: usize = sent.iter().enumerate().filter(|(n, _)| *n != 4).map(|(_, f)| f.len()).sum();
            assert_eq!(tally.verified as usize, good);
        }
    }
}

#[test]
fn a_lost_byte_costs_a_line_or_the_length_framing() {
    for framing in FRAMINGS {
        let mut back = frames(framing, 50);
        back[20].remove(40);

        let tally = check(framing, &back, 50);

        if framing == Framing::Lines {
            assert_eq!(faults(tally), (0, 0, 0, 1));
        } else {
            assert!(tally.mismatched >= 1, "{framing}: {tally:?}");
        }
    }
}

#[test]
fn a_lost_newline_makes_one_wrong_line_of_two() {
    let mut back = frames(Framing::Lines, 50);
    back[20].pop();

    assert_eq!(faults(check(Framing::Lines, &back, 50)), (1, 0, 0, 1));
}

#[test]
fn a_damaged_length_stops_the_check_with_a_reason() {
    let mut back = frames(Framing::U16, 50);
    back[20][0] = 0xff;
    let before: usize = back[..20].iter().map(Vec::len).sum();

    let tally = check(Framing::U16, &back, 50);

    assert_eq!(tally.mismatched, 1);
    assert_eq!(tally.verified as usize, before);
    assert!(matches!(tally.first_fault, Some((Fault::Length(length), _)) if length >= 0xff00));
}

#[test]
fn an_incomplete_last_frame_is_lost() {
    for framing in FRAMINGS.into_iter().chain([Framing::Raw]) {
        let mut back = frames(framing, 50);
        back[49].truncate(30);

        assert_eq!(faults(check(framing, &back, 50)), (1, 0, 0, 0), "{framing}");
    }
}

#[test]
fn a_number_that_was_never_sent_is_wrong() {
    for framing in FRAMINGS {
        let back = frames(framing, 50);

        assert_eq!(faults(check(framing, &back, 49)), (0, 0, 0, 1), "{framing}");
    }
}

#[test]
fn foreign_lines_are_wrong_and_the_others_still_count() {
    let mut back = frames(Framing::Lines, 50);
    back.insert(0, b"220 hello\n".to_vec());
    back.insert(20, b"\n".to_vec());

    let tally = check(Framing::Lines, &back, 50);

    assert_eq!(faults(tally), (0, 0, 0, 2));
    assert_eq!(tally.first_fault.map(|(fault, _)| fault), Some(Fault::Number));
}

#[test]
fn without_framing_the_first_difference_is_located() {
    let mut back = frames(Framing::Raw, 50);
    let before: usize = back[..20].iter().map(Vec::len).sum();
    back[20].remove(10);

    let tally = check(Framing::Raw, &back, 50);

    assert_eq!(tally.mismatched, 1);
    assert_eq!(tally.verified as usize, before + 10);
    assert_eq!(tally.first_fault, Some((Fault::Content, tally.verified)));
    assert_eq!(tally.consumed as usize, back.concat().len());
}

#[test]
fn swapped_pieces_of_64_kib_are_detected() {
    let recipe = Recipe::new(Pool::new(1), Framing::Lines, &(1_000_000..=1_000_000), 0);
    let mut stream = vec![0; 1_000_000];
    FrameStream::new(&recipe).fill(&recipe, &mut stream);
    let (first, second) = stream.split_at_mut(131_072);
    first[65_536..].swap_with_slice(&mut second[..65_536]);
    let mut checker = Checker::new(recipe);

    checker.feed(&stream, 1);

    assert_eq!(checker.tally().mismatched, 1);
}

/// What a server does with one frame.
#[derive(Debug, Clone, Copy)]
enum Action {
    Echo,
    Drop,
    Repeat,
    Damage { at: usize, with: u8 },
}

fn action() -> impl Strategy<Value = Action> {
    prop_oneof![
        5 => Just(Action::Echo),
        1 => Just(Action::Drop),
        1 => Just(Action::Repeat),
        1 => (4usize..60, 1u8..).prop_map(|(at, with)| Action::Damage { at, with }),
    ]
}

proptest! {
    #[test]
    fn every_action_of_a_server_is_counted_as_its_kind(
        framing in prop::sample::select(FRAMINGS.to_vec()),
        actions in prop::collection::vec(action(), 1..40),
        split in 1usize..2000,
    ) {
        let (mut back, mut verified) = (Vec::new(), 0);
        let (mut lost, mut duplicated, mut mismatched) = (0, 0, 0);
        for (frame, action) in frames(framing, actions.len() as u64).into_iter().zip(&actions) {
            match *action {
                Action::Echo => verified += frame.len() as u64,
                Action::Repeat => {
                    verified += frame.len() as u64;
                    duplicated += 1;
                    back.push(frame.clone());
                }
                Action::Drop => {
                    lost += 1;
                    continue;
                }
                Action::Damage { at, with } => {
                    let mut frame = frame;
                    frame[at] ^= with;
                    // A newline inside would turn it into two wrong lines, which another test covers.
                    if framing == Framing::Lines && frame[at] == b'\n' {
                        frame[at] = 0;
                    }
                    mismatched += 1;
                    back.push(frame);
                    continue;
                }
            }
            back.push(frame);
        }

        let tally = check_split(framing, &back, actions.len() as u64, split);

        prop_assert_eq!(faults(tally), (lost, duplicated, 0, mismatched));
        prop_assert_eq!(tally.verified, verified);
    }

    #[test]
    fn arbitrary_bytes_never_break_the_checker(
        framing in prop::sample::select(Framing::ALL.to_vec()),
        bytes in prop::collection::vec(any::<u8>(), 0..2000),
        split in 1usize..300,
    ) {
        let tally = check_split(framing, std::slice::from_ref(&bytes), 5, split);

        prop_assert_eq!(tally.consumed, bytes.len() as u64);
        prop_assert!(tally.verified <= tally.consumed);
    }
}
