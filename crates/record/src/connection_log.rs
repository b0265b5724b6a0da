//! The counters of single connections over time, by which the recordings of both ends of a connection are joined.
//!
//! A counter that does not move costs nothing: a point is kept only where a counter has moved since the last one, with the end of
//! the pause before it. A log has limits, in memory and in a file: [`ConnectionLog::MOST_CONNECTIONS`], and
//! [`ConnectionLog::MOST_POINTS`] of all connections, above which every second point is dropped.

use std::collections::HashMap;
use std::net::SocketAddr;

use serde::de::{Error, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

/// Cumulative bytes of one connection, in the order of the path: produced, received by the server's kernel, read and written by the
/// server, received by the client's kernel, consumed. `None` where a counter is not visible at this end.
pub type PathCounters = [Option<u64>; 6];

/// The counters of a connection at one time: seconds since the run started, and at most [`ConnectionLog::took`] more.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct LogPoint(pub f64, pub PathCounters);

/// One connection and its counters over time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LoggedConnection {
    /// The client's address, as the end that recorded it saw it.
    pub client: SocketAddr,
    /// The server's address.
    pub server: SocketAddr,
    /// In order of time. Between two of them each counter moved evenly, as far as is known.
    #[serde(deserialize_with = "points")]
    pub points: Vec<LogPoint>,
}

/// The connections of a run and their counters.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct ConnectionLog {
    /// The longest time from the time of a point to its reading, in seconds.
    pub took: f64,
    /// Whether there were more connections than a log has room for.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_incomplete: bool,
    /// The connections, in the order in which they were first seen.
    #[serde(deserialize_with = "connections")]
    pub list: Vec<LoggedConnection>,
}

impl ConnectionLog {
    /// Connections of a log.
    pub const MOST_CONNECTIONS: usize = 10_000;

    /// Points of all connections of a log: 200 connections that move all the time are read 1,000 times. They take 20 MB in memory
    /// and about as much in a file.
    pub const MOST_POINTS: usize = 200_000;
}

/// Adds readings to a log.
#[derive(Debug, Clone, Default)]
pub struct ConnectionLogger {
    log: ConnectionLog,
    known: HashMap<(SocketAddr, SocketAddr), usize>,
    /// The last reading of each connection, where it is not the last point.
    latest: Vec<Option<LogPoint>>,
    points: usize,
    /// The time of the last complete listing: a connection that is not known then did not exist.
    listed_at: Option<f64>,
    /// The least time between two points of a connection, in seconds.
    spacing: f64,
}

impl ConnectionLogger {
    /// Adds a reading of the connection from `client` to `server` at `t` seconds.
    pub fn add(&mut self, t: f64, client: SocketAddr, server: SocketAddr, counters: PathCounters) {
        let Some(at) = self.place(client, server) else { return };
        let point = LogPoint(t, counters);
        let points = &mut self.log.list[at].points;
        if let Some(before) = self.listed_at.filter(|_| points.is_empty()) {
            points.push(LogPoint(before, counters.map(|counter| counter.map(|_| 0))));
            self.points += 1;
        }
        if let Some(last) = points.last() {
            if t - last.0 < self.spacing || counters == last.1 {
                self.latest[at] = Some(point);
                return;
            }
            if let Some(pause) = self.latest[at].take().filter(|latest| latest.1 == last.1) {
                points.push(pause);
                self.points += 1;
            }
        }
        points.push(point);
        self.points += 1;
        if self.points > ConnectionLog::MOST_POINTS {
            self.thin(t);
        }
    }

    /// Notes that all connections that existed at `t` have been added.
    pub fn end_listing(&mut self, t: f64) {
        self.listed_at = Some(t);
    }

    /// Notes how long a reading of all connections took, in seconds.
    pub fn took(&mut self, seconds: f64) {
        self.log.took = self.log.took.max(seconds);
    }

    /// The log.
    pub fn finish(mut self) -> ConnectionLog {
        for (connection, latest) in self.log.list.iter_mut().zip(self.latest) {
            connection.points.extend(latest);
        }
        self.log
    }

    /// The index of a connection, if there is room for it.
    fn place(&mut self, client: SocketAddr, server: SocketAddr) -> Option<usize> {
        if let Some(&at) = self.known.get(&(client, server)) {
            return Some(at);
        }
        let at = self.log.list.len();
        if at == ConnectionLog::MOST_CONNECTIONS {
            self.log.is_incomplete = true;
            return None;
        }
        self.known.insert((client, server), at);
        self.log.list.push(LoggedConnection { client, server, points: Vec::new() });
        self.latest.push(None);
        Some(at)
    }

    /// Drops every second point of each connection, but neither its first nor its last one.
    fn thin(&mut self, t: f64) {
        self.points = 0;
        for connection in &mut self.log.list {
            let last = connection.points.len().saturating_sub(1);
            let mut index = 0..;
            connection.points.retain(|_| index.next().is_some_and(|at| at % 2 == 0 || at == last));
            self.points += connection.points.len();
        }
        let per_connection = ConnectionLog::MOST_POINTS / 2 / self.log.list.len().max(1);
        self.spacing = (2.0 * self.spacing).max(t / per_connection.max(1) as f64);
    }
}

/// Reads the points of a connection, at most as many as a log has.
fn points<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<LogPoint>, D::Error> {
    from.deserialize_seq(Bounded { most: ConnectionLog::MOST_POINTS + 2, size: |_| 1 })
}

/// Reads connections, at most as many as a log has, with at most as many points.
fn connections<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<LoggedConnection>, D::Error> {
    // The last reading of each connection comes on top.
    let most = ConnectionLog::MOST_POINTS + 2 * ConnectionLog::MOST_CONNECTIONS;
    let list =
        from.deserialize_seq(Bounded { most, size: |one: &LoggedConnection| one.points.len().max(1) })?;
    match list.len() > ConnectionLog::MOST_CONNECTIONS {
        true => Err(D::Error::custom("too many connections")),
        false => Ok(list),
    }
}

/// Reads a sequence of a limited size.
struct Bounded<T> {
    most: usize,
    size: fn(&T) -> usize,
}

impl<'de, T: Deserialize<'de>> Visitor<'de> for Bounded<T> {
    type Value = Vec<T>;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Vec<T>, A::Error> {
        let (mut items, mut size) = (Vec::new(), 0);
        while let Some(item) = list.next_element()? {
            size += (self.size)(&item);
            if size > self.most {
                return Err(A::Error::custom("too many counters of connections"));
            }
            items.push(item);
        }
        Ok(items)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addr(port: u16) -> SocketAddr {
        ([10, 0, 0, 1], port).into()
    }

    fn counters(produced: u64) -> PathCounters {
        [Some(produced), None, None, None, None, Some(0)]
    }

    fn logged(readings: &[(f64, u64)]) -> Vec<(f64, u64)> {
        let mut logger = ConnectionLogger::default();
        for &(t, produced) in readings {
            logger.add(t, addr(1), addr(7), counters(produced));
        }
        let log = logger.finish();
        log.list[0].points.iter().map(|LogPoint(t, counters)| (*t, counters[0].unwrap())).collect()
    }

    #[test]
    fn a_pause_has_two_points() {
        let readings = [(0.0, 1), (1.0, 5), (2.0, 5), (3.0, 5), (4.0, 5), (5.0, 9), (6.0, 9), (7.0, 9)];

        assert_eq!(logged(&readings), [(0.0, 1), (1.0, 5), (4.0, 5), (5.0, 9), (7.0, 9)]);
    }

    #[test]
    fn a_connection_that_was_not_listed_began_at_0() {
        let mut logger = ConnectionLogger::default();
        logger.add(1.0, addr(1), addr(7), counters(5));
        logger.end_listing(1.0);
        logger.add(2.0, addr(2), addr(7), counters(9));

        let points = logger.finish().list.into_iter().map(|connection| connection.points);

        let zero = LogPoint(1.0, counters(0));
        assert!(points.eq([vec![LogPoint(1.0, counters(5))], vec![zero, LogPoint(2.0, counters(9))]]));
    }

    #[test]
    fn a_long_log_keeps_its_limits_and_its_ends() {
        let mut logger = ConnectionLogger::default();
        let readings = 3 * ConnectionLog::MOST_POINTS;
        for reading in 0..readings {
            logger.add(reading as f64, addr(1), addr(7), counters(reading as u64));
        }

        let log = logger.finish();

        let points = &log.list[0].points;
        assert!((ConnectionLog::MOST_POINTS / 5..=ConnectionLog::MOST_POINTS + 1).contains(&points.len()));
        assert_eq!((points[0].0, points[points.len() - 1].0), (0.0, (readings - 1) as f64));
        assert!(points.is_sorted_by(|one, other| one.0 < other.0));
    }

    #[test]
    fn connections_beyond_the_limit_are_noted() {
        let mut logger = ConnectionLogger::default();
        for port in 0..=ConnectionLog::MOST_CONNECTIONS as u16 {
            logger.add(0.0, addr(port), addr(7), counters(1));
        }

        let log = logger.finish();

        assert!(log.is_incomplete);
        assert_eq!(log.list.len(), ConnectionLog::MOST_CONNECTIONS);
        let json = serde_json::to_string(&log).unwrap();
        assert_eq!(serde_json::from_str::<ConnectionLog>(&json).unwrap(), log);
    }

    #[test]
    fn a_file_has_the_limits_of_a_log() {
        let point = "[0,[1,null,null,null,null,0]],".repeat(ConnectionLog::MOST_POINTS + 3);
        let one = format!(
            r#"{{"client":"10.0.0.1:1","server":"10.0.0.2:7","points":[{}]}}"#,
            point.trim_end_matches(',')
        );
        let empty = r#"{"client":"10.0.0.1:1","server":"10.0.0.2:7","points":[]},"#
            .repeat(ConnectionLog::MOST_CONNECTIONS + 1);
        for list in [one.as_str(), empty.trim_end_matches(',')] {
            let json = format!(r#"{{"took":0,"list":[{list}]}}"#);
            assert!(
                serde_json::from_str::<ConnectionLog>(&json)
                    .is_err_and(|error| error.to_string().contains("too many"))
            );
        }
    }
}
