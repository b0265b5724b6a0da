//! The streams that the client has opened, with their windows.
//!
//! The windows of all streams move when a setting changes their initial size. So a stream only stores how far its window is from that size, its
//! balance, and a change costs nothing, however many streams there are and however often a server changes it.

use std::collections::BTreeMap;

use crate::frame::{FrameKind, MAX_31_BITS};
use crate::{StreamId, Violation};

/// The streams of a connection. It holds at most [`MAX_STREAMS`].
#[derive(Debug)]
pub(super) struct Streams {
    open: BTreeMap<u32, Stream>,
    /// The number of the next stream.
    next: u32,
    /// The initial size of the windows that the server grants.
    send_initial: i64,
    /// Upper bound of all send balances.
    max_send_balance: i64,
}

/// One stream that at least one side has not ended.
#[derive(Debug, Default)]
pub(super) struct Stream {
    /// What the server granted beyond the initial window, minus the data that was sent.
    send_balance: i64,
    /// What the client granted beyond the initial window, minus the data that came.
    pub(super) receive_balance: i64,
    pub(super) response: Response,
    /// The client has sent END_STREAM.
    pub(super) is_sent: bool,
}

/// How much of a response has come.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) enum Response {
    #[default]
    Awaited,
    HeadersCame,
    Ended,
}

impl Streams {
    pub(super) const fn new(send_initial: u32) -> Streams {
        Streams { open: BTreeMap::new(), next: 1, send_initial: send_initial as i64, max_send_balance: 0 }
    }

    pub(super) fn count(&self) -> usize {
        self.open.len()
    }

    /// Opens the next stream, or none if the numbers are used up.
    pub(super) fn open(&mut self, is_sent: bool) -> Option<StreamId> {
        let id = self.next;
        if id > MAX_31_BITS {
            return None;
        }
        self.next += 2;
        self.open.insert(id, Stream { is_sent, ..Stream::default() });
        Some(StreamId(id))
    }

    pub(super) fn get(&self, stream: StreamId) -> Option<&Stream> {
        self.open.get(&stream.0)
    }

    pub(super) fn get_mut(&mut self, stream: StreamId) -> Option<&mut Stream> {
        self.open.get_mut(&stream.0)
    }

    /// The stream of a server's frame; `None` if it ended, by the server's will or by both sides'.
    ///
    /// # Errors
    /// It was never opened.
    pub(super) fn find(&mut self, kind: FrameKind, stream: u32) -> Result<Option<&mut Stream>, Violation> {
        if stream.is_multiple_of(2) || stream >= self.next {
            return Err(Violation::IdleStream { kind, stream });
        }
        Ok(self.open.get_mut(&stream))
    }

    /// The stream of a frame that belongs to a response.
    ///
    /// # Errors
    /// It was never opened, or the server has ended it.
    pub(super) fn find_answering(&mut self, kind: FrameKind, stream: u32) -> Result<&mut Stream, Violation> {
        self.find(kind, stream)?
            .filter(|found| found.response != Response::Ended)
            .ok_or(Violation::ClosedStream { kind, stream })
    }

    /// Ends the server's half, and with it the stream if the client's has ended.
    pub(super) fn end_response(&mut self, stream: StreamId) {
        if let Some(found) = self.open.get_mut(&stream.0) {
            found.response = Response::Ended;
            self.remove_if_ended(stream);
        }
    }

    /// Ends the client's half, and with it the stream if the server's has ended.
    pub(super) fn end_request(&mut self, stream: StreamId) {
        if let Some(found) = self.open.get_mut(&stream.0) {
            found.is_sent = true;
            self.remove_if_ended(stream);
        }
    }

    fn remove_if_ended(&mut self, stream: StreamId) {
        if self.open.get(&stream.0).is_some_and(|found| found.is_sent && found.response == Response::Ended) {
            self.open.remove(&stream.0);
        }
    }

    /// Removes a stream that the server reset.
    pub(super) fn remove(&mut self, stream: StreamId) {
        self.open.remove(&stream.0);
    }

    /// Removes the streams after `last`, which the server does not process.
    pub(super) fn split_off_after(&mut self, last: u32) -> impl Iterator<Item = StreamId> + use<> {
        self.open.split_off(&last.saturating_add(1)).into_keys().map(StreamId)
    }

    /// The send window of a stream; below 0 after a setting lowered it.
    pub(super) fn send_window(&self, stream: &Stream) -> i64 {
        self.send_initial + stream.send_balance
    }

    /// Takes sent data off a stream's window.
    pub(super) fn spend(&mut self, stream: StreamId, count: usize) {
        if let Some(found) = self.open.get_mut(&stream.0) {
            found.send_balance -= count as i64;
        }
    }

    /// Adds a server's grant to a stream's window.
    pub(super) fn widen(&mut self, stream: StreamId, increment: u32) -> Result<(), Violation> {
        let Some(found) = self.open.get_mut(&stream.0) else { return Ok(()) };
        found.send_balance += i64::from(increment);
        self.max_send_balance = self.max_send_balance.max(found.send_balance);
        if self.send_initial + found.send_balance > i64::from(MAX_31_BITS) {
            return Err(Violation::WindowOverflow { stream: stream.0 });
        }
        Ok(())
    }

    /// Changes the initial size of all send windows, of open streams too.
    pub(super) fn set_send_initial(&mut self, size: u32) -> Result<(), Violation> {
        self.send_initial = i64::from(size);
        let max_balance = i64::from(MAX_31_BITS) - self.send_initial;
        if self.max_send_balance <= max_balance {
            return Ok(());
        }
        // The bound is exceeded, which is never below the truth: now look. It costs one pass per grant of that size, not per setting.
        self.max_send_balance =
            self.open.values().map(|stream| stream.send_balance).max().unwrap_or(0).max(0);
        match self.open.iter().find(|(_, stream)| stream.send_balance > max_balance) {
            Some((&stream, _)) => Err(Violation::WindowOverflow { stream }),
            None => Ok(()),
        }
    }

    /// The balances of the streams whose response has not ended.
    pub(super) fn receive_balances(&self) -> impl Iterator<Item = i64> {
        self.open
            .values()
            .filter(|stream| stream.response != Response::Ended)
            .map(|stream| stream.receive_balance)
    }
}

/// The most streams that are open at a time, however many the server permits: a stream costs about 100 bytes.
pub(super) const MAX_STREAMS: u32 = 100_000;
