//! Peers for the commands under test: small servers with a closure for each connection.

// Each test file is a separate program and uses only a part of this.
#![allow(dead_code)]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use assert_cmd::Command;

/// The program under test. The timeout is far longer than any test takes; it ends tests that hang.
pub(crate) fn echoctl(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_echoctl"));
    command.args(arguments).env_remove("ECHOCTL_ADDR").timeout(Duration::from_secs(120));
    command
}

/// A server on a free port that calls `serve` for each connection until the test ends.
pub(crate) fn server(serve: impl Fn(TcpStream) + Clone + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let addr = listener.local_addr().expect("a bound socket has an address");
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let serve = serve.clone();
            thread::spawn(move || serve(stream));
        }
    });
    addr.to_string()
}

/// Echoes all bytes until the peer closes. It reads only after the previous bytes are written.
pub(crate) fn echo(mut stream: TcpStream) {
    let mut chunk = [0; 4096];
    while let Ok(length @ 1..) = stream.read(&mut chunk) {
        if stream.write_all(&chunk[..length]).is_err() {
            return;
        }
    }
}

/// An address where nothing listens, and the socket that reserves it.
pub(crate) fn closed_addr() -> (socket2::Socket, String) {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).expect("a socket");
    socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).expect("a free port");
    let addr =
        socket.local_addr().ok().and_then(|addr| addr.as_socket()).expect("a bound socket has an address");
    (socket, addr.to_string())
}

/// What a finished command printed.
pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Waits until a process handles Ctrl-C, by its mask of caught signals, if the system shows it. Before that, a signal kills
/// the process.
#[cfg(unix)]
pub(crate) fn wait_until_it_catches_interrupts(pid: u32) {
    let deadline = Instant::now() + Duration::from_secs(60);
    let catches = |status: String| {
        let mask = status.lines().find_map(|line| line.strip_prefix("SigCgt:"))?.trim().to_owned();
        Some(u64::from_str_radix(&mask, 16).ok()? & 0b10 != 0)
    };
    while let Ok(status) = std::fs::read_to_string(format!("/proc/{pid}/status")) {
        if catches(status) == Some(true) {
            return;
        }
        assert!(Instant::now() < deadline, "it never caught SIGINT");
        thread::yield_now();
    }
}
