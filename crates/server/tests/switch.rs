//! Promise: the policy changes while peers are connected, from each of the seven to each of the seven, whatever a peer is doing. It
//! takes effect at once, and nothing is lost, repeated or reordered, except for what `drop` and `disconnect` are for.

#![cfg(test)]

mod support;

use std::io::Write;
use std::net::{Shutdown, TcpStream};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use echoctl_proto::Framing;
use echoctl_server::{CloseReason, Config, ConnectionState, Policy};
use support::*;

/// All policies, with a limit that a stalled peer reaches.
fn policies() -> [Policy; 7] {
    [
        Policy::Await,
        Policy::Off,
        Policy::Bounded { limit: LIMIT },
        Policy::Watermark { limit: LIMIT, resume_at: LIMIT / 4 },
        Policy::Drop { limit: LIMIT },
        Policy::Disconnect { limit: LIMIT, grace: Duration::from_secs(3600) },
        Policy::Budget { limit: LIMIT },
    ]
}

/// What a peer is doing when the policy changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// It sends without reading.
    Stalled,
    /// It has sent everything and half-closed, without reading.
    HalfClosed,
    /// It has sent these bytes of a frame, and has read all replies.
    MidFrame(usize),
    /// Everything that it has sent has come back.
    Idle,
}

/// A peer in a state.
struct Peer {
    state: State,
    socket: TcpStream,
    frames: Vec<Vec<u8>>,
    /// What came back before the change.
    got: Vec<u8>,
    /// What it sends after the change.
    rest: Vec<u8>,
    sender: JoinHandle<TcpStream>,
}

impl Peer {
    fn new(server: &TestServer, framing: Framing, state: State) -> Peer {
        let (mut socket, mut got, mut rest) = (server.peer(), Vec::new(), Vec::new());
        let frames = frames(framing, if state == State::Stalled { 1 << 20 } else { 200_000 });
        let all = frames.concat();
        let sender = match state {
            State::Stalled => send_in_background(&socket, all),
            State::HalfClosed => {
                let sender = send_in_background(&socket, all);
                thread::spawn(move || {
                    let socket = sender.join().unwrap();
                    let _ = socket.shutdown(Shutdown::Write);
                    socket
                })
            }
            State::MidFrame(_) | State::Idle => {
                got = round_trip(&mut socket, &frames[0]);
                let part = if let State::MidFrame(part) = state { part } else { 0 };
                socket.write_all(&frames[1][..part]).unwrap();
                rest = all[frames[0].len() + part..].to_vec();
                send_in_background(&socket, Vec::new())
            }
        };
        Peer { state, socket, frames, got, rest, sender }
    }

    /// Sends what is left, reads what comes back, and compares.
    fn finish(mut self, what: &str, is_lossy: bool) {
        let what = format!("{what}, {:?}", self.state);
        let (sender, rest) = (self.sender, self.rest);
        let closer = thread::spawn(move || {
            let mut socket = sender.join().unwrap();
            socket.write_all(&rest).unwrap();
            // A peer that has half-closed may have read everything by now, and then it is not connected any more.
            let _ = socket.shutdown(Shutdown::Write);
        });
        self.got.extend(read_to_end(&mut self.socket));
        closer.join().unwrap();
        assert_came_back(&what, &self.frames, &self.got, is_lossy);
    }
}

#[test]
fn from_each_policy_to_each_in_every_state() {
    let tests = policies().map(|from| thread::spawn(move || from_one_to_each(from)));
    tests.into_iter().for_each(|test| test.join().unwrap());
}

fn from_one_to_each(from: Policy) {
    for (number, to) in policies().into_iter().enumerate() {
        let framing = [Framing::Lines, Framing::U32, Framing::U16][number % 3];
        let what = format!("{from} to {to}, {framing}");
        let server = TestServer::start(Config { framing, policy: from, ..Config::default() });
        let states =
            [State::Stalled, State::HalfClosed, State::MidFrame(1), State::MidFrame(900), State::Idle];
        let peers = states.map(|state| Peer::new(&server, framing, state));
        server.wait_for_a_stall();

        server.control.set_policy(to).unwrap();

        takes_effect(&server, to, &peers[0], &what);
        assert_eq!(server.control.policy(), to);
        let is_lossy = [from, to].iter().any(|policy| matches!(policy, Policy::Drop { .. }));
        for peer in peers {
            peer.finish(&what, is_lossy);
        }
        server.wait_for(&what, |stats| stats.connections == 0 && stats.buffered == 0);
        assert!(server.closed().iter().all(|reason| reason == "eof"), "{what}: {:?}", server.closed());
    }
}

/// Waits for what a policy does with a peer that sends 1 MiB and does not read.
fn takes_effect(server: &TestServer, policy: Policy, stalled: &Peer, what: &str) {
    let seen = || state_of(server, &stalled.socket).unwrap();
    let all = stalled.frames.concat().len() as u64;
    eventually(&format!("{what}: it takes effect"), || match policy {
        Policy::Await => Ok(()),
        Policy::Off | Policy::Drop { .. } if seen().totals.received == all => Ok(()),
        Policy::Bounded { .. } | Policy::Watermark { .. } if seen().buffered >= LIMIT => Ok(()),
        Policy::Disconnect { .. } if seen().buffered > LIMIT => Ok(()),
        Policy::Budget { .. } if server.control.stats().buffered >= LIMIT as u64 => Ok(()),
        _ => Err(seen()),
    });
}

#[test]
fn await_reads_no_more_from_a_peer_that_is_behind() {
    let server = TestServer::with(Policy::Off);
    let (mut peer, sent) = (server.peer(), lines(1000, 8 << 20));
    let half = sent.len() / 2;
    send_in_background(&peer, sent[..half].to_vec()).join().unwrap();
    server.wait_for("the first half is read", |stats| stats.totals.received == half as u64);

    server.control.set_policy(Policy::Await).unwrap();
    let sender = send_in_background(&peer, sent[half..].to_vec());
    server.wait_for_a_stall();

    assert_eq!(server.control.stats().totals.received, half as u64, "nothing more is read");
    let got = finish(&mut peer, sender);
    assert!(got == sent, "{} bytes came back of {}", got.len(), sent.len());
    server.wait_for("nothing is buffered", |stats| stats.buffered == 0);
}

#[test]
fn a_switch_to_and_fro_continues_where_it_was() {
    let server = TestServer::with(Policy::Await);
    let (mut peer, sent) = (server.peer(), lines(1000, 4 << 20));
    let sender = send_in_background(&peer, sent.clone());
    server.wait_for_a_stall();

    for round in 0..200 {
        let policy = policies().into_iter().filter(|policy| !matches!(policy, Policy::Drop { .. }));
        server.control.set_policy(policy.cycle().nth(round).unwrap()).unwrap();
    }

    let got = finish(&mut peer, sender);
    assert!(got == sent, "{} bytes came back of {}", got.len(), sent.len());
}

#[test]
fn disconnect_resets_every_peer_that_is_over_its_limit() {
    for from in policies() {
        let server = TestServer::with(from);
        let mut peer = server.peer();
        let sender = send_in_background(&peer, lines(1000, 1 << 20));
        server.wait_for_a_stall();

        server.control.set_policy(Policy::Disconnect { limit: 1000, grace: Duration::ZERO }).unwrap();

        let (reason, _) = server.next_closed();
        assert!(matches!(reason, CloseReason::QueueOverLimit { limit: 1000, .. }), "{from}: {reason}");
        wait_for_the_end(&mut peer);
        sender.join().unwrap();
        server.wait_for("nothing is buffered", |stats| stats.buffered == 0);
    }
}

#[test]
fn disconnect_resets_a_peer_that_is_silent_or_has_half_closed() {
    for half_closes in [false, true] {
        let server = TestServer::with(Policy::Off);
        let (mut peer, sent) = (server.peer(), lines(1000, 1 << 20));
        peer.write_all(&sent).unwrap();
        if half_closes {
            peer.shutdown(Shutdown::Write).unwrap();
        }
        server.wait_for("all is read", |stats| stats.totals.received == sent.len() as u64);
        server.wait_for_a_stall();

        server
            .control
            .set_policy(Policy::Disconnect { limit: 1000, grace: Duration::from_millis(1) })
            .unwrap();

        let (reason, _) = server.next_closed();
        assert!(matches!(reason, CloseReason::QueueOverLimit { .. }), "half-closed {half_closes}: {reason}");
        wait_for_the_end(&mut peer);
    }
}

#[test]
fn a_grace_time_ends_with_its_policy() {
    let grace = Policy::Disconnect { limit: LIMIT, grace: Duration::from_secs(3600) };
    for to in policies().into_iter().filter(|policy| *policy != grace) {
        let server = TestServer::with(grace);
        let (mut peer, sent) = (server.peer(), lines(1000, 1 << 20));
        let sender = send_in_background(&peer, sent.clone());
        eventually("it is over the limit", || {
            state_of(&server, &peer).is_some_and(|seen| seen.buffered > LIMIT)
        });

        server.control.set_policy(to).unwrap();

        let got = finish(&mut peer, sender);
        let frames: Vec<_> = sent.split_inclusive(|&byte| byte == b'\n').map(<[u8]>::to_vec).collect();
        assert_came_back(to.name(), &frames, &got, matches!(to, Policy::Drop { .. }));
    }
}

#[test]
fn a_frame_longer_than_the_new_limit_is_admitted() {
    for to in [
        Policy::Bounded { limit: 1000 },
        Policy::Watermark { limit: 1000, resume_at: 0 },
        Policy::Drop { limit: 1000 },
        Policy::Disconnect { limit: 1000, grace: Duration::ZERO },
        Policy::Budget { limit: 1000 },
    ] {
        let server = TestServer::with(Policy::Await);
        let (mut peer, frame) = (server.peer(), lines(900_000, 900_000));
        peer.write_all(&frame[..400_000]).unwrap();
        server.wait_for("a part is read", |stats| stats.totals.received == 400_000);

        server.control.set_policy(to).unwrap();
        let got = echo_all(&mut peer, &frame[400_000..]);

        assert!(got == frame, "{to}: {} bytes came back of {}", got.len(), frame.len());
    }
}

#[test]
fn at_the_memory_limit_the_others_are_still_served() {
    for to in policies() {
        let memory_limit = 2 << 20;
        let server = TestServer::start(Config { policy: Policy::Off, memory_limit, ..Config::default() });
        let mut modest = server.peer();
        let peers: Vec<_> = (0..8).map(|_| server.peer()).collect();
        let senders = peers.iter().map(|peer| send_in_background(peer, lines(1000, 1 << 20)));
        let senders: Vec<_> = senders.collect();
        eventually("the limit is reached", || server.closed().len() >= 2);

        server.control.set_policy(to).unwrap();

        assert_eq!(round_trip(&mut modest, b"still here\n"), b"still here\n", "{to}");
        assert!(server.peak() <= memory_limit + OVERSHOOT, "{to}: {} bytes buffered", server.peak());
        // Some have been reset.
        peers.iter().for_each(|peer| drop(peer.shutdown(Shutdown::Both)));
        senders.into_iter().for_each(|sender| drop(sender.join().unwrap()));
        drop(peers);
        server.wait_for("all is released", |stats| stats.buffered == 0 && stats.connections == 1);
    }
}

#[test]
fn a_switch_during_the_shutdown_takes_effect() {
    let config = Config { policy: Policy::Off, drain: Duration::from_secs(3600), ..Config::default() };
    let mut server = TestServer::start(config);
    let (mut reader, mut stalled) = (server.peer(), server.peer());
    let sent = lines(1000, 1 << 20);
    let senders = [&reader, &stalled].map(|peer| send_in_background(peer, sent.clone()));
    server.wait_for("all is read", |stats| stats.totals.received == 2 * sent.len() as u64);
    let control = server.control.clone();

    server.request_shutdown();
    control.set_policy(Policy::Await).unwrap();
    assert!(read_to_end(&mut reader) == sent);
    control.set_policy(Policy::Disconnect { limit: 1000, grace: Duration::ZERO }).unwrap();

    wait_for_the_end(&mut stalled);
    senders.into_iter().for_each(|sender| drop(sender.join().unwrap()));
    assert_eq!(server.end().connections, 0);
}

/// What the server shows of a peer.
fn state_of(server: &TestServer, peer: &TcpStream) -> Option<ConnectionState> {
    let addr = peer.local_addr().unwrap();
    server.control.connections().into_iter().find(|connection| connection.peer == addr)
}

/// Frames with 1,000 bytes of payload, numbered so that all differ; about `total` bytes.
fn frames(framing: Framing, total: usize) -> Vec<Vec<u8>> {
    let frame = |number| {
        let mut payload = format!("{number:08} ").into_bytes();
        payload.resize(1000, b'a' + (number % 26) as u8);
        match framing {
            Framing::U16 => [&1000_u16.to_be_bytes()[..], &payload].concat(),
            Framing::U32 => [&1000_u32.to_be_bytes()[..], &payload].concat(),
            Framing::Lines | Framing::Raw => [&payload[..], b"\n"].concat(),
        }
    };
    (0..total / 1000).map(frame).collect()
}

/// Asserts that all `frames` came back, or, if it `is_lossy`, some of them, complete and in order.
fn assert_came_back(what: &str, frames: &[Vec<u8>], got: &[u8], is_lossy: bool) {
    let rest = frames.iter().fold(got, |rest, frame| match rest.strip_prefix(&frame[..]) {
        Some(rest) => rest,
        None if is_lossy => rest,
        None => panic!("{what}: frame {:?} is missing", String::from_utf8_lossy(&frame[..12])),
    });
    assert!(rest.is_empty(), "{what}: {} bytes are left over", rest.len());
}

const LIMIT: usize = 64 << 10;
