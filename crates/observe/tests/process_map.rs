//! Promise: the map has the processes of both ends of each connection, what each direction buffers, and who is held back.
#![cfg(target_os = "linux")]
#![cfg(test)]

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::process::Command;

use echoctl_observe::ProcessMapper;
use echoctl_record::{Fill, NodeKind, ProcessEdge, ProcessMap, ProcessNode, Transport};
use echoctl_testkit::{Running, eventually};

/// A process that has a socket open and does nothing with it.
fn holder(socket: impl Into<OwnedFd>) -> Running {
    Running::start(Command::new("sleep").arg("1000").stdin(socket.into()))
}

/// A connection of this process to `address`, in the next map that has it and for which `is_so` holds.
fn edge(
    mapper: &mut ProcessMapper,
    address: &str,
    is_so: impl Fn(&ProcessMap, &ProcessEdge) -> bool,
) -> (ProcessMap, ProcessEdge) {
    eventually("the map shows it", || {
        let map = mapper.sample().unwrap();
        let found = map.edges.iter().find(|edge| edge.address == address).cloned();
        match found {
            Some(edge) if is_so(&map, &edge) => Ok((map, edge)),
            other => Err(Box::new(other)),
        }
    })
}

fn is_of(node: &ProcessNode, pid: u32) -> bool {
    node.kind == NodeKind::Process && node.pids.contains(&pid)
}

/// Writes until the kernel accepts no more.
fn fill(stream: &mut (impl Write + ?Sized)) -> u64 {
    let mut written = 0;
    loop {
        match stream.write(&[7; 1 << 16]) {
            Ok(length) => written += length as u64,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return written,
            Err(error) => panic!("{error}"),
        }
    }
}

#[test]
fn a_writer_is_held_back_by_the_process_that_does_not_read() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let mut client = TcpStream::connect(&address).unwrap();
    let reader = holder(listener.accept().unwrap().0);
    client.set_nonblocking(true).unwrap();
    let mut mapper = ProcessMapper::new().unwrap();

    let written = fill(&mut client);
    // Bytes move on to the reader's queue for a moment.
    let (map, edge) = edge(&mut mapper, &address, |_, edge| {
        let _ = (&client).write(&[7; 1 << 16]);
        edge.to_server.held_back == 1
    });

    assert!(is_of(&map.processes[edge.from], std::process::id()));
    let node = &map.processes[edge.to];
    assert!(is_of(node, reader.pid()) && node.name == "sleep" && node.memory.is_some(), "{node:?}");
    let flow = edge.to_server;
    assert!(flow.queued().unwrap() >= written && flow.full == 1 && flow.fill == Fill::Full, "{flow:?}");
    assert!(flow.rate.is_some() && flow.stalled_seconds.is_some(), "{flow:?}");
    assert_eq!((edge.to_client.fill, edge.connections, edge.in_accept_queue), (Fill::Empty, 1, 0));
    assert_eq!(edge.transport, Transport::Tcp);
}

#[test]
fn a_stall_is_older_than_the_map() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let mut client = TcpStream::connect(&address).unwrap();
    let _reader = holder(listener.accept().unwrap().0);
    client.set_nonblocking(true).unwrap();
    fill(&mut client);
    let is_held_back = |_: &ProcessMap, edge: &ProcessEdge| {
        let _ = (&client).write(&[7; 1 << 16]);
        edge.to_server.held_back == 1
    };
    // It has been full for a second.
    edge(&mut ProcessMapper::new().unwrap(), &address, is_held_back);

    let (map, edge) = edge(&mut ProcessMapper::new().unwrap(), &address, is_held_back);

    let seconds = edge.to_server.stalled_seconds.unwrap();
    assert!(seconds > map.t + 0.5, "{seconds} s after {} s", map.t);
}

#[test]
fn bytes_that_flow_have_a_rate_and_hold_no_writer_back() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let client = TcpStream::connect(&address).unwrap();
    let mut cat = Running::start(
        Command::new("cat")
            .stdin(OwnedFd::from(listener.accept().unwrap().0))
            .stdout(std::process::Stdio::null()),
    );
    let mut mapper = ProcessMapper::new().unwrap();

    let (map, edge) = edge(&mut mapper, &address, |_, edge| {
        (&client).write_all(&[7; 4096]).unwrap();
        edge.to_server.rate.is_some_and(|rate| rate > 0.0)
    });

    assert!(is_of(&map.processes[edge.to], cat.pid()), "{map:?}");
    assert_eq!((edge.to_server.held_back, edge.to_server.full), (0, 0));
    drop(client);
    assert!(cat.end("its input ended").success());
}

#[test]
fn processes_that_share_a_listening_socket_are_one_node() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let workers: Vec<Running> = (0..3).map(|_| holder(listener.try_clone().unwrap())).collect();
    let pids: Vec<u32> = workers.iter().map(Running::pid).collect();
    let connections: Vec<TcpStream> = (0..2).map(|_| TcpStream::connect(&address).unwrap()).collect();
    let served =
        Running::start(Command::new("sleep").arg("1000").stdin(OwnedFd::from(listener.accept().unwrap().0)));
    drop(listener);
    let mut mapper = ProcessMapper::new().unwrap();

    // One connection is served by a process without the listener. The other one waits for any of the workers.
    let waiting = |map: &ProcessMap, edge: &ProcessEdge| {
        edge.in_accept_queue == 1 && pids.iter().any(|&pid| is_of(&map.processes[edge.to], pid))
    };
    let map = eventually("both connections are in the map", || {
        let map = mapper.sample().unwrap();
        let of_address: Vec<&ProcessEdge> = map.edges.iter().filter(|edge| edge.address == address).collect();
        (of_address.len() == 2 && of_address.iter().any(|edge| waiting(&map, edge))).then_some(map)
    });

    let node = map.processes.iter().find(|node| is_of(node, pids[2])).unwrap();
    assert_eq!(node.listen, [address]);
    let other = map.processes.iter().find(|node| is_of(node, served.pid())).unwrap();
    assert!(other.pids == [served.pid()] && other.listen.is_empty(), "{other:?}");
    drop(connections);
}

#[test]
fn a_unix_socket_that_is_not_read_holds_its_writer_back() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("socket");
    let listener = UnixListener::bind(&path).unwrap();
    let mut client = UnixStream::connect(&path).unwrap();
    let reader = holder(listener.accept().unwrap().0);
    client.set_nonblocking(true).unwrap();
    fill(&mut client);
    let mut mapper = ProcessMapper::new().unwrap();

    let address = path.to_str().unwrap();
    let (map, edge) = edge(&mut mapper, address, |_, edge| edge.to_server.held_back == 1);

    assert!(is_of(&map.processes[edge.from], std::process::id()));
    assert!(is_of(&map.processes[edge.to], reader.pid()));
    assert_eq!((edge.transport, edge.to_server.rate), (Transport::Unix, None));
    assert!(edge.to_server.queued() > Some(0), "{edge:?}");
}

#[test]
fn a_reader_that_stops_is_seen_before_the_queues_are_full() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let mut client = TcpStream::connect(&address).unwrap();
    let (mut server, _) = listener.accept().unwrap();
    client.write_all(&[1; 9000]).unwrap();
    server.read_exact(&mut [0; 1000]).unwrap();
    let mut mapper = ProcessMapper::new().unwrap();

    let (_, edge) = edge(&mut mapper, &address, |_, edge| edge.to_server.not_read == 1);

    assert_eq!((edge.to_server.receive_queue, edge.to_server.held_back), (Some(8000), 0));
    assert_eq!(edge.to_server.fill, Fill::Partial);
}
