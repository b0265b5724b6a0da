//! Which worker is to hand over connections to which other one, by what the kernel says of their threads in an interval.
//!
//! | a worker | and another one | moves |
//! |---|---|---|
//! | waits for its CPU ([`WAITS`]), which something else uses, maybe the clients | runs less than half of the time, and does not wait | as many as the other one has time for |
//! | runs nearly all the time ([`BUSY`]) | runs less than half of it ([`IDLE`]) | half of the difference |
//!
//! The CPU of the first kind is **crowded**: for some time nothing is served there by where packets arrive. Otherwise the connections
//! would all come back, since their clients are still there. After that it is tried again, and the time is doubled if it is crowded
//! again.

use std::iter;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::crowd::Crowd;
use super::{PlaceIndex, Places};
use crate::sys::schedule::ThreadTimes;

/// Compares the workers once per interval.
pub(crate) struct Balance {
    places: Arc<Places>,
    crowds: Box<[Crowd]>,
    /// At the last comparison.
    before: Vec<ThreadTimes>,
    compared: Instant,
}

impl Balance {
    /// How often to compare: connections may move each time, and what one needs to catch up again takes milliseconds.
    pub(crate) const INTERVAL: Duration = Duration::from_millis(100);

    /// Begins an interval. `None` if there are not several workers that can hand over connections.
    pub(crate) fn of(places: Arc<Places>) -> Option<Balance> {
        let before = places.times();
        let crowds = before.iter().map(|_| Crowd::default()).collect();
        (before.len() > 1).then(|| Balance { places, crowds, before, compared: Instant::now() })
    }

    /// Compares the workers, has one hand over connections if that helps, and begins the next interval.
    pub(crate) fn compare(&mut self) {
        let (now, at) = (self.places.times(), Instant::now());
        let interval = at - self.compared;
        let loads: Vec<Load> = iter::zip(&now, &self.before)
            .zip(self.places.next_interval())
            .map(|((now, before), active)| Load::in_interval(now, before, interval, active))
            .collect();
        (self.before, self.compared) = (now, at);
        self.relieve(&loads);
    }

    fn relieve(&mut self, loads: &[Load]) {
        self.crowds.iter_mut().for_each(Crowd::pass);
        let by_demand = |&a: &usize, &b: &usize| loads[a].demand().total_cmp(&loads[b].demand());
        let (Some(from), Some(to)) = ((0..loads.len()).max_by(by_demand), (0..loads.len()).min_by(by_demand))
        else {
            return;
        };
        let (connections, is_crowded) = match &loads[from] {
            load if load.waited >= WAITS => (load.that_fit(&loads[to]), true),
            load if load.ran >= BUSY && !self.crowds[to].lasts() => {
                (load.half_of_difference(&loads[to]), false)
            }
            _ => (0, false),
        };
        if connections > 0 {
            self.places.0[from].hand_over(connections, to as PlaceIndex);
            if is_crowded {
                self.crowds[from].begin();
                self.crowds[to].end();
            }
        }
        for (place, crowd) in iter::zip(&self.places.0, &self.crowds) {
            place.set_crowded(crowd.lasts());
        }
    }
}

/// A worker in an interval. Times are parts of it.
struct Load {
    ran: f64,
    waited: f64,
    /// Connections that have read.
    active: u32,
}

impl Load {
    fn in_interval(now: &ThreadTimes, before: &ThreadTimes, interval: Duration, active: u32) -> Load {
        let part = |now: Duration, before| now.saturating_sub(before).as_secs_f64() / interval.as_secs_f64();
        Load { ran: part(now.ran, before.ran), waited: part(now.waited, before.waited), active }
    }

    /// The time that it could have used.
    fn demand(&self) -> f64 {
        self.ran + self.waited
    }

    /// How many of its connections `other` has time for, if its CPU is free.
    fn that_fit(&self, other: &Load) -> u16 {
        let has_time = other.waited < WAITS / 2.0 && other.demand() < IDLE;
        if has_time { self.connections(BUSY - other.demand()) } else { 0 }
    }

    /// How many connections make both equal, if `other` has much time.
    fn half_of_difference(&self, other: &Load) -> u16 {
        let has_time = other.demand() < IDLE;
        if has_time { self.connections((self.ran - other.demand()) / 2.0) } else { 0 }
    }

    /// How many of its connections take `time`. One remains: for it, another worker would be no better.
    fn connections(&self, time: f64) -> u16 {
        let each = self.ran / f64::from(self.active.max(1));
        // Saturates: a negative number becomes 0.
        ((time / each) as u32).min(self.active.saturating_sub(1)).min(u16::MAX.into()) as u16
    }
}

/// Parts of an interval from which a worker counts as waiting for its CPU, from which it counts as busy, and below which as idle.
const WAITS: f64 = 0.2;
const BUSY: f64 = 0.9;
const IDLE: f64 = 0.5;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::places::{Place, Stay};

    const SECOND: Duration = Duration::from_secs(1);

    /// Two workers without runtimes.
    fn balance() -> Balance {
        let places = Arc::new(Places::new([Place::ring(Some(0)), Place::ring(Some(1))]));
        Balance {
            places,
            crowds: [Crowd::default(), Crowd::default()].into(),
            before: Vec::new(),
            compared: Instant::now(),
        }
    }

    /// A worker that ran and waited for these parts of the time, and has this number of active connections.
    fn load(ran: f64, waited: f64, active: u32) -> Load {
        Load { ran, waited, active }
    }

    impl Balance {
        /// How many connections move from one worker to the other one if many read there.
        fn moved(&self, from: PlaceIndex, to: PlaceIndex) -> usize {
            let next = || Stay::default().next(&self.places, self.places.at(from).unwrap(), || None);
            (0..1000).filter(|_| next() == Some(to)).count()
        }

        fn is_home(&self, cpu: usize) -> bool {
            self.places.choose(Some(cpu)) as usize == cpu
        }
    }

    #[test]
    fn times_of_an_interval_become_parts_of_it() {
        let at = |ran, waited| ThreadTimes { ran: SECOND * ran, waited: SECOND * waited };

        let load = Load::in_interval(&at(12, 21), &at(10, 20), SECOND * 4, 3);

        assert_eq!((load.ran, load.waited, load.demand(), load.active), (0.5, 0.25, 0.75, 3));
    }

    #[test]
    fn a_worker_hands_over_what_helps() {
        for (from, to, moved, why) in [
            (
                load(0.3, 0.4, 30),
                load(0.3, 0.0, 10),
                29,
                "clients use its CPU, and the other one has time for all",
            ),
            (load(0.8, 0.2, 40), load(0.39, 0.0, 10), 25, "the other one has time for these"),
            (load(0.4, 0.4, 40), load(0.4, 0.3, 40), 0, "both wait"),
            (load(0.3, 0.1, 30), load(0.1, 0.0, 10), 0, "it hardly waits"),
            (load(0.1, 0.5, 1), load(0.0, 0.0, 0), 0, "one connection and its client take turns"),
            (load(1.0, 0.0, 10), load(0.2, 0.0, 2), 4, "it has too many"),
            (load(1.0, 0.0, 10), load(0.6, 0.0, 6), 0, "the other one is busy, too"),
            (load(0.8, 0.0, 10), load(0.1, 0.0, 1), 0, "it has time left"),
            (load(1.0, 0.0, 1), load(0.0, 0.0, 0), 0, "it has only one"),
        ] {
            let mut balance = balance();

            balance.relieve(&[from, to]);

            assert_eq!(balance.moved(0, 1), moved, "{why}");
            assert_eq!(balance.moved(1, 0), 0, "{why}");
        }
    }

    #[test]
    fn nothing_moves_to_a_crowded_cpu_until_it_is_tried_again() {
        let mut balance = balance();
        assert!(balance.is_home(0));

        balance.relieve(&[load(0.3, 0.4, 30), load(0.3, 0.0, 10)]);

        assert!(!balance.is_home(0), "it is crowded");
        balance.relieve(&[load(0.0, 0.0, 0), load(1.0, 0.0, 40)]);
        assert_eq!(balance.moved(1, 0), 0, "nor does the other one hand over");
        while !balance.is_home(0) {
            balance.relieve(&[load(0.0, 0.0, 0), load(0.5, 0.0, 40)]);
        }
        balance.relieve(&[load(0.0, 0.0, 0), load(1.0, 0.0, 40)]);
        assert_eq!(balance.moved(1, 0), 20);
    }

    #[test]
    fn a_crowded_cpu_is_not_when_another_one_is() {
        let mut balance = balance();
        balance.relieve(&[load(0.3, 0.4, 30), load(0.3, 0.0, 10)]);

        // The clients have moved.
        balance.relieve(&[load(0.0, 0.0, 0), load(0.3, 0.4, 40)]);

        assert_eq!(balance.moved(1, 0), 39);
        assert!(balance.is_home(0) && !balance.is_home(1));
    }
}
