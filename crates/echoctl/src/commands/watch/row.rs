//! Rows: a server's connections with their causes, sorted by bytes buffered.

use std::time::Instant;

use echoctl_observe::{Connection, ConnectionTracker, SocketOwners, UnixQueues};
use echoctl_record::{ConnectionFigures, ConnectionPhase, ConnectionRow, Queue, Queues, Sample};
use echoctl_verdict::diagnose;

/// All connections, sorted by bytes buffered, largest first.
pub(super) fn all(tracker: &ConnectionTracker, owners: &SocketOwners) -> Vec<ConnectionRow> {
    let now = Instant::now();
    let unix = tracker.unix_connections().unwrap_or_default();
    let name = |inode| owners.process(inode).unwrap_or_else(|| "not visible here".to_owned());
    let unix = unix.iter().map(|connection| of_unix(connection, name(connection.client)));
    let tcp = tracker.ranked().into_iter().filter_map(|connection| of_tcp(connection, now));
    let mut rows: Vec<ConnectionRow> = tcp.chain(unix).collect();
    // Those of each kind are sorted already, and the order of equal ones remains.
    rows.sort_by_key(|row| std::cmp::Reverse(row.queued()));
    rows
}

/// Nothing is in flight over a Unix-domain socket: what one side has written is in the receive queue of the other.
fn of_unix(connection: &UnixQueues, client: String) -> ConnectionRow {
    let diagnosis = diagnose(&figures_of_unix(connection));
    ConnectionRow {
        client,
        state: if connection.server.is_some() { "ESTABLISHED" } else { "waits for accept" }.to_owned(),
        cause: diagnosis.cause,
        cause_seconds: diagnosis.seconds,
        client_send: Some(0),
        server_receive: connection.unread_by_server.unwrap_or(0),
        client_receive: connection.unread_by_client,
        kernel_memory: Some(connection.kernel_memory),
        waits_for: diagnosis.cause.stalled_by(),
        ..ConnectionRow::default()
    }
}

fn figures_of_unix(connection: &UnixQueues) -> ConnectionFigures {
    ConnectionFigures {
        phase: if connection.server.is_some() {
            ConnectionPhase::Open
        } else {
            ConnectionPhase::InAcceptQueue
        },
        server_receive: connection.unread_by_server,
        server_send: connection.unread_by_client,
        client_window: (connection.is_server_writable == Some(false)).then_some(0),
        ..ConnectionFigures::default()
    }
}

fn of_tcp(connection: &Connection, now: Instant) -> Option<ConnectionRow> {
    let state = connection.server_state?;
    let queues = connection.queues();
    let counters = Some(connection.counters).filter(|_| !connection.shows_only_queues());
    let diagnosis = diagnose(&connection.figures(now));
    Some(ConnectionRow {
        client: connection.local.to_string(),
        server: Some(connection.peer),
        state: state.to_string(),
        cause: diagnosis.cause,
        cause_seconds: diagnosis.seconds,
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
        waits_for: diagnosis.cause.stalled_by(),
        ..ConnectionRow::default()
    })
}

/// Bytes in the kernel queues of all connections.
pub(super) fn buffered(sample: &Sample) -> u64 {
    let queues = Queues::of(sample);
    Queue::ALL.into_iter().filter(|queue| queue.is_kernel()).filter_map(|queue| queues[queue]).sum()
}
