//! Promise: `echoctl serve` survives failed allocations: a connection whose bytes cannot be buffered is closed.

#![cfg(target_os = "linux")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use echoctl_testkit::{DEADLINE, eventually};
use serde_json::Value;

/// A server with a limited address space and a much larger `--memory-limit`.
struct Server {
    child: Child,
    events: std::io::Lines<BufReader<std::process::ChildStdout>>,
    addr: String,
}

impl Server {
    fn start(arguments: &str) -> Server {
        let program = env!("CARGO_BIN_EXE_echoctl");
        let command = format!(
            "ulimit -v {ADDRESS_SPACE_KIB}; exec {program} serve --addr 127.0.0.1:0 --json --until-stdin-ends \
             --workers 2 --memory-limit 8GiB {arguments}"
        );
        // Not every I/O model has workers.
        let command = if arguments.contains("--io") { command.replace("--workers 2", "") } else { command };
        let mut child = Command::new("sh")
            .args(["-c", &command])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut events = BufReader::new(child.stdout.take().unwrap()).lines();
        let listening: Value = serde_json::from_str(&events.next().unwrap().unwrap()).unwrap();
        let addr = listening["addr"].as_str().unwrap().to_owned();
        Server { child, events, addr }
    }

    fn connect(&self) -> TcpStream {
        let peer = TcpStream::connect(&self.addr).unwrap();
        peer.set_read_timeout(Some(DEADLINE)).unwrap();
        peer
    }

    /// The reason for which the next connection is closed.
    fn next_closed(&mut self) -> String {
        loop {
            let line = self.events.next().expect("it has not ended").unwrap();
            let event: Value = serde_json::from_str(&line).unwrap();
            if event["event"] == "closed" {
                return event["reason"].as_str().unwrap().to_owned();
            }
        }
    }

    /// Stops it, and returns its exit code and the reasons for which connections were closed.
    fn end(mut self) -> (Option<i32>, Vec<String>) {
        drop(self.child.stdin.take());
        let reasons = self
            .events
            .map(|line| serde_json::from_str::<Value>(&line.unwrap()).unwrap())
            .filter(|event| event["event"] == "closed")
            .map(|event| event["reason"].as_str().unwrap().to_owned())
            .collect();
        (self.child.wait().unwrap().code(), reasons)
    }
}

/// Sends without reading until the server closes the connection.
fn flood_to_the_end(mut peer: TcpStream, piece: &[u8]) {
    let mut sent = 0;
    while sent < 4 * (ADDRESS_SPACE_KIB << 10) && peer.write_all(piece).is_ok() {
        sent += piece.len();
    }
    let _ = peer.shutdown(Shutdown::Both);
}

fn echo(peer: &mut TcpStream, line: &[u8]) {
    peer.write_all(line).unwrap();
    let mut got = vec![0; line.len()];
    peer.read_exact(&mut got).unwrap();
    assert_eq!(got, line);
}

#[test]
fn a_failed_allocation_closes_only_its_connection() {
    let endless = vec![b'x'; 1 << 20];
    let lines = b"a line of thirty-two bytes, say.\n".repeat(1 << 15);
    for (arguments, piece) in [
        ("--max-frame 4GiB", &endless),
        ("--max-frame 4GiB --io threads", &endless),
        ("--max-frame 4GiB --io one-thread", &endless),
        #[cfg(target_os = "linux")]
        ("--max-frame 4GiB --io uring", &endless),
        ("--backpressure off", &lines),
        ("--backpressure off --max-frame 4GiB", &endless),
    ] {
        let server = Server::start(arguments);
        let mut bystander = server.connect();
        echo(&mut bystander, b"before\n");

        for _ in 0..3 {
            flood_to_the_end(server.connect(), piece);
            echo(&mut bystander, b"still here\n");
        }
        echo(&mut server.connect(), b"and others are served\n");
        drop(bystander);
        let (code, reasons) = server.end();

        assert_eq!(code, Some(0), "{arguments}");
        let closed = reasons.iter().filter(|reason| *reason == "out_of_memory").count();
        assert_eq!(closed, 3, "{arguments}: {reasons:?}");
    }
}

#[test]
fn a_refused_thread_closes_only_its_connection() {
    let mut server = Server::start("--io threads");
    let mut bystander = server.connect();
    echo(&mut bystander, b"before\n");

    // Each needs a stack of 128 KiB, and not all of them fit.
    let crowd: Vec<TcpStream> = (0..ADDRESS_SPACE_KIB / 128 + 10).map(|_| server.connect()).collect();
    let first = server.next_closed();
    echo(&mut bystander, b"still here\n");
    drop(crowd);
    drop(bystander);
    let (code, _) = server.end();

    assert_eq!((code, first.as_str()), (Some(0), "out_of_memory"));
}

#[test]
fn a_crowd_that_exceeds_memory_harms_no_other_client() {
    let mut server = Server::start("");
    let mut bystander = server.connect();
    echo(&mut bystander, b"before\n");

    // Together they need twice the address space.
    let piece = vec![b'x'; 500 << 10];
    let crowd: Vec<TcpStream> = (0..2 * ADDRESS_SPACE_KIB / 500)
        .map(|_| {
            let peer = server.connect();
            peer.set_write_timeout(Some(Duration::from_millis(50))).unwrap();
            // It may be refused or wait in the backlog.
            let _ = (&peer).write_all(&piece);
            peer
        })
        .collect();

    assert_eq!(server.next_closed(), "out_of_memory");
    echo(&mut bystander, b"still here\n");
    drop(crowd);
    echo(&mut server.connect(), b"and others are served\n");
    drop(bystander);
    assert_eq!(server.end().0, Some(0));
}

/// Bytes of anonymous memory in RAM.
fn resident(pid: u32) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("RssAnon:")).unwrap();
    line.split_ascii_whitespace().nth(1).unwrap().parse::<usize>().unwrap() << 10
}

/// Small buffers are in the heap, large ones in mappings. Here the number of buffered bytes stays the same, but they move.
#[test]
fn free_memory_in_the_heap_is_returned() {
    const SMALL: usize = 60_000;
    const LARGE: usize = 250_000;
    let server = Server::start("--framing u32 --max-frame 1MiB");
    let pid = server.child.id();
    let unfinished = |size: usize| {
        let mut peer = server.connect();
        peer.write_all(&(size as u32 + 1).to_be_bytes()).unwrap();
        peer.write_all(&vec![b'x'; size]).unwrap();
        peer
    };
    let mut small: Vec<TcpStream> = (0..200).map(|_| unfinished(SMALL)).collect();
    eventually("all small frames are held", || resident(pid) > small.len() * SMALL);

    let mut large = Vec::new();
    while !small.is_empty() {
        large.push(unfinished(LARGE));
        for mut peer in small.split_off(small.len() - 4) {
            peer.write_all(b"x").unwrap();
            peer.read_exact(&mut vec![0; 4 + SMALL + 1]).unwrap();
        }
    }

    // An incomplete frame uses at most twice its bytes, and the server some more.
    let most = large.len() * LARGE * 22 / 10;
    eventually("what the small frames took is given back", || resident(pid) < most);
    drop(large);
    assert_eq!(server.end().0, Some(0));
}

#[test]
fn refused_workers_are_an_error_and_no_panic() {
    let program = env!("CARGO_BIN_EXE_echoctl");
    let command =
        format!("ulimit -v {ADDRESS_SPACE_KIB}; exec {program} serve --addr 127.0.0.1:0 --workers 1024");

    let output = Command::new("sh").args(["-c", &command]).output().unwrap();

    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("threads") && !said.contains("panicked"), "{said}");
}

/// Enough for the program and its threads, and little more.
const ADDRESS_SPACE_KIB: usize = 96 << 10;
