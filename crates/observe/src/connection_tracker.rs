//! Following a live server: its connections as they come and go, without a byte sent.
//!
//! Once a second the kernel is asked for all connections of the server's ports (a walk over all sockets of the host);
//! in between only those known are looked up.

use std::collections::HashSet;
use std::net::SocketAddr;

use crate::{Error, Observation, ProcessTree, Sampler, SocketDiag, TcpState, WatchedConnection};

/// A server's connections, followed.
#[derive(Debug)]
pub struct ConnectionTracker {
    diag: SocketDiag,
    addrs: Vec<SocketAddr>,
    sampler: Sampler,
    known: HashSet<(SocketAddr, SocketAddr)>,
    connections_seen: u64,
}

impl ConnectionTracker {
    /// Follows the connections that are made to any of `addrs`; a wildcard (`0.0.0.0`) means every address of its port.
    ///
    /// # Errors
    /// When this system does not show the sockets of other processes.
    pub fn new(addrs: Vec<SocketAddr>, tree: Option<ProcessTree>) -> Result<ConnectionTracker, Error> {
        let mut tracker = ConnectionTracker {
            diag: SocketDiag::open()?,
            addrs,
            sampler: Sampler::new(Vec::new(), tree),
            known: HashSet::new(),
            connections_seen: 0,
        };
        tracker.refresh()?;
        Ok(tracker)
    }

    /// Asks which connections there are now: new ones are watched, those that are gone are let go.
    ///
    /// # Errors
    /// When the kernel refuses the question.
    pub fn refresh(&mut self) -> Result<(), Error> {
        let mut ports: Vec<u16> = self.addrs.iter().map(SocketAddr::port).collect();
        ports.sort_unstable();
        ports.dedup();
        let mut now = HashSet::new();
        for port in ports {
            for entry in self.diag.connections(port)? {
                // A server's own end that no process holds any more and that has closed is the kernel's to finish.
                if self.is_served(entry.local) && entry.state != TcpState::Closed {
                    now.insert((entry.remote, entry.local));
                }
            }
        }
        self.sampler.retain(|connection| now.contains(&(connection.local, connection.peer)));
        for &(local, peer) in now.difference(&self.known) {
            self.sampler.watch(WatchedConnection { local, peer, endpoint: None });
            self.connections_seen += 1;
        }
        self.known = now;
        Ok(())
    }

    /// Takes a sample of all connections known. Of more than 10,000, the new ones and the next 10,000 are read, and the
    /// others are taken as they last were: those at most `connections / 10,000` samples ago.
    pub fn sample(&mut self) -> Observation {
        self.sampler.sample_some(MAX_TRACKED_PER_SAMPLE)
    }

    /// The connections, and the processes.
    pub fn sampler(&self) -> &Sampler {
        &self.sampler
    }

    /// Connections seen so far, those that have gone included.
    pub fn connections_seen(&self) -> u64 {
        self.connections_seen
    }

    /// Where the server listens.
    pub fn addrs(&self) -> &[SocketAddr] {
        &self.addrs
    }

    fn is_served(&self, local: SocketAddr) -> bool {
        self.addrs.iter().any(|addr| {
            addr.port() == local.port()
                && (addr.ip().is_unspecified() || addr.ip().to_canonical() == local.ip())
        })
    }
}

/// Connections that are all read in one sample: 40 ms' work, at four samples a second.
const MAX_TRACKED_PER_SAMPLE: usize = 10_000;

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use std::io::Write;
    use std::net::{TcpListener, TcpStream};
    use std::time::{Duration, Instant};

    use super::*;

    #[test]
    fn connections_are_followed_as_they_come_and_go() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap();
        let mut tracker = ConnectionTracker::new(vec![addr], None).unwrap();
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
        let deadline = Instant::now() + Duration::from_secs(10);
        while tracker.sampler().connections().count() > 1 {
            assert!(Instant::now() < deadline, "an ended connection is still followed after 10 s");
            tracker.refresh().unwrap();
        }
        assert_eq!(tracker.connections_seen(), 2);
    }

    #[test]
    fn a_wildcard_covers_every_address_of_its_port() {
        let listener = TcpListener::bind("0.0.0.0:0").unwrap();
        let addr = listener.local_addr().unwrap();
        let _client = TcpStream::connect(("127.0.0.1", addr.port())).unwrap();
        let _accepted = listener.accept().unwrap();

        let tracker = ConnectionTracker::new(vec![addr], None).unwrap();

        assert_eq!(tracker.sampler().connections().count(), 1);
    }
}
