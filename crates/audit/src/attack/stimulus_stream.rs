//! The stimulus as an endless or finite stream of bytes, different on each connection, for large writes.

use std::ops::Range;

use crate::cell::{DIGITS, Digits, STAMP, Stamp};
use crate::script::SendMode;

/// What the senders send. All connections share it, because it may be large.
#[derive(Debug)]
pub(super) struct StimulusStream {
    /// Complete stimuli, several if they are small, so that writes are large. Their cells are not stamped.
    block: Vec<u8>,
    /// Where each cell begins in the block.
    cells: Vec<(usize, Digits)>,
    /// The mark of the cells, if there are any. In a stimulus with letters and digits, it is that of the first one.
    mark: Option<CellMark>,
    /// The length of a message, if each stimulus is one.
    message: Option<u64>,
    repeats: bool,
    /// A part of the stream of one connection.
    part: Vec<u8>,
}

impl StimulusStream {
    pub(super) fn new(sent: &SendMode) -> StimulusStream {
        let (payload, repeats) = match sent {
            SendMode::Repeat(payload) => (payload, true),
            SendMode::Once(payload) => (payload, false),
        };
        let (bytes, cells): (_, Vec<_>) = (payload.bytes(), payload.cells().collect());
        let copies = if repeats { WRITE.div_ceil(bytes.len().max(1)) } else { 1 };
        let copied = (0..copies).flat_map(|copy| {
            let start = copy * bytes.len();
            cells.iter().map(move |(at, digits)| (start + at, *digits))
        });
        let mark = payload.mark().zip(cells.first());
        StimulusStream {
            cells: copied.collect(),
            mark: mark.map(|(mark, (_, digits))| CellMark { text: mark.text(*digits), digits: *digits }),
            block: bytes.repeat(copies),
            message: is_message(&bytes).then_some(bytes.len() as u64),
            repeats,
            part: Vec::new(),
        }
    }

    /// Bytes that a sender may send in total; `None` if there is no end.
    pub(super) fn len(&self) -> Option<u64> {
        (!self.repeats || self.block.is_empty()).then_some(self.block.len() as u64)
    }

    /// The bytes in a range of the stream of a connection, which is endless even if its stimulus is not.
    pub(super) fn part(&mut self, connection: u64, range: Range<u64>) -> &[u8] {
        self.part.clear();
        let mut at = range.start;
        while at < range.end && !self.block.is_empty() {
            let (round, start) = (at / self.block.len() as u64, (at % self.block.len() as u64) as usize);
            let length = (self.block.len() - start).min((range.end - at) as usize);
            let to = self.part.len();
            self.part.extend_from_slice(&self.block[start..start + length]);
            stamp(&mut self.part[to..], start, &self.cells, connection, round);
            at += length as u64;
        }
        &self.part
    }

    /// Whether a message is incomplete if the stream differs from `at` on because `lost` bytes are missing.
    pub(super) fn tears_a_message(&self, at: u64, lost: u64) -> bool {
        // Between two messages, the first stamp of the later one differs.
        let first_stamp = self.cells.first().map_or(0, |(start, _)| start + STAMP.end) as u64;
        self.message.is_some_and(|length| !lost.is_multiple_of(length) || at % length >= first_stamp)
    }

    /// The mark of its cells, if it has any.
    pub(super) fn mark(&self) -> Option<CellMark> {
        self.mark
    }

    /// The number of the first cell that begins at `offset` of the stream or later; 0 if it has no cells.
    pub(super) fn cell_from(&self, offset: u64) -> u64 {
        let length = self.block.len().max(1) as u64;
        let (round, start) = (offset / length, (offset % length) as usize);
        let before = self.cells.partition_point(|(at, _)| *at < start);
        round * self.cells.len() as u64 + before as u64
    }

    /// Where a cell begins in the stream; `None` if it has no cells.
    pub(super) fn start_of(&self, cell: u64) -> Option<u64> {
        let (round, index) = (cell.checked_div(self.cells.len() as u64)?, cell % self.cells.len() as u64);
        round.checked_mul(self.block.len() as u64)?.checked_add(self.cells[index as usize].0 as u64)
    }
}

/// Whether these bytes are one message, by their framing: a line, or a length of two bytes and as much.
fn is_message(bytes: &[u8]) -> bool {
    let is_line = memchr::memchr(b'\n', bytes).is_some_and(|end| end + 1 == bytes.len());
    let prefix = bytes.first_chunk().map(|length| usize::from(u16::from_be_bytes(*length)));
    is_line || prefix.is_some_and(|length| length > 0 && length + 2 == bytes.len())
}

/// How the cells of a stream begin.
#[derive(Debug, Clone, Copy)]
pub(super) struct CellMark {
    /// The mark.
    pub(super) text: [u8; DIGITS],
    /// Of what the stamp behind it consists.
    pub(super) digits: Digits,
}

/// Stamps what is in `part`, which begins at `start` of the block in its `round`th repetition.
fn stamp(part: &mut [u8], start: usize, cells: &[(usize, Digits)], connection: u64, round: u64) {
    let end = start + part.len();
    let first = cells.partition_point(|(at, _)| at + STAMP.end <= start);
    let numbered = (round * cells.len() as u64 + first as u64..).zip(&cells[first..]);
    for (cell, (at, digits)) in numbered.take_while(|(_, (at, _))| at + STAMP.start < end) {
        let text = Stamp { connection, cell }.text(*digits);
        match (at + STAMP.start).checked_sub(start).and_then(|to| part[to..].first_chunk_mut()) {
            Some(complete) => *complete = text,
            None => {
                // The first stamp and the last one may be only partly in it.
                let from = start.saturating_sub(at + STAMP.start);
                let to = &mut part[at + STAMP.start + from - start..];
                let length = to.len().min(DIGITS - from);
                to[..length].copy_from_slice(&text[from..from + length]);
            }
        }
    }
}

/// Bytes per write: large enough that system calls cost little, small enough that several connections alternate.
pub(super) const WRITE: usize = 64 << 10;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cell::Mark;
    use crate::script::{Part, Payload};

    fn repeated(text: &str) -> StimulusStream {
        StimulusStream::new(&SendMode::Repeat(Payload::text(text)))
    }

    /// A line of 200 bytes with three cells, marked.
    fn marked_lines() -> StimulusStream {
        let parts = vec![
            Part::Text("line ".to_owned()),
            Part::Fill { fill: "x".to_owned(), count: 194 },
            Part::Text("\n".to_owned()),
        ];
        StimulusStream::new(&SendMode::Repeat(Payload::new(parts).marked(Mark::EXAMPLE)))
    }

    #[test]
    fn a_message_is_torn_at_any_place_but_between_two() {
        let lines = marked_lines();
        // A line has 200 bytes, and the stamp of its first cell is over by 37.
        assert!(!lines.tears_a_message(600 + 36, 200) && !lines.tears_a_message(636, 4000));
        assert!(lines.tears_a_message(636, 201) && lines.tears_a_message(637, 200));
        let two_lines = repeated("one\ntwo\n");
        assert!(!two_lines.tears_a_message(2, 3), "it may be any number of messages");
    }

    #[test]
    fn lines_and_bytes_behind_their_length_are_messages() {
        let all: [&[u8]; 7] = [b"", b"\n", b"ab\n", b"a\nb\n", b"ab", b"\0\x02ab", b"\0\x03ab"];

        assert_eq!(all.map(is_message), [false, true, true, false, false, true, false]);
    }

    #[test]
    fn a_repeated_stimulus_has_no_end_and_a_single_one_ends() {
        let mut again = repeated("abc");
        let mut once = StimulusStream::new(&SendMode::Once(Payload::text("abc")));

        assert_eq!((again.len(), once.len()), (None, Some(3)));
        assert_eq!(again.part(0, 0..3 * WRITE as u64), "abc".repeat(WRITE).as_bytes());
        assert_eq!(again.part(0, 3 * WRITE as u64 - 1..3 * WRITE as u64 + 4), b"cabca");
        assert_eq!(once.part(0, 1..3), b"bc");
    }

    #[test]
    fn an_empty_stimulus_sends_nothing() {
        for send in [SendMode::Once(Payload::text("")), SendMode::Repeat(Payload::text(""))] {
            let mut stream = StimulusStream::new(&send);

            assert_eq!((stream.len(), stream.part(0, 0..7)), (Some(0), &b""[..]));
        }
    }

    #[test]
    fn each_cell_is_stamped_with_its_number_and_connection() {
        let mut stream = marked_lines();
        let mark = stream.mark().unwrap();

        let bytes = stream.part(3, 0..400_000).to_vec();

        let starts: Vec<_> = memchr::memmem::find_iter(&bytes, &mark.text).collect();
        assert_eq!(starts.len(), 6000);
        for (cell, start) in (0..).zip(starts) {
            let stamp = bytes[start + STAMP.start..].first_chunk().unwrap();
            assert_eq!(Stamp::read(stamp, mark.digits), Some(Stamp { connection: 3, cell }));
            assert_eq!(stream.start_of(cell), Some(start as u64));
            assert_eq!(stream.cell_from(start as u64), cell);
            assert_eq!(stream.cell_from(start as u64 + 1), cell + 1);
        }
    }

    #[test]
    fn any_part_of_a_stream_is_the_same_bytes() {
        let mut stream = marked_lines();
        let all = stream.part(1, 0..70_000).to_vec();

        for start in (0..400).chain(65_300..66_300) {
            for length in [1, 7, 33, 200, 1000] {
                let range = start..start + length;
                assert_eq!(
                    stream.part(1, range.clone()),
                    &all[range.start as usize..range.end as usize],
                    "{range:?}"
                );
            }
        }
    }

    #[test]
    fn a_stream_without_marks_has_no_cells() {
        let stream = repeated("abc");

        assert!(stream.mark().is_none());
        assert_eq!((stream.cell_from(100), stream.start_of(0)), (0, None));
    }
}
