//! Compares the ledger with a server that counts its own bytes: stalled and running, one connection and a hundred.
#![cfg(target_os = "linux")]
#![cfg(test)]

mod support;

use std::io::{Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::Duration;

use echoctl_observe::{Sampler, TcpState, WatchedConnection, receive_queue};
use echoctl_record::{Queue, Queues, Sample};
use support::{CHUNK, Echo, EchoConnection, settled};

/// Longer than the steps in which a stall builds up: delayed ACK, first window probe.
const REST: Duration = Duration::from_secs(1);

#[test]
fn the_ledger_of_a_stalled_echo_is_exact() {
    let mut echo = Echo::start();
    let connection = echo.connect(0);
    let mut sampler = Sampler::new(vec![connection.watched()], None);
    connection.client.set_nonblocking(true).unwrap();

    let sample = stall(&mut sampler, std::slice::from_ref(&connection));

    check_at_rest(&sample, std::slice::from_ref(&connection));
    assert_eq!(sample.window, Some(0));
    let last = *sampler.connections().next().unwrap();
    assert!(last.window_zero_since.is_some());
    let full = sampler.sample().path;
    assert_eq!((full.connections, full.alive, full.closed_by_server), (1, 1, 0));
    assert!(full.client_send.fraction().unwrap() > 0.9, "{full:?}");
    assert!(sample.kernel_memory.unwrap() > sample.produced / 2, "stalled bytes are in kernel memory");

    connection.client.set_nonblocking(false).unwrap();
    connection.drain();
    let drained = settled(REST / 4, || counters(&mut sampler));
    assert_eq!(
        drained,
        [connection.client_count.written(); 6],
        "all six counters are equal when nothing is in flight"
    );
    assert_eq!(sampler.sample().path.window_zero_for, None);
    connection.close();
    echo.join();
}

#[test]
fn the_sums_of_a_hundred_stalled_connections_are_exact() {
    let mut echo = Echo::start();
    let connections: Vec<EchoConnection> = (0..100).map(|_| echo.connect(16 << 10)).collect();
    let mut sampler = Sampler::new(connections.iter().map(EchoConnection::watched).collect(), None);
    for connection in &connections {
        connection.client.set_nonblocking(true).unwrap();
    }

    let sample = stall(&mut sampler, &connections);

    assert_eq!(sample.connections, 100);
    check_at_rest(&sample, &connections);

    for connection in &connections {
        connection.client.set_nonblocking(false).unwrap();
        connection.drain();
    }
    let sent: u64 = connections.iter().map(|connection| connection.client_count.written()).sum();
    assert_eq!(settled(REST / 4, || counters(&mut sampler)), [sent; 6]);
    connections.iter().for_each(EchoConnection::close);
    echo.join();
}

#[test]
fn more_than_a_hundred_connections_are_read_in_turn() {
    let mut echo = Echo::start();
    let connections: Vec<EchoConnection> = (0..150).map(|_| echo.connect(16 << 10)).collect();
    let mut sampler = Sampler::new(connections.iter().map(EchoConnection::watched).collect(), None);
    let produced = |sampler: &mut Sampler| {
        let sample = sampler.sample().sample;
        (sample.produced, sample.connections)
    };
    assert_eq!(produced(&mut sampler), (0, 150), "new connections are read immediately");
    for connection in &connections {
        (&*connection.client).write_all(&[1; 100]).unwrap();
        connection.client_count.written.fetch_add(100, SeqCst);
        connection.drain();
    }

    assert_eq!(produced(&mut sampler), (10_000, 150), "a hundred connections of a hundred bytes");
    assert_eq!(produced(&mut sampler), (15_000, 150));
    assert_eq!(sampler.sample().sample.consumed, 15_000);
    connections.iter().for_each(EchoConnection::close);
    echo.join();
}

#[test]
fn counters_of_a_running_echo_are_ordered_and_current() {
    let mut echo = Echo::start();
    let connection = echo.connect(0);
    let done = Arc::new(AtomicBool::new(false));
    let writer = {
        let (client, own, done) =
            (Arc::clone(&connection.client), Arc::clone(&connection.client_count), Arc::clone(&done));
        std::thread::spawn(move || {
            while !done.load(SeqCst) {
                let written = (&*client).write(&[7; CHUNK]).unwrap();
                own.written.fetch_add(written as u64, SeqCst);
            }
        })
    };
    let reader = {
        let (client, own) = (Arc::clone(&connection.client), Arc::clone(&connection.client_count));
        std::thread::spawn(move || {
            let mut chunk = [0; CHUNK];
            while let Ok(read @ 1..) = (&*client).read(&mut chunk) {
                own.read.fetch_add(read as u64, SeqCst);
            }
        })
    };
    let mut sampler = Sampler::new(vec![connection.watched()], None);

    for _ in 0..300 {
        let (read, written) = (connection.server_count.read(), connection.server_count.written());
        let sample = sampler.sample().sample;
        let received = sample.server_received.unwrap();

        assert!(sample.produced >= received);
        assert!(received >= sample.server_read.unwrap() && sample.server_read.unwrap() >= read);
        assert!(sample.server_written.unwrap() >= written);
        assert!(sample.server_written >= sample.client_received);
        assert!(sample.client_received.unwrap() >= sample.consumed);
    }

    done.store(true, SeqCst);
    writer.join().unwrap();
    let drained = settled(REST / 4, || counters(&mut sampler));
    assert_eq!(drained, [connection.client_count.written(); 6]);
    connection.close();
    reader.join().unwrap();
    echo.join();
}

#[test]
fn a_closed_connection_leaves_no_bytes_behind() {
    let mut echo = Echo::start();
    let connection = echo.connect(0);
    let mut sampler = Sampler::new(vec![connection.watched()], None);
    sampler.sample();

    (&*connection.client).write_all(&[1; 1000]).unwrap();
    connection.client_count.written.fetch_add(1000, SeqCst);
    connection.drain();
    connection.close();
    echo.join();

    let gone = settled(REST / 4, || counters(&mut sampler));
    assert_eq!(gone, [1000; 6]);
    assert_eq!(sampler.sample().sample.connections, 0);
}

#[test]
fn another_process_is_measured_only_by_the_kernel() {
    let mut echo = Echo::start();
    let connection = echo.connect(0);
    connection.client.set_nonblocking(true).unwrap();
    let mut watched = connection.watched();
    watched.endpoint = None;
    let mut sampler = Sampler::new(vec![watched], None);

    let sample = stall(&mut sampler, std::slice::from_ref(&connection));

    check_at_rest(&sample, std::slice::from_ref(&connection));
    connection.client.set_nonblocking(false).unwrap();
    connection.drain();
    connection.close();
    echo.join();
}

#[test]
fn a_fin_that_is_queued_behind_unread_data_closes_a_connection() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let client = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let mut server = listener.accept().unwrap().0;
    let (local, peer) = (client.local_addr().unwrap(), client.peer_addr().unwrap());
    let mut sampler = Sampler::new(vec![WatchedConnection { local, peer, endpoint: None }], None);
    server.set_nonblocking(true).unwrap();
    while server.write(&[7; CHUNK]).is_ok() {}
    assert_eq!(sampler.sample().path.closed_by_server, 0);

    server.shutdown(std::net::Shutdown::Write).unwrap();
    let path = sampler.sample().path;

    assert_eq!((path.connections, path.alive, path.closed_by_server), (1, 0, 1));
    assert_eq!(sampler.connections().next().unwrap().client.unwrap().info.state, TcpState::Established);
}

/// Sends on all connections until nothing moves any more.
fn stall(sampler: &mut Sampler, connections: &[EchoConnection]) -> Sample {
    settled(REST, || {
        connections.iter().for_each(EchoConnection::write_what_fits);
        counters(sampler)
    });
    sampler.sample().sample
}

/// At rest: each counter equals the count of the client or the server.
#[track_caller]
fn check_at_rest(sample: &Sample, connections: &[EchoConnection]) {
    let sum = |of: fn(&EchoConnection) -> u64| connections.iter().map(of).sum::<u64>();
    assert_eq!(sample.produced, sum(|connection| connection.client_count.written()));
    assert_eq!(sample.server_read, Some(sum(|connection| connection.server_count.read())));
    // The server counts a write when it returns; a part of a blocked write is in the kernel.
    let (counted, reported) =
        (sum(|connection| connection.server_count.written()), sample.server_written.unwrap());
    assert!(
        counted <= reported && reported <= counted + (connections.len() * CHUNK) as u64,
        "{counted} {reported}"
    );
    assert_eq!(
        sample.client_received,
        Some(sum(|connection| receive_queue(&connection.client).unwrap() + connection.client_count.read()))
    );
    assert_eq!(sample.skew, Some(0));
    let queues = Queues::of(sample);
    assert_eq!(queues.clamped, 0);
    let all = Queue::ALL.map(|queue| queues[queue].unwrap());
    assert_eq!(all.iter().sum::<u64>(), sample.produced - sample.consumed);
}

fn counters(sampler: &mut Sampler) -> [u64; 6] {
    let sample = sampler.sample().sample;
    let [received, read, written, arrived] =
        [sample.server_received, sample.server_read, sample.server_written, sample.client_received]
            .map(|counter| counter.unwrap_or(0));
    [sample.produced, received, read, written, arrived, sample.consumed]
}
