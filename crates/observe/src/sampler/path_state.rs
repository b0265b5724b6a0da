//! The path: what a sample's six counters leave out, over all connections: windows, limits, states.

use std::time::{Duration, Instant};

use super::connection::{Connection, Endpoint};
use crate::TcpState;

/// The connections of a sample together. Sizes in bytes; `None` where no connection shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PathState {
    /// Connections whose window is zero now.
    pub zero_windows: u32,
    /// The longest time for which a window has been zero and still is.
    pub window_zero_for: Option<Duration>,
    /// The smallest window that the server advertises.
    pub window: Option<u64>,
    /// The smallest congestion window, in bytes: what the client's kernel would send if the peer's window were open.
    pub congestion_window: Option<u64>,
    /// The most that a zero-window timer has doubled.
    pub backoff: u8,
    /// The longest time for which a server's window has held a client back, in all.
    pub window_limited: Option<Duration>,
    /// Bytes that clients had to send again.
    pub retransmitted: u64,
    /// What the client's send queues hold and may hold.
    pub client_send: Occupancy,
    /// What the server's receive queues hold and may hold.
    pub server_receive: Occupancy,
    /// What the server's send queues hold and may hold.
    pub server_send: Occupancy,
    /// What the client's receive queues hold and may hold.
    pub client_receive: Occupancy,
    /// The state of the client's end, where it is the same for all.
    pub client_state: Option<TcpState>,
    /// The state of the server's end, where it is the same for all.
    pub server_state: Option<TcpState>,
}

/// How full queues are, in the kernel's own count: memory, not payload, against a limit that the kernel moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Occupancy {
    /// Memory that they take.
    pub memory: u64,
    /// Memory that they may take. 0: not visible.
    pub limit: u64,
}

impl Occupancy {
    /// The fraction that is filled, 0 to 1 and a little over; `None` where it is not visible.
    pub fn fraction(self) -> Option<f64> {
        (self.limit > 0).then(|| self.memory as f64 / self.limit as f64)
    }
}

impl PathState {
    /// Of these connections at `now`.
    pub(super) fn of<'a>(connections: impl Iterator<Item = &'a Connection>, now: Instant) -> PathState {
        let mut path = PathState::default();
        let (mut client_states, mut server_states) = (Same::default(), Same::default());
        for connection in connections {
            path.add(connection, now);
            client_states.add(connection.client);
            server_states.add(connection.server);
        }
        path.client_state = client_states.state;
        path.server_state = server_states.state;
        path
    }

    fn add(&mut self, connection: &Connection, now: Instant) {
        let window = connection.window().map(u64::from);
        self.window = min_known(self.window, window);
        self.zero_windows += u32::from(window == Some(0));
        self.window_zero_for = self.window_zero_for.max(connection.window_zero_for(now));
        if let Some(Endpoint { info, memory, .. }) = connection.client {
            let congestion_window = u64::from(info.snd_cwnd) * u64::from(info.snd_mss);
            self.congestion_window = min_known(self.congestion_window, Some(congestion_window));
            self.backoff = self.backoff.max(info.backoff);
            self.window_limited = self.window_limited.max(info.rwnd_limited);
            self.retransmitted = self.retransmitted.saturating_add(info.bytes_retransmitted.unwrap_or(0));
            if let Some(memory) = memory {
                self.client_send.add(memory.send, memory.send_limit);
                self.client_receive.add(memory.receive, memory.receive_limit);
            }
        }
        if let Some(memory) = connection.server.and_then(|endpoint| endpoint.memory) {
            self.server_send.add(memory.send, memory.send_limit);
            self.server_receive.add(memory.receive, memory.receive_limit);
        }
    }
}

impl Occupancy {
    fn add(&mut self, memory: u32, limit: u32) {
        self.memory += u64::from(memory);
        self.limit += u64::from(limit);
    }
}

/// A state as long as all ends agree on it.
#[derive(Default)]
struct Same {
    state: Option<TcpState>,
    differs: bool,
}

impl Same {
    fn add(&mut self, endpoint: Option<Endpoint>) {
        let state = endpoint.map_or(TcpState::Closed, |endpoint| endpoint.info.state);
        if self.state.is_some_and(|before| before != state) {
            self.differs = true;
        }
        self.state = (!self.differs).then_some(state);
    }
}

fn min_known(a: Option<u64>, b: Option<u64>) -> Option<u64> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}
