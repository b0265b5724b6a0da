//! Promise: a peer that half-closes gets all pending replies, and then the end of the stream, with every policy, I/O model and framing.

#![cfg(test)]

mod support;

use std::io::Write;
use std::net::Shutdown;

use echoctl_proto::Framing;
use echoctl_server::{CloseReason, Config, Policy};
use support::*;

#[test]
fn everything_sent_before_the_half_close_comes_back() {
    let sent = lines(100, 2 << 20);

    for (io, policy) in every_io_and_policy(10_000).filter(is_lossless) {
        let what = format!("{policy} with {io}");
        let server = TestServer::start(Config { io, policy, ..Config::default() });

        let got = echo_all(&mut server.peer(), &sent);

        assert!(got == sent, "{what}: {} bytes came back of {}", got.len(), sent.len());
        let (reason, totals) = server.next_closed();
        assert!(matches!(reason, CloseReason::Eof), "{what}: {reason}");
        assert_eq!((totals.received, totals.sent), (sent.len() as u64, sent.len() as u64), "{what}");
    }
}

#[test]
fn an_incomplete_frame_at_the_end_is_not_echoed() {
    for (io, policy) in every_io_and_policy(1000) {
        let server = TestServer::start(Config { io, policy, ..Config::default() });
        let mut peer = server.peer();

        peer.write_all(b"complete\nincomplete").unwrap();
        peer.shutdown(Shutdown::Write).unwrap();

        assert_eq!(read_to_end(&mut peer), b"complete\n", "{io} {policy}");
    }
}

#[test]
fn without_framing_every_byte_comes_back() {
    for policy in [Policy::Await, Policy::Bounded { limit: 1000 }] {
        let server = TestServer::start(Config { framing: Framing::Raw, policy, ..Config::default() });
        let sent: Vec<u8> = (0..1_000_000u32).map(|n| (n % 251) as u8).collect();

        assert!(echo_all(&mut server.peer(), &sent) == sent, "{policy}");
    }
}

#[test]
fn frames_come_back_however_they_are_split() {
    for (framing, frames) in [
        (Framing::Lines, &b"\none\r\nand another\n\n"[..]),
        (Framing::U16, b"\0\0\0\x03one\0\x01\n\0\x02ab"),
        (Framing::U32, b"\0\0\0\0\0\0\0\x03one\0\0\0\x01\n"),
        (Framing::Raw, b"anything"),
    ] {
        let server = TestServer::start(Config { framing, ..Config::default() });
        for split in 0..=frames.len() {
            let mut peer = server.peer();
            peer.write_all(&frames[..split]).unwrap();
            peer.write_all(&frames[split..]).unwrap();
            peer.shutdown(Shutdown::Write).unwrap();

            assert_eq!(read_to_end(&mut peer), frames, "{framing}, split at {split}");
        }
    }
}
