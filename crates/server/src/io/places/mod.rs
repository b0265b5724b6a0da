//! Which worker, a thread of [`workers`](super::workers) or of a ring, serves a connection: the rules, and what they look at.
//!
//! 1. The **home** of a connection is the worker of the CPU where its packets arrive.
//! 2. It is served at home, unless that worker has more than its share of the connections already ([`SHARE`], [`SLACK`]): clients that
//!    all run on one CPU, or a network card that delivers to one, must not leave the other workers idle.
//! 3. A worker that has too much to do, or whose CPU something else uses, hands over connections to one that has time ([`balance`]).
//!
//! A connection that has moved stays for a while ([`LATER_LOOKS`]), so that it does not chase a client that moves all the time. One of a
//! ring never moves, since the kernel receives for it all the time. So it is served at home only if no other ring has fewer.

mod balance;
mod crowd;
mod relief;
mod stay;

use std::ptr;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicUsize};

use tokio::runtime::Handle;

pub(crate) use self::balance::Balance;
use self::relief::Relief;
pub(crate) use self::stay::Stay;
use crate::sys::schedule::{ThreadSchedule, ThreadTimes};

/// All workers of a server. None in the I/O models that have none.
#[derive(Debug, Default)]
pub(crate) struct Places(Box<[Place]>);

/// Number of a worker among the [`Places`].
pub(crate) type PlaceIndex = u16;

/// The number of none.
pub(crate) const NO_PLACE: PlaceIndex = PlaceIndex::MAX;

/// One worker, as the rules see it.
#[derive(Debug)]
#[repr(align(64))]
pub(crate) struct Place {
    /// `None` for a ring.
    runtime: Option<Handle>,
    /// `None` where it is not visible.
    schedule: Option<ThreadSchedule>,
    /// The CPU that its thread is pinned to.
    cpu: Option<usize>,
    /// Connections that it serves.
    connections: AtomicUsize,
    /// Those that have read since the last [comparison](Balance::compare).
    active: AtomicU32,
    /// Number of that interval, modulo 256.
    interval: AtomicU8,
    /// What it should hand over.
    relief: Relief,
    /// Whether something else uses its CPU ([`balance`]).
    is_crowded: AtomicBool,
}

impl Places {
    /// These workers, in the order of their numbers.
    pub(crate) fn new(places: impl IntoIterator<Item = Place>) -> Places {
        Places(places.into_iter().collect())
    }

    /// The worker at `index`.
    pub(crate) fn at(&self, index: PlaceIndex) -> Option<&Place> {
        self.0.get(usize::from(index))
    }

    /// The worker for a new connection whose packets arrive at `cpu`.
    pub(crate) fn choose(&self, cpu: Option<usize>) -> PlaceIndex {
        let least = (0..self.0.len()).min_by_key(|&i| (self.0[i].is_crowded(), self.0[i].connections()));
        let least = least.unwrap_or_default();
        let home = self.home(cpu).filter(|&home| self.0[home].has_room(&self.0[least]));
        home.unwrap_or(least) as PlaceIndex
    }

    /// The worker for a new connection that never moves: one that has fewest, and the home if that is such a one.
    #[cfg(target_os = "linux")]
    pub(crate) fn choose_for_good(&self, cpu: Option<usize>) -> PlaceIndex {
        let home = self.home(cpu);
        let least = (0..self.0.len()).min_by_key(|&i| (self.0[i].connections(), Some(i) != home));
        least.unwrap_or_default() as PlaceIndex
    }

    /// The worker to which the connection at `here` should move, whose packets arrive at `cpu`.
    fn better(&self, here: &Place, cpu: Option<usize>) -> Option<usize> {
        self.home(cpu).filter(|&home| !ptr::eq(&raw const self.0[home], here) && self.0[home].has_room(here))
    }

    /// The times of each worker with a runtime since its start.
    fn times(&self) -> Vec<ThreadTimes> {
        self.0.iter().filter_map(Place::times).collect()
    }

    /// Ends an interval. Returns the number of connections of each worker that were active in it.
    fn next_interval(&self) -> impl Iterator<Item = u32> {
        self.0.iter().map(Place::next_interval)
    }

    fn home(&self, cpu: Option<usize>) -> Option<usize> {
        let cpu = cpu?;
        self.0.iter().position(|place| place.cpu == Some(cpu) && !place.is_crowded())
    }
}

impl Place {
    /// A ring whose thread is pinned to this CPU.
    pub(crate) fn ring(cpu: Option<usize>) -> Place {
        Place {
            runtime: None,
            schedule: None,
            cpu,
            connections: AtomicUsize::new(0),
            active: AtomicU32::new(0),
            interval: AtomicU8::new(1),
            relief: Relief::default(),
            is_crowded: AtomicBool::new(false),
        }
    }

    /// A worker with this runtime, whose thread is pinned to this CPU.
    pub(crate) fn worker(runtime: Handle, schedule: Option<ThreadSchedule>, cpu: Option<usize>) -> Place {
        Place { runtime: Some(runtime), schedule, ..Place::ring(cpu) }
    }

    /// Runs tasks of the connections at this place.
    pub(crate) fn runtime(&self) -> Option<&Handle> {
        self.runtime.as_ref()
    }

    /// Counts a connection that comes.
    pub(crate) fn enter(&self) {
        self.connections.fetch_add(1, Relaxed);
    }

    /// Counts a connection that leaves.
    pub(crate) fn leave(&self) {
        self.connections.fetch_sub(1, Relaxed);
    }

    /// Whether it serves a single connection.
    pub(crate) fn has_one_connection(&self) -> bool {
        self.connections() == 1
    }

    /// Whether it has no more than its share of the connections, compared with another one.
    fn has_room(&self, other: &Place) -> bool {
        self.connections() <= SHARE * other.connections() + SLACK
    }

    pub(super) fn connections(&self) -> usize {
        self.connections.load(Relaxed)
    }

    /// Has the next connections that read here move to the worker at `to`.
    pub(super) fn hand_over(&self, connections: u16, to: PlaceIndex) {
        self.relief.order(connections, to);
    }

    fn is_crowded(&self) -> bool {
        self.is_crowded.load(Relaxed)
    }

    fn set_crowded(&self, is_crowded: bool) {
        self.is_crowded.store(is_crowded, Relaxed);
    }

    /// The times of its thread since its start.
    fn times(&self) -> Option<ThreadTimes> {
        let runtime = self.runtime.as_ref()?;
        let busy =
            || ThreadTimes { ran: runtime.metrics().worker_total_busy_duration(0), ..ThreadTimes::default() };
        Some(self.schedule.as_ref().and_then(ThreadSchedule::times).unwrap_or_else(busy))
    }

    /// Ends an interval. Returns the number of connections that were active in it.
    fn next_interval(&self) -> u32 {
        self.relief.cancel();
        // Wraps around. A connection that was last active 256 intervals ago is then not counted once.
        self.interval.fetch_add(1, Relaxed);
        self.active.swap(0, Relaxed)
    }
}

/// A worker may have this many times the connections of another one, and some more, before it gets no more by where packets arrive.
const SHARE: usize = 2;
const SLACK: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    /// One worker on each of these CPUs, with this number of connections.
    pub(super) fn places(workers: &[(Option<usize>, usize)]) -> Places {
        let places = Places::new(workers.iter().map(|&(cpu, _)| Place::ring(cpu)));
        for (place, &(_, connections)) in places.0.iter().zip(workers) {
            (0..connections).for_each(|_| place.enter());
        }
        places
    }

    #[test]
    fn a_connection_is_served_where_its_packets_arrive() {
        let places = places(&[(Some(3), 0), (Some(5), 0)]);

        assert_eq!([3, 5].map(|cpu| places.choose(Some(cpu))), [0, 1]);
    }

    #[test]
    fn without_a_home_the_worker_with_fewest_connections_serves() {
        for (cpus, arriving) in
            [([None, None], Some(1)), ([Some(0), Some(1)], None), ([Some(0), Some(1)], Some(7))]
        {
            let places = places(&[(cpus[0], 2), (cpus[1], 1)]);

            assert_eq!(places.choose(arriving), 1, "{cpus:?}, {arriving:?}");
        }
    }

    #[test]
    fn one_cpu_for_all_packets_leaves_no_worker_idle() {
        let places = places(&[(Some(0), 0), (Some(1), 0)]);

        for _ in 0..1000 {
            places.at(places.choose(Some(0))).unwrap().enter();
        }

        let connections: Vec<usize> = places.0.iter().map(Place::connections).collect();
        assert!(connections[0] > connections[1], "{connections:?}");
        assert!(connections[0] <= SHARE * connections[1] + SLACK + 1, "{connections:?}");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn connections_that_never_move_are_divided_equally() {
        let places = places(&[(Some(0), 0), (Some(1), 0)]);

        let chosen = [1, 1, 1, 0, 1].map(|cpu| {
            let place = places.choose_for_good(Some(cpu));
            places.at(place).unwrap().enter();
            place
        });

        assert_eq!(chosen, [1, 0, 1, 0, 1]);
    }

    #[test]
    fn a_connection_at_home_or_whose_home_has_no_room_stays() {
        let places = places(&[(Some(0), 1), (Some(1), SHARE + SLACK + 1)]);

        assert_eq!(places.better(places.at(0).unwrap(), Some(0)), None, "it is at home");
        assert_eq!(places.better(places.at(0).unwrap(), Some(1)), None, "its home has no room");
        assert_eq!(places.better(places.at(1).unwrap(), Some(0)), Some(0));
    }
}
