//! The endless stream of one connection's frames, generated in pieces of any size.
//!
//! It is only a cursor. A writer fills a block from a copy of the cursor, and advances the cursor by the number of
//! bytes written. The rest of the block need not be stored, since it can be generated again. So a connection that is
//! blocked for an hour holds no buffer. The check of a stream without framing compares with the same cursor.

use super::{Frame, Recipe};

/// A position in the stream of a connection.
#[derive(Debug, Clone)]
pub(crate) struct FrameStream {
    /// The frame at this position.
    frame: Frame,
    /// Offset in the frame. Invariant: `at < frame.size`.
    at: u64,
    /// Bytes before this position in the stream.
    position: u64,
}

impl FrameStream {
    /// The beginning of the stream.
    pub(crate) fn new(recipe: &Recipe) -> FrameStream {
        FrameStream { frame: recipe.frame(0), at: 0, position: 0 }
    }

    /// Fills `out` with the next bytes, and advances behind them.
    pub(crate) fn fill(&mut self, recipe: &Recipe, out: &mut [u8]) {
        let mut filled = 0;
        while filled < out.len() {
            let piece = recipe.piece(&self.frame, self.at);
            let length = piece.len().min(out.len() - filled);
            out[filled..filled + length].copy_from_slice(&piece[..length]);
            filled += length;
            self.step(recipe, length as u64);
        }
    }

    /// Advances by `bytes`.
    pub(crate) fn advance(&mut self, recipe: &Recipe, mut bytes: u64) {
        while bytes > 0 {
            let step = bytes.min(self.frame.size - self.at);
            self.step(recipe, step);
            bytes -= step;
        }
    }

    /// Returns how many of `bytes` match the stream, and advances behind them.
    pub(crate) fn compare(&mut self, recipe: &Recipe, bytes: &[u8]) -> usize {
        let mut same = 0;
        while same < bytes.len() {
            let piece = recipe.piece(&self.frame, self.at);
            let length = piece.len().min(bytes.len() - same);
            let (expected, found) = (&piece[..length], &bytes[same..same + length]);
            if expected != found {
                let equal = expected.iter().zip(found).take_while(|(a, b)| a == b).count();
                self.step(recipe, equal as u64);
                return same + equal;
            }
            same += length;
            self.step(recipe, length as u64);
        }
        same
    }

    /// Bytes before this position.
    pub(crate) fn position(&self) -> u64 {
        self.position
    }

    /// Complete frames before this position.
    pub(crate) fn frames(&self) -> u64 {
        self.frame.number
    }

    /// Frames started before this position, including an incomplete one.
    pub(crate) fn started(&self) -> u64 {
        self.frame.number + u64::from(self.at > 0)
    }

    /// Bytes until the end of the current frame; 0 between two frames.
    pub(crate) fn to_frame_end(&self) -> u64 {
        if self.at == 0 { 0 } else { self.frame.size - self.at }
    }

    /// Advances by `bytes`, at most to the end of the frame.
    fn step(&mut self, recipe: &Recipe, bytes: u64) {
        self.at += bytes;
        self.position += bytes;
        if self.at == self.frame.size {
            self.frame = recipe.frame(self.frame.number + 1);
            self.at = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use echoctl_proto::Framing;

    use super::*;
    use crate::payload::Pool;

    #[test]
    fn the_stream_does_not_depend_on_the_size_of_pieces() {
        let recipe = Recipe::new(Pool::new(1), Framing::U16, &(10..=3000), 4);
        let mut at_once = vec![0; 100_000];
        FrameStream::new(&recipe).fill(&recipe, &mut at_once);

        let (mut stream, mut piecemeal) = (FrameStream::new(&recipe), Vec::new());
        for length in (1..).take_while(|length| length * (length + 1) / 2 <= 100_000) {
            let mut piece = vec![0; length];
            stream.clone().fill(&recipe, &mut piece);
            stream.advance(&recipe, length as u64);
            piecemeal.extend(piece);
        }

        assert_eq!(piecemeal, at_once[..piecemeal.len()]);
        assert_eq!(stream.position(), piecemeal.len() as u64);
        assert_eq!(FrameStream::new(&recipe).compare(&recipe, &at_once), at_once.len());
    }

    #[test]
    fn a_difference_is_found_to_the_byte() {
        let recipe = Recipe::new(Pool::new(1), Framing::Raw, &(100..=100), 0);
        let mut bytes = vec![0; 1000];
        FrameStream::new(&recipe).fill(&recipe, &mut bytes);
        bytes[777] ^= 1;

        assert_eq!(FrameStream::new(&recipe).compare(&recipe, &bytes), 777);
    }

    #[test]
    fn the_rest_of_the_frame_is_known() {
        let recipe = Recipe::new(Pool::new(1), Framing::Lines, &(100..=100), 0);
        let mut stream = FrameStream::new(&recipe);

        assert_eq!((stream.to_frame_end(), stream.frames()), (0, 0));
        stream.advance(&recipe, 230);
        assert_eq!((stream.to_frame_end(), stream.frames()), (70, 2));
        stream.advance(&recipe, 70);
        assert_eq!((stream.to_frame_end(), stream.frames()), (0, 3));
    }
}
