//! The check: is what came back what was sent, each frame once and in order?
//!
//! It holds no frame. The head of each frame says which one it is, and the rest is compared as it arrives with what the
//! [`Recipe`] makes of that number:
//!
//! ```text
//!          ┌──────────── good: verified ────────────┐
//!          v                                        │
//!        head ── a number of ours ──> body ── all of it equal
//!          ^ \                          │
//!          │  └─ not ours ──> skip <────┘ a byte differs
//!          └── end of the frame ──┘                     skip: mismatched, and accounted for by the next good number
//! ```
//!
//! A line ends at its newline, whatever stands in it; a prefixed frame where its length says. A length that no frame of
//! ours has means that the boundaries are lost, and the rest of the stream can only be counted. Without framing the
//! stream is compared by position, so after the first difference there is nothing to go by.

mod tally;

use echoctl_proto::Framing;

pub use tally::{Fault, Tally};

use crate::frame_stream::FrameStream;
use crate::gaps::Gaps;
use crate::number::DIGITS;
use crate::recipe::{Frame, Recipe};

/// Checks the stream that comes back on one connection. Sans-IO: it is fed with bytes, in pieces of any size.
///
/// ```
/// use echoctl_client::{Checker, Pool, Recipe, FrameStream};
/// use echoctl_proto::Framing;
///
/// let recipe = Recipe::new(Pool::new(1), Framing::Lines, &(100..=100), 0);
/// let mut stream = vec![0; 1000];
/// FrameStream::new(&recipe).fill(&recipe, &mut stream);
/// stream.drain(250..350);                       // the server loses 100 bytes in the middle of a line
///
/// let mut checker = Checker::new(recipe);
/// checker.feed(&stream, 10);
/// checker.finish(10);
///
/// let tally = checker.tally();
/// assert_eq!((tally.verified, tally.mismatched, tally.lost), (800, 1, 1));
/// ```
#[derive(Debug)]
pub struct Checker {
    recipe: Recipe,
    state: State,
    /// The number that comes next if nothing is lost.
    expected: u64,
    /// Wrong frames since the last good one: each stands for a number that was passed over.
    unnamed: u64,
    gaps: Gaps,
    /// How many bytes came before the frame it is in.
    start: u64,
    tally: Tally,
}

#[derive(Debug)]
enum State {
    /// Gathering marks and number.
    Head { bytes: [u8; HEAD], have: usize },
    /// Comparing.
    Body { frame: Frame, at: u64 },
    /// Passing over the rest of a wrong frame: so many bytes, or to the next newline.
    Skip { left: Option<u64> },
    /// Comparing by position, without frames.
    Stream(FrameStream),
    /// Only counting.
    Lost,
}

impl Checker {
    /// A check of the stream that `recipe` describes, from its beginning.
    pub fn new(recipe: Recipe) -> Checker {
        let state = match recipe.framing() {
            Framing::Raw => State::Stream(FrameStream::new(&recipe)),
            _ => State::NEXT,
        };
        Checker {
            recipe,
            state,
            expected: 0,
            unnamed: 0,
            gaps: Gaps::default(),
            start: 0,
            tally: Tally::default(),
        }
    }

    /// Checks `bytes`, which came behind all fed before. `started` is how many frames the producer has started to send: no
    /// larger number can come back.
    pub fn feed(&mut self, mut bytes: &[u8], started: u64) {
        while !bytes.is_empty() {
            let used = match &mut self.state {
                State::Head { .. } => self.feed_head(bytes, started),
                State::Body { .. } => self.feed_body(bytes),
                State::Skip { .. } => self.feed_skip(bytes),
                State::Stream(stream) => {
                    let same = stream.compare(&self.recipe, bytes);
                    self.tally.verified += same as u64;
                    self.tally.bytes += same as u64;
                    if same < bytes.len() {
                        self.start = self.tally.bytes;
                        self.record_fault(Fault::Content);
                        self.state = State::Lost;
                    }
                    bytes = &bytes[same..];
                    continue;
                }
                State::Lost => bytes.len(),
            };
            self.tally.bytes += used as u64;
            bytes = &bytes[used..];
            if let State::Head { have: 0, .. } = self.state {
                self.start = self.tally.bytes;
            }
        }
    }

    /// Says that the stream ended in order after all of the `sent` frames had been written. What has not come back by now
    /// is lost.
    pub fn finish(&mut self, sent: u64) {
        match &self.state {
            State::Lost => {}
            State::Stream(stream) => self.tally.lost += sent.saturating_sub(stream.frames()),
            _ => self.pass_over(sent),
        }
    }

    /// Says that more has come back than was sent, wherever in the stream the excess is.
    pub fn record_excess(&mut self) {
        self.record_fault(Fault::Excess);
    }

    /// What it has found so far.
    pub fn tally(&self) -> Tally {
        self.tally
    }

    fn feed_head(&mut self, unread: &[u8], started: u64) -> usize {
        let State::Head { bytes, have } = &mut self.state else { unreachable!("called in this state") };
        let head = self.recipe.head();
        let used = unread.len().min(head - *have);
        let arrived = &unread[..used];
        if self.recipe.framing() == Framing::Lines
            && let Some(newline) = memchr(arrived)
        {
            // A line too short for a number. It ends here, and so does the frame.
            self.record_fault(Fault::Number);
            self.state = State::NEXT;
            return newline + 1;
        }
        bytes[*have..*have + used].copy_from_slice(arrived);
        *have += used;
        if *have == head {
            let bytes = *bytes;
            self.state = self.judge(&bytes[..head], started);
        }
        used
    }

    /// What follows from a whole head.
    fn judge(&mut self, head: &[u8], started: u64) -> State {
        let (prefix, digits) = head.split_at(head.len() - DIGITS);
        let rest = match self.recipe.framing() {
            Framing::Lines | Framing::Raw => None,
            Framing::U16 | Framing::U32 => {
                let payload = prefix.iter().fold(0, |length, &byte| length << 8 | u64::from(byte));
                if !self.recipe.sizes().contains(&(payload + prefix.len() as u64)) {
                    self.record_fault(Fault::Length(payload));
                    return State::Lost;
                }
                Some(payload - DIGITS as u64)
            }
        };
        let digits = digits.first_chunk().expect("a head ends with all digits of a number");
        let frame = self.recipe.number(digits).filter(|&number| number < started);
        match frame.map(|number| self.recipe.frame(number)) {
            // The size follows from the number: any other length is wrong, and says where the wrong frame ends.
            Some(frame) if rest.is_none_or(|rest| rest + head.len() as u64 == frame.size) => {
                self.begin(frame, head.len() as u64)
            }
            Some(_) => self.skip(Fault::Content, rest),
            None => self.skip(Fault::Number, rest),
        }
    }

    fn feed_body(&mut self, unread: &[u8]) -> usize {
        let State::Body { frame, at } = &mut self.state else { unreachable!("called in this state") };
        let piece = self.recipe.piece(frame, *at);
        let used = piece.len().min(unread.len());
        if piece[..used] == unread[..used] {
            *at += used as u64;
            if *at == frame.size {
                let frame = *frame;
                self.record_good(&frame);
                self.state = State::NEXT;
            }
            return used;
        }
        // No newline is content, so the first one from here on ends the line, wherever in this piece the difference is.
        let left = (self.recipe.framing() != Framing::Lines).then_some(frame.size - *at);
        self.state = self.skip(Fault::Content, left);
        0
    }

    fn feed_skip(&mut self, unread: &[u8]) -> usize {
        let State::Skip { left } = &mut self.state else { unreachable!("called in this state") };
        let (used, done) = match left {
            None => match memchr(unread) {
                Some(newline) => (newline + 1, true),
                None => (unread.len(), false),
            },
            Some(left) => {
                let used = unread.len().min(usize::try_from(*left).unwrap_or(usize::MAX));
                *left -= used as u64;
                (used, *left == 0)
            }
        };
        if done {
            self.state = State::NEXT;
        }
        used
    }

    fn begin(&mut self, frame: Frame, head: u64) -> State {
        if frame.size == head {
            self.record_good(&frame);
            return State::NEXT;
        }
        State::Body { frame, at: head }
    }

    fn skip(&mut self, fault: Fault, left: Option<u64>) -> State {
        self.record_fault(fault);
        if left == Some(0) { State::NEXT } else { State::Skip { left } }
    }

    /// Accounts for a frame that came back right.
    fn record_good(&mut self, frame: &Frame) {
        if frame.number >= self.expected {
            self.pass_over(frame.number);
            self.expected = frame.number + 1;
            self.tally.verified += frame.size;
        } else if self.gaps.take(frame.number) {
            self.tally.reordered += 1;
            self.tally.lost = self.tally.lost.saturating_sub(1);
        } else {
            self.tally.duplicated += 1;
        }
    }

    /// Accounts for the numbers from the expected one to before `next`: they are the wrong frames seen meanwhile, and
    /// the others are lost.
    fn pass_over(&mut self, next: u64) {
        if next > self.expected {
            let missing = next - self.expected;
            self.tally.lost += missing - missing.min(self.unnamed);
            self.gaps.remember(self.expected..next);
        }
        self.unnamed = 0;
    }

    fn record_fault(&mut self, fault: Fault) {
        self.tally.mismatched += 1;
        self.tally.first_fault.get_or_insert((fault, self.start));
        self.unnamed += 1;
    }
}

impl State {
    /// Between two frames.
    const NEXT: State = State::Head { bytes: [0; HEAD], have: 0 };
}

fn memchr(bytes: &[u8]) -> Option<usize> {
    memchr::memchr(b'\n', bytes)
}

/// Room for the longest prefix and the number.
const HEAD: usize = 4 + DIGITS;

#[cfg(test)]
mod tests;
