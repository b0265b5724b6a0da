//! Promise: on shutdown, what has arrived is answered, peers may read their pending replies, and no peer can delay the exit.

#![cfg(test)]

mod support;

use std::time::Duration;

use echoctl_server::{CloseCause, CloseReason, Config, Io, Policy};
use support::*;

#[test]
fn pending_replies_are_delivered_during_shutdown() {
    let sent = lines(1000, 4 << 20);
    let mut server = TestServer::with(Policy::Off);
    let mut peer = server.peer();
    let sender = send_in_background(&peer, sent.clone());
    server.wait_for("everything is read", |stats| stats.totals.received == sent.len() as u64);

    server.request_shutdown();
    let got = read_to_end(&mut peer);

    sender.join().unwrap();
    assert!(got == sent, "{} bytes came back of {}", got.len(), sent.len());
    let totals = server.end();
    assert_eq!((totals.accepted, totals.connections), (1, 0));
    assert_eq!(totals.totals.sent, sent.len() as u64);
}

#[test]
fn idle_peers_are_closed_immediately() {
    for io in ios() {
        let mut server = TestServer::start(Config { io, drain: FOREVER, ..Config::default() });
        let mut peers: Vec<_> = (0..20).map(|_| server.peer()).collect();
        for peer in &mut peers {
            round_trip(peer, b"hello\n");
        }

        server.request_shutdown();

        for peer in &mut peers {
            wait_for_the_end(peer);
        }
        assert_eq!(server.end().connections, 0, "{io}");
    }
}

#[test]
fn a_peer_that_never_reads_does_not_delay_shutdown() {
    let await_only = ios().map(|io| (io, Policy::Await));
    for (io, policy) in await_only.chain([(Io::Tasks, Policy::Bounded { limit: 100_000 })]) {
        let drain = Duration::from_millis(20);
        let mut server = TestServer::start(Config { io, policy, drain, ..Config::default() });
        let mut peer = server.peer();
        let sender = send_in_background(&peer, lines(1000, 4 << 20));
        server.wait_for_a_stall();

        server.request_shutdown();
        let (reason, _) = server.next_closed();

        sender.join().unwrap();
        assert!(matches!(reason, CloseReason::Forced(CloseCause::Shutdown)), "{io} {policy}: {reason}");
        wait_for_the_end(&mut peer);
        assert_eq!(server.end().connections, 0, "{io} {policy}");
    }
}

const FOREVER: Duration = Duration::from_secs(3600);
