//! From request to response, and streams that end early.

use super::*;

#[test]
fn padding_and_priority_are_removed() {
    let mut pair = Pair::new(SMALL);
    let stream = pair.open(EndStream::Yes);
    let payload = [&[3, 0, 0, 0, 0, 16, 0x88][..], &[0; 3]].concat();
    pair.receive(&frame(FrameKind::Headers, END_HEADERS | PADDED | PRIORITY, stream.0, &payload));
    pair.receive(&frame(FrameKind::Data, PADDED | END_STREAM, stream.0, b"\x02ab\0\0"));
    assert_eq!(pair.events, ["1: 200 No", "1: 2 +3 Yes"]);
}

#[test]
fn interim_responses_and_trailers_surround_a_response() {
    let mut pair = Pair::new(SMALL);
    let stream = pair.open(EndStream::Yes).0;
    let field = |name: &str, value: &str| {
        let mut block = Vec::new();
        hpack::encode(name.as_bytes(), value.as_bytes(), &mut block);
        block
    };
    pair.receive(&frame(FrameKind::Headers, END_HEADERS, stream, &field(":status", "103")));
    pair.receive(&headers(stream, 0));
    pair.receive(&frame(FrameKind::Headers, END_STREAM, stream, &field("grpc-status", "0")));
    pair.receive(&frame(FrameKind::Continuation, END_HEADERS, stream, &field("grpc-message", "")));

    assert_eq!(pair.events, ["1: interim 103", "1: 200 No", "1: 2 trailers"]);
    assert_eq!(pair.client.open_streams(), 0);
}

#[test]
fn a_server_may_end_a_request_early() {
    let mut pair = Pair::new(SMALL);
    let stream = pair.open(EndStream::No);
    pair.receive(&headers(1, END_STREAM));
    assert_eq!(pair.client.send_data(stream, b"more", EndStream::No), 4);
    pair.receive(&frame(FrameKind::RstStream, 0, 1, &[0; 4]));

    assert_eq!(pair.events, ["1: 200 Yes", "1: reset NO_ERROR"]);
    assert_eq!((pair.client.open_streams(), pair.client.can_send(stream)), (0, 0));
}

#[test]
fn a_request_ends_with_its_last_data() {
    let mut pair = Pair::new(SMALL);
    let streams = [pair.open(EndStream::No), pair.open(EndStream::No)];
    pair.written();
    assert_eq!(pair.client.send_data(streams[0], b"abc", EndStream::Yes), 3);
    assert_eq!(pair.client.send_data(streams[0], b"abc", EndStream::Yes), 0);
    assert_eq!(pair.client.send_data(streams[1], b"", EndStream::Yes), 0);

    let ends = |stream, length| (FrameKind::Data, END_STREAM, stream, length);
    assert_eq!(pair.written(), [ends(1, 3), ends(3, 0)]);
    pair.receive(&headers(1, END_STREAM));
    assert_eq!(pair.client.open_streams(), 1);
}
