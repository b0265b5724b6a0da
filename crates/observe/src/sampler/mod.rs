//! Samples where all bytes of a run are, and the server's memory.
//!
//! A sample costs 2 µs per connection and 3 µs for the server's process (Linux 6.18, release build: 5 µs for one
//! connection, 220 µs for a hundred). With more than a hundred connections, each sample reads the next hundred in
//! turn and reuses the last values of the others, so that a sample of ten thousand costs as much as one of a hundred.
//! New connections are read first, so that each sample counts every connection.

mod connection;
mod path_state;
mod runner;
mod self_test;
mod tracker;

use std::time::{Duration, Instant};

use echoctl_record::Sample;

pub use connection::{Connection, Counters, Endpoint, LocalEndpoint, WatchedConnection};
pub use path_state::{Occupancy, PathState};
pub use runner::{SamplerThread, SamplingInterval};
pub use self_test::SelfTest;
pub use tracker::ConnectionTracker;

use crate::{ProcessTree, SocketDiag, TreeReading};
use connection::TrackedConnection;

/// Samples a set of connections and a server's processes. [`SamplerThread`] runs one at a constant interval.
#[derive(Debug)]
pub struct Sampler {
    connections: Vec<TrackedConnection>,
    tree: Option<ProcessTree>,
    diag: Option<SocketDiag>,
    start_time: Instant,
    /// Index of the connection to read next.
    next: usize,
}

/// A sample, and the additional values that a live view shows.
#[derive(Debug, Clone, PartialEq)]
pub struct Observation {
    /// The counters.
    pub sample: Sample,
    /// Windows, limits and states.
    pub path: PathState,
    /// The server's processes; `None` if none are watched.
    pub tree: Option<TreeReading>,
    /// A root of the process tree that has exited.
    pub server_ended: Option<u32>,
    /// How long taking the sample took.
    pub took: Duration,
    /// Whether the sample was due by time. The others were taken because many bytes had moved: they are meant for
    /// verdicts and charts, not for printing.
    pub is_regular: bool,
}

impl Sampler {
    /// A sampler whose time starts now. Connections can be added later; without a tree it reads no server memory.
    pub fn new(watched: Vec<WatchedConnection>, tree: Option<ProcessTree>) -> Sampler {
        Sampler {
            connections: watched.into_iter().map(TrackedConnection::new).collect(),
            tree,
            // Without sock_diag (another system or a sandbox) only the client's endpoint is visible.
            diag: SocketDiag::open().ok(),
            start_time: Instant::now(),
            next: 0,
        }
    }

    /// Adds a connection.
    pub fn watch(&mut self, watched: WatchedConnection) {
        self.connections.push(TrackedConnection::new(watched));
    }

    /// Removes the connections for which `keep` is false. Their bytes no longer count.
    pub fn retain(&mut self, mut keep: impl FnMut(&Connection) -> bool) {
        self.connections.retain(|tracked| keep(&tracked.last));
    }

    /// Takes a sample. Of more than [`MAX_PER_SAMPLE`] connections it reads the new ones and the next hundred.
    pub fn sample(&mut self) -> Observation {
        self.sample_some(MAX_PER_SAMPLE)
    }

    /// Takes a sample that reads the new connections and the next `count` of the others.
    pub(crate) fn sample_some(&mut self, count: usize) -> Observation {
        self.read(self.connections.len().min(count))
    }

    /// Takes a sample that reads every connection, for the end of a run.
    pub fn sample_all(&mut self) -> Observation {
        self.read(self.connections.len())
    }

    /// The connections as last read.
    pub fn connections(&self) -> impl Iterator<Item = &Connection> {
        self.connections.iter().map(|tracked| &tracked.last)
    }

    /// The server's processes.
    pub fn tree(&self) -> Option<&ProcessTree> {
        self.tree.as_ref()
    }

    /// When its time started.
    pub fn start_time(&self) -> Instant {
        self.start_time
    }

    fn read(&mut self, count: usize) -> Observation {
        let start = Instant::now();
        if count < self.connections.len() {
            for new in self.connections.iter_mut().filter(|tracked| !tracked.was_read) {
                new.read(self.diag.as_mut());
            }
        }
        for _ in 0..count {
            let at = self.next % self.connections.len();
            self.connections[at].read(self.diag.as_mut());
            self.next = at + 1;
        }
        let tree = self.tree.as_mut().map(ProcessTree::read);
        let server_ended = self.tree.as_mut().and_then(ProcessTree::exited_root);
        let path = PathState::of(self.connections(), start);
        let mut sample = self.sum();
        sample.t = start.duration_since(self.start_time).as_secs_f64();
        sample.server_memory = tree.filter(|tree| tree.processes > 0).map(|tree| tree.memory.total());
        sample.window = path.window;
        Observation { sample, path, tree, server_ended, took: start.elapsed(), is_regular: true }
    }

    /// The sum of the counters of all connections, as last read.
    fn sum(&self) -> Sample {
        let zero = (!self.connections.is_empty()).then_some(0);
        let mut sum = Sample {
            server_received: zero,
            server_read: zero,
            server_written: zero,
            client_received: zero,
            skew: Some(0),
            ..Sample::default()
        };
        for connection in self.connections() {
            let counters = connection.counters;
            sum.connections += u32::from(connection.is_open());
            sum.produced = sum.produced.saturating_add(counters.produced);
            sum.consumed = sum.consumed.saturating_add(counters.consumed);
            sum.server_received = plus(sum.server_received, counters.server_received);
            sum.server_read = plus(sum.server_read, counters.server_read);
            sum.server_written = plus(sum.server_written, counters.server_written);
            sum.client_received = plus(sum.client_received, counters.client_received);
            sum.skew = plus(sum.skew, Some(counters.skew));
            if let Some(memory) = connection.kernel_memory() {
                sum.kernel_memory = plus(sum.kernel_memory.or(Some(0)), Some(memory));
            }
        }
        sum
    }

    /// Bytes produced so far by the first hundred connections of this process, without a query of the kernel.
    fn produced(&self) -> u64 {
        self.connections.iter().take(MAX_PER_SAMPLE).map(TrackedConnection::produced).sum()
    }
}

/// The sum; `None` if a part is not visible.
fn plus(a: Option<u64>, b: Option<u64>) -> Option<u64> {
    Some(a?.saturating_add(b?))
}

/// Connections read per sample: half a millisecond of work, 1 % of a core at 20 samples per second.
pub const MAX_PER_SAMPLE: usize = 100;

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use std::io::Write;
    use std::net::{TcpListener, TcpStream};

    use super::*;

    #[test]
    fn the_first_sample_counts_every_connection() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let connect = || {
            let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            client.write_all(&[7; 10]).unwrap();
            (client, listener.accept().unwrap().0)
        };
        let watched = |(client, _): &(TcpStream, TcpStream)| WatchedConnection {
            local: client.local_addr().unwrap(),
            peer: client.peer_addr().unwrap(),
            endpoint: None,
        };
        let pairs: Vec<_> = (0..2 * MAX_PER_SAMPLE).map(|_| connect()).collect();
        let mut sampler = Sampler::new(pairs.iter().map(watched).collect(), None);

        let first = sampler.sample().sample;
        let late = connect();
        sampler.watch(watched(&late));
        let second = sampler.sample_some(1).sample;

        assert_eq!((first.connections, first.produced), (200, 2000));
        assert_eq!((second.connections, second.produced), (201, 2010));
    }
}
