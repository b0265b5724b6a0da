//! What is remembered of each listener from one sample to the next.
//!
//! A listener is an address with the names of the processes that listen there. Where the names change, another one begins, with
//! counters of its own; a server that restarts continues its counters, whatever its pid is now.
//!
//! Series are bounded: there are at most [`MAX_LISTENERS`] listeners. One that has vanished is kept for [`LINGER`], with its last
//! names, and ends after that, or when its place is needed.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use echoctl_observe::{ListenerReading, Moved};
use echoctl_record::{ConnectionFigures, ListenerMetrics, QueueMetrics, Stalled};

use super::processes::Listening;
use super::stalls::Stall;

/// All listeners that have series.
#[derive(Debug, Default)]
pub(super) struct ListenerSeries {
    known: BTreeMap<Name, Known>,
    /// The names of those in this sample, and the last names of those that have vanished.
    current: HashMap<SocketAddr, Name>,
    /// What the connections of each listening socket had moved in the last sample, by its namespace and its address. The tracker counts
    /// from zero after each sample without the socket.
    counted: HashMap<(usize, SocketAddr), Moved>,
    omitted: u64,
}

/// The address of a listener, and the names of its processes.
type Name = (SocketAddr, Box<str>);

/// A listener.
#[derive(Debug)]
struct Known {
    seen: Instant,
    /// The values of this sample, without the counters.
    gauges: ListenerMetrics,
    /// What its connections have moved; `None` if that is not visible.
    moved: Option<Moved>,
}

impl ListenerSeries {
    /// Begins a sample with what the listening sockets show, and with what `listening` knows of their processes. Several at one
    /// address, in different network namespaces, are one.
    pub(super) fn begin(
        &mut self,
        readings: &[ListenerReading],
        listening: impl Fn(SocketAddr) -> Listening,
        now: Instant,
    ) {
        self.known.retain(|_, known| now.saturating_duration_since(known.seen) < LINGER);
        self.current.retain(|_, name| self.known.contains_key(name));
        for known in self.known.values_mut() {
            known.gauges = ListenerMetrics::default();
        }
        let moved = self.count(readings);
        let mut by_addr: BTreeMap<SocketAddr, Vec<(&ListenerReading, Option<Moved>)>> = BTreeMap::new();
        for (reading, moved) in readings.iter().zip(moved) {
            by_addr.entry(reading.addr).or_default().push((reading, moved));
        }
        self.omitted = 0;
        // The known ones first: then those that have vanished are known, too.
        let (known, new): (Vec<_>, Vec<_>) =
            by_addr.into_iter().partition(|(addr, _)| self.current.contains_key(addr));
        for (addr, readings) in known.into_iter().chain(new) {
            let listening = listening(addr);
            // Closed before its processes were known.
            let Some(name) = self.name(addr, listening.process) else { continue };
            if !self.known.contains_key(&name) && !self.has_room(now) {
                self.omitted += 1;
                continue;
            }
            self.current.insert(addr, name.clone());
            let known = self.known.entry(name).or_insert_with(|| Known::new(now));
            known.seen = now;
            known.gauges.anonymous_memory = listening.anonymous_memory;
            for (reading, moved) in readings {
                known.add(reading, moved);
            }
        }
    }

    /// What the connections of each have moved since the last sample.
    fn count(&mut self, readings: &[ListenerReading]) -> Vec<Option<Moved>> {
        let keyed =
            readings.iter().filter_map(|reading| Some(((reading.namespace, reading.addr), reading.moved?)));
        let before = std::mem::replace(&mut self.counted, keyed.collect());
        let since = |reading: &ListenerReading| {
            let last = before.get(&(reading.namespace, reading.addr)).copied().unwrap_or_default();
            Some(minus(reading.moved?, last))
        };
        readings.iter().map(since).collect()
    }

    /// The name of a listener: its last one, if its processes are not known now.
    fn name(&self, addr: SocketAddr, process: Option<String>) -> Option<Name> {
        let now = process.map(|process| (addr, process.into_boxed_str()));
        now.or_else(|| self.current.get(&addr).cloned())
    }

    /// Whether there is room for another listener, perhaps in place of the one that vanished first.
    fn has_room(&mut self, now: Instant) -> bool {
        if self.known.len() < MAX_LISTENERS {
            return true;
        }
        let vanished = self.known.iter().filter(|(_, known)| known.seen < now);
        let first = vanished.min_by_key(|(_, known)| known.seen).map(|(name, _)| name.clone());
        first.is_some_and(|name| self.known.remove(&name).is_some())
    }

    /// Adds a connection.
    pub(super) fn add(&mut self, listener: SocketAddr, figures: &ConnectionFigures, stall: Option<Stall>) {
        let name = self.current.get(&listener);
        let Some(Known { gauges, .. }) = name.and_then(|name| self.known.get_mut(name)) else { return };
        add_queue(&mut gauges.send_queue, figures.server_send);
        add_queue(&mut gauges.receive_queue, figures.server_receive);
        let Some(stall) = stall else { return };
        gauges.stalled_by_client += u64::from(matches!(stall.by, Stalled::Client | Stalled::Both));
        gauges.stalled_by_server += u64::from(matches!(stall.by, Stalled::Server | Stalled::Both));
        gauges.oldest_stall = gauges.oldest_stall.max(stall.age.as_secs_f64());
    }

    /// The metrics of this sample.
    pub(super) fn metrics(&self) -> impl Iterator<Item = ListenerMetrics> {
        self.known.iter().map(|((addr, process), known)| ListenerMetrics {
            listen: addr.to_string(),
            process: process.to_string(),
            rwnd_limited: known.moved.map(|moved| moved.rwnd_limited.as_secs_f64()),
            sent: known.moved.map(|moved| moved.sent),
            received: known.moved.map(|moved| moved.received),
            ..known.gauges.clone()
        })
    }

    /// Number of listeners in this sample that have no series.
    pub(super) fn omitted(&self) -> u64 {
        self.omitted
    }
}

impl Known {
    fn new(now: Instant) -> Known {
        Known { seen: now, gauges: ListenerMetrics::default(), moved: None }
    }

    /// Adds one of its sockets, whose connections have `moved` something since the last sample.
    fn add(&mut self, reading: &ListenerReading, moved: Option<Moved>) {
        let gauges = &mut self.gauges;
        gauges.connections += u64::from(reading.connections);
        if reading.is_open {
            *gauges.accept_queue.get_or_insert(0) += u64::from(reading.accept_queue);
        }
        if let Some(limit) = reading.limit {
            *gauges.accept_queue_limit.get_or_insert(0) += u64::from(limit);
        }
        if let Some(moved) = moved {
            self.moved = Some(plus(self.moved.unwrap_or_default(), moved));
        }
    }
}

fn minus(now: Moved, before: Moved) -> Moved {
    Moved {
        received: now.received.saturating_sub(before.received),
        sent: now.sent.saturating_sub(before.sent),
        rwnd_limited: now.rwnd_limited.saturating_sub(before.rwnd_limited),
    }
}

fn plus(one: Moved, other: Moved) -> Moved {
    Moved {
        received: one.received + other.received,
        sent: one.sent + other.sent,
        rwnd_limited: one.rwnd_limited + other.rwnd_limited,
    }
}

fn add_queue(queue: &mut QueueMetrics, bytes: Option<u64>) {
    let bytes = bytes.unwrap_or(0);
    queue.total += bytes;
    queue.max = queue.max.max(bytes);
}

/// Listeners with series: sixteen series each, as many as Prometheus takes from one target without a thought.
const MAX_LISTENERS: usize = 500;

/// As long as Prometheus itself shows the last value of a series that has ended.
const LINGER: Duration = Duration::from_secs(300);

#[cfg(test)]
mod tests {
    use super::*;

    fn addr(port: u16) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], port))
    }

    fn reading(port: u16, received: u64) -> ListenerReading {
        ListenerReading {
            connections: 2,
            accept_queue: 1,
            limit: Some(128),
            moved: Some(Moved { received, ..Moved::default() }),
            ..ListenerReading::new(addr(port), 0, 1)
        }
    }

    fn begin(series: &mut ListenerSeries, readings: &[ListenerReading], now: Instant) {
        begin_as("p", series, readings, now);
    }

    fn begin_as(process: &str, series: &mut ListenerSeries, readings: &[ListenerReading], now: Instant) {
        let listening = |_| Listening { process: Some(process.to_owned()), anonymous_memory: Some(1) };
        series.begin(readings, listening, now);
    }

    fn received(series: &ListenerSeries) -> Vec<u64> {
        series.metrics().map(|listener| listener.received.unwrap()).collect()
    }

    #[test]
    fn counters_continue_when_a_server_restarts() {
        let (mut series, start) = (ListenerSeries::default(), Instant::now());
        let mut seen = Vec::new();
        for (second, now) in
            [vec![reading(1, 70)], vec![], vec![reading(1, 5)], vec![reading(1, 90)]].iter().enumerate()
        {
            begin(&mut series, now, start + Duration::from_secs(second as u64));
            seen.extend(received(&series));
        }

        assert_eq!(seen, [70, 70, 75, 160]);
    }

    #[test]
    fn another_server_at_the_same_address_has_its_own_counters() {
        let (mut series, start) = (ListenerSeries::default(), Instant::now());
        let mut seen: Vec<Vec<_>> = Vec::new();
        for (second, (process, bytes)) in
            [("nginx", 70), ("caddy", 75), ("nginx", 78)].into_iter().enumerate()
        {
            let now = start + Duration::from_secs(second as u64);
            begin_as(process, &mut series, &[reading(1, bytes)], now);
            seen.push(series.metrics().map(|listener| (listener.process, listener.received)).collect());
        }

        let of = |process: &str, bytes| (process.to_owned(), Some(bytes));
        let expected: [Vec<_>; 3] = [
            vec![of("nginx", 70)],
            vec![of("caddy", 5), of("nginx", 70)],
            vec![of("caddy", 5), of("nginx", 73)],
        ];
        assert_eq!(seen, expected);
    }

    #[test]
    fn a_closed_socket_with_connections_left_keeps_its_name() {
        let mut series = ListenerSeries::default();
        begin(&mut series, &[reading(1, 70)], Instant::now());
        let closed = ListenerReading { is_open: false, limit: None, accept_queue: 0, ..reading(1, 80) };

        let unknown = |_| Listening { process: None, anonymous_memory: None };
        series.begin(&[closed], unknown, Instant::now());

        let all: Vec<ListenerMetrics> = series.metrics().collect();
        assert_eq!((all.len(), all[0].process.as_str(), all[0].received), (1, "p", Some(80)));
        assert_eq!((all[0].connections, all[0].accept_queue), (2, None));
    }

    #[test]
    fn a_vanished_listener_keeps_its_labels_until_it_ends() {
        let (mut series, start) = (ListenerSeries::default(), Instant::now());
        begin(&mut series, &[reading(1, 70)], start);
        begin(&mut series, &[], start + LINGER / 2);

        let vanished: Vec<ListenerMetrics> = series.metrics().collect();
        begin(&mut series, &[], start + LINGER);

        assert_eq!((vanished[0].process.as_str(), vanished[0].connections), ("p", 0));
        assert_eq!((vanished[0].accept_queue, vanished[0].anonymous_memory), (None, None));
        assert_eq!(series.metrics().count(), 0);
    }

    #[test]
    fn passing_listeners_do_not_displace_those_that_stay() {
        let (mut series, start) = (ListenerSeries::default(), Instant::now());
        for second in 0..100 {
            let passing = (0..20).map(|at| reading(1000 + 20 * second + at, 1));
            let all: Vec<ListenerReading> = [reading(50_000, 1)].into_iter().chain(passing).collect();
            begin(&mut series, &all, start + Duration::from_secs(second.into()));

            assert!(series.known.len() <= MAX_LISTENERS && series.omitted() == 0);
            assert!(all.iter().all(|reading| series.known.contains_key(&(reading.addr, "p".into()))));
        }
    }

    #[test]
    fn more_listeners_than_there_is_room_for_are_counted() {
        let (mut series, start) = (ListenerSeries::default(), Instant::now());
        let all: Vec<ListenerReading> =
            (0..MAX_LISTENERS as u16 + 10).map(|at| reading(1000 + at, 1)).collect();

        begin(&mut series, &all, start);
        begin(&mut series, &all, start + Duration::from_secs(1));

        assert_eq!((series.known.len(), series.omitted()), (MAX_LISTENERS, 10));
    }

    #[test]
    fn connections_are_summed_up_and_the_worst_is_kept() {
        let mut series = ListenerSeries::default();
        begin(&mut series, &[reading(1, 0)], Instant::now());
        let of = |bytes| ConnectionFigures {
            server_send: Some(bytes),
            server_receive: Some(1),
            ..ConnectionFigures::default()
        };
        let waits = |by, seconds| Some(Stall { by, age: Duration::from_secs(seconds) });
        for (bytes, stall) in [(400, waits(Stalled::Client, 42)), (100, waits(Stalled::Both, 3)), (0, None)] {
            series.add(addr(1), &of(bytes), stall);
            series.add(addr(9), &of(bytes), stall);
        }

        let listener = series.metrics().next().unwrap();

        assert_eq!(listener.send_queue, QueueMetrics { total: 500, max: 400 });
        assert_eq!(listener.receive_queue, QueueMetrics { total: 3, max: 1 });
        assert_eq!((listener.stalled_by_client, listener.stalled_by_server), (2, 1));
        assert!((listener.oldest_stall - 42.0).abs() < 1e-9);
    }

    #[test]
    fn listeners_at_one_address_of_several_namespaces_are_one() {
        let mut series = ListenerSeries::default();
        let other = |received| ListenerReading { namespace: 1, ..reading(80, received) };

        begin(&mut series, &[reading(80, 3), other(4)], Instant::now());

        let all: Vec<ListenerMetrics> = series.metrics().collect();
        assert_eq!(all.len(), 1);
        assert_eq!((all[0].connections, all[0].accept_queue_limit, all[0].received), (4, Some(256), Some(7)));
        begin(&mut series, &[other(5)], Instant::now());
        assert_eq!(received(&series), [8], "the first has vanished");
    }
}
