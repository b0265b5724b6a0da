//! The recipe: which bytes frame number *n* of a connection has. The producer and the check both cook from it.
//!
//! ```text
//! lines   A A A A B 7 x k  c o n t e n t … \n
//! u16     LL  A A A A B 7 x k  c o n t e n t …        (u32: LLLL)
//! raw     A A A A B 7 x k  c o n t e n t …
//!         \_ head: marks and number _/  \_ from the pool _/
//! ```
//!
//! The content is taken cyclically from a pool of random text at a place that depends on number and connection. So making
//! and checking a frame cost one copy or one comparison of memory, no random numbers. The pool's length is a prime:
//! servers move bytes in pieces of 4, 16 or 64 KiB, and two pieces that change places are seen, since no such
//! distance is a multiple of it.
//!
//! Frames are handed out in [pieces](Recipe::piece) that lie in one run of memory, so a frame of any size is made and
//! checked without being held anywhere.

use std::ops::RangeInclusive;
use std::sync::Arc;

use echoctl_proto::Framing;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use crate::number::{self, ALPHABET, DIGITS};

/// The frames of one connection, by number.
#[derive(Debug, Clone)]
pub struct Recipe {
    pool: Arc<Pool>,
    framing: Framing,
    min: u64,
    /// How many sizes there are: `max - min + 1`.
    spread: u64,
    /// Seed and connection, mixed.
    salt: u64,
}

impl Recipe {
    /// The recipe of connection number `connection`. Sizes are those on the wire, marks included; they are as
    /// [`Config::check`](crate::Config::check) demands.
    pub fn new(
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
    pub fn frame(&self, number: u64) -> Frame {
        let random = mix(self.salt.wrapping_add(number));
        let size = match self.spread {
            1 => self.min,
            // The high half of the product spreads evenly without a division.
            spread => self.min + ((u128::from(random) * u128::from(spread)) >> 64) as u64,
        };
        let mut head = [0; HEAD];
        let prefix = self.framing.prefix();
        let payload = size - self.framing.overhead() as u64;
        head[..prefix].copy_from_slice(&payload.to_be_bytes()[8 - prefix..]);
        head[prefix..prefix + DIGITS].copy_from_slice(&number::encode(number, self.salt));
        Frame { number, size, offset: (random % Pool::LENGTH as u64) as usize, head }
    }

    /// The bytes of `frame` from position `at` on, as far as they lie in one piece; not empty while `at < frame.size`.
    pub fn piece<'a>(&'a self, frame: &'a Frame, at: u64) -> &'a [u8] {
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

    /// Bytes of marks and number that lead each frame.
    pub(crate) fn head(&self) -> usize {
        self.framing.prefix() + DIGITS
    }

    /// Bytes of marks that end each frame.
    fn tail(&self) -> usize {
        self.framing.overhead() - self.framing.prefix()
    }

    /// The sizes that its frames may have on the wire.
    pub(crate) fn sizes(&self) -> RangeInclusive<u64> {
        self.min..=self.min + (self.spread - 1)
    }

    /// How its frames are marked.
    pub fn framing(&self) -> Framing {
        self.framing
    }

    /// The number in these characters, if they are one of this connection.
    pub(crate) fn number(&self, digits: &[u8; DIGITS]) -> Option<u64> {
        number::decode(digits, self.salt)
    }
}

/// One frame: its number and size, and what else its bytes follow from.
#[derive(Debug, Clone, Copy)]
pub struct Frame {
    /// Counted from 0 on each connection.
    pub number: u64,
    /// Bytes on the wire, marks included.
    pub size: u64,
    /// Where in the pool its content begins.
    offset: usize,
    head: [u8; HEAD],
}

/// Random text that all frames of a run take their content from.
#[derive(Debug)]
pub struct Pool {
    seed: u64,
    /// Twice the same text, so that content that runs past the end of the first goes on in the second, in one piece.
    text: Box<[u8]>,
}

impl Pool {
    /// Bytes until the text repeats: the largest prime below 64 KiB.
    pub const LENGTH: usize = 65_521;

    /// The pool of this seed.
    pub fn new(seed: u64) -> Arc<Pool> {
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

/// Room for the longest prefix and the number.
const HEAD: usize = 4 + DIGITS;

#[cfg(test)]
mod tests {
    use echoctl_proto::FrameDecoder;

    use super::*;

    /// The whole frame, from its pieces.
    fn whole(recipe: &Recipe, number: u64) -> Vec<u8> {
        let frame = recipe.frame(number);
        let mut bytes = Vec::new();
        while (bytes.len() as u64) < frame.size {
            bytes.extend_from_slice(recipe.piece(&frame, bytes.len() as u64));
        }
        bytes
    }

    #[test]
    fn a_frame_is_what_its_framing_says() {
        for framing in [Framing::Lines, Framing::U16, Framing::U32] {
            let recipe = Recipe::new(Pool::new(1), framing, &(64..=4096), 0);
            for number in 0..100 {
                let bytes = whole(&recipe, number);
                let frame = FrameDecoder::new(framing, 4096).decode(&bytes).unwrap().expect("a whole frame");

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
    fn the_same_seed_gives_the_same_frames_and_another_connection_gives_others() {
        let recipe = |seed, connection| Recipe::new(Pool::new(seed), Framing::Raw, &(500..=500), connection);

        assert_eq!(whole(&recipe(7, 0), 12), whole(&recipe(7, 0), 12));
        assert_ne!(whole(&recipe(7, 0), 12)[8..], whole(&recipe(7, 1), 12)[8..]);
        assert_ne!(whole(&recipe(7, 0), 12)[8..], whole(&recipe(8, 0), 12)[8..]);
        assert_ne!(whole(&recipe(7, 0), 12)[8..], whole(&recipe(7, 0), 13)[8..]);
    }

    #[test]
    fn a_frame_longer_than_the_pool_repeats_it() {
        let recipe = Recipe::new(Pool::new(1), Framing::Raw, &(200_000..=200_000), 0);

        let bytes = whole(&recipe, 1);

        assert_eq!(bytes.len(), 200_000);
        assert_eq!(bytes[8..1000], bytes[8 + Pool::LENGTH..1000 + Pool::LENGTH]);
        assert_ne!(bytes[8..1000], bytes[8 + 65_536..1000 + 65_536]);
    }
}
