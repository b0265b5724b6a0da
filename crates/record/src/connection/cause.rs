//! The names of what a connection waits for.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::Roles;

/// Why bytes wait in a connection, or that none do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConnectionCause {
    /// Bytes move, and neither side makes the other wait for long.
    Flows,
    /// Nothing moves, and nothing waits.
    #[default]
    Idle,
    /// The server has bytes for the client, whose receive window stays closed.
    ClientDoesNotRead,
    /// The client's window opens only for a moment, again and again.
    ClientReadsSlowly,
    /// Bytes of the client wait, and the server reads none.
    ServerDoesNotRead,
    /// The server's window opens only for a moment, again and again.
    ServerReadsSlowly,
    /// Both windows are closed: each side waits until the other reads.
    BothWait,
    /// Nothing answers what the server's kernel sends.
    PeerGone,
    /// The client has closed, the server has not.
    ClosedByClient,
    /// The server has closed, and bytes that it wrote before are pending.
    ClosedByServer,
    /// Complete, and not accepted by the server.
    InAcceptQueue,
}

/// The side whose reads a stalled connection waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stalled {
    /// The client.
    Client,
    /// The server.
    Server,
    /// Each waits for the other.
    Both,
}

impl ConnectionCause {
    /// All, those that need attention first.
    pub const ALL: [ConnectionCause; 11] = [
        ConnectionCause::PeerGone,
        ConnectionCause::BothWait,
        ConnectionCause::ClientDoesNotRead,
        ConnectionCause::ServerDoesNotRead,
        ConnectionCause::ClientReadsSlowly,
        ConnectionCause::ServerReadsSlowly,
        ConnectionCause::ClosedByServer,
        ConnectionCause::ClosedByClient,
        ConnectionCause::InAcceptQueue,
        ConnectionCause::Flows,
        ConnectionCause::Idle,
    ];

    /// How much attention it needs: the larger, the more.
    pub fn severity(self) -> u8 {
        let mut ascending = ConnectionCause::ALL.iter().rev().zip(0..);
        ascending.find(|(cause, _)| **cause == self).map_or(0, |(_, severity)| severity)
    }

    /// The side whose reads the connection waits for.
    pub const fn stalled_by(self) -> Option<Stalled> {
        match self {
            ConnectionCause::ClientDoesNotRead
            | ConnectionCause::ClientReadsSlowly
            | ConnectionCause::ClosedByServer
            | ConnectionCause::PeerGone => Some(Stalled::Client),
            ConnectionCause::ServerDoesNotRead | ConnectionCause::ServerReadsSlowly => Some(Stalled::Server),
            ConnectionCause::BothWait => Some(Stalled::Both),
            ConnectionCause::Flows
            | ConnectionCause::Idle
            | ConnectionCause::ClosedByClient
            | ConnectionCause::InAcceptQueue => None,
        }
    }

    /// Its name in JSON.
    pub const fn name(self) -> &'static str {
        match self {
            ConnectionCause::Flows => "flows",
            ConnectionCause::Idle => "idle",
            ConnectionCause::ClientDoesNotRead => "client_does_not_read",
            ConnectionCause::ClientReadsSlowly => "client_reads_slowly",
            ConnectionCause::ServerDoesNotRead => "server_does_not_read",
            ConnectionCause::ServerReadsSlowly => "server_reads_slowly",
            ConnectionCause::BothWait => "both_wait",
            ConnectionCause::PeerGone => "peer_gone",
            ConnectionCause::ClosedByClient => "closed_by_client",
            ConnectionCause::ClosedByServer => "closed_by_server",
            ConnectionCause::InAcceptQueue => "in_accept_queue",
        }
    }

    /// How it is printed: with the names that the two sides have in these roles.
    pub const fn words(self, roles: Roles) -> &'static str {
        match (self, roles) {
            (ConnectionCause::Flows, _) => "flows",
            (ConnectionCause::Idle, _) => "idle",
            (ConnectionCause::ClientDoesNotRead, Roles::Served) => "client does not read",
            (ConnectionCause::ClientDoesNotRead, Roles::Opened) => "peer does not read",
            (ConnectionCause::ClientReadsSlowly, Roles::Served) => "client reads slowly",
            (ConnectionCause::ClientReadsSlowly, Roles::Opened) => "peer reads slowly",
            (ConnectionCause::ServerDoesNotRead, Roles::Served) => "server does not read",
            (ConnectionCause::ServerDoesNotRead, Roles::Opened) => "process does not read",
            (ConnectionCause::ServerReadsSlowly, Roles::Served) => "server reads slowly",
            (ConnectionCause::ServerReadsSlowly, Roles::Opened) => "process reads slowly",
            (ConnectionCause::BothWait, _) => "both wait for each other",
            (ConnectionCause::PeerGone, _) => "peer gone",
            (ConnectionCause::ClosedByClient, Roles::Served) => "closed by the client, not by the server",
            (ConnectionCause::ClosedByClient, Roles::Opened) => "closed by the peer, not by the process",
            (ConnectionCause::ClosedByServer, Roles::Served) => "closed by the server, bytes pending",
            (ConnectionCause::ClosedByServer, Roles::Opened) => "closed by the process, bytes pending",
            (ConnectionCause::InAcceptQueue, Roles::Served) => "in the accept queue",
            (ConnectionCause::InAcceptQueue, Roles::Opened) => "in the peer's accept queue",
        }
    }
}

impl fmt::Display for ConnectionCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.words(Roles::Served))
    }
}

impl fmt::Display for Stalled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Stalled::Client => "client",
            Stalled::Server => "server",
            Stalled::Both => "both",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_cause_has_the_name_that_json_has() {
        for cause in ConnectionCause::ALL {
            assert_eq!(serde_json::to_string(&cause).unwrap(), format!("\"{}\"", cause.name()));
        }
    }

    #[test]
    fn what_needs_attention_is_worse_than_what_does_not() {
        assert!(ConnectionCause::PeerGone.severity() > ConnectionCause::Flows.severity());
        assert!(ConnectionCause::Flows.severity() > ConnectionCause::Idle.severity());
    }
}
