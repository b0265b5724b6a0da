//! Promise: a control shows every connection and resets one, pauses reading, and changes the write timeout and the memory limit of a
//! server that runs, with every I/O model.

#![cfg(test)]

mod support;

use std::io::Write;
use std::net::TcpStream;
use std::time::Duration;

use echoctl_proto::Framing;
use echoctl_server::{
    CloseCause, CloseReason, Config, ConnectionState, Control, Error, Io, Policy, Server, Setting, Totals,
};
use support::*;

#[test]
fn the_first_frame_names_a_connection() {
    for (framing, first, second) in [
        (Framing::Lines, &b"name ada\r\n"[..], &b"name bob\n"[..]),
        (Framing::U32, b"\0\0\0\x08name ada", b"\0\0\0\x08name bob"),
        (Framing::Raw, b"name ada\n", b"name bob\n"),
    ] {
        for (io, names) in ios().flat_map(|io| [(io, true), (io, false)]) {
            let server = TestServer::start(Config { framing, io, names, ..Config::default() });
            let (mut peer, mut other) = (server.peer(), server.peer());

            assert_eq!(round_trip(&mut peer, first), first, "it is echoed");
            round_trip(&mut peer, second);
            round_trip(&mut other, b"\0\0\0\x02\n\n");
            round_trip(&mut other, first);

            let name = |peer| state_of(&server.control, peer).unwrap().name;
            assert_eq!(name(&peer).as_deref(), names.then_some("ada"), "{framing}, {io}");
            assert_eq!(name(&other), None, "{framing}, {io}: its first frame was another");
        }
    }
}

#[test]
fn a_name_may_arrive_in_parts() {
    let server = TestServer::start(Config { names: true, ..Config::default() });
    let mut peer = server.peer();

    for (count, byte) in (1..).zip(b"name ada") {
        peer.write_all(&[*byte]).unwrap();
        server.wait_for("it is read", |stats| stats.totals.received == count);
        assert_eq!(state_of(&server.control, &peer).unwrap().name, None);
    }
    peer.write_all(b"\n").unwrap();

    assert_eq!(read_exactly(&mut peer, 9), b"name ada\n");
    assert_eq!(state_of(&server.control, &peer).unwrap().name.as_deref(), Some("ada"));
}

#[test]
fn connections_are_shown_as_they_are() {
    let server = TestServer::with(Policy::Off);
    let (mut idle, mut stalled) = (server.peer(), server.peer());
    let sent = lines(1000, 1 << 20);
    round_trip(&mut idle, b"hello\n");
    stalled.write_all(&sent).unwrap();
    server.wait_for("all is read", |stats| stats.totals.received == 6 + sent.len() as u64);
    server.wait_for_a_stall();

    let shown = state_of(&server.control, &stalled).unwrap();
    assert_eq!(shown.totals.received, sent.len() as u64);
    let rest = sent.len() - shown.totals.sent as usize;
    assert!(shown.has_pending_output && shown.buffered >= rest, "{shown:?}");
    let shown = state_of(&server.control, &idle).unwrap();
    let totals = Totals { received: 6, sent: 6, dropped_frames: 0 };
    let expected = ConnectionState { totals, name: None, buffered: 0, has_pending_output: false, ..shown };
    assert_eq!(shown, expected);
    assert_eq!(server.control.connections().len(), 2);
}

#[test]
fn only_the_connection_that_was_named_is_reset() {
    for io in ios() {
        let server = TestServer::start(Config { io, ..Config::default() });
        let (mut peer, mut other) = (server.peer(), server.peer());
        round_trip(&mut peer, b"hello\n");
        round_trip(&mut other, b"hello\n");
        let addr = peer.local_addr().unwrap();

        assert!(server.control.disconnect(addr), "{io}");

        let (reason, _) = server.next_closed();
        assert!(matches!(reason, CloseReason::Forced(CloseCause::Operator)), "{io}: {reason}");
        wait_for_the_end(&mut peer);
        assert!(!server.control.disconnect(addr), "{io}: it is gone");
        assert_eq!(round_trip(&mut other, b"still here\n"), b"still here\n", "{io}");
    }
}

#[test]
fn nothing_is_read_in_a_pause_and_all_of_it_after() {
    for (io, policy) in every_io_and_policy(1000).filter(is_lossless) {
        let what = format!("{policy} with {io}");
        let server = TestServer::start(Config { io, policy, ..Config::default() });
        let (mut peer, mut idle) = (server.peer(), server.peer());
        round_trip(&mut peer, b"hello\n");
        round_trip(&mut idle, b"hello\n");

        server.control.set_paused(true);
        let sent = lines(1000, 200_000);
        let sender = send_in_background(&peer, sent.clone());
        server.wait_for_a_quiet_time();
        let received = server.control.stats().totals.received;
        assert_eq!((server.control.is_paused(), received), (true, 12), "{what}");
        server.control.set_paused(false);

        assert!(finish(&mut peer, sender) == sent, "{what}");
        assert_eq!(round_trip(&mut idle, b"hello\n"), b"hello\n", "{what}");
    }
}

#[test]
fn pending_replies_are_written_in_a_pause() {
    let server = TestServer::with(Policy::Off);
    let (mut peer, sent) = (server.peer(), lines(1000, 1 << 20));
    peer.write_all(&sent).unwrap();
    server.wait_for("all is read", |stats| stats.totals.received == sent.len() as u64);

    server.control.set_paused(true);
    peer.write_all(b"more\n").unwrap();

    assert!(read_exactly(&mut peer, sent.len()) == sent);
    server.control.set_paused(false);
    assert_eq!(read_exactly(&mut peer, 5), b"more\n");
}

#[test]
fn a_connection_is_reset_in_a_pause() {
    for io in ios() {
        let server = TestServer::start(Config { io, ..Config::default() });
        let mut peer = server.peer();
        round_trip(&mut peer, b"hello\n");
        server.control.set_paused(true);
        peer.write_all(b"more\n").unwrap();
        server.wait_for_a_quiet_time();

        assert!(server.control.disconnect(peer.local_addr().unwrap()));

        let (reason, totals) = server.next_closed();
        assert!(matches!(reason, CloseReason::Forced(CloseCause::Operator)), "{io}: {reason}");
        assert_eq!(totals.received, 6, "{io}: nothing was read");
        wait_for_the_end(&mut peer);
    }
}

#[test]
fn a_shutdown_ends_a_pause_and_answers_what_has_arrived() {
    for io in ios() {
        let config = Config { io, drain: Duration::from_secs(3600), ..Config::default() };
        let mut server = TestServer::start(config);
        let mut peer = server.peer();
        round_trip(&mut peer, b"hello\n");
        server.control.set_paused(true);
        peer.write_all(b"more\n").unwrap();
        server.wait_for_a_quiet_time();

        server.request_shutdown();

        assert_eq!(read_to_end(&mut peer), b"more\n", "{io}");
        server.control.set_paused(true);
        assert!(!server.control.is_paused(), "{io}: too late");
        assert_eq!(server.end().totals.sent, 11, "{io}");
    }
}

#[test]
fn a_pause_is_not_idle_time() {
    let idle_timeout = Some(Duration::from_millis(400));
    let server = TestServer::start(Config { idle_timeout, ..Config::default() });
    let mut peer = server.peer();

    server.control.set_paused(true);
    peer.write_all(b"hello\n").unwrap();
    let start = server.control.stats().uptime;
    server.wait_for("it is longer than the timeout", |stats| stats.uptime > start + Duration::from_secs(1));
    server.control.set_paused(false);

    assert_eq!(read_exactly(&mut peer, 6), b"hello\n");
    let (reason, _) = server.next_closed();
    assert!(matches!(reason, CloseReason::Forced(CloseCause::IdleTimeout)), "{reason}");
}

#[test]
fn a_write_timeout_applies_from_now_on() {
    for (io, policy) in every_io_and_policy(1000).filter(|(_, policy)| *policy != Policy::Off) {
        let what = format!("{policy} with {io}");
        let server = TestServer::start(Config { io, policy, ..Config::default() });
        let mut stalled = server.peer();
        let sender = send_in_background(&stalled, lines(1000, 4 << 20));
        server.wait_for("the server waits for the peer", |stats| stats.totals.sent > 0 && stats.buffered > 0);

        server.control.set_write_timeout(Some(Duration::from_millis(100))).unwrap();

        let (reason, _) = server.next_closed();
        assert!(matches!(reason, CloseReason::Forced(CloseCause::WriteTimeout)), "{what}: {reason}");
        wait_for_the_end(&mut stalled);
        sender.join().unwrap();
    }
}

#[test]
fn a_write_timeout_can_be_taken_back() {
    let short = Some(Duration::from_secs(5));
    let server = TestServer::start(Config { write_timeout: short, ..Config::default() });
    let (mut peer, sent) = (server.peer(), lines(1000, 4 << 20));
    let sender = send_in_background(&peer, sent.clone());
    server.wait_for_a_stall();

    server.control.set_write_timeout(None).unwrap();
    let start = server.control.stats().uptime;
    server.wait_for("it is longer than the timeout", |stats| stats.uptime > start + Duration::from_secs(6));

    assert_eq!(server.control.write_timeout(), None);
    assert!(finish(&mut peer, sender) == sent);
}

#[test]
fn a_lower_memory_limit_resets_the_largest() {
    let server = TestServer::with(Policy::Off);
    let (mut large, mut small) = (server.peer(), server.peer());
    large.write_all(&lines(1000, 4 << 20)).unwrap();
    let sent = lines(1000, 1 << 20);
    small.write_all(&sent).unwrap();
    server.wait_for("all is read", |stats| stats.totals.received >= 4_900_000);
    server.wait_for_a_stall();

    server.control.set_memory_limit(2 << 20).unwrap();

    let (reason, _) = server.next_closed();
    assert!(matches!(reason, CloseReason::Forced(CloseCause::MemoryLimit)), "{reason}");
    wait_for_the_end(&mut large);
    assert_eq!(server.control.memory_limit(), 2 << 20);
    assert!(read_exactly(&mut small, sent.len()) == sent);
    // And it limits what comes after.
    let sender = send_in_background(&small, lines(1000, 64 << 20));
    assert!(matches!(server.next_closed().0, CloseReason::Forced(CloseCause::MemoryLimit)));
    wait_for_the_end(&mut small);
    sender.join().unwrap();
}

#[test]
fn a_higher_memory_limit_lets_more_be_buffered() {
    let limit = 1 << 20;
    let server = TestServer::start(Config { policy: Policy::Off, memory_limit: limit, ..Config::default() });
    server.control.set_memory_limit(64 << 20).unwrap();
    let (mut peer, sent) = (server.peer(), lines(1000, 8 << 20));

    peer.write_all(&sent).unwrap();
    server.wait_for("all is read", |stats| stats.totals.received == sent.len() as u64);

    assert!(server.peak() > 4 * limit, "{} bytes buffered", server.peak());
    assert!(read_exactly(&mut peer, sent.len()) == sent);
}

#[test]
fn invalid_changes_are_refused_and_change_nothing() {
    let refused = |config: Config, change: fn(&Control) -> Result<(), Error>, setting| {
        let server = Server::bind(Config { addr: "127.0.0.1:0".parse().unwrap(), ..config }).unwrap();
        let control = server.control();
        let settings =
            |control: &Control| (control.policy(), control.write_timeout(), control.memory_limit());
        let before = settings(&control);

        let error = change(&control).unwrap_err();

        assert!(matches!(&error, Error::Config(error) if error.setting == setting), "{error}");
        assert_eq!(settings(&control), before);
    };
    let config = Config::default;
    let drop_frames = |control: &Control| control.set_policy(Policy::Drop { limit: 1000 });

    refused(Config { framing: Framing::Raw, ..config() }, drop_frames, Setting::Framing);
    for io in ios().filter(|&io| io != Io::Tasks) {
        refused(Config { io, ..config() }, drop_frames, Setting::Io);
    }
    refused(config(), |control| control.set_policy(Policy::Bounded { limit: 0 }), Setting::QueueLimit);
    refused(config(), |control| control.set_memory_limit(0), Setting::MemoryLimit);
    refused(config(), |control| control.set_write_timeout(Some(Duration::ZERO)), Setting::WriteTimeout);
}

#[test]
fn a_control_works_before_the_server_serves_and_after() {
    let server = Server::bind(Config { addr: "127.0.0.1:0".parse().unwrap(), ..Config::default() }).unwrap();
    let control = server.control();
    control.set_policy(Policy::Off).unwrap();
    control.set_memory_limit(1 << 20).unwrap();
    assert_eq!((control.connections(), control.stats().accepted), (Vec::new(), 0));

    let serving = async {
        let served = server.serve(|_| (), async { assert_eq!(control.stats().connections, 0) });
        served.await.unwrap()
    };
    echoctl_server::runtime(Some(1)).unwrap().block_on(serving);

    control.set_policy(Policy::Await).unwrap();
    control.set_paused(true);
    assert_eq!((control.policy(), control.memory_limit()), (Policy::Await, 1 << 20));
    assert!(control.connections().is_empty() && !control.disconnect("127.0.0.1:1".parse().unwrap()));
}

/// What the server shows of a peer.
fn state_of(control: &Control, peer: &TcpStream) -> Option<ConnectionState> {
    let addr = peer.local_addr().unwrap();
    control.connections().into_iter().find(|connection| connection.peer == addr)
}

fn read_exactly(peer: &mut TcpStream, count: usize) -> Vec<u8> {
    let mut got = vec![0; count];
    std::io::Read::read_exact(peer, &mut got).unwrap();
    got
}
