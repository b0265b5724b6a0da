//! Measures the cost of a sample on this machine and the accuracy of the ledger, with an echo that counts its own
//! bytes. Takes about two seconds, uses only loopback, and fills at most a megabyte of queues.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::time::{Duration, Instant};

use echoctl_record::Queues;
use socket2::{Domain, SockRef, Socket, Type};

use crate::{Error, LocalEndpoint, Sampler, WatchedConnection, loopback, start_thread};

/// Results of the self-test.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SelfTest {
    /// Time to sample one connection: the median.
    pub cost_median: Duration,
    /// The same, 99th percentile.
    pub cost_p99: Duration,
    /// Total error of the ledger for a stalled echo, in bytes: the boundaries and their sum. `None`: the server's
    /// endpoint is not visible here.
    pub stalled_error: Option<u64>,
    /// Bytes in flight during that stall.
    pub stalled_bytes: u64,
    /// Error of a boundary with a running echo, in bytes: the median of the samples.
    pub running_error_median: Option<u64>,
    /// The same, 95th percentile.
    pub running_error_p95: Option<u64>,
    /// Rate of the running echo, in bytes per second.
    pub running_rate: f64,
}

impl SelfTest {
    /// The largest median error of a running echo with which measurements are trusted: four writes, in bytes.
    pub const RUNNING_TOLERANCE: u64 = 4 * CHUNK as u64;

    /// Runs the self-test.
    ///
    /// # Errors
    /// If the kernel refuses a socket on loopback, or a thread.
    pub fn run() -> Result<SelfTest, Error> {
        run().map_err(Error::kernel("run the self-test on loopback"))
    }

    /// Whether measurements on this machine can be trusted now: exact to the byte for a stalled echo, and to
    /// [`RUNNING_TOLERANCE`](SelfTest::RUNNING_TOLERANCE) for a running one.
    pub fn is_good(&self) -> bool {
        self.stalled_error == Some(0)
            && self.running_error_median.is_some_and(|error| error <= SelfTest::RUNNING_TOLERANCE)
    }
}

fn run() -> io::Result<SelfTest> {
    let connection = Arc::new(EchoConnection::open()?);
    let result = measure(&connection);
    // Ends its threads. Fails if the connection is already closed, which is fine.
    let _ = connection.client.shutdown(Shutdown::Both);
    result
}

fn measure(connection: &Arc<EchoConnection>) -> io::Result<SelfTest> {
    let mut sampler = Sampler::new(vec![watched(connection)?], None);

    let (stalled_error, stalled_bytes) = stalled(connection, &mut sampler)?;
    let mut costs: Vec<Duration> = (0..COST_SAMPLES).map(|_| sampler.sample().took).collect();
    costs.sort();

    let start = Instant::now();
    let (_, before) = connection.client_count.load();
    let errors = running(connection, &mut sampler)?;
    let (_, after) = connection.client_count.load();
    let error_at = |part: usize| errors.get(errors.len() * part / 100).copied();
    Ok(SelfTest {
        cost_median: costs[COST_SAMPLES / 2],
        cost_p99: costs[COST_SAMPLES * 99 / 100],
        stalled_error,
        stalled_bytes,
        running_error_median: error_at(50),
        running_error_p95: error_at(95),
        running_rate: (after - before) as f64 / start.elapsed().as_secs_f64(),
    })
}

/// Fills every queue, waits until nothing moves, and compares the counters.
fn stalled(connection: &EchoConnection, sampler: &mut Sampler) -> io::Result<(Option<u64>, u64)> {
    connection.client.set_nonblocking(true)?;
    let deadline = Instant::now() + STALL_TIMEOUT;
    let mut last = sampler.sample().sample;
    let mut since = Instant::now();
    while since.elapsed() < QUIET_TIME && Instant::now() < deadline {
        connection.write_what_fits()?;
        std::thread::sleep(Duration::from_millis(5));
        let now = sampler.sample().sample;
        let moved = |sample: &echoctl_record::Sample| {
            (sample.produced, sample.server_received, sample.server_read, sample.server_written)
        };
        if moved(&now) != moved(&last) {
            since = Instant::now();
        }
        last = now;
    }
    let on_the_way = last.produced - last.consumed;
    let (Some(read), Some(written)) = (last.server_read, last.server_written) else {
        return Ok((None, on_the_way));
    };
    // A part of the blocked write is in the kernel, but the server counts it only when the write returns.
    let (server_wrote, server_read) = connection.server_count.load();
    let (client_wrote, _) = connection.client_count.load();
    let wrong = server_read.abs_diff(read)
        + outside(written, server_wrote, server_wrote + CHUNK as u64)
        + client_wrote.abs_diff(last.produced)
        + Queues::of(&last).clamped;
    Ok((Some(wrong), on_the_way))
}

/// Samples while the echo runs at full speed, and returns the sorted errors; none if there is nothing to compare with.
fn running(connection: &Arc<EchoConnection>, sampler: &mut Sampler) -> io::Result<Vec<u64>> {
    connection.client.set_nonblocking(false)?;
    let repeat = |name: &str, step: fn(&EchoConnection) -> bool| {
        let connection = Arc::clone(connection);
        start_thread(name, move || while step(&connection) {}).map_err(io::Error::other)
    };
    let writer = repeat("writer", |connection| connection.write().is_ok())?;
    let reader = repeat("reader", |connection| connection.read().is_ok_and(|count| count > 0))?;

    let ends = Instant::now() + RUN_DURATION;
    let mut errors = Vec::new();
    while Instant::now() < ends {
        let before = connection.server_count.load();
        let sample = sampler.sample().sample;
        let after = connection.server_count.load();
        if let (Some(read), Some(written)) = (sample.server_read, sample.server_written) {
            errors.push(outside(written, before.0, after.0).max(outside(read, before.1, after.1)));
        }
        std::thread::sleep(Duration::from_micros(500));
    }
    // No more can be written. The server sees the end of stream, echoes the rest and closes, so the reader ends as well.
    let _ = connection.client.shutdown(Shutdown::Write);
    writer
        .join()
        .and_then(|()| reader.join())
        .map_err(|_| io::Error::other("a thread of the client failed"))?;
    errors.sort_unstable();
    Ok(errors)
}

/// Distance of `value` from the possible range.
fn outside(value: u64, min: u64, max: u64) -> u64 {
    min.saturating_sub(value) + value.saturating_sub(max)
}

/// Bytes read and written by one side, by its own count.
#[derive(Debug, Default)]
struct Count {
    read: AtomicU64,
    written: AtomicU64,
}

impl Count {
    /// The bytes (written, read) so far.
    fn load(&self) -> (u64, u64) {
        (self.written.load(SeqCst), self.read.load(SeqCst))
    }
}

/// A connection to an echo on its own thread, which ends with the connection.
struct EchoConnection {
    client: Arc<TcpStream>,
    client_count: Count,
    server_count: Arc<Count>,
}

impl EchoConnection {
    fn open() -> io::Result<EchoConnection> {
        let listener = TcpListener::bind((loopback(), 0))?;
        let addr = listener.local_addr()?;
        let client = Socket::new(Domain::for_address(addr), Type::STREAM, None)?;
        for socket in [SockRef::from(&listener), SockRef::from(&client)] {
            socket.set_send_buffer_size(BUFFER)?;
            socket.set_recv_buffer_size(BUFFER)?;
        }
        client.connect_timeout(&addr.into(), IO_TIMEOUT)?;
        let client = TcpStream::from(client);
        let peer = loop {
            // The client's connection is in the backlog by now; any other comes from a program that found the port.
            let (peer, from) = listener.accept()?;
            if from == client.local_addr()? {
                break peer;
            }
        };
        for end in [&client, &peer] {
            end.set_read_timeout(Some(IO_TIMEOUT))?;
            end.set_write_timeout(Some(IO_TIMEOUT))?;
        }
        let server_count = Arc::new(Count::default());
        let count = Arc::clone(&server_count);
        start_thread("echo", move || echo(peer, &count)).map_err(io::Error::other)?;
        Ok(EchoConnection { client: Arc::new(client), client_count: Count::default(), server_count })
    }

    fn write(&self) -> io::Result<()> {
        let written = (&*self.client).write(&[b'x'; CHUNK])?;
        self.client_count.written.fetch_add(written as u64, SeqCst);
        Ok(())
    }

    fn read(&self) -> io::Result<usize> {
        let read = (&*self.client).read(&mut [0; CHUNK])?;
        self.client_count.read.fetch_add(read as u64, SeqCst);
        Ok(read)
    }

    fn write_what_fits(&self) -> io::Result<()> {
        let error = loop {
            if let Err(error) = self.write() {
                break error;
            }
        };
        if error.kind() == ErrorKind::WouldBlock { Ok(()) } else { Err(error) }
    }
}

fn watched(connection: &Arc<EchoConnection>) -> io::Result<WatchedConnection> {
    let (local, peer) = (connection.client.local_addr()?, connection.client.peer_addr()?);
    let (socket, connection) = (Arc::clone(&connection.client), Arc::clone(connection));
    let endpoint = LocalEndpoint { socket, counts: Box::new(move || connection.client_count.load()) };
    Ok(WatchedConnection { local, peer, endpoint: Some(endpoint) })
}

/// Reads a chunk, writes it, and only then reads the next.
fn echo(mut peer: TcpStream, count: &Count) {
    let mut chunk = [0; CHUNK];
    while let Ok(read @ 1..) = peer.read(&mut chunk) {
        count.read.fetch_add(read as u64, SeqCst);
        if peer.write_all(&chunk[..read]).is_err() {
            return;
        }
        count.written.fetch_add(read as u64, SeqCst);
    }
}

/// Bytes per read and per write.
const CHUNK: usize = 64 << 10;

/// Bytes. Small queues stall soon; the kernel doubles this value.
const BUFFER: usize = 64 << 10;

/// Longer than the steps in which a stall builds up: delayed ACK (40 ms), first window probe (200 ms).
const QUIET_TIME: Duration = Duration::from_millis(450);

/// Such small queues are stalled after 0.3 s; a loaded machine may take longer.
const STALL_TIMEOUT: Duration = Duration::from_secs(5);

/// A call on these sockets that takes this long is hung: then the test ends without it.
const IO_TIMEOUT: Duration = Duration::from_secs(8);

/// Duration of sampling the running echo.
const RUN_DURATION: Duration = Duration::from_millis(700);

const COST_SAMPLES: usize = 1000;

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use super::*;

    #[test]
    fn the_ledger_is_exact_when_nothing_moves() {
        let test = SelfTest::run().unwrap();

        assert_eq!(test.stalled_error, Some(0), "{test:?}");
        assert!(test.stalled_bytes > BUFFER as u64, "{test:?}");
        assert!(test.running_error_median.is_some() && test.running_rate > 0.0, "{test:?}");
        assert!(test.cost_median > Duration::ZERO && test.cost_median <= test.cost_p99);
    }

    #[test]
    fn a_possible_value_has_distance_0() {
        assert_eq!([outside(5, 3, 8), outside(1, 3, 8), outside(10, 3, 8)], [0, 2, 2]);
    }
}
