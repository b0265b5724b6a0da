//! Upstreams: the servers behind a server, found by its connections.
//!
//! A relay in front of an unbounded server buffers nothing itself. If the upstream's process is visible on this host, its growth since
//! the attack began is added. If it is not, the verdict must not rest on memory.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use echoctl_observe::{
    Door, Process, ProcessTree, SocketTables, census, holders, pids, sees_files, socket_inodes,
    standard_socket_inodes,
};

use super::baseline::{Baseline, Usage};
use super::behind::{Behind, OwnSockets, Use};

/// The processes behind the server that were found so far.
#[derive(Debug)]
pub(super) struct Upstreams {
    baseline: Baseline,
    /// The Unix-domain sockets that were open before the attack.
    before: BTreeSet<u32>,
    /// The processes that have a socket behind the server open, as far as they are visible.
    holders: BTreeMap<u32, Vec<u32>>,
    watched: BTreeMap<u32, Upstream>,
    /// Whether the server has a connection to a process that is not visible.
    pub(super) hidden: bool,
}

/// A process behind the server.
#[derive(Debug)]
struct Upstream {
    process: Process,
    base: Usage,
    /// What it had added in the last [`Upstreams::growth`], in bytes.
    growth: u64,
    its_use: Use,
}

impl Upstreams {
    /// Before the server is attacked, even by connections.
    pub(super) fn new(tables: &mut SocketTables) -> Upstreams {
        let unix = tables.unix_sockets().unwrap_or_default();
        let mut before = tables.unix_clients_in_files();
        before.extend(unix.iter().map(|socket| socket.inode));
        Upstreams {
            baseline: Baseline::default(),
            before,
            holders: BTreeMap::new(),
            watched: BTreeMap::new(),
            hidden: false,
        }
    }

    /// Starts the measurement of growth.
    pub(super) fn begin(&mut self) {
        self.baseline = Baseline::now();
    }

    /// Looks for processes behind those of `tree`, which accept clients on `ports`, and for those behind them.
    pub(super) fn look(&mut self, tree: &ProcessTree, ports: &BTreeSet<u16>) {
        for _ in 0..MOST_RELAYS {
            let known = self.used().count();
            self.look_behind(tree, ports);
            if self.used().count() == known {
                return;
            }
        }
    }

    fn look_behind(&mut self, tree: &ProcessTree, ports: &BTreeSet<u16>) {
        let mut ours: BTreeSet<u32> = tree.members().map(Process::pid).collect();
        ours.extend(self.used().map(Process::pid));
        // Another user's server may have any connection.
        self.hidden |= ours.iter().any(|pid| !sees_files(*pid) && is_running(*pid));
        let own = OwnSockets {
            all: ours.iter().flat_map(|pid| socket_inodes(*pid)).collect(),
            standard: ours.iter().flat_map(|pid| standard_socket_inodes(*pid)).collect(),
            before: &self.before,
        };
        let mut tables = SocketTables::of(ours.iter().copied());
        let Some(mut behind) = look_in(&mut tables, &own, ports) else { return };
        if behind.is_elsewhere {
            // A relay may publish the port of a server in any other namespace. The tables are listed one after the other, so that a
            // connection that opens or closes meanwhile has one end.
            let mut everywhere = SocketTables::of(pids());
            let mut looks = (0..LOOKS).map_while(|_| look_in(&mut everywhere, &own, ports));
            behind = looks.find(|behind| !behind.is_elsewhere).unwrap_or(behind);
        }
        self.hidden |= behind.is_elsewhere || tables.door() == Door::Closed;
        // What these are connected to is not visible.
        let unknown = tables.unix_clients_in_files();
        self.hidden |= own.all.iter().any(|inode| {
            unknown.contains(inode) && !own.before.contains(inode) && !own.standard.contains(inode)
        });
        self.find_holders(behind.peers.keys().copied());
        for (inode, its_use) in behind.peers {
            let pids = self.holders.get(&inode).cloned().unwrap_or_default();
            self.hidden |= pids.is_empty() && its_use == Use::Used;
            for pid in pids.into_iter().filter(|pid| !ours.contains(pid)) {
                self.watch(pid, its_use);
            }
        }
    }

    /// Finds the processes that have these sockets open, each once: it takes long.
    fn find_holders(&mut self, inodes: impl Iterator<Item = u32>) {
        let unknown: BTreeSet<u32> = inodes.filter(|inode| !self.holders.contains_key(inode)).collect();
        if unknown.is_empty() {
            return;
        }
        self.holders.extend(unknown.iter().map(|inode| (*inode, Vec::new())));
        for (pid, inode) in holders(&unknown) {
            self.holders.entry(inode).or_default().push(pid);
        }
    }

    fn watch(&mut self, pid: u32, its_use: Use) {
        if let Some(known) = self.watched.get_mut(&pid) {
            known.its_use = its_use.max(known.its_use);
        } else if pid != std::process::id()
            && let Ok(mut process) = Process::open(pid)
        {
            let base = self.baseline.of(&mut process);
            self.watched.insert(pid, Upstream { process, base, growth: 0, its_use });
        }
    }

    /// Looks for processes that have payload in their memory, marked by `needle`, though no connection leads to them: it may have
    /// gone through a named pipe, through datagrams or through shared memory. The server has read `read` bytes so far.
    ///
    /// Only processes that have grown since the attack began are searched. Their earlier growth is in no sample, so the memory that
    /// was watched is not all.
    pub(super) fn look_for_payload(&mut self, tree: &ProcessTree, needle: &[u8], read: u64) {
        let mut known: BTreeSet<u32> = tree.members().chain(self.used()).map(Process::pid).collect();
        known.insert(std::process::id());
        let mut grown = self.baseline.grown(GROWTH_IN_USE, &known);
        grown.sort_by_key(|(_, growth)| std::cmp::Reverse(growth.memory));
        let started = Instant::now();
        for (mut process, growth) in grown.into_iter().take(MOST_SEARCHED) {
            if started.elapsed() >= SEARCHING {
                return;
            }
            let has_payload = match census([&process], needle) {
                Some(count) => count.occurrences >= MANY_MARKS,
                // It may not be searched, unless it has just exited. If much was read and is not in the server, it may be there.
                None => read >= MUCH_READ && growth.memory >= read / 2 && process.memory().is_ok(),
            };
            if has_payload {
                self.hidden = true;
                self.watch(process.pid(), Use::Used);
            }
        }
    }

    /// Whether none was found.
    pub(super) fn is_empty(&self) -> bool {
        self.used().next().is_none()
    }

    /// What they use now and did not use when the attack began, in total.
    pub(super) fn growth(&mut self) -> Usage {
        let mut total = Usage::default();
        for upstream in self.watched.values_mut() {
            let Some(now) = Usage::of(&mut upstream.process) else { continue };
            let growth = now.since(upstream.base);
            upstream.growth = growth.memory;
            if growth.memory.max(growth.disk_written) >= GROWTH_IN_USE {
                upstream.its_use = Use::Used;
            }
            if upstream.its_use == Use::Used {
                total = total.plus(growth);
            }
        }
        total
    }

    /// Their processes.
    pub(super) fn used(&self) -> impl Iterator<Item = &Process> {
        self.growth_by_process().map(|(process, _)| process)
    }

    /// Their processes with the memory that each had added in the last [`Upstreams::growth`], in bytes.
    pub(super) fn growth_by_process(&self) -> impl Iterator<Item = (&Process, u64)> {
        let used = self.watched.values().filter(|upstream| upstream.its_use == Use::Used);
        used.map(|upstream| (&upstream.process, upstream.growth))
    }

    /// Their names, for reports.
    pub(super) fn names(&self) -> Vec<String> {
        self.used().map(|process| format!("{} (pid {})", process.name(), process.pid())).collect()
    }
}

/// What is behind the server, among all sockets in `tables`; `None` if the kernel lists no sockets.
fn look_in(tables: &mut SocketTables, own: &OwnSockets<'_>, ports: &BTreeSet<u16>) -> Option<Behind> {
    tables.renew();
    let tcp = tables.by_namespace().ok()?;
    // A kernel without unix_diag shows none.
    let unix = tables.unix_sockets().unwrap_or_default();
    Some(Behind::of(&tcp, &unix, own, ports))
}

fn is_running(pid: u32) -> bool {
    Process::open(pid).is_ok()
}

/// Looks at all namespaces after which the other end of a connection is not on this host.
const LOOKS: u32 = 3;

/// Relays behind each other that one look follows.
const MOST_RELAYS: u32 = 4;

/// Growth in bytes of a process to which the server had a connection before the attack, that means that it is used: more than a
/// service that is at rest needs, and less than a queue that an audit reports.
const GROWTH_IN_USE: u64 = 8 << 20;

/// Processes that are searched for payload at most, the one that grew most first.
const MOST_SEARCHED: usize = 4;

/// Time after which no further one is searched: one with 8 GiB takes 2 s.
const SEARCHING: Duration = Duration::from_secs(1);

/// Marks that a process has only if it was sent what was sent to the server. One is worth 64 bytes or more.
const MANY_MARKS: u64 = 1000;

/// Bytes read by the server from which on it matters who else has grown: far more than a server that waits has read.
const MUCH_READ: u64 = 64 << 20;
