//! Promise: each policy does what it says with a peer that sends and does not read: what is buffered, what is lost, who waits.

#![cfg(test)]

mod support;

use std::io::{BufRead, BufReader, Write};
use std::net::Shutdown;
use std::time::Duration;

use echoctl_server::{CloseReason, Policy, Stats};
use support::*;

/// A peer sends `lines` and reads nothing until `stalled` holds, then it reads. Returns the maximum number of buffered bytes.
fn peak_of_a_late_reader(policy: Policy, lines: &[u8], stalled: impl Fn(&Stats) -> bool) -> u64 {
    let server = TestServer::with(policy);
    let mut peer = server.peer();

    let sender = send_in_background(&peer, lines.to_vec());
    server.wait_for("the server buffers what it may", stalled);
    let got = finish(&mut peer, sender);

    assert!(got == lines, "{} bytes came back of {}", got.len(), lines.len());
    server.peak()
}

#[test]
fn await_buffers_one_read_and_loses_nothing() {
    let peak = peak_of_a_late_reader(Policy::Await, &lines(1000, 8 << 20), |stats| stats.buffered > 0);

    assert!(peak <= READ, "{peak} bytes buffered");
}

#[test]
fn off_buffers_all_that_is_sent() {
    let sent = lines(1000, 8 << 20);
    let all = sent.len() as u64;

    let peak = peak_of_a_late_reader(Policy::Off, &sent, |stats| stats.totals.received == all);

    assert!(peak > all / 2, "{peak} bytes buffered of {all}");
}

#[test]
fn bounded_buffers_its_limit_and_loses_nothing() {
    let limit = 256 << 10;

    let peak = peak_of_a_late_reader(Policy::Bounded { limit }, &lines(1000, 8 << 20), |stats| {
        stats.buffered >= limit as u64
    });

    assert!(peak <= limit as u64 + READ + SEGMENTS, "{peak} bytes buffered");
}

#[test]
fn watermark_buffers_its_limit_and_loses_nothing() {
    let (limit, resume_at) = (256 << 10, 16 << 10);

    let peak =
        peak_of_a_late_reader(Policy::Watermark { limit, resume_at }, &lines(1000, 8 << 20), |stats| {
            stats.buffered >= limit as u64
        });

    assert!(peak <= limit as u64 + READ + SEGMENTS, "{peak} bytes buffered");
}

#[test]
fn a_frame_longer_than_the_limit_is_admitted() {
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
fn drop_never_stops_the_peer_and_counts_dropped_frames() {
    let server = TestServer::with(Policy::Drop { limit: 64 << 10 });
    let (mut peer, sent) = (server.peer(), lines(1000, 8 << 20));
    let count = sent.len() as u64 / 1000;

    // The write returns although nothing is read, since the server reads everything.
    peer.write_all(&sent).unwrap();
    server.wait_for("everything is read", |stats| stats.totals.received == sent.len() as u64);
    peer.shutdown(Shutdown::Write).unwrap();
    let got: Vec<Vec<u8>> = BufReader::new(&peer).split(b'\n').map(Result::unwrap).collect();

    assert!(server.peak() <= (64 << 10) + READ + SEGMENTS, "{} bytes buffered", server.peak());
    let mut originals = sent.split(|&byte| byte == b'\n');
    assert!(got.iter().all(|line| originals.any(|original| original == line)), "complete frames, in order");
    let (reason, totals) = server.next_closed();
    assert!(matches!(reason, CloseReason::Eof), "{reason}");
    assert!(totals.dropped_frames > 0);
    assert_eq!(totals.dropped_frames + got.len() as u64, count);
}

#[test]
fn disconnect_resets_only_the_peer_over_its_limit() {
    let limit = 256 << 10;
    let server = TestServer::with(Policy::Disconnect { limit, grace: Duration::ZERO });
    let (mut peer, mut other) = (server.peer(), server.peer());

    let sender = send_in_background(&peer, lines(1000, 64 << 20));
    let (reason, totals) = server.next_closed();
    sender.join().unwrap();

    assert!(matches!(reason, CloseReason::QueueOverLimit { queued, .. } if queued > limit), "{reason}");
    assert!(reason.to_string().contains("limit of 256 KiB"), "{reason}");
    assert!(totals.received < 64 << 20, "it was reset before it had sent everything");
    wait_for_the_end(&mut peer);
    assert!(server.peak() <= limit as u64 + READ + SEGMENTS, "{} bytes buffered", server.peak());
    assert_eq!(round_trip(&mut other, b"still here\n"), b"still here\n");
}

#[test]
fn disconnect_tolerates_a_peer_that_catches_up_in_time() {
    let sent = lines(1000, 8 << 20);
    let policy = Policy::Disconnect { limit: 64 << 10, grace: Duration::from_secs(3600) };

    let peak = peak_of_a_late_reader(policy, &sent, |stats| stats.buffered > 64 << 10);

    assert!(
        peak <= (64 << 10) + READ + SEGMENTS,
        "nothing is read during the grace time: {peak} bytes buffered"
    );
}

#[test]
fn budget_is_shared_and_each_connection_has_its_read() {
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
    assert!(server.peak() <= bound, "{} bytes buffered, {bound} allowed", server.peak());
}

#[cfg(target_os = "linux")]
#[test]
fn kernel_memory_is_that_of_the_servers_own_sockets() {
    let (busy, idle) = (TestServer::with(Policy::Await), TestServer::with(Policy::Await));
    let peer = busy.peer();

    let sender = send_in_background(&peer, lines(1000, 64 << 20));
    busy.wait_for_a_stall();

    busy.wait_for("its send queue is counted", |stats| stats.own_kernel_memory > Some(KERNEL_BUFFER as u64));
    idle.wait_for("a server without connections has none", |stats| stats.own_kernel_memory == Some(0));
    peer.shutdown(Shutdown::Both).unwrap();
    sender.join().unwrap();
}
