//! Promise: the decoder looks at each byte of an incomplete line once, however the line arrives.
//!
//! Proved with decoys: after each answer, every byte that the decoder has seen is replaced by a newline. If it looked at one of
//! them again, it would find an end where there is none. So no look is repeated, and *n* bytes cost *n* looks.

mod support;

use echoctl_proto::{FrameDecoder, Framing};
use proptest::prelude::*;

use support::framing::Query;
use support::strategies::{config, splits};

/// The decoder's answer for `unread`: the end of the first line, or of the last one.
fn ask(decoder: &mut FrameDecoder, query: Query, unread: &[u8]) -> usize {
    match query {
        Query::Decode => decoder.decode(unread).expect(ANY_LENGTH).map_or(0, |frame| frame.bytes.len()),
        Query::CompleteLen => decoder.complete_len(unread).expect(ANY_LENGTH),
    }
}

const ANY_LENGTH: &str = "no line exceeds the maximum, which is usize::MAX";

proptest! {
    #![proptest_config(config())]

    #[test]
    fn a_byte_of_an_incomplete_line_is_scanned_once(splits in splits(), tail in 0..50_usize) {
        let mut decoder = FrameDecoder::new(Framing::Lines, usize::MAX);
        let mut unread = Vec::new();
        for &(length, query) in &splits {
            unread.extend(vec![b'x'; length]);
            prop_assert_eq!(ask(&mut decoder, query, &unread), 0);
            unread.fill(b'\n');
        }

        unread.push(b'\n');
        let end = unread.len();
        unread.extend(vec![b'x'; tail]);

        prop_assert_eq!(ask(&mut decoder, Query::Decode, &unread), end);
    }

    #[test]
    fn what_follows_the_last_complete_line_is_scanned_once(
        lines in 1..5_usize,
        tail in 0..100_usize,
        more in 0..10_usize,
        query in prop::sample::select(vec![Query::Decode, Query::CompleteLen]),
    ) {
        let mut decoder = FrameDecoder::new(Framing::Lines, usize::MAX);
        let unread = [b"line\n".repeat(lines), vec![b'x'; tail]].concat();
        prop_assert_eq!(ask(&mut decoder, Query::CompleteLen, &unread), 5 * lines);

        // The complete lines are consumed. Of the tail, only the new bytes may be scanned.
        let unread = [vec![b'\n'; tail], vec![b'x'; more], b"\n".to_vec()].concat();

        prop_assert_eq!(ask(&mut decoder, query, &unread), tail + more + 1);
    }
}

#[test]
fn a_long_line_byte_by_byte_costs_one_look_per_byte() {
    const LENGTH: usize = if cfg!(miri) { 500 } else { 20_000 };
    let mut decoder = FrameDecoder::new(Framing::Lines, LENGTH);
    let mut unread = Vec::with_capacity(LENGTH + 1);

    for _ in 0..LENGTH {
        unread.push(b'x');
        assert_eq!(decoder.decode(&unread), Ok(None));
        *unread.last_mut().unwrap() = b'\n';
    }
    unread.push(b'\n');

    assert_eq!(decoder.decode(&unread).unwrap().unwrap().bytes.len(), LENGTH + 1);
}
