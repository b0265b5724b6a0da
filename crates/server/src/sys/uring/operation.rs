//! What identifies an operation, in the 64 bits that the kernel returns with its completion.

/// What an operation does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Kind {
    /// Waits until a socket is readable.
    Watch,
    /// Cancels another operation.
    Cancel,
    /// Receives into a provided buffer.
    Receive,
    /// Sends from a provided buffer.
    Send,
    /// Receives into a connection's own buffer, or sends from it.
    Own,
}

impl Kind {
    const ALL: [Kind; 5] = [Kind::Watch, Kind::Cancel, Kind::Receive, Kind::Send, Kind::Own];
}

/// Identifies an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tag {
    pub(super) kind: Kind,
    /// The provided buffer of a send.
    pub(super) buffer: u16,
    pub(super) connection: u32,
}

impl Tag {
    pub(super) fn new(kind: Kind, buffer: u16, connection: u32) -> Tag {
        Tag { kind, buffer, connection }
    }

    pub(super) fn to_u64(self) -> u64 {
        (self.kind as u64) << 48 | u64::from(self.buffer) << 32 | u64::from(self.connection)
    }

    /// # Panics
    /// If it is not from [`to_u64`](Tag::to_u64).
    pub(super) fn from_u64(bits: u64) -> Tag {
        let kind = Kind::ALL[(bits >> 48) as usize];
        Tag { kind, buffer: (bits >> 32) as u16, connection: bits as u32 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_survives_the_kernel() {
        for (kind, buffer, connection) in
            Kind::ALL.into_iter().flat_map(|kind| [(kind, 0, u32::MAX), (kind, u16::MAX, 0)])
        {
            let tag = Tag::new(kind, buffer, connection);
            assert_eq!(Tag::from_u64(tag.to_u64()), tag);
        }
    }
}
