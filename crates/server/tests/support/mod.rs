//! A server in this process, and peers made of plain blocking sockets.
//!
//! Nothing here waits for time to pass. Conditions are waited for, with a deadline that only a hung server reaches.
#![allow(dead_code, reason = "each test file uses its part")]

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::{Arc, Mutex, OnceLock};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use echoctl_server::{
    CloseReason, Config, Control, Error, Event, Io, Policy, ReplyQueue, Server, Stats, Totals, runtime,
};
use echoctl_testkit::DEADLINE;
pub(crate) use echoctl_testkit::eventually;
use tokio::sync::oneshot;

/// A running server. Dropping it shuts it down.
pub(crate) struct TestServer {
    pub(crate) addr: SocketAddr,
    pub(crate) control: Control,
    log: Arc<Mutex<EventLog>>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<Stats>>,
}

#[derive(Default)]
struct EventLog {
    stats: Vec<Stats>,
    closed: Vec<(SocketAddr, CloseReason, Totals)>,
}

impl TestServer {
    /// Starts it on a free port, with small kernel buffers, so that a peer that does not read has an effect soon.
    pub(crate) fn start(config: Config) -> TestServer {
        let log = Arc::<Mutex<EventLog>>::default();
        let config = Config {
            addr: "127.0.0.1:0".parse().unwrap(),
            send_buffer: Some(KERNEL_BUFFER),
            receive_buffer: Some(KERNEL_BUFFER),
            stats_every: Some(Duration::from_millis(2)),
            workers: Some(WORKERS),
            ..config
        };
        let server = Server::bind(config).unwrap();
        let (addr, control) = (server.local_addr(), server.control());
        let (stop, stopped) = oneshot::channel();
        let sink = log.clone();
        let emit = move |event| sink.lock().unwrap().record(event);
        let shutdown = async { drop(stopped.await) };
        let thread =
            thread::spawn(move || runtime(Some(1)).unwrap().block_on(server.serve(emit, shutdown)).unwrap());
        TestServer { addr, control, log, stop: Some(stop), thread: Some(thread) }
    }

    pub(crate) fn with(policy: Policy) -> TestServer {
        TestServer::start(Config { policy, ..Config::default() })
    }

    /// Connects a peer, with small kernel buffers of its own.
    pub(crate) fn peer(&self) -> TcpStream {
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        socket.set_recv_buffer_size(KERNEL_BUFFER).unwrap();
        socket.set_send_buffer_size(KERNEL_BUFFER).unwrap();
        socket.connect(&self.addr.into()).unwrap();
        let peer = TcpStream::from(socket);
        peer.set_read_timeout(Some(DEADLINE)).unwrap();
        peer.set_nodelay(true).unwrap();
        peer
    }

    /// The newest stats.
    pub(crate) fn stats(&self) -> Stats {
        self.log.lock().unwrap().stats.last().copied().unwrap_or_default()
    }

    /// Maximum number of bytes that all connections together buffered in any stats.
    pub(crate) fn peak(&self) -> u64 {
        self.log.lock().unwrap().stats.iter().map(|stats| stats.buffered).max().unwrap_or_default()
    }

    /// Waits until the stats meet `condition`.
    pub(crate) fn wait_for(&self, what: &str, condition: impl Fn(&Stats) -> bool) {
        eventually(what, || condition(&self.stats()));
    }

    /// Waits until the server buffers something that it cannot write: nothing changes in many consecutive stats.
    pub(crate) fn wait_for_a_stall(&self) {
        self.wait_for_stillness("the server stalls", |stats| stats.buffered > 0);
    }

    /// Waits until nothing has passed through the server in many stats from now on.
    pub(crate) fn wait_for_a_quiet_time(&self) {
        self.log.lock().unwrap().stats.clear();
        self.wait_for_stillness("nothing moves", |_| true);
    }

    fn wait_for_stillness(&self, what: &str, condition: impl Fn(&Stats) -> bool) {
        eventually(what, || {
            let stats = &self.log.lock().unwrap().stats;
            let recent = &stats[stats.len().saturating_sub(STALL_LOOKS)..];
            let is_still = |stats: &Stats| {
                condition(stats) && Some(stats.totals) == recent.last().map(|last| last.totals)
            };
            recent.len() == STALL_LOOKS && recent.iter().all(is_still)
        });
    }

    /// Waits for the next connection to close, and returns its reason and totals.
    pub(crate) fn next_closed(&self) -> (CloseReason, Totals) {
        let mut closed = None;
        eventually("a connection closes", || {
            let mut log = self.log.lock().unwrap();
            if !log.closed.is_empty() {
                closed = Some(log.closed.remove(0));
            }
            closed.is_some()
        });
        let (_, reason, totals) = closed.unwrap();
        (reason, totals)
    }

    /// The reasons of all closed connections that [`next_closed`](TestServer::next_closed) has not returned.
    pub(crate) fn closed(&self) -> Vec<String> {
        self.log.lock().unwrap().closed.iter().map(|(_, reason, _)| reason.name().to_owned()).collect()
    }

    /// Asks it to shut down, without waiting.
    pub(crate) fn request_shutdown(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
    }

    /// Shuts it down and returns its totals.
    pub(crate) fn end(mut self) -> Stats {
        self.request_shutdown();
        self.thread.take().unwrap().join().unwrap()
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        self.request_shutdown();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl EventLog {
    fn record(&mut self, event: Event) {
        match event {
            Event::Stats(stats) => self.stats.push(stats),
            Event::Closed { peer, reason, totals } => self.closed.push((peer, reason, totals)),
            Event::Listening(_) | Event::ShuttingDown { .. } | Event::AcceptPaused { .. } => {}
        }
    }
}

/// Lines of `length` bytes, newline included, numbered so that all differ; about `total` bytes.
pub(crate) fn lines(length: usize, total: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(total);
    for number in 0..total / length {
        let start = bytes.len();
        write!(bytes, "{number:08} ").unwrap();
        bytes.resize(start + length - 1, b'a' + (number % 26) as u8);
        bytes.push(b'\n');
    }
    bytes
}

/// Every I/O model and policy, with `limit` bytes for the policies that have a limit.
pub(crate) fn every_io_and_policy(limit: usize) -> impl Iterator<Item = (Io, Policy)> {
    let policies = [
        Policy::Await,
        Policy::Off,
        Policy::Bounded { limit },
        Policy::Watermark { limit, resume_at: limit / 4 },
        Policy::Drop { limit },
        Policy::Disconnect { limit, grace: Duration::from_secs(3600) },
        Policy::Budget { limit },
    ];
    let tasks = policies.into_iter().map(|policy| (Io::Tasks, policy));
    tasks.chain(ios().filter(|&io| io != Io::Tasks).map(|io| (io, Policy::Await)))
}

/// Every I/O model that can be tested here.
pub(crate) fn ios() -> impl Iterator<Item = Io> {
    Io::ALL.into_iter().filter(|&io| io != Io::Uring || has_uring())
}

/// Whether this system has io_uring. If not, says so.
pub(crate) fn has_uring() -> bool {
    static HAS_URING: OnceLock<bool> = OnceLock::new();
    *HAS_URING.get_or_init(|| {
        let config = Config { addr: "127.0.0.1:0".parse().unwrap(), io: Io::Uring, ..Config::default() };
        let served = Server::bind(config).and_then(|server| {
            runtime(Some(1)).and_then(|runtime| runtime.block_on(server.serve(|_| (), async {})))
        });
        match served {
            Ok(_) => true,
            Err(error @ (Error::NoUring { .. } | Error::Config(_))) => {
                eprintln!("uring I/O is not tested here: {error:?}");
                false
            }
            Err(error) => panic!("{error:?}"),
        }
    })
}

/// Whether the policy drops nothing.
pub(crate) fn is_lossless((_, policy): &(Io, Policy)) -> bool {
    !matches!(policy, Policy::Drop { .. })
}

/// Writes everything on a separate thread; the peer can be read in the meantime.
pub(crate) fn send_in_background(peer: &TcpStream, bytes: Vec<u8>) -> JoinHandle<TcpStream> {
    let mut writer = peer.try_clone().unwrap();
    thread::spawn(move || {
        // The server may close the connection. A test that expects otherwise compares what came back.
        let _ = writer.write_all(&bytes);
        writer
    })
}

/// Sends everything, closes that direction, and reads to the end at the same time.
pub(crate) fn echo_all(peer: &mut TcpStream, bytes: &[u8]) -> Vec<u8> {
    let sender = send_in_background(peer, bytes.to_vec());
    finish(peer, sender)
}

/// Reads to the end of the stream; meanwhile closes the direction of `sender` once it has sent everything.
pub(crate) fn finish(peer: &mut TcpStream, sender: JoinHandle<TcpStream>) -> Vec<u8> {
    let half_closer = thread::spawn(move || sender.join().unwrap().shutdown(Shutdown::Write));
    let got = read_to_end(peer);
    half_closer.join().unwrap().unwrap();
    got
}

/// Reads to the end of the stream.
pub(crate) fn read_to_end(peer: &mut TcpStream) -> Vec<u8> {
    let mut got = Vec::new();
    peer.read_to_end(&mut got).unwrap();
    got
}

/// Sends one frame and reads as many bytes.
pub(crate) fn round_trip(peer: &mut TcpStream, frame: &[u8]) -> Vec<u8> {
    peer.write_all(frame).unwrap();
    let mut got = vec![0; frame.len()];
    peer.read_exact(&mut got).unwrap();
    got
}

/// Reads until the connection is closed or reset. (Which of the two a reader sees depends on whether a writer on the same socket
/// has seen the reset before.)
pub(crate) fn wait_for_the_end(peer: &mut TcpStream) {
    match std::io::copy(peer, &mut std::io::sink()) {
        Ok(_) => {}
        Err(error) if matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe) => {}
        Err(error) => panic!("the connection was not closed: {error}"),
    }
}

/// Bytes of one read from a peer that does not read its replies, by which a policy may exceed its limit.
pub(crate) const READ: u64 = 64 * 1024;

/// Bytes that a reply queue may have allocated beyond its content: the rest of its first and of its last segment, and the ring of
/// segments.
pub(crate) const SEGMENTS: u64 = 2 * ReplyQueue::SEGMENT as u64 + 1000;

/// Bytes by which the memory limit may be exceeded: what one large read left over, for each of the workers.
pub(crate) const OVERSHOOT: u64 = WORKERS as u64 * 128 * 1024;

/// Threads of the runtime.
const WORKERS: usize = 2;

/// Bytes requested for each kernel buffer (Linux doubles them).
pub(crate) const KERNEL_BUFFER: usize = 16 * 1024;

/// Number of consecutive stats without a change that make a stall. A server that has work gets the CPU in between.
const STALL_LOOKS: usize = 100;
