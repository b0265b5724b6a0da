//! Checks the parser of a server's replies with any bytes.
//!
//! For the fuzz target, which builds this crate with `--cfg fuzzing`, and for the tests; other builds do not contain it.

use std::ops::RangeInclusive;
use std::sync::{Arc, OnceLock};

use echoctl_proto::Framing;

use crate::Totals;
use crate::checker::Checker;
use crate::payload::{Pool, Recipe};

/// Checks `input` as replies with every framing: each byte is counted once, and pieces of any size give the same result.
pub fn check_replies(input: &[u8]) {
    static POOL: OnceLock<Arc<Pool>> = OnceLock::new();
    let pool = POOL.get_or_init(|| Pool::new(SEED));
    for framing in Framing::ALL {
        let recipe = Recipe::new(pool.clone(), framing, &SIZES, 0);
        let tally = |piece: usize| -> Totals {
            let mut checker = Checker::new(recipe.clone());
            input.chunks(piece).for_each(|piece| checker.feed(piece, STARTED));
            checker.finish(STARTED);
            checker.tally()
        };
        let whole = tally(usize::MAX);
        assert_eq!((whole.consumed, whole.lost <= STARTED), (input.len() as u64, true), "{framing}");
        assert!(whole.verified <= whole.consumed, "{framing}");
        for piece in [1, 7] {
            assert_eq!(tally(piece), whole, "{framing} in pieces of {piece}");
        }
    }
}

/// The payload of the frames in the seeds.
const SEED: u64 = 9;

/// Small frames, so that an input has several.
const SIZES: RangeInclusive<usize> = 64..=100;

/// Number of frames that were sent.
const STARTED: u64 = 8;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::payload::FrameStream;

    /// What a correct echo returns: the seed of the fuzz target.
    fn echoed(framing: Framing) -> Vec<u8> {
        let recipe = Recipe::new(Pool::new(SEED), framing, &SIZES, 0);
        let mut bytes = vec![0; 400];
        FrameStream::new(&recipe).fill(&recipe, &mut bytes);
        bytes
    }

    #[test]
    fn damaged_replies_are_counted() {
        for framing in Framing::ALL {
            let seed = echoed(framing);
            (0..seed.len()).for_each(|end| check_replies(&seed[..end]));
            for at in 0..seed.len() {
                let mut damaged = seed.clone();
                damaged[at] ^= 0x21;
                check_replies(&damaged);
            }
        }
    }

    #[test]
    fn the_seeds_are_what_a_correct_echo_returns() {
        let folder = format!("{}/../../fuzz/seeds/flood_replies", env!("CARGO_MANIFEST_DIR"));
        for framing in Framing::ALL {
            let file = format!("{folder}/{framing}");
            if std::env::var_os("ECHOCTL_BLESS").is_some() {
                std::fs::write(&file, echoed(framing)).unwrap();
            }
            assert_eq!(std::fs::read(&file).unwrap(), echoed(framing), "{framing}");
        }
    }
}
