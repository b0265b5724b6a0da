//! Follows the connections of a live server as they open and close, without sending a byte.
//!
//! Each sample is one dump of the sockets that are at the server's ports at either end, and contains every connection. For ten
//! thousand connections with both ends on this host it takes 30 ms of processor time, half of them in the kernel (Linux 6.18,
//! optimized, beside other work).
//!
//! **The order of reading.** The kernel lists sockets in the order of its hash table, so that the ends of a connection are read at
//! moments that differ by up to the duration of the dump, either one first. Bytes that move in between make a queue between the ends
//! appear too long, or too short: at most by what the connection moves in that time, and never negative, because [`combine`] moves
//! each boundary up to the one behind it. The queues of one end, and its counters, are read together. What does not move, as in a
//! stall, is exact.
//!
//! [`combine`]: crate::combine

use std::cmp::Reverse;
use std::collections::HashMap;
use std::hash::{Hash, Hasher};
use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

use echoctl_record::{ConnectionFigures, ConnectionLogger};

use super::listeners::{ListenerKey, Listeners, Moved, is_request};
use super::selection::Selected;
use super::totals::Totals;
use super::unix_tracker::UnixTracker;
use super::{ListenerReading, PathState, Selection, sum};
use crate::endpoint::PortFilter;
use crate::namespace::Dump;
use crate::{
    Connection, Door, Error, Observation, ProcessTree, Side, SocketTables, TcpState, UnixQueues, sys,
};

/// Samples all connections of a server, or those that a process has opened.
#[derive(Debug)]
pub struct ConnectionTracker {
    selected: Selected,
    filter: PortFilter,
    /// On which side of a connection the watched end is.
    side: Side,
    tables: SocketTables,
    dump: Dump,
    tree: Option<ProcessTree>,
    start_time: Instant,
    connections: HashMap<Key, Tracked>,
    listeners: Listeners,
    unix: UnixTracker,
    totals: Totals,
    connections_seen: u64,
    was_sampled: bool,
}

/// What identifies a connection: the number of the namespace of its watched end, and both addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Key {
    namespace: usize,
    client: SocketAddr,
    server: SocketAddr,
}

impl Key {
    /// Whether its addresses say that it does not leave its host.
    fn is_within_host(self) -> bool {
        let [client, server] = [self.client, self.server].map(|addr| addr.ip().to_canonical());
        client.is_loopback() || client == server
    }
}

/// Hashes the client's address and both ports at once, which costs a quarter of hashing each field: tens of thousands are looked up for
/// each sample. Nearly all connections differ in these.
impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let ip = match self.client.ip() {
            IpAddr::V4(ip) => ip.to_bits().into(),
            IpAddr::V6(ip) => ip.to_bits(),
        };
        state.write_u128(ip);
        state.write_u32(u32::from(self.client.port()) << 16 | u32::from(self.server.port()));
    }
}

/// A connection, and where its ends are in the last dump.
#[derive(Debug)]
struct Tracked {
    connection: Connection,
    server: Option<usize>,
    client: Option<usize>,
    listener: Option<ListenerKey>,
    /// Whether its client is known to be on this host. If its end is not visible, it has closed, together with its queues.
    is_client_here: bool,
    is_new: bool,
}

impl ConnectionTracker {
    /// Tracks the selected connections that `tables` show.
    ///
    /// # Errors
    /// If this system does not show the sockets of other processes.
    pub fn new(
        tables: SocketTables,
        selection: &Selection,
        tree: Option<ProcessTree>,
    ) -> Result<ConnectionTracker, Error> {
        let selected = Selected::new(selection);
        let (unix, side) = match selection {
            Selection::Served(addrs) => (addrs.as_slice(), Side::Accepting),
            Selection::AllServed => (&[][..], Side::Accepting),
            Selection::Opened(_) => (&[][..], Side::Connecting),
        };
        let mut tracker = ConnectionTracker {
            filter: selected.filter(),
            selected,
            side,
            tables,
            dump: Dump::default(),
            tree,
            start_time: Instant::now(),
            connections: HashMap::new(),
            listeners: Listeners::default(),
            unix: UnixTracker::new(unix),
            totals: Totals::default(),
            connections_seen: 0,
            was_sampled: false,
        };
        tracker.tables.dump(&tracker.filter, &mut tracker.dump)?;
        UnixTracker::new(unix).read(&mut tracker.tables)?;
        Ok(tracker)
    }

    /// Takes a sample of all connections, with those that have opened and without those that have closed. The bytes of closed ones
    /// stay counted.
    ///
    /// # Errors
    /// If the kernel refuses the request.
    pub fn sample(&mut self) -> Result<Observation, Error> {
        let (start, processor_time) = (Instant::now(), sys::processor_time());
        self.tables.renew();
        self.tables.dump(&self.filter, &mut self.dump)?;
        let now = Instant::now();
        self.selected.renew(self.dump.iter(), self.tree.as_ref(), now);
        self.list();
        self.find_clients();
        self.read(now);
        self.connections_seen += self.unix.read(&mut self.tables)?;
        self.was_sampled = true;
        let observation = self.observe(start);
        let used = sys::processor_time().zip(processor_time).map(|(now, before)| now.saturating_sub(before));
        Ok(Observation { cost: used.unwrap_or(observation.took), ..observation })
    }

    /// The connections, in no particular order.
    pub fn connections(&self) -> impl Iterator<Item = &Connection> + Clone {
        self.connections.values().map(|tracked| &tracked.connection)
    }

    /// The connections, those with most bytes in the kernels' queues first.
    pub fn ranked(&self) -> Vec<&Connection> {
        let mut ranked: Vec<&Connection> = self.connections().collect();
        ranked.sort_by_cached_key(|connection| (Reverse(connection.queues().total()), connection.local));
        ranked
    }

    /// Adds the connections of `observation`, the last sample, to a log.
    pub fn log(&self, observation: &Observation, into: &mut ConnectionLogger) {
        into.took(observation.took.as_secs_f64());
        let t = observation.sample.t;
        for connection in self.connections() {
            if let Some(counters) = connection.visible_counters() {
                into.add(t, connection.local, connection.peer, counters);
            }
        }
        into.end_listing(t);
    }

    /// The listening sockets of the server, in the order of their addresses. Empty for connections that a process has opened.
    pub fn listeners(&self) -> impl Iterator<Item = &ListenerReading> {
        self.listeners.readings()
    }

    /// The connections to Unix-domain sockets, those with most bytes in their queues first; `None` if the server has none.
    pub fn unix_connections(&self) -> Option<&[UnixQueues]> {
        self.unix.is_used().then(|| self.unix.connections())
    }

    /// What is known of a connection to a Unix-domain socket at `now`.
    pub fn unix_figures(&self, connection: &UnixQueues, now: Instant) -> ConnectionFigures {
        self.unix.figures(connection, now)
    }

    /// Number of connections seen so far, including closed ones.
    pub fn connections_seen(&self) -> u64 {
        self.connections_seen
    }

    /// Bytes received and written over TCP since the first sample, if they are visible. What a connection moves between the last
    /// sample and its end is not in them.
    pub fn moved(&self) -> Option<(u64, u64)> {
        self.totals.moved()
    }

    /// Whether these are the connections that processes have opened: see [`Selection::Opened`].
    pub fn is_outbound(&self) -> bool {
        self.side == Side::Connecting
    }

    /// The server's processes.
    pub fn tree(&self) -> Option<&ProcessTree> {
        self.tree.as_ref()
    }

    /// When its time started.
    pub fn start_time(&self) -> Instant {
        self.start_time
    }

    /// How the server's sockets are visible.
    pub fn door(&self) -> Door {
        self.tables.door()
    }

    /// Finds the watched ends in a new dump, and what listens.
    fn list(&mut self) {
        self.listeners.begin();
        for dumped in self.dump.iter().filter(|dumped| dumped.socket.state == TcpState::Listen) {
            let is_watched = self.selected.listens(dumped);
            // Without them, an accepted connection and an opened one are not told apart.
            if is_watched || dumped.is_servers && self.is_outbound() {
                self.listeners.add(dumped, is_watched);
            }
        }
        let is_exact = matches!(self.selected, Selected::Served(_));
        for dumped in self.dump.iter().filter(|dumped| dumped.socket.state != TcpState::Listen) {
            let socket = dumped.socket;
            let is_included = self.selected.includes(dumped, &self.listeners);
            let key = Key { namespace: dumped.namespace, client: socket.remote, server: socket.local };
            if is_request(socket) {
                if is_included {
                    self.listeners.add_request(dumped.namespace, socket.local);
                }
            } else if is_included {
                let tracked =
                    self.connections.entry(key).or_insert_with(|| Tracked::new(key, &self.listeners));
                tracked.server = Some(dumped.index);
            } else if !is_exact && let Some(known) = self.connections.get_mut(&key) {
                // What accepted it may have been closed, or the process that opened it.
                known.server = Some(dumped.index);
            }
        }
    }

    /// Finds the other ends in a new dump. Loopback of one namespace is not that of another.
    fn find_clients(&mut self) {
        for dumped in self.dump.iter() {
            let socket = dumped.socket;
            let is_loopback = socket.local.ip().is_loopback();
            let mut namespaces = 0..self.dump.namespaces();
            if is_loopback || namespaces.len() == 1 {
                namespaces = dumped.namespace..dumped.namespace + 1;
            }
            for namespace in namespaces {
                let key = Key { namespace, client: socket.local, server: socket.remote };
                if let Some(tracked) = self.connections.get_mut(&key) {
                    tracked.client = Some(dumped.index);
                }
            }
        }
    }

    /// Updates each connection with its ends, and drops those that are closed.
    fn read(&mut self, now: Instant) {
        let (dump, side) = (&self.dump, self.side);
        self.connections.retain(|key, tracked| {
            let connection = &mut tracked.connection;
            let before = (connection.counters, Moved::by(connection));
            let client = tracked.client.take().map(|index| dump.socket(index));
            if let Some(server) = tracked.server.take() {
                connection.update(client, Some(dump.socket(server)), side);
            } else {
                // It has closed, or the dump missed it while others opened and closed.
                let (client, server) = self.tables.ends(key.client, key.server);
                connection.update(client.as_ref(), server.as_ref(), side);
            }
            connection.remember(now);
            tracked.is_client_here |= connection.client.is_some();
            let after = (connection.counters, Moved::by(connection));
            // What it moved before the first sample does not count.
            let is_counted = self.was_sampled || !tracked.is_new;
            let before = if is_counted { before } else { after };
            self.connections_seen += u64::from(std::mem::take(&mut tracked.is_new));
            self.totals.add(&before.0, connection);
            let is_open = connection.server_state.is_some_and(|state| state != TcpState::TimeWait);
            if let Some(listener) = tracked.listener {
                self.listeners.add_moved(listener, &before.1, &after.1);
                self.listeners.count(listener, u32::from(is_open));
            }
            if !is_open {
                self.totals.close(connection);
            }
            is_open
        });
    }

    fn observe(&mut self, start: Instant) -> Observation {
        let tree = self.tree.as_mut().map(ProcessTree::read);
        let exited = self.tree.as_ref().and_then(ProcessTree::exited);
        let path = PathState::of(self.connections(), start);
        let mut sample = sum(self.connections());
        sample.t = start.duration_since(self.start_time).as_secs_f64();
        sample.server_memory = tree.filter(|tree| tree.processes > 0).map(|tree| tree.memory.total());
        sample.window = path.window;
        let remote = self.connections.values().filter(|tracked| !tracked.is_client_here).count();
        sample.remote_clients = (remote > 0).then_some(u32::try_from(remote).unwrap_or(u32::MAX));
        self.totals.add_closed_to(&mut sample);
        self.unix.add_to(&mut sample);
        let took = start.elapsed();
        Observation { sample, path, tree, exited, took, cost: took }
    }
}

impl Tracked {
    fn new(key: Key, listeners: &Listeners) -> Tracked {
        let listener = listeners.accepting(key.namespace, key.server);
        let connection = Connection::new(key.client, key.server);
        Tracked {
            connection: Connection { listener: listener.map(|(_, addr)| addr), ..connection },
            server: None,
            client: None,
            listener,
            is_client_here: key.is_within_host(),
            is_new: true,
        }
    }
}
