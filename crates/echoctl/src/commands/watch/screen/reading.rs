//! One sample of a server as the instrument gets it: a connection per row, the listeners, and the server as a whole.

use std::net::{IpAddr, SocketAddr};

use echoctl_record::{ConnectionRow, ListenerFigures, Roles, Sample};

/// What one sample shows.
#[derive(Debug)]
pub(crate) struct Reading {
    /// The server as a whole.
    pub(crate) sample: Sample,
    pub(crate) rows: Vec<ConnectionRow>,
    pub(crate) listeners: Vec<ListenerFigures>,
    /// What the two sides are called.
    pub(crate) roles: Roles,
    /// Processes of the server that are suspended.
    pub(crate) suspended: Vec<u32>,
    /// Connections seen, including closed ones.
    pub(crate) seen: u64,
    /// Bytes per second in and out, if they are visible and known.
    pub(crate) traffic: Option<(String, String)>,
    /// How the server's memory changes; empty if that is not known.
    pub(crate) trend: String,
    /// Time of the day.
    pub(crate) clock: String,
}

/// A row of the table: a connection, or all connections of one remote address with their sums and their worst cause.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) row: ConnectionRow,
    /// Number of connections.
    pub(super) connections: u32,
    /// Address and port of the client, if it has them.
    pub(super) address: Option<(IpAddr, u16)>,
}

impl Entry {
    /// One connection.
    pub(super) fn new(row: ConnectionRow) -> Entry {
        let peer: Option<SocketAddr> = row.client.parse().ok();
        Entry { row, connections: 1, address: peer.map(|peer| (peer.ip(), peer.port())) }
    }

    /// Whether both are the same connection, or the same remote address.
    pub(super) fn is(&self, other: &Entry) -> bool {
        self.row.client == other.row.client && self.row.server == other.row.server
    }

    /// The visible queues, along the path.
    pub(super) fn queues(&self) -> [Option<u64>; 4] {
        let row = &self.row;
        [row.client_send, Some(row.server_receive), Some(row.server_send), row.client_receive]
    }
}
