//! Decodes a DNS message, which may be hostile, in one pass: header, questions, records. Allocates nothing and follows no
//! pointer.
//!
//! ```text
//! | id | flags | 4 counts | question ... | record ... |
//!   2    2       8          name type class  name type class ttl length data
//! ```
//!
//! Every step checks the remaining length, so the time is proportional to the message's bytes, whatever its counts and names
//! claim (RFC 1035, section 4.1). It does not validate queries (see `query`) or build replies (see `reply`).

/// The first 12 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) id: u16,
    pub(super) flags: u16,
    pub(super) questions: u16,
    pub(super) answers: u16,
    pub(super) authorities: u16,
    pub(super) additional: u16,
}

impl Header {
    /// The header of `message`, or `None` if it has fewer than 12 bytes.
    pub(super) fn read(message: &[u8]) -> Option<Header> {
        let mut reader = MessageReader { message, at: 0 };
        let mut next = || reader.u16();
        Some(Header {
            id: next()?,
            flags: next()?,
            questions: next()?,
            answers: next()?,
            authorities: next()?,
            additional: next()?,
        })
    }

    pub(super) const fn is_response(self) -> bool {
        self.flags & RESPONSE != 0
    }

    /// The opcode, at its position in the flags; 0 is QUERY.
    pub(super) const fn opcode(self) -> u16 {
        self.flags & OPCODE
    }

    /// Claimed number of records in all three sections.
    pub(super) fn records(self) -> u32 {
        [self.answers, self.authorities, self.additional].into_iter().map(u32::from).sum()
    }
}

/// A position in a message, from which it is decoded.
#[derive(Debug, Clone, Copy)]
pub(super) struct MessageReader<'a> {
    message: &'a [u8],
    at: usize,
}

impl<'a> MessageReader<'a> {
    /// A reader after the header.
    pub(super) fn after_header(message: &'a [u8]) -> MessageReader<'a> {
        MessageReader { message, at: HEADER }
    }

    /// The next question; `None` if it is cut short, or if its name is compressed or too long. The first name of a message
    /// cannot be compressed, because there is no earlier name.
    pub(super) fn question(&mut self) -> Option<Question<'a>> {
        let begin = self.at;
        let name = self.name()?;
        if !name.is_complete {
            return None;
        }
        let (kind, class) = (self.u16()?, self.u16()?);
        let raw = self.message.get(begin..self.at)?;
        Some(Question { raw, name: name.labels, kind, class })
    }

    /// The next record; `None` if it is cut short.
    pub(super) fn record(&mut self) -> Option<Record<'a>> {
        let name = self.name()?;
        let (kind, class) = (self.u16()?, self.u16()?);
        let ttl = self.take(4)?.try_into().map(u32::from_be_bytes).ok()?;
        let length = self.u16()?;
        let data = self.take(usize::from(length))?;
        Some(Record { is_root: name.is_complete && name.labels == [0], kind, class, ttl, data })
    }

    pub(super) fn u16(&mut self) -> Option<u16> {
        self.take(2)?.try_into().map(u16::from_be_bytes).ok()
    }

    pub(super) fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let taken = self.message.get(self.at..)?.get(..length)?;
        self.at += length;
        Some(taken)
    }

    /// The labels of a name up to its end or up to a pointer.
    fn name(&mut self) -> Option<Name<'a>> {
        let begin = self.at;
        loop {
            let length = *self.take(1)?.first()?;
            match length {
                0 => return Some(Name { labels: self.message.get(begin..self.at)?, is_complete: true }),
                POINTER.. => {
                    self.take(1)?;
                    return Some(Name { labels: self.message.get(begin..self.at)?, is_complete: false });
                }
                1..=MAX_LABEL => self.take(usize::from(length))?,
                // Label types that are unused or obsolete (RFC 6891, section 5).
                _ => return None,
            };
            if self.at - begin >= MAX_NAME {
                return None;
            }
        }
    }
}

/// The question of a query.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Question<'a> {
    /// All of its bytes.
    pub(super) raw: &'a [u8],
    name: &'a [u8],
    pub(super) kind: u16,
    pub(super) class: u16,
}

impl<'a> Question<'a> {
    /// The labels of the name, without the root's empty one.
    pub(super) fn labels(self) -> impl Iterator<Item = &'a [u8]> {
        let mut reader = MessageReader { message: self.name, at: 0 };
        std::iter::from_fn(move || {
            let length = *reader.take(1)?.first()?;
            reader.take(usize::from(length)).filter(|label| !label.is_empty())
        })
    }
}

/// A record of any section, without its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Record<'a> {
    /// Whether its name is the root, as an OPT record's must be.
    pub(super) is_root: bool,
    pub(super) kind: u16,
    pub(super) class: u16,
    pub(super) ttl: u32,
    pub(super) data: &'a [u8],
}

struct Name<'a> {
    labels: &'a [u8],
    /// Whether it ends here, and not with a pointer.
    is_complete: bool,
}

/// The flag of a reply.
pub(super) const RESPONSE: u16 = 0x8000;

/// The four bits of the opcode.
pub(super) const OPCODE: u16 = 0x7800;

/// Bytes of a header.
pub(super) const HEADER: usize = 12;

/// A length byte of at least this value is the first half of a pointer.
const POINTER: u8 = 0xc0;

/// Maximum bytes of a label, and of a name with its length bytes (RFC 1035, section 2.3.4).
pub(super) const MAX_LABEL: u8 = 63;
const MAX_NAME: usize = 255;

#[cfg(test)]
mod tests {
    use super::*;

    fn question(name: &[u8]) -> Option<usize> {
        let message = [&[0; HEADER], name, &[0, 16, 0, 1]].concat();
        let mut reader = MessageReader::after_header(&message);
        reader.question().map(|question| question.labels().count())
    }

    #[test]
    fn a_name_has_at_most_255_bytes_and_no_pointer() {
        let labels = |count: usize| [[1, b'a'].repeat(count), vec![0]].concat();

        assert_eq!(question(&labels(0)), Some(0), "the root");
        assert_eq!(question(&labels(127)), Some(127));
        assert_eq!(question(&labels(128)), None);
        for compressed in [&[0xc0, 12][..], b"\x01a\xc0\x0c", &[0xff, 0xff], &[0x40, 0], &[0x80, 0]] {
            assert_eq!(question(compressed), None, "{compressed:x?}");
        }
    }

    #[test]
    fn a_message_that_is_cut_short_is_not_decoded() {
        let message =
            [&[0; HEADER][..], b"\x04test\0\0\x10\0\x01", b"\xc0\x0c\0\x10\0\x01\0\0\0\0\0\x02ab"].concat();

        for cut in HEADER..message.len() {
            let mut reader = MessageReader::after_header(&message[..cut]);
            assert!(reader.question().and_then(|_| reader.record()).is_none(), "cut at {cut}");
        }
        let mut reader = MessageReader::after_header(&message);
        reader.question().unwrap();
        assert_eq!(reader.record().unwrap().data, b"ab");
        assert_eq!(Header::read(&message[..HEADER - 1]), None);
    }
}
