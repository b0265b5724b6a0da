//! Checks the decoder of field blocks with any bytes.
//!
//! For the fuzz target, which builds this crate with `--cfg fuzzing`, and for the tests; other builds do not contain it.

use crate::Fields;
use crate::hpack::{DecodeError, Decoder, TABLE_SIZE, check_huffman, encode};

/// Decodes `input` as the field blocks of one connection. Each begins with a byte that gives its length.
///
/// Whatever is decoded stays within the limits and survives being encoded and decoded again. A Huffman code that is decoded is the only code
/// of its text.
pub fn check_blocks(input: &[u8]) {
    let (mut decoder, mut fields) = (Decoder::new(), Fields::default());
    let mut rest = input;
    while let Some((&length, tail)) = rest.split_first() {
        let (block, tail) = tail.split_at(tail.len().min(length.into()));
        rest = tail;
        check_huffman(block);
        match decoder.decode(block, LIMIT, &mut fields) {
            Ok(()) => check_fields(&fields),
            // The connection ends here.
            Err(DecodeError::TooLarge | DecodeError::Fault(_)) => return,
        }
        assert!(decoder.table_size() <= TABLE_SIZE);
    }
}

fn check_fields(fields: &Fields) {
    let size: usize = fields.all().map(|(name, value)| name.len() + value.len() + 32).sum();
    assert!(size <= LIMIT, "{size}");
    let mut block = Vec::new();
    fields.all().for_each(|(name, value)| encode(name, value, &mut block));
    let mut again = Fields::default();
    Decoder::new().decode(&block, LIMIT, &mut again).expect("literals are valid");
    assert_eq!(again, *fields);
}

/// The limit of the decoded fields, in bytes: small enough for inputs to exceed it.
const LIMIT: usize = 8192;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn garbled_blocks_keep_the_promises() {
        let folder = format!("{}/../../fuzz/seeds/hpack", env!("CARGO_MANIFEST_DIR"));
        for file in std::fs::read_dir(folder).unwrap() {
            let seed = std::fs::read(file.unwrap().path()).unwrap();
            check_blocks(&seed);
            (0..seed.len()).for_each(|end| check_blocks(&seed[..end]));
            for at in 0..seed.len() {
                for byte in [0, 1, 0x0f, 0x1f, 0x20, 0x3f, 0x40, 0x7f, 0x80, 0xbe, 0xff] {
                    let mut garbled = seed.clone();
                    garbled[at] = byte;
                    check_blocks(&garbled);
                }
            }
        }
    }
}
