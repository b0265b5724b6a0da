//! Writes fields as literals that no table keeps (RFC 7541, section 6.2.2).

use super::integer;

/// Tells the decoder to keep no dynamic table; valid only at the beginning of a block (RFC 7541, section 6.3).
pub(crate) const EMPTY_TABLE: u8 = 0x20;

/// Appends a field to `block`, its name in lower case.
pub(crate) fn encode(name: &str, value: &str, block: &mut Vec<u8>) {
    block.push(LITERAL_WITHOUT_INDEXING);
    for (text, is_name) in [(name, true), (value, false)] {
        integer::encode(STRING_BITS, 0, text.len(), block);
        let start = block.len();
        block.extend_from_slice(text.as_bytes());
        if is_name {
            block[start..].make_ascii_lowercase();
        }
    }
}

/// A literal whose name is a literal, too.
const LITERAL_WITHOUT_INDEXING: u8 = 0;

/// Bits of a string's length in its first byte; the bit above would mean Huffman.
const STRING_BITS: u32 = 7;
