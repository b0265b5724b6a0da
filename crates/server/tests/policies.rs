//! Each policy keeps its promise to a peer that sends and does not read: what is held, what is lost, who waits.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::io::{BufRead, BufReader, Write};
use std::net::Shutdown;
use std::time::Duration;

use echoctl_server::{CloseReason, Policy, Stats};
use support::*;

/// A peer sends `lines` and reads nothing until `stalled` says so; then it reads. Returns the most that was held.
fn peak_of_a_late_reader(policy: Policy, lines: &[u8], stalled: impl Fn(&Stats) -> bool) -> u64 {
    let server = TestServer::with(policy);
    let mut peer = server.peer();

    let sender = send_in_background(&peer, lines.to_vec());
    server.wait_for("the server holds what it may", stalled);
    let half_closer = std::thread::spawn(move || sender.join().unwrap().shutdown(Shutdown::Write));
    let got = read_to_end(&mut peer);

    half_closer.join().unwrap().unwrap();
    assert!(got == lines, "{} bytes came back of {}", got.len(), lines.len());
    server.peak()
}

#[test]
fn await_holds_one_read_and_loses_nothing() {
    let peak = peak_of_a_late_reader(Policy::Await, &lines(1000, 8 << 20), |stats| stats.buffered > 0);

    assert!(peak <= READ, "{peak} bytes held");
}

#[test]
fn off_holds_all_that_is_sent() {
    let sent = lines(1000, 8 << 20);
    let all = sent.len() as u64;

    let peak = peak_of_a_late_reader(Policy::Off, &sent, |stats| stats.totals.received == all);

    assert!(peak > all / 2, "{peak} bytes held of {all}");
}

#[test]
fn bounded_holds_its_limit_and_one_read_and_loses_nothing() {
    let limit = 256 << 10;

    let peak = peak_of_a_late_reader(Policy::Bounded { limit }, &lines(1000, 8 << 20), |stats| {
        stats.buffered >= limit as u64
    });

    assert!(peak <= limit as u64 + READ + SEGMENTS, "{peak} bytes held");
}

#[test]
fn watermark_holds_its_limit_and_one_read_and_loses_nothing() {
    let (limit, resume_at) = (256 << 10, 16 << 10);

    let peak =
        peak_of_a_late_reader(Policy::Watermark { limit, resume_at }, &lines(1000, 8 << 20), |stats| {
            stats.buffered >= limit as u64
        });

    assert!(peak <= limit as u64 + READ + SEGMENTS, "{peak} bytes held");
}

#[test]
fn a_frame_longer_than_the_limit_passes() {
    for policy in [
        Policy::Bounded { limit: 1000 },
        Policy::Watermark { limit: 1000, resume_at: 0 },
        Policy::Drop { limit: 1000 },
        Policy::Disconnect { limit: 1000, grace: Duration::ZERO },
        Policy::Budget { limit: 1000 },
    ] {
        let server = TestServer::with(policy);
        let frame = lines(900_000, 900_000);

        let got = echo_all(&mut server.peer(), &frame);

        assert!(got == frame, "{policy}: {} bytes came back of {}", got.len(), frame.len());
    }
}

#[test]
fn drop_never_stops_the_peer_and_drops_whole_frames_which_it_counts() {
    let server = TestServer::with(Policy::Drop { limit: 64 << 10 });
    let (mut peer, sent) = (server.peer(), lines(1000, 8 << 20));
    let count = sent.len() as u64 / 1000;

    // The write returns although nothing is read: the server takes everything.
    peer.write_all(&sent).unwrap();
    server.wait_for("everything is taken", |stats| stats.totals.received == sent.len() as u64);
    peer.shutdown(Shutdown::Write).unwrap();
    let got: Vec<Vec<u8>> = BufReader::new(&peer).split(b'\n').map(Result::unwrap).collect();

    assert!(server.peak() <= (64 << 10) + READ + SEGMENTS, "{} bytes held", server.peak());
    let mut originals = sent.split(|&byte| byte == b'\n');
    assert!(got.iter().all(|line| originals.any(|original| original == line)), "whole frames, in order");
    let (reason, totals) = server.next_closed();
    assert!(matches!(reason, CloseReason::Eof), "{reason}");
    assert!(totals.dropped_frames > 0);
    assert_eq!(totals.dropped_frames + got.len() as u64, count);
}

#[test]
fn disconnect_ends_a_peer_over_its_limit_and_serves_the_others() {
    let limit = 256 << 10;
    let server = TestServer::with(Policy::Disconnect { limit, grace: Duration::ZERO });
    let (mut peer, mut other) = (server.peer(), server.peer());

    let sender = send_in_background(&peer, lines(1000, 64 << 20));
    let (reason, totals) = server.next_closed();
    sender.join().unwrap();

    assert!(matches!(reason, CloseReason::QueueOverLimit { queued, .. } if queued > limit), "{reason}");
    assert!(reason.to_string().contains("limit of 256 KiB"), "{reason}");
    assert!(totals.received < 64 << 20, "it was ended on the way");
    wait_for_the_end(&mut peer);
    assert!(server.peak() <= limit as u64 + READ + SEGMENTS, "{} bytes held", server.peak());
    assert_eq!(round_trip(&mut other, b"still here\n"), b"still here\n");
}

#[test]
fn disconnect_bears_a_peer_that_catches_up_within_the_grace() {
    let sent = lines(1000, 8 << 20);
    let policy = Policy::Disconnect { limit: 64 << 10, grace: Duration::from_secs(3600) };

    let peak = peak_of_a_late_reader(policy, &sent, |stats| stats.buffered > 64 << 10);

    assert!(peak <= (64 << 10) + READ + SEGMENTS, "it is not read during the grace: {peak} bytes held");
}

#[test]
fn budget_is_shared_by_all_and_nobody_goes_without() {
    let (limit, peers) = (256 << 10, 8);
    let server = TestServer::with(Policy::Budget { limit });
    let sent = lines(1000, 1 << 20);
    let stalled: Vec<_> = (0..peers).map(|_| server.peer()).collect();

    let senders: Vec<_> = stalled.iter().map(|peer| send_in_background(peer, sent.clone())).collect();
    server.wait_for("the budget is used up", |stats| stats.buffered >= limit as u64);
    assert_eq!(round_trip(&mut server.peer(), b"a word between\n"), b"a word between\n");
    let readers: Vec<_> = stalled
        .into_iter()
        .map(|mut peer| {
            let length = sent.len();
            std::thread::spawn(move || {
                let mut got = vec![0; length];
                std::io::Read::read_exact(&mut peer, &mut got).map(|()| got)
            })
        })
        .collect();

    for (sender, reader) in senders.into_iter().zip(readers) {
        sender.join().unwrap();
        assert!(reader.join().unwrap().unwrap() == sent);
    }
    let bound = limit as u64 + (peers as u64) * (READ + SEGMENTS);
    assert!(server.peak() <= bound, "{} bytes held, {bound} allowed", server.peak());
}

#[cfg(target_os = "linux")]
#[test]
fn kernel_memory_is_that_of_the_servers_own_connections_alone() {
    let (busy, idle) = (TestServer::with(Policy::Await), TestServer::with(Policy::Await));
    let peer = busy.peer();

    let sender = send_in_background(&peer, lines(1000, 64 << 20));
    busy.wait_for_a_stall();

    busy.wait_for("what waits for the peer is counted", |stats| {
        stats.kernel_memory > Some(KERNEL_BUFFER as u64)
    });
    idle.wait_for("a server without connections has none", |stats| stats.kernel_memory == Some(0));
    peer.shutdown(Shutdown::Both).unwrap();
    sender.join().unwrap();
}
