//! Against an echo that does its work, every byte is produced, consumed and verified, whatever the settings.

use std::time::Duration;

use echoctl_client::{Config, Ending, Flood, Outcome, Rate, Reading};
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
async fn all_framings_bring_every_byte_back() {
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
async fn bytes_are_shared_by_the_connections() {
    let server = Server::honest();
    let config = Config { connections: 7, bytes: Some(MIB), sizes: 100..=100, ..Config::new(server.addr) };

    let outcome = flood(config).await;

    assert_all_came_back(&outcome);
    assert_eq!(outcome.endings.len(), 7);
    assert!((MIB..MIB + 7 * 100).contains(&outcome.totals.produced), "{outcome:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn frames_may_be_larger_than_a_write_and_than_all_buffers() {
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
async fn when_the_time_is_over_the_frame_is_finished_and_all_is_read() {
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
async fn then_read_reads_all_that_is_owed() {
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

    support::until("the kernel's queues are full and a write waits", || handle.totals().stalled == 1).await;
    assert_eq!(handle.totals().consumed, 0, "nothing is read while it sends");
    handle.stop();
    let outcome = run.await.unwrap();

    assert_all_came_back(&outcome);
    let drain = outcome.drain.expect("reading resumed when sending was over");
    assert_eq!(drain.bytes, outcome.totals.consumed);
    assert!(drain.start < drain.end && drain.end <= outcome.elapsed, "{drain:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reading_stops_in_the_middle_and_the_totals_are_equal_in_the_end() {
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

    support::until("a write waits for the reader that stopped", || handle.totals().stalled == 1).await;
    let held_back = handle.totals();
    let outcome = run.await.unwrap();

    assert!(held_back.consumed < held_back.produced && held_back.produced < 48 * MIB, "{held_back:?}");
    assert_all_came_back(&outcome);
    assert_eq!(outcome.totals.produced, 48 * MIB);
    let drain = outcome.drain.expect("reading resumed");
    assert!(drain.start >= ms(600) && drain.bytes > 0, "{drain:?}");
    assert!(!outcome.totals.longest_stall.is_zero());
}
