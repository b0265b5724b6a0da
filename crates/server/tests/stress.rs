//! Promise: hundreds of peers that send, stall, half-close, reset in the middle of a frame and break the rules, in an order drawn from
//! a seed, get the right bytes back from every policy and I/O model. Memory stays bounded, and no descriptor or thread leaks.
//!
//! A failure prints its seed; `STRESS_SEED=n cargo test -p echoctl-server --test stress` repeats it.

#![cfg(test)]

mod support;

use std::io::{ErrorKind, Write};
use std::net::TcpStream;
use std::thread;
use std::time::Duration;

use echoctl_server::{Config, Io, Policy};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use support::*;

/// What a peer does.
#[derive(Debug, Clone, Copy)]
enum Behaviour {
    /// Sends and reads at the same time, then half-closes and reads the rest.
    Polite,
    /// Sends until nothing more is accepted, and only then reads; then as above.
    Late,
    /// Sends until nothing more is accepted, and disconnects without having read a byte.
    Stalled,
    /// Sends part of a frame and resets the connection.
    Broken,
    /// Sends a frame longer than the maximum.
    Faulty,
    /// Sends nothing and disconnects.
    Silent,
}

#[test]
fn whatever_peers_do_replies_are_right_and_nothing_leaks() {
    let seed = std::env::var("STRESS_SEED").ok().map_or(7, |seed| seed.parse().expect("a number"));
    let threads = entries("task");
    // Opens what a process opens only once and never closes (the runtime's pipe for signals).
    TestServer::with(Policy::Await).end();
    // The kernel counts a thread for a moment after it was joined.
    eventually("the threads of the first server have exited", || entries("task") <= threads);
    let descriptors = entries("fd");
    for (number, (io, policy)) in every_io_and_policy(LIMIT).enumerate() {
        let what = format!("STRESS_SEED={seed}, {policy} with {io}");

        attack(io, policy, StdRng::seed_from_u64(seed + number as u64), &what);

        eventually(&format!("{what}: descriptors and threads are released"), || {
            entries("fd") <= descriptors && entries("task") <= threads
        });
    }
}

fn attack(io: Io, policy: Policy, mut random: StdRng, what: &str) {
    let server = TestServer::start(Config { io, policy, max_frame: MAX_FRAME, ..Config::default() });
    let peers: Vec<_> = (0..PEERS)
        .map(|_| {
            let behaviour = BEHAVIOURS[random.random_range(0..BEHAVIOURS.len())];
            let bytes = random_lines(&mut random);
            let length = random.random_range(1..60);
            let socket = server.peer();
            let is_lossy = !is_lossless(&(io, policy));
            let name = format!("{what}, a {behaviour:?} peer");
            thread::spawn(move || behave(behaviour, socket, &bytes, length, is_lossy, &name))
        })
        .collect();

    peers.into_iter().for_each(|peer| peer.join().unwrap());

    server.wait_for("all are closed", |stats| stats.connections == 0 && stats.accepted == PEERS as u64);
    let peak = server.peak();
    let bound = bound(policy);
    assert!(peak <= bound, "{what}: {peak} bytes buffered, {bound} allowed");
    let stats = server.end();
    assert_eq!((stats.connections, stats.buffered), (0, 0), "{what}");
}

fn behave(
    behaviour: Behaviour,
    mut peer: TcpStream,
    bytes: &[u8],
    length: usize,
    is_lossy: bool,
    name: &str,
) {
    match behaviour {
        Behaviour::Polite => check(&echo_all(&mut peer, bytes), bytes, is_lossy, name),
        Behaviour::Late => {
            let accepted = send_until_stuck(&peer, bytes);
            let rest = send_in_background(&peer, bytes[accepted..].to_vec());
            check(&finish(&mut peer, rest), bytes, is_lossy, name);
        }
        Behaviour::Stalled => {
            send_until_stuck(&peer, bytes);
        }
        Behaviour::Broken => {
            peer.write_all(&bytes[..length]).unwrap();
            socket2::SockRef::from(&peer).set_linger(Some(Duration::ZERO)).unwrap();
        }
        Behaviour::Faulty => {
            // The server may have closed the connection before it has read everything.
            let _ = peer.write_all(&[b'x'; 2 * MAX_FRAME]);
            wait_for_the_end(&mut peer);
        }
        Behaviour::Silent => {}
    }
}

/// Checks that what came back is what was sent, or, where frames may be dropped, some of its lines in order.
fn check(got: &[u8], sent: &[u8], is_lossy: bool, name: &str) {
    if !is_lossy {
        assert!(got == sent, "{name}: {} bytes came back of {}", got.len(), sent.len());
        return;
    }
    let mut originals = sent.split_inclusive(|&byte| byte == b'\n');
    for line in got.split_inclusive(|&byte| byte == b'\n') {
        assert!(originals.any(|original| original == line), "{name}: a line came back that was not sent");
    }
}

/// Writes until everything is sent or nothing more is accepted for a moment. Returns how much was accepted.
fn send_until_stuck(mut peer: &TcpStream, bytes: &[u8]) -> usize {
    peer.set_write_timeout(Some(Duration::from_millis(30))).unwrap();
    let mut accepted = 0;
    while accepted < bytes.len() {
        match peer.write(&bytes[accepted..]) {
            Ok(count) => accepted += count,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => break,
            Err(error) => panic!("the server closed a stalled connection: {error}"),
        }
    }
    peer.set_write_timeout(None).unwrap();
    accepted
}

/// Numbered lines of random length, some longer than a read.
fn random_lines(random: &mut StdRng) -> Vec<u8> {
    let total = random.random_range(1000..600_000);
    let mut bytes = Vec::with_capacity(total + MAX_FRAME);
    while bytes.len() < total {
        let longest = if random.random_ratio(1, 20) { MAX_FRAME } else { 2000 };
        let length = random.random_range(60..longest);
        let start = bytes.len();
        write!(bytes, "{start} ").unwrap();
        bytes.resize(start + length, random.random_range(b'a'..=b'z'));
        bytes.push(b'\n');
    }
    bytes
}

/// Maximum number of bytes that all peers together may make the server buffer.
fn bound(policy: Policy) -> u64 {
    let peers = PEERS as u64;
    // One read may end in the middle of the longest frame, which may be in a buffer of twice its size.
    let one_read = READ + 2 * (MAX_FRAME as u64);
    match policy {
        Policy::Await => peers * one_read,
        // It has no limit, which is the bug.
        Policy::Off => u64::MAX,
        Policy::Budget { limit } => limit as u64 + peers * (one_read + SEGMENTS),
        _ => peers * (LIMIT as u64 + one_read + SEGMENTS),
    }
}

/// Entries of a directory of this process in /proc, where there is one.
fn entries(directory: &str) -> Option<usize> {
    Some(std::fs::read_dir(format!("/proc/self/{directory}")).ok()?.count())
}

const BEHAVIOURS: [Behaviour; 6] = [
    Behaviour::Polite,
    Behaviour::Late,
    Behaviour::Stalled,
    Behaviour::Broken,
    Behaviour::Faulty,
    Behaviour::Silent,
];

const PEERS: usize = 200;
const LIMIT: usize = 32 * 1024;
const MAX_FRAME: usize = 100_000;
