//! The order in which a pressure is drawn: from its readers against the flow, each process below the one that it waits for.

use echoctl_record::{Direction, Fill, Pressure, PressureRole, ProcessMap};

/// A line of a chain.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Line {
    /// A process, and what it does.
    Process { depth: usize, node: usize, does: Does },
    /// What flows from the process of the next line to the one above.
    Flow(Flow),
}

/// What a process of a chain does.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Does {
    /// It is one of the readers at which pressure begins.
    Begins,
    /// It is held back.
    Role(PressureRole),
    /// It feeds a process of the chain, and is not held back.
    Feeds,
}

/// All connections from one process to another, in one direction.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Flow {
    pub(super) depth: usize,
    pub(super) writer: usize,
    pub(super) readers: Vec<usize>,
    pub(super) connections: u32,
    /// Bytes in the queues that are visible.
    pub(super) queued: Option<u64>,
    pub(super) fill: Fill,
    pub(super) held_back: u32,
    pub(super) rate: Option<f64>,
    /// The address of the first of them.
    pub(super) address: String,
}

impl Flow {
    /// Adds up what one node writes to others; `None` if they are not connected.
    pub(super) fn between(map: &ProcessMap, writer: usize, readers: &[usize]) -> Option<Flow> {
        let directions = map.edges.iter().flat_map(|edge| edge.directions());
        let is_wanted = |one: &Direction<'_>| one.writer == writer && readers.contains(&one.reader);
        directions.filter(is_wanted).map(|direction| Flow::of(&direction)).reduce(|mut sum, more| {
            sum.add(more);
            sum
        })
    }

    pub(super) fn add(&mut self, more: Flow) {
        self.readers.extend(more.readers);
        self.connections += more.connections;
        self.queued = self.queued.into_iter().chain(more.queued).reduce(|one, other| one + other);
        self.fill = self.fill.max(more.fill);
        self.held_back += more.held_back;
        self.rate = self.rate.into_iter().chain(more.rate).reduce(|one, other| one + other);
    }

    /// One direction of an edge.
    pub(super) fn of(direction: &Direction<'_>) -> Flow {
        Flow {
            depth: 0,
            writer: direction.writer,
            readers: vec![direction.reader],
            connections: direction.edge.connections,
            queued: direction.flow.queued(),
            fill: direction.flow.fill,
            held_back: direction.flow.held_back,
            rate: direction.flow.rate,
            address: direction.edge.address.clone(),
        }
    }
}

/// The lines of a pressure.
pub(super) fn chain(map: &ProcessMap, pressure: &Pressure) -> Vec<Line> {
    let mut lines = Vec::new();
    let readers = pressure.readers.as_slice();
    let is_reader = |node: usize| readers.contains(&node);
    for &node in readers {
        lines.push(Line::Process { depth: 0, node, does: Does::Begins });
        // In a circle, each reader is held back by another one.
        let in_circle = pressure.hops.iter().find(|hop| hop.process == node);
        let flow = in_circle.and_then(|hop| Flow::between(map, node, &[hop.waits_for]));
        lines.extend(flow.map(Line::Flow));
    }
    let mut unseen = below(pressure, is_reader, 0);
    while let Some((index, depth)) = unseen.pop() {
        let hop = &pressure.hops[index];
        if is_reader(hop.process) {
            continue;
        }
        let waits_for = if is_reader(hop.waits_for) { readers } else { &[hop.waits_for] };
        lines.extend(
            Flow::between(map, hop.process, waits_for).map(|flow| Line::Flow(Flow { depth, ..flow })),
        );
        lines.push(Line::Process { depth, node: hop.process, does: Does::Role(hop.role) });
        let next = below(pressure, |waits_for| waits_for == hop.process, depth);
        if next.is_empty() {
            lines.extend(inputs(map, pressure, hop.process, depth));
        }
        unseen.extend(next);
    }
    lines
}

/// The hops that wait for a process, the first one last. Several are indented below it.
fn below(pressure: &Pressure, is_waited_for: impl Fn(usize) -> bool, depth: usize) -> Vec<(usize, usize)> {
    let waiting = pressure.hops.iter().enumerate().filter(|(_, hop)| is_waited_for(hop.waits_for));
    let mut waiting: Vec<(usize, usize)> = waiting.map(|(index, _)| (index, depth)).collect();
    if waiting.len() > 1 {
        waiting.iter_mut().for_each(|(_, depth)| *depth += 1);
    }
    waiting.reverse();
    waiting
}

/// What flows into a process at the end of a chain: the inputs with the highest rates.
fn inputs(map: &ProcessMap, pressure: &Pressure, node: usize, depth: usize) -> Vec<Line> {
    let is_known = |other: usize| {
        pressure.readers.contains(&other) || pressure.hops.iter().any(|hop| hop.process == other)
    };
    let mut writers: Vec<usize> = map
        .edges
        .iter()
        .flat_map(|edge| edge.directions())
        .filter(|one| one.reader == node && one.writer != node && !is_known(one.writer))
        .map(|one| one.writer)
        .collect();
    writers.sort_unstable();
    writers.dedup();
    let mut flows: Vec<Flow> =
        writers.into_iter().filter_map(|writer| Flow::between(map, writer, &[node])).collect();
    flows.retain(|flow| flow.fill != Fill::Empty || flow.rate.is_some_and(|rate| rate > 0.0));
    flows.sort_by(|one, other| other.rate.unwrap_or(0.0).total_cmp(&one.rate.unwrap_or(0.0)));
    let line = |flow: Flow| {
        let node = flow.writer;
        [Line::Flow(Flow { depth, ..flow }), Line::Process { depth, node, does: Does::Feeds }]
    };
    flows.into_iter().take(MAX_INPUTS).flat_map(line).collect()
}

/// Number of inputs that are drawn per process: the largest ones tell where the bytes come from.
const MAX_INPUTS: usize = 3;
