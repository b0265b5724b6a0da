//! Follows the connections of a server in this process: every one in every sample, with what its ends and its listener show.

#![cfg(target_os = "linux")]

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use echoctl_observe::{
    Connection, ConnectionTracker, ListenerReading, Selection, SocketTables, raise_descriptor_limit,
};
use echoctl_record::{ConnectionFigures, ConnectionPhase, Queue, Queues, Sample};
use echoctl_testkit::eventually;

fn tracker(selection: &Selection) -> ConnectionTracker {
    ConnectionTracker::new(SocketTables::of([]), selection, None).expect("sockets are visible")
}

fn served(addr: SocketAddr) -> ConnectionTracker {
    tracker(&Selection::Served(vec![addr.into()]))
}

fn sample(tracker: &mut ConnectionTracker) -> Sample {
    tracker.sample().expect("sockets are visible").sample
}

/// The connection of this client, as last read.
fn of<'a>(tracker: &'a ConnectionTracker, client: &TcpStream) -> &'a Connection {
    let local = client.local_addr().expect("it is connected");
    let local = SocketAddr::new(local.ip().to_canonical(), local.port());
    tracker.connections().find(|connection| connection.local == local).expect("it is tracked")
}

fn figures(tracker: &ConnectionTracker, client: &TcpStream) -> ConnectionFigures {
    of(tracker, client).figures(Instant::now())
}

fn listener_of(tracker: &ConnectionTracker, addr: SocketAddr) -> ListenerReading {
    *tracker.listeners().find(|listener| listener.addr == addr).expect("it listens")
}

#[test]
fn connections_are_tracked_as_they_open_and_close() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    let mut tracker = served(addr);
    assert_eq!(sample(&mut tracker).connections, 0);

    let mut first = TcpStream::connect(addr).unwrap();
    let second = TcpStream::connect(addr).unwrap();
    let accepted = [listener.accept().unwrap().0, listener.accept().unwrap().0];
    first.write_all(&[1; 5000]).unwrap();
    let both = sample(&mut tracker);

    assert_eq!((both.connections, both.produced, both.server_read), (2, 5000, Some(0)));
    let one = of(&tracker, &first);
    assert_eq!((one.peer, one.listener), (addr, Some(addr)));
    assert!(one.client.is_some() && one.server.is_some());
    assert!(one.client_inode > Some(0) && one.server_inode > Some(0) && one.client_inode != one.server_inode);

    drop((first, second, accepted));
    let none = eventually("both connections are dropped", || {
        Some(sample(&mut tracker)).filter(|_| tracker.connections().count() == 0)
    });
    assert_eq!(tracker.connections_seen(), 2);
    assert_eq!((none.produced, none.server_received), (5000, Some(5000)), "their bytes stay counted");
    assert_eq!(tracker.moved(), Some((5000, 0)));
}

#[test]
fn all_are_in_the_first_sample_and_have_rates_in_the_second() {
    raise_descriptor_limit().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    let connect = |_| (TcpStream::connect(addr).unwrap(), listener.accept().unwrap().0);
    let mut pairs: Vec<(TcpStream, TcpStream)> = (0..2000).map(connect).collect();
    let mut tracker = served(addr);

    let start = Instant::now();
    let first = sample(&mut tracker);
    assert_eq!((first.connections, first.remote_clients), (2000, None));
    assert!(tracker.connections().all(|connection| {
        let figures = connection.figures(Instant::now());
        (figures.receive_rate, figures.send_rate, figures.client_limited) == (None, None, None)
    }));
    let between = Instant::now();
    for (number, (client, server)) in pairs.iter_mut().enumerate() {
        client.write_all(&vec![1; number]).unwrap();
        server.write_all(&vec![1; 2 * number]).unwrap();
    }
    for (number, (client, server)) in pairs.iter_mut().enumerate() {
        server.read_exact(&mut vec![0; number]).unwrap();
        client.read_exact(&mut vec![0; 2 * number]).unwrap();
    }
    let shortest = between.elapsed().as_secs_f64();
    sample(&mut tracker);
    let longest = start.elapsed().as_secs_f64();

    for (number, (client, _)) in pairs.iter().enumerate() {
        let figures = figures(&tracker, client);
        let rates = [figures.receive_rate.unwrap(), figures.send_rate.unwrap() / 2.0];
        for rate in rates {
            let number = number as f64;
            assert!(rate >= number / longest && rate <= number / shortest, "{number}: {rate} {figures:?}");
        }
        assert_eq!(figures.phase, ConnectionPhase::Open);
        assert_eq!((figures.client_send, figures.server_receive), (Some(0), Some(0)));
        assert_eq!((figures.server_send, figures.client_receive), (Some(0), Some(0)));
    }
    assert_eq!(listener_of(&tracker, addr).connections, 2000);
}

#[test]
fn a_large_server_with_little_traffic_is_shown_as_exactly() {
    raise_descriptor_limit().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    let connect = |_| (TcpStream::connect(addr).unwrap(), listener.accept().unwrap().0);
    let mut pairs: Vec<(TcpStream, TcpStream)> = (0..1200).map(connect).collect();
    let mut tracker = served(addr);
    // From the third sample on, only the ends of the server are listed.
    for _ in 0..3 {
        sample(&mut tracker);
    }

    let late = TcpStream::connect(addr).unwrap();
    pairs[7].0.write_all(&[1; 500]).unwrap();
    pairs[8].1.write_all(&[1; 700]).unwrap();
    eventually("bytes that wait are in the queues of both sides", || {
        let sample = sample(&mut tracker);
        let [to_server, to_client, late] =
            [&pairs[7].0, &pairs[8].0, &late].map(|client| figures(&tracker, client));
        let seen = (to_server.server_receive, to_client.client_receive, late.phase, sample.remote_clients);
        let expected = (Some(500), Some(700), ConnectionPhase::InAcceptQueue, None);
        if seen == expected { Ok(()) } else { Err(format!("{seen:?}")) }
    });

    // No segment tells of this.
    pairs[8].0.read_exact(&mut [0; 300]).unwrap();
    sample(&mut tracker);
    assert_eq!(figures(&tracker, &pairs[8].0).client_receive, Some(400));
    assert!(figures(&tracker, &pairs[9].0).client_receive == Some(0), "of one without traffic, too");
    drop(pairs);
    let last = eventually("all but one are dropped", || {
        Some(sample(&mut tracker)).filter(|sample| sample.connections == 1)
    });
    assert_eq!((last.produced, last.server_written), (500, Some(700)));
}

#[test]
fn a_connection_waits_in_the_accept_queue_until_it_is_accepted() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    let mut tracker = served(addr);
    let stays = TcpStream::connect(addr).unwrap();
    let leaves = TcpStream::connect(addr).unwrap();
    leaves.shutdown(Shutdown::Write).unwrap();

    eventually("the FIN has arrived", || {
        sample(&mut tracker);
        of(&tracker, &leaves).server_state.unwrap().has_received_fin()
    });
    let waiting = listener_of(&tracker, addr);
    assert_eq!((waiting.accept_queue, waiting.connections, waiting.syns_waiting), (2, 2, 0));
    // The standard library asks for 128 on Linux; the kernel may have a lower limit.
    assert!(waiting.limit.is_some_and(|limit| (1..=4096).contains(&limit)));
    for client in [&stays, &leaves] {
        assert_eq!(figures(&tracker, client).phase, ConnectionPhase::InAcceptQueue);
    }

    let _accepted = [listener.accept().unwrap(), listener.accept().unwrap()];
    sample(&mut tracker);
    assert_eq!(listener_of(&tracker, addr).accept_queue, 0);
    assert_eq!(figures(&tracker, &stays).phase, ConnectionPhase::Open);
    assert_eq!(figures(&tracker, &leaves).phase, ConnectionPhase::ClosedByClient);
}

#[test]
fn a_client_that_closed_before_hides_no_queue_of_the_others() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    let mut client = TcpStream::connect(addr).unwrap();
    drop(TcpStream::connect(addr).unwrap());
    let _accepted = [listener.accept().unwrap(), listener.accept().unwrap()];
    client.write_all(&[1; 5000]).unwrap();

    let both = eventually("the end of the closed client is gone when the watch begins", || {
        let mut tracker = served(addr);
        let sample = sample(&mut tracker);
        tracker.connections().any(|connection| connection.client.is_none()).then_some(sample)
    });

    assert_eq!((both.connections, both.remote_clients), (2, None));
    let queues = Queues::of(&both);
    assert_eq!((queues[Queue::ClientSend], queues[Queue::ServerReceive]), (Some(0), Some(5000)));
}

#[test]
fn what_a_server_has_closed_is_followed_to_its_end() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    let mut tracker = served(addr);
    let mut client = TcpStream::connect(addr).unwrap();
    let (mut server, _) = listener.accept().unwrap();
    server.write_all(&[1; 1000]).unwrap();
    sample(&mut tracker);
    drop(server);
    // A child of another test has it open until it runs its program.
    eventually("the server has closed", || {
        sample(&mut tracker);
        figures(&tracker, &client).phase == ConnectionPhase::ClosedByServer
    });
    let left = figures(&tracker, &client);
    assert_eq!((left.client_receive, left.server_send), (Some(1000), Some(0)));

    client.read_exact(&mut [0; 1000]).unwrap();
    drop(client);
    eventually("only TIME-WAIT is left", || {
        sample(&mut tracker);
        tracker.connections().count() == 0
    });
}

#[test]
fn a_stall_has_an_age_on_the_side_that_does_not_read() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    let mut tracker = served(addr);
    let client = TcpStream::connect(addr).unwrap();
    let (server, _) = listener.accept().unwrap();
    server.set_nonblocking(true).unwrap();
    sample(&mut tracker);

    let stalled = eventually("the client's window is closed for half a second", || {
        while (&server).write(&[1; 65536]).is_ok() {}
        sample(&mut tracker);
        let figures = figures(&tracker, &client);
        Some(figures)
            .filter(|figures| figures.since_client_read > Some(0.5) && figures.since_sent > Some(0.5))
    });

    assert_eq!(stalled.client_window, Some(0));
    assert!(stalled.server_send > Some(0) && stalled.client_receive > Some(0), "{stalled:?}");
    assert!(stalled.client_limited > Some(0.0) && stalled.client_limited <= Some(1.0), "{stalled:?}");
    assert!(stalled.since_server_read < stalled.since_client_read, "nothing waits for it: {stalled:?}");
    assert_eq!((stalled.unanswered, stalled.last_wait), (0, None), "{stalled:?}");

    let mut reader = client.try_clone().unwrap();
    reader.set_read_timeout(Some(Duration::from_millis(10))).unwrap();
    let later = eventually("the wait has ended", || {
        while reader.read(&mut [0; 1 << 20]).is_ok_and(|count| count > 0) {}
        let _ = (&server).write(&[1]);
        sample(&mut tracker);
        Some(figures(&tracker, &client)).filter(|figures| figures.last_wait.is_some())
    });
    assert!(later.last_wait >= Some(0.5) && later.since_last_wait.is_some(), "{later:?}");
    assert!(later.since_client_read < later.last_wait, "{later:?}");
}

#[test]
fn both_ends_match_whatever_the_family_of_their_sockets() {
    let listener = TcpListener::bind("[::]:0").unwrap();
    let addr = listener.local_addr().unwrap();
    let mut tracker = served(addr);
    let clients = ["127.0.0.1", "::ffff:127.0.0.1", "::1"].map(|ip| {
        let mut client = TcpStream::connect((ip, addr.port())).unwrap();
        client.write_all(&[1; 100]).unwrap();
        client
    });
    let _accepted = [(); 3].map(|()| listener.accept().unwrap());

    let all = sample(&mut tracker);

    assert_eq!((all.connections, all.remote_clients), (3, None));
    assert_eq!(Queues::of(&all)[Queue::ServerReceive], Some(300));
    for client in &clients {
        let found = of(&tracker, client);
        assert!(found.client.is_some() && found.server.is_some(), "{found:?}");
        assert_eq!(found.listener, Some(addr));
    }
}

#[test]
fn the_counts_of_a_listener_never_fall() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    let connect = |listener: &TcpListener| {
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        (client, listener.accept().unwrap().0)
    };
    let mut early = connect(&listener);
    early.0.write_all(&[1; 70]).unwrap();
    let mut tracker = tracker(&Selection::AllServed);
    sample(&mut tracker);
    let moved = |tracker: &ConnectionTracker| {
        let moved = listener_of(tracker, addr).moved.unwrap();
        (moved.received, moved.sent)
    };
    assert_eq!(moved(&tracker), (0, 0), "what was moved before the first sample does not count");

    let mut late = connect(&listener);
    let mut elsewhere = connect(&other);
    late.0.write_all(&[1; 1000]).unwrap();
    late.1.write_all(&[1; 30]).unwrap();
    early.0.write_all(&[1; 5]).unwrap();
    elsewhere.0.write_all(&[1; 1 << 16]).unwrap();
    sample(&mut tracker);
    assert_eq!(moved(&tracker), (1005, 30));

    drop(late);
    eventually("one is closed", || {
        sample(&mut tracker);
        listener_of(&tracker, addr).connections == 1
    });
    assert_eq!(moved(&tracker), (1005, 30));
    assert_eq!(of(&tracker, &elsewhere.0).listener, Some(other.local_addr().unwrap()));
}

#[test]
fn a_process_opens_what_it_has_not_accepted() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    let mut client = TcpStream::connect(addr).unwrap();
    let (mut server, _) = listener.accept().unwrap();
    client.write_all(&[1; 3000]).unwrap();
    server.write_all(&[1; 200]).unwrap();
    let mut tracker = tracker(&Selection::Opened(vec![std::process::id()]));

    sample(&mut tracker);

    assert!(tracker.is_outbound() && tracker.listeners().count() == 0);
    let mine = client.local_addr().unwrap();
    let found = tracker.connections().find(|one| one.peer == mine).expect("this process has opened it");
    assert_eq!((found.local, found.listener), (addr, None));
    let figures = found.figures(Instant::now());
    // The watched process has written 3000 bytes that its peer has not read, and not read 200.
    assert_eq!((figures.server_send, figures.client_receive), (Some(0), Some(3000)));
    assert_eq!((figures.client_send, figures.server_receive), (Some(0), Some(200)));
    assert_eq!(found.counters.server_written, Some(3000));
    assert!(tracker.connections().all(|one| one.peer != addr), "this process has accepted it");
}
