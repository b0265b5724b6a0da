//! HPACK (RFC 7541): header fields as bytes.
//!
//! A field is an index into a table, or a literal. The table begins with 61 fields of the standard; after them come those that
//! the sender added, newest first. The decoder therefore has to decode every block of a connection, in order. Ours supports all of it, within
//! limits. The encoder only writes literals, which need no state.

mod decoder;
mod dynamic_table;
mod encoder;
mod fault;
mod fields;
mod huffman;
mod integer;
mod static_table;

pub(crate) use decoder::{DecodeError, Decoder};
pub(crate) use encoder::{EMPTY_TABLE, encode};
pub use fault::HpackFault;
pub use fields::Fields;
#[cfg(any(test, fuzzing))]
pub(crate) use huffman::check as check_huffman;

/// The largest dynamic table that an encoder may ask of us, in bytes: the protocol's default, which we do not change.
pub(crate) const TABLE_SIZE: usize = 4096;

/// What each field counts beyond its name and value, in a table and in a list (RFC 7541, section 4.1; RFC 9113, section 6.5.2).
const FIELD_OVERHEAD: usize = 32;

#[cfg(test)]
mod tests;
