//! Checks that every frame came back as it was sent, once and in order.
//!
//! It stores no frame. The head of each frame has its number, and the rest is compared as it arrives with the frame
//! that the [`Recipe`] generates from this number:
//!
//! ```text
//!          ┌──────────── good: verified ────────────┐
//!          v                                        │
//!        head ── number was sent ──> body ── every byte is equal
//!          ^ \                          │
//!          │  └─ not sent ──> skip <────┘ a byte differs
//!          └── end of the frame ──┘                     skip: mismatched, and attributed to a number by the next good one
//! ```
//!
//! A line ends at its newline, whatever it contains; a length-prefixed frame ends where its length says. A length
//! that no sent frame has means that the frame boundaries are lost, and the rest of the stream can only be counted.
//! Without framing the stream is compared by position, so it cannot be checked beyond the first difference.

mod fault;
mod gaps;

use std::mem;

use echoctl_proto::Framing;
use memchr::memchr;

pub use fault::Fault;

use self::gaps::Gaps;
use crate::Totals;
use crate::payload::{DIGITS, Frame, FrameStream, MAX_HEAD, Recipe};

/// Checks the stream that comes back on one connection. Sans-IO: it accepts the bytes in pieces of any size.
#[derive(Debug)]
pub(crate) struct Checker {
    recipe: Recipe,
    state: State,
    /// The number of the next frame if none is lost.
    expected: u64,
    /// Wrong frames since the last good one; each stands for one of the skipped numbers.
    unnamed: u64,
    gaps: Gaps,
    /// Offset of the current frame in the stream.
    start: u64,
    /// Its results: the counters of bytes that came back, and of frames by kind of fault.
    tally: Totals,
}

#[derive(Debug)]
enum State {
    /// Collecting framing and number.
    Head { head: [u8; MAX_HEAD], have: usize },
    /// Comparing.
    Body { frame: Frame, at: u64 },
    /// Skipping the rest of a wrong frame: this many bytes, or until the next newline.
    Skip { left: Option<u64> },
    /// Comparing by position, without frames.
    Stream(FrameStream),
    /// Only counting.
    Lost,
}

impl Checker {
    /// A checker of the stream that `recipe` describes, from its beginning.
    pub(crate) fn new(recipe: Recipe) -> Checker {
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
            tally: Totals::default(),
        }
    }

    /// Checks the next `bytes`. `started` is the number of frames that the producer has started to send: no other
    /// number can come back.
    pub(crate) fn feed(&mut self, mut bytes: &[u8], started: u64) {
        while !bytes.is_empty() {
            let (next, used) = match mem::replace(&mut self.state, State::NEXT) {
                State::Head { head, have } => self.feed_head(head, have, bytes, started),
                State::Body { frame, at } => self.feed_body(frame, at, bytes),
                State::Skip { left } => feed_skip(left, bytes),
                State::Stream(stream) => self.feed_stream(stream, bytes),
                State::Lost => (State::Lost, bytes.len()),
            };
            self.state = next;
            self.tally.consumed += used as u64;
            bytes = &bytes[used..];
            if let State::Head { have: 0, .. } = self.state {
                self.start = self.tally.consumed;
            }
        }
    }

    /// Ends the check after a regular end of stream: all of the `sent` frames were written, and those that have not
    /// come back are lost.
    pub(crate) fn finish(&mut self, sent: u64) {
        match &self.state {
            State::Lost => {}
            State::Stream(stream) => self.tally.lost += sent.saturating_sub(stream.frames()),
            _ => self.pass_over(sent),
        }
    }

    /// The results so far.
    pub(crate) fn tally(&self) -> Totals {
        self.tally
    }

    // Each `feed_` function takes one state by value. It returns the next, and how many bytes it used.

    fn feed_head(
        &mut self,
        mut head: [u8; MAX_HEAD],
        have: usize,
        unread: &[u8],
        started: u64,
    ) -> (State, usize) {
        let length = self.recipe.head();
        let used = unread.len().min(length - have);
        let arrived = &unread[..used];
        if self.recipe.framing() == Framing::Lines
            && let Some(newline) = memchr(b'\n', arrived)
        {
            // A line too short for a number. The newline ends the frame.
            self.record_fault(Fault::Number);
            return (State::NEXT, newline + 1);
        }
        head[have..have + used].copy_from_slice(arrived);
        let have = have + used;
        (if have == length { self.judge(&head[..length], started) } else { State::Head { head, have } }, used)
    }

    /// The next state after a complete head.
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
        let digits = digits.first_chunk().expect("invariant: a head ends with the digits of a number");
        let frame = self.recipe.number(digits).filter(|&number| number < started);
        match frame.map(|number| self.recipe.frame(number)) {
            // The size follows from the number. With any other length the frame is wrong, and ends where the length
            // says.
            Some(frame) if rest.is_none_or(|rest| rest + head.len() as u64 == frame.size) => {
                self.after(frame, head.len() as u64)
            }
            Some(_) => self.skip(Fault::Content, rest),
            None => self.skip(Fault::Number, rest),
        }
    }

    fn feed_body(&mut self, frame: Frame, at: u64, unread: &[u8]) -> (State, usize) {
        let piece = self.recipe.piece(&frame, at);
        let used = piece.len().min(unread.len());
        if piece[..used] != unread[..used] {
            // Content has no newline, so the next one ends the line, wherever in this piece the difference is.
            let left = (self.recipe.framing() != Framing::Lines).then_some(frame.size - at);
            return (self.skip(Fault::Content, left), 0);
        }
        (self.after(frame, at + used as u64), used)
    }

    fn feed_stream(&mut self, mut stream: FrameStream, unread: &[u8]) -> (State, usize) {
        let same = stream.compare(&self.recipe, unread);
        self.tally.verified += same as u64;
        if same == unread.len() {
            return (State::Stream(stream), same);
        }
        self.start = self.tally.consumed + same as u64;
        self.record_fault(Fault::Content);
        (State::Lost, same)
    }

    /// The next state after the first `at` bytes of `frame` were right.
    fn after(&mut self, frame: Frame, at: u64) -> State {
        if at < frame.size {
            return State::Body { frame, at };
        }
        self.record_good(&frame);
        State::NEXT
    }

    fn skip(&mut self, fault: Fault, left: Option<u64>) -> State {
        self.record_fault(fault);
        if left == Some(0) { State::NEXT } else { State::Skip { left } }
    }

    /// Records a frame that came back intact.
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

    /// Records that the numbers from the expected one to before `next` were skipped: those of the wrong frames since,
    /// and lost ones.
    fn pass_over(&mut self, next: u64) {
        if next > self.expected {
            let missing = next - self.expected;
            self.tally.lost += missing - missing.min(self.unnamed);
            self.gaps.remember(self.expected..next);
        }
        self.unnamed = 0;
    }

    /// Records a fault of the current frame. Only [`Fault::Excess`] is the caller's to find, wherever in the stream it is.
    pub(crate) fn record_fault(&mut self, fault: Fault) {
        self.tally.mismatched += 1;
        self.tally.first_fault.get_or_insert((fault, self.start));
        self.unnamed += 1;
    }
}

impl State {
    /// Between two frames.
    const NEXT: State = State::Head { head: [0; MAX_HEAD], have: 0 };
}

fn feed_skip(left: Option<u64>, unread: &[u8]) -> (State, usize) {
    let Some(left) = left else {
        let newline = memchr(b'\n', unread);
        return newline
            .map_or((State::Skip { left: None }, unread.len()), |newline| (State::NEXT, newline + 1));
    };
    let used = unread.len().min(usize::try_from(left).unwrap_or(usize::MAX));
    let left = left - used as u64;
    (if left == 0 { State::NEXT } else { State::Skip { left: Some(left) } }, used)
}

#[cfg(test)]
mod tests;
