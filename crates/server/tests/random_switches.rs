//! Promise: however often and whenever the policy changes and reading pauses, every byte comes back in order, except for entire frames
//! under `drop` and connections that `disconnect` resets, and all memory is released.
//!
//! A failure prints its seed; `SWITCH_SEED=n cargo test -p echoctl-server --test random_switches` repeats its choices.

#![cfg(test)]

mod support;

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use std::time::Duration;

use echoctl_proto::Framing;
use echoctl_server::{Config, Control, Policy};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use support::*;

/// Whether frames may be lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Loss {
    /// No policy drops frames or resets connections.
    None,
    /// All policies are used, with short grace times.
    Allowed,
}

#[test]
fn no_order_of_switches_loses_or_repeats_a_byte() {
    let seed = std::env::var("SWITCH_SEED").ok().map_or(17, |seed| seed.parse().expect("a number"));
    for (round, loss) in (0..ROUNDS).zip([Loss::None, Loss::Allowed].into_iter().cycle()) {
        let seed = seed + round;
        run(loss, StdRng::seed_from_u64(seed), &format!("SWITCH_SEED={seed}, loss {loss:?}"));
    }
}

fn run(loss: Loss, mut random: StdRng, what: &str) {
    let framing = [Framing::Lines, Framing::U16, Framing::U32][random.random_range(0..3)];
    let policy = random_policy(&mut random, loss);
    let server = TestServer::start(Config { framing, policy, ..Config::default() });
    let is_done = AtomicBool::new(false);
    let seeds: Vec<u64> = (0..PEERS).map(|_| random.random()).collect();

    let control = server.control.clone();
    let losses: u64 = thread::scope(|scope| {
        scope.spawn(|| switch_until(&is_done, &control, loss, random));
        let peers: Vec<_> = seeds
            .into_iter()
            .map(|seed| {
                let peer = server.peer();
                scope.spawn(move || behave(peer, framing, loss, StdRng::seed_from_u64(seed), what))
            })
            .collect();
        let losses = peers.into_iter().map(|peer| peer.join()).collect::<Vec<_>>();
        is_done.store(true, Relaxed);
        losses.into_iter().map(Result::unwrap).sum()
    });

    server.wait_for("all are closed", |stats| stats.connections == 0 && stats.accepted == PEERS as u64);
    let closed = server.closed();
    let stats = server.end();
    assert_eq!(stats.buffered, 0, "{what}");
    let is_expected =
        |reason: &&String| *reason == "eof" || (loss == Loss::Allowed && *reason == "queue_over_limit");
    let unexpected: Vec<_> = closed.iter().filter(|reason| !is_expected(reason)).collect();
    assert!(unexpected.is_empty(), "{what}: {unexpected:?}");
    let dropped = stats.totals.dropped_frames;
    let is_exact = closed.iter().all(|reason| reason == "eof");
    assert!(
        losses == dropped || (!is_exact && losses < dropped),
        "{what}: {losses} frames lost, {dropped} dropped"
    );
}

/// Changes the policy, and pauses and resumes reading, until all peers are done.
fn switch_until(is_done: &AtomicBool, control: &Control, loss: Loss, mut random: StdRng) {
    while !is_done.load(Relaxed) {
        control.set_policy(random_policy(&mut random, loss)).unwrap();
        if random.random_bool(0.1) {
            control.set_paused(true);
            wait_a_little(&mut random);
            control.set_paused(false);
        }
        wait_a_little(&mut random);
    }
}

/// Some other threads run meanwhile, or none. Each yield would last until all other processes of a busy machine have had a turn.
fn wait_a_little(random: &mut StdRng) {
    match random.random_range(0..50) {
        0..25 => {}
        micros => thread::sleep(Duration::from_micros(micros)),
    }
}

fn random_policy(random: &mut StdRng, loss: Loss) -> Policy {
    let limit = 1 << random.random_range(4..20);
    let policies = [
        Policy::Await,
        Policy::Off,
        Policy::Bounded { limit },
        Policy::Watermark { limit, resume_at: random.random_range(0..limit) },
        Policy::Budget { limit },
        Policy::Disconnect { limit, grace: Duration::from_secs(3600) },
        Policy::Drop { limit },
        // Peers that read now and then survive it.
        Policy::Disconnect { limit, grace: Duration::from_millis(random.random_range(1..100)) },
    ];
    policies[random.random_range(0..if loss == Loss::None { 6 } else { policies.len() })]
}

/// Sends frames in pieces of any length, reads at its own pace, and returns the number of frames that did not come back, 0 if it was
/// reset.
fn behave(mut peer: TcpStream, framing: Framing, loss: Loss, mut random: StdRng, what: &str) -> u64 {
    let frames: Vec<_> =
        (0..random.random_range(1..FRAMES)).map(|n| frame(framing, n, &mut random)).collect();
    let mut writer = peer.try_clone().unwrap();
    let (sent, mut pieces) = (frames.concat(), StdRng::seed_from_u64(random.random()));
    let sender = thread::spawn(move || {
        let mut rest = &sent[..];
        while !rest.is_empty() {
            let (piece, after) = rest.split_at(pieces.random_range(1..=rest.len().min(40_000)));
            writer.write_all(piece)?;
            rest = after;
        }
        writer.shutdown(Shutdown::Write)
    });
    let (mut got, mut room) = (Vec::new(), vec![0; 1 << random.random_range(6..17)]);
    let is_slow = random.random_bool(0.5);
    if random.random_bool(0.3) {
        // It reads nothing before everything is sent, or nothing more is accepted.
        while !sender.is_finished() && random.random_bool(0.99) {
            thread::sleep(Duration::from_micros(50));
        }
    }
    let end = loop {
        match peer.read(&mut room) {
            Ok(0) => break Ok(()),
            Ok(count) => got.extend_from_slice(&room[..count]),
            Err(error) => break Err(error.kind()),
        }
        if is_slow {
            wait_a_little(&mut random);
        }
    };
    // The kernel reports a reset once: where the sender has got it, the reader finds an end of file.
    let end = sender.join().unwrap().map_err(|error| error.kind()).and(end);
    let mut rest = &got[..];
    let mut missing = 0;
    for frame in &frames {
        match rest.strip_prefix(&frame[..]) {
            Some(after) => rest = after,
            None => missing += 1,
        }
    }
    match end {
        Ok(()) => {
            assert!(rest.is_empty(), "{what}: {} bytes are not of the frames, in order", rest.len());
            assert!(missing == 0 || loss == Loss::Allowed, "{what}: {missing} frames are missing");
            missing
        }
        Err(kind) => {
            let is_reset =
                [ErrorKind::ConnectionReset, ErrorKind::BrokenPipe, ErrorKind::NotConnected].contains(&kind);
            assert!(is_reset && loss == Loss::Allowed, "{what}: {kind}");
            let is_cut = frames.iter().any(|frame| frame.starts_with(rest));
            assert!(is_cut, "{what}: {} bytes are not of the frames, in order", rest.len());
            0
        }
    }
}

/// A frame of any length, which begins with its number.
fn frame(framing: Framing, number: u64, random: &mut StdRng) -> Vec<u8> {
    let length =
        if random.random_bool(0.02) { random.random_range(9..60_000) } else { random.random_range(9..2000) };
    let mut payload = format!("{number:08} ").into_bytes();
    payload.resize(length, b'a' + (number % 26) as u8);
    match framing {
        Framing::U16 => [&(length as u16).to_be_bytes()[..], &payload].concat(),
        Framing::U32 => [&(length as u32).to_be_bytes()[..], &payload].concat(),
        Framing::Lines | Framing::Raw => [&payload[..], b"\n"].concat(),
    }
}

const ROUNDS: u64 = 10;
const PEERS: usize = 8;
/// Maximum number of frames of a peer: about 600 KB.
const FRAMES: u64 = 300;
