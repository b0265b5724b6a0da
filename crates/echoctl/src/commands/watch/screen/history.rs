//! The queues of connections over time: of those that are or were on the screen, so that memory is bounded whatever the server
//! has.
//!
//! A history covers all the time since its connection was first on the screen: when it is full, every second point is dropped.
//! At most [`MAX_HISTORIES`] × [`MAX_POINTS`] points are stored, 4 MiB.

use std::collections::HashMap;
use std::net::SocketAddr;

use super::reading::Entry;

/// The queues of one connection at a time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Point {
    /// Seconds since the watch began.
    pub(super) t: f64,
    pub(super) queues: [Option<u64>; 4],
}

/// Points of one connection.
#[derive(Debug, Default)]
pub(super) struct History {
    points: Vec<Point>,
    /// Seconds between two points at least; it doubles when the history is full.
    step: f64,
}

impl History {
    pub(super) fn points(&self) -> &[Point] {
        &self.points
    }

    fn add(&mut self, point: Point) {
        // The newest one is replaced until it is old enough to stay.
        if let [.., before, _] = self.points[..]
            && point.t - before.t < self.step
        {
            self.points.pop();
        }
        self.points.push(point);
        if self.points.len() > MAX_POINTS {
            let mut keep = false;
            self.points.retain(|_| {
                keep = !keep;
                keep
            });
            let span = point.t - self.points[0].t;
            self.step = span / (MAX_POINTS / 2) as f64;
        }
    }
}

/// The histories of connections.
#[derive(Debug, Default)]
pub(super) struct Histories(HashMap<Connection, (History, u64)>, u64);

type Connection = (String, Option<SocketAddr>);

impl Histories {
    /// Adds a point to the history of each of these connections.
    pub(super) fn add<'a>(&mut self, t: f64, entries: impl Iterator<Item = &'a Entry>) {
        self.1 += 1;
        for entry in entries.take(MAX_HISTORIES / 2) {
            let (history, used) = self.0.entry(which(entry)).or_default();
            *used = self.1;
            history.add(Point { t, queues: entry.queues() });
        }
        if self.0.len() > MAX_HISTORIES {
            // Those that were on the screen last remain.
            let mut times: Vec<u64> = self.0.values().map(|(_, used)| *used).collect();
            times.sort_unstable_by(|a, b| b.cmp(a));
            let oldest = times[MAX_HISTORIES / 2 - 1];
            self.0.retain(|_, (_, used)| *used >= oldest);
        }
    }

    /// The points of a connection; none of one that was never on the screen.
    pub(super) fn of(&self, entry: &Entry) -> &[Point] {
        self.0.get(&which(entry)).map_or(&[], |(history, _)| history.points())
    }
}

fn which(entry: &Entry) -> Connection {
    (entry.row.client.clone(), entry.row.server)
}

/// Points of a connection at most: more than a terminal has columns.
const MAX_POINTS: usize = 400;

/// Histories at most: those of a few screens.
const MAX_HISTORIES: usize = 128;
