//! Follows the connections of a live server as they open and close, without sending a byte.
//!
//! Once per second it asks the kernel for all connections of the server's ports, a walk over all sockets of the host.
//! In between it looks up only the known ones.

use std::cmp::Reverse;
use std::collections::HashSet;
use std::net::SocketAddr;

use super::unix_tracker::UnixTracker;
use crate::endpoint::{V4, covers};
use crate::{
    Connection, Door, Error, Observation, ProcessTree, Sampler, ServerAddr, SocketTables, TcpState,
    UnixQueues, WatchedConnection,
};

/// Samples all connections of a server.
#[derive(Debug)]
pub struct ConnectionTracker {
    /// Those of TCP.
    addrs: Vec<SocketAddr>,
    sampler: Sampler,
    unix: UnixTracker,
    connections_seen: u64,
}

impl ConnectionTracker {
    /// Tracks the connections to any of `addrs` that `tables` show; a wildcard covers every address of its port: `0.0.0.0` those of
    /// IPv4, `[::]` all.
    ///
    /// # Errors
    /// If this system does not show the sockets of other processes.
    pub fn new(
        tables: SocketTables,
        addrs: &[ServerAddr],
        tree: Option<ProcessTree>,
    ) -> Result<ConnectionTracker, Error> {
        let sampler = Sampler { tables, ..Sampler::new(Vec::new(), tree) };
        let unix = UnixTracker::new(addrs);
        let addrs = addrs.iter().filter_map(ServerAddr::tcp).collect();
        let mut tracker = ConnectionTracker { addrs, sampler, unix, connections_seen: 0 };
        tracker.refresh()?;
        Ok(tracker)
    }

    /// Updates the list of connections: adds new ones, and drops closed ones.
    ///
    /// # Errors
    /// If the kernel refuses the request.
    pub fn refresh(&mut self) -> Result<(), Error> {
        let mut ports: Vec<u16> = self.addrs.iter().map(SocketAddr::port).collect();
        ports.sort_unstable();
        ports.dedup();
        let mut new = HashSet::new();
        self.sampler.tables.renew();
        for port in ports {
            for entry in self.sampler.tables.connections(port)? {
                // A closed server socket without a process is left to the kernel.
                if self.is_served(entry.local) && entry.state != TcpState::Closed {
                    new.insert((entry.remote, entry.local));
                }
            }
        }
        // What is left are the connections that the sampler does not know.
        self.sampler.retain(|connection| new.remove(&(connection.local, connection.peer)));
        for (local, peer) in new {
            self.sampler.watch(WatchedConnection { local, peer, endpoint: None });
            self.connections_seen += 1;
        }
        self.connections_seen += self.unix.read(&mut self.sampler.tables)?;
        Ok(())
    }

    /// Samples all known connections. If there are more than 10,000, it reads the new ones and the next 10,000, and
    /// reuses the last values of the others: those are at most `connections / 10,000` samples old.
    pub fn sample(&mut self) -> Observation {
        let mut observation = self.sampler.sample_some(MAX_TRACKED_PER_SAMPLE);
        // What the kernel refused now was visible at the last refresh, and is reported by the next one.
        self.connections_seen += self.unix.read(&mut self.sampler.tables).unwrap_or(0);
        self.unix.add_to(&mut observation.sample);
        observation
    }

    /// The connections to Unix-domain sockets, those with most bytes in their queues first; `None` if the server has none.
    pub fn unix_connections(&self) -> Option<&[UnixQueues]> {
        self.unix.is_used().then(|| self.unix.connections())
    }

    /// The sampler, with the connections and the processes.
    pub fn sampler(&self) -> &Sampler {
        &self.sampler
    }

    /// Number of connections seen so far, including closed ones.
    pub fn connections_seen(&self) -> u64 {
        self.connections_seen
    }

    /// The connections whose server end is visible, those with most bytes in the kernels' queues first.
    pub fn ranked(&self) -> Vec<&Connection> {
        let visible = self.sampler.connections().filter(|connection| connection.server_state.is_some());
        let mut ranked: Vec<&Connection> = visible.collect();
        ranked.sort_by_cached_key(|connection| (Reverse(connection.queues().total()), connection.local));
        ranked
    }

    /// How the server's sockets are visible.
    pub fn door(&self) -> Door {
        self.sampler.tables.door()
    }

    /// Where the server listens.
    pub fn addrs(&self) -> &[SocketAddr] {
        &self.addrs
    }

    /// Whether a connection with this local address is the server's.
    fn is_served(&self, local: SocketAddr) -> bool {
        self.addrs.iter().any(|&addr| covers(addr, V4::Accepted, local))
    }
}

/// Maximum number of connections read per sample: 40 ms of work, at four samples per second.
const MAX_TRACKED_PER_SAMPLE: usize = 10_000;

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use std::io::Write;
    use std::net::{TcpListener, TcpStream};

    use echoctl_testkit::eventually;

    use super::*;

    #[test]
    fn connections_are_tracked_as_they_open_and_close() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap();
        let mut tracker = ConnectionTracker::new(SocketTables::of([]), &[addr.into()], None).unwrap();
        assert_eq!(tracker.sample().sample.connections, 0);

        let mut first = TcpStream::connect(addr).unwrap();
        let second = TcpStream::connect(addr).unwrap();
        let accepted = [listener.accept().unwrap().0, listener.accept().unwrap().0];
        first.write_all(&[1; 5000]).unwrap();
        tracker.refresh().unwrap();
        let sample = tracker.sample().sample;

        assert_eq!((sample.connections, sample.produced, sample.server_read), (2, 5000, Some(0)));
        let one =
            tracker.sampler().connections().find(|one| one.local == first.local_addr().unwrap()).unwrap();
        assert_eq!(one.peer, addr);
        assert!(one.client.is_some() && one.server.is_some());

        drop((second, accepted));
        eventually("both connections are dropped", || {
            tracker.refresh().unwrap();
            tracker.sampler().connections().count() == 0
        });
        assert_eq!(tracker.connections_seen(), 2);
    }

    #[test]
    fn a_wildcard_covers_every_address_of_its_port() {
        let listener = TcpListener::bind("0.0.0.0:0").unwrap();
        let addr = listener.local_addr().unwrap();
        let _client = TcpStream::connect(("127.0.0.1", addr.port())).unwrap();
        let _accepted = listener.accept().unwrap();

        let tracker = ConnectionTracker::new(SocketTables::of([]), &[addr.into()], None).unwrap();

        assert_eq!(tracker.sampler().connections().count(), 1);
    }
}
