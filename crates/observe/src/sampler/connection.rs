//! Reads one connection for a sample: its two endpoints and the six counters between them.
//!
//! **The order of reading.** Bytes move while a sample is taken. The counters are read from the last to the first,
//! against the stream: a counter that is read later is earlier on the path and can only have grown, so a queue may
//! appear too long but never negative.
//!
//! ```text
//! read  6th         3rd, 4th and 5th in one call                      2nd                1st
//!       produced ── server_received ── server_read ── server_written ── client_received ── consumed
//! ```

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::{
    AsHandle, Side, SocketDiag, SocketEntry, SocketMemory, TcpInfo, TcpState, Timer, receive_queue,
    send_queue,
};

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
    /// Returns the bytes (produced, consumed) so far: written and read by the client. The sampling thread calls it
    /// twice per sample, so it should cost no more than two atomic loads.
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

/// The six counters of one connection: payload bytes, cumulative. `None`: not visible on this system.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counters {
    /// Written by the client.
    pub produced: u64,
    /// Received by the server's kernel.
    pub server_received: Option<u64>,
    /// Read by the server.
    pub server_read: Option<u64>,
    /// Written by the server.
    pub server_written: Option<u64>,
    /// Received by the client's kernel.
    pub client_received: Option<u64>,
    /// Read by the client.
    pub consumed: u64,
    /// How much `produced` and `consumed` grew during the reading: the maximum error of a boundary.
    pub skew: u64,
}

/// One endpoint of a connection, as the kernel describes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Endpoint {
    /// Its TCP counters.
    pub info: TcpInfo,
    /// Its kernel memory, and the limits of its queues.
    pub memory: Option<SocketMemory>,
    /// The running timer; `None` for this process's own endpoint, whose timer is not queried.
    pub timer: Option<Timer>,
}

impl Endpoint {
    fn from_entry(entry: &SocketEntry) -> Option<Endpoint> {
        Some(Endpoint { info: entry.info?, memory: entry.memory, timer: entry.timer })
    }
}

/// A connection as last sampled.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Connection {
    /// The client's address.
    pub local: SocketAddr,
    /// The server's address.
    pub peer: SocketAddr,
    /// Its counters.
    pub counters: Counters,
    /// The client's endpoint; `None` if it is not on this host, not visible, or closed.
    pub client: Option<Endpoint>,
    /// The server's endpoint; `None` if it is not on this host, not visible, or closed.
    pub server: Option<Endpoint>,
    /// Since when the server's receive window has been zero, while it is.
    pub window_zero_since: Option<Instant>,
    /// Whether the server's endpoint has been visible at least once.
    pub server_was_seen: bool,
}

impl Connection {
    /// The receive window that the server last advertised, in bytes.
    pub fn window(&self) -> Option<u32> {
        match (self.client, self.server) {
            (Some(client), _) => client.info.snd_wnd,
            // What the server would advertise now. The client, on another host, may not have received it yet.
            (None, Some(server)) => server.info.rcv_wnd,
            (None, None) => None,
        }
    }

    /// How long the receive window has been zero at `now`, while it is.
    pub fn window_zero_for(&self, now: Instant) -> Option<Duration> {
        Some(now.saturating_duration_since(self.window_zero_since?))
    }

    /// Whether the connection still exists.
    pub fn is_open(&self) -> bool {
        let open = |endpoint: Option<Endpoint>| {
            endpoint.is_some_and(|endpoint| endpoint.info.state != TcpState::Closed)
        };
        open(self.client) || open(self.server)
    }

    /// Kernel memory of both endpoints, as far as it is visible.
    pub fn kernel_memory(&self) -> Option<u64> {
        let of = |endpoint: Option<Endpoint>| Some(endpoint?.memory?.total());
        match (of(self.client), of(self.server)) {
            (None, None) => None,
            (client, server) => Some(client.unwrap_or(0) + server.unwrap_or(0)),
        }
    }
}

/// A watched connection and its last values.
#[derive(Debug)]
pub(super) struct TrackedConnection {
    watched: WatchedConnection,
    pub(super) last: Connection,
    /// Whether it has been read at least once. Until then `last` is empty.
    pub(super) was_read: bool,
}

impl TrackedConnection {
    pub(super) fn new(watched: WatchedConnection) -> TrackedConnection {
        let last = Connection {
            local: watched.local,
            peer: watched.peer,
            counters: Counters::default(),
            client: None,
            server: None,
            window_zero_since: None,
            server_was_seen: false,
        };
        TrackedConnection { watched, last, was_read: false }
    }

    /// Bytes produced so far, without a query of the kernel. 0 for a connection of another process.
    pub(super) fn produced(&self) -> u64 {
        self.watched.endpoint.as_ref().map_or(0, |endpoint| (endpoint.counts)().0)
    }

    /// Reads all counters, in the order described in the module docs.
    pub(super) fn read(&mut self, mut diag: Option<&mut SocketDiag>) {
        self.was_read = true;
        let WatchedConnection { local, peer, .. } = self.watched;
        let before = self.last.counters;
        let mut find = |from, to| diag.as_mut().and_then(|diag| diag.find(from, to).ok().flatten());
        match &self.watched.endpoint {
            Some(endpoint) => {
                let (produced_before, consumed) = (endpoint.counts)();
                let client = local_endpoint(&*endpoint.socket);
                let server = find(peer, local);
                let (produced, consumed_after) = (endpoint.counts)();
                let skew = produced.saturating_sub(produced_before) + consumed_after.saturating_sub(consumed);
                // A closed endpoint no longer shows which FINs its kernel counted: a counter would stay 1 byte too
                // large.
                let closed = client.filter(|endpoint| endpoint.info.state == TcpState::Closed);
                let unread = closed.map(|_| receive_queue(&*endpoint.socket).unwrap_or(0));
                self.update(client, server, Some((produced, consumed)), skew);
                if let Some(unread) = unread {
                    let counters = &mut self.last.counters;
                    counters.client_received = latest(before.client_received, Some(consumed + unread));
                    counters.server_written = latest(before.server_written, counters.client_received);
                    counters.produced = produced;
                    counters.server_received =
                        counters.server_received.map(|received| received.min(produced));
                    counters.server_read = counters.server_read.map(|read| read.min(produced));
                }
            }
            None => {
                let client = find(local, peer);
                let server = find(peer, local);
                let counts = client.as_ref().and_then(counts_of);
                self.update(client.as_ref().and_then(Endpoint::from_entry), server, counts, 0);
            }
        }
    }

    fn update(
        &mut self,
        client: Option<Endpoint>,
        server: Option<SocketEntry>,
        counts: Option<(u64, u64)>,
        skew: u64,
    ) {
        let before = self.last.counters;
        let acked = client.and_then(|endpoint| endpoint.info.payload_acked(Side::Connecting));
        let client_received = client.and_then(|endpoint| endpoint.info.payload_received());
        let (acked, client_received) = self.or_by_queues(acked, client_received, counts);
        let mut counters = Counters { skew, ..Counters::default() };
        match server.as_ref().and_then(|entry| Some((entry, entry.info?))) {
            Some((entry, info)) => {
                counters.server_received = info.payload_received();
                counters.server_read =
                    counters.server_received.map(|received| received.saturating_sub(entry.unread()));
                let sent = info.payload_acked(Side::Accepting);
                counters.server_written = sent.map(|sent| sent.saturating_add(entry.unacknowledged()));
                counters.client_received = client_received.or(sent);
                self.last.server_was_seen = true;
            }
            // The server's endpoint is closed, and its queues are gone. Counters that are still known are updated,
            // the others keep their last values.
            None if self.last.server_was_seen => {
                counters.server_received = latest(before.server_received, acked);
                counters.server_read = latest(before.server_read, counters.server_received);
                counters.client_received = latest(before.client_received, client_received);
                counters.server_written = latest(before.server_written, counters.client_received);
            }
            // It is not visible: only what the client's kernel knows can be shown.
            None => {
                counters.server_received = acked;
                counters.client_received = client_received;
            }
        }
        let (produced, consumed) = counts.unwrap_or_else(|| {
            let known = |now: Option<u64>| now.unwrap_or(0);
            (
                before.produced.max(known(counters.server_received)),
                before.consumed.max(known(counters.client_received)),
            )
        });
        // A write counts when it returns, and its first bytes may have arrived before that.
        counters.produced = produced.max(counters.server_received.unwrap_or(0));
        counters.consumed = consumed;

        self.last.counters = counters;
        self.last.client = client;
        self.last.server = server.as_ref().and_then(Endpoint::from_entry);
        self.last.window_zero_since = match self.last.window() {
            Some(0) => self.last.window_zero_since.or_else(|| Some(Instant::now())),
            _ => None,
        };
    }

    /// Where the system does not count acknowledged and received bytes (macOS), it still shows the queues of this
    /// process's own endpoint.
    fn or_by_queues(
        &self,
        acked: Option<u64>,
        received: Option<u64>,
        counts: Option<(u64, u64)>,
    ) -> (Option<u64>, Option<u64>) {
        let (Some(endpoint), Some((produced, consumed))) = (&self.watched.endpoint, counts) else {
            return (acked, received);
        };
        let by_send_queue = || Some(produced.saturating_sub(send_queue(&*endpoint.socket).ok()??));
        let by_receive_queue = || Some(consumed + receive_queue(&*endpoint.socket).ok()?);
        (acked.or_else(by_send_queue), received.or_else(by_receive_queue))
    }
}

/// The client's endpoint, owned by this process.
fn local_endpoint(socket: &(dyn AsHandle + Send + Sync)) -> Option<Endpoint> {
    let info = TcpInfo::of(socket).ok()?;
    Some(Endpoint { info, memory: SocketMemory::of(socket).ok(), timer: None })
}

/// (produced, consumed) of another process's endpoint: what its kernel accepted from it and delivered to it.
fn counts_of(entry: &SocketEntry) -> Option<(u64, u64)> {
    let info = entry.info?;
    let produced = info.payload_acked(Side::Connecting)?.saturating_add(entry.unacknowledged());
    let consumed = info.payload_received()?.saturating_sub(entry.unread());
    Some((produced, consumed))
}

/// The larger of two readings of a counter that only grows.
fn latest(before: Option<u64>, now: Option<u64>) -> Option<u64> {
    before.max(now)
}
