//! One connection of a sample: its two ends as the kernel tells them, and the six counters between them.
//!
//! **The order of reading.** Bytes move while a sample is taken. The counters are read from the last to the first, against
//! the stream: what is read later lies earlier on the path and can only have grown, so each queue comes out too long
//! rather than negative.
//!
//! ```text
//! read      6th         3rd…5th, at once                    2nd           1st
//!        produced ── server_received ── server_read ── server_written ── client_received ── consumed
//! ```

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::tcp_info::Side;
use crate::{
    AsHandle, SocketDiag, SocketEntry, SocketMemory, TcpInfo, TcpState, Timer, receive_queue, send_queue,
};

/// A connection to be sampled.
pub struct WatchedConnection {
    /// The client's address.
    pub local: SocketAddr,
    /// The server's address.
    pub peer: SocketAddr,
    /// The client's end, where it is this process's own; without it both ends are looked up.
    pub endpoint: Option<LocalEndpoint>,
}

/// The client's end of a connection, held by this process.
pub struct LocalEndpoint {
    /// The socket.
    pub socket: Arc<dyn AsHandle + Send + Sync>,
    /// Bytes (produced, consumed) so far: what write took and what read gave. Called from the sampling thread, twice a
    /// sample; should cost no more than two atomic loads.
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

/// The six counters of one connection, cumulative payload bytes. `None`: not visible on this system.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counters {
    /// Written by the client.
    pub produced: u64,
    /// Arrived at the server's kernel.
    pub server_received: Option<u64>,
    /// Read by the server.
    pub server_read: Option<u64>,
    /// Written by the server.
    pub server_written: Option<u64>,
    /// Arrived at the client's kernel.
    pub client_received: Option<u64>,
    /// Read by the client.
    pub consumed: u64,
    /// How far `produced` and `consumed` moved while this was read: the most by which a boundary may be off.
    pub skew: u64,
}

/// One end of a connection as the kernel tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Endpoint {
    /// What TCP counts.
    pub info: TcpInfo,
    /// Its memory in the kernel, and the limits of its queues.
    pub memory: Option<SocketMemory>,
    /// What it waits for; `None` for an end of our own, whose timer is not asked for.
    pub timer: Option<Timer>,
}

impl Endpoint {
    fn from_entry(entry: &SocketEntry) -> Option<Endpoint> {
        Some(Endpoint { info: entry.info?, memory: entry.memory, timer: entry.timer })
    }
}

/// A connection as it was when it was last sampled.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Connection {
    /// The client's address.
    pub local: SocketAddr,
    /// The server's address.
    pub peer: SocketAddr,
    /// Its counters.
    pub counters: Counters,
    /// The client's end; `None` when it is not on this host, not visible, or gone.
    pub client: Option<Endpoint>,
    /// The server's end; `None` when it is not on this host, not visible, or gone.
    pub server: Option<Endpoint>,
    /// Since when the server's window has been zero, while it is.
    pub window_zero_since: Option<Instant>,
    /// Whether the kernel has shown the server's end at least once.
    pub server_was_seen: bool,
}

impl Connection {
    /// The receive window that the server last advertised, in bytes.
    pub fn window(&self) -> Option<u32> {
        match (self.client, self.server) {
            (Some(client), _) => client.info.snd_wnd,
            // What the server would advertise now: the client, elsewhere, may not have heard of it yet.
            (None, Some(server)) => server.info.rcv_wnd,
            (None, None) => None,
        }
    }

    /// For how long the window has been zero at `now`, while it is.
    pub fn window_zero_for(&self, now: Instant) -> Option<Duration> {
        Some(now.saturating_duration_since(self.window_zero_since?))
    }

    /// Whether the connection is still there.
    pub fn is_open(&self) -> bool {
        let open = |endpoint: Option<Endpoint>| {
            endpoint.is_some_and(|endpoint| endpoint.info.state != TcpState::Closed)
        };
        open(self.client) || open(self.server)
    }

    /// Kernel memory of both ends, as far as it is visible.
    pub fn kernel_memory(&self) -> Option<u64> {
        let of = |endpoint: Option<Endpoint>| Some(endpoint?.memory?.total());
        match (of(self.client), of(self.server)) {
            (None, None) => None,
            (client, server) => Some(client.unwrap_or(0) + server.unwrap_or(0)),
        }
    }
}

/// A watched connection and what is known of it.
#[derive(Debug)]
pub(super) struct TrackedConnection {
    watched: WatchedConnection,
    pub(super) last: Connection,
    /// Whether it has been read at least once: until then `last` is empty.
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

    /// Bytes produced by now, without asking the kernel. 0 for a connection that is not ours.
    pub(super) fn produced(&self) -> u64 {
        self.watched.endpoint.as_ref().map_or(0, |endpoint| (endpoint.counts)().0)
    }

    /// Reads all counters anew, in the order of the module's docs.
    pub(super) fn read(&mut self, diag: Option<&mut SocketDiag>) {
        self.was_read = true;
        let WatchedConnection { local, peer, .. } = self.watched;
        let before = self.last.counters;
        let mut diag = diag;
        let mut find = |from, to| diag.as_mut().and_then(|diag| diag.find(from, to).ok().flatten());
        match &self.watched.endpoint {
            Some(endpoint) => {
                let (produced_before, consumed) = (endpoint.counts)();
                let client = local_endpoint(&*endpoint.socket);
                let server = find(peer, local);
                let (produced, consumed_after) = (endpoint.counts)();
                let skew = produced.saturating_sub(produced_before) + consumed_after.saturating_sub(consumed);
                // A closed end does not tell any more which FINs its kernel counted: 1 byte too many would stay for good.
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
            // The server's end is gone, and its queues with it. What is known better by now is taken, and the rest stays
            // where it was last seen.
            None if self.last.server_was_seen => {
                counters.server_received = latest(before.server_received, acked);
                counters.server_read = latest(before.server_read, counters.server_received);
                counters.client_received = latest(before.client_received, client_received);
                counters.server_written = latest(before.server_written, counters.client_received);
            }
            // It is not visible: what the client's kernel was told is all there is.
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
        // A write counts when it returns, and its first bytes may have arrived by then.
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
}

impl TrackedConnection {
    /// Where the system does not count what was acknowledged and received (macOS), it still tells what stands in the
    /// queues of our own end.
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

/// The client's end, held by us.
fn local_endpoint(socket: &(dyn AsHandle + Send + Sync)) -> Option<Endpoint> {
    let info = TcpInfo::of(socket).ok()?;
    Some(Endpoint { info, memory: SocketMemory::of(socket).ok(), timer: None })
}

/// (produced, consumed) of a client's end that is another process's: what its kernel took and gave.
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
