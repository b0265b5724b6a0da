//! What waits at the listening sockets of a watched server, and what their connections have moved.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use super::Connection;
use crate::endpoint::{V4, covers};
use crate::namespace::Dumped;
use crate::{SocketEntry, TcpState};

/// A listening socket, or several that share an address (SO_REUSEPORT), in the last sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListenerReading {
    /// Where it listens.
    pub addr: SocketAddr,
    /// The number of its network namespace.
    pub namespace: usize,
    /// Whether it still listens; if not, it has connections left.
    pub is_open: bool,
    /// The inode of one of its sockets.
    pub inode: u32,
    /// Connections to it, with those in its accept queue.
    pub connections: u32,
    /// Connections that the server has not accepted.
    pub accept_queue: u32,
    /// The most that wait for accept; `None` where only files show the socket. The kernel admits one more.
    pub limit: Option<u32>,
    /// Connection requests whose handshake is not complete.
    pub syns_waiting: u32,
    /// Sockets of this host whose connection requests to it are not answered, as last listed with the ends of clients.
    pub connecting: u32,
    /// What its connections have moved; `None` where only files show them.
    pub moved: Option<Moved>,
}

impl ListenerReading {
    /// An open socket at which nothing waits, and whose connections are not counted yet.
    pub fn new(addr: SocketAddr, namespace: usize, inode: u32) -> ListenerReading {
        ListenerReading {
            addr,
            namespace,
            is_open: true,
            inode,
            connections: 0,
            accept_queue: 0,
            limit: None,
            syns_waiting: 0,
            connecting: 0,
            moved: None,
        }
    }
}

/// What the connections of a listener have moved since the first sample. It never falls. What a connection moves between the last
/// sample and its end is not in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Moved {
    /// Payload bytes received by the server's kernel.
    pub received: u64,
    /// Payload bytes acknowledged by the clients' kernels.
    pub sent: u64,
    /// For how long only the clients' windows kept the server's kernel from sending; the sum over all connections.
    pub rwnd_limited: Duration,
}

/// All listening sockets, by the number of their namespace and their address.
#[derive(Debug, Default)]
pub(super) struct Listeners {
    by_addr: BTreeMap<ListenerKey, Listener>,
}

pub(super) type ListenerKey = (usize, SocketAddr);

#[derive(Debug)]
struct Listener {
    reading: ListenerReading,
    v4: V4,
    /// Whether its connections are watched.
    is_watched: bool,
}

impl Listeners {
    /// Begins a sample: forgets the sockets that were closed and have no connection any more, and what the others showed.
    pub(super) fn begin(&mut self) {
        self.by_addr.retain(|_, listener| listener.reading.is_open || listener.reading.connections > 0);
        for listener in self.by_addr.values_mut() {
            let reading = &mut listener.reading;
            reading.is_open = false;
            (reading.connections, reading.accept_queue, reading.syns_waiting) = (0, 0, 0);
            reading.limit = None;
        }
    }

    /// Adds a listening socket of a dump.
    pub(super) fn add(&mut self, dumped: Dumped<'_>, is_watched: bool) {
        let socket = dumped.socket;
        let listener = self.by_addr.entry((dumped.namespace, socket.local)).or_insert_with(|| Listener {
            reading: ListenerReading::new(socket.local, dumped.namespace, socket.inode),
            v4: if socket.only_v6 { V4::Refused } else { V4::Accepted },
            is_watched,
        });
        let reading = &mut listener.reading;
        reading.is_open = true;
        reading.inode = socket.inode;
        reading.accept_queue += socket.rqueue;
        // The files show neither the limit nor any counter.
        if socket.info.is_some() {
            reading.limit = Some(reading.limit.unwrap_or(0) + socket.wqueue);
            reading.moved.get_or_insert_default();
        }
    }

    /// The listening socket that accepts connections at a local address: the kernel prefers one at exactly this address.
    pub(super) fn accepting(&self, namespace: usize, local: SocketAddr) -> Option<ListenerKey> {
        let wildcards = [IpAddr::V4(Ipv4Addr::UNSPECIFIED), IpAddr::V6(Ipv6Addr::UNSPECIFIED)];
        let ips = std::iter::once(local.ip()).chain(wildcards);
        let mut keys = ips.map(|ip| (namespace, SocketAddr::new(ip, local.port())));
        keys.find(|key| self.by_addr.get(key).is_some_and(|listener| covers(key.1, listener.v4, local)))
    }

    fn reading_accepting(&mut self, namespace: usize, local: SocketAddr) -> Option<&mut ListenerReading> {
        let key = self.accepting(namespace, local)?;
        Some(&mut self.by_addr.get_mut(&key)?.reading)
    }

    /// Counts a connection request to the socket that would accept it.
    pub(super) fn add_request(&mut self, namespace: usize, local: SocketAddr) {
        if let Some(reading) = self.reading_accepting(namespace, local) {
            reading.syns_waiting += 1;
        }
    }

    /// Begins to count sockets whose connection requests are not answered.
    pub(super) fn begin_connecting(&mut self) {
        self.by_addr.values_mut().for_each(|listener| listener.reading.connecting = 0);
    }

    /// Counts one of them, to the socket that would accept it.
    pub(super) fn add_connecting(&mut self, namespace: usize, server: SocketAddr) {
        if let Some(reading) = self.reading_accepting(namespace, server) {
            reading.connecting += 1;
        }
    }

    /// Counts open connections.
    pub(super) fn count(&mut self, key: ListenerKey, open: u32) {
        if let Some(listener) = self.by_addr.get_mut(&key) {
            listener.reading.connections += open;
        }
    }

    /// Adds what a connection has moved since it was `before`.
    pub(super) fn add_moved(&mut self, key: ListenerKey, before: &Moved, now: &Moved) {
        let Some(moved) = self.by_addr.get_mut(&key).and_then(|listener| listener.reading.moved.as_mut())
        else {
            return;
        };
        moved.received += now.received.saturating_sub(before.received);
        moved.sent += now.sent.saturating_sub(before.sent);
        moved.rwnd_limited += now.rwnd_limited.saturating_sub(before.rwnd_limited);
    }

    /// The watched ones, in the order of their addresses.
    pub(super) fn readings(&self) -> impl Iterator<Item = &ListenerReading> {
        self.by_addr.values().filter(|listener| listener.is_watched).map(|listener| &listener.reading)
    }
}

impl Moved {
    /// What a connection has moved since it was opened.
    pub(super) fn by(connection: &Connection) -> Moved {
        let limited = connection.server.and_then(|server| server.info.rwnd_limited);
        Moved {
            received: connection.counters.server_received.unwrap_or(0),
            sent: connection.counters.client_received.unwrap_or(0),
            rwnd_limited: Duration::from_micros(limited.unwrap_or(0)),
        }
    }
}

/// Whether a socket is a connection request, or a connection whose handshake is not complete.
pub(super) fn is_request(socket: &SocketEntry) -> bool {
    socket.state == TcpState::SynReceived
}
