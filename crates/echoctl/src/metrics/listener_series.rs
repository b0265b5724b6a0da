//! What is remembered of each listener from one sample to the next.
//!
//! Series are bounded: there are at most [`MAX_LISTENERS`] listeners. One that has vanished is kept for [`LINGER`], so that a server
//! that restarts continues its counters, and ends after that, or when its place is needed.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use echoctl_observe::{ListenerReading, Moved};
use echoctl_record::{ConnectionFigures, Diagnosis, ListenerMetrics, QueueMetrics, Stalled};

use super::processes::Listening;

/// All listeners that have series.
#[derive(Debug, Default)]
pub(super) struct ListenerSeries {
    known: BTreeMap<SocketAddr, Known>,
    omitted: u64,
}

/// A listener.
#[derive(Debug)]
struct Known {
    seen: Instant,
    /// Their names; of one that has vanished, the last ones.
    process: String,
    /// The values of this sample, without the counters.
    gauges: ListenerMetrics,
    /// What its connections had moved when it last vanished.
    before: Moved,
    /// What they have moved since then; `None` if that is not visible.
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
        for known in self.known.values_mut() {
            known.gauges = ListenerMetrics::default();
        }
        let mut by_addr: BTreeMap<SocketAddr, ListenerReading> = BTreeMap::new();
        for reading in readings {
            by_addr.entry(reading.addr).and_modify(|sum| add(sum, reading)).or_insert(*reading);
        }
        self.omitted = 0;
        // The known ones first: then those that have vanished are known, too.
        let (known, new): (Vec<_>, Vec<_>) =
            by_addr.into_iter().partition(|(addr, _)| self.known.contains_key(addr));
        for (addr, reading) in known.into_iter().chain(new) {
            if !self.known.contains_key(&addr) && !self.has_room(now) {
                self.omitted += 1;
                continue;
            }
            self.known.entry(addr).or_insert_with(|| Known::new(now)).read(&reading, listening(addr), now);
        }
    }

    /// Whether there is room for another listener, perhaps in place of the one that vanished first.
    fn has_room(&mut self, now: Instant) -> bool {
        if self.known.len() < MAX_LISTENERS {
            return true;
        }
        let vanished = self.known.iter().filter(|(_, known)| known.seen < now);
        let first = vanished.min_by_key(|(_, known)| known.seen).map(|(addr, _)| *addr);
        first.is_some_and(|addr| self.known.remove(&addr).is_some())
    }

    /// Adds a connection.
    pub(super) fn add(&mut self, listener: SocketAddr, figures: &ConnectionFigures, diagnosis: &Diagnosis) {
        let Some(Known { gauges, .. }) = self.known.get_mut(&listener) else { return };
        add_queue(&mut gauges.send_queue, figures.server_send);
        add_queue(&mut gauges.receive_queue, figures.server_receive);
        let Some(stalled) = diagnosis.cause.stalled_by() else { return };
        gauges.stalled_by_client += u64::from(matches!(stalled, Stalled::Client | Stalled::Both));
        gauges.stalled_by_server += u64::from(matches!(stalled, Stalled::Server | Stalled::Both));
        gauges.oldest_stall = gauges.oldest_stall.max(diagnosis.seconds.unwrap_or(0.0));
    }

    /// The metrics of this sample.
    pub(super) fn metrics(&self) -> impl Iterator<Item = ListenerMetrics> {
        self.known.iter().map(|(addr, known)| {
            let total = known.total();
            ListenerMetrics {
                listen: addr.to_string(),
                process: known.process.clone(),
                rwnd_limited: total.map(|total| total.rwnd_limited.as_secs_f64()),
                sent: total.map(|total| total.sent),
                received: total.map(|total| total.received),
                ..known.gauges.clone()
            }
        })
    }

    /// Number of listeners in this sample that have no series.
    pub(super) fn omitted(&self) -> u64 {
        self.omitted
    }
}

impl Known {
    fn new(now: Instant) -> Known {
        Known {
            seen: now,
            process: String::new(),
            gauges: ListenerMetrics::default(),
            before: Moved::default(),
            moved: None,
        }
    }

    fn read(&mut self, reading: &ListenerReading, listening: Listening, now: Instant) {
        self.seen = now;
        self.process = listening.process;
        self.gauges.anonymous_memory = listening.anonymous_memory;
        self.gauges.connections = reading.connections.into();
        self.gauges.accept_queue = Some(reading.accept_queue.into());
        self.gauges.accept_queue_limit = reading.limit.map(u64::from);
        let Some(moved) = reading.moved else { return };
        let last = self.moved.unwrap_or_default();
        // The tracker has forgotten it meanwhile, and counts from 0.
        if moved.received < last.received || moved.sent < last.sent || moved.rwnd_limited < last.rwnd_limited
        {
            self.before = plus(self.before, last);
        }
        self.moved = Some(moved);
    }

    /// What its connections have moved. It never falls.
    fn total(&self) -> Option<Moved> {
        Some(plus(self.before, self.moved?))
    }
}

/// Adds one that listens at the same address elsewhere.
fn add(sum: &mut ListenerReading, other: &ListenerReading) {
    sum.connections += other.connections;
    sum.accept_queue += other.accept_queue;
    sum.limit = sum.limit.zip(other.limit).map(|(limit, other)| limit + other);
    sum.moved = sum.moved.zip(other.moved).map(|(moved, other)| plus(moved, other));
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
    use echoctl_record::ConnectionCause;

    use super::*;

    fn addr(port: u16) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], port))
    }

    fn reading(port: u16, received: u64) -> ListenerReading {
        ListenerReading {
            addr: addr(port),
            inode: 1,
            connections: 2,
            accept_queue: 1,
            limit: Some(128),
            syns_waiting: 0,
            moved: Some(Moved { received, ..Moved::default() }),
        }
    }

    fn begin(series: &mut ListenerSeries, readings: &[ListenerReading], now: Instant) {
        let listening = |_| Listening { process: "p".to_owned(), anonymous_memory: Some(1) };
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
            assert!(all.iter().all(|reading| series.known.contains_key(&reading.addr)));
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
        let waits = |cause, seconds| Diagnosis { cause, seconds, ..Diagnosis::default() };
        for (bytes, diagnosis) in [
            (400, waits(ConnectionCause::ClientDoesNotRead, Some(42.0))),
            (100, waits(ConnectionCause::BothWait, Some(3.0))),
            (0, waits(ConnectionCause::Idle, Some(1000.0))),
        ] {
            series.add(addr(1), &of(bytes), &diagnosis);
            series.add(addr(9), &of(bytes), &diagnosis);
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

        begin(&mut series, &[reading(80, 3), reading(80, 4)], Instant::now());

        let all: Vec<ListenerMetrics> = series.metrics().collect();
        assert_eq!(all.len(), 1);
        assert_eq!((all[0].connections, all[0].accept_queue_limit, all[0].received), (4, Some(256), Some(7)));
    }
}
