//! The causes of all connections in one sample, the worst first.
//!
//! Figures and causes are computed for every connection, in less than a microsecond each. Text is made only of those that are shown.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Instant;

use echoctl_observe::{Connection, ConnectionTracker, UnixQueues};
use echoctl_record::{ConnectionCause, ConnectionRow, Diagnosis, Roles};
use echoctl_verdict::diagnose;

use super::first::First;
use super::processes::Processes;
use super::row;

/// All connections of a sample.
#[derive(Debug)]
pub(super) struct Assessment<'a> {
    now: Instant,
    /// Those that need attention: the worst causes first, and of one cause the connections with most bytes buffered.
    culprits: Vec<Assessed<'a>>,
    /// The worst of the others, in no particular order.
    others: Vec<Assessed<'a>>,
    causes: BTreeMap<ConnectionCause, u32>,
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
    /// The connections as the tracker has read them last: all that need attention, and at most this number of the others, of which there
    /// may be tens of thousands.
    pub(super) fn of(tracker: &'a ConnectionTracker, now: Instant, others: usize) -> Assessment<'a> {
        let tcp = tracker.connections().filter(|connection| connection.server_state.is_some());
        let roles = if tracker.is_outbound() { Roles::Opened } else { Roles::Served };
        let tcp = tcp.map(|connection| {
            let figures = connection.figures(now);
            Assessed {
                connection: Observed::Tcp(connection),
                diagnosis: Diagnosis { roles, ..diagnose(&figures) },
                queued: figures.queued(),
            }
        });
        let unix = tracker.unix_connections().unwrap_or_default().iter().map(|connection| Assessed {
            connection: Observed::Unix(connection),
            diagnosis: diagnose(&tracker.unix_figures(connection, now)),
            queued: connection.unread_by_server.unwrap_or(0) + connection.unread_by_client.unwrap_or(0),
        });
        let mut counts = [0; ConnectionCause::ALL.len()];
        let (mut culprits, mut others) = (Vec::new(), First::new(others, Assessed::worst_first));
        for assessed in tcp.chain(unix) {
            counts[usize::from(assessed.diagnosis.cause.severity())] += 1;
            if assessed.is_culprit() { culprits.push(assessed) } else { others.add(assessed) }
        }
        let others = others.finish();
        culprits.sort_unstable_by(Assessed::worst_first);
        let causes = ConnectionCause::ALL.into_iter();
        let causes = causes.map(|cause| (cause, counts[usize::from(cause.severity())]));
        Assessment { now, culprits, others, causes: causes.filter(|(_, count)| *count > 0).collect() }
    }

    /// Number of connections with each cause.
    pub(super) fn causes(&self) -> &BTreeMap<ConnectionCause, u32> {
        &self.causes
    }

    /// Number of connections that need attention.
    pub(super) fn culprits(&self) -> usize {
        self.culprits.len()
    }

    /// All connections that were kept, those that need attention first.
    pub(super) fn all(&self) -> impl Iterator<Item = &Assessed<'a>> {
        self.culprits.iter().chain(&self.others)
    }

    /// At most `number` connections, the worst first. Each cause that needs attention is among them, however many of another one buffer
    /// more.
    pub(super) fn worst(&self, number: usize) -> Vec<Assessed<'a>> {
        let mut of_cause: BTreeMap<ConnectionCause, usize> = BTreeMap::new();
        // The first of each cause, then the second of each, and so on; those that need no attention after them.
        let mut turns: Vec<(usize, usize)> = Vec::with_capacity(self.culprits.len());
        for (index, connection) in self.culprits.iter().enumerate() {
            let turn = of_cause.entry(connection.diagnosis.cause).or_default();
            turns.push((*turn, index));
            *turn += 1;
        }
        let turns = First::of(turns, number, Ord::cmp);
        let more = number - turns.len();
        let mut worst: Vec<Assessed<'_>> = turns.iter().map(|(_, index)| self.culprits[*index]).collect();
        worst.extend(First::of(self.others.iter().copied(), more, Assessed::worst_first));
        worst.sort_unstable_by(Assessed::worst_first);
        worst
    }

    /// The rows of these connections.
    pub(super) fn rows<'b>(
        &self,
        connections: impl IntoIterator<Item = &'b Assessed<'a>>,
        processes: &mut Processes<'_>,
    ) -> Vec<ConnectionRow>
    where
        'a: 'b,
    {
        connections.into_iter().map(|connection| connection.row(self.now, processes)).collect()
    }
}

impl Assessed<'_> {
    /// Whether it needs attention.
    pub(super) fn is_culprit(&self) -> bool {
        self.diagnosis.is_culprit()
    }

    /// The connection as it is printed and kept.
    pub(super) fn row(&self, now: Instant, processes: &mut Processes<'_>) -> ConnectionRow {
        let row = match self.connection {
            Observed::Tcp(connection) => row::of_tcp(connection, self.diagnosis, now, processes.owners),
            Observed::Unix(connection) => row::of_unix(connection, self.diagnosis, processes.owners),
        };
        let is_suspended = self.is_culprit() && self.awaited().any(|inode| processes.are_suspended(inode));
        ConnectionRow { is_suspended, ..row }
    }

    /// The sockets whose processes it waits for.
    fn awaited(&self) -> impl Iterator<Item = u32> {
        let (client, server) = match self.connection {
            Observed::Tcp(connection) => (connection.client_inode, connection.server_inode),
            Observed::Unix(connection) => (Some(connection.client), connection.server),
        };
        let sides = match self.diagnosis.cause {
            ConnectionCause::ClientDoesNotRead | ConnectionCause::ClientReadsSlowly => [client, None],
            ConnectionCause::ServerDoesNotRead
            | ConnectionCause::ServerReadsSlowly
            | ConnectionCause::ClosedByClient => [None, server],
            ConnectionCause::BothWait => [client, server],
            _ => [None, None],
        };
        sides.into_iter().flatten()
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
