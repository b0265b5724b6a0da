//! Makes the row of a connection from what was observed.

use std::time::Instant;

use echoctl_observe::{Connection, SocketOwners, UnixQueues};
use echoctl_record::{ConnectionRow, Diagnosis, Roles};

/// Nothing is in flight over a Unix-domain socket: what one side has written is in the receive queue of the other.
pub(super) fn of_unix(connection: &UnixQueues, diagnosis: Diagnosis, owners: &SocketOwners) -> ConnectionRow {
    let client = owners.process(connection.client);
    ConnectionRow {
        // It has no address.
        client: client.clone().unwrap_or_else(|| "not visible here".to_owned()),
        client_process: client,
        server_process: connection.server.and_then(|inode| owners.process(inode)),
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

/// The row of a connection over TCP.
pub(super) fn of_tcp(
    connection: &Connection,
    diagnosis: Diagnosis,
    now: Instant,
    owners: &SocketOwners,
) -> ConnectionRow {
    let process = |inode: Option<u32>| owners.process(inode?);
    let figures = connection.figures(now);
    let counters = Some(connection.counters).filter(|_| !connection.shows_only_queues());
    ConnectionRow {
        client: connection.local.to_string(),
        server: Some(connection.peer),
        client_process: process(connection.client_inode),
        server_process: process(connection.server_inode),
        state: connection.server_state.map(|state| state.to_string()).unwrap_or_default(),
        cause: diagnosis.cause,
        cause_seconds: diagnosis.seconds,
        received: counters.and_then(|counters| counters.server_received),
        written: counters.and_then(|counters| counters.server_written),
        receive_rate: figures.receive_rate,
        send_rate: figures.send_rate,
        server_read_rate: figures.server_read_rate,
        client_read_rate: figures.client_read_rate,
        client_send: figures.client_send,
        server_receive: figures.server_receive.unwrap_or(0),
        server_send: figures.server_send.unwrap_or(0),
        client_receive: figures.client_receive,
        client_window: connection.server.and_then(|server| server.info.snd_wnd),
        window: connection.window(),
        window_zero_seconds: connection.window_zero_for(now).map(|time| time.as_secs_f64()),
        kernel_memory: connection.kernel_memory(),
        waits_for: diagnosis.cause.stalled_by(),
        outbound: diagnosis.roles == Roles::Opened,
        is_suspended: false,
    }
}
