//! Promise: the memory limit holds with every I/O model, policy and framing. Whatever peers send, the buffered bytes stay below it,
//! the connection that buffers most is reset, and peers that buffer little are still served.

#![cfg(test)]

mod support;

use std::io::{Read, Write};
use std::net::TcpStream;

use echoctl_proto::Framing;
use echoctl_server::{CloseReason, Config, Io, Policy};
use support::*;

/// Every way to buffer bytes.
fn configs() -> impl Iterator<Item = Config> {
    let max_frame = 1 << 30;
    every_io_and_policy(64 << 20).map(move |(io, policy)| Config {
        io,
        policy,
        max_frame,
        memory_limit: LIMIT,
        ..Config::default()
    })
}

/// Peers that all send `bytes` and read nothing, until the server has accepted or refused them.
fn flood(server: &TestServer, bytes: &[u8], peers: usize) -> Vec<TcpStream> {
    let senders: Vec<_> = (0..peers).map(|_| send_in_background(&server.peer(), bytes.to_vec())).collect();
    senders.into_iter().map(|sender| sender.join().unwrap()).collect()
}

/// Checks that connections were closed only for the limit, and that it was exceeded by no more than reads in progress.
fn check(server: &TestServer, what: &str) {
    let allowed = LIMIT + OVERSHOOT;
    assert!(server.peak() <= allowed, "{what}: {} bytes buffered, {allowed} allowed", server.peak());
    let closed = server.closed();
    assert!(!closed.is_empty(), "{what}: the limit was reached");
    assert!(closed.iter().all(|reason| reason == "memory_limit"), "{what}: {closed:?}");
}

#[test]
fn incomplete_frames_stay_within_the_memory_limit() {
    for (config, (framing, frame)) in
        configs().flat_map(|config| incomplete().map(|frame| (config.clone(), frame)))
    {
        let what = format!("{} with {}, {framing}", config.policy, config.io);
        let server = TestServer::start(Config { framing, ..config });
        let mut modest = server.peer();
        let (word, part) = match framing {
            Framing::Lines => (&b"a word\n"[..], &b"half a"[..]),
            _ => (&b"\0\0\0\x04word"[..], &b"\0\0\0\x04wo"[..]),
        };
        assert_eq!(round_trip(&mut modest, word), word, "{what}");
        modest.write_all(part).unwrap();

        let peers = flood(&server, &frame, 12);

        check(&server, &what);
        // The part of a frame that the modest peer has sent was buffered all the time.
        modest.write_all(&word[part.len()..]).unwrap();
        let mut got = vec![0; word.len()];
        modest.read_exact(&mut got).unwrap();
        assert_eq!(&got[..part.len()], part, "{what}");
        drop((peers, modest));
        server.wait_for("everything is released", |stats| stats.buffered == 0 && stats.connections == 0);
    }
}

/// The first megabyte of a frame of one and a half.
fn incomplete() -> [(Framing, Vec<u8>); 2] {
    let prefixed = [&(3_u32 << 19).to_be_bytes()[..], &vec![b'x'; 1 << 20]].concat();
    [(Framing::Lines, vec![b'x'; 1 << 20]), (Framing::U32, prefixed)]
}

#[test]
fn endless_lines_stay_within_the_memory_limit() {
    for config in configs() {
        let what = format!("{} with {}", config.policy, config.io);
        let server = TestServer::start(config);

        flood(&server, &vec![b'x'; 16 << 20], 4);

        let allowed = LIMIT + OVERSHOOT;
        assert!(server.peak() <= allowed, "{what}: {} bytes buffered, {allowed} allowed", server.peak());
        eventually("all are refused", || server.closed().len() == 4);
        let closed = server.closed();
        assert!(
            closed.iter().all(|reason| ["memory_limit", "frame_too_long"].contains(&&**reason)),
            "{closed:?}"
        );
        assert_eq!(round_trip(&mut server.peer(), b"still here\n"), b"still here\n", "{what}");
    }
}

#[test]
fn unread_replies_stay_within_the_memory_limit() {
    for policy in [Policy::Off, Policy::Bounded { limit: 64 << 20 }] {
        let server = TestServer::start(Config { policy, memory_limit: LIMIT, ..Config::default() });
        let mut modest = server.peer();

        let peers = flood(&server, &lines(100_000, 2 << 20), 8);

        check(&server, policy.name());
        assert_eq!(round_trip(&mut modest, b"still here\n"), b"still here\n", "{policy}");
        drop(peers);
    }
}

#[test]
fn a_frame_over_the_memory_limit_is_refused_by_its_length() {
    for config in configs().filter(|config| !matches!(config.policy, Policy::Drop { .. })) {
        let what = format!("{} with {}", config.policy, config.io);
        let server = TestServer::start(Config { framing: Framing::U32, ..config });
        let mut peer = server.peer();

        peer.write_all(&[&b"\0\0\0\x02ok"[..], &(LIMIT as u32).to_be_bytes()].concat()).unwrap();

        assert_eq!(read_to_end(&mut peer), b"\0\0\0\x02ok", "{what}");
        let (reason, totals) = server.next_closed();
        assert!(matches!(reason, CloseReason::FrameOverMemory { .. }), "{what}: {reason}");
        assert!(reason.to_string().contains("memory limit of 2 MiB"), "{reason}");
        assert_eq!(totals.received, 10, "{what}");
    }
}

#[test]
fn the_longest_frame_within_the_memory_limit_comes_back() {
    for io in ios() {
        let config = Config { io, max_frame: 1 << 30, memory_limit: LIMIT, ..Config::default() };
        let longest = config.longest_payload();
        let server = TestServer::start(config);
        let line = lines(longest + 1, longest + 1);

        let got = echo_all(&mut server.peer(), &line);

        assert!(got == line, "{io}: {} bytes came back of {}", got.len(), line.len());
    }
}

#[cfg(target_os = "linux")]
#[test]
fn idle_connections_of_other_io_models_buffer_nothing() {
    for io in ios().filter(|io| matches!(io, Io::Threads | Io::Uring)) {
        let server = TestServer::start(Config { io, ..Config::default() });
        let mut peers: Vec<_> = (0..20).map(|_| server.peer()).collect();

        for peer in &mut peers {
            // As much as a read requests, so that more input seems likely.
            let line = lines(4096, 64 << 10);
            assert!(round_trip(peer, &line) == line);
        }

        server.wait_for("nothing is buffered", |stats| stats.buffered == 0 && stats.connections == 20);
    }
}

const LIMIT: u64 = 2 << 20;
