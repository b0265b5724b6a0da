//! Takes samples: the counters of all connections and the memory of the server's processes.

use std::collections::BTreeSet;
use std::time::Instant;

use echoctl_observe::{CensusCount, Counters, Process, ProcessTree, RootExit, SocketTables, census};
use echoctl_record::{Evidence, Point, Sample};
use echoctl_trial::spawn::Descendants;

use super::clients::Clients;
use super::connection::AuditConnection;
use super::driver::Observed;
use super::elsewhere::Elsewhere;
use super::process_growth::ProcessGrowth;
use super::upstream::Upstreams;
use crate::script::Script;

/// What is observed while a server is attacked.
#[derive(Debug)]
pub(super) struct Monitor {
    started: Instant,
    /// The ports of TCP on which the server accepts its clients: the attacked one, 0 if there is none, and, if that is translated on
    /// the way, its own.
    ports: BTreeSet<u16>,
    tables: SocketTables,
    tree: Option<ProcessTree>,
    listeners: Vec<Process>,
    upstreams: Upstreams,
    growth: ProcessGrowth,
    /// Since [`Monitor::begin`].
    elsewhere: Option<Elsewhere>,
    looks: usize,
    /// Bytes of input that the server had read at the last sample.
    read: u64,
    /// As in [`Sample::is_echo`]: for other servers, input and output are not compared.
    is_echo: Option<bool>,
}

impl Monitor {
    /// Observes the processes `roots` and all of `target` under `script`. The exit of one of `listeners` is a crash.
    pub(super) fn new(
        roots: &[u32],
        listeners: &[u32],
        target: Option<Descendants>,
        port: u16,
        script: &Script,
    ) -> Monitor {
        // One that has exited meanwhile must not hide the others.
        let roots: Vec<u32> = roots.iter().copied().filter(|pid| Process::open(*pid).is_ok()).collect();
        let mut tree = ProcessTree::new(roots).ok();
        if let Some((tree, target)) = tree.as_mut().zip(target) {
            target.add_to(tree);
        }
        let mut tables = SocketTables::of(tree.iter().flat_map(ProcessTree::members).map(Process::pid));
        Monitor {
            started: Instant::now(),
            ports: [port].into(),
            upstreams: Upstreams::new(&mut tables),
            tables,
            tree: tree.filter(|tree| tree.members().next().is_some()),
            listeners: listeners.iter().filter_map(|pid| Process::open(*pid).ok()).collect(),
            growth: ProcessGrowth::default(),
            elsewhere: None,
            looks: 0,
            read: 0,
            is_echo: (!script.is_echo()).then_some(false),
        }
    }

    /// Starts the clock and the measurement of growth.
    pub(super) fn begin(&mut self) {
        self.upstreams.begin();
        if let Some(tree) = &mut self.tree {
            tree.rescan();
            let mapped = tree.read().memory.shared;
            self.elsewhere = Some(Elsewhere::new(&tree.members().collect::<Vec<_>>(), mapped));
        }
        self.begin_growth();
        self.started = Instant::now();
    }

    /// Measures the growth of single processes from now on.
    pub(super) fn begin_growth(&mut self) {
        self.growth = ProcessGrowth::since(memory_by_process(self.tree.as_ref(), &self.upstreams));
    }

    /// Seconds since the start.
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

    /// The names of the servers behind the server.
    pub(super) fn upstreams(&self) -> Vec<String> {
        self.upstreams.names()
    }

    /// Looks repeatedly for what changes slowly: a relay connects to the server behind it only when it is needed.
    fn look_if_due(&mut self) {
        let repeated =
            || self.looks.checked_sub(LOOKS.len()).map(|number| (number + 2) as f64 * LOOK_INTERVAL);
        let due = LOOKS.get(self.looks).copied().or_else(repeated);
        if due.is_some_and(|due| self.elapsed() >= due) {
            self.looks += 1;
            self.look();
        }
    }

    /// Looks for servers behind the server, and for memory elsewhere.
    fn look(&mut self) {
        let Some(tree) = &mut self.tree else { return };
        tree.rescan();
        self.upstreams.look(tree, &self.ports);
        if let Some(elsewhere) = &mut self.elsewhere {
            let mapped = tree.read().memory.shared.saturating_add(self.upstreams.growth().shared);
            let all: Vec<&Process> = tree.members().chain(self.upstreams.used()).collect();
            elsewhere.update(&all, mapped);
        }
    }

    fn is_relay(&self) -> bool {
        self.upstreams.hidden || !self.upstreams.is_empty()
    }

    /// Whether the server has crashed: by the rule for the exits of its listening processes.
    pub(super) fn has_crashed(&self, is_closed: bool) -> bool {
        let mut exited = self.listeners.iter().filter(|listener| listener.has_exited());
        let Some(first) = exited.next().map(Process::pid) else { return false };
        let is_all = exited.count() + 1 == self.listeners.len();
        let exit = if is_all { RootExit::All(first) } else { RootExit::One(first) };
        exit.of_server(is_closed).is_some()
    }

    /// Counts `needle` in the memory of the server's processes and of the visible servers behind it; `None` if it may not be
    /// read.
    pub(super) fn census(&mut self, needle: &[u8]) -> Option<CensusCount> {
        let tree = self.tree.as_mut()?;
        tree.rescan();
        self.upstreams.look_for_payload(tree, needle, self.read);
        census(tree.members().chain(self.upstreams.used()), needle)
    }

    /// Completes the evidence at the end of the stall.
    pub(super) fn finish(&mut self, evidence: &mut Evidence) {
        self.look();
        evidence.is_relay |= self.is_relay();
        evidence.hidden_upstream |= self.upstreams.hidden;
        evidence.grown_process = self.growth.grown();
        if let Some(elsewhere) = &self.elsewhere {
            elsewhere.add_to(evidence);
        }
        evidence.is_suspended =
            !self.listeners.is_empty() && self.listeners.iter().all(Process::is_suspended);
    }

    fn refresh(&mut self, clients: &mut Clients) {
        self.tables.renew();
        for connection in clients.all_mut() {
            connection.refresh(Some(&mut self.tables));
            self.ports.extend(connection.server_port());
        }
    }

    /// What is visible of the server and of the connections of `clients`.
    pub(super) fn observe(&mut self, clients: &mut Clients, blocked: bool) -> Observed {
        let t = self.elapsed();
        // Our reading counter before the kernels' counters, our writing counter after them, as in
        // `echoctl_observe::Sampler`: a queue may appear too long, but never negative.
        let consumed = clients.consumed();
        self.refresh(clients);
        let produced = clients.produced();
        let (inputs, outputs) = (clients.senders(), clients.slow_readers());
        let output_is_full = is_output_full(outputs);
        let client_window = outputs.iter().filter_map(AuditConnection::own_window).min().map(u64::from);
        self.read = sum(inputs, |counters| counters.server_read).unwrap_or(produced);
        let sample = Sample {
            t,
            connections: outputs.iter().filter(|reader| reader.closed().is_none()).count() as u32,
            produced,
            server_received: sum(inputs, |counters| counters.server_received),
            server_read: sum(inputs, |counters| counters.server_read),
            server_written: sum(outputs, |counters| counters.server_written),
            client_received: sum(outputs, |counters| counters.client_received),
            consumed,
            kernel_memory: clients.all_mut().map(|connection| connection.kernel_memory()).sum(),
            window: clients.senders().iter().filter_map(|sender| sender.window()).min().map(u64::from),
            client_window,
            ..Sample::default()
        };
        let output_credit = clients.output_credit();
        let observed =
            self.complete(Point { sample, blocked, output_is_full, output_credit, ..Point::default() });
        Observed { responses: clients.responses(), ..observed }
    }

    /// Adds to the time and the traffic of a point what is visible of the server.
    pub(super) fn complete(&mut self, traffic: Point) -> Observed {
        self.look_if_due();
        let tree = self.tree.as_mut().map(ProcessTree::read);
        let upstream = self.upstreams.growth();
        let server_memory = tree.map(|tree| tree.memory.total() + upstream.memory);
        self.growth
            .update(server_memory.unwrap_or(0), memory_by_process(self.tree.as_ref(), &self.upstreams));
        let sample = Sample { server_memory, is_echo: self.is_echo, ..traffic.sample };
        let point = Point {
            sample,
            cpu_seconds: tree.map(|tree| tree.processor_time.as_secs_f64()),
            disk_written: tree.and_then(|tree| Some(tree.disk_written? + upstream.disk_written)),
            ..traffic
        };
        Observed { point, is_relay: self.is_relay(), hidden_upstream: self.upstreams.hidden, responses: None }
    }
}

/// The memory of each process of the server, and what each server behind it has added, as of the last sample.
fn memory_by_process<'a>(
    tree: Option<&'a ProcessTree>,
    upstreams: &'a Upstreams,
) -> impl Iterator<Item = (&'a Process, u64)> {
    let members = tree.into_iter().flat_map(ProcessTree::memory_by_process);
    members.map(|(process, memory)| (process, memory.total())).chain(upstreams.growth_by_process())
}

/// The sum over all connections; `None` if one of them is not visible.
fn sum(connections: &[AuditConnection], value: impl Fn(&Counters) -> Option<u64>) -> Option<u64> {
    connections.iter().map(|connection| value(&connection.counters())).sum()
}

/// Whether the server's send queue is full on every connection that is open; `None` if one of them is not visible, or none is open.
fn is_output_full(readers: &[AuditConnection]) -> Option<bool> {
    let open = readers.iter().filter(|reader| reader.closed().is_none());
    let full = open.map(|reader| Some(!reader.is_server_writable()?));
    full.reduce(|one, other| Some(one? && other?))?
}

/// When to look for servers behind the server and for memory elsewhere, in seconds. A look takes up to 100 ms on a busy host.
const LOOKS: [f64; 5] = [0.0, 0.2, 0.7, 2.0, 5.0];

/// Seconds between the looks after those.
const LOOK_INTERVAL: f64 = 5.0;
