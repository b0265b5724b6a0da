//! What all connections of a flood have done.

use std::time::Duration;

use crate::checker::Fault;

/// Counters, added up over all connections. Bytes and frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Totals {
    /// Connections that have not ended.
    pub open: u32,
    /// Bytes written.
    pub produced: u64,
    /// Bytes read.
    pub consumed: u64,
    /// Bytes of frames that came back intact and in order; without framing, all correct bytes.
    pub verified: u64,
    /// Frames sent, including one sent in part.
    pub frames: u64,
    /// Frames that did not come back. Final for connections that were read to their end.
    pub lost: u64,
    /// Frames that came back more than once.
    pub duplicated: u64,
    /// Frames that came back after a later one.
    pub reordered: u64,
    /// Frames that came back corrupt.
    pub mismatched: u64,
    /// The first fault of any connection, and the offset in that connection's replies, in bytes: of the wrong frame;
    /// without framing, of the wrong byte.
    pub first_fault: Option<(Fault, u64)>,
    /// The longest time that a write was blocked without the kernel accepting a byte.
    pub longest_stall: Duration,
    /// Connections whose write is blocked now.
    pub stalled: u32,
}

impl Totals {
    /// Both totals as one.
    pub(crate) fn merge(self, other: Totals) -> Totals {
        Totals {
            open: self.open + other.open,
            produced: self.produced + other.produced,
            consumed: self.consumed + other.consumed,
            verified: self.verified + other.verified,
            frames: self.frames + other.frames,
            lost: self.lost + other.lost,
            duplicated: self.duplicated + other.duplicated,
            reordered: self.reordered + other.reordered,
            mismatched: self.mismatched + other.mismatched,
            first_fault: self.first_fault.or(other.first_fault),
            longest_stall: self.longest_stall.max(other.longest_stall),
            stalled: self.stalled + other.stalled,
        }
    }
}
