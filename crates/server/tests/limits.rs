//! Promise: a peer that exceeds a limit loses only its own connection, and the others are still served.

#![cfg(test)]

mod support;

use std::io::{Read, Write};
use std::time::Duration;

use echoctl_proto::Framing;
use echoctl_server::{CloseCause, CloseReason, Config, Error, Io, MinRate, Policy, Server, runtime};
use support::*;

#[test]
fn the_memory_limit_resets_the_connection_that_buffers_most() {
    let memory_limit = 1 << 20;
    let server = TestServer::start(Config { policy: Policy::Off, memory_limit, ..Config::default() });
    let (mut modest, mut greedy) = (server.peer(), server.peer());
    let queued = lines(1000, 400_000);
    modest.write_all(&queued).unwrap();
    server.wait_for("the modest peer's bytes are queued", |stats| stats.totals.received == 400_000);

    let sender = send_in_background(&greedy, lines(1000, 64 << 20));
    let (reason, totals) = server.next_closed();
    sender.join().unwrap();

    assert!(matches!(reason, CloseReason::Forced(CloseCause::MemoryLimit)), "{reason}");
    assert!(totals.received > 400_000, "it is the greedy one");
    wait_for_the_end(&mut greedy);
    let mut got = vec![0; queued.len()];
    modest.read_exact(&mut got).unwrap();
    assert!(got == queued, "the modest peer loses nothing");
    server.wait_for("everything is released", |stats| stats.buffered == 0);
}

#[test]
fn a_frame_over_the_maximum_closes_only_its_connection() {
    for policy in [Policy::Await, Policy::Bounded { limit: 1000 }] {
        let config = Config { framing: Framing::U32, max_frame: 100, policy, ..Config::default() };
        let server = TestServer::start(config);
        let (mut bad, mut good) = (server.peer(), server.peer());

        bad.write_all(b"\0\0\0\x02ok\0\0\0\x65").unwrap();
        assert_eq!(read_to_end(&mut bad), b"\0\0\0\x02ok", "{policy}");

        let (reason, _) = server.next_closed();
        assert!(matches!(reason, CloseReason::FrameTooLong(_)), "{policy}: {reason}");
        assert_eq!(round_trip(&mut good, b"\0\0\0\x01x"), b"\0\0\0\x01x", "{policy}");
    }
}

#[test]
fn further_connections_wait_until_one_closes() {
    let server = TestServer::start(Config { max_connections: 2, ..Config::default() });
    let (mut first, mut second) = (server.peer(), server.peer());
    round_trip(&mut first, b"a\n");
    round_trip(&mut second, b"b\n");

    let mut third = server.peer();
    third.write_all(b"c\n").unwrap();
    assert_eq!(round_trip(&mut first, b"the server is not stuck\n"), b"the server is not stuck\n");
    server.wait_for("two are accepted", |stats| stats.accepted == 2);

    drop(second);
    let mut got = [0; 2];
    third.read_exact(&mut got).unwrap();
    assert_eq!(&got, b"c\n", "the third is served after the second is closed");
}

#[test]
fn a_peer_that_stops_reading_exceeds_the_write_timeout() {
    for (io, policy) in every_io_and_policy(64 << 10) {
        let write_timeout = Some(Duration::from_millis(50));
        let server = TestServer::start(Config { io, policy, write_timeout, ..Config::default() });
        let (mut idle, peer) = (server.peer(), server.peer());
        round_trip(&mut idle, b"hello\n");

        let sender = send_in_background(&peer, lines(1000, 4 << 20));
        let (reason, _) = server.next_closed();
        sender.join().unwrap();

        assert!(matches!(reason, CloseReason::Forced(CloseCause::WriteTimeout)), "{io} {policy}: {reason}");
        assert_eq!(round_trip(&mut idle, b"still here\n"), b"still here\n", "{io} {policy}");
    }
}

#[test]
fn a_peer_that_stops_reading_is_below_the_minimum_rate() {
    for (io, policy) in every_io_and_policy(64 << 10) {
        let min_rate = Some(MinRate { bytes_per_second: 1000, period: Duration::from_millis(50) });
        let server = TestServer::start(Config { io, policy, min_rate, ..Config::default() });
        let (mut idle, peer) = (server.peer(), server.peer());
        round_trip(&mut idle, b"hello\n");

        let sender = send_in_background(&peer, lines(1000, 4 << 20));
        let (reason, _) = server.next_closed();
        sender.join().unwrap();

        assert!(matches!(reason, CloseReason::Forced(CloseCause::MinRate)), "{io} {policy}: {reason}");
        assert_eq!(reason.name(), "min_rate");
        assert_eq!(round_trip(&mut idle, b"still here\n"), b"still here\n", "{io} {policy}");
    }
}

#[test]
fn a_slow_reader_survives_the_limits_of_output() {
    // A policy that drops frames may leave too few to read slowly.
    for (io, policy) in every_io_and_policy(64 << 10).filter(is_lossless) {
        // Only a hung reader is so slow. Which limits suit which reader is tested beside the code, without a clock.
        let min_rate = Some(MinRate { bytes_per_second: 1, period: Duration::from_secs(3600) });
        let write_timeout = Some(Duration::from_secs(3600));
        let server = TestServer::start(Config { io, policy, min_rate, write_timeout, ..Config::default() });
        let mut peer = server.peer();
        let sender = send_in_background(&peer, lines(1000, 1 << 20));

        let mut received = 0;
        while received < 300_000 {
            received += peer.read(&mut [0; 1000]).unwrap();
        }
        finish(&mut peer, sender);

        let (reason, _) = server.next_closed();
        assert!(matches!(reason, CloseReason::Eof), "{io} {policy}: {reason}");
    }
}

#[test]
fn a_silent_peer_exceeds_the_idle_timeout() {
    for io in ios() {
        let idle_timeout = Some(Duration::from_millis(50));
        let server = TestServer::start(Config { io, idle_timeout, ..Config::default() });
        let mut peer = server.peer();

        wait_for_the_end(&mut peer);
        let (reason, _) = server.next_closed();
        assert!(matches!(reason, CloseReason::Forced(CloseCause::IdleTimeout)), "{io}: {reason}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_byte_sent_as_urgent_comes_back_in_its_place() {
    let await_only = ios().map(|io| (io, Policy::Await));
    for (io, policy) in await_only.chain([(Io::Tasks, Policy::Bounded { limit: 1000 })]) {
        let server = TestServer::start(Config { io, policy, ..Config::default() });
        let mut peer = server.peer();
        // Repeated, since the case requires that everything arrives before the server reads.
        for _ in 0..50 {
            peer.write_all(b"one\ntw").unwrap();
            socket2::SockRef::from(&peer).send_out_of_band(b"o").unwrap();
            peer.write_all(b"\nthree\n").unwrap();

            let mut got = [0; 14];
            peer.read_exact(&mut got).unwrap();
            assert_eq!(&got, b"one\ntwo\nthree\n", "{io} {policy}");
        }
    }
}

#[test]
fn a_runtime_refuses_no_workers_and_too_many() {
    for workers in [0, Config::MOST_WORKERS + 1, usize::MAX] {
        let error = runtime(Some(workers)).err().map(|error| error.to_string());
        assert!(error.is_some_and(|error| error.contains("number of workers")), "{workers}");
    }
}

#[test]
fn the_error_for_a_port_in_use_names_the_address() {
    let server = TestServer::with(Policy::Await);

    let config = Config { addr: server.addr, ..Config::default() };
    let error = Server::bind(config).expect_err("the port is in use");

    assert!(matches!(error, Error::AddressInUse { addr } if addr == server.addr), "{error}");
    assert!(error.to_string().contains(&server.addr.to_string()), "{error}");
}
