//! Follows the connections to a server's Unix-domain sockets: what is in their queues, and the least that has passed through them.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::time::Instant;

use echoctl_record::{ConnectionFigures, ConnectionPhase, Sample};

use super::counters::{Counters, Seen, ServerSeen, combine};
use super::history::Reader;
use super::plus;
use crate::{Error, ServerAddr, SocketTables, UnixQueues};

/// The connections to the Unix-domain sockets of a server.
#[derive(Debug)]
pub(super) struct UnixTracker {
    addrs: Vec<ServerAddr>,
    /// As last read, those with most bytes in their queues first.
    connections: Vec<UnixQueues>,
    /// The counters of each, by the inode of its client. Here `client_received` is what the client has read.
    counters: BTreeMap<u32, Counters>,
    /// When each side of each last read, by the inode of its client.
    readers: BTreeMap<u32, Readers>,
    /// Bytes received and written on connections that are closed.
    closed: (u64, u64),
}

/// When both sides of a connection last read.
#[derive(Debug, Clone, Copy)]
struct Readers {
    /// When the connection was first seen.
    first: Instant,
    server: Reader,
    client: Reader,
}

impl UnixTracker {
    /// Follows the connections to those of `addrs` that are Unix-domain sockets.
    pub(super) fn new(addrs: &[ServerAddr]) -> UnixTracker {
        let is_unix = |addr: &&ServerAddr| addr.tcp().is_none();
        UnixTracker {
            addrs: addrs.iter().filter(is_unix).cloned().collect(),
            connections: Vec::new(),
            counters: BTreeMap::new(),
            readers: BTreeMap::new(),
            closed: (0, 0),
        }
    }

    /// Whether there is a Unix-domain socket to follow.
    pub(super) fn is_used(&self) -> bool {
        !self.addrs.is_empty()
    }

    /// Reads all connections, and returns the number of new ones.
    ///
    /// # Errors
    /// If the kernel refuses the request; a kernel may have no unix_diag.
    pub(super) fn read(&mut self, tables: &mut SocketTables) -> Result<u64, Error> {
        if !self.is_used() {
            return Ok(0);
        }
        self.connections = UnixQueues::all(tables, &self.addrs)?;
        self.connections.sort_by_key(|connection| Reverse(queued(connection)));
        let mut before = std::mem::take(&mut self.counters);
        let mut readers = std::mem::take(&mut self.readers);
        let now = Instant::now();
        let mut new = 0;
        for connection in &self.connections {
            let known = before.remove(&connection.client);
            new += u64::from(known.is_none());
            let server = Some(ServerSeen {
                unread: connection.unread_by_server.unwrap_or(0),
                unacknowledged: connection.unread_by_client.unwrap_or(0),
                ..ServerSeen::default()
            });
            let counters = combine(&known.unwrap_or_default(), &Seen { server, ..Seen::default() });
            self.counters.insert(connection.client, counters);
            let mut known = readers.remove(&connection.client).unwrap_or_else(|| Readers::since(now));
            known.add(connection, &counters, now);
            self.readers.insert(connection.client, known);
        }
        for closed in before.into_values() {
            self.closed.0 += closed.server_received.unwrap_or(0);
            self.closed.1 += closed.server_written.unwrap_or(0);
        }
        Ok(new)
    }

    /// What is known of one of them at `now`: its queues, and how long they have waited.
    pub(super) fn figures(&self, connection: &UnixQueues, now: Instant) -> ConnectionFigures {
        let known = self.readers.get(&connection.client);
        let waited = |reader: fn(&Readers) -> Reader| {
            known.map(|known| reader(known).waited(known.first, now).as_secs_f64())
        };
        ConnectionFigures {
            phase: match connection.server {
                Some(_) => ConnectionPhase::Open,
                None => ConnectionPhase::InAcceptQueue,
            },
            server_receive: connection.unread_by_server,
            // Nothing is in flight: what the server has written is in the client's queue.
            server_send: connection.unread_by_client,
            client_window: (connection.is_server_writable == Some(false)).then_some(0),
            since_server_read: waited(|known| known.server),
            since_client_read: waited(|known| known.client),
            seen_for: known.map_or(0.0, |known| now.saturating_duration_since(known.first).as_secs_f64()),
            ..ConnectionFigures::default()
        }
    }

    /// The connections as last read.
    pub(super) fn connections(&self) -> &[UnixQueues] {
        &self.connections
    }

    /// Adds them to a sample of the connections over TCP.
    pub(super) fn add_to(&self, sample: &mut Sample) {
        if !self.is_used() {
            return;
        }
        let total =
            |count: fn(&Counters) -> Option<u64>| -> u64 { self.counters.values().filter_map(count).sum() };
        let received = total(|counters| counters.server_received) + self.closed.0;
        let read = total(|counters| counters.server_read) + self.closed.0;
        let written = total(|counters| counters.server_written) + self.closed.1;
        let consumed = total(|counters| counters.client_received) + self.closed.1;
        // Without a connection over TCP, what is not visible is nothing.
        let zero = (sample.connections == 0).then_some(0);
        sample.produced += received;
        sample.server_received = plus(sample.server_received.or(zero), Some(received));
        sample.server_read = plus(sample.server_read.or(zero), Some(read));
        // Nothing is in flight: what is written is in the client's queue.
        sample.server_written = plus(sample.server_written.or(zero), Some(written));
        sample.client_received = plus(sample.client_received.or(zero), Some(written));
        sample.consumed += consumed;
        let memory: u64 = self.connections.iter().map(|connection| connection.kernel_memory).sum();
        sample.kernel_memory = plus(sample.kernel_memory.or(Some(0)), Some(memory));
        sample.connections += u32::try_from(self.connections.len()).unwrap_or(u32::MAX);
    }
}

impl Readers {
    fn since(first: Instant) -> Readers {
        Readers { first, server: Reader::default(), client: Reader::default() }
    }

    fn add(&mut self, connection: &UnixQueues, counters: &Counters, now: Instant) {
        let (server, client) = (counters.server_read, counters.client_received);
        self.server.add(server.unwrap_or(0), connection.unread_by_server.unwrap_or(0), now);
        self.client.add(client.unwrap_or(0), connection.unread_by_client.unwrap_or(0), now);
    }
}

fn queued(connection: &UnixQueues) -> u64 {
    connection.unread_by_server.unwrap_or(0) + connection.unread_by_client.unwrap_or(0)
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use std::io::{Read, Write};
    use std::os::unix::net::{UnixListener, UnixStream};

    use echoctl_record::{Queue, Queues};

    use super::*;

    #[test]
    fn queues_are_exact_and_counters_never_fall() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let listener = UnixListener::bind(&path).unwrap();
        let mut tables = SocketTables::of([]);
        let mut tracker = UnixTracker::new(&[ServerAddr::Unix(path.clone())]);
        let mut sample = || {
            let mut sample = Sample { is_echo: Some(false), ..Sample::default() };
            let new = tracker.read(&mut tables).unwrap();
            tracker.add_to(&mut sample);
            (new, sample)
        };
        let mut client = UnixStream::connect(&path).unwrap();
        let (mut server, _) = listener.accept().unwrap();

        client.write_all(&[1; 3000]).unwrap();
        server.write_all(&[1; 700]).unwrap();
        let (new, first) = sample();
        server.read_exact(&mut [0; 1000]).unwrap();
        client.read_exact(&mut [0; 700]).unwrap();
        let (_, second) = sample();
        drop((client, server));
        // A child of another test has them open until it runs its program.
        let last = echoctl_testkit::eventually("both are closed", || {
            Some(sample().1).filter(|sample| sample.connections == 0)
        });

        let queues = |sample: &Sample| {
            let queues = Queues::of(sample);
            [Queue::ServerReceive, Queue::ClientReceive].map(|queue| queues[queue])
        };
        assert_eq!((new, first.connections), (1, 1));
        assert_eq!(queues(&first), [Some(3000), Some(700)]);
        assert_eq!(queues(&second), [Some(2000), Some(0)]);
        assert_eq!((last.connections, queues(&last)), (0, [Some(0), Some(0)]));
        assert_eq!((last.produced, last.consumed), (3000, 700));
    }

    #[test]
    fn a_side_that_reads_has_not_waited() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let listener = UnixListener::bind(&path).unwrap();
        let mut tables = SocketTables::of([]);
        let mut tracker = UnixTracker::new(&[ServerAddr::Unix(path.clone())]);
        let mut client = UnixStream::connect(&path).unwrap();
        let (mut server, _) = listener.accept().unwrap();
        server.set_nonblocking(true).unwrap();
        while server.write(&[1; 4096]).is_ok() {}
        client.write_all(&[1; 3000]).unwrap();
        let mut figures = || {
            tracker.read(&mut tables).unwrap();
            tracker.figures(&tracker.connections()[0], Instant::now())
        };

        let first = figures();
        server.read_exact(&mut [0; 1000]).unwrap();
        let second = figures();

        assert_eq!((first.client_window, first.server_receive), (Some(0), Some(3000)));
        assert_eq!(first.since_client_read, Some(first.seen_for));
        assert_eq!((second.since_client_read, second.phase), (Some(second.seen_for), ConnectionPhase::Open));
        assert!(second.since_server_read < Some(second.seen_for), "{second:?}");
    }
}
