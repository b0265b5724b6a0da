//! A connection whose operations the kernel carries out: what to do next, whenever one has completed.
//!
//! ```text
//!            receive: the kernel chooses a provided buffer
//!               |                                      ^
//!               v                                      | all accepted, nothing left over
//!   complete frames are sent from it, without waiting -+
//!               |
//!               | not all accepted, or an incomplete frame is left over
//!               v
//!   the rest moves to the connection's own buffer, and the provided buffer goes back at once
//!               |
//!               v
//!   the complete frames of the rest are sent from it, which waits for the peer; nothing is received until then
//! ```
//!
//! The last step is the policy await. The one before it is the bound: a peer that does not read occupies its own buffer, which is counted
//! against the memory limit, but never one of those that all connections share. An incomplete frame longer than [`HEADROOM`] is received
//! into the connection's own buffer, which grows as in the other I/O models.
//!
//! Normally at most one operation is in flight: a receive or a send. The exception is a receive that is linked to the send before it:
//! the kernel begins it if the send succeeded completely, and otherwise cancels it. So an echo takes one submission, not two.

use std::io::{self, ErrorKind};
use std::mem;
use std::net::Shutdown;
use std::task::Waker;

use echoctl_proto::Buffer;

use super::frames::Need;
use super::read_size::READ;
use super::{BlockingConnection, Connection, complete_frames_in};
use crate::close_reason::CloseReason;
use crate::sys::uring::{Done, HEADROOM, Lease, Ring, Size, has_found_no_buffer, is_temporary};
use crate::table::NoRoom;

impl BlockingConnection {
    /// Has changes of the settings, and whatever closes the connection from outside, call `waker` from now on.
    pub(crate) fn wake_by(&self, waker: &Waker) {
        self.handle.entry().set_waker(waker);
    }
}

/// A connection of a ring. It must not be closed while [`Next::InFlight`] is its last answer.
pub(crate) struct RingConnection {
    pub(crate) connection: BlockingConnection,
    is_receiving: bool,
    is_sending: bool,
    /// Whether the last receive filled a small buffer.
    is_streaming: bool,
    /// Bytes received that count as received only when they are taken up: those that arrived as a pause began, later.
    uncounted: usize,
    /// Complete frames that the kernel has not accepted: as many bytes of those held, or of the own buffer if nothing is held.
    unsent: usize,
    /// A provided buffer, for the moment until its bytes are sent or moved.
    held: Option<Lease>,
    end: Option<Box<Result<(), CloseReason>>>,
}

/// What a connection waits for.
#[derive(Debug)]
pub(crate) enum Next {
    /// For an operation to complete.
    InFlight,
    /// For the end of a pause, or to be closed.
    Resumption,
    /// For memory, until connections that are being closed are gone.
    Room,
    /// For nothing: it is to be closed.
    Closing(Result<(), CloseReason>),
}

/// What happens when an operation has completed.
impl RingConnection {
    pub(crate) fn new(connection: BlockingConnection) -> RingConnection {
        RingConnection {
            connection,
            is_receiving: false,
            is_sending: false,
            is_streaming: false,
            uncounted: 0,
            unsent: 0,
            held: None,
            end: None,
        }
    }

    /// One of its operations has completed. Followed by [`proceed`](RingConnection::proceed).
    pub(crate) fn complete(&mut self, ring: &mut Ring, done: Done) {
        match done {
            Done::Received(result) => self.received(ring, result),
            Done::ReceivedOwn(buffer, result) => self.received_own(buffer, result),
            Done::Sent(lease, result) => self.sent(ring, lease, result),
            Done::SentOwn(buffer, result) => self.sent_own(buffer, result),
        }
    }

    fn received(&mut self, ring: &mut Ring, result: io::Result<Option<Lease>>) {
        self.is_receiving = false;
        match result {
            Ok(Some(lease)) if self.unsent > 0 || self.held.is_some() => {
                // For lack of memory the kernel has separated two linked operations. The bytes cannot be answered in order.
                ring.give_back(lease);
                self.fail(CloseReason::OutOfMemory);
                // A send that waits for the peer ends now. An error means that there is no connection left.
                let _ = self.connection.stream.shutdown(Shutdown::Both);
            }
            Ok(Some(lease)) => {
                self.uncounted += lease.len();
                self.is_streaming = lease.len() >= SMALL;
                self.held = Some(lease);
            }
            Ok(None) => self.end = Some(Box::new(Ok(()))),
            // It tries again, with a smaller buffer if there can be no other of this size.
            Err(error) if has_found_no_buffer(&error) => self.is_streaming &= ring.grow(self.size()),
            Err(error) if is_temporary(&error) => {}
            Err(error) => self.fail(error.into()),
        }
    }

    fn received_own(&mut self, buffer: Box<Buffer>, result: io::Result<usize>) {
        self.is_receiving = false;
        self.connection.frames.put_back(buffer);
        match result {
            Ok(0) => self.end = Some(Box::new(Ok(()))),
            Ok(count) => self.uncounted += count,
            Err(error) if is_temporary(&error) => {}
            Err(error) => self.fail(error.into()),
        }
    }

    fn sent(&mut self, ring: &mut Ring, mut lease: Lease, result: io::Result<usize>) {
        self.is_sending = false;
        match result {
            Ok(count) => {
                self.connection.handle.entry().record_sent(count);
                lease.advance(count);
                self.unsent -= count;
            }
            Err(error) if is_temporary(&error) => {}
            Err(error) => self.fail(error.into()),
        }
        if lease.is_empty() {
            ring.give_back(lease);
        } else {
            self.held = Some(lease);
        }
    }

    fn sent_own(&mut self, buffer: Box<Buffer>, result: io::Result<usize>) {
        self.is_sending = false;
        self.connection.frames.put_back(buffer);
        match result {
            Ok(0) => self.fail(io::Error::from(ErrorKind::WriteZero).into()),
            Ok(count) => {
                self.connection.handle.entry().record_sent(count);
                self.connection.frames.consume(count);
                self.unsent -= count;
            }
            Err(error) if is_temporary(&error) => {}
            Err(error) => self.fail(error.into()),
        }
    }

    /// Cancels its receive if reading is paused.
    pub(crate) fn pause(&self, ring: &mut Ring, key: u32) {
        if self.is_receiving && self.is_paused() {
            ring.cancel_receive(key);
        }
    }

    fn fail(&mut self, reason: CloseReason) {
        self.end = Some(Box::new(Err(reason)));
    }
}

/// What it does next.
impl RingConnection {
    /// Starts the next operation, if none is in flight. `key` identifies the connection in its ring.
    pub(crate) fn proceed(&mut self, ring: &mut Ring, key: u32) -> Next {
        if self.is_receiving || self.is_sending {
            return Next::InFlight;
        }
        let next = match self.end.take() {
            Some(end) => Next::Closing(*end),
            None => self.advance(ring, key).unwrap_or_else(|reason| Next::Closing(Err(reason))),
        };
        if let Next::Closing(_) = next {
            self.held.take().into_iter().for_each(|lease| ring.give_back(lease));
        }
        next
    }

    fn advance(&mut self, ring: &mut Ring, key: u32) -> Result<Next, CloseReason> {
        let is_paused = self.is_paused();
        if is_paused && let Some(cause) = self.connection.handle.entry().close_cause() {
            // It is not read to its end, which would show this otherwise.
            return Err(cause.into());
        }
        if !is_paused && self.uncounted > 0 {
            self.connection.handle.record_received(mem::take(&mut self.uncounted));
        }
        if self.held.is_some() {
            let complete = if is_paused || self.unsent > 0 { 0 } else { self.complete_frames_held(ring)? };
            if complete > 0 {
                return Ok(self.send_held(ring, key, complete));
            }
            if let Err(no_room) = self.keep_held(ring)? {
                no_room.wait_or_close()?;
                return Ok(Next::Room);
            }
        }
        if self.unsent == 0 && !is_paused {
            self.unsent = self.connection.complete_frames()?;
        }
        if self.unsent > 0 {
            return self.send_own(ring, key);
        }
        self.connection.frames.park()?;
        self.connection.count_buffered(0);
        self.connection.handle.set_pending_output(false);
        if is_paused {
            return Ok(Next::Resumption);
        }
        self.receive(ring, key)
    }

    /// Length of the complete frames that the provided buffer begins with.
    fn complete_frames_held(&mut self, ring: &mut Ring) -> Result<usize, CloseReason> {
        self.gather(ring)?;
        let Some(lease) = &self.held else { return Ok(0) };
        let connection = &mut self.connection;
        let (bytes, named) = (ring.bytes(lease), &mut connection.may_be_named);
        complete_frames_in(bytes, &mut connection.decoder, named, &connection.handle)
    }

    /// Moves the start of a frame that arrived earlier to the front of the provided buffer, and frees its own.
    fn gather(&mut self, ring: &mut Ring) -> Result<(), CloseReason> {
        let frames = &mut self.connection.frames;
        let earlier = frames.unread().len();
        if let Some(lease) = &mut self.held
            && earlier > 0
        {
            ring.prepend(lease, frames.unread());
            frames.consume(earlier);
        }
        frames.park()?;
        self.connection.count_buffered(0);
        Ok(())
    }

    /// Sends complete frames from the provided buffer, and receives again if nothing is left over.
    fn send_held(&mut self, ring: &mut Ring, key: u32, complete: usize) -> Next {
        let lease = self.held.take().expect("the frames are in it");
        let goes_on = complete == lease.len() && self.connection.handle.has_room();
        let size = goes_on.then(|| self.size());
        self.unsent = complete;
        self.is_sending = true;
        self.is_receiving = goes_on;
        ring.send(&self.connection.stream, key, lease, complete, size);
        Next::InFlight
    }

    /// Moves what is in the provided buffer to its own, and gives the provided one back; or leaves it there if there is no room.
    fn keep_held(&mut self, ring: &mut Ring) -> Result<Result<(), NoRoom>, CloseReason> {
        self.gather(ring)?;
        let Some(lease) = &self.held else { return Ok(Ok(())) };
        let connection = &mut self.connection;
        if let Err(no_room) = connection.handle.grow(lease.len()) {
            return Ok(Err(no_room));
        }
        connection.frames.keep(ring.bytes(lease))?;
        connection.count_buffered(0);
        self.held.take().into_iter().for_each(|lease| ring.give_back(lease));
        Ok(Ok(()))
    }

    /// Sends complete frames from its own buffer, and waits for the peer to read.
    fn send_own(&mut self, ring: &mut Ring, key: u32) -> Result<Next, CloseReason> {
        let connection = &mut self.connection;
        connection.handle.set_pending_output(true);
        let buffer = connection.frames.take().expect("it contains what is unsent");
        ring.send_own(&connection.stream, key, buffer, self.unsent)?;
        self.is_sending = true;
        Ok(Next::InFlight)
    }

    /// Receives into a provided buffer, or into its own in the middle of a long frame.
    fn receive(&mut self, ring: &mut Ring, key: u32) -> Result<Next, CloseReason> {
        let size = self.size();
        let Connection { handle, frames, stream, .. } = &mut self.connection;
        let is_in_a_long_frame = frames.unread().len() > HEADROOM;
        let room = match is_in_a_long_frame {
            true => match frames.need(READ)? {
                Need::Growth(bytes @ 1..) => handle.grow(bytes),
                _ => Ok(()),
            },
            false if handle.has_room() => Ok(()),
            false => handle.make_room(),
        };
        if let Err(no_room) = room {
            no_room.wait_or_close()?;
            return Ok(Next::Room);
        }
        if is_in_a_long_frame {
            let room = frames.room(READ)?.len();
            let buffer = frames.take().expect("it has the start of the frame");
            ring.receive_own(stream, key, buffer, room)?;
        } else {
            ring.receive(stream, key, size);
        }
        self.is_receiving = true;
        Ok(Next::InFlight)
    }

    fn size(&self) -> Size {
        if self.is_streaming { Size::Large } else { Size::Small }
    }

    /// Whether it must not take up what its peer sends.
    fn is_paused(&self) -> bool {
        self.connection.handle.settings().is_paused()
    }
}

/// Bytes of a small provided buffer: longer than most messages.
pub(crate) const SMALL: usize = 4096;

const _: () = assert!(HEADROOM >= super::frames::MAX_MOVED);
