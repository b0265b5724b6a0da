//! The connections of a client to the server: found by the sockets that its processes have open, and looked up in the kernel from
//! both ends.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::PathBuf;

use echoctl_observe::{
    Connection, Counters, ServerAddr, ServerClose, SocketDiag, SocketEntry, SocketTables, UnixSocket,
    accepting,
};
use echoctl_record::{DisconnectKind, Point, Sample};
use echoctl_trial::spawn::ClientCommand;

use super::unix_ends::UnixEnds;
use crate::Error;

/// All connections that a client has had to the server.
#[derive(Debug)]
pub(super) struct ClientConnections {
    addr: ServerAddr,
    diag: SocketDiag,
    /// Those of the server, which may live in another network namespace.
    tables: SocketTables,
    all: Vec<ClientConnection>,
    /// Bytes that had been received when the counting began, and bytes that had been sent.
    received_before: u64,
    sent_before: u64,
}

/// One of them.
#[derive(Debug)]
enum ClientConnection {
    Tcp(Box<Connection>),
    Unix(Box<UnixEnds>),
}

impl ClientConnections {
    /// None yet, to the server at `addr` with the processes `pids`.
    ///
    /// # Errors
    /// When the kernel does not show the connections of other processes.
    pub(super) fn new(addr: &ServerAddr, pids: &[u32]) -> Result<ClientConnections, Error> {
        Ok(ClientConnections {
            addr: addr.clone(),
            diag: SocketDiag::open()?,
            tables: SocketTables::of(pids.iter().copied()),
            all: Vec::new(),
            received_before: 0,
            sent_before: 0,
        })
    }

    /// Where the server listens.
    pub(super) fn addr(&self) -> &ServerAddr {
        &self.addr
    }

    /// Adds those that are new.
    pub(super) fn find(&mut self, client: &ClientCommand) {
        match self.addr.tcp() {
            Some(addr) => self.find_tcp(addr, client),
            None => self.find_unix(client),
        }
    }

    fn find_tcp(&mut self, addr: SocketAddr, client: &ClientCommand) {
        let Ok(mut sockets) = self.diag.connections(0) else { return };
        sockets.retain(|socket| socket.remote.port() == addr.port() && !self.is_known(socket));
        if sockets.is_empty() {
            return;
        }
        let own: BTreeSet<u32> = client.sockets();
        for socket in sockets.into_iter().filter(|socket| own.contains(&socket.inode)) {
            let is_there = socket.remote.ip().to_canonical() == addr.ip().to_canonical();
            if is_there || self.is_on_this_host(&socket) {
                let connection = Connection::new(socket.local, socket.remote);
                self.all.push(ClientConnection::Tcp(Box::new(connection)));
            }
        }
    }

    fn is_known(&self, socket: &SocketEntry) -> bool {
        self.all.iter().any(|known| match known {
            ClientConnection::Tcp(known) => (known.local, known.peer) == (socket.local, socket.remote),
            ClientConnection::Unix(_) => false,
        })
    }

    /// Whether the server's end is visible: a server has more than one address.
    fn is_on_this_host(&mut self, socket: &SocketEntry) -> bool {
        self.diag.find(socket.remote, socket.local).is_ok_and(|other| other.is_some())
    }

    fn find_unix(&mut self, client: &ClientCommand) {
        let (names, Ok(all)) = (self.listening_names(), self.diag.unix_sockets()) else { return };
        // What a server accepts has the name of its listening socket.
        let is_server = |socket: &UnixSocket| socket.name.as_ref().is_some_and(|name| names.contains(name));
        let servers: BTreeMap<u32, u32> =
            all.iter().filter(|socket| is_server(socket)).map(|socket| (socket.peer, socket.inode)).collect();
        if servers.is_empty() {
            return;
        }
        for inode in client.sockets() {
            let is_known = |known: &ClientConnection| matches!(known, ClientConnection::Unix(known) if known.client_inode == inode);
            if let Some(server) = servers.get(&inode)
                && !self.all.iter().any(is_known)
            {
                self.all.push(ClientConnection::Unix(Box::new(UnixEnds::new(inode, *server))));
            }
        }
    }

    /// The names of the listening sockets at the path of the server.
    fn listening_names(&mut self) -> Vec<PathBuf> {
        let listening = accepting(&mut self.diag, &self.addr).unwrap_or_default();
        let name = |inode| self.diag.find_unix(inode).ok()??.name;
        listening.into_iter().map(|socket| socket.inode).filter_map(name).collect()
    }

    /// Reads all counters. The client has printed `printed` bytes so far.
    pub(super) fn refresh(&mut self, printed: u64) {
        self.tables.renew();
        // What it prints is not known to come from one of several connections.
        let mut consumed = printed;
        for connection in &mut self.all {
            match connection {
                ClientConnection::Tcp(connection) => connection.refresh(None, Some(&mut self.tables)),
                ClientConnection::Unix(ends) => ends.refresh(&mut self.diag, std::mem::take(&mut consumed)),
            }
        }
        // One that was closed before it was read has no counters.
        self.all.retain(|one| match one {
            ClientConnection::Tcp(one) => one.client.is_some() || one.server_was_seen(),
            ClientConnection::Unix(_) => true,
        });
    }

    /// Counts from the current counters on.
    pub(super) fn begin(&mut self) {
        self.received_before = self.consumed();
        self.sent_before = self.sum(|one| one.counters().server_read).unwrap_or(0);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    pub(super) fn count(&self) -> usize {
        self.all.len()
    }

    /// Bytes that have arrived at the client's kernel, from the first one on.
    pub(super) fn received(&self) -> u64 {
        self.sum(|one| Some(one.counters().client_received.unwrap_or(one.counters().consumed))).unwrap_or(0)
    }

    /// Bytes that the client has read.
    pub(super) fn consumed(&self) -> u64 {
        self.sum(|one| Some(one.counters().consumed)).unwrap_or(0)
    }

    /// How the server has closed all of them, if it has; the reason is that of the last one.
    pub(super) fn closed(&self) -> Option<DisconnectKind> {
        let closed = self.all.iter().map(ClientConnection::closed_by_server);
        closed.reduce(|one, other| one.and(other))?
    }

    /// The traffic as of the last [`refresh`](ClientConnections::refresh), at the time `t`.
    pub(super) fn traffic(&self, t: f64) -> Point {
        let input = |value: fn(&Counters) -> Option<u64>| self.since(self.sent_before, value);
        let output = |value: fn(&Counters) -> Option<u64>| self.since(self.received_before, value);
        let open = || self.all.iter().filter(|one| one.closed_by_server().is_none());
        let sample = Sample {
            t,
            connections: open().count() as u32,
            produced: input(|counters| Some(counters.produced)).unwrap_or(0),
            server_received: input(|counters| counters.server_received),
            server_read: input(|counters| counters.server_read),
            server_written: output(|counters| counters.server_written),
            client_received: output(|counters| counters.client_received),
            consumed: output(|counters| Some(counters.consumed)).unwrap_or(0),
            kernel_memory: self.sum(ClientConnection::kernel_memory),
            window: open().filter_map(ClientConnection::window).min().map(u64::from),
            ..Sample::default()
        };
        let full = open().map(|one| Some(!one.is_server_writable()?));
        let output_is_full = full.reduce(|one, other| Some(one? && other?)).flatten();
        Point { sample, output_is_full, ..Point::default() }
    }

    fn since(&self, before: u64, value: fn(&Counters) -> Option<u64>) -> Option<u64> {
        let sum: Option<u64> = self.all.iter().map(|one| value(one.counters())).sum();
        Some(sum?.saturating_sub(before))
    }

    /// The sum over all connections; `None` if one of them is not visible.
    fn sum(&self, value: fn(&ClientConnection) -> Option<u64>) -> Option<u64> {
        self.all.iter().map(value).sum()
    }
}

impl ClientConnection {
    fn counters(&self) -> &Counters {
        match self {
            ClientConnection::Tcp(connection) => &connection.counters,
            ClientConnection::Unix(ends) => &ends.counters,
        }
    }

    fn closed_by_server(&self) -> Option<DisconnectKind> {
        match self {
            ClientConnection::Tcp(connection) => Some(match connection.closed_by_server()? {
                ServerClose::Fin => DisconnectKind::Closed,
                ServerClose::Gone => DisconnectKind::Reset,
            }),
            ClientConnection::Unix(ends) => ends.is_closed.then_some(DisconnectKind::Closed),
        }
    }

    fn kernel_memory(&self) -> Option<u64> {
        match self {
            ClientConnection::Tcp(connection) => connection.kernel_memory(),
            ClientConnection::Unix(ends) => ends.kernel_memory(),
        }
    }

    fn window(&self) -> Option<u32> {
        match self {
            ClientConnection::Tcp(connection) => connection.window(),
            ClientConnection::Unix(_) => None,
        }
    }

    fn is_server_writable(&self) -> Option<bool> {
        match self {
            ClientConnection::Tcp(connection) => Some(connection.server?.memory?.is_writable()),
            ClientConnection::Unix(ends) => ends.is_server_writable(),
        }
    }
}
