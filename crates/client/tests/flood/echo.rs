//! With a correct echo, every byte is produced, consumed and verified, whatever the configuration.

use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use echoctl_client::{Config, Ending, Error, Flood, Outcome, Rate, Reading};
use echoctl_proto::Framing;

use crate::support::{self, Server};

const MIB: u64 = 1 << 20;

async fn flood(config: Config) -> Outcome {
    Flood::connect(config).await.unwrap().run().await
}

fn assert_all_came_back(outcome: &Outcome) {
    assert!(outcome.is_good(), "{outcome:?}");
    assert!(outcome.endings.iter().all(|ending| *ending == Ending::Complete), "{outcome:?}");
    let totals = outcome.totals;
    assert_eq!((totals.consumed, totals.verified), (totals.produced, totals.produced));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_byte_comes_back_in_each_framing() {
    for framing in Framing::ALL {
        let server = Server::honest();
        let config = Config { framing, bytes: Some(4 * MIB), sizes: 64..=4096, ..Config::new(server.addr) };

        let outcome = flood(config).await;

        assert_all_came_back(&outcome);
        assert!((4 * MIB..4 * MIB + 4096).contains(&outcome.totals.produced), "{framing}");
        assert_eq!(outcome.totals.produced, server.received());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_named_connection_counts_only_what_follows() {
    for framing in Framing::ALL {
        let server = Server::honest();
        let config = Config { framing, connections: 2, bytes: Some(MIB), ..Config::new(server.addr) };
        let flood = Flood::connect(config).await.unwrap();

        flood.introduce("ada").await.unwrap();
        let named = flood.connections()[0].introduction();
        let outcome = flood.run().await;

        assert_all_came_back(&outcome);
        assert_eq!(named, "name ada".len() as u64 + framing.overhead() as u64);
        assert_eq!(server.received(), outcome.totals.produced + 2 * named, "{framing}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_does_not_echo_a_name_is_reported() {
    type Answer = fn(&mut TcpStream) -> io::Result<()>;
    let answers: [(Answer, ErrorKind); 3] = [
        (|stream| stream.write_all(b"HTTP/1.1 400"), ErrorKind::InvalidData),
        (|stream| stream.read_exact(&mut [0; 9]), ErrorKind::UnexpectedEof),
        (|stream| stream.read_to_end(&mut Vec::new()).map(drop), ErrorKind::TimedOut),
    ];
    for (answer, expected) in answers {
        let server = Server::start(move |mut stream| answer(&mut stream));
        let within = Duration::from_millis(200);
        let config = Config { connect_timeout: within, ..Config::new(server.addr) };

        let error = Flood::connect(config).await.unwrap().introduce("ada").await.unwrap_err();

        assert!(matches!(&error, Error::NotEchoed { source, .. } if source.kind() == expected), "{error:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_connections_share_the_bytes() {
    let server = Server::honest();
    let config = Config { connections: 7, bytes: Some(MIB), sizes: 100..=100, ..Config::new(server.addr) };

    let outcome = flood(config).await;

    assert_all_came_back(&outcome);
    assert_eq!(outcome.endings.len(), 7);
    assert!((MIB..MIB + 7 * 100).contains(&outcome.totals.produced), "{outcome:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn frames_may_exceed_the_write_size_and_all_buffers() {
    let server = Server::honest();
    let config = Config {
        framing: Framing::U32,
        sizes: 20_000_000..=20_000_000,
        bytes: Some(1),
        write_size: 1000,
        ..Config::new(server.addr)
    };

    let outcome = flood(config).await;

    assert_all_came_back(&outcome);
    assert_eq!((outcome.totals.frames, outcome.totals.produced), (1, 20_000_000));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn at_the_end_the_frame_is_completed_and_all_is_read() {
    let server = Server::honest();
    let config = Config {
        sizes: 300_000..=300_000,
        duration: Some(Duration::from_millis(200)),
        ..Config::new(server.addr)
    };

    let outcome = flood(config).await;

    assert_all_came_back(&outcome);
    assert_eq!(outcome.totals.produced, outcome.totals.frames * 300_000);
    assert_eq!(outcome.drain, None, "it read at full speed from the start");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn draining_at_the_end_reads_all_pending_replies() {
    let server = Server::honest();
    let config = Config {
        reading: Reading::Nothing,
        drain_at_end: true,
        duration: Some(Duration::from_secs(3600)),
        ..Config::new(server.addr)
    };
    let flood = Flood::connect(config).await.unwrap();
    let handle = flood.stop_handle();
    let run = tokio::spawn(flood.run());

    support::until("the kernel's queues are full and a write is blocked", || handle.totals().stalled == 1)
        .await;
    assert_eq!(handle.totals().consumed, 0, "nothing is read while sending");
    handle.stop();
    let outcome = run.await.unwrap();

    assert_all_came_back(&outcome);
    let drain = outcome.drain.expect("reading resumed when sending was over");
    assert_eq!(drain.bytes, outcome.totals.consumed);
    assert!(drain.start < drain.end && drain.end <= outcome.elapsed, "{drain:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_pause_in_reading_the_totals_are_equal() {
    let server = Server::honest();
    let ms = Duration::from_millis;
    let config = Config {
        reading: Reading::Pause { from: ms(100), until: ms(600) },
        rate: Rate::Limited(64 * MIB),
        rate_until: Some(ms(600)),
        bytes: Some(48 * MIB),
        ..Config::new(server.addr)
    };
    let flood = Flood::connect(config).await.unwrap();
    let handle = flood.stop_handle();
    let run = tokio::spawn(flood.run());

    support::until("the paused reader blocks a write", || handle.totals().stalled == 1).await;
    let held_back = handle.totals();
    let outcome = run.await.unwrap();

    assert!(held_back.consumed < held_back.produced && held_back.produced < 48 * MIB, "{held_back:?}");
    assert_all_came_back(&outcome);
    assert_eq!(outcome.totals.produced, 48 * MIB);
    let drain = outcome.drain.expect("reading resumed");
    assert!(drain.start >= ms(600) && drain.bytes > 0, "{drain:?}");
    assert!(!outcome.totals.longest_stall.is_zero());
}
