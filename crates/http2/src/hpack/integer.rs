//! Integers: a prefix of some bits in a byte, and more bytes of 7 bits where the prefix is full (RFC 7541, section 5.1).

use super::HpackFault;

/// Reads an integer with a prefix of `bits` off the front of `block`; 1 to 8 of them.
///
/// # Errors
/// More than 32 bits, or more than the five bytes that they take after the prefix: zeros beyond are refused as well, since they would be
/// a way to send bytes without end. Or a block that ends too early.
pub(super) fn decode(bits: u32, block: &mut &[u8]) -> Result<u32, HpackFault> {
    let (&first, mut rest) = block.split_first().ok_or(HpackFault::Truncated)?;
    let full = u8::MAX >> (8 - bits);
    let prefix = u64::from(first & full);
    let mut value = prefix;
    if prefix == u64::from(full) {
        for shift in (0..).step_by(7) {
            if shift > MAX_SHIFT {
                return Err(HpackFault::Integer);
            }
            let (&byte, tail) = rest.split_first().ok_or(HpackFault::Truncated)?;
            rest = tail;
            value += u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                break;
            }
        }
    }
    *block = rest;
    u32::try_from(value).map_err(|_| HpackFault::Integer)
}

/// Writes an integer with a prefix of `bits`; the bits above the prefix are those of `flags`.
pub(super) fn encode(bits: u32, flags: u8, value: usize, block: &mut Vec<u8>) {
    let full = (1 << bits) - 1;
    if value < full {
        block.push(flags | value as u8);
        return;
    }
    block.push(flags | full as u8);
    let mut rest = value - full;
    while rest >= 0x80 {
        block.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    block.push(rest as u8);
}

/// Where the fifth byte after the prefix lies: 28 bits are below it.
const MAX_SHIFT: u32 = 28;
