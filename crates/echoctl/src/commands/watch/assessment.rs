//! The causes of all connections in one sample, the worst first.
//!
//! Figures and causes are computed for every connection, in less than a microsecond each. Text is made only of those that are shown.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Instant;

use echoctl_observe::{Connection, ConnectionTracker, SocketOwners, UnixQueues};
use echoctl_record::{ConnectionCause, ConnectionRow, Diagnosis, Roles};
use echoctl_verdict::diagnose;

use super::row;

/// All connections of a sample: the worst causes first, and of one cause the connections with most bytes buffered.
#[derive(Debug)]
pub(super) struct Assessment<'a> {
    now: Instant,
    connections: Vec<Assessed<'a>>,
}

/// One connection with its cause.
#[derive(Debug, Clone, Copy)]
pub(super) struct Assessed<'a> {
    connection: Observed<'a>,
    pub(super) diagnosis: Diagnosis,
    queued: u64,
}

/// What tells a connection from the others: the addresses of client and server, or the inode of the client's socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Which {
    Tcp(SocketAddr, SocketAddr),
    Unix(u32),
}

/// A connection as it was observed.
#[derive(Debug, Clone, Copy)]
enum Observed<'a> {
    Tcp(&'a Connection),
    Unix(&'a UnixQueues),
}

impl<'a> Assessment<'a> {
    /// The connections as the tracker has read them last.
    pub(super) fn of(tracker: &'a ConnectionTracker, now: Instant) -> Assessment<'a> {
        let tcp = tracker.connections().filter(|connection| connection.server_state.is_some());
        let roles = if tracker.is_outbound() { Roles::Opened } else { Roles::Served };
        let tcp = tcp.map(|connection| Assessed {
            connection: Observed::Tcp(connection),
            diagnosis: Diagnosis { roles, ..diagnose(&connection.figures(now)) },
            queued: connection.queues().total(),
        });
        let unix = tracker.unix_connections().unwrap_or_default().iter().map(|connection| Assessed {
            connection: Observed::Unix(connection),
            diagnosis: diagnose(&tracker.unix_figures(connection, now)),
            queued: connection.unread_by_server.unwrap_or(0) + connection.unread_by_client.unwrap_or(0),
        });
        let mut connections: Vec<Assessed<'_>> = tcp.chain(unix).collect();
        connections.sort_by(Assessed::worst_first);
        Assessment { now, connections }
    }

    /// Number of connections with each cause.
    pub(super) fn causes(&self) -> BTreeMap<ConnectionCause, u32> {
        let mut causes = BTreeMap::new();
        for connection in &self.connections {
            *causes.entry(connection.diagnosis.cause).or_default() += 1;
        }
        causes
    }

    /// Number of connections that need attention.
    pub(super) fn culprits(&self) -> usize {
        self.connections.iter().filter(|connection| connection.is_culprit()).count()
    }

    /// At most `number` connections, the worst first. Each cause that needs attention is among them, however many of another one buffer
    /// more.
    pub(super) fn worst(&self, number: usize) -> Vec<Assessed<'a>> {
        let mut of_cause: BTreeMap<ConnectionCause, usize> = BTreeMap::new();
        // The first of each cause, then the second of each, and so on; those that need no attention after them, by size.
        let mut turns: Vec<(usize, usize)> = Vec::with_capacity(self.connections.len());
        for (index, connection) in self.connections.iter().enumerate() {
            let turn = of_cause.entry(connection.diagnosis.cause).or_default();
            turns.push((if connection.is_culprit() { *turn } else { usize::MAX }, index));
            *turn += 1;
        }
        let number = number.min(turns.len());
        if number > 0 && number < turns.len() {
            turns.select_nth_unstable(number - 1);
        }
        let mut chosen: Vec<usize> = turns[..number].iter().map(|(_, index)| *index).collect();
        chosen.sort_unstable();
        chosen.into_iter().map(|index| self.connections[index]).collect()
    }

    /// The rows of at most `number` connections.
    pub(super) fn rows(&self, number: usize, owners: &SocketOwners) -> Vec<ConnectionRow> {
        self.worst(number).iter().map(|connection| connection.row(self.now, owners)).collect()
    }

    /// When it was made.
    pub(super) fn now(&self) -> Instant {
        self.now
    }
}

impl Assessed<'_> {
    /// Whether it needs attention.
    pub(super) fn is_culprit(&self) -> bool {
        self.diagnosis.is_culprit()
    }

    /// The connection as it is printed and kept.
    pub(super) fn row(&self, now: Instant, owners: &SocketOwners) -> ConnectionRow {
        match self.connection {
            Observed::Tcp(connection) => row::of_tcp(connection, self.diagnosis, now, owners),
            Observed::Unix(connection) => row::of_unix(connection, self.diagnosis, owners),
        }
    }

    fn worst_first(one: &Assessed<'_>, other: &Assessed<'_>) -> Ordering {
        let age = |one: &Assessed<'_>| one.diagnosis.seconds.filter(|_| one.is_culprit()).unwrap_or(0.0);
        let severity = |one: &Assessed<'_>| one.diagnosis.cause.severity();
        let by_severity = severity(other).cmp(&severity(one));
        by_severity
            .then(other.queued.cmp(&one.queued))
            .then_with(|| age(other).total_cmp(&age(one)))
            .then_with(|| one.which().cmp(&other.which()))
    }

    /// The sockets whose processes its row names.
    pub(super) fn inodes(&self) -> impl Iterator<Item = u32> {
        let inodes = match self.connection {
            Observed::Tcp(connection) => [connection.client_inode, connection.server_inode],
            Observed::Unix(connection) => [Some(connection.client), None],
        };
        inodes.into_iter().flatten().filter(|inode| *inode != 0)
    }

    /// What tells it from the others of its server.
    pub(super) fn which(&self) -> Which {
        match self.connection {
            Observed::Tcp(connection) => Which::Tcp(connection.local, connection.peer),
            Observed::Unix(connection) => Which::Unix(connection.client),
        }
    }
}
