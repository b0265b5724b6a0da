//! Decodes field blocks (RFC 7541, section 6).

use super::dynamic_table::DynamicTable;
use super::static_table::STATIC_TABLE;
use super::{FIELD_OVERHEAD, Fields, HpackFault, TABLE_SIZE, huffman, integer};

/// The state of one direction of a connection. It holds the dynamic table (at most 4 KiB) and the longest name and value so far.
#[derive(Debug)]
pub(crate) struct Decoder {
    dynamic: DynamicTable,
    name: Vec<u8>,
    value: Vec<u8>,
}

/// Why a block was not decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DecodeError {
    Fault(HpackFault),
    /// The fields exceed the caller's limit.
    TooLarge,
}

impl Decoder {
    pub(crate) const fn new() -> Decoder {
        Decoder { dynamic: DynamicTable::new(), name: Vec::new(), value: Vec::new() }
    }

    /// Size of the dynamic table as the standard counts it, in bytes.
    #[cfg(any(test, fuzzing))]
    pub(crate) const fn table_size(&self) -> usize {
        self.dynamic.size()
    }

    /// Decodes a complete block into `fields`, whose old content is dropped.
    ///
    /// `limit` is for the sum of all names and values, and 32 bytes per field, as SETTINGS_MAX_HEADER_LIST_SIZE counts them: a byte of a
    /// block can stand for a field of 4 KiB.
    ///
    /// # Errors
    /// After any error the decoder's table is out of step with the encoder's: the connection must end.
    pub(crate) fn decode(
        &mut self,
        mut block: &[u8],
        limit: usize,
        fields: &mut Fields,
    ) -> Result<(), DecodeError> {
        fields.clear();
        let mut size = 0;
        while let Some(&first) = block.first() {
            let keeps = match Representation::of(first) {
                Representation::SizeUpdate if size > 0 => return Err(HpackFault::LateSizeUpdate.into()),
                Representation::SizeUpdate => {
                    self.resize(&mut block)?;
                    continue;
                }
                Representation::Indexed => {
                    self.indexed(&mut block)?;
                    false
                }
                Representation::Literal { name_bits, keeps } => {
                    self.literal(name_bits, &mut block)?;
                    keeps
                }
            };
            size += self.name.len() + self.value.len() + FIELD_OVERHEAD;
            if size > limit {
                return Err(DecodeError::TooLarge);
            }
            fields.push(&self.name, &self.value);
            if keeps {
                self.dynamic.insert(&self.name, &self.value);
            }
        }
        Ok(())
    }

    fn resize(&mut self, block: &mut &[u8]) -> Result<(), HpackFault> {
        let size = integer::decode(5, block)?;
        if size as usize > TABLE_SIZE {
            return Err(HpackFault::TableSize(size));
        }
        self.dynamic.resize(size as usize);
        Ok(())
    }

    /// A field of a table.
    fn indexed(&mut self, block: &mut &[u8]) -> Result<(), HpackFault> {
        let index = integer::decode(7, block)?;
        let (name, value) = entry(&self.dynamic, index)?;
        replace(&mut self.name, name);
        replace(&mut self.value, value);
        Ok(())
    }

    /// A field whose value is a string, and whose name is a string or that of a table's entry.
    fn literal(&mut self, name_bits: u32, block: &mut &[u8]) -> Result<(), HpackFault> {
        match integer::decode(name_bits, block)? {
            0 => string(block, &mut self.name)?,
            index => replace(&mut self.name, entry(&self.dynamic, index)?.0),
        }
        string(block, &mut self.value)
    }
}

impl From<HpackFault> for DecodeError {
    fn from(fault: HpackFault) -> DecodeError {
        DecodeError::Fault(fault)
    }
}

/// What the first bits of a representation say.
enum Representation {
    Indexed,
    /// `keeps`: it is added to the dynamic table.
    Literal {
        name_bits: u32,
        keeps: bool,
    },
    SizeUpdate,
}

impl Representation {
    const fn of(first: u8) -> Representation {
        match first {
            0x80.. => Representation::Indexed,
            0x40.. => Representation::Literal { name_bits: 6, keeps: true },
            0x20.. => Representation::SizeUpdate,
            // Never indexed (0x10) and without indexing (0) differ only for those that pass the field on.
            _ => Representation::Literal { name_bits: 4, keeps: false },
        }
    }
}

/// An entry of both tables, from 1.
fn entry(dynamic: &DynamicTable, index: u32) -> Result<(&[u8], &[u8]), HpackFault> {
    let at = (index as usize).checked_sub(1).ok_or(HpackFault::Index(index))?;
    match STATIC_TABLE.get(at) {
        Some((name, value)) => Ok((name.as_bytes(), value.as_bytes())),
        None => dynamic.get(at - STATIC_TABLE.len()).ok_or(HpackFault::Index(index)),
    }
}

/// Reads a string off the front of `block` (RFC 7541, section 5.2).
fn string(block: &mut &[u8], text: &mut Vec<u8>) -> Result<(), HpackFault> {
    let is_huffman = block.first().is_some_and(|first| first & 0x80 != 0);
    let length = integer::decode(7, block)? as usize;
    let (bytes, rest) = block.split_at_checked(length).ok_or(HpackFault::Truncated)?;
    *block = rest;
    text.clear();
    if is_huffman {
        huffman::decode(bytes, text)
    } else {
        text.extend_from_slice(bytes);
        Ok(())
    }
}

fn replace(text: &mut Vec<u8>, bytes: &[u8]) {
    text.clear();
    text.extend_from_slice(bytes);
}
