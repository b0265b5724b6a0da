//! Limits what is read from an untrusted JSON file, so that an endless or inflated one is refused before it fills the memory.
//!
//! Apart from its samples a recording is small. So a file may have [`BESIDE_SAMPLES`] bytes of anything, and [`BYTES_PER_SAMPLE`]
//! more for each sample that was read. A file that exceeds this, [`Limit::BYTES`], or the number of samples that the caller has
//! memory for, is not read further. Memory is proportional to the number of samples.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::io::{self, Read};

use serde::Deserializer;
use serde::de::{DeserializeSeed, Error, SeqAccess, Visitor};

use crate::{RunError, Sample};

/// What has been read so far. Shared by the [`Metered`] reader and by the parser, which counts the samples.
#[derive(Debug, Default)]
pub(crate) struct Intake {
    most_samples: u64,
    bytes: Cell<u64>,
    samples: Cell<u64>,
    refusal: RefCell<Option<RunError>>,
    has_text: Cell<bool>,
    has_ended: Cell<bool>,
}

/// What a file exceeds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// [`Limit::BYTES`] in all.
    Bytes,
    /// This many samples.
    Samples(u64),
    /// More text than any recording has in addition to its samples.
    Text,
}

impl Limit {
    /// Most bytes of a file: 1 GiB, five times a recording of [`Limit::SAMPLES`] as this program writes it.
    pub const BYTES: u64 = 1 << 30;

    /// Most samples of a run, which are 41 hours at 20 per second: about 0.7 GB as JSON, and 0.6 GB of memory. The commands record
    /// 18,000 at most.
    pub const SAMPLES: u64 = 3_000_000;
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Limit::Bytes => write!(f, "more than {} GiB", Limit::BYTES >> 30),
            Limit::Samples(most) => write!(f, "more than {most} samples"),
            Limit::Text => write!(f, "more than {} MiB in addition to its samples", BESIDE_SAMPLES >> 20),
        }
    }
}

impl Intake {
    /// Nothing has been read yet; room for this many samples, at most [`Limit::SAMPLES`].
    pub(crate) fn new(most_samples: u64) -> Intake {
        Intake { most_samples: most_samples.min(Limit::SAMPLES), ..Intake::default() }
    }

    /// Why the file is not read further, if it was refused.
    pub(crate) fn refusal(&self) -> Option<RunError> {
        self.refusal.take()
    }

    /// Refuses the file. The error only ends the parsing: what it means is in [`Intake::refusal`].
    pub(crate) fn refuse(&self, why: RunError) -> io::Error {
        self.refusal.replace(Some(why));
        io::Error::other("refused")
    }

    /// Whether the end of the file was reached.
    pub(crate) fn has_ended(&self) -> bool {
        self.has_ended.get()
    }

    /// Whether anything but white space was read.
    pub(crate) fn has_text(&self) -> bool {
        self.has_text.get()
    }

    /// Counts one more sample.
    ///
    /// # Errors
    /// If that exceeds the limit.
    pub(crate) fn add_sample(&self) -> io::Result<()> {
        self.samples.set(self.samples.get() + 1);
        self.within(self.samples.get() <= self.most_samples, Limit::Samples(self.most_samples))
    }

    fn add_bytes(&self, bytes: &[u8]) -> io::Result<()> {
        self.bytes.set(self.bytes.get() + bytes.len() as u64);
        if !self.has_text.get() && !bytes.trim_ascii().is_empty() {
            self.has_text.set(true);
        }
        self.within(self.bytes.get() <= Limit::BYTES, Limit::Bytes)?;
        self.within(self.bytes.get() <= BESIDE_SAMPLES + BYTES_PER_SAMPLE * self.samples.get(), Limit::Text)
    }

    fn within(&self, is_within: bool, limit: Limit) -> io::Result<()> {
        if is_within { Ok(()) } else { Err(self.refuse(RunError::TooLarge { limit })) }
    }
}

/// A reader that counts into an [`Intake`], and fails when a limit is exceeded. A buffered reader around it reads ahead, so limits
/// are exact to within its buffer.
pub(crate) struct Metered<'a, R> {
    pub(crate) reader: R,
    pub(crate) intake: &'a Intake,
}

impl<R: Read> Read for Metered<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.reader.read(buffer)?;
        if length == 0 && !buffer.is_empty() {
            self.intake.has_ended.set(true);
        }
        self.intake.add_bytes(&buffer[..length])?;
        Ok(length)
    }
}

/// Reads a list of samples, counting each.
pub(crate) struct Samples<'a>(pub(crate) &'a Intake);

impl<'de> DeserializeSeed<'de> for Samples<'_> {
    type Value = Vec<Sample>;

    fn deserialize<D: Deserializer<'de>>(self, list: D) -> Result<Vec<Sample>, D::Error> {
        list.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Samples<'_> {
    type Value = Vec<Sample>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of samples")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Vec<Sample>, A::Error> {
        let mut samples = Vec::new();
        while let Some(sample) = list.next_element()? {
            self.0.add_sample().map_err(A::Error::custom)?;
            samples.push(sample);
        }
        Ok(samples)
    }
}

/// Bytes of command, machine, summary and evidence. Evidence grows by 20 points of about 300 bytes per second: an hour and a half
/// of it fits.
const BESIDE_SAMPLES: u64 = 32 << 20;

/// Bytes of one sample as JSON: 14 numbers of 20 digits and their names are 600; the rest is for indentation.
const BYTES_PER_SAMPLE: u64 = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads an endless file, and returns the number of bytes read.
    fn endless(intake: &Intake) -> u64 {
        let mut buffer = vec![0; 1 << 20];
        let mut reader = Metered { reader: io::repeat(b'x'), intake };
        let mut read = 0;
        while let Ok(length) = reader.read(&mut buffer) {
            read += length as u64;
        }
        read
    }

    fn exceeded(intake: &Intake) -> Option<Limit> {
        match intake.refusal()? {
            RunError::TooLarge { limit } => Some(limit),
            other => panic!("{other}"),
        }
    }

    #[test]
    fn text_without_samples_ends_at_its_limit() {
        let intake = Intake::new(u64::MAX);

        assert_eq!(endless(&intake), BESIDE_SAMPLES);
        assert_eq!(exceeded(&intake), Some(Limit::Text));
    }

    #[test]
    fn samples_add_room_for_their_text() {
        let intake = Intake::new(u64::MAX);
        (0..4096).try_for_each(|_| intake.add_sample()).expect("these are few");

        assert_eq!(endless(&intake), BESIDE_SAMPLES + (4 << 20));
    }

    #[test]
    fn samples_end_at_their_limit() {
        let intake = Intake::new(u64::MAX);

        let counted = (0..Limit::SAMPLES).try_for_each(|_| intake.add_sample());

        assert!(counted.is_ok() && intake.add_sample().is_err());
        assert_eq!(exceeded(&intake), Some(Limit::Samples(Limit::SAMPLES)));
        assert_eq!(endless(&intake), Limit::BYTES);
        assert_eq!(exceeded(&intake), Some(Limit::Bytes));
    }
}
