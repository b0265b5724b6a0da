//! What a process whose output is held back does with its input: the decision table.

use echoctl_record::{NodeKind, PressureRole, ProcessMap};

/// What is known about the input and the memory of a process. Rates in bytes per second.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
struct Signals {
    /// Its connections are visible.
    is_visible: bool,
    /// Number of connections on which a process that writes to it is held back.
    held_back: u32,
    /// Number of connections that it does not read although bytes wait.
    not_read: u32,
    /// What it reads.
    inflow: f64,
    /// What it writes, as far as its peers read it.
    outflow: f64,
    /// The part of it that is not held back.
    free_outflow: f64,
    /// Bytes arrive over a connection that does not count them.
    has_uncounted_input: bool,
    growth: Option<f64>,
    /// The seconds over which it is known.
    growth_seconds: f64,
    disk_rate: f64,
}

/// What a node whose output is held back does with its input. The first line whose condition holds decides.
pub(super) fn role(map: &ProcessMap, node: usize) -> PressureRole {
    let s = Signals::of(map, node);
    match s.growth {
        _ if !s.is_visible => PressureRole::NotVisible,
        Some(growth) if s.is_large(growth) && s.is_retained(growth) => PressureRole::Absorbs { growth },
        _ if s.is_large(s.disk_rate) && s.is_retained(s.disk_rate) => {
            PressureRole::AbsorbsToDisk { rate: s.disk_rate }
        }
        _ if s.passes_on() => PressureRole::PassesOn,
        _ if s.inflow < MIN_FLOW && !s.has_uncounted_input => PressureRole::Waits,
        // A garbage collector hides growth for some seconds.
        Some(_) if s.growth_seconds < STEADY_AFTER => PressureRole::ReadsOn,
        Some(_) if s.inflow >= MIN_GROWTH && s.free_outflow < s.inflow * SMALL_SHARE => {
            PressureRole::Discards
        }
        Some(_) if s.inflow >= MIN_GROWTH => PressureRole::ServesOthers,
        _ => PressureRole::ReadsOn,
    }
}

impl Signals {
    fn of(map: &ProcessMap, node: usize) -> Signals {
        let Some(process) = map.processes.get(node) else { return Signals::default() };
        let mut signals = Signals {
            is_visible: process.kind == NodeKind::Process,
            growth: process.memory_growth,
            growth_seconds: process.growth_seconds.unwrap_or(0.0),
            disk_rate: process.disk_rate.unwrap_or(0.0),
            ..Signals::default()
        };
        let directions = map.edges.iter().flat_map(|edge| edge.directions());
        for direction in directions.filter(|direction| direction.reader != direction.writer) {
            let flow = direction.flow;
            let rate = flow.rate.unwrap_or(0.0);
            if direction.reader == node {
                signals.held_back += flow.held_back;
                signals.not_read += flow.not_read;
                signals.inflow += rate;
                signals.has_uncounted_input |= flow.rate.is_none() && flow.queued() > Some(0);
            } else if direction.writer == node {
                signals.outflow += rate;
                signals.free_outflow += rate - flow.held_back_rate.unwrap_or(0.0);
            }
        }
        signals
    }

    /// Whether it holds its input back: over a connection that is full, or it has stopped reading and the kernels' queues have
    /// room yet.
    fn passes_on(&self) -> bool {
        self.held_back > 0 || (self.not_read > 0 && self.inflow < MIN_FLOW)
    }

    /// Whether an amount per second is more than the ups and downs of a busy process.
    fn is_large(&self, amount: f64) -> bool {
        amount >= MIN_GROWTH.max(self.inflow * SMALL_SHARE)
    }

    /// Whether it can be input that is not written again. Where no input is held back, what grows may also be what it makes itself.
    fn is_retained(&self, amount: f64) -> bool {
        self.held_back == 0 || self.inflow - self.outflow >= amount * 0.5
    }
}

/// Growth of memory, in bytes per second, below which it says nothing: allocators and garbage collectors take and release
/// some hundred kilobytes at a time.
const MIN_GROWTH: f64 = 256.0 * 1024.0;

/// Growth as a part of the input below which it is that of a garbage collector rather than of a queue.
const SMALL_SHARE: f64 = 0.1;

/// Seconds after which memory that has not grown is steady: longer than the interval between two garbage collections of a busy process.
const STEADY_AFTER: f64 = 5.0;

/// Input, in bytes per second, below which there is none: health checks, and keep-alive messages.
const MIN_FLOW: f64 = 1024.0;
