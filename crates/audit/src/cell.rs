//! A cell of marked payload: a mark, a stamp, and the fill that they replace.
//!
//! ```text
//! a fill of 'x'    |mark: 16 letters|stamp: 16 letters|xxxx … 32 of them|mark …
//!                  '------------------ a cell: 64 bytes -----------------'
//! ```
//!
//! The mark is the same everywhere in a run and in no other run, so a count of it in a server's memory counts our bytes there. The
//! stamp, only in the stimulus, is different in each cell, so that lost, repeated and foreign bytes are told apart. Both are letters
//! where the fill was a letter and digits where it was a digit, so that a marked payload is valid wherever the original is.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::ops::Range;

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

/// Characters of a mark, and of a stamp: as many as hold 64 bits.
pub(crate) const DIGITS: usize = 16;

/// Where the stamp is in a cell.
pub(crate) const STAMP: Range<usize> = DIGITS..2 * DIGITS;

/// Bytes of a cell: short, so that even a small part of a payload contains marks; so long that a mark costs a count little.
pub(crate) const CELL: usize = 64;

/// The least number of 16 decimal digits.
const FIRST_DECIMAL: u64 = 1_000_000_000_000_000;

#[cfg(test)]
mod tests {
    use super::*;

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
}
