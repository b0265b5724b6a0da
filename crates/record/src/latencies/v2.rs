//! Version 2 of HdrHistogram's format: a header of 40 bytes, and the counts from the shortest time on.
//!
//! Each count is a variable-length number, zigzag-encoded, and a negative number stands for as many zeros. It is read here, and not
//! by the library, because a file is untrusted: the library allocates as much as a header asks for, and negates any number.

use hdrhistogram::Histogram;
use thiserror::Error;

use super::{DIGITS, MAX_NANOSECONDS};

/// Why bytes are not a histogram.
#[derive(Debug, Error)]
pub(super) enum Fault {
    #[error("it is truncated")]
    Truncated,
    #[error("it is not version 2 of HdrHistogram's format")]
    Foreign,
    #[error("it has other bounds or another precision")]
    OtherBounds,
    #[error("it has too many values")]
    TooManyValues,
    #[error("it has too many times")]
    TooManyTimes,
}

/// The histogram as bytes.
pub(super) fn encode(histogram: &Histogram<u64>) -> Vec<u8> {
    let mut counts = Vec::new();
    let mut next = 0;
    for counted in histogram.iter_recorded() {
        let index = index_of(counted.value_iterated_to());
        match index - next {
            0 => {}
            // As the reference implementation writes it.
            1 => write(&mut counts, 0),
            zeros => write(&mut counts, -(zeros as i64)),
        }
        write(&mut counts, i64::try_from(counted.count_at_value()).unwrap_or(i64::MAX));
        next = index + 1;
    }
    // And an empty histogram as one count of 0.
    if counts.is_empty() {
        write(&mut counts, 0);
    }
    let mut bytes = header(u32::try_from(counts.len()).unwrap_or(u32::MAX));
    bytes.extend(counts);
    bytes
}

/// Adds what `bytes` contain to an empty histogram.
pub(super) fn decode(bytes: &[u8], into: &mut Histogram<u64>) -> Result<(), Fault> {
    let (head, mut counts) = bytes.split_at_checked(HEADER).ok_or(Fault::Truncated)?;
    let length = u32::from_be_bytes([head[4], head[5], head[6], head[7]]);
    let expected = header(length);
    if head[..4] != expected[..4] {
        return Err(Fault::Foreign);
    }
    if head != expected {
        return Err(Fault::OtherBounds);
    }
    counts = counts.get(..length as usize).ok_or(Fault::Truncated)?;
    let (mut index, mut total) = (0_u64, 0_u64);
    while !counts.is_empty() {
        let number = read(&mut counts).ok_or(Fault::Truncated)?;
        if number < 0 {
            index = index.saturating_add(number.unsigned_abs());
        } else {
            let count = number.unsigned_abs();
            total = total.saturating_add(count);
            if total > MOST_TIMES {
                return Err(Fault::TooManyTimes);
            }
            if count > 0 {
                let value = value_at(index).ok_or(Fault::TooManyValues)?;
                into.saturating_record_n(value, count);
            }
            index = index.saturating_add(1);
        }
    }
    if index > VALUES { Err(Fault::TooManyValues) } else { Ok(()) }
}

/// The header of counts of this length: all of ours differ only in that.
fn header(length: u32) -> Vec<u8> {
    let fixed: [&[u8]; 7] = [
        &COOKIE.to_be_bytes(),
        &length.to_be_bytes(),
        &0_u32.to_be_bytes(),
        &u32::from(DIGITS).to_be_bytes(),
        &1_u64.to_be_bytes(),
        &MAX_NANOSECONDS.to_be_bytes(),
        &1_f64.to_be_bytes(),
    ];
    fixed.concat()
}

/// Where the count of a value is: values below 2,048 have one each, and each doubling above has half as many.
fn index_of(value: u64) -> u64 {
    let doubling = u64::from(u64::BITS - (value | (2 * HALF - 1)).leading_zeros()) - BITS;
    doubling * HALF + (value >> doubling)
}

/// The least value of this index, if it is one of the histogram's.
fn value_at(index: u64) -> Option<u64> {
    let doubling = (index / HALF).saturating_sub(1);
    (index < VALUES).then(|| (index - doubling * HALF) << doubling)
}

/// Appends a zigzag-encoded number: seven bits per byte, the lowest first, and eight in the ninth.
fn write(bytes: &mut Vec<u8>, number: i64) {
    let mut rest = ((number << 1) ^ (number >> 63)).cast_unsigned();
    for _ in 0..8 {
        if rest < 0x80 {
            break;
        }
        bytes.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    bytes.push(rest as u8);
}

/// Reads a number that [`write`] wrote.
fn read(bytes: &mut &[u8]) -> Option<i64> {
    let mut number = 0_u64;
    for position in 0..9 {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        let is_last = position == 8 || byte < 0x80;
        let bits = if position == 8 { byte } else { byte & 0x7f };
        number |= u64::from(bits) << (7 * position);
        if is_last {
            break;
        }
    }
    Some((number >> 1).cast_signed() ^ -(number & 1).cast_signed())
}

/// Identifies version 2.
const COOKIE: u32 = 0x1c84_9313;

/// Bytes of the header.
const HEADER: usize = 40;

/// Bits of a value that are exact, for three decimal digits: 2,048 values per doubling below the first, 1,024 above.
const BITS: u64 = 11;

/// Values per doubling.
const HALF: u64 = 1 << (BITS - 1);

/// Values of a histogram up to an hour, which has 42 bits.
const VALUES: u64 = (42 - BITS + 2) * HALF;

/// Times of a recording: years at a million per second, and few enough that the sums of all recordings do not overflow.
const MOST_TIMES: u64 = 1 << 48;
