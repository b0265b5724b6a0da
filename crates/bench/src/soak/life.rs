//! A life: what a peer does from coming to going, drawn from its random numbers.

use std::time::Duration;

use rand::RngExt;
use rand::rngs::StdRng;

/// From coming to going.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Life {
    /// What the peer does, one after the other.
    pub(super) acts: Vec<Act>,
    /// How it goes.
    pub(super) end: End,
}

/// Something that a peer does.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Act {
    /// Reads what it is owed, then sends so many frames, each when the one before is back.
    Ping(u32),
    /// Sends and does not read until so many bytes are taken, then stalls, until the time is over.
    Flood { bytes: u64, time: Duration },
    /// Reads and checks all that it is owed.
    CatchUp,
    /// Neither sends nor reads.
    Silence(Duration),
}

/// How a peer goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum End {
    /// Closes its direction, waits, and reads to the end of the stream: every byte must have come back.
    HalfClose,
    /// Reads and checks all that it is owed, and closes.
    Close,
    /// Closes as it is: often in the middle of a frame, and with much unread, which the kernel then answers with a reset.
    Leave,
    /// Resets the connection as it is.
    Reset,
}

impl Life {
    /// The next life. Nothing in it lasts longer than `longest`.
    pub(super) fn draw(random: &mut StdRng, longest: Duration) -> Life {
        // Some come and go without a byte.
        let acts = random.random_range(0..=4);
        Life {
            acts: (0..acts).map(|_| Act::draw(random, longest)).collect(),
            end: ENDS[random.random_range(0..ENDS.len())],
        }
    }
}

impl Act {
    fn draw(random: &mut StdRng, longest: Duration) -> Act {
        match random.random_range(0..6) {
            0 => Act::Ping(random.random_range(1..=20)),
            1 => Act::CatchUp,
            2 => Act::Silence(longest.mul_f64(random.random())),
            // Half of all acts, since it is what servers die of. As many small floods as large ones: a small one stays in the
            // kernel, a large one is more than both kernels take, so that the server has to stop it.
            _ => Act::Flood {
                bytes: random.random_range(SMALLEST_FLOOD.ilog2() as f64..LARGEST_FLOOD.ilog2() as f64).exp2()
                    as u64,
                time: longest.mul_f64(random.random()),
            },
        }
    }
}

const ENDS: [End; 4] = [End::HalfClose, End::Close, End::Leave, End::Reset];

/// Bytes: less than a socket's buffer.
const SMALLEST_FLOOD: u64 = 16 * 1024;

/// Bytes: a thousand such floods that all stay in the kernel take less than what most machines allow to TCP (net.ipv4.tcp_mem,
/// some gigabytes), even if each byte takes two.
const LARGEST_FLOOD: u64 = 1024 * 1024;

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use rand::SeedableRng;

    use super::*;

    #[test]
    fn lives_are_of_all_kinds_and_within_their_bounds() {
        let longest = Duration::from_secs(3);
        let mut random = StdRng::seed_from_u64(1);
        let lives: Vec<_> = (0..1000).map(|_| Life::draw(&mut random, longest)).collect();

        let ends: BTreeSet<_> = lives.iter().map(|life| life.end).collect();
        let acts: Vec<_> = lives.iter().flat_map(|life| &life.acts).collect();

        assert_eq!(ends.len(), ENDS.len());
        assert!(lives.iter().any(|life| life.acts.is_empty()));
        assert!(acts.iter().any(|act| matches!(act, Act::Ping(_))));
        assert!(acts.iter().any(|act| matches!(act, Act::CatchUp)));
        assert!(acts.iter().any(|act| matches!(act, Act::Silence(time) if *time > longest / 2)));
        assert!(acts.iter().any(|act| matches!(act, Act::Flood { bytes, .. } if *bytes > LARGEST_FLOOD / 2)));
        for act in acts {
            if let Act::Flood { bytes, time } = act {
                assert!((SMALLEST_FLOOD..=LARGEST_FLOOD).contains(bytes) && *time <= longest);
            }
        }
    }

    #[test]
    fn the_same_seed_gives_the_same_lives() {
        let [first, again, other] = [3, 3, 4].map(|seed| {
            let mut random = StdRng::seed_from_u64(seed);
            (0..10).map(|_| Life::draw(&mut random, Duration::from_secs(1))).collect::<Vec<_>>()
        });

        assert_eq!(first, again);
        assert_ne!(first, other);
    }
}
