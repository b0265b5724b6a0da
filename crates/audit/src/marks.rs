//! Marks in the payload of an audit, by which its bytes are recognised wherever they are.
//!
//! ```text
//! a fill of 'x'    |mark: 16 letters|stamp: 16 letters|xxxx … 32 of them|mark …
//!                  '------------------ a cell: 64 bytes -----------------'
//! ```
//!
//! The mark is the same everywhere in a run and in no other run, so a count of it in a server's memory counts our bytes there. The
//! stamp, only in the stimulus, is different in each cell, so that lost, repeated and foreign bytes are told apart. Both are letters
//! where the fill was a letter and digits where it was a digit, so that a marked payload is valid wherever the original is.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::ops::Range;

use echoctl_record::Marked;

use crate::script::{Payload, Script, SendMode};

/// The mark of one run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Mark(u64);

impl Mark {
    /// The one of the tests.
    #[cfg(test)]
    pub(crate) const EXAMPLE: Mark = Mark(0x0123_4567_89ab_cdef);

    /// A mark that no other run has.
    pub(crate) fn random() -> Mark {
        // The keys of std's hash maps are random, which saves a dependency.
        Mark(RandomState::new().build_hasher().finish())
    }

    /// The mark as written in these digits.
    pub(crate) fn text(self, digits: Digits) -> [u8; DIGITS] {
        match digits {
            // Not 0 first: a number may not begin with it.
            Digits::Decimal => digits.write(FIRST_DECIMAL + self.0 % (9 * FIRST_DECIMAL)),
            Digits::Lower | Digits::Upper => digits.write(self.0),
        }
    }
}

/// The characters of which a mark and a stamp consist.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Digits {
    /// `0` to `9`.
    Decimal,
    /// `a` to `p`, of four bits each.
    Lower,
    /// `A` to `P`.
    Upper,
}

impl Digits {
    /// Those that are valid in place of `fill`, if it is one letter or digit.
    pub(crate) fn in_place_of(fill: &str) -> Option<Digits> {
        match fill.as_bytes() {
            [b'0'..=b'9'] => Some(Digits::Decimal),
            [b'a'..=b'z'] => Some(Digits::Lower),
            [b'A'..=b'Z'] => Some(Digits::Upper),
            _ => None,
        }
    }

    fn zero(self) -> u8 {
        match self {
            Digits::Decimal => b'0',
            Digits::Lower => b'a',
            Digits::Upper => b'A',
        }
    }

    /// Writes a number, of which only the last digits count if it has more than [`DIGITS`].
    fn write(self, number: u64) -> [u8; DIGITS] {
        if self == Digits::Decimal {
            let mut rest = number;
            let mut text = [b'0'; DIGITS];
            for digit in text.iter_mut().rev() {
                *digit += (rest % 10) as u8;
                rest /= 10;
            }
            return text;
        }
        // One byte for each four bits, all at once: this runs once for each 64 bytes that are sent.
        let spread = [(number >> 32) as u32, number as u32].map(spread_nibbles);
        let zeros = u64::from_ne_bytes([self.zero(); 8]);
        let mut text = [0; DIGITS];
        text[..8].copy_from_slice(&(spread[0] + zeros).to_be_bytes());
        text[8..].copy_from_slice(&(spread[1] + zeros).to_be_bytes());
        text
    }

    /// Reads what [`write`](Digits::write) wrote.
    fn read(self, text: &[u8; DIGITS]) -> Option<u64> {
        let base = if self == Digits::Decimal { 10 } else { 16 };
        text.iter().try_fold(0_u64, |number, character| {
            let digit = u64::from(character.checked_sub(self.zero())?);
            (digit < base).then(|| number.wrapping_mul(base).wrapping_add(digit))
        })
    }
}

/// Each four bits of `bits` in a byte of their own.
fn spread_nibbles(bits: u32) -> u64 {
    let halves = (u64::from(bits) | u64::from(bits) << 16) & 0x0000_ffff_0000_ffff;
    let bytes = (halves | halves << 8) & 0x00ff_00ff_00ff_00ff;
    (bytes | bytes << 4) & 0x0f0f_0f0f_0f0f_0f0f
}

/// Which cell it is: the how manieth in the stream of which connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stamp {
    /// Number of the connection.
    pub(crate) connection: u64,
    /// Number of the cell in its stream.
    pub(crate) cell: u64,
}

impl Stamp {
    /// The stamp as written in these digits.
    pub(crate) fn text(self, digits: Digits) -> [u8; DIGITS] {
        let cells = cells_per_connection(digits);
        digits.write((self.connection * cells).wrapping_add(self.cell % cells))
    }

    /// Reads a stamp.
    pub(crate) fn read(text: &[u8; DIGITS], digits: Digits) -> Option<Stamp> {
        let cells = cells_per_connection(digits);
        let number = digits.read(text)?;
        Some(Stamp { connection: number / cells, cell: number % cells })
    }
}

/// How many cells have a stamp of their own: more than can be sent in days.
fn cells_per_connection(digits: Digits) -> u64 {
    if digits == Digits::Decimal { 100_000_000_000 } else { 1 << 40 }
}

/// What to count in a server's memory, and what a count of it means.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Marks {
    /// The bytes to look for.
    pub(crate) needle: Vec<u8>,
    /// For how many bytes of the stream each of them stands, those between two of them included.
    pub(crate) bytes_per_mark: f64,
    /// Whose bytes they are.
    pub(crate) marked: Marked,
}

impl Marks {
    /// The marks of a marked script: of its stimulus or the body of its requests, or else of what it stores in the server, which the
    /// output then contains.
    pub(crate) fn of_script(script: &Script) -> Option<Marks> {
        let (SendMode::Repeat(stimulus) | SendMode::Once(stimulus)) = &script.stimulus.send;
        let body = script.http2.as_ref().and_then(|http2| http2.body.as_ref());
        let sent = [Some(stimulus), body];
        let input = sent.into_iter().flatten().find_map(|payload| Marks::of_payload(payload, Marked::Input));
        input.or_else(|| {
            let stored = script.prepare.iter().filter_map(|step| step.send.as_ref());
            stored.filter_map(|payload| Marks::of_payload(payload, Marked::Output)).next_back()
        })
    }

    fn of_payload(payload: &Payload, marked: Marked) -> Option<Marks> {
        let cells: Vec<_> = payload.cells().collect();
        // Of two kinds, the more frequent one.
        let count = |digits: Digits| cells.iter().filter(|(_, own)| *own == digits).count();
        let digits =
            [Digits::Lower, Digits::Upper, Digits::Decimal].into_iter().max_by_key(|kind| count(*kind))?;
        let needle = payload.mark()?.text(digits).to_vec();
        let bytes_per_mark = payload.len() as f64 / count(digits) as f64;
        (count(digits) > 0).then_some(Marks { needle, bytes_per_mark, marked })
    }

    /// A piece of a reply that recurs in it, or else one that occurs: other replies probably contain it too.
    pub(crate) fn of_reply(reply: &[u8]) -> Option<Marks> {
        let reply = &reply[..reply.len().min(LARGEST_REPLY)];
        // Of each piece: how often it occurs, and where last.
        let mut pieces: HashMap<&[u8], (u32, usize)> = HashMap::new();
        for (at, piece) in reply.windows(DIGITS).enumerate() {
            if is_distinctive(piece) && !is_beside_carriage_return(reply, at) {
                let (count, last) = pieces.entry(piece).or_default();
                *count += 1;
                *last = at;
            }
        }
        // Text that recurs, since other bytes may frame the data only on its way; else the most frequent piece. Of several the last,
        // because a reply begins with a header.
        let preference = |&(piece, (count, last)): &(&[u8], (u32, usize))| {
            let is_text = piece.iter().all(|byte| matches!(byte, b' '..=b'~'));
            (is_text && count > 1, count, last)
        };
        let (needle, _) = pieces.into_iter().max_by_key(preference)?;
        let count = memchr::memmem::find_iter(reply, needle).count();
        // One in a part of a reply does not say how many there are in all of it.
        let is_usable = count > 1 || reply.len() < LARGEST_REPLY;
        is_usable.then(|| Marks {
            needle: needle.to_vec(),
            bytes_per_mark: reply.len() as f64 / count as f64,
            marked: Marked::Output,
        })
    }
}

/// Whether a piece of a reply has enough different bytes that it is rare in other memory.
fn is_distinctive(piece: &[u8]) -> bool {
    let mut different = piece.to_vec();
    different.sort_unstable();
    different.dedup();
    different.len() >= DISTINCT
}

/// Whether a piece contains a carriage return or follows one. The chunks of HTTP begin and end with such a line end, and a server has
/// its data in memory without them.
fn is_beside_carriage_return(reply: &[u8], at: usize) -> bool {
    reply[at.saturating_sub(1)..at + DIGITS].contains(&b'\r')
}

/// Characters of a mark, and of a stamp: as many as hold 64 bits.
pub(crate) const DIGITS: usize = 16;

/// Where the stamp is in a cell.
pub(crate) const STAMP: Range<usize> = DIGITS..2 * DIGITS;

/// Bytes of a cell: short, so that even a small part of a payload contains marks; so long that a mark costs a count little.
pub(crate) const CELL: usize = 64;

/// The least number of 16 decimal digits.
const FIRST_DECIMAL: u64 = 1_000_000_000_000_000;

/// Bytes of a reply in which a piece is looked for: many pieces of any list or stream, found in some milliseconds.
pub(crate) const LARGEST_REPLY: usize = 256 << 10;

/// Different bytes of a piece that is usable as a mark: runs of zeros, spaces and small numbers have fewer.
const DISTINCT: usize = 5;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::script::{Http2, Part, Step, Stimulus};

    fn fill(fill: &str, count: usize) -> Payload {
        Payload::new(vec![Part::Fill { fill: fill.to_owned(), count }])
    }

    fn marked(script: Script) -> Script {
        script.marked(Mark::EXAMPLE)
    }

    #[test]
    fn a_mark_is_written_in_digits_that_the_fill_allows() {
        let mark = Mark::EXAMPLE;

        assert_eq!(&mark.text(Digits::Lower), b"abcdefghijklmnop");
        assert_eq!(&mark.text(Digits::Upper), b"ABCDEFGHIJKLMNOP");
        assert_eq!(&mark.text(Digits::Decimal), b"1081985529216486895".last_chunk().unwrap());
        for (fill, digits) in
            [("7", Some(Digits::Decimal)), ("Q", Some(Digits::Upper)), ("\n", None), ("xy", None)]
        {
            assert_eq!(Digits::in_place_of(fill), digits, "{fill}");
        }
        assert_ne!(Mark::random(), Mark::random());
    }

    #[test]
    fn a_stamp_is_read_back() {
        for digits in [Digits::Decimal, Digits::Lower, Digits::Upper] {
            for stamp in
                [(0, 0), (7, 1), (9_999, 99_999_999_999)].map(|(connection, cell)| Stamp { connection, cell })
            {
                let text = stamp.text(digits);

                assert_eq!(Stamp::read(&text, digits), Some(stamp), "{}", text.escape_ascii());
                assert!(
                    text.iter()
                        .all(|byte| Digits::in_place_of(str::from_utf8(&[*byte]).unwrap()) == Some(digits))
                );
            }
            assert_eq!(Stamp::read(b"xxxxxxxxxxxxxxxx", digits), None);
        }
    }

    #[test]
    fn a_marked_payload_has_the_length_of_the_original() {
        let payload = Payload::new(vec![
            Part::Text("SET k ".to_owned()),
            Part::Fill { fill: "x".to_owned(), count: 130 },
            Part::Fill { fill: "7".to_owned(), count: 63 },
            Part::Fill { fill: "-".to_owned(), count: 64 },
        ]);

        let script = marked(Script::new(Stimulus::once("", payload.clone())));

        let SendMode::Once(sent) = &script.stimulus.send else { panic!("once") };
        let (bytes, mark) = (sent.bytes(), b"abcdefghijklmnop");
        let at: Vec<_> = memchr::memmem::find_iter(&bytes, mark).collect();
        assert_eq!((bytes.len(), at), (payload.len(), vec![6, 70]));
        let rest = payload.bytes();
        assert!(
            (0..bytes.len())
                .all(|at| bytes[at] == rest[at] || (6..22).contains(&at) || (70..86).contains(&at))
        );
        assert_eq!(script.to_toml(), Script::new(Stimulus::once("", payload)).to_toml());
    }

    #[test]
    fn the_marks_are_those_of_the_stimulus_or_of_what_is_stored() {
        let get = || Script::new(Stimulus::repeat("", Payload::text("GET\n")));
        let sends = Script::new(Stimulus::repeat(
            "",
            Payload::new(vec![Part::Text("\n".repeat(64)), Part::Fill { fill: "x".to_owned(), count: 192 }]),
        ));
        let stores = Script { prepare: vec![Step { send: Some(fill("7", 128)), expect: None }], ..get() };

        let http2 = Some(Http2 { body: Some(fill("x", 64)), ..Http2::default() });
        let posts = Script { http2, ..Script::new(Stimulus::once("", Payload::default())) };

        let of_stimulus = Marks::of_script(&marked(sends.clone())).unwrap();
        let of_body = Marks::of_script(&marked(posts)).unwrap();
        let of_value = Marks::of_script(&marked(stores)).unwrap();

        assert_eq!((of_stimulus.marked, of_stimulus.bytes_per_mark), (Marked::Input, 256.0 / 3.0));
        assert_eq!(of_stimulus.needle, b"abcdefghijklmnop");
        assert_eq!((of_body.marked, of_body.bytes_per_mark), (Marked::Input, 64.0));
        assert_eq!(
            (of_value.marked, of_value.bytes_per_mark, of_value.needle.len()),
            (Marked::Output, 64.0, DIGITS)
        );
        assert_eq!(Marks::of_script(&marked(get())), None);
        assert_eq!(Marks::of_script(&sends), None, "it was not marked");
    }

    #[test]
    fn a_piece_that_recurs_in_a_reply_marks_the_output() {
        let event = b"id: 1\ndata: the price is 17 now\n\n";

        let stream =
            Marks::of_reply(&[b"HTTP/1.1 200 OK\r\n\r\n", event.repeat(50).as_slice()].concat()).unwrap();
        let page = Marks::of_reply(b"HTTP/1.1 200 OK\r\n\r\n<p>Welcome to this page</p>").unwrap();

        assert!(memchr::memmem::find(&event.repeat(2), &stream.needle).is_some());
        assert!((30.0..40.0).contains(&stream.bytes_per_mark), "{}", stream.bytes_per_mark);
        assert_eq!((page.needle.as_slice(), page.bytes_per_mark), (&b" to this page</p>"[1..], 46.0));
    }

    #[test]
    fn a_piece_that_marks_the_output_does_not_span_chunks() {
        let chunked = |data: &[u8]| {
            [format!("{:x}\r\n", data.len()).as_bytes(), data, b"\r\n"]
                .concat()
                .repeat(LARGEST_REPLY / data.len())
        };
        let event = b"data: 17\ndata: the price is 17 now\n\n";

        let marks = Marks::of_reply(&chunked(event)).unwrap();

        assert!(memchr::memmem::find(event, &marks.needle).is_some(), "{}", marks.needle.escape_ascii());
        assert_eq!(
            Marks::of_reply(&chunked(&[b'x'; 0x1234])),
            None,
            "only the sizes of the chunks are distinctive"
        );
    }

    #[test]
    fn a_reply_without_a_distinctive_piece_has_no_marks() {
        let mut state = 7_u64;
        let random: Vec<u8> = (0..LARGEST_REPLY)
            .map(|_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                (state >> 56) as u8
            })
            .collect();

        for reply in [&b""[..], b"+PONG\r\n", &[0; 5000], &b"ab".repeat(300), &random] {
            assert_eq!(Marks::of_reply(reply), None);
        }
    }
}
