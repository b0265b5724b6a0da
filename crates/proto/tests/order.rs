//! Promise: what goes in comes out, in order, through the small buffers of a sender and a receiver.

mod support;

use echoctl_proto::{Buffer, EncodeError, FrameDecoder, Framing};
use proptest::prelude::*;

use support::strategies::{config, marked_framing, payloads};

/// Sends payloads through two bounded buffers, `step` bytes at a time, as two sockets with small queues would.
fn echoed(framing: Framing, payloads: &[Vec<u8>], limit: usize, step: usize) -> Vec<Vec<u8>> {
    let (mut sender, mut receiver) = (Buffer::new(limit), Buffer::new(limit));
    let mut decoder = FrameDecoder::new(framing, limit);
    let (mut waiting, mut arrived) = (payloads.iter().peekable(), Vec::new());
    while waiting.peek().is_some() || !sender.is_empty() {
        while let Some(payload) = waiting.peek() {
            match framing.encode(payload, &mut sender) {
                Ok(()) => waiting.next(),
                Err(EncodeError::Buffer(_)) => break,
                Err(error) => panic!("{error}"),
            };
        }
        let moved = step.min(sender.len()).min(limit - receiver.len());
        receiver.append(&sender.unread()[..moved]).expect("no more than the free space was moved");
        sender.consume(moved);
        while let Some(frame) = decoder.decode(receiver.unread()).expect("no frame is longer than the limit")
        {
            arrived.push(frame.payload.to_vec());
            let length = frame.bytes.len();
            receiver.consume(length);
        }
    }
    assert!(receiver.is_empty(), "an incomplete frame is left: {receiver:?}");
    arrived
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn what_goes_in_comes_out_in_order(
        (framing, payloads) in marked_framing().prop_flat_map(|framing| (Just(framing), payloads(framing))),
        room in 0..300_usize,
        step in 1..200_usize,
    ) {
        let longest = payloads.iter().map(Vec::len).max().unwrap_or(0);
        let limit = longest + framing.overhead() + room;

        let arrived = echoed(framing, &payloads, limit, step);

        prop_assert_eq!(arrived, payloads);
    }
}
