//! One connection: its two endpoints, and the six counters between them.
//!
//! **The order of reading.** Bytes move while a sample is taken. The counters are read from the last to the first, against the
//! stream: a counter that is read later is earlier on the path and can only have grown, so a queue may appear too long but never
//! negative.
//!
//! ```text
//! read  6th         3rd, 4th and 5th in one call                      2nd                1st
//!       produced ── server_received ── server_read ── server_written ── client_received ── consumed
//! ```

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use echoctl_record::PathCounters;

use super::History;
use super::counters::{Counters, Seen, ServerSeen, combine};
use crate::{
    AsHandle, Endpoint, Side, SocketEntry, SocketTables, TcpInfo, TcpState, Timer, receive_queue, send_queue,
};

/// A connection as last read.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Connection {
    /// The client's address.
    pub local: SocketAddr,
    /// The server's address.
    pub peer: SocketAddr,
    /// Its counters.
    pub counters: Counters,
    /// When it was last read.
    pub read_at: Option<Instant>,
    /// The client's endpoint; `None` if it is not on this host, not visible, or closed.
    pub client: Option<Endpoint>,
    /// The server's endpoint; `None` if it is not on this host, not visible, or closed, and if only its queues are visible.
    pub server: Option<Endpoint>,
    /// The state of the server's endpoint, also of the remains of a closed one (TIME-WAIT).
    pub server_state: Option<TcpState>,
    /// The running timer of the server's endpoint.
    pub server_timer: Option<Timer>,
    /// Retransmissions or probes in a row of the server's kernel that the client has not answered.
    pub server_unanswered: u32,
    /// The inode of the server's endpoint; 0: no process has it open, because it waits for accept or is closed.
    pub server_inode: Option<u32>,
    /// The inode of the client's endpoint, if it was looked up.
    pub client_inode: Option<u32>,
    /// Where the server listened when it got the connection, if a [`ConnectionTracker`](crate::ConnectionTracker) follows it.
    pub listener: Option<SocketAddr>,
    /// The addresses of the server's endpoint, its own and the client's: they may be translated on the way into another network
    /// namespace. `None` until it has been visible.
    pub server_addrs: Option<(SocketAddr, SocketAddr)>,
    /// Since when the server's receive window has been zero, while it is.
    pub window_zero_since: Option<Instant>,
    /// What a [`ConnectionTracker`](crate::ConnectionTracker) remembers of it.
    pub history: History,
}

/// The client's endpoint, owned by this process.
pub struct OwnSocket<'a> {
    /// The socket.
    pub socket: &'a dyn AsHandle,
    /// Returns the bytes (produced, consumed) so far: written and read by the client. It is called twice per reading.
    pub counts: &'a dyn Fn() -> (u64, u64),
}

/// How a server has closed a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServerClose {
    /// With a FIN, which may still be queued behind data that the client does not read.
    Fin,
    /// Without one that was seen: reset, or the server's endpoint has vanished.
    Gone,
}

impl Connection {
    /// A connection that has not been read yet, between the client's address and the server's.
    pub fn new(local: SocketAddr, peer: SocketAddr) -> Connection {
        Connection {
            local,
            peer,
            counters: Counters::default(),
            read_at: None,
            client: None,
            server: None,
            server_state: None,
            server_timer: None,
            server_unanswered: 0,
            server_inode: None,
            client_inode: None,
            listener: None,
            server_addrs: None,
            window_zero_since: None,
            history: History::default(),
        }
    }

    /// Reads both endpoints, in the order described in the module docs. Without `own`, both are looked up in the kernel; without
    /// `tables`, only the own one is visible.
    pub fn refresh(&mut self, own: Option<OwnSocket<'_>>, tables: Option<&mut SocketTables>) {
        self.read_at = Some(Instant::now());
        let Some(own) = own else {
            let (client, server) = tables.map_or((None, None), |tables| tables.ends(self.local, self.peer));
            self.update(client.as_ref(), server.as_ref(), Side::Accepting);
            return;
        };
        let before = (own.counts)();
        let client = Endpoint::own(own.socket);
        let server = tables.and_then(|tables| match self.server_addrs {
            Some((local, remote)) => tables.end(local, remote),
            None => tables.server_of_own(self.peer, self.local),
        });
        let seen = own.seen(before, (own.counts)(), client.map(|client| client.info));
        self.client = client;
        self.add(seen, server.as_ref(), Side::Accepting);
    }

    /// Replaces both endpoints by what the kernel has listed, if it has. The server's is on this side of the connection.
    pub(super) fn update(
        &mut self,
        client: Option<&SocketEntry>,
        server: Option<&SocketEntry>,
        server_side: Side,
    ) {
        self.client = client.and_then(Endpoint::of);
        self.client_inode = client.map(|client| client.inode);
        let client_side = match server_side {
            Side::Accepting => Side::Connecting,
            Side::Connecting => Side::Accepting,
        };
        let seen = client.map(|client| Seen::of_client(client, client_side)).unwrap_or_default();
        self.add(seen, server, server_side);
    }

    /// The same where the client's end has not changed: see [`is_quiet`](Connection::is_quiet).
    pub(super) fn update_server(&mut self, server: &SocketEntry, server_side: Side) {
        self.add(Seen::default(), Some(server), server_side);
    }

    /// Whether the client's end is as it was when it was last read, if the server's is now as given: no segment has passed since, and
    /// nothing waits that the client could read or send meanwhile.
    pub(super) fn is_quiet(&self, server: &SocketEntry) -> bool {
        let Some((before, now)) = self.server.map(|server| server.info).zip(server.info) else {
            return false;
        };
        let are_same =
            (before.state, before.segs_in, before.segs_out) == (now.state, now.segs_in, now.segs_out);
        let are_empty = (server.rqueue, server.wqueue) == (0, 0);
        now.segs_in.is_some() && are_same && are_empty && self.is_client_empty()
    }

    /// Whether nothing is known to be in the queues of the client's end.
    fn is_client_empty(&self) -> bool {
        let Counters { produced, server_received, client_received, consumed, .. } = self.counters;
        let is_sent = server_received.is_none_or(|received| produced <= received);
        let is_read = client_received.is_none_or(|received| received <= consumed);
        self.client.is_none() || is_sent && is_read
    }

    fn add(&mut self, mut seen: Seen, server: Option<&SocketEntry>, server_side: Side) {
        let left = server.filter(|server| server.state != TcpState::TimeWait);
        seen.server = left.map(|server| ServerSeen::of(server, server_side));
        self.counters = combine(&self.counters, &seen);
        self.server = server.and_then(Endpoint::of);
        self.server_state = server.map(|server| server.state);
        self.server_timer = server.and_then(|server| server.timer);
        self.server_unanswered = server.map_or(0, |server| server.unanswered);
        self.server_inode = left.map(|server| server.inode);
        if let Some(server) = left {
            self.server_addrs = Some((server.local, server.remote));
        }
        self.window_zero_since =
            (self.window() == Some(0)).then(|| self.window_zero_since.unwrap_or_else(Instant::now));
    }

    /// Whether the server's endpoint has been visible at least once.
    pub fn server_was_seen(&self) -> bool {
        self.server_addrs.is_some()
    }

    /// Whether only the queues of the server's end are visible, and no end shows how many bytes have passed: the counters are then
    /// the least that explains the queues.
    pub fn shows_only_queues(&self) -> bool {
        self.server_state.is_some() && self.server.is_none() && self.client.is_none()
    }

    /// Its counters as far as one of its ends shows them now, in the order of the path; `None` if neither does.
    pub(crate) fn visible_counters(&self) -> Option<PathCounters> {
        let (client, server, counters) = (self.client.is_some(), self.server.is_some(), self.counters);
        (client || server).then_some([
            client.then_some(counters.produced),
            counters.server_received,
            counters.server_read.filter(|_| server),
            counters.server_written.filter(|_| server),
            counters.client_received,
            client.then_some(counters.consumed),
        ])
    }

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
        let client = self.client.map(|client| client.info.state);
        let ends = client.into_iter().chain(self.server_state);
        ends.into_iter().any(|state| !matches!(state, TcpState::Closed | TcpState::TimeWait))
    }

    /// Whether the server has not closed it, so that the counters show where its bytes are. A FIN of the client, which asks for
    /// the rest, does not close it yet.
    pub fn is_alive(&self) -> bool {
        use TcpState::{CloseWait, Established, FinWait1, FinWait2};
        let has_vanished = self.server_state.is_none() && self.server_was_seen();
        let client = self.client.map(|client| client.info.state);
        !has_vanished
            && client.is_none_or(|state| matches!(state, Established | FinWait1 | FinWait2))
            && self.server_state.is_none_or(|state| matches!(state, Established | CloseWait))
    }

    /// How the server has closed it; `None` if it has not, or if that is not visible.
    pub fn closed_by_server(&self) -> Option<ServerClose> {
        let client = self.client.map(|client| client.info.state);
        match (client, self.server_state) {
            (Some(state), _) if state.has_received_fin() => Some(ServerClose::Fin),
            (Some(TcpState::Closed), _) => Some(ServerClose::Gone),
            // The client's kernel accepts no FIN behind data for which it has no room: only the server's end shows it.
            (_, Some(state)) if state.has_sent_fin() => Some(ServerClose::Fin),
            (_, None) if self.server_was_seen() => Some(ServerClose::Gone),
            _ => None,
        }
    }

    /// Kernel memory of both endpoints, as far as it is visible.
    pub fn kernel_memory(&self) -> Option<u64> {
        self.endpoints()
            .filter_map(|endpoint| Some(endpoint.memory?.total()))
            .reduce(|one, other| one + other)
    }

    fn endpoints(&self) -> impl Iterator<Item = Endpoint> {
        [self.client, self.server].into_iter().flatten()
    }
}

impl OwnSocket<'_> {
    /// What was seen of this endpoint, between its counts before and after the reading.
    fn seen(&self, before: (u64, u64), after: (u64, u64), info: Option<TcpInfo>) -> Seen {
        let ((produced_before, consumed), (produced, consumed_after)) = (before, after);
        let acknowledged = info.and_then(|info| info.payload_acked(Side::Connecting));
        // A closed endpoint no longer shows whether its kernel counted a FIN: its counts may be 1 too large.
        let open = info.filter(|info| info.state != TcpState::Closed);
        let received = open.and_then(|info| info.payload_received());
        // macOS counts neither, but shows the queues of its own endpoint.
        let by_send_queue = || Some(produced.saturating_sub(send_queue(self.socket).ok()??));
        let by_receive_queue = || Some(consumed + receive_queue(self.socket).ok()?);
        Seen {
            produced: Some(produced),
            consumed: Some(consumed),
            acknowledged: acknowledged.map(|acked| acked.min(produced)).or_else(by_send_queue),
            client_received: received.or_else(by_receive_queue),
            server: None,
            skew: produced.saturating_sub(produced_before) + consumed_after.saturating_sub(consumed),
        }
    }
}

impl Seen {
    /// What was seen of another process's endpoint: what its kernel accepted from it and delivered to it.
    fn of_client(entry: &SocketEntry, side: Side) -> Seen {
        let info = entry.info;
        let acknowledged = info.and_then(|info| info.payload_acked(side));
        let client_received = info.and_then(|info| info.payload_received());
        let counts = acknowledged.zip(client_received);
        Seen {
            produced: counts.map(|(acknowledged, _)| acknowledged.saturating_add(entry.unacknowledged())),
            consumed: counts.map(|(_, received)| received.saturating_sub(entry.unread())),
            acknowledged,
            client_received,
            ..Seen::default()
        }
    }
}

impl ServerSeen {
    fn of(entry: &SocketEntry, side: Side) -> ServerSeen {
        ServerSeen {
            received: entry.info.and_then(|info| info.payload_received()),
            unread: entry.unread(),
            acknowledged: entry.info.and_then(|info| info.payload_acked(side)),
            unacknowledged: entry.unacknowledged(),
        }
    }
}
