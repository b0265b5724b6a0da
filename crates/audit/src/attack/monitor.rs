//! The monitor: one point of the evidence at a time, from all connections and the server's processes together.

use std::time::Instant;

use echoctl_observe::{Process, ProcessTree, SocketDiag};
use echoctl_record::{Point, Sample};

use super::connection::{AuditConnection, ConnectionCounters};
use super::upstream::Upstreams;
use crate::descendants::Descendants;

/// What is looked at while a server is attacked.
#[derive(Debug)]
pub(super) struct Monitor {
    started: Instant,
    port: u16,
    diag: Option<SocketDiag>,
    tree: Option<ProcessTree>,
    listeners: Vec<Process>,
    pub(super) upstreams: Upstreams,
    looks: usize,
}

impl Monitor {
    /// A watch over the processes `roots`, of which `listeners` are those whose death is a crash, and over all of `target`.
    pub(super) fn new(roots: &[u32], listeners: &[u32], target: Option<Descendants>, port: u16) -> Monitor {
        // One that has ended meanwhile must not hide the others.
        let roots: Vec<u32> = roots.iter().copied().filter(|pid| Process::open(*pid).is_ok()).collect();
        let mut tree = ProcessTree::new(roots).ok();
        if let Some((tree, target)) = tree.as_mut().zip(target) {
            target.add_to(tree);
        }
        Monitor {
            started: Instant::now(),
            port,
            diag: SocketDiag::open().ok(),
            tree: tree.filter(|tree| tree.members().next().is_some()),
            listeners: listeners.iter().filter_map(|pid| Process::open(*pid).ok()).collect(),
            upstreams: Upstreams::default(),
            looks: 0,
        }
    }

    /// Begins to count time, and to count growth from here.
    pub(super) fn begin(&mut self) {
        if let Some(tree) = &mut self.tree {
            tree.rescan();
        }
        self.started = Instant::now();
    }

    /// Seconds since the beginning.
    pub(super) fn elapsed(&self) -> f64 {
        self.started.elapsed().as_secs_f64()
    }

    /// Whether the server's memory is visible.
    pub(super) fn sees_memory(&self) -> bool {
        self.tree.is_some()
    }

    /// The name of the server's program.
    pub(super) fn server_name(&self) -> Option<String> {
        self.tree.as_ref()?.name().map(str::to_owned)
    }

    /// Looks for servers behind the server, from time to time: a relay connects when it is first needed, not before.
    pub(super) fn look_for_upstreams(&mut self) {
        let due = LOOKS.get(self.looks).is_some_and(|at| self.elapsed() >= *at);
        if let Some(tree) = &mut self.tree
            && due
        {
            self.looks += 1;
            tree.rescan();
            self.upstreams.look(tree, self.port);
        }
    }

    /// Whether a process that listens has died.
    pub(super) fn has_crashed(&self) -> bool {
        self.listeners.iter().any(Process::has_exited)
    }

    /// A point now. `senders` send the stimulus; `slow_readers` do not read. Without a publisher they are the same, and `senders`
    /// is empty.
    pub(super) fn point(
        &mut self,
        senders: &mut [AuditConnection],
        slow_readers: &mut [AuditConnection],
        blocked: bool,
    ) -> Point {
        let t = self.elapsed();
        // The reader's counter before the kernels', the writer's after: see the order of a sample in ARCHITECTURE.md.
        let consumed = slow_readers.iter().map(|connection| connection.consumed).sum();
        let outputs: Vec<ConnectionCounters> =
            slow_readers.iter_mut().map(|connection| connection.counters(self.diag.as_mut())).collect();
        let fed: Vec<ConnectionCounters> =
            senders.iter_mut().map(|connection| connection.counters(self.diag.as_mut())).collect();
        let (inputs, writers) = if fed.is_empty() { (&outputs, &*slow_readers) } else { (&fed, &*senders) };
        let produced = writers.iter().map(|connection| connection.produced).sum();
        let tree = self.tree.as_mut().map(ProcessTree::read);
        let upstream = self.upstreams.growth();
        let both = outputs.iter().chain(&fed);
        Point {
            sample: Sample {
                t,
                connections: slow_readers.iter().filter(|connection| connection.ended.is_none()).count()
                    as u32,
                produced,
                server_received: sum(inputs, |counters| counters.received),
                server_read: sum(inputs, |counters| counters.read),
                server_written: sum(&outputs, |counters| counters.written),
                client_received: sum(&outputs, |counters| counters.arrived),
                consumed,
                server_memory: tree.map(|tree| tree.memory.total() + upstream),
                kernel_memory: both.map(|counters| counters.kernel_memory).sum(),
                window: inputs.iter().filter_map(|counters| counters.window).min(),
                ..Sample::default()
            },
            blocked,
            cpu_seconds: tree.map(|tree| tree.processor_time.as_secs_f64()),
            disk_written: tree.and_then(|tree| tree.disk_written),
        }
    }
}

/// The sum over all connections; `None` if one of them does not show it.
fn sum(counters: &[ConnectionCounters], value: impl Fn(&ConnectionCounters) -> Option<u64>) -> Option<u64> {
    counters.iter().map(value).sum()
}

/// When it is looked for servers behind the server, in seconds.
const LOOKS: [f64; 5] = [0.0, 0.2, 0.7, 2.0, 5.0];
