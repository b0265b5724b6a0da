//! The Huffman code of HPACK (RFC 7541, appendix B).
//!
//! The code is canonical: codes of one length are consecutive numbers in the order of their symbols, and the first of a length follows
//! from the last of the shorter ones. So the lengths define it completely, and a code is found by comparing numbers, without a tree.

use super::HpackFault;

/// Appends what `encoded` stands for to `text`.
///
/// # Errors
/// The symbol EOS, or an end that is not less than 8 bits of it (all ones).
pub(super) fn decode(encoded: &[u8], text: &mut Vec<u8>) -> Result<(), HpackFault> {
    // Bits of the current code, and how many.
    let (mut code, mut length) = (0_u32, 0_usize);
    for byte in encoded {
        for bit in (0..8).rev() {
            code = code << 1 | u32::from(byte >> bit & 1);
            length += 1;
            let of_length = code.wrapping_sub(CODE.first[length]);
            if of_length < CODE.count[length] {
                let symbol = CODE.symbols[(CODE.offset[length] + of_length) as usize];
                text.push(u8::try_from(symbol).map_err(|_| HpackFault::Huffman)?);
                (code, length) = (0, 0);
            }
        }
    }
    let is_padding = length < 8 && code == (1 << length) - 1;
    if is_padding { Ok(()) } else { Err(HpackFault::Huffman) }
}

/// Checks that a code that can be decoded is the only one of its text.
#[cfg(any(test, fuzzing))]
pub(crate) fn check(encoded: &[u8]) {
    let mut text = Vec::new();
    if decode(encoded, &mut text).is_ok() {
        assert_eq!(encode(&text), encoded);
    }
}

/// What [`decode`] decodes, for the tests.
#[cfg(any(test, fuzzing))]
pub(super) fn encode(text: &[u8]) -> Vec<u8> {
    let mut bits: String = text.iter().map(|&byte| code(byte.into())).collect();
    while !bits.len().is_multiple_of(8) {
        bits.push('1');
    }
    let byte = |bits: &[u8]| bits.iter().fold(0, |byte, bit| byte << 1 | (bit - b'0'));
    bits.as_bytes().chunks(8).map(byte).collect()
}

/// The bits of a symbol's code.
#[cfg(any(test, fuzzing))]
pub(super) fn code(symbol: u16) -> String {
    let length = usize::from(LENGTHS[usize::from(symbol)]);
    let of_length =
        LENGTHS[..usize::from(symbol)].iter().filter(|&&other| usize::from(other) == length).count();
    format!("{:0length$b}", CODE.first[length] + of_length as u32)
}

/// The code by length: its first code, how many there are, and where their symbols begin.
struct Code {
    first: [u32; MAX_LENGTH + 1],
    count: [u32; MAX_LENGTH + 1],
    offset: [u32; MAX_LENGTH + 1],
    symbols: [u16; SYMBOLS],
}

static CODE: Code = Code::canonical();

impl Code {
    const fn canonical() -> Code {
        let mut code = Code {
            first: [0; MAX_LENGTH + 1],
            count: [0; MAX_LENGTH + 1],
            offset: [0; MAX_LENGTH + 1],
            symbols: [0; SYMBOLS],
        };
        let (mut next, mut sorted, mut length) = (0, 0, 1);
        while length <= MAX_LENGTH {
            next <<= 1;
            code.first[length] = next;
            code.offset[length] = sorted as u32;
            let mut symbol = 0;
            while symbol < SYMBOLS {
                if LENGTHS[symbol] as usize == length {
                    code.symbols[sorted] = symbol as u16;
                    code.count[length] += 1;
                    sorted += 1;
                    next += 1;
                }
                symbol += 1;
            }
            length += 1;
        }
        code
    }
}

/// All bytes, and EOS.
const SYMBOLS: usize = 257;

/// The longest code, in bits.
const MAX_LENGTH: usize = 30;

/// The length of each symbol's code, in bits.
#[rustfmt::skip]
const LENGTHS: [u8; SYMBOLS] = [
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28,
    28, 28, 28, 28, 28, 28, 28, 28, 6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5, 5,
    5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10, 13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7,
    7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6, 15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6,
    6, 5, 6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28, 20, 22, 20, 20, 22, 22, 22, 23, 22,
    23, 23, 23, 23, 23, 24, 23, 24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24, 22,
    21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23, 21, 21, 22, 21, 23, 22, 23, 23, 20,
    22, 22, 22, 23, 22, 22, 23, 26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25, 19,
    21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27, 20, 24, 20, 21, 22, 21, 21, 23, 22,
    22, 25, 25, 24, 24, 26, 23, 26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26, 30,
];
