//! The beginning, settings, pings, and the end.

use super::*;

#[test]
fn a_connection_begins_with_preface_settings_and_window() {
    let client = Client::new(Config { initial_window: 7, connection_window: 100_000 });
    let expected = [
        PREFACE,
        &settings(&[(ENABLE_PUSH, 0), (INITIAL_WINDOW_SIZE, 7), (MAX_HEADER_LIST_SIZE, 262_144)]),
        &window_update(0, 100_000 - 65_535),
    ];
    assert_eq!(client.output(), expected.concat());
    assert!(!client.is_ready());
}

#[test]
fn settings_and_pings_are_answered() {
    let mut pair = Pair::new(SMALL);
    pair.receive(&settings(&[(MAX_CONCURRENT_STREAMS, 1)]));
    pair.receive(&frame(FrameKind::Ping, 0, 0, b"12345678"));

    let expected =
        [frame(FrameKind::Settings, ACK, 0, &[]), frame(FrameKind::Ping, ACK, 0, b"12345678")].concat();
    assert_eq!(pair.client.output(), expected);
    assert_eq!(pair.events, ["settings"]);
}

#[test]
fn the_servers_answers_to_floods_are_counted() {
    let mut pair = Pair::new(SMALL);
    assert!(pair.client.ping() && pair.client.settings());
    assert_eq!(pair.written(), [(FrameKind::Ping, 0, 0, 8), (FrameKind::Settings, 0, 0, 0)]);
    pair.receive(&frame(FrameKind::Ping, ACK, 0, &[0; 8]));
    pair.receive(&acknowledgement());
    // No PING waits for this one.
    pair.receive(&frame(FrameKind::Ping, ACK, 0, &[0; 8]));

    assert_eq!(pair.events, ["acknowledged", "acknowledged"]);
    assert_eq!(pair.try_receive(&acknowledgement()), Err(Violation::UnexpectedAck));
}

#[test]
fn floods_end_when_64_kib_wait_to_be_written() {
    let mut pair = Pair::new(SMALL);
    while pair.client.ping() {}
    let full = pair.client.output().len();
    assert!((64 * 1024..64 * 1024 + 17).contains(&full), "{full}");
    assert!(!pair.client.settings());
    assert_eq!(pair.client.open(&REQUEST, EndStream::Yes), None);

    pair.client.sent(17);
    assert!(pair.client.settings());
}

#[test]
fn a_server_that_reads_no_answers_is_cut_off() {
    let ping = frame(FrameKind::Ping, 0, 0, &[0; 8]);
    let mut pair = Pair::new(SMALL);
    // While its answers are sent it may ask without end.
    for _ in 0..10_000 {
        pair.receive(&ping);
        pair.written();
    }
    let result = (0..10_000).try_for_each(|_| pair.try_receive(&ping));
    assert_eq!(result, Err(Violation::UnreadAnswers { kind: FrameKind::Ping }));
    assert!(pair.client.output().len() < 66 * 1024);
}

#[test]
fn a_violation_is_final_and_the_server_is_told_once() {
    let mut pair = Pair::new(SMALL);
    let stream = pair.open_answered(EndStream::No);
    let violation = Err(Violation::ZeroIncrement { stream: 0 });
    assert_eq!(pair.try_receive(&[window_update(0, 0), headers(1, 0)].concat()), violation);
    assert_eq!(pair.try_receive(&headers(1, 0)), violation);
    pair.client.grant(None, 1);

    assert_eq!(pair.written(), [(FrameKind::GoAway, 0, 0, 8)]);
    assert!(pair.events.is_empty());
    assert!(!pair.client.ping() && !pair.client.settings());
    assert_eq!(pair.client.open(&REQUEST, EndStream::Yes), None);
    assert_eq!(pair.client.send_data(stream, b"x", EndStream::Yes), 0);
}

#[test]
fn as_many_streams_are_open_as_the_server_permits() {
    let mut pair = Pair::new(SMALL);
    assert_eq!(pair.client.max_streams(), 100_000);
    pair.receive(&settings(&[(MAX_CONCURRENT_STREAMS, 2)]));
    let streams = [pair.open(EndStream::Yes), pair.open(EndStream::Yes)];
    assert_eq!(pair.client.open(&REQUEST, EndStream::Yes), None);
    pair.receive(&headers(streams[0].0, END_STREAM));

    assert_eq!(pair.open(EndStream::Yes).to_string(), "5");
    assert_eq!((pair.client.open_streams(), pair.client.max_streams()), (2, 2));
}

#[test]
fn go_away_ends_the_streams_after_the_last() {
    let mut pair = Pair::new(SMALL);
    (0..3).for_each(|_| {
        pair.open(EndStream::Yes);
    });
    let go_away = |last: u32| {
        let payload = [&last.to_be_bytes()[..], &11_u32.to_be_bytes(), b"calm\n"].concat();
        frame(FrameKind::GoAway, 0, 0, &payload)
    };
    pair.receive(&go_away(3));
    assert_eq!(pair.events, [r"go away after 3: ENHANCE_YOUR_CALM calm\n", "5: reset REFUSED_STREAM"]);
    assert_eq!(pair.client.open(&REQUEST, EndStream::Yes), None);
    pair.events.clear();
    pair.receive(&headers(3, END_STREAM));
    pair.receive(&go_away(1));
    pair.receive(&headers(1, END_STREAM));

    assert_eq!(pair.events, ["3: 200 Yes", r"go away after 1: ENHANCE_YOUR_CALM calm\n", "1: 200 Yes"]);
    assert_eq!(pair.try_receive(&go_away(3)), Err(Violation::GoAwayRaised { from: 1, to: 3 }));
}

#[test]
fn a_smaller_table_of_the_server_is_consented_to_once() {
    let mut pair = Pair::new(SMALL);
    pair.receive(&settings(&[(HEADER_TABLE_SIZE, 100), (HEADER_TABLE_SIZE, 8192)]));
    pair.written();
    let mut first_byte = || {
        pair.open(EndStream::Yes);
        pair.written_payloads()[0].1[0]
    };
    assert_eq!((first_byte(), first_byte()), (hpack::EMPTY_TABLE, 0));
}

#[test]
fn long_requests_are_split_into_frames() {
    let mut pair = Pair::new(SMALL);
    let fields = [("x".to_owned(), "v".repeat(40_000))];
    pair.client.open(&Request { fields: &fields, ..REQUEST }, EndStream::Yes).unwrap();

    let frames: Vec<_> =
        pair.written().into_iter().map(|(kind, flags, stream, _)| (kind, flags, stream)).collect();
    let expected = [
        (FrameKind::Headers, END_STREAM, 1),
        (FrameKind::Continuation, 0, 1),
        (FrameKind::Continuation, END_HEADERS, 1),
    ];
    assert_eq!(frames, expected);
}

#[test]
fn frames_without_a_meaning_are_ignored() {
    let mut pair = Pair::new(SMALL);
    let stream = pair.open_answered(EndStream::Yes).0;
    pair.receive(&frame(FrameKind::Unknown(0xbe), 0xff, 77, &[9; 16_384]));
    pair.receive(&frame(FrameKind::Priority, 0xff, 77, &[9; 5]));
    pair.receive(&settings(&[(0x8, 1), (0xabcd, u32::MAX)]));
    // The reserved bit of the stream's number, and flags that a type does not define.
    pair.receive(&frame(FrameKind::Data, 0xf0, stream | 1 << 31, b"ok"));

    assert_eq!(pair.events, ["settings", "1: 2 +0 No"]);
}

#[test]
fn names_of_fields_are_sent_in_lower_case() {
    let mut pair = Pair::new(SMALL);
    let fields = [("X-Name".to_owned(), "Value".to_owned())];
    pair.client.open(&Request { fields: &fields, ..REQUEST }, EndStream::Yes).unwrap();
    assert!(pair.client.output().ends_with(b"\0\x06x-name\x05Value"));
}
