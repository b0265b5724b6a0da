//! Takes a sample of listeners with all their connections, and sums it up per listener.

use std::time::Instant;

use echoctl_observe::{
    ConnectionTracker, Error, ListenerReading, Owner, Selection, ServerAddr, SocketTables, Target, TcpMemory,
};
use echoctl_record::MetricsFigures;
use echoctl_verdict::diagnose;

use super::listener_series::ListenerSeries;
use super::processes::Processes;
use super::stalls::Stalls;

/// Samples listeners. It remembers their connections from one sample to the next.
#[derive(Debug)]
pub(crate) struct Collector {
    tracker: ConnectionTracker,
    processes: Processes,
    series: ListenerSeries,
    stalls: Stalls,
}

impl Collector {
    /// Of everything that listens at an address of TCP on this host, as it comes and goes.
    ///
    /// # Errors
    /// If this system does not show the sockets of other processes.
    pub(crate) fn of_host() -> Result<Collector, Error> {
        Collector::new(SocketTables::of([]), &Selection::AllServed, Vec::new())
    }

    /// Of some servers.
    ///
    /// # Errors
    /// As [`Collector::of_host`].
    pub(crate) fn of_target(target: &Target) -> Result<Collector, Error> {
        Collector::new(target.tables(), &Selection::Served(target.addrs.clone()), target.owners.clone())
    }

    /// Of this process's own server.
    ///
    /// # Errors
    /// As [`Collector::of_host`].
    pub(crate) fn of_own(addr: ServerAddr) -> Result<Collector, Error> {
        let owner = Owner::of(std::process::id());
        Collector::new(SocketTables::of([]), &Selection::Served(vec![addr]), owner.into_iter().collect())
    }

    fn new(tables: SocketTables, selection: &Selection, owners: Vec<Owner>) -> Result<Collector, Error> {
        Ok(Collector {
            tracker: ConnectionTracker::new(tables, selection, None)?,
            processes: Processes::new(owners),
            series: ListenerSeries::default(),
            stalls: Stalls::default(),
        })
    }

    /// Takes a sample.
    ///
    /// # Errors
    /// If the kernel refuses the request.
    pub(crate) fn sample(&mut self) -> Result<MetricsFigures, Error> {
        self.tracker.sample()?;
        let now = Instant::now();
        let listening: Vec<ListenerReading> = self.tracker.listeners().copied().collect();
        self.processes.update(&listening);
        self.series.begin(&listening, |listener| self.processes.of(listener), now);
        self.stalls.begin();
        for connection in self.tracker.connections() {
            if let Some(listener) = connection.listener {
                let figures = connection.figures(now);
                let stall = self.stalls.of(connection, &diagnose(&figures), now);
                self.series.add(listener, &figures, stall);
            }
        }
        Ok(MetricsFigures {
            listeners: self.series.metrics().collect(),
            listeners_omitted: self.series.omitted(),
            tcp_memory: TcpMemory::used_now(),
            tcp_memory_pressure: TcpMemory::now().map(|tcp| tcp.pressure),
            own_server: None,
        })
    }
}
