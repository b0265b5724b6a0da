//! The data to send: a block of complete frames of random letters.

use echoctl_proto::Buffer;
pub(crate) use echoctl_proto::Framing;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

/// Complete frames of `size` bytes each, framing overhead included, at least `least` bytes in total.
pub(crate) fn frames(framing: Framing, size: usize, least: usize) -> Vec<u8> {
    let mut out = Buffer::new(least + size);
    // The same letters in each run, and no two equal frames.
    let mut random = StdRng::seed_from_u64(1);
    while out.len() < least {
        let payload: Vec<u8> =
            (0..size - framing.overhead()).map(|_| random.random_range(b'a'..=b'z')).collect();
        framing
            .encode(&payload, &mut out)
            .expect("letters contain no newline, and there is room for another frame");
    }
    out.unread().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_is_made_of_whole_frames() {
        for (framing, size) in [(Framing::Lines, 16), (Framing::U16, 65_536), (Framing::Raw, 64)] {
            let block = frames(framing, size, 65_536);

            assert_eq!(block.len() % size, 0);
            assert!(block.len() >= 65_536);
        }
        assert_eq!(frames(Framing::Lines, 64, 1)[63], b'\n');
    }
}
