//! The data to send: a block of complete frames of random letters.

use echoctl_proto::Buffer;
pub(crate) use echoctl_proto::Framing;

/// Complete frames of `size` bytes each, framing overhead included, at least `least` bytes in total.
pub(crate) fn frames(framing: Framing, size: usize, least: usize) -> Vec<u8> {
    let mut out = Buffer::new(least + size);
    // Marsaglia's xorshift: the same letters in each run, and no two equal frames.
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let mut letter = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        b'a' + (state % 26) as u8
    };
    while out.len() < least {
        let payload: Vec<u8> = (0..size - framing.overhead()).map(|_| letter()).collect();
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
