//! Writes fields as literals that no table keeps (RFC 7541, section 6.2.2).

use super::integer;

/// Tells the decoder to keep no dynamic table; valid only at the beginning of a block (RFC 7541, section 6.3).
pub(crate) const EMPTY_TABLE: u8 = 0x20;

/// Appends a field to `block`.
pub(crate) fn encode(name: &[u8], value: &[u8], block: &mut Vec<u8>) {
    block.push(LITERAL_WITHOUT_INDEXING);
    for text in [name, value] {
        integer::encode(STRING_BITS, 0, text.len(), block);
        block.extend_from_slice(text);
    }
}

/// A literal whose name is a literal, too.
const LITERAL_WITHOUT_INDEXING: u8 = 0;

/// Bits of a string's length in its first byte; the bit above would mean Huffman.
const STRING_BITS: u32 = 7;
