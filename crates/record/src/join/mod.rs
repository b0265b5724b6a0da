//! The recordings of a client and of its server on another host as one run: where every byte was, across both hosts.
//!
//! Each host sees only its own end of a connection. The two ends are matched by the addresses of the connection, and what each of
//! them counted is put on the time axis of the client, whose distance from the server's follows from the counters ([`offset`]):
//!
//! ```text
//! client's recording   produced                                                              client_received ─ consumed
//! server's recording            server_received ─ server_read ─ INSIDE ─ server_written
//! ```
//!
//! Only connections that both have recorded count, so the queues of the joined run add up to what they have in flight.

mod offset;

use std::collections::HashMap;
use std::net::SocketAddr;

use thiserror::Error;

pub use self::offset::ClockOffset;
use crate::merge::{common, interpolated};
use crate::{ConnectionLog, Ending, LogPoint, LoggedConnection, PathCounters, Run, Sample};

/// Two recordings as one run.
#[derive(Debug, Clone, PartialEq)]
pub struct Joined {
    /// The run, on the time axis of the client.
    pub run: Run,
    /// Connections that both have recorded, of the client, and of the server.
    pub connections: JoinedConnections,
    /// How far the server's clock is ahead of the client's.
    pub offset: ClockOffset,
}

/// Numbers of connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JoinedConnections {
    /// In both recordings.
    pub joined: usize,
    /// In the client's.
    pub of_client: usize,
    /// In the server's.
    pub of_server: usize,
    /// Of those in both: with another address of the server, which was translated on the way.
    pub translated: usize,
}

/// Why two recordings cannot be joined.
#[derive(Debug, Error, PartialEq)]
pub enum JoinError {
    /// The client's is not the recording of a client.
    #[error("the client's recording is not of a flood or a ping")]
    NoClient,
    /// The server's is not the recording of a watch.
    #[error("the server's recording is not of a watch")]
    NoServer,
    /// The client's does not have the counters of single connections.
    #[error("the client's recording has no counters of single connections: it is of an earlier version")]
    NoClientLog,
    /// The server's does not have them.
    #[error(
        "the server's recording has no counters of single connections: it saw none, or is of an earlier version"
    )]
    NoServerLog,
    /// They have no connection in common: an address of a client in each.
    #[error(
        "no connection is in both recordings: the client's connections come from {client}, and the server saw {server}"
    )]
    NothingInCommon {
        /// In the client's recording.
        client: SocketAddr,
        /// In the server's.
        server: SocketAddr,
    },
    /// They do not overlap in time.
    #[error("the recordings do not overlap in time")]
    NoOverlap,
}

/// Joins the recording of a client, of a flood or a ping, and that of a watch on the server's host.
///
/// # Errors
/// If they are of another kind, or have no connection or no time in common.
pub fn join(client: &Run, server: &Run) -> Result<Joined, JoinError> {
    if !matches!(client.ending, Some(Ending::Flood { .. } | Ending::Ping { .. })) {
        return Err(JoinError::NoClient);
    }
    if !matches!(server.ending, Some(Ending::Watch { .. })) {
        return Err(JoinError::NoServer);
    }
    let of_client =
        client.connections.as_ref().filter(|log| !log.list.is_empty()).ok_or(JoinError::NoClientLog)?;
    let of_server =
        server.connections.as_ref().filter(|log| !log.list.is_empty()).ok_or(JoinError::NoServerLog)?;
    let pairs = pairs(of_client, of_server);
    if pairs.is_empty() {
        let example = |log: &ConnectionLog| log.list[0].client;
        return Err(JoinError::NothingInCommon { client: example(of_client), server: example(of_server) });
    }
    let slack = of_client.took.max(of_server.took);
    let (axes, offset) = offset::estimate(&pairs, slack, client.started_at.zip(server.started_at));
    let mut run = common(&[client, server]);
    run.target.clone_from(&client.target);
    run.command.clone_from(&client.command);
    run.samples = samples(client, server, &pairs, axes);
    if run.samples.is_empty() {
        return Err(JoinError::NoOverlap);
    }
    run.ending = client.ending.clone();
    if let Some(Ending::Flood { summary }) = &mut run.ending {
        // What the client saw itself is the figure that its verdict rests on.
        summary.server_memory_growth = summary.server_memory_growth.or_else(|| memory_growth(&run.samples));
    }
    let connections = JoinedConnections {
        joined: pairs.len(),
        of_client: of_client.list.len(),
        of_server: of_server.list.len(),
        translated: pairs.iter().filter(|(client, server)| client.server != server.server).count(),
    };
    Ok(Joined { run, connections, offset })
}

/// The connections that both have recorded. The client's address identifies one: that of the server may be translated on the way.
fn pairs<'a>(
    client: &'a ConnectionLog,
    server: &'a ConnectionLog,
) -> Vec<(&'a LoggedConnection, &'a LoggedConnection)> {
    let mut seen: HashMap<SocketAddr, Vec<&LoggedConnection>> = HashMap::new();
    server.list.iter().for_each(|one| seen.entry(one.client).or_default().push(one));
    let partner = |one: &'a LoggedConnection| {
        let candidates = seen.get(&one.client)?;
        let exact = candidates.iter().find(|other| other.server == one.server);
        let partner = exact.or_else(|| candidates.first().filter(|_| candidates.len() == 1))?;
        Some((one, *partner))
    };
    client.list.iter().filter(|one| !one.points.is_empty()).filter_map(partner).collect()
}

/// The counters of all pairs, at the times of the client's samples that the server's recording covers. The server's axis is ahead by
/// `ahead`.
fn samples(
    client: &Run,
    server: &Run,
    pairs: &[(&LoggedConnection, &LoggedConnection)],
    ahead: f64,
) -> Vec<Sample> {
    let (Some(first), Some(last)) = (server.samples.first(), server.samples.last()) else {
        return Vec::new();
    };
    let covered = |sample: &&Sample| (first.t..=last.t).contains(&(sample.t + ahead));
    let step = (client.samples.len() * pairs.len()).div_ceil(MOST_READINGS).max(1);
    let joined = u32::try_from(pairs.len()).unwrap_or(u32::MAX);
    let at = |sample: &Sample| {
        let there = server.samples.partition_point(|other| other.t <= sample.t + ahead);
        let there = server.samples[there.saturating_sub(1)];
        let start = Sample {
            t: sample.t,
            connections: sample.connections.min(joined),
            server_received: Some(0),
            server_read: Some(0),
            server_written: Some(0),
            client_received: Some(0),
            server_memory: there.server_memory,
            kernel_memory: both(sample.kernel_memory, there.kernel_memory),
            window: sample.window,
            client_window: there.client_window,
            skew: Some(0),
            ..Sample::default()
        };
        pairs.iter().fold(start, |sum, (client, server)| {
            let (own, there) = (state(&client.points, sample.t), state(&server.points, sample.t + ahead));
            add(sum, [own[0], there[1], there[2], there[3], own[4], own[5]])
        })
    };
    client.samples.iter().filter(covered).step_by(step).map(at).collect()
}

/// The most that the server's memory grew during the run. That of the whole watch may include the load of other clients before it.
fn memory_growth(samples: &[Sample]) -> Option<u64> {
    let first = samples.iter().find_map(|sample| sample.server_memory)?;
    let most = samples.iter().filter_map(|sample| sample.server_memory).max()?;
    Some(most - first)
}

/// Adds the counters of a connection. One that exceeds the counter before it on the path is cut to it: they were read at different
/// times.
fn add(sum: Sample, counters: PathCounters) -> Sample {
    let mut cut = 0_u64;
    let mut before = u64::MAX;
    let counters = counters.map(|counter| {
        let bytes = counter?;
        cut = cut.max(bytes.saturating_sub(before));
        before = before.min(bytes);
        Some(before)
    });
    let [produced, server_received, server_read, server_written, client_received, consumed] = counters;
    Sample {
        produced: sum.produced.saturating_add(produced.unwrap_or(0)),
        server_received: both(sum.server_received, server_received),
        server_read: both(sum.server_read, server_read),
        server_written: both(sum.server_written, server_written),
        client_received: both(sum.client_received, client_received),
        consumed: sum.consumed.saturating_add(consumed.unwrap_or(0)),
        skew: both(sum.skew, Some(cut)),
        ..sum
    }
}

fn both(one: Option<u64>, other: Option<u64>) -> Option<u64> {
    Some(one?.saturating_add(other?))
}

/// The counters of a connection at a time: between two points, as if they moved evenly; before the first and after the last, as there.
fn state(points: &[LogPoint], t: f64) -> PathCounters {
    let next = points.partition_point(|point| point.0 <= t);
    let before = points.get(next.saturating_sub(1)).map_or([None; 6], |point| point.1);
    let (Some(from), Some(to)) = (next.checked_sub(1).map(|at| points[at]), points.get(next)) else {
        return before;
    };
    let share = (t - from.0) / (to.0 - from.0).max(f64::MIN_POSITIVE);
    std::array::from_fn(|at| Some(interpolated(from.1[at]?, to.1[at].or(from.1[at])?, share)))
}

/// States of connections that are computed: a quarter of a second of work. More connections get fewer samples.
const MOST_READINGS: usize = 4_000_000;

#[cfg(test)]
mod tests;
