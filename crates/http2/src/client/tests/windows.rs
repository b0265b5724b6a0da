//! How much each side may send.

use super::*;

#[test]
fn data_is_counted_against_both_windows() {
    let mut pair = Pair::new(SMALL);
    let streams = [pair.open_answered(EndStream::Yes), pair.open_answered(EndStream::Yes)];
    assert_eq!(pair.client.credit(), 200);
    pair.receive(&data(1, 60, 0));
    assert_eq!(pair.client.credit(), 140);
    pair.receive(&data(1, 40, 0));
    assert_eq!(pair.client.credit(), 100);
    pair.client.grant(Some(streams[0]), 10);
    pair.receive(&data(1, 10, 0));

    let exceeds = Violation::WindowExceeded { stream: 1, length: 1, window: 0, of_connection: false };
    assert_eq!(pair.try_receive(&data(1, 1, 0)), Err(exceeds));
}

#[test]
fn the_connections_window_limits_all_streams_together() {
    let mut pair = Pair::new(Config { initial_window: MAX_31_BITS, connection_window: 70_000 });
    let streams: Vec<StreamId> = (0..7).map(|_| pair.open_answered(EndStream::Yes)).collect();
    assert_eq!(pair.client.credit(), 70_000);
    for stream in &streams {
        pair.receive(&data(stream.0, 10_000, 0));
    }
    assert_eq!(pair.client.credit(), 0);
    pair.client.grant(None, 5);
    assert_eq!(pair.client.credit(), 5);

    let exceeds = Violation::WindowExceeded { stream: 3, length: 6, window: 5, of_connection: true };
    assert_eq!(pair.try_receive(&data(3, 6, 0)), Err(exceeds));
}

#[test]
fn an_ended_response_gives_no_credit_and_gets_no_grant() {
    let mut pair = Pair::new(SMALL);
    let stream = pair.open_answered(EndStream::No);
    pair.receive(&data(1, 5, END_STREAM));
    assert_eq!((pair.client.credit(), pair.client.open_streams()), (0, 1));
    pair.client.grant(Some(stream), 50);
    pair.client.grant(None, 5);

    assert_eq!(pair.written(), [(FrameKind::WindowUpdate, 0, 0, 4)]);
}

#[test]
fn before_the_acknowledgement_the_default_window_holds() {
    let mut client = Client::new(Config { initial_window: 0, connection_window: 0 });
    let stream = client.open(&REQUEST, EndStream::Yes).unwrap();
    let receive = |client: &mut Client, bytes: &[u8]| client.receive(bytes, &mut |_| {});
    receive(&mut client, &[settings(&[]), headers(stream.0, 0), data(stream.0, 1000, 0)].concat()).unwrap();
    assert_eq!(client.credit(), 64_535);
    receive(&mut client, &acknowledgement()).unwrap();
    assert_eq!(client.credit(), 0);

    let exceeds = Violation::WindowExceeded { stream: 1, length: 1, window: -1000, of_connection: false };
    assert_eq!(receive(&mut client, &data(stream.0, 1, 0)), Err(exceeds));
}

#[test]
fn grants_end_at_the_largest_window() {
    let mut pair = Pair::new(Config { initial_window: MAX_31_BITS, connection_window: u32::MAX });
    let stream = pair.open_answered(EndStream::Yes);
    pair.client.grant(None, u32::MAX);
    pair.client.grant(Some(stream), 1);
    assert_eq!(pair.written(), []);
    pair.receive(&data(1, 7, 0));
    pair.client.grant(None, u32::MAX);
    pair.client.grant(Some(stream), 100);

    let payloads: Vec<Vec<u8>> = pair.written_payloads().into_iter().map(|(_, payload)| payload).collect();
    assert_eq!(payloads, [7_u32.to_be_bytes(), 7_u32.to_be_bytes()]);
}

#[test]
fn data_is_sent_within_both_windows() {
    let mut pair = Pair::new(SMALL);
    let streams = [pair.open(EndStream::No), pair.open(EndStream::No)];
    pair.written();
    let bytes = vec![b'x'; 100_000];
    pair.receive(&window_update(streams[0].0, 1000));

    assert_eq!(pair.client.send_data(streams[0], &bytes[..60_000], EndStream::No), 60_000);
    assert_eq!(pair.client.can_send(streams[0]), 5535);
    assert_eq!(pair.client.can_send(streams[1]), 5535);
    let frames = pair.written();
    assert_eq!(frames.iter().map(|frame| frame.3).collect::<Vec<_>>(), [16_384, 16_384, 16_384, 10_848]);
    assert_eq!(pair.client.send_data(streams[1], &bytes, EndStream::Yes), 5535);
    assert_eq!(pair.client.send_data(streams[1], &bytes, EndStream::Yes), 0);
    // The last of the bytes was not accepted, so the stream does not end.
    assert_eq!(pair.written(), [(FrameKind::Data, 0, streams[1].0, 5535)]);
}

#[test]
fn at_most_64_kib_of_data_wait_to_be_written() {
    let mut pair = Pair::new(SMALL);
    pair.receive(&settings(&[(INITIAL_WINDOW_SIZE, MAX_31_BITS)]));
    pair.receive(&window_update(0, 1_000_000));
    pair.written();
    let stream = pair.open(EndStream::No);
    pair.written();

    assert_eq!(pair.client.send_data(stream, &[0; 1_000_000], EndStream::No), 64 * 1024);
    assert_eq!(pair.client.send_data(stream, &[0; 10], EndStream::No), 0);
    pair.client.sent(20_000);
    assert!(pair.client.send_data(stream, &[0; 1_000_000], EndStream::No) > 19_000);
}

#[test]
fn a_lowered_initial_window_makes_windows_negative() {
    let mut pair = Pair::new(SMALL);
    let stream = pair.open(EndStream::No);
    pair.client.send_data(stream, &[0; 60_000], EndStream::No);
    pair.receive(&settings(&[(INITIAL_WINDOW_SIZE, 50_000)]));
    assert_eq!(pair.client.can_send(stream), 0);
    pair.receive(&window_update(stream.0, 10_000));
    assert_eq!(pair.client.can_send(stream), 0);
    pair.receive(&window_update(stream.0, 1));
    assert_eq!(pair.client.can_send(stream), 1);
    pair.receive(&settings(&[(INITIAL_WINDOW_SIZE, 0), (INITIAL_WINDOW_SIZE, 50_100)]));
    assert_eq!(pair.client.can_send(stream), 101);
}

#[test]
fn a_window_that_a_setting_raises_too_far_is_found() {
    let mut pair = Pair::new(SMALL);
    pair.open(EndStream::No);
    let stream = pair.open(EndStream::No);
    pair.receive(&window_update(stream.0, 1000));
    pair.receive(&settings(&[(INITIAL_WINDOW_SIZE, MAX_31_BITS - 1000)]));
    let overflow = Violation::WindowOverflow { stream: stream.0 };
    assert_eq!(pair.try_receive(&settings(&[(INITIAL_WINDOW_SIZE, MAX_31_BITS - 999)])), Err(overflow));
}

#[test]
fn a_used_or_closed_window_does_not_overflow() {
    let mut pair = Pair::new(SMALL);
    let streams = [pair.open(EndStream::No), pair.open(EndStream::No)];
    streams.iter().for_each(|stream| pair.receive(&window_update(stream.0, 1000)));
    pair.client.send_data(streams[0], &[0; 1000], EndStream::No);
    pair.receive(&frame(FrameKind::RstStream, 0, streams[1].0, &[0; 4]));
    pair.receive(&settings(&[(INITIAL_WINDOW_SIZE, MAX_31_BITS)]));

    let overflow = Violation::WindowOverflow { stream: streams[0].0 };
    assert_eq!(pair.try_receive(&window_update(streams[0].0, 1)), Err(overflow));
}

#[test]
fn a_padded_frame_counts_as_a_whole_and_comes_in_pieces() {
    let mut pair = Pair::new(SMALL);
    let stream = pair.open_answered(EndStream::Yes);
    for byte in frame(FrameKind::Data, PADDED | END_STREAM, stream.0, b"\x02ab\0\0") {
        pair.receive(&[byte]);
    }
    assert_eq!(pair.events, ["1: 1 +0 No", "1: 1 +0 No", "1: 0 +3 Yes"]);
    pair.receive(&frame(FrameKind::RstStream, 0, stream.0, &[0; 4]));
    assert_eq!(pair.events.len(), 3);
}

#[test]
fn grants_wait_for_room_and_become_one() {
    let mut pair = Pair::new(Config { initial_window: 1000, connection_window: 0 });
    let streams = [pair.open_answered(EndStream::Yes), pair.open_answered(EndStream::Yes)];
    while pair.client.ping() {}
    let full = pair.client.output().len();
    for _ in 0..1000 {
        pair.receive(&data(1, 1, 0));
        pair.client.grant(Some(streams[0]), 1);
        pair.client.grant(None, 1);
    }
    // The response of this one ends before its turn.
    pair.client.grant(Some(streams[1]), 1);
    pair.receive(&data(3, 0, END_STREAM));
    assert_eq!((pair.client.output().len(), pair.client.credit()), (full, 0));
    pair.written();

    let frames = pair.written_payloads();
    let granted = |stream| ((FrameKind::WindowUpdate, 0, stream, 4), 1000_u32.to_be_bytes().to_vec());
    assert_eq!(frames, [granted(0), granted(1)]);
    assert_eq!(pair.client.credit(), 1000);
}
