//! What a peer does from connecting to leaving, drawn from its random numbers.

use std::time::Duration;

use rand::RngExt;
use rand::rngs::StdRng;

/// From connecting to leaving.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Life {
    /// What the peer does, one act after another.
    pub(super) acts: Vec<Act>,
    /// How it leaves.
    pub(super) end: End,
}

/// An act of a peer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Act {
    /// Reads what is pending, then sends this many frames, each once the last one is back.
    Ping(u32),
    /// Sends without reading until this many bytes are accepted, then stalls, until the time is over.
    Flood { bytes: u64, time: Duration },
    /// Reads and checks everything that is pending.
    CatchUp,
    /// Neither sends nor reads.
    Silence(Duration),
}

/// How a peer leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum End {
    /// Shuts down its sending side, waits, and reads to the end of the stream: every byte must have come back.
    HalfClose,
    /// Reads and checks everything that is pending, and closes.
    Close,
    /// Closes without more: often in the middle of a frame, and with much unread data, for which the kernel sends a reset.
    Leave,
    /// Resets the connection without more.
    Reset,
}

impl Life {
    /// The next life. No part of it lasts longer than `longest`.
    pub(super) fn draw(random: &mut StdRng, longest: Duration) -> Life {
        // Some connect and leave without a byte.
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
            // Half of all acts, since floods are what crashes servers. As many small floods as large ones: a small one stays in the
            // kernel, a large one exceeds the buffers of both kernels, so that the server has to stop it.
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

/// Bytes: a thousand such floods that all stay in the kernel occupy less than most machines allow for TCP (net.ipv4.tcp_mem,
/// some gigabytes), even if each byte occupies two.
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
