//! The graph from each writer that is held back to the reader that it waits for.

use std::collections::{BTreeMap, BTreeSet};

use echoctl_record::ProcessMap;

/// All connections on which one node is held back by another.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Connections {
    pub(super) writer: usize,
    /// Number of connections on which it is held back.
    pub(super) held_back: u32,
    /// Number of all connections between the two.
    pub(super) connections: u32,
    /// Those of `held_back` that nothing answers, and those that are not accepted yet.
    pub(super) unanswered: u32,
    pub(super) in_accept_queue: u32,
    pub(super) stalled_seconds: Option<f64>,
    /// Bytes per second that the reader reads of them.
    pub(super) rate: Option<f64>,
}

/// All connections whose writers are held back.
#[derive(Debug, Default)]
pub(super) struct HeldBack {
    /// By reader and writer.
    connections: BTreeMap<(usize, usize), Connections>,
}

impl HeldBack {
    pub(super) fn of(map: &ProcessMap) -> HeldBack {
        let mut held_back = HeldBack::default();
        let directions = map.edges.iter().flat_map(|edge| edge.directions());
        // A process with both ends of a connection waits for itself, which says nothing about others.
        for direction in directions.filter(|one| one.flow.held_back > 0 && one.writer != one.reader) {
            let (flow, edge) = (direction.flow, direction.edge);
            let added = Connections {
                writer: direction.writer,
                held_back: flow.held_back,
                connections: edge.connections,
                unanswered: flow.unanswered,
                in_accept_queue: if direction.reader == edge.to { edge.in_accept_queue } else { 0 },
                stalled_seconds: flow.stalled_seconds,
                rate: flow.held_back_rate,
            };
            held_back
                .connections
                .entry((direction.reader, direction.writer))
                .and_modify(|known| known.add(&added))
                .or_insert(added);
        }
        held_back
    }

    /// The writers that wait for a reader.
    pub(super) fn to(&self, reader: usize) -> impl Iterator<Item = &Connections> + Clone {
        self.connections.range((reader, 0)..=(reader, usize::MAX)).map(|(_, connections)| connections)
    }

    /// The readers at which pressure begins: each that is not held back itself, and each set that waits for each other and for no
    /// other reader.
    pub(super) fn beginnings(&self) -> Vec<BTreeSet<usize>> {
        let mut waits_for: BTreeMap<usize, BTreeSet<usize>> = BTreeMap::new();
        for &(reader, writer) in self.connections.keys() {
            waits_for.entry(writer).or_default().insert(reader);
        }
        let mut beginnings: BTreeSet<BTreeSet<usize>> = BTreeSet::new();
        let readers: BTreeSet<usize> = self.connections.keys().map(|(reader, _)| *reader).collect();
        for reader in readers {
            let reached = reachable(&waits_for, reader);
            if reached.iter().all(|&other| reachable(&waits_for, other).contains(&reader)) {
                beginnings.insert(reached.into_iter().chain([reader]).collect());
            }
        }
        beginnings.into_iter().collect()
    }
}

impl Connections {
    fn add(&mut self, other: &Connections) {
        self.held_back += other.held_back;
        self.connections += other.connections;
        self.unanswered += other.unanswered;
        self.in_accept_queue += other.in_accept_queue;
        self.stalled_seconds = self.stalled_seconds.into_iter().chain(other.stalled_seconds).reduce(f64::max);
        self.rate = self.rate.into_iter().chain(other.rate).reduce(|one, other| one + other);
    }
}

/// All that a node waits for, directly or through others; itself only if it is in a circle.
fn reachable(waits_for: &BTreeMap<usize, BTreeSet<usize>>, from: usize) -> BTreeSet<usize> {
    let mut reached = BTreeSet::new();
    let mut next = vec![from];
    while let Some(node) = next.pop() {
        for &other in waits_for.get(&node).into_iter().flatten() {
            if reached.insert(other) {
                next.push(other);
            }
        }
    }
    reached
}
