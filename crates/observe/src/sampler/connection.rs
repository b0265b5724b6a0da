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
use crate::{AsHandle, Found, SocketDiag, SocketMemory, TcpInfo, TcpState, Timer, receive_queue, send_queue};

/// A connection to be sampled.
pub struct Watched {
    /// The client's address.
    pub local: SocketAddr,
    /// The server's address.
    pub peer: SocketAddr,
    /// The client's end, where it is this process's own; without it both ends are looked up.
    pub own: Option<OwnEnd>,
}

/// The client's end of a connection, held by this process.
pub struct OwnEnd {
    /// The socket.
    pub socket: Arc<dyn AsHandle + Send + Sync>,
    /// Bytes (produced, consumed) so far: what write took and what read gave. Called from the sampling thread, twice a
    /// sample; should cost no more than two atomic loads.
    pub counters: Box<dyn Fn() -> (u64, u64) + Send + Sync>,
}

impl fmt::Debug for Watched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watched")
            .field("local", &self.local)
            .field("peer", &self.peer)
            .finish_non_exhaustive()
    }
}

/// The six counters of one connection, cumulative payload bytes. `None`: not visible on this system.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Cut {
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
pub struct End {
    /// What TCP counts.
    pub info: TcpInfo,
    /// Its memory in the kernel, and the limits of its queues.
    pub memory: Option<SocketMemory>,
    /// What it waits for; `None` for an end of our own, whose timer is not asked for.
    pub timer: Option<Timer>,
}

impl End {
    fn found(found: &Found) -> Option<End> {
        Some(End { info: found.info?, memory: found.memory, timer: found.timer })
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
    pub cut: Cut,
    /// The client's end; `None` when it is not on this host, not visible, or gone.
    pub client: Option<End>,
    /// The server's end; `None` when it is not on this host, not visible, or gone.
    pub server: Option<End>,
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
        let open = |end: Option<End>| end.is_some_and(|end| end.info.state != TcpState::Closed);
        open(self.client) || open(self.server)
    }

    /// Kernel memory of both ends, as far as it is visible.
    pub fn kernel_memory(&self) -> Option<u64> {
        let of = |end: Option<End>| Some(end?.memory?.total());
        match (of(self.client), of(self.server)) {
            (None, None) => None,
            (client, server) => Some(client.unwrap_or(0) + server.unwrap_or(0)),
        }
    }
}

/// A watched connection and what is known of it.
#[derive(Debug)]
pub(super) struct Tracked {
    watched: Watched,
    pub(super) last: Connection,
    /// Whether it has been read at least once: until then `last` is empty.
    pub(super) was_read: bool,
}

impl Tracked {
    pub(super) fn new(watched: Watched) -> Tracked {
        let last = Connection {
            local: watched.local,
            peer: watched.peer,
            cut: Cut::default(),
            client: None,
            server: None,
            window_zero_since: None,
            server_was_seen: false,
        };
        Tracked { watched, last, was_read: false }
    }

    /// Bytes produced by now, without asking the kernel. 0 for a connection that is not ours.
    pub(super) fn produced(&self) -> u64 {
        self.watched.own.as_ref().map_or(0, |own| (own.counters)().0)
    }

    /// Reads all counters anew, in the order of the module's docs.
    pub(super) fn read(&mut self, diag: Option<&mut SocketDiag>) {
        self.was_read = true;
        let Watched { local, peer, .. } = self.watched;
        let before = self.last.cut;
        let mut diag = diag;
        let mut find = |from, to| diag.as_mut().and_then(|diag| diag.find(from, to).ok().flatten());
        match &self.watched.own {
            Some(own) => {
                let (produced_before, consumed) = (own.counters)();
                let client = own_end(&*own.socket);
                let server = find(peer, local);
                let (produced, consumed_after) = (own.counters)();
                let skew = produced.saturating_sub(produced_before) + consumed_after.saturating_sub(consumed);
                // A closed end does not tell any more which FINs its kernel counted: 1 byte too many would stay for good.
                let closed = client.filter(|end| end.info.state == TcpState::Closed);
                let unread = closed.map(|_| receive_queue(&*own.socket).unwrap_or(0));
                self.update(client, server, Some((produced, consumed)), skew);
                if let Some(unread) = unread {
                    let cut = &mut self.last.cut;
                    cut.client_received = latest(before.client_received, Some(consumed + unread));
                    cut.server_written = latest(before.server_written, cut.client_received);
                    cut.produced = produced;
                    cut.server_received = cut.server_received.map(|received| received.min(produced));
                    cut.server_read = cut.server_read.map(|read| read.min(produced));
                }
            }
            None => {
                let client = find(local, peer);
                let server = find(peer, local);
                let counters = client.as_ref().and_then(counters_of);
                self.update(client.as_ref().and_then(End::found), server, counters, 0);
            }
        }
    }

    fn update(
        &mut self,
        client: Option<End>,
        server: Option<Found>,
        counters: Option<(u64, u64)>,
        skew: u64,
    ) {
        let before = self.last.cut;
        let acked = client.and_then(|end| end.info.payload_acked(Side::Connecting));
        let client_received = client.and_then(|end| end.info.payload_received());
        let (acked, client_received) = self.or_by_queues(acked, client_received, counters);
        let mut cut = Cut { skew, ..Cut::default() };
        match server.as_ref().and_then(|found| Some((found, found.info?))) {
            Some((found, info)) => {
                cut.server_received = info.payload_received();
                cut.server_read = cut.server_received.map(|received| received.saturating_sub(found.unread()));
                let sent = info.payload_acked(Side::Accepting);
                cut.server_written = sent.map(|sent| sent.saturating_add(found.unacknowledged()));
                cut.client_received = client_received.or(sent);
                self.last.server_was_seen = true;
            }
            // The server's end is gone, and its queues with it. What is known better by now is taken, and the rest stays
            // where it was last seen.
            None if self.last.server_was_seen => {
                cut.server_received = latest(before.server_received, acked);
                cut.server_read = latest(before.server_read, cut.server_received);
                cut.client_received = latest(before.client_received, client_received);
                cut.server_written = latest(before.server_written, cut.client_received);
            }
            // It is not visible: what the client's kernel was told is all there is.
            None => {
                cut.server_received = acked;
                cut.client_received = client_received;
            }
        }
        let (produced, consumed) = counters.unwrap_or_else(|| {
            let known = |now: Option<u64>| now.unwrap_or(0);
            (before.produced.max(known(cut.server_received)), before.consumed.max(known(cut.client_received)))
        });
        // A write counts when it returns, and its first bytes may have arrived by then.
        cut.produced = produced.max(cut.server_received.unwrap_or(0));
        cut.consumed = consumed;

        self.last.cut = cut;
        self.last.client = client;
        self.last.server = server.as_ref().and_then(End::found);
        self.last.window_zero_since = match self.last.window() {
            Some(0) => self.last.window_zero_since.or_else(|| Some(Instant::now())),
            _ => None,
        };
    }
}

impl Tracked {
    /// Where the system does not count what was acknowledged and received (macOS), it still tells what stands in the
    /// queues of our own end.
    fn or_by_queues(
        &self,
        acked: Option<u64>,
        received: Option<u64>,
        counters: Option<(u64, u64)>,
    ) -> (Option<u64>, Option<u64>) {
        let (Some(own), Some((produced, consumed))) = (&self.watched.own, counters) else {
            return (acked, received);
        };
        let by_send_queue = || Some(produced.saturating_sub(send_queue(&*own.socket).ok()??));
        let by_receive_queue = || Some(consumed + receive_queue(&*own.socket).ok()?);
        (acked.or_else(by_send_queue), received.or_else(by_receive_queue))
    }
}

/// The client's end, held by us.
fn own_end(socket: &(dyn AsHandle + Send + Sync)) -> Option<End> {
    let info = TcpInfo::of(socket).ok()?;
    Some(End { info, memory: SocketMemory::of(socket).ok(), timer: None })
}

/// (produced, consumed) of a client's end that is another process's: what its kernel took and gave.
fn counters_of(found: &Found) -> Option<(u64, u64)> {
    let info = found.info?;
    let produced = info.payload_acked(Side::Connecting)?.saturating_add(found.unacknowledged());
    let consumed = info.payload_received()?.saturating_sub(found.unread());
    Some((produced, consumed))
}

/// The larger of two readings of a counter that only grows.
fn latest(before: Option<u64>, now: Option<u64>) -> Option<u64> {
    before.max(now)
}
