//! Rows: a server's connections, sorted by bytes buffered.

use std::net::SocketAddr;
use std::time::Instant;

use echoctl_observe::{Connection, ConnectionTracker, TcpState, Timer};
use echoctl_record::{Queue, Queues, Sample};
use serde::Serialize;

/// One connection, for the screen and for JSON. Sizes in bytes, times in seconds.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Row {
    pub(super) client: SocketAddr,
    pub(super) server: SocketAddr,
    /// State of the server's socket.
    #[serde(serialize_with = "as_text")]
    pub(super) state: TcpState,
    /// Bytes received since the connection was opened.
    pub(super) received: u64,
    /// Bytes that the server has written since the connection was opened.
    pub(super) written: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) client_send: Option<u64>,
    pub(super) server_receive: u64,
    pub(super) server_send: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) client_receive: Option<u64>,
    /// Receive window that the client last advertised.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) client_window: Option<u32>,
    /// Receive window of the server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) window: Option<u32>,
    /// How long the server's window has been zero.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) window_zero_seconds: Option<f64>,
    pub(super) kernel_memory: u64,
    /// Side that does not read at this moment. With a slow reader it comes and goes.
    pub(super) waits_for: WaitsFor,
}

/// Side whose reads a connection waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum WaitsFor {
    /// Neither: bytes flow, or there are none.
    Neither,
    /// The client's receive window is closed: it reads slowly or not at all.
    Client,
    /// The server's receive window is closed: the server reads slowly or not at all.
    Server,
    /// Both windows are closed.
    Both,
}

impl Row {
    /// All connections, sorted by bytes buffered, largest first.
    pub(super) fn all(tracker: &ConnectionTracker) -> Vec<Row> {
        let now = Instant::now();
        let mut rows: Vec<Row> =
            tracker.sampler().connections().filter_map(|connection| Row::of(connection, now)).collect();
        rows.sort_by(|a, b| b.buffered().cmp(&a.buffered()).then(a.client.cmp(&b.client)));
        rows
    }

    fn of(connection: &Connection, now: Instant) -> Option<Row> {
        let server = connection.server?;
        let counters = connection.counters;
        let between = |before: Option<u64>, after: Option<u64>| Some(before?.saturating_sub(after?));
        let is_here = connection.client.is_some();
        let server_send = between(counters.server_written, counters.client_received).unwrap_or(0);
        let client_window = server.info.snd_wnd;
        let window = connection.window();
        let client_is_full = client_window == Some(0) || server.timer == Some(Timer::ZeroWindowProbe);
        let waits_for = match (client_is_full && server_send > 0, window == Some(0)) {
            (true, true) => WaitsFor::Both,
            (true, false) => WaitsFor::Client,
            (false, true) => WaitsFor::Server,
            (false, false) => WaitsFor::Neither,
        };
        Some(Row {
            client: connection.local,
            server: connection.peer,
            state: server.info.state,
            received: counters.server_received.unwrap_or(0),
            written: counters.server_written.unwrap_or(0),
            client_send: between(Some(counters.produced), counters.server_received).filter(|_| is_here),
            server_receive: between(counters.server_received, counters.server_read).unwrap_or(0),
            server_send,
            client_receive: between(counters.client_received, Some(counters.consumed)).filter(|_| is_here),
            client_window,
            window,
            window_zero_seconds: connection.window_zero_for(now).map(|time| time.as_secs_f64()),
            kernel_memory: connection.kernel_memory().unwrap_or(0),
            waits_for,
        })
    }

    /// Bytes in the kernel queues of this connection.
    pub(super) fn buffered(&self) -> u64 {
        self.client_send.unwrap_or(0)
            + self.server_receive
            + self.server_send
            + self.client_receive.unwrap_or(0)
    }
}

/// Bytes in the kernel queues of all connections.
pub(super) fn buffered(sample: &Sample) -> u64 {
    let queues = Queues::of(sample);
    Queue::ALL.into_iter().filter(|queue| queue.is_kernel()).filter_map(|queue| queues[queue]).sum()
}

fn as_text<S: serde::Serializer>(state: &TcpState, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(state)
}
