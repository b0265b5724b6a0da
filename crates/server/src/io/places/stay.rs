//! How long a connection stays at its place.

use std::sync::atomic::Ordering::Relaxed;

use super::{Place, PlaceIndex, Places};

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
        if let Some(relief) = here.relief.next() {
            return Some(relief);
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

/// Reads until a connection is first asked where its packets arrive, and after which it is asked again. To ask costs a tenth of
/// an echo, and to move as much as some echoes.
const FIRST_LOOK: u8 = 32;
const LATER_LOOKS: u8 = 255;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::places::tests::places;

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
