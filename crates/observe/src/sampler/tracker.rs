//! Follows the connections of a live server as they open and close, without sending a byte.
//!
//! Each sample is one dump of the sockets that are at the server's ports at either end, and contains every connection. For ten
//! thousand connections with both ends on this host most of its processor time is the kernel's. What is remembered of a connection
//! is a kilobyte, so that tens of thousands do not fit into a processor's cache: each sample passes over them twice, in their order.
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
use std::time::{Duration, Instant};

use echoctl_record::{ConnectionFigures, ConnectionLogger};

use super::key::{Key, Seed};
use super::listeners::{Listeners, Moved, is_request};
use super::selection::Selected;
use super::totals::Totals;
use super::tracked::{Ends, Tracked};
use super::unix_tracker::UnixTracker;
use super::{ListenerReading, PathState, Selection, Sum};
use crate::endpoint::PortFilter;
use crate::namespace::Dump;
use crate::{Connection, Door, Error, Observation, ProcessTree, Side, SocketTables, TcpState, UnixQueues};

/// Samples all connections of a server, or those that a process has opened.
#[derive(Debug)]
pub struct ConnectionTracker {
    selected: Selected,
    filter: PortFilter,
    /// Whether few connections had any traffic between the last two samples.
    is_calm: bool,
    /// When the clients' ends were last listed.
    clients_listed: Instant,
    /// On which side of a connection the watched end is.
    side: Side,
    tables: SocketTables,
    dump: Dump,
    tree: Option<ProcessTree>,
    start_time: Instant,
    /// The connections, in the order in which they were first listed.
    connections: Vec<Tracked>,
    /// Where the ends of each are in the last dump.
    ends: Vec<Ends>,
    /// The place of each in these two.
    places: HashMap<Key, usize, Seed>,
    listeners: Listeners,
    unix: UnixTracker,
    totals: Totals,
    connections_seen: u64,
    was_sampled: bool,
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
            is_calm: false,
            clients_listed: Instant::now(),
            selected,
            side,
            tables,
            dump: Dump::default(),
            tree,
            start_time: Instant::now(),
            connections: Vec::new(),
            ends: Vec::new(),
            places: HashMap::default(),
            listeners: Listeners::default(),
            unix: UnixTracker::new(unix),
            totals: Totals::default(),
            connections_seen: 0,
            was_sampled: false,
        };
        // Whether the kernel answers: no socket has this port.
        tracker.tables.dump(&PortFilter::of([0]), &mut tracker.dump)?;
        UnixTracker::new(unix).read(&mut tracker.tables)?;
        Ok(tracker)
    }

    /// Takes a sample of all connections, with those that have opened and without those that have closed. The bytes of closed ones
    /// stay counted.
    ///
    /// # Errors
    /// If the kernel refuses the request.
    pub fn sample(&mut self) -> Result<Observation, Error> {
        let start = Instant::now();
        self.tables.renew();
        let (extent, now) = self.list_ends()?;
        let read = self.read(extent, now);
        self.connections_seen += self.unix.read(&mut self.tables)?;
        self.was_sampled = true;
        Ok(self.observe(start, read))
    }

    /// The connections, in no particular order.
    pub fn connections(&self) -> impl Iterator<Item = &Connection> + Clone {
        self.connections.iter().map(|tracked| &tracked.connection)
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

    /// Makes a new dump, and finds the ends of connections in it. Of a large server with little traffic it has only the server's ends,
    /// which takes half the time.
    fn list_ends(&mut self) -> Result<(Extent, Instant), Error> {
        let is_enough = self.is_calm && self.clients_listed.elapsed() < CLIENTS_INTERVAL;
        if let Some(local) = self.filter.local().filter(|_| is_enough) {
            self.tables.dump(&local, &mut self.dump)?;
            self.list_listening();
            self.list_watched();
            if self.is_calm {
                return Ok((Extent::ServerEnds, Instant::now()));
            }
        }
        self.tables.dump(&self.filter, &mut self.dump)?;
        let now = Instant::now();
        self.clients_listed = now;
        self.selected.renew(self.dump.iter(), self.tree.as_ref(), now);
        self.list_listening();
        self.list_watched();
        self.find_clients();
        Ok((Extent::BothEnds, now))
    }

    /// Finds in a new dump what listens.
    fn list_listening(&mut self) {
        self.listeners.begin();
        for dumped in self.dump.iter().filter(|dumped| dumped.socket.state == TcpState::Listen) {
            let is_watched = self.selected.listens(dumped);
            // Without them, an accepted connection and an opened one are not told apart.
            if is_watched || dumped.is_servers && self.is_outbound() {
                self.listeners.add(dumped, is_watched);
            }
        }
    }

    /// Finds the watched ends in a new dump. It is calm if so few connections have had traffic since the last sample that it is less work
    /// to look up the clients' ends of these one by one.
    fn list_watched(&mut self) {
        self.ends.fill(Ends::default());
        let (is_exact, mut quiet, mut next) = (matches!(self.selected, Selected::Served(_)), 0, 0);
        for dumped in self.dump.iter().filter(|dumped| dumped.socket.state != TcpState::Listen) {
            let socket = dumped.socket;
            let is_included = self.selected.includes(dumped, &self.listeners);
            if is_request(socket) {
                if is_included {
                    self.listeners.add_request(dumped.namespace, socket.local);
                }
                continue;
            }
            // Where more than its address decides, a known one stays: what accepted it may have closed, or the process that opened it.
            if !is_included && is_exact {
                continue;
            }
            let key = Key { namespace: dumped.namespace, client: socket.remote, server: socket.local };
            // The kernel lists sockets in the same order again: this one is probably behind the one before it.
            let is_next = self.connections.get(next).is_some_and(|tracked| tracked.key == key);
            let known = if is_next { Some(next) } else { self.places.get(&key).copied() };
            let place = match known {
                Some(place) => place,
                None if is_included => {
                    self.connections.push(Tracked::new(key, &self.listeners));
                    self.ends.push(Ends::default());
                    self.places.insert(key, self.ends.len() - 1);
                    self.ends.len() - 1
                }
                None => continue,
            };
            let is_quiet = self.connections[place].connection.is_quiet(socket);
            quiet += usize::from(is_quiet);
            self.ends[place] = Ends { server: Some(dumped.index), client: None, is_quiet };
            next = place + 1;
        }
        let is_large = self.connections.len() >= LARGE && self.dump.namespaces() == 1;
        // A list that changed while the kernel wrote it may contain one twice.
        self.is_calm = is_large && self.connections.len().saturating_sub(quiet) <= quiet / QUIET_SHARE;
    }

    /// Finds the other ends in a new dump. Loopback of one namespace is not that of another.
    fn find_clients(&mut self) {
        self.listeners.begin_connecting();
        for dumped in self.dump.iter() {
            let socket = dumped.socket;
            if socket.state == TcpState::SynSent {
                self.listeners.add_connecting(dumped.namespace, socket.remote);
            }
            let is_loopback = socket.local.ip().is_loopback();
            let mut namespaces = 0..self.dump.namespaces();
            if is_loopback || namespaces.len() == 1 {
                namespaces = dumped.namespace..dumped.namespace + 1;
            }
            for namespace in namespaces {
                let key = Key { namespace, client: socket.local, server: socket.remote };
                if let Some(place) = self.places.get(&key) {
                    self.ends[*place].client = Some(dumped.index);
                }
            }
        }
    }

    /// Updates each connection with its ends, drops those that are closed, and sums up the others.
    fn read(&mut self, extent: Extent, now: Instant) -> Read {
        let mut read = Read::default();
        let mut place = 0;
        while place < self.connections.len() {
            if self.read_one(place, extent, now, &mut read) {
                place += 1;
            } else {
                self.remove(place);
            }
        }
        read
    }

    /// Updates one connection, and returns whether it is open.
    fn read_one(&mut self, place: usize, extent: Extent, now: Instant, read: &mut Read) -> bool {
        let tracked = &mut self.connections[place];
        let connection = &mut tracked.connection;
        let before = (connection.counters, Moved::by(connection));
        let Ends { server, client, is_quiet } = self.ends[place];
        match (server.map(|index| self.dump.socket(index)), extent) {
            (Some(server), Extent::BothEnds) => {
                let client = client.map(|index| self.dump.socket(index));
                connection.update(client, Some(server), self.side);
            }
            (Some(server), Extent::ServerEnds) if is_quiet => {
                connection.update_server(server, self.side);
            }
            (Some(server), Extent::ServerEnds) => {
                let may_be_here = tracked.is_client_here || tracked.is_new;
                let Key { client, server: addr, .. } = tracked.key;
                let client = if may_be_here { self.tables.end(client, addr) } else { None };
                connection.update(client.as_ref(), Some(server), self.side);
            }
            (None, _) => {
                // It has closed, or the dump missed it while others opened and closed.
                let (client, server) = self.tables.ends(tracked.key.client, tracked.key.server);
                connection.update(client.as_ref(), server.as_ref(), self.side);
            }
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
        if is_open {
            read.sum.add(connection);
            read.path.add(connection, now);
            read.remote += u32::from(!tracked.is_client_here);
        } else {
            self.totals.close(connection);
        }
        is_open
    }

    /// Forgets a connection; the last one takes its place.
    fn remove(&mut self, place: usize) {
        let removed = self.connections.swap_remove(place);
        self.ends.swap_remove(place);
        self.places.remove(&removed.key);
        if let Some(moved) = self.connections.get(place) {
            self.places.insert(moved.key, place);
        }
    }

    fn observe(&mut self, start: Instant, read: Read) -> Observation {
        let tree = self.tree.as_mut().map(ProcessTree::read);
        let exited = tree.and_then(|tree| tree.exited);
        let Read { sum, path, remote } = read;
        let mut sample = sum.sample();
        sample.t = start.duration_since(self.start_time).as_secs_f64();
        sample.server_memory = tree.filter(|tree| tree.processes > 0).map(|tree| tree.memory.total());
        sample.window = path.window;
        sample.remote_clients = (remote > 0).then_some(remote);
        self.totals.add_closed_to(&mut sample);
        self.unix.add_to(&mut sample);
        Observation { sample, path, tree, exited, took: start.elapsed() }
    }
}

/// Which ends of connections are in a dump.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Extent {
    BothEnds,
    ServerEnds,
}

/// Time after which the clients' ends are listed again, whether or not a segment has passed: one that nothing reaches may write.
const CLIENTS_INTERVAL: Duration = Duration::from_secs(10);

/// Connections from which on half a dump is worth the trouble: it saves a millisecond.
const LARGE: usize = 1000;

/// Quiet connections for each other one: its look-up costs as much as five sockets of a dump.
const QUIET_SHARE: usize = 8;

/// All connections of a sample as one.
#[derive(Debug, Default)]
struct Read {
    sum: Sum,
    path: PathState,
    /// Connections whose client is on another host.
    remote: u32,
}
