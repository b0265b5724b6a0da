//! Rows: a server's connections, sorted by bytes buffered.

use std::fmt::Display;
use std::net::SocketAddr;
use std::time::Instant;

use echoctl_observe::{Connection, ConnectionTracker, SocketOwners, UnixQueues, WaitsFor};
use echoctl_record::{Queue, Queues, Sample};
use serde::Serialize;

/// One connection, for the screen and for JSON. Sizes in bytes, times in seconds.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Row {
    /// Address of the client; its process, if it has none.
    pub(super) client: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) server: Option<SocketAddr>,
    /// State of the server's socket.
    pub(super) state: String,
    /// Bytes received since the connection was opened.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) received: Option<u64>,
    /// Bytes that the server has written since the connection was opened.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) written: Option<u64>,
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
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) kernel_memory: Option<u64>,
    /// Side that does not read at this moment. With a slow reader it comes and goes.
    #[serde(serialize_with = "as_text")]
    pub(super) waits_for: WaitsFor,
}

impl Row {
    /// All connections, sorted by bytes buffered, largest first.
    pub(super) fn all(tracker: &ConnectionTracker, owners: &SocketOwners) -> Vec<Row> {
        let now = Instant::now();
        let unix = tracker.unix_connections().unwrap_or_default();
        let name = |inode| owners.process(inode).unwrap_or_else(|| "not visible here".to_owned());
        let unix = unix.iter().map(|connection| Row::of_unix(connection, name(connection.client)));
        let tcp = tracker.ranked().into_iter().filter_map(|connection| Row::of(connection, now));
        let mut rows: Vec<Row> = tcp.chain(unix).collect();
        // Those of each kind are sorted already, and the order of equal ones remains.
        rows.sort_by_key(|row| std::cmp::Reverse(row.queued()));
        rows
    }

    /// Nothing is in flight over a Unix-domain socket: what one side has written is in the receive queue of the other.
    fn of_unix(connection: &UnixQueues, client: String) -> Row {
        Row {
            client,
            server: None,
            state: if connection.server.is_some() { "ESTABLISHED" } else { "waits for accept" }.to_owned(),
            received: None,
            written: None,
            client_send: Some(0),
            server_receive: connection.unread_by_server.unwrap_or(0),
            server_send: 0,
            client_receive: connection.unread_by_client,
            client_window: None,
            window: None,
            window_zero_seconds: None,
            kernel_memory: Some(connection.kernel_memory),
            waits_for: if connection.is_server_writable == Some(false) {
                WaitsFor::Client
            } else {
                WaitsFor::Neither
            },
        }
    }

    fn queued(&self) -> u64 {
        self.client_send.unwrap_or(0)
            + self.server_receive
            + self.server_send
            + self.client_receive.unwrap_or(0)
    }

    fn of(connection: &Connection, now: Instant) -> Option<Row> {
        let state = connection.server_state?;
        let queues = connection.queues();
        let counters = Some(connection.counters).filter(|_| !connection.shows_only_queues());
        Some(Row {
            client: connection.local.to_string(),
            server: Some(connection.peer),
            state: state.to_string(),
            received: counters.and_then(|counters| counters.server_received),
            written: counters.and_then(|counters| counters.server_written),
            client_send: queues[Queue::ClientSend],
            server_receive: queues[Queue::ServerReceive].unwrap_or(0),
            server_send: queues[Queue::ServerSend].unwrap_or(0),
            client_receive: queues[Queue::ClientReceive],
            client_window: connection.server.and_then(|server| server.info.snd_wnd),
            window: connection.window(),
            window_zero_seconds: connection.window_zero_for(now).map(|time| time.as_secs_f64()),
            kernel_memory: connection.kernel_memory(),
            waits_for: connection.waits_for(),
        })
    }
}

/// Bytes in the kernel queues of all connections.
pub(super) fn buffered(sample: &Sample) -> u64 {
    let queues = Queues::of(sample);
    Queue::ALL.into_iter().filter(|queue| queue.is_kernel()).filter_map(|queue| queues[queue]).sum()
}

fn as_text<S: serde::Serializer>(value: &impl Display, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}
