//! Defines the bytes of frame number *n* of a connection. Both the producer and the checker generate frames from it.
//!
//! ```text
//! lines   A A A A B 7 x k  c o n t e n t … \n
//! u16     LL  A A A A B 7 x k  c o n t e n t …        (u32: LLLL)
//! raw     A A A A B 7 x k  c o n t e n t …
//!         \_ head: framing, number _/   \_ from the pool _/
//! ```
//!
//! The content is taken cyclically from a pool of random text, at an offset that depends on number and connection. So
//! generating or checking a frame costs one copy or comparison of memory, and no random numbers. The length of the
//! pool is a prime: servers move bytes in pieces of 4, 16 or 64 KiB, and since no such distance is a multiple of it,
//! two swapped pieces are detected.
//!
//! Frames are generated in [pieces](Recipe::piece) of contiguous memory, so a frame of any size is sent and checked
//! without being stored.

use std::ops::RangeInclusive;
use std::sync::Arc;

use echoctl_proto::Framing;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::number::{self, ALPHABET, DIGITS};

/// The frames of one connection, by number.
#[derive(Debug, Clone)]
pub(crate) struct Recipe {
    pool: Arc<Pool>,
    framing: Framing,
    min: u64,
    /// Number of possible sizes: `max - min + 1`.
    spread: u64,
    /// Hash of seed and connection.
    salt: u64,
}

impl Recipe {
    /// The recipe of connection number `connection`. `sizes` are sizes on the wire, framing overhead included, within
    /// the bounds of [`Config::check`](crate::Config::check).
    pub(crate) fn new(
        pool: Arc<Pool>,
        framing: Framing,
        sizes: &RangeInclusive<usize>,
        connection: usize,
    ) -> Recipe {
        let min = *sizes.start() as u64;
        let spread = *sizes.end() as u64 - min + 1;
        let salt = mix(pool.seed ^ (connection as u64) << 32);
        Recipe { pool, framing, min, spread, salt }
    }

    /// Frame number `number`.
    pub(crate) fn frame(&self, number: u64) -> Frame {
        let random = mix(self.salt.wrapping_add(number));
        let size = match self.spread {
            1 => self.min,
            // The high half of the product is uniformly distributed, without a division.
            spread => self.min + ((u128::from(random) * u128::from(spread)) >> 64) as u64,
        };
        let mut head = [0; MAX_HEAD];
        let prefix = self.framing.prefix();
        let payload = size - self.framing.overhead() as u64;
        head[..prefix].copy_from_slice(&payload.to_be_bytes()[8 - prefix..]);
        head[prefix..prefix + DIGITS].copy_from_slice(&number::encode(number, self.salt));
        Frame { number, size, offset: (random % Pool::LENGTH as u64) as usize, head }
    }

    /// The contiguous bytes of `frame` from offset `at` on; not empty while `at < frame.size`.
    pub(crate) fn piece<'a>(&'a self, frame: &'a Frame, at: u64) -> &'a [u8] {
        let head = self.head();
        let content_end = frame.size - self.tail() as u64;
        if at < head as u64 {
            &frame.head[at as usize..head]
        } else if at < content_end {
            let start = match frame.offset + (at as usize - head) {
                start if start < Pool::LENGTH => start,
                start => start % Pool::LENGTH,
            };
            let length = (content_end - at).min((self.pool.text.len() - start) as u64) as usize;
            &self.pool.text[start..start + length]
        } else if at < frame.size {
            b"\n"
        } else {
            &[]
        }
    }

    /// Length of the prefix and the number of each frame.
    pub(crate) fn head(&self) -> usize {
        self.framing.prefix() + DIGITS
    }

    /// Length of the delimiter at the end of each frame.
    fn tail(&self) -> usize {
        self.framing.overhead() - self.framing.prefix()
    }

    /// The possible frame sizes on the wire.
    pub(crate) fn sizes(&self) -> RangeInclusive<u64> {
        self.min..=self.min + (self.spread - 1)
    }

    /// The framing.
    pub(crate) fn framing(&self) -> Framing {
        self.framing
    }

    /// Decodes a frame number; `None` if it is invalid on this connection.
    pub(crate) fn number(&self, digits: &[u8; DIGITS]) -> Option<u64> {
        number::decode(digits, self.salt)
    }
}

/// One frame: its number and size, and what its bytes are derived from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Frame {
    /// Number of the frame, from 0 on each connection.
    pub(crate) number: u64,
    /// Bytes on the wire, framing overhead included.
    pub(crate) size: u64,
    /// Offset of its content in the pool.
    offset: usize,
    head: [u8; MAX_HEAD],
}

/// Random text, the source of the content of all frames of a run.
#[derive(Debug)]
pub(crate) struct Pool {
    seed: u64,
    /// The text twice, so that content that exceeds the first copy continues in the second, in one piece.
    text: Box<[u8]>,
}

impl Pool {
    /// Bytes until the text repeats: the largest prime below 64 KiB.
    pub(crate) const LENGTH: usize = 65_521;

    /// The pool of this seed.
    pub(crate) fn new(seed: u64) -> Arc<Pool> {
        let mut text = vec![0; 2 * Self::LENGTH];
        StdRng::seed_from_u64(seed).fill_bytes(&mut text[..Self::LENGTH]);
        for byte in &mut text[..Self::LENGTH] {
            *byte = ALPHABET[usize::from(*byte & 63)];
        }
        text.copy_within(..Self::LENGTH, Self::LENGTH);
        Arc::new(Pool { seed, text: text.into() })
    }
}

/// Spreads neighbouring numbers over all 64 bits: the finaliser of SplitMix64.
fn mix(number: u64) -> u64 {
    let mut mixed = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ mixed >> 31
}

/// Maximum length of a head: a prefix and the number.
pub(crate) const MAX_HEAD: usize = 4 + DIGITS;

#[cfg(test)]
mod tests {
    use echoctl_proto::FrameDecoder;

    use super::*;

    /// All bytes of the frame, from its pieces.
    fn frame_bytes(recipe: &Recipe, number: u64) -> Vec<u8> {
        let frame = recipe.frame(number);
        let mut bytes = Vec::new();
        while (bytes.len() as u64) < frame.size {
            bytes.extend_from_slice(recipe.piece(&frame, bytes.len() as u64));
        }
        bytes
    }

    #[test]
    fn frames_are_valid_in_each_framing() {
        for framing in [Framing::Lines, Framing::U16, Framing::U32] {
            let recipe = Recipe::new(Pool::new(1), framing, &(64..=4096), 0);
            for number in 0..100 {
                let bytes = frame_bytes(&recipe, number);
                let frame =
                    FrameDecoder::new(framing, 4096).decode(&bytes).unwrap().expect("a complete frame");

                assert_eq!(frame.bytes.len(), bytes.len(), "{framing} {number}");
                assert_eq!(recipe.number(frame.payload.first_chunk().unwrap()), Some(number));
                assert!(!frame.payload.contains(&b'\n'));
            }
        }
    }

    #[test]
    fn random_sizes_cover_their_range() {
        let recipe = Recipe::new(Pool::new(3), Framing::U16, &(20..=23), 0);

        let mut seen = [0; 4];
        for number in 0..1000 {
            seen[recipe.frame(number).size as usize - 20] += 1;
        }

        assert!(seen.iter().all(|&count| count > 150), "{seen:?}");
    }

    #[test]
    fn frames_depend_on_seed_and_connection_only() {
        let recipe = |seed, connection| Recipe::new(Pool::new(seed), Framing::Raw, &(500..=500), connection);

        assert_eq!(frame_bytes(&recipe(7, 0), 12), frame_bytes(&recipe(7, 0), 12));
        assert_ne!(frame_bytes(&recipe(7, 0), 12)[8..], frame_bytes(&recipe(7, 1), 12)[8..]);
        assert_ne!(frame_bytes(&recipe(7, 0), 12)[8..], frame_bytes(&recipe(8, 0), 12)[8..]);
        assert_ne!(frame_bytes(&recipe(7, 0), 12)[8..], frame_bytes(&recipe(7, 0), 13)[8..]);
    }

    #[test]
    fn a_frame_longer_than_the_pool_repeats_it() {
        let recipe = Recipe::new(Pool::new(1), Framing::Raw, &(200_000..=200_000), 0);

        let bytes = frame_bytes(&recipe, 1);

        assert_eq!(bytes.len(), 200_000);
        assert_eq!(bytes[8..1000], bytes[8 + Pool::LENGTH..1000 + Pool::LENGTH]);
        assert_ne!(bytes[8..1000], bytes[8 + 65_536..1000 + 65_536]);
    }
}
