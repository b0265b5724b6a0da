//! An echo server that counts its own bytes, and a client to measure: the ledger is compared with these counts.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use echoctl_observe::{LocalEndpoint, WatchedConnection};
use echoctl_testkit::eventually;

/// Bytes per read and per write of the server.
pub(crate) const CHUNK: usize = 64 << 10;

/// Bytes read and written by one side, by its own count.
#[derive(Debug, Default)]
pub(crate) struct Count {
    pub(crate) read: AtomicU64,
    pub(crate) written: AtomicU64,
}

impl Count {
    pub(crate) fn read(&self) -> u64 {
        self.read.load(SeqCst)
    }

    pub(crate) fn written(&self) -> u64 {
        self.written.load(SeqCst)
    }
}

/// An echo server with one thread per connection, which reads a chunk and writes it before it reads the next.
pub(crate) struct Echo {
    pub(crate) addr: SocketAddr,
    listener: TcpListener,
    threads: Vec<JoinHandle<()>>,
}

/// A connection to the echo server. Both sides count.
pub(crate) struct EchoConnection {
    pub(crate) client: Arc<TcpStream>,
    pub(crate) client_count: Arc<Count>,
    pub(crate) server_count: Arc<Count>,
}

impl Echo {
    pub(crate) fn start() -> Echo {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        Echo { addr: listener.local_addr().unwrap(), listener, threads: Vec::new() }
    }

    /// Opens one more connection. `buffers` is the size of each queue in bytes; 0: tuned by the kernel.
    pub(crate) fn connect(&mut self, buffers: usize) -> EchoConnection {
        let limit = |socket: socket2::SockRef<'_>| {
            if buffers > 0 {
                socket.set_recv_buffer_size(buffers).unwrap();
                socket.set_send_buffer_size(buffers).unwrap();
            }
        };
        limit((&self.listener).into());
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        limit((&socket).into());
        socket.connect(&self.addr.into()).unwrap();
        let (peer, _) = self.listener.accept().unwrap();
        let server_count = Arc::new(Count::default());
        let count = Arc::clone(&server_count);
        self.threads.push(std::thread::spawn(move || echo(peer, &count)));
        EchoConnection { client: Arc::new(socket.into()), client_count: Arc::default(), server_count }
    }

    /// Waits for the threads of all connections; the clients must have closed theirs.
    pub(crate) fn join(self) {
        for thread in self.threads {
            thread.join().unwrap();
        }
    }
}

impl EchoConnection {
    pub(crate) fn watched(&self) -> WatchedConnection {
        let count = Arc::clone(&self.client_count);
        WatchedConnection {
            local: self.client.local_addr().unwrap(),
            peer: self.client.peer_addr().unwrap(),
            endpoint: Some(LocalEndpoint {
                socket: Arc::clone(&self.client) as _,
                counts: Box::new(move || (count.written(), count.read())),
            }),
        }
    }

    /// Writes as much as the kernel accepts now; the socket must be non-blocking.
    pub(crate) fn write_what_fits(&self) {
        let chunk = [7; CHUNK];
        loop {
            match (&*self.client).write(&chunk) {
                Ok(written) => self.client_count.written.fetch_add(written as u64, SeqCst),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) => panic!("write: {error}"),
            };
        }
    }

    /// Reads from a blocking socket until as many bytes have come back as were sent.
    pub(crate) fn drain(&self) {
        let mut chunk = [0; CHUNK];
        while self.client_count.read() < self.client_count.written() {
            let read = (&*self.client).read(&mut chunk).unwrap();
            assert!(read > 0, "the server closed the connection");
            self.client_count.read.fetch_add(read as u64, SeqCst);
        }
    }

    pub(crate) fn close(&self) {
        self.client.shutdown(Shutdown::Both).unwrap();
    }
}

fn echo(mut peer: TcpStream, count: &Count) {
    let mut chunk = [0; CHUNK];
    loop {
        match peer.read(&mut chunk) {
            Ok(0) | Err(_) => return,
            Ok(read) => {
                count.read.fetch_add(read as u64, SeqCst);
                if peer.write_all(&chunk[..read]).is_err() {
                    return;
                }
                count.written.fetch_add(read as u64, SeqCst);
            }
        }
    }
}

/// Calls `state` until it has not changed for `quiet`, and returns the last value.
#[track_caller]
pub(crate) fn settled<T: PartialEq>(quiet: Duration, mut state: impl FnMut() -> T) -> T {
    let mut last = state();
    let mut since = Instant::now();
    eventually("nothing changes", || {
        let now = state();
        if now != last {
            (last, since) = (now, Instant::now());
        }
        since.elapsed() >= quiet
    });
    last
}
