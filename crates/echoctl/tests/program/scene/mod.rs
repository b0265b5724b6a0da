//! A server with many clients of which a few cause trouble, each in its own way.
//!
//! The test is the server and most of its clients. The one that vanishes is a process in another network namespace, whose link goes down.

mod ss;

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use echoctl_testkit::{Elsewhere, Running, eventually};

/// What is wrong with a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trouble {
    Stalled,
    Slow,
    Gone,
    ClosedByClient,
    InAcceptQueue,
}

impl Trouble {
    /// The cause in JSON.
    pub(crate) fn token(self) -> &'static str {
        match self {
            Trouble::Stalled => "client_does_not_read",
            Trouble::Slow => "client_reads_slowly",
            Trouble::Gone => "peer_gone",
            Trouble::ClosedByClient => "closed_by_client",
            Trouble::InAcceptQueue => "in_accept_queue",
        }
    }

    /// How the cause begins in text.
    pub(crate) fn words(self) -> &'static str {
        match self {
            Trouble::Stalled => "client does not read",
            Trouble::Slow => "client reads slowly",
            Trouble::Gone => "peer gone",
            Trouble::ClosedByClient => "closed by the client",
            Trouble::InAcceptQueue => "in the accept queue",
        }
    }

    /// All of them.
    pub(crate) const ALL: [Trouble; 5] =
        [Trouble::Stalled, Trouble::Slow, Trouble::Gone, Trouble::ClosedByClient, Trouble::InAcceptQueue];
}

/// The server, its clients that cause trouble, and everything that keeps their connections as they are.
pub(crate) struct Scene {
    pub(crate) port: u16,
    /// By the client's address.
    pub(crate) troubles: BTreeMap<SocketAddr, Trouble>,
    /// The number of all connections.
    pub(crate) connections: usize,
    _listener: TcpListener,
    _open: Vec<TcpStream>,
    _gone: Running,
}

impl Scene {
    /// Makes the scene, with one client in the namespace of `elsewhere`, and waits until `ss` shows it.
    pub(crate) fn new(elsewhere: &Elsewhere) -> Scene {
        let listener = TcpListener::bind("0.0.0.0:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let mut troubles = BTreeMap::new();
        let mut open = Vec::new();
        for _ in 0..STALLED {
            let (client, server) = pair(&listener);
            troubles.insert(client.local_addr().unwrap(), Trouble::Stalled);
            fill(&server);
            open.extend([client, server]);
        }
        for _ in 0..CLOSED {
            let (client, server) = pair(&listener);
            troubles.insert(client.local_addr().unwrap(), Trouble::ClosedByClient);
            open.push(server);
        }
        let (slow, server) = pair(&listener);
        troubles.insert(slow.local_addr().unwrap(), Trouble::Slow);
        thread::spawn(move || push(server));
        thread::spawn(move || read_slowly(slow));

        let gone = start_client(elsewhere.pid, port);
        let (server, gone_addr) = listener.accept().unwrap();
        troubles.insert(gone_addr, Trouble::Gone);

        let (mut clients, mut servers) = (Vec::new(), vec![server]);
        for _ in 0..BUSY {
            let (client, server) = pair(&listener);
            clients.push(client);
            servers.push(server);
        }
        for _ in 0..IDLE {
            open.extend(<[TcpStream; 2]>::from(pair(&listener)));
        }
        thread::spawn(move || serve(servers));
        thread::spawn(move || talk(clients));
        for number in 0..QUEUED {
            let mut client = TcpStream::connect(("127.0.0.1", port)).unwrap();
            // Each has sent a different part of its request.
            client.write_all(&REQUEST[..number]).unwrap();
            troubles.insert(client.local_addr().unwrap(), Trouble::InAcceptQueue);
            open.push(client);
        }
        set_link_down(elsewhere.pid);

        let connections = STALLED + CLOSED + 2 + BUSY + IDLE + QUEUED;
        let scene = Scene { port, troubles, connections, _listener: listener, _open: open, _gone: gone };
        scene.wait_until_ss_shows_it();
        scene
    }

    /// What to watch.
    pub(crate) fn target(&self) -> String {
        format!("0.0.0.0:{}", self.port)
    }

    fn wait_until_ss_shows_it(&self) {
        eventually("ss shows the scene", || {
            let before = ss::connections(self.port);
            thread::sleep(BETWEEN_LOOKS);
            let shown = ss::troubles(&before, &ss::connections(self.port));
            let is_complete = before.len() == self.connections && ss::accept_queue(self.port) == QUEUED;
            if is_complete && shown == self.troubles { Ok(()) } else { Err((before.len(), shown)) }
        });
    }
}

/// A client here, and the server's end.
fn pair(listener: &TcpListener) -> (TcpStream, TcpStream) {
    let port = listener.local_addr().unwrap().port();
    let client = TcpStream::connect(("127.0.0.1", port)).unwrap();
    let (server, peer) = listener.accept().unwrap();
    assert_eq!(peer, client.local_addr().unwrap());
    (client, server)
}

/// Writes until the kernel accepts no more for a while.
fn fill(mut server: &TcpStream) {
    server.set_write_timeout(Some(Duration::from_millis(500))).unwrap();
    while server.write(&[0; 1 << 16]).is_ok() {}
}

fn push(mut server: TcpStream) {
    while server.write_all(&[0; 1 << 14]).is_ok() {}
}

/// Reads 10 KiB per second.
fn read_slowly(mut client: TcpStream) {
    while let Ok(1..) = client.read(&mut [0; 1 << 10]) {
        thread::sleep(Duration::from_millis(100));
    }
}

/// Sends a little to each client again and again, and reads what they send.
fn serve(servers: Vec<TcpStream>) {
    for server in &servers {
        server.set_nonblocking(true).unwrap();
    }
    loop {
        for mut server in &servers {
            // The client that is gone takes nothing any more.
            let _ = server.write(&[0; 1000]);
            let _ = server.read(&mut [0; 1 << 16]);
        }
        thread::sleep(TURN);
    }
}

/// Reads what the server sends to each client; every second client sends as well.
fn talk(clients: Vec<TcpStream>) {
    for client in &clients {
        client.set_nonblocking(true).unwrap();
    }
    loop {
        for (number, mut client) in clients.iter().enumerate() {
            while let Ok(1..) = client.read(&mut [0; 1 << 16]) {}
            if number % 2 == 0 {
                let _ = client.write(REQUEST);
            }
        }
        thread::sleep(TURN);
    }
}

/// A client in the namespace of the process `pid` that reads until the end.
fn start_client(pid: u32, port: u16) -> Running {
    let read = format!(
        "use IO::Socket::INET; my $s = IO::Socket::INET->new('10.77.0.1:{port}') or die $!; \
         while (sysread $s, my $bytes, 65536) {{}}"
    );
    let pid = pid.to_string();
    let mut client = Command::new("nsenter");
    Running::start(client.args(["-t", &pid, "-n", "perl", "-e", &read]).stdin(Stdio::null()))
}

/// Takes down the link in the namespace of the process `pid`: from now on all packets to and from it are dropped.
fn set_link_down(pid: u32) {
    let pid = pid.to_string();
    let down = ["-t", &pid, "-n", "ip", "link", "set", "far", "down"];
    assert!(Command::new("nsenter").args(down).status().unwrap().success());
}

/// 200 connections in all, with the slow one and the one that is gone.
const STALLED: usize = 3;
const CLOSED: usize = 2;
const QUEUED: usize = 5;
const BUSY: usize = 94;
const IDLE: usize = 94;

/// What a client sends.
const REQUEST: &[u8] = b"GET / HTTP/1.0\r\n\r\n";

/// Between two messages of a busy connection.
const TURN: Duration = Duration::from_millis(20);

/// Long enough that a reader of 10 KiB per second has read something.
const BETWEEN_LOOKS: Duration = Duration::from_millis(500);
