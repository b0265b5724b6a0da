//! The frames that all peers send: a ring, in which each peer starts at a different place.
//!
//! One block serves a thousand peers, so that the soak itself uses little memory, and the position in a stream determines the
//! byte. Peers start at different frames, so bytes that were delivered to the wrong peer do not match.

use echoctl_proto::{Buffer, Framing};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

/// Complete frames of random letters and random sizes.
pub(super) struct Block {
    bytes: Vec<u8>,
    /// Ends of the frames, in ascending order.
    ends: Vec<usize>,
}

impl Block {
    /// A block of about 1 MiB.
    pub(super) fn new(framing: Framing, seed: u64) -> Block {
        let mut random = StdRng::seed_from_u64(seed);
        let mut out = Buffer::new(SIZE + LONGEST + framing.overhead());
        let mut ends = Vec::new();
        while out.len() < SIZE {
            // As many short frames as long ones, and a few that are longer than one read of the server.
            let size = random.random_range(1.0..(LONGEST as f64).log2()).exp2() as usize;
            let payload: Vec<u8> = (0..size).map(|_| random.random_range(b'a'..=b'z')).collect();
            framing
                .encode(&payload, &mut out)
                .expect("letters contain no newline, and there is room for another frame");
            ends.push(out.len());
        }
        Block { bytes: out.unread().to_vec(), ends }
    }

    /// The start of one of its frames.
    pub(super) fn draw_start(&self, random: &mut StdRng) -> u64 {
        self.ends[random.random_range(0..self.ends.len())] as u64
    }

    /// The bytes at a place: at least one, up to the block's end.
    pub(super) fn from(&self, place: u64) -> &[u8] {
        &self.bytes[self.around(place)..]
    }

    /// The end of the frame that contains a place; the place itself if a frame ends there.
    pub(super) fn frame_end(&self, place: u64) -> u64 {
        let at = self.around(place);
        if at == 0 {
            return place;
        }
        let end = self.ends[self.ends.partition_point(|end| *end < at)];
        place + (end - at) as u64
    }

    /// Whether `bytes` are the bytes at a place.
    pub(super) fn is_at(&self, mut place: u64, mut bytes: &[u8]) -> bool {
        while !bytes.is_empty() {
            let here = self.from(place);
            let len = here.len().min(bytes.len());
            if here[..len] != bytes[..len] {
                return false;
            }
            bytes = &bytes[len..];
            place += len as u64;
        }
        true
    }

    fn around(&self, place: u64) -> usize {
        (place % self.bytes.len() as u64) as usize
    }
}

/// Bytes: about as many as a peer sends in a row, so that a stream seldom repeats itself.
const SIZE: usize = 1 << 20;

/// Bytes of the longest payload: the maximum of a 2-byte length. With its framing overhead it exceeds one read of the server (64 KiB),
/// so that some frames need two reads.
const LONGEST: usize = 65_535;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_end_where_the_framing_says_all_around_the_ring() {
        let block = Block::new(Framing::Lines, 1);
        let size = block.bytes.len() as u64;

        for place in [1, 1000, size / 2, size - 1, size, size + 1, 3 * size + 77] {
            let end = block.frame_end(place);

            assert!(end >= place);
            assert_eq!(block.from(end - 1)[0], b'\n', "a line ends there");
            let between = (place..end.saturating_sub(1)).filter(|place| block.from(*place)[0] == b'\n');
            assert_eq!(between.count(), 0, "and none before");
            assert_eq!(block.frame_end(end), end);
        }
    }

    #[test]
    fn one_wrong_byte_is_found_anywhere() {
        let block = Block::new(Framing::Raw, 1);
        let size = block.bytes.len() as u64;
        let mut piece = [block.from(size - 100), &block.from(0)[..100]].concat();

        assert!(block.is_at(size - 100, &piece));
        assert!(block.is_at(3 * size - 100, &piece));
        assert!(!block.is_at(size - 99, &piece));
        for wrong in [0, 99, 100, 199] {
            piece[wrong] ^= 1;
            assert!(!block.is_at(size - 100, &piece), "byte {wrong}");
            piece[wrong] ^= 1;
        }
    }
}
