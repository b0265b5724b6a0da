//! A flood stops on request, and reports why it ended.

use std::time::Duration;

use echoctl_client::{Config, Ending, Flood, LiveConnection, Rate, Reading};

use crate::support::{self, Server};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stopping_leaves_the_replies_unread() {
    let server = Server::honest();
    let config = Config { reading: Reading::Nothing, ..Config::new(server.addr) };
    let flood = Flood::connect(config).await.unwrap();
    let handle = flood.stop_handle();
    let run = tokio::spawn(flood.run());

    support::until("a write is blocked", || handle.totals().stalled == 1).await;
    handle.stop();
    let outcome = run.await.unwrap();

    assert_eq!(outcome.endings, [Ending::LeftUnread]);
    assert_eq!(outcome.totals.consumed, 0);
    assert!(outcome.is_good());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn frames_of_a_blocked_write_do_not_count_as_sent() {
    let server = Server::honest();
    let config = Config { reading: Reading::Nothing, sizes: 1024..=1024, ..Config::new(server.addr) };
    let flood = Flood::connect(config).await.unwrap();
    let handle = flood.stop_handle();
    let run = tokio::spawn(flood.run());

    // A blocked write has been announced, and never takes place.
    support::until("a write is blocked", || handle.totals().stalled == 1).await;
    handle.stop();
    let totals = run.await.unwrap().totals;

    assert_eq!(totals.frames, totals.produced.div_ceil(1024));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_throttled_reader_does_not_slow_the_writer() {
    // Reads everything immediately, and writes it back as fast as the client reads: an echo without backpressure.
    let server = Server::start(|mut stream| {
        let mut all = Vec::new();
        std::io::Read::read_to_end(&mut stream, &mut all)?;
        std::io::Write::write_all(&mut stream, &all)
    });
    let config = Config { reading: Reading::AtRate(1000), bytes: Some(32 << 20), ..Config::new(server.addr) };
    let flood = Flood::connect(config).await.unwrap();
    let connection = flood.connections()[0].clone();
    let handle = flood.stop_handle();
    let run = tokio::spawn(flood.run());

    support::until("everything is sent", || connection.produced() == 32 << 20).await;
    let consumed = connection.consumed();
    handle.abort();
    run.await.unwrap();

    assert!(consumed < 1 << 20, "{consumed}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_can_be_aborted_in_any_phase() {
    for reading in [Reading::All, Reading::Nothing, Reading::AtRate(10)] {
        let server = Server::honest();
        let config = Config { reading, rate: Rate::Limited(1 << 20), ..Config::new(server.addr) };
        let flood = Flood::connect(config).await.unwrap();
        let handle = flood.stop_handle();
        let run = tokio::spawn(flood.run());

        support::until("it sends", || handle.totals().produced > 0).await;
        handle.abort();
        let outcome = run.await.unwrap();

        assert_eq!(outcome.endings, [Ending::Stopped], "{reading:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_does_nothing_times_out() {
    let server = Server::start(|stream| {
        // Held open and never read, for good: without a read the server would not notice that the client has left.
        std::mem::forget(stream);
        Ok(())
    });
    let stall_timeout = Duration::from_millis(200);
    let config = Config { duration: Some(stall_timeout), stall_timeout, ..Config::new(server.addr) };

    let outcome = Flood::connect(config).await.unwrap().run().await;

    let pending = outcome.totals.produced;
    assert_eq!(outcome.endings, [Ending::TimedOut { moved: 0, within: stall_timeout, pending }]);
    assert!(!outcome.is_good());
}
