//! Flows between one process and many of one program, such as the clients of a server, as one.

use echoctl_record::{Fill, NodeKind, ProcessMap, ProcessNode};

use super::chain::Flow;

/// One flow, or several that are alike.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Folded {
    pub(super) writers: Vec<usize>,
    pub(super) readers: Vec<usize>,
    pub(super) sum: Flow,
}

/// Adds up the flows that one process writes to processes of one program, or that one process reads from such. A flow that is
/// full stays one of its own.
pub(super) fn folded(map: &ProcessMap, flows: impl Iterator<Item = Flow>) -> Vec<Folded> {
    let mut all: Vec<Folded> = Vec::new();
    for flow in flows {
        let of_same = all.iter_mut().find(|known| known.takes(map, &flow));
        match of_same {
            Some(known) => known.add(flow),
            None => all.push(Folded { writers: vec![flow.writer], readers: flow.readers.clone(), sum: flow }),
        }
    }
    all
}

/// The names of nodes of one program as one: `python3 client.py (7101 and 18 more)`.
pub(super) fn names(map: &ProcessMap, nodes: &[usize]) -> String {
    let mut nodes = nodes.iter().filter_map(|&node| map.processes.get(node));
    let Some(first) = nodes.next() else { return String::new() };
    let mut all = ProcessNode { pids: first.pids.clone(), ..first.clone() };
    all.pids.extend(nodes.flat_map(|node| &node.pids));
    all.pids.sort_unstable();
    all.to_string()
}

impl Folded {
    /// Whether another flow is like these.
    fn takes(&self, map: &ProcessMap, flow: &Flow) -> bool {
        let is_full = self.sum.fill == Fill::Full || flow.fill == Fill::Full;
        let has_writer = self.writers == [flow.writer];
        let has_reader = self.readers == flow.readers;
        let alike = |known: &[usize], other: &[usize]| {
            known.first().zip(other.first()).is_some_and(|(one, other)| is_same_program(map, *one, *other))
        };
        !is_full
            && (has_writer && (has_reader || alike(&self.readers, &flow.readers))
                || has_reader && alike(&self.writers, &[flow.writer]))
    }

    fn add(&mut self, flow: Flow) {
        for (nodes, more) in
            [(&mut self.writers, vec![flow.writer]), (&mut self.readers, flow.readers.clone())]
        {
            nodes.extend(more);
            nodes.sort_unstable();
            nodes.dedup();
        }
        self.sum.add(flow);
    }
}

fn is_same_program(map: &ProcessMap, one: usize, other: usize) -> bool {
    let program = |node: usize| map.processes.get(node).filter(|node| node.kind == NodeKind::Process);
    program(one).zip(program(other)).is_some_and(|(one, other)| one.name == other.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A server, a database, and clients of the server.
    fn map() -> ProcessMap {
        let names = ["server", "db", "client", "client", "client", "curl"];
        let node = |(at, name): (usize, &&str)| ProcessNode {
            name: (*name).to_owned(),
            pids: vec![100 + at as u32],
            ..ProcessNode::default()
        };
        ProcessMap { processes: names.iter().enumerate().map(node).collect(), ..ProcessMap::default() }
    }

    fn flow(writer: usize, reader: usize, fill: Fill) -> Flow {
        Flow {
            depth: 0,
            writer,
            readers: vec![reader],
            connections: 1,
            queued: Some(10),
            fill,
            held_back: 0,
            rate: Some(5.0),
            address: String::new(),
        }
    }

    /// `writer > reader: connections` of each line.
    fn lines(flows: &[(usize, usize, Fill)]) -> Vec<String> {
        let flows = flows.iter().map(|&(writer, reader, fill)| flow(writer, reader, fill));
        let line = |one: &Folded| {
            let [writer, reader] = [&one.writers, &one.readers].map(|nodes| names(&map(), nodes));
            format!("{writer} > {reader}: {}", one.sum.connections)
        };
        folded(&map(), flows).iter().map(line).collect()
    }

    #[test]
    fn the_clients_of_a_server_are_one_line() {
        let to_clients =
            [(0, 2, Fill::Empty), (0, 3, Fill::Partial), (0, 4, Fill::Empty), (0, 5, Fill::Empty)];
        let from_clients = [(4, 0, Fill::Empty), (2, 0, Fill::Empty)];

        assert_eq!(
            lines(&to_clients),
            ["server (100) > client (102 and 2 more): 3", "server (100) > curl (105): 1"]
        );
        assert_eq!(lines(&from_clients), ["client (102 and 1 more) > server (100): 2"]);
    }

    #[test]
    fn different_servers_and_full_queues_stay_apart() {
        let all = [(0, 2, Fill::Empty), (1, 3, Fill::Empty), (0, 4, Fill::Full), (0, 3, Fill::Empty)];

        assert_eq!(
            lines(&all),
            [
                "server (100) > client (102 and 1 more): 2",
                "db (101) > client (103): 1",
                "server (100) > client (104): 1"
            ]
        );
    }
}
