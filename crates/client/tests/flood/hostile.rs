//! A flood ends whatever the server does, and reports why.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::Duration;

use echoctl_client::{CloseKind, Config, Ending, Fault, Flood, Outcome, Reading};
use echoctl_proto::Framing;

use crate::support::Server;

const MS: Duration = Duration::from_millis(1);

/// A flood of 200 ms, with equally short timeouts for the rest.
fn config(server: &Server) -> Config {
    Config {
        duration: Some(200 * MS),
        stall_timeout: 200 * MS,
        max_drain: 200 * MS,
        ..Config::new(server.addr)
    }
}

/// Runs a flood; the test fails if it does not end.
async fn flood(config: Config) -> Outcome {
    let flood = Flood::connect(config).await.unwrap();
    let outcome = tokio::time::timeout(Duration::from_secs(60), flood.run());
    outcome.await.expect("the flood ends")
}

/// Once the client has sent its data, writes `block` again and again, with `pause` after each.
fn pours(block: &'static [u8], pause: Duration) -> Server {
    Server::start(move |mut stream| {
        stream.read_exact(&mut [0; 65536])?;
        loop {
            stream.write_all(block)?;
            thread::sleep(pause);
        }
    })
}

/// Reads everything until the client closes the connection.
fn swallow(mut stream: TcpStream) -> io::Result<()> {
    io::copy(&mut stream, &mut io::sink()).map(|_| ())
}

/// Keeps the connection open until the client resets it; never reads.
fn hold(stream: &TcpStream) {
    let mut byte = [0];
    while stream.peek(&mut byte).is_ok_and(|count| count > 0) {
        thread::sleep(MS);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn endless_garbage_is_excess() {
    for framing in Framing::ALL {
        let server = pours(&[b'x'; 65536], Duration::ZERO);

        let outcome = flood(Config { framing, ..config(&server) }).await;

        assert!(matches!(outcome.endings[..], [Ending::Excess { .. }]), "{framing}: {outcome:?}");
        assert!(outcome.totals.mismatched > 0 && !outcome.is_good(), "{framing}: {outcome:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_length_prefix_of_4_gib_is_a_fault() {
    let server = pours(&[0xff; 4096], Duration::ZERO);

    let outcome = flood(Config { framing: Framing::U32, ..config(&server) }).await;

    assert_eq!(outcome.totals.first_fault, Some((Fault::Length(u64::from(u32::MAX)), 0)));
    assert!(!outcome.is_good());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bytes_after_a_complete_echo_are_excess() {
    let server = Server::start(|mut stream| {
        let mut all = Vec::new();
        stream.read_to_end(&mut all)?;
        stream.write_all(&all)?;
        loop {
            stream.write_all(&all)?;
        }
    });

    let outcome = flood(Config { bytes: Some(100_000), ..config(&server) }).await;

    assert!(matches!(outcome.endings[..], [Ending::Excess { .. }]), "{outcome:?}");
    assert!(outcome.totals.verified >= 100_000, "{outcome:?}");
    assert!(outcome.totals.duplicated + outcome.totals.mismatched > 0 && !outcome.is_good());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_trickle_of_bytes_is_too_slow() {
    for drain_at_end in [false, true] {
        let server = pours(b"A", 5 * MS);
        let reading = if drain_at_end { Reading::Nothing } else { Reading::All };

        let outcome =
            flood(Config { reading, drain_at_end, max_drain: 60_000 * MS, ..config(&server) }).await;

        let [Ending::TimedOut { within, pending, .. }] = outcome.endings[..] else { panic!("{outcome:?}") };
        assert!(within == 200 * MS && pending > 0 && !outcome.is_good());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_steady_drain_has_a_time_limit() {
    // More than the minimum per window, but far too little for the pending bytes.
    let server = pours(&[b'x'; 64], 2 * MS);
    let config = Config { stall_timeout: 60_000 * MS, ..config(&server) };

    let outcome = flood(config).await;

    let [Ending::TimedOut { within, .. }] = outcome.endings[..] else { panic!("{outcome:?}") };
    assert!((600 * MS..60_000 * MS).contains(&within), "{within:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_never_replies_times_out() {
    let server = Server::start(|mut stream| {
        swallow(stream.try_clone()?)?;
        // It has received the client's FIN, and does not answer it.
        let _ = stream.read(&mut [0; 1]);
        loop {
            thread::park();
        }
    });

    let outcome = flood(config(&server)).await;

    let [Ending::TimedOut { pending, .. }] = outcome.endings[..] else { panic!("{outcome:?}") };
    assert_eq!(pending, outcome.totals.produced);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_duration_a_stalled_server_stops_the_flood() {
    for (reading, is_good) in [(Reading::All, false), (Reading::Nothing, true)] {
        let server = Server::start(|stream| {
            hold(&stream);
            Ok(())
        });
        let config = Config {
            reading,
            duration: None,
            bytes: Some(1 << 40),
            idle_timeout: Some(200 * MS),
            ..config(&server)
        };

        let outcome = flood(config).await;

        assert_eq!(outcome.is_good(), is_good, "{reading:?}: {outcome:?}");
        assert!(outcome.totals.produced < 1 << 30);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reset_or_close_stops_a_flood() {
    let resets: fn(TcpStream) -> io::Result<()> = |mut stream| {
        stream.read_exact(&mut [0])?;
        socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO))
    };
    let closes: fn(TcpStream) -> io::Result<()> = |mut stream| stream.read_exact(&mut [0]);
    for serve in [resets, closes] {
        let server = Server::start(serve);

        let outcome = flood(Config { duration: None, ..config(&server) }).await;

        assert!(matches!(outcome.endings[..], [Ending::PeerClosed { .. }]), "{outcome:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_half_close_while_sending_is_an_early_close() {
    let server = Server::start(|stream| {
        stream.shutdown(std::net::Shutdown::Write)?;
        swallow(stream)
    });

    let outcome = flood(Config { duration: None, ..config(&server) }).await;

    assert!(
        matches!(outcome.endings[..], [Ending::PeerClosed { how: CloseKind::EndOfStream, .. }]),
        "{outcome:?}"
    );
}
