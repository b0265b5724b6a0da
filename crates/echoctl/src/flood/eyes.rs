//! The eyes: one sample of all connections of a flood, from our counters, both kernels and the server's processes.
//!
//! The order of reading makes the counters fall along the path: `consumed` is read first, then what arrived here, then the
//! server's end, and `produced` last. So a byte that moves meanwhile may be seen further back than it is, never further on.
//!
//! With many connections a hundred are looked at in turn, each with all of its counters together, and the rest stand as
//! they were last seen.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use echoctl_client::{Ending, Link, Phase};
use echoctl_observe::{Found, ProcessTree, Side, SocketDiag, SocketMemory, TcpInfo, TcpState, TreeReading};
use echoctl_record::Sample;

use crate::view::path::Limits;

/// What looks at a flood.
pub(super) struct Eyes {
    diag: Option<SocketDiag>,
    tree: Option<ProcessTree>,
    eyed: Vec<Eyed>,
    /// Where the next hundred begins.
    next: usize,
    window_zero_since: Option<Instant>,
}

/// One look.
#[derive(Debug, Clone, Copy)]
pub(super) struct Look {
    pub(super) sample: Sample,
    pub(super) limits: Limits,
    /// Connections whose server's end has sent FIN, perhaps stuck behind what we do not read.
    pub(super) closed_by_server: usize,
    /// For how long the window has been zero.
    pub(super) window_zero: Option<Duration>,
    /// Bytes that the network is thought to hold, as far as the first connection knows.
    pub(super) congestion_window: Option<u64>,
    /// The server's processes.
    pub(super) server: Option<TreeReading>,
}

/// A connection, and what was last seen of it.
struct Eyed {
    link: Arc<Link>,
    seen: Seen,
}

/// What was seen of one connection; cumulative bytes never fall.
#[derive(Debug, Clone, Copy, Default)]
struct Seen {
    produced: u64,
    received: Option<u64>,
    read: Option<u64>,
    written: Option<u64>,
    arrived: Option<u64>,
    consumed: u64,
    memory: Option<u64>,
    window: Option<u64>,
    congestion_window: Option<u64>,
    limits: Limits,
    closed_by_server: bool,
}

impl Eyes {
    /// Looks at these connections, and at the processes `pids` as far as they are visible.
    pub(super) fn new(links: &[Arc<Link>], pids: &[u32]) -> Eyes {
        let tree = if pids.is_empty() { None } else { ProcessTree::new(pids.iter().copied()).ok() };
        Eyes {
            diag: SocketDiag::open().ok(),
            tree,
            eyed: links.iter().map(|link| Eyed { link: Arc::clone(link), seen: Seen::default() }).collect(),
            next: 0,
            window_zero_since: None,
        }
    }

    /// The server's name and pid, where they are visible.
    pub(super) fn server(&self) -> Option<String> {
        let root = *self.tree.as_ref()?.roots().first()?;
        let name = self.tree.as_ref()?.members().find(|process| process.pid() == root)?.name();
        Some(format!("{name} (pid {root})"))
    }

    /// Whether a process of the server's has ended.
    pub(super) fn server_has_ended(&mut self) -> bool {
        self.tree.as_mut().is_some_and(|tree| tree.ended_root().is_some())
    }

    /// Everything, `t` seconds after the start.
    pub(super) fn look(&mut self, t: f64) -> Look {
        let count = self.eyed.len();
        for turn in 0..count.min(A_LOOK) {
            let eyed = &mut self.eyed[(self.next + turn) % count];
            eyed.look(self.diag.as_mut());
        }
        self.next = (self.next + A_LOOK) % count.max(1);
        let server = self.tree.as_mut().map(ProcessTree::read);
        let window = self.eyed.iter().filter_map(|eyed| eyed.seen.window).min();
        self.window_zero_since = match window {
            Some(0) => self.window_zero_since.or_else(|| Some(Instant::now())),
            _ => None,
        };
        let seen = || self.eyed.iter().map(|eyed| &eyed.seen);
        let limit = |of: fn(&Limits) -> Option<u64>| seen().map(|seen| of(&seen.limits)).sum();
        Look {
            sample: Sample {
                t,
                connections: self.eyed.iter().filter(|eyed| eyed.link.ending().is_none()).count() as u32,
                produced: seen().map(|seen| seen.produced).sum(),
                s_received: seen().map(|seen| seen.received).sum(),
                s_read: seen().map(|seen| seen.read).sum(),
                s_written: seen().map(|seen| seen.written).sum(),
                c_received: seen().map(|seen| seen.arrived).sum(),
                consumed: seen().map(|seen| seen.consumed).sum(),
                server_memory: server.map(|server| server.memory.total()),
                kernel_memory: seen().map(|seen| seen.memory).sum(),
                window,
                skew: None,
            },
            limits: Limits {
                client_send: limit(|limits| limits.client_send),
                server_receive: limit(|limits| limits.server_receive),
                server_send: limit(|limits| limits.server_send),
                client_receive: limit(|limits| limits.client_receive),
            },
            closed_by_server: seen().filter(|seen| seen.closed_by_server).count(),
            window_zero: self.window_zero_since.map(|since| since.elapsed()),
            congestion_window: self.eyed.first().and_then(|eyed| eyed.seen.congestion_window),
            server,
        }
    }
}

impl Eyed {
    /// Reads all counters of this connection.
    fn look(&mut self, diag: Option<&mut SocketDiag>) {
        let (link, seen) = (&self.link, &mut self.seen);
        seen.consumed = link.consumed();
        let own = TcpInfo::of(&**link).ok();
        let theirs = diag.and_then(|diag| lookup(diag, link.peer_addr(), link.local_addr()));
        let info = theirs.and_then(|found| found.info);
        let arrived = own.and_then(|info| info.payload_received());
        seen.arrived = latest(seen.arrived, arrived).map(|arrived| arrived.max(seen.consumed));
        if let (Some(found), Some(info)) = (theirs, info) {
            let received = info.payload_received();
            seen.received = latest(seen.received, received);
            seen.read =
                latest(seen.read, received.map(|received| received.saturating_sub(found.unread())));
            let acknowledged = info.payload_acked(Side::Accepting);
            seen.written = latest(seen.written, acknowledged.map(|acked| acked + found.unacknowledged()));
        } else if link.ending() == Some(&Ending::Complete) {
            seen.received = seen.received.map(|_| link.produced());
            seen.read = seen.received;
            seen.written = seen.written.map(|_| seen.consumed);
        }
        // What the server wrote it must have written by now, if it has arrived; so with the rest, up the path.
        seen.written = seen.written.map(|written| written.max(seen.arrived.unwrap_or(0)));
        seen.produced = link.produced().max(seen.received.unwrap_or(0));
        let own_memory = SocketMemory::of(&**link).ok();
        let their_memory = theirs.and_then(|found| found.memory);
        seen.memory = own_memory.map(|own| own.total() + their_memory.map_or(0, |theirs| theirs.total()));
        seen.window = own.and_then(|info| info.snd_wnd).map(u64::from);
        seen.congestion_window = own.map(|info| u64::from(info.snd_cwnd) * u64::from(info.snd_mss));
        seen.limits = Limits {
            client_send: own_memory.map(|memory| memory.send_limit.into()),
            client_receive: own_memory.map(|memory| memory.receive_limit.into()),
            server_receive: their_memory.map(|memory| memory.receive_limit.into()),
            server_send: their_memory.map(|memory| memory.send_limit.into()),
        };
        let own_is_closed = own.is_some_and(|info| info.state == TcpState::CloseWait);
        let theirs_is_closed = theirs.is_some_and(|found| has_sent_fin(found.state));
        seen.closed_by_server |= link.phase() == Phase::Sending && (own_is_closed || theirs_is_closed);
    }
}

/// The server's end of a connection.
fn lookup(diag: &mut SocketDiag, server: SocketAddr, client: SocketAddr) -> Option<Found> {
    diag.find(server, client).ok().flatten()
}

fn has_sent_fin(state: TcpState) -> bool {
    matches!(state, TcpState::FinWait1 | TcpState::FinWait2 | TcpState::Closing | TcpState::LastAck)
}

/// The later of two readings of a cumulative counter.
fn latest(before: Option<u64>, now: Option<u64>) -> Option<u64> {
    before.max(now)
}

/// Connections in one look: about a millisecond's worth.
const A_LOOK: usize = 100;
