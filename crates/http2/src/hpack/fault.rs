//! Why a field block cannot be decoded.

use thiserror::Error;

/// What is wrong with a field block. No later block of its connection can be decoded either.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum HpackFault {
    /// The block ends inside a field.
    #[error("it ends inside a field (RFC 7541, section 6)")]
    Truncated,
    /// A number needs more than 32 bits, or more bytes than that takes.
    #[error("an integer is too large (RFC 7541, section 5.1)")]
    Integer,
    /// An index is 0, or beyond the end of both tables.
    #[error("index {0} is in neither table (RFC 7541, section 2.3.3)")]
    Index(u32),
    /// A string has an invalid Huffman code, or invalid padding after it.
    #[error("a string has an invalid Huffman code (RFC 7541, section 5.2)")]
    Huffman,
    /// The encoder wants a larger dynamic table than we permit.
    #[error("a dynamic table of {0} bytes exceeds 4096 (RFC 7541, section 6.3)")]
    TableSize(u32),
    /// The size of the dynamic table changes after a field of the block.
    #[error("the dynamic table changes its size inside a block (RFC 7541, section 4.2)")]
    LateSizeUpdate,
}
