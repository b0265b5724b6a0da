//! Promise: whatever a server does that HTTP/2 forbids is named, with the place where it is forbidden, and memory stays bounded.

#![cfg(test)]

mod support;

use echoctl_http2::{Client, Config, EndStream, Request};

use support::bytes::*;

/// What the client says about a server that sends these bytes after its SETTINGS. Streams 1 and 3 are open, stream 1 has been answered.
fn told(bytes: &[u8]) -> String {
    told_from_start(&[setting(3, 100), ok(1), bytes.to_vec()].concat())
}

/// The same for a server that begins with these bytes.
fn told_from_start(bytes: &[u8]) -> String {
    let mut client = Client::new(Config { initial_window: 1000, connection_window: 0 });
    let request = Request { method: "GET", scheme: "http", authority: "localhost", path: "/", fields: &[] };
    (0..2).for_each(|_| assert!(client.open(&request, EndStream::Yes).is_some()));
    let before = client.output().len();
    let violation = client.receive(bytes, &mut |_| {}).expect_err("a violation");
    assert_eq!(client.receive(b"anything", &mut |_| {}), Err(violation.clone()));
    let queued = client.output().len() - before;
    assert!(queued <= 64 * 1024 + 17 + 13 + 17, "{queued} bytes of answers to '{violation}'");
    violation.to_string()
}

/// GOAWAY's error code, which ends the output.
fn code(bytes: &[u8]) -> u32 {
    let mut client = Client::new(Config::default());
    client.receive(bytes, &mut |_| {}).expect_err("a violation");
    u32::from_be_bytes(*client.output().last_chunk().unwrap())
}

macro_rules! violations {
    ($tell:ident: $($bytes:expr => $text:literal,)*) => {
        $(assert_eq!($tell(&$bytes[..]), $text);)*
    };
}

#[test]
fn servers_of_other_protocols_are_recognized() {
    violations! { told_from_start:
        b"HTTP/1.1 400 Bad Request\r\n" => r#"the server began with "HTTP/1.1 " instead of a SETTINGS frame (RFC 9113, section 3.4)"#,
        b"\x15\x03\x03\0\x02\x02\x46\0\0\0" => r#"the server began with "\x15\x03\x03\x00\x02\x02F\x00\x00" instead of a SETTINGS frame (RFC 9113, section 3.4)"#,
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" => r#"the server began with "PRI * HTT" instead of a SETTINGS frame (RFC 9113, section 3.4)"#,
        frame(PING, 0, 0, &[0; 8]) => r#"the server began with "\x00\x00\x08\x06\x00\x00\x00\x00\x00" instead of a SETTINGS frame (RFC 9113, section 3.4)"#,
        frame(SETTINGS, ACK, 0, &[]) => r#"the server began with "\x00\x00\x00\x04\x01\x00\x00\x00\x00" instead of a SETTINGS frame (RFC 9113, section 3.4)"#,
    }
}

#[test]
fn wrong_lengths_and_streams_are_named() {
    violations! { told:
        frame(DATA, 0, 1, &[0; 16_385]) => "a DATA frame of 16385 bytes exceeds the maximum of 16384 (RFC 9113, section 4.2)",
        b"\xff\xff\xff\xbb\0\0\0\0\0" => "a type 0xbb frame of 16777215 bytes exceeds the maximum of 16384 (RFC 9113, section 4.2)",
        frame(DATA, PADDED, 1, &[]) => "a DATA frame has an invalid length of 0 bytes (RFC 9113, section 6.1)",
        frame(HEADERS, END_HEADERS | PADDED, 1, &[]) => "a HEADERS frame has an invalid length of 0 bytes (RFC 9113, section 6.2)",
        frame(HEADERS, END_HEADERS | WITH_PRIORITY, 1, &[0; 4]) => "a HEADERS frame has an invalid length of 4 bytes (RFC 9113, section 6.2)",
        frame(PRIORITY, 0, 1, &[0; 4]) => "a PRIORITY frame has an invalid length of 4 bytes (RFC 9113, section 6.3)",
        frame(RST_STREAM, 0, 1, &[0; 5]) => "a RST_STREAM frame has an invalid length of 5 bytes (RFC 9113, section 6.4)",
        frame(SETTINGS, 0, 0, &[0; 7]) => "a SETTINGS frame has an invalid length of 7 bytes (RFC 9113, section 6.5)",
        frame(SETTINGS, ACK, 0, &[0; 6]) => "a SETTINGS frame has an invalid length of 6 bytes (RFC 9113, section 6.5)",
        frame(PING, 0, 0, &[0; 7]) => "a PING frame has an invalid length of 7 bytes (RFC 9113, section 6.7)",
        frame(GOAWAY, 0, 0, &[0; 7]) => "a GOAWAY frame has an invalid length of 7 bytes (RFC 9113, section 6.8)",
        frame(WINDOW_UPDATE, 0, 0, &[0; 3]) => "a WINDOW_UPDATE frame has an invalid length of 3 bytes (RFC 9113, section 6.9)",
        frame(DATA, 0, 0, b"x") => "a DATA frame on stream 0 (RFC 9113, section 6.1)",
        frame(HEADERS, END_HEADERS, 0, &[0x88]) => "a HEADERS frame on stream 0 (RFC 9113, section 6.2)",
        frame(PRIORITY, 0, 0, &[0; 5]) => "a PRIORITY frame on stream 0 (RFC 9113, section 6.3)",
        frame(RST_STREAM, 0, 0, &[0; 4]) => "a RST_STREAM frame on stream 0 (RFC 9113, section 6.4)",
        frame(SETTINGS, 0, 1, &[]) => "a SETTINGS frame on stream 1 (RFC 9113, section 6.5)",
        frame(PING, 0, 1, &[0; 8]) => "a PING frame on stream 1 (RFC 9113, section 6.7)",
        frame(GOAWAY, 0, 1, &[0; 8]) => "a GOAWAY frame on stream 1 (RFC 9113, section 6.8)",
        frame(DATA, PADDED, 1, &[3, 0, 0]) => "the padding of a DATA frame exceeds the frame (RFC 9113, section 6.1)",
        frame(HEADERS, END_HEADERS | PADDED, 3, &[2, 0x88]) => "the padding of a HEADERS frame exceeds the frame (RFC 9113, section 6.2)",
    }
}

#[test]
fn settings_and_pushes_that_are_forbidden_are_named() {
    violations! { told:
        setting(2, 1) => "the setting 0x2 has the invalid value 1 (RFC 9113, section 6.5.2)",
        setting(4, 1 << 31) => "the setting 0x4 has the invalid value 2147483648 (RFC 9113, section 6.5.2)",
        setting(5, 16_383) => "the setting 0x5 has the invalid value 16383 (RFC 9113, section 6.5.2)",
        setting(5, 1 << 24) => "the setting 0x5 has the invalid value 16777216 (RFC 9113, section 6.5.2)",
        [frame(SETTINGS, ACK, 0, &[]), frame(SETTINGS, ACK, 0, &[])].concat() => "a SETTINGS acknowledgement without SETTINGS (RFC 9113, section 6.5.3)",
        frame(PUSH_PROMISE, END_HEADERS, 1, &[0, 0, 0, 2, 0x82]) => "a PUSH_PROMISE frame, although ENABLE_PUSH is 0 (RFC 9113, section 8.4)",
    }
}

#[test]
fn frames_of_streams_that_are_not_open_are_named() {
    let end = frame(DATA, END_STREAM, 1, b"");
    let reset = frame(RST_STREAM, 0, 1, &[0; 4]);
    let after = |first: &[u8], second: &[u8]| [first, second].concat();
    violations! { told:
        frame(DATA, 0, 5, b"x") => "a DATA frame on stream 5, which was never opened (RFC 9113, section 5.1)",
        ok(2) => "a HEADERS frame on stream 2, which was never opened (RFC 9113, section 5.1)",
        frame(RST_STREAM, 0, 7, &[0; 4]) => "a RST_STREAM frame on stream 7, which was never opened (RFC 9113, section 5.1)",
        frame(WINDOW_UPDATE, 0, 9, &[0, 0, 0, 1]) => "a WINDOW_UPDATE frame on stream 9, which was never opened (RFC 9113, section 5.1)",
        after(&end, &frame(DATA, 0, 1, b"x")) => "a DATA frame on stream 1, which the server had ended (RFC 9113, section 5.1)",
        after(&end, &ok(1)) => "a HEADERS frame on stream 1, which the server had ended (RFC 9113, section 5.1)",
        after(&reset, &frame(DATA, 0, 1, b"x")) => "a DATA frame on stream 1, which the server had ended (RFC 9113, section 5.1)",
    }
}

#[test]
fn windows_that_are_exceeded_are_named() {
    let grant = frame(WINDOW_UPDATE, 0, 0, &(i32::MAX - 65_535).to_be_bytes());
    let one_more = frame(WINDOW_UPDATE, 0, 0, &[0, 0, 0, 1]);
    let of_stream = frame(WINDOW_UPDATE, 0, 1, &[0x7f, 0xff, 0xff, 0xff]);
    let data = frame(DATA, 0, 1, &[0; 16_384]);
    violations! { told:
        [&frame(SETTINGS, ACK, 0, &[])[..], &frame(DATA, 0, 1, &[0; 1001])].concat() => "a DATA frame of 1001 bytes on stream 1 exceeds the window of 1000 bytes of the stream (RFC 9113, section 6.9.1)",
        data.repeat(4) => "a DATA frame of 16384 bytes on stream 1 exceeds the window of 16383 bytes of the connection (RFC 9113, section 6.9.1)",
        [grant, one_more].concat() => "the window of stream 0 exceeds 2^31-1 (RFC 9113, section 6.9.1)",
        of_stream => "the window of stream 1 exceeds 2^31-1 (RFC 9113, section 6.9.1)",
        frame(WINDOW_UPDATE, 0, 0, &[0x80, 0, 0, 0]) => "a WINDOW_UPDATE frame of 0 bytes on stream 0 (RFC 9113, section 6.9)",
    }
}

#[test]
fn field_blocks_that_are_broken_are_named() {
    let begun = frame(HEADERS, 0, 3, &[0x88]);
    let after = |next: &[u8]| [&begun[..], next].concat();
    violations! { told:
        frame(CONTINUATION, END_HEADERS, 3, &[0x88]) => "a CONTINUATION frame continues no field block of its stream (RFC 9113, section 6.10)",
        after(&frame(DATA, 0, 1, b"x")) => "a DATA frame interrupts a field block (RFC 9113, section 6.10)",
        after(&frame(0xfe, 0, 0, b"x")) => "a type 0xfe frame interrupts a field block (RFC 9113, section 6.10)",
        after(&frame(CONTINUATION, END_HEADERS, 1, &[0x88])) => "a CONTINUATION frame continues no field block of its stream (RFC 9113, section 6.10)",
        frame(HEADERS, END_HEADERS, 3, &[0xc0]) => "the field block on stream 3 cannot be decoded: index 64 is in neither table (RFC 7541, section 2.3.3)",
        // Also on a stream that was never opened.
        frame(HEADERS, END_HEADERS, 5, &[0x80]) => "the field block on stream 5 cannot be decoded: index 0 is in neither table (RFC 7541, section 2.3.3)",
        frame(HEADERS, END_HEADERS, 3, &[0x00, 0x7f]) => "the field block on stream 3 cannot be decoded: it ends inside a field (RFC 7541, section 6)",
        frame(HEADERS, END_HEADERS, 3, &[0x3f, 0xff, 0x7f]) => "the field block on stream 3 cannot be decoded: a dynamic table of 16414 bytes exceeds 4096 (RFC 7541, section 6.3)",
        frame(HEADERS, END_HEADERS, 3, &[0x88, 0x20]) => "the field block on stream 3 cannot be decoded: the dynamic table changes its size inside a block (RFC 7541, section 4.2)",
    }
}

#[test]
fn responses_that_are_malformed_are_named() {
    let status = |value: &str, flags: u8| frame(HEADERS, END_HEADERS | flags, 3, &field(":status", value));
    violations! { told:
        frame(DATA, 0, 3, b"x") => "malformed response on stream 3: DATA before HEADERS (RFC 9113, section 8.1)",
        frame(HEADERS, END_HEADERS, 3, &[]) => "malformed response on stream 3: no valid :status (RFC 9113, section 8.3.2)",
        status("2000", 0) => "malformed response on stream 3: no valid :status (RFC 9113, section 8.3.2)",
        status("099", 0) => "malformed response on stream 3: no valid :status (RFC 9113, section 8.3.2)",
        status("200000", 0) => "malformed response on stream 3: no valid :status (RFC 9113, section 8.3.2)",
        status("2x0", 0) => "malformed response on stream 3: no valid :status (RFC 9113, section 8.3.2)",
        status("100", END_STREAM) => "malformed response on stream 3: an interim response ends the stream (RFC 9113, section 8.1)",
        status("101", 0) => "malformed response on stream 3: status 101, which HTTP/2 does not have (RFC 9113, section 8.6)",
        frame(HEADERS, END_HEADERS, 1, &field("grpc-status", "0")) => "malformed response on stream 1: trailers that do not end the stream (RFC 9113, section 8.1)",
        frame(HEADERS, END_HEADERS | END_STREAM, 1, &[0x88]) => "malformed response on stream 1: a pseudo-header field in trailers (RFC 9113, section 8.1)",
    }
}

#[test]
fn floods_are_ended_before_they_cost_memory() {
    let continuations = |payload: &[u8], count| {
        [frame(HEADERS, 0, 3, &[]), frame(CONTINUATION, 0, 3, payload).repeat(count)].concat()
    };
    let table_entry = [&[0x40, 1, b'n', 0x7f, 0xa1, 0x1e][..], &[b'v'; 4000]].concat();
    let bomb = frame(HEADERS, END_HEADERS, 3, &[&table_entry[..], &[0xbe; 12_000]].concat());
    let too_large = "the fields on stream 3 exceed 262144 bytes (RFC 9113, section 10.5.1)";
    assert_eq!(told(&continuations(&[0; 16_384], 17)), too_large);
    assert_eq!(told(&continuations(&[], 30_000)), too_large);
    assert_eq!(told(&bomb), too_large);
    let unread = |kind| {
        format!(
            "the server demands answers with {kind} frames and does not read them (RFC 9113, section 10.5)"
        )
    };
    assert_eq!(told(&frame(PING, 0, 0, &[0; 8]).repeat(4000)), unread("PING"));
    assert_eq!(told(&setting(4, 0).repeat(8000)), unread("SETTINGS"));
}

#[test]
fn the_server_is_told_the_right_error_code() {
    let settings = setting(3, 100);
    let after = |bytes: Vec<u8>| [settings.clone(), bytes].concat();
    assert_eq!(code(b"HTTP/1.1 400"), 0x1);
    assert_eq!(code(&after(setting(4, u32::MAX))), 0x3);
    assert_eq!(code(&after(setting(5, 1))), 0x1);
    assert_eq!(code(&after(frame(PING, 0, 0, b""))), 0x6);
    assert_eq!(code(&after(frame(WINDOW_UPDATE, 0, 0, &[0x7f, 0xff, 0xff, 0xff]))), 0x3);
    assert_eq!(code(&after(frame(HEADERS, END_HEADERS, 1, &[0x80]))), 0x9);
    assert_eq!(code(&after(frame(PING, 0, 0, &[0; 8]).repeat(4000))), 0xb);
}

#[test]
fn endless_harmless_frames_cost_nothing() {
    let mut client = Client::new(Config::default());
    let request = Request { method: "GET", scheme: "http", authority: "localhost", path: "/", fields: &[] };
    client.open(&request, EndStream::Yes).unwrap();
    let before = client.output().len();
    client.receive(&[setting(3, 100), ok(1)].concat(), &mut |_| {}).unwrap();
    let round = [
        frame(PRIORITY, 0, 1, &[0; 5]),
        frame(0xbe, 0, 0, b"unknown"),
        frame(DATA, 0, 1, b""),
        frame(PING, ACK, 0, &[0; 8]),
    ]
    .concat();
    for _ in 0..10_000 {
        client.receive(&round, &mut |_| {}).unwrap();
    }
    assert_eq!(client.output().len(), before + 9);
}
