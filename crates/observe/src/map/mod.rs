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
mod memory;
mod nodes;
mod owners;
mod progress;

use std::time::{Duration, Instant};

use echoctl_record::ProcessMap;

use crate::{Door, Error, SocketTables, pids};
use aggregate::Aggregate;
use links::{Link, Listeners};
use memory::MemoryHistory;
use owners::Owners;
use progress::History;

/// Maps the processes of this host, again and again: it remembers a few seconds, for rates and for what is held back.
#[derive(Debug)]
pub struct ProcessMapper {
    start: Instant,
    tables: SocketTables,
    owners: Owners,
    /// When the namespaces and the owners were last read, and how long that took.
    read: (Instant, Duration),
    history: History,
    memory: MemoryHistory,
}

impl ProcessMapper {
    /// Reads all processes of this host.
    ///
    /// # Errors
    /// If this system does not show the sockets of other processes.
    pub fn new() -> Result<ProcessMapper, Error> {
        let start = Instant::now();
        let tables = SocketTables::of(pids());
        if tables.is_blind() {
            return Err(Error::NotVisible { what: "the kernel's table of sockets" });
        }
        let owners = Owners::read();
        Ok(ProcessMapper {
            start,
            tables,
            owners,
            read: (start, start.elapsed()),
            history: History::default(),
            memory: MemoryHistory::default(),
        })
    }

    /// How the sockets of the host are visible: through the door that shows least.
    pub fn door(&self) -> Door {
        self.tables.door()
    }

    /// The map now. One dump of all sockets; with 5,000 of them 40 ms, and 60 ms more about once per second, when the open files of
    /// all processes are read.
    ///
    /// # Errors
    /// If the kernel refuses the request.
    pub fn sample(&mut self) -> Result<ProcessMap, Error> {
        self.read_owners();
        let now = Instant::now();
        self.tables.renew();
        let (listeners, unix) = Listeners::read(&mut self.tables)?;
        let links = Link::all(&mut self.tables, &listeners, &unix, &self.owners)?;
        self.history.update(&links, now);

        let groups = nodes::groups(&self.owners, &listeners, &links);
        let mut aggregate = Aggregate::new(&groups, &self.owners, &listeners);
        for link in &links {
            aggregate.add(link, self.history.of(link), now);
        }
        let mut map = aggregate.map();
        map.t = (now - self.start).as_secs_f64();
        self.memory.update(&mut map.processes, now);
        Ok(map)
    }

    /// Reads the owners of sockets again: at most once per second, and so that it takes a twentieth of the time.
    fn read_owners(&mut self) {
        let (at, took) = self.read;
        if at.elapsed() < OWNERS_INTERVAL.max(took * OWNERS_SHARE) {
            return;
        }
        let begin = Instant::now();
        self.tables = SocketTables::of(pids());
        self.owners = Owners::read();
        self.read = (begin, begin.elapsed());
    }
}

/// Least interval between two walks over the open files of all processes.
const OWNERS_INTERVAL: Duration = Duration::from_secs(1);

/// These walks use at most one part in this many of a core.
const OWNERS_SHARE: u32 = 20;
