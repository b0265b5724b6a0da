//! Limits what is read from an untrusted JSON file, so that an endless or inflated one is refused before it fills the memory.
//!
//! Apart from its samples a recording is small. So a file may have [`BESIDE_SAMPLES`] bytes of anything, and [`BYTES_PER_SAMPLE`]
//! more for each sample. A file that exceeds this, [`Limit::BYTES`], or the number of samples that the caller has memory for, is
//! not read further. Memory is proportional to the number of samples.
//!
//! What is counted are the braces that open an object: each sample, each point of the evidence and each logged connection has one,
//! and nothing else in a recording has many.

use std::fmt;
use std::io::{self, Read};

use crate::{ConnectionLog, RunError};

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

/// A reader that counts, and fails when a limit is exceeded. A buffered reader around it reads ahead, so limits are exact to
/// within its buffer.
pub(crate) struct Intake<R> {
    reader: R,
    most_samples: u64,
    bytes: u64,
    objects: u64,
}

impl<R: Read> Intake<R> {
    /// Nothing has been read yet; room for this many samples, at most [`Limit::SAMPLES`].
    pub(crate) fn new(reader: R, most_samples: u64) -> Intake<R> {
        Intake { reader, most_samples: most_samples.min(Limit::SAMPLES), bytes: 0, objects: 0 }
    }

    /// The limit that is exceeded.
    fn exceeded(&self) -> Option<Limit> {
        match self {
            _ if self.objects > self.most_samples + OTHER_OBJECTS => Some(Limit::Samples(self.most_samples)),
            _ if self.bytes > Limit::BYTES => Some(Limit::Bytes),
            _ if self.bytes > BESIDE_SAMPLES + BYTES_PER_SAMPLE * self.objects => Some(Limit::Text),
            _ => None,
        }
    }
}

impl<R: Read> Read for Intake<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.reader.read(buffer)?;
        self.bytes += length as u64;
        self.objects += buffer[..length].iter().filter(|byte| **byte == b'{').count() as u64;
        self.exceeded().map_or(Ok(length), |limit| Err(io::Error::other(RunError::TooLarge(limit))))
    }
}

/// Bytes of command, machine, summary and the rest of the evidence: some kilobytes, and a few MiB if a command has long arguments.
const BESIDE_SAMPLES: u64 = 32 << 20;

/// Bytes of one sample as JSON: 14 numbers of 20 digits and their names are 600; the rest is for indentation.
const BYTES_PER_SAMPLE: u64 = 1024;

/// Objects of a recording beside samples and points: the whole, its machine, the parts of its ending, and the connections that either
/// lists.
const OTHER_OBJECTS: u64 = 100 + ConnectionLog::MOST_CONNECTIONS as u64;

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads to a limit, and returns it with the number of bytes read.
    fn exceeded(mut intake: Intake<impl Read>) -> (Option<Limit>, u64) {
        let mut buffer = vec![0; 64 << 10];
        let mut read = 0;
        loop {
            match intake.read(&mut buffer) {
                Ok(0) => return (None, read),
                Ok(length) => read += length as u64,
                Err(error) => match error.downcast() {
                    Ok(RunError::TooLarge(limit)) => return (Some(limit), read),
                    other => panic!("{other:?}"),
                },
            }
        }
    }

    #[test]
    fn text_without_samples_ends_at_its_limit() {
        let intake = Intake::new(io::repeat(b'x'), u64::MAX);

        assert_eq!(exceeded(intake), (Some(Limit::Text), BESIDE_SAMPLES));
    }

    #[test]
    fn samples_add_room_for_their_text() {
        let samples = "{".repeat(4096);
        let intake = Intake::new(samples.as_bytes().chain(io::repeat(b'x')), u64::MAX);

        let (limit, read) = exceeded(intake);

        assert_eq!(limit, Some(Limit::Text));
        assert!((BESIDE_SAMPLES + (4 << 20)).abs_diff(read) <= 64 << 10, "{read}");
    }

    #[test]
    fn samples_end_at_their_limit() {
        for (most, limit) in [(1000, 1000), (u64::MAX, Limit::SAMPLES)] {
            let few = "{".repeat(usize::try_from(limit + OTHER_OBJECTS).unwrap());

            assert_eq!(exceeded(Intake::new(few.as_bytes(), most)).0, None);
            let (exceeded, read) = exceeded(Intake::new(few.as_bytes().chain(&b"{"[..]), most));
            assert_eq!((exceeded, read), (Some(Limit::Samples(limit)), few.len() as u64));
        }
    }

    #[test]
    fn a_file_ends_at_its_limit() {
        let almost = Intake {
            objects: Limit::SAMPLES,
            bytes: Limit::BYTES - (1 << 20),
            ..Intake::new(io::repeat(b'x'), u64::MAX)
        };

        assert_eq!(exceeded(almost), (Some(Limit::Bytes), 1 << 20));
    }
}
