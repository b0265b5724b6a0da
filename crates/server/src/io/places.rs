//! Which worker, a thread of [`workers`](super::workers) or of a ring, serves a connection: the rules, and what they look at.
//!
//! 1. The **home** of a connection is the worker of the CPU where its packets arrive.
//! 2. It is served at home, unless that worker has more than its share of the connections already ([`SHARE`], [`SLACK`]): clients that
//!    all run on one CPU, or a network card that delivers to one, must not leave the other workers idle.
//! 3. A worker that is busy while another one is idle hands over connections that are active, one at a time, as long as that leaves
//!    each of the two with some ([`Places::balance`]).
//!
//! A connection that has moved stays for a while ([`LATER_LOOKS`]), so that it does not chase a client that moves all the time. One of a
//! ring never moves, since the kernel receives for it all the time. So it is served at home only if no other ring has fewer.

use std::ptr;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicU8, AtomicU32, AtomicUsize};
use std::time::Duration;

use tokio::runtime::Handle;

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
    /// The CPU that its thread is pinned to.
    cpu: Option<usize>,
    /// Connections that it serves.
    connections: AtomicUsize,
    /// Those that have read since the last [balance](Places::balance).
    active: AtomicU32,
    /// Number of that interval, modulo 256.
    interval: AtomicU8,
    /// The worker that the next connection to read here should move to, or [`NOWHERE`].
    relief: AtomicU32,
}

impl Places {
    /// Workers with these runtimes, if they have any, and the CPUs that they are pinned to.
    pub(crate) fn new(workers: impl IntoIterator<Item = (Option<Handle>, Option<usize>)>) -> Places {
        let place = |(runtime, cpu)| Place {
            runtime,
            cpu,
            connections: AtomicUsize::new(0),
            active: AtomicU32::new(0),
            interval: AtomicU8::new(1),
            relief: AtomicU32::new(NOWHERE),
        };
        Places(workers.into_iter().map(place).collect())
    }

    /// The worker at `index`.
    pub(crate) fn at(&self, index: PlaceIndex) -> Option<&Place> {
        self.0.get(usize::from(index))
    }

    /// The worker for a new connection whose packets arrive at `cpu`.
    pub(crate) fn choose(&self, cpu: Option<usize>) -> PlaceIndex {
        let least = (0..self.0.len()).min_by_key(|&i| self.0[i].connections()).unwrap_or_default();
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

    /// Compares how `busy` the workers are (each one's busy time since the last call, of `interval`), and has the busiest one hand
    /// over a connection to the least busy one, if that helps.
    pub(crate) fn balance(&self, busy: &[Duration], interval: Duration) {
        let active: Vec<u32> = self.0.iter().map(Place::next_interval).collect();
        let indices = 0..self.0.len().min(busy.len());
        let (Some(most), Some(least)) =
            (indices.clone().max_by_key(|&i| busy[i]), indices.min_by_key(|&i| busy[i]))
        else {
            return;
        };
        if busy[most] > interval.mul_f64(BUSY)
            && busy[least] < interval.mul_f64(IDLE)
            && active[most] > active[least] + 1
        {
            self.0[most].hand_one_to(least as PlaceIndex);
        }
    }

    /// The time that each worker with a runtime was busy since its start.
    pub(crate) fn busy_times(&self) -> Vec<Duration> {
        self.0
            .iter()
            .filter_map(Place::runtime)
            .map(|runtime| runtime.metrics().worker_total_busy_duration(0))
            .collect()
    }

    fn home(&self, cpu: Option<usize>) -> Option<usize> {
        let cpu = cpu?;
        self.0.iter().position(|place| place.cpu == Some(cpu))
    }
}

impl Place {
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

    /// Has the next connection that reads here move to the worker at `relief`.
    pub(super) fn hand_one_to(&self, relief: PlaceIndex) {
        self.relief.store(u32::from(relief), Relaxed);
    }

    /// Ends an interval. Returns the number of connections that were active in it.
    fn next_interval(&self) -> u32 {
        self.relief.store(NOWHERE, Relaxed);
        // Wraps around. A connection that was last active 256 intervals ago is then not counted once.
        self.interval.fetch_add(1, Relaxed);
        self.active.swap(0, Relaxed)
    }
}

/// When a connection was active, and when to ask next whether it is at its place.
#[derive(Debug)]
pub(crate) struct Stay {
    /// The last interval in which it was active.
    interval: u8,
    /// Reads until it is asked.
    reads_left: u8,
}

impl Default for Stay {
    fn default() -> Stay {
        Stay { interval: 0, reads_left: FIRST_LOOK }
    }
}

impl Stay {
    /// Notes that the connection is about to read at `here`. Returns where it should move first, if it should. `cpu` tells where
    /// its packets arrive.
    pub(crate) fn next(
        &mut self,
        places: &Places,
        here: &Place,
        cpu: impl FnOnce() -> Option<usize>,
    ) -> Option<PlaceIndex> {
        let interval = here.interval.load(Relaxed);
        if self.interval != interval {
            self.interval = interval;
            here.active.fetch_add(1, Relaxed);
        }
        if here.relief.load(Relaxed) != NOWHERE {
            let relief = here.relief.swap(NOWHERE, Relaxed);
            if relief != NOWHERE {
                return Some(relief as PlaceIndex);
            }
        }
        self.reads_left -= 1;
        if self.reads_left > 0 {
            return None;
        }
        let better = places.better(here, cpu());
        self.reads_left = LATER_LOOKS;
        better.map(|place| place as PlaceIndex)
    }
}

/// A worker may have this many times the connections of another one, and some more, before it gets no more by where packets arrive.
const SHARE: usize = 2;
const SLACK: usize = 8;

/// Parts of the time from which a worker counts as busy, and below which as idle.
const BUSY: f64 = 0.9;
const IDLE: f64 = 0.5;

/// Reads until a connection is first asked where its packets arrive, and after which it is asked again. To ask costs a tenth of
/// an echo, and to move as much as some echoes.
const FIRST_LOOK: u8 = 32;
const LATER_LOOKS: u8 = 255;

/// No worker.
const NOWHERE: u32 = u32::MAX;

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// One worker on each of these CPUs, with this number of connections.
    fn places(workers: &[(Option<usize>, usize)]) -> Places {
        let places = Places::new(workers.iter().map(|&(cpu, _)| (None, cpu)));
        for (place, &(_, connections)) in places.0.iter().zip(workers) {
            (0..connections).for_each(|_| place.enter());
        }
        places
    }

    /// Has this many connections read at the worker at `index`. Returns where the last one should move.
    fn read(places: &Places, index: PlaceIndex, connections: usize) -> Option<PlaceIndex> {
        let next = |_, _| Stay::default().next(places, places.at(index).unwrap(), || None);
        (0..connections).fold(None, next)
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
    fn a_connection_is_asked_now_and_then_and_moves_home() {
        let places = places(&[(Some(0), 1), (Some(1), 0)]);
        let (mut stay, mut looks) = (Stay::default(), Vec::new());

        for reads in 1..=1000 {
            let better = stay.next(&places, places.at(0).unwrap(), || {
                looks.push(reads);
                Some(1)
            });
            assert_eq!(better.is_some(), looks.last() == Some(&reads));
        }

        assert_eq!(looks, [32, 32 + 255, 32 + 2 * 255, 32 + 3 * 255]);
    }

    #[test]
    fn a_connection_at_home_or_with_a_crowded_home_stays() {
        let places = places(&[(Some(0), 1), (Some(1), SHARE + SLACK + 1)]);

        assert_eq!(places.better(places.at(0).unwrap(), Some(0)), None, "it is at home");
        assert_eq!(places.better(places.at(0).unwrap(), Some(1)), None, "its home is crowded");
        assert_eq!(places.better(places.at(1).unwrap(), Some(0)), Some(0));
    }

    #[test]
    fn a_busy_worker_hands_one_connection_to_an_idle_one() {
        let places = places(&[(None, 3), (None, 1)]);
        assert_eq!(read(&places, 0, 3), None, "before the first balance");

        places.balance(&[SECOND.mul_f64(0.95), SECOND.mul_f64(0.1)], SECOND);

        assert_eq!(read(&places, 0, 1), Some(1));
        assert_eq!(read(&places, 0, 5), None, "only one");
    }

    #[test]
    fn no_connection_moves_if_that_does_not_help() {
        for (busy, active, why) in [
            ([0.95, 0.6], [5, 1], "the other worker is busy too"),
            ([0.8, 0.1], [5, 1], "it has time left"),
            ([0.95, 0.1], [1, 0], "the other one would be busy instead"),
            ([0.95, 0.1], [3, 2], "the other one would be busy instead"),
        ] {
            let places = places(&[(None, 9), (None, 9)]);
            read(&places, 0, active[0]);
            read(&places, 1, active[1]);

            places.balance(&busy.map(|part| SECOND.mul_f64(part)), SECOND);

            assert_eq!(read(&places, 0, 1), None, "{why}");
        }
    }

    #[test]
    fn no_connection_counts_as_active_twice_in_an_interval() {
        let places = places(&[(None, 1), (None, 0)]);
        let mut stay = Stay::default();

        (0..20).for_each(|_| _ = stay.next(&places, places.at(0).unwrap(), || None));

        assert_eq!(places.0[0].next_interval(), 1);
        stay.next(&places, places.at(0).unwrap(), || None);
        assert_eq!(places.0[0].next_interval(), 1);
        assert_eq!(places.0[0].next_interval(), 0);
    }
}
