//! The decoded fields of one block.

/// Names and values in the order in which they came. All are in one allocation, which is used again for the next block.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Fields {
    bytes: Vec<u8>,
    /// For each field, where its name and its value end in `bytes`.
    ends: Vec<(usize, usize)>,
}

impl Fields {
    /// All fields except pseudo-header fields: name and value, which are any bytes.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.all().filter(|(name, _)| !name.starts_with(b":"))
    }

    /// The first value of a field, by its name in lower case.
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        self.all().find(|(other, _)| *other == name.as_bytes()).map(|(_, value)| value)
    }

    /// All fields, with the pseudo-header fields.
    pub(crate) fn all(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        let starts = std::iter::once(0).chain(self.ends.iter().map(|&(_, end)| end));
        starts
            .zip(&self.ends)
            .map(|(start, &(name, value))| (&self.bytes[start..name], &self.bytes[name..value]))
    }

    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
    }

    pub(super) fn push(&mut self, name: &[u8], value: &[u8]) {
        self.bytes.extend_from_slice(name);
        let name_end = self.bytes.len();
        self.bytes.extend_from_slice(value);
        self.ends.push((name_end, self.bytes.len()));
    }
}
