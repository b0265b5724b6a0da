//! Measures the cost of a sample on this machine and the accuracy of the ledger, with an echo that counts its own
//! bytes. Takes about two seconds, uses only loopback, and fills at most a megabyte of queues.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::time::{Duration, Instant};

use echoctl_record::Queues;
use socket2::{Domain, SockRef, Socket, Type};

use crate::process::start_scoped;
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
    let connection = EchoConnection::open()?;
    let mut sampler = Sampler::new(vec![connection.watched()?], None);

    let (stalled_error, stalled_bytes) = stalled(&connection, &mut sampler)?;
    let mut costs: Vec<Duration> = (0..COST_SAMPLES).map(|_| sampler.sample().took).collect();
    costs.sort();

    let start = Instant::now();
    let before = connection.client_count.read.load(SeqCst);
    let errors = running(&connection, &mut sampler)?;
    let running_rate =
        (connection.client_count.read.load(SeqCst) - before) as f64 / start.elapsed().as_secs_f64();
    let error_at =
        |part: usize| errors.as_ref().and_then(|errors| errors.get(errors.len() * part / 100).copied());
    Ok(SelfTest {
        cost_median: costs[COST_SAMPLES / 2],
        cost_p99: costs[COST_SAMPLES * 99 / 100],
        stalled_error,
        stalled_bytes,
        running_error_median: error_at(50),
        running_error_p95: error_at(95),
        running_rate,
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
    let counted = connection.server_count.written.load(SeqCst);
    let wrong = connection.server_count.read.load(SeqCst).abs_diff(read)
        + outside(written, counted, counted + CHUNK as u64)
        + connection.client_count.written.load(SeqCst).abs_diff(last.produced)
        + Queues::of(&last).clamped;
    Ok((Some(wrong), on_the_way))
}

/// Samples while the echo runs at full speed, and returns the sorted errors. `None`: nothing to compare with.
fn running(connection: &EchoConnection, sampler: &mut Sampler) -> io::Result<Option<Vec<u64>>> {
    connection.client.set_nonblocking(false)?;
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let writer = start_scoped(scope, || {
            loop {
                if done.load(SeqCst) || connection.write().is_err() {
                    break;
                }
            }
            // The server sees the end of stream, echoes the rest and closes, so the reader ends as well.
            let _ = connection.client.shutdown(Shutdown::Write);
        })
        .map_err(io::Error::other)?;
        if let Err(error) = start_scoped(scope, || while matches!(connection.read(), Ok(1..)) {}) {
            // The writer fails then, instead of waiting for an echo that waits for a reader.
            let _ = connection.client.shutdown(Shutdown::Both);
            return Err(io::Error::other(error));
        }
        let ends = Instant::now() + RUN_DURATION;
        let mut errors = Vec::new();
        while Instant::now() < ends {
            let before = connection.server_count.load();
            let sample = sampler.sample().sample;
            let after = connection.server_count.load();
            if let (Some(read), Some(written)) = (sample.server_read, sample.server_written) {
                errors.push(outside(read, before.0, after.0).max(outside(written, before.1, after.1)));
            }
            std::thread::sleep(Duration::from_micros(500));
        }
        done.store(true, SeqCst);
        writer.join().map_err(|_| io::Error::other("the writer failed"))?;
        errors.sort_unstable();
        Ok((!errors.is_empty()).then_some(errors))
    })
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
    fn load(&self) -> (u64, u64) {
        (self.read.load(SeqCst), self.written.load(SeqCst))
    }
}

/// A connection to an echo on its own thread, which ends with the connection.
struct EchoConnection {
    client: Arc<TcpStream>,
    client_count: Arc<Count>,
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
        Ok(EchoConnection { client: Arc::new(client), client_count: Arc::default(), server_count })
    }

    fn watched(&self) -> io::Result<WatchedConnection> {
        let count = Arc::clone(&self.client_count);
        Ok(WatchedConnection {
            local: self.client.local_addr()?,
            peer: self.client.peer_addr()?,
            endpoint: Some(LocalEndpoint {
                socket: Arc::clone(&self.client) as _,
                counts: Box::new(move || (count.written.load(SeqCst), count.read.load(SeqCst))),
            }),
        })
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
        loop {
            match self.write() {
                Ok(()) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        }
    }
}

impl Drop for EchoConnection {
    fn drop(&mut self) {
        // Fails if the connection is already closed, which is fine.
        let _ = self.client.shutdown(Shutdown::Both);
    }
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
