//! The processes of a host as nodes, and the connections between them as edges, at one instant.
//!
//! Bytes flow along an edge in both directions, each with its own queues. Backpressure travels against them: a reader that does not
//! read fills the queues before it, up to its writer.

mod edge;
mod pressure;
mod process;

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

pub use edge::{Direction, EdgeFlow, Fill, ProcessEdge, Transport};
pub use pressure::{Begins, Pressure, PressureHop, PressureRole};
pub use process::{NodeKind, ProcessNode};

/// Processes and their connections at one instant.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct ProcessMap {
    /// Seconds since the first map of the same watch.
    pub t: f64,
    /// The nodes. Edges and [`Pressure`] refer to them by their index.
    pub processes: Vec<ProcessNode>,
    /// The edges.
    pub edges: Vec<ProcessEdge>,
    /// Number of nodes that were left out because no connection of theirs buffers anything.
    #[serde(default)]
    pub idle: usize,
}

impl ProcessMap {
    /// The part that is connected with any of these processes, over any number of hops. Hosts elsewhere and ends that are not
    /// visible do not connect what is connected to them.
    pub fn around(&self, pids: &[u32]) -> ProcessMap {
        let is_wanted = |node: &ProcessNode| node.pids.iter().any(|pid| pids.contains(pid));
        let mut reached: BTreeSet<usize> = BTreeSet::new();
        let mut unseen: Vec<usize> =
            (0..self.processes.len()).filter(|&index| is_wanted(&self.processes[index])).collect();
        while let Some(index) = unseen.pop() {
            let is_end = self.processes.get(index).is_none_or(|node| node.kind != NodeKind::Process);
            if reached.insert(index) && !is_end {
                unseen.extend(self.neighbours(index));
            }
        }
        self.only(&reached)
    }

    /// The nodes with a connection that buffers bytes or whose writer is held back, and those connected to them. The others are
    /// counted as idle.
    pub fn without_idle(&self) -> ProcessMap {
        let busy = self.edges.iter().filter(|edge| edge.is_busy());
        let busy: BTreeSet<usize> = busy.flat_map(|edge| [edge.from, edge.to]).collect();
        let neighbours = busy.iter().flat_map(|&index| self.neighbours(index));
        let shown: BTreeSet<usize> = neighbours.chain(busy.iter().copied()).collect();
        ProcessMap { idle: self.idle + self.processes.len() - shown.len(), ..self.only(&shown) }
    }

    /// The nodes with an edge to a node.
    fn neighbours(&self, index: usize) -> impl Iterator<Item = usize> {
        self.edges.iter().filter_map(move |edge| match (edge.from == index, edge.to == index) {
            (true, _) => Some(edge.to),
            (_, true) => Some(edge.from),
            _ => None,
        })
    }

    /// These nodes, in the same order, and the edges between them.
    fn only(&self, shown: &BTreeSet<usize>) -> ProcessMap {
        let place = |index: usize| shown.contains(&index).then(|| shown.range(..index).count());
        let processes = self.processes.iter().enumerate().filter(|(index, _)| shown.contains(index));
        let edges = self.edges.iter().filter_map(|edge| {
            let (from, to) = place(edge.from).zip(place(edge.to))?;
            Some(ProcessEdge { from, to, ..edge.clone() })
        });
        ProcessMap {
            t: self.t,
            processes: processes.map(|(_, node)| node.clone()).collect(),
            edges: edges.collect(),
            idle: self.idle,
        }
    }
}

#[cfg(test)]
mod tests;
