//! Samples where all bytes of a run are, and the server's memory.
//!
//! A sample costs 8 µs per connection, of which the look-up of the server's end takes half, and 1.4 µs for the server's process (Linux
//! 6.18, release build). Five sixths of it are the kernel's: its five calls take 6 µs when nothing runs between them. With more than a
//! hundred connections, each sample reads the next hundred in turn and reuses the last values of the others, so that a sample of ten
//! thousand costs as much as one of a hundred. New connections are read first, so that each sample counts every connection.

mod connection;
mod counters;
mod figures;
mod history;
mod key;
mod listeners;
mod path_state;
mod schedule;
mod selection;
mod self_test;
mod totals;
mod tracked;
mod tracker;
mod unix_connection;
mod unix_tracker;

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use echoctl_record::{ConnectionLogger, Sample};

pub use connection::{Connection, OwnSocket, ServerClose};
pub use counters::{Counters, Seen, ServerSeen, combine};
use history::History;
pub use listeners::{ListenerReading, Moved};
pub use path_state::{Occupancy, PathState};
pub use schedule::{Due, SamplingInterval, SamplingSchedule};
pub use selection::Selection;
pub use self_test::SelfTest;
pub use tracker::ConnectionTracker;
pub use unix_connection::UnixConnection;

use crate::{AsHandle, Process, ProcessTree, RootExit, SocketTables, TreeReading};

/// A source of samples: a [`Sampler`], or, for a test, recorded ones.
pub trait SampleSource {
    /// Takes a sample.
    fn sample(&mut self) -> Observation;

    /// Takes a sample for which every connection is read, however long that takes: the last one of a run.
    fn sample_all(&mut self) -> Observation {
        self.sample()
    }

    /// Adds what `observation` has read of each connection to a log; a source without connections adds nothing.
    fn log(&self, _observation: &Observation, _into: &mut ConnectionLogger) {}
}

impl<F: FnMut() -> Observation> SampleSource for F {
    fn sample(&mut self) -> Observation {
        self()
    }
}

/// A sample, and the additional values that a live view shows.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Observation {
    /// The counters.
    pub sample: Sample,
    /// Windows, limits and closes.
    pub path: PathState,
    /// The server's processes; `None` if none are watched.
    pub tree: Option<TreeReading>,
    /// Which roots of the process tree have exited, if any.
    pub exited: Option<RootExit>,
    /// How long taking the sample took.
    pub took: Duration,
}

/// Samples a set of connections and a server's processes.
#[derive(Debug)]
pub struct Sampler {
    connections: Vec<Watched>,
    tree: Option<ProcessTree>,
    tables: SocketTables,
    start_time: Instant,
    /// Index of the connection to read next.
    next: usize,
}

/// A connection to be sampled.
pub struct WatchedConnection {
    /// The client's address.
    pub local: SocketAddr,
    /// The server's address.
    pub peer: SocketAddr,
    /// The client's endpoint, if this process owns it. Otherwise both endpoints are looked up in the kernel.
    pub endpoint: Option<LocalEndpoint>,
}

/// The client's endpoint of a connection, owned by this process.
pub struct LocalEndpoint {
    /// The socket.
    pub socket: Arc<dyn AsHandle + Send + Sync>,
    /// Returns the bytes (produced, consumed) so far: written and read by the client. It is called twice per sample, so it should
    /// cost no more than two atomic loads.
    pub counts: Box<dyn Fn() -> (u64, u64) + Send + Sync>,
}

impl fmt::Debug for WatchedConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WatchedConnection")
            .field("local", &self.local)
            .field("peer", &self.peer)
            .finish_non_exhaustive()
    }
}

/// A watched connection and its last values.
#[derive(Debug)]
struct Watched {
    given: WatchedConnection,
    last: Connection,
    /// Whether it has been read at least once. Until then `last` is empty.
    was_read: bool,
}

impl Watched {
    fn new(given: WatchedConnection) -> Watched {
        Watched { last: Connection::new(given.local, given.peer), given, was_read: false }
    }

    fn read(&mut self, tables: &mut SocketTables) {
        self.was_read = true;
        let own = self.given.endpoint.as_ref();
        self.last
            .refresh(own.map(|own| OwnSocket { socket: &*own.socket, counts: &*own.counts }), Some(tables));
    }
}

impl SampleSource for Sampler {
    fn sample(&mut self) -> Observation {
        Sampler::sample(self)
    }

    fn sample_all(&mut self) -> Observation {
        self.sample_some(usize::MAX)
    }

    fn log(&self, observation: &Observation, into: &mut ConnectionLogger) {
        Sampler::log(self, observation, into);
    }
}

impl Sampler {
    /// A sampler whose time starts now. Connections can be added later; without a tree it reads no server memory.
    pub fn new(watched: Vec<WatchedConnection>, tree: Option<ProcessTree>) -> Sampler {
        Sampler {
            connections: watched.into_iter().map(Watched::new).collect(),
            tables: SocketTables::of(tree.iter().flat_map(ProcessTree::members).map(Process::pid)),
            tree,
            start_time: Instant::now(),
            next: 0,
        }
    }

    /// Adds a connection.
    pub fn watch(&mut self, watched: WatchedConnection) {
        self.connections.push(Watched::new(watched));
    }

    /// Takes a sample. Of more than [`MAX_PER_SAMPLE`] connections it reads the new ones and the next hundred.
    pub fn sample(&mut self) -> Observation {
        self.sample_some(MAX_PER_SAMPLE)
    }

    /// The connections as last read.
    pub fn connections(&self) -> impl Iterator<Item = &Connection> {
        self.connections.iter().map(|watched| &watched.last)
    }

    /// Adds the connections that `observation` has read to a log.
    pub fn log(&self, observation: &Observation, into: &mut ConnectionLogger) {
        into.took(observation.took.as_secs_f64());
        for connection in self.connections() {
            let read_at = connection.read_at.map(|at| at.duration_since(self.start_time).as_secs_f64());
            let Some(t) = read_at.filter(|t| *t >= observation.sample.t) else { continue };
            if let Some(counters) = connection.visible_counters() {
                into.add(t, connection.local, connection.peer, counters);
            }
        }
    }

    /// The server's processes.
    pub fn tree(&self) -> Option<&ProcessTree> {
        self.tree.as_ref()
    }

    /// Takes a sample that reads the new connections and the next `count` of the others.
    fn sample_some(&mut self, count: usize) -> Observation {
        let count = count.min(self.connections.len());
        let start = Instant::now();
        self.tables.renew();
        if count < self.connections.len() {
            for new in self.connections.iter_mut().filter(|watched| !watched.was_read) {
                new.read(&mut self.tables);
            }
        }
        for _ in 0..count {
            let at = self.next % self.connections.len();
            self.connections[at].read(&mut self.tables);
            self.next = at + 1;
        }
        let tree = self.tree.as_mut().map(ProcessTree::read);
        let exited = tree.and_then(|tree| tree.exited);
        let path = PathState::of(self.connections(), start);
        let mut sample = Sum::of(self.connections()).sample();
        sample.t = start.duration_since(self.start_time).as_secs_f64();
        sample.server_memory = tree.filter(|tree| tree.processes > 0).map(|tree| tree.memory.total());
        sample.window = path.window;
        Observation { sample, path, tree, exited, took: start.elapsed() }
    }
}

/// The sum of the counters of connections, as last read.
#[derive(Debug, Default)]
struct Sum(Option<Sample>);

impl Sum {
    fn of<'a>(connections: impl Iterator<Item = &'a Connection>) -> Sum {
        let mut sum = Sum::default();
        connections.for_each(|connection| sum.add(connection));
        sum
    }

    fn add(&mut self, connection: &Connection) {
        let sum = self.0.get_or_insert_with(|| Sample {
            server_received: Some(0),
            server_read: Some(0),
            server_written: Some(0),
            client_received: Some(0),
            skew: Some(0),
            ..Sample::default()
        });
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

    /// The sum as a sample. Without a connection, what it would show is not known.
    fn sample(self) -> Sample {
        self.0.unwrap_or(Sample { skew: Some(0), ..Sample::default() })
    }
}

/// The sum; `None` if a part is not visible.
fn plus(a: Option<u64>, b: Option<u64>) -> Option<u64> {
    Some(a?.saturating_add(b?))
}

/// Connections read per sample: less than a millisecond of work, 2 % of a core at 20 samples per second.
pub const MAX_PER_SAMPLE: usize = 100;

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use std::io::Write;
    use std::net::{TcpListener, TcpStream};

    use super::*;

    fn connect(listener: &TcpListener) -> (TcpStream, TcpStream) {
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        (client, listener.accept().unwrap().0)
    }

    fn watched((client, _): &(TcpStream, TcpStream)) -> WatchedConnection {
        let (local, peer) = (client.local_addr().unwrap(), client.peer_addr().unwrap());
        WatchedConnection { local, peer, endpoint: None }
    }

    fn write((client, _): &(TcpStream, TcpStream)) {
        (&*client).write_all(&[7; 10]).unwrap();
    }

    #[test]
    fn the_first_sample_counts_every_connection() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let pairs: Vec<_> = (0..2 * MAX_PER_SAMPLE).map(|_| connect(&listener)).collect();
        pairs.iter().for_each(write);
        let mut sampler = Sampler::new(pairs.iter().map(watched).collect(), None);

        let first = sampler.sample().sample;
        let late = connect(&listener);
        write(&late);
        sampler.watch(watched(&late));
        let second = sampler.sample_some(1).sample;

        assert_eq!((first.connections, first.produced), (200, 2000));
        assert_eq!((second.connections, second.produced), (201, 2010));
    }

    #[test]
    fn the_last_sample_reads_every_connection() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let pairs: Vec<_> = (0..2 * MAX_PER_SAMPLE).map(|_| connect(&listener)).collect();
        let mut sampler = Sampler::new(pairs.iter().map(watched).collect(), None);
        sampler.sample_all();
        pairs.iter().for_each(write);

        assert_eq!(sampler.sample().sample.produced, 1000, "the next hundred");
        assert_eq!(sampler.sample_all().sample.produced, 2000);
    }
}
