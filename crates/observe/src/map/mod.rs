//! The processes of this host and the connections between them, with what each direction buffers.
//!
//! ```text
//! all sockets (sock_diag) ── by their addresses ──► links: two ends each     ┐
//! /proc/PID/fd            ── by their inodes ─────► the processes of each end ├──► nodes and edges, with what each direction
//! the last seconds        ── by link and by pid ──► progress, growth         ┘     buffers, and whether it is held back
//! ```
//!
//! Sockets of other network namespaces are visible with privilege only. Where addresses are translated on the way between two
//! namespaces (published ports of containers), the two ends of a connection do not find each other: each then has a peer that is
//! known by its address only.

mod aggregate;
mod end;
mod links;
mod listeners;
mod memory;
mod nodes;
mod owners;
mod progress;

use std::thread;
use std::time::{Duration, Instant};

use echoctl_record::ProcessMap;

use crate::{Door, Error, SocketTables, pids};
use aggregate::Aggregate;
use links::Sockets;
use memory::MemoryHistory;
use owners::Owners;
use progress::History;

/// Maps the processes of this host, again and again: it remembers a few seconds, for rates and for what is held back.
#[derive(Debug)]
pub struct ProcessMapper {
    /// When the first map was made.
    start: Option<Instant>,
    tables: SocketTables,
    /// When the namespaces of all processes were last read, and the interval to the next time.
    read: Instant,
    read_interval: Duration,
    owners: Owners,
    history: History,
    memory: MemoryHistory,
}

impl ProcessMapper {
    /// Finds the namespaces of all processes of this host.
    ///
    /// # Errors
    /// If this system does not show the sockets of other processes.
    pub fn new() -> Result<ProcessMapper, Error> {
        let now = Instant::now();
        let mut mapper = ProcessMapper {
            start: None,
            tables: SocketTables::of(pids()),
            read: now,
            read_interval: NAMESPACES_INTERVAL,
            owners: Owners::new(),
            history: History::default(),
            memory: MemoryHistory::default(),
        };
        if mapper.tables.is_blind() {
            return Err(Error::NotVisible { what: "the kernel's table of sockets" });
        }
        // Without the processes, the first map would be of little use.
        let sockets = Sockets::read(&mut mapper.tables)?;
        while !mapper.owners.knows_any(sockets.inodes()) && now.elapsed() < MAX_WAIT {
            mapper.owners.update(sockets.inodes());
            thread::sleep(Duration::from_millis(5));
        }
        Ok(mapper)
    }

    /// How the sockets of the host are visible: through the door that shows least.
    pub fn door(&self) -> Door {
        self.tables.door()
    }

    /// The map now: one dump of all sockets.
    ///
    /// # Errors
    /// If the kernel refuses the request.
    pub fn sample(&mut self) -> Result<ProcessMap, Error> {
        self.read_namespaces();
        let now = Instant::now();
        let sockets = Sockets::read(&mut self.tables)?;
        self.owners.update(sockets.inodes());
        let links = sockets.links(&self.owners);
        self.history.update(&links, now);

        let groups = nodes::groups(&self.owners, &sockets.listeners, &links);
        let mut aggregate = Aggregate::new(&groups, &self.owners, &sockets.listeners);
        for link in &links {
            if let Some(history) = self.history.of(link, now) {
                aggregate.add(link, history, now);
            }
        }
        let mut map = aggregate.map();
        map.t = (now - *self.start.get_or_insert(now)).as_secs_f64();
        self.memory.update(&mut map.processes, now);
        Ok(map)
    }

    /// Looks for namespaces of new processes now and then.
    fn read_namespaces(&mut self) {
        self.tables.renew();
        if self.read.elapsed() < self.read_interval {
            return;
        }
        self.read = Instant::now();
        self.tables = SocketTables::of(pids());
        self.read_interval = NAMESPACES_INTERVAL.max(self.read.elapsed() * NAMESPACES_SHARE);
    }
}

/// The first map waits this long for the processes of its sockets. To a user without a process that has one, none is visible.
const MAX_WAIT: Duration = Duration::from_millis(500);

/// Interval at which new network namespaces are looked for, one file per process.
const NAMESPACES_INTERVAL: Duration = Duration::from_secs(5);

/// That uses at most one part in this many of a core.
const NAMESPACES_SHARE: u32 = 50;
