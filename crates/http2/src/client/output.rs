//! What is to be written to the server.

use crate::frame::{FrameHeader, FrameKind};

/// A queue of bytes. It grows as far as its users let it: each looks at [`Output::room`] first.
#[derive(Debug, Default)]
pub(super) struct Output {
    bytes: Vec<u8>,
    sent: usize,
    /// Upper bound of the bytes that the server demanded, among those that are not sent yet.
    answers: usize,
}

/// The side that caused a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cause {
    /// The client's user.
    User,
    /// The server, whose frame has to be answered.
    Server,
}

impl Output {
    pub(super) fn pending(&self) -> &[u8] {
        &self.bytes[self.sent..]
    }

    pub(super) fn sent(&mut self, count: usize) {
        self.sent += count.min(self.pending().len());
        self.answers = self.answers.min(self.pending().len());
        if self.sent == self.bytes.len() {
            self.bytes.clear();
            self.sent = 0;
        } else if self.sent >= CAPACITY {
            self.bytes.drain(..self.sent);
            self.sent = 0;
        }
    }

    /// Number of bytes that may be added until the queue is full.
    pub(super) fn room(&self) -> usize {
        CAPACITY.saturating_sub(self.pending().len())
    }

    /// Whether the server may demand another answer.
    pub(super) const fn accepts_answer(&self) -> bool {
        self.answers < CAPACITY
    }

    pub(super) fn raw(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    pub(super) fn frame(&mut self, kind: FrameKind, flags: u8, stream: u32, payload: &[u8], cause: Cause) {
        let header = FrameHeader { length: payload.len() as u32, kind, flags, stream }.encode();
        self.raw(&header);
        self.raw(payload);
        if cause == Cause::Server {
            self.answers += header.len() + payload.len();
        }
    }
}

/// The most that waits to be sent by the user's will, and the most by the server's, in bytes: enough to fill a socket's write.
const CAPACITY: usize = 64 * 1024;
