//! A ping measures the time that a user would have waited, and reports errors instead of hanging.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::Duration;

use echoctl_client::{Error, Latencies, Ping, PingConfig, PingFault};
use echoctl_proto::Framing;
use echoctl_testkit::server;

/// Echoes frames of [`SIZE`] bytes, and calls `before` with the number of each frame before its reply.
fn echo(mut stream: TcpStream, before: impl Fn(u64)) {
    let mut frame = [0; SIZE];
    for number in 0.. {
        if stream.read_exact(&mut frame).is_err() {
            return;
        }
        before(number);
        if stream.write_all(&frame).is_err() {
            return;
        }
    }
}

fn config(addr: SocketAddr) -> PingConfig {
    PingConfig {
        addr,
        framing: Framing::Lines,
        size: SIZE,
        connections: 1,
        rate: None,
        phase: Duration::ZERO,
        count: Some(400),
        duration: None,
        timeout: Duration::from_secs(30),
        connect_timeout: Duration::from_secs(30),
    }
}

const SIZE: usize = 32;

const STALL: Duration = Duration::from_millis(200);

fn stall_once(number: u64) {
    if number == 100 {
        thread::sleep(STALL);
    }
}

/// Number of latencies of at least this time.
fn at_least(latencies: &Latencies, time: Duration) -> u64 {
    latencies.counts().filter(|(counted, _)| *counted >= time).map(|(_, count)| count).sum()
}

#[test]
fn every_ping_is_counted_once_over_all_connections() {
    let addr = server(|stream| echo(stream, |_| ()));

    let outcome = Ping::connect(PingConfig { connections: 3, ..config(addr) }).unwrap().run();

    assert_eq!(outcome.latencies.count(), 400);
    assert!(outcome.faults.is_empty(), "{:?}", outcome.faults);
    assert_eq!(outcome.unsent, 0);
    assert_eq!(at_least(&outcome.latencies, Duration::ZERO), 400);
}

#[test]
fn at_a_fixed_rate_a_stall_delays_every_ping_due_in_it() {
    let addr = server(|stream| echo(stream, stall_once));

    let outcome = Ping::connect(PingConfig { rate: Some(1000), ..config(addr) }).unwrap().run();

    // The client's own lateness is recorded separately: a ping whose connection was busy has none.
    assert!(outcome.lateness.count() <= 300, "{}", outcome.lateness.count());
    // Of 400 pings, 1 ms apart, the 100 that were due in the first half of the stall each waited at least for its
    // second half.
    assert_eq!(outcome.latencies.count(), 400);
    let delayed = at_least(&outcome.latencies, STALL / 2);
    assert!(delayed >= 97, "{delayed}");
}

#[test]
fn in_a_closed_loop_a_stall_delays_one_ping() {
    let addr = server(|stream| echo(stream, stall_once));

    let outcome = Ping::connect(config(addr)).unwrap().run();

    assert!(at_least(&outcome.latencies, STALL) >= 1);
    assert_eq!(outcome.lateness.count(), 0, "a closed loop has no due times");
}

#[test]
fn pings_that_were_due_but_not_sent_are_counted() {
    let addr = server(|stream| echo(stream, |_| thread::sleep(Duration::from_millis(20))));
    let duration = Some(Duration::from_millis(200));

    let outcome =
        Ping::connect(PingConfig { rate: Some(1000), count: None, duration, ..config(addr) }).unwrap().run();

    // 200 were due. In 200 ms the server answers at most 10, and one more may have been in flight.
    assert!(outcome.latencies.count() <= 11, "{}", outcome.latencies.count());
    assert_eq!(outcome.latencies.count() + outcome.unsent, 200);
}

#[test]
fn a_different_reply_is_a_mismatch() {
    let addr = server(|mut stream| {
        let _ = stream.write_all(&[b'?'; SIZE]);
        let _ = stream.read(&mut [0; SIZE]);
    });

    let outcome = Ping::connect(config(addr)).unwrap().run();

    assert!(matches!(outcome.faults[..], [PingFault::Mismatch]), "{:?}", outcome.faults);
    assert_eq!(outcome.latencies.count(), 0);
}

#[test]
fn a_closed_connection_differs_from_a_timeout() {
    let hangs_up = server(|mut stream| drop(stream.read(&mut [0; SIZE])));
    let is_silent = server(|mut stream| drop(stream.read_to_end(&mut Vec::new())));
    let timeout = Duration::from_millis(50);

    let hung_up = Ping::connect(config(hangs_up)).unwrap().run();
    let silent = Ping::connect(PingConfig { timeout, ..config(is_silent) }).unwrap().run();

    assert!(matches!(hung_up.faults[..], [PingFault::PeerClosed]), "{:?}", hung_up.faults);
    assert!(matches!(silent.faults[..], [PingFault::TimedOut(_)]), "{:?}", silent.faults);
}

#[test]
fn the_timeout_applies_to_the_complete_reply() {
    let trickles = server(|mut stream| {
        let mut frame = [0; SIZE];
        while stream.read_exact(&mut frame).is_ok() {
            for byte in frame {
                // Each byte arrives well within the timeout, but the complete reply never does.
                thread::sleep(Duration::from_millis(20));
                if stream.write_all(&[byte]).is_err() {
                    return;
                }
            }
        }
    });
    let timeout = Duration::from_millis(200);

    let outcome = Ping::connect(PingConfig { timeout, ..config(trickles) }).unwrap().run();

    assert!(matches!(outcome.faults[..], [PingFault::TimedOut(_)]), "{:?}", outcome.faults);
    assert_eq!(outcome.latencies.count(), 0);
}

#[test]
fn a_reply_in_pieces_is_accepted() {
    let pieces = server(|mut stream| {
        let mut frame = [0; SIZE];
        while stream.read_exact(&mut frame).is_ok() {
            for piece in frame.chunks(10) {
                thread::sleep(Duration::from_millis(1));
                if stream.write_all(piece).is_err() {
                    return;
                }
            }
        }
    });

    let outcome = Ping::connect(PingConfig { count: Some(5), ..config(pieces) }).unwrap().run();

    assert_eq!((outcome.latencies.count(), outcome.faults.len()), (5, 0), "{:?}", outcome.faults);
}

#[test]
fn stopping_wakes_a_ping_that_waits_for_its_reply() {
    let addr = server(|mut stream| drop(stream.read_to_end(&mut Vec::new())));
    let ping = Ping::connect(config(addr)).unwrap();
    let stop_handle = ping.stop_handle();

    let running = thread::spawn(|| ping.run());
    stop_handle.stop();

    assert!(running.join().unwrap().faults.is_empty(), "being stopped is not a fault");
}

#[test]
fn connecting_to_a_closed_port_is_an_error() {
    // Bound but not listening: no other program can take the port meanwhile.
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    let addr = socket.local_addr().unwrap().as_socket().unwrap();

    assert!(matches!(Ping::connect(config(addr)), Err(Error::Connect { .. })));
}
